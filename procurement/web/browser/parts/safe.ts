/** Files under a passphrase, sealed and opened in a worker, whose address the page has as `data-safe` of its body's
 * main element. */

import { SafeError, type Tell } from "../../../browser/safe.ts";
import type { Bytes } from "../../../../crypto/browser/encoding.ts";

/** The file with that content. Throws SafeError, also `memory-short`. */
export function seal(content: Uint8Array, passphrase: string, tell: Tell): Promise<Bytes> {
  return inWorker("seal", content, passphrase, tell);
}

/** The content of a file. Throws SafeError, also `memory-short`. */
export function open(file: Uint8Array, passphrase: string, tell: Tell): Promise<Bytes> {
  return inWorker("open", file, passphrase, tell);
}

function inWorker(act: "seal" | "open", data: Uint8Array, passphrase: string, tell: Tell): Promise<Bytes> {
  const worker = new Worker(document.querySelector<HTMLElement>("[data-safe]")!.dataset.safe!, { type: "module" });
  return new Promise<Bytes>((resolve, reject) => {
    worker.onerror = () => reject(new SafeError("memory-short"));
    worker.onmessage = ({ data: said }) => {
      if (said.result) resolve(said.result);
      else if (said.code) reject(new SafeError(said.code));
      else tell(said.done);
    };
    worker.postMessage({ act, data, passphrase });
  }).finally(() => worker.terminate());
}
