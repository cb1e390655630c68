/** Who bids in this browser: one business, with a key that no script can read out. */

import { Certificate, Request, type Signer, signerOf } from "../../../../crypto/browser/certificates.ts";
import type { Bytes } from "../../../../crypto/browser/encoding.ts";
import { isPractice as isPracticeNumber } from "../../../browser/numbers.ts";
import { get } from "./store.ts";

/** `made` while the application was not sent yet, `waiting` for a registrar, `rejected` by one, `certified`. */
export type State = "made" | "waiting" | "rejected" | "certified";

/** What is known of somebody; `key` is where their private key lies. */
export interface Identity {
  readonly state: State;
  readonly name: string;
  readonly registration: string;
  readonly key: string;
  /** PKCS #10 (DER); absent where the key came with its certificate. */
  readonly request?: Bytes;
  /** The signed application, which waits or is still to be sent. */
  readonly application?: Bytes;
  /** Until somebody has shown that they have it: the file with the private key, under their passphrase. */
  readonly backup?: Bytes;
  /** Its key was renewed and the back-up was lost on the way. */
  readonly unsaved?: boolean;
  /** A registrar's, for having rejected the application. */
  readonly reason?: string;
  /** DER. */
  readonly certificate?: Bytes;
  /** SHA-256 of the certificate, hex: the `signer` of statements. */
  readonly fingerprint?: string;
}

/** Nobody is registered here, or not yet: `code` is `no-identity` or `not-certified`. */
export class IdentityError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Where the identity lies that signs now; those before it lie under their certificates' fingerprints. */
export const CURRENT = "current";

/** Whoever bids here, certified or on the way to it; null for nobody. Throws StorageError. */
export async function identity(): Promise<Identity | null> {
  return (await get<Identity>("identity", CURRENT)) ?? null;
}

/** Whether it is only for practice. */
export function isPractice({ registration }: Identity): boolean {
  return isPracticeNumber(registration);
}

/** What signs: the business's key under its certificate, or under that of an identity before, which goes on with
 * what it has sealed. Throws IdentityError, StorageError. */
export async function signer(fingerprint?: string): Promise<Signer> {
  const current = await identity();
  const former = fingerprint !== undefined && fingerprint !== current?.fingerprint;
  const who = former ? await get<Identity>("identity", fingerprint) : current;
  if (!who) throw new IdentityError("no-identity");
  if (!who.certificate) throw new IdentityError("not-certified");
  return signerOf(await privateKey(who), new Certificate(who.certificate));
}

/** What signs an application, under the request for its certificate. */
export async function applicant(who: Identity): Promise<Signer> {
  return signerOf(await privateKey(who), await Request.parse(who.request!));
}

async function privateKey({ key }: Identity): Promise<CryptoKey> {
  const found = await get<CryptoKey>("keys", key);
  if (!found) throw new IdentityError("no-identity");
  return found;
}
