/** How easily a passphrase is guessed: a hint for people, by no dictionary. */

export const SHORTEST = 12; // characters, as the commands have it

export type Strength = "short" | "weak" | "fair" | "strong";

const KINDS: readonly [RegExp, number][] = [
  [/[0-9]/, 10],
  [/[a-z]/, 26],
  [/[A-Z]/, 26],
  [/[\uac00-\ud7a3]/, 500], // syllables that are in use
  [/[^0-9a-zA-Z\uac00-\ud7a3]/, 30],
];

/** `known` is what others know of its owner, which adds nothing. */
export function strength(passphrase: string, known: readonly string[] = []): Strength {
  const text = passphrase.normalize("NFC");
  if ([...text].length < SHORTEST) return "short";
  const rest = known.filter((each) => each.length > 2).reduce((left, each) => left.replaceAll(each, ""), text);
  const surprises = [...rest].filter((each, at, all) => !follows(each, all[at - 1])).length;
  const pool = KINDS.reduce((size, [form, more]) => size + (form.test(rest) ? more : 0), 1);
  const bits = surprises * Math.log2(pool) * (isOneWord(rest) ? 0.5 : 1);
  return bits < 50 ? "weak" : bits < 80 ? "fair" : "strong";
}

/** The same again, or the next one up or down. */
function follows(each: string, before: string | undefined): boolean {
  return before !== undefined && Math.abs(each.codePointAt(0)! - before.codePointAt(0)!) <= 1;
}

function isOneWord(text: string): boolean {
  return /^[\p{L}]*[0-9]*$/u.test(text) && [...text].length < 20;
}
