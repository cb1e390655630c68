/** The one byte form that is signed and hashed: canonical JSON (RFC 8785) in the profile of `crypto/encoding.py`.
 *
 * Keys match `[a-z][A-Za-z0-9]*`, no floats, no nulls, integers 0..2^53-1, no control characters other than U+000A,
 * depth at most 16. A value has exactly one encoding; decoding anything else fails. */

import { sha256 as hash } from "@noble/hashes/sha2.js";

import { MalformedError } from "./errors.ts";

export type Bytes = Uint8Array<ArrayBuffer>;
export type Json = string | number | boolean | Json[] | { [key: string]: Json };

export const LARGEST_INTEGER = Number.MAX_SAFE_INTEGER;
const DEEPEST = 16;
/** Bytes of a payload, at most. */
export const SIGNED_LIMIT = 32 * 1024 * 1024;

const KEY = /^[a-z][A-Za-z0-9]*$/;
// Not one character: a line feed before the end would pass `$`, but none is in the class either way.
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]/u;
const EPOCH_YEARS: readonly [number, number] = [1970, 8999];

const utf8 = new TextEncoder();

/** UTF-8. A lone surrogate becomes U+FFFD: who may have one checks before. */
export function bytesOf(text: string): Bytes {
  return utf8.encode(text) as Bytes;
}

/** Text out of UTF-8. Throws MalformedError. */
export function textOf(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new MalformedError("not UTF-8");
  }
}

/** The canonical bytes of `value`. Throws MalformedError where the profile has no form for it. */
export function encode(value: Json): Bytes {
  return bytesOf(written(value, DEEPEST));
}

/** The value that `data` is the canonical encoding of. Throws MalformedError, and nothing else. */
export function decode(data: Uint8Array, limit: number = SIGNED_LIMIT): Json {
  if (data.length > limit) throw new MalformedError(`longer than ${limit} bytes`);
  const value = parseJson(data);
  if (!equal(encode(value), data)) throw new MalformedError("not the canonical encoding");
  return value;
}

/** Any JSON. Throws MalformedError. */
export function parseJson(data: Uint8Array): Json {
  const text = textOf(data);
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new MalformedError("not JSON");
  }
}

function written(value: Json, depth: number): string {
  switch (typeof value) {
    case "string":
      return writtenText(value);
    case "boolean":
      return String(value);
    case "number":
      // -0 is equal to 0 and would be written like it
      if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) {
        throw new MalformedError("integer outside 0..2^53-1, or a float");
      }
      return String(value);
    case "object":
      return writtenContainer(value, depth - 1);
    default:
      throw new MalformedError("value has no canonical form");
  }
}

function writtenContainer(value: Json[] | { [key: string]: Json } | null, depth: number): string {
  if (value === null) throw new MalformedError("floats and nulls have no canonical form");
  if (depth < 0) throw new MalformedError(`deeper than ${DEEPEST}`);
  if (Array.isArray(value)) return `[${value.map((each) => written(each, depth)).join(",")}]`;
  const keys = Object.keys(value).sort(); // ASCII: code units are RFC 8785's order
  return `{${keys.map((key) => `${writtenKey(key)}:${written(value[key] as Json, depth)}`).join(",")}}`;
}

function writtenKey(key: string): string {
  if (!KEY.test(key)) throw new MalformedError("key outside [a-z][A-Za-z0-9]*");
  return `"${key}"`;
}

function writtenText(value: string): string {
  if (CONTROL.test(value)) throw new MalformedError("control character or lone surrogate in a string");
  return JSON.stringify(value);
}

/** SHA-256 over the concatenation of `parts`, 32 bytes. */
export function sha256(...parts: Uint8Array[]): Bytes {
  const state = hash.create();
  for (const part of parts) state.update(part);
  return state.digest() as Bytes;
}

export function concat(...parts: Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** `number` as unsigned big-endian bytes. */
export function bigEndian(number: number | bigint, size: number): Bytes {
  const bytes = new Uint8Array(size);
  let rest = BigInt(number);
  for (let i = size - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** Unsigned big-endian bytes as a number. */
export function fromBigEndian(bytes: Uint8Array): bigint {
  return bytes.length ? BigInt(`0x${toHex(bytes)}`) : 0n;
}

export function toHex(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/** Lower-case hex. Throws MalformedError. */
export function fromHex(text: string): Bytes {
  if (text.length % 2 || !/^[0-9a-f]*$/.test(text)) throw new MalformedError("not lower-case hex");
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Standard base64 with padding. */
export function toBase64(data: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < data.length; at += 0x8000) {
    binary += String.fromCharCode(...data.subarray(at, at + 0x8000));
  }
  return btoa(binary);
}

/** Standard base64 that re-encodes to the same text. Throws MalformedError. */
export function fromBase64(text: string): Bytes {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new MalformedError("not base64");
  }
  if (btoa(binary) !== text) throw new MalformedError("base64 with stray bits");
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Milliseconds since 1970 as a Moment, `2026-11-21T09:00:00.000Z`. */
export function moment(time: number): string {
  return new Date(Math.floor(time)).toISOString();
}

/** A Moment as milliseconds since 1970. Throws MalformedError for a date that no calendar has, and for one
 * before 1970 or after 8999. */
export function milliseconds(text: string): number {
  const time = Date.parse(text);
  const date = new Date(time);
  if (Number.isNaN(time) || date.toISOString() !== text) throw new MalformedError("no such moment");
  const year = date.getUTCFullYear();
  if (year < EPOCH_YEARS[0] || year > EPOCH_YEARS[1]) throw new MalformedError("no such moment");
  return time;
}
