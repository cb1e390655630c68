/** The bidder's start: one of several states is shown, and what its forms do. */

import { Certificate, isName, isRegistration } from "../../../crypto/browser/certificates.ts";
import { Statement } from "../../../crypto/browser/statements.ts";
import type { Representative } from "../../browser/registration.ts";
import { MOST_REPRESENTATIVES } from "../../browser/registration.ts";
import * as enrolment from "./parts/enrolment.ts";
import { codeOf } from "./parts/errors.ts";
import { type Folder, folders } from "./parts/folder.ts";
import { type Rules, attend, chosen, complain, progress, value } from "./parts/forms.ts";
import { type Identity, identity, isPractice, signer } from "./parts/identity.ts";
import { compared, line, pinAnew } from "./parts/line.ts";
import { logIn } from "./parts/login.ts";
import { SHORTEST, strength } from "./parts/passphrase.ts";
import { all, erase, isKept, onChange } from "./parts/store.ts";
import { say, when } from "./parts/words.ts";

const SOON = 60 * 24 * 3600 * 1000; // milliseconds
const LOOKS = [3000, 60_000] as const; // milliseconds between looks for a registrar's answer: first, longest

const one = <E extends HTMLElement>(selector: string): E => document.querySelector<E>(selector)!;
const every = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)];

// ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────────

function show(state: string, focus: boolean): void {
  for (const each of every("[data-state]")) each.hidden = each.dataset.state !== state;
  for (const each of every("[data-erase]")) each.hidden = state === "unfit" || state === "start";
  one("#bidder").hidden = false;
  if (focus) one(`[data-state="${state}"] h2`).focus();
}

/** Whatever is true by now. */
async function render(focus = false): Promise<void> {
  const who = await identity();
  if (who) await describe(who);
  show(!who ? "start" : who.backup ? "unsaved" : who.state, focus);
  if (who?.state === "waiting") lookLater(LOOKS[0]);
}

async function describe(who: Identity): Promise<void> {
  fill("name", who.name);
  fill("registration", who.registration);
  fill("reason", who.reason ?? "");
  fill("application", who.application ? new Statement(who.application).id : "");
  for (const each of every("[data-real]")) each.hidden = isPractice(who);
  for (const each of every("[data-uncertified]")) each.hidden = who.state === "certified";
  if (who.backup) offer(one<HTMLAnchorElement>("#download"), who.backup, who);
  if (who.certificate) await describeCertified(who, new Certificate(who.certificate));
}

async function describeCertified(who: Identity, { x509, fingerprint }: Certificate): Promise<void> {
  const [kept, left] = [await isKept(), x509.notAfter - Date.now()];
  fill("until", when(x509.notAfter));
  fill("fingerprint", fingerprint);
  fill("storage", say(kept ? "kept" : "fleeting"));
  warn("fleeting", !kept && !isPractice(who));
  warn("practice", isPractice(who));
  warn("expired", left < 0);
  warn("soon", left >= 0 && left < SOON);
  warn("unkeyed", who.unsaved === true);
  list("bids", [...(await folders())].map(([ocid, folder]) => bid(ocid, folder)));
  list("drafts", [...(await all<{ title?: string }>("drafts"))].map(([ocid, { title }]) => entry(ocid, title ?? ocid)));
}

function fill(name: string, text: string): void {
  for (const each of every(`[data-fill="${name}"]`)) each.textContent = text;
}

function warn(name: string, on: boolean): void {
  one(`[data-warn="${name}"]`).hidden = !on;
}

function list(name: string, items: HTMLElement[]): void {
  one(`#${name}`).replaceChildren(...items);
  one(`[data-none="${name}"]`).hidden = items.length > 0;
}

function bid(ocid: string, { title, chain }: Folder): HTMLElement {
  const taken = chain.filter(({ state }) => state === "promised" || state === "accepted").pop();
  const newest = chain[chain.length - 1];
  const last = newest?.state === "refused" ? (taken ?? newest) : newest; // what was turned away replaces nothing
  if (!last) return entry(ocid, title);
  const word = last.kind === "withdrawal" && last.state === "accepted" ? "withdrawn" : last.state;
  return entry(ocid, title, say(`state-${word}`, { when: last.taken ? when(Date.parse(last.taken)) : "" }));
}

function entry(ocid: string, title: string, state = ""): HTMLElement {
  const [item, link] = [document.createElement("li"), document.createElement("a")];
  link.href = `/tenders/${encodeURIComponent(ocid)}/bid`;
  link.textContent = title;
  item.append(link, state && ` – ${state}`);
  return item;
}

/** Lets a file be saved, under a name that says whose it is and of when. */
function offer(link: HTMLAnchorElement, file: Uint8Array<ArrayBuffer>, { registration }: Identity): void {
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
  link.download = `openseal-${registration}-${new Date().toISOString().slice(0, 10)}.key`;
}

// ── what is done ──────────────────────────────────────────────────────────────────────────────────────────────────

const rules: Rules = {
  name: (text) => (isName(text.normalize("NFC").trim()) ? null : "name-form"),
  "practice-name": (text) => (isName(text.normalize("NFC").trim()) ? null : "name-form"),
  number: (text) => (isRegistration(text.trim()) ? null : "number-form"),
  people: (text) => (people(text).length <= MOST_REPRESENTATIVES ? null : "people-form"),
  "register-passphrase": isLong,
  "register-again": (text, form) => isSame(text, form, "register-passphrase"),
  "renew-passphrase": isLong,
  "renew-again": (text, form) => isSame(text, form, "renew-passphrase"),
  expected: (text) => (text.trim().toLowerCase() === one("#offered").textContent ? null : "hash-differs"),
};

function isLong(text: string): string | null {
  return [...text.normalize("NFC")].length < SHORTEST ? "short" : null;
}

function isSame(text: string, form: HTMLFormElement, other: string): string | null {
  return text === passphrase(form, other) ? null : "differs";
}

/** As it was typed: spaces at its ends belong to it. */
function passphrase(form: HTMLFormElement, id: string): string {
  return (form.elements.namedItem(id) as HTMLInputElement).value;
}

/** One a line, with an official's number in brackets. A title in brackets has no digit. */
function people(text: string): Representative[] {
  const lines = text.normalize("NFC").split("\n").map((each) => each.trim()).filter(Boolean);
  return lines.map((each) => {
    const [, name, person] = /^(.*\S)\s*\(([A-Za-z0-9._-]*\d[A-Za-z0-9._-]*)\)$/.exec(each) ?? [];
    return name && person ? { name, person } : { name: each };
  });
}

/** Says how far it is, in steps that can be listened to. */
const steps = (word: string) => (done: number) => progress(say(word, { done: Math.floor(done * 5) * 20 }));

const acts: Readonly<Record<string, (form: HTMLFormElement) => Promise<void>>> = {
  async trust(form) {
    await pinAnew(value(form, "expected").toLowerCase());
    await begin(true);
  },
  async register(form) {
    const said = { representatives: people(value(form, "people")), contact: value(form, "contact") || undefined };
    const who = { name: value(form, "name"), registration: value(form, "number") };
    await enrolment.make({ ...who, ...said }, passphrase(form, "register-passphrase"), steps("making"));
    await done(form);
  },
  async practise(form) {
    await enrolment.practise(value(form, "practice-name"));
    await enrolment.send();
    await done(form);
  },
  async restore(form) {
    const file = await chosen(form, "restore-file");
    const who = await enrolment.restore(file, passphrase(form, "restore-passphrase"), steps("opening"));
    if (who.state === "waiting") await enrolment.look();
    await done(form);
  },
  async try(form) {
    await enrolment.tryBackup(await chosen(form, "try-file"), passphrase(form, "try-passphrase"), steps("opening"));
    form.reset();
    await render();
    if ((await identity())!.state === "made") await enrolment.send();
    await render(true);
  },
  async send() {
    await enrolment.send();
    await render(true);
  },
  async look() {
    await enrolment.look();
    await render(true);
  },
  async "start-over"() {
    await enrolment.stepBack();
    await render(true);
  },
  async "log-in"() {
    await logIn(await signer());
    location.assign("/desk/bids");
  },
  async check(form) {
    one("#checked").hidden = true;
    const words = passphrase(form, "check-passphrase");
    const holding = await enrolment.tryBackup(await chosen(form, "check-file"), words, steps("opening"));
    if (!holding.certificate) {
      const newer = await enrolment.complete(holding, words, steps("making"));
      offer(one<HTMLAnchorElement>("#complete-download"), newer, (await identity())!);
    }
    one("#complete").hidden = holding.certificate !== undefined;
    one("#checked").textContent = say("backup-good");
    one("#checked").hidden = false;
    form.reset();
  },
  async renew(form) {
    await enrolment.renewIdentity(passphrase(form, "renew-passphrase"), steps("making"));
    await done(form);
  },
  async "step-back"(form) {
    await enrolment.stepBack();
    await done(form);
  },
  async erase(form) {
    await erase();
    await done(form);
  },
};

/** Nothing that was typed stays in the page, passphrases least of all. */
async function done(form: HTMLFormElement): Promise<void> {
  form.reset();
  await render(true);
}

// ── beginning ─────────────────────────────────────────────────────────────────────────────────────────────────────

let looking: ReturnType<typeof setTimeout> | undefined;

/** Looks for a registrar's answer, ever less often while there is none. */
function lookLater(pause: number): void {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    try {
      if ((await identity())?.state !== "waiting") return;
      if ((await enrolment.look()).state !== "waiting") return await render(true);
    } catch {
      // the next look may find it
    }
    lookLater(Math.min(pause * 1.5, LOOKS[1]));
  }, pause);
}

function isFit(): boolean {
  return isSecureContext && "indexedDB" in globalThis && crypto.subtle !== undefined;
}

async function begin(focus = false): Promise<void> {
  try {
    await line();
    await enrolment.finishRenewal();
    await render(focus);
    await stand();
  } catch (error) {
    if (codeOf(error) === "trust-changed") return showChange(focus);
    complain(error);
    await render().catch(() => show("lost", false)); // nothing of it can be read: all that is left is to erase it
  }
}

async function showChange(focus: boolean): Promise<void> {
  const { pinned, offered } = await compared();
  one("#pinned").textContent = pinned;
  one("#offered").textContent = offered;
  show("changed", focus);
}

/** Whether the certificate counts as of now. What only the service could not say is no news. */
async function stand(): Promise<void> {
  const who = await identity();
  if (who?.state !== "certified") return;
  try {
    await enrolment.checkStanding(who);
  } catch (error) {
    warn("revoked", codeOf(error) === "certificate-revoked");
  }
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-act]")) {
  attend(form, rules, acts[form.dataset.act!]!);
}
for (const place of every("[data-strength]")) {
  const source = one<HTMLInputElement>(`#${place.dataset.strength}`);
  source.addEventListener("input", () => {
    const known = [one<HTMLInputElement>("#name").value, one<HTMLInputElement>("#number").value];
    place.textContent = source.value ? say(strength(source.value, known)) : "";
  });
}
if (isFit()) {
  onChange((store) => {
    if (store !== "memory" && store !== "files" && store !== "keys") void render().catch(complain);
  });
  void begin();
} else {
  show("unfit", false);
}
