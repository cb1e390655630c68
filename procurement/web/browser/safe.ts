/** The worker that derives keys from passphrases: a second's work, many on an old phone, that would freeze a page. */

import { type Tell, openSafe, sealSafe } from "../../browser/safe.ts";

const acts = { seal: sealSafe, open: openSafe };
const worker = globalThis as unknown as { onmessage: unknown; postMessage(said: object): void };

worker.onmessage = ({ data }: MessageEvent<{ act: keyof typeof acts; data: Uint8Array; passphrase: string }>) => {
  const tell: Tell = (done) => worker.postMessage({ done });
  try {
    worker.postMessage({ result: acts[data.act](data.data, data.passphrase, tell) });
  } catch (error) {
    const code = (error as { code?: string }).code ?? "memory-short"; // nothing else is asked of the machine
    worker.postMessage({ code });
  }
};
