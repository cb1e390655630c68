/** Signed statements: everything someone answers for is a DSSE envelope with exactly one signature.
 *
 * Twin of `crypto/statements.py`. A statement's id is the SHA-256 of the bytes that were signed (DSSE's
 * pre-authentication encoding), so the same statement with another valid signature is still the same statement. */

import type { Holder, Role, Signer } from "./certificates.ts";
import {
  type Bytes,
  SIGNED_LIMIT,
  bytesOf,
  concat,
  encode,
  fromBase64,
  sha256,
  toBase64,
  toHex,
} from "./encoding.ts";
import { CertificateError, MalformedError } from "./errors.ts";
import { type Type, base64Text, decodeAs, encodeAs, hex32, list, pattern, struct } from "./values.ts";

export interface Payload {
  /** The fingerprint of the signer's certificate, and the `keyid`. */
  readonly signer: string;
}

/** What a statement is about, who may make it, and its payload's form. */
export interface Purpose<P extends Payload> {
  readonly purpose: string;
  readonly roles: readonly Role[];
  readonly type: Type<P>;
}

const anyText = pattern(/^/, "text");
const dsse = struct({
  payload: anyText, // base64 of any length: told when it is decoded
  payloadType: anyText,
  signatures: list(struct({ keyid: hex32, sig: base64Text }), 1, 1),
});

/** A parsed DSSE envelope whose signature nobody has looked at yet. */
export class Statement {
  readonly data: Bytes;
  readonly payloadType: string;
  readonly payload: Bytes;
  readonly signature: Bytes;
  readonly signer: string;
  readonly id: string;

  /** Parses the envelope's canonical JSON. Throws MalformedError. */
  constructor(data: Uint8Array) {
    const { payload, payloadType, signatures } = decodeAs(data, dsse, 2 * SIGNED_LIMIT);
    this.data = new Uint8Array(data);
    this.payloadType = payloadType;
    this.payload = fromBase64(payload);
    this.signature = fromBase64(signatures[0]!.sig);
    this.signer = signatures[0]!.keyid;
    this.id = toHex(sha256(pae(payloadType, this.payload)));
  }

  /** Whether it says of itself that it is of that purpose. */
  is(purpose: Purpose<Payload>): boolean {
    return this.payloadType === payloadType(purpose.purpose);
  }

  /** The payload, *not verified*: for finding the certificate to verify with. Throws MalformedError. */
  read<P extends Payload>(purpose: Purpose<P>): P {
    if (!this.is(purpose)) throw new MalformedError(`not a statement of type ${purpose.purpose}`);
    const payload = decodeAs(this.payload, purpose.type);
    if (payload.signer !== this.signer) throw new MalformedError("keyid and signer differ");
    return payload;
  }

  /** The payload, signed by the key of `holder`, whose role may make such statements. The certificate itself is
   * verified by `Standing.verify`. Throws MalformedError, CertificateError or SignatureError. */
  async verify<P extends Payload>(purpose: Purpose<P>, holder: Holder): Promise<P> {
    if (holder.fingerprint !== this.signer) throw new CertificateError("signed under another certificate");
    if (!purpose.roles.includes(holder.role)) {
      throw new CertificateError(`role ${holder.role} does not sign statements of type ${purpose.purpose}`);
    }
    await holder.verify(pae(this.payloadType, this.payload), this.signature);
    return this.read(purpose);
  }
}

/** The DSSE envelope over `payload`, canonical JSON. `payload.signer` must be `key`'s fingerprint. */
export async function sign<P extends Payload>(purpose: Purpose<P>, payload: P, key: Signer): Promise<Bytes> {
  if (payload.signer !== key.fingerprint || !purpose.roles.includes(key.holder.role)) {
    throw new CertificateError("this key is not the payload's signer");
  }
  const body = encodeAs(payload, purpose.type);
  const type = payloadType(purpose.purpose);
  const sig = toBase64(await key.sign(pae(type, body)));
  return encode({ payload: toBase64(body), payloadType: type, signatures: [{ keyid: key.fingerprint, sig }] });
}

/** DSSE v1 pre-authentication encoding (protocol.md of secure-systems-lab/dsse). */
export function pae(payloadType: string, payload: Uint8Array): Bytes {
  const kind = bytesOf(payloadType);
  return concat(bytesOf("DSSEv1 "), bytesOf(`${kind.length} `), kind, bytesOf(` ${payload.length} `), payload);
}

function payloadType(purpose: string): string {
  return `application/vnd.openseal.${purpose}.v1+json`;
}
