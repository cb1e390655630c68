/** What a business's file holds: its key, with the certificate for it or the application that waits. Twin of
 * `procurement/registry/holding.py`, but for what only a committee member's file has. */

import {
  type Algorithm,
  Certificate,
  type Holder,
  Request,
  signerOf,
} from "../../crypto/browser/certificates.ts";
import { type Bytes, fromBase64, fromHex, toHex } from "../../crypto/browser/encoding.ts";
import { CertificateError, MalformedError, VerificationError } from "../../crypto/browser/errors.ts";
import { Statement } from "../../crypto/browser/statements.ts";
import { trust } from "../../crypto/browser/trust.ts";
import {
  type Of,
  base64Text,
  decodeAs,
  encodeAs,
  defaulted,
  hex32,
  list,
  longText,
  maybe,
  pattern,
  small,
  struct,
} from "../../crypto/browser/values.ts";
import { application } from "./registration.ts";

const P256 = "p256:";
const key = pattern(/^(p256:)?[0-9a-f]{64}$/, "a key");

const holding = struct({
  service: longText,
  trust,
  key,
  request: maybe(base64Text),
  application: maybe(base64Text),
  certificate: maybe(base64Text),
  nextKey: maybe(key),
  renewal: maybe(base64Text),
  said: defaulted(list(base64Text), []),
  seenSize: maybe(small),
  seenRoot: maybe(hex32),
});
export type Holding = Of<typeof holding>;

/** Throws MalformedError, also for a committee member's file. */
export function parseHolding(data: Uint8Array): Holding {
  return decodeAs(data, holding);
}

export function holdingBytes(value: Holding): Bytes {
  return encodeAs(value, holding);
}

/** The private key of a pair that is extractable, in the form in which a file holds it. */
export async function exportKey({ privateKey }: CryptoKeyPair): Promise<string> {
  const { d } = await crypto.subtle.exportKey("jwk", privateKey);
  const bytes = toHex(fromBase64Url(d!));
  return privateKey.algorithm.name === "Ed25519" ? bytes : P256 + bytes;
}

/** This browser has no keys of that kind. */
export class KeyError extends VerificationError {
  override readonly code: string = "key-unsupported";
}

/** The key of a file as one that no script reads out any more. Throws CertificateError where it is not the holder's,
 * KeyError. */
export async function importKey(kept: string, holder: Holder): Promise<CryptoKey> {
  const { algorithm, bytes } = holder.publicKey;
  if (kept.startsWith(P256) !== (algorithm === "P-256")) throw new CertificateError("the certificate is for another key");
  const secret = await unreadable(algorithm, jwk(algorithm, bytes, toBase64Url(fromHex(kept.replace(P256, "")))));
  await signerOf(secret, holder);
  return secret;
}

async function unreadable(algorithm: Algorithm, key: JsonWebKey): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("jwk", key, named(algorithm), false, ["sign"]);
  } catch (error) {
    if ((error as DOMException).name === "NotSupportedError") throw new KeyError(algorithm);
    throw new CertificateError("the certificate is for another key"); // its halves do not belong together
  }
}

/** Whose the key in a file is. Throws MalformedError where nobody is named: the key waits to be certified
 * elsewhere. */
export async function holderOf({ certificate, application: asked }: Holding): Promise<Holder> {
  if (certificate !== undefined) return new Certificate(fromBase64(certificate));
  if (asked === undefined) throw new MalformedError("neither a certificate nor an application for one");
  const said = new Statement(fromBase64(asked)).read(application);
  return said.certificate ? new Certificate(fromBase64(said.certificate)) : Request.parse(fromBase64(said.request ?? ""));
}

function jwk(algorithm: Algorithm, bytes: Uint8Array, d: string): JsonWebKey {
  if (algorithm === "Ed25519") return { kty: "OKP", crv: "Ed25519", d, x: toBase64Url(bytes) };
  return { kty: "EC", crv: "P-256", d, x: toBase64Url(bytes.subarray(1, 33)), y: toBase64Url(bytes.subarray(33)) };
}

function named(algorithm: Algorithm): AlgorithmIdentifier | EcKeyImportParams {
  return algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
}
