// A tender's page goes on by itself: what the service sends takes the place of what is there, piece by piece, and
// times count down by the service's clock, never by this machine's.

export {};

const AGAIN = 60_000; // milliseconds, about, after which somebody who found no place asks again
const SILENCE = 40_000; // milliseconds without a word, of which the service gives one every fifteen seconds at least
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

const parts = (root: ParentNode): Map<string, HTMLElement> =>
  new Map([...root.querySelectorAll<HTMLElement>("[data-part]")].map((each) => [each.dataset.part!, each]));
const here = parts(document);
const page = here.get("status")!;
const line = document.querySelector<HTMLElement>("#line")!;

// ── time ─────────────────────────────────────────────────────────────────────────────────────────────

let offset = -Infinity; // from this page's own steady clock to the service's: a word that was long on its way says too little

function hear(time: string): void {
  offset = Math.max(offset, Date.parse(time) - performance.now());
}

function inWords(seconds: number): string {
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  const shown = UNITS.slice(first < 0 ? 3 : Math.min(first, 2), first < 0 ? 4 : Math.min(first, 2) + 2);
  let rest = seconds;
  return shown
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest %= size;
      const format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, unitDisplay: "long" });
      return format.format(count);
    })
    .join(" ");
}

function tick(): void {
  for (const each of document.querySelectorAll<HTMLElement>("[data-until]")) {
    const left = Date.parse(each.dataset.until!) - (performance.now() + offset);
    each.textContent = inWords(Math.max(0, Math.floor(left / 1000)));
  }
}

// ── what changed ─────────────────────────────────────────────────────────────────────────────────────

const originals = new WeakMap<Element, string>(); // as the service sent it: times go on, and details are opened
const remember = (part: Element): void => {
  for (const each of [part, ...part.querySelectorAll("li[id]")]) originals.set(each, each.innerHTML);
};

/** What had the focus has it again, in what took its place; what was open is open. */
function replace(old: Element, fresh: Element): void {
  const inside = old.contains(document.activeElement) ? [...old.querySelectorAll("a, summary")] : [];
  const focused = inside.indexOf(document.activeElement!);
  const open = [...old.querySelectorAll("details")].map((each) => each.open);
  originals.set(old, fresh.innerHTML);
  old.className = fresh.className || old.className;
  old.replaceChildren(...fresh.childNodes);
  old.querySelectorAll("details").forEach((each, at) => (each.open = open[at] ?? each.open));
  if (focused < 0) return;
  const again = [...old.querySelectorAll<HTMLElement>("a, summary")];
  again[Math.min(focused, again.length - 1)]?.focus({ preventScroll: true });
}

/** The list with the entries that are new, without those that are gone, the others as they were. */
function update(old: Element, fresh: Element): void {
  const wanted = [...fresh.children];
  const known = new Map([...old.children].map((each) => [each.id, each]));
  wanted.forEach((each, at) => {
    const there = known.get(each.id);
    if (!there) originals.set(each, each.innerHTML);
    else if (originals.get(there) !== each.innerHTML) replace(there, each);
    const entry = there ?? each;
    if (old.children[at] !== entry) old.insertBefore(entry, old.children[at] ?? null);
  });
  while (old.children.length > wanted.length) old.lastElementChild!.remove();
}

function show(html: string): void {
  const sent = document.createElement("template");
  sent.innerHTML = html;
  for (const [name, fresh] of parts(sent.content)) {
    const old = here.get(name)!;
    const lists = [...old.querySelectorAll(":scope > ol")];
    if (lists.length) [...fresh.querySelectorAll(":scope > ol")].forEach((list, at) => update(lists[at]!, list));
    else if (originals.get(old) !== fresh.innerHTML) replace(old, fresh);
  }
  tick();
}

// ── the line ─────────────────────────────────────────────────────────────────────────────────────────

const seen = new URL(page.dataset.events!, location.href);
let source: EventSource | null = null;
let heard = 0; // by this page's own steady clock
let waiting: ReturnType<typeof setTimeout> | undefined;

function listen(): void {
  hangUp();
  heard = performance.now();
  source = new EventSource(seen);
  source.addEventListener("clock", (event) => {
    heard = performance.now();
    hear((event as MessageEvent<string>).data);
    line.textContent = line.dataset.live!;
  });
  source.addEventListener("timeline", (event) => {
    const { data, lastEventId } = event as MessageEvent<string>;
    seen.searchParams.set("after", lastEventId);
    show(data);
  });
  source.addEventListener("error", () => {
    line.textContent = line.dataset.cut!;
    // A browser comes back by itself where the line was cut, but not where it was told that there is no place.
    if (source!.readyState === EventSource.CLOSED) waiting = setTimeout(listen, AGAIN * (0.5 + Math.random()));
  });
}

function hangUp(): void {
  clearTimeout(waiting);
  waiting = undefined;
  source?.close();
}

// A line that is cut without a word looks like one on which nothing is said: but the time always is.
function mind(): void {
  if (document.hidden || waiting || performance.now() - heard < SILENCE) return;
  line.textContent = line.dataset.cut!;
  if (navigator.onLine) listen();
}

// Whoever looks at something else needs no line, of which a browser has few.
function look(): void {
  if (document.hidden) hangUp();
  else listen();
}

hear(page.dataset.now!);
here.forEach(remember);
tick();
setInterval(tick, 1000);
setInterval(mind, 5000);
look();
document.addEventListener("visibilitychange", look);
window.addEventListener("online", look);
window.addEventListener("offline", () => {
  hangUp();
  line.textContent = line.dataset.cut!;
});
