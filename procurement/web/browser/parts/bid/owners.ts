/** Fields for the owners of each business of the bid: as many as there are businesses, and persons of each. */

import { COUNTRIES, MOST_PERSONS } from "../../../../browser/owners.ts";
import { country, say } from "../words.ts";
import { type Fields, businesses, nationalities, rows } from "./draft.ts";
import { byId, piece, slot } from "./page.ts";

type Field = HTMLInputElement | HTMLSelectElement;

export class Owners {
  readonly #place = document.getElementById("owners");

  /** Shows a field for everything that `fields` have or could have; nothing where the notice asks for no owners. What
   * was entered of a business that is no partner any more stays, out of sight. */
  refresh(fields: Fields): void {
    if (!this.#place) return;
    const there = businesses(fields);
    for (const whose of there) this.#of(whose);
    for (const each of this.#place.querySelectorAll<HTMLElement>(".owners")) {
      const whose = each.dataset["whose"]!;
      each.hidden = !there.includes(whose);
      slot(each, "named").hidden = Boolean(fields[`owned:${whose}`]);
      for (const row of rows(fields, whose)) this.#row(each, row);
      for (const input of each.querySelectorAll<HTMLInputElement>("[data-nationalities]")) echo(input, fields[input.name] ?? "");
    }
  }

  #of(whose: string): void {
    if (document.getElementById(`owners:${whose}`)) return;
    const made = piece("owners-template");
    made.id = `owners:${whose}`;
    made.dataset["whose"] = whose;
    slot(made, "whose").textContent = whose === "own" ? say("owners-own") : say("owners-partner", { partner: whose });
    named(made, "unnamed", `owned:${whose}`);
    this.#row(made, 1);
    slot(made, "more").addEventListener("click", () => {
      const row = slot(made, "persons").childElementCount + 1;
      this.#row(made, row);
      byId(`owner:${whose}:${row}:name`).focus();
    });
    this.#place!.append(made);
  }

  /** The fields of a person, and of those before. */
  #row(within: HTMLElement, row: number): void {
    const persons = slot(within, "persons");
    for (let next = persons.childElementCount + 1; next <= row; next++) {
      const made = piece("owner-template");
      const id = `owner:${within.dataset["whose"]}:${next}`;
      slot(made, "number").textContent = say("owners-person", { number: next });
      named(made, "name", `${id}:name`);
      named(made, "nationalities", `${id}:nationalities`);
      persons.append(made);
    }
    slot<HTMLButtonElement>(within, "more").disabled = persons.childElementCount >= MOST_PERSONS;
  }
}

/** Shows the countries as they are understood. */
function echo(input: HTMLInputElement, typed: string): void {
  const codes = nationalities(typed);
  const areKnown = codes.every((each) => COUNTRIES.includes(each));
  input.parentElement!.querySelector("output")!.value = areKnown ? codes.map(country).join(", ") : "";
}

/** Names a field of a clone, with its label, hint, fault and output. */
function named(within: HTMLElement, name: string, id: string): void {
  const field = slot<Field>(within, name);
  const group = field.parentElement!;
  field.id = field.name = id;
  group.querySelector("label")!.htmlFor = id;
  group.querySelector("output")?.setAttribute("for", id);
  const described = ["hint", "fault"].flatMap((each) => {
    const found = slot(group, each) as HTMLElement | null;
    if (found) found.id = `${id}-${each}`;
    return found ? [found.id] : [];
  });
  field.setAttribute("aria-describedby", described.join(" "));
}
