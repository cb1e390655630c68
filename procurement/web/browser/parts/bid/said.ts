/** A bid in words: what its contents say, as they are sealed, byte for byte. */

import { parseJson } from "../../../../../crypto/browser/encoding.ts";
import { country, say } from "../words.ts";
import { grouped } from "./decimal.ts";
import type { Contents } from "./draft.ts";
import type { Fact } from "./page.ts";

/** The words of the notice that a bid refers to. */
export interface Spoken {
  readonly language: string;
  readonly currency: string;
  readonly lots: ReadonlyMap<string, string>;
  readonly declarations: ReadonlyMap<string, string>;
}

interface Offer {
  readonly lot: string;
  readonly amount: string;
  readonly picks?: readonly [number, number];
  readonly costs?: readonly { readonly id: string; readonly amount: string }[];
}

interface Document {
  readonly number: number;
  readonly title: string;
  readonly format: string;
  readonly size: number;
}

interface Ownership {
  readonly partner?: string;
  readonly persons?: readonly { readonly name: string; readonly nationalities: readonly string[] }[];
  readonly unnamed?: string;
}

interface Said {
  readonly offers?: readonly Offer[];
  readonly proposal?: string;
  readonly text?: string;
  readonly declarations?: readonly string[];
  readonly owners?: readonly Ownership[];
  readonly documents?: readonly Document[];
}

export function inWords(contents: Contents, notice: Spoken, partners: readonly string[] = []): Fact[] {
  const read = (bytes: Uint8Array): Said => parseJson(bytes) as unknown as Said;
  return [
    ...contents.open.flatMap(({ content }) => public_(read(content), notice)),
    ...contents.restricted.flatMap(({ content }) => restricted(read(content))),
    ...partners.map((text) => ({ label: say("said-partner"), text })),
  ];
}

function public_(content: Said, notice: Spoken): Fact[] {
  const { offers = [], declarations = [], owners = [], documents = [], proposal } = content;
  return [
    ...(proposal === undefined ? [] : [{ label: say("said-proposal"), text: proposal }]),
    ...offers.map((each) => offer(each, notice)),
    ...declarations.map((id) => ({ label: say("said-declared"), text: notice.declarations.get(id) ?? id, language: notice.language })),
    ...owners.map(owned),
    ...documents.map((each) => document_(each, "said-public")),
  ];
}

function restricted({ text, documents = [] }: Said): Fact[] {
  const said = text ? [{ label: say("said-restricted"), text }] : [];
  return [...said, ...documents.map((each) => document_(each, "said-withheld"))];
}

function offer({ lot, amount, picks, costs = [] }: Offer, notice: Spoken): Fact {
  const money = (each: string): string => `${grouped(each, document.documentElement.lang)} ${notice.currency}`;
  const title = notice.lots.get(lot) ?? "";
  const more = [
    ...(picks ? [say("said-picks", { first: picks[0], second: picks[1] })] : []),
    ...costs.map((each) => `${each.id}: ${money(each.amount)}`),
  ];
  return { label: say("said-lot", { lot, title }), text: [money(amount), ...more].join("; ") };
}

function owned({ partner, persons = [], unnamed }: Ownership): Fact {
  const people = persons.map(({ name, nationalities }) => `${name} (${nationalities.map(country).join(", ")})`);
  return {
    label: partner ? say("said-owners-partner", { partner }) : say("said-owners"),
    text: unnamed ? say(`said-unnamed-${unnamed}`) : people.join("; "),
  };
}

function document_(each: Document, word: string): Fact {
  const size = grouped(String(each.size), document.documentElement.lang);
  return { label: say("said-document", { number: each.number }), text: say(word, { title: each.title, format: each.format, size }) };
}
