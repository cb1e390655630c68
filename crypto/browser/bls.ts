/** BLS12-381 with signatures in G1 and public keys in G2: all the curve arithmetic there is, twin of `crypto/bls.py`.
 *
 * The only file that touches the library. Not constant-time: scalars here are used once, on their owner's machine. */

import type { Fp2, Fp6, Fp12 } from "@noble/curves/abstract/tower.js";
import type { WeierstrassPoint } from "@noble/curves/abstract/weierstrass.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";

import { type Bytes, bigEndian, concat, equal, fromBigEndian } from "./encoding.ts";
import { MalformedError, SignatureError } from "./errors.ts";

export type G1 = WeierstrassPoint<bigint>;
export type G2 = WeierstrassPoint<Fp2>;

/** Of G1, G2 and GT. */
export const ORDER = bls12_381.fields.Fr.ORDER;

const { Point: G1Point } = bls12_381.G1;
const { Point: G2Point } = bls12_381.G2;
const { Fp12: F } = bls12_381.fields;
const G1_SIZE = 48;
const G2_SIZE = 96;
const X = 0xd201000000010000n; // the curve's parameter, without its sign
const DIGITS = 4;
const WINDOW = 6;

/** A signature. Throws MalformedError unless `data` is the one encoding of a point of order ORDER. */
export function parseG1(data: Uint8Array): G1 {
  return parsed(G1Point, data, G1_SIZE, "not the encoding of a point of G1");
}

/** A public key. Throws MalformedError unless `data` is the one encoding of a point of order ORDER. */
export function parseG2(data: Uint8Array): G2 {
  return parsed(G2Point, data, G2_SIZE, "not the encoding of a point of G2");
}

function parsed<T>(
  group: { fromBytes(data: Uint8Array): WeierstrassPoint<T> },
  data: Uint8Array,
  size: number,
  wrong: string,
): WeierstrassPoint<T> {
  if (data.length !== size) throw new MalformedError(wrong);
  let point: WeierstrassPoint<T>;
  try {
    point = group.fromBytes(data);
    point.assertValidity(); // on the curve, and in the subgroup
  } catch {
    throw new MalformedError(wrong);
  }
  if (point.is0() || !equal(point.toBytes(), data)) throw new MalformedError(wrong);
  return point;
}

/** RFC 9380 with suite BLS12381G1_XMD:SHA-256_SSWU_RO_ and domain separation tag `dst`. */
export function hashToG1(message: Uint8Array, dst: string): G1 {
  return bls12_381.G1.hashToCurve(message as Bytes, { DST: dst }) as G1;
}

/** `scalar · G2`, the public key of a secret. Throws MalformedError outside 1..ORDER-1. */
export function timesG2(scalar: bigint): G2 {
  if (scalar <= 0n || scalar >= ORDER) throw new MalformedError("not a scalar");
  return G2Point.BASE.multiplyUnsafe(scalar);
}

/** A point's compressed form, 96 bytes. The library's own looks whether the point is of the right order once more,
 * which takes longer than all that led to it; what was multiplied out of the generator is. */
export function bytesOfG2(point: G2): Bytes {
  const { x, y } = point.toAffine();
  const bytes = concat(bigEndian(x.c1, 48), bigEndian(x.c0, 48));
  const isLarger = 2n * (y.c1 || y.c0) > bls12_381.fields.Fp.ORDER;
  bytes[0]! |= isLarger ? 0xa0 : 0x80;
  return bytes;
}

/** The sum. Throws MalformedError where it is the identity. */
export function addG1(points: readonly G1[]): G1 {
  const total = points.reduce((sum, point) => sum.add(point), G1Point.ZERO);
  if (total.is0()) throw new MalformedError("points of G1 that cancel out");
  return total;
}

/** The sum. Throws MalformedError where it is the identity. */
export function addG2(points: readonly G2[]): G2 {
  const total = points.reduce((sum, point) => sum.add(point), G2Point.ZERO);
  if (total.is0()) throw new MalformedError("points of G2 that cancel out");
  return total;
}

/** The signature's point. Throws SignatureError, or MalformedError if it is no point at all. */
export function verifySignature(publicKey: G2, message: Uint8Array, dst: string, signature: Uint8Array): G1 {
  const point = parseG1(signature);
  const pairs = [
    { g1: point, g2: G2Point.BASE.negate() },
    { g1: hashToG1(message, dst), g2: publicKey },
  ];
  if (!F.eql(bls12_381.pairingBatch(pairs), F.ONE)) {
    throw new SignatureError("the signature is not this key's on this message");
  }
  return point;
}

/** An element of GT, the pairings' values. */
export class Gt {
  readonly #value: Fp12;
  #powers: Fp12[][] | undefined;

  private constructor(value: Fp12) {
    this.#value = value;
  }

  /** `e(p, q)`. */
  static pairing(p: G1, q: G2): Gt {
    return new Gt(bls12_381.pairing(p, q));
  }

  times(other: Gt): Gt {
    return new Gt(F.mul(this.#value, other.#value));
  }

  /** 576 bytes: c1 before c0 at every tower level, Fp 48 bytes big-endian. */
  bytes(): Bytes {
    return fp12Bytes(this.#value);
  }

  /** This to the power of a scalar from 0 up, below ORDER.
   *
   * Frobenius' map raises to the power of the curve's parameter (p ≡ x modulo ORDER), so a scalar is four digits to
   * the base |x|, whose squarings are done together (Galbraith and Scott 2008, section 4). */
  power(scalar: bigint): Gt {
    this.#powers ??= oddPowers(this.#value);
    const digits = toBaseX(scalar).map(nonAdjacent);
    let value = F.ONE;
    for (let bit = Math.max(...digits.map((each) => each.length)) - 1; bit >= 0; bit--) {
      value = F._cyclotomicSquare(value);
      for (let i = 0; i < DIGITS; i++) value = multiplied(value, digits[i]![bit] ?? 0, this.#powers[i]!);
    }
    return new Gt(value);
  }
}

function multiplied(value: Fp12, digit: number, powers: Fp12[]): Fp12 {
  if (!digit) return value;
  const factor = powers[(Math.abs(digit) - 1) / 2]!;
  return F.mul(value, digit > 0 ? factor : F.conjugate(factor)); // in GT the conjugate is the inverse
}

/** Row i holds the powers 1, 3, 5, … of `value` to the power of |x|^i. */
function oddPowers(value: Fp12): Fp12[][] {
  const square = F._cyclotomicSquare(value);
  const first = [value];
  while (first.length < 1 << (WINDOW - 2)) first.push(F.mul(first[first.length - 1]!, square));
  const rows = [first];
  while (rows.length < DIGITS) {
    rows.push(rows[rows.length - 1]!.map((each) => F.conjugate(F.frobeniusMap(each, 1)))); // x is negative
  }
  return rows;
}

/** Digits to the base |x|, lowest first. */
function toBaseX(scalar: bigint): bigint[] {
  const digits: bigint[] = [];
  for (let rest = scalar; digits.length < DIGITS; rest /= X) digits.push(rest % X);
  return digits;
}

/** The signed digits of a width-`WINDOW` non-adjacent form, lowest first: zero, or odd and small. */
function nonAdjacent(number: bigint): number[] {
  const digits: number[] = [];
  for (let rest = number; rest > 0n; rest >>= 1n) {
    const low = rest & 1n ? Number(rest & ((1n << BigInt(WINDOW)) - 1n)) : 0;
    const digit = low >= 1 << (WINDOW - 1) ? low - (1 << WINDOW) : low;
    digits.push(digit);
    rest -= BigInt(digit);
  }
  return digits;
}

function fp12Bytes({ c0, c1 }: Fp12): Bytes {
  return concat(fp6Bytes(c1), fp6Bytes(c0));
}

function fp6Bytes({ c0, c1, c2 }: Fp6): Bytes {
  return concat(...[c2, c1, c0].flatMap((each) => [bigEndian(each.c1, 48), bigEndian(each.c0, 48)]));
}

/** Bytes as a scalar, if they are one below ORDER and above 0. */
export function scalarOf(data: Uint8Array): bigint | null {
  const value = fromBigEndian(data);
  return 0n < value && value < ORDER ? value : null;
}
