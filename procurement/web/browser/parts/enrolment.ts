/** How a business comes to its identity in this browser, and gets it back.
 *
 * The private key is readable for as long as its back-up is sealed under the passphrase, and never again: what is
 * kept is a key that no script reads out. A tab may close at any point; every step is kept before the next one. */

import { ServiceError } from "../../../../bids/browser/client.ts";
import {
  Certificate,
  type Holder,
  Request,
  generateKey,
  request,
  signerOf,
} from "../../../../crypto/browser/certificates.ts";
import { type Bytes, fromBase64, sha256, toBase64, toHex } from "../../../../crypto/browser/encoding.ts";
import { CertificateError } from "../../../../crypto/browser/errors.ts";
import { Statement } from "../../../../crypto/browser/statements.ts";
import { authorities } from "../../../../crypto/browser/trust.ts";
import { answered, hex32, loose } from "../../../../crypto/browser/values.ts";
import {
  type Holding,
  exportKey,
  holderOf,
  holdingBytes,
  importKey,
  parseHolding,
} from "../../../browser/holding.ts";
import { practiceNumber } from "../../../browser/numbers.ts";
import {
  type Registration,
  type Said,
  application,
  apply,
  dateAnew,
  registration as registrationType,
  renew,
  renewed,
} from "../../../browser/registration.ts";
import type { Tell } from "../../../browser/safe.ts";
import { CURRENT, type Identity, IdentityError, applicant, identity, signer } from "./identity.ts";
import { line, lineBy } from "./line.ts";
import * as safe from "./safe.ts";
import { askToKeep, exclusive, get, put, remove } from "./store.ts";

/** A renewal under way. */
interface Next {
  readonly key: string;
  readonly renewal: Bytes;
}

const NEXT = "next";
const REGISTRATIONS = "/api/v1/registrations";

const currentStatus = loose({ status: hex32 });

/** What a business says of itself. */
export interface Form extends Said {
  readonly name: string;
  readonly registration: string;
}

/** A new key with its request, application and back-up. Nothing is sent. Throws IdentityError where there is an
 * identity, MalformedError for a name or number that no certificate can hold. */
export function make(form: Form, passphrase: string, tell: Tell): Promise<Identity> {
  return alone(async () => {
    const { trust } = await line();
    const pair = await newPair();
    const asked = await request(pair, "business", form.name, form.registration);
    const signed = await apply(await signerOf(pair.privateKey, asked), form, Date.now());
    const secret = await exportKey(pair);
    const holding = { service: location.origin, trust, key: secret, application: toBase64(signed), said: [] };
    const backup = await safe.seal(holdingBytes(holding), passphrase, tell);
    const key = await keep(await importKey(secret, asked), asked);
    return become({ state: "made", ...whoIs(asked), key, request: asked.der, application: signed, backup });
  });
}

/** An identity for practice, certified at once. It has no back-up: another one is as good. */
export function practise(name: string): Promise<Identity> {
  return alone(async () => {
    const pair = await newPair(false);
    const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
    const asked = await request(pair, "business", name, practiceNumber(spki));
    const said = { representatives: [{ name }] };
    const signed = await apply(await signerOf(pair.privateKey, asked), said, Date.now());
    const key = await keep(pair.privateKey, asked);
    return become({ state: "made", ...whoIs(asked), key, request: asked.der, application: signed });
  });
}

/** That somebody has the back-up and can open it: from now on it is theirs alone. Throws SafeError, or IdentityError
 * `backup-differs` for another's. */
export async function tryBackup(file: Uint8Array, passphrase: string, tell: Tell): Promise<Holding> {
  const holding = parseHolding(await safe.open(file, passphrase, tell));
  const who = await current();
  const holder = await holderOf(holding);
  if ((await placeOf(holder)) !== who.key) throw new IdentityError("backup-differs");
  await importKey(holding.key, holder);
  if (who.backup) await change(({ backup: _, ...rest }) => rest);
  return holding;
}

/** The back-up with the certificate in it, so that it is good without asking the service. */
export async function complete(holding: Holding, passphrase: string, tell: Tell): Promise<Bytes> {
  const { certificate } = await current();
  const { application: _, ...rest } = holding;
  return safe.seal(holdingBytes({ ...rest, certificate: toBase64(certificate!) }), passphrase, tell);
}

/** Sends the application; the same one again changes nothing. What is too old by now is dated anew. */
export async function send(): Promise<Identity> {
  const who = await current();
  try {
    return await heard(await (await line()).post(REGISTRATIONS, who.application!));
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== "time-wrong") throw error;
  }
  const signer = await applicant(who);
  const said = new Statement(who.application!).read(application);
  const again = await change(async (each) => ({ ...each, application: await dateAnew(said, signer, Date.now()) }));
  return heard(await (await line()).post(REGISTRATIONS, again.application!));
}

/** What became of the application by now; one that never arrived is there to be sent again. */
export async function look(): Promise<Identity> {
  const who = await current();
  try {
    return await heard(await (await line()).get(`${REGISTRATIONS}/${new Statement(who.application!).id}`));
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== "no-such-statement") throw error;
    return change((each) => ({ ...each, state: "made" }));
  }
}

/** The identity in a file that this page or `openseal enrol` made. Throws SafeError, MalformedError, TrustChangedError
 * for another service's, and IdentityError for another's than a business's. */
export function restore(file: Uint8Array, passphrase: string, tell: Tell): Promise<Identity> {
  return alone(async () => {
    const holding = parseHolding(await safe.open(file, passphrase, tell));
    const holder = await holderOf(holding);
    if (holder.role !== "business") throw new IdentityError("not-a-business");
    const { trust } = await lineBy(holding.trust);
    const key = await keep(await importKey(holding.key, holder), holder);
    const who = { ...whoIs(holder), key };
    if (holder instanceof Certificate && !holding.application) {
      await authorities(trust).verify(holder, "business", Math.min(Date.now(), holder.x509.notAfter));
      return become({ state: "certified", ...who, certificate: holder.der, fingerprint: holder.fingerprint });
    }
    const signed = fromBase64(holding.application!);
    return become({ state: "waiting", ...who, application: signed, ...(holder instanceof Request ? { request: holder.der } : {}) });
  });
}

/** Goes over to a new key with a new certificate, whose back-up is still to be saved. The key before goes on with what
 * it has sealed. */
export async function renewIdentity(passphrase: string, tell: Tell): Promise<Identity> {
  return exclusive("identity", async () => {
    const [{ trust }, old, pair] = [await line(), await signer(), await newPair()];
    const asked = await request(pair, "business", old.holder.name, old.holder.registration);
    const secret = await exportKey(pair);
    const key = await keep(await importKey(secret, asked), asked);
    const next = { key, renewal: await renew(old, asked, Date.now()) };
    await put("identity", NEXT, next);
    const issued = await renewedBy(next);
    const holding = { service: location.origin, trust, key: secret, certificate: toBase64(issued.der), said: [] };
    return succeed(issued, { key, backup: await safe.seal(holdingBytes(holding), passphrase, tell) });
  });
}

/** Takes up a renewal that was interrupted: its key has no back-up any more. What never arrived is forgotten. */
export async function finishRenewal(): Promise<void> {
  await exclusive("identity", async () => {
    const next = await get<Next>("identity", NEXT);
    if (!next) return;
    try {
      await succeed(await renewedBy(next), { key: next.key, unsaved: true });
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== "time-wrong") throw error;
      await remove("keys", next.key);
      await remove("identity", NEXT);
    }
  });
}

/** Makes room for another identity. The one before keeps what it needs to go on with what it has sealed. */
export async function stepBack(): Promise<void> {
  await exclusive("identity", async () => {
    const who = await current();
    if (who.fingerprint) await put("identity", who.fingerprint, who);
    else await remove("keys", who.key);
    await remove("identity", CURRENT);
  });
}

/** That the certificate counts now. Throws RevokedError, StatusError, or CertificateError when it is out of time. */
export async function checkStanding({ fingerprint }: Identity): Promise<void> {
  const service = await line();
  const { status } = answered(await service.get("/api/v1/certificate-status"), currentStatus);
  await service.certificate(fingerprint!, "business", service.now(), status);
}

// ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

async function current(): Promise<Identity> {
  const who = await identity();
  if (!who) throw new IdentityError("no-identity");
  return who;
}

/** Two tabs never make two identities. */
function alone(work: () => Promise<Identity>): Promise<Identity> {
  return exclusive("identity", async () => {
    if (await identity()) throw new IdentityError("identity-there");
    const made = await work();
    void askToKeep(); // some browsers ask their user, who may take their time
    return made;
  });
}

async function become(who: Identity): Promise<Identity> {
  await put("identity", CURRENT, who);
  return who;
}

function change(how: (who: Identity) => Identity | Promise<Identity>): Promise<Identity> {
  return exclusive("identity", async () => become(await how(await current())));
}

async function newPair(extractable = true): Promise<CryptoKeyPair> {
  try {
    return await generateKey("Ed25519", extractable);
  } catch {
    return generateKey("P-256", extractable); // what every browser has
  }
}

function whoIs({ name, registration }: Holder): { name: string; registration: string } {
  return { name, registration };
}

/** A key lies under the hash of its public half. */
async function placeOf({ publicKey }: Holder): Promise<string> {
  return `signing/${toHex(sha256(publicKey.bytes))}`;
}

async function keep(key: CryptoKey, holder: Holder): Promise<string> {
  const place = await placeOf(holder);
  await put("keys", place, key);
  return place;
}

/** What a registration's answer makes of the identity. */
async function heard(data: Uint8Array): Promise<Identity> {
  const found = answered(data, registrationType);
  if (found.state === "approved") return certified(found);
  if (found.state === "waiting") return change((who) => ({ ...who, state: "waiting" }));
  return change((who) => ({ ...who, state: "rejected", reason: found.reason ?? "" }));
}

async function certified({ certificate }: Registration): Promise<Identity> {
  const who = await current();
  const issued = await genuine(certificate ?? "", who, who.key);
  const { application: _, ...rest } = who;
  return change(() => ({ ...rest, state: "certified", certificate: issued.der, fingerprint: issued.fingerprint }));
}

async function renewedBy({ key, renewal }: Next): Promise<Certificate> {
  const { certificate } = answered(await (await line()).post("/api/v1/renewals", renewal), renewed);
  return genuine(certificate, await current(), key);
}

/** A certificate is believed only where a pinned root issued it for the very key, name and number that were asked
 * for. Throws CertificateError. */
async function genuine(certificate: string, asked: Identity, key: string): Promise<Certificate> {
  const issued = new Certificate(fromBase64(certificate));
  if (issued.name !== asked.name || issued.registration !== asked.registration) {
    throw new CertificateError("the certificate names another holder than was asked for");
  }
  if ((await placeOf(issued)) !== key) throw new CertificateError("the certificate is for another key");
  return authorities((await line()).trust).verify(issued, "business", Date.now());
}

/** The renewed identity, beside the one before. */
async function succeed(issued: Certificate, more: { key: string } & Partial<Identity>): Promise<Identity> {
  const before = await current();
  await put("identity", before.fingerprint!, before);
  const now = { certificate: issued.der, fingerprint: issued.fingerprint };
  const who = await become({ state: "certified", ...whoIs(issued), ...now, ...more });
  await remove("identity", NEXT);
  return who;
}
