/** Documents on their bidder's or reader's machine: sealed and opened from blob to wherever, however large. Twin of
 * `bids/documents.py`. Fit for a Web Worker: at most some mebibytes are held at a time. */

import { sha256 as hash } from "@noble/hashes/sha2.js";

import { toHex } from "../../crypto/browser/encoding.ts";
import { LockError } from "../../crypto/browser/errors.ts";
import * as stream from "../../crypto/browser/stream.ts";
import type { SealedFile } from "./envelope.ts";

const AT_ONCE = 1024 * 1024; // bytes read from a blob

/** A file as it is named: SHA-256 (hex) and size (bytes). */
export interface Digest {
  readonly sha256: string;
  readonly size: number;
}

/** What came of sealing a file. */
export interface SealedDocument {
  readonly plain: Digest;
  readonly sealed: Digest;
}

/** Takes the next bytes of a file: to OPFS, say. */
export type Write = (chunk: Uint8Array<ArrayBuffer>) => Promise<void> | void;
/** Is told how many bytes of the source are done. */
export type Tell = (done: number) => void;

/** Seals `source` under `key`, 32 fresh random bytes. What `write` and reading throw ends it; nothing then may be
 * used of what was written. */
export async function sealFile(source: Blob, key: Uint8Array, write: Write, tell: Tell = () => {}): Promise<SealedDocument> {
  const plain = new Counted(read(source), tell);
  const sealed = new Counted(stream.seal(key, plain));
  for await (const chunk of sealed) await write(chunk as Uint8Array<ArrayBuffer>);
  return { plain: plain.digest(), sealed: sealed.digest() };
}

/** Opens the sealed file `source`, which has to be what `plain` says. Throws LockError or MalformedError where it does
 * not open, or opens to something else: what was written is to be used only once this returns. */
export async function openFile(
  source: Blob,
  key: Uint8Array,
  plain: Digest,
  write: Write,
  tell: Tell = () => {},
): Promise<void> {
  const opened = new Counted(stream.open(key, new Counted(read(source), tell)));
  for await (const chunk of opened) await write(chunk as Uint8Array<ArrayBuffer>);
  const found = opened.digest();
  if (found.sha256 !== plain.sha256 || found.size !== plain.size) {
    throw new LockError("the file opens to another document than the bid names");
  }
}

export async function digest(source: Blob, tell: Tell = () => {}): Promise<Digest> {
  const counted = new Counted(read(source), tell);
  for await (const _ of counted);
  return counted.digest();
}

/** The sealed file is the one that the envelope lists. Throws LockError. */
export async function verifyFile(source: Blob, listed: SealedFile): Promise<void> {
  const found = source.size === listed.size ? await digest(source) : null;
  if (found?.sha256 !== listed.sha256) throw new LockError(`the file is not number ${listed.number} of the envelope`);
}

/** Pieces on their way, hashed and counted. */
class Counted {
  readonly #pieces: AsyncIterable<Uint8Array>;
  readonly #tell: Tell;
  readonly #hash = hash.create();
  #size = 0;

  constructor(pieces: AsyncIterable<Uint8Array>, tell: Tell = () => {}) {
    this.#pieces = pieces;
    this.#tell = tell;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#pieces) {
      this.#hash.update(piece as Uint8Array<ArrayBuffer>);
      this.#size += piece.length;
      yield piece;
      this.#tell(this.#size);
    }
  }

  /** Of all pieces, once they have passed. */
  digest(): Digest {
    return { sha256: toHex(this.#hash.digest()), size: this.#size };
  }
}

async function* read(source: Blob): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += AT_ONCE) {
    yield new Uint8Array(await source.slice(at, at + AT_ONCE).arrayBuffer());
  }
}
