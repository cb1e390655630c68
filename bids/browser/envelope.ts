/** The sealed bid: composed and sealed on the bidder's machine, checked unread, opened with both keys.
 *
 * Twin of `bids/envelope.py`: for the same entropy the same bytes, but for ECDSA's signature. The content is opaque
 * here. */

import { type Network, chainHash, lockOf, network } from "../../crypto/browser/beacon.ts";
import type { Role, Signer } from "../../crypto/browser/certificates.ts";
import {
  type Bytes,
  bigEndian,
  bytesOf,
  encode,
  equal,
  fromBase64,
  fromHex,
  sha256,
  toBase64,
  toHex,
} from "../../crypto/browser/encoding.ts";
import { LockError, MalformedError } from "../../crypto/browser/errors.ts";
import {
  type Capsule,
  type Layer,
  type Lock,
  MESSAGE_SIZE,
  type Opener,
  type OpeningOrder,
  type Part,
  decryptContent,
  encryptContent,
  mandateLock,
  part,
  prepare as prepareLocks,
  seal,
} from "../../crypto/browser/locks.ts";
import { type Purpose, sign } from "../../crypto/browser/statements.ts";
import {
  type Of,
  base64Text,
  checked,
  defaulted,
  encodeAs,
  hex16,
  hex32,
  hexG2,
  identifier,
  integer,
  list,
  maybe,
  momentText,
  oneOf,
  roundText,
  small,
  struct,
} from "../../crypto/browser/values.ts";
import { EnvelopeError, Unopenable } from "./errors.ts";

export const NONCE = 16;
export const ENTROPY_PER_PART = 64;
const TAG = 16;
export const MOST_PARTNERS = 20;
export const MOST_DOCUMENTS = 100;
export const MOST_LOTS = 100;
/** Bytes of a part's restricted content. */
export const LARGEST_RESTRICTED = 1024 * 1024;

const BUSINESS: readonly Role[] = ["business"];

/** What is sealed apart within an envelope: a part, or the price part of one lot. */
export interface Place {
  readonly part: Part;
  readonly lot?: string | undefined;
}
/** The fields of a place. */
export const placed = { part, lot: maybe(identifier) } as const;

/** The name of a place: its part's, or `price-LOT`. */
export function nameOf({ part, lot }: Place): string {
  return lot === undefined ? part : `${part}-${lot}`;
}

/** All that a bid box knows of a tender: what an envelope must be bound to, and its limits. `parts` are all that an
 * envelope may seal apart, in its order. */
export const submissionTerms = struct({
  tender: identifier,
  notice: hex32,
  terms: hex32,
  parts: list(struct(placed)),
  network,
  round: roundText,
  committee: hexG2,
  contentLimit: small,
  documentLimit: small,
  documentSize: defaulted(small, 0),
  partnerLimit: defaulted(small, MOST_PARTNERS),
});
export type SubmissionTerms = Of<typeof submissionTerms>;

/** What every ciphertext of an envelope is bound to. */
export const context = struct({
  protocol: oneOf("openseal/v1"),
  tender: identifier,
  notice: hex32,
  terms: hex32,
  bid: hex16,
  nonce: hex16,
  certificate: hex32,
  chain: hex32,
  round: roundText,
  committee: hexG2,
});
export type Context = Of<typeof context>;

/** The capsule (U, V, W) and ciphertext (content plus 16 bytes of tag) of a part, or of one lot's. */
export const sealedPart = struct({ ...placed, u: hexG2, v: hex32, w: hex32, ciphertext: base64Text });
export type SealedPart = Of<typeof sealedPart>;

export const documentNumber = integer(1, MOST_DOCUMENTS);

/** A sealed document that belongs to the bid: SHA-256 and size (bytes) of the sealed file; of the restricted content
 * of a part, which part, and of a lot's price part which lot's. */
export const sealedFile = checked(
  struct({ number: documentNumber, sha256: hex32, size: small, part: maybe(part), lot: maybe(identifier) }),
  ({ part, lot }) => {
    if (lot !== undefined && part !== "price") {
      throw new MalformedError("a sealed file is of a lot only if it is of a price part");
    }
  },
);
export type SealedFile = Of<typeof sealedFile>;

/** The bidder's statement. `previous` is the id of the envelope that this one replaces, or of the withdrawal that it
 * comes after; `consortium` the certificates of those who bid jointly with the signer. */
export const envelopePayload = struct({
  signer: hex32,
  context,
  parts: list(sealedPart, 1, 1 + MOST_LOTS),
  documents: defaulted(list(sealedFile, 0, MOST_DOCUMENTS), []),
  previous: maybe(hex32),
  consortium: defaulted(list(hex32, 0, MOST_PARTNERS), []),
});
export type Envelope = Of<typeof envelopePayload>;
export const ENVELOPE: Purpose<Envelope> = { purpose: "bid", roles: BUSINESS, type: envelopePayload };

const withdrawalPayload = struct({ signer: hex32, tender: identifier, notice: hex32, previous: hex32 });
/** The bidder takes its bid back, by the certificate that signed the envelope `previous`. */
export type Withdrawal = Of<typeof withdrawalPayload>;
export const WITHDRAWAL: Purpose<Withdrawal> = { purpose: "withdrawal", roles: BUSINESS, type: withdrawalPayload };

const uploadPayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  envelope: hex32,
  number: documentNumber,
  token: hex32,
  time: momentText,
});
/** The bidder asks to send the sealed file `number` of its envelope. Whoever shows the 32 bytes of which `token` is
 * the SHA-256 may send, look at, and break off that upload. */
export type UploadRequest = Of<typeof uploadPayload>;
export const UPLOAD: Purpose<UploadRequest> = { purpose: "upload", roles: BUSINESS, type: uploadPayload };

const coSignaturePayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  envelope: hex32,
  time: momentText,
});
/** A partner's word that the envelope with that id is its bid, too: made before the envelope is sent. */
export type CoSignature = Of<typeof coSignaturePayload>;
export const CO_SIGNATURE: Purpose<CoSignature> = {
  purpose: "co-signature",
  roles: BUSINESS,
  type: coSignaturePayload,
};

/** What is sealed in one place. */
export interface Content extends Place {
  readonly content: Uint8Array;
}

/** A place's restricted content, sealed: a file that follows the envelope. */
export interface RestrictedFile extends Place {
  readonly file: Bytes;
}

/** What an envelope may say beside its contents. */
export interface Beside {
  readonly previous?: string | undefined;
  readonly consortium?: readonly string[];
  readonly documents?: readonly SealedFile[];
}

/** The opening order that opens what is sealed in `place` of the bid with id `bid`: price parts beside technical parts
 * have one each, of every lot one where lots are priced apart. */
export function orderOf(terms: SubmissionTerms, { part, lot }: Place, bid: string): OpeningOrder {
  const order = { kind: "openseal/opening-order/v1", tender: terms.tender, notice: terms.notice } as const;
  return { ...order, lot, part, round: terms.round, bid: part === "price" ? bid : undefined };
}

/** Time and mandate: both are needed to open what is sealed in `place`. */
export function locksOf(terms: SubmissionTerms, place: Place, bid: string): readonly [Lock, Lock] {
  const mandate = mandateLock(fromHex(terms.committee), orderOf(terms, place, bid));
  return [lockOf(terms.network, BigInt(terms.round)), mandate];
}

/** Does ahead of time what sealing under these terms needs and what does not depend on the bid: of a price that is the
 * time lock alone, which all parts share. */
export function prepare(terms: SubmissionTerms): void {
  const anyBid = "0".repeat(32);
  for (const place of terms.parts) if (place.part !== "price") prepareLocks(locksOf(terms, place, anyBid));
}

/** How many random bytes `compose` takes: for every place some, whether something is sealed there or not. */
export function entropySize(terms: SubmissionTerms): number {
  return NONCE + ENTROPY_PER_PART * terms.parts.length;
}

/** Fresh random bytes for one envelope, and for no other. */
export function freshEntropy(terms: SubmissionTerms): Bytes {
  return crypto.getRandomValues(new Uint8Array(entropySize(terms)));
}

/** Seals `contents` (one per part of `terms`; of lots with a part each those that are bid for) and signs the envelope;
 * returns the DSSE bytes.
 *
 * `entropy` are fresh random bytes, `entropySize(terms)` of them. Throws EnvelopeError for what the terms do not
 * admit. */
export async function compose(
  contents: readonly Content[],
  terms: SubmissionTerms,
  key: Signer,
  entropy: Uint8Array,
  beside: Beside = {},
): Promise<Bytes> {
  const { previous, consortium = [], documents = [] } = beside;
  const sealed = sealedUnder(contents, terms, key.fingerprint, entropy);
  const envelope: Envelope = { signer: key.fingerprint, ...sealed, previous, consortium, documents };
  check(envelope, terms);
  return await sign(ENVELOPE, envelope, key);
}

/** Of each part's restricted content the sealed file: for the `documents` of the envelope that `compose` makes with
 * the same `entropy` and the key of that fingerprint, and of no other. Throws EnvelopeError. */
export function sealRestricted(
  contents: readonly Content[],
  terms: SubmissionTerms,
  fingerprint: string,
  entropy: Uint8Array,
): RestrictedFile[] {
  if (!contents.every((each) => indexOf(each, terms) >= 0)) throw wrongParts(terms);
  const bound = contextOf(terms, fingerprint, checkedEntropy(entropy, terms));
  return contents.map(({ content, ...place }) => {
    checkRestricted(content.length);
    const { message, capsule } = capsuleOf(place, bound, terms, entropy);
    return { ...place, file: encryptContent(message, partContext(bound, place), capsule, content, "restricted") };
  });
}

/** The envelope seals exactly `contents`, with the random bytes that `compose` took, and lists exactly the restricted
 * contents of parts that are shown. Throws EnvelopeError. */
export function verifySealed(
  envelope: Envelope,
  contents: readonly Content[],
  terms: SubmissionTerms,
  entropy: Uint8Array,
  restricted: readonly Content[] = [],
): void {
  check(envelope, terms);
  const files = sealRestricted(restricted, terms, envelope.signer, entropy);
  const shown = files.map((each) => `${nameOf(each)} ${toHex(sha256(each.file))} ${each.file.length}`);
  const listed = envelope.documents.filter(isRestricted).map((each) => `${nameOf(each)} ${each.sha256} ${each.size}`);
  const sealed = { ...envelope, ...sealedUnder(contents, terms, envelope.signer, entropy) };
  const same = equal(encodeAs(sealed, envelopePayload), encodeAs(envelope, envelopePayload));
  if (!same || listed.sort().join() !== shown.sort().join()) {
    throw new EnvelopeError("sealed-otherwise", "the envelope seals something else than what is shown");
  }
}

/** Everything that can be said of a sealed envelope without its keys. Throws EnvelopeError. */
export function check(envelope: Envelope, terms: SubmissionTerms): void {
  const expected = contextOf(terms, envelope.signer, fromHex(envelope.context.nonce));
  for (const field of CONTEXT_ORDER) {
    if (envelope.context[field] !== expected[field]) {
      throw new EnvelopeError(`wrong-${field}`, `the envelope's ${field} is not this tender's or signer's`);
    }
  }
  const ordered = inOrder(envelope.parts, terms);
  if (envelope.parts.some((each, i) => each !== ordered[i])) throw wrongParts(terms);
  checkSizes(envelope, terms);
  checkDocuments(envelope, terms);
  checkConsortium([envelope.signer, ...envelope.consortium], terms);
}

/** The content of one place. Throws Unopenable with the first reason of a fixed order of checks, MalformedError for an
 * envelope that `check` would not have let in. */
export function openPart(envelope: Envelope, place: Place, opener: Opener): Bytes {
  return opened(envelope, place, opener, null, "content");
}

/** The restricted content of one place out of its sealed `file`. Throws as `openPart` does. */
export function openRestricted(envelope: Envelope, place: Place, opener: Opener, file: Uint8Array): Bytes {
  return opened(envelope, place, opener, file, "restricted");
}

/** The bytes that a place's key and ciphertext are bound to: the context with its `part` and, where it is one lot's, its
 * `lot`. */
export function partContext(bound: Context, { part, lot }: Place): Bytes {
  const own = lot === undefined ? { part } : { part, lot };
  return encode({ ...(context.write(bound) as { [name: string]: string }), ...own });
}

/** `SHA256("openseal/v1/bid-id\n" ‖ fingerprint ‖ nonce)[:16]`, hex. */
export function bidId(fingerprint: string, nonce: Uint8Array): string {
  return toHex(sha256(bytesOf("openseal/v1/bid-id\n"), fromHex(fingerprint), nonce).subarray(0, 16));
}

/** What a file's commitment is to: the file as part of the envelope with that id, hex. */
export function fileId(file: { readonly number: number; readonly sha256: string }, envelope: string): string {
  const name = bytesOf("openseal/v1/document\n");
  return toHex(sha256(name, fromHex(envelope), bigEndian(file.number, 4), fromHex(file.sha256)));
}

/** In which the fields of a context are looked at: the first that is wrong is named. */
const CONTEXT_ORDER = ["tender", "notice", "terms", "bid", "nonce", "certificate", "chain", "round", "committee"] as const;

function contextOf(terms: SubmissionTerms, fingerprint: string, nonce: Uint8Array): Context {
  return {
    protocol: "openseal/v1",
    tender: terms.tender,
    notice: terms.notice,
    terms: terms.terms,
    bid: bidId(fingerprint, nonce),
    nonce: toHex(nonce),
    certificate: fingerprint,
    chain: chainHash(terms.network as Network),
    round: terms.round,
    committee: terms.committee,
  };
}

function sealedUnder(
  contents: readonly Content[],
  terms: SubmissionTerms,
  fingerprint: string,
  entropy: Uint8Array,
): { context: Context; parts: SealedPart[] } {
  const ordered = inOrder(contents, terms);
  const bound = contextOf(terms, fingerprint, checkedEntropy(entropy, terms));
  return { context: bound, parts: ordered.map((each) => sealPart(each, bound, terms, entropy)) };
}

function sealPart(sealed: Content, bound: Context, terms: SubmissionTerms, entropy: Uint8Array): SealedPart {
  const { content, ...place } = sealed;
  const { message, capsule } = capsuleOf(place, bound, terms, entropy);
  const ciphertext = toBase64(encryptContent(message, partContext(bound, place), capsule, content));
  return { ...place, u: toHex(capsule.u), v: toHex(capsule.v), w: toHex(capsule.w), ciphertext };
}

/** The place's message, and the capsule that holds it: the same whenever the entropy is. */
function capsuleOf(
  place: Place,
  bound: Context,
  terms: SubmissionTerms,
  entropy: Uint8Array,
): { message: Uint8Array; capsule: Capsule } {
  const from = NONCE + ENTROPY_PER_PART * indexOf(place, terms);
  const message = entropy.subarray(from, from + MESSAGE_SIZE);
  const sigma = entropy.subarray(from + MESSAGE_SIZE, from + ENTROPY_PER_PART);
  return { message, capsule: seal(locksOf(terms, place, bound.bid), message, sigma) };
}

/** The nonce out of entropy of the right size. */
function checkedEntropy(entropy: Uint8Array, terms: SubmissionTerms): Uint8Array {
  if (entropy.length !== entropySize(terms)) {
    throw new EnvelopeError("wrong-entropy", `sealing takes ${entropySize(terms)} random bytes`);
  }
  return entropy.subarray(0, NONCE);
}

function opened(envelope: Envelope, place: Place, opener: Opener, file: Uint8Array | null, layer: Layer): Bytes {
  const sealed = envelope.parts.find((each) => isSame(each, place));
  if (!sealed) throw new MalformedError(`the envelope has no part ${nameOf(place)}`);
  const capsule = { u: fromHex(sealed.u), v: fromHex(sealed.v), w: fromHex(sealed.w) };
  const ciphertext = file ?? fromBase64(sealed.ciphertext);
  const message = reasoned(() => opener.open(capsule), "locked-otherwise");
  const bound = partContext(envelope.context, place);
  return reasoned(() => decryptContent(message, bound, capsule, ciphertext, layer), "ciphertext-invalid");
}

function reasoned(open: () => Bytes, otherwise: string): Bytes {
  try {
    return open();
  } catch (error) {
    if (error instanceof MalformedError) throw new Unopenable("point-invalid");
    if (error instanceof LockError) throw new Unopenable(otherwise);
    throw error;
  }
}

/** Numbered 1, 2, …; the restricted content of a part is one file at most. */
function checkDocuments(envelope: Envelope, terms: SubmissionTerms): void {
  const files = envelope.documents;
  if (files.length > terms.documentLimit) {
    throw new EnvelopeError("too-many-documents", `this tender takes ${terms.documentLimit} documents`);
  }
  if (files.some((each, i) => each.number !== i + 1)) {
    throw new EnvelopeError("wrong-numbers", "documents are numbered from 1, without gaps");
  }
  if (files.some((each) => each.size > terms.documentSize)) {
    throw new EnvelopeError("document-too-large", `a sealed file has at most ${terms.documentSize} bytes`);
  }
  const restricted = files.filter(isRestricted);
  for (const each of restricted) checkRestricted(each.size - TAG);
  const [names, sealed] = [new Set(restricted.map(nameOf)), new Set(envelope.parts.map(nameOf))];
  if (names.size !== restricted.length || ![...names].every((name) => sealed.has(name))) {
    throw new EnvelopeError("wrong-restricted", "each part has restricted content once at most");
  }
}

function checkRestricted(size: number): void {
  if (size < 0 || size > LARGEST_RESTRICTED) {
    throw new EnvelopeError("wrong-size", `restricted content has at most ${LARGEST_RESTRICTED} bytes`);
  }
}

function checkConsortium(bidders: readonly string[], terms: SubmissionTerms): void {
  if (bidders.length > 1 + terms.partnerLimit) {
    throw new EnvelopeError("too-many-partners", `this tender takes bids with at most ${terms.partnerLimit} partners`);
  }
  if (new Set(bidders).size !== bidders.length) {
    throw new EnvelopeError("partner-twice", "a joint bid names one bidder twice");
  }
}

/** A part's content, of all its lots together, is within the limit: more lots make no larger bid. */
function checkSizes(envelope: Envelope, terms: SubmissionTerms): void {
  const together = new Map<Part, number>();
  for (const { part, ciphertext } of envelope.parts) {
    const size = fromBase64(ciphertext).length - TAG;
    together.set(part, (together.get(part) ?? 0) + size);
    if (size < 0 || together.get(part)! > terms.contentLimit) {
      throw new EnvelopeError("wrong-size", `a part's content has at most ${terms.contentLimit} bytes`);
    }
  }
}

/** `given` as it stands in an envelope: of every part of the tender, and of lots with a part each at least one. Throws
 * EnvelopeError for other places. */
function inOrder<P extends Place>(given: readonly P[], terms: SubmissionTerms): P[] {
  const found = terms.parts.flatMap((place) => given.find((each) => isSame(each, place)) ?? []);
  if (found.length !== given.length || kinds(found).join() !== kinds(terms.parts).join()) throw wrongParts(terms);
  return found;
}

/** The parts among places. */
function kinds(places: readonly Place[]): Part[] {
  return [...new Set(places.map(({ part }) => part))];
}

/** Which of the tender's places it is, or -1. */
function indexOf(place: Place, terms: SubmissionTerms): number {
  return terms.parts.findIndex((each) => isSame(each, place));
}

/** Whether two places are one. */
export function isSame(one: Place, other: Place): boolean {
  return one.part === other.part && one.lot === other.lot;
}

/** Whether it is a part's restricted content, and no document with a key of its own. */
function isRestricted(file: SealedFile): file is SealedFile & Place {
  return file.part !== undefined;
}

function wrongParts({ parts }: SubmissionTerms): EnvelopeError {
  const each = parts.some(({ lot }) => lot !== undefined) ? ", the price of each lot apart" : "";
  return new EnvelopeError("wrong-parts", `this tender takes the parts ${kinds(parts).join(", ")}${each}`);
}

