/** What a bidder does: seals, submits, sends files, withdraws. Twin of `procurement/bidding/bidder.py`.
 *
 * Every step can be broken off at any point and taken up again: what was signed is kept before it is sent, and what the
 * service answered before anybody is told. */

import { BrokenPromiseError, RefusedError, type Service, ServiceError } from "../../../../../bids/browser/client.ts";
import {
  type RestrictedFile,
  type SealedFile,
  WITHDRAWAL,
  compose,
  freshEntropy,
  sealRestricted,
} from "../../../../../bids/browser/envelope.ts";
import { PROMISE, RECEIPT, type Receipt, REFUSAL, type Refusal, parseHeld } from "../../../../../bids/browser/receipts.ts";
import { TenderError } from "../../../../../bids/browser/errors.ts";
import type { Signer } from "../../../../../crypto/browser/certificates.ts";
import { type Bytes, sha256, toHex } from "../../../../../crypto/browser/encoding.ts";
import { Statement, sign } from "../../../../../crypto/browser/statements.ts";
import { checkBeforeSealing } from "../../../../browser/bid.ts";
import { type Edition, complete } from "../../../../browser/notice.ts";
import { type Announced, checkOpen } from "../../../../browser/tender.ts";
import { signer } from "../identity.ts";
import { type Enclosed, type Link, add, keep, latest } from "./chain.ts";
import { type Contents, type Draft, type DraftDocument, partners, sealedFiles } from "./draft.ts";
import * as files from "./files.ts";

const BREATHER = 3000; // milliseconds between two rounds of attempts
const LONGEST_PAUSE = 30_000;

/** Told what is going on, by a word of the page. */
export type Tell = (word: string, values?: Readonly<Record<string, string>>) => void;

/** The draft's contents, sealed and signed as the next link of the chain, which it replaces. Throws what sealing is
 * refused for: TenderError after the deadline, Unopenable, EnvelopeError. */
export async function seal(
  service: Service,
  tender: Announced,
  draft: Draft,
  contents: Contents,
  chain: readonly Link[],
): Promise<Link> {
  const { notice, terms } = tender;
  const documents = sealedFiles(draft);
  checkOpen(service, tender);
  checkBeforeSealing(notice, contents.open, contents.restricted, documents);
  const key = await signer();
  const entropy = freshEntropy(terms);
  const withheld = await keepRestricted(sealRestricted(contents.restricted, terms, key.fingerprint, entropy), documents.length, terms.tender);
  const enclosed = [...documents.map((each, i) => ({ ...each, ...placed(draft.documents[i]!) })), ...withheld];
  const consortium = partners(draft.fields);
  const previous = latest(chain)?.id;
  const envelope = await compose(contents.open, terms, key, entropy, { previous, consortium, documents: enclosed.map(listed) });
  return add(terms.tender, { title: notice.title, deadline: notice.deadline }, {
    kind: "envelope",
    state: "sealed",
    ...signed(envelope),
    terms: terms.terms,
    shown: { contents: contents.open, entropy, restricted: contents.restricted },
    partners: consortium,
    files: enclosed,
    receipts: {},
  });
}

/** The statement that takes the latest bid back, as the next link: to be submitted. */
export async function withdrawal(tender: Announced, chain: readonly Link[]): Promise<Link> {
  const { notice, noticeId, terms } = tender;
  const taken = latest(chain)!;
  const key = await signer(taken.signer);
  const said = { signer: key.fingerprint, tender: terms.tender, notice: noticeId, previous: taken.id };
  return add(terms.tender, { title: notice.title, deadline: notice.deadline }, {
    kind: "withdrawal",
    state: "sealed",
    ...signed(await sign(WITHDRAWAL, said, key)),
    terms: terms.terms,
    partners: [],
    files: [],
    receipts: {},
  });
}

/** The link with its verified receipt, kept before this returns; sent again, the very same, for as long as there is no
 * answer. Throws RefusedError or BrokenPromiseError, whose statements are kept as well. */
export async function submit(service: Service, tender: Announced, link: Link, tell: Tell): Promise<Link> {
  const ocid = tender.terms.tender;
  const { terms, notice } = link.kind === "withdrawal" ? tender : editionOf(tender, link);
  let held = link.answer as Bytes | undefined;
  const keepAnswer = async (answer: Bytes): Promise<void> => {
    held = answer;
    const { state, taken } = answered(answer);
    await keep(ocid, link.number, () => ({ answer, state, taken }));
    if (state === "promised") tell("told-promised");
  };
  await keep(ocid, link.number, ({ state }) => (state === "sealed" ? { state: "sent" } : {}));
  const send = link.kind === "withdrawal" ? service.withdraw : service.submit;
  try {
    await persist(() => send.call(service, link.statement, terms, notice.deadline, keepAnswer, held), tell);
  } catch (error) {
    if (error instanceof RefusedError) {
      const { statement } = error;
      await keep(ocid, link.number, () => ({ refusal: statement, state: "refused" }));
    }
    if (error instanceof BrokenPromiseError && error.against) {
      const { against } = error;
      await keep(ocid, link.number, () => ({ contradiction: against }));
    }
    throw error;
  }
  return keep(ocid, link.number, () => ({}));
}

/** The receipt for a sealed file of a bid in the box, kept before this returns. What the service has is not sent again;
 * `sent` is told how many bytes are there. */
export async function upload(
  service: Service,
  tender: Announced,
  link: Link,
  file: Enclosed,
  sent: (count: number) => void,
  tell: Tell,
): Promise<Link> {
  const source = await files.read(file.place);
  if (!source) throw new ServiceError("file-gone", "the sealed file is not in this browser any more");
  const key: Signer = await signer(link.signer);
  const { terms } = tender;
  await persist(async () => {
    const asked = await service.requestUpload(key, terms, link.id, listed(file), source);
    const keepReceipt = async (answer: Bytes): Promise<void> => {
      await keep(terms.tender, link.number, ({ receipts }) => ({ receipts: { ...receipts, [file.number]: answer } }));
    };
    await service.upload(asked, terms, complete(tender.notice), keepReceipt, sent);
  }, tell);
  return keep(terms.tender, link.number, () => ({}));
}

/** What an answer that was verified before says. */
export function receiptOf(answer: Uint8Array): Receipt {
  const { statement, proof } = parseHeld(answer);
  return proof ? statement.read(RECEIPT) : statement.read(PROMISE);
}

export function refusalOf(statement: Uint8Array): Refusal {
  return new Statement(statement).read(REFUSAL);
}

function answered(answer: Bytes): { state: "promised" | "accepted"; taken: string } {
  return { state: parseHeld(answer).proof ? "accepted" : "promised", taken: receiptOf(answer).time };
}

function signed(statement: Bytes): { statement: Bytes; id: string; signer: string } {
  const { id, signer } = new Statement(statement);
  return { statement, id, signer };
}

/** The terms that an envelope was sealed under. */
export function editionOf(tender: Announced, link: Link): Edition {
  const found = tender.editions.find(({ terms }) => terms.terms === link.terms);
  if (!found) throw new TenderError("other-terms", "sealed under terms that this tender never had");
  return found;
}

async function keepRestricted(sealed: readonly RestrictedFile[], before: number, ocid: string): Promise<Enclosed[]> {
  const kept: Enclosed[] = [];
  for (const { file, ...place } of sealed) {
    const where = `${ocid}.${toHex(crypto.getRandomValues(new Uint8Array(8)))}`;
    await files.keep(where, file);
    kept.push({ ...place, number: before + kept.length + 1, sha256: toHex(sha256(file)), size: file.length, place: where });
  }
  return kept;
}

function placed({ place, title }: DraftDocument): { place: string; title: string } {
  return { place, title };
}

/** As the envelope lists it. */
function listed({ place: _, title: __, ...file }: Enclosed): SealedFile {
  return file;
}

/** Does it until the service answers for itself, for as long as the page is there. Throws what the last attempt threw. */
async function persist<T>(work: () => Promise<T>, tell: Tell): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ServiceError) || error instanceof RefusedError || !mayPass(error)) throw error;
      tell("told-again");
      await breather(Math.min(Math.max(BREATHER, error.retryAfter), LONGEST_PAUSE));
    }
  }
}

function mayPass({ status }: ServiceError): boolean {
  return status === 0 || status === 202 || status === 429 || status >= 500;
}

/** A pause, which ends when the line is back. */
function breather(pause: number): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener("online", end);
      done();
    };
    const timer = setTimeout(end, pause);
    addEventListener("online", end);
  });
}
