"""A tender's history as it is kept: where it stands, and how a step adds to it, in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec

import bids.store as box
from bids.envelope import Envelope, Part, SubmissionTerms
from bids.receipts import Closing
from bids.store import StoredEnvelope
from crypto.certificates import Certificate, SigningKey
from crypto.committee import JointKey
from crypto.encoding import decode, moment, parse_moment
from crypto.errors import LogError
from crypto.log import Log
from crypto.statements import Payload, Statement, sign
from procurement import store
from procurement.awards import ConflictDeclaration
from procurement.duties import Declared, Officials, Word, declared
from procurement.editions import Edition, after, edition_of, published
from procurement.errors import TenderError
from procurement.finding import store as lines
from procurement.finding.index import Index
from procurement.finding.listing import Phase
from procurement.history import EDITIONS, Entry, Event, EventType, check_still
from procurement.panels import PanelDraw
from procurement.registry.standings import Standings
from procurement.scoring import OpenedBid, read_part, with_part
from procurement.store import EventRow, TenderRow
from procurement.tenders import Notice, appointed, check_notice
from procurement.timekeeping import Clock

PATIENCE = 10.0  # seconds that a step waits for the log to give an index

KNOWN = 1024
"""Tenders that are kept in memory: many more than are asked for at a time, and few of all that there are."""
HEARD = 1 << 16
"""Single facts of statements that are."""

NOBODY = ""
"""Registration number of a second officer who is still to come."""

P = TypeVar("P", bound=Payload)
T = TypeVar("T")


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """A published notice with its amendments, and everything that follows from them."""

    editions: tuple[Edition, ...]
    key: JointKey

    @property
    def notice(self) -> Notice:
        """As it reads now."""
        return self.editions[-1].notice

    @property
    def notice_id(self) -> str:
        """Of the first notice, which names the tender in every lock."""
        return self.editions[0].statement

    @property
    def terms(self) -> SubmissionTerms:
        """Under which bids come in now."""
        return self.editions[-1].terms

    def edition(self, envelope: Envelope) -> Edition:
        """Under which the envelope was sealed. Raises TenderError."""
        return edition_of(self.editions, envelope.context.terms)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tender stands: its row and its history."""

    row: TenderRow
    tender: Tender
    officials: Officials
    entries: tuple[Entry, ...]
    declared: Declared
    scored_by: tuple[str, ...]
    """Registration numbers of who has signed a score sheet."""

    @property
    def to_score(self) -> bool:
        """Whether a technical part opened, so that the panel has something to score."""
        return self.has(EventType.BID_OPENED, "technical")

    @property
    def scored(self) -> bool:
        """Whether nothing keeps the prices closed any more."""
        try:
            self.check_scored()
        except TenderError:
            return False
        return True

    @property
    def recused(self) -> bool:
        """Whether everybody who could take the next step has declared a conflict of interest."""
        if self.has(EventType.SCORED):
            return not (self.has(EventType.INTENDED) or self.officials.able(self.declared))
        scoring = self.to_score and not self.has(EventType.OPENED, "price")
        return scoring and self.officials.is_depleted(self.declared)

    @property
    def phase(self) -> Phase:
        """Where the tender is by its history alone."""
        seen = {entry.t for entry in self.entries}
        if EventType.AWARDED in seen:
            return "complete"
        if EventType.TERMINATED in seen:
            return "terminated"
        if EventType.INTENDED in seen:
            return "standstill"
        if self.recused:
            return "recused"
        opened = len(self.of(EventType.OPENED)) == len(self.tender.notice.parts)
        if EventType.SCORED in seen or opened:
            return "evaluation"
        return "opening" if EventType.PARTIAL in seen else "bidding"

    def check_scored(self) -> None:
        """The panel has scored the technical parts that opened. Raises TenderError."""
        if not self.has(EventType.OPENED, "technical"):
            raise TenderError("not-opened", "the technical parts are not opened yet")
        self.officials.check_scored(self.declared, self.scored_by, to_score=self.to_score)

    def has(self, type_: EventType, part: Part | None = None) -> bool:
        return bool(self.of(type_, part))

    def of(self, type_: EventType, part: Part | None = None) -> list[Entry]:
        """The entries of a type, of one part where it is given."""
        return [e for e in self.entries if e.t is type_ and part in (None, e.part)]

    def heard(self, statement: Statement) -> bool:
        """Whether the history has an entry that this statement is behind."""
        return statement.id in {each.statement for each in self.entries}


class Chronicle:
    """All tenders' histories: read as of a transaction, and added to by steps that hold the tender's row."""

    def __init__(self, pool: Any, log: Log, *, key: SigningKey, standings: Standings, clock: Clock) -> None:
        self.pool = pool
        self.log = log
        self.key = key
        self.standings = standings
        self.clock = clock
        self.now = clock.now
        self.index = Index(standings)
        self._tenders: dict[str, Tender] = {}
        self._checking = asyncio.Lock()
        self._officials: dict[str, Officials] = {}
        self._conflicts: dict[str, bool] = {}
        self._signed_by: dict[str, str] = {}
        self._orders: dict[str, tuple[str, ...]] = {}

    # ── what is known ────────────────────────────────────────────────────────────────────────────────

    async def tender(self, ocid: str) -> Tender:
        """A published tender, as it is by now. Raises TenderError."""
        return await self.tender_of(self.pool, await store.load_tender(self.pool, ocid))

    async def tender_of(self, connection: Any, row: TenderRow) -> Tender:
        """The tender with the terms that its row names."""
        known = self._tenders.get(row.ocid)
        if known is None or known.terms.terms != row.terms:
            made = await self._editions(connection, row)
            async with self._checking:  # a rush asks for it very often at once
                known = self._tenders.get(row.ocid)
                if known is None or known.terms.terms != row.terms:
                    known = await asyncio.to_thread(announced_as, made)
                    _keep(self._tenders, {row.ocid: known}, KNOWN)
        return known

    async def _editions(self, connection: Any, row: TenderRow) -> tuple[Edition, ...]:
        """All editions of the terms up to those that the row names."""
        entries = [e for e in await self._history(connection, row.ocid) if e.t in EDITIONS]
        bodies = await store.load_statements(connection, row.tender_id, [e.statement for e in entries])
        made = tuple[Edition, ...]()
        for entry in entries:
            if not made or made[-1].terms.terms != row.terms:
                made = after(made, entry, Statement(bodies[entry.statement]))
        return made

    async def _history(self, connection: Any, ocid: str) -> tuple[Entry, ...]:
        """All entries of the tender with that ocid; none while it is not published."""
        return tuple(map(_entry, await store.load_entries(connection, store.id_of(ocid))))

    async def officials(self, tender: Tender) -> Officials:
        """Who they are, told by registration number: fixed at publication."""
        known = self._officials.get(tender.notice_id)
        if known is None:
            ocid = tender.notice.tender
            _, countersigned, *_ = await self._history(self.pool, ocid)
            tender_id = store.id_of(ocid)
            found = await store.load_statements(self.pool, tender_id, [countersigned.statement])
            second = Statement(found[countersigned.statement]).signer
            known = await self._appointed(self.pool, tender.notice, second)
            _keep(self._officials, {tender.notice_id: known}, KNOWN)
        return known

    async def situation(self, ocid: str) -> Situation:
        """Where the tender stands, as of now."""
        row = await store.load_tender(self.pool, ocid)
        return await self._situation(self.pool, row)

    async def said(self, connection: Any, situation: Situation, entry: Entry, type_: type[P]) -> P:
        """What the statement behind `entry` says; it was verified when it came in."""
        found = await store.load_statements(connection, situation.row.tender_id, [entry.statement])
        return Statement(found[entry.statement]).read(type_)

    async def counted(self, connection: Any, situation: Situation) -> list[OpenedBid]:
        """The envelopes that count, with the parts of them that are open; none before the closing."""
        closed = situation.of(EventType.CLOSED)
        if not closed:
            return []
        closing = await self.said(connection, situation, closed[0], Closing)
        stored = {each.id: each for each in await box.load_envelopes(connection, situation.row.tender_id)}
        opened = await box.load_opened(connection, situation.row.tender_id)
        names = situation.tender.terms.sections
        return [
            opened_bid(stored[id], {name: opened.get((id, name)) for name in names}, situation.tender)
            for id in closing.counted()
        ]

    # ── how steps are made ───────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _step(self, ocid: str) -> AsyncIterator[tuple[Any, Situation, datetime]]:
        """A transaction with the tender's row locked, then the database's clock read. Entries keep their
        order in time even where the clock was set back."""
        # Known from here on: where a connection is held, no second one is waited for. Officials never change.
        await self.officials(await self.tender(ocid))
        async with self.pool.acquire() as connection, connection.transaction():
            row = await store.load_tender(connection, ocid, "FOR UPDATE")
            situation = await self._situation(connection, row)
            last = parse_moment(situation.entries[-1].time)
            yield connection, situation, max(await self.clock.at(connection), last)

    async def _situation(self, connection: Any, row: TenderRow) -> Situation:
        entries = await self._history(connection, row.ocid)
        tender = await self.tender_of(connection, row)
        return await self._as_of(connection, row, tender, await self.officials(tender), entries)

    async def _as_of(
        self,
        connection: Any,
        row: TenderRow,
        tender: Tender,
        officials: Officials,
        entries: tuple[Entry, ...],
    ) -> Situation:
        """Where a tender stands whose whole history these entries are."""
        said = [each for each in entries if each.t is EventType.CONFLICT_DECLARED]
        sheets = [each for each in entries if each.t is EventType.SHEET_SIGNED]
        return Situation(
            row=row,
            tender=tender,
            officials=await self._seated(connection, tender, officials, entries),
            entries=entries,
            declared=await self._declared(connection, row.tender_id, said),
            scored_by=await self._signers(connection, row.tender_id, sheets),
        )

    async def _seated(
        self, connection: Any, tender: Tender, officials: Officials, entries: Sequence[Entry]
    ) -> Officials:
        """The officials, with the order in which a pool is called once it is drawn."""
        for entry in entries if officials.seats else ():
            if entry.t is EventType.PANEL_DRAWN:
                drawn = await self._order(connection, tender, entry)
                return msgspec.structs.replace(officials, drawn=drawn)
        return officials

    async def _order(self, connection: Any, tender: Tender, drawn: Entry) -> tuple[str, ...]:
        known = self._orders.get(drawn.statement)
        if known is None:
            tender_id = store.id_of(tender.notice.tender)
            found = await store.load_statements(connection, tender_id, [drawn.statement])
            pool = tender.notice.evaluators
            people = {
                each: (await self.standings.certificate(connection, each)).registration for each in pool
            }
            draw = Statement(found[drawn.statement]).read(PanelDraw)
            known = draw.order(people.__getitem__)
            _keep(self._orders, {drawn.statement: known}, KNOWN)
        return known

    async def _declared(self, connection: Any, tender_id: UUID, said: Sequence[Entry]) -> Declared:
        known, new = _known(self._conflicts, said)
        for id, body in (await store.load_statements(connection, tender_id, new) if new else {}).items():
            known[id] = Statement(body).read(ConflictDeclaration).conflict
        _keep(self._conflicts, known, HEARD)
        people = await self._signers(connection, tender_id, said)
        return declared(
            Word(each.seq, person, known[each.statement]) for each, person in zip(said, people, strict=True)
        )

    async def _signers(self, connection: Any, tender_id: UUID, entries: Sequence[Entry]) -> tuple[str, ...]:
        """Registration numbers of who signed the statements behind `entries`."""
        known, new = _known(self._signed_by, entries)
        for id, body in (await store.load_statements(connection, tender_id, new) if new else {}).items():
            signer = await self.standings.certificate(connection, Statement(body).signer)
            known[id] = signer.registration
        _keep(self._signed_by, known, HEARD)
        return tuple(known[each.statement] for each in entries)

    async def _appointed(self, connection: Any, notice: Notice, second: str | None) -> Officials:
        """`second` is the certificate of the second officer, once there is one."""
        people = {
            each: (await self.standings.certificate(connection, each)).registration
            for each in (notice.signer, *notice.named, *([second] if second else []))
        }
        return appointed(notice, people[second] if second else NOBODY, people.__getitem__)

    async def _record(
        self,
        connection: Any,
        situation: Situation,
        events: Sequence[Event],
        statements: Sequence[Statement],
    ) -> None:
        """Statements, history, log, and the tender's line in lists: all or nothing. Where the terms change,
        its row says so already. Raises TenderError for what can come no more."""
        _check_still(situation, events)
        tender_id, head = situation.row.tender_id, situation.row.head
        for statement in statements:
            await store.add_statement(connection, tender_id, statement.id, statement.data)
        moved, entries = head.append(events)
        rows = [
            EventRow(seq=head.seq + i, type=event.t, entry=entry)
            for i, (event, entry) in enumerate(zip(events, entries, strict=True))
        ]
        await store.add_events(connection, tender_id, rows)
        await store.move_head(connection, tender_id, moved)
        await self.log.append(connection, entries)
        await self._list(connection, situation, (*situation.entries, *map(_entry, entries)))

    async def _list(self, connection: Any, before: Situation, entries: tuple[Entry, ...]) -> None:
        """The line of a tender that was in that situation, and whose whole history is this now."""
        row = await store.load_tender(connection, before.row.ocid)
        tender = await self.tender_of(connection, row)
        now = await self._as_of(connection, row, tender, before.officials, entries)
        await self.index.keep(connection, row.tender_id, tender.notice, now.phase, entries)

    async def relist(self) -> None:
        """Makes the lines that are missing or were made by another version, one tender at a time."""
        for ocid in await lines.find_outdated(self.pool):
            await self.officials(await self.tender(ocid))  # as for a step
            async with self.pool.acquire() as connection, connection.transaction():
                row = await store.load_tender(connection, ocid, "FOR SHARE")
                situation = await self._situation(connection, row)
                await self._list(connection, situation, situation.entries)

    async def _say(
        self,
        connection: Any,
        situation: Situation,
        said: Sequence[tuple[EventType, Statement]],
        now: datetime,
        part: Part | None = None,
    ) -> None:
        events = [await self._event(connection, *each, now, part) for each in said]
        await self._record(connection, situation, events, [statement for _, statement in said])
        self.log.appended.set()

    async def _event(
        self, connection: Any, type_: EventType, statement: Statement, now: datetime, part: Part | None = None
    ) -> Event:
        # Verifiers ask for the entry's time, and a signer can run out of it while waiting for the row.
        standing = await self.standings.current(connection)
        signer = await self.standings.certificate(connection, statement.signer)
        standing.verify(signer, signer.role, now)
        return Event(t=type_, time=moment(now), statement=statement.id, part=part, status=standing.id)

    async def _say_once(
        self,
        connection: Any,
        situation: Situation,
        type_: EventType,
        statement: Statement,
        subject: str,
        now: datetime,
        part: Part | None = None,
    ) -> None:
        """The same statement again is no second one; another on the same subject is refused."""
        await store.add_statement(connection, situation.row.tender_id, statement.id, statement.data)
        before = await store.claim(connection, situation.row.tender_id, subject, statement.id)
        if before is None:
            await self._say(connection, situation, [(type_, statement)], now, part)
        elif before != statement.id:
            raise TenderError("said-before", "another statement on this was made before")

    async def _sign(
        self, connection: Any, situation: Situation, type_: EventType, payload: Payload, now: datetime
    ) -> None:
        await self._say(connection, situation, [(type_, self._signed(payload))], now)

    def _signed(self, payload: Payload) -> Statement:
        return Statement(sign(payload, self.key))

    def _about(self, situation: Situation, now: datetime) -> dict[str, Any]:
        """The fields that all statements of the service have."""
        return {
            "signer": self.key.fingerprint,
            "tender": situation.row.ocid,
            "notice": situation.row.notice_id,
            "time": moment(now),
        }

    async def _genuine(self, data: bytes, type_: type[P]) -> tuple[Statement, P, Certificate]:
        return await self.standings.genuine(self.pool, data, type_, self.now())


def published_as(notice: Notice, notice_id: str) -> Tender:
    """The tender that a notice makes. Raises what `check_notice` raises."""
    return announced_as(published(notice, notice_id))


def announced_as(editions: tuple[Edition, ...]) -> Tender:
    """The tender with these editions. Raises what `check_notice` raises."""
    return Tender(editions=editions, key=check_notice(editions[-1].notice))


def _check_still(situation: Situation, events: Sequence[Event]) -> None:
    """No step forgets that a tender has ended: the verifier would refuse its whole history."""
    seen = {each.t for each in situation.entries}
    for event in events:
        try:
            check_still(event.t, seen)
        except LogError as error:
            code = "terminated" if EventType.TERMINATED in seen else "concluded"
            raise TenderError(code, f"the tender is past that: {error}") from error
        seen.add(event.t)


def _known(facts: Mapping[str, T], entries: Sequence[Entry]) -> tuple[dict[str, T], list[str]]:
    """What is known of the statements behind `entries`, by their ids; and the ids of which nothing is."""
    ids = [each.statement for each in entries]
    known = {each: facts[each] for each in ids if each in facts}
    return known, [each for each in ids if each not in known]


def _keep(facts: dict[str, T], new: Mapping[str, T], most: int) -> None:
    """Besides what is there already; what came first goes where it gets too much."""
    facts |= new
    while len(facts) > most:
        del facts[next(iter(facts))]


@lru_cache(maxsize=1 << 15)
def _entry(data: bytes) -> Entry:
    """Entries never change, and anybody may look at a tender of ten thousand bids as often as they like."""
    return decode(data, Entry)


def one(situation: Situation, type_: EventType) -> Entry:
    """The one entry of a type. Raises TenderError while there is none."""
    found = situation.of(type_)
    if not found:
        raise TenderError("not-yet", f"the tender has not come to {type_} yet")
    return found[0]


def opened_bid(stored: StoredEnvelope, parts: Mapping[str, bytes | str | None], tender: Tender) -> OpenedBid:
    """An envelope with what can be read of it: `parts` are contents by section, or the codes why there is
    none."""
    envelope = Statement(stored.body).read(Envelope)
    notice = tender.edition(envelope).notice
    bid = OpenedBid(id=stored.id, registration=stored.registration, envelope=envelope)
    for name in tender.terms.sections:
        content = parts.get(name)
        if isinstance(content, bytes):
            bid = with_part(bid, read_part(name, content, notice, envelope.consortium))
    return bid
