/** Log-in by this browser's key: a challenge is signed for this very address, and the code that comes of it used. */

import { Line, isSuccess, unwilling } from "../../../../bids/browser/line.ts";
import type { Signer } from "../../../../crypto/browser/certificates.ts";
import { bytesOf, type Bytes } from "../../../../crypto/browser/encoding.ts";
import { answered } from "../../../../crypto/browser/values.ts";
import { answer, givenChallenge, givenCode } from "../../../browser/registration.ts";

/** The session's cookie is taken and sent, which statements do without. */
const LINE = new Line("", (url, init) => fetch(url, { ...init, credentials: "same-origin" }));

/** A session for whoever signs; the cookie comes with the answer. Throws ServiceError. */
export async function logIn(signer: Signer): Promise<void> {
  const { challenge } = answered(await post("challenges"), givenChallenge);
  const signed = await answer(signer, challenge, location.origin, Date.now());
  const { code } = answered(await post("log-ins", signed), givenCode);
  await post("sessions", bytesOf(JSON.stringify({ code })));
}

async function post(path: string, body?: Bytes): Promise<Bytes> {
  const given = await LINE.ask("POST", `/api/v1/${path}`, body, { "Content-Type": "application/json" });
  if (!isSuccess(given)) throw unwilling(given);
  return given.body;
}
