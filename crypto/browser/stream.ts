/** Sealing what is too large to hold: STREAM over ChaCha20-Poly1305, chunk by chunk, as age does its payload. Twin of
 * `crypto/stream.py`. Never holds more than what it is handed and one chunk. */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import { type Bytes, concat } from "./encoding.ts";
import { LockError, MalformedError } from "./errors.ts";

/** Bytes of a key. */
export const KEY = 32;
/** Bytes of plaintext in every chunk but the last, which has 1 to so many, or none of none at all. */
export const CHUNK = 64 * 1024;
/** Bytes by which a sealed chunk is longer. */
export const TAG = 16;

export type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** The sealed chunks of a plaintext that comes in pieces of any size. `key`: 32 fresh random bytes. */
export async function* seal(key: Uint8Array, pieces: Pieces): AsyncGenerator<Bytes> {
  checkKey(key);
  let count = 0;
  for await (const { block, last } of blocks(pieces, CHUNK)) {
    yield chacha20poly1305(key as Bytes, nonceOf(count++, last)).encrypt(block as Bytes) as Bytes;
  }
}

/** The plaintext of a sealed file that comes in pieces of any size.
 *
 * What is yielded is genuine, but only with the last piece it is known to be all. Throws LockError where the key is
 * another or something was altered, moved, added or cut off; MalformedError for sizes that nothing sealed has. */
export async function* open(key: Uint8Array, pieces: Pieces): AsyncGenerator<Bytes> {
  checkKey(key);
  let count = 0;
  for await (const { block, last } of blocks(pieces, CHUNK + TAG)) {
    if (block.length < TAG || (count && block.length === TAG)) {
      throw new MalformedError("a sealed file ends within a chunk");
    }
    yield opened(key, nonceOf(count++, last), block);
  }
}

/** Bytes of a sealed file whose plaintext has `plain` bytes. */
export function sealedSize(plain: number): number {
  return plain + TAG * Math.max(1, Math.ceil(plain / CHUNK));
}

/** Bytes of the plaintext of a sealed file of `sealed` bytes. Throws MalformedError for sizes of none. */
export function plainSize(sealed: number): number {
  const plain = sealed - TAG * Math.max(1, Math.ceil(sealed / (CHUNK + TAG)));
  if (plain < 0 || sealedSize(plain) !== sealed) throw new MalformedError("no sealed file has this size");
  return plain;
}

function opened(key: Uint8Array, nonce: Bytes, block: Uint8Array): Bytes {
  try {
    return chacha20poly1305(key as Bytes, nonce).decrypt(block as Bytes) as Bytes;
  } catch {
    throw new LockError("the sealed file is not whole, or not under this key");
  }
}

/** The same bytes in blocks of `size`, each with whether it is the last: that shows by what comes after it. */
async function* blocks(pieces: Pieces, size: number): AsyncGenerator<{ block: Uint8Array; last: boolean }> {
  let held: Uint8Array = new Uint8Array();
  for await (const piece of pieces) {
    held = held.length ? concat(held, piece) : piece;
    let at = 0;
    for (; held.length - at > size; at += size) yield { block: held.subarray(at, at + size), last: false };
    held = held.subarray(at);
  }
  yield { block: held, last: true };
}

function nonceOf(counter: number, last: boolean): Bytes {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(7, counter); // 2^32 chunks: 256 TiB
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function checkKey(key: Uint8Array): void {
  if (key.length !== KEY) throw new MalformedError("a document's key is 32 bytes");
}
