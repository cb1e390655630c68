/** The draft of a bid: what its bidder entered, what is missing or wrong in it, and what is sealed.
 *
 * Twin of `procurement/bidding/draft.py`. Fields are kept by the names that the page gives them
 * (`templates/bid_draft.html`), so that a draft outlives a change of the terms. */

import { type Bytes, type Json, encode } from "../../../../../crypto/browser/encoding.ts";
import {
  type Content,
  LARGEST_RESTRICTED,
  type Place,
  type SealedFile,
  nameOf,
} from "../../../../../bids/browser/envelope.ts";
import { COUNTRIES, MOST_NATIONALITIES, MOST_PERSONS } from "../../../../browser/owners.ts";
import { parse, typed } from "./decimal.ts";

const PADDED_TO = 256; // bytes
const LONGEST_LINE = 300;
const TAG = 16;
const MEDIA_TYPE = /^[a-z0-9.+-]{1,40}\/[a-z0-9.+-]{1,80}$/;
const FINGERPRINT = /^[0-9a-f]{64}$/;
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]/u;

export type Fields = Readonly<Record<string, string>>;

/** A file that was chosen and sealed here under `key`; `place` is where its sealed form lies (`files.ts`). */
export interface DraftDocument {
  readonly place: string;
  readonly title: string;
  readonly format: string;
  readonly restricted: boolean;
  /** Name of what it opens with (`nameOf`). */
  readonly part: string;
  readonly key: string;
  readonly sha256: string;
  readonly size: number;
  readonly sealed: { readonly sha256: string; readonly size: number };
}

/** `title` is the tender's; `terms` is the digest of the terms that its bidder has seen last. */
export interface Draft {
  readonly title: string;
  readonly terms: string;
  readonly fields: Fields;
  readonly documents: readonly DraftDocument[];
  readonly saved?: string;
  /** Somebody else prepared it and its bidder has not read it yet: the titles of documents that did not come along. */
  readonly prepared?: readonly string[] | undefined;
}

/** What the notice asks, and the page knows of each lot: the decimals of its prices. */
export interface Asked {
  /** Everything that an envelope seals apart, in its order. */
  readonly parts: readonly Place[];
  readonly lots: readonly AskedLot[];
  readonly declarations: readonly string[];
  /** Whether owners are to be named. */
  readonly owners: boolean;
  readonly contentLimit: number;
  readonly documentLimit: number;
  readonly documentSize: number;
  readonly partnerLimit: number;
}

export interface AskedLot {
  readonly id: string;
  readonly title: string;
  readonly places: number;
  readonly picks: boolean;
  readonly costs: readonly string[];
}

/** What is wrong, by a word of the page, and in which field. */
export interface Fault {
  readonly code: string;
  readonly field: string;
  readonly values: Readonly<Record<string, string | number>>;
}

export interface Contents {
  readonly open: readonly Content[];
  readonly restricted: readonly Content[];
}

// ── what is sealed ────────────────────────────────────────────────────────────────────────────────────────────────

/** The draft as it is sealed, its documents numbered in their order. Throws MalformedError for what has no canonical
 * form. */
export function contents(draft: Draft, asked: Asked): Contents {
  const first = asked.parts[0]!;
  const open = asked.parts.flatMap((place) => publicOf(draft, asked, place));
  const restricted = open.flatMap(({ part, lot }) => {
    const text = part === first.part ? textOf(draft.fields, "restricted") : "";
    const documents = documentsOf(draft, { part, lot }, true);
    return text || documents.length ? [{ part, lot, content: padded({ text, documents }) }] : [];
  });
  return { open, restricted };
}

/** What is public of a part; nothing of a lot's own part that is not bid for. */
function publicOf(draft: Draft, asked: Asked, place: Place): Content[] {
  const documents = documentsOf(draft, place, false);
  const declared = asked.declarations.filter((id) => draft.fields[`declare:${id}`] === "yes");
  const isFirst = place === asked.parts[0];
  const declarations = isFirst ? declared : [];
  const owners = isFirst && asked.owners ? businesses(draft.fields).map((whose) => ownershipOf(draft.fields, whose)) : [];
  if (place.part === "technical") {
    const proposal = { proposal: textOf(draft.fields, "proposal"), declarations, owners, documents };
    return [{ ...place, content: padded(proposal, ["proposal"]) }];
  }
  const offers = offersOf(draft.fields, asked, place.lot);
  return offers.length ? [{ ...place, content: padded({ offers, declarations, owners, documents }) }] : [];
}

/** The lots that are bid for: all that are ticked, or the only one. */
export function chosen(fields: Fields, asked: Asked): AskedLot[] {
  return asked.lots.filter((lot) => asked.lots.length === 1 || fields[`bids:${lot.id}`] === "yes");
}

export function partners(fields: Fields): string[] {
  return (fields["partners"] ?? "").toLowerCase().split(/[\s,]+/).filter(Boolean);
}

/** The businesses of the bid as fields name them: one's own, and each partner's by its certificate. */
export function businesses(fields: Fields): string[] {
  return ["own", ...new Set(partners(fields).filter((each) => FINGERPRINT.test(each)))];
}

/** The rows in which something of a business's owners is entered. */
export function rows(fields: Fields, whose: string): number[] {
  const all = Array.from({ length: MOST_PERSONS }, (_, i) => i + 1);
  return all.filter((row) => ["name", "nationalities"].some((each) => textOf(fields, `owner:${whose}:${row}:${each}`)));
}

/** Codes of countries as they are typed: in any case, with commas or spaces between them. */
export function nationalities(text: string): string[] {
  return [...new Set(text.toUpperCase().split(/[\s,;]+/).filter(Boolean))];
}

/** The documents' sealed files, as the envelope lists them. */
export function sealedFiles(draft: Draft): SealedFile[] {
  return draft.documents.map((each, i) => ({ number: i + 1, ...each.sealed }));
}

/** A title or text as it is sealed: tabs are spaces, nobody sees which it was. */
export function plain(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(/\t/g, " ").trim();
}

export function mediaType(file: { readonly type: string }): string {
  return MEDIA_TYPE.test(file.type) ? file.type : "application/octet-stream";
}

function offersOf(fields: Fields, asked: Asked, only: string | undefined): Json[] {
  const lots = chosen(fields, asked).filter(({ id }) => only === undefined || id === only);
  return lots.map((lot) => {
    const picks = picked(fields, lot);
    const costs = lot.costs.map((id) => ({ id, amount: typed(fields[`cost:${lot.id}:${id}`] ?? "") }));
    return without({ lot: lot.id, amount: amountOf(fields, lot), picks: picks ?? [], costs });
  });
}

function picked(fields: Fields, lot: AskedLot): number[] | null {
  if (!lot.picks) return null;
  return ["1", "2"].map((place) => Number(fields[`pick${place}:${lot.id}`] ?? 0));
}

function amountOf(fields: Fields, lot: AskedLot): string {
  return typed(fields[`amount:${lot.id}`] ?? "");
}

function ownershipOf(fields: Fields, whose: string): Json {
  const partner = whose === "own" ? "" : whose;
  const unnamed = fields[`owned:${whose}`] ?? "";
  const persons = unnamed ? [] : rows(fields, whose).map((row) => ({
    name: textOf(fields, `owner:${whose}:${row}:name`),
    nationalities: nationalities(fields[`owner:${whose}:${row}:nationalities`] ?? ""),
  }));
  return without({ partner, persons, unnamed });
}

function textOf(fields: Fields, name: string): string {
  return plain(fields[name] ?? "");
}

function documentsOf(draft: Draft, place: Place, restricted: boolean): Json[] {
  const within = (each: DraftDocument): boolean => each.part === nameOf(place) && each.restricted === restricted;
  return draft.documents.flatMap((each, i) => (within(each) ? [documentOf(each, i + 1)] : []));
}

function documentOf(each: DraftDocument, number: number): Json {
  const { title, format, key, sha256, size } = each;
  return { number, title: plain(title), format, key, sha256, size };
}

/** Canonical JSON filled up to a multiple of 256 bytes: a length would tell how many digits a price has. */
function padded(content: { [name: string]: Json }, required: readonly string[] = []): Bytes {
  const bare = { ...without(content, required), padding: "" };
  const lacking = (PADDED_TO - (encode(bare).length % PADDED_TO)) % PADDED_TO;
  return encode({ ...bare, padding: " ".repeat(lacking) });
}

/** Without what has its default, so that a value has one encoding. */
function without(value: { [name: string]: Json }, required: readonly string[] = []): { [name: string]: Json } {
  const stays = ([name, each]: [string, Json]): boolean =>
    required.includes(name) || (each !== "" && !(Array.isArray(each) && !each.length));
  return Object.fromEntries(Object.entries(value).filter(stays));
}

// ── what is wrong ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Everything because of which the bid would not open, or not be taken; nothing where it is in order. `own` is the
 * fingerprint of who signs. */
export function faults(draft: Draft, asked: Asked, own: string): Fault[] {
  const found = [
    ...offerFaults(draft.fields, asked),
    ...proposalFaults(draft.fields, asked),
    ...declarationFaults(draft.fields, asked),
    ...ownerFaults(draft.fields, asked),
    ...documentFaults(draft, asked),
    ...textFaults(draft.fields),
    ...partnerFaults(draft.fields, asked, own),
  ];
  return found.length ? found : lengthFaults(draft, asked);
}

function fault(code: string, field: string, values: Fault["values"] = {}): Fault {
  return { code, field, values };
}

function offerFaults(fields: Fields, asked: Asked): Fault[] {
  const lots = chosen(fields, asked);
  if (!lots.length) return [fault("no-lot", `bids:${asked.lots[0]!.id}`)];
  return lots.flatMap((lot) => [
    ...amountFaults(`amount:${lot.id}`, amountOf(fields, lot), lot, "price"),
    ...lot.costs.flatMap((id) => {
      const field = `cost:${lot.id}:${id}`;
      return amountFaults(field, typed(fields[field] ?? ""), lot, "cost");
    }),
    ...pickFaults(fields, lot),
  ]);
}

function amountFaults(field: string, amount: string, lot: AskedLot, what: "price" | "cost"): Fault[] {
  const values = { lot: lot.title, places: lot.places };
  if (!amount) return [fault(`no-${what}`, field, values)];
  const number = parse(amount, lot.places);
  if (!number) return [fault(lot.places ? "not-plain" : "not-whole", field, values)];
  return what === "price" && !number.digits ? [fault("price-zero", field, values)] : [];
}

function pickFaults(fields: Fields, lot: AskedLot): Fault[] {
  const [one, two] = picked(fields, lot) ?? [];
  if (one === undefined) return [];
  if (one && two && one !== two) return [];
  return [fault(one && one === two ? "picks-equal" : "no-picks", `pick${one && !two ? 2 : 1}:${lot.id}`, { lot: lot.title })];
}

function proposalFaults(fields: Fields, asked: Asked): Fault[] {
  const isAsked = asked.parts.some(({ part }) => part === "technical");
  return isAsked && !textOf(fields, "proposal") ? [fault("no-proposal", "proposal")] : [];
}

function declarationFaults(fields: Fields, asked: Asked): Fault[] {
  const missing = asked.declarations.filter((id) => fields[`declare:${id}`] !== "yes");
  return missing.map((id) => fault("not-declared", `declare:${id}`));
}

function ownerFaults(fields: Fields, asked: Asked): Fault[] {
  if (!asked.owners) return [];
  return businesses(fields).filter((whose) => !fields[`owned:${whose}`]).flatMap((whose) => {
    const found = rows(fields, whose);
    return found.length ? found.flatMap((row) => personFaults(fields, `owner:${whose}:${row}`)) : [fault("no-owner", `owner:${whose}:1:name`)];
  });
}

function personFaults(fields: Fields, id: string): Fault[] {
  const name = textOf(fields, `${id}:name`);
  const codes = nationalities(fields[`${id}:nationalities`] ?? "");
  const isName = name !== "" && [...name].length <= LONGEST_LINE && !CONTROL.test(name);
  const areKnown = codes.every((each) => COUNTRIES.includes(each));
  const isWell = codes.length > 0 && codes.length <= MOST_NATIONALITIES && areKnown;
  return [
    ...(isName ? [] : [fault("owner-name", `${id}:name`)]),
    ...(isWell ? [] : [fault("nationality-wrong", `${id}:nationalities`, { most: MOST_NATIONALITIES })]),
  ];
}

function documentFaults({ documents, fields }: Draft, asked: Asked): Fault[] {
  const withheld = new Set(documents.filter((each) => each.restricted).map((each) => each.part));
  if (textOf(fields, "restricted")) withheld.add(nameOf(asked.parts[0]!));
  const count = documents.length + withheld.size;
  const counts = { count, restricted: withheld.size, most: asked.documentLimit };
  const found = count > asked.documentLimit ? [fault("too-many-documents", "files", counts)] : [];
  const lots = new Set(chosen(fields, asked).map(({ id }) => id));
  const there = asked.parts.filter(({ lot }) => lot === undefined || lots.has(lot)).map(nameOf);
  const opens = ({ part }: DraftDocument): boolean => there.includes(part);
  const each = (document: DraftDocument): Fault[] => {
    const title = plain(document.title);
    const field = `title:${document.place}`;
    const large = document.sealed.size > asked.documentSize;
    return [
      ...(opens(document) ? [] : [fault("document-unpriced", `part:${document.place}`, { title })]),
      ...(large ? [fault("document-too-large", field, { title, size: document.sealed.size, most: asked.documentSize })] : []),
      ...(title && [...title].length <= LONGEST_LINE && !CONTROL.test(title) ? [] : [fault("title-wrong", field)]),
    ];
  };
  return [...found, ...documents.flatMap(each)];
}

function textFaults(fields: Fields): Fault[] {
  return ["proposal", "restricted"].filter((name) => CONTROL.test(textOf(fields, name))).map((name) => fault("sign", name));
}

function partnerFaults(fields: Fields, asked: Asked, own: string): Fault[] {
  const named = partners(fields);
  const wrong = named.find((each) => !FINGERPRINT.test(each));
  if (wrong) return [fault("partner-wrong", "partners", { partner: wrong.slice(0, 80) })];
  if (new Set([own, ...named]).size <= named.length) return [fault("partner-twice", "partners")];
  return named.length > asked.partnerLimit ? [fault("too-many-partners", "partners", { most: asked.partnerLimit })] : [];
}

function lengthFaults(draft: Draft, asked: Asked): Fault[] {
  const { open, restricted } = contents(draft, asked);
  const longest = Math.min(LARGEST_RESTRICTED, asked.documentSize - TAG);
  const withheld = restricted.map(({ content }) => content.length);
  return [...tooLong(together(open), asked.contentLimit, "proposal"), ...tooLong(withheld, longest, "restricted")];
}

/** How long each part is, with all of its lots. */
function together(contents: readonly Content[]): number[] {
  const sizes = new Map<string, number>();
  for (const { part, content } of contents) sizes.set(part, (sizes.get(part) ?? 0) + content.length);
  return [...sizes.values()];
}

function tooLong(sizes: readonly number[], most: number, field: string): Fault[] {
  return sizes.filter((size) => size > most).map((size) => fault("too-long", field, { size, most }));
}
