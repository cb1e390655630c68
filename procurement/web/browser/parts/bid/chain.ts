/** One bidder's chain in a tender, as this browser keeps it: twin of `procurement/bidding/folder.py`. What was signed is
 * kept before it is sent, and what the service answered before anybody is told. */

import type { Content, SealedFile } from "../../../../../bids/browser/envelope.ts";
import type { Bytes } from "../../../../../crypto/browser/encoding.ts";
import type { Element, Folder } from "../folder.ts";
import { get, update } from "../store.ts";

/** What shows what is in an envelope: for its bidder's eyes and those of partners. */
export interface Shown {
  readonly contents: readonly Content[];
  readonly entropy: Bytes;
  readonly restricted: readonly Content[];
}

/** A sealed file of an envelope, and where it lies. */
export interface Enclosed extends SealedFile {
  readonly place: string;
  /** Of a document; restricted content has none. */
  readonly title?: string;
}

export interface Link extends Element {
  readonly number: number;
  /** Digest of the terms that an envelope was sealed under. */
  readonly terms: string;
  readonly signer: string;
  readonly shown?: Shown;
  readonly partners: readonly string[];
  readonly files: readonly Enclosed[];
  /** By number of the file, the service's verified answer. */
  readonly receipts: Readonly<Record<number, Bytes>>;
  /** What the service signed against its answer, if it ever did. */
  readonly contradiction?: Bytes;
}

export interface Chain extends Folder {
  readonly chain: readonly Link[];
}

export async function chainOf(ocid: string): Promise<readonly Link[]> {
  return (await get<Chain>("elements", ocid))?.chain ?? [];
}

/** The next link, kept. */
export async function append(ocid: string, about: Omit<Folder, "chain">, link: Omit<Link, "number">): Promise<Link> {
  const grown = await update<Chain>("elements", ocid, (kept) => {
    const chain = kept?.chain ?? [];
    return { ...about, chain: [...chain, { ...link, number: chain.length + 1 }] };
  });
  return grown!.chain[grown!.chain.length - 1]!;
}

/** Keeps what is new about a link; returns it as it is then. */
export async function keep(ocid: string, number: number, change: (link: Link) => Partial<Link>): Promise<Link> {
  const kept = await update<Chain>("elements", ocid, (found) => ({
    ...found!,
    chain: found!.chain.map((each) => (each.number === number ? { ...each, ...change(each) } : each)),
  }));
  return kept!.chain.find((each) => each.number === number)!;
}

export function isTaken(link: Link): boolean {
  return link.state === "accepted" || link.state === "promised";
}

/** The latest that is in the box. */
export function latest(chain: readonly Link[]): Link | undefined {
  return chain.filter(isTaken).pop();
}

/** What was sent and not answered for good: nothing else can be sealed before it is. */
export function underWay(chain: readonly Link[]): Link | undefined {
  const last = chain[chain.length - 1];
  return last && (last.state === "sent" || last.state === "promised" || (last.state === "sealed" && last.kind === "withdrawal"))
    ? last
    : undefined;
}

/** What took the link's place: the next of the chain that is in the box, or for what was never sent the next sealed. */
export function successor(link: Link, chain: readonly Link[]): Link | undefined {
  const later = chain.filter((each) => each.number > link.number);
  if (link.state === "refused") return undefined;
  return link.state === "sealed" ? later[0] : later.find(isTaken);
}

/** Files of the bid in the box that the service has given no receipt for. */
export function awaited(chain: readonly Link[]): Enclosed[] {
  const last = latest(chain);
  return last ? last.files.filter((each) => !last.receipts[each.number]) : [];
}
