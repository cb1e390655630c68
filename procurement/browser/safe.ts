/** A file under a passphrase. Twin of `procurement/registry/safe.py`, byte for byte. */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { argon2id } from "@noble/hashes/argon2.js";

import { type Bytes, bytesOf, concat, equal } from "../../crypto/browser/encoding.ts";
import { VerificationError } from "../../crypto/browser/errors.ts";

const FORMAT = bytesOf("openseal/safe/v1\n");
const SALT_SIZE = 16;
const NONCE_SIZE = 12;
const HEAD_SIZE = FORMAT.length + SALT_SIZE;
/** RFC 9106's second recommended option: three passes over 64 MiB in four lanes. */
const COST = { t: 3, m: 64 * 1024, p: 4, dkLen: 32 };

/** `not-a-safe`, `safe-closed` for another passphrase or a damaged file, or `memory-short`. */
export class SafeError extends VerificationError {
  override readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Is told how far a key derivation has come, from 0 to 1: it takes a second, on old phones many. */
export type Tell = (done: number) => void;

/** The file with that content. */
export function sealSafe(content: Uint8Array, passphrase: string, tell: Tell = () => {}): Bytes {
  const head = concat(FORMAT, random(SALT_SIZE));
  const nonce = random(NONCE_SIZE);
  const key = keyOf(passphrase, head.subarray(FORMAT.length), tell);
  return concat(head, nonce, chacha20poly1305(key, nonce, head).encrypt(content));
}

/** The content of a file. Throws SafeError. */
export function openSafe(data: Uint8Array, passphrase: string, tell: Tell = () => {}): Bytes {
  const [head, nonce] = [data.subarray(0, HEAD_SIZE), data.subarray(HEAD_SIZE, HEAD_SIZE + NONCE_SIZE)];
  if (!equal(head.subarray(0, FORMAT.length), FORMAT) || nonce.length !== NONCE_SIZE) throw new SafeError("not-a-safe");
  const key = keyOf(passphrase, head.subarray(FORMAT.length), tell);
  try {
    return new Uint8Array(chacha20poly1305(key, nonce, head).decrypt(data.subarray(HEAD_SIZE + NONCE_SIZE)));
  } catch {
    throw new SafeError("safe-closed");
  }
}

/** The passphrase is normalised (NFC): keyboards compose Korean and accents differently. */
function keyOf(passphrase: string, salt: Uint8Array, onProgress: Tell): Uint8Array {
  return argon2id(bytesOf(passphrase.normalize("NFC")), salt, { ...COST, onProgress });
}

function random(size: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(size));
}
