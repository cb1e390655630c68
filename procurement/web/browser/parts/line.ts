/** This browser's line to the service: whom it trusts, which it keeps, and what it was shown of the log. */

import { type Trust, parseTrust, trustId } from "../../../../crypto/browser/trust.ts";
import { ServiceError, ask } from "./ask.ts";
import { exclusive, get, put } from "./store.ts";

const TRUST = "trust";

/** The service says of itself other than what this browser has pinned (`trust-changed`), or a file (`trust-foreign`):
 * another log, other witnesses, authorities or beacons. Somebody may stand between; a person has to compare. */
export class TrustChangedError extends Error {
  readonly code: string;
  /** SHA-256 of the canonical trust files, as `openseal trust show` prints it. */
  readonly pinned: string;
  readonly offered: Trust;

  constructor(pinned: Trust, offered: Trust, code = "trust-changed") {
    super("the service's trust file is another than the one that was pinned");
    this.code = code;
    this.pinned = trustId(pinned);
    this.offered = offered;
  }
}

/** Whom this browser trusts: what the service said when it was first asked. What a file has `brought` has to be the
 * same. Without an answer from the service what is pinned is good enough. Throws TrustChangedError, StorageError,
 * ServiceError. */
export async function pinned(brought?: Trust): Promise<Trust> {
  return exclusive(TRUST, async () => {
    const kept = await get<Trust>("memory", TRUST);
    const offered = await offer(kept);
    if (kept && trustId(kept) !== trustId(offered)) throw new TrustChangedError(kept, offered);
    if (brought && trustId(brought) !== trustId(offered)) throw new TrustChangedError(brought, offered, "trust-foreign");
    if (!kept) await put("memory", TRUST, offered);
    return offered;
  });
}

/** Trusts that from now on: somebody has compared it. */
export async function pin(trust: Trust): Promise<void> {
  await put("memory", TRUST, trust);
}

async function offer(kept: Trust | undefined): Promise<Trust> {
  try {
    return parseTrust(await ask("GET", "/api/v1/trust"));
  } catch (error) {
    if (kept && error instanceof ServiceError) return kept;
    throw error;
  }
}
