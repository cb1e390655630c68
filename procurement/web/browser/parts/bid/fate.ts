import type { Service } from "../../../../../bids/browser/client.ts";
import type { Announced } from "../../../../browser/tender.ts";
import type { Link } from "./chain.ts";

export async function showFate(_service: Service, _tender: Announced, _chain: readonly Link[], _place: HTMLElement): Promise<void> {}
