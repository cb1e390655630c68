/** What is signed about who is who, as far as bidders sign it. Twin of `procurement/registry/statements.py` and
 * `procurement/login/statements.py`. */

import { type Holder, ROLES, Request, type Signer } from "../../crypto/browser/certificates.ts";
import { type Bytes, moment, toBase64, toHex } from "../../crypto/browser/encoding.ts";
import { MalformedError } from "../../crypto/browser/errors.ts";
import { type Purpose, sign } from "../../crypto/browser/statements.ts";
import {
  type Of,
  base64Text,
  defaulted,
  hex32,
  identifier,
  list,
  longText,
  maybe,
  momentText,
  oneOf,
  loose,
  struct,
  text,
} from "../../crypto/browser/values.ts";

export const MOST_REPRESENTATIVES = 20;
const ANYBODY = ROLES.filter((role) => role !== "service");
const line = text(1, 300);

/** A natural person who may bind a business; `person` is their registration number where they have one as an
 * official. */
export const representative = struct({ name: line, person: maybe(identifier) });
export type Representative = Of<typeof representative>;

const applicationType = struct({
  signer: hex32,
  time: momentText,
  salt: hex32,
  request: maybe(base64Text),
  certificate: maybe(base64Text),
  representatives: defaulted(list(representative, 0, MOST_REPRESENTATIVES), []),
  contact: maybe(line),
  invitation: maybe(hex32),
});
export type Application = Of<typeof applicationType>;

/** Somebody asks to be registered. */
export const application: Purpose<Application> = {
  purpose: "registration",
  roles: ANYBODY,
  type: applicationType,
};

const renewalType = struct({ signer: hex32, request: base64Text, time: momentText });

/** The holder of a certificate asks for one for another key, under the same role, name and number. */
export const renewal: Purpose<Of<typeof renewalType>> = { purpose: "renewal", roles: ANYBODY, type: renewalType };

const logInType = struct({ signer: hex32, challenge: hex32, origin: longText, time: momentText });

/** The holder wants to read at `origin`. */
export const logIn: Purpose<Of<typeof logInType>> = { purpose: "log-in", roles: ANYBODY, type: logInType };

/** Where an application stands. */
export const registration = loose({
  statement: hex32,
  state: oneOf("waiting", "approved", "rejected"),
  certificate: maybe(base64Text),
  reason: maybe(longText),
});
export type Registration = Of<typeof registration>;

/** What comes of a renewal. */
export const renewed = loose({ statement: hex32, certificate: base64Text });

export const givenChallenge = loose({ challenge: hex32 });
export const givenCode = loose({ code: text(1, 60) });

/** What a business says of itself beside name and number. */
export interface Said {
  readonly representatives: readonly Representative[];
  readonly contact?: string | undefined;
}

/** A business's application, signed with the key that it is about. Throws MalformedError. */
export function apply(signer: Signer, { representatives, contact }: Said, now: number): Promise<Bytes> {
  if (!representatives.length) throw new MalformedError("a business names its representatives");
  const { holder } = signer;
  return sign(
    application,
    {
      signer: signer.fingerprint,
      time: moment(now),
      salt: toHex(crypto.getRandomValues(new Uint8Array(32))),
      ...(holder instanceof Request ? { request: toBase64(holder.der) } : { certificate: toBase64(holder.der) }),
      representatives,
      contact,
    },
    signer,
  );
}

/** The same application at another time: the service takes none that is older than some minutes. */
export function dateAnew(said: Application, signer: Signer, now: number): Promise<Bytes> {
  return sign(application, { ...said, time: moment(now) }, signer);
}

/** The holder of `old` asks for a certificate for the key of that request. */
export function renew(old: Signer, asked: Holder, now: number): Promise<Bytes> {
  return sign(renewal, { signer: old.fingerprint, request: toBase64(asked.der), time: moment(now) }, old);
}

/** An answer to a challenge (hex), of use at that origin only. */
export function answer(signer: Signer, challenge: string, origin: string, now: number): Promise<Bytes> {
  return sign(logIn, { signer: signer.fingerprint, challenge, origin, time: moment(now) }, signer);
}
