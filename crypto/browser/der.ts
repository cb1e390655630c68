/** DER (ITU-T X.690) as far as certificates, requests and revocation lists need it: strict, and nothing else reads. */

import { type Bytes, bytesOf, concat, toHex } from "./encoding.ts";
import { MalformedError } from "./errors.ts";

export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OID = 0x06;
export const UTF8_STRING = 0x0c;
export const PRINTABLE_STRING = 0x13;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;

/** A context-specific, constructed tag: `[number]`. */
export const context = (number: number): number => 0xa0 + number;

export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly raw: Uint8Array;
}

/** One element after another. */
export class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** The tag of what comes next, or null at the end. */
  get next(): number | null {
    return this.#data[this.#at] ?? null;
  }

  /** The next element, of this tag if one is given. Throws MalformedError. */
  read(tag?: number): Element {
    const start = this.#at;
    const found = this.#byte();
    if ((found & 0x1f) === 0x1f || (tag !== undefined && found !== tag)) throw new MalformedError("another element");
    const size = this.#length();
    const from = this.#at;
    if (size > this.#data.length - from) throw new MalformedError("cut off");
    this.#at = from + size;
    return { tag: found, content: this.#data.subarray(from, this.#at), raw: this.#data.subarray(start, this.#at) };
  }

  /** What is in the next element, which is made of others. */
  into(tag: number): Reader {
    return new Reader(this.read(tag).content);
  }

  /** The next element if it has this tag. */
  maybe(tag: number): Element | null {
    return this.next === tag ? this.read(tag) : null;
  }

  /** All that is left, each of this tag. */
  *all(tag: number): Generator<Element> {
    while (this.next !== null) yield this.read(tag);
  }

  /** Throws MalformedError unless all was read. */
  end(): void {
    if (this.next !== null) throw new MalformedError("more than there should be");
  }

  #byte(): number {
    const byte = this.#data[this.#at++];
    if (byte === undefined) throw new MalformedError("cut off");
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first - 0x80;
    if (count < 1 || count > 3) throw new MalformedError("no length in DER");
    let size = 0;
    for (let i = 0; i < count; i++) size = size * 256 + this.#byte();
    if (size < 0x80 || size < 256 ** (count - 1)) throw new MalformedError("not the shortest length");
    return size;
  }
}

/** The one element that `data` is, and no byte more. */
export function whole(data: Uint8Array, tag: number): Reader {
  const outer = new Reader(data);
  const inner = outer.into(tag);
  outer.end();
  return inner;
}

/** An integer from 0 up in its one form: its bytes without a leading zero, in hex. */
export function unsigned(content: Uint8Array): string {
  const [first, second] = content;
  if (first === undefined || first >= 0x80 || (first === 0 && second !== undefined && second < 0x80)) {
    throw new MalformedError("no such integer here");
  }
  return toHex(first === 0 && content.length > 1 ? content.subarray(1) : content);
}

/** The bytes of a BIT STRING that has whole bytes. */
export function wholeBits(content: Uint8Array): Uint8Array {
  if (content[0] !== 0) throw new MalformedError("not whole bytes");
  return content.subarray(1);
}

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime, as RFC 5280 has them: with seconds, in UTC. */
export function timeOf({ tag, content }: Element): number {
  const text = String.fromCharCode(...content.subarray(0, 20));
  const form = tag === UTC_TIME ? /^(\d\d)(\d{10})Z$/ : tag === GENERALIZED_TIME ? /^(\d{4})(\d{10})Z$/ : null;
  const match = form?.exec(text);
  if (!match) throw new MalformedError("not a time");
  const year = tag === UTC_TIME ? String(Number(match[1]) + (Number(match[1]) < 50 ? 2000 : 1900)) : match[1]!;
  const [month, day, hour, minute, second] = match[2]!.match(/../g)!;
  const moment = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const time = Date.parse(moment);
  if (Number.isNaN(time) || new Date(time).toISOString() !== moment) throw new MalformedError("no such time");
  return time;
}

/** An element with this tag, made of `contents`. */
export function element(tag: number, ...contents: Uint8Array[]): Bytes {
  const content = concat(...contents);
  const size: number[] = [];
  for (let rest = content.length; rest > 0; rest = Math.floor(rest / 256)) size.unshift(rest % 256);
  const length = content.length < 0x80 ? [content.length] : [0x80 + size.length, ...size];
  return concat(new Uint8Array([tag, ...length]), content);
}

/** The content of an object identifier written with dots. */
export function oidContent(dotted: string): Bytes {
  const [first, second, ...rest] = dotted.split(".").map(BigInt);
  return concat(...[first! * 40n + second!, ...rest].map(base128));
}

/** An object identifier written with dots. */
export function oid(dotted: string): Bytes {
  return element(OID, oidContent(dotted));
}

/** A name to compare object identifiers by. */
export function oidKey(dotted: string): string {
  return toHex(oidContent(dotted));
}

export function utf8String(text: string): Bytes {
  return element(UTF8_STRING, bytesOf(text));
}

function base128(arc: bigint): Bytes {
  const bytes = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) bytes.unshift(Number(rest & 0x7fn) | 0x80);
  return new Uint8Array(bytes);
}
