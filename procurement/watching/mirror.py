"""A verifying copy of a service's log and of what the log names, kept up as both grow.

::

    head ──► signed, witnessed, extends the last? ──► tiles and entries, each up to the root ──► `checkpoint`
                                                                                                     │
    records ◄── each verified ◄── statements, covers ◄── what the new entries name ◄─────────────────┘

Nothing is written that is not verified, and the head last: killed anywhere, it goes on where it was. What
shows that the service does what it must not is put into `alarms/` before anybody is told, and stays there.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import chain, islice, repeat
from pathlib import Path

import msgspec

from bids.client import PAUSES, ServiceError, lengthened, parse
from bids.documents import Digest, digest
from bids.opening import open_in_parallel
from bids.receipts import CoversEntry
from crypto.checkpoint import Checkpoint, VerifyingKey, verify_checkpoint
from crypto.encoding import Hex32, decode, encode, from_base64, moment, parse_moment, sha256
from crypto.errors import LogError, MalformedError, SignatureError, VerificationError
from crypto.merkle import (
    TILE_WIDTH,
    plan_consistency,
    verify_consistency,
)
from crypto.statements import LONGEST, Statement
from crypto.trust import Trust
from procurement import archive
from procurement.history import BID_EVENTS, LONGEST_ENTRY, PRIVATE, Entry, EventType
from procurement.record import verify
from procurement.registry.statements import CertificateRevoked
from procurement.watching.folder import Folder, Named, State
from procurement.watching.line import LONGEST_HEAD, Alarm, AwayError, DoubtError, Line, NotYetError, size_of
from procurement.watching.published import PUBLISHED, DataFile, DataList, DataPublished, is_list
from procurement.watching.tree import Tree, flat, together

RECHECKED = 8
"""Award records, of all that are kept, that are asked about again each time: which ones, nobody can know."""
OVERDUE = timedelta(hours=6)
"""After an award a service may take so long to make its record, whatever else it has to do."""
SPACING = timedelta(minutes=5)
"""Between two heads that are remembered for ever."""
SOME = 16 * TILE_WIDTH
"""Entries after which it is remembered that everything they name is here."""
MOST_LACKING = 1000
"""Things that the log names and that were not to be had, before the rest is left for the next time."""
KEPT = 2
"""Of the publications of all tenders the newest ones, whose files stay."""
_DAY = re.compile(r"[0-9]{4}(-[0-9]{2}){2}")
_EVENTS = frozenset(map(str, EventType))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm as it stands in the folder."""

    code: str
    sentence: str
    time: str


class _Kind(msgspec.Struct):
    t: str


class _Day(msgspec.Struct):
    day: str
    statement: Hex32


class _Revealed(msgspec.Struct):
    statement: str


class Mirror:
    """One copy. `tell` is given every new alarm, after its evidence is in the folder."""

    def __init__(
        self,
        folder: Folder,
        line: Line,
        trust: Trust,
        tell: Callable[[Alarm, str], None] = lambda *_: None,
        *,
        files: bool = False,
    ) -> None:
        """With `files` published files are kept, too; otherwise the service is asked what they are. Raises
        FolderError or VerificationError where the folder is a copy of another log, OSError."""
        self.copied = 0
        """Entries, statements, records and files that came, so far."""
        self._files = files
        self._folder = folder
        self._line = line
        self._trust = trust
        self._log = VerifyingKey.parse(trust.log)
        self._tell = tell
        self._state = folder.memory() or State()
        note = folder.note()
        self._kept = verify_checkpoint(note, self._log) if note else None
        self._note = self._state.seen or note
        self._seen = verify_checkpoint(self._note, self._log) if self._note else None
        self._reached: datetime | None = None
        self._remembered: datetime | None = None
        self._days: dict[str, str] = {}
        self._lacking: dict[Named, ServiceError | VerificationError] = dict.fromkeys(
            self._state.lacking, LogError("it was lacking before")
        )

    @property
    def lacking(self) -> int:
        """How many things are still to come that the entries here name."""
        return len(self._lacking)

    @property
    def size(self) -> int:
        """How many entries are here."""
        return self._kept.size if self._kept else 0

    async def follow(self) -> bool:
        """Once: takes over what is new. Whether the log could be followed; alarms are told. Raises AwayError,
        OSError."""
        followed = await self._guarded(self._copy_log())
        named = await self._guarded(self._copy_named())
        await self._guarded(self._look_again())
        await self._look_at_files()
        return followed and named

    async def _guarded(self, work: Awaitable[None]) -> bool:
        try:
            await work
        except Alarm as alarm:
            self._shout(alarm)
            return False
        return True

    # ── the head ─────────────────────────────────────────────────────────────────────────────────────

    async def _copy_log(self) -> None:
        note, head = await self._line.persist("the log's head", self._head)
        self._reached = self._trust.witnesses.reached(note)
        if self._kept == head:
            return
        since = self.size
        self._state.seen = self._note = note
        self._seen = head
        self._save()
        tree = Tree(head, self._folder, self._line)
        await tree.copy(since)
        await asyncio.to_thread(self._folder.settle)
        self._folder.publish(note)
        self._keep_head(note, self._reached)
        self._folder.drop_partial_tiles(head.size, since)
        self._kept = head
        self.copied += head.size - since

    def _keep_head(self, note: str, reached: datetime) -> None:
        """Now and then, by the witnesses' clocks, which are the ones that count."""
        if self._remembered is None or reached >= self._remembered + SPACING:
            self._folder.keep_head(note)
            self._remembered = reached

    async def _head(self) -> tuple[str, Checkpoint]:
        """The head that the service shows now. Raises Alarm at once for two heads that contradict each other,
        ServiceError, VerificationError."""
        data = await self._line.get(self._line.in_log("checkpoint"), LONGEST_HEAD)
        note, head = self._signed(data)
        await self._check_follows(note, head)
        try:
            self._check_witnessed(note)
        except NotYetError as error:
            return await self._witnessed_before(error)
        return note, head

    async def _witnessed_before(self, missing: NotYetError) -> tuple[str, Checkpoint]:
        """A head from before the newest, where witnesses have co-signed that and it is new here: a log to
        which much is written is always ahead of them. Raises as `_head` does."""
        try:
            data = await self._line.get(self._line.in_log("witnessed"), LONGEST_HEAD)
        except ServiceError:
            raise missing from None
        note, head = self._signed(data)
        if self._seen is not None and head.size <= self._seen.size:
            raise missing
        await self._check_follows(note, head)
        self._check_witnessed(note)
        return note, head

    def _signed(self, data: bytes) -> tuple[str, Checkpoint]:
        evidence = {"checkpoint": data, "pinned-key.txt": f"{self._trust.log}\n".encode()}
        try:
            note = data.decode()
            return note, verify_checkpoint(note, self._log)
        except (UnicodeDecodeError, MalformedError) as error:
            said = "What the service shows as the log's head is none."
            raise DoubtError(Alarm("head-unreadable", said, evidence)) from error
        except (LogError, SignatureError) as error:
            said = "The log's key changed: its head is not signed with the key that you trust."
            raise DoubtError(Alarm("log-key-changed", said, evidence)) from error

    def _check_witnessed(self, note: str) -> None:
        try:
            self._trust.witnesses.verify(note)
        except SignatureError as error:
            said = f"A witness's co-signature under the log's head is wrong: {error}."
            raise DoubtError(Alarm("cosignature-wrong", said, {"checkpoint": note.encode()})) from error
        except LogError as error:
            since = f"; the copy is as of {self.size} entries" if self._kept else ""
            raise NotYetError(
                f"the log's head is not co-signed by enough witnesses: {error}{since}"
            ) from error

    async def _check_follows(self, note: str, head: Checkpoint) -> None:
        """The log only grows, and has one past. Raises Alarm or VerificationError."""
        seen = self._seen
        if seen is None:
            return
        if head.size < seen.size:
            self._check_past(note, head)
            said = f"The log shrank: its head shows {head.size} entries, and {seen.size} were shown before."
            raise DoubtError(Alarm("shrunk", said, self._both(note)))
        if head.size == seen.size:
            if head.root != seen.root:
                raise self._forked(note, head)
            return
        plan = plan_consistency(seen.size, head.size)
        tree = Tree(head, self._folder, self._line)
        try:
            rows = {tile: await tree.row(tile) for tile in plan.tiles}
        except Alarm as alarm:  # whoever looks at it wants to know which heads it is about
            raise Alarm(alarm.code, str(alarm), {**alarm.evidence, **self._both(note)}) from alarm
        try:
            verify_consistency(seen.size, seen.root, head.size, head.root, plan.hashes(rows))
        except LogError as error:
            raise self._forked(note, head, {each.path: row for each, row in rows.items()}) from error

    def _check_past(self, note: str, head: Checkpoint) -> None:
        """An older head is one of those that there were, where the copy goes as far."""
        if not head.size or head.size > self.size:
            return
        if self._folder.root_at(head.size) != head.root:
            raise self._forked(note, head)

    def _forked(self, note: str, head: Checkpoint, tiles: Mapping[str, bytes] | None = None) -> Alarm:
        said = (
            f"The log forked: the service signed two heads, of {self._seen.size if self._seen else 0} and of"
            f" {head.size} entries (root {head.root.hex()[:16]}…), that cannot both be of one log. It shows"
            " different people different pasts."
        )
        return Alarm("forked", said, self._both(note) | flat(tiles or {}))

    def _both(self, note: str) -> dict[str, bytes]:
        return {"checkpoint.before": (self._note or "").encode(), "checkpoint.now": note.encode()}

    # ── what the log names ───────────────────────────────────────────────────────────────────────────

    async def _copy_named(self) -> None:
        """Everything that the entries name. What is not to be had is tried again, and in the end an alarm."""
        self._days = {}
        await self._fetch_all(list(self._lacking))
        entries = self._folder.entries_from(self._state.named, self.size) if self.size else iter(())
        while len(self._lacking) < MOST_LACKING and (some := list(islice(entries, SOME))):
            await self._fetch_all(each for data in some for each in self._names(data))
            await asyncio.to_thread(self._folder.settle)
            self._state.named += len(some)
            self._save()
        await self._make_up()

    def _names(self, data: bytes) -> Iterator[Named]:
        """What an entry names that anybody may read by now. What is no entry, `monitor` tells."""
        try:
            kind = msgspec.json.decode(data, type=_Kind).t
            if kind == "covers:revealed":
                yield Named("covers", decode(data, CoversEntry).statement)
            elif kind == "certificate:revoked":
                yield Named("registry", decode(data, CertificateRevoked).statement)
            elif kind == PUBLISHED:
                listed = msgspec.json.decode(data, type=DataPublished).sha256
                self._state.unseen.append(listed)
                yield Named("data", listed)
            elif kind in _EVENTS:
                yield from self._said(decode(data, Entry, limit=LONGEST_ENTRY))
        except (VerificationError, ValueError, RecursionError):
            return

    def _said(self, entry: Entry) -> Iterator[Named]:
        """Score sheets are given out together, once every evaluator has signed."""
        sheets = self._state.sheets
        if entry.t is EventType.SHEET_SIGNED:
            sheets.setdefault(entry.tender, []).append(entry.statement)
        elif entry.t not in (*PRIVATE, *BID_EVENTS):
            yield Named("statement", entry.statement, entry.tender)
        if entry.t is EventType.SCORED:
            yield from (Named("statement", each, entry.tender) for each in sheets.get(entry.tender, ()))
        if entry.t in (EventType.SCORED, EventType.TERMINATED):
            sheets.pop(entry.tender, None)
        if entry.t is EventType.AWARDED:
            yield Named("record", entry.tender, entry.tender, entry.time)

    async def _fetch_all(self, several: Iterable[Named]) -> None:
        """Each is lacking until it is here. Records are large: one at a time."""
        named = list(dict.fromkeys(several))
        for each in named:
            self._lacking.setdefault(each, LogError("it was not asked for yet"))
        await together(self._fetch(each) for each in named if each.kind != "record")
        for each in named:
            if each.kind == "record":
                await self._fetch(each)

    async def _fetch(self, named: Named) -> None:
        """Verified and kept, or why not. Raises AwayError."""
        try:
            path = await self._place(named)
            if not self._is_kept(named, path):
                await self._bring(named, path)
                self.copied += 1
        except (ServiceError, VerificationError) as error:
            if isinstance(error, ServiceError) and not error.status and not await self._line.answers():
                raise AwayError(str(error)) from error
            self._lacking[named] = error
        else:
            del self._lacking[named]

    def _is_kept(self, named: Named, path: str) -> bool:
        """A power cut may have torn what was put there last."""
        if named.kind == "record":
            return self._folder.has(path)
        if named.kind == "data":
            return is_list(self._folder.read(path) or b"", named.id)
        return _is_statement(self._folder.read(path) or b"", named.id)

    async def _place(self, named: Named) -> str:
        """Where in the folder it lies."""
        if named.kind == "record":
            return _record_in(named.tender)
        if named.kind == "data":
            return f"data/{named.id}.json"
        if named.kind == "covers":
            return f"covers/{await self._day(named.id)}.json"
        return f"statements/{named.id}.json"

    async def _day(self, statement: str) -> str:
        """Which day a statement about covers is about, as the service says."""
        if statement not in self._days:
            listed = parse(await self._line.get("/api/v1/covers", LONGEST), list[_Day])
            self._days |= {each.statement: each.day for each in listed if _DAY.fullmatch(each.day)}
        if statement not in self._days:
            raise ServiceError("no-such-statement", "no day has this statement about covers", 404)
        return self._days[statement]

    async def _bring(self, named: Named, path: str) -> None:
        """Verified. Raises ServiceError, VerificationError."""
        if named.kind == "record":
            await self._bring_record(named.tender, path)
        else:
            self._folder.put(path, await self._obtain(named, path))

    async def _obtain(self, named: Named, path: str) -> bytes:
        """What the service gives, verified. Raises ServiceError, VerificationError."""
        if named.kind == "data":
            return await self._list(named.id)
        if named.kind == "covers":
            day = path.removeprefix("covers/").removesuffix(".json")
            answer = parse(await self._line.get(f"/api/v1/covers/{day}", 2 * LONGEST), _Revealed)
            data = from_base64(answer.statement)
        elif named.kind == "registry":
            data = await self._line.get(f"/api/v1/registry-statements/{named.id}", LONGEST)
        else:
            data = await self._line.get(f"/api/v1/tenders/{named.tender}/statements/{named.id}", LONGEST)
        if not _is_statement(data, named.id):
            said = f"The service gives something else than what its log names: {named}."
            raise DoubtError(Alarm("statement-wrong", said, {"statement.json": data}))
        return data

    async def _list(self, named: str) -> bytes:
        data = await self._line.get(f"/api/v1/data/{named}", LONGEST_HEAD)
        if not is_list(data, named):
            said = f"The service gives another list of published files than its log names: {named}."
            raise DoubtError(Alarm("list-differs", said, {"list.json": data}))
        return data

    async def _bring_record(self, ocid: str, path: str) -> None:
        """It may be as large as it likes: it goes past memory."""
        part = self._folder.part(path)
        await self._line.download(_record_of(ocid), part, archive.LARGEST)
        if why := await asyncio.to_thread(_refused, part, self._trust):
            said = f"The award record of tender {ocid} is refused {why}."
            raise DoubtError(Alarm("record-refused", said, {"record.zip": part}))
        await asyncio.to_thread(self._folder.adopt, path)

    async def _make_up(self) -> None:
        """Asks again for what is lacking, and shouts about what still is. Raises AwayError."""
        end = time.monotonic() + self._line.patience
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            if not self._due() or time.monotonic() + pause > end:
                break
            await asyncio.sleep(lengthened(pause))
            await self._try_again()
        answers = bool(self._due()) and await self._line.answers()
        if answers:
            await self._try_again()  # the service may have come back just now
        verdicts = [
            self._line.verdict(str(each), self._lacking[each], answers=answers) for each in self._due()
        ]
        for verdict in verdicts:
            if isinstance(verdict, Alarm):
                self._shout(verdict)
        for verdict in verdicts:
            if isinstance(verdict, AwayError):
                raise verdict

    async def _try_again(self) -> None:
        await self._fetch_all(self._due())
        await asyncio.to_thread(self._folder.settle)
        self._save()

    def _due(self) -> list[Named]:
        """What is lacking and ought to be there: not a record that the service says it is still making, for
        as long as that may take by the witnesses' clocks."""
        return [each for each, why in self._lacking.items() if not self._in_the_making(each, why)]

    def _in_the_making(self, named: Named, why: Exception) -> bool:
        if not named.time or not isinstance(why, ServiceError) or why.code != "not-yet":
            return False
        return self._reached is None or self._reached < parse_moment(named.time) + OVERDUE

    async def _look_again(self) -> None:
        """Records do not change: the service has to say of some of those that are kept that they are the
        same. One, which it says to be another if there is such a one, is asked for as a whole."""
        whole: str | None = None
        for ocid in _sample(self._folder, RECHECKED):
            try:
                if await self._is_said_to_differ(ocid) or whole is None:
                    whole = ocid
            except Alarm as alarm:
                self._shout(alarm)
        if whole is not None:
            await self._guarded(self._compare(whole))

    async def _is_said_to_differ(self, ocid: str) -> bool:
        """By its ETag, which is its SHA-256. Raises Alarm, AwayError."""
        glance = partial(self._line.glance, _record_of(ocid))
        given = await self._line.persist(str(Named("record", ocid, ocid)), glance)
        return given.tag != (await asyncio.to_thread(digest, self._folder.path / _record_in(ocid))).sha256

    async def _compare(self, ocid: str) -> None:
        kept, part = self._folder.path / _record_in(ocid), self._folder.part(_record_in(ocid))

        async def again() -> None:
            await self._line.download(_record_of(ocid), part, archive.LARGEST)
            before, now = [await asyncio.to_thread(digest, each) for each in (kept, part)]
            if before != now:
                said = f"The award record of tender {ocid} changed after it was published."
                evidence = {"record.before.zip": kept, "record.now.zip": part}
                raise DoubtError(Alarm("record-changed", said, evidence))
            part.unlink()

        await self._line.persist(str(Named("record", ocid, ocid)), again)

    async def _look_at_files(self) -> None:
        """Published files are large and stay where they are: once, when their list is new here, the service
        has to say of each what its list says; or each is fetched, until it is here. Raises AwayError."""
        if self._state.named < self.size:
            return  # before all lists are here nobody knows which are the newest
        standing = _standing(self._folder) if self._state.unseen or self._files else {}
        self._state.unseen += [
            named for named in standing if self._files and not self._has_files(named, standing)
        ]
        for named in dict.fromkeys(self._state.unseen):
            rest = [each for each in self._state.unseen if each != named]
            self._state.unseen = [*rest, named]  # where nobody answers, the others come first the next time
            self._save()
            if (data := self._folder.published(named)) is not None:
                await self._guarded(self._look_at_each(named, data, standing))
                self._state.unseen = rest
                self._save()
        if self._files:
            await asyncio.to_thread(self._folder.drop_files, standing)

    def _has_files(self, named: str, standing: Mapping[str, DataList]) -> bool:
        return all(self._folder.has(_file_in(named, each)) for each in standing[named].files)

    async def _look_at_each(self, named: str, data: bytes, standing: Container[str]) -> None:
        try:
            listed = parse(data, DataList)
        except MalformedError as error:
            said = f"What the log names as a list of published files is none: {named}."
            raise Alarm("list-unreadable", said, {"list.json": data}) from error
        if named in standing:
            await together(self._guarded(self._look_at(named, listed, each, data)) for each in listed.files)

    async def _look_at(self, named: str, listed: DataList, file: DataFile, data: bytes) -> None:
        path = f"{listed.folder}/{file.name}"
        look = partial(self._bring_file, _file_in(named, file)) if self._files else self._ask_about

        async def attempt() -> None:
            try:
                other = await look(path, file)
            except ServiceError as error:
                if error.status == HTTPStatus.GONE and listed.of_all:
                    raise NotYetError(f"{path} is gone; the log has no newer one yet") from error
                raise
            if other:
                said = f"The service gives another published file than the list in its log says: {path}."
                raise DoubtError(Alarm("file-differs", said, {"list.json": data} | other))

        await self._line.persist(f"the published file {path}", attempt)

    async def _ask_about(self, path: str, file: DataFile) -> dict[str, bytes | Path]:
        """What the service says that it is, where that is something else."""
        given = await self._line.glance(path)
        return {} if given == (file.sha256, file.size) else {"answer.json": msgspec.json.encode(given)}

    async def _bring_file(self, place: str, path: str, file: DataFile) -> dict[str, bytes | Path]:
        """Puts it into its place, or says what came instead. Raises NotYetError while it is on its way."""
        if self._folder.has(place):
            return {}
        part, wrong = self._folder.part(place), self._folder.part(f"{place}.wrong")
        begun = await asyncio.to_thread(_begun, part, file)
        try:
            await self._line.download(path, part, file.size, file.sha256)
        except ServiceError as error:
            if error.status or size_of(part) == begun:
                raise
            said = f"{path} is on its way: {size_of(part)} of {file.size} bytes are here"
            raise NotYetError(said) from error
        if await asyncio.to_thread(digest, part) == Digest(sha256=file.sha256, size=file.size):
            await asyncio.to_thread(self._folder.adopt, place)
            wrong.unlink(missing_ok=True)
            self.copied += 1
            return {}
        part.replace(wrong)  # never gone on with
        if begun:
            raise NotYetError(f"{path} is another file than what was here of it")
        return {"file": wrong}

    # ── memory ───────────────────────────────────────────────────────────────────────────────────────

    def _shout(self, alarm: Alarm) -> None:
        """The evidence first. An alarm is told once, and stands until somebody takes it out of the folder."""
        place = f"alarms/{alarm.code}-{sha256(str(alarm).encode()).hex()[:12]}"
        if self._folder.has(f"{place}/alarm.json"):
            return
        for name, shows in alarm.evidence.items():
            if isinstance(shows, Path):
                self._folder.copy(f"{place}/{name}", shows)
            else:
                self._folder.write(f"{place}/{name}", shows)
        kept = Kept(code=alarm.code, sentence=str(alarm), time=moment(datetime.now(UTC)))
        self._folder.write(f"{place}/alarm.json", encode(kept))
        self._tell(alarm, place)

    def _save(self) -> None:
        self._state.lacking = list(self._lacking)
        self._folder.remember(self._state)


def _is_statement(data: bytes, id: str) -> bool:
    try:
        return Statement(data).id == id
    except MalformedError:
        return False


def _record_of(ocid: str) -> str:
    """Where a service has it."""
    return f"/api/v1/tenders/{ocid}/record"


def _record_in(ocid: str) -> str:
    """Where in the folder it lies."""
    return f"records/{ocid}.zip"


def _refused(path: Path, trust: Trust) -> str:
    """At which step the award record is, and why; empty where it holds. Raises OSError."""
    try:
        verdict = verify(path.read_bytes(), trust, open_in_parallel)
    except VerificationError as error:
        return str(error)
    last = verdict.steps[-1]
    why = f"at step {last.number}, {last.title}: {'; '.join(last.findings)}"
    return "" if verdict.outcome == "verified" else why


def _sample(folder: Folder, count: int) -> list[str]:
    """Tenders whose records are kept, drawn at random."""
    names = [path.stem for path in folder.path.glob("records/*.zip")]
    return secrets.SystemRandom().sample(names, min(count, len(names)))


def _standing(folder: Folder) -> dict[str, DataList]:
    """The lists, by SHA-256, whose files have to be there: of those of all tenders the newest ones."""
    lists = dict[str, DataList]()
    for path in folder.path.glob("data/*.json"):
        with suppress(MalformedError):  # told when it came
            lists[path.stem] = parse(path.read_bytes(), DataList)
    of_all = {each.folder: each.practice for each in lists.values() if each.of_all}
    newest = [sorted(path for path in of_all if of_all[path] == which)[-KEPT:] for which in (False, True)]
    there = set(chain.from_iterable(newest))
    return {named: each for named, each in lists.items() if not each.of_all or each.folder in there}


def _file_in(named: str, file: DataFile) -> str:
    """Where in the folder a file lies of the list with that SHA-256."""
    return f"data/{named}/{file.name}"


def _begun(part: Path, file: DataFile) -> int:
    """How much is here of a file. What is as long and was not taken for it begins anew."""
    if size_of(part) >= file.size:
        part.unlink(missing_ok=True)
    return size_of(part)


def alarms(folder: Folder) -> list[tuple[str, Kept]]:
    """The alarms that stand, by where their evidence is. Raises OSError."""
    found = []
    for path in sorted(folder.path.glob("alarms/*/alarm.json")):
        found.append((str(path.parent.relative_to(folder.path)), decode(path.read_bytes(), Kept)))
    return found
