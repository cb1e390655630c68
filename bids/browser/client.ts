/** A party's own line to a service: it sends statements, and believes no answer that it has not verified. Twin of
 * `bids/client.py`.
 *
 * Each party has a `Service` of its own, with its own pinned trust and its own memory of the log: a service that shows
 * two parties different logs has to keep up two histories for ever. */

import { type Beacon, type Network, chainHash, parseRound, timeOf } from "../../crypto/browser/beacon.ts";
import { Certificate, type Role, type Roots, type Signer } from "../../crypto/browser/certificates.ts";
import {
  type Checkpoint,
  TlogProof,
  VerifyingKey,
  parseCheckpoint,
  writtenCheckpoint,
} from "../../crypto/browser/checkpoint.ts";
import {
  type Bytes,
  bytesOf,
  equal,
  fromBase64,
  milliseconds,
  moment,
  sha256,
  textOf,
  toBase64,
  toHex,
} from "../../crypto/browser/encoding.ts";
import {
  BeaconError,
  CertificateError,
  LogError,
  MalformedError,
  VerificationError,
} from "../../crypto/browser/errors.ts";
import {
  HASH_SIZE,
  TILE_WIDTH,
  type Tile,
  consistencyProof,
  tilePath,
  verifyConsistency,
} from "../../crypto/browser/merkle.ts";
import { Standing, status as statusType, statusId } from "../../crypto/browser/revocation.ts";
import { type Payload, type Purpose, Statement, sign } from "../../crypto/browser/statements.ts";
import { type Trust, authorities, parseTrust, trustId, verifyWitnessed } from "../../crypto/browser/trust.ts";
import { answered, base64Text, decodeAs, loose, maybe, pattern } from "../../crypto/browser/values.ts";
import { verifyFile } from "./documents.ts";
import {
  ENVELOPE,
  type SealedFile,
  type SubmissionTerms,
  UPLOAD,
  WITHDRAWAL,
  fileId,
} from "./envelope.ts";
import {
  type Answer,
  type Headers,
  LONGEST_PAUSE,
  Line,
  PATIENCE,
  POLL,
  ServiceError,
  isPassing,
  isSuccess,
  pauseAfter,
  problemOf,
  retryAfter,
  sleep,
  spread,
  unwilling,
} from "./line.ts";
import {
  DOCUMENT_RECEIPT,
  type DocumentReceipt,
  type Held,
  type Kind,
  PROMISE,
  PROMISED,
  RECEIPT,
  REFUSAL,
  type Receipt,
  type ReceiptPromise,
  type Refusal,
  commitmentEntry,
  commitmentOf,
  parseHeld,
} from "./receipts.ts";

export { Line, ServiceError } from "./line.ts";

/** Milliseconds after which a promise is broken, counted from when it came: by no clock that anybody may set. */
const PROMISE_PATIENCE = PROMISED + LONGEST_PAUSE;
/** Bytes of a sealed file that are sent at once: more while that is quick, half as many after each lost answer. */
const LARGEST_CHUNK = 4 * 1024 * 1024;
const FIRST_CHUNK = 256 * 1024;
const SMALLEST_CHUNK = 64 * 1024;
const QUICK = 2000; // milliseconds
/** The version of the resumable upload protocol. */
const TUS = "1.0.0";

/** Where a party keeps what it must not forget: IndexedDB, say. */
export interface Store {
  get(name: string): Promise<Bytes | undefined>;
  set(name: string, value: Bytes): Promise<void>;
}

/** Puts a verified answer of the service where it is not lost, before anybody is told of it. */
export type Keep = (answer: Bytes) => Promise<void> | void;

/** An envelope was turned away; `statement` is the signed refusal, which the bidder keeps as evidence. */
export class RefusedError extends ServiceError {
  readonly refusal: Refusal;
  readonly statement: Bytes;

  constructor(refusal: Refusal, statement: Bytes, status: number) {
    super(refusal.reason, refusal.detail, status);
    this.refusal = refusal;
    this.statement = statement;
  }
}

/** The service does not stand by what it said of an envelope or withdrawal. `promise` is its signed word and
 * `against`, if there is any, the later one that contradicts it: the evidence. */
export class BrokenPromiseError extends LogError {
  override readonly code: string = "promise-broken";
  readonly promise: Bytes;
  readonly against: Bytes | undefined;

  constructor(message: string, promise: Bytes, against?: Bytes) {
    super(message);
    this.promise = promise;
    this.against = against;
  }
}

/** The service says of itself something else than what was pinned. `differs` are the names of the fields. */
export class TrustChangedError extends VerificationError {
  override readonly code: string = "trust-changed";
  readonly differs: readonly (keyof Trust)[];

  constructor(differs: readonly (keyof Trust)[]) {
    super(`the service names other ${differs.join(", ")} than when it was first used from here`);
    this.differs = differs;
  }
}

/** A sealed file on its way after its envelope: `request` is the signed UploadRequest, `token` what its token is the
 * SHA-256 of, `source` the sealed file. */
export interface Upload {
  readonly request: Bytes;
  readonly token: Bytes;
  readonly file: SealedFile;
  readonly source: Blob;
}

/** A log entry shown to be in the log, co-signed by a quorum; `note` is the checkpoint that contains it. */
export interface Proven {
  readonly entry: Bytes;
  readonly index: number;
  readonly note: string;
}

/** A proven log entry and the statement that it is about. */
export interface Logged extends Proven {
  readonly statement: Statement;
}

/** What is handed in, who signed it, alone or jointly, and where; `deadline` as in the notice. */
interface Submission {
  readonly statement: Statement;
  readonly kind: Kind;
  readonly bidders: readonly string[];
  readonly terms: SubmissionTerms;
  readonly deadline: string;
  readonly keep: Keep;
}

/** What the service signed of a submission, promise or receipt; `data` is the statement. */
interface Word {
  readonly receipt: Receipt | ReceiptPromise;
  readonly data: Bytes;
}

const entryForm = loose({ entry: base64Text, proof: pattern(/^/, "text"), statement: maybe(base64Text) });

/** What a party may tell a `Service` about itself. */
export interface Party {
  /** The time, milliseconds since 1970. */
  readonly now?: () => number;
  readonly store?: Store;
}

/** The pinned trust: what the service says of itself the first time, and the same ever after. Whoever trusts it on
 * that trusts nobody else. Throws TrustChangedError, ServiceError, MalformedError. */
export async function pinTrust(line: Line, store: Store): Promise<Trust> {
  const answer = await line.ask("GET", "/api/v1/trust");
  if (!isSuccess(answer)) throw unwilling(answer);
  const offered = parseTrust(answer.body);
  const kept = await store.get("trust");
  if (!kept) await store.set("trust", answer.body);
  const pinned = kept ? parseTrust(kept) : offered;
  if (trustId(pinned) === trustId(offered)) return pinned;
  const names = Object.keys(pinned) as (keyof Trust)[];
  throw new TrustChangedError(names.filter((name) => JSON.stringify(pinned[name]) !== JSON.stringify(offered[name])));
}

/** One party's view of a service. All methods throw ServiceError, or VerificationError's kinds. */
export class Service {
  readonly trust: Trust;
  readonly now: () => number;
  readonly #line: Line;
  readonly #store: Store;
  readonly #authorities: Roots;
  readonly #log: VerifyingKey;
  readonly #certificates = new Map<string, Certificate>();
  readonly #standings = new Map<string, Standing>();
  #following: Promise<void> = Promise.resolve();

  /** `trust` comes from elsewhere, or from `pinTrust`. The store keeps the newest head of the log that the party was
   * shown: so a fork is noticed the next time, too. */
  constructor(line: Line, trust: Trust, { now = () => Date.now(), store = inMemory() }: Party = {}) {
    this.trust = trust;
    this.now = now;
    this.#line = line;
    this.#store = store;
    this.#authorities = authorities(trust);
    this.#log = new VerifyingKey(trust.log);
  }

  /** What is at `path`. */
  async get(path: string): Promise<Bytes> {
    return (await this.#request("GET", path)).body;
  }

  /** What is at `path`, as soon as the service does not say `not-yet` any more. */
  async waitFor(path: string, patience: number = PATIENCE): Promise<Bytes> {
    const end = performance.now() + patience;
    for (;;) {
      try {
        return await this.get(path);
      } catch (error) {
        if (!(error instanceof ServiceError) || error.code !== "not-yet" || performance.now() > end) throw error;
      }
      await sleep(POLL);
    }
  }

  /** The answer to a statement. Sent again when no answer comes: a statement is taken once only. */
  async post(path: string, statement: Bytes): Promise<Bytes> {
    return (await this.#request("POST", path, statement)).body;
  }

  /** The receipt for a sealed envelope: signed by the service, in time, and its commitment in the log.
   *
   * `keep` is given each verified answer, the last one before this returns: perhaps a promise, then the receipt.
   * `held` is what was kept when the same envelope was sent before, which the new answer must agree with. Throws
   * RefusedError where the service turns the envelope away with a signed reason, and BrokenPromiseError. */
  async submit(
    envelope: Uint8Array,
    terms: SubmissionTerms,
    deadline: string,
    keep: Keep = () => {},
    held?: Uint8Array,
  ): Promise<Receipt> {
    const statement = new Statement(envelope);
    const bidders = [statement.signer, ...statement.read(ENVELOPE).consortium];
    return await this.#submit({ statement, kind: "envelope", bidders, terms, deadline, keep }, held);
  }

  /** The receipt for a signed withdrawal; everything else as for `submit`. */
  async withdraw(
    withdrawal: Uint8Array,
    terms: SubmissionTerms,
    deadline: string,
    keep: Keep = () => {},
    held?: Uint8Array,
  ): Promise<Receipt> {
    const statement = new Statement(withdrawal);
    statement.read(WITHDRAWAL);
    const bidders = [statement.signer];
    return await this.#submit({ statement, kind: "withdrawal", bidders, terms, deadline, keep }, held);
  }

  /** What a kept answer says, verified once more: of an envelope or withdrawal that was sent before. Throws as
   * `submit` does; a promise comes back as it is. */
  async verifyHeld(
    sent: Uint8Array,
    terms: SubmissionTerms,
    deadline: string,
    held: Uint8Array,
  ): Promise<Receipt | ReceiptPromise> {
    const statement = new Statement(sent);
    const kind: Kind = statement.is(WITHDRAWAL) ? "withdrawal" : "envelope";
    const partners = kind === "envelope" ? statement.read(ENVELOPE).consortium : [];
    const bidders = [statement.signer, ...partners];
    const said = { statement, kind, bidders, terms, deadline, keep: () => {} };
    const answer = parseHeld(held);
    const { receipt } = await this.#read(said, answer, answer.proof ? RECEIPT : PROMISE);
    if (answer.proof) await this.#committed(answer, receipt);
    return receipt;
  }

  /** The receipt for a sealed file: signed by the service, in time, and its commitment in the log.
   *
   * What the service has of the file already is not sent again, whoever sent it. `complete` is the end of the grace
   * (milliseconds); `tell` is told how many bytes are there, `keep` is given the verified receipt. Throws LockError
   * where `upload.source` is another file than the envelope lists. */
  async upload(
    upload: Upload,
    terms: SubmissionTerms,
    complete: number,
    keep: Keep = () => {},
    tell: (sent: number) => void = () => {},
  ): Promise<DocumentReceipt> {
    const request = new Statement(upload.request);
    const place = `${pathOf(terms)}/uploads/${fileId(upload.file, request.read(UPLOAD).envelope)}`;
    await verifyFile(upload.source, upload.file);
    await this.#create(upload, terms);
    await this.#transfer(upload, place, tell);
    const answer = await this.#stored(upload, place);
    const receipt = await this.#documentReceipt(answer, request, upload.file, terms, complete);
    await keep(answer);
    return receipt;
  }

  /** A signed request to send the sealed file `file` of an envelope (its id), with its token: made anew whenever the
   * page is, since it says when it was made. */
  async requestUpload(
    key: Signer,
    terms: SubmissionTerms,
    envelope: string,
    file: SealedFile,
    source: Blob,
  ): Promise<Upload> {
    const token = crypto.getRandomValues(new Uint8Array(32));
    const payload = {
      signer: key.fingerprint,
      tender: terms.tender,
      notice: terms.notice,
      envelope,
      number: file.number,
      token: toHex(sha256(token)),
      time: moment(this.now()),
    };
    return { request: await sign(UPLOAD, payload, key), token, file, source };
  }

  /** The entry at `path`, once a quorum of the pinned witnesses has co-signed a log that holds it. */
  async proven(path: string, patience?: number): Promise<Proven> {
    return (await this.#entry(path, patience)).proven;
  }

  /** The proven entry at `path`, with the statement that the service says it is about. */
  async logged(path: string, patience?: number): Promise<Logged> {
    const { statement, proven } = await this.#entry(path, patience);
    if (statement === undefined) throw new MalformedError("the service shows no statement for the entry");
    return { ...proven, statement: new Statement(fromBase64(statement)) };
  }

  /** What `statement` says, and who says it: someone who may say so, and was certified and in good standing `at` that
   * time by the status with that id. */
  async verified<P extends Payload>(
    statement: Statement,
    purpose: Purpose<P>,
    at: number,
    status: string,
  ): Promise<{ payload: P; certificate: Certificate }> {
    const certificate = await this.#certificate(statement.signer);
    const payload = await statement.verify(purpose, certificate);
    await (await this.#standing(status)).verify(certificate, certificate.role, at);
    return { payload, certificate };
  }

  /** The certificate with that fingerprint, issued for `role` by a pinned root and in good standing `at` that time by
   * the status with that id. */
  async certificate(fingerprint: string, role: Role, at: number, status: string): Promise<Certificate> {
    const certificate = await this.#certificate(fingerprint);
    return await (await this.#standing(status)).verify(certificate, role, at);
  }

  /** What `statement` says, signed by someone who may say so and was certified `at` that time. For what names no
   * status: whether the certificate was revoked by then, nothing here tells. */
  async verifiedUnlessRevoked<P extends Payload>(statement: Statement, purpose: Purpose<P>, at: number): Promise<P> {
    const certificate = await this.#certificate(statement.signer);
    const payload = await statement.verify(purpose, certificate);
    await this.#authorities.verify(certificate, certificate.role, at);
    return payload;
  }

  /** The certificate with that fingerprint, issued for `role` by a pinned root and valid `at` that time. Whether it
   * was revoked by then, nothing here tells. */
  async certificateUnlessRevoked(fingerprint: string, role: Role, at: number): Promise<Certificate> {
    return await this.#authorities.verify(await this.#certificate(fingerprint), role, at);
  }

  /** The network's signature of `round`, waited for, from the service's relay. */
  async beacon(network: Network, round: bigint): Promise<Beacon> {
    await sleep(Math.max(0, timeOf(network, round) - this.now()));
    const path = `/beacon/${chainHash(network)}/public/${round}`;
    const beacon = parseRound(await this.waitFor(path), network);
    if (beacon.round !== round) throw new BeaconError("the relay shows another round than the one asked for");
    return beacon;
  }

  async #submit(sent: Submission, held?: Uint8Array): Promise<Receipt> {
    const before = held && (await this.#readHeld(sent, parseHeld(held)));
    let answer = await this.#send(sent, before);
    let word = before;
    if (!parseHeld(answer.body).proof) {
      const promised = await this.#read(sent, parseHeld(answer.body), PROMISE, before);
      if (!before || "includedBy" in before.receipt) {
        await sent.keep(answer.body); // a receipt that is held is worth more
        word = promised;
      }
      answer = await this.#redeem(sent, promised.data);
    }
    const found = parseHeld(answer.body);
    const { receipt } = await this.#read(sent, found, RECEIPT, word);
    await this.#committed(found, receipt);
    await sent.keep(answer.body);
    return receipt;
  }

  async #send(sent: Submission, before: Word | undefined): Promise<Answer> {
    const path = `${pathOf(sent.terms)}/${sent.kind === "envelope" ? "bids" : "withdrawals"}`;
    try {
      return await this.#request("POST", path, sent.statement.data);
    } catch (error) {
      if (!(error instanceof RefusedError) || !before) throw error;
      throw new BrokenPromiseError("what was taken first was refused later", before.data, error.statement);
    }
  }

  /** What the service said when it was sent this before. */
  async #readHeld(sent: Submission, held: Held): Promise<Word> {
    return await this.#read(sent, held, held.proof ? RECEIPT : PROMISE);
  }

  /** The service's signed word that it has taken just this, in time, from bidders who counted; the same commitment as
   * it spoke of `before`. */
  async #read<P extends Receipt | ReceiptPromise>(
    sent: Submission,
    held: Held,
    purpose: Purpose<P>,
    before?: Word,
  ): Promise<Word> {
    const receipt = await this.verifiedUnlessRevoked(held.statement, purpose, this.now());
    if (milliseconds(receipt.time) >= milliseconds(sent.deadline) && !receipt.inDoubt) {
      throw new LogError(`the receipt says that the ${sent.kind} came after the deadline`);
    }
    if ("includedBy" in receipt) checkPromised(receipt);
    const taken = milliseconds(receipt.time);
    const bidders: Certificate[] = [];
    for (const each of sent.bidders) {
      bidders.push(await this.certificate(each, "business", taken, receipt.status));
    }
    const said = [receipt.tender, receipt.notice, receipt.bidder, receipt.kind, receipt.statement];
    const own = [sent.terms.tender, sent.terms.notice, bidders[0]!.registration, sent.kind, sent.statement.id];
    if (said.join("\n") !== own.join("\n")) throw new LogError(`the receipt is for another ${sent.kind}`);
    const word = { receipt, data: held.statement.data };
    checkAgree(before, word);
    return word;
  }

  /** The answer with the receipt that was promised. */
  async #redeem(sent: Submission, promise: Bytes): Promise<Answer> {
    const path = `${pathOf(sent.terms)}/receipts/${sent.statement.id}`;
    const end = performance.now() + PROMISE_PATIENCE;
    while (performance.now() < end) {
      const answer = await this.#line.ask("GET", path);
      if (answer.status === 404) throw new BrokenPromiseError("the service knows nothing of it any more", promise);
      if (!isSuccess(answer)) throw unwilling(answer);
      if (answer.status !== 202) return answer;
      await sleep(retryAfter(answer) || POLL);
    }
    throw new BrokenPromiseError("the log does not have what was promised, and the time is over", promise);
  }

  /** Lets the service make room for the file, or find what it has of it. Where that is follows from the envelope:
   * whatever address the service gives is left aside. */
  async #create(upload: Upload, terms: SubmissionTerms): Promise<void> {
    const metadata = `request ${toBase64(upload.request)}`;
    const headers = { "Upload-Length": String(upload.file.size), "Upload-Metadata": metadata, ...tus(upload) };
    await this.#request("POST", `${pathOf(terms)}/uploads`, new Uint8Array(), headers);
  }

  /** Sends what is missing, from wherever the service has got to, until nothing is; as long as it gets further at
   * times. */
  async #transfer(upload: Upload, place: string, tell: (sent: number) => void): Promise<void> {
    let [size, misses] = [FIRST_CHUNK, 0];
    let offset = await this.#offset(upload, place);
    let furthest = offset;
    tell(offset);
    while (offset < upload.file.size) {
      const began = performance.now();
      try {
        offset = await this.#patch(upload, place, offset, size);
        if (performance.now() - began < QUICK) size = Math.min(LARGEST_CHUNK, size * 2);
      } catch (error) {
        const pause = pauseAfter(misses++);
        if (!(error instanceof ServiceError) || pause === undefined || !isPassing(error)) throw error;
        await sleep(spread(Math.max(pause, error.retryAfter)));
        size = Math.max(SMALLEST_CHUNK, Math.floor(size / 2));
        offset = await this.#offset(upload, place);
      }
      if (offset > furthest) [furthest, misses] = [offset, 0];
      tell(offset);
    }
  }

  /** How many bytes are there after the next `size` were sent, once. */
  async #patch(upload: Upload, place: string, offset: number, size: number): Promise<number> {
    const chunk = await upload.source.slice(offset, offset + size).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", chunk));
    const answer = await this.#line.once("PATCH", place, chunk, {
      ...tus(upload),
      "Content-Type": "application/offset+octet-stream",
      "Upload-Offset": String(offset),
      "Upload-Checksum": `sha256 ${toBase64(digest)}`,
    });
    if (!isSuccess(answer)) throw unwilling(answer);
    const after = stated(answer, "Upload-Offset");
    if (after !== offset + chunk.byteLength) {
      throw new MalformedError("the service says that another part of the file came than was sent");
    }
    return after;
  }

  /** How many bytes the service has. */
  async #offset(upload: Upload, place: string): Promise<number> {
    const answer = await this.#request("HEAD", place, undefined, tus(upload));
    const offset = stated(answer, "Upload-Offset");
    if (offset > upload.file.size || stated(answer, "Upload-Length") !== upload.file.size) {
      throw new MalformedError("the service speaks of a file of another size");
    }
    return offset;
  }

  /** The answer with the receipt for a file that is all there, waited for. */
  async #stored(upload: Upload, place: string): Promise<Bytes> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const answer = await this.#request("GET", place, undefined, tus(upload));
      if (answer.status !== 202) return answer.body;
      if (performance.now() > end) {
        throw new ServiceError("log-behind", "the file is there; the log is behind: ask again later", 202);
      }
      await sleep(retryAfter(answer) || POLL);
    }
  }

  async #documentReceipt(
    data: Uint8Array,
    request: Statement,
    file: SealedFile,
    terms: SubmissionTerms,
    complete: number,
  ): Promise<DocumentReceipt> {
    const answer = parseHeld(data);
    const receipt = await this.verifiedUnlessRevoked(answer.statement, DOCUMENT_RECEIPT, this.now());
    const { registration } = await this.#certificate(request.signer);
    const said = [receipt.tender, receipt.notice, receipt.bidder, receipt.envelope];
    const own = [terms.tender, terms.notice, registration, request.read(UPLOAD).envelope];
    if (said.join("\n") !== own.join("\n")) throw new LogError("the receipt is for a file of another envelope");
    if (receipt.number !== file.number || receipt.sha256 !== file.sha256 || receipt.size !== file.size) {
      throw new LogError("the receipt is for another file");
    }
    if (milliseconds(receipt.time) >= complete && !receipt.inDoubt) {
      throw new LogError("the receipt says that the file came after the end of the grace");
    }
    await this.#committed(answer, receipt);
    return receipt;
  }

  async #entry(path: string, patience?: number): Promise<{ statement: string | undefined; proven: Proven }> {
    const answer = answered(await this.waitFor(path, patience), entryForm);
    const entry = fromBase64(answer.entry);
    const proof = new TlogProof(answer.proof);
    await this.#follow(proof.verify(entry, this.#log));
    verifyWitnessed(this.trust.witnesses, proof.checkpoint);
    return { statement: answer.statement, proven: { entry, index: proof.index, note: proof.checkpoint } };
  }

  async #certificate(fingerprint: string): Promise<Certificate> {
    const known = this.#certificates.get(fingerprint);
    if (known) return known;
    const certificate = new Certificate(await this.get(`/api/v1/certificates/${fingerprint}`));
    if (certificate.fingerprint !== fingerprint) {
      throw new CertificateError("the service shows another certificate than the one asked for");
    }
    this.#certificates.set(fingerprint, certificate);
    return certificate;
  }

  /** The status with that id, whose lists are its roots'. */
  async #standing(id: string): Promise<Standing> {
    const known = this.#standings.get(id);
    if (known) return known;
    const status = decodeAs(await this.get(`/api/v1/certificate-status/${id}`), statusType);
    if (statusId(status) !== id) {
      throw new CertificateError("the service shows another certificate status than the one asked for");
    }
    const standing = await Standing.of(status, this.#authorities);
    this.#standings.set(id, standing);
    return standing;
  }

  async #request(method: string, path: string, body?: Bytes, headers: Headers = {}): Promise<Answer> {
    const answer = await this.#line.ask(method, path, body, headers);
    if (!isSuccess(answer)) throw await this.#failure(answer, body);
    return answer;
  }

  async #failure(answer: Answer, body: Bytes | undefined): Promise<ServiceError> {
    const { refusal } = problemOf(answer);
    if (refusal === undefined || body === undefined) return unwilling(answer);
    const statement = new Statement(fromBase64(refusal));
    const said = await this.verifiedUnlessRevoked(statement, REFUSAL, this.now());
    if (said.received !== toHex(sha256(body))) throw new LogError("the refusal is for another envelope");
    return new RefusedError(said, statement.data, answer.status);
  }

  /** The log has the commitment that `receipt`, the one in `held`, is about. */
  async #committed(held: Held, receipt: Receipt | DocumentReceipt): Promise<void> {
    if (!held.proof) throw new MalformedError("the receipt comes without its place in the log");
    await this.#follow(held.proof.verify(commitmentEntry(commitmentOf(receipt)), this.#log));
  }

  /** Every head the party is shown must be of one log that only grows: of two that come at once, too. */
  #follow(head: Checkpoint): Promise<void> {
    const turn = this.#following.then(() => this.#grow(head));
    this.#following = turn.catch(() => {});
    return turn;
  }

  async #grow(head: Checkpoint): Promise<void> {
    const kept = await this.#store.get("log");
    const seen = kept ? parseCheckpoint(textOf(kept)) : head;
    const [old, renewed] = head.size < seen.size ? [head, seen] : [seen, head];
    const proof = await consistencyProof(old.size, renewed.size, (tile) => this.#tile(tile));
    verifyConsistency(old.size, old.root, renewed.size, renewed.root, proof);
    const written = bytesOf(writtenCheckpoint(renewed));
    if (!kept || !equal(kept, written)) await this.#store.set("log", written);
  }

  /** A partial tile may be gone when the full one is there (C2SP tlog-tiles). */
  async #tile(tile: Tile): Promise<Uint8Array> {
    try {
      return await this.get(`/log/${tilePath(tile)}`);
    } catch (error) {
      if (!(error instanceof ServiceError) || error.status !== 404) throw error;
      const whole = await this.get(`/log/${tilePath({ ...tile, width: TILE_WIDTH })}`);
      return whole.subarray(0, tile.width * HASH_SIZE);
    }
  }
}

/** A store that forgets when the page goes. */
export function inMemory(): Store {
  const kept = new Map<string, Bytes>();
  return {
    get: async (name) => kept.get(name),
    set: async (name, value) => {
      kept.set(name, value);
    },
  };
}

/** Where the tender is on a service. */
export function pathOf(terms: { readonly tender: string }): string {
  return `/api/v1/tenders/${terms.tender}`;
}

/** The same commitment, whenever one asks; by whoever's certificate, which may have been renewed meanwhile. */
function checkAgree(before: Word | undefined, now: Word): void {
  const names = ["tender", "notice", "bidder", "kind", "time", "salt", "statement", "status", "inDoubt"] as const;
  if (before && names.some((name) => before.receipt[name] !== now.receipt[name])) {
    throw new BrokenPromiseError("the service first said something else of the same statement", before.data, now.data);
  }
}

function checkPromised(promise: ReceiptPromise): void {
  if (milliseconds(promise.includedBy) > milliseconds(promise.time) + PROMISED) {
    throw new LogError("the service promises what it owes for later than it may");
  }
}

function tus(upload: Upload): Headers {
  return { "Tus-Resumable": TUS, Authorization: `Bearer ${toHex(upload.token)}` };
}

/** A number of bytes. Throws MalformedError. */
function stated(answer: Answer, header: string): number {
  const text = answer.header(header);
  if (!/^[0-9]{1,16}$/.test(text)) throw new MalformedError(`the service does not say its ${header}`);
  return Number(text);
}
