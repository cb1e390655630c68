/** Rounds and times: a drand network described and its signatures verified. Twin of `crypto/beacon.py`. */

import { type Bytes, bigEndian, bytesOf, fromHex, sha256, toHex } from "./encoding.ts";
import { BeaconError, LockError, MalformedError } from "./errors.ts";
import { type Lock, timeLock, verifyKey } from "./locks.ts";
import { type Of, answered, hex32, hexG1, hexG2, integer, loose, oneOf, pattern, struct } from "./values.ts";

const LAST_SECOND = 253_402_300_799; // 9999-12-31T23:59:59Z
const ANSWER_LIMIT = 16 * 1024;

/** A drand network. Two that differ in anything have different chain hashes. */
export const network = struct({
  publicKey: hexG2,
  genesis: integer(0, LAST_SECOND),
  period: integer(1, 2 ** 32 - 1),
  groupHash: hex32,
  scheme: oneOf("bls-unchained-g1-rfc9380"),
  beaconId: pattern(/^[A-Za-z0-9._-]{1,64}$/, "a beacon's id"),
});
export type Network = Of<typeof network>;

/** A round whose signature (48 bytes) has been verified. */
export interface Beacon {
  readonly round: bigint;
  readonly signature: Bytes;
}

const publicRound = loose({ round: integer(1), randomness: hex32, signature: hexG1 });

/** SHA-256 in hex, by which a network is pinned (drand's chain.Info.Hash). */
export function chainHash(network: Network): string {
  const digest = sha256(
    bigEndian(network.period, 4),
    bigEndian(network.genesis, 8),
    fromHex(network.publicKey + network.groupHash),
    bytesOf(network.beaconId === "default" ? "" : network.beaconId),
  );
  return toHex(digest);
}

/** The first round that is signed at `time` (milliseconds since 1970) or later: rounding down would open early. */
export function roundAt(network: Network, time: number): bigint {
  const since = BigInt(Math.ceil(time)) - BigInt(network.genesis) * 1000n;
  const period = BigInt(network.period) * 1000n;
  return since <= 0n ? 1n : (since + period - 1n) / period + 1n;
}

/** When `round` is signed, milliseconds since 1970. Throws BeaconError outside the rounds up to the year 9999. */
export function timeOf(network: Network, round: bigint): number {
  if (round < 1n) throw new BeaconError("rounds count from 1");
  const seconds = BigInt(network.genesis) + (round - 1n) * BigInt(network.period);
  if (seconds > LAST_SECOND) throw new BeaconError("the round lies beyond the year 9999");
  return Number(seconds) * 1000;
}

/** The time lock that opens at `timeOf` the round. */
export function lockOf(network: Network, round: bigint): Lock {
  return timeLock(fromHex(network.publicKey), round);
}

/** The round's beacon. Throws BeaconError unless this network signed this round. */
export function verifyRound(network: Network, round: bigint, signature: Bytes): Beacon {
  try {
    verifyKey(lockOf(network, round), signature);
  } catch (error) {
    if (!(error instanceof LockError || error instanceof MalformedError)) throw error;
    throw new BeaconError(`round ${round} is not signed by network ${chainHash(network).slice(0, 16)}`);
  }
  return { round, signature };
}

/** The beacon that a relay serves at /public/{round}, verified. Throws MalformedError or BeaconError. */
export function parseRound(body: Uint8Array, network: Network): Beacon {
  if (body.length > ANSWER_LIMIT) throw new MalformedError("longer than a relay's answer");
  const served = answered(body, publicRound);
  const beacon = verifyRound(network, BigInt(served.round), fromHex(served.signature));
  if (toHex(sha256(beacon.signature)) !== served.randomness) {
    throw new BeaconError("the relay's randomness is not that of the signature");
  }
  return beacon;
}
