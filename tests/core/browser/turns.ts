// What two of a page's doings leave of a value that both add to at once, in a browser without locks between tabs.

Object.defineProperty(navigator, "locks", { value: undefined });
const { exclusive } = await import("../../../procurement/web/browser/parts/store.ts");

let kept: readonly string[] = [];
const slowly = () => new Promise((done) => setTimeout(done, 20));
const add = (what: string) =>
  exclusive("elements", async () => {
    const found = kept;
    await slowly();
    kept = [...found, what];
  });
const fail = () => exclusive("elements", () => Promise.reject(new Error("storage-full")));

const ends = await Promise.allSettled([add("envelope"), fail(), add("receipt")]);
process.stdout.write(JSON.stringify({ kept, ends: ends.map(({ status }) => status) }));
process.exit(); // the store's channel to other tabs is open
