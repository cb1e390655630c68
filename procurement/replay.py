"""A past tender lives again, sealed, over HTTP: officer, bidders, panel and committee in one process.

Everybody has a key, a certificate and a view of the log of their own, and signs what they would sign in
a real tender. Only the calendar is compressed, and one process holds all the keys.
"""

import asyncio
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from bids.client import POLL, Service, ServiceError, read_trust
from bids.envelope import Part, Withdrawal
from bids.opening import open_in_parallel
from bids.orders import Member
from crypto.certificates import Role, SigningKey
from crypto.encoding import moment
from crypto.statements import Payload, Statement, sign
from crypto.trust import Trust
from procurement import koneps, record, releases
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    CriterionScore,
    Evaluated,
    IntendedAward,
    LateClosing,
    RevealedPrices,
    SignedScores,
    first_in_line,
)
from procurement.case import Case, CaseError, Difference, PastBid, Result, compare, results
from procurement.client import (
    Announced,
    path_of,
    read_bids,
    read_closing,
    read_evaluation,
    read_notice,
    read_openings,
    sign_orders,
    submit_bid,
)
from procurement.errors import RecordError
from procurement.evaluation import criteria
from procurement.practice import convene
from procurement.registry import applicant
from procurement.registry.invitation import Invitation
from procurement.tenders import Bid, Contact, LotOffer, Notice, Proposal, padded

OCID_PREFIX = "ocds-0s3al1"
THRESHOLD, MEMBERS = 2, 3

LEAD = timedelta(seconds=5)
"""From publication to the deadline, as often as anybody bids anew, and a bit more for every bidder; but no
less than three times what it took to admit everybody, so that a slow machine has as much more."""
LEAD_PER_BID = timedelta(milliseconds=150)
MARGIN = timedelta(seconds=3)
"""From the deadline to the opening at the earliest: closing and witnesses come in between."""
STANDSTILL = 1  # second
START_PATIENCE = 120  # seconds; the first start makes a database
LONGEST_NAME = 64  # bytes of a common name (RFC 5280, ub-common-name)
AT_ONCE = 8
"""Bidders that are at work at a time."""

A = TypeVar("A")
T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Told a step, how much of it is done, and how much there is."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What came out, beside what was published: of all lots the ranking, of the first what else there is.

    `notes` say what of the publication was not replayed; `record` is the SHA-256 that names the award record.
    """

    ocid: str
    rule_set: str
    expected_price: str | None
    drawn_numbers: tuple[int, ...] | None
    floor_amount: str | None
    ranking: list[Result]
    agrees: bool
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    record: str


def load_case(path: Path, salt: str) -> Case:
    """The case at `path`: a folder of KONEPS's answers, whose secret prices `salt` (64 hex digits) hides, or
    a file of OCDS. Raises CaseError."""
    try:
        if path.suffix == ".json" or path.is_file():
            return releases.read_case(path.read_bytes())
        names = [name for name in (koneps.NOTICE, koneps.BIDS, koneps.PRICES) if (path / name).is_file()]
        return koneps.read_case({name: (path / name).read_bytes() for name in names}, salt)
    except CaseError as error:
        raise CaseError(f"{path}: {error}") from error
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}") from error


@contextmanager
def practice_service() -> Iterator[tuple[str, str]]:
    """The address of a service that runs as long as the block and leaves nothing behind, and the one-time
    code of its first registrar.

    Raises ServiceError if it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="openseal-"))
    folder.chmod(0o755)  # root's database runs under another account, which has to pass through
    try:
        with _running(folder) as url:
            yield url, Invitation(folder / "keys" / "invitation").code() or ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "procurement", "serve", "--port", str(port), "--data-dir", str(folder)]
    with (
        (folder / "service.log").open("w+b") as log,
        subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process,
    ):
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: BinaryIO) -> None:
    end = time.monotonic() + START_PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(POLL)
    log.seek(0)
    said = log.read().decode(errors="replace").strip().splitlines()
    raise ServiceError("unreachable", f"the service did not start: {said[-1] if said else 'no reason given'}")


def connect(base_url: str) -> httpx.AsyncClient:
    """A connection for all the parties of a replay. Raises ServiceError for no address."""
    limits = httpx.Limits(max_connections=2 * AT_ONCE)
    headers = {"Content-Type": "application/json"}
    try:
        return httpx.AsyncClient(
            base_url=base_url, headers=headers, limits=limits, timeout=30, trust_env=False
        )
    except httpx.InvalidURL as error:
        raise ServiceError("unreachable", f"{base_url} is no address: {error}") from error


async def let_in(http: httpx.AsyncClient, code: str) -> SigningKey:
    """A practice registrar, by the one-time code. Raises ServiceError, or VerificationError's kinds."""
    line, key = Service(http, await read_trust(http)), ec.generate_private_key(ec.SECP256R1())
    names = "Practice registrar", "replay-registrar"
    return await applicant.enrol(line, key, Role.REGISTRAR, *names, code=code)


async def replay(
    case: Case,
    http: httpx.AsyncClient,
    registrar: SigningKey,
    progress: Progress,
    relays: Sequence[str] = (),
) -> tuple[Replayed, bytes]:
    """The case from notice to verified award record at a service on this machine; also the record.

    Everybody in it is admitted by `registrar`. `relays` are those of the service's beacon, where it is a
    public one.
    Raises ServiceError, or VerificationError's kinds: RecordError where the record does not verify.
    """
    play = _Play(case, http, registrar, await read_trust(http), progress, relays)
    evaluated = await play.life()
    progress("award record", 0, 1)
    data = await play.office.wait_for(f"{play.path}/record")
    verdict = await asyncio.to_thread(record.verify, data, play.trust, open_in_parallel)
    if verdict.outcome != "verified":
        last = verdict.steps[-1]
        raise RecordError(f"award record refused at step {last.number}, {last.title}: {last.findings[0]}")
    progress("award record", 1, 1)
    return _replayed(case, play.ocid, evaluated, verdict.record), data


class _Play:
    """One replay under way. Each step leaves behind what the next ones need."""

    def __init__(
        self,
        case: Case,
        http: httpx.AsyncClient,
        registrar: SigningKey,
        trust: Trust,
        progress: Progress,
        relays: Sequence[str],
    ) -> None:
        self.case = case
        self.registrar = registrar
        self.relays = relays
        self.trust = trust
        self.progress = progress
        self.ocid = f"{OCID_PREFIX}-{case.number[:40]}-{secrets.token_hex(4)}"
        self.path = path_of(self.ocid)
        self.http = http
        self.office = self.line()

    async def life(self) -> Evaluated:
        await self.enrol_everybody()
        await self.publish()
        await self.bid()
        await self.close()
        if self.tender.notice.parts == ("bid",):
            await self.open("bid")
            await self.reveal_prices()
        else:
            await self.open("technical")
            await self.score()
            await self.open("price")
        return await self.award()

    def line(self) -> Service:
        """A new party's own view of the service."""
        return Service(self.http, self.trust, relays=self.relays)

    async def enrol_everybody(self) -> None:
        began = time.monotonic()
        self.officer = await self.enrol(Role.OFFICER, "Practice officer", "replay-officer")
        self.second = await self.enrol(Role.OFFICER, "Practice second officer", "replay-second-officer")
        self.evaluator = await self.enrol(Role.EVALUATOR, "Practice evaluator", "replay-evaluator")
        members = [
            await self.enrol(Role.COMMITTEE, f"Practice member {i}", f"replay-member-{i}")
            for i in range(1, MEMBERS + 1)
        ]
        self.convened = convene(self.officer, members, THRESHOLD, datetime.now(UTC), secrets.token_bytes)
        self.bidders = await self.at_once("certificates", self.enrol_bidder, self.case.bids)
        self.admitting = timedelta(seconds=time.monotonic() - began)

    async def enrol_bidder(self, bid: PastBid) -> list[SigningKey]:
        """The lead's key, then its partners'."""
        return [
            await self.enrol(Role.BUSINESS, common_name(name), registration)
            for name, registration in zip(bid.names, bid.registrations, strict=True)
        ]

    async def enrol(self, role: Role, name: str, registration: str) -> SigningKey:
        key = ec.generate_private_key(ec.SECP256R1())
        return await applicant.enrol(self.office, key, role, name, registration, registrar=self.registrar)

    async def publish(self) -> None:
        """Two officers publish; the committee's members look at the tender they are to open."""
        notice = self.notice(datetime.now(UTC))
        statement = sign(notice, self.officer)
        await self.office.post("/api/v1/tenders", statement)
        await self.countersign(Statement(statement).id, Statement(statement).id)
        self.tender = await read_notice(self.office, self.ocid)
        self.seats: list[tuple[Member, Service, Announced]] = []
        for member in self.convened.members[:THRESHOLD]:
            line = self.line()
            self.seats.append((member, line, await read_notice(line, self.ocid)))

    def notice(self, now: datetime) -> Notice:
        network = self.trust.networks[0]
        bids = self.case.bids
        rounds = 1 + max(len(bid.withdrawn) for bid in bids)
        deadline = now + max(rounds * LEAD + LEAD_PER_BID * len(bids), 3 * self.admitting)
        scored = any(criteria(lot.rules) for lot in self.case.lots)
        return Notice(
            signer=self.officer.fingerprint,
            tender=self.ocid,
            number=self.case.number,
            language=self.case.language,
            title=self.case.title,
            practice=True,
            procuring_entity=self.case.entity,
            buyer=self.case.buyer,
            contact=Contact(name="Practice officer"),
            currency=self.case.currency,
            lots=self.case.lots,
            published=moment(now),
            deadline=moment(deadline),
            standstill=STANDSTILL,
            network=network,
            round=str(network.round_at(deadline + MARGIN)),
            committee=self.convened.committee,
            transcript=self.convened.transcript,
            witnesses=self.trust.witnesses,
            evaluators=(self.evaluator.fingerprint,) if scored else (),
        )

    async def bid(self) -> None:
        bidders = list(zip(self.case.bids, self.bidders, strict=True))
        sealed = await self.at_once("sealed bids", self.submit, bidders)
        self.envelopes = dict(zip(sealed, self.case.bids, strict=True))

    async def submit(self, bidder: tuple[PastBid, list[SigningKey]]) -> str:
        """One bidder, from its own look at the notice to receipts that it has verified: what it withdrew is
        handed in and withdrawn, then comes the bid that stands. The id of the last statement."""
        bid, keys = bidder
        line = self.line()
        tender = await read_notice(line, self.ocid)
        last = None
        for offers in bid.withdrawn:
            envelope = await self.seal(line, tender, bidder, offers, last)
            last = await self.withdraw(line, tender, keys[0], envelope)
        return await self.seal(line, tender, bidder, bid.offers, last) if bid.offers else last or ""

    async def seal(
        self,
        line: Service,
        tender: Announced,
        bidder: tuple[PastBid, list[SigningKey]],
        offers: tuple[LotOffer, ...],
        previous: str | None,
    ) -> str:
        """The id of an envelope that all its bidders have signed and the service has receipted."""
        bid, (lead, *partners) = bidder
        price = padded(Bid(offers=offers))
        contents: dict[Part, bytes] = {"bid": price}
        if tender.notice.parts != ("bid",):
            contents = {"technical": padded(Proposal(proposal=f"Proposal of {bid.name}")), "price": price}
        return (await submit_bid(line, tender, lead, contents, partners, previous)).statement

    async def withdraw(self, line: Service, tender: Announced, key: SigningKey, envelope: str) -> str:
        said = Withdrawal(
            signer=key.fingerprint, tender=self.ocid, notice=tender.notice_id, previous=envelope
        )
        receipt = await line.withdraw(sign(said, key), tender.terms, tender.notice.deadline)
        return receipt.statement

    async def close(self) -> None:
        """The officer waits for the closing, and answers for it if it was witnessed too late."""
        self.progress("closing statement", 0, 1)
        closed = await read_closing(self.office, self.tender)
        if closed.witnessed >= self.tender.notice.opens:
            reason = "the machine of this practice tender was too slow to have the closing witnessed in time"
            late = LateClosing(**self.about(self.officer), closing=closed.closing_id, reason=reason)
            await self.say("late-closings", late, self.officer)
        self.progress("closing statement", 1, 1)

    async def open(self, part: Part) -> None:
        """As many members as it takes verify and sign; the last order makes the service open."""
        self.progress(f"opening: {part}", 0, 1)
        await asyncio.gather(
            *(sign_orders(line, tender, member, part) for member, line, tender in self.seats)
        )
        self.progress(f"opening: {part}", 1, 1)

    async def reveal_prices(self) -> None:
        await read_bids(self.office, self.ocid)
        if hidden := self.case.committed:
            about, lot = self.about(self.officer), self.case.lots[0].id
            revealed = RevealedPrices(**about, lot=lot, salt=hidden.salt, prices=hidden.prices)
            await self.say("reserve-prices", revealed, self.officer)

    async def score(self) -> None:
        """The evaluator gives every proposal that opened the score that was published."""
        opened = [each for each in await read_bids(self.line(), self.ocid) if each.opened("technical")]
        await self.declare(self.evaluator)
        scores = tuple(
            CriterionScore(
                bid=each.envelope, lot=lot.id, criterion=criterion.id, score=self.points(each.envelope)
            )
            for each in opened
            for lot in self.case.lots
            for criterion in criteria(lot.rules)
        )
        sheet = SignedScores(**self.about(self.evaluator), scores=scores, salt=secrets.token_hex(32))
        await self.say("score-sheets", sheet, self.evaluator)

    def points(self, envelope: str) -> str:
        points = self.envelopes[envelope].technical_score
        if points is None:
            raise CaseError("a proposal without a score")
        return points

    async def award(self) -> Evaluated:
        """The officer follows the evaluation, and awards when the standstill is over; the second officer
        countersigns."""
        self.progress("evaluation and award", 0, 1)
        evaluation, evaluated = await read_evaluation(self.office, self.tender)
        await self.declare(self.officer)
        about, awards = self.about(self.officer), first_in_line(evaluated)
        intended = IntendedAward(**about, evaluation=evaluation, awards=awards)
        intention = await self.say("award-intentions", intended, self.officer)
        await asyncio.sleep(self.tender.notice.standstill)
        award = Award(**self.about(self.officer), intention=intention, awards=awards)
        id = await self.say("awards", award, self.officer)
        await self.declare(self.second)
        await self.countersign(self.tender.notice_id, id)
        self.progress("evaluation and award", 1, 1)
        return evaluated

    async def countersign(self, notice_id: str, id: str) -> None:
        """The second officer's word for the notice itself, or for an award."""
        word = Countersignature(
            signer=self.second.fingerprint,
            tender=self.ocid,
            notice=notice_id,
            statement=id,
            time=moment(datetime.now(UTC)),
        )
        await self.say("countersignatures", word, self.second)

    async def declare(self, key: SigningKey) -> None:
        """Nobody in a replay has a conflict of interest."""
        opening = (await read_openings(self.office, self.tender))[0].statement
        declaration = ConflictDeclaration(**self.about(key), opening=opening, conflict=False, explanation="")
        await self.say("conflict-declarations", declaration, key)

    def about(self, key: SigningKey) -> dict[str, Any]:
        """The fields that all statements about a published tender have."""
        return {
            "signer": key.fingerprint,
            "tender": self.ocid,
            "notice": self.tender.notice_id,
            "time": moment(datetime.now(UTC)),
        }

    async def say(self, path: str, payload: Payload, key: SigningKey) -> str:
        """Sign and send; the statement's id."""
        statement = sign(payload, key)
        await self.office.post(f"{self.path}/{path}", statement)
        return Statement(statement).id

    async def at_once(self, step: str, work: Callable[[A], Awaitable[T]], things: Sequence[A]) -> list[T]:
        """The results of `work` on all `things`, in their order; a bounded number is under way at a time."""
        limit = asyncio.Semaphore(AT_ONCE)
        done = 0

        async def one(thing: A) -> T:
            nonlocal done
            async with limit:
                result = await work(thing)
            done += 1
            self.progress(step, done, len(things))
            return result

        return await asyncio.gather(*map(one, things))


def common_name(name: str) -> str:
    """As much of a name as a certificate has room for."""
    return name.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip()


def _replayed(case: Case, ocid: str, evaluated: Evaluated, name: str) -> Replayed:
    differences = compare(case, evaluated.lots)
    first = evaluated.lots[0].evaluation
    return Replayed(
        ocid=ocid,
        rule_set=first.rule_set,
        expected_price=first.expected_price,
        drawn_numbers=first.drawn_numbers,
        floor_amount=first.floor_amount,
        ranking=results(case, evaluated.lots),
        agrees=not differences,
        differences=differences,
        notes=case.notes,
        record=name,
    )
