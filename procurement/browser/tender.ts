/** A tender as its pinned witnesses have seen it published, and amended since: what a bidder's browser verifies before
 * it seals (PROTOCOL section 3). Twin of `read_notice` in `procurement/client.py`. */

import { type Logged, type Service, pathOf } from "../../bids/browser/client.ts";
import type { SubmissionTerms } from "../../bids/browser/envelope.ts";
import { TenderError } from "../../bids/browser/errors.ts";
import type { Certificate, Role, Signer } from "../../crypto/browser/certificates.ts";
import { digestOf, verifyCommittee } from "../../crypto/browser/committee.ts";
import { type Bytes, fromBase64, milliseconds, sha256, toHex } from "../../crypto/browser/encoding.ts";
import { CommitteeError, LogError } from "../../crypto/browser/errors.ts";
import { type Payload, type Purpose, Statement } from "../../crypto/browser/statements.ts";
import { checkNetwork } from "../../crypto/browser/trust.ts";
import {
  type Of,
  answered,
  decodeAs,
  hex32,
  identifier,
  list,
  loose,
  momentText,
  oneOf,
  pattern,
  small,
  struct,
} from "../../crypto/browser/values.ts";
import {
  AMENDMENT,
  COUNTERSIGNATURE,
  EXTENSION,
  type Amendment,
  type Edition,
  type Extension,
  NOTICE,
  type Notice,
  TRANSCRIPT,
  checkInTime,
  checkNotice,
  checkPublication,
  checkToldAfterwards,
  closes,
  followedBy,
  opens,
  published,
} from "./notice.ts";
import { checkAdmitted } from "./numbers.ts";

const LONGEST_ENTRY = 65_535;
const BEGINNING = "0".repeat(64);

/** A step of a tender's history as it stands in the log, of those by which terms come about; others have other fields
 * and are none of this reader's business. */
const entry = struct({
  t: oneOf(
    "tender:published",
    "tender:countersigned",
    "amendment:countersigned",
    "tender:amended",
    "tender:extended",
  ),
  time: momentText,
  statement: hex32,
  status: hex32,
  tender: identifier,
  notice: hex32,
  seq: small,
  prev: hex32,
});
type Entry = Of<typeof entry>;
const timeline = loose({ events: list(loose({ seq: small, type: pattern(/^/, "text") })) });

/** The registration numbers of a tender's officials. */
export interface Officials {
  /** Whether the tender is a practice one, which alone admits practice numbers. */
  readonly practice: boolean;
  readonly officer: string;
  /** Who countersigned. */
  readonly second: string;
  readonly evaluators: readonly string[];
  readonly members: readonly string[];
}

/** A tender that a party has verified; `notice` and `terms` are those of the latest edition. */
export interface Announced {
  readonly notice: Notice;
  readonly noticeId: string;
  readonly terms: SubmissionTerms;
  readonly editions: readonly Edition[];
  /** Of the editions' entries in the log. */
  readonly indexes: readonly number[];
  readonly officials: Officials;
}

/** The tender as the pinned witnesses have seen it published, and amended since.
 *
 * Verified: the notice's place at the start of the tender's history in the co-signed log, the signatures of two
 * officers, the committee's proofs and the word of its n certified members, that nobody holds two duties, a pinned
 * beacon, and a round after the deadline; and each change of the terms that the service shows. Throws ServiceError and
 * VerificationError's kinds. */
export async function readNotice(service: Service, ocid: string): Promise<Announced> {
  const path = (seq: number): string => `${pathOf({ tender: ocid })}/entries/${seq}`;
  const [announced, agreed] = [await service.logged(path(0)), await service.logged(path(1))];
  const [first, second] = beginning(announced.entry, agreed.entry);
  if (first.tender !== ocid) throw new LogError("the notice is another tender's");
  const { payload: notice, certificate: officer } = await said(service, announced, first, NOTICE);
  const { payload: word, certificate: colleague } = await said(service, agreed, second, COUNTERSIGNATURE);
  checkCountersigned(first.statement, word.statement);
  checkNotice(notice);
  verifyCommittee(notice.committee);
  checkPublication(notice, milliseconds(first.time));
  checkNetwork(service.trust, notice.network);
  const officials = await officialsOf(service, notice, first, officer, colleague);
  const edition = published(notice, first.statement);
  const tender = {
    notice,
    noticeId: first.statement,
    terms: edition.terms,
    editions: [edition],
    indexes: [announced.index],
    officials,
  };
  return await amendedSince(service, tender);
}

/** Throws TenderError unless bids by the holder of this key are taken now, and the round of the time lock lies ahead. */
export function checkOpen(service: Service, { notice }: { readonly notice: Notice }, { holder }: Signer): void {
  checkAdmitted([holder.registration], notice.practice);
  if (service.now() >= Math.min(closes(notice), opens(notice))) {
    throw new TenderError("deadline-passed", "the deadline has passed");
  }
}

/** The first two entries of a tender's chain: published, then countersigned. Throws LogError or MalformedError. */
function beginning(...data: readonly [Bytes, Bytes]): [Entry, Entry] {
  const [first, second] = [readEntry(data[0]), readEntry(data[1])];
  if (first.t !== "tender:published" || first.statement !== first.notice || first.seq !== 0 || first.prev !== BEGINNING) {
    throw new LogError("the chain does not start with the tender's notice");
  }
  checkSameTender(first, second);
  if (second.t !== "tender:countersigned" || second.seq !== 1 || second.time < first.time) {
    throw new LogError("the notice is not countersigned in its history");
  }
  checkFollows(data[0], second);
  return [first, second];
}

function readEntry(data: Uint8Array): Entry {
  const read = decodeAs(data, entry, LONGEST_ENTRY);
  milliseconds(read.time);
  return read;
}

function checkSameTender(first: Entry, other: Entry): void {
  if (first.tender !== other.tender || first.notice !== other.notice) {
    throw new LogError(`entry ${other.seq} is another tender's`);
  }
}

function checkFollows(before: Uint8Array, { seq, prev }: Entry): void {
  if (toHex(sha256(before)) !== prev) throw new LogError(`the tender's chain is broken at entry ${seq}`);
}

/** What the statement behind a logged entry says, and who was in good standing and said it. */
async function said<P extends Payload>(
  service: Service,
  logged: Logged,
  entry: Entry,
  purpose: Purpose<P>,
): Promise<{ payload: P; certificate: Certificate }> {
  if (logged.statement.id !== entry.statement) throw new LogError(`entry ${entry.seq} is about another statement`);
  const found = await service.verified(logged.statement, purpose, milliseconds(entry.time), entry.status);
  const { tender, notice = entry.notice } = found.payload as P & { tender?: string; notice?: string };
  if (tender !== entry.tender || notice !== entry.notice) {
    throw new LogError(`the statement behind entry ${entry.seq} is about another tender`);
  }
  return found;
}

/** Who holds which duty: members and panel in good standing at publication, the members agreed on one ceremony, and
 * nobody with two duties. */
async function officialsOf(
  service: Service,
  notice: Notice,
  entry: Entry,
  officer: Certificate,
  second: Certificate,
): Promise<Officials> {
  const named = notice.committee.members.map(({ certificate }) => certificate);
  const members = await standing(service, named, "committee", entry);
  await checkTranscript(notice, members);
  const panel = await standing(service, notice.evaluators, "evaluator", entry);
  const officials = {
    practice: notice.practice,
    officer: officer.registration,
    second: second.registration,
    evaluators: panel.map(({ registration }) => registration),
    members: members.map(({ registration }) => registration),
  };
  checkApart(officials);
  return officials;
}

/** The certificates with these fingerprints, each in good standing when `entry` was made. */
async function standing(
  service: Service,
  fingerprints: readonly string[],
  role: Role,
  { time, status }: Entry,
): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for (const each of fingerprints) found.push(await service.certificate(each, role, milliseconds(time), status));
  return found;
}

/** The committee's `members` all signed that this came of one ceremony. Throws CommitteeError, or what
 * `Statement.verify` throws. */
async function checkTranscript(notice: Notice, members: readonly Certificate[]): Promise<void> {
  if (notice.transcript.length !== members.length) {
    throw new CommitteeError("every member signs the ceremony's transcript");
  }
  if (new Set(members.map(({ registration }) => registration)).size !== members.length) {
    throw new CommitteeError("one person has two seats in the committee");
  }
  const words = await Promise.all(
    notice.transcript.map((data, i) => new Statement(fromBase64(data)).verify(TRANSCRIPT, members[i]!)),
  );
  const digest = digestOf(notice.committee);
  if (words.some(({ committee }) => committee !== digest)) throw new CommitteeError("a member signed for another committee");
  if (new Set(words.map(({ transcript }) => transcript)).size !== 1) {
    throw new CommitteeError("the members signed different transcripts");
  }
}

/** Nobody holds two duties, or two seats on the panel, and the tender admits all of them. Throws TenderError. */
function checkApart({ practice, officer, second, evaluators, members }: Officials): void {
  const held = [officer, second, ...evaluators, ...members];
  checkAdmitted(held, practice);
  if (officer === second) throw new TenderError("four-eyes", "a notice is countersigned by a second officer");
  if (new Set(evaluators).size !== evaluators.length) {
    throw new TenderError("panel-repeats", "one person has two seats on the panel");
  }
  if (new Set(held).size !== held.length) throw new TenderError("conflicting-roles", "somebody holds two duties here");
}

/** The tender with the changes of its terms that the service shows, each verified. */
async function amendedSince(service: Service, tender: Announced): Promise<Announced> {
  const { events } = answered(await service.get(`${pathOf(tender.notice)}/timeline`), timeline);
  const changes = events.filter(({ type }) => type === "tender:amended" || type === "tender:extended");
  let found = tender;
  for (const { seq } of changes) found = await amendedAt(service, found, seq);
  return found;
}

async function amendedAt(service: Service, tender: Announced, seq: number): Promise<Announced> {
  const logged = await service.logged(`${pathOf(tender.notice)}/entries/${seq}`);
  const entry = ownEntry(tender, logged.entry, "tender:amended", "tender:extended");
  const change =
    entry.t === "tender:amended"
      ? await amendment(service, tender, logged, entry)
      : await extension(service, logged, entry);
  const editions = followedBy(tender.editions, change, entry.statement, entry.seq);
  const { notice, terms } = editions[editions.length - 1]!;
  checkNotice(notice);
  return { ...tender, notice, terms, editions, indexes: [...tender.indexes, logged.index] };
}

/** What the service extended, once the outages were over. */
async function extension(service: Service, logged: Logged, entry: Entry): Promise<Extension> {
  const { payload } = await said(service, logged, entry, EXTENSION);
  checkToldAfterwards(payload, milliseconds(entry.time));
  return payload;
}

/** What an officer in charge amended in time, and another countersigned in the entry before. */
async function amendment(service: Service, tender: Announced, logged: Logged, entry: Entry): Promise<Amendment> {
  const before = await service.logged(`${pathOf(tender.notice)}/entries/${entry.seq - 1}`);
  const agreed = ownEntry(tender, before.entry, "amendment:countersigned");
  checkFollows(before.entry, entry);
  const { payload, certificate: officer } = await said(service, logged, entry, AMENDMENT);
  const { payload: word, certificate: colleague } = await said(service, before, agreed, COUNTERSIGNATURE);
  checkCountersigned(entry.statement, word.statement);
  checkHands(tender.officials, officer.registration, colleague.registration);
  checkInTime(tender.editions[tender.editions.length - 1]!, payload.amended, milliseconds(entry.time));
  return payload;
}

/** One of the tender's two officers signed, and another officer, without another duty, countersigned. */
function checkHands(officials: Officials, signed: string, countersigned: string): void {
  if (signed !== officials.officer && signed !== officials.second) {
    throw new TenderError("another-officer", "the tender is in other officers' hands");
  }
  if (signed === countersigned) {
    throw new TenderError("four-eyes", "what one officer signs is countersigned by a second officer");
  }
  checkApart({ ...officials, second: countersigned === officials.officer ? officials.second : countersigned });
}

function checkCountersigned(statement: string, word: string): void {
  if (word !== statement) throw new TenderError("wrong-countersignature", "another statement is countersigned");
}

/** The entry, of the tender's own history and of one of these kinds. Throws LogError. */
function ownEntry(tender: Announced, data: Uint8Array, ...kinds: Entry["t"][]): Entry {
  const read = readEntry(data);
  if (read.tender !== tender.notice.tender || read.notice !== tender.noticeId || !kinds.includes(read.t)) {
    throw new LogError(`entry ${read.seq} is another one than the service says`);
  }
  return read;
}
