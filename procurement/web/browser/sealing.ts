// A worker that seals documents, one after the other, so that the page never stands still.

import { type SealedDocument, sealFile } from "../../../bids/browser/documents.ts";
import { fromHex } from "../../../crypto/browser/encoding.ts";
import { remove, writer } from "./parts/bid/files.ts";

/** Seal `file` under `key` (hex) into `place`. */
export interface Order {
  readonly place: string;
  readonly file: Blob;
  readonly key: string;
}

/** How far it is, what came of it, or the code of what went wrong. */
export type Report = { readonly place: string } & (
  | { readonly done: number }
  | { readonly document: SealedDocument }
  | { readonly trouble: string }
);

let before: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Order>) => {
  before = before.then(() => carryOut(data));
};

async function carryOut({ place, file, key }: Order): Promise<void> {
  try {
    report({ place, document: await sealed(place, file, fromHex(key)) });
  } catch (error) {
    await remove(place);
    report({ place, trouble: codeOf(error) });
  }
}

async function sealed(place: string, file: Blob, key: Uint8Array): Promise<SealedDocument> {
  const target = await writer(place);
  try {
    return await sealFile(file, key, (chunk) => target.write(chunk), (done) => report({ place, done }));
  } finally {
    await target.close();
  }
}

function codeOf(error: unknown): string {
  const { name } = error as Error;
  if (name === "QuotaExceededError") return "storage-full";
  return name === "NotReadableError" || name === "NotFoundError" ? "file-unreadable" : "unexpected";
}

function report(message: Report): void {
  postMessage(message);
}
