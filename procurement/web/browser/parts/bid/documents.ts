/** The documents of a draft: each is sealed as soon as it is chosen, in a worker, and can be named and marked. */

import { sealedSize } from "../../../../../crypto/browser/stream.ts";
import { toHex } from "../../../../../crypto/browser/encoding.ts";
import type { Order, Report } from "../../sealing.ts";
import { say } from "../words.ts";
import { grouped } from "./decimal.ts";
import { type DraftDocument, type Fault, mediaType, plain } from "./draft.ts";
import { newPlace, remove } from "./files.ts";
import { byId, piece, slot } from "./page.ts";

interface Row {
  readonly element: HTMLElement;
  readonly bar: HTMLProgressElement;
  document: DraftDocument;
  state: "sealing" | "sealed" | "failed";
}

export class Documents {
  readonly #list = byId<HTMLElement>("documents");
  readonly #rows = new Map<string, Row>();
  readonly #limits: { readonly parts: readonly string[]; readonly size: number };
  readonly #ocid: string;
  readonly #changed: () => void;
  readonly #address: string;
  #worker: Worker | undefined;

  /** `address` is the worker's. */
  constructor(ocid: string, address: string, limits: { parts: readonly string[]; size: number }, changed: () => void) {
    this.#ocid = ocid;
    this.#address = address;
    this.#limits = limits;
    this.#changed = changed;
    const chooser = document.getElementById("files") as HTMLInputElement | null;
    chooser?.addEventListener("change", () => {
      for (const each of chooser.files ?? []) this.#seal(each);
      chooser.value = "";
    });
  }

  /** Those that are sealed, in their order. */
  get sealed(): DraftDocument[] {
    return [...this.#rows.values()].filter((each) => each.state === "sealed").map((each) => each.document);
  }

  /** Where files lie, or are being sealed. */
  get places(): string[] {
    return [...this.#rows.keys()];
  }

  /** What is not sealed yet, or could not be. */
  get faults(): Fault[] {
    const open = [...this.#rows.values()].filter((each) => each.state !== "sealed");
    return open.map((each) => ({ code: `document-${each.state}`, field: `title:${each.document.place}`, values: { title: each.document.title } }));
  }

  fill(documents: readonly DraftDocument[]): void {
    for (const each of documents) this.#show(each, "sealed");
  }

  #seal(file: File): void {
    const key = toHex(crypto.getRandomValues(new Uint8Array(32)));
    const place = newPlace(this.#ocid);
    const stated = { place, title: plain(file.name), format: mediaType(file), restricted: false, part: this.#limits.parts[0]! };
    const sealed = { sha256: "", size: sealedSize(file.size) };
    const row = this.#show({ ...stated, key, sha256: "", size: file.size, sealed }, "sealing");
    if (sealed.size > this.#limits.size) this.#fail(row, "document-too-large");
    else this.#order({ place, file, key });
  }

  #order(order: Order): void {
    if (!this.#worker) {
      this.#worker = new Worker(this.#address, { type: "module" });
      this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#hear(data);
    }
    this.#worker.postMessage(order);
  }

  #hear(report: Report): void {
    const row = this.#rows.get(report.place);
    if (!row) return void ("document" in report && remove(report.place)); // removed meanwhile
    if ("done" in report) row.bar.value = report.done;
    else if ("trouble" in report) this.#fail(row, report.trouble);
    else {
      const { plain, sealed } = report.document;
      row.document = { ...row.document, ...plain, sealed };
      this.#tell(row, "sealed");
      this.#changed();
    }
  }

  #fail(row: Row, why: string): void {
    this.#tell(row, "failed");
    slot(row.element, "state").textContent = say(`document-${why}`);
  }

  #tell(row: Row, state: Row["state"]): void {
    row.state = state;
    row.bar.hidden = state !== "sealing";
    slot(row.element, "state").textContent = say(`document-${state}`);
  }

  #show(document: DraftDocument, state: Row["state"]): Row {
    const element = piece("document-template");
    const row: Row = { element, bar: element.querySelector("progress")!, document, state };
    const size = grouped(String(document.size), window.document.documentElement.lang);
    slot(element, "about").textContent = say("document-about", { format: document.format, size });
    row.bar.max = document.size || 1;
    this.#bindTitle(row);
    this.#bindChoices(row);
    element.querySelector("[data-remove]")!.addEventListener("click", () => this.#remove(row));
    this.#rows.set(document.place, row);
    this.#tell(row, state);
    this.#list.append(element);
    return row;
  }

  #bindTitle(row: Row): void {
    const input = row.element.querySelector<HTMLInputElement>("input[type=text]")!;
    input.id = `title:${row.document.place}`;
    input.value = row.document.title;
    slot(row.element, "fault").id = `${input.id}-fault`;
    row.element.querySelector<HTMLLabelElement>("label")!.htmlFor = input.id;
    row.element.querySelector("[data-remove]")!.setAttribute("aria-describedby", input.id);
    input.addEventListener("input", () => (row.document = { ...row.document, title: plain(input.value) }));
  }

  #bindChoices(row: Row): void {
    const box = row.element.querySelector<HTMLInputElement>("input[type=checkbox]")!;
    box.id = `restricted:${row.document.place}`;
    (box.nextElementSibling as HTMLLabelElement).htmlFor = box.id;
    box.checked = row.document.restricted;
    box.addEventListener("input", () => (row.document = { ...row.document, restricted: box.checked }));
    const part = row.element.querySelector<HTMLSelectElement>("select");
    if (!part) return;
    part.id = `part:${row.document.place}`;
    slot(row.element, "part-fault").id = `${part.id}-fault`;
    part.parentElement!.querySelector("label")!.htmlFor = part.id;
    part.value = row.document.part;
    part.addEventListener("input", () => (row.document = { ...row.document, part: part.value }));
  }

  #remove(row: Row): void {
    row.element.remove();
    this.#rows.delete(row.document.place);
    byId("files").focus();
    this.#changed();
  }
}
