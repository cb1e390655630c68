/** What is in a bid, checked by the opener's own checks before it is sealed; sealed, and co-signed by partners. Twin of
 * the contents in `procurement/tenders.py`, `documents.py`, and of `seal_bid` and `co_sign` in `client.py`. */

import { type Service, pathOf } from "../../bids/browser/client.ts";
import {
  CO_SIGNATURE,
  type Content,
  ENVELOPE,
  MOST_DOCUMENTS,
  MOST_PARTNERS,
  type SealedFile,
  compose,
  documentNumber,
  freshEntropy,
  isSame,
  sealRestricted,
  verifySealed,
} from "../../bids/browser/envelope.ts";
import { EnvelopeError, Unopenable } from "../../bids/browser/errors.ts";
import type { Signer } from "../../crypto/browser/certificates.ts";
import { type Bytes, moment, sha256, toHex } from "../../crypto/browser/encoding.ts";
import { MalformedError } from "../../crypto/browser/errors.ts";
import { Statement, sign } from "../../crypto/browser/statements.ts";
import { plainSize } from "../../crypto/browser/stream.ts";
import {
  type Of,
  type Type,
  answered,
  decodeAs,
  defaulted,
  encodeAs,
  hex32,
  identifier,
  integer,
  list,
  longText,
  loose,
  maybe,
  pattern,
  small,
  struct,
} from "../../crypto/browser/values.ts";
import currencies from "../currencies.json" with { type: "json" };
import { type Lot, type Notice, amount, line, mediaType, partsOf, single } from "./notice.ts";
import { checkOwners, ownership } from "./owners.ts";
import { type Announced, checkOpen } from "./tender.ts";

const LARGEST_CONTENT = 1024 * 1024;
const PADDED_TO = 256; // bytes
const PICKED_FROM = 15;

const document = struct({
  number: documentNumber,
  title: line,
  format: mediaType,
  key: hex32,
  sha256: hex32,
  size: small,
});
/** OCDS document: a sealed file of the envelope, by its number there, with what opens and proves it: the key, and
 * SHA-256 and size (bytes) of what was sealed. */
export type Document = Of<typeof document>;

const declarations = defaulted(list(identifier), []);
const owners = defaulted(list(ownership, 0, 1 + MOST_PARTNERS), []);
const documents = defaulted(list(document, 0, MOST_DOCUMENTS), []);
/** Spaces that hide how long the rest is. */
const padding = maybe(pattern(/^ *$/, "spaces"));

/** Content of a technical part; its documents are public after the opening. */
export const proposal = struct({ proposal: longText, declarations, owners, documents, padding });
export type Proposal = Of<typeof proposal>;

const picks: Type<readonly number[]> = list(integer(), 2, 2);
const lotOffer = struct({
  lot: identifier,
  amount,
  picks: maybe(picks),
  costs: defaulted(list(struct({ id: identifier, amount }), 0, 100), []),
});
/** What is offered for one lot; `picks` are the two numbers of 1..15 where the rules draw a price, `costs` those that
 * the rules ask for. */
export type LotOffer = Of<typeof lotOffer>;

/** Content of a bid or price part. */
export const bid = struct({ offers: list(lotOffer, 1, 100), declarations, owners, documents, padding });
export type Bid = Of<typeof bid>;

/** Restricted content of a part, for officials alone: what is personal, documents that are not public. */
export const restricted = struct({ text: defaulted(longText, ""), documents, padding });
export type Restricted = Of<typeof restricted>;

/** Why an offer's amount or the like cannot be read, for the form to say where it stands. */
export type OfferFault =
  | "amount-malformed"
  | "amount-zero"
  | "too-many-decimals"
  | "picks-wrong"
  | "picks-unwanted"
  | "costs-wrong"
  | "costs-unwanted";

/** What may be odd about a document, by code. */
export const FAULTS = {
  "not-enclosed": "the contents name a document that the envelope does not list",
  "named-twice": "two parts name the same document",
  "size-differs": "the sealed file has another size than the document that it is said to be",
  unnamed: "no part says what the file is, or how it opens",
} as const;
type Fault = keyof typeof FAULTS;

/** A sealed bid and all that shows what is in it: for its bidder and partners, and nobody else's eyes. `files` are the
 * restricted contents as they are sent after the envelope, by their number in it. */
export interface Sealed {
  readonly envelope: Bytes;
  readonly id: string;
  readonly contents: readonly Content[];
  readonly entropy: Bytes;
  readonly restricted: readonly Content[];
  readonly files: readonly { readonly listed: SealedFile; readonly file: Bytes }[];
}

/** What is sealed, and beside it. */
export interface Drafted {
  readonly contents: readonly Content[];
  /** Documents that are sealed already, numbered from 1. */
  readonly documents?: readonly SealedFile[];
  /** The restricted contents of parts: sealed files after the documents. */
  readonly restricted?: readonly Content[];
  /** Certificates of partners, who have yet to co-sign. */
  readonly consortium?: readonly string[];
  readonly previous?: string | undefined;
}

/** `content` as it is sealed: filled up to a multiple of 256 bytes, since the length of a ciphertext would otherwise
 * tell how many digits a price has. */
export function padded<T extends { readonly padding?: string | undefined }>(content: T, type: Type<T>): Bytes {
  const bare = encodeAs({ ...content, padding: "" }, type).length;
  return encodeAs({ ...content, padding: " ".repeat((PADDED_TO - (bare % PADDED_TO)) % PADDED_TO) }, type);
}

/** A technical part of an envelope with these `partners` (certificates). Throws Unopenable with the first reason in a
 * fixed order of checks. */
export function readProposal(content: Uint8Array, notice: Notice, partners: readonly string[]): Proposal {
  const found = decoded(content, proposal);
  checkStated(found, notice, partners);
  checkNumbers(found.documents);
  return found;
}

/** A bid or price part, or that of one `lot`, which offers for no other; `partners` are the envelope's. Throws Unopenable
 * with the first reason in a fixed order of checks. Declarations and owners stand in the first part, and in no other. */
export function readBid(content: Uint8Array, notice: Notice, partners: readonly string[], lot?: string): Bid {
  const found = decoded(content, bid);
  if (partsOf(notice).length === 1) checkStated(found, notice, partners);
  else if (found.declarations.length) throw new Unopenable("declarations-wrong");
  else if (found.owners.length) throw new Unopenable("owners-unasked");
  const within = notice.lots.filter(({ id }) => lot === undefined || id === lot);
  const lots = new Map(within.map((each) => [each.id, each]));
  const offered = found.offers.map((offer) => offer.lot);
  if (new Set(offered).size !== offered.length || !offered.every((id) => lots.has(id))) {
    throw new Unopenable("lots-wrong");
  }
  for (const offer of found.offers) {
    if (faultOf(offer, lots.get(offer.lot)!, notice.currency) !== null) throw new Unopenable("offer-wrong");
  }
  checkNumbers(found.documents);
  return found;
}

/** Restricted content of a part. Throws Unopenable with the first reason in a fixed order of checks. */
export function readRestricted(content: Uint8Array): Restricted {
  const found = decoded(content, restricted);
  checkNumbers(found.documents);
  return found;
}

/** Decimal places of a currency (ISO 4217), or null for one that no tender has. */
export function placesOf(currency: string): number | null {
  const [places] = Object.entries(currencies.minorUnits).find(([, known]) => known.includes(currency)) ?? [];
  return places !== undefined && Number(places) <= 2 ? Number(places) : null;
}

/** Why the lot's rules cannot read an offer, or null where they can. */
export function faultOf(offer: LotOffer, { rules }: Lot, currency: string): OfferFault | null {
  const found = single(rules);
  const places = placesUnder(found, currency);
  const amounts = [offer.amount, ...offer.costs.map((each) => each.amount)];
  if (!amounts.every(isPlain)) return "amount-malformed";
  if (!amounts.every((each) => decimalsOf(each) <= places)) return "too-many-decimals";
  if (/^[0.]*$/.test(offer.amount)) return "amount-zero";
  if (found.ruleSet === "kr-price-floor/1") {
    if (offer.costs.length) return "costs-unwanted";
    return isPicked(offer.picks) ? null : "picks-wrong";
  }
  if (offer.picks !== undefined) return "picks-unwanted";
  if (found.ruleSet === "life-cycle-cost/1") {
    const [stated, asked] = [offer.costs, found.costs].map((each) => each.map(({ id }) => id).sort().join());
    return stated === asked ? null : "costs-wrong";
  }
  return offer.costs.length ? "costs-unwanted" : null;
}

/** What a bidder's machine asks before it seals: everything that will be asked after the opening. `files` are the
 * documents with keys of their own, as the envelope will list them, `partners` the certificates of a joint bid's. Throws
 * Unopenable for content that would not count, EnvelopeError for documents that nobody could read. */
export function checkBeforeSealing(
  notice: Notice,
  contents: readonly Content[],
  withheld: readonly Content[],
  files: readonly SealedFile[],
  partners: readonly string[],
): void {
  const inOrder = (given: readonly Content[]) =>
    partsOf(notice).flatMap((place) => given.filter((each) => isSame(each, place)));
  const opened = inOrder(contents).map(({ part, lot, content }) =>
    part === "technical" ? readProposal(content, notice, partners) : readBid(content, notice, partners, lot),
  );
  const secret = inOrder(withheld).map(({ content }) => readRestricted(content));
  const named = [...opened, ...secret].flatMap((each) => each.documents);
  for (const [number, fault] of faults(files, named)) {
    throw new EnvelopeError(fault, `document ${number}: ${FAULTS[fault]}`);
  }
}

/** The bid, sealed and signed here; partners have yet to co-sign it. Content that would not open as a bid throws
 * Unopenable before it is sealed. Throws TenderError after the deadline and for a practice number in a tender that is
 * for real, EnvelopeError for what the terms do not admit. */
export async function sealBid(service: Service, tender: Announced, key: Signer, drafted: Drafted): Promise<Sealed> {
  checkOpen(service, tender, key);
  const { contents, documents = [], restricted = [], consortium = [], previous } = drafted;
  checkBeforeSealing(tender.notice, contents, restricted, documents, consortium);
  const entropy = freshEntropy(tender.terms);
  const files = sealRestricted(restricted, tender.terms, key.fingerprint, entropy).map(({ file, ...place }, i) => ({
    listed: { number: documents.length + i + 1, sha256: toHex(sha256(file)), size: file.length, ...place },
    file,
  }));
  const listed = [...documents, ...files.map((each) => each.listed)];
  const envelope = await compose(contents, tender.terms, key, entropy, { previous, consortium, documents: listed });
  return { envelope, id: new Statement(envelope).id, contents, entropy, restricted, files };
}

/** The id of a partner's word for a joint bid, given after a look at what is in the envelope.
 *
 * Verified: the lead's signature and certificate, that the partner is named, and that the envelope seals exactly the
 * contents shown, which open as a bid. Throws EnvelopeError, Unopenable, TenderError as `sealBid` does, and what
 * `Service.post` throws. */
export async function coSign(
  service: Service,
  tender: Announced,
  key: Signer,
  sealed: Pick<Sealed, "envelope" | "contents" | "entropy" | "restricted">,
): Promise<string> {
  checkOpen(service, tender, key);
  const statement = new Statement(sealed.envelope);
  const envelope = await service.verifiedUnlessRevoked(statement, ENVELOPE, service.now());
  if (!envelope.consortium.includes(key.fingerprint)) {
    throw new EnvelopeError("not-a-partner", "the envelope does not name this certificate as a partner's");
  }
  verifySealed(envelope, sealed.contents, tender.terms, sealed.entropy, sealed.restricted);
  checkBeforeSealing(tender.notice, sealed.contents, sealed.restricted, envelope.documents, envelope.consortium);
  const word = {
    signer: key.fingerprint,
    tender: tender.notice.tender,
    notice: tender.noticeId,
    envelope: statement.id,
    time: moment(service.now()),
  };
  const answer = await service.post(`${pathOf(tender.notice)}/co-signatures`, await sign(CO_SIGNATURE, word, key));
  return answered(answer, loose({ statement: hex32 })).statement;
}

function decoded<T>(content: Uint8Array, type: Type<T>): T {
  try {
    return decodeAs(content, type, LARGEST_CONTENT);
  } catch (error) {
    if (error instanceof MalformedError) throw new Unopenable("content-malformed");
    throw error;
  }
}

/** What the first part states of whoever bids. */
function checkStated(first: Proposal | Bid, notice: Notice, partners: readonly string[]): void {
  const asked = notice.declarations.map(({ id }) => id);
  if ([...first.declarations].sort().join("\n") !== asked.sort().join("\n")) throw new Unopenable("declarations-wrong");
  checkOwners(first.owners, partners, notice.ownersAsked);
}

/** What a number names is not asked here: a file that is missing costs its bidder that file, no more. */
function checkNumbers(documents: readonly Document[]): void {
  if (new Set(documents.map(({ number }) => number)).size !== documents.length) {
    throw new Unopenable("documents-wrong");
  }
}

/** Decimals that an offer has at most: unit prices have hundredths of a won, all else its currency's. */
function placesUnder(rules: ReturnType<typeof single>, currency: string): number {
  switch (rules.ruleSet) {
    case "kr-price-floor/1":
      return rules.unit === 1 ? 2 : 0;
    case "kr-negotiation/1":
      return 0;
    default:
      return placesOf(currency) ?? 0;
  }
}

function isPlain(text: string): boolean {
  return /^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$/.test(text);
}

function decimalsOf(text: string): number {
  return text.split(".")[1]?.length ?? 0;
}

function isPicked(picks: readonly number[] | undefined): boolean {
  const inRange = (pick: number): boolean => 1 <= pick && pick <= PICKED_FROM;
  return picks !== undefined && picks[0] !== picks[1] && picks.every(inRange);
}

/** What is odd about documents, by number, in their order. Who is named twice is who is named first. */
function faults(files: readonly SealedFile[], named: readonly Document[]): [number, Fault][] {
  const listed = new Map(files.map((each) => [each.number, each]));
  const found = new Map<number, Fault | null>();
  for (const each of files) found.set(each.number, each.part ? null : "unnamed");
  const seen = new Map<number, Fault | null>();
  for (const each of named) {
    const before = seen.get(each.number);
    seen.set(each.number, before === undefined ? faultIn(each, listed.get(each.number)) : (before ?? "named-twice"));
  }
  const all = [...new Map([...found, ...seen])].sort(([a], [b]) => a - b);
  return all.filter((each): each is [number, Fault] => each[1] !== null);
}

function faultIn(document: Document, file: SealedFile | undefined): Fault | null {
  if (!file || file.part !== undefined) return "not-enclosed";
  try {
    return plainSize(file.size) === document.size ? null : "size-differs";
  } catch {
    return "size-differs";
  }
}
