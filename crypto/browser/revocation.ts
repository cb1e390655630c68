/** Certificate status: who was in good standing at a moment, by the revocation lists of that moment (RFC 5280
 * sections 5 and 6.3, for complete lists that a root signs itself). Twin of `crypto/revocation.py`. */

import {
  type Certificate,
  ROLES,
  type Role,
  type Roots,
  type Signed,
  type X509,
  isSignedBy,
  mayUse,
  parseExtensions,
  parseSigned,
  serialOf,
} from "./certificates.ts";
import * as der from "./der.ts";
import { equal, fromBase64, sha256, toHex } from "./encoding.ts";
import { CertificateError, MalformedError, RevokedError, StatusError } from "./errors.ts";
import { type Of, base64Text, encodeAs, list, record, struct } from "./values.ts";

const ECDSA_SHA256 = der.oidKey("1.2.840.10045.4.3.2");
/** Extensions of lists that name only some certificates, or another issuer's; critical or not. */
const PARTIAL = ["2.5.29.27", "2.5.29.28", "2.5.29.29"].map(der.oidKey);
const LISTS = 6; // the bit of the key usage that lets a key sign revocation lists

/** The revocation lists (DER, base64) of every role's roots at one moment. */
export const status = struct({ lists: record(ROLES, list(base64Text)) });
export type Status = Of<typeof status>;

/** SHA-256 of its canonical JSON, hex: what receipts and the history pin. */
export function statusId(value: Status): string {
  return toHex(sha256(encodeAs(value, status)));
}

interface RevocationList {
  readonly signed: Signed;
  readonly issuer: Uint8Array;
  readonly issued: number;
  readonly ends: number | null;
  /** Since when each serial number (hex) is revoked; of one that is listed twice, the earlier time. */
  readonly revoked: ReadonlyMap<string, number>;
  readonly complete: boolean;
}

/** A status whose lists are verified: says of a certificate whether it counts. Lists of roots that are not trusted
 * say nothing: nor do their certificates. */
export class Standing {
  readonly id: string;
  readonly #roots: Roots;
  readonly #lists: ReadonlyMap<string, RevocationList>;

  private constructor(id: string, roots: Roots, lists: ReadonlyMap<string, RevocationList>) {
    this.id = id;
    this.#roots = roots;
    this.#lists = lists;
  }

  /** Throws MalformedError or CertificateError for a list that its root did not make. */
  static async of(value: Status, roots: Roots): Promise<Standing> {
    const lists = new Map<string, RevocationList>();
    for (const role of ROLES) {
      const byName = rootsByName(roots, role);
      for (const data of value.lists[role] ?? []) {
        const found = parseList(fromBase64(data));
        const root = byName.get(toHex(found.issuer));
        if (!root) continue;
        const place = placeOf(role, found.issuer);
        if (lists.has(place)) throw new MalformedError("a certificate status with two lists of one root");
        lists.set(place, await genuine(found, root));
      }
    }
    return new Standing(statusId(value), roots, lists);
  }

  /** `certificate`, issued for `role` by a root, in time and not revoked `at` that time (milliseconds).
   * Throws CertificateError, or its kinds RevokedError and StatusError. */
  async verify(certificate: Certificate, role: Role, at: number): Promise<Certificate> {
    await this.#roots.verify(certificate, role, at);
    const found = this.#lists.get(placeOf(role, certificate.x509.issuer));
    if (!found) throw new StatusError(`no revocation list of the certificate's ${role} root`);
    if (at < found.issued || at >= found.ends!) throw new StatusError("the revocation list is of another time");
    const since = found.revoked.get(certificate.x509.serial);
    if (since !== undefined && since <= at) {
      throw new RevokedError(`the certificate was revoked: ${certificate.role} ${certificate.registration}`);
    }
    return certificate;
  }
}

function rootsByName(roots: Roots, role: Role): Map<string, X509> {
  const several = roots.of(role);
  const byName = new Map(several.map((root) => [toHex(root.subject), root]));
  if (byName.size !== several.length) {
    throw new CertificateError(`two ${role} roots of one name: nobody could tell whose list is whose`);
  }
  return byName;
}

function placeOf(role: Role, issuer: Uint8Array): string {
  return `${role}/${toHex(issuer)}`;
}

/** The list, complete and made by that root. Throws MalformedError or CertificateError. */
async function genuine(found: RevocationList, root: X509): Promise<RevocationList> {
  if (found.ends === null || found.signed.algorithm !== ECDSA_SHA256 || !found.complete) {
    throw new MalformedError("a revocation list of a kind that is not admitted here");
  }
  if (!mayUse(root, LISTS, true) || !(await isSignedBy(found.signed, root.publicKey))) {
    throw new CertificateError("a revocation list that is not its root's");
  }
  return found;
}

function parseList(data: Uint8Array): RevocationList {
  const { signed, inner, algorithm } = parseSigned(data);
  const version = inner.maybe(der.INTEGER);
  if (!version || der.unsigned(version.content) !== "01") throw new MalformedError("not a v2 revocation list");
  if (!equal(inner.read(der.SEQUENCE).raw, algorithm)) throw new MalformedError("two signature algorithms");
  const issuer = inner.read(der.SEQUENCE).raw;
  const issued = der.timeOf(inner.read());
  const ends = inner.next === der.UTC_TIME || inner.next === der.GENERALIZED_TIME ? der.timeOf(inner.read()) : null;
  const entries = inner.maybe(der.SEQUENCE);
  const extensions = [parseExtensions(inner.maybe(der.context(0))?.content)];
  inner.end();
  const revoked = new Map<string, number>();
  for (const { content } of new der.Reader(entries?.content ?? new Uint8Array()).all(der.SEQUENCE)) {
    const entry = new der.Reader(content);
    const serial = serialOf(entry.read(der.INTEGER).content);
    const since = der.timeOf(entry.read());
    extensions.push(parseExtensions(entry.maybe(der.SEQUENCE)?.raw));
    entry.end();
    revoked.set(serial, Math.min(since, revoked.get(serial) ?? since));
  }
  const complete = extensions.every((each) =>
    [...each].every(([key, { critical }]) => !critical && !PARTIAL.includes(key)),
  );
  return { signed, issuer, issued, ends, revoked, complete };
}
