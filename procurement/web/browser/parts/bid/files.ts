/** Where sealed files lie until the service has them: in the origin's own file system (OPFS) where the browser has one,
 * else as Blobs in the store. They are sealed already, so they are kept as they are; none is ever whole in memory. */

import { toHex } from "../../../../../crypto/browser/encoding.ts";
import { get, put, remove as forget } from "../store.ts";

const FOLDER = "sealed";
const PIECE = 4 * 1024 * 1024; // bytes that become a Blob of their own

/** Takes a file's bytes in their order; `close` makes them last. */
export interface Writer {
  write(chunk: Uint8Array<ArrayBuffer>): void;
  close(): Promise<void>;
}

interface AccessHandle {
  write(chunk: Uint8Array, at: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** A name that no file of that tender has. */
export function newPlace(ocid: string): string {
  return `${ocid}.${toHex(crypto.getRandomValues(new Uint8Array(8)))}`;
}

/** A new file, or the old one anew. For workers: no page may write to the file system in step. */
export async function writer(place: string): Promise<Writer> {
  const folder = await opfs();
  if (!folder) return blobWriter(place);
  const file = await folder.getFileHandle(place, { create: true });
  const open = file as FileSystemFileHandle & { createSyncAccessHandle(): Promise<AccessHandle> };
  const handle = await open.createSyncAccessHandle();
  handle.truncate(0);
  let at = 0;
  return {
    write(chunk) {
      for (let done = 0; done < chunk.length; ) {
        const written = handle.write(chunk.subarray(done), { at });
        if (!written) throw new DOMException("no room", "QuotaExceededError");
        [done, at] = [done + written, at + written];
      }
    },
    async close() {
      handle.flush();
      handle.close();
    },
  };
}

/** The sealed file, or undefined where there is none any more. */
export async function read(place: string): Promise<Blob | undefined> {
  const kept = await get<Blob>("files", place);
  if (kept) return kept;
  try {
    return await (await (await opfs())?.getFileHandle(place))?.getFile();
  } catch {
    return undefined;
  }
}

/** A small one, from memory. */
export async function keep(place: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await put("files", place, new Blob([bytes]));
}

export async function remove(place: string): Promise<void> {
  await forget("files", place);
  try {
    await (await opfs())?.removeEntry(place);
  } catch {
    // it was not there
  }
}

/** The names of all that lie there. */
export async function* places(): AsyncGenerator<string> {
  const folder = (await opfs()) as (FileSystemDirectoryHandle & { keys(): AsyncIterable<string> }) | null;
  if (folder) yield* folder.keys();
}

async function opfs(): Promise<FileSystemDirectoryHandle | null> {
  try {
    return await (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
  } catch {
    return null;
  }
}

function blobWriter(place: string): Writer {
  const pieces: Blob[] = [];
  let held: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const settle = (): void => {
    pieces.push(new Blob(held));
    [held, size] = [[], 0];
  };
  return {
    write(chunk) {
      held.push(chunk.slice());
      size += chunk.length;
      if (size >= PIECE) settle();
    },
    async close() {
      settle();
      await put("files", place, new Blob(pieces));
    },
  };
}
