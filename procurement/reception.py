"""Where bids come in: everything that bidders send in a rush is looked at, kept and answered in batches.

::

    submit ──► examine: form, terms, signature ──► keep: one transaction for all ──► answer: receipt
               (off the loop, many at a time)       that came during the one before    or promise

Who comes alone waits for nobody: a batch is whatever came since the last one was begun. Whether something was
in time the database's clock decides, after the tender's row is locked. A step that holds a tender's row keeps
nobody waiting who bids for another one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import msgspec

import bids.store as box
from bids import intake
from bids.envelope import Envelope, SubmissionTerms, Withdrawal, check
from bids.errors import EnvelopeError
from bids.intake import Arrival, Intake, Raced
from bids.receipts import Refusal
from bids.store import StoredEnvelope
from crypto.certificates import Certificate, Role
from crypto.encoding import moment, sha256
from crypto.errors import LogError, VerificationError
from crypto.merkle import leaf_hash
from crypto.revocation import Standing
from crypto.statements import Statement, sign
from procurement import database, store
from procurement.chronicle import Tender
from procurement.duties import Officials
from procurement.errors import TenderError
from procurement.registry import store as registry
from procurement.registry.standings import Standings
from procurement.store import TenderRow
from procurement.tender_period import TenderPeriod
from procurement.timekeeping import Watch

PROMPT_ANSWER = 2.0  # seconds that a bidder waits for the log, before a promise
MOST_UNDER_WAY = 4096  # bodies that wait for a batch
USUAL = 64 * 1024  # bytes of a body that are always let in, so that large ones never crowd out others
MOST_BYTES = 64 * 1024 * 1024  # of bodies under way together, beyond what is usual of each
BATCH = 128  # arrivals
BATCH_BYTES = 8 * 1024 * 1024
REST = 0.02  # seconds after a batch, so that under load many share what each batch costs
OLDEST = 20.0  # seconds that an entry may wait for the log while it is still promised to others
LOOK = 1.0  # seconds between looks at the log's queue
AT_ONCE = 8  # of one bidder under way
BURST, PER_SECOND = 60, 2.0  # of one bidder: so many in a row, then so many a second
LONGEST_DETAIL = 300  # characters: what is wrong may be quoted at length in an error's message

_REDONE_AFTER = (0.0, 0.02, 0.1, 0.5, 1.5)  # seconds: a batch whose commit is uncertain or was raced
_AWAY = (*database.AWAY, asyncpg.TooManyConnectionsError)
_UNCERTAIN = (Raced, asyncpg.TransactionRollbackError, *_AWAY)
_WAITING_LINES = 2  # of tenders whose row is held by a step

_OF_OTHER_TERMS = ("wrong-terms", "wrong-round")
"""Codes of envelopes that may be right by terms that are newer than those at hand."""

T = TypeVar("T")


class Pushback(Exception):
    """Not now: nothing is wrong with what was sent, and nothing of it was kept. `seconds` is when to come
    back."""

    def __init__(self, code: str, detail: str, seconds: int) -> None:
        super().__init__(detail)
        self.code = code
        self.seconds = seconds


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the box of the tender `ocid`: nothing that happens from now on can be a refusal."""

    ocid: str
    notice: str
    stored: StoredEnvelope


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt, signed, with the proof that its commitment is in the log."""

    receipt: bytes
    proof: str


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """A signed promise that the log will have it."""

    promise: bytes


class Room:
    """What a request under way takes up."""

    def __init__(self, reception: "Reception") -> None:
        self._reception, self.taken = reception, 0

    def take(self, size: int) -> None:
        """So many bytes more. Raises Pushback."""
        before, self.taken = self.taken, self.taken + size
        more = max(self.taken, USUAL) - max(before, USUAL)
        self._reception.bytes_under_way += more
        if more and self._reception.bytes_under_way > MOST_BYTES:
            raise Pushback("busy", "too much is under way: send the same again", 2)


class Limits:
    """How much of one bidder's is let in: so many at once, and so many in a while."""

    def __init__(self, at_once: int, burst: int, per_second: float) -> None:
        self._at_once, self._burst, self._gap = at_once, burst, 1 / per_second
        self._inside: dict[str, int] = {}
        self._free_at: dict[str, float] = {}
        """When, in monotonic seconds, all that was let in would have come at its pace."""

    def enter(self, name: str, now: float) -> None:
        """Raises Pushback; to be followed by `leave` else."""
        free_at = max(self._free_at.get(name, now), now) + self._gap
        if self._inside.get(name, 0) >= self._at_once or free_at - now > self._burst * self._gap:
            raise Pushback("too-many-requests", "too much at once from one bidder: send the same again", 2)
        self._inside[name] = self._inside.get(name, 0) + 1
        self._free_at[name] = free_at
        if len(self._free_at) > 2 * MOST_UNDER_WAY:
            self._free_at = {each: at for each, at in self._free_at.items() if at > now}

    def leave(self, name: str) -> None:
        self._inside[name] -= 1
        if not self._inside[name]:
            del self._inside[name]


@dataclass(eq=False)
class _Sent:
    """A body on its way, and what becomes of it."""

    tender: Tender
    officials: Officials
    form: type[Envelope] | type[Withdrawal]
    data: bytes
    salt: str
    outcome: "asyncio.Future[StoredEnvelope]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    bidder: str | None = None
    """Registration number of whoever is let in with it."""

    @property
    def size(self) -> int:
        return len(self.data)

    def settle(self, outcome: StoredEnvelope | Exception) -> None:
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


@dataclass(eq=False)
class _Examined:
    """One in which everything is right that can be said without the box."""

    sent: _Sent
    arrival: Arrival

    @property
    def size(self) -> int:
        return self.sent.size

    @property
    def tender_id(self) -> UUID:
        return self.arrival.tender_id

    def settle(self, outcome: StoredEnvelope | Exception) -> None:
        self.sent.settle(outcome)


S = TypeVar("S", bound=_Sent | _Examined)


class _Line(Generic[S]):
    """Works off what comes, one batch at a time."""

    def __init__(self, work: Callable[[list[S]], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: deque[S] = deque()
        self._working: asyncio.Task[None] | None = None

    def put(self, sent: S) -> None:
        self._waiting.append(sent)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            batch = self._take()
            try:
                await self._work(batch)
            except (VerificationError, *_UNCERTAIN) as error:
                for each in batch:
                    each.settle(error)
            except Exception:  # what one of them brought about is not the others' fault
                for each in batch:
                    await self._alone(each)
            await asyncio.sleep(REST)

    async def _alone(self, sent: S) -> None:
        try:
            await self._work([sent])
        except Exception as error:
            sent.settle(error)

    def _take(self) -> list[S]:
        batch = [self._waiting.popleft()]
        size = batch[0].size
        while self._waiting and len(batch) < BATCH and size + self._waiting[0].size <= BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += batch[-1].size
        return batch


class _Batch:
    """Decides what came, one after the other, from what was read in one transaction. Works without database
    and without a loop."""

    def __init__(
        self,
        rows: Mapping[UUID, TenderRow | None],
        taken: Intake,
        standing: Standing,
        represented: Mapping[str, set[str]],
        at: datetime,
        *,
        in_doubt: bool,
    ) -> None:
        """`rows` are the tenders', locked; None for one that is shut."""
        self._rows, self._intake, self._standing = rows, taken, standing
        self._represented, self._at, self._in_doubt = represented, at, in_doubt

    def decide(self, batch: Sequence[_Examined]) -> list[StoredEnvelope | Exception]:
        """In the order of `batch`: what is in the box, or why it is not."""
        return [self._outcome(each.arrival, each.sent.officials) for each in batch]

    def _outcome(self, arrival: Arrival, officials: Officials) -> StoredEnvelope | Exception:
        try:
            return self._admitted(arrival, officials)
        except VerificationError as error:
            return error

    def _admitted(self, arrival: Arrival, officials: Officials) -> StoredEnvelope:
        # A bidder whose answer was lost gets the receipt for what was in time, even if revoked since.
        if found := self._intake.find(arrival):
            return found
        self._check_open(arrival)
        for each in arrival.bidders:
            self._standing.verify(each, Role.BUSINESS, self._at)
        officials.check_apart(arrival.registrations)
        self._intake.check(arrival)
        self._check_represented(arrival, officials)
        return self._intake.admit(arrival, self._at, self._standing.id, in_doubt=self._in_doubt)

    def _check_open(self, arrival: Arrival) -> None:
        """Raises EnvelopeError. Whoever comes too late finds the box shut, or the terms changed."""
        row = self._rows[arrival.tender_id]
        if row is not None and row.terminated_at is not None:
            raise EnvelopeError("terminated", "the tender has ended without an award")
        if row is None or row.shut_at is not None:
            raise EnvelopeError("after-deadline", "the deadline has passed")
        if isinstance(arrival.said, Envelope) and arrival.said.context.terms != row.terms:
            raise EnvelopeError("wrong-terms", "the terms have changed: the bid has to be sealed anew")

    def _check_represented(self, arrival: Arrival, officials: Officials) -> None:
        """No representative of theirs is an official of the tender.

        Asked last, of those who have signed, and without a name: who represents whom is private.
        """
        people = set[str]().union(*(self._represented[each] for each in arrival.registrations))
        try:
            officials.check_apart(people)
        except TenderError as error:
            raise TenderError(error.code, "an official of this tender represents a bidder") from error


class Reception:
    """The bid boxes' front door, for one process: its connections, threads, queues and limits."""

    def __init__(
        self,
        chronicle: TenderPeriod,
        pool: Any,
        *,
        watch: Watch,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`pool` is for nobody else, so that readers of the site leave it alone; `watch` doubts the clock."""
        self._chronicle, self._pool, self._watch, self._entropy = chronicle, pool, watch, entropy
        self._log, self._key = chronicle.log, chronicle.key
        self._standings, self._clock = chronicle.standings, chronicle.clock
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="reception")
        self._limits = Limits(AT_ONCE, BURST, PER_SECOND)
        self._tenders: dict[str, tuple[Tender, Officials]] = {}
        self._learning = asyncio.Lock()
        self._to_examine = _Line(self._examine)
        self._to_keep = _Line(self._keep_what_is_free)
        self._held: dict[UUID, _Line[_Examined]] = {}
        self._shut: dict[UUID, datetime] = {}
        """Tenders that were seen shut, which they stay, with their deadline."""
        self._patience = asyncio.Semaphore(_WAITING_LINES)
        self._looked, self._behind, self._oldest = float("-inf"), 0.0, (-1, 0.0)
        self._sure: tuple[datetime, float] | None = None
        """A time that was not in doubt, and when that was by the monotonic clock."""
        self._under_way = 0
        self.bytes_under_way = 0

    # ── coming in ────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def room(self) -> Iterator[Room]:
        """For one request, from before its body is read until it is kept or refused."""
        room = Room(self)
        try:
            yield room
        finally:
            self.bytes_under_way -= max(room.taken - USUAL, 0)

    async def submit_bid(self, ocid: str, data: bytes) -> Kept:
        """A business puts a sealed envelope into the box; the same again finds it there.

        Raises Pushback, or VerificationError, of which `refuse` makes a signed refusal: it is not in the box.
        """
        return await self._submit(ocid, data, Envelope)

    async def withdraw(self, ocid: str, data: bytes) -> Kept:
        """A business takes its bid back by a signed withdrawal; the same again finds it there. Raises what
        `submit_bid` raises."""
        return await self._submit(ocid, data, Withdrawal)

    async def _submit(self, ocid: str, data: bytes, form: type[Envelope] | type[Withdrawal]) -> Kept:
        if self._under_way >= MOST_UNDER_WAY:
            raise Pushback("busy", "too many are under way: send the same again", 2)
        self._under_way += 1
        try:
            return await self._submitted(ocid, data, form)
        finally:
            self._under_way -= 1

    async def _submitted(self, ocid: str, data: bytes, form: type[Envelope] | type[Withdrawal]) -> Kept:
        known = self._tenders.get(ocid) or await self._learn(ocid, None)
        await self.check_log()
        try:
            stored = await self._taken(known, data, form)
        except EnvelopeError as error:
            again = await self._learn(ocid, known) if error.code in _OF_OTHER_TERMS else known
            if again is known:
                raise
            stored = await self._taken(again, data, form)
        return Kept(ocid=ocid, notice=known[0].notice_id, stored=stored)

    async def _taken(
        self, known: tuple[Tender, Officials], data: bytes, form: type[Envelope] | type[Withdrawal]
    ) -> StoredEnvelope:
        sent = _Sent(*known, form, data, self._entropy(32).hex())
        self._to_examine.put(sent)
        try:
            return await sent.outcome
        finally:
            if sent.bidder is not None:
                self._limits.leave(sent.bidder)

    async def _learn(self, ocid: str, known: tuple[Tender, Officials] | None) -> tuple[Tender, Officials]:
        """What is asked of a tender takes its time to find out: once for all who come, and again when its
        terms have changed since it was `known`."""
        async with self._learning:
            if ocid not in self._tenders or self._tenders[ocid] is known:
                tender = await self._chronicle.tender(ocid)
                if known is None or tender.terms != known[0].terms:
                    self._tenders[ocid] = tender, await self._chronicle.officials(tender)
            return self._tenders[ocid]

    async def beat(self) -> None:
        """Says in the ledger that bids are taken, by the very connections that take them: nobody makes an
        outage by keeping others busy. Raises Pushback.

        While the clock is in doubt bids are taken, too: when, the clock says that nobody can turn, since the
        last time that there was no doubt.
        """
        await self.check_log()
        async with self._pool.acquire() as connection:
            at, now = await self._clock.at(connection), self._clock.monotonic()
            if self._watch.check(at) is None:
                self._sure = at, now
            if self._sure is not None:
                then, since = self._sure
                await store.beat(connection, then + timedelta(seconds=now - since))

    async def check_log(self) -> None:
        """Bids can be taken: nobody is promised what cannot be kept. Raises Pushback."""
        now = self._clock.monotonic()
        if now - self._looked > LOOK:
            self._looked = now
            self._behind = await self._backlog(now)
        if self._behind > OLDEST:
            raise Pushback("log-behind", "the log is behind: send the same again", 5)

    async def _backlog(self, now: float) -> float:
        """Seconds that the oldest entry has waited for the log: by the database's clock, which may have been
        turned, or by ours since it was seen."""
        oldest, age = await self._log.oldest() or (-1, 0.0)
        if oldest != self._oldest[0]:
            self._oldest = oldest, now
        return max(age, now - self._oldest[1]) if oldest >= 0 else 0.0

    # ── examining ────────────────────────────────────────────────────────────────────────────────────

    async def _examine(self, batch: list[_Sent]) -> None:
        """Form, terms and signature of each, in a thread; those in which all is right go on to be kept."""
        read = await self._off_the_loop(lambda: [_read(each) for each in batch])
        named = [name for each in read if isinstance(each, _Read) for name in each.signers]
        known = await self._standings.known(self._pool, named)
        examined = await self._off_the_loop(
            lambda: [_examined(sent, each, known) for sent, each in zip(batch, read, strict=True)]
        )
        for sent, arrival in zip(batch, examined, strict=True):
            self._let_in(sent, arrival)

    def _let_in(self, sent: _Sent, arrival: Arrival | Exception) -> None:
        if isinstance(arrival, Exception):
            sent.settle(arrival)
            return
        name = arrival.lead.registration
        try:
            self._limits.enter(name, self._clock.monotonic())
        except Pushback as error:
            sent.settle(error)
            return
        sent.bidder = name
        self._to_keep.put(_Examined(sent, arrival))

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # ── keeping ──────────────────────────────────────────────────────────────────────────────────────

    async def _keep_what_is_free(self, batch: list[_Examined]) -> None:
        """What comes to a tender whose row is held has a line of its own."""
        for sent in await self._keep(batch, wait=False):
            tender_id = sent.tender_id
            self._held.setdefault(tender_id, _Line(self._keep_when_free)).put(sent)

    async def _keep_when_free(self, batch: list[_Examined]) -> None:
        async with self._patience:
            await self._keep(batch, wait=True)

    async def _keep(self, batch: list[_Examined], *, wait: bool) -> list[_Examined]:
        """Settles what it can; returns those whose tender is held by somebody, unless it is to `wait`.

        A batch whose commit is uncertain is done again: what was kept is found.
        """
        for pause in _REDONE_AFTER:
            try:
                return await self._keep_once(batch, wait=wait)
            except _UNCERTAIN:
                await asyncio.sleep(pause)
        return await self._keep_once(batch, wait=wait)

    async def _keep_once(self, batch: list[_Examined], *, wait: bool) -> list[_Examined]:
        if wait:
            await self._shut_overdue(batch)
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await self._lock(connection, batch, wait=wait)
            self._shut |= {each: row.deadline for each, row in rows.items() if row and _is_shut(row)}
            at = await self._clock.at(connection)  # after the lock
            in_doubt = self._watch.check(at) is not None
            overdue = set() if in_doubt else _overdue(rows, at)
            if overdue and wait:
                raise Raced  # the deadline has passed since `_shut_overdue`
            free = [each for each in batch if each.tender_id in rows.keys() - overdue]
            outcomes = await self._decide(connection, free, rows, at, in_doubt=in_doubt) if free else []
        for sent, outcome in zip(free, outcomes, strict=True):
            sent.settle(outcome)
        self._log.appended.set()
        return [each for each in batch if each.tender_id not in rows.keys() - overdue]

    async def _decide(
        self,
        connection: Any,
        batch: list[_Examined],
        rows: Mapping[UUID, TenderRow | None],
        at: datetime,
        *,
        in_doubt: bool,
    ) -> list[StoredEnvelope | Exception]:
        arrivals = [each.arrival for each in batch]
        taken = await Intake.look(connection, arrivals)
        names = {name for each in arrivals for name in each.registrations}
        decided = _Batch(
            rows,
            taken,
            await self._standings.current(connection),
            await registry.represented_by(connection, names),
            at,
            in_doubt=in_doubt,
        )
        outcomes = await self._off_the_loop(lambda: decided.decide(batch))
        await taken.keep(connection, self._log)
        return outcomes

    async def _lock(
        self, connection: Any, batch: Sequence[_Examined], *, wait: bool
    ) -> dict[UUID, TenderRow | None]:
        """By tender its row, which nobody changes until the end of the transaction; none of one that somebody
        else holds; None of one that is shut, whose row the late are not to hold up."""
        closes = {each.tender_id: each.sent.tender.notice.closes for each in batch}
        due = {each for each, deadline in closes.items() if self._clock.now() >= deadline} - self._shut.keys()
        self._shut |= await store.find_shut(connection, due) if due else {}
        rows: dict[UUID, TenderRow | None] = dict.fromkeys(closes.keys() & self._shut.keys())
        for tender_id in sorted(closes.keys() - rows.keys()):
            if row := await store.share_tender(connection, tender_id, wait=wait):
                rows[tender_id] = row
        return rows

    async def _shut_overdue(self, batch: Sequence[_Examined]) -> None:
        """Nobody is refused as late before the box is shut, which waits for whatever is on its way into it:
        the same statement may have come twice, and its commit be under way in a process that is dead."""
        for tender_id in {each.tender_id for each in batch} - self._shut.keys():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await store.claim_tender(connection, tender_id)
                at = await self._clock.at(connection)
                if self._watch.check(at) is None and _overdue({tender_id: row}, at):
                    await self._check_extended(connection, row, at)
                    await store.shut(connection, tender_id, at)

    async def _check_extended(self, connection: Any, row: TenderRow, at: datetime) -> None:
        """Nobody is late where an outage is about to move the deadline. Raises Pushback.

        Asked on the one connection that holds the row: those of the steps may all be waiting for it.
        """
        tender = await self._chronicle.tender_of(connection, row)
        if await self._chronicle.may_move(connection, row, tender, at):
            raise Pushback("extending", "the deadline is about to move: send the same again", 2)

    # ── answering ────────────────────────────────────────────────────────────────────────────────────

    async def find(self, ocid: str, id: str) -> Kept:
        """What was kept of the statement with that id. Raises TenderError."""
        tender = await self._chronicle.tender(ocid)
        stored = await box.load_envelope(self._pool, store.id_of(ocid), id)
        if stored is None:
            raise TenderError("no-such-statement", "no such statement is in the box of this tender")
        return Kept(ocid=ocid, notice=tender.notice_id, stored=stored)

    async def answer(self, kept: Kept) -> Accepted | Promised:
        """The receipt as soon as the log has the commitment, or the promise of it; whenever it is asked for,
        they say the same."""
        given = kept.stored, kept.ocid, kept.notice, self._key
        leaf = leaf_hash(intake.entry(kept.stored, kept.notice))
        try:
            proof = await self._log.prove(leaf, PROMPT_ANSWER)
        except (TimeoutError, LogError, *_AWAY):
            return Promised(promise=sign(intake.promise(*given), self._key))
        return Accepted(receipt=sign(intake.receipt(*given), self._key), proof=proof)

    def refuse(self, ocid: str, data: bytes, error: VerificationError) -> bytes:
        """The signed refusal of a bid or withdrawal, with the server's time."""
        refusal = Refusal(
            signer=self._key.fingerprint,
            tender=ocid,
            received=sha256(data).hex(),
            statement=_id_of(data),
            reason=error.code,
            detail=str(error)[:LONGEST_DETAIL],
            time=moment(self._refused_at(ocid, error)),
        )
        return sign(refusal, self._key)

    def _refused_at(self, ocid: str, error: VerificationError) -> datetime:
        """Now; but the database's clock said that the deadline had passed, and this one may be behind it."""
        now = self._clock.now()
        late = error.code == "after-deadline"
        return max(now, self._shut.get(store.id_of(ocid), now)) if late else now


class _Read(NamedTuple):
    """A statement of the right form, and the fingerprints of who is said to bid by it, the lead's first."""

    statement: Statement
    said: Envelope | Withdrawal
    signers: tuple[str, ...]


def _read(sent: _Sent) -> _Read | VerificationError:
    try:
        statement = Statement(sent.data)
        said = statement.read(sent.form)
    except VerificationError as error:
        return error
    partners = said.consortium if isinstance(said, Envelope) else ()
    return _Read(statement, said, (said.signer, *partners))


def _examined(
    sent: _Sent, read: _Read | VerificationError, known: Mapping[str, Certificate]
) -> Arrival | VerificationError:
    if isinstance(read, VerificationError):
        return read
    try:
        return _arrival(sent, read, known)
    except VerificationError as error:
        return error


def _arrival(sent: _Sent, read: _Read, known: Mapping[str, Certificate]) -> Arrival:
    lead = Standings.among(known, read.signers[0])
    read.statement.verify(sent.form, lead)
    if isinstance(read.said, Envelope):
        check(read.said, _terms_of(read.said, sent.tender))
    else:
        _check_withdrawal(read.said, sent.tender.terms)
    return Arrival(
        tender_id=store.id_of(sent.tender.notice.tender),
        notice=sent.tender.notice_id,
        statement=read.statement,
        said=read.said,
        lead=lead,
        partners=tuple(Standings.among(known, each) for each in read.signers[1:]),
        salt=sent.salt,
    )


def _terms_of(envelope: Envelope, tender: Tender) -> SubmissionTerms:
    """Those it was sealed under, if they were the tender's once: it may be in the box already."""
    known = {each.terms.terms: each.terms for each in tender.editions}
    return known.get(envelope.context.terms, tender.terms)


def _check_withdrawal(withdrawal: Withdrawal, terms: SubmissionTerms) -> None:
    for name in ("tender", "notice"):
        if getattr(withdrawal, name) != getattr(terms, name):
            raise EnvelopeError(f"wrong-{name}", f"the withdrawal's {name} is not this tender's")


def _is_shut(row: TenderRow) -> bool:
    """After its deadline, which moves no more."""
    return row.shut_at is not None and row.terminated_at is None


def _overdue(rows: Mapping[UUID, TenderRow | None], at: datetime) -> set[UUID]:
    """Which boxes are still open after their deadline."""
    return {each for each, row in rows.items() if row and row.shut_at is None and at >= row.deadline}


def _id_of(data: bytes) -> str | None:
    try:
        return Statement(data).id
    except VerificationError:
        return None
