/** X.509: who may sign what. Twin of `crypto/certificates.py`.
 *
 * One root per role; a certificate speaks for one role only, by an object identifier in a critical extended key
 * usage. Roots are P-256; holders sign with Ed25519 or P-256, and the algorithm follows from the certificate. */

import * as der from "./der.ts";
import * as ed25519 from "./ed25519.ts";
import {
  type Bytes,
  bigEndian,
  bytesOf,
  concat,
  equal,
  fromBigEndian,
  sha256,
  textOf,
  toHex,
} from "./encoding.ts";
import { CertificateError, MalformedError, SignatureError } from "./errors.ts";

export const ROLES = [
  "business",
  "officer",
  "evaluator",
  "committee",
  "service",
  "registrar",
  "review",
  "auditor",
] as const;
export type Role = (typeof ROLES)[number];
export type Algorithm = "P-256" | "Ed25519";

/** Bytes of DER. */
const LONGEST = 8 * 1024;
const ARC = "2.25.329800735698586629295641978511506172918"; // a UUID's arc (ITU-T X.667): ours without a registry
const P256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
};

const EC_KEY = "1.2.840.10045.2.1";
const P256_CURVE = "1.2.840.10045.3.1.7";
const ED25519 = "1.3.101.112";
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const COMMON_NAME = "2.5.4.3";
const SERIAL_NUMBER = "2.5.4.5";
const KEY_USAGE = der.oidKey("2.5.29.15");
const BASIC_CONSTRAINTS = der.oidKey("2.5.29.19");
const EXTENDED_KEY_USAGE = "2.5.29.37";
const SUBJECT_KEY_IDENTIFIER = der.oidKey("2.5.29.14");
/** Extensions that may be critical: these, which are looked at, and names, which nobody here goes by. */
const UNDERSTOOD = [KEY_USAGE, BASIC_CONSTRAINTS, der.oidKey(EXTENDED_KEY_USAGE), der.oidKey("2.5.29.17")];
const HASHES: { readonly [oid: string]: string } = {
  [der.oidKey(ECDSA_SHA256)]: "SHA-256",
  [der.oidKey("1.2.840.10045.4.3.3")]: "SHA-384",
  [der.oidKey("1.2.840.10045.4.3.4")]: "SHA-512",
};
const ROLE_OF = new Map(ROLES.map((role, i) => [der.oidKey(`${ARC}.${i + 1}`), role]));

const REGISTRATION = /^[A-Za-z0-9._-]{1,64}$/;
/** Without control characters, lone surrogates, and marks by which two names look like one. */
const NAME = /^[^\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]{1,300}$/u;
/** Of these, what a PrintableString can hold, as which the authority writes numbers. */
const REQUESTED = /^[A-Za-z0-9.-]{1,64}$/;
const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;
const LONGEST_NAME = 64; // bytes: RFC 5280's ub-common-name, which the authority keeps to

export interface PublicKey {
  readonly algorithm: Algorithm;
  /** 32 bytes, or 65: an uncompressed point. */
  readonly bytes: Uint8Array;
}

export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

type Extensions = ReadonlyMap<string, Extension>;

/** A certificate's or list's body with its signature, not verified. */
export interface Signed {
  readonly body: Uint8Array;
  /** Key of the algorithm's object identifier. */
  readonly algorithm: string;
  readonly signature: Uint8Array;
}

/** Who a key is said to belong to, in which role: what a certificate and a request for one share. */
export class Holder {
  readonly der: Bytes;
  /** SHA-256 of the DER, hex: the `keyid` of what this key signs. */
  readonly fingerprint: string;
  readonly publicKey: PublicKey;
  readonly role: Role;
  readonly name: string;
  readonly registration: string;

  protected constructor(data: Uint8Array, publicKey: PublicKey, subject: Uint8Array, extensions: Extensions) {
    this.der = new Uint8Array(data);
    this.fingerprint = toHex(sha256(data));
    this.publicKey = checkedKey(publicKey);
    this.role = roleOf(extensions);
    this.name = attribute(subject, COMMON_NAME, NAME);
    this.registration = attribute(subject, SERIAL_NUMBER, REGISTRATION);
  }

  /** Checks `signature` (64 bytes) over `message`. Throws SignatureError. One value of S per signature, so nobody
   * but the signer can make a second signature of the same statement. */
  async verify(message: Uint8Array, signature: Uint8Array): Promise<void> {
    if (signature.length !== 64) throw new SignatureError("a signature has 64 bytes");
    const { algorithm, bytes } = this.publicKey;
    const holds =
      algorithm === "Ed25519"
        ? ed25519.verify(bytes, message, signature)
        : isLow(signature) && (await verifyP256(bytes, message, signature, "SHA-256"));
    if (!holds) throw new SignatureError("the signature does not belong to this statement and key");
  }
}

/** A well-formed holder's certificate. That it is genuine is what `Roots.verify` and `Standing.verify` say. */
export class Certificate extends Holder {
  readonly x509: X509;

  /** Throws MalformedError, or CertificateError for a key or role we do not admit. */
  constructor(data: Uint8Array) {
    const x509 = parseX509(data);
    super(data, x509.publicKey, x509.subject, x509.extensions);
    this.x509 = x509;
  }
}

/** A PKCS #10 request: who asks for a certificate, for which role, and proof that they hold its key. */
export class Request extends Holder {
  private constructor(data: Uint8Array, parsed: ParsedRequest) {
    super(data, parsed.publicKey, parsed.subject, parsed.extensions);
  }

  /** Throws MalformedError, SignatureError, or CertificateError for a key or role we do not admit. */
  static async parse(data: Uint8Array): Promise<Request> {
    const parsed = parseRequest(data);
    const request = new Request(data, parsed);
    if (!(await isSignedBy(parsed.signed, request.publicKey))) {
      throw new SignatureError("the request is not signed by its own key");
    }
    return request;
  }
}

/** A private key with what names its holder: a certificate, or before there is one the request for it. */
export interface Signer {
  readonly holder: Holder;
  readonly fingerprint: string;
  /** 64 bytes: Ed25519, or raw r‖s of P-256 ECDSA with s in the lower half. */
  sign(message: Uint8Array): Promise<Bytes>;
}

/** Throws CertificateError when certificate or request are another key's. */
export async function signerOf(key: CryptoKey, holder: Holder): Promise<Signer> {
  const sign = (message: Uint8Array) => signRaw(key, message);
  const challenge = crypto.getRandomValues(new Uint8Array(32));
  try {
    await holder.verify(challenge, await sign(challenge));
  } catch (error) {
    if (error instanceof SignatureError) throw new CertificateError("the certificate is for another key");
    throw error;
  }
  return { holder, fingerprint: holder.fingerprint, sign };
}

/** The root certificates that are trusted, per role. */
export class Roots {
  readonly #roots: ReadonlyMap<Role, readonly X509[]>;
  readonly #issuers = new Map<string, X509>();

  /** DER by role. Throws MalformedError, or CertificateError for a root whose key is not P-256. */
  constructor(roots: { readonly [role in Role]?: readonly Uint8Array[] }) {
    this.#roots = new Map(ROLES.map((role) => [role, (roots[role] ?? []).map(parseX509)]));
    for (const root of [...this.#roots.values()].flat()) {
      if (root.publicKey.algorithm !== "P-256") throw new CertificateError("a root's key must be P-256");
      checkedKey(root.publicKey);
    }
  }

  of(role: Role): readonly X509[] {
    return this.#roots.get(role)!;
  }

  /** `certificate`, if a root of `role` issued it for that role and it was in time `at` (milliseconds).
   * Throws CertificateError. */
  async verify(certificate: Certificate, role: Role, at: number): Promise<Certificate> {
    if (certificate.role !== role) throw new CertificateError(`a certificate of role ${certificate.role}, not ${role}`);
    if (!this.of(role).length) throw new CertificateError(`no root is trusted for role ${role}`);
    const issuer = await this.#issuer(certificate, role);
    if (!issuer || !isInTime(certificate.x509, at) || !isInTime(issuer, at)) {
      throw new CertificateError(`not issued by a trusted ${role} root, or out of time`);
    }
    return certificate;
  }

  /** Which root issued it. Time is all that can change what is said of a certificate: kept by fingerprint. */
  async #issuer(certificate: Certificate, role: Role): Promise<X509 | undefined> {
    const known = this.#issuers.get(certificate.fingerprint);
    if (known || !isHolders(certificate.x509)) return known;
    for (const root of this.of(role)) {
      if (isAuthority(root) && (await isIssuedBy(certificate.x509, root))) {
        this.#issuers.set(certificate.fingerprint, root);
        return root;
      }
    }
    return undefined;
  }
}

/** A new key pair: P-256 everywhere, Ed25519 where the browser has it. Throws what WebCrypto throws. */
export async function generateKey(algorithm: Algorithm, extractable: boolean): Promise<CryptoKeyPair> {
  const named = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
  return (await crypto.subtle.generateKey(named, extractable, ["sign", "verify"])) as CryptoKeyPair;
}

/** Whether a certificate can hold that name of a holder. */
export function isName(text: string): boolean {
  return NAME.test(text) && bytesOf(text).length <= LONGEST_NAME;
}

/** Whether a request can hold that registration number. */
export function isRegistration(text: string): boolean {
  return REQUESTED.test(text);
}

/** A request for a key pair, naming its holder, registration number and role.
 * Throws MalformedError for a name or number that no certificate can hold. */
export async function request(pair: CryptoKeyPair, role: Role, name: string, registration: string): Promise<Request> {
  if (!isName(name) || !isRegistration(registration)) {
    throw new MalformedError("a name or number that no certificate can hold");
  }
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const body = der.element(
    der.SEQUENCE,
    der.element(der.INTEGER, new Uint8Array([0])),
    distinguishedName(name, registration),
    spki,
    der.element(der.context(0), requestedExtensions(role)),
  );
  const ed = pair.privateKey.algorithm.name === "Ed25519";
  const raw = await signRaw(pair.privateKey, body);
  const algorithm = der.element(der.SEQUENCE, der.oid(ed ? ED25519 : ECDSA_SHA256));
  const signature = der.element(der.BIT_STRING, new Uint8Array([0]), ed ? raw : derSignature(raw));
  return Request.parse(der.element(der.SEQUENCE, body, algorithm, signature));
}

/** A parsed certificate of whatever holder or authority. */
export interface X509 {
  readonly signed: Signed;
  readonly serial: string;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  readonly extensions: Extensions;
}

/** A certificate from DER. Throws MalformedError. */
export function parseX509(data: Uint8Array): X509 {
  if (data.length > LONGEST) throw new MalformedError(`longer than ${LONGEST} bytes`);
  const { signed, inner, algorithm } = parseSigned(data);
  const version = inner.into(der.context(0));
  if (der.unsigned(version.read(der.INTEGER).content) !== "02") throw new MalformedError("not a v3 certificate");
  version.end();
  const serial = serialOf(inner.read(der.INTEGER).content);
  if (!equal(inner.read(der.SEQUENCE).raw, algorithm)) throw new MalformedError("two signature algorithms");
  const issuer = inner.read(der.SEQUENCE).raw;
  const validity = inner.into(der.SEQUENCE);
  const [notBefore, notAfter] = [der.timeOf(validity.read()), der.timeOf(validity.read())];
  validity.end();
  const subject = inner.read(der.SEQUENCE).raw;
  const publicKey = parseKey(inner.into(der.SEQUENCE));
  const extensions = parseExtensions(inner.maybe(der.context(3))?.content);
  inner.end();
  return { signed, serial, issuer, subject, notBefore, notAfter, publicKey, extensions };
}

/** What certificates, requests and lists have in common: a body, an algorithm, a signature. */
export function parseSigned(data: Uint8Array): { signed: Signed; inner: der.Reader; algorithm: Uint8Array } {
  const outer = der.whole(data, der.SEQUENCE);
  const body = outer.read(der.SEQUENCE);
  const algorithm = outer.read(der.SEQUENCE);
  const signature = der.wholeBits(outer.read(der.BIT_STRING).content);
  outer.end();
  const named = new der.Reader(algorithm.content);
  const key = toHex(named.read(der.OID).content);
  named.end(); // neither ECDSA nor Ed25519 has parameters
  const signed = { body: body.raw, algorithm: key, signature };
  return { signed, inner: new der.Reader(body.content), algorithm: algorithm.raw };
}

/** Extensions by the keys of their identifiers, each once. Throws MalformedError. */
export function parseExtensions(content: Uint8Array | undefined): Extensions {
  const found = new Map<string, Extension>();
  if (content === undefined) return found;
  for (const { content: each } of der.whole(content, der.SEQUENCE).all(der.SEQUENCE)) {
    const reader = new der.Reader(each);
    const key = toHex(reader.read(der.OID).content);
    const critical = reader.maybe(der.BOOLEAN);
    if (critical && (critical.content.length !== 1 || critical.content[0] !== 0xff)) {
      throw new MalformedError("a default written out");
    }
    const value = reader.read(der.OCTET_STRING).content;
    reader.end();
    if (found.has(key)) throw new MalformedError("an extension stands twice");
    found.set(key, { critical: critical !== null, value });
  }
  return found;
}

/** A serial number in hex, of twenty bytes at most. */
export function serialOf(content: Uint8Array): string {
  if (content.length > 20) throw new MalformedError("a serial number is too long");
  return der.unsigned(content);
}

/** Whether the key usage, if there is one, has this bit (RFC 5280 section 4.2.1.3), from the highest of the first
 * byte. Throws MalformedError. */
export function mayUse({ extensions }: X509, bit: number, otherwise: boolean): boolean {
  const usage = extensions.get(KEY_USAGE);
  if (!usage) return otherwise;
  const outer = new der.Reader(usage.value);
  const { content } = outer.read(der.BIT_STRING);
  outer.end();
  return ((content[1] ?? 0) & (0x80 >> bit)) !== 0;
}

/** Whether an authority with a P-256 key signed it. */
export async function isSignedBy({ body, algorithm, signature }: Signed, key: PublicKey): Promise<boolean> {
  if (key.algorithm === "Ed25519") {
    return algorithm === der.oidKey(ED25519) && ed25519.verify(key.bytes, body, signature);
  }
  const hash = HASHES[algorithm];
  return hash !== undefined && (await verifyP256(key.bytes, body, rawSignature(signature), hash));
}

async function isIssuedBy(certificate: X509, root: X509): Promise<boolean> {
  return equal(certificate.issuer, root.subject) && (await isSignedBy(certificate.signed, root.publicKey));
}

function isInTime({ notBefore, notAfter }: X509, at: number): boolean {
  const second = Math.floor(at / 1000) * 1000; // certificates know no more
  return notBefore <= second && second <= notAfter;
}

function isHolders(certificate: X509): boolean {
  const { extensions } = certificate;
  const needed = [KEY_USAGE, BASIC_CONSTRAINTS, der.oidKey(EXTENDED_KEY_USAGE)];
  return (
    needed.every((key) => extensions.get(key)?.critical) &&
    isUnderstood(extensions) &&
    mayUse(certificate, 0, false) && // digital signatures
    !isCa(extensions)
  );
}

function isAuthority(root: X509): boolean {
  const { extensions } = root;
  return (
    extensions.get(BASIC_CONSTRAINTS)?.critical === true &&
    !extensions.get(SUBJECT_KEY_IDENTIFIER)?.critical &&
    isUnderstood(extensions) &&
    mayUse(root, 5, false) && // certificates
    isCa(extensions)
  );
}

function isUnderstood(extensions: Extensions): boolean {
  return [...extensions].every(([key, { critical }]) => !critical || UNDERSTOOD.includes(key));
}

function isCa(extensions: Extensions): boolean {
  const constraints = extensions.get(BASIC_CONSTRAINTS);
  if (!constraints) return false;
  const reader = der.whole(constraints.value, der.SEQUENCE);
  const ca = reader.maybe(der.BOOLEAN);
  reader.maybe(der.INTEGER);
  reader.end();
  return ca?.content[0] === 0xff;
}

interface ParsedRequest {
  readonly signed: Signed;
  readonly publicKey: PublicKey;
  readonly subject: Uint8Array;
  readonly extensions: Extensions;
}

function parseRequest(data: Uint8Array): ParsedRequest {
  if (data.length > LONGEST) throw new MalformedError(`longer than ${LONGEST} bytes`);
  const { signed, inner } = parseSigned(data);
  if (der.unsigned(inner.read(der.INTEGER).content) !== "00") throw new MalformedError("not a request");
  const subject = inner.read(der.SEQUENCE).raw;
  const publicKey = parseKey(inner.into(der.SEQUENCE));
  const attributes = [...inner.into(der.context(0)).all(der.SEQUENCE)].map(({ content }) => new der.Reader(content));
  inner.end();
  const wanted = attributes.filter((each) => toHex(each.read(der.OID).content) === der.oidKey(EXTENSION_REQUEST));
  if (wanted.length > 1) throw new MalformedError("two requests for extensions");
  const extensions = parseExtensions(wanted[0] && new der.Reader(wanted[0].read(der.SET).content).read().raw);
  return { signed, publicKey, subject, extensions };
}

function parseKey(reader: der.Reader): PublicKey {
  const named = reader.into(der.SEQUENCE);
  const key = toHex(named.read(der.OID).content);
  const bytes = der.wholeBits(reader.read(der.BIT_STRING).content);
  reader.end();
  if (key === der.oidKey(ED25519) && named.next === null && bytes.length === 32) {
    return { algorithm: "Ed25519", bytes };
  }
  const curve = key === der.oidKey(EC_KEY) && named.next === der.OID ? toHex(named.read().content) : "";
  if (curve !== der.oidKey(P256_CURVE) || named.next !== null) throw new CertificateError("keys are Ed25519 or P-256");
  return { algorithm: "P-256", bytes };
}

/** Throws MalformedError or CertificateError for what is no key of its kind. */
function checkedKey(key: PublicKey): PublicKey {
  if (key.algorithm === "Ed25519") {
    if (!ed25519.isPrimeOrder(key.bytes)) throw new CertificateError("the Ed25519 key is not of prime order");
    return key;
  }
  const [x, y] = [fromBigEndian(key.bytes.subarray(1, 33)), fromBigEndian(key.bytes.subarray(33))];
  const onCurve = (y * y - x * x * x + 3n * x - P256.b) % P256.p === 0n;
  if (key.bytes.length !== 65 || key.bytes[0] !== 4 || x >= P256.p || y >= P256.p || !onCurve) {
    throw new MalformedError("not a point of P-256");
  }
  return key;
}

function roleOf(extensions: Extensions): Role {
  const usage = extensions.get(der.oidKey(EXTENDED_KEY_USAGE));
  if (!usage) throw new MalformedError("no extended key usage");
  const named = [...der.whole(usage.value, der.SEQUENCE).all(der.OID)].map(({ content }) => toHex(content));
  const role = ROLE_OF.get(named[0] ?? "");
  if (named.length !== 1 || role === undefined) throw new CertificateError("no role of ours is named");
  return role;
}

/** What goes into signed statements: a name or number that these cannot hold would stop a tender. */
function attribute(subject: Uint8Array, dotted: string, form: RegExp): string {
  const found: der.Element[] = [];
  for (const { content: names } of der.whole(subject, der.SEQUENCE).all(der.SET)) {
    for (const { content } of new der.Reader(names).all(der.SEQUENCE)) {
      const reader = new der.Reader(content);
      const key = toHex(reader.read(der.OID).content);
      const value = reader.read();
      reader.end();
      if (key === der.oidKey(dotted)) found.push(value);
    }
  }
  if (found.length !== 1) throw new CertificateError("a certificate names one holder and one registration number");
  const text = stringOf(found[0]!);
  if (!form.test(text)) {
    throw new CertificateError("the holder's name or registration number has characters we do not admit");
  }
  return text;
}

function stringOf({ tag, content }: der.Element): string {
  const text = textOf(content);
  if (tag !== der.UTF8_STRING && (tag !== der.PRINTABLE_STRING || !PRINTABLE.test(text))) {
    throw new MalformedError("a name is a UTF8String or PrintableString");
  }
  return text;
}

/** Byte for byte as Python's library writes it. */
function distinguishedName(name: string, registration: string): Bytes {
  const number = der.element(der.PRINTABLE_STRING, bytesOf(registration));
  const pairs: [string, Bytes][] = [
    [COMMON_NAME, der.utf8String(name)],
    [SERIAL_NUMBER, number],
  ];
  const names = pairs.map(([key, value]) => der.element(der.SET, der.element(der.SEQUENCE, der.oid(key), value)));
  return der.element(der.SEQUENCE, ...names);
}

function requestedExtensions(role: Role): Bytes {
  const usage = der.element(der.SEQUENCE, der.oid(`${ARC}.${ROLES.indexOf(role) + 1}`));
  const extension = der.element(
    der.SEQUENCE,
    der.oid(EXTENDED_KEY_USAGE),
    der.element(der.BOOLEAN, new Uint8Array([0xff])),
    der.element(der.OCTET_STRING, usage),
  );
  const wanted = der.element(der.SET, der.element(der.SEQUENCE, extension));
  return der.element(der.SEQUENCE, der.oid(EXTENSION_REQUEST), wanted);
}

async function signRaw(key: CryptoKey, message: Uint8Array): Promise<Bytes> {
  const ed = key.algorithm.name === "Ed25519";
  const algorithm = ed ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
  const signature = new Uint8Array(await crypto.subtle.sign(algorithm, key, message as Bytes));
  if (ed) return signature;
  const s = fromBigEndian(signature.subarray(32));
  return concat(signature.subarray(0, 32), bigEndian(s > P256.n / 2n ? P256.n - s : s, 32));
}

async function verifyP256(point: Uint8Array, message: Uint8Array, signature: Uint8Array, hash: string): Promise<boolean> {
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  try {
    const key = await crypto.subtle.importKey("raw", point as Bytes, curve, false, ["verify"]);
    return await crypto.subtle.verify({ name: "ECDSA", hash }, key, signature as Bytes, message as Bytes);
  } catch {
    return false; // not a point
  }
}

function isLow(signature: Uint8Array): boolean {
  const [r, s] = [fromBigEndian(signature.subarray(0, 32)), fromBigEndian(signature.subarray(32))];
  return 0n < r && r < P256.n && 0n < s && s <= P256.n / 2n;
}

/** ECDSA's signature out of DER: r‖s. Throws MalformedError. */
function rawSignature(signature: Uint8Array): Bytes {
  const reader = der.whole(signature, der.SEQUENCE);
  const halves = [reader.read(der.INTEGER), reader.read(der.INTEGER)].map(({ content }) => der.unsigned(content));
  reader.end();
  if (halves.some((half) => half.length > 64)) throw new MalformedError("r or s out of range");
  return concat(...halves.map((half) => bigEndian(BigInt(`0x${half}`), 32)));
}

function derSignature(raw: Uint8Array): Bytes {
  const halves = [raw.subarray(0, 32), raw.subarray(32)].map((half) => {
    const from = half.findIndex((byte) => byte !== 0);
    const bytes = half.subarray(from < 0 ? half.length - 1 : from);
    return der.element(der.INTEGER, bytes[0]! >= 0x80 ? concat(new Uint8Array([0]), bytes) : bytes);
  });
  return der.element(der.SEQUENCE, ...halves);
}
