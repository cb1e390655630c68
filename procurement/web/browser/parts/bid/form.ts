/** The form as people fill it in: its fields by name, sums as they are understood, and what is wrong beside each. */

import { say } from "../words.ts";
import { type Decimal, grouped, parse, product, sum, typed, written } from "./decimal.ts";
import type { Fault, Fields } from "./draft.ts";

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const MOST_PLACES = 4;
const ERROR = "govuk-form-group--error";

export class Form {
  readonly #form: HTMLFormElement;
  readonly #lots: readonly string[];
  readonly #language = document.documentElement.lang;

  constructor(form: HTMLFormElement, lots: readonly string[]) {
    this.#form = form;
    this.#lots = lots;
  }

  get fields(): Fields {
    return Object.fromEntries(this.#named().map((each) => [each.name, valueOf(each)]));
  }

  /** What was entered before; a field that the draft does not know yet stays empty. */
  fill(fields: Fields): void {
    for (const each of this.#named()) {
      const value = fields[each.name] ?? "";
      if (isBox(each)) each.checked = value === "yes";
      else each.value = value;
    }
    this.refresh();
  }

  /** Calls `changed` after each change; a price taken from unit prices is one. */
  listen(changed: () => void): void {
    const renew = (): void => {
      this.refresh();
      changed();
    };
    this.#form.addEventListener("input", renew);
    this.#form.addEventListener("click", ({ target }) => {
      const prices = (target as HTMLElement).closest("[data-take]")?.closest<HTMLElement>(".prices");
      if (!prices) return;
      this.#field(`amount:${prices.dataset["lot"]}`).value = prices.dataset["total"] ?? "";
      renew();
    });
  }

  /** Everything that follows from what is entered. */
  refresh(): void {
    for (const each of this.#form.querySelectorAll<HTMLElement>("[data-shown-by]")) {
      each.hidden = !(this.#field(each.dataset["shownBy"]!) as HTMLInputElement).checked;
    }
    for (const each of this.#form.querySelectorAll<HTMLInputElement>("[data-amount]")) this.#echo(each);
    for (const each of this.#form.querySelectorAll<HTMLElement>(".prices")) this.#workOut(each);
    this.#addUp();
  }

  /** Shows what is wrong, at the top and beside each field, and goes there; nothing where there is nothing. */
  show(faults: readonly Fault[]): void {
    const summary = document.getElementById("faults")!;
    for (const each of this.#form.querySelectorAll<HTMLElement>("[id$='-fault']")) each.hidden = true;
    for (const each of this.#form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
    for (const each of this.#form.querySelectorAll(`.${ERROR}`)) each.classList.remove(ERROR);
    summary.hidden = !faults.length;
    summary.querySelector("ul")!.replaceChildren(...faults.map((each) => this.#linked(each)));
    for (const each of [...faults].reverse()) this.#mark(each);
    if (faults.length) summary.focus();
  }

  #linked(fault: Fault): HTMLLIElement {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `#${fault.field}`;
    link.textContent = this.#words(fault);
    link.addEventListener("click", (happened) => {
      happened.preventDefault();
      const field = document.getElementById(fault.field);
      field?.closest("details")?.setAttribute("open", "");
      field?.scrollIntoView({ block: "center" });
      field?.focus({ preventScroll: true });
    });
    item.append(link);
    return item;
  }

  #mark(fault: Fault): void {
    const field = document.getElementById(fault.field);
    const group = field?.closest<HTMLElement>(".govuk-form-group");
    const named = fault.field.replace(/^pick[12]:/, "picks:"); // one place for both
    const place = document.getElementById(`${named}-fault`);
    field?.setAttribute("aria-invalid", "true");
    group?.classList.add(ERROR);
    if (!place) return;
    place.textContent = this.#words(fault);
    place.hidden = false;
  }

  #words(fault: Fault): string {
    const values = Object.entries(fault.values).map(([name, value]) => [name, this.#readable(name, value)]);
    return say(`fault-${fault.code}`, Object.fromEntries(values));
  }

  #readable(name: string, value: string | number): string {
    if (name === "size" || name === "most") return grouped(String(value), this.#language);
    return String(value);
  }

  #echo(input: HTMLInputElement): void {
    const amount = typed(input.value);
    const place = this.#form.querySelector<HTMLOutputElement>(`output.echo[for="${CSS.escape(input.id)}"]`)!;
    place.value = parse(amount, MOST_PLACES) ? grouped(amount, this.#language) : "";
  }

  /** Unit prices × quantities, exactly; a total only once every item has its price. */
  #workOut(prices: HTMLElement): void {
    const rows = [...prices.querySelectorAll<HTMLElement>("[data-quantity]")];
    const sums = rows.map((row) => {
      const price = parse(typed(row.querySelector("input")!.value), 2);
      const found = price && product(price, parse(row.dataset["quantity"]!, 2)!);
      row.querySelector("output")!.value = found ? this.#shown(found) : "–";
      return found;
    });
    const whole = sums.every((each): each is Decimal => each !== null) ? sum(sums) : null;
    prices.dataset["total"] = whole ? written(whole) : "";
    prices.querySelector<HTMLOutputElement>("[data-slot=total]")!.value = whole ? this.#shown(whole) : "–";
    prices.querySelector<HTMLButtonElement>("[data-take]")!.disabled = !whole;
  }

  #addUp(): void {
    const place = document.getElementById("total") as HTMLOutputElement | null;
    if (!place) return;
    const bid = this.#lots.filter((id) => (this.#field(`bids:${id}`) as HTMLInputElement).checked);
    const amounts = bid.map((id) => parse(typed(this.#field(`amount:${id}`).value), MOST_PLACES));
    const whole = amounts.length > 0 && amounts.every((each): each is Decimal => each !== null);
    place.value = whole ? this.#shown(sum(amounts)) : "–";
  }

  #shown(number: Decimal): string {
    return grouped(written(number), this.#language);
  }

  #named(): Field[] {
    return ([...this.#form.elements] as Field[]).filter((each) => each.name && each.type !== "file");
  }

  #field(name: string): Field {
    return this.#form.elements.namedItem(name) as Field;
  }
}

function valueOf(field: Field): string {
  return isBox(field) ? (field.checked ? "yes" : "") : field.value;
}

function isBox(field: Field): field is HTMLInputElement {
  return field.type === "checkbox";
}
