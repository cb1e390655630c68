/** Known answers, checked before anything is sealed: a browser that computes something else must not seal a bid. The
 * answers are those of `crypto/selftest.py`. */

import { type Network, lockOf } from "./beacon.ts";
import { bytesOf, fromHex, sha256, toHex } from "./encoding.ts";
import { encryptContent, mandateLock, seal } from "./locks.ts";

/** The machine or a library gives a wrong answer; nothing may be sealed here. */
export class SelfTestFailed extends Error {}

const ROUND = 1000;
/** The League of Entropy's public network. */
const QUICKNET: Network = {
  publicKey:
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
    "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
  genesis: 1692803367,
  period: 3,
  groupHash: "f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e",
  scheme: "bls-unchained-g1-rfc9380",
  beaconId: "quicknet",
};
const COMMITTEE =
  "91969c46fdc00f7e44422749766896a778c27c278758559080e707e7003bda3246e76a918f9e52bad7ee8ea626abab91" +
  "148d3866b31ccc4520f008d89095542843afe6853d26e369d9d6883e3be1facafd0955527fc75d7a82fe48c8f0c4e3bd";
const CAPSULE = "4ae5d9d4fd0b37fb272b9011622d068226e7197f049284fdf82a4401257b2f83";
const CIPHERTEXT = "30cca81e960d6c90dc17004df84fcb03aa7e78208898a9";

/** Throws SelfTestFailed. */
export function run(): void {
  const order = {
    kind: "openseal/opening-order/v1",
    tender: "ocds-0s3al1-T1",
    notice: "00".repeat(32),
    part: "bid",
    round: String(ROUND),
  } as const;
  const locks = [lockOf(QUICKNET, BigInt(ROUND)), mandateLock(fromHex(COMMITTEE), order)];
  const message = Uint8Array.from({ length: 32 }, (_, i) => 200 + i);
  const capsule = seal(locks, message, Uint8Array.from({ length: 32 }, (_, i) => i));
  expect("sealing", toHex(sha256(capsule.u, capsule.v, capsule.w)), CAPSULE);
  const ciphertext = encryptContent(message, bytesOf("context"), capsule, bytesOf("content"));
  expect("content encryption", toHex(ciphertext), CIPHERTEXT);
}

function expect(name: string, answer: string, known: string): void {
  if (answer !== known) throw new SelfTestFailed(name);
}
