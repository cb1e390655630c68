/** A tender as its notice states it: the form of what officers sign, what may amend it, and what anybody can check of
 * it alone. Twin of parts of `procurement/tenders.py`, `notices.py`, `editions.py` and the rule sets' parameters.
 *
 * Not checked here, but by the service and by everybody who verifies the record: legal periods, whose dated tables and
 * calendars no phone should have to load, and whether a rule set's parameters agree among themselves. */

import { network, roundAt, timeOf } from "../../crypto/browser/beacon.ts";
import type { Role } from "../../crypto/browser/certificates.ts";
import { committee } from "../../crypto/browser/committee.ts";
import { bytesOf, fromHex, milliseconds, moment, sha256, toHex } from "../../crypto/browser/encoding.ts";
import { type Purpose } from "../../crypto/browser/statements.ts";
import { witnessPolicy } from "../../crypto/browser/trust.ts";
import {
  type Of,
  type Type,
  base64Text,
  defaulted,
  hex32,
  identifier,
  integer,
  list,
  longText,
  maybe,
  momentText,
  oneOf,
  pattern,
  roundText,
  struct,
  tagged,
  text,
  truth,
} from "../../crypto/browser/values.ts";
import { MOST_DOCUMENTS, MOST_LOTS, MOST_PARTNERS, type SubmissionTerms } from "../../bids/browser/envelope.ts";
import { TenderError } from "../../bids/browser/errors.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** How far from its stated time a notice is published at most. */
const PROMPT = 5 * MINUTE;
/** From an amendment's entry to the deadline, at least. */
const RESEALING = DAY;
/** Days in a row that may be off under a law, at most: how far an extension may move on beyond the rule. */
const MOST_DAYS_OFF = 31;
const MOST_EDITIONS = 100;
const MOST_AMENDED = 80;
const WEEK = 7 * 24 * 3600; // seconds

export const line = text(1, 300);
export const amount = pattern(/^(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?$/, "an amount");
const percent = pattern(/^(0|[1-9][0-9]?|100)(\.[0-9]{1,3})?$/, "a percentage");
const points = pattern(/^(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?$/, "points");
const language = pattern(/^[a-z]{2}$/, "a language");
export const mediaType = pattern(/^[a-z0-9.+-]{1,40}\/[a-z0-9.+-]{1,80}$/, "a media type");
const category = oneOf("goods", "works", "services");
const fileSize = integer(0, 256 * 1024 * 1024);
const seconds = integer(60, WEEK);
const words = <T>(type: Type<T>) => defaulted(list(type, 0, 20), []);

const organisation = struct({ id: identifier, name: line });
const item = struct({
  id: identifier,
  description: line,
  quantity: maybe(amount),
  unit: maybe(line),
  classification: maybe(
    struct({ scheme: pattern(/^[A-Z][A-Z0-9-]{1,23}$/, "a scheme"), id: identifier, description: maybe(line) }),
  ),
});

const criterion = { id: identifier, title: longText, points } as const;
const weightedCriteria = list(struct({ ...criterion, weight: points, threshold: maybe(points) }), 1, 100);
const drop = defaulted(integer(3, 1000), 4);
const period = (fallback: number) => defaulted(integer(1, 90 * 24 * 3600), fallback);

const lowestPrice = struct({ ruleSet: oneOf("lowest-price/1"), ceiling: maybe(amount) });
const lowestPrice2 = struct({
  ruleSet: oneOf("lowest-price/2"),
  ceiling: maybe(amount),
  abnormalBelow: percent,
  abnormalFrom: defaulted(integer(3, 1000), 5),
});
const derived = struct({ kind: oneOf("derived") });
const committedTo = struct({ kind: oneOf("committed"), digest: hex32 });
type PreliminaryPrices = Of<typeof derived> | Of<typeof committedTo>;
const krPriceFloor = struct({
  ruleSet: oneOf("kr-price-floor/1"),
  base: amount,
  basisPoints: integer(1, 9999),
  unit: oneOf(100, 1),
  preliminaryPrices: tagged<PreliminaryPrices>("kind", { derived, committed: committedTo as Type<any> }),
  floor: maybe(percent),
  estimatedPrice: maybe(amount),
  authority: defaulted(oneOf("national", "local"), "national"),
  statutoryCosts: defaulted(amount, "0"),
  netConstructionCost: maybe(amount),
  examination: maybe(
    struct({
      criteria: list(struct(criterion), 1, 50),
      passMark: defaulted(points, "95"),
      documentsWithin: period(604800),
      supplementWithin: period(259200),
    }),
  ),
});
const krNegotiation = struct({
  ruleSet: oneOf("kr-negotiation/1"),
  technicalPoints: points,
  pricePoints: points,
  budget: amount,
  criteria: list(struct(criterion), 1),
  passMark: maybe(percent),
  dropExtremesFrom: drop,
  negotiation: defaulted(truth, false),
});
const qualityPrice = struct({
  ruleSet: oneOf("quality-price/1"),
  priceWeight: points,
  criteria: weightedCriteria,
  passMark: maybe(percent),
  dropExtremesFrom: drop,
  ceiling: maybe(amount),
});
const twoEnvelope = struct({
  ruleSet: oneOf("two-envelope/1"),
  criteria: weightedCriteria,
  passMark: percent,
  priceWeight: maybe(points),
  dropExtremesFrom: drop,
  ceiling: maybe(amount),
});
const costItem = struct({ id: identifier, title: longText, due: defaulted(oneOf("yearly", "end"), "yearly") });
const lifeCycleCost = struct({
  ruleSet: oneOf("life-cycle-cost/1"),
  costs: list(costItem, 1, 100),
  years: integer(1, 100),
  rate: percent,
  ceiling: maybe(amount),
});

/** A rule set by which one bid wins. */
export type Single =
  | Of<typeof lowestPrice>
  | Of<typeof lowestPrice2>
  | Of<typeof krPriceFloor>
  | Of<typeof krNegotiation>
  | Of<typeof qualityPrice>
  | Of<typeof twoEnvelope>
  | Of<typeof lifeCycleCost>;
const singles: { readonly [ruleSet: string]: Type<any> } = {
  "lowest-price/1": lowestPrice,
  "lowest-price/2": lowestPrice2,
  "kr-price-floor/1": krPriceFloor,
  "kr-negotiation/1": krNegotiation,
  "quality-price/1": qualityPrice,
  "two-envelope/1": twoEnvelope,
  "life-cycle-cost/1": lifeCycleCost,
};
const multiAward = struct({
  ruleSet: oneOf("multi-award/1"),
  rules: tagged<Single>("ruleSet", singles),
  winners: integer(2, 100),
});
export type Rules = Single | Of<typeof multiAward>;

const lot = struct({
  id: identifier,
  title: line,
  items: list(item, 1),
  rules: tagged<Rules>("ruleSet", { ...singles, "multi-award/1": multiAward as Type<any> }),
});
/** A lot, with the rule set and parameters by which its offers are evaluated. */
export type Lot = Of<typeof lot>;

const tenderDocument = struct({
  id: identifier,
  documentType: oneOf(
    "tenderNotice",
    "biddingDocuments",
    "technicalSpecifications",
    "evaluationCriteria",
    "eligibilityCriteria",
    "billOfQuantity",
    "contractDraft",
    "illustration",
    "riskProvisions",
  ),
  title: line,
  format: mediaType,
  language,
  sha256: hex32,
  size: fileSize,
});
const translation = struct({
  language,
  title: line,
  description: defaulted(longText, ""),
  lots: defaulted(
    list(
      struct({
        id: identifier,
        title: line,
        items: defaulted(list(struct({ id: identifier, description: line })), []),
      }),
    ),
    [],
  ),
});
const legalBasis = struct({
  jurisdiction: identifier,
  procedure: oneOf("open", "small-value", "negotiation", "two-envelope", "framework"),
  international: defaulted(truth, false),
  retender: defaulted(truth, false),
  urgency: maybe(line),
});
const eligibility = struct({
  regions: words(line),
  sizes: words(oneOf("micro", "small", "medium", "large")),
  licences: words(line),
  reservedFor: words(oneOf("small", "local", "village")),
  other: words(line),
});
const bidSecurity = struct({
  percent: maybe(percent),
  amount: maybe(amount),
  forms: words(oneOf("cash", "bank-guarantee", "insurance", "surety", "securities", "pledge")),
  validDays: maybe(integer(1, 730)),
  waived: maybe(line),
});
const outageRule = struct({
  window: seconds,
  least: seconds,
  short: seconds,
  shortExtension: seconds,
  longExtension: seconds,
});
type OutageRule = Of<typeof outageRule>;

/** The fields of the officer's statement that starts a tender. Its id names the tender in every lock. */
const noticeFields = {
  protocol: oneOf("openseal/v1"),
  signer: hex32,
  tender: identifier,
  number: identifier,
  language: defaulted(language, "en"),
  title: line,
  description: defaulted(longText, ""),
  practice: defaulted(truth, false),
  procuringEntity: organisation,
  contact: struct({ name: line, email: maybe(line), telephone: maybe(line) }),
  currency: pattern(/^[A-Z]{3}$/, "a currency"),
  lots: list(lot, 1, MOST_LOTS),
  declarations: defaulted(list(struct({ id: identifier, text: longText })), []),
  ownersAsked: defaulted(truth, false),
  published: momentText,
  deadline: momentText,
  standstill: integer(0, 366 * 24 * 3600),
  network,
  round: roundText,
  committee,
  transcript: list(base64Text),
  witnesses: witnessPolicy,
  evaluators: defaulted(list(hex32), []),
  seats: maybe(integer(1, 100)),
  contentLimit: defaulted(integer(1, 1024 * 1024), 64 * 1024),
  documentLimit: defaulted(integer(0, MOST_DOCUMENTS), 0),
  documentSize: defaulted(integer(0, 4 * 1024 * 1024 * 1024), 0),
  uploadGrace: defaulted(integer(0, WEEK), 0),
  partnerLimit: defaulted(integer(0, MOST_PARTNERS), MOST_PARTNERS),
  variantPolicy: maybe(oneOf("notAllowed")),
  buyer: maybe(organisation),
  category: maybe(category),
  estimatedValue: maybe(amount),
  legal: maybe(legalBasis),
  budget: maybe(struct({ id: line, description: maybe(line), project: maybe(line), amount: maybe(amount) })),
  eligibility: maybe(eligibility),
  bidSecurity: maybe(bidSecurity),
  documents: defaulted(list(tenderDocument, 0, 50), []),
  translations: defaulted(list(translation, 0, 20), []),
  enquiriesUntil: maybe(momentText),
  onExtension: defaulted(oneOf("stand", "reseal"), "stand"),
  extensionMargin: defaulted(integer(1, WEEK), 1800),
  outage: maybe(outageRule),
  previous: maybe(struct({ tender: identifier, notice: hex32 })),
} as const;
export const notice = struct(noticeFields);
export type Notice = Of<typeof notice>;

const OFFICER: readonly Role[] = ["officer"];
export const NOTICE: Purpose<Notice> = { purpose: "notice", roles: OFFICER, type: notice };

const amendmentPayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  previous: hex32,
  amended: notice,
  bidsStand: truth,
  reason: text(1, 2000),
  time: momentText,
});
/** An officer's change of a tender's terms, in force once another officer has countersigned it. */
export type Amendment = Of<typeof amendmentPayload>;
export const AMENDMENT: Purpose<Amendment> = { purpose: "amendment", roles: OFFICER, type: amendmentPayload };

const gap = struct({ start: momentText, end: momentText });
type Gap = Of<typeof gap>;
const extensionPayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  previous: hex32,
  gaps: list(gap, 1, 1000),
  deadline: momentText,
  round: roundText,
  time: momentText,
});
/** The service moves the deadline after an outage, by the rule of the notice. */
export type Extension = Of<typeof extensionPayload>;
export const EXTENSION: Purpose<Extension> = { purpose: "outage-extension", roles: ["service"], type: extensionPayload };

const countersignaturePayload = struct({
  signer: hex32,
  tender: identifier,
  notice: hex32,
  statement: hex32,
  time: momentText,
});
/** A second officer's word for a colleague's statement: without it that does not count. */
export type Countersignature = Of<typeof countersignaturePayload>;
export const COUNTERSIGNATURE: Purpose<Countersignature> = {
  purpose: "countersignature",
  roles: OFFICER,
  type: countersignaturePayload,
};

const transcriptPayload = struct({ signer: hex32, transcript: hex32, committee: hex32 });
/** A member's last word of the key ceremony: this was said, and this committee came of it. */
export type Transcript = Of<typeof transcriptPayload>;
export const TRANSCRIPT: Purpose<Transcript> = {
  purpose: "committee-transcript",
  roles: ["committee"],
  type: transcriptPayload,
};

/** The terms of a tender at one time, made so by the notice, amendment or extension `statement`; `stands` says whether
 * bids that came under it count, `settled` up to when outages have been made good for. */
export interface Edition {
  readonly statement: string;
  readonly seq: number;
  readonly notice: Notice;
  readonly terms: SubmissionTerms;
  readonly stands: boolean;
  readonly settled: string;
}

/** The rule set by which bids are compared, whether one of them wins or several. */
export function single(rules: Rules): Single {
  return rules.ruleSet === "multi-award/1" ? rules.rules : rules;
}

/** All that an envelope may seal apart, in its order: technical and price where a panel scores any lot, else one part.
 * Of several lots each has a price part of its own, where the rules of one keep prices closed. */
export function partsOf({ lots }: Notice): SubmissionTerms["parts"] {
  if (!lots.some(({ rules }) => "criteria" in single(rules))) return [{ part: "bid" }];
  const isPricedApart = lots.length > 1 && lots.some(({ rules }) => single(rules).ruleSet === "two-envelope/1");
  const prices = isPricedApart ? lots.map(({ id }) => ({ part: "price", lot: id }) as const) : [{ part: "price" } as const];
  return [{ part: "technical" }, ...prices];
}

/** The first moment at which no bid is taken any more, milliseconds since 1970. */
export function closes(notice: Notice): number {
  return milliseconds(notice.deadline);
}

/** The end of the upload grace: the first moment at which no document is taken any more. */
export function complete(notice: Notice): number {
  return closes(notice) + notice.uploadGrace * SECOND;
}

/** When the beacon's round comes that the time lock waits for. */
export function opens(notice: Notice): number {
  return timeOf(notice.network, BigInt(notice.round));
}

/** What the bid box is handed of a tender, whose notice reads so after these amendments (ids). */
export function termsOf(notice: Notice, noticeId: string, ...amendments: string[]): SubmissionTerms {
  return {
    tender: notice.tender,
    notice: noticeId,
    terms: termsDigest([noticeId, ...amendments]),
    parts: partsOf(notice),
    network: notice.network,
    round: notice.round,
    committee: notice.committee.publicKey,
    contentLimit: notice.contentLimit,
    documentLimit: notice.documentLimit,
    documentSize: notice.documentSize,
    partnerLimit: notice.partnerLimit,
  };
}

/** `SHA256("openseal/v1/terms\n" ‖ ids of the notice and of what amends it, in order)`, hex. */
export function termsDigest(statements: readonly string[]): string {
  return toHex(sha256(bytesOf("openseal/v1/terms\n"), ...statements.map(fromHex)));
}

/** What a notice says agrees with itself, as far as a bidder's locks and parts depend on it. Throws TenderError. The
 * committee's proofs are `verifyCommittee`'s. */
export function checkNotice(notice: Notice): void {
  distinct("lots-repeat", notice.lots.map(({ id }) => id));
  distinct("declarations-repeat", notice.declarations.map(({ id }) => id));
  for (const { items } of notice.lots) distinct("items-repeat", items.map(({ id }) => id));
  distinct("panel-repeats", notice.evaluators);
  const isScored = partsOf(notice).length > 1;
  need(notice.evaluators.length > 0 === isScored, "panel-missing", "a panel is named exactly where rules need sheets");
  need((notice.seats ?? 0) <= notice.evaluators.length, "pool-too-small", "a panel has more seats than its pool people");
  need(opens(notice) > complete(notice), "opening-too-early", "the round comes before the deadline or the grace's end");
  need(
    notice.documentLimit > 0 === notice.documentSize > 0,
    "documents-unclear",
    "a notice that takes documents says how many and how large",
  );
  need(milliseconds(notice.published) < closes(notice), "deadline-passed", "the deadline has passed");
  need(notice.practice || !notice.lots.some(knowsPrices), "prices-known", "preliminary prices are known before the bids");
}

/** What holds at publication only: the deadline lies ahead, `published` is about the time of the notice's entry. */
export function checkPublication(notice: Notice, time: number): void {
  need(closes(notice) > time, "deadline-passed", "the deadline has passed");
  const isPrompt = Math.abs(milliseconds(notice.published) - time) < PROMPT;
  need(isPrompt, "publication-time-wrong", "the notice's time of publication is not that of its entry");
}

/** The first edition. */
export function published(notice: Notice, noticeId: string): Edition {
  return { statement: noticeId, seq: 0, notice, terms: termsOf(notice, noticeId), stands: true, settled: "" };
}

/** `editions` with one more, made by the statement with that id, whose entry stands at `seq`. Throws TenderError where
 * it may not follow. */
export function followedBy(
  editions: readonly Edition[],
  said: Amendment | Extension,
  id: string,
  seq: number,
): Edition[] {
  const latest = editions[editions.length - 1]!;
  need(said.previous === latest.statement, "not-latest", "the terms have changed since: this follows an earlier edition");
  const most = "amended" in said ? MOST_AMENDED : MOST_EDITIONS;
  need(editions.length < most, "too-many-amendments", `the tender has ${most} editions already`);
  const { notice, stand } = "amended" in said ? amended(latest, said) : extended(latest, said);
  const settled = "amended" in said ? latest.settled : said.gaps[said.gaps.length - 1]!.end;
  const [first, ...before] = editions.map((each) => each.statement);
  const terms = termsOf(notice, first!, ...before, id);
  const earlier = editions.map((each) => ({ ...each, stands: each.stands && stand }));
  return [...earlier, { statement: id, seq, notice, terms, stands: true, settled }];
}

/** Terms are amended before the deadline that they state, and leave everybody time to seal under them; `time` is that
 * of the amendment's entry. Throws TenderError. */
export function checkInTime(latest: Edition, amended: Notice, time: number): void {
  need(time < closes(latest.notice), "deadline-passed", "the deadline has passed: nothing can be amended any more");
  need(
    latest.notice.practice || closes(amended) >= time + RESEALING,
    "no-time-to-reseal",
    "bids are sealed anew under amended terms: the deadline is a day after the amendment or later",
  );
}

/** An outage is not told of before it is over. Throws TenderError. */
export function checkToldAfterwards(extension: Extension, time: number): void {
  const end = milliseconds(extension.gaps[extension.gaps.length - 1]!.end);
  need(end <= time, "wrong-gaps", "an outage is told of before it is over");
}

/** What an amendment may change; lots only in words. All else is fixed. */
const AMENDABLE: readonly (keyof Notice)[] = [
  "title",
  "description",
  "contact",
  "lots",
  "declarations",
  "ownersAsked",
  "deadline",
  "standstill",
  "round",
  "enquiriesUntil",
  "contentLimit",
  "documentLimit",
  "documentSize",
  "uploadGrace",
  "budget",
  "eligibility",
  "bidSecurity",
  "translations",
  "documents",
];

function amended(latest: Edition, amendment: Amendment): { notice: Notice; stand: boolean } {
  const [before, after] = [latest.notice, amendment.amended];
  const changed = (Object.keys(noticeFields) as (keyof Notice)[]).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const fixed = changed.find((name) => !AMENDABLE.includes(name));
  need(fixed === undefined, "fixed", `an amendment cannot change ${fixed}`);
  need(judged(before) === judged(after), "fixed", "an amendment cannot change which lots there are, nor their rules");
  need(changed.length > 0, "nothing-amended", "the amendment changes nothing");
  const isEarlier = closes(after) < closes(before) || complete(after) < complete(before);
  need(!isEarlier, "deadline-earlier", "neither the deadline nor the end of the grace moves earlier");
  need(after.round === nextRound({ ...after, round: before.round }, closes(after)), "wrong-round", WRONG_ROUND);
  const resealed = after.round !== before.round && after.onExtension === "reseal";
  need(!(resealed && amendment.bidsStand), "reseal", "the notice says that bids are sealed anew where the round moves");
  return { notice: after, stand: amendment.bidsStand };
}

function extended(latest: Edition, extension: Extension): { notice: Notice; stand: boolean } {
  const { notice } = latest;
  const { gaps } = extension;
  if (notice.outage === undefined) throw new TenderError("no-outage-rule", "the notice has no rule for outages");
  const counting = gaps.every((each) => counts(notice.outage!, latest, each)) && isAscending(gaps);
  need(counting, "wrong-gaps", "these outages do not count for the deadline");
  const deadline = milliseconds(extension.deadline);
  need(isMoved(notice, gaps, deadline), "wrong-extension", "the rule of the notice moves the deadline otherwise");
  need(extension.round === nextRound(notice, deadline), "wrong-round", WRONG_ROUND);
  const after = { ...notice, deadline: extension.deadline, round: extension.round };
  return { notice: after, stand: after.round === notice.round || notice.onExtension === "stand" };
}

const WRONG_ROUND = "the round follows from the deadline, the grace and the margin";

/** The round of the time lock where the deadline moves: as it is while it comes after the end of the grace, else the
 * margin after that (PROTOCOL section 6). */
function nextRound(notice: Notice, deadline: number): string {
  const end = deadline + notice.uploadGrace * SECOND;
  return opens(notice) > end ? notice.round : String(roundAt(notice.network, end + notice.extensionMargin * SECOND));
}

/** Whether the rule moves the deadline there. Under a law it moves on to the next day that is no day off: which those
 * are is not known here, so any day within a month passes, at the same time of day. */
function isMoved(notice: Notice, gaps: readonly Gap[], deadline: number): boolean {
  const moved = movedTo(notice.outage!, closes(notice), gaps);
  if (moved === null) return false;
  const days = (deadline - moved) / DAY;
  return days === 0 || (notice.legal !== undefined && Number.isInteger(days) && 0 < days && days <= MOST_DAYS_OFF);
}

/** Where the rule moves the deadline after these outages, oldest first; null where they are too short. */
function movedTo(rule: OutageRule, deadline: number, gaps: readonly Gap[]): number | null {
  const begins = deadline - rule.window * SECOND;
  const times = gaps.map(({ start, end }) => [milliseconds(start), milliseconds(end)] as const);
  const down = times.reduce((sum, [start, end]) => sum + end - Math.max(start, begins), 0);
  if (down < rule.least * SECOND) return null;
  const extension = down <= rule.short * SECOND ? rule.shortExtension : rule.longExtension;
  return Math.max(deadline, ...times.map(([, end]) => end)) + extension * SECOND;
}

/** Whether an outage reaches into the window before the deadline, and has not been made good for. */
function counts(rule: OutageRule, { notice, settled }: Edition, { start, end }: Gap): boolean {
  const begins = moment(closes(notice) - rule.window * SECOND);
  return end > begins && start < notice.deadline && start >= settled;
}

function isAscending(gaps: readonly Gap[]): boolean {
  const times = gaps.flatMap(({ start, end }) => [start, end]);
  return times.every((each, i) => i === 0 || times[i - 1]! <= each) && gaps.every(({ start, end }) => start < end);
}

/** What lots' bids are about and judged by. */
function judged({ lots }: Notice): string {
  return JSON.stringify(lots.map(({ id, rules, items }) => [id, rules, items.map((each) => each.id)]));
}

/** Whether the officer fixed the lot's preliminary prices beforehand. */
function knowsPrices({ rules }: Lot): boolean {
  const found = single(rules);
  return found.ruleSet === "kr-price-floor/1" && found.preliminaryPrices.kind === "committed";
}

function distinct(code: string, ids: readonly string[]): void {
  need(new Set(ids).size === ids.length, code, "an id stands twice");
}

function need(holds: boolean, code: string, message: string): void {
  if (!holds) throw new TenderError(code, message);
}
