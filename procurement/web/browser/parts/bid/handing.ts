/** The helper's side: the draft is left for the bidder's phone, whose camera reads the way to it off this screen. */

import { say, when } from "../words.ts";
import type { Draft } from "./draft.ts";
import { addressOf, leave } from "./handover.ts";
import { byId, once, slot } from "./page.ts";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4; // modules around the code

type Guard = (act: () => Promise<void>) => Promise<void>;

export class Handing {
  readonly #ocid: string;
  readonly #draft: () => Draft;
  readonly #closes: () => number;
  readonly #handed = byId("handed");
  readonly #address = byId<HTMLInputElement>("handed-address");
  readonly #copied = slot(this.#handed, "copied");

  /** `guard` says what goes wrong; `closes` is when the box shuts (milliseconds); `discard` deletes the draft here. */
  constructor(ocid: string, guard: Guard, draft: () => Draft, closes: () => number, discard: () => Promise<void>) {
    this.#ocid = ocid;
    this.#draft = draft;
    this.#closes = closes;
    this.#bind("hand-over", () => guard(() => this.#leave()));
    this.#bind("copy-address", () => guard(() => this.#copy()));
    this.#bind("discard", () => guard(discard));
  }

  /** What was handed over is not the draft any more. */
  outdate(): void {
    this.#handed.hidden = true;
  }

  #bind(id: string, act: () => Promise<void>): void {
    const button = byId<HTMLButtonElement>(id);
    button.addEventListener("click", () => once(button, act));
  }

  async #leave(): Promise<void> {
    this.outdate();
    const draft = this.#draft();
    const { encode } = await import("uqr");
    const { link, until } = await leave(this.#ocid, draft);
    const address = addressOf(this.#ocid, link);
    slot(this.#handed, "code").replaceChildren(drawn(encode(address, { ecc: "M", border: QUIET }).data));
    slot(this.#handed, "until").textContent = say("handed-until", { time: when(Math.min(until, this.#closes())) });
    slot(this.#handed, "files").hidden = !draft.documents.length;
    this.#address.value = address;
    this.#copied.textContent = "";
    this.#handed.hidden = false;
    this.#handed.focus();
  }

  /** Where the browser does not copy, the address is marked, to be copied by hand. */
  async #copy(): Promise<void> {
    this.#address.select();
    const copied = await navigator.clipboard?.writeText(this.#address.value).then(() => true, () => false);
    this.#copied.textContent = say(copied ? "handed-copied" : "handed-marked");
  }
}

/** Black on white, in whatever colours the page is: cameras want it so. */
function drawn(modules: readonly (readonly boolean[])[]): SVGElement {
  const size = modules.length;
  const code = made("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": say("handed-code"), class: "code" });
  const dots = modules.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
  const ground = made("rect", { width: String(size), height: String(size), fill: "#fff" });
  code.append(ground, made("path", { d: dots.join(""), fill: "#000", "shape-rendering": "crispEdges" }));
  return code;
}

function made(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const element = document.createElementNS(SVG, name) as SVGElement;
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  return element;
}
