"""What happens to a tender from its draft to its deadline: published, asked about, amended, extended, ended.

Each step locks the tender's row, so it waits for bids in flight: what came before a change of terms has a
lower index in the log, and that is how everybody tells under which terms it came.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import bids.store as box
from bids.envelope import CoSignature
from bids.errors import EnvelopeError
from bids.store import StoredCoSignature
from crypto.certificates import Certificate, Role, SigningKey
from crypto.encoding import moment, parse_moment
from crypto.log import Log
from crypto.statements import Payload, Statement
from crypto.trust import Trust
from procurement import store
from procurement.awards import (
    Award,
    ConflictDeclaration,
    IntendedAward,
    LateClosing,
    RevealedPrices,
    SignedScores,
    Termination,
)
from procurement.chronicle import Chronicle, Situation, Tender, published_as
from procurement.clocks import Spread, check_clock
from procurement.duties import Officials
from procurement.editions import MOST as MOST_EDITIONS
from procurement.editions import (
    Amendment,
    Edition,
    Extension,
    Gap,
    check_in_time,
    counting,
    extended,
    followed_by,
    next_round,
)
from procurement.enquiries import MOST, MOST_EACH, Answer, Enquiry, check_answer
from procurement.errors import TenderError
from procurement.files import Files
from procurement.history import Entry, EventType, Head
from procurement.notices import DocumentOffer
from procurement.panels import DrawRequest
from procurement.registry import store as registry
from procurement.registry.standings import Standings
from procurement.selection import Said
from procurement.store import Draft, DraftKind, TenderRow
from procurement.tenders import (
    PROMPT,
    Notice,
    check_law_stated,
    check_notice,
    check_publication,
    check_transcript,
)
from procurement.timekeeping import Clock, Watch

P = TypeVar("P", bound=Payload)
OfficialsWord = (
    LateClosing
    | SignedScores
    | RevealedPrices
    | ConflictDeclaration
    | IntendedAward
    | Award
    | Answer
    | Amendment
    | Termination
    | DrawRequest
)


class TenderPeriod(Chronicle):
    """All steps until the deadline (OCDS tenderPeriod), and those that end a tender before its award."""

    def __init__(
        self,
        pool: Any,
        log: Log,
        *,
        key: SigningKey,
        trust: Trust,
        standings: Standings,
        clock: Clock,
        watch: Watch,
        spread: Spread,
        files: Files,
    ) -> None:
        """`watch` doubts the clock; `spread` says how many deadlines may fall together."""
        super().__init__(pool, log, key=key, standings=standings, clock=clock)
        self.watch = watch
        self.trust = trust
        self._authorities = trust.authorities()
        self._spread = spread
        self.files = files

    # ── publication ──────────────────────────────────────────────────────────────────────────────────

    async def publish(self, data: bytes) -> Tender:
        """An officer's notice waits for a second officer. The same notice again changes nothing."""
        statement, notice, officer = await self._genuine(data, Notice)
        tender = await asyncio.to_thread(published_as, notice, statement.id)
        check_law_stated(notice)
        self.trust.check_network(notice.network)
        if notice.witnesses != self.trust.witnesses:
            raise TenderError("other-witnesses", "the notice names other witnesses than this log's")
        history = await self._history(self.pool, notice.tender)
        _check_ocid(history, statement.id)
        if not history:
            now = self.now()
            # A notice that is still ahead will be published at its own time or never.
            check_publication(notice, parse_moment(notice.published) if _is_ahead(notice, now) else now)
            await self._check_people(self.pool, notice, None, now)
            await self.files.check_there(store.id_of(notice.tender), notice.documents)
            await self._check_previous(self.pool, notice)
            await self._check_slot(self.pool, notice.closes)
            due = parse_moment(notice.published)
            await store.add_draft(self.pool, draft_of("notice", notice.tender, statement, officer, now, due))
        return tender

    async def take_file(
        self, ocid: str, digest: str, data: bytes, chunks: AsyncIterator[bytes], length: int | None
    ) -> bool:
        """A file for a notice or an amendment that is still to come, which an officer offers by statement;
        whether it is new. `length` is how many bytes are said to come.

        Once the tender is published its officers may add files to it, until the box is shut.
        """
        _, offer, officer = await self._genuine(data, DocumentOffer)
        check_clock(offer.time, self.now())
        if (offer.tender, offer.sha256) != (ocid, digest) or length not in (None, offer.size):
            raise TenderError("document-differs", "another file was offered")
        tender_id = store.id_of(ocid)
        if await self.files.has(tender_id, digest, offer.size):
            await self.files.pass_over(chunks)
            return False
        if await self._history(self.pool, ocid):
            situation = await self.situation(ocid)
            situation.officials.check_in_charge(officer.registration)
            if situation.row.shut_at is not None:
                raise TenderError("deadline-passed", "the box is shut: the tender has the files that it has")
        await self.files.keep(tender_id, offer, chunks)
        return True

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
            await self._check_previous(connection, notice)
            await self._take_slot(connection, notice.closes)
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

    async def _countersigned(self, draft: Draft, statement: Statement, second: Certificate) -> bool:
        """What a second officer's word does to what it is about: whether that has come about now."""
        match draft.kind:
            case "amendment":
                await self._amend(draft, statement, second)
            case "termination":
                await self._terminate(draft, statement, second)
            case _ if _is_ahead(Statement(draft.body).read(Notice), self.now()):
                await self._schedule(draft, statement)
                return False
            case _:
                await self._publish(draft, statement)
        return True

    async def _check_previous(self, connection: Any, notice: Notice) -> None:
        """A re-tender takes the place of one that is over. Raises TenderError."""
        if notice.previous is None:
            return
        row = await store.load_tender(connection, notice.previous.tender)
        if row.notice_id != notice.previous.notice:
            raise TenderError("wrong-previous", "the earlier tender has another notice")
        if row.concluded_at is None:
            raise TenderError("previous-not-over", "the earlier tender is not over yet")

    # ── deadlines ────────────────────────────────────────────────────────────────────────────────────

    async def _check_slot(self, connection: Any, deadline: datetime, taken: int = 0) -> None:
        """There is room for one more deadline at that time, beside those that are counted already but for
        the `taken` ones of one's own. Raises TenderError, which names the next time that is free."""
        slot, most = self._spread.slot(deadline), self._spread.closings
        full = await store.full_slots(connection, slot, most + taken)
        if slot in full:
            busy = await store.full_slots(connection, slot, most)
            free = next(each for each in self._spread.after(slot) if each not in busy)
            raise TenderError(
                "slot-full",
                f"{most} deadlines fall into the {self._spread.seconds} s from {moment(slot)} on already:"
                f" the next free time begins at {moment(free)}",
            )

    async def _take_slot(self, connection: Any, deadline: datetime) -> None:
        """Of two that come at once for the last place one waits for the other. Raises TenderError."""
        await store.count_closing(connection, self._spread.slot(deadline), 1)
        await self._check_slot(connection, deadline, taken=1)

    async def _move_slot(self, connection: Any, before: datetime, after: datetime) -> None:
        if self._spread.slot(before) != self._spread.slot(after):
            await store.count_closing(connection, self._spread.slot(before), -1)
            await self._take_slot(connection, after)

    # ── enquiries ────────────────────────────────────────────────────────────────────────────────────

    async def enquire(self, ocid: str, data: bytes) -> str:
        """A business asks; who it is only officials read."""
        statement, enquiry, business = await self._genuine(data, Enquiry)
        async with self._step(ocid) as (connection, situation, now):
            check_about(situation, enquiry, business)
            if situation.heard(statement):
                return statement.id
            self._check_askable(situation, now)
            check_clock(enquiry.time, now)
            asked = [e.statement for e in situation.of(EventType.ENQUIRED)]
            own = await store.count_enquiries(connection, situation.row.tender_id, business.registration)
            if len(asked) >= MOST or own >= MOST_EACH:
                raise TenderError("too-many-enquiries", "no more questions are taken")
            await store.add_enquiry(
                connection, situation.row.tender_id, statement.id, business.registration, data
            )
            event = await self._event(connection, EventType.ENQUIRED, statement, now)
            await self._record(connection, situation, [event], [])
        self.log.appended.set()
        return statement.id

    def _check_askable(self, situation: Situation, now: datetime) -> None:
        until = situation.tender.notice.enquiries_until
        if until is None:
            raise TenderError("no-enquiries", "the notice takes no questions")
        if now >= parse_moment(until) or situation.row.shut_at is not None:
            raise TenderError("enquiries-over", "the time for questions is over")

    async def answer(self, ocid: str, data: bytes) -> str:
        """An officer in charge answers, once, for everybody."""
        statement, answer, officer = await self._genuine(data, Answer)
        async with self._step(ocid) as (connection, situation, now):
            check_in_charge(situation, answer, officer)
            if situation.heard(statement):
                return statement.id
            check_answer(answer, [e.statement for e in situation.of(EventType.ENQUIRED)])
            if situation.has(EventType.CLOSED) or situation.has(EventType.TERMINATED):
                raise TenderError("closed", "the tender is closed: an answer would come too late")
            subject = f"answer/{answer.enquiry}"
            await self._say_once(connection, situation, EventType.ANSWERED, statement, subject, now)
        return statement.id

    # ── amendments ───────────────────────────────────────────────────────────────────────────────────

    async def amend(self, ocid: str, data: bytes) -> str:
        """An officer's change of the terms waits for a second officer."""
        statement, amendment, officer = await self._genuine(data, Amendment)
        async with self._step(ocid) as (connection, situation, now):
            if not situation.heard(statement):
                await self._amended(situation, amendment, statement.id, officer, now)
                after = amendment.amended.closes
                if self._spread.slot(situation.row.deadline) != self._spread.slot(after):
                    await self._check_slot(connection, after)
                await store.add_draft(connection, draft_of("amendment", ocid, statement, officer, now))
        return statement.id

    async def _amended(
        self, situation: Situation, amendment: Amendment, id: str, officer: Certificate, now: datetime
    ) -> Edition:
        """The edition that follows. Raises TenderError, and what `check_notice` raises."""
        check_in_charge(situation, amendment, officer)
        editions = situation.tender.editions
        check_in_time(editions[-1], amendment.amended, now)
        if situation.row.shut_at is not None:
            raise TenderError("deadline-passed", "the box is shut: nothing can be amended any more")
        following = followed_by(editions, amendment, id, situation.row.head.seq + 1)[-1]
        await asyncio.to_thread(check_notice, following.notice)
        await self.files.check_there(situation.row.tender_id, following.notice.documents)
        return following

    async def _amend(self, draft: Draft, countersignature: Statement, second: Certificate) -> None:
        """Countersignature and amendment stand together in the tender's history, or neither does."""
        statement = Statement(draft.body)
        amendment = statement.read(Amendment)
        async with self._step(draft.ocid) as (connection, situation, now):
            if situation.heard(countersignature):
                return
            if situation.heard(statement):
                raise TenderError("said-before", "this was countersigned before")
            officer = await self.standings.certificate(connection, amendment.signer)
            following = await self._amended(situation, amendment, statement.id, officer, now)
            situation.officials.check_countersigning(officer.registration, second.registration)
            both = (EventType.AMENDMENT_COUNTERSIGNED, countersignature), (EventType.AMENDED, statement)
            await self._say(connection, situation, both, now)
            await self._move_slot(connection, situation.row.deadline, following.notice.closes)
            await store.amend(
                connection, situation.row.tender_id, following.terms.terms, following.notice.closes
            )

    # ── outages ──────────────────────────────────────────────────────────────────────────────────────

    async def extend(self, ocid: str) -> bool:
        """Where the rule of the notice says so, an outage before the deadline moves it; not by a clock in
        doubt."""
        row, at = await store.load_tender(self.pool, ocid), await self.clock.at(self.pool)
        if await self.extension_due(self.pool, row, await self.tender(ocid), at) is None:
            return False  # without the lock, which would hold up bids
        async with self._step(ocid) as (connection, situation, now):
            extension = await self.extension_due(connection, situation.row, situation.tender, now)
            if extension is None or self.watch.check(await self.clock.at(connection)):
                return False
            statement = self._signed(extension)
            seq = situation.row.head.seq
            following = followed_by(situation.tender.editions, extension, statement.id, seq)[-1]
            await self._say(connection, situation, [(EventType.EXTENDED, statement)], now)
            before, after = situation.row.deadline, following.notice.closes
            for deadline, more in ((before, -1), (after, 1)):  # nobody chose the time: it may be full
                await store.count_closing(connection, self._spread.slot(deadline), more)
            await store.amend(connection, situation.row.tender_id, following.terms.terms, after)
        return True

    async def extension_due(
        self, connection: Any, row: TenderRow, tender: Tender, now: datetime
    ) -> Extension | None:
        """The extension that outages call for and that is not made yet; none for a box that is shut."""
        latest = tender.editions[-1]
        rule = latest.notice.outage
        if rule is None or row.shut_at is not None or len(tender.editions) >= MOST_EDITIONS:
            return None
        found = await store.load_gaps(connection, latest.notice.closes - timedelta(seconds=rule.window))
        over = [Gap(start=moment(start), end=moment(end)) for start, end in found if end <= now]
        gaps = counting(latest, over)
        deadline = extended(latest.notice, gaps)
        if deadline is None:
            return None
        return Extension(
            signer=self.key.fingerprint,
            tender=row.ocid,
            notice=row.notice_id,
            previous=latest.statement,
            gaps=tuple(gaps),
            deadline=moment(deadline),
            round=next_round(latest.notice, deadline),
            time=moment(now),
        )

    async def may_move(self, connection: Any, row: TenderRow, tender: Tender, now: datetime) -> bool:
        """Whether an outage is to move the deadline, or may be: while nobody says that bids are taken again,
        as after a start, the ledger does not know yet that there was one."""
        if tender.notice.outage is None or row.shut_at is not None:
            return False
        down = await store.down_since(connection, now)
        going_on = [Gap(start=moment(down), end=moment(now))] if down else []
        if len(tender.editions) < MOST_EDITIONS and counting(tender.editions[-1], going_on):
            return True
        return await self.extension_due(connection, row, tender, now) is not None

    # ── an end without an award ──────────────────────────────────────────────────────────────────────

    async def terminate(self, ocid: str, data: bytes) -> str:
        """An officer's word that a tender ends without an award waits for a second officer."""
        statement, termination, officer = await self._genuine(data, Termination)
        async with self._step(ocid) as (connection, situation, now):
            if not situation.heard(statement):
                self._check_terminable(situation, termination, officer)
                await store.add_draft(connection, draft_of("termination", ocid, statement, officer, now))
        return statement.id

    def _check_terminable(self, situation: Situation, termination: Termination, officer: Certificate) -> None:
        check_in_charge(situation, termination, officer)
        if situation.has(EventType.AWARDED) or situation.has(EventType.TERMINATED):
            raise TenderError("concluded", "the tender is over")

    async def _terminate(self, draft: Draft, countersignature: Statement, second: Certificate) -> None:
        """From then on no bid is taken, and none is opened that is not open."""
        statement = Statement(draft.body)
        termination = statement.read(Termination)
        async with self._step(draft.ocid) as (connection, situation, now):
            if situation.heard(countersignature):
                return
            officer = await self.standings.certificate(connection, termination.signer)
            self._check_terminable(situation, termination, officer)
            situation.officials.check_countersigning(officer.registration, second.registration)
            both = (EventType.TERMINATION_COUNTERSIGNED, countersignature), (EventType.TERMINATED, statement)
            await self._say(connection, situation, both, now)
            if now < situation.row.deadline:
                await store.count_closing(connection, self._spread.slot(situation.row.deadline), -1)
            await store.terminate(connection, situation.row.tender_id, now)
            if situation.has(EventType.CLOSED):
                await store.conclude(connection, situation.row.tender_id, now)

    # ── joint bids ───────────────────────────────────────────────────────────────────────────────────

    async def co_sign(self, ocid: str, data: bytes) -> str:
        """A partner's word that the envelope it names, which is still to come, is its bid, too.

        The first such word stands: its id is given for every other one on the same envelope.
        """
        row = await store.load_tender(self.pool, ocid)
        tender, now = await self.tender_of(self.pool, row), await self.clock.at(self.pool)
        statement, given, partner = await self.standings.genuine(self.pool, data, CoSignature, now)
        if (given.tender, given.notice) != (ocid, tender.notice_id):
            raise TenderError("another-tender", "the statement is about another tender")
        (await self.officials(tender)).check_admits(partner.registration)
        tender_id, key = store.id_of(ocid), (given.envelope, partner.fingerprint)
        late = now >= tender.notice.closes and not await self.may_move(self.pool, row, tender, now)
        if row.terminated_at is None and (not late or self.watch.check(now)):
            word = StoredCoSignature(
                envelope=given.envelope, fingerprint=partner.fingerprint, id=statement.id, body=data
            )
            await box.add_co_signature(self.pool, tender_id, word)
        stands = await box.load_co_signatures(self.pool, tender_id, [given.envelope])
        if key not in stands and row.terminated_at is not None:
            raise EnvelopeError("terminated", "the tender has ended without an award")
        if key not in stands:
            raise EnvelopeError("after-deadline", "the deadline has passed")
        return stands[key].id


def _check_ocid(history: Sequence[Entry], notice_id: str) -> None:
    if history and history[0].notice != notice_id:
        raise TenderError("ocid-taken", "a tender with this ocid was published before")


def _new_row(tender: Tender) -> TenderRow:
    return TenderRow(
        tender_id=store.id_of(tender.notice.tender),
        ocid=tender.notice.tender,
        notice_id=tender.notice_id,
        deadline=tender.notice.closes,
        terms=tender.terms.terms,
        shut_at=None,
        terminated_at=None,
        concluded_at=None,
        head=Head(tender=tender.notice.tender, notice=tender.notice_id),
    )


def draft_of(
    kind: DraftKind,
    ocid: str,
    statement: Statement,
    officer: Certificate,
    now: datetime,
    due: datetime | None = None,
) -> Draft:
    """What waits for a second officer."""
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


def check_about(situation: Situation, said: OfficialsWord | Enquiry | Said, who: Certificate) -> None:
    """The statement is about this tender, by somebody whom it admits. Raises TenderError."""
    situation.officials.check_admits(who.registration)
    if (said.tender, said.notice) != (situation.row.ocid, situation.row.notice_id):
        raise TenderError("another-tender", "the statement is about another tender")


def check_in_charge(situation: Situation, said: OfficialsWord, officer: Certificate) -> None:
    """About this tender, by one of its two officers. Raises TenderError."""
    check_about(situation, said, officer)
    situation.officials.check_in_charge(officer.registration)


def _is_ahead(notice: Notice, now: datetime) -> bool:
    """Whether the notice's time is still to come, so that it waits for it."""
    return parse_moment(notice.published) - now >= PROMPT
