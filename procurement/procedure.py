"""The steps of a tender's life, in legal order, one transaction each.

Each step locks the tender's row, reads the clock, lets the core decide, stores what was decided together
with its log entries, and commits. A step that was interrupted left nothing and is done again; a step that
was done is found done.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

import bids.store as box
from bids import intake
from bids.envelope import Envelope, Part, SealedFile
from bids.opening import open_in_parallel
from bids.orders import (
    Opening,
    OpeningPartial,
    OrderKey,
    OrderRefusal,
    PartToOpen,
    RoundKeys,
    check_partial,
    check_refusal,
    combined,
)
from bids.receipts import Closing, CommittedDocument, chains
from bids.store import StoredDocument, StoredEnvelope
from bids.uploads import document_entry
from crypto.certificates import Certificate, Role
from crypto.encoding import moment, parse_moment, sha256
from crypto.merkle import leaf_hash
from crypto.statements import Statement
from procurement import store
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    Evaluated,
    IntendedAward,
    LateClosing,
    RevealedPrices,
    SignedScores,
    check_award,
    check_intention,
    check_seen,
)
from procurement.chronicle import PATIENCE, Situation, Tender, one
from procurement.duties import check_declared
from procurement.editions import rounds, under
from procurement.errors import TenderError
from procurement.history import Event, EventType
from procurement.proceedings import Proceedings
from procurement.registry import store as registry
from procurement.scoring import (
    Chosen,
    OpenedBid,
    check_revealed,
    check_sheet,
    committed_lots,
    orders_of,
    outcome,
    proposed,
    score,
    to_open,
)
from procurement.store import Draft, TenderRow
from procurement.tender_period import check_about, check_in_charge, draft_of


class Procedure(Proceedings):
    """All steps, for one service: its database, log, key and trust, its beacon and its clock."""

    # ── four eyes ────────────────────────────────────────────────────────────────────────────────────

    async def countersign(self, ocid: str, data: bytes) -> tuple[str, bool]:
        """A second officer's word for what waits for it: its statement's id, and whether that has come about
        now. A notice whose time is still to come goes on waiting."""
        statement, word, second = await self._genuine(data, Countersignature)
        draft = await store.load_draft(self.pool, store.id_of(ocid), word.statement)
        notice_id = draft.id if draft.kind == "notice" else (await self.tender(ocid)).notice_id
        if (word.tender, word.notice) != (ocid, notice_id):
            raise TenderError("another-tender", "the countersignature is about another tender")
        if draft.kind == "award":
            await self._award(draft, statement, second)
            return statement.id, True
        return statement.id, await self._countersigned(draft, statement, second)

    # ── closing ──────────────────────────────────────────────────────────────────────────────────────

    async def shut(self, ocid: str) -> bool:
        """After the deadline: waits for bids in flight, and lets no other in. Not by a clock in doubt, nor
        where an outage is still to move the deadline."""
        if self.now() < (await store.load_tender(self.pool, ocid)).deadline:
            return False  # without the lock, which would hold up bids
        async with self._step(ocid) as (connection, situation, now):
            at = await self._once_come(connection, situation.row.deadline)
            if at is None or situation.row.shut_at is not None:
                return False
            if await self.may_move(connection, situation.row, situation.tender, now):
                return False
            await store.shut(connection, situation.row.tender_id, max(at, now))
        return True

    async def close(self, ocid: str) -> bool:
        """The closing statement, once the grace is over, or the tender has ended otherwise, and every
        commitment has its place in the log."""
        row = await store.load_tender(self.pool, ocid)
        complete = row.terminated_at or (await self.tender(ocid)).notice.complete
        if row.shut_at is None or self.now() < complete:
            return False
        envelopes = await box.load_envelopes(self.pool, row.tender_id)
        documents = await box.load_documents(self.pool, row.tender_id)
        indexes = await self._indexes(row, envelopes, documents)
        envelopes.sort(key=lambda each: indexes[each.id])
        async with self._step(ocid) as (connection, situation, now):
            at = await self._once_come(connection, complete)
            if (
                at is None
                or situation.has(EventType.CLOSED)
                or situation.row.terminated_at != row.terminated_at
            ):
                return False
            now = max(at, now)
            if len(await box.load_documents(connection, row.tender_id)) != len(documents):
                return False  # one has come since
            found = envelopes, documents, indexes
            closing = await asyncio.to_thread(self._closing, situation, *found, now)
            await self._sign(connection, situation, EventType.CLOSED, closing, now)
            if row.terminated_at:
                await store.conclude(connection, row.tender_id, now)
        return True

    def _closing(
        self,
        situation: Situation,
        envelopes: Sequence[StoredEnvelope],
        documents: Sequence[StoredDocument],
        indexes: Mapping[str, int],
        now: datetime,
    ) -> Closing:
        """What is in the box; `envelopes` are in the order of the log."""
        tender = situation.tender
        closing = Closing(
            **self._about(situation, now),
            terms=tuple(each.terms.terms for each in tender.editions),
            deadline=tender.notice.deadline,
            commitments=tuple(intake.committed(each, indexes[each.id]) for each in envelopes),
            chains=chains([(each.id, each.previous) for each in envelopes]),
            documents=_committed(documents, indexes),
        )
        # Ten thousand envelopes need not be read to find no document and no earlier terms.
        if not all(each.stands for each in tender.editions):
            closing = msgspec.structs.replace(closing, superseded=_superseded(closing, envelopes, tender))
        if not any(each.notice.document_limit for each in tender.editions):
            return closing
        manifests = _manifests(closing, envelopes)
        return msgspec.structs.replace(closing, missing=closing.lacking(manifests))

    async def _indexes(
        self, row: TenderRow, envelopes: Sequence[StoredEnvelope], documents: Sequence[StoredDocument]
    ) -> dict[str, int]:
        """By id of envelope, withdrawal or document: the index of its commitment, waited for."""
        leaves = {each.id: leaf_hash(intake.entry(each, row.notice_id)) for each in envelopes}
        leaves |= {each.id: leaf_hash(document_entry(each, row.notice_id)) for each in documents}
        indexes = await self.log.wait_for(leaves.values(), PATIENCE)
        return {id: indexes[leaf] for id, leaf in leaves.items()}

    async def _once_come(self, connection: Any, moment: datetime) -> datetime | None:
        """What time it is by the database's clock, if that is `moment` or later and no other contradicts."""
        at = await self.clock.at(connection)
        return at if at >= moment and self.watch.check(at) is None else None

    async def settled(self, connection: Any, before: datetime) -> bool:
        """Whether every tender that was published before then is closed, by a clock that is not in doubt."""
        if self.watch.check(await self.clock.at(connection)):
            return False
        return await store.all_closed(connection, before)

    async def accept_late_closing(self, ocid: str, data: bytes) -> str:
        """The officer answers for opening although the closing was witnessed after the round."""
        statement, late, officer = await self._genuine(data, LateClosing)
        async with self._step(ocid) as (connection, situation, now):
            check_in_charge(situation, late, officer)
            if late.closing != one(situation, EventType.CLOSED).statement:
                raise TenderError("wrong-closing", "the statement is about another closing")
            if await self._witnessed_at(situation) < situation.tender.notice.opens:
                raise TenderError("not-late", "the closing was witnessed in time")
            await self._say_once(connection, situation, EventType.LATE, statement, "late-closing", now)
        return statement.id

    async def witnessed_closing(self, ocid: str) -> str | None:
        """The checkpoint with which the quorum saw the closing, which is stamped; None while it has not."""
        situation = await self.situation(ocid)
        with suppress(TenderError):
            return await self.witnessed(one(situation, EventType.CLOSED))
        return None

    async def keep_stamp(self, ocid: str, token: bytes) -> None:
        """A time stamp of the closing, unless the tender has been concluded: its record has one or has none,
        whenever it is asked for."""
        async with self._step(ocid) as (connection, situation, _):
            if situation.row.concluded_at is None:
                await store.add_stamp(connection, situation.row.tender_id, token)

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────

    async def accept_partial(self, ocid: str, data: bytes) -> str:
        """A committee member's part of an opening order, public from now on."""
        statement, given, _ = await self._genuine(data, OpeningPartial)
        async with self._step(ocid) as (connection, situation, now):
            tender = situation.tender
            check_partial(given, tender.notice.committee, tender.key, under(tender.editions, given.round))
            if situation.heard(statement):
                return statement.id  # sent again because no answer came; by now the part may be open
            if now < tender.notice.opens:
                raise TenderError("too-early", "the round of the time lock has not come")
            await self._check_orderable(connection, situation, given)
            subject = f"order/{given.section}/{given.round}/{given.bid or ''}/{given.member}"
            await self._say_once(
                connection, situation, EventType.PARTIAL, statement, subject, now, given.part
            )
        return statement.id

    async def accept_refusal(self, ocid: str, data: bytes) -> str:
        """A committee member's public no to an opening order, with its reason. It may still sign later."""
        statement, refusal, _ = await self._genuine(data, OrderRefusal)
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
        if part == "price" and not situation.scored:
            return False
        counted = await self.counted(self.pool, situation)
        chosen = await self._to_open(self.pool, situation, part, counted)
        keys = await self._keys(situation, part, counted, chosen)
        if keys is None:
            return False
        own, *earlier = [
            RoundKeys(round=round, beacon=await self._round(situation.tender.notice, round), keys=given)
            for round, given in keys.items()
        ]
        opening = partial(
            Opening, part=part, round=own.round, beacon=own.beacon, keys=own.keys, earlier=tuple(earlier)
        )
        results = await self._open_all(situation, opening(**self._about(situation, self.now())), chosen)
        async with self._step(ocid) as (connection, situation, now):
            if situation.has(EventType.OPENED, part):
                return False
            statement = self._signed(opening(**self._about(situation, now)))
            events = [await self._event(connection, EventType.OPENED, statement, now, part)]
            events += [_opened_event(each, result, now) for each, result in results]
            opened = {(each.bid.id, each.section): result for each, result in results}
            await box.add_opened(connection, situation.row.tender_id, opened)
            await self._record(connection, situation, events, [statement])
        return True

    # ── evaluation ───────────────────────────────────────────────────────────────────────────────────

    async def declare(self, ocid: str, data: bytes) -> str:
        """An official who has seen who bids says whether that is a conflict of interest. Any officer may, who
        wants to countersign the award; of evaluators the panel's."""
        statement, declaration, official = await self._genuine(data, ConflictDeclaration)
        async with self._step(ocid) as (connection, situation, now):
            check_about(situation, declaration, official)
            if official.role is Role.EVALUATOR:
                situation.officials.check_on_panel(official.registration)
            if not situation.has(EventType.OPENED):
                raise TenderError("not-opened", "conflicts are declared after the opening")
            check_seen(declaration, situation.of(EventType.OPENED)[0].statement)
            if situation.has(EventType.AWARDED) and not situation.heard(statement):
                raise TenderError("awarded", "the award has been made")
            subject = f"declaration/{official.registration}"
            await self._say_once(connection, situation, EventType.CONFLICT_DECLARED, statement, subject, now)
        return statement.id

    async def accept_sheet(self, ocid: str, data: bytes) -> str:
        """An evaluator's signed scores, while no price can have been seen."""
        statement, sheet, evaluator = await self._genuine(data, SignedScores)
        async with self._step(ocid) as (connection, situation, now):
            check_about(situation, sheet, evaluator)
            situation.officials.check_on_panel(evaluator.registration)
            if not situation.has(EventType.OPENED, "technical"):
                raise TenderError("not-opened", "the technical parts are not opened yet")
            check_declared(situation.declared, evaluator.registration)
            situation.officials.check_seated(evaluator.registration, situation.declared)
            bids = proposed(await self.counted(connection, situation))
            check_sheet(situation.tender.notice, bids, sheet)
            subject = f"sheet/{evaluator.registration}"
            await self._say_once(connection, situation, EventType.SHEET_SIGNED, statement, subject, now)
        return statement.id

    async def reveal_prices(self, ocid: str, data: bytes) -> str:
        """The officer reveals the preliminary prices of a lot that the notice committed to."""
        statement, revealed, officer = await self._genuine(data, RevealedPrices)
        async with self._step(ocid) as (connection, situation, now):
            check_in_charge(situation, revealed, officer)
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
        """An officer in charge names the first in line; the standstill begins."""
        statement, intended, officer = await self._genuine(data, IntendedAward)
        async with self._step(ocid) as (connection, situation, now):
            check_in_charge(situation, intended, officer)
            scored = one(situation, EventType.SCORED)
            evaluated = await self.said(connection, situation, scored, Evaluated)
            chosen = (await self.selection(connection, situation)).chosen()
            check_intention(intended, evaluated, scored.statement, chosen)
            check_declared(situation.declared, officer.registration)
            await self._say_once(connection, situation, EventType.INTENDED, statement, "intention", now)
        return statement.id

    async def award(self, ocid: str, data: bytes) -> str:
        """The officer's award of what was intended, after the standstill, waits for a second officer."""
        statement, award, officer = await self._genuine(data, Award)
        async with self._step(ocid) as (connection, situation, now):
            if not situation.heard(statement):
                await self._check_award(connection, situation, award, officer, now)
                await store.add_draft(connection, draft_of("award", ocid, statement, officer, now))
        return statement.id

    async def _award(self, draft: Draft, countersignature: Statement, second: Certificate) -> None:
        """Countersignature and award end the tender's history together, or neither stands in it."""
        statement = Statement(draft.body)
        award = statement.read(Award)
        async with self._step(draft.ocid) as (connection, situation, now):
            if situation.heard(countersignature):
                return
            officer = await self.standings.certificate(connection, award.signer)
            await self._check_award(connection, situation, award, officer, now)
            check_declared(situation.declared, second.registration)
            # All others were looked at when they bid: no bidder can stop an award by what it registers later.
            bidding = await self._bidding(connection, situation) & {second.registration}
            situation.officials.check_countersigning(officer.registration, second.registration, bidding)
            both = (EventType.AWARD_COUNTERSIGNED, countersignature), (EventType.AWARDED, statement)
            await self._say(connection, situation, both, now)
            await store.conclude(connection, situation.row.tender_id, now)

    async def _check_award(
        self, connection: Any, situation: Situation, award: Award, officer: Certificate, now: datetime
    ) -> None:
        """What was intended is awarded, by an officer in charge, after the standstill. Raises TenderError."""
        check_in_charge(situation, award, officer)
        entry = one(situation, EventType.INTENDED)
        intended = await self.said(connection, situation, entry, IntendedAward)
        check_award(award, intended, entry.statement)
        check_declared(situation.declared, officer.registration)
        standstill = timedelta(seconds=situation.tender.notice.standstill)
        if now < parse_moment(entry.time) + standstill:
            raise TenderError("standstill", "the standstill has not ended")
        if situation.has(EventType.AWARDED):
            raise TenderError("said-before", "the award was made before")

    async def _bidding(self, connection: Any, situation: Situation) -> set[str]:
        """Everybody behind the bids that count: bidders, their partners, and who represents them."""
        counted = await self.counted(connection, situation)
        partners = [
            await self.standings.certificate(connection, each)
            for bid in counted
            for each in bid.envelope.consortium
        ]
        bidding = {bid.registration for bid in counted} | {each.registration for each in partners}
        represented = await registry.represented_by(connection, bidding)
        return bidding.union(*represented.values())

    # ── what steps ask ───────────────────────────────────────────────────────────────────────────────

    async def _witnessed_at(self, situation: Situation) -> datetime:
        """When the quorum had co-signed the closing. Raises TenderError while it has not."""
        return await self.reached(situation, one(situation, EventType.CLOSED))

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
        if given.round != situation.tender.terms.round:
            await self._check_sealed_for(connection, situation, given.round)
        if given.part == "price":
            situation.check_scored()
            counted = await self.counted(connection, situation)
            priced = await self._to_open(connection, situation, "price", counted)
            orders = {each.subject: each.bid.envelope.context.round for each in priced}
            if orders.get(given.subject) != given.round:
                raise TenderError("no-such-bid", "there is no price of this bid to open")

    async def _check_sealed_for(self, connection: Any, situation: Situation, round: str) -> None:
        """A bid that counts was sealed for that round: no other is opened. Raises TenderError."""
        counted = await self.counted(connection, situation)
        if round not in {each.envelope.context.round for each in counted}:
            raise TenderError("no-such-bid", "no bid that counts was sealed for this round")

    async def _to_open(
        self, connection: Any, situation: Situation, part: Part, counted: Sequence[OpenedBid]
    ) -> list[Chosen]:
        """What is opened of the bids that count; of prices only once the panel has scored."""
        sheets = await self._sheets(connection, situation) if part == "price" else []
        return to_open(part, situation.tender.notice, counted, sheets)

    async def _sheets(self, connection: Any, situation: Situation) -> list[SignedScores]:
        """What the panel has signed so far."""
        signed = situation.of(EventType.SHEET_SIGNED)
        return [await self.said(connection, situation, entry, SignedScores) for entry in signed]

    async def _keys(
        self,
        situation: Situation,
        part: Part,
        counted: Sequence[OpenedBid],
        chosen: Sequence[Chosen],
    ) -> dict[str, tuple[OrderKey, ...]] | None:
        """The keys of `part` of the `chosen` bids, by every round that one which counts was sealed for, the
        latest first; or None while an order lacks members."""
        tender = situation.tender
        entries = situation.of(EventType.PARTIAL, part)
        statements = await store.load_statements(
            self.pool, situation.row.tender_id, [entry.statement for entry in entries]
        )
        partials = [Statement(statements[entry.statement]).read(OpeningPartial) for entry in entries]
        return await asyncio.to_thread(_combined, part, partials, counted, chosen, tender)

    async def _open_all(
        self, situation: Situation, opening: Opening, chosen: Sequence[Chosen]
    ) -> list[tuple[Chosen, bytes | str]]:
        """Each with what comes out of it: readable content, or a reason code."""
        editions = [situation.tender.edition(each.bid.envelope) for each in chosen]
        parts = [
            PartToOpen(envelope=each.bid.envelope, terms=edition.terms, opening=opening, lot=each.lot)
            for each, edition in zip(chosen, editions, strict=True)
        ]
        results = await asyncio.to_thread(open_in_parallel, parts)
        return [
            (each, outcome(result, each.section, edition.notice, each.bid.envelope.consortium)[1] or result)
            for each, edition, result in zip(chosen, editions, results, strict=True)
        ]

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
        sheets = await self._sheets(self.pool, situation)
        first = await self.said(self.pool, situation, opened[0], Opening)
        counted = await self.counted(self.pool, situation)
        return first, counted, sheets, {each.lot: each for each in revealed}


def _committed(
    documents: Sequence[StoredDocument], indexes: Mapping[str, int]
) -> tuple[CommittedDocument, ...]:
    """In the order of the log."""
    return tuple(
        CommittedDocument(
            index=indexes[each.id],
            time=moment(each.stored_at),
            salt=each.salt,
            envelope=each.envelope,
            number=each.number,
            sha256=each.sha256,
            in_doubt=each.in_doubt,
        )
        for each in sorted(documents, key=lambda each: indexes[each.id])
    )


def _superseded(closing: Closing, envelopes: Sequence[StoredEnvelope], tender: Tender) -> tuple[str, ...]:
    """Of the envelopes that would count those that came under terms which no longer stand."""
    bodies = {each.id: each.body for each in envelopes}
    last = {id: Statement(bodies[id]).read(Envelope) for id in closing.counted()}
    return tuple(id for id, envelope in last.items() if not tender.edition(envelope).stands)


def _manifests(closing: Closing, envelopes: Sequence[StoredEnvelope]) -> dict[str, tuple[SealedFile, ...]]:
    """By id of each envelope that counts, the files that it lists."""
    counted = set(closing.counted())
    mine = [each for each in envelopes if each.id in counted]
    return {each.id: Statement(each.body).read(Envelope).documents for each in mine}


def _opened_event(each: Chosen, result: bytes | str, now: datetime) -> Event:
    """`result` is content that can be read, or the reason why there is none."""
    opened = isinstance(result, bytes)
    return Event(
        t=EventType.BID_OPENED if opened else EventType.BID_UNOPENABLE,
        time=moment(now),
        statement=each.bid.id,
        part=each.part,
        lot=each.lot,
        content=sha256(result).hex() if isinstance(result, bytes) else None,
        reason=None if isinstance(result, bytes) else result,
    )


def _combined(
    part: Part,
    partials: Sequence[OpeningPartial],
    counted: Sequence[OpenedBid],
    chosen: Sequence[Chosen],
    tender: Tender,
) -> dict[str, tuple[OrderKey, ...]] | None:
    """The keys that k members' partials make, if none lacks that is needed."""
    keys = {}
    for round in rounds(tender.editions, [each.envelope.context.terms for each in counted]):
        given = [each for each in partials if each.round == round]
        terms = under(tender.editions, round)
        keys[round] = combined(part, given, tender.notice.committee, tender.key, terms)
        if {each.subject for each in keys[round]} != orders_of(part, round, chosen):
            return None
    return keys
