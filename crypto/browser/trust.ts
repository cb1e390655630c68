/** Whom a bidder trusts: pinned outside whatever is being checked. Twin of `crypto/trust.py`. */

import { type Network, chainHash, network } from "./beacon.ts";
import { ROLES, Roots } from "./certificates.ts";
import { type Cosignature, VerifyingKey, verifyCosignatures } from "./checkpoint.ts";
import { fromBase64, sha256, toHex } from "./encoding.ts";
import { BeaconError, MalformedError } from "./errors.ts";
import {
  type Of,
  base64Text,
  checked,
  decodeAs,
  defaulted,
  encodeAs,
  list,
  oneOf,
  record,
  small,
  struct,
  text,
  truth,
} from "./values.ts";

const vkey = text(1, 300);

/** Whose co-signatures count (C2SP vkeys), and how many of them are needed. */
export const witnessPolicy = checked(struct({ keys: list(vkey, 1, 32), quorum: small }), ({ keys, quorum }) => {
  const names = new Set(keys.map((key) => new VerifyingKey(key).name));
  if (names.size !== keys.length || quorum < 1 || quorum > names.size) {
    throw new MalformedError("a quorum is 1 to the number of witnesses, each named once");
  }
});
export type WitnessPolicy = Of<typeof witnessPolicy>;

/** Log key, witnesses and quorum, roots per role (DER, base64), beacon networks, and roots of time-stamping authorities.
 * `independent` is false where at least one of witnesses, beacon and authorities is the service's own. */
export const trust = struct({
  format: oneOf("openseal/trust/v1"),
  independent: truth,
  log: vkey,
  witnesses: witnessPolicy,
  roots: record(ROLES, list(base64Text)),
  networks: list(network),
  stamping: defaulted(list(base64Text), []),
});
export type Trust = Of<typeof trust>;

/** Throws MalformedError. */
export function parseTrust(data: Uint8Array): Trust {
  return decodeAs(data, trust);
}

/** SHA-256 of a trust file, hex: by which two of them are told apart. */
export function trustId(value: Trust): string {
  return toHex(sha256(encodeAs(value, trust)));
}

/** The roots, parsed. Throws MalformedError or CertificateError. */
export function authorities({ roots }: Trust): Roots {
  const parsed = Object.entries(roots).map(([role, each]) => [role, each.map(fromBase64)]);
  return new Roots(Object.fromEntries(parsed));
}

/** Throws BeaconError for a network that is not pinned. */
export function checkNetwork({ networks }: Trust, network: Network): void {
  const hash = chainHash(network);
  if (!networks.some((each) => chainHash(each) === hash)) throw new BeaconError(`the beacon ${hash} is not a pinned one`);
}

/** The counted co-signatures on `note`, earliest first. Throws LogError below the quorum. */
export function verifyWitnessed({ keys, quorum }: WitnessPolicy, note: string): Cosignature[] {
  return verifyCosignatures(note, keys.map((key) => new VerifyingKey(key)), quorum);
}
