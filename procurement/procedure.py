"""The steps of a tender's life, in legal order, one transaction each.

Each step locks the tender's row, reads the clock, lets the core decide, stores what was decided together
with its log entries, and commits. A step that was interrupted left nothing and is done again; a step that
was done is found done.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

import bids.store as box
from bids import intake
from bids.envelope import CoSignature, Envelope, Part, check
from bids.errors import EnvelopeError
from bids.intake import Bidders
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
from bids.receipts import Closing, Refusal, chains
from bids.store import StoredCoSignature, StoredEnvelope
from crypto.certificates import Certificate, Role, SigningKey
from crypto.encoding import encode, moment, parse_moment, sha256
from crypto.errors import VerificationError
from crypto.log import Log
from crypto.merkle import leaf_hash
from crypto.relays import Rounds
from crypto.statements import Payload, Statement, sign
from crypto.trust import Trust
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
from procurement.chronicle import PATIENCE, Chronicle, Situation, Tender, one, published_as
from procurement.duties import Officials, check_declared
from procurement.errors import TenderError
from procurement.history import Entry, Event, EventType, Head
from procurement.registry import store as registry
from procurement.registry.standings import Standings
from procurement.scoring import (
    OpenedBid,
    check_revealed,
    check_sheet,
    committed_lots,
    outcome,
    score,
    to_open,
)
from procurement.store import Draft, TenderRow
from procurement.tenders import (
    PROMPT,
    Notice,
    check_publication,
    check_transcript,
)
from procurement.timekeeping import Clock

LONGEST_DETAIL = 300  # characters: what is wrong may be quoted at length in an error's message

P = TypeVar("P", bound=Payload)
OfficialsWord = LateClosing | SignedScores | RevealedPrices | ConflictDeclaration | IntendedAward | Award


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope that is in the box: nothing that happens from now on can be a refusal."""

    envelope: Envelope
    stored: StoredEnvelope


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt, signed, with the proof that its commitment is in the log."""

    receipt: bytes
    proof: str


class Procedure(Chronicle):
    """All steps, for one service: its database, log, key and trust, its beacon, its clock and its dice."""

    def __init__(
        self,
        pool: Any,
        log: Log,
        *,
        key: SigningKey,
        trust: Trust,
        standings: Standings,
        beacon: Rounds,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`beacon` gives the rounds of the network that notices must name."""
        super().__init__(pool, log, key=key, standings=standings, now=clock.now)
        self.clock = clock
        self.trust = trust
        self._authorities = trust.authorities()
        self.beacon = beacon
        self._entropy = entropy

    # ── publication ──────────────────────────────────────────────────────────────────────────────────

    async def publish(self, data: bytes) -> Tender:
        """An officer's notice waits for a second officer. The same notice again changes nothing."""
        statement, notice, officer = await self._genuine(data, Notice)
        tender = await asyncio.to_thread(published_as, notice, statement.id)
        self.trust.check_network(notice.network)
        if notice.witnesses != self.trust.witnesses:
            raise TenderError("other-witnesses", "the notice names other witnesses than this log's")
        history = await self._history(self.pool, notice.tender)
        _check_ocid(history, statement.id)
        if not history:
            now = self.now()
            if not _is_ahead(notice, now):
                check_publication(notice, now)
            await self._check_people(self.pool, notice, None, now)
            due = parse_moment(notice.published)
            await store.add_draft(self.pool, _draft("notice", notice.tender, statement, officer, now, due))
        return tender

    async def countersign(self, ocid: str, data: bytes) -> tuple[str, bool]:
        """A second officer's word for a notice or an award that waits: its statement's id, and whether that
        has come about now. A notice whose time is still to come goes on waiting."""
        statement, word, second = await self._genuine(data, Countersignature)
        draft = await store.load_draft(self.pool, store.id_of(ocid), word.statement)
        notice_id = draft.id if draft.kind == "notice" else (await self.tender(ocid)).notice_id
        if (word.tender, word.notice) != (ocid, notice_id):
            raise TenderError("another-tender", "the countersignature is about another tender")
        if draft.kind == "award":
            await self._award(draft, statement, second)
        elif _is_ahead(Statement(draft.body).read(Notice), self.now()):
            await self._schedule(draft, statement)
            return statement.id, False
        else:
            await self._publish(draft, statement)
        return statement.id, True

    async def publish_scheduled(self, draft: Draft) -> None:
        """A notice that was countersigned before its time, now that it has come."""
        if draft.countersignature is not None:
            await self._publish(draft, Statement(draft.countersignature))

    async def _schedule(self, draft: Draft, countersignature: Statement) -> None:
        """Whatever can be checked before a notice's time is; the countersignature is kept till then."""
        notice = Statement(draft.body).read(Notice)
        _check_ocid(await self._history(self.pool, draft.ocid), draft.id)
        await self._check_people(self.pool, notice, countersignature.signer, self.now())
        kept = await store.keep_countersignature(self.pool, draft, countersignature.data)
        if Statement(kept).id != countersignature.id:
            raise TenderError("said-before", "this was countersigned before")

    async def _publish(self, draft: Draft, countersignature: Statement) -> None:
        """Notice and countersignature begin the tender's history together, or nothing does."""
        statement = Statement(draft.body)
        notice = statement.read(Notice)
        tender = await asyncio.to_thread(published_as, notice, statement.id)
        async with self.pool.acquire() as connection, connection.transaction():
            row = _new_row(tender)
            if not await store.add_tender(connection, row):
                history = await self._history(connection, draft.ocid)
                _check_ocid(history, draft.id)
                if history[1].statement != countersignature.id:
                    raise TenderError("said-before", "this was countersigned before")
                return
            # Everybody whom the notice names is looked at under the one status that its entry will name.
            await registry.keep_status(connection)
            now = self.now()
            check_publication(notice, now)
            officials = await self._check_people(connection, notice, countersignature.signer, now)
            situation = Situation(
                row=row, tender=tender, officials=officials, entries=(), declared={}, scored_by=()
            )
            both = (EventType.PUBLISHED, statement), (EventType.COUNTERSIGNED, countersignature)
            await self._say(connection, situation, both, now)

    async def _check_people(
        self, connection: Any, notice: Notice, second: str | None, now: datetime
    ) -> Officials:
        """The tender's officials, each certified now, at publication, and those who are needed later still at
        the opening: a tender whose members' certificates end before its round could never be opened.

        `second` is the certificate of the second officer, once there is one.
        """
        officers = [notice.signer, *([second] if second else [])]
        await self._certified(connection, officers, Role.OFFICER, now, notice.published)
        named = [each.certificate for each in notice.committee.members]
        lasting = moment(notice.opens)
        members = await self._certified(connection, named, Role.COMMITTEE, now, notice.published, lasting)
        await self._certified(connection, notice.evaluators, Role.EVALUATOR, now, notice.published, lasting)
        check_transcript(notice, members)
        officials = await self._appointed(connection, notice, second)
        officials.check_apart()
        return officials

    async def _certified(
        self, connection: Any, fingerprints: Sequence[str], role: Role, now: datetime, *then: str
    ) -> list[Certificate]:
        """Certificates that count now, and whose time will not be over `then`."""
        found = await self.standings.certified(connection, fingerprints, role, now)
        for each in found:
            for at in then:
                self._authorities.verify(each, role, parse_moment(at))
        return found

    # ── submission ───────────────────────────────────────────────────────────────────────────────────

    async def submit_bid(self, ocid: str, data: bytes) -> Kept:
        """A business puts a sealed envelope into the box; the same again finds it there.

        Raises VerificationError, of which `refuse` makes a signed refusal, where it is not in the box.
        """
        tender = await self.tender(ocid)
        await self.officials(tender)  # where a connection is held, no second one is waited for
        statement = Statement(data)
        envelope = statement.read(Envelope)
        bidder = await self.standings.certificate(self.pool, envelope.signer)
        statement.verify(Envelope, bidder)
        check(envelope, tender.terms)
        partners = [await self.standings.certificate(self.pool, each) for each in envelope.consortium]
        stored = await self._keep(tender, statement, envelope, [bidder, *partners])
        return Kept(envelope=envelope, stored=stored)

    async def _keep(
        self, tender: Tender, statement: Statement, envelope: Envelope, bidders: Sequence[Certificate]
    ) -> StoredEnvelope:
        if self.now() >= tender.notice.closes:  # without the lock: the late do not hold up the closing
            return await self._kept_in_time(self.pool, tender, statement)
        async with self.pool.acquire() as connection, connection.transaction():
            row = await store.load_tender(connection, tender.notice.tender, "FOR SHARE")
            now = self.now()
            if row.shut_at is not None or now >= row.deadline:
                return await self._kept_in_time(connection, tender, statement)
            # A bidder who asks for its receipt again may have been revoked since.
            if stored := await box.load_envelope(connection, row.tender_id, statement.id):
                return stored
            admitted = await self._admitted(connection, tender, bidders, now)
            stored = await intake.accept(
                connection, self.log, row.tender_id, statement, envelope, admitted, now, self._entropy(32)
            )
            await self._check_represented(connection, tender, admitted)
            return stored

    async def _admitted(
        self, connection: Any, tender: Tender, bidders: Sequence[Certificate], now: datetime
    ) -> Bidders:
        """The lead and its partners, each in good standing now, and no official of the tender among them.

        Raises CertificateError or TenderError.
        """
        standing = await self.standings.current(connection)
        lead, *partners = [standing.verify(each, Role.BUSINESS, now) for each in bidders]
        admitted = Bidders(lead=lead, partners=tuple(partners), status=standing.id)
        (await self.officials(tender)).check_apart(admitted.registrations)
        return admitted

    async def _check_represented(self, connection: Any, tender: Tender, admitted: Bidders) -> None:
        """No representative of theirs is an official of the tender.

        Asked last, of those who have signed, and without a name: who represents whom is private.
        """
        represented = await registry.represented_by(connection, admitted.registrations)
        try:
            (await self.officials(tender)).check_apart(set().union(*represented.values()))
        except TenderError as error:
            raise TenderError(error.code, "an official of this tender represents a bidder") from error

    async def co_sign(self, ocid: str, data: bytes) -> str:
        """A partner's word that the envelope it names, which is still to come, is its bid, too.

        The first such word stands: its id is given for every other one on the same envelope.
        """
        tender = await self.tender(ocid)
        now = self.now()
        statement, given, partner = await self.standings.genuine(self.pool, data, CoSignature, now)
        if (given.tender, given.notice) != (ocid, tender.notice_id):
            raise TenderError("another-tender", "the statement is about another tender")
        tender_id, key = store.id_of(ocid), (given.envelope, partner.fingerprint)
        if now < tender.notice.closes:
            word = StoredCoSignature(
                envelope=given.envelope, fingerprint=partner.fingerprint, id=statement.id, body=data
            )
            await box.add_co_signature(self.pool, tender_id, word)
        stands = await box.load_co_signatures(self.pool, tender_id, [given.envelope])
        if key not in stands:
            raise EnvelopeError("after-deadline", "the deadline has passed")
        return stands[key].id

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
        committed = [intake.committed(each, indexes[leaves[each.id]]) for each in in_order]
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
        statement, late, officer = await self._genuine(data, LateClosing)
        async with self._step(ocid) as (connection, situation, now):
            _check_in_charge(situation, late, officer)
            if late.closing != one(situation, EventType.CLOSED).statement:
                raise TenderError("wrong-closing", "the statement is about another closing")
            if await self._witnessed_at(situation) < situation.tender.notice.opens:
                raise TenderError("not-late", "the closing was witnessed in time")
            await self._say_once(connection, situation, EventType.LATE, statement, "late-closing", now)
        return statement.id

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────

    async def accept_partial(self, ocid: str, data: bytes) -> str:
        """A committee member's part of an opening order, public from now on."""
        statement, given, _ = await self._genuine(data, OpeningPartial)
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
            events = [await self._event(connection, EventType.OPENED, statement, now, part)]
            events += [_opened_event(situation.tender, part, *each, now) for each in results.items()]
            await box.add_opened(connection, situation.row.tender_id, part, results)
            await self._record(connection, situation, events, [statement])
        return True

    # ── evaluation ───────────────────────────────────────────────────────────────────────────────────

    async def declare(self, ocid: str, data: bytes) -> str:
        """An official who has seen who bids says whether that is a conflict of interest. Any officer may, who
        wants to countersign the award; of evaluators the panel's."""
        statement, declaration, official = await self._genuine(data, ConflictDeclaration)
        async with self._step(ocid) as (connection, situation, now):
            _check_about(situation, declaration)
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
            _check_about(situation, sheet)
            situation.officials.check_on_panel(evaluator.registration)
            if not situation.has(EventType.OPENED, "technical"):
                raise TenderError("not-opened", "the technical parts are not opened yet")
            check_declared(situation.declared, evaluator.registration)
            check_sheet(situation.tender.notice, await self.counted(connection, situation), sheet)
            subject = f"sheet/{evaluator.registration}"
            await self._say_once(connection, situation, EventType.SHEET_SIGNED, statement, subject, now)
        return statement.id

    async def reveal_prices(self, ocid: str, data: bytes) -> str:
        """The officer reveals the preliminary prices of a lot that the notice committed to."""
        statement, revealed, officer = await self._genuine(data, RevealedPrices)
        async with self._step(ocid) as (connection, situation, now):
            _check_in_charge(situation, revealed, officer)
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
            _check_in_charge(situation, intended, officer)
            scored = one(situation, EventType.SCORED)
            evaluated = await self.said(connection, situation, scored, Evaluated)
            check_intention(intended, evaluated, scored.statement)
            check_declared(situation.declared, officer.registration)
            await self._say_once(connection, situation, EventType.INTENDED, statement, "intention", now)
        return statement.id

    async def award(self, ocid: str, data: bytes) -> str:
        """The officer's award of what was intended, after the standstill, waits for a second officer."""
        statement, award, officer = await self._genuine(data, Award)
        async with self._step(ocid) as (connection, situation, now):
            if not situation.heard(statement):
                await self._check_award(connection, situation, award, officer, now)
                await store.add_draft(connection, _draft("award", ocid, statement, officer, now))
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
        _check_in_charge(situation, award, officer)
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
        index = await self.log.index_of(leaf_hash(encode(one(situation, EventType.CLOSED))))
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
            situation.check_scored()
            counted = await self.counted(connection, situation)
            if given.bid not in {each.envelope.context.bid for each in to_open("price", counted)}:
                raise TenderError("no-such-bid", "there is no price of this bid to open")

    async def _keys(
        self, situation: Situation, part: Part, counted: Sequence[OpenedBid]
    ) -> tuple[OrderKey, ...] | None:
        """The keys of `part`, or None while an order lacks members."""
        tender = situation.tender
        entries = situation.of(EventType.PARTIAL, part)
        if part == "price" and not situation.scored:
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


def _check_ocid(history: Sequence[Entry], notice_id: str) -> None:
    if history and history[0].notice != notice_id:
        raise TenderError("ocid-taken", "a tender with this ocid was published before")


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


def _draft(
    kind: Literal["notice", "award"],
    ocid: str,
    statement: Statement,
    officer: Certificate,
    now: datetime,
    due: datetime | None = None,
) -> Draft:
    return Draft(
        tender_id=store.id_of(ocid),
        id=statement.id,
        kind=kind,
        ocid=ocid,
        body=statement.data,
        registration=officer.registration,
        made_at=now,
        due=due,
    )


def _id_of(data: bytes) -> str | None:
    try:
        return Statement(data).id
    except VerificationError:
        return None


def _opened_event(tender: Tender, part: Part, id: str, result: bytes | str, now: datetime) -> Event:
    content, reason = outcome(result, part, tender.notice)
    type_ = EventType.BID_UNOPENABLE if reason else EventType.BID_OPENED
    return Event(t=type_, time=moment(now), statement=id, part=part, content=content, reason=reason)


def _check_about(situation: Situation, said: OfficialsWord) -> None:
    if (said.tender, said.notice) != (situation.row.ocid, situation.row.notice_id):
        raise TenderError("another-tender", "the statement is about another tender")


def _check_in_charge(situation: Situation, said: OfficialsWord, officer: Certificate) -> None:
    _check_about(situation, said)
    situation.officials.check_in_charge(officer.registration)


def _is_ahead(notice: Notice, now: datetime) -> bool:
    """Whether the notice's time is still to come, so that it waits for it."""
    return parse_moment(notice.published) - now >= PROMPT
