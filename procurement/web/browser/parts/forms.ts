/** Forms that a script attends to: what is wrong is said beside each field, and nothing is lost. */

import { inWords } from "./errors.ts";
import { say } from "./words.ts";

/** The word for what is wrong with a value; null where nothing is. */
export type Rule = (value: string, form: HTMLFormElement) => string | null;
export type Rules = Readonly<Record<string, Rule>>;

/** A text field's value as it is kept: composed, and without space around it. */
export function value(form: HTMLFormElement, id: string): string {
  return field(form, id).value.normalize("NFC").trim();
}

/** The bytes of the file that was chosen. */
export async function chosen(form: HTMLFormElement, id: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (field(form, id) as HTMLInputElement).files![0]!.arrayBuffer());
}

/** Runs `act` when the form is sent and nothing in it is wrong. */
export function attend(form: HTMLFormElement, rules: Rules, act: (form: HTMLFormElement) => Promise<void>): void {
  form.addEventListener("submit", async (sent) => {
    sent.preventDefault();
    if (isWorking() || !isRight(form, rules)) return;
    await working(() => act(form));
  });
}

/** Shows that something is under way, and what went wrong with it. */
export async function working(act: () => Promise<void>): Promise<void> {
  unsay();
  progress(say("busy"));
  try {
    await act();
  } catch (error) {
    complain(error);
  } finally {
    progress("");
  }
}

/** Says how far it is. */
export function progress(text: string): void {
  const place = document.querySelector<HTMLElement>("#working")!;
  place.textContent = text;
  place.hidden = !text;
}

/** Says what went wrong at the top of the page. */
export function complain(error: unknown): void {
  const place = document.querySelector<HTMLElement>("#trouble")!;
  place.querySelector("p")!.textContent = inWords(error);
  place.hidden = false;
  place.focus();
}

function unsay(): void {
  document.querySelector<HTMLElement>("#trouble")!.hidden = true;
}

function isWorking(): boolean {
  return !document.querySelector<HTMLElement>("#working")!.hidden;
}

function isRight(form: HTMLFormElement, rules: Rules): boolean {
  const wrong = fields(form).filter((each) => !isFieldRight(form, each, rules[each.name]));
  wrong[0]?.focus();
  return !wrong.length;
}

function isFieldRight(form: HTMLFormElement, each: Field, rule: Rule | undefined): boolean {
  const word = each.required && isEmpty(each) ? emptyWord(each) : each.value ? (rule?.(each.value, form) ?? null) : null;
  const place = document.getElementById(`${each.id}-wrong`)!;
  place.textContent = word ? say(word) : "";
  place.hidden = !word;
  each.closest(".govuk-form-group")!.classList.toggle("govuk-form-group--error", word !== null);
  if (word) each.setAttribute("aria-invalid", "true");
  else each.removeAttribute("aria-invalid");
  return word === null;
}

type Field = HTMLInputElement | HTMLTextAreaElement;

function field(form: HTMLFormElement, id: string): Field {
  return form.elements.namedItem(id) as Field;
}

function fields(form: HTMLFormElement): Field[] {
  return [...form.elements].filter((each): each is Field => "value" in each && each.id !== "");
}

function isEmpty(each: Field): boolean {
  return each.type === "checkbox" ? !(each as HTMLInputElement).checked : !each.value.trim();
}

function emptyWord(each: Field): string {
  return each.type === "checkbox" ? "confirm" : "missing";
}
