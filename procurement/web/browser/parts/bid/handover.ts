/** A draft on its way from whoever helped to the bidder's own device, which has the key to sign it.
 *
 * It lies at the service for an hour, as AES-256-GCM under a key of its own, bound to its tender. The key goes from
 * screen to camera, behind the # of an address, which no browser sends. */

import { Line, isSuccess, unwilling } from "../../../../../bids/browser/line.ts";
import {
  type Bytes,
  bytesOf,
  concat,
  fromBase64,
  milliseconds,
  toBase64,
} from "../../../../../crypto/browser/encoding.ts";
import { MalformedError } from "../../../../../crypto/browser/errors.ts";
import {
  answered,
  checked,
  hex16,
  hex32,
  list,
  loose,
  momentText,
  pattern,
  struct,
  text,
} from "../../../../../crypto/browser/values.ts";
import { get, put, remove } from "../store.ts";
import type { Draft } from "./draft.ts";

const PATH = "/api/v1/handovers";
const LARGEST = 256 * 1024; // bytes that the service keeps
const PADDED_TO = 4096; // bytes: a length would tell what is in it
const NONCE_SIZE = 12;
const TAG = 16;
const LONGEST_TITLE = 300;
const LINK = /^#handover=([0-9a-f]{32})\.([A-Za-z0-9_-]{43})$/;
const LINE = new Line();

/** Where it lies, and what opens it. */
export interface Link {
  readonly id: string;
  /** base64url of 32 bytes. */
  readonly key: string;
}

/** What is handed over: everything of a draft but its files, of which the titles. */
export interface Handed {
  readonly terms: string;
  readonly fields: Draft["fields"];
  readonly documents: readonly string[];
}

/** `code`: `handover-link` for an address that is not whole, `handover-unreadable` for what the key does not open or
 * is no draft, `handover-size` for too much. */
export class HandoverError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

const field = struct({ name: pattern(/^[A-Za-z0-9._:-]{1,200}$/, "a field's name"), value: pattern(/^/, "text") });
const handedForm = struct({
  terms: hex32,
  fields: checked(list(field, 0, 5000), (fields) => {
    if (new Set(fields.map(({ name }) => name)).size < fields.length) throw new MalformedError("a field twice");
  }),
  documents: list(text(0, LONGEST_TITLE), 0, 1000),
});
const keptForm = loose({ id: hex16, expires: momentText });

// ── who helps ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Leaves the draft at the service: how it is had, and until when (milliseconds). Throws HandoverError, ServiceError. */
export async function leave(ocid: string, draft: Draft): Promise<{ link: Link; until: number }> {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const sealed = await seal(key, ocid, written(draft));
  if (sealed.length > LARGEST) throw new HandoverError("handover-size");
  const { id, expires } = answered(await asked("POST", "", sealed), keptForm);
  return { link: { id, key: toUrl(key) }, until: milliseconds(expires) };
}

/** The address that the bidder's device opens. */
export function addressOf(ocid: string, { id, key }: Link): string {
  return `${location.origin}/tenders/${ocid}/bid#handover=${id}.${key}`;
}

function written({ terms, fields, documents }: Draft): Bytes {
  const named = Object.entries(fields).map(([name, value]) => ({ name, value }));
  const titles = documents.map(({ title }) => title.slice(0, LONGEST_TITLE));
  const json = JSON.stringify(handedForm.write({ terms, fields: named, documents: titles }));
  const bare = bytesOf(json);
  const lacking = PADDED_TO - ((NONCE_SIZE + bare.length + TAG) % PADDED_TO);
  return concat(bare, bytesOf(" ".repeat(lacking % PADDED_TO)));
}

// ── who bids ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Takes a hand-over out of the page's address, at once, and keeps it, encrypted, until it is done: a line may drop,
 * a page be closed. Whether there was one. Throws HandoverError, StorageError. */
export async function noteAddress(ocid: string): Promise<boolean> {
  const { hash, pathname, search } = location;
  if (!hash.startsWith("#handover")) return false;
  history.replaceState(null, "", pathname + search);
  const [, id, key] = LINK.exec(hash) ?? [];
  if (id === undefined || key === undefined) throw new HandoverError("handover-link");
  await put("memory", placeOf(ocid), { id, key } satisfies Link);
  return true;
}

/** The hand-over that has not been taken yet. */
export function noted(ocid: string): Promise<Link | undefined> {
  return get<Link>("memory", placeOf(ocid));
}

export function forget(ocid: string): Promise<void> {
  return remove("memory", placeOf(ocid));
}

/** What was handed over. Throws ServiceError, HandoverError. */
export async function fetched(ocid: string, { id, key }: Link): Promise<Handed> {
  const sealed = await asked("GET", `/${id}`);
  try {
    const { fields, ...handed } = answered(await open(fromUrl(key), ocid, sealed), handedForm);
    return { ...handed, fields: Object.fromEntries(fields.map(({ name, value }) => [name, value])) };
  } catch {
    throw new HandoverError("handover-unreadable"); // why is of no use to anybody
  }
}

/** It has arrived; what cannot be deleted now goes by itself within the hour. */
export async function drop({ id }: Link): Promise<void> {
  await LINE.ask("DELETE", `${PATH}/${id}`).catch(() => {});
}

function placeOf(ocid: string): string {
  return `handover/${ocid}`;
}

// ── ciphertext and line ───────────────────────────────────────────────────────────────────────────────────────────

async function seal(key: Bytes, ocid: string, data: Bytes): Promise<Bytes> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_SIZE));
  const sealed = await crypto.subtle.encrypt(cipher(ocid, nonce), await imported(key, "encrypt"), data);
  return concat(nonce, new Uint8Array(sealed));
}

async function open(key: Bytes, ocid: string, sealed: Bytes): Promise<Bytes> {
  const [nonce, data] = [sealed.slice(0, NONCE_SIZE), sealed.slice(NONCE_SIZE)];
  return new Uint8Array(await crypto.subtle.decrypt(cipher(ocid, nonce), await imported(key, "decrypt"), data));
}

function cipher(ocid: string, nonce: Bytes): AesGcmParams {
  return { name: "AES-GCM", iv: nonce, additionalData: bytesOf(ocid) };
}

function imported(key: Bytes, usage: KeyUsage): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [usage]);
}

function toUrl(data: Bytes): string {
  return toBase64(data).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function fromUrl(text: string): Bytes {
  return fromBase64(`${text.replace(/-/g, "+").replace(/_/g, "/")}=`); // of 32 bytes
}

async function asked(method: string, path: string, body?: Bytes): Promise<Bytes> {
  const answer = await LINE.ask(method, PATH + path, body, body ? { "Content-Type": "application/octet-stream" } : {});
  if (!isSuccess(answer)) throw unwilling(answer);
  return answer.body;
}
