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
/** Bytes of a part's restricted content. */
export const LARGEST_RESTRICTED = 1024 * 1024;

const BUSINESS: readonly Role[] = ["business"];

/** All that a bid box knows of a tender: what an envelope must be bound to, and its limits. */
export const submissionTerms = struct({
  tender: identifier,
  notice: hex32,
  terms: hex32,
  parts: list(struct({ part })),
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

/** One part's capsule (U, V, W) and ciphertext (content plus 16 bytes of tag). */
export const sealedPart = struct({ part, u: hexG2, v: hex32, w: hex32, ciphertext: base64Text });
export type SealedPart = Of<typeof sealedPart>;

export const documentNumber = integer(1, MOST_DOCUMENTS);

/** A sealed document that belongs to the bid: SHA-256 and size (bytes) of the sealed file; of the restricted content
 * of a part, which part. */
export const sealedFile = struct({ number: documentNumber, sha256: hex32, size: small, part: maybe(part) });
export type SealedFile = Of<typeof sealedFile>;

/** The bidder's statement. `previous` is the id of the envelope that this one replaces, or of the withdrawal that it
 * comes after; `consortium` the certificates of those who bid jointly with the signer. */
export const envelopePayload = struct({
  signer: hex32,
  context,
  parts: list(sealedPart, 1, 2),
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

/** One of the parts that an envelope has. */
export interface Place {
  readonly part: Part;
}

/** What is sealed in one part. */
export interface Content extends Place {
  readonly content: Uint8Array;
}

/** A part's restricted content, sealed: a file that follows the envelope. */
export interface RestrictedFile extends Place {
  readonly file: Bytes;
}

/** What an envelope may say beside its contents. */
export interface Beside {
  readonly previous?: string | undefined;
  readonly consortium?: readonly string[];
  readonly documents?: readonly SealedFile[];
}

/** The opening order that opens `part` of the bid with id `bid`: price parts beside technical parts have one each. */
export function orderOf(terms: SubmissionTerms, part: Part, bid: string): OpeningOrder {
  const order = { kind: "openseal/opening-order/v1", tender: terms.tender, notice: terms.notice } as const;
  return { ...order, part, round: terms.round, bid: part === "price" ? bid : undefined };
}

/** Time and mandate: both are needed to open `part`. */
export function locksOf(terms: SubmissionTerms, part: Part, bid: string): readonly [Lock, Lock] {
  const mandate = mandateLock(fromHex(terms.committee), orderOf(terms, part, bid));
  return [lockOf(terms.network, BigInt(terms.round)), mandate];
}

/** Does ahead of time what sealing under these terms needs and what does not depend on the bid. */
export function prepare(terms: SubmissionTerms): void {
  const anyBid = "0".repeat(32);
  for (const { part } of terms.parts) prepareLocks(locksOf(terms, part, anyBid));
}

/** How many random bytes `compose` takes. */
export function entropySize(terms: SubmissionTerms): number {
  return NONCE + ENTROPY_PER_PART * terms.parts.length;
}

/** Fresh random bytes for one envelope, and for no other. */
export function freshEntropy(terms: SubmissionTerms): Bytes {
  return crypto.getRandomValues(new Uint8Array(entropySize(terms)));
}

/** Seals `contents` (one per part of `terms`) and signs the envelope; returns the DSSE bytes.
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
  if (!contents.every((each) => placeOf(each, terms) >= 0)) throw wrongParts(terms);
  const bound = contextOf(terms, fingerprint, checkedEntropy(entropy, terms));
  return contents.map(({ part, content }) => {
    checkRestricted(content.length);
    const { message, capsule } = capsuleOf({ part }, bound, terms, entropy);
    return { part, file: encryptContent(message, partContext(bound, part), capsule, content, "restricted") };
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
  const shown = files.map(({ part, file }) => `${part} ${toHex(sha256(file))} ${file.length}`);
  const withheld = envelope.documents.filter((each) => each.part !== undefined);
  const listed = withheld.map((each) => `${each.part} ${each.sha256} ${each.size}`);
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
  if (named(envelope.parts).join() !== named(terms.parts).join()) throw wrongParts(terms);
  for (const each of envelope.parts) checkSize(fromBase64(each.ciphertext).length - TAG, terms);
  checkDocuments(envelope, terms);
  checkConsortium([envelope.signer, ...envelope.consortium], terms);
}

/** The content of one part. Throws Unopenable with the first reason of a fixed order of checks, MalformedError for an
 * envelope that `check` would not have let in. */
export function openPart(envelope: Envelope, part: Part, opener: Opener): Bytes {
  return opened(envelope, part, opener, null, "content");
}

/** The restricted content of one part out of its sealed `file`. Throws as `openPart` does. */
export function openRestricted(envelope: Envelope, part: Part, opener: Opener, file: Uint8Array): Bytes {
  return opened(envelope, part, opener, file, "restricted");
}

/** The bytes that one part's key and ciphertext are bound to: the context with its `part`. */
export function partContext(bound: Context, part: Part): Bytes {
  return encode({ ...(context.write(bound) as { [name: string]: string }), part });
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
  const places = contents.map((each) => placeOf(each, terms));
  if ([...places].sort((a, b) => a - b).join() !== [...terms.parts.keys()].join()) throw wrongParts(terms);
  const bound = contextOf(terms, fingerprint, checkedEntropy(entropy, terms));
  const ordered = terms.parts.map((_, place) => contents[places.indexOf(place)]!);
  return { context: bound, parts: ordered.map((each) => sealPart(each, bound, terms, entropy)) };
}

function sealPart({ part, content }: Content, bound: Context, terms: SubmissionTerms, entropy: Uint8Array): SealedPart {
  checkSize(content.length, terms);
  const { message, capsule } = capsuleOf({ part }, bound, terms, entropy);
  const ciphertext = toBase64(encryptContent(message, partContext(bound, part), capsule, content));
  return { part, u: toHex(capsule.u), v: toHex(capsule.v), w: toHex(capsule.w), ciphertext };
}

/** The part's message, and the capsule that holds it: the same whenever the entropy is. */
function capsuleOf(
  place: Place,
  bound: Context,
  terms: SubmissionTerms,
  entropy: Uint8Array,
): { message: Uint8Array; capsule: Capsule } {
  const from = NONCE + ENTROPY_PER_PART * placeOf(place, terms);
  const message = entropy.subarray(from, from + MESSAGE_SIZE);
  const sigma = entropy.subarray(from + MESSAGE_SIZE, from + ENTROPY_PER_PART);
  return { message, capsule: seal(locksOf(terms, place.part, bound.bid), message, sigma) };
}

/** The nonce out of entropy of the right size. */
function checkedEntropy(entropy: Uint8Array, terms: SubmissionTerms): Uint8Array {
  if (entropy.length !== entropySize(terms)) {
    throw new EnvelopeError("wrong-entropy", `sealing takes ${entropySize(terms)} random bytes`);
  }
  return entropy.subarray(0, NONCE);
}

function opened(envelope: Envelope, part: Part, opener: Opener, file: Uint8Array | null, layer: Layer): Bytes {
  const sealed = envelope.parts.find((each) => each.part === part);
  if (!sealed) throw new MalformedError(`the envelope has no part ${part}`);
  const capsule = { u: fromHex(sealed.u), v: fromHex(sealed.v), w: fromHex(sealed.w) };
  const ciphertext = file ?? fromBase64(sealed.ciphertext);
  const message = reasoned(() => opener.open(capsule), "locked-otherwise");
  const bound = partContext(envelope.context, part);
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
  const restricted = files.filter((each) => each.part !== undefined);
  for (const each of restricted) checkRestricted(each.size - TAG);
  const parts = new Set(restricted.map((each) => each.part!));
  if (parts.size !== restricted.length || ![...parts].every((part) => placeOf({ part }, terms) >= 0)) {
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

function checkSize(size: number, terms: SubmissionTerms): void {
  if (size < 0 || size > terms.contentLimit) {
    throw new EnvelopeError("wrong-size", `a part's content has at most ${terms.contentLimit} bytes`);
  }
}

/** Which of the tender's parts it is, or -1. */
function placeOf({ part }: Place, terms: SubmissionTerms): number {
  return named(terms.parts).indexOf(part);
}

function named(parts: readonly Place[]): string[] {
  return parts.map(({ part }) => part);
}

function wrongParts(terms: SubmissionTerms): EnvelopeError {
  return new EnvelopeError("wrong-parts", `this tender takes the parts ${named(terms.parts).join(", ")}`);
}

