// Sealing as a page does it, for benchmarks/site.py to call.

import { compose, freshEntropy, prepare } from "../../bids/browser/envelope.ts";
import { type Signer, generateKey, request, signerOf } from "../../crypto/browser/certificates.ts";
import { bytesOf } from "../../crypto/browser/encoding.ts";
import { type Notice, termsOf } from "../../procurement/browser/notice.ts";

const MIB = 1024 * 1024;
const TICK = 10; // milliseconds

async function bidder(): Promise<Signer> {
  const pair = await generateKey("P-256", false);
  return await signerOf(pair.privateKey, await request(pair, "business", "Measured", "B-1"));
}

/** Milliseconds that each of `count` bids takes to seal and sign, after one that nobody waits for. */
async function bids(notice: Notice, id: string, content: string, count: number): Promise<number[]> {
  const terms = termsOf(notice, id);
  const key = await bidder();
  const contents = terms.parts.map((place) => ({ ...place, content: bytesOf(content) }));
  prepare(terms);
  const times: number[] = [];
  for (let i = 0; i <= count; i++) {
    const start = performance.now();
    await compose(contents, terms, key, freshEntropy(terms));
    times.push(performance.now() - start);
  }
  return times.slice(1);
}

/** Seconds that a worker takes to seal a file, and the longest time (ms) for which the page could do nothing. */
async function file(worker: string, mebibytes: number): Promise<{ seconds: number; gap: number }> {
  const source = new Blob(Array.from({ length: mebibytes }, () => new Uint8Array(MIB)));
  const start = performance.now();
  let last = start;
  let gap = 0;
  const ticking = setInterval(() => {
    gap = Math.max(gap, performance.now() - last);
    last = performance.now();
  }, TICK);
  await new Promise((done, failed) => {
    const sealing = new Worker(URL.createObjectURL(new Blob([worker], { type: "text/javascript" })));
    sealing.onmessage = done;
    sealing.onerror = failed;
    sealing.postMessage(source);
  });
  clearInterval(ticking);
  return { seconds: (performance.now() - start) / 1000, gap };
}

Object.assign(globalThis, { sealing: { bids, file } });
