/** A lock is a public key and a message; its key is the signature on that message, which nobody has yet.
 *
 * Twin of `crypto/locks.py`: `g = Π e(Q, P)` over the locks, then tlock's encryption (Boneh-Franklin with
 * Fujisaki-Okamoto) under g. What a lock's pairing is does not change from bid to bid and is kept. */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 as hash } from "@noble/hashes/sha2.js";

import * as bls from "./bls.ts";
import { type Bytes, bigEndian, bytesOf, concat, equal, sha256, toHex } from "./encoding.ts";
import { LockError, MalformedError, SignatureError } from "./errors.ts";
import { type Of, hex16, hex32, identifier, encodeAs, maybe, oneOf, roundText, struct } from "./values.ts";

/** drand's, for scheme bls-unchained-g1-rfc9380. */
export const TIME_DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
export const MANDATE_DST = "OPENSEAL-V1-MANDATE-BLS12381G1_XMD:SHA-256_SSWU_RO_";

/** Bytes that a capsule holds at most, and exactly where it keys content. */
export const MESSAGE_SIZE = 32;
const NONCE = new Uint8Array(12);
const LAST_ROUND = 2n ** 63n - 1n;
const MOST_KEPT = 64;

/** What is published when the bid opens, and what is withheld like a document. */
export type Layer = "content" | "restricted";

export const part = oneOf("bid", "technical", "price");
export type Part = Of<typeof part>;

/** What a committee signs to open a tender; the signature *is* the mandate lock's key. `bid` stands with part
 * `price`, only there; `lot` only where lots close separately. */
export const openingOrder = struct({
  kind: oneOf("openseal/opening-order/v1"),
  tender: identifier,
  notice: hex32,
  lot: maybe(identifier),
  part,
  bid: maybe(hex16),
  round: roundText,
});
export type OpeningOrder = Of<typeof openingOrder>;

/** A public key (96 bytes), the message whose signature opens, and the domain of that signature. */
export interface Lock {
  readonly publicKey: Bytes;
  readonly message: Bytes;
  readonly dst: string;
}

/** A short message under locks: the point U (96 bytes), V and W (as long as the message each). */
export interface Capsule {
  readonly u: Bytes;
  readonly v: Bytes;
  readonly w: Bytes;
}

/** The lock that a drand network opens with the signature of `round`, an unchained round from 1 up. */
export function timeLock(publicKey: Bytes, round: bigint): Lock {
  if (round < 1n || round > LAST_ROUND) throw new MalformedError("a round is a number from 1 to 2^63-1");
  return { publicKey, message: sha256(bigEndian(round, 8)), dst: TIME_DST };
}

/** The lock that a committee opens by signing `order`. */
export function mandateLock(publicKey: Bytes, order: OpeningOrder): Lock {
  if ((order.bid !== undefined) !== (order.part === "price")) {
    throw new MalformedError("an opening order names a bid if it opens a price part, and only then");
  }
  return { publicKey, message: encodeAs(order, openingOrder), dst: MANDATE_DST };
}

/** The key as a point. Throws LockError for another signature, MalformedError for no signature. */
export function verifyKey(lock: Lock, signature: Uint8Array): bls.G1 {
  try {
    return bls.verifySignature(bls.parseG2(lock.publicKey), lock.message, lock.dst, signature);
  } catch (error) {
    if (error instanceof SignatureError) throw new LockError("the signature is not the key of this lock");
    throw error;
  }
}

/** Does ahead of time what sealing under these locks needs and what does not depend on the bid. */
export function prepare(locks: readonly Lock[]): void {
  product(locks).power(1n);
  bls.timesG2(1n);
}

/** `message` (1 to 32 bytes), which opens with the signatures of *all* `locks` and not with fewer.
 *
 * `sigma`: fresh random bytes, as many as the message. Throws LockError for no or twice the same public key,
 * MalformedError for a bad public key or sizes. */
export function seal(locks: readonly Lock[], message: Uint8Array, sigma: Uint8Array): Capsule {
  if (sigma.length !== message.length || message.length < 1 || message.length > MESSAGE_SIZE) {
    throw new MalformedError("a sealed message is 1 to 32 bytes and sigma as long");
  }
  const r = h3(sigma, message);
  return {
    u: bls.bytesOfG2(bls.timesG2(r)),
    v: xor(sigma, h2(product(locks).power(r))),
    w: xor(message, h4(sigma)),
  };
}

/** Opens every capsule under the same locks with one pairing each. */
export class Opener {
  readonly #key: bls.G1;

  /** Each signature is verified against its own lock. Throws LockError, MalformedError. */
  constructor(locks: readonly Lock[], signatures: readonly Uint8Array[]) {
    checkDistinct(locks);
    if (locks.length !== signatures.length) throw new LockError("as many signatures as locks are needed");
    this.#key = bls.addG1(locks.map((lock, i) => verifyKey(lock, signatures[i]!)));
  }

  /** The message. Throws LockError where it was sealed for other locks or altered since, MalformedError where U is
   * not a point. */
  open(capsule: Capsule): Bytes {
    checkCapsule(capsule);
    const sigma = xor(capsule.v, h2(bls.Gt.pairing(this.#key, bls.parseG2(capsule.u))));
    const message = xor(capsule.w, h4(sigma));
    if (!equal(bls.bytesOfG2(bls.timesG2(h3(sigma, message))), capsule.u)) {
      throw new LockError("the capsule was not made for these locks");
    }
    return message;
  }
}

/** The 32-byte key of a bid's content, bound to its place. `context` is the canonical JSON that names it. */
export function contentKey(message: Uint8Array, context: Uint8Array, capsule: Capsule, layer: Layer): Bytes {
  if (message.length !== MESSAGE_SIZE) throw new MalformedError("a content key comes from a message of 32 bytes");
  const salt = sha256(bound(context, capsule));
  return hkdf(hash, message as Bytes, salt, bytesOf(`openseal/v1/${layer}`), 32) as Bytes;
}

/** `content` under its key by ChaCha20-Poly1305 (RFC 8439), 16 bytes longer. A message is for one bid: encrypting
 * two contents of a layer under it gives both away. */
export function encryptContent(
  message: Uint8Array,
  context: Uint8Array,
  capsule: Capsule,
  content: Uint8Array,
  layer: Layer = "content",
): Bytes {
  const key = contentKey(message, context, capsule, layer);
  return chacha20poly1305(key, NONCE, bound(context, capsule)).encrypt(content as Bytes) as Bytes;
}

/** What was encrypted. Throws LockError where ciphertext, capsule or context are not those of then. */
export function decryptContent(
  message: Uint8Array,
  context: Uint8Array,
  capsule: Capsule,
  ciphertext: Uint8Array,
  layer: Layer = "content",
): Bytes {
  const key = contentKey(message, context, capsule, layer);
  try {
    return chacha20poly1305(key, NONCE, bound(context, capsule)).decrypt(ciphertext as Bytes) as Bytes;
  } catch {
    throw new LockError("the ciphertext does not belong to this capsule and context");
  }
}

const kept = new Map<string, bls.Gt>();

/** `Π e(Q, P)` over the locks. */
function product(locks: readonly Lock[]): bls.Gt {
  checkDistinct(locks);
  return remembered(locks.map(nameOf).join("+"), () =>
    locks.map(pairing).reduce((value, each) => value.times(each)),
  );
}

function pairing(lock: Lock): bls.Gt {
  return remembered(nameOf(lock), () =>
    bls.Gt.pairing(bls.hashToG1(lock.message, lock.dst), bls.parseG2(lock.publicKey)),
  );
}

function remembered(name: string, compute: () => bls.Gt): bls.Gt {
  const value = kept.get(name) ?? compute();
  kept.delete(name);
  kept.set(name, value); // the latest at the end, so that the first is the one to forget
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(oldest);
  }
  return value;
}

function nameOf(lock: Lock): string {
  return `${toHex(lock.publicKey)}/${lock.dst}/${toHex(lock.message)}`;
}

/** One key holder must never be able to open a sum lock alone. */
function checkDistinct(locks: readonly Lock[]): void {
  if (!locks.length || new Set(locks.map((lock) => toHex(lock.publicKey))).size !== locks.length) {
    throw new LockError("locks are at least one, each with a public key of its own");
  }
}

function checkCapsule({ u, v, w }: Capsule): void {
  if (u.length !== 96 || v.length !== w.length || v.length < 1 || v.length > MESSAGE_SIZE) {
    throw new MalformedError("a capsule is 96 bytes and twice 1 to 32 bytes");
  }
}

function bound(context: Uint8Array, capsule: Capsule): Bytes {
  return concat(context, capsule.u, capsule.v, capsule.w);
}

function h2(value: bls.Gt): Bytes {
  return sha256(bytesOf("IBE-H2"), value.bytes());
}

/** tlock's scalar: the first of a row of hashes, its first byte shifted right by one, below the order. */
function h3(sigma: Uint8Array, message: Uint8Array): bigint {
  const seed = sha256(bytesOf("IBE-H3"), sigma, message);
  for (let i = 1; i < 1 << 16; i++) {
    const digest = sha256(new Uint8Array([i & 0xff, i >> 8]), seed);
    digest[0]! >>= 1;
    const scalar = bls.scalarOf(digest);
    if (scalar !== null) return scalar;
  }
  throw new LockError("no scalar for this message"); // probability below 2^-9000
}

function h4(sigma: Uint8Array): Bytes {
  return sha256(bytesOf("IBE-H4"), sigma);
}

function xor(data: Uint8Array, mask: Uint8Array): Bytes {
  return new Uint8Array(data.map((byte, i) => byte ^ mask[i]!));
}
