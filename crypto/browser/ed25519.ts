/** Ed25519 as the statements' rule has it (docs/formats.md section 3): S below the order, R compared as bytes.
 *
 * Browsers differ in what they let pass beyond RFC 8032, and some have no Ed25519 at all: so signatures are verified
 * here, everywhere alike. */

import { edwards } from "@noble/curves/abstract/edwards.js";
import { sha512 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, equal, fromBigEndian } from "./encoding.ts";

// RFC 8032 section 5.1
const P = 2n ** 255n - 19n;
const N = 2n ** 252n + 27742317777372353535851937790883648493n;
const Point = edwards({
  p: P,
  n: N,
  h: 8n,
  a: P - 1n,
  d: 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n,
  Gx: 0x216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51an,
  Gy: 0x6666666666666666666666666666666666666666666666666666666666666658n,
});

/** Whether it is the one encoding of a point of prime order: a key of small order would fit many messages. */
export function isPrimeOrder(publicKey: Uint8Array): boolean {
  try {
    const point = Point.fromBytes(publicKey as Bytes);
    return !point.is0() && point.isTorsionFree();
  } catch {
    return false;
  }
}

/** Whether `signature` (64 bytes) is this key's over `message`: S < L and encode(S·B − k·A) equals R's bytes. */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (signature.length !== 64 || s >= N) return false;
  const k = littleEndian(sha512(concat(r, publicKey, message))) % N;
  try {
    const point = Point.fromBytes(publicKey as Bytes).multiplyUnsafe(k).negate();
    return equal(Point.BASE.multiplyUnsafe(s).add(point).toBytes(), r);
  } catch {
    return false; // not a point
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return fromBigEndian(new Uint8Array(bytes).reverse());
}
