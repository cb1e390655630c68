/** Errors in words: every error of ours has a `code`, and the page words for those that its people can meet
 * (`templates/scripted.html`). */

import { has, say } from "./words.ts";

/** What went wrong and what to do, in the reader's language; with the bare code where there are no words for it. */
export function inWords(error: unknown): string {
  const code = codeOf(error);
  if (has(`trouble-${code}`)) return say(`trouble-${code}`);
  return say("trouble", { code });
}

/** The error's code; `unexpected` for what has none, which is noted in the console. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string") return code; // a DOMException's is a number
  console.error(error);
  return "unexpected";
}
