/** Who in the end owns or controls a business that bids. Twin of `procurement/owners.py`. */

import { Unopenable } from "../../bids/browser/errors.ts";
import { type Of, defaulted, hex32, list, maybe, oneOf, struct } from "../../crypto/browser/values.ts";
import countries from "../countries.json" with { type: "json" };
import { line } from "./notice.ts";

export const MOST_PERSONS = 25;
export const MOST_NATIONALITIES = 5;
export const COUNTRIES: readonly string[] = countries.countries;
/** Why nobody is named. */
export const UNNAMED = ["listed", "public", "dispersed"] as const;

const owner = struct({ name: line, nationalities: list(oneOf(...COUNTRIES), 1, MOST_NATIONALITIES) });
/** Who owns one of the businesses that bid, the signer's or that of a `partner`: `persons`, or `unnamed`. */
export const ownership = struct({
  partner: maybe(hex32),
  persons: defaulted(list(owner, 0, MOST_PERSONS), []),
  unnamed: maybe(oneOf(...UNNAMED)),
});
export type Ownership = Of<typeof ownership>;

/** The owners of the signer and of each of its `partners` are stated, once; nobody's where they are not `asked` for.
 * Throws Unopenable. */
export function checkOwners(stated: readonly Ownership[], partners: readonly string[], asked: boolean): void {
  if (!asked) {
    if (stated.length) throw new Unopenable("owners-unasked");
    return;
  }
  const named = stated.map(({ partner = "own" }) => partner).sort();
  const expected = ["own", ...partners].sort();
  if (named.join() !== expected.join() || !stated.every(isWhole)) throw new Unopenable("owners-wrong");
}

function isWhole({ persons, unnamed }: Ownership): boolean {
  const once = persons.every(({ nationalities }) => new Set(nationalities).size === nationalities.length);
  return once && persons.length > 0 === (unnamed === undefined);
}
