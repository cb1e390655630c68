/** What became of a bid: how the closing lists it, whether what was opened is what was sealed, how it ranked and why. */

import { type Service, ServiceError, pathOf } from "../../../../../bids/browser/client.ts";
import { type Place, nameOf } from "../../../../../bids/browser/envelope.ts";
import {
  CLOSING,
  type Closing,
  DOCUMENT_RECEIPT,
  checkClosing,
  checkListed,
  counted,
  parseHeld,
} from "../../../../../bids/browser/receipts.ts";
import { sleep } from "../../../../../bids/browser/line.ts";
import { type Json, encode, equal, milliseconds } from "../../../../../crypto/browser/encoding.ts";
import { LogError } from "../../../../../crypto/browser/errors.ts";
import { answered, decodeAs, hex32, identifier, loose, momentText, oneOf } from "../../../../../crypto/browser/values.ts";
import type { Announced } from "../../../../browser/tender.ts";
import { say } from "../words.ts";
import { receiptOf } from "./bidder.ts";
import { type Link, isTaken } from "./chain.ts";
import { byId, slot } from "./page.ts";

const LONGEST_ENTRY = 65_535;
const POLL = 10_000; // milliseconds

const closed = loose({
  t: oneOf("tender:closed"),
  time: momentText,
  statement: hex32,
  status: hex32,
  tender: identifier,
  notice: hex32,
});

/** The closing lists otherwise what there is a receipt for, or something else was opened: the receipt proves it. */
export class BetrayedError extends LogError {
  override readonly code: "not-listed" | "opened-otherwise";

  constructor(code: "not-listed" | "opened-otherwise") {
    super(code);
    this.code = code;
  }
}

interface PublishedPart extends Place {
  readonly content?: Json;
  readonly reason?: string;
}

interface Published {
  readonly envelope: string;
  readonly parts: readonly PublishedPart[];
}

/** Tells what is known, and goes on looking until the bid is ranked. Throws BetrayedError, and what `Service.logged`
 * throws. */
export async function follow(service: Service, tender: Announced, chain: readonly Link[]): Promise<void> {
  const place = byId("fate");
  place.hidden = false;
  tell("closing", [say("fate-waiting")]);
  const closing = await untilThere(() => readClosing(service, tender));
  const last = chain.filter(isTaken).pop()!;
  for (const link of chain.filter(isTaken)) checkTaken(closing, link);
  tell("closing", await listing(service, tender, closing, last));
  if (!counted(closing).includes(last.id)) return;
  const opened = await untilThere(() => readOpened(service, tender, last.id));
  tell("opened", openedAs(opened, last));
  slot(place, "results").innerHTML = await untilThere(() => readResult(service, tender, last.id));
  tell("opened", openedAs(await readOpened(service, tender, last.id), last)); // prices that came later, too
}

function tell(name: string, sentences: readonly string[]): void {
  slot(byId("fate"), name).textContent = sentences.join(" ");
}

/** The closing statement as the witnessed log has it, of just this tender, by a service in good standing. */
async function readClosing(service: Service, { notice, noticeId, editions }: Announced): Promise<Closing> {
  const { entry, statement } = await service.logged(`${pathOf(notice)}/closing`, 0);
  const said = decodeAs(entry, closed, LONGEST_ENTRY);
  if (said.tender !== notice.tender || said.notice !== noticeId || said.statement !== statement.id) {
    throw new LogError("the entry is another one than the closing's");
  }
  const { payload } = await service.verified(statement, CLOSING, milliseconds(said.time), said.status);
  checkClosing(payload);
  const terms = editions.map((each) => each.terms.terms);
  if (payload.tender !== notice.tender || payload.notice !== noticeId || payload.terms.join() !== terms.join()) {
    throw new LogError("the closing statement is about other terms");
  }
  return payload;
}

/** The closing has the link and its files just as their receipts say. */
function checkTaken(closing: Closing, link: Link): void {
  try {
    const { proof } = parseHeld(link.answer!);
    if (proof) checkListed(closing, receiptOf(link.answer!), Number(proof.index));
    else if (!closing.commitments.some(({ statement }) => statement === link.id)) throw new LogError("not listed");
    for (const answer of Object.values(link.receipts)) {
      const held = parseHeld(answer);
      checkListed(closing, held.statement.read(DOCUMENT_RECEIPT), Number(held.proof!.index));
    }
  } catch (error) {
    throw error instanceof LogError ? new BetrayedError("not-listed") : error;
  }
}

async function listing(service: Service, { notice }: Announced, closing: Closing, last: Link): Promise<string[]> {
  const { number, id, kind } = last;
  if (kind === "withdrawal") return [say("fate-withdrawn")];
  if (!counted(closing).includes(id)) return [say("fate-superseded", { number })];
  const { status } = answered(await service.get(`${pathOf(notice)}/timeline`), loose({ status: identifier }));
  const missing = closing.missing.filter(({ envelope }) => envelope === id).map((each) => each.number);
  const said = [say(status === "terminated" ? "fate-ended" : "fate-counts", { number })];
  return missing.length ? [...said, say("fate-missing", { numbers: missing.join(", ") })] : said;
}

async function readOpened(service: Service, { notice }: Announced, id: string): Promise<Published> {
  const { bids } = JSON.parse(new TextDecoder().decode(await service.get(`${pathOf(notice)}/bids`))) as { bids: Published[] };
  const found = bids.find(({ envelope }) => envelope === id);
  if (!found) throw new BetrayedError("opened-otherwise");
  return found;
}

/** Every part that was opened so far says what was sealed, byte for byte. */
function openedAs(opened: Published, last: Link): string[] {
  const shown = new Map(last.shown!.contents.map((each) => [nameOf(each), each.content]));
  for (const { content, ...place } of opened.parts) {
    const sealed = shown.get(nameOf(place));
    if (content !== undefined && !(sealed && equal(encode(content), sealed))) throw new BetrayedError("opened-otherwise");
  }
  const failed = opened.parts.flatMap(({ reason }) => (reason === undefined ? [] : [say("fate-unopenable", { code: reason })]));
  return failed.length ? failed : [say("fate-same")];
}

/** A piece of the page, in the reader's language. */
async function readResult(service: Service, { notice }: Announced, id: string): Promise<string> {
  return new TextDecoder().decode(await service.get(`/tenders/${notice.tender}/bid/results/${id}?lang=${document.documentElement.lang}`));
}

/** What `look` finds, once the service does not say any more that it is not there yet. */
async function untilThere<T>(look: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof ServiceError) || !["not-yet", "unreachable"].includes(error.code)) throw error;
    }
    await sleep(POLL);
  }
}
