/** What was sealed here and what came of it, drawn: one card for each link of the chain, the latest first. */

import { type Bytes, milliseconds } from "../../../../../crypto/browser/encoding.ts";
import { has, say, when } from "../words.ts";
import { receiptOf, refusalOf } from "./bidder.ts";
import { type Enclosed, type Link, latest, successor, underWay } from "./chain.ts";
import { writeShown } from "./cosign.ts";
import { grouped } from "./decimal.ts";
import { byId, button, facts, piece, save, slot } from "./page.ts";
import { type Spoken, inWords } from "./said.ts";

/** What a card's buttons do. */
export interface Acts {
  submit(link: Link): Promise<void>;
  upload(): Promise<void>;
  withdraw(): Promise<void>;
  replace(): void;
}

/** Whether bids are taken, whether documents are, and whether some are being sent. */
export interface Time {
  readonly open: boolean;
  readonly uploads: boolean;
  readonly uploading: boolean;
}

export class View {
  readonly #ocid: string;
  readonly #acts: Acts;
  readonly #place = slot(byId("chain"), "elements");
  /** Bytes that are there, by the file's place, while a file is under way. */
  readonly #sent = new Map<string, number>();

  constructor(ocid: string, acts: Acts) {
    this.#ocid = ocid;
    this.#acts = acts;
  }

  draw(chain: readonly Link[], notice: Spoken, time: Time): void {
    byId("chain").hidden = !chain.length;
    const focused = this.#place.contains(document.activeElement);
    const cards = [...chain].reverse().map((link) => this.#card(link, chain, notice, time));
    this.#place.replaceChildren(...cards);
    if (focused) cards[0]?.focus();
  }

  /** How far a file is. */
  sent(file: Enclosed, count: number): void {
    this.#sent.set(file.place, count);
    const bar = document.getElementById(`sent:${file.place}`) as HTMLProgressElement | null;
    if (!bar) return;
    bar.hidden = false;
    bar.value = count;
  }

  #card(link: Link, chain: readonly Link[], notice: Spoken, time: Time): HTMLElement {
    const card = piece("link-template");
    const next = successor(link, chain);
    card.dataset["number"] = String(link.number);
    card.dataset["state"] = next ? "replaced" : link.state;
    slot(card, "heading").textContent = say(`link-${link.kind}`, { number: link.number });
    slot(card, "state").textContent = say(next ? `state-${next.kind}` : `state-${link.kind}-${link.state}`, { number: next?.number ?? "" });
    slot(card, "said").textContent = said(link);
    slot(card, "id").textContent = link.id;
    const files = next || link.state === "refused" ? [] : link.files;
    slot(card, "files").replaceChildren(...files.map((each) => this.#file(each, link, time.uploads)));
    this.#content(card, link, notice);
    slot(card, "acts").append(...this.#buttons(link, chain, next, time));
    return card;
  }

  #file(file: Enclosed, link: Link, uploads: boolean): HTMLElement {
    const item = piece("file-template");
    const receipt = link.receipts[file.number];
    const bar = item.querySelector("progress")!;
    slot(item, "title").textContent = file.title ?? say("file-restricted");
    const size = grouped(String(file.size), document.documentElement.lang);
    const state = receipt ? "file-there" : uploads ? "file-awaited" : "file-missing";
    slot(item, "state").textContent = say(state, { size });
    bar.id = `sent:${file.place}`;
    bar.max = file.size;
    bar.value = this.#sent.get(file.place) ?? 0;
    bar.hidden = !this.#sent.has(file.place) || Boolean(receipt);
    bar.setAttribute("aria-label", slot(item, "title").textContent!);
    if (receipt) item.append(button("save-receipt", () => save(`${this.#ocid}-${link.number}-file-${file.number}.json`, receipt), "link"));
    return item;
  }

  #content(card: HTMLElement, link: Link, notice: Spoken): void {
    const place = slot(card, "content");
    place.hidden = !link.shown;
    if (!link.shown) return;
    const { contents, restricted } = link.shown;
    facts(slot(card, "bid"), inWords({ open: contents, restricted }, notice, link.partners));
  }

  #buttons(link: Link, chain: readonly Link[], next: Link | undefined, time: Time): HTMLElement[] {
    const { open, uploads, uploading } = time;
    const buttons: HTMLElement[] = [];
    const name = `${this.#ocid}-${link.number}`;
    const last = link === chain[chain.length - 1];
    const free = open && underWay(chain) === undefined;
    if (last && canSend(link)) buttons.push(button("act-send", () => this.#acts.submit(link), "govuk-button"));
    if (link.partners.length && link.shown && !link.answer) {
      buttons.push(button("act-partners", () => save(`${name}-sealed.json`, writeShown({ envelope: link.statement as Bytes, ...link.shown! }))));
    }
    if (link.answer && link.state === "accepted") {
      buttons.push(button("save-receipt", () => save(`${name}-receipt.json`, link.answer!)), pdf(this.#ocid, link));
    }
    if (link.refusal) buttons.push(button("save-refusal", () => save(`${name}-refusal.json`, link.refusal!)));
    if (link.contradiction) buttons.push(button("save-contradiction", () => save(`${name}-contradiction.json`, link.contradiction!)));
    if (!next && link === latest(chain) && link.kind === "envelope") {
      const missing = link.files.some((each) => !link.receipts[each.number]);
      if (missing && uploads && !uploading) buttons.push(button("act-upload", () => this.#acts.upload(), "govuk-button"));
      if (free) buttons.push(button("act-replace", () => this.#acts.replace()));
      if (free) buttons.push(button("act-withdraw", () => this.#acts.withdraw(), "govuk-button govuk-button--warning"));
    }
    return buttons;
  }
}

function canSend(link: Link): boolean {
  return link.state === "sealed" || (link.refusal !== undefined && refusalOf(link.refusal).reason === "co-signature-missing");
}

function said(link: Link): string {
  if (link.answer) {
    const receipt = receiptOf(link.answer);
    const time = when(milliseconds(receipt.time));
    const doubt = receipt.inDoubt ? ` ${say("in-doubt")}` : "";
    return say(`said-${link.state}`, { time }) + doubt;
  }
  if (!link.refusal) return say(`said-${link.state}`);
  const { time, reason, detail } = refusalOf(link.refusal);
  const because = has(`refusal-${reason}`) ? say(`refusal-${reason}`) : say("refusal-other", { detail });
  return say("said-refused", { time: when(milliseconds(time)), because });
}

function pdf(ocid: string, link: Link): HTMLElement {
  const made = document.createElement("a");
  made.href = `/tenders/${ocid}/receipts/${link.id}.pdf`;
  made.textContent = say("receipt-pdf");
  return made;
}
