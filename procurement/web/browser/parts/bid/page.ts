/** What scripts put into the page: clones of its templates, words of its list, files to save. */

import { say } from "../words.ts";

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** A clone of the page's template with that id. */
export function piece<T extends HTMLElement = HTMLElement>(id: string): T {
  return byId<HTMLTemplateElement>(id).content.firstElementChild!.cloneNode(true) as T;
}

export function slot<T extends HTMLElement = HTMLElement>(within: HTMLElement, name: string): T {
  return within.querySelector<T>(`[data-slot="${name}"]`)!;
}

/** Labels with what stands under each, in a list of definitions; what is in the notice's language is marked so. */
export function facts(list: HTMLElement, told: readonly Fact[]): void {
  list.replaceChildren(...told.flatMap(({ label, text, language }) => [term("dt", label), term("dd", text, language)]));
}

export interface Fact {
  readonly label: string;
  readonly text: string;
  readonly language?: string | undefined;
}

function term(name: "dt" | "dd", text: string, language?: string): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  element.classList.toggle("text", name === "dd");
  if (language) element.lang = language;
  return element;
}

/** Lets its reader save bytes under a name. */
export function save(name: string, bytes: Uint8Array, type = "application/json"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A button that does something once at a time. */
export function button(
  word: string,
  act: () => Promise<void> | void,
  look = "govuk-button govuk-button--secondary",
): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = look;
  made.textContent = say(word);
  made.addEventListener("click", () => once(made, act));
  return made;
}

/** Runs `act` with the button out of use meanwhile. */
export async function once(button: HTMLButtonElement, act: () => Promise<void> | void): Promise<void> {
  button.disabled = true;
  try {
    await act();
  } finally {
    button.disabled = false;
  }
}

/** Asks in the page's dialog; whether the answer is yes. */
export function confirmed(dialog: HTMLDialogElement): Promise<boolean> {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
