"""The steps of a tender's life, in legal order, one transaction each.

Each step locks the tender's row, reads the clock, lets the core decide, stores what was decided together
with its log entries, and commits. A step that was interrupted left nothing and is done again; a step that
was done is found done.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec

import bids.store as box
from bids import intake
from bids.envelope import Envelope, Part, SubmissionTerms, check
from bids.errors import EnvelopeError
from bids.opening import open_in_parallel
from bids.orders import (
    Opening,
    OpeningPartial,
    OrderKey,
    OrderRefusal,
    PartToOpen,
    check_partial,
    check_refusal,
    combined,
)
from bids.receipts import Closing, Committed, Refusal, chains
from bids.store import StoredEnvelope
from crypto.certificates import Certificate, Role, SigningKey
from crypto.committee import JointKey
from crypto.encoding import decode, encode, moment, parse_moment, sha256
from crypto.errors import CertificateError, VerificationError
from crypto.log import Log
from crypto.merkle import leaf_hash
from crypto.relays import Rounds
from crypto.statements import Payload, Statement, sign
from crypto.trust import Trust
from procurement import store
from procurement.awards import (
    Award,
    Evaluated,
    IntendedAward,
    LateClosing,
    RevealedPrices,
    SignedScores,
    check_award,
    check_intention,
)
from procurement.errors import TenderError
from procurement.history import Entry, Event, EventType, Head
from procurement.scoring import (
    OpenedBid,
    check_revealed,
    check_sheet,
    committed_lots,
    expected_scores,
    outcome,
    read_part,
    score,
    to_open,
    with_part,
)
from procurement.store import EventRow, TenderRow
from procurement.tenders import Notice, check_notice, check_publication, check_transcript, terms

PATIENCE = 10.0  # seconds that a step waits for the log to give an index
LONGEST_DETAIL = 300  # characters: what is wrong may be quoted at length in an error's message

P = TypeVar("P", bound=Payload)
OfficersWord = LateClosing | RevealedPrices | IntendedAward | Award


class Tender(msgspec.Struct, frozen=True, kw_only=True):
    """A published notice with everything that follows from it."""

    notice: Notice
    notice_id: str
    terms: SubmissionTerms
    key: JointKey


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tender stands: its row and its history."""

    row: TenderRow
    tender: Tender
    entries: tuple[Entry, ...]

    def has(self, type_: EventType, part: Part | None = None) -> bool:
        return bool(self.of(type_, part))

    def of(self, type_: EventType, part: Part | None = None) -> list[Entry]:
        """The entries of a type, of one part where it is given."""
        return [e for e in self.entries if e.t is type_ and part in (None, e.part)]

    def heard(self, statement: Statement) -> bool:
        """Whether the history has an entry that this statement is behind."""
        return statement.id in {each.statement for each in self.entries}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope that is in the box: nothing that happens from now on can be a refusal."""

    envelope: Envelope
    stored: StoredEnvelope


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt, signed, with the proof that its commitment is in the log."""

    receipt: bytes
    proof: str


class Procedure:
    """All steps, for one service: its database, log, key and trust, its beacon, its clock and its dice."""

    def __init__(
        self,
        pool: Any,
        log: Log,
        *,
        key: SigningKey,
        trust: Trust,
        beacon: Rounds,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        """`beacon` gives the rounds of the network that notices must name; `now` is aware UTC."""
        self.pool = pool
        self.log = log
        self.key = key
        self.trust = trust
        self._authorities = trust.authorities()
        self.beacon = beacon
        self.now = now
        self._entropy = entropy
        self._tenders: dict[str, Tender] = {}

    # ── publication ──────────────────────────────────────────────────────────────────────────────────

    async def publish(self, data: bytes) -> Tender:
        """An officer publishes a tender. The same notice again changes nothing."""
        statement, notice = await self.genuine(data, Notice)
        tender = await asyncio.to_thread(_tender, notice, statement.id)
        self.trust.check_network(notice.network)
        if notice.witnesses != self.trust.witnesses:
            raise TenderError("other-witnesses", "the notice names other witnesses than this log's")
        async with self.pool.acquire() as connection, connection.transaction():
            now = self.now()
            await self._check_people(connection, notice, now)
            row = _new_row(tender)
            if await store.add_tender(connection, row):
                check_publication(notice, now)
                situation = Situation(row=row, tender=tender, entries=())
                await self._say(connection, situation, EventType.PUBLISHED, statement, now)
            elif (await store.load_tender(connection, notice.tender)).notice_id != statement.id:
                raise TenderError("ocid-taken", "a tender with this ocid was published before")
        return tender

    # ── submission ───────────────────────────────────────────────────────────────────────────────────

    async def submit_bid(self, ocid: str, data: bytes) -> Kept:
        """A business puts a sealed envelope into the box; the same again finds it there.

        Raises VerificationError, of which `refuse` makes a signed refusal, where it is not in the box.
        """
        tender = await self.tender(ocid)
        statement = Statement(data)
        envelope = statement.read(Envelope)
        bidder = await self._certificate(self.pool, envelope.signer)
        statement.verify(Envelope, bidder)
        check(envelope, tender.terms)
        return Kept(envelope=envelope, stored=await self._keep(tender, statement, envelope, bidder))

    async def _keep(
        self, tender: Tender, statement: Statement, envelope: Envelope, bidder: Certificate
    ) -> StoredEnvelope:
        if self.now() >= tender.notice.closes:  # without the lock: the late do not hold up the closing
            return await self._kept_in_time(self.pool, tender, statement)
        async with self.pool.acquire() as connection, connection.transaction():
            row = await store.load_tender(connection, tender.notice.tender, "FOR SHARE")
            now = self.now()
            if row.shut_at is not None or now >= row.deadline:
                return await self._kept_in_time(connection, tender, statement)
            self._authorities.verify(bidder, Role.BUSINESS, now)
            return await intake.accept(
                connection, self.log, row.tender_id, statement, envelope, bidder, now, self._entropy(32)
            )

    async def _kept_in_time(self, connection: Any, tender: Tender, statement: Statement) -> StoredEnvelope:
        """A bidder whose answer was lost still gets the receipt for what was in time."""
        tender_id = store.id_of(tender.notice.tender)
        stored = await box.load_envelope(connection, tender_id, statement.id)
        if stored is None:
            raise EnvelopeError("after-deadline", "the deadline has passed")
        return stored

    async def receipt(self, kept: Kept) -> Accepted:
        """The receipt, once the commitment is in the log; the same whenever it is asked for.

        Raises TimeoutError or LogError where the log is in trouble.
        """
        index = await self._index(intake.entry(kept.stored, kept.envelope.context.notice))
        receipt = sign(intake.receipt(kept.stored, kept.envelope, self.key), self.key)
        return Accepted(receipt=receipt, proof=await self.log.tlog_proof(index))

    def refuse(self, ocid: str, data: bytes, error: VerificationError) -> bytes:
        """The signed refusal of a bid, with the server's time."""
        refusal = Refusal(
            signer=self.key.fingerprint,
            tender=ocid,
            received=sha256(data).hex(),
            statement=_id_of(data),
            reason=error.code,
            detail=str(error)[:LONGEST_DETAIL],
            time=moment(self.now()),
        )
        return sign(refusal, self.key)

    # ── closing ──────────────────────────────────────────────────────────────────────────────────────

    async def shut(self, ocid: str) -> bool:
        """After the deadline: waits for bids in flight, and lets no other in."""
        if self.now() < (await store.load_tender(self.pool, ocid)).deadline:
            return False  # without the lock, which would hold up bids
        async with self._step(ocid) as (connection, situation, now):
            due = situation.row.shut_at is None and now >= situation.row.deadline
            if due:
                await store.shut(connection, situation.row.tender_id, now)
        return due

    async def close(self, ocid: str) -> bool:
        """The closing statement, once every commitment has its place in the log."""
        row = await store.load_tender(self.pool, ocid)
        if row.shut_at is None:
            return False
        envelopes = await box.load_envelopes(self.pool, row.tender_id)
        leaves = {each.id: leaf_hash(intake.entry(each, row.notice_id)) for each in envelopes}
        indexes = await self.log.wait_for(leaves.values(), PATIENCE)
        in_order = sorted(envelopes, key=lambda each: indexes[leaves[each.id]])
        committed = [_committed(each, indexes[leaves[each.id]]) for each in in_order]
        async with self._step(ocid) as (connection, situation, now):
            if situation.has(EventType.CLOSED):
                return False
            closing = Closing(
                **self._about(situation, now),
                terms=(situation.tender.terms.terms,),
                deadline=situation.tender.notice.deadline,
                commitments=tuple(committed),
                chains=chains([(each.id, each.previous) for each in in_order]),
            )
            await self._sign(connection, situation, EventType.CLOSED, closing, now)
        return True

    async def accept_late_closing(self, ocid: str, data: bytes) -> str:
        """The officer answers for opening although the closing was witnessed after the round."""
        statement, late = await self.genuine(data, LateClosing)
        async with self._step(ocid) as (connection, situation, now):
            _check_officer(situation, late)
            if late.closing != _one(situation, EventType.CLOSED).statement:
                raise TenderError("wrong-closing", "the statement is about another closing")
            if await self._witnessed_at(situation) < situation.tender.notice.opens:
                raise TenderError("not-late", "the closing was witnessed in time")
            await self._say_once(connection, situation, EventType.LATE, statement, "late-closing", now)
        return statement.id

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────

    async def accept_partial(self, ocid: str, data: bytes) -> str:
        """A committee member's part of an opening order, public from now on."""
        statement, given = await self.genuine(data, OpeningPartial)
        async with self._step(ocid) as (connection, situation, now):
            tender = situation.tender
            check_partial(given, tender.notice.committee, tender.key, tender.terms)
            if situation.heard(statement):
                return statement.id  # sent again because no answer came; by now the part may be open
            if now < tender.notice.opens:
                raise TenderError("too-early", "the round of the time lock has not come")
            await self._check_orderable(connection, situation, given)
            subject = f"order/{given.part}/{given.bid or ''}/{given.member}"
            await self._say_once(
                connection, situation, EventType.PARTIAL, statement, subject, now, given.part
            )
        return statement.id

    async def accept_refusal(self, ocid: str, data: bytes) -> str:
        """A committee member's public no to an opening order, with its reason. It may still sign later."""
        statement, refusal = await self.genuine(data, OrderRefusal)
        async with self._step(ocid) as (connection, situation, now):
            check_refusal(refusal, situation.tender.notice.committee, situation.tender.terms)
            if situation.heard(statement):
                return statement.id
            if situation.has(EventType.OPENED, refusal.part):
                raise TenderError("opened", "this part is open already")
            subject = f"refusal/{refusal.part}/{refusal.member}"
            await self._say_once(
                connection, situation, EventType.REFUSED, statement, subject, now, refusal.part
            )
        return statement.id

    async def open(self, ocid: str, part: Part) -> bool:
        """Open `part` of every bid, once k members have ordered it and the round has come."""
        situation = await self.situation(ocid)
        if situation.has(EventType.OPENED, part) or not await self._may_open(situation):
            return False
        counted = to_open(part, await self.counted(self.pool, situation))
        keys = await self._keys(situation, part, counted)
        if keys is None:
            return False
        beacon = await self._round(situation.tender.notice)
        opening = partial(Opening, part=part, round=situation.tender.notice.round, beacon=beacon, keys=keys)
        results = await self._open_all(situation, opening(**self._about(situation, self.now())), counted)
        async with self._step(ocid) as (connection, situation, now):
            if situation.has(EventType.OPENED, part):
                return False
            statement = self._signed(opening(**self._about(situation, now)))
            events = [Event(t=EventType.OPENED, time=moment(now), statement=statement.id, part=part)]
            events += [_opened_event(situation.tender, part, *each, now) for each in results.items()]
            await box.add_opened(connection, situation.row.tender_id, part, results)
            await self._record(connection, situation, events, [statement])
        return True

    # ── evaluation ───────────────────────────────────────────────────────────────────────────────────

    async def accept_sheet(self, ocid: str, data: bytes) -> str:
        """An evaluator's signed scores, while no price can have been seen."""
        statement, sheet = await self.genuine(data, SignedScores)
        async with self._step(ocid) as (connection, situation, now):
            _check_about(situation, sheet)
            if sheet.signer not in situation.tender.notice.evaluators:
                raise TenderError("not-on-panel", "the notice names no such evaluator")
            if not situation.has(EventType.OPENED, "technical"):
                raise TenderError("not-opened", "the technical parts are not opened yet")
            check_sheet(situation.tender.notice, await self.counted(connection, situation), sheet)
            subject = f"sheet/{sheet.signer}"
            await self._say_once(connection, situation, EventType.SHEET_SIGNED, statement, subject, now)
        return statement.id

    async def reveal_prices(self, ocid: str, data: bytes) -> str:
        """The officer reveals the preliminary prices of a lot that the notice committed to."""
        statement, revealed = await self.genuine(data, RevealedPrices)
        async with self._step(ocid) as (connection, situation, now):
            _check_officer(situation, revealed)
            if not situation.has(EventType.OPENED):
                raise TenderError("not-opened", "prices are revealed after the opening")
            check_revealed(situation.tender.notice, revealed)
            subject = f"prices/{revealed.lot}"
            await self._say_once(connection, situation, EventType.PRICES_REVEALED, statement, subject, now)
        return statement.id

    async def evaluate(self, ocid: str) -> bool:
        """Score and rank, once every part is open and every input is there."""
        situation = await self.situation(ocid)
        inputs = await self._inputs(situation)
        if inputs is None:
            return False
        tender = situation.tender
        lots = await asyncio.to_thread(score, tender.notice, tender.notice_id, *inputs)
        async with self._step(ocid) as (connection, situation, now):
            if situation.has(EventType.SCORED):
                return False
            evaluated = Evaluated(**self._about(situation, now), lots=lots)
            await self._sign(connection, situation, EventType.SCORED, evaluated, now)
        return True

    # ── award ────────────────────────────────────────────────────────────────────────────────────────

    async def intend(self, ocid: str, data: bytes) -> str:
        """The officer names the first in line; the standstill begins."""
        statement, intended = await self.genuine(data, IntendedAward)
        async with self._step(ocid) as (connection, situation, now):
            _check_officer(situation, intended)
            scored = _one(situation, EventType.SCORED)
            evaluated = await self.said(connection, situation, scored, Evaluated)
            check_intention(intended, evaluated, scored.statement)
            await self._say_once(connection, situation, EventType.INTENDED, statement, "intention", now)
        return statement.id

    async def award(self, ocid: str, data: bytes) -> str:
        """The officer awards what was intended, after the standstill."""
        statement, award = await self.genuine(data, Award)
        async with self._step(ocid) as (connection, situation, now):
            _check_officer(situation, award)
            entry = _one(situation, EventType.INTENDED)
            intended = await self.said(connection, situation, entry, IntendedAward)
            check_award(award, intended, entry.statement)
            standstill = timedelta(seconds=situation.tender.notice.standstill)
            if now < parse_moment(entry.time) + standstill:
                raise TenderError("standstill", "the standstill has not ended")
            await self._say_once(connection, situation, EventType.AWARDED, statement, "award", now)
            if situation.row.concluded_at is None:
                await store.conclude(connection, situation.row.tender_id, now)
        return statement.id

    # ── what is known ────────────────────────────────────────────────────────────────────────────────

    async def tender(self, ocid: str) -> Tender:
        """A published tender; a notice never changes. Raises TenderError."""
        if ocid not in self._tenders:
            row = await store.load_tender(self.pool, ocid)
            body = await store.load_statements(self.pool, row.tender_id, [row.notice_id])
            notice = Statement(body[row.notice_id]).read(Notice)
            self._tenders[ocid] = await asyncio.to_thread(_tender, notice, row.notice_id)
        return self._tenders[ocid]

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
        return [_counted(stored[id], opened, situation.tender.notice) for id in closing.counted()]

    # ── how steps are made ───────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _step(self, ocid: str) -> AsyncIterator[tuple[Any, Situation, datetime]]:
        """A transaction with the tender's row locked, then the clock read. Entries keep their order in
        time even where the clock was set back."""
        await self.tender(ocid)
        async with self.pool.acquire() as connection, connection.transaction():
            row = await store.load_tender(connection, ocid, "FOR UPDATE")
            situation = await self._situation(connection, row)
            last = parse_moment(situation.entries[-1].time)
            yield connection, situation, max(self.now(), last)

    async def _situation(self, connection: Any, row: TenderRow) -> Situation:
        entries = await store.load_entries(connection, row.tender_id)
        chain = tuple(map(_entry, entries))
        return Situation(row=row, tender=await self.tender(row.ocid), entries=chain)

    async def _record(
        self,
        connection: Any,
        situation: Situation,
        events: Sequence[Event],
        statements: Sequence[Statement],
    ) -> None:
        """Statements, history, log: all or nothing."""
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

    async def _say(
        self,
        connection: Any,
        situation: Situation,
        type_: EventType,
        statement: Statement,
        now: datetime,
        part: Part | None = None,
    ) -> None:
        # Verifiers ask for the entry's time, and a signer can run out of it while waiting for the row.
        signer = await self._certificate(connection, statement.signer)
        self._authorities.verify(signer, signer.role, now)
        event = Event(t=type_, time=moment(now), statement=statement.id, part=part)
        await self._record(connection, situation, [event], [statement])
        self.log.appended.set()

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
            await self._say(connection, situation, type_, statement, now, part)
        elif before != statement.id:
            raise TenderError("said-before", "another statement on this was made before")

    async def _sign(
        self, connection: Any, situation: Situation, type_: EventType, payload: Payload, now: datetime
    ) -> None:
        await self._say(connection, situation, type_, self._signed(payload), now)

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

    async def genuine(self, data: bytes, type_: type[P]) -> tuple[Statement, P]:
        """A statement by someone whose certificate holds now, and what it says."""
        statement = Statement(data)
        certificate = await self._certificate(self.pool, statement.read(type_).signer)
        self._authorities.verify(certificate, type_.ROLE, self.now())
        return statement, statement.verify(type_, certificate)

    async def certified(self, fingerprints: Sequence[str], role: Role) -> list[Certificate]:
        """The certificates with these fingerprints, each of which holds now in `role`.

        Raises CertificateError.
        """
        found = [await self._certificate(self.pool, each) for each in fingerprints]
        return [self._authorities.verify(each, role, self.now()) for each in found]

    async def _certificate(self, connection: Any, fingerprint: str) -> Certificate:
        found = await store.load_certificates(connection, [fingerprint])
        if fingerprint not in found:
            raise CertificateError("the signer's certificate is not known here")
        return Certificate(found[fingerprint])

    async def _check_people(self, connection: Any, notice: Notice, now: datetime) -> None:
        """Certified at publication, when the award record looks, and still when they are needed: a tender
        whose members' certificates end before its round could never be opened."""
        members = [await self._certificate(connection, each.certificate) for each in notice.committee.members]
        panel = [await self._certificate(connection, each) for each in notice.evaluators]
        for at in (now, parse_moment(notice.published), notice.opens):
            for certificate in members:
                self._authorities.verify(certificate, Role.COMMITTEE, at)
            for certificate in panel:
                self._authorities.verify(certificate, Role.EVALUATOR, at)
        check_transcript(notice, members)

    async def _index(self, entry: bytes) -> int:
        leaf = leaf_hash(entry)
        return (await self.log.wait_for([leaf], PATIENCE))[leaf]

    async def _witnessed_at(self, situation: Situation) -> datetime:
        """When the quorum had co-signed the closing. Raises TenderError while it has not."""
        index = await self.log.index_of(leaf_hash(encode(_one(situation, EventType.CLOSED))))
        note = await self.log.witnessed(index + 1) if index is not None else None
        if note is None:
            raise TenderError("not-witnessed", "the closing is not witnessed yet")
        return situation.tender.notice.witnesses.reached(note)

    async def _may_open(self, situation: Situation) -> bool:
        """Closed before a quorum of witnesses, in time or with the officer's word for it."""
        if not situation.has(EventType.CLOSED):
            return False
        try:
            reached = await self._witnessed_at(situation)
        except TenderError:
            return False
        return reached < situation.tender.notice.opens or situation.has(EventType.LATE)

    async def _check_orderable(self, connection: Any, situation: Situation, given: OpeningPartial) -> None:
        if not await self._may_open(situation):
            raise TenderError("not-witnessed", "the closing is not witnessed, or late and not answered for")
        if situation.has(EventType.OPENED, given.part):
            raise TenderError("opened", "this part is open already")
        if given.part == "price":
            counted = await self.counted(connection, situation)
            if not _panel_done(situation, counted):
                raise TenderError("not-scored", "prices are opened when every evaluator has scored")
            if given.bid not in {each.envelope.context.bid for each in to_open("price", counted)}:
                raise TenderError("no-such-bid", "there is no price of this bid to open")

    async def _keys(
        self, situation: Situation, part: Part, counted: Sequence[OpenedBid]
    ) -> tuple[OrderKey, ...] | None:
        """The keys of `part`, or None while an order lacks members."""
        tender = situation.tender
        entries = situation.of(EventType.PARTIAL, part)
        if part == "price" and not _panel_done(situation, await self.counted(self.pool, situation)):
            return None
        statements = await store.load_statements(
            self.pool, situation.row.tender_id, [entry.statement for entry in entries]
        )
        partials = [Statement(statements[entry.statement]).read(OpeningPartial) for entry in entries]
        keys = await asyncio.to_thread(
            combined, part, partials, tender.notice.committee, tender.key, tender.terms
        )
        wanted = {each.envelope.context.bid for each in counted} if part == "price" else {None}
        return keys if {key.bid for key in keys} == wanted else None

    async def _round(self, notice: Notice) -> str:
        """The signature of the notice's round, in hex. Raises BeaconError while it is not to be had."""
        if notice.network != self.beacon.network:
            raise TenderError("other-beacon", f"set OPENSEAL_BEACON to {notice.network.chain_hash} again")
        return (await self.beacon.round(int(notice.round))).signature.hex()

    async def _open_all(
        self, situation: Situation, opening: Opening, counted: Sequence[OpenedBid]
    ) -> dict[str, bytes | str]:
        """By envelope id what comes out of it: readable content, or a reason code."""
        tender = situation.tender
        parts = [PartToOpen(envelope=e.envelope, terms=tender.terms, opening=opening) for e in counted]
        results = await asyncio.to_thread(open_in_parallel, parts)
        return {
            each.id: outcome(result, opening.part, tender.notice)[1] or result
            for each, result in zip(counted, results, strict=True)
        }

    async def _inputs(
        self, situation: Situation
    ) -> tuple[Opening, list[OpenedBid], list[SignedScores], dict[str, RevealedPrices]] | None:
        """All that a ranking is made from, or None while something is missing."""
        notice = situation.tender.notice
        opened = situation.of(EventType.OPENED)
        revealed = [
            await self.said(self.pool, situation, entry, RevealedPrices)
            for entry in situation.of(EventType.PRICES_REVEALED)
        ]
        if len(opened) != len(notice.parts) or len(revealed) != len(committed_lots(notice)):
            return None
        sheets = [
            await self.said(self.pool, situation, entry, SignedScores)
            for entry in situation.of(EventType.SHEET_SIGNED)
        ]
        first = await self.said(self.pool, situation, opened[0], Opening)
        counted = await self.counted(self.pool, situation)
        return first, counted, sheets, {each.lot: each for each in revealed}


def _tender(notice: Notice, notice_id: str) -> Tender:
    key = check_notice(notice)
    return Tender(notice=notice, notice_id=notice_id, terms=terms(notice, notice_id), key=key)


@lru_cache(maxsize=1 << 15)
def _entry(data: bytes) -> Entry:
    """Entries never change, and anybody may look at a tender of ten thousand bids as often as they like."""
    return decode(data, Entry)


def _new_row(tender: Tender) -> TenderRow:
    return TenderRow(
        tender_id=store.id_of(tender.notice.tender),
        ocid=tender.notice.tender,
        notice_id=tender.notice_id,
        deadline=tender.notice.closes,
        shut_at=None,
        concluded_at=None,
        head=Head(tender=tender.notice.tender, notice=tender.notice_id),
    )


def _id_of(data: bytes) -> str | None:
    try:
        return Statement(data).id
    except VerificationError:
        return None


def _committed(stored: StoredEnvelope, index: int) -> Committed:
    return Committed(
        index=index,
        kind="envelope",
        time=moment(stored.accepted_at),
        salt=stored.salt,
        statement=stored.id,
        bidder=stored.registration,
    )


def _counted(stored: StoredEnvelope, opened: dict[tuple[str, str], bytes | str], notice: Notice) -> OpenedBid:
    envelope = Statement(stored.body).read(Envelope)
    bid = OpenedBid(id=stored.id, registration=stored.registration, envelope=envelope)
    for part in notice.parts:
        content = opened.get((stored.id, part), "")
        if isinstance(content, bytes):
            bid = with_part(bid, read_part(part, content, notice))
    return bid


def _opened_event(tender: Tender, part: Part, id: str, result: bytes | str, now: datetime) -> Event:
    content, reason = outcome(result, part, tender.notice)
    type_ = EventType.BID_UNOPENABLE if reason else EventType.BID_OPENED
    return Event(t=type_, time=moment(now), statement=id, part=part, content=content, reason=reason)


def _panel_done(situation: Situation, counted: Sequence[OpenedBid]) -> bool:
    """Whether every evaluator has signed a sheet; nobody has to where there is nothing to score."""
    sheets = len(situation.of(EventType.SHEET_SIGNED))
    panel = situation.tender.notice.evaluators if expected_scores(situation.tender.notice, counted) else ()
    return situation.has(EventType.OPENED, "technical") and sheets == len(panel)


def _one(situation: Situation, type_: EventType) -> Entry:
    found = situation.of(type_)
    if not found:
        raise TenderError("not-yet", f"the tender has not come to {type_} yet")
    return found[0]


def _check_about(situation: Situation, said: SignedScores | OfficersWord) -> None:
    if (said.tender, said.notice) != (situation.row.ocid, situation.row.notice_id):
        raise TenderError("another-tender", "the statement is about another tender")


def _check_officer(situation: Situation, said: OfficersWord) -> None:
    _check_about(situation, said)
    if said.signer != situation.tender.notice.signer:
        raise TenderError("another-officer", "the tender is in another officer's hands")
