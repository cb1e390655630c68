/** A bid as this browser keeps it: what `procurement/bidding/folder.py` keeps in a folder, here by ocid in `elements`. */

import { all } from "./store.ts";

/** How far an element has come; `promised` is a signed promise, `accepted` a verified receipt. */
export type State = "sealed" | "sent" | "promised" | "accepted" | "refused";

/** One sealed bid or withdrawal, as it was signed, with what came of it. */
export interface Element {
  readonly kind: "envelope" | "withdrawal";
  readonly state: State;
  /** What is sent: the DSSE statement. */
  readonly statement: Uint8Array;
  /** Its id, hex. */
  readonly id: string;
  /** The service's verified answer (the JSON of a held receipt): a promise until the receipt takes its place. */
  readonly answer?: Uint8Array;
  /** The signed refusal. */
  readonly refusal?: Uint8Array;
  /** When the service took it, by its receipt or promise: a Moment. */
  readonly taken?: string;
}

/** The chain of one tender, the oldest element first. Pages may keep more with it. */
export interface Folder {
  readonly title: string;
  readonly deadline: string;
  readonly chain: readonly Element[];
}

/** Every tender in which something was sealed in this browser, by ocid. */
export function folders(): Promise<Map<string, Folder>> {
  return all<Folder>("elements");
}
