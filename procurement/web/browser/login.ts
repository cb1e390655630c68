/** Log-in by this browser's key, where it has one: what signs is loaded only then. */

import { attend } from "./parts/forms.ts";
import type { Identity } from "./parts/identity.ts";
import { get } from "./parts/store.ts";

const section = document.querySelector<HTMLElement>("#key-log-in")!;

async function offer(): Promise<void> {
  const who = await get<Identity>("identity", "current").catch(() => null); // a browser that keeps nothing has no key
  if (who?.state !== "certified") return;
  section.querySelector("[data-fill=name]")!.textContent = who.name;
  section.hidden = false;
}

attend(section.querySelector("form")!, {}, async () => {
  const [{ signer }, { logIn }] = await Promise.all([import("./parts/identity.ts"), import("./parts/login.ts")]);
  await logIn(await signer());
  location.assign("/desk/bids");
});
void offer();
