/** Signed notes, checkpoints, co-signatures and offline proofs, after the C2SP specifications: what a client verifies
 * of them. Twin of `crypto/checkpoint.py`. */

import * as ed25519 from "./ed25519.ts";
import {
  type Bytes,
  LARGEST_INTEGER,
  bytesOf,
  fromBase64,
  fromBigEndian,
  sha256,
  toBase64,
  toHex,
} from "./encoding.ts";
import { LogError, MalformedError, SignatureError } from "./errors.ts";
import { HASH_SIZE, leafHash, verifyInclusion } from "./merkle.ts";

/** Signature type of a log's Ed25519 key. */
const LOG = 0x01;
/** Signature type of a witness's time-stamped Ed25519 key (cosignature/v1). */
const WITNESS = 0x04;
const NOTE_LIMIT = 256 * 1024; // characters
const MOST_SIGNATURES = 100;
const LONGEST_PROOF = 63; // hashes
const PROOF_HEADER = "c2sp.org/tlog-proof@v1";
const DECIMAL = /^(0|[1-9][0-9]{0,15})$/;
const CONTROL = /[\x00-\x09\x0b-\x1f\ud800-\udfff]/u;
// What Python's `\s` is, spelt out: other languages' differs.
const SPACE_OR_PLUS = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/;
const LAST_SECOND = 253_402_300_799; // 9999-12-31T23:59:59Z

/** A named Ed25519 public key (32 bytes) of `kind` LOG or WITNESS. */
export class VerifyingKey {
  readonly name: string;
  readonly kind: number;
  readonly public: Bytes;
  /** `SHA-256(name ‖ 0A ‖ kind ‖ public)[:4]` in hex: an index, not a commitment. */
  readonly id: string;

  /** The key written as `vkey`. Throws MalformedError, also for an id that is not this key's. */
  constructor(vkey: string) {
    const [name, id, ...rest] = vkey.split("+");
    const raw = fromBase64(rest.join("+"));
    if (raw.length !== 33 || (raw[0] !== LOG && raw[0] !== WITNESS)) {
      throw new MalformedError("not the key of a log or a witness");
    }
    this.name = checkedName(name!);
    this.kind = raw[0];
    this.public = raw.slice(1);
    this.id = toHex(sha256(bytesOf(`${name}\n`), raw).subarray(0, 4));
    if (this.id !== id) throw new MalformedError("the key's id is another key's");
  }

  /** Throws SignatureError unless `signature` (64 bytes) is this key's over `message`. */
  verify(message: Uint8Array, signature: Uint8Array): void {
    if (!ed25519.verify(this.public, message, signature)) throw new SignatureError(`not a signature by ${this.name}`);
  }
}

interface NoteSignature {
  readonly name: string;
  readonly id: string;
  readonly signature: Bytes;
}

/** A signed note: its text (with the final newline) and its signature lines, not yet verified. */
interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** The head of a log: its origin, the number of its leaves, the root (32 bytes). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Bytes;
}

/** A verified co-signature: the witness's name and the time it vouches for (milliseconds, whole seconds). */
export interface Cosignature {
  readonly name: string;
  readonly time: number;
}

/** The checkpoint in `note`, once `log` signed it as its own origin. Throws MalformedError for anything but a
 * checkpoint note, SignatureError for a signature that is missing or wrong, LogError for another log's. */
export function verifyCheckpoint(note: string, log: VerifyingKey): Checkpoint {
  const parsed = parseNote(note);
  const checkpoint = parseCheckpoint(parsed.text);
  if (checkpoint.origin !== log.name) throw new LogError("the checkpoint is of another log");
  const signatures = by(parsed, log);
  if (log.kind !== LOG || !signatures.length) throw new SignatureError("the checkpoint is not signed by the log");
  for (const each of signatures) log.verify(bytesOf(parsed.text), each.signature);
  return checkpoint;
}

/** The co-signatures on `note` by distinct `witnesses`, earliest first, once there are `quorum`.
 *
 * A public key counts once, under however many names; a witness that signed twice counts with its earliest time.
 * Throws LogError below the quorum, SignatureError for a wrong signature under a listed key, MalformedError. */
export function verifyCosignatures(note: string, witnesses: readonly VerifyingKey[], quorum: number): Cosignature[] {
  const parsed = parseNote(note);
  const times = new Map<string, Cosignature>();
  for (const witness of witnesses) {
    const name = toHex(witness.public);
    for (const each of by(parsed, witness)) {
      const found = verifyCosignature(parsed.text, witness, each.signature);
      const before = times.get(name);
      if (!before || found.time < before.time) times.set(name, found);
    }
  }
  if (times.size < quorum) throw new LogError(`${times.size} of the ${quorum} co-signatures needed`);
  return [...times.values()].sort((a, b) => a.time - b.time);
}

/** `c2sp.org/tlog-proof@v1`: an entry's index, the inclusion proof, the checkpoint it leads to. */
export class TlogProof {
  readonly index: number;
  readonly hashes: readonly Bytes[];
  readonly checkpoint: string;

  /** The proof written as `text`, its one encoding. Throws MalformedError. */
  constructor(text: string) {
    const at = text.indexOf("\n\n");
    const lines = (at < 0 ? text : text.slice(0, at)).split("\n");
    if (text.length > 2 * NOTE_LIMIT || lines.shift() !== PROOF_HEADER) throw new MalformedError("not a tlog-proof");
    if (lines[0]?.startsWith("extra ")) checkExtra(lines.shift()!.slice(6));
    const index = lines.shift();
    if (at < 0 || !index?.startsWith("index ") || lines.length > LONGEST_PROOF) {
      throw new MalformedError("a tlog-proof has an index, at most 63 hashes and a checkpoint");
    }
    this.index = parseSize(index.slice(6));
    this.hashes = lines.map(parseHash);
    this.checkpoint = text.slice(at + 2);
    parseCheckpoint(parseNote(this.checkpoint).text);
  }

  /** The checkpoint signed by `log` that contains `entry` at `index`. Throws LogError, SignatureError or
   * MalformedError. Co-signatures: `verifyCosignatures` on `checkpoint`. */
  verify(entry: Uint8Array, log: VerifyingKey): Checkpoint {
    const checkpoint = verifyCheckpoint(this.checkpoint, log);
    verifyInclusion(leafHash(entry), this.index, checkpoint.size, this.hashes, checkpoint.root);
    return checkpoint;
  }
}

/** A tree size or index: ASCII decimal without leading zeros, at most 2^53 − 1. Throws MalformedError. */
export function parseSize(text: string): number {
  if (!DECIMAL.test(text) || Number(text) > LARGEST_INTEGER) {
    throw new MalformedError("not a decimal number in its one form");
  }
  return Number(text);
}

/** The three lines that are signed. */
export function writtenCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** Extension lines are refused: no monitor can audit them. Throws MalformedError. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] || !lines[0]) {
    throw new MalformedError("a checkpoint has three lines: origin, size, root");
  }
  return { origin: lines[0], size: parseSize(lines[1]!), root: parseHash(lines[2]!) };
}

function parseNote(note: string): Note {
  if (note.length > 2 * NOTE_LIMIT || [...note].length > NOTE_LIMIT || CONTROL.test(note)) {
    throw new MalformedError("not a note: too long, or with control characters");
  }
  const at = note.lastIndexOf("\n\n");
  const lines = note.slice(at + 2).split("\n");
  if (at < 0 || lines.pop() || lines.length < 1 || lines.length > MOST_SIGNATURES) {
    throw new MalformedError("a note is text, an empty line and signature lines");
  }
  return { text: note.slice(0, at + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [dash, name = "", ...rest] = line.split(" ");
  const raw = fromBase64(rest.join(" "));
  if (dash !== "—" || raw.length < 5) throw new MalformedError("not a signature line");
  return { name: checkedName(name), id: toHex(raw.subarray(0, 4)), signature: raw.slice(4) };
}

function parseHash(text: string): Bytes {
  const hash = fromBase64(text);
  if (hash.length !== HASH_SIZE) throw new MalformedError("a hash has 32 bytes");
  return hash;
}

/** Opaque and authenticated by nothing, but never written when it is empty. */
function checkExtra(text: string): void {
  if (!fromBase64(text).length) throw new MalformedError("not the one form of a tlog-proof");
}

/** The signatures that claim to be `key`'s; all others are none of the verifier's business. */
function by(note: Note, key: VerifyingKey): NoteSignature[] {
  return note.signatures.filter((each) => each.name === key.name && each.id === key.id);
}

function verifyCosignature(text: string, witness: VerifyingKey, signature: Bytes): Cosignature {
  const seconds = fromBigEndian(signature.subarray(0, 8));
  if (witness.kind !== WITNESS || signature.length !== 72 || seconds > LAST_SECOND) {
    throw new SignatureError(`not a co-signature by ${witness.name}`);
  }
  witness.verify(bytesOf(`cosignature/v1\ntime ${seconds}\n${text}`), signature.subarray(8));
  return { name: witness.name, time: Number(seconds) * 1000 };
}

function checkedName(name: string): string {
  if (!name || SPACE_OR_PLUS.test(name) || CONTROL.test(name)) {
    throw new MalformedError("a key's name is not empty and has neither spaces nor plus signs");
  }
  return name;
}
