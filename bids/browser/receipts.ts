/** What the bid box answers for: commitments, receipts, promises, refusals, and the closing statement. Twin of
 * `bids/receipts.py`. */

import type { Role } from "../../crypto/browser/certificates.ts";
import { TlogProof } from "../../crypto/browser/checkpoint.ts";
import { type Bytes, bigEndian, bytesOf, encode, fromBase64, fromHex, milliseconds, sha256, toHex } from "../../crypto/browser/encoding.ts";
import { LogError, MalformedError } from "../../crypto/browser/errors.ts";
import { type Purpose, Statement } from "../../crypto/browser/statements.ts";
import {
  type Of,
  answered,
  defaulted,
  hex32,
  identifier,
  list,
  longText,
  loose,
  maybe,
  momentText,
  oneOf,
  pattern,
  small,
  struct,
  truth,
} from "../../crypto/browser/values.ts";
import { documentNumber, fileId } from "./envelope.ts";

const SERVICE: readonly Role[] = ["service"];
/** What a chain is made of. */
export const kind = oneOf("envelope", "withdrawal");
export type Kind = Of<typeof kind>;
/** What commitments are to, and the byte that says so. */
const KINDS = { envelope: 1, withdrawal: 2, cover: 3, document: 4 } as const;
/** Milliseconds within which the log holds what a promise was given for. */
export const PROMISED = 60_000;

const refusalPayload = struct({
  signer: hex32,
  tender: identifier,
  received: hex32,
  statement: maybe(hex32),
  reason: pattern(/^[a-z0-9-]{1,64}$/, "a reason"),
  detail: longText,
  time: momentText,
});
/** The service's signed no. `received` is the SHA-256 of the bytes that came in. */
export type Refusal = Of<typeof refusalPayload>;
export const REFUSAL: Purpose<Refusal> = { purpose: "refusal", roles: SERVICE, type: refusalPayload };

const receiptFields = {
  signer: hex32,
  tender: identifier,
  notice: hex32,
  bidder: identifier,
  kind,
  time: momentText,
  salt: hex32,
  statement: hex32,
  status: hex32,
  inDoubt: defaulted(truth, false),
} as const;
const receiptPayload = struct(receiptFields);
/** The service's word that an envelope is in the box: every input of its commitment. */
export type Receipt = Of<typeof receiptPayload>;
export const RECEIPT: Purpose<Receipt> = { purpose: "receipt", roles: SERVICE, type: receiptPayload };

const promisePayload = struct({ ...receiptFields, includedBy: momentText });
/** A receipt before the log has the commitment: it will, by `includedBy`. */
export type ReceiptPromise = Of<typeof promisePayload>;
export const PROMISE: Purpose<ReceiptPromise> = { purpose: "promise", roles: SERVICE, type: promisePayload };

const documentReceiptPayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  bidder: identifier,
  envelope: hex32,
  number: documentNumber,
  sha256: hex32,
  size: small,
  time: momentText,
  salt: hex32,
  inDoubt: defaulted(truth, false),
});
/** The service's word that it holds a sealed file that an envelope lists: every input of its commitment. */
export type DocumentReceipt = Of<typeof documentReceiptPayload>;
export const DOCUMENT_RECEIPT: Purpose<DocumentReceipt> = {
  purpose: "document-receipt",
  roles: SERVICE,
  type: documentReceiptPayload,
};

const committed = struct({
  index: small,
  kind,
  time: momentText,
  salt: hex32,
  statement: hex32,
  status: hex32,
  bidder: identifier,
  inDoubt: defaulted(truth, false),
});
const committedDocument = struct({
  index: small,
  time: momentText,
  salt: hex32,
  envelope: hex32,
  number: documentNumber,
  sha256: hex32,
  inDoubt: defaulted(truth, false),
});
const closingPayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  terms: list(hex32),
  deadline: momentText,
  time: momentText,
  commitments: list(committed),
  chains: list(list(hex32)),
  documents: defaulted(list(committedDocument), []),
  missing: defaulted(list(struct({ envelope: hex32, number: documentNumber })), []),
  superseded: defaulted(list(hex32), []),
});
/** What is in the box, said before any key exists. */
export type Closing = Of<typeof closingPayload>;
export const CLOSING: Purpose<Closing> = { purpose: "closing", roles: SERVICE, type: closingPayload };

/** What a bidder holds of something that was accepted, not verified: a receipt of whatever kind with its place in the
 * log, or the promise of one. */
export interface Held {
  readonly statement: Statement;
  readonly proof: TlogProof | null;
}

const answer = loose({
  receipt: maybe(pattern(/^/, "text")),
  proof: maybe(pattern(/^/, "text")),
  promise: maybe(pattern(/^/, "text")),
});

/** The service's answer to a bid, a withdrawal or a document, as it came. Throws MalformedError. */
export function parseHeld(data: Uint8Array): Held {
  const { receipt, proof, promise } = answered(data, answer);
  if (receipt === undefined && promise !== undefined) {
    return { statement: new Statement(fromBase64(promise)), proof: null };
  }
  if (receipt === undefined || proof === undefined) {
    throw new MalformedError("the answer has neither a receipt with its proof nor a promise");
  }
  return { statement: new Statement(fromBase64(receipt)), proof: new TlogProof(proof) };
}

/** `SHA256("openseal/v1/commitment\n" ‖ kind(1) ‖ notice(32) ‖ uint64_be(ms) ‖ salt(32) ‖ id(32))`. */
export function commitment(kind: keyof typeof KINDS, notice: string, time: string, salt: string, id: string): Bytes {
  return sha256(
    bytesOf("openseal/v1/commitment\n"),
    new Uint8Array([KINDS[kind]]),
    fromHex(notice),
    bigEndian(milliseconds(time), 8),
    fromHex(salt),
    fromHex(id),
  );
}

/** The 32 bytes that stand in the log for what a receipt is about. */
export function commitmentOf(receipt: Receipt | DocumentReceipt): Bytes {
  const { notice, time, salt } = receipt;
  if ("kind" in receipt) return commitment(receipt.kind, notice, time, salt, receipt.statement);
  return commitment("document", notice, time, salt, fileId(receipt, receipt.envelope));
}

/** The log entry of a commitment: every one has the same 89 bytes but for the hash. */
export function commitmentEntry(digest: Uint8Array): Bytes {
  return encode({ c: toHex(digest), t: "commitment" });
}

/** Whether the closing lists what the receipt is for, with the same index, time and salt, and of an envelope or
 * withdrawal status and bidder. Throws LogError: then the two together show that the service broke its word. */
export function checkListed(closing: Closing, receipt: Receipt | DocumentReceipt, index: number): void {
  const same = "kind" in receipt ? isCommitted(closing, receipt, index) : isCommittedDocument(closing, receipt, index);
  if (closing.tender !== receipt.tender || closing.notice !== receipt.notice || !same) {
    throw new LogError("the closing statement does not list what this receipt is for");
  }
}

function isCommitted(closing: Closing, receipt: Receipt, index: number): boolean {
  const names = ["kind", "time", "salt", "statement", "status", "bidder", "inDoubt"] as const;
  return closing.commitments.some(
    (each) => each.index === index && names.every((name) => each[name] === receipt[name]),
  );
}

function isCommittedDocument(closing: Closing, receipt: DocumentReceipt, index: number): boolean {
  const names = ["time", "salt", "envelope", "number", "sha256", "inDoubt"] as const;
  return closing.documents.some((each) => each.index === index && names.every((name) => each[name] === receipt[name]));
}

/** Ids of the envelopes that will be opened: the last of each chain that is neither withdrawn nor superseded. */
export function counted(closing: Closing): string[] {
  const withdrawals = closing.commitments.filter((each) => each.kind === "withdrawal").map((each) => each.statement);
  const out = new Set([...withdrawals, ...closing.superseded]);
  return closing.chains.map((chain) => chain[chain.length - 1]!).filter((last) => !out.has(last));
}

/** Each id occurs once, is in exactly one chain, a chain is one bidder's and a bidder has one, each file is an
 * envelope's, and indices ascend. Throws LogError. */
export function checkClosing(closing: Closing): void {
  const { commitments, chains } = closing;
  const listed = commitments.map((each) => each.statement);
  if (new Set(listed).size !== listed.length || [...listed].sort().join() !== chains.flat().sort().join()) {
    throw new LogError("the closing statement does not list every envelope exactly once");
  }
  if (chains.some((chain) => !chain.length)) throw new LogError("the closing statement has an empty chain");
  const of = new Map(commitments.map((each) => [each.statement, each]));
  const owners = chains.map((chain) => new Set(chain.map((id) => of.get(id)!.bidder)));
  const bidders = new Set(commitments.map((each) => each.bidder));
  if (owners.some((each) => each.size !== 1) || owners.length !== bidders.size) {
    throw new LogError("the closing statement does not give each bidder one chain");
  }
  if (!isAscending(commitments.map((each) => each.index))) {
    throw new LogError("the closing statement is not in the order of the log");
  }
  checkWithdrawals(chains.map((chain) => chain.map((id) => of.get(id)!.kind)));
  checkSuperseded(closing, of);
  checkDocuments(closing, of);
}

type CommittedById = ReadonlyMap<string, Of<typeof committed>>;

/** What is withdrawn is an envelope, the one before. */
function checkWithdrawals(chains: readonly (readonly Kind[])[]): void {
  for (const kinds of chains) {
    if (kinds.some((each, i) => each === "withdrawal" && (i === 0 || kinds[i - 1] === "withdrawal"))) {
      throw new LogError("the closing statement lists a withdrawal of nothing");
    }
  }
}

function checkSuperseded({ chains, superseded }: Closing, of: CommittedById): void {
  const ends = chains.map((chain) => chain[chain.length - 1]!);
  const wanted = ends.filter((id) => superseded.includes(id) && of.get(id)!.kind === "envelope");
  if (wanted.join() !== superseded.join()) {
    throw new LogError("the closing statement calls superseded what no bidder's envelopes end with");
  }
}

function checkDocuments(closing: Closing, of: CommittedById): void {
  const { commitments, documents, missing } = closing;
  const indices = documents.map((each) => each.index);
  if (!isAscending(indices) || commitments.some((each) => indices.includes(each.index))) {
    throw new LogError("the closing statement lists documents in another order than the log's");
  }
  for (const { envelope, index } of documents) {
    const owner = of.get(envelope);
    if (owner?.kind !== "envelope" || owner.index > index) {
      throw new LogError("the closing statement lists a document of no envelope before it");
    }
  }
  const named = [...documents, ...missing].map(({ envelope, number }) => `${envelope} ${number}`);
  if (new Set(named).size !== named.length) throw new LogError("the closing statement lists a document twice");
  const counting = counted(closing);
  if (!missing.every(({ envelope }) => counting.includes(envelope))) {
    throw new LogError("the closing statement misses documents of an envelope that does not count");
  }
}

function isAscending(numbers: readonly number[]): boolean {
  return numbers.every((each, i) => i === 0 || numbers[i - 1]! < each);
}
