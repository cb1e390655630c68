/** What a script says, in the reader's language: the server has rendered it into the page.
 *
 *     <ul hidden><li data-word="sent">{{ _("Sent: %(name)s", name="%(name)s") }}</li></ul> */

const PLACE = /%\(([a-z]+)\)s/g;

/** Whether the page has that word. */
export function has(word: string): boolean {
  return found(word) !== null;
}

/** A word of the page, with `%(name)s` filled in. Throws Error for a word that the page lacks: the page is wrong. */
export function say(word: string, values: Readonly<Record<string, string | number>> = {}): string {
  const text = found(word);
  if (text === null) throw new Error(`the page does not have the word ${word}`);
  return text.replace(PLACE, (place, name: string) => (name in values ? String(values[name]) : place));
}

/** A moment (milliseconds) as pages print it, in the reader's language and Korea's time. */
export function when(time: number): string {
  const shown = new Intl.DateTimeFormat(document.documentElement.lang, {
    timeZone: "Asia/Seoul",
    year: "numeric",
    month: "long",
    day: "numeric",
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = shown.formatToParts(time).map(({ type, value }) => [type, value]);
  return say("when", Object.fromEntries(parts));
}

/** The name of a country (ISO 3166-1 alpha-2) in the reader's language. */
export function country(code: string): string {
  return new Intl.DisplayNames(document.documentElement.lang, { type: "region" }).of(code) ?? code;
}

function found(word: string): string | null {
  return document.querySelector(`[data-word="${CSS.escape(word)}"]`)?.textContent?.trim() ?? null;
}
