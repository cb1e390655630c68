/** Registration numbers. One that begins with `practice-` is for practice tenders only. Twin of
 * `procurement/numbers.py`. */

import { TenderError } from "../../bids/browser/errors.ts";
import { sha256, toHex } from "../../crypto/browser/encoding.ts";

const PRACTICE = "practice-";
const DIGITS = 16;

/** In whatever case: numbers that differ by case only are one number to people. */
export function isPractice(registration: string): boolean {
  return registration.toLowerCase().startsWith(PRACTICE);
}

/** The only practice number of whoever holds the key with that SubjectPublicKeyInfo (DER). */
export function practiceNumber(keyInfo: Uint8Array): string {
  return PRACTICE + toHex(sha256(keyInfo)).slice(0, DIGITS);
}

/** Whoever has a practice number acts in practice tenders only; anybody may act in those. Throws TenderError. */
export function checkAdmitted(registrations: readonly string[], practice: boolean): void {
  const found = practice ? undefined : registrations.find(isPractice);
  if (found === undefined) return;
  throw new TenderError("practice-only", `${found} is a practice number: it is for practice tenders only`);
}
