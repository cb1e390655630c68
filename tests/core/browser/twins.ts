// The browser's modules, called from Python: one JSON request a line on standard input, one answer a line on standard
// output. Bytes are hex. An error of ours is answered by its code, and everything else ends the process.

import { createInterface } from "node:readline";

import * as client from "../../../bids/browser/client.ts";
import * as documents from "../../../bids/browser/documents.ts";
import * as envelope from "../../../bids/browser/envelope.ts";
import * as receipts from "../../../bids/browser/receipts.ts";
import * as beacon from "../../../crypto/browser/beacon.ts";
import * as bls from "../../../crypto/browser/bls.ts";
import * as certificates from "../../../crypto/browser/certificates.ts";
import * as checkpoint from "../../../crypto/browser/checkpoint.ts";
import * as committee from "../../../crypto/browser/committee.ts";
import * as encoding from "../../../crypto/browser/encoding.ts";
import { VerificationError } from "../../../crypto/browser/errors.ts";
import * as locks from "../../../crypto/browser/locks.ts";
import * as merkle from "../../../crypto/browser/merkle.ts";
import * as revocation from "../../../crypto/browser/revocation.ts";
import * as selftest from "../../../crypto/browser/selftest.ts";
import * as statements from "../../../crypto/browser/statements.ts";
import { Statement } from "../../../crypto/browser/statements.ts";
import * as trust from "../../../crypto/browser/trust.ts";
import { decodeAs } from "../../../crypto/browser/values.ts";
import * as bid from "../../../procurement/browser/bid.ts";
import * as holdings from "../../../procurement/browser/holding.ts";
import * as notice from "../../../procurement/browser/notice.ts";
import * as registration from "../../../procurement/browser/registration.ts";
import * as safe from "../../../procurement/browser/safe.ts";
import * as tender from "../../../procurement/browser/tender.ts";
import * as cosign from "../../../procurement/web/browser/parts/bid/cosign.ts";
import * as decimal from "../../../procurement/web/browser/parts/bid/decimal.ts";
import * as draft from "../../../procurement/web/browser/parts/bid/draft.ts";

const { fromHex, toHex, textOf } = encoding;

type Arguments = { [name: string]: any };
interface HexContent extends envelope.Place {
  content: string;
}

const contentsOf = (given: HexContent[]) => given.map(({ content, ...place }) => ({ ...place, content: fromHex(content) }));
const lockOf = ({ publicKey, message, dst }: Arguments): locks.Lock => ({
  publicKey: fromHex(publicKey),
  message: fromHex(message),
  dst,
});
const capsuleOf = ({ u, v, w }: Arguments): locks.Capsule => ({ u: fromHex(u), v: fromHex(v), w: fromHex(w) });
const hexCapsule = ({ u, v, w }: locks.Capsule) => ({ u: toHex(u), v: toHex(v), w: toHex(w) });
const described = ({ fingerprint, role, name, registration, publicKey }: certificates.Holder) => ({
  fingerprint,
  role,
  name,
  registration,
  algorithm: publicKey.algorithm,
});
const rootsOf = (roots: { [role: string]: string[] }) =>
  new certificates.Roots(Object.fromEntries(Object.entries(roots).map(([role, each]) => [role, each.map(fromHex)])));

async function privateKey(algorithm: certificates.Algorithm, pkcs8: string): Promise<CryptoKey> {
  const named = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
  return await crypto.subtle.importKey("pkcs8", fromHex(pkcs8), named, true, ["sign"]);
}

async function signer(key: Arguments): Promise<certificates.Signer> {
  const certificate = new certificates.Certificate(fromHex(key.certificate));
  return await certificates.signerOf(await privateKey(certificate.publicKey.algorithm, key.pkcs8), certificate);
}

/** Who asks to be registered, with the key of their request. */
async function applicant(given: Arguments): Promise<certificates.Signer> {
  const holder = await certificates.Request.parse(fromHex(given.request));
  return await certificates.signerOf(await privateKey(holder.publicKey.algorithm, given.key), holder);
}

async function held(data: string) {
  const value = holdings.parseHolding(fromHex(data));
  const holder = await holdings.holderOf(value);
  const { extractable } = await holdings.importKey(value.key, holder);
  return { ...described(holder), extractable, data: toHex(holdings.holdingBytes(value)) };
}

/** A file's content as a browser makes it. */
async function newHolding({ algorithm, trust: file, name, number }: Arguments) {
  const pair = await certificates.generateKey(algorithm, true);
  const asked = await certificates.signerOf(
    pair.privateKey,
    await certificates.request(pair, "business", name, number),
  );
  const signed = await registration.apply(asked, { representatives: [{ name }] }, Date.now());
  const value = {
    service: "http://localhost:8000",
    trust: trust.parseTrust(fromHex(file)),
    key: await holdings.exportKey(pair),
    application: encoding.toBase64(signed),
    said: [],
  };
  return { data: toHex(holdings.holdingBytes(value)), application: toHex(signed) };
}

function serviceOf({ base, trust: file, now, seen }: Arguments): { service: client.Service; store: client.Store } {
  const store = client.inMemory();
  if (seen) void store.set("log", fromHex(seen));
  const line = new client.Line(base);
  return { service: new client.Service(line, trust.parseTrust(fromHex(file)), { now: () => now, store }), store };
}

const calls: { [name: string]: (given: Arguments) => unknown } = {
  selftest: () => selftest.run(),
  decode: ({ data, limit }) => toHex(encoding.encode(encoding.decode(fromHex(data), limit))),
  base64: ({ text }) => toHex(encoding.fromBase64(text)),
  milliseconds: ({ text }) => encoding.milliseconds(text),
  moment: ({ time }) => encoding.moment(time),

  sealSafe: ({ content, passphrase }) => toHex(safe.sealSafe(fromHex(content), passphrase)),
  openSafe: ({ data, passphrase }) => toHex(safe.openSafe(fromHex(data), passphrase)),
  holding: ({ data }) => held(data),
  newHolding,
  apply: async ({ representatives, contact, now, ...given }) =>
    toHex(await registration.apply(await applicant(given), { representatives, contact }, now)),
  dateAnew: async ({ statement, now, ...given }) => {
    const said = new Statement(fromHex(statement)).read(registration.application);
    return toHex(await registration.dateAnew(said, await applicant(given), now));
  },
  renew: async ({ request, key, certificate, now }) => {
    const asked = await certificates.Request.parse(fromHex(request));
    return toHex(await registration.renew(await signer({ certificate, pkcs8: key }), asked, now));
  },
  answer: async ({ challenge, origin, key, certificate, now }) =>
    toHex(await registration.answer(await signer({ certificate, pkcs8: key }), challenge, origin, now)),

  hashToG1: ({ message, dst }) => toHex(bls.hashToG1(fromHex(message), dst).toBytes()),
  parseG1: ({ data }) => toHex(bls.parseG1(fromHex(data)).toBytes()),
  parseG2: ({ data }) => toHex(bls.parseG2(fromHex(data)).toBytes()),
  timesG2: ({ scalar }) => toHex(bls.bytesOfG2(bls.timesG2(BigInt(`0x${scalar}`)))),
  pairing: ({ g1, g2, power }) =>
    toHex(bls.Gt.pairing(bls.parseG1(fromHex(g1)), bls.parseG2(fromHex(g2))).power(BigInt(`0x${power}`)).bytes()),
  seal: ({ locks: given, message, sigma }) => hexCapsule(locks.seal(given.map(lockOf), fromHex(message), fromHex(sigma))),
  open: ({ locks: given, signatures, capsule }) =>
    toHex(new locks.Opener(given.map(lockOf), signatures.map(fromHex)).open(capsuleOf(capsule))),
  verifyRound: ({ network, round, signature }) =>
    void beacon.verifyRound(network, BigInt(round), fromHex(signature)),
  parseRound: ({ network, body }) => String(beacon.parseRound(fromHex(body), network).round),
  network: ({ network, time, round }) => ({
    chainHash: beacon.chainHash(network),
    roundAt: String(beacon.roundAt(network, time)),
    timeOf: beacon.timeOf(network, BigInt(round)),
  }),
  committee: ({ data }) => {
    const value = decodeAs(fromHex(data), committee.committee);
    committee.verifyCommittee(value);
    return committee.digestOf(value);
  },

  certificate: ({ der }) => described(new certificates.Certificate(fromHex(der))),
  request: async ({ der }) => described(await certificates.Request.parse(fromHex(der))),
  makeRequest: async ({ algorithm, pkcs8, jwk, role, name, registration }) => {
    const key = await privateKey(algorithm, pkcs8);
    const named = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
    const publicKey = await crypto.subtle.importKey("jwk", jwk, named, true, ["verify"]);
    return toHex((await certificates.request({ privateKey: key, publicKey }, role, name, registration)).der);
  },
  generate: async ({ algorithm, role, name, registration }) => {
    const pair = await certificates.generateKey(algorithm, false);
    return toHex((await certificates.request(pair, role, name, registration)).der);
  },
  verifyChain: async ({ der, roots, role, at }) =>
    void (await rootsOf(roots).verify(new certificates.Certificate(fromHex(der)), role, at)),
  standing: async ({ status, roots, der, role, at }) => {
    const read = decodeAs(fromHex(status), revocation.status);
    const standing = await revocation.Standing.of(read, rootsOf(roots));
    await standing.verify(new certificates.Certificate(fromHex(der)), role, at);
    return standing.id;
  },

  statement: ({ data }) => {
    const { id, signer, payloadType } = new Statement(fromHex(data));
    return { id, signer, payloadType };
  },
  verifyEnvelope: async ({ data, certificate }) =>
    void (await new Statement(fromHex(data)).verify(
      envelope.ENVELOPE,
      new certificates.Certificate(fromHex(certificate)),
    )),

  inclusion: ({ leaf, index, size, proof, root }) =>
    merkle.verifyInclusion(fromHex(leaf), index, size, proof.map(fromHex), fromHex(root)),
  consistency: ({ old, oldRoot, size, root, proof }) =>
    merkle.verifyConsistency(old, fromHex(oldRoot), size, fromHex(root), proof.map(fromHex)),
  consistencyProof: async ({ old, size, tiles }) =>
    (await merkle.consistencyProof(old, size, async (tile) => fromHex(tiles[merkle.tilePath(tile)]))).map(toHex),
  checkpoint: ({ note, vkey }) => {
    const { origin, size, root } = checkpoint.verifyCheckpoint(note, new checkpoint.VerifyingKey(vkey));
    return { origin, size, root: toHex(root) };
  },
  cosignatures: ({ note, vkeys, quorum }) =>
    checkpoint.verifyCosignatures(note, vkeys.map((each: string) => new checkpoint.VerifyingKey(each)), quorum),
  tlogProof: ({ text, entry, vkey }) => {
    const proof = new checkpoint.TlogProof(text);
    return proof.verify(fromHex(entry), new checkpoint.VerifyingKey(vkey)).size;
  },
  trust: ({ data }) => {
    const value = trust.parseTrust(fromHex(data));
    trust.authorities(value);
    new checkpoint.VerifyingKey(value.log);
    return trust.trustId(value);
  },

  sealFile: async ({ plain, key }) => {
    const chunks: Uint8Array[] = [];
    const write = (chunk: Uint8Array) => void chunks.push(chunk);
    const made = await documents.sealFile(new Blob([fromHex(plain)]), fromHex(key), write);
    return { ...made, file: toHex(encoding.concat(...chunks)) };
  },
  openFile: async ({ file, key, plain }) => {
    const chunks: Uint8Array[] = [];
    const write = (chunk: Uint8Array) => void chunks.push(chunk);
    await documents.openFile(new Blob([fromHex(file)]), fromHex(key), plain, write);
    return toHex(encoding.concat(...chunks));
  },

  compose: async ({ contents, terms, key, entropy, ...beside }) =>
    toHex(await envelope.compose(contentsOf(contents), terms, await signer(key), fromHex(entropy), beside)),
  sealRestricted: ({ contents, terms, fingerprint, entropy }) =>
    envelope
      .sealRestricted(contentsOf(contents), terms, fingerprint, fromHex(entropy))
      .map(({ file, ...place }) => ({ ...place, file: toHex(file) })),
  check: ({ data, terms }) => envelope.check(new Statement(fromHex(data)).read(envelope.ENVELOPE), terms),
  verifySealed: ({ data, contents, terms, entropy, restricted }) =>
    envelope.verifySealed(
      new Statement(fromHex(data)).read(envelope.ENVELOPE),
      contentsOf(contents),
      terms,
      fromHex(entropy),
      contentsOf(restricted),
    ),
  openPart: ({ data, place, terms, signatures, file }) => {
    const read = new Statement(fromHex(data)).read(envelope.ENVELOPE);
    const opener = new locks.Opener(envelope.locksOf(terms, place, read.context.bid), signatures.map(fromHex));
    const opened = file ? envelope.openRestricted(read, place, opener, fromHex(file)) : envelope.openPart(read, place, opener);
    return toHex(opened);
  },
  timeSealing: ({ terms, content, rounds }) => {
    envelope.prepare(terms);
    const took: number[] = [];
    for (let i = 0; i < rounds; i++) {
      const began = performance.now();
      const [time, mandate] = envelope.locksOf(terms, terms.parts[0], "0".repeat(32));
      const message = crypto.getRandomValues(new Uint8Array(32));
      const capsule = locks.seal([time, mandate], message, crypto.getRandomValues(new Uint8Array(32)));
      locks.encryptContent(message, new Uint8Array(900), capsule, fromHex(content));
      took.push(performance.now() - began);
    }
    return took;
  },

  commitment: ({ kind, notice, time, salt, id }) => toHex(receipts.commitment(kind, notice, time, salt, id)),
  closing: ({ data, receipt, index }) => {
    const closing = new Statement(fromHex(data)).read(receipts.CLOSING);
    receipts.checkClosing(closing);
    if (receipt) receipts.checkListed(closing, new Statement(fromHex(receipt)).read(receipts.RECEIPT), index);
    return receipts.counted(closing);
  },

  readNotice: async ({ tender: ocid, ...given }) => {
    const { service, store } = serviceOf(given);
    const read = await tender.readNotice(service, ocid);
    const kept = await store.get("log");
    const { terms, noticeId, indexes, officials, editions } = read;
    const stands = editions.map((each) => each.stands);
    return { terms, noticeId, indexes, officials, stands, deadline: read.notice.deadline, seen: kept && textOf(kept) };
  },
  sealBid: async ({ tender: ocid, key, contents, restricted = [], documents = [], ...given }) => {
    const { service } = serviceOf(given);
    const read = await tender.readNotice(service, ocid);
    const drafted = { contents: contentsOf(contents), restricted: contentsOf(restricted), documents };
    const sealed = await bid.sealBid(service, read, await signer(key), drafted);
    return { envelope: toHex(sealed.envelope), files: sealed.files.map(({ file }) => toHex(file)) };
  },
  provenAtOnce: async ({ paths, ...given }) => {
    const { service } = serviceOf(given);
    const found = await Promise.all(paths.map((path: string) => service.proven(path)));
    return found.map(({ index }) => index);
  },
  coSign: async ({ tender: ocid, key, sealed, ...given }) => {
    const { service } = serviceOf(given);
    const shown = cosign.readShown(fromHex(sealed));
    return await bid.coSign(service, await tender.readNotice(service, ocid), await signer(key), shown);
  },
  submit: async ({ envelope: data, terms, deadline, held, ...given }) => {
    const { service } = serviceOf(given);
    const kept: string[] = [];
    const keep = (answer: Uint8Array) => void kept.push(toHex(answer));
    const receipt = await service.submit(fromHex(data), terms, deadline, keep, held && fromHex(held));
    return { receipt, kept };
  },
  verifyHeld: async ({ envelope: data, terms, deadline, held, ...given }) => {
    const { service } = serviceOf(given);
    return await service.verifyHeld(fromHex(data), terms, deadline, fromHex(held));
  },
  // A bidder's whole way: trust, notice, a document and a restricted part sealed, bid, upload, receipts, withdrawal.
  journey: async ({ base, key, tender: ocid, contents, restricted, plain }) => {
    const line = new client.Line(base);
    const store = client.inMemory();
    const service = new client.Service(line, await client.pinTrust(line, store), { store });
    const read = await tender.readNotice(service, ocid);
    const [secret, own] = [crypto.getRandomValues(new Uint8Array(32)), await signer(key)];
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    const sealing = await documents.sealFile(new Blob([fromHex(plain)]), secret, (chunk) => void chunks.push(chunk));
    const named = { number: 1, title: "도면", format: "text/plain", key: toHex(secret), ...sealing.plain };
    const [first] = contents;
    const content = bid.padded({ ...decodeAs(fromHex(first.content), bid.bid), documents: [named] }, bid.bid);
    const sealed = await bid.sealBid(service, read, own, {
      contents: [{ part: first.part, content }],
      documents: [{ number: 1, ...sealing.sealed }],
      restricted: contentsOf(restricted),
    });
    const receipt = await service.submit(sealed.envelope, read.terms, read.notice.deadline);
    const sent: number[] = [];
    const files = [
      { listed: { number: 1, ...sealing.sealed }, file: new Blob(chunks) },
      ...sealed.files.map(({ listed, file }) => ({ listed, file: new Blob([file]) })),
    ];
    const stored = [];
    for (const { listed, file } of files) {
      const upload = await service.requestUpload(own, read.terms, sealed.id, listed, file);
      const tell = (done: number) => void sent.push(done);
      stored.push(await service.upload(upload, read.terms, notice.complete(read.notice), undefined, tell));
    }
    return { envelope: toHex(sealed.envelope), receipt, stored, sent, key: toHex(secret) };
  },
  withdraw: async ({ base, key, tender: ocid, previous }) => {
    const line = new client.Line(base);
    const service = new client.Service(line, await client.pinTrust(line, client.inMemory()));
    const read = await tender.readNotice(service, ocid);
    const own = await signer(key);
    const said = { signer: own.fingerprint, tender: ocid, notice: read.noticeId, previous };
    const withdrawal = await statements.sign(envelope.WITHDRAWAL, said, own);
    return await service.withdraw(withdrawal, read.terms, read.notice.deadline);
  },
  refused: async ({ base, envelope: data, tender: ocid }) => {
    const line = new client.Line(base);
    const service = new client.Service(line, await client.pinTrust(line, client.inMemory()));
    const read = await tender.readNotice(service, ocid);
    try {
      await service.submit(fromHex(data), read.terms, read.notice.deadline);
    } catch (error) {
      if (error instanceof client.RefusedError) return { ...error.refusal, data: toHex(error.statement) };
      throw error;
    }
    return null;
  },
  drafted: ({ draft: given, asked }) => {
    const { open, restricted } = draft.contents(given, asked);
    const named = (contents: readonly envelope.Content[]) =>
      Object.fromEntries(contents.map((each) => [envelope.nameOf(each), toHex(each.content)]));
    return { open: named(open), restricted: named(restricted) };
  },
  draftFaults: ({ draft: given, asked, own }) => draft.faults(given, asked, own).map(({ code, field }) => [code, field]),
  multiplied: ({ pairs }) => {
    const read = (text: string) => decimal.parse(text, 4)!;
    const products = pairs.map(([a, b]: [string, string]) => decimal.product(read(a), read(b)));
    return decimal.written(decimal.sum(products));
  },
  plain: ({ text, places }) => decimal.parse(decimal.typed(text), places) !== null,
  grouped: ({ text, language }) => decimal.grouped(text, language),
  shown: ({ data }) => {
    const { envelope: sealed, entropy, ...parts } = cosign.readShown(fromHex(data));
    return { names: parts.contents.map(envelope.nameOf), written: toHex(cosign.writeShown({ envelope: sealed, entropy, ...parts })) };
  },
  pinTrust: async ({ base, kept }) => {
    const store = client.inMemory();
    if (kept) await store.set("trust", fromHex(kept));
    return trust.trustId(await client.pinTrust(new client.Line(base), store));
  },

  notice: ({ data }) => {
    const read = decodeAs(fromHex(data), notice.notice);
    notice.checkNotice(read);
    return notice.termsOf(read, "00".repeat(32));
  },
  checkBeforeSealing: ({ notice: data, contents, restricted, files, partners }) => {
    const read = decodeAs(fromHex(data), notice.notice);
    bid.checkBeforeSealing(read, contentsOf(contents), contentsOf(restricted), files, partners);
  },
  padded: ({ data }) => toHex(bid.padded(decodeAs(fromHex(data), bid.bid), bid.bid)),
};

/** Codes of our own errors; anything else is a fault of the code. */
function codeOf(error: unknown): string {
  if (error instanceof VerificationError || error instanceof client.ServiceError) return error.code;
  throw error;
}

async function answered(line: string): Promise<object> {
  const { call, given } = JSON.parse(line);
  try {
    return { result: (await calls[call]!(given)) ?? null };
  } catch (error) {
    return { code: codeOf(error), message: (error as Error).message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answered(line))}\n`);
}
