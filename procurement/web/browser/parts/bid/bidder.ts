/** What a bidder does: seals, submits, sends files, withdraws. Twin of `procurement/bidding/bidder.py`.
 *
 * Every step can be broken off at any point and taken up again: what was signed is kept before it is sent, and what the
 * service answered before anybody is told. */

import { BrokenPromiseError, RefusedError, type Service, ServiceError } from "../../../../../bids/browser/client.ts";
import { type SealedFile, WITHDRAWAL } from "../../../../../bids/browser/envelope.ts";
import { PROMISE, RECEIPT, type Receipt, REFUSAL, type Refusal, parseHeld } from "../../../../../bids/browser/receipts.ts";
import { TenderError } from "../../../../../bids/browser/errors.ts";
import type { Bytes } from "../../../../../crypto/browser/encoding.ts";
import { VerificationError } from "../../../../../crypto/browser/errors.ts";
import { Statement, sign } from "../../../../../crypto/browser/statements.ts";
import { checkBeforeSealing, sealBid } from "../../../../browser/bid.ts";
import { type Edition, complete } from "../../../../browser/notice.ts";
import type { Announced } from "../../../../browser/tender.ts";
import { signer } from "../identity.ts";
import { type Enclosed, type Link, append, keep, latest } from "./chain.ts";
import { type Contents, type Draft, type DraftDocument, partners, sealedFiles } from "./draft.ts";
import * as files from "./files.ts";

const BREATHER = 3000; // milliseconds between two rounds of attempts
const LONGEST_PAUSE = 30_000;

type Sealed = Omit<Link, "number" | "terms" | "state" | "receipts">;

/** Told what is going on, by a word of the page. */
export type Tell = (word: string, values?: Readonly<Record<string, string>>) => void;

/** Why the contents would not open as a bid, by the opener's own checks; null where they would. */
export function whyUnopenable(tender: Announced, draft: Draft, contents: Contents): string | null {
  try {
    checkBeforeSealing(tender.notice, contents.open, contents.restricted, sealedFiles(draft), partners(draft.fields));
    return null;
  } catch (error) {
    if (error instanceof VerificationError) return error.code;
    throw error;
  }
}

/** The draft's contents, sealed and signed as the next link of the chain, which it replaces. Throws what `sealBid`
 * throws. */
export async function seal(
  service: Service,
  tender: Announced,
  draft: Draft,
  contents: Contents,
  chain: readonly Link[],
): Promise<Link> {
  const consortium = partners(draft.fields);
  const documents = sealedFiles(draft);
  const drafted = { contents: contents.open, restricted: contents.restricted, documents, consortium };
  const sealed = await sealBid(service, tender, await signer(), { ...drafted, previous: latest(chain)?.id });
  const enclosed: Enclosed[] = documents.map((file, i) => ({ ...file, ...placed(draft.documents[i]!) }));
  for (const { listed, file } of sealed.files) {
    const place = files.newPlace(tender.notice.tender);
    await files.keep(place, file);
    enclosed.push({ ...listed, place });
  }
  return add(tender, {
    kind: "envelope",
    ...signed(sealed.envelope),
    shown: { contents: sealed.contents, entropy: sealed.entropy, restricted: sealed.restricted },
    partners: consortium,
    files: enclosed,
  });
}

/** The statement that takes the latest bid back, as the next link: to be submitted. */
export async function withdrawal(tender: Announced, chain: readonly Link[]): Promise<Link> {
  const taken = latest(chain)!;
  const key = await signer(taken.signer);
  const about = { tender: tender.notice.tender, notice: tender.noticeId };
  const said = { signer: key.fingerprint, ...about, previous: taken.id };
  return add(tender, { kind: "withdrawal", ...signed(await sign(WITHDRAWAL, said, key)), partners: [], files: [] });
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
  const key = await signer(link.signer);
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

function add({ notice, terms }: Announced, link: Sealed): Promise<Link> {
  const about = { title: notice.title, deadline: notice.deadline };
  return append(notice.tender, about, { ...link, terms: terms.terms, state: "sealed", receipts: {} });
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
