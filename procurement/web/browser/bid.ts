// Composing a bid in the browser: the draft, its check, sealing, sending, and what becomes of it.

import { type Service, ServiceError } from "../../../bids/browser/client.ts";
import { prepare } from "../../../bids/browser/envelope.ts";
import { sleep } from "../../../bids/browser/line.ts";
import { coSign } from "../../browser/bid.ts";
import { type Notice, closes, complete } from "../../browser/notice.ts";
import { type Announced, readNotice } from "../../browser/tender.ts";
import * as bidder from "./parts/bid/bidder.ts";
import { type Enclosed, type Link, awaited, chainOf, latest, underWay } from "./parts/bid/chain.ts";
import { type Shown, readShown } from "./parts/bid/cosign.ts";
import { Documents } from "./parts/bid/documents.ts";
import { type Contents, type Draft, contents, faults, partners } from "./parts/bid/draft.ts";
import { follow } from "./parts/bid/fate.ts";
import * as files from "./parts/bid/files.ts";
import { Form } from "./parts/bid/form.ts";
import { Handing } from "./parts/bid/handing.ts";
import * as handover from "./parts/bid/handover.ts";
import { asked, changes, reasons, spoken, verifiedFacts } from "./parts/bid/notice.ts";
import { Owners } from "./parts/bid/owners.ts";
import { byId, confirmed, facts, once, slot } from "./parts/bid/page.ts";
import { type Spoken, inWords } from "./parts/bid/said.ts";
import { View } from "./parts/bid/view.ts";
import { complain } from "./parts/forms.ts";
import { type Identity, identity, isPractice, signer } from "./parts/identity.ts";
import { line } from "./parts/line.ts";
import { all, get, put, remove } from "./parts/store.ts";
import { has, say, when } from "./parts/words.ts";

const RETRY = 5000; // milliseconds
const LONGEST_WAIT = 60_000; // milliseconds
const UNKNOWN: Spoken = { language: "", currency: "", lots: new Map(), declarations: new Map() };

const root = byId("bidding");
const ocid = root.dataset["ocid"]!;
const pageTerms = root.dataset["terms"]!;
const open = root.dataset["status"] === "active";

let who: Identity | null = null;
let chain: readonly Link[] = [];
let draft: Draft = { title: root.dataset["title"]!, terms: pageTerms, fields: {}, documents: [] };
let form: Form;
let documents: Documents;
let handing: Handing;
let known: Known | undefined;

/** The line to the service, and the tender as it was verified last. */
interface Known {
  readonly service: Service;
  readonly tender: Announced;
}

const owners = new Owners();
const view = new View(ocid, { submit, upload, withdraw, replace });

async function begin(): Promise<void> {
  await guarded(noteAddress);
  root.hidden = false;
  if (!(await isAlone())) return trouble({ code: "other-tab" });
  await meet();
  chain = await chainOf(ocid);
  draft = (await get<Draft>("drafts", ocid)) ?? draft;
  redraw();
  await guarded(takeOver);
  if (open) showDraft();
  known = await verified();
  tell("told-verified");
  if (open) prepare(known.tender.terms);
  redraw();
  await showChanges(known);
  await sweep(open ? documents.places : []);
  await takeUp(known);
}

/** Who bids here: somebody may have registered in another tab meanwhile. */
async function meet(): Promise<void> {
  who = await identity();
  byId("keyless").hidden = who?.state === "certified";
}

/** What was broken off goes on: an answer that was not heard, files that have not come; then the box is shut. */
async function takeUp({ service, tender }: Known): Promise<void> {
  const pending = underWay(chain);
  if (pending) await submit(pending);
  if (service.now() < complete(tender.notice)) await upload();
  await untilPast(closes);
  close();
  const { tender: shut } = await untilPast(complete);
  redraw();
  if (!open) await tidy();
  if (latest(chain)) await follow(service, shut, chain);
}

/** Waits for a time of the tender, which may move meanwhile. In short steps: a device may sleep. */
async function untilPast(time: (notice: Notice) => number): Promise<Known> {
  for (let now = known!; ; now = known = await verified()) {
    const at = time(now.tender.notice);
    if (now.service.now() >= at) return now;
    while (now.service.now() < at) await sleep(Math.min(at - now.service.now(), LONGEST_WAIT));
  }
}

/** Nothing is written or sealed any more. */
function close(): void {
  if (!open) return;
  for (const id of ["draft", "review", "handing", "prepared"]) byId(id).hidden = true;
  tell("told-closed");
  redraw();
}

/** By the service's clock, too, the box is shut: the draft goes, and files that have arrived. */
async function tidy(): Promise<void> {
  await remove("drafts", ocid);
  await sweep([]);
}

/** One tab writes a bid: the others say so. */
function isAlone(): Promise<boolean> {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const hold = (lock: Lock | null): Promise<void> => {
      resolve(lock !== null);
      return lock ? new Promise(() => {}) : Promise.resolve(); // for as long as the page is there
    };
    void navigator.locks.request(`bid/${ocid}`, { ifAvailable: true }, hold);
  });
}

/** The tender, verified. */
function verified(): Promise<Known> {
  return onceThereIsALine("told-verifying", async () => {
    const service = await line();
    return { service, tender: await readNotice(service, ocid) };
  });
}

/** Tried until there is a line. */
async function onceThereIsALine<T>(word: string, work: () => Promise<T>): Promise<T> {
  tell(word);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error)) throw error;
      tell("told-offline");
      await sleep(RETRY);
    }
  }
}

function isAway(error: unknown): boolean {
  const { code, status } = error as { code?: unknown; status?: unknown };
  return code === "unreachable" || (error instanceof ServiceError && Number(status) >= 500);
}

// ── the draft ─────────────────────────────────────────────────────────────────────────────────────────────────────

function showDraft(): void {
  const lots = [...document.querySelectorAll<HTMLElement>("fieldset.lot")].map((each) => each.id.slice("lot:".length));
  form = new Form(byId<HTMLFormElement>("draft"), lots);
  const parts = root.dataset["parts"]!.split(" ");
  documents = new Documents(ocid, root.dataset["sealing"]!, { parts, size: Number(root.dataset["size"]) }, changed);
  owners.refresh(draft.fields);
  form.fill(draft.fields);
  documents.fill(draft.documents);
  if (draft.saved) showSaved(draft.saved);
  form.listen(() => {
    owners.refresh(form.fields);
    changed();
  });
  placeForm();
  byId("draft").addEventListener("submit", (happened) => {
    happened.preventDefault();
    void guarded(() => once(byId<HTMLButtonElement>("check"), check));
  });
  byId("seal").addEventListener("click", ({ target }) => guarded(() => once(target as HTMLButtonElement, seal)));
  byId("back").addEventListener("click", showForm);
  byId("read").addEventListener("click", () => guarded(confirmRead));
  handing = new Handing(ocid, guarded, draftNow, () => (known ? closes(known.tender.notice) : Infinity), discard);
  byId<HTMLDetailsElement>("handing").open = !who && !draft.prepared;
  const shown = document.getElementById("shown") as HTMLInputElement | null;
  shown?.addEventListener("change", () => guarded(() => look(shown.files?.[0])));
  if (draft.prepared) showPrepared(draft.prepared);
}

/** The form is there where nothing is in the box or on its way; what is in the box is replaced on purpose only. */
function placeForm(): void {
  if (!open) return;
  const hidden = latest(chain)?.kind === "envelope" || underWay(chain) !== undefined || isShut();
  for (const id of ["draft", "handing"]) byId(id).hidden = hidden;
  byId("prepared").hidden = hidden || !draft.prepared;
}

function isShut(): boolean {
  return known !== undefined && known.service.now() >= closes(known.tender.notice);
}

let saving: Promise<void> | null = null;
let stale = false;

/** Kept at every change; while one is being kept, the next waits. */
function changed(): void {
  stale = true;
  handing.outdate();
  byId("saved").ariaBusy = "true";
  saving ??= guarded(save).finally(() => (saving = null));
}

async function save(): Promise<void> {
  while (stale) {
    stale = false;
    draft = { ...draftNow(), saved: new Date().toISOString() };
    await put("drafts", ocid, draft);
  }
  showSaved(draft.saved!);
}

function draftNow(): Draft {
  return { ...draft, fields: form.fields, documents: documents.sealed };
}

function showSaved(time: string): void {
  const place = byId("saved");
  const text = say("saved", { time: when(Date.parse(time)) });
  if (place.textContent !== text) place.textContent = text; // or it would be read out at every key
  place.ariaBusy = "false";
}

function showForm(): void {
  byId("review").hidden = true;
  for (const id of ["draft", "handing"]) byId(id).hidden = false;
  byId("prepared").hidden = !draft.prepared;
  byId("step-prices").scrollIntoView();
}

/** Removes files that nobody needs any more: those that neither the draft nor anything sealed names, left over where a
 * page was closed; once no document is taken, those that have arrived, too. */
async function sweep(drafted: readonly string[]): Promise<void> {
  const isNeeded = (link: Link, { number }: Enclosed): boolean => takesDocuments() || !link.receipts[number];
  const needed = chain.flatMap((link) => link.files.filter((each) => isNeeded(link, each)));
  const named = new Set([...drafted, ...needed.map(({ place }) => place)]);
  const found = [...(await all<Blob>("files")).keys()];
  for await (const place of files.places()) found.push(place);
  for (const place of found) if (place.startsWith(`${ocid}.`) && !named.has(place)) await files.remove(place);
}

function takesDocuments(): boolean {
  return known!.service.now() < complete(known!.tender.notice);
}

// ── check and seal ────────────────────────────────────────────────────────────────────────────────────────────────

/** Everything that the opening will ask; then what is about to be signed, in words. */
async function check(): Promise<void> {
  calm();
  const { service, tender } = (known ??= await verified());
  await meet();
  const now = draftNow();
  const found = [...documents.faults, ...faults(now, asked(tender), who?.fingerprint ?? "")];
  form.show(found);
  if (found.length) return;
  const sealable = contents(now, asked(tender));
  const code = bidder.whyUnopenable(tender, now, sealable);
  if (code !== null) return form.show([{ code: "unopenable", field: "check", values: { code } }]);
  showReview(sealable, service, tender);
}

function showReview(sealable: Contents, service: Service, tender: Announced): void {
  const review = byId("review");
  facts(slot(review, "bid"), inWords(sealable, spoken(tender.notice), partners(form.fields)));
  facts(slot(review, "verified"), verifiedFacts(tender, service.trust, whyUnsignable(tender) ? null : who));
  byId("replaces").hidden = latest(chain)?.kind !== "envelope";
  byId("seal").textContent = say(partners(form.fields).length ? "act-seal" : "act-seal-send");
  placeSeal(tender);
  byId("draft").hidden = true;
  review.hidden = false;
  review.focus();
}

/** Whoever has the key seals, and only what they have read themselves. */
function placeSeal(tender: Announced): void {
  const why = whyUnsignable(tender);
  byId("unsigned").hidden = why === null;
  slot(byId("unsigned"), "why").textContent = why ? say(`trouble-${why}`) : "";
  byId("unread").hidden = why !== null || !draft.prepared;
  byId("seal").hidden = why !== null || draft.prepared !== undefined;
}

/** Why nothing is signed in this browser; null where it is. */
function whyUnsignable({ notice }: Announced): string | null {
  if (!who) return "no-identity";
  if (who.state !== "certified") return "not-certified";
  return isPractice(who) && !notice.practice ? "practice-only" : null;
}

/** What somebody else prepared is the bidder's own from now on. */
async function confirmRead(): Promise<void> {
  draft = { ...draft, prepared: undefined };
  await put("drafts", ocid, draft);
  byId("prepared").hidden = true;
  placeSeal(known!.tender);
  byId("seal").focus();
}

/** Seals what was read under the terms as they are now, and sends it where nobody else has to sign. */
async function seal(): Promise<void> {
  calm();
  tell("told-sealing");
  await save();
  known = await verified();
  if (await showChanges(known)) return showForm();
  const { service, tender } = known;
  const link = await bidder.seal(service, tender, draft, contents(draft, asked(tender)), chain);
  byId("review").hidden = true;
  await renew("told-sealed");
  placeForm();
  if (!link.partners.length) await submit(link);
}

/** Whether the terms have changed since the bidder has seen them: then they are told, and have to be read. */
async function showChanges({ service, tender }: Known): Promise<boolean> {
  const told = changes(tender, draft.terms, chain);
  const place = byId("changed");
  place.hidden = !told.length;
  if (!told.length) return false;
  slot(place, "changes").replaceChildren(...told.map((text) => item(text)));
  const said = await reasons(service, tender, draft.terms);
  slot(place, "reasons").textContent = said.map((reason) => say("changed-reason", { reason })).join(" ");
  byId("seen").onclick = () => guarded(() => seen(tender));
  place.scrollIntoView();
  return true;
}

/** The page is loaded anew where it shows what earlier terms asked. */
async function seen(tender: Announced): Promise<void> {
  draft = { ...draft, terms: tender.terms.terms };
  await put("drafts", ocid, draft);
  if (pageTerms !== tender.terms.terms) location.reload();
  else byId("changed").hidden = true;
}

function item(text: string): HTMLLIElement {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

// ── what the cards' buttons do ────────────────────────────────────────────────────────────────────────────────────

async function submit(link: Link): Promise<void> {
  await guarded(async () => {
    calm();
    const { service, tender } = (known ??= await verified());
    tell("told-sending");
    try {
      await bidder.submit(service, tender, link, telling);
    } finally {
      await renew();
      placeForm();
    }
    tell(link.kind === "envelope" ? "told-accepted" : "told-withdrawn");
    await upload();
  });
}

let uploading = false;

/** Sends the files of the bid in the box, one after the other; of the one that has taken its place meanwhile. */
async function upload(): Promise<void> {
  if (uploading || !awaited(chain).length) return;
  uploading = true;
  await guarded(async () => {
    const { tender } = (known ??= await verified());
    tell("told-uploading", { time: when(complete(tender.notice)) });
    for (let [file] = awaited(chain); file; [file] = awaited(chain)) await uploadOne(known!, latest(chain)!, file);
    tell("told-uploaded");
  });
  uploading = false;
  redraw();
}

async function uploadOne({ service, tender }: Known, link: Link, file: Enclosed): Promise<void> {
  redraw();
  try {
    await bidder.upload(service, tender, link, file, (count) => view.sent(file, count), telling);
  } catch (error) {
    if (latest(chain)?.id === link.id) throw error; // else nobody awaits it any more
  } finally {
    await renew();
  }
}

async function withdraw(): Promise<void> {
  await guarded(async () => {
    calm();
    if (!(await confirmed(byId<HTMLDialogElement>("withdrawing")))) return;
    const { tender } = (known ??= await verified());
    const link = await bidder.withdrawal(tender, chain);
    await renew();
    await submit(link);
  });
}

function replace(): void {
  showForm();
  byId("draft").querySelector<HTMLElement>("input, select, textarea")?.focus();
}

async function renew(word?: string): Promise<void> {
  chain = await chainOf(ocid);
  redraw();
  if (word) tell(word);
}

function redraw(): void {
  const now = known?.service.now() ?? 0;
  const notice = known?.tender.notice;
  const taken = notice ? now < closes(notice) : open;
  const uploads = notice ? now < complete(notice) : true;
  view.draw(chain, notice ? spoken(notice) : UNKNOWN, { open: taken, uploads, uploading });
}

// ── help ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A draft that the page's address tells of, also of one that comes while the page is open. */
async function noteAddress(): Promise<void> {
  const reload = async (): Promise<void> => {
    if (await handover.noteAddress(ocid)) location.reload();
  };
  addEventListener("hashchange", () => guarded(reload));
  await handover.noteAddress(ocid);
}

/** Takes the draft over that somebody else prepared; one's own is not replaced unasked. */
async function takeOver(): Promise<void> {
  const link = await handover.noted(ocid);
  if (!link) return;
  try {
    if (!open) throw new handover.HandoverError("handover-late");
    const handed = await onceThereIsALine("told-taking-over", () => handover.fetched(ocid, link));
    if (isWritten(draft) && !(await confirmed(byId<HTMLDialogElement>("replacing")))) return;
    await adopt(handed);
    void handover.drop(link);
  } finally {
    await handover.forget(ocid);
  }
}

async function adopt({ terms, fields, documents: prepared }: handover.Handed): Promise<void> {
  const { title } = draft;
  draft = { title, terms, fields, documents: [], prepared, saved: new Date().toISOString() };
  await put("drafts", ocid, draft);
}

function showPrepared(missing: readonly string[]): void {
  const place = byId("prepared");
  slot(place, "missing").hidden = !missing.length;
  slot(place, "documents").replaceChildren(...missing.map((each) => item(each)));
  if (!underWay(chain)) showForm();
  place.focus();
}

function isWritten({ fields, documents }: Draft): boolean {
  return documents.length > 0 || Object.values(fields).some((each) => each !== "");
}

/** Deletes the draft here: the next person at this machine finds nothing of it. */
async function discard(): Promise<void> {
  await saving;
  await remove("drafts", ocid);
  location.reload(); // which sweeps its files away
}

// ── a partner's word ──────────────────────────────────────────────────────────────────────────────────────────────

/** Shows what the lead's file holds; what is shown is verified when it is signed. */
async function look(file: File | undefined): Promise<void> {
  calm();
  const place = byId("cosigning");
  const sign = slot<HTMLButtonElement>(place, "sign");
  sign.disabled = true;
  if (!file) return;
  const { tender } = (known ??= await verified());
  const shown = readShown(new Uint8Array(await file.arrayBuffer()));
  facts(slot(place, "bid"), inWords({ open: shown.contents, restricted: shown.restricted }, spoken(tender.notice)));
  sign.disabled = false;
  sign.onclick = () => guarded(() => once(sign, () => coSignIt(shown)));
}

async function coSignIt(shown: Shown): Promise<void> {
  known = await verified();
  await coSign(known.service, known.tender, await signer(), shown);
  tell("told-cosigned");
}

// ── what is said ──────────────────────────────────────────────────────────────────────────────────────────────────

function telling(word: string): void {
  tell(word);
  void chainOf(ocid).then((kept) => {
    chain = kept;
    redraw();
  });
}

function tell(word: string, values: Readonly<Record<string, string>> = {}): void {
  const place = byId("told");
  place.textContent = say(word, values);
  place.hidden = false;
}

function calm(): void {
  byId("trouble").hidden = true;
}

function trouble(error: unknown): void {
  byId("told").hidden = true;
  complain(error);
}

/** What goes wrong is said. A refusal is no trouble: its card says it. */
async function guarded(act: () => Promise<void> | void): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof ServiceError && has(`refusal-${error.code}`)) tell("told-refused");
    else trouble(error);
  }
}

void guarded(begin);
