/** What this browser keeps for a bidder: IndexedDB, encrypted with a key that no script can read out.
 *
 * The key is made at first use and stays beside the values: whoever has the unlocked machine and this profile can use
 * it, as they can the bidder's own key. What it keeps out is a look into the profile's files from elsewhere, and
 * values that somebody has swapped or altered there.
 *
 * - `identity`   who bids here (`identity.ts`)
 * - `drafts`     bids that are being written, by ocid
 * - `elements`   what was sealed and what the service answered, by ocid (`folder.ts`)
 * - `memory`     pinned trust, newest checkpoint seen (`line.ts`); drafts on their way here (`bid/handover.ts`)
 * - `files`      sealed files that follow their envelope, as Blobs: sealed already, they are kept as they are
 * - `keys`       CryptoKeys, none of them extractable
 *
 * Everything throws StorageError. */

const NAMES = ["identity", "drafts", "elements", "memory", "files", "keys"] as const;
export type Name = (typeof NAMES)[number];

const DATABASE = "openseal";
const VERSION = 1;
const SEALING = "storage";
const NONCE_SIZE = 12;

/** The browser does not keep what it should. `code` is `storage-away` where it keeps nothing at all (some private
 * windows), `storage-full`, or `storage-damaged` for what does not decrypt. */
export class StorageError extends Error {
  readonly code: string;

  constructor(code: string, cause?: unknown) {
    super(code, { cause });
    this.code = code;
  }
}

interface Sealed {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

/** A value is JSON with `Uint8Array`s anywhere in it; in `files` a Blob, in `keys` a CryptoKey. */
export async function get<T>(store: Name, key: string): Promise<T | undefined> {
  return opened<T>(store, key, await request<unknown>(store, "readonly", (from) => from.get(key)));
}

/** Durable when this returns. */
export async function put(store: Name, key: string, value: unknown): Promise<void> {
  const kept = isPlain(store) ? value : await seal(store, key, value);
  await request(store, "readwrite", (to) => to.put(kept, key));
  announce(store, key);
}

export async function remove(store: Name, key: string): Promise<void> {
  await request(store, "readwrite", (from) => from.delete(key));
  announce(store, key);
}

/** Everything in a store, by key. */
export async function all<T>(store: Name): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  for (const key of await request<IDBValidKey[]>(store, "readonly", (from) => from.getAllKeys())) {
    const value = await get<T>(store, String(key));
    if (value !== undefined) found.set(String(key), value);
  }
  return found;
}

/** Replaces a value by what `change` makes of it; undefined removes it. One tab at a time. */
export async function update<T>(
  store: Name,
  key: string,
  change: (value: T | undefined) => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  return exclusive(`${store}/${key}`, async () => {
    const value = await change(await get<T>(store, key));
    await (value === undefined ? remove(store, key) : put(store, key, value));
    return value;
  });
}

const turns = new Map<string, Promise<unknown>>();

/** Runs `work` while nothing else runs under the same name, in no tab; in old browsers, nothing else of this one. */
export async function exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (navigator.locks) return (await navigator.locks.request(`${DATABASE}/${name}`, work)) as T;
  const turn = (turns.get(name) ?? Promise.resolve()).then(work);
  turns.set(name, turn.catch(() => {})); // whoever comes next begins all the same
  return turn;
}

/** Asks the browser not to throw this away when space gets short. Whether it promises that. */
export async function askToKeep(): Promise<boolean> {
  return (await navigator.storage?.persist?.()) ?? false;
}

/** Whether the browser has promised not to throw this away by itself. */
export async function isKept(): Promise<boolean> {
  return (await navigator.storage?.persisted?.()) ?? false;
}

/** Tells `hear` what another tab has changed; null when it erased everything. */
export function onChange(hear: (store: Name | null, key: string) => void): void {
  channel?.addEventListener("message", ({ data }) => hear(data.store, data.key));
}

/** Forgets everything, in all tabs. */
export async function erase(): Promise<void> {
  const database = await connection;
  database?.close();
  connection = undefined;
  await settled(indexedDB.deleteDatabase(DATABASE));
  announce(null, "");
}

// ── the database ──────────────────────────────────────────────────────────────────────────────────────────────────

const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(DATABASE);
let connection: Promise<IDBDatabase> | undefined;

function announce(store: Name | null, key: string): void {
  channel?.postMessage({ store, key });
}

async function connected(): Promise<IDBDatabase> {
  connection ??= open();
  try {
    return await connection;
  } catch (error) {
    connection = undefined;
    throw error;
  }
}

async function open(): Promise<IDBDatabase> {
  try {
    const opening = indexedDB.open(DATABASE, VERSION);
    opening.onupgradeneeded = () => {
      for (const name of NAMES) opening.result.createObjectStore(name);
    };
    const database = await settled(opening);
    const forget = (): void => void (connection = undefined);
    database.onclose = forget;
    database.onversionchange = () => {
      database.close(); // another tab erases everything
      forget();
    };
    return database;
  } catch (error) {
    throw error instanceof StorageError ? error : new StorageError("storage-away", error);
  }
}

async function request<T>(
  store: Name,
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest,
): Promise<T> {
  const transaction = (await connected()).transaction(store, mode, { durability: "strict" });
  const answer = settled<T>(act(transaction.objectStore(store)));
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(trouble(transaction.error));
  });
  const [value] = await Promise.all([answer, done]);
  return value;
}

function settled<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(trouble(asked.error));
  });
}

function trouble(error: DOMException | null): StorageError {
  return new StorageError(error?.name === "QuotaExceededError" ? "storage-full" : "storage-away", error);
}

// ── encryption ────────────────────────────────────────────────────────────────────────────────────────────────────

function isPlain(store: Name): boolean {
  return store === "files" || store === "keys";
}

/** Two tabs that come first at once find the same key: the second one's is left aside in one transaction. */
async function sealingKey(): Promise<CryptoKey> {
  const found = await request<CryptoKey | undefined>("keys", "readonly", (from) => from.get(SEALING));
  if (found) return found;
  const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  try {
    await request("keys", "readwrite", (to) => to.add(made, SEALING));
    return made;
  } catch (error) {
    const other = await request<CryptoKey | undefined>("keys", "readonly", (from) => from.get(SEALING));
    if (other) return other;
    throw error;
  }
}

/** What is authenticated beside a value: its own place, so that nothing passes for another. */
function cipher(store: Name, key: string, nonce: Uint8Array<ArrayBuffer>): AesGcmParams {
  return { name: "AES-GCM", iv: nonce, additionalData: new TextEncoder().encode(`${store}/${key}`) };
}

async function seal(store: Name, key: string, value: unknown): Promise<Sealed> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_SIZE));
  const text = new TextEncoder().encode(JSON.stringify(value, withBytes));
  return { nonce, data: await crypto.subtle.encrypt(cipher(store, key, nonce), await sealingKey(), text) };
}

async function opened<T>(store: Name, key: string, kept: unknown): Promise<T | undefined> {
  if (kept === undefined || isPlain(store)) return kept as T | undefined;
  try {
    const { nonce, data } = kept as Sealed;
    const text = await crypto.subtle.decrypt(cipher(store, key, nonce), await sealingKey(), data);
    return JSON.parse(new TextDecoder().decode(text), fromBytes) as T;
  } catch (error) {
    throw error instanceof StorageError ? error : new StorageError("storage-damaged", error);
  }
}

// A name that no field of ours has.
const BYTES = "\0bytes";

function withBytes(_: string, value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  let binary = "";
  for (let at = 0; at < value.length; at += 0x8000) binary += String.fromCharCode(...value.subarray(at, at + 0x8000));
  return { [BYTES]: btoa(binary) };
}

function fromBytes(_: string, value: unknown): unknown {
  const text = (value as { [BYTES]?: unknown } | null)?.[BYTES];
  return typeof text === "string" ? Uint8Array.from(atob(text), (each) => each.charCodeAt(0)) : value;
}
