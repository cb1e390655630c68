/** This browser's line to the service: whom it trusts, which it keeps, and what it was shown of the log. */

import {
  Line,
  Service,
  ServiceError,
  type Store,
  TrustChangedError,
  pinTrust,
} from "../../../../bids/browser/client.ts";
import { type Bytes, equal } from "../../../../crypto/browser/encoding.ts";
import { VerificationError } from "../../../../crypto/browser/errors.ts";
import { type Trust, parseTrust, trust as trustForm, trustId } from "../../../../crypto/browser/trust.ts";
import { encodeAs } from "../../../../crypto/browser/values.ts";
import { exclusive, get, put } from "./store.ts";

const TRUST = "trust";
const LINE = new Line();

/** What a `Service` must not forget. */
const memory: Store = {
  get: (name) => get<Bytes>("memory", name),
  set: (name, value) => put("memory", name, value),
};

let opened: Promise<Service> | undefined;

/** A file says to trust others than this browser does, or than the service names: it is of another service. */
export class ForeignTrustError extends VerificationError {
  override readonly code: string = "trust-foreign";
}

/** The service, by whom this browser trusts: what it said of itself when it was first asked. Without an answer what is
 * pinned is good enough. Throws TrustChangedError, ServiceError, StorageError. */
export function line(): Promise<Service> {
  opened ??= pinned().then((trust) => new Service(LINE, trust, { store: memory }));
  return opened.catch((error) => {
    opened = undefined;
    throw error;
  });
}

/** The same by whom a file trusts: where nothing is pinned yet, the file knows better than the first answer would.
 * Throws ForeignTrustError, ServiceError, StorageError. */
export async function lineBy(brought: Trust): Promise<Service> {
  const file = encodeAs(brought, trustForm);
  const kept = await memory.get(TRUST);
  if (!kept) await refusing(pinTrust(LINE, { ...memory, get: async () => file }));
  if (kept && !equal(kept, file)) throw new ForeignTrustError("the file is of another service");
  await memory.set(TRUST, file);
  return line();
}

/** What this browser has pinned, and what the service says of itself now, by their SHA-256: as `openseal trust show`
 * prints it. */
export async function compared(): Promise<{ pinned: string; offered: string }> {
  const offered = parseTrust((await LINE.once("GET", "/api/v1/trust")).body);
  const kept = await memory.get(TRUST);
  return { pinned: kept ? trustId(parseTrust(kept)) : "", offered: trustId(offered) };
}

/** Pins what the service says of itself now, where it is what somebody has compared: its SHA-256 is `expected`. */
export async function pinAnew(expected: string): Promise<void> {
  const { body } = await LINE.once("GET", "/api/v1/trust");
  if (trustId(parseTrust(body)) === expected) await memory.set(TRUST, body);
  opened = undefined;
}

async function pinned(): Promise<Trust> {
  return exclusive(TRUST, async () => {
    try {
      return await pinTrust(LINE, memory);
    } catch (error) {
      const kept = error instanceof ServiceError ? await memory.get(TRUST) : undefined;
      if (kept) return parseTrust(kept);
      throw error;
    }
  });
}

async function refusing(pinning: Promise<Trust>): Promise<void> {
  try {
    await pinning;
  } catch (error) {
    throw error instanceof TrustChangedError ? new ForeignTrustError(error.message) : error;
  }
}
