/** Log-in by this browser's key: a challenge is signed for this very address, and the code that comes of it used. */

import type { Signer } from "../../../../crypto/browser/certificates.ts";
import { answered } from "../../../../crypto/browser/values.ts";
import { answer, givenChallenge, givenCode } from "../../../browser/registration.ts";
import { ask } from "./ask.ts";

/** A session for whoever signs; the cookie comes with the answer. Throws ServiceError. */
export async function logIn(signer: Signer): Promise<void> {
  const { challenge } = answered(await ask("POST", "/api/v1/challenges"), givenChallenge);
  const signed = await answer(signer, challenge, location.origin, Date.now());
  const { code } = answered(await ask("POST", "/api/v1/log-ins", signed), givenCode);
  await ask("POST", "/api/v1/sessions", JSON.stringify({ code }));
}
