/** One question to the service, and its answer or its problem (RFC 9457). */

import type { Bytes } from "../../../../crypto/browser/encoding.ts";

/** The service says no, or nothing: `unreachable` with status 0. */
export class ServiceError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status = 0, cause?: unknown) {
    super(code, { cause });
    this.code = code;
    this.status = status;
  }
}

/** The body of the answer. Throws ServiceError. */
export async function ask(method: "GET" | "POST", path: string, body?: Uint8Array | string): Promise<Bytes> {
  const headers = { "Content-Type": "application/json" };
  let answer: Response;
  try {
    answer = await fetch(path, { method, cache: "no-store", ...(body === undefined ? {} : { body: body as Bytes, headers }) });
    if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    throw new ServiceError("unreachable", 0, error);
  }
  throw new ServiceError(await codeOf(answer), answer.status);
}

async function codeOf(answer: Response): Promise<string> {
  try {
    return String((await answer.json()).code);
  } catch {
    return "unknown";
  }
}
