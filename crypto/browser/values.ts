/** Types of what is encoded, as data: each reads a value out of canonical JSON and writes it back.
 *
 * What msgspec's structs are in Python. Values are plain objects with their names as on the wire. A field that has
 * its default is absent, so that a value has one encoding; unknown fields are refused. */

import { type Bytes, type Json, LARGEST_INTEGER, decode, encode, parseJson } from "./encoding.ts";
import { MalformedError } from "./errors.ts";

export interface Type<T> {
  /** The value. Throws MalformedError where `json` is none. */
  read(json: Json | undefined): T;
  /** The JSON of a value. Throws MalformedError for what could not be read again. */
  write(value: T): Json;
}

export type Of<X> = X extends Type<infer T> ? T : never;

/** A field that may be absent. */
export interface Maybe<T> extends Type<T> {
  readonly maybe: true;
}

/** A field that is absent where it has its default. */
export interface Defaulted<T> extends Type<T> {
  readonly fallback: T;
}

type Fields = { readonly [name: string]: Type<any> };
type MaybeNames<F> = { [K in keyof F]: F[K] extends Maybe<unknown> ? K : never }[keyof F];
export type Struct<F extends Fields> = { readonly [K in Exclude<keyof F, MaybeNames<F>>]: Of<F[K]> } & {
  readonly [K in MaybeNames<F>]?: Of<F[K]> | undefined;
};

/** The value that `data` is the canonical encoding of. Throws MalformedError, and nothing else. */
export function decodeAs<T>(data: Uint8Array, type: Type<T>, limit?: number): T {
  return type.read(decode(data, limit));
}

/** The canonical bytes of a value. */
export function encodeAs<T>(value: T, type: Type<T>): Bytes {
  return encode(type.write(value));
}

/** A JSON answer, canonical or not. Throws MalformedError. */
export function answered<T>(data: Uint8Array, type: Type<T>): T {
  return type.read(parseJson(data));
}

function simple<T extends Json>(is: (json: Json | undefined) => json is T, what: string): Type<T> {
  const read = (json: Json | undefined): T => {
    if (!is(json)) throw new MalformedError(`not ${what}`);
    return json;
  };
  return { read, write: read };
}

/** A string that matches, as a whole. */
export function pattern(form: RegExp, what: string): Type<string> {
  return simple((json): json is string => typeof json === "string" && form.test(json), what);
}

/** A string of so many code points. */
export function text(least: number, most: number): Type<string> {
  const fits = (json: string): boolean => {
    if (json.length < least) return false;
    const size = json.length <= most ? json.length : [...json].length;
    return size <= most && (least < 2 || [...json].length >= least);
  };
  return simple((json): json is string => typeof json === "string" && fits(json), `a text of ${least} to ${most}`);
}

export function integer(least = 0, most: number = LARGEST_INTEGER): Type<number> {
  return simple(
    (json): json is number => Number.isInteger(json) && (json as number) >= least && (json as number) <= most,
    `an integer from ${least} to ${most}`,
  );
}

export function oneOf<const T extends string | number>(...admitted: T[]): Type<T> {
  return simple((json): json is T => admitted.includes(json as T), `one of ${admitted.join(", ")}`);
}

export const truth: Type<boolean> = simple((json): json is boolean => typeof json === "boolean", "true or false");

export function list<T>(type: Type<T>, least = 0, most = Infinity): Type<readonly T[]> {
  const checked = (values: readonly unknown[]): void => {
    if (values.length < least || values.length > most) throw new MalformedError(`not ${least} to ${most} of them`);
  };
  return {
    read(json) {
      if (!Array.isArray(json)) throw new MalformedError("not an array");
      checked(json);
      return json.map((each) => type.read(each));
    },
    write(values) {
      checked(values);
      return values.map((each) => type.write(each));
    },
  };
}

/** An object from names, each one of `names`, to values. */
export function record<K extends string, T>(names: readonly K[], type: Type<T>): Type<{ readonly [name in K]?: T }> {
  return {
    read(json) {
      const found: { [name in K]?: T } = {};
      for (const [name, value] of entries(json)) {
        if (!names.includes(name as K)) throw new MalformedError("an unknown name");
        found[name as K] = type.read(value);
      }
      return found;
    },
    write(values) {
      const json: { [name: string]: Json } = {};
      for (const name of Object.keys(values)) json[name] = type.write(values[name as K] as T);
      return json;
    },
  };
}

export function maybe<T>(type: Type<T>): Maybe<T> {
  return { ...type, maybe: true };
}

/** A field with a default: a plain value, or the empty list. */
export function defaulted<T>(type: Type<T>, fallback: T): Defaulted<T> {
  return { ...type, fallback };
}

/** An object with these fields and no others. */
export function struct<F extends Fields>(fields: F): Type<Struct<F>> {
  return fielded(fields, true);
}

/** An object with these fields, and perhaps others that are left aside: what a service answers. */
export function loose<F extends Fields>(fields: F): Type<Struct<F>> {
  return fielded(fields, false);
}

function fielded<F extends Fields>(fields: F, strict: boolean): Type<Struct<F>> {
  return {
    read(json) {
      const given = new Map(entries(json));
      const found: { [name: string]: unknown } = {};
      for (const [name, type] of Object.entries(fields)) {
        const value = readField(type, given.get(name), name);
        if (value !== undefined) found[name] = value;
        given.delete(name);
      }
      if (strict && given.size) throw new MalformedError("an unknown field");
      return found as Struct<F>;
    },
    write(value) {
      const json: { [name: string]: Json } = {};
      for (const [name, type] of Object.entries(fields)) {
        const field = (value as { [name: string]: unknown })[name];
        if (!isAbsent(type, field)) json[name] = type.write(field);
      }
      return json;
    },
  };
}

/** One of several structs, told by their `tag` field, which has the same name in all of them. */
export function tagged<T>(tag: string, types: { readonly [value: string]: Type<T> }): Type<T> {
  const known = new Map<unknown, Type<T>>(Object.entries(types));
  const chosen = (value: unknown): Type<T> => {
    const type = known.get(value);
    if (type === undefined) throw new MalformedError(`an unknown ${tag}`);
    return type;
  };
  return {
    read: (json) => chosen(new Map(entries(json)).get(tag)).read(json),
    write: (value) => chosen((value as { [name: string]: unknown })[tag]).write(value),
  };
}

/** `type`, with one more check, which throws MalformedError. */
export function checked<T>(type: Type<T>, check: (value: T) => void): Type<T> {
  const passed = (value: T): T => {
    check(value);
    return value;
  };
  return { read: (json) => passed(type.read(json)), write: (value) => type.write(passed(value)) };
}

function entries(json: Json | undefined): [string, Json][] {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new MalformedError("not an object");
  return Object.entries(json);
}

function readField(type: Type<unknown>, json: Json | undefined, name: string): unknown {
  if (json === undefined) {
    if ("fallback" in type) return type.fallback;
    if ("maybe" in type) return undefined;
    throw new MalformedError(`no ${name}`);
  }
  const value = named(name, () => type.read(json));
  if ("fallback" in type && isAbsent(type, value)) throw new MalformedError(`${name}: a default written out`);
  return value;
}

function isAbsent(type: Type<unknown>, value: unknown): boolean {
  if (value === undefined) return "maybe" in type || "fallback" in type;
  if (!("fallback" in type)) return false;
  return value === type.fallback || (Array.isArray(value) && !value.length && Array.isArray(type.fallback));
}

/** Says which field it was, by the names alone: values may be secret. */
function named<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedError) throw new MalformedError(`${name}: ${error.message}`);
    throw error;
  }
}

export const hex16 = pattern(/^[0-9a-f]{32}$/, "16 bytes in lower-case hex");
export const hex32 = pattern(/^[0-9a-f]{64}$/, "32 bytes in lower-case hex");
export const hexG1 = pattern(/^[0-9a-f]{96}$/, "48 bytes in lower-case hex");
export const hexG2 = pattern(/^[0-9a-f]{192}$/, "96 bytes in lower-case hex");
/** An ocid, lot or item id. */
export const identifier = pattern(/^[A-Za-z0-9._-]{1,64}$/, "an id");
/** RFC 3339, UTC, milliseconds; whether there is such a moment `milliseconds` says. */
export const momentText = pattern(/^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}Z$/, "a moment");
/** A beacon round as a decimal string. */
export const roundText = pattern(/^[1-9][0-9]{0,18}$/, "a round");
export const base64Text = pattern(/^[A-Za-z0-9+/]*={0,2}$/, "base64");
export const longText = text(0, 20_000);
export const small = integer();
