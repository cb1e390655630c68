/** The Merkle tree of a transparency log: RFC 6962 hashing, proofs, and C2SP tlog-tiles. Twin of `crypto/merkle.py`,
 * as far as clients need it. Sizes go up to 2^53 − 1, beyond what JavaScript's bit operations take. */

import { type Bytes, equal, sha256 } from "./encoding.ts";
import { LogError } from "./errors.ts";

export const HASH_SIZE = 32;
const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;

type Range = readonly [start: number, end: number];

/** `SHA-256(00 ‖ entry)` (RFC 6962 section 2.1): the identity of an entry in the log. */
export function leafHash(entry: Uint8Array): Bytes {
  return sha256(new Uint8Array([0]), entry);
}

/** `SHA-256(01 ‖ left ‖ right)` (RFC 6962 section 2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  return sha256(new Uint8Array([1]), left, right);
}

/** `proof` shows the `leaf` hash at `index` of the tree of `size` leaves with `root` (RFC 6962 section 2.1.1).
 * Throws LogError. */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  const ranges = inclusionRanges(index, size);
  if (ranges.length !== proof.length) throw new LogError("inclusion proof of the wrong length");
  const above = ranges.reduce(
    (hash, [start], i) => (start <= index ? nodeHash(proof[i]!, hash) : nodeHash(hash, proof[i]!)),
    leaf,
  );
  if (!equal(above, root)) throw new LogError("inclusion proof does not lead to the root");
}

/** `proof` shows that the new tree only appends to the old one (RFC 6962 section 2.1.2). From the empty tree the
 * proof is empty. Throws LogError. */
export function verifyConsistency(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): void {
  const ranges = consistencyRanges(oldSize, newSize);
  if (ranges.length !== proof.length) throw new LogError("consistency proof of the wrong length");
  const empty = sha256();
  const [old, renewed] =
    oldSize === 0 ? [empty, newSize ? newRoot : empty] : climb(oldSize, oldRoot, ranges, proof);
  if (!equal(old, oldRoot) || !equal(renewed, newRoot)) {
    throw new LogError("consistency proof does not lead to both roots");
  }
}

/** The two roots that a consistency proof, range by range, leads to. */
function climb(
  oldSize: number,
  oldRoot: Uint8Array,
  ranges: readonly Range[],
  proof: readonly Uint8Array[],
): [Uint8Array, Uint8Array] {
  let old = oldRoot;
  let renewed = oldRoot;
  ranges.forEach(([start, end], i) => {
    const sibling = proof[i]!;
    if (i === 0 && end === oldSize) {
      old = renewed = sibling;
    } else if (start < oldSize) {
      old = nodeHash(sibling, old);
      renewed = nodeHash(sibling, renewed);
    } else {
      renewed = nodeHash(renewed, sibling);
    }
  });
  return [old, renewed];
}

/** `width` hashes (1..256) from hash number `index · 256` of row `level` (0..63). */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]`, as in C2SP tlog-tiles. */
export function tilePath({ level, index, width }: Tile): string {
  const groups = String(index).padStart(Math.ceil(String(index).length / 3) * 3, "0").match(/.../g)!;
  const partial = width < TILE_WIDTH ? `.p/${width}` : "";
  return `tile/${level}/${groups.map((each, i) => (i < groups.length - 1 ? `x${each}` : each)).join("/")}${partial}`;
}

/** Reads the hashes of a tile. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array>;

/** The proof that the tree of `newSize` leaves extends that of `oldSize`, out of its tiles. Throws LogError where one
 * is cut short, and what `read` throws. */
export async function consistencyProof(oldSize: number, newSize: number, read: ReadTile): Promise<Bytes[]> {
  const proof: Bytes[] = [];
  for (const range of consistencyRanges(oldSize, newSize)) proof.push(await rangeHash(range, newSize, read));
  return proof;
}

async function rangeHash(range: Range, size: number, read: ReadTile): Promise<Bytes> {
  const roots: Bytes[] = [];
  for (const { height, index } of subtrees(range)) roots.push(await subtreeHash(height, index, size, read));
  return roots.reduceRight((right, left) => nodeHash(left, right));
}

/** The root of a full subtree: leaves `index · 2^height` up to `(index + 1) · 2^height`. */
async function subtreeHash(height: number, index: number, size: number, read: ReadTile): Promise<Bytes> {
  const level = Math.floor(height / TILE_HEIGHT);
  const width = 2 ** (height % TILE_HEIGHT);
  const first = index * width;
  const place = Math.floor(first / TILE_WIDTH);
  const hashes = Math.floor(size / 2 ** (TILE_HEIGHT * level)) - place * TILE_WIDTH;
  const tile = { level, index: place, width: Math.min(TILE_WIDTH, hashes) };
  const row = await read(tile);
  if (row.length !== tile.width * HASH_SIZE) throw new LogError(`${tilePath(tile)} is missing or cut short`);
  const from = (first % TILE_WIDTH) * HASH_SIZE;
  return fullRoot(row.subarray(from, from + width * HASH_SIZE));
}

function fullRoot(row: Uint8Array): Bytes {
  if (row.length === HASH_SIZE) return new Uint8Array(row);
  return nodeHash(fullRoot(row.subarray(0, row.length / 2)), fullRoot(row.subarray(row.length / 2)));
}

/** The leaf ranges of RFC 6962's PATH(index, D[size]), in the order of the proof. */
function inclusionRanges(index: number, size: number): Range[] {
  if (index < 0 || index >= size) throw new LogError(`no leaf ${index} in a tree of ${size}`);
  const ranges: Range[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    ranges.push(index < middle ? [middle, end] : [start, middle]);
    [start, end] = index < middle ? [start, middle] : [middle, end];
  }
  return ranges.reverse();
}

/** The leaf ranges of RFC 6962's PROOF(oldSize, D[newSize]), in the order of the proof. */
function consistencyRanges(oldSize: number, newSize: number): Range[] {
  if (oldSize < 0 || oldSize > newSize) throw new LogError(`a tree of ${newSize} does not extend one of ${oldSize}`);
  const ranges: Range[] = [];
  let [start, end] = [0, newSize];
  while (0 < oldSize && oldSize < end) {
    const middle = start + splitPoint(end - start);
    ranges.push(oldSize <= middle ? [middle, end] : [start, middle]);
    [start, end] = oldSize <= middle ? [start, middle] : [middle, end];
  }
  if (start) ranges.push([start, end]); // else the verifier holds this hash: it is the old root
  return ranges.reverse();
}

/** The full subtrees that tile a range, largest first; its start is aligned as RFC 6962's ranges are. */
function* subtrees([start, end]: Range): Generator<{ height: number; index: number }> {
  while (start < end) {
    const height = highestBit(end - start);
    yield { height, index: start / 2 ** height };
    start += 2 ** height;
  }
}

/** The largest power of two below `size` ≥ 2. */
function splitPoint(size: number): number {
  return 2 ** highestBit(size - 1);
}

/** The number of the highest bit. `Math.log2` may round up next to a power of two. */
function highestBit(number: number): number {
  return BigInt(number).toString(2).length - 1;
}
