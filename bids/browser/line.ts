/** A line to a service that may be slow, busy or cut at any point: the same is sent again until there is an answer.
 *
 * Whatever is sent may be sent twice: a statement is taken once only. Twin of the lower half of `bids/client.py`. */

import { answered, loose, maybe, pattern } from "../../crypto/browser/values.ts";

/** Milliseconds between attempts to send the same thing again. */
const PAUSES = [200, 500, 1000, 2000, 4000];
export const POLL = 200;
/** Milliseconds that a party waits for what should be there by now, and goes on asking where it is told to come back. */
export const PATIENCE = 60_000;
/** A service that asks for a longer pause is asked again after this. */
export const LONGEST_PAUSE = 30_000;
/** Milliseconds after which an attempt counts as lost. */
const ATTEMPT = 120_000;
const COME_BACK = [429, 503];

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
export type Headers = { readonly [name: string]: string };

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly path: string;
  header(name: string): string;
}

/** The service says no, or nothing. `code` is that of its problem, or `unreachable` with status 0; `retryAfter` the
 * milliseconds after which it wants to be asked again, if it says any. */
export class ServiceError extends Error {
  readonly code: string;
  readonly status: number;
  readonly retryAfter: number;

  constructor(code: string, message: string, status = 0, retryAfter = 0) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const someText = pattern(/^/, "text");
const problemForm = loose({
  code: maybe(someText),
  title: maybe(someText),
  detail: maybe(someText),
  refusal: maybe(someText),
});

export interface Problem {
  readonly code: string;
  readonly detail: string;
  /** A signed refusal, base64. */
  readonly refusal: string | undefined;
}

/** Where a service is, and how it is reached. */
export class Line {
  readonly #base: string;
  readonly #fetch: Fetch;

  /** `base`: scheme, host and port of the service; empty for the page's own. */
  constructor(base = "", fetch: Fetch = (url, init) => globalThis.fetch(url, init)) {
    this.#base = base;
    this.#fetch = fetch;
  }

  /** The first answer that does not ask to come back, however it reads; the same is sent each time. A service that
   * says when to come back is asked again for a minute. Throws ServiceError when none comes. */
  async ask(method: string, path: string, body?: BodyInit, headers: Headers = {}): Promise<Answer> {
    const end = performance.now() + PATIENCE;
    for (let attempt = 0; ; attempt++) {
      const pause = PAUSES[attempt];
      let asked = 0;
      try {
        const answer = await this.once(method, path, body, headers);
        asked = retryAfter(answer);
        const goesOn = pause !== undefined || (asked > 0 && performance.now() <= end);
        if (!COME_BACK.includes(answer.status) || !goesOn) return answer;
      } catch (error) {
        if (!(error instanceof ServiceError) || pause === undefined) throw error;
      }
      await sleep(spread(Math.max(pause ?? 0, asked)));
    }
  }

  /** One attempt. Throws ServiceError where no whole answer comes. */
  async once(method: string, path: string, body?: BodyInit, headers: Headers = {}): Promise<Answer> {
    const lost = new AbortController();
    const timer = setTimeout(() => lost.abort(), ATTEMPT);
    const asked = { method, headers, credentials: "omit", redirect: "error", signal: lost.signal } as const;
    try {
      const response = await this.#fetch(this.#base + path, body === undefined ? asked : { ...asked, body });
      const data = new Uint8Array(await response.arrayBuffer());
      const header = (name: string): string => response.headers.get(name) ?? "";
      return { status: response.status, body: data, path, header };
    } catch (error) {
      throw new ServiceError("unreachable", `no answer: ${error instanceof Error ? error.message : "lost"}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

export function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** Milliseconds that the service asks for; 0 where it says nothing that is a number of seconds. */
export function retryAfter(answer: Answer): number {
  const said = answer.header("Retry-After");
  return /^[0-9]+$/.test(said) ? Math.min(Number(said) * 1000, LONGEST_PAUSE) : 0;
}

/** As long, or a little longer: everybody who was sent away is not back at the same moment. */
export function spread(pause: number): number {
  return pause * (1 + Math.random() / 4);
}

/** The pause after so many misses; none is left after the last. */
export function pauseAfter(misses: number): number | undefined {
  return PAUSES[misses];
}

export function sleep(time: number): Promise<void> {
  return new Promise((done) => setTimeout(done, time));
}

/** RFC 9457's problem, as far as the answer is one. */
export function problemOf({ body }: Answer): Problem {
  try {
    const { code = "unknown", title = "", detail, refusal } = answered(body, problemForm);
    return { code, detail: detail || title, refusal };
  } catch {
    return { code: "unknown", detail: "", refusal: undefined };
  }
}

/** What an answer that is no success says. */
export function unwilling(answer: Answer): ServiceError {
  const { code, detail } = problemOf(answer);
  const message = `${detail || "no reason given"} (${answer.status} ${answer.path})`;
  return new ServiceError(code, message, answer.status, retryAfter(answer));
}

/** Whether what stood in the way may be gone the next time: no answer, somebody else at the same offset, damage on
 * the way, or a service that asks to come back. */
export function isPassing({ status, code }: ServiceError): boolean {
  return [0, 409, 423, 460, 500, 502, 504, ...COME_BACK].includes(status) && code !== "document-differs";
}
