/** Money, exactly: decimals as they are written, computed as whole numbers of their last place. */

const PLAIN = /^(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,4}))?$/;

/** `digits` ÷ 10^`places`. */
export interface Decimal {
  readonly digits: bigint;
  readonly places: number;
}

/** The number that `text` writes plainly with at most `places` decimals, as `procurement/money.py` reads it. */
export function parse(text: string, places: number): Decimal | null {
  const found = PLAIN.exec(text);
  const decimals = found?.[2] ?? "";
  if (!found || decimals.length > places) return null;
  return { digits: BigInt(found[1]! + decimals), places: decimals.length };
}

export function product(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, places: a.places + b.places };
}

export function sum(terms: readonly Decimal[]): Decimal {
  const places = Math.max(0, ...terms.map((each) => each.places));
  const digits = terms.reduce((total, each) => total + each.digits * 10n ** BigInt(places - each.places), 0n);
  return { digits, places };
}

/** In plain digits, without zeros at the end of its decimals. */
export function written({ digits, places }: Decimal): string {
  const all = digits.toString().padStart(places + 1, "0");
  const whole = all.slice(0, all.length - places);
  const decimals = all.slice(all.length - places).replace(/0+$/, "");
  return decimals ? `${whole}.${decimals}` : whole;
}

/** A plain decimal as people of that language read it: every digit, the thousands apart. */
export function grouped(text: string, language: string): string {
  const [whole = "", decimals] = text.split(".");
  const format = new Intl.NumberFormat(language, { useGrouping: true });
  const point = format.formatToParts(0.5).find((each) => each.type === "decimal")?.value ?? ".";
  return format.format(BigInt(whole)) + (decimals === undefined ? "" : point + decimals);
}

/** What was typed, with the digits of East Asian keyboards as plain ones and without spaces around. */
export function typed(text: string): string {
  return text.normalize("NFKC").trim();
}
