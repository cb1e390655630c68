/** A verified tender for its bidder: what it asks, its words, what was verified of it, and what has changed. */

import { type Service, pathOf } from "../../../../../bids/browser/client.ts";
import { chainHash } from "../../../../../crypto/browser/beacon.ts";
import { milliseconds } from "../../../../../crypto/browser/encoding.ts";
import { Statement } from "../../../../../crypto/browser/statements.ts";
import type { Trust } from "../../../../../crypto/browser/trust.ts";
import { AMENDMENT, type Notice, opens, single } from "../../../../browser/notice.ts";
import type { Announced } from "../../../../browser/tender.ts";
import { type Identity } from "../identity.ts";
import { has, say, when } from "../words.ts";
import { editionOf } from "./bidder.ts";
import { type Link, latest } from "./chain.ts";
import type { Asked } from "./draft.ts";
import { type Fact, byId } from "./page.ts";
import type { Spoken } from "./said.ts";

/** What the notice asks. The decimals of each lot's prices stand in the page; whether a price counts is asked of the
 * notice itself before sealing. */
export function asked({ notice, terms }: Announced): Asked {
  const lots = notice.lots.map(({ id, title, rules }) => {
    const found = single(rules);
    const costs = found.ruleSet === "life-cycle-cost/1" ? found.costs.map((each) => each.id) : [];
    const places = Number(byId(`lot:${id}`)?.dataset["places"] ?? 0);
    return { id, title, places, picks: found.ruleSet === "kr-price-floor/1", costs };
  });
  const { contentLimit, documentLimit, documentSize, partnerLimit } = notice;
  const limits = { contentLimit, documentLimit, documentSize, partnerLimit };
  return { ...limits, lots, parts: terms.parts, declarations: notice.declarations.map(({ id }) => id), owners: notice.ownersAsked };
}

export function spoken({ language, currency, lots, declarations }: Notice): Spoken {
  const titles = new Map(lots.map(({ id, title }) => [id, title]));
  return { language, currency, lots: titles, declarations: new Map(declarations.map(({ id, text }) => [id, text])) };
}

/** What was verified, and who signs, where somebody does. */
export function verifiedFacts({ notice, noticeId, officials }: Announced, trust: Trust, who: Identity | null): Fact[] {
  const witnesses = trust.witnesses.keys.map((each) => each.split("+")[0]).join(", ");
  const time = { round: notice.round, chain: chainHash(notice.network), time: when(opens(notice)) };
  const { threshold, members } = notice.committee;
  return [
    ...(who ? [signerFact(who)] : []),
    fact("notice", { id: noticeId, officer: officials.officer, second: officials.second }),
    fact("witnesses", { quorum: trust.witnesses.quorum, names: witnesses }, "are"),
    fact("time", time),
    fact("committee", { threshold, members: members.length }),
  ];
}

function signerFact({ name, registration, fingerprint = "" }: Identity): Fact {
  return fact("signer", { name, registration, fingerprint });
}

function fact(what: string, values: Readonly<Record<string, string | number>>, is = "is"): Fact {
  return { label: say(`verified-${what}`), text: say(`verified-${what}-${is}`, values) };
}

/** How the terms have changed since those with the digest `seen`, in words; none where they have not. */
export function changes(tender: Announced, seen: string, chain: readonly Link[]): string[] {
  const before = tender.editions.find(({ terms }) => terms.terms === seen)?.notice;
  const after = tender.notice;
  if (!before || seen === tender.terms.terms) return [];
  const differ = (Object.keys(after) as (keyof Notice)[]).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const named = differ.filter((name) => has(`changed-${name}`) && name !== "deadline" && name !== "round");
  const said = named.map((name) => say(`changed-${name}`));
  if (before.deadline !== after.deadline) said.push(say("changed-to", { time: when(milliseconds(after.deadline)) }));
  const last = latest(chain);
  if (last?.kind === "envelope" && !editionOf(tender, last).stands) said.push(say("changed-stands", { number: last.number }));
  return said;
}

/** The officers' reasons for the changes since, out of what they signed. */
export async function reasons(service: Service, tender: Announced, seen: string): Promise<string[]> {
  const since = tender.editions.findIndex(({ terms }) => terms.terms === seen) + 1;
  const found: string[] = [];
  for (const { statement } of tender.editions.slice(since)) {
    const said = new Statement(await service.get(`${pathOf(tender.notice)}/statements/${statement}`));
    if (said.id === statement && said.is(AMENDMENT)) found.push(said.read(AMENDMENT).reason);
  }
  return found;
}
