"""Who may do what: the tables of docs/access.md, asked cell by cell over HTTP.

Two sets of officials have two tenders each on one service: one that is still open, one whose technical parts
are opened. The people of the columns are those of the first set.
"""

import asyncio
import base64
import copy
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bids.envelope import CoSignature, Envelope, UploadRequest, Withdrawal
from bids.orders import OpeningPartial, OrderRefusal
from bids.receipts import Receipt
from crypto.ceremony import Commitment, Convening
from crypto.certificates import Authority, Role, Signer, SigningKey, request
from crypto.encoding import encode, from_base64, moment, sha256, to_base64
from crypto.merkle import TILE_WIDTH
from crypto.statements import Payload, Statement, sign
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    IntendedAward,
    LateClosing,
    LotAward,
    RevealedPrices,
    SignedScores,
    Termination,
)
from procurement.editions import Amendment
from procurement.enquiries import Answer, Enquiry
from procurement.login import client
from procurement.login.statements import LogIn
from procurement.notices import DocumentOffer
from procurement.panels import DrawRequest
from procurement.registry import applicant
from procurement.registry.applicant import application
from procurement.registry.statements import (
    Approval,
    Reason,
    Rejection,
    Renewal,
    Representative,
    Revocation,
)
from procurement.sandbox.offer import Pace
from procurement.selection import (
    ExaminationDocuments,
    ExaminationRequest,
    ExaminationResult,
    NegotiationResult,
    SupplementRequest,
)
from procurement.tenders import Notice, Proposal, padded
from procurement.web.look import asset
from tests.authenticator import Passkey
from tests.builders import a_lot, evidence, panel_rules
from tests.flows.conftest import a_town
from tests.flows.people import PracticeTender, Town, signed_anyhow, timeless
from tests.flows.test_documents import enclose, upload
from tests.flows.test_documents import seal as sealed_with
from tests.flows.test_openapi import app_of
from tests.flows.test_uploads import BYTES, TUS, Sender

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/access.md").read_text()
COLUMNS = (
    "public",
    "business",
    "officer",
    "second officer",
    "evaluator",
    "committee member",
    "registrar",
    "review body",
    "auditor",
)
ALIKE = {"own": "foreign", "foreign": "own", "before": "after", "after": "before"}
FORBIDDEN = {"certificate-invalid", "role-not-admitted"}
ORIGIN = "http://localhost"
OPEN_FOR = 1800.0
"""Seconds for which the open tenders stay open: longer than all tests of this module take."""
LEAD, MARGIN = 6.0, 8.0
"""Seconds to the deadline of the others, and from there to their round: their closings are not to be late."""
SECRET = f"sealed-{secrets.token_hex(8)}"


class Route(NamedTuple):
    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def whose(self) -> tuple[bool, ...]:
        """Own and foreign, where that makes a difference."""
        differs = re.search(r"{ocid}|passkeys/|words|registration-", self.path)
        return (True, False) if differs else (True,)

    @property
    def when(self) -> tuple[bool, ...]:
        """Before and after, where that makes a difference."""
        return (False, True) if re.search(r"{(ocid|number)}", self.path) else (False,)


class Case(NamedTuple):
    """Who asks, on whose tender, when."""

    column: str
    own: bool
    after: bool

    @property
    def words(self) -> set[str]:
        return {"own" if self.own else "foreign", "after" if self.after else "before"}

    def __str__(self) -> str:
        return f"{self.column}, {'own' if self.own else 'foreign'}, {'after' if self.after else 'before'}"


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def table() -> dict[Route, dict[str, str]]:
    """By route and column what the document says."""
    found: dict[Route, dict[str, str]] = {}
    for line in re.findall(r"^\| (?:\|.*|`[A-Z]+ /.*)$", DOCUMENT, re.MULTILINE):
        first, *cells = [each.strip() for each in line.strip("|").split("|")]
        if not first:
            assert tuple(cells) == COLUMNS, line
            continue
        route = Route(*first.strip("`").split(" "))
        assert route not in found, f"{route} has two rows"
        assert len(cells) == len(COLUMNS), f"{route} has {len(cells)} cells"
        found[route] = dict(zip(COLUMNS, cells, strict=True))
    return found


def answers(cell: str) -> list[tuple[frozenset[str], str]]:
    """The answers of a cell, each with the words that say when it holds."""
    found = []
    for each in cell.split(", "):
        words = each.split(" ")
        when = frozenset(words) & ALIKE.keys()
        found.append((when, " ".join(word for word in words if word not in when)))
    return found


def expected(cell: str, case: Case) -> str:
    """The answer that a cell gives for a case: of those that fit the most special one."""
    fitting = sorted(
        ((when, answer) for when, answer in answers(cell) if when <= case.words),
        key=lambda each: len(each[0]),
    )
    assert fitting, f"nothing is said for {case}: {cell}"
    assert sum(len(when) == len(fitting[-1][0]) for when, _ in fitting) == 1, f"two for {case}: {cell}"
    return fitting[-1][1]


def cases(route: Route, column: str) -> Iterator[Case]:
    for own, after in product(route.whose, route.when):
        yield Case(column, own, after)


def test_every_cell_says_one_thing_for_every_case_and_nothing_in_vain() -> None:
    known = codes() | {"yes", "no", "log in"}
    for route, cells in table().items():
        for column, cell in cells.items():
            said = {each for _, each in answers(cell)}
            assert said <= known, f"{route}, {column}: {said - known}"
            assert said == {expected(cell, case) for case in cases(route, column)}, f"{route}, {column}"


async def test_every_route_has_a_row_and_every_row_is_a_route(square: "Square") -> None:
    assert served(square.town) == table().keys()
    assert table().keys() == ASKED.keys()


def served(town: Town) -> set[Route]:
    """All that the application answers."""
    chain = town.trust.networks[0].chain_hash
    return {
        Route(method, route.path_format.replace(chain, "{chain}"))
        for route in app_of(town).routes
        for method in route.methods
        if method != "OPTIONS"
    }


def codes() -> set[str]:
    """The codes of all problems, as the sources have them."""
    found = {"not-found"}
    for package in ("procurement", "bids", "crypto"):
        for source in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r'(?:Error\(\s*|\bcode = )"([a-z-]+)"', source.read_text()))
    return found


# ── the people ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Square:
    """Everybody who asks, and what they ask about."""

    town: Town
    other: Town
    tenders: dict[tuple[bool, bool], PracticeTender]
    keys: dict[str, SigningKey]
    colleague: SigningKey
    """The panel's second evaluator, who declares that there is no conflict."""
    sealed: dict[bool, str]
    """A rival's envelope on the own and on the foreign open tender: ids."""
    opened: dict[bool, str]
    latest: str
    """The business's envelope on its own open tender."""
    files: dict[bool, Sender]
    """Of the business on its own tenders: the first one is still to come, the second is there."""
    silent: SigningKey
    """The rival on the open tenders, who asks for nothing."""
    applied: str
    """Id of an application that nobody decides."""
    approval: str
    """Id of a registrar's approval."""
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    strangers: dict[Role, SigningKey] = field(default_factory=dict)

    def tender(self, case: Case) -> PracticeTender:
        return self.tenders[case.own, case.after]

    def key(self, case: Case, roles: tuple[Role, ...]) -> SigningKey:
        """The column's key; the public's is certified by an authority that nobody here trusts, in the role
        that would be right."""
        return self.keys[case.column] if case.column != "public" else self.stranger(roles[0])

    def stranger(self, role: Role) -> SigningKey:
        if role not in self.strangers:
            now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
            authority = Authority.create(role, now - timedelta(days=1))
            certificate = authority.issue(request(key, role, "Nobody", "nobody-1"), now)
            self.strangers[role] = SigningKey(key, certificate)
        return self.strangers[role]

    async def send(self, case: Case, method: str, path: str, **what: Any) -> httpx.Response:
        """What comes for the column's session. No answer to anybody has anything that is sealed."""
        headers = await self.session(case.column)
        return await self.send_as(headers, method, path, **what)

    async def send_as(
        self, headers: Mapping[str, str], method: str, path: str, **what: Any
    ) -> httpx.Response:
        answer = await self.town.http.request(method, path, headers=headers, **what)
        self.town.http.cookies.clear()
        assert not (told := self.told(answer)), f"{method} {path} tells {told}"
        return answer

    async def session(self, column: str) -> dict[str, str]:
        """Headers of somebody who is logged in, and of nobody in particular."""
        if column not in self.cookies:
            self.cookies[column] = await self.logged_in(column)
        return self.cookies[column]

    async def logged_in(self, column: str) -> dict[str, str]:
        if column == "public":
            return {"Origin": ORIGIN}
        answer = await self.town.http.post("/api/v1/sessions", json={"code": await self.code(column)})
        self.town.http.cookies.clear()
        return {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "Origin": ORIGIN}

    async def code(self, column: str) -> str:
        if column == "public":
            return base64.b32encode(secrets.token_bytes(10)).decode()
        return (await client.log_in(self.town.line(), self.keys[column], ORIGIN)).code

    def told(self, answer: httpx.Response) -> set[str]:
        """What of the silent bidder's is in an answer."""
        certificate = self.silent.certificate
        hidden = {SECRET, certificate.registration, self.silent.fingerprint, *self.sealed.values()}
        return among(hidden, answer.content)


def among(hidden: set[str], data: bytes) -> set[str]:
    """Which of them are in `data`, also under base64."""
    read = b"\n".join([data, *plain(data)])
    return {each for each in hidden if each.encode() in read}


def plain(data: bytes, depth: int = 2) -> Iterator[bytes]:
    """What runs of base64 in `data` say, and those in them."""
    for run in re.findall(rb"[A-Za-z0-9+/]{24,}", data) if depth else []:
        said = base64.b64decode(run[: len(run) // 4 * 4])
        yield said
        yield from plain(said, depth - 1)


@pytest.fixture(scope="module")
async def town(postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """With a practice ground whose tender outlasts all tests of this module."""
    pace = Pace(lead=7200, shared=3600)
    async with a_town(postgres, migrated, tmp_path_factory.mktemp("town"), pace) as town:
        yield town


@pytest.fixture(scope="module")
async def square(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Square:
    folder = tmp_path_factory.mktemp("documents")
    other = await another(town)
    roles = {
        "business": (Role.BUSINESS, "Hanbit"),
        "review body": (Role.REVIEW, "Reviewer Seo"),
        "colleague": (Role.EVALUATOR, "Evaluator Ahn"),
        "rival": (Role.BUSINESS, "Saebyeok"),
        "silent": (Role.BUSINESS, "Goyo"),
    }
    people = {each: await town.enrol(*who) for each, who in roles.items()}
    colleague, rival, silent = (people.pop(each) for each in ("colleague", "rival", "silent"))
    people |= {
        "officer": town.officer,
        "second officer": town.second,
        "evaluator": town.evaluator,
        "committee member": town.members[0].key,
        "registrar": town.registrar,
        "auditor": town.auditor,
    }
    panel = town.evaluator.fingerprint, colleague.fingerprint
    waiting = {own: (town if own else other) for own in (True, False)}
    applied = [asking(Role.BUSINESS, "Waiting", f"waits-{i}") for i in range(2)]
    for each in applied:
        await applicant.apply(town.line(), each)
    panels = {True: panel, False: (other.evaluator.fingerprint,)}
    tenders = {(own, False): await published(side, panels[own], OPEN_FOR) for own, side in waiting.items()}
    sealed = {own: await seal(tenders[own, False], silent) for own in waiting}
    files = {False: await with_files(tenders[True, False], people["business"], "3000")}
    opened = {}
    for own, side in waiting.items():  # each with its bids at once: the deadline comes soon
        tenders[own, True] = await published(side, panels[own], LEAD)
        opened[own] = await with_document(tenders[own, True], rival, folder)
        if own:
            files[True] = await with_files(tenders[own, True], people["business"], "2000")
    await asyncio.gather(*(opened_technical(tenders[own, True]) for own in waiting))
    return Square(
        town=town,
        other=other,
        tenders=tenders,
        keys=people,
        colleague=colleague,
        sealed=sealed,
        opened=opened,
        latest=files[False].envelope,
        files=files,
        silent=silent,
        applied=applied[0].id,
        approval=await approved(town, applied[1].id),
    )


async def published(side: Town, panel: tuple[str, ...], lead: float) -> PracticeTender:
    """With a document, and room for documents."""
    ocid = f"ocds-0s3al1-{secrets.token_hex(6)}"
    document = await side.hand_in(ocid, b"Of oak.")
    return await side.publish(
        a_lot(panel_rules()),
        lead=lead,
        margin=MARGIN,
        tender=ocid,
        evaluators=panel,
        document_limit=2,
        document_size=1000,
        documents=(document,),
    )


async def approved(town: Town, id: str) -> str:
    """The registrar's statement about an application."""
    said = Approval(signer=town.registrar.fingerprint, application=id, time=now())
    await town.line().post("/api/v1/registration-approvals", data := sign(said, town.registrar))
    return Statement(data).id


async def another(town: Town) -> Town:
    """The same service with all other officials."""
    other = copy.copy(town)
    other.officer = await town.enrol(Role.OFFICER, "Officer Cho")
    other.second = await town.enrol(Role.OFFICER, "Officer Shin")
    other.evaluator = await town.enrol(Role.EVALUATOR, "Evaluator Baek")
    other.committee, other.transcript, other.members = await other.convene()
    return other


async def seal(tender: PracticeTender, bidder: SigningKey) -> str:
    """A bid that nobody gets to see."""
    contents = tender.contents("5000") | {"technical": padded(Proposal(proposal=SECRET))}
    return await tender.bid(bidder, "5000", contents=contents)


async def with_document(tender: PracticeTender, bidder: SigningKey, folder: Path) -> str:
    """A bid with a document that is public with its technical part."""
    one = enclose(folder, 1, tender.ocid, b"To be read once it is open.")
    proposal = padded(Proposal(proposal="Oak.", documents=(one.document,)))
    contents = tender.contents("1000") | {"technical": proposal}
    envelope, _ = sealed_with(tender, bidder, contents, [one], {}, folder)
    id = (await tender.submit(envelope)).statement
    await upload(tender, bidder, id, one)
    one.path.unlink()
    return id


async def with_files(tender: PracticeTender, bidder: SigningKey, amount: str) -> Sender:
    """A bid with two files, of which one comes."""
    sender = Sender(tender, bidder, [b"to come", b"sealed"])
    await sender.bid(amount=amount)
    for number in (1, 2):
        assert (await sender.create(tender.town.http, number)).status_code == 201
    assert (await sender.send(tender.town.http, b"sealed", number=2)).status_code == 204
    return sender


async def opened_technical(tender: PracticeTender) -> None:
    closed = await tender.close()
    assert closed.witnessed < tender.notice.opens, "the machine is too slow for this margin"
    await tender.round()
    await tender.order("technical")
    await tender.opened("technical")


def asking(role: Role, name: str, registration: str) -> Statement:
    """An application for a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    persons = (Representative(name=name),) if role is Role.BUSINESS else ()
    signer = Signer(key, request(key, role, name, registration))
    return application(signer, datetime.now(UTC), representatives=persons)


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────

Asked = Callable[[Square, Case], Awaitable[httpx.Response]]
Fields = Callable[[Square, Case], dict[str, Any]]
Fill = Callable[[Square, Case], object]


def got(path: str, /, **fill: Fill) -> Asked:
    """A GET, with a tender's ocid and what else the path wants."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        values = {name: of(square, case) for name, of in fill.items()}
        return await square.send(case, "GET", path.format(ocid=square.tender(case).ocid, **values))

    return ask


async def watched(square: Square, case: Case) -> httpx.Response:
    """The head of an answer that has no end, by somebody who leaves as soon as it comes."""
    status, headers = 0, await square.session(case.column)
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    path = f"/tenders/{square.tender(case).ocid}/events"
    request = square.town.http.build_request("GET", path, headers=headers)
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": ("service", 80),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }
    await app_of(square.town)(scope, receive, send)  # type: ignore[arg-type]  # as a server makes it
    return httpx.Response(status)


def sent(method: str, path: str, body: Any = None) -> Asked:
    """A change that a session vouches for."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        return await square.send(case, method, path, json=body)

    return ask


def ending(method: str, path: str) -> Asked:
    """A change that ends sessions: made in a new one, and the others are not counted on afterwards."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        square.cookies.pop(case.column, None)
        return await square.send_as(await square.logged_in(case.column), method, path)

    return ask


def signed(path: str, kind: type[Payload], fields: Fields) -> Asked:
    """A statement that is right in everything but who says it, where they may not."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        payload = kind(signer=square.key(case, kind.ROLES).fingerprint, **fields(square, case))
        return await post(square, case, path.format(ocid=square.tender(case).ocid), payload)

    return ask


def about_tender(path: str, kind: type[Payload], fields: Fields) -> Asked:
    def all_fields(square: Square, case: Case) -> dict[str, Any]:
        tender = square.tender(case)
        about = {"tender": tender.ocid, "notice": tender.notice_id, "time": now()}
        return about | fields(square, case)

    return signed(f"/api/v1/tenders/{{ocid}}/{path}", kind, all_fields)


async def post(square: Square, case: Case, path: str, payload: Payload) -> httpx.Response:
    """Signed by the column's key, whatever its role."""
    key = square.key(case, payload.ROLES)
    data = signed_anyhow(encode(payload), payload.PURPOSE, key)
    return await square.send(case, "POST", path, content=data)


def now() -> str:
    return moment(datetime.now(UTC))


async def publish(square: Square, case: Case) -> httpx.Response:
    signer = square.key(case, Notice.ROLES).fingerprint
    notice = square.town.notice(a_lot(), lead=OPEN_FOR, signer=signer)
    return await post(square, case, "/api/v1/tenders", notice)


async def hand_in(square: Square, case: Case) -> httpx.Response:
    """A new file: before for a notice to come, after for one that is published."""
    tender, data = square.tender(case), secrets.token_bytes(9)
    ocid = tender.ocid if case.after else f"ocds-0s3al1-{secrets.token_hex(6)}"
    digest, key = sha256(data).hex(), square.key(case, DocumentOffer.ROLES)
    headers = square.town.offered(ocid, digest, len(data), key)
    path = f"/api/v1/tenders/{ocid}/files/{digest}"
    return await square.send_as(headers, "PUT", path, content=data)


async def countersign(square: Square, case: Case) -> httpx.Response:
    tender = square.tender(case)
    if not case.after:
        notice = tender.town.notice(a_lot(), lead=OPEN_FOR)
        tender = PracticeTender(tender.town, notice, sign(notice, tender.town.officer))
        await tender.office.post("/api/v1/tenders", tender.statement)
    signer = square.key(case, Countersignature.ROLES).fingerprint
    about = {"tender": tender.ocid, "notice": tender.notice_id, "time": now()}
    word = Countersignature(signer=signer, statement=tender.notice_id, **about)
    return await post(square, case, f"{tender.path}/countersignatures", word)


async def submit(square: Square, case: Case) -> httpx.Response:
    tender = square.tender(case)
    if case.column != "business":
        sealed = Statement(tender.seal(square.keys["business"])).read(Envelope)
        signer = square.key(case, Envelope.ROLES).fingerprint
        return await post(square, case, f"{tender.path}/bids", msgspec.structs.replace(sealed, signer=signer))
    newcomer = not (case.own or case.after)
    bidder = await square.town.bidder("Newcomer") if newcomer else square.keys["business"]
    previous = square.latest if case.own and not case.after else None
    data = tender.seal(bidder, previous=previous)
    return await square.send(case, "POST", f"{tender.path}/bids", content=data)


async def withdraw(square: Square, case: Case) -> httpx.Response:
    """A newcomer its own bid, so that those of others stay; or one that there is not."""
    tender, previous = square.tender(case), NONE
    bidder = square.key(case, Withdrawal.ROLES)
    if case.column == "business" and not case.after:
        bidder = await square.town.bidder("Newcomer")
        previous = await tender.bid(bidder, "4000") if case.own else NONE
    about = {"tender": tender.ocid, "notice": tender.notice_id, "previous": previous}
    said = Withdrawal(signer=bidder.fingerprint, **about)
    data = signed_anyhow(encode(said), said.PURPOSE, bidder)
    return await square.send(case, "POST", f"{tender.path}/withdrawals", content=data)


def received(square: Square, case: Case) -> str:
    """An envelope that is no secret, or none."""
    if case.after:
        return square.opened[case.own]
    return square.latest if case.own else NONE


async def begin_upload(square: Square, case: Case) -> httpx.Response:
    """For the first file of the business's bid, else of a rival's."""
    rivals = square.opened if case.after else square.sealed
    sender = square.files[case.after]
    envelope = sender.envelope if case.own else rivals[case.own]
    signer = square.key(case, UploadRequest.ROLES)
    about = {"tender": square.tender(case).ocid, "notice": square.tender(case).notice_id, "time": now()}
    token = sha256(sender.tokens[1]).hex()
    asked = UploadRequest(signer=signer.fingerprint, envelope=envelope, number=1, token=token, **about)
    request = to_base64(signed_anyhow(encode(asked), asked.PURPOSE, signer))
    headers = TUS | {"Upload-Length": str(len(sender.files[0])), "Upload-Metadata": f"request {request}"}
    return await square.send_as(headers, "POST", f"{square.tender(case).path}/uploads")


def upload_of(method: str, number: int, **headers: str) -> Asked:
    """Of the business's own, by its token."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        sender = square.files[case.after]
        return await square.send_as(sender.bearer(number) | headers, method, sender.path(number))

    return ask


async def hand_over(square: Square, case: Case) -> httpx.Response:
    return await square.send(case, "POST", "/api/v1/handovers", content=b"ciphertext")


def handed_over(method: str) -> Asked:
    """Of somebody who has been told the id."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        id = (await hand_over(square, case)).json()["id"]
        return await square.send(case, method, f"/api/v1/handovers/{id}")

    return ask


def amendment(square: Square, case: Case) -> dict[str, Any]:
    """Of the standstill."""
    tender = square.tender(case)
    amended = msgspec.structs.replace(tender.notice, standstill=tender.notice.standstill + 1)
    return {"previous": tender.notice_id, "amended": amended, "bids_stand": True, "reason": "A slip."}


def partial(square: Square, case: Case) -> dict[str, Any]:
    """The order of the first member of the own committee on the technical parts."""
    terms, at = square.tender(case).terms, datetime.now(UTC)
    return but_signer(square.town.members[0].sign_order(terms, "technical", None, at, secrets.token_bytes))


def sheet(square: Square, case: Case) -> dict[str, Any]:
    bid = square.opened[case.own] if case.after else square.sealed[case.own]
    return but_signer(square.tender(case).sheet({bid: "80"}, square.town.evaluator))


def but_signer(payload: Payload) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(payload).items() if name != "signer"}


async def declare(square: Square, case: Case) -> httpx.Response:
    """An evaluator's would change what comes of its score sheet: a colleague declares."""
    tender = square.tender(case)
    key = square.colleague if case.column == "evaluator" else square.key(case, ConflictDeclaration.ROLES)
    about = {"tender": tender.ocid, "notice": tender.notice_id, "time": now()}
    about |= {"opening": await tender.opening_id()}
    said = ConflictDeclaration(signer=key.fingerprint, conflict=False, explanation="", **about)
    data = signed_anyhow(encode(said), said.PURPOSE, key)
    return await square.send(case, "POST", f"{tender.path}/conflict-declarations", content=data)


async def late_closing(square: Square, case: Case) -> httpx.Response:
    """About the closing, where there is one."""
    tender = square.tender(case)
    closed = await square.town.http.get(f"{tender.path}/closing")
    closing = Statement(from_base64(closed.json()["statement"])).id if closed.is_success else NONE
    about = {"tender": tender.ocid, "notice": tender.notice_id, "time": now()}
    signer = square.key(case, LateClosing.ROLES).fingerprint
    late = LateClosing(signer=signer, closing=closing, reason="A slow machine.", **about)
    return await post(square, case, f"{tender.path}/late-closings", late)


async def convened(square: Square, case: Case) -> str:
    """A new ceremony's id: among the own committee, or another's."""
    side = square.town if case.own else square.other
    convening = Convening(**convening_of(side), signer=side.officer.fingerprint)
    await square.town.line().post("/api/v1/ceremonies", data := sign(convening, side.officer))
    return Statement(data).id


def convening_of(side: Town) -> dict[str, Any]:
    members = tuple(key.fingerprint for key, _ in side.members)
    return {"threshold": 2, "members": members, "nonce": secrets.token_hex(32), "time": now()}


async def say(square: Square, case: Case) -> httpx.Response:
    ceremony = await convened(square, case)
    commitment = Commitment(
        signer=square.key(case, Commitment.ROLES).fingerprint,
        ceremony=ceremony,
        member=1,
        mailbox=X25519PrivateKey.generate().public_key().public_bytes_raw().hex(),
        commitment=secrets.token_hex(32),
    )
    return await post(square, case, f"/api/v1/ceremonies/{ceremony}/words", commitment)


async def read_ceremony(square: Square, case: Case) -> httpx.Response:
    return await square.send(case, "GET", f"/api/v1/ceremonies/{await convened(square, case)}")


async def apply(square: Square, case: Case) -> httpx.Response:
    if case.column == "public":
        statement = asking(Role.BUSINESS, "Newcomer", f"new-{secrets.token_hex(6)}")
    else:
        holder = square.keys[case.column].certificate
        statement = asking(holder.role, holder.name, holder.registration)
    return await square.send(case, "POST", "/api/v1/registrations", content=statement.data)


async def waiting(square: Square, case: Case) -> str:
    """The id of a new application; the own one is under the column's registration number."""
    number = f"new-{secrets.token_hex(6)}"
    if case.own:
        number = square.key(case, (Role.REGISTRAR,)).certificate.registration
    statement = asking(Role.BUSINESS, "Newcomer", number)
    await applicant.apply(square.town.line(), statement)
    return statement.id


def decided(path: str, kind: type[Approval | Rejection], **more: str) -> Asked:
    async def ask(square: Square, case: Case) -> httpx.Response:
        about = {"application": await waiting(square, case), "time": now()}
        said = kind(signer=square.key(case, kind.ROLES).fingerprint, **about, **more)
        return await post(square, case, f"/api/v1/{path}", said)

    return ask


def renewal(square: Square, case: Case) -> dict[str, Any]:
    holder = square.key(case, Renewal.ROLES).certificate
    key = ec.generate_private_key(ec.SECP256R1())
    asked = request(key, holder.role, holder.name, holder.registration)
    return {"request": to_base64(asked.der), "time": now()}


async def revoke(square: Square, case: Case) -> httpx.Response:
    lost = await square.town.enrol(Role.BUSINESS, "Lost")
    signer = square.key(case, Revocation.ROLES).fingerprint
    reason = Reason.KEY_COMPROMISE
    said = Revocation(signer=signer, certificate=lost.fingerprint, reason=reason, time=now())
    return await post(square, case, "/api/v1/revocations", said)


async def read_status(square: Square, case: Case) -> httpx.Response:
    current = (await square.town.http.get("/api/v1/certificate-status")).json()["status"]
    return await square.send(case, "GET", f"/api/v1/certificate-status/{current}")


async def log_in(square: Square, case: Case) -> httpx.Response:
    given = (await square.town.http.post("/api/v1/challenges")).json()
    signer = square.key(case, LogIn.ROLES).fingerprint
    said = LogIn(signer=signer, challenge=given["challenge"], origin=ORIGIN, time=now())
    return await post(square, case, "/api/v1/log-ins", said)


async def begin_session(square: Square, case: Case) -> httpx.Response:
    body = {"code": await square.code(case.column)}
    return await square.send_as({"Origin": ORIGIN}, "POST", "/api/v1/sessions", json=body)


async def log_in_page(square: Square, case: Case) -> httpx.Response:
    body = {"code": await square.code(case.column)}
    return await square.send_as({"Origin": ORIGIN}, "POST", "/login", data=body)


async def enrol(square: Square, case: Case, passkey: Passkey) -> httpx.Response:
    options = await square.send(case, "POST", "/api/v1/passkey-options")
    credential = passkey.create(options.json()) if options.is_success else {}
    return await square.send(
        case, "POST", "/api/v1/passkeys", json={"name": "Laptop", "credential": credential}
    )


async def enrol_passkey(square: Square, case: Case) -> httpx.Response:
    return await enrol(square, case, Passkey())


def removed(method: str, path: str) -> Asked:
    """One's own passkey, or another official's."""

    async def ask(square: Square, case: Case) -> httpx.Response:
        owner = case
        if not case.own or case.column in ("public", "business"):
            owner = Case("review body" if case.column == "auditor" else "auditor", True, False)
        passkey = (await enrol(square, owner, Passkey())).json()["id"]
        answer = await square.send(case, method, path.format(id=passkey))
        await square.send(owner, "DELETE", f"/api/v1/passkeys/{passkey}")
        return answer

    return ask


async def log_in_by_passkey(square: Square, case: Case) -> httpx.Response:
    passkey = Passkey()
    await enrol(square, case, passkey)
    options = await square.town.http.post("/api/v1/passkey-log-in-options")
    body = {"credential": passkey.get(options.json())}
    return await square.send_as({"Origin": ORIGIN}, "POST", "/api/v1/passkey-log-ins", json=body)


async def read_tile(square: Square, case: Case) -> httpx.Response:
    """The newest partial one of hashes, or the first full one."""
    _, size, *_ = (await square.town.http.get("/log/checkpoint")).text.split("\n")
    tile = f"000.p/{size}" if int(size) < TILE_WIDTH else "000"
    return await square.send(case, "GET", f"/log/tile/0/{tile}")


def fingerprint(square: Square, case: Case) -> str:
    return square.keys.get(case.column, square.town.officer).fingerprint


def chain(square: Square, _: Case) -> str:
    return square.town.trust.networks[0].chain_hash


def envelope(square: Square, case: Case) -> str:
    return (square.opened if case.after else square.sealed)[case.own]


def opened_bid(square: Square, case: Case) -> str:
    """Nobody knows an id before: whatever is asked for then is one of nothing."""
    return square.opened[case.own] if case.after else NONE


def round_of(square: Square, case: Case) -> str:
    return square.tender(case).notice.round


NONE = "0" * 64
NO_AWARD = (LotAward(lot="1"),)
PRICES = tuple(str(100 + i) for i in range(15))
CANDIDATE = {"evaluation": NONE, "lot": "1", "bid": NONE}
ASKED_FOR = {"request": NONE}
WANTED = {"documents": "Proof of works", "due": "2026-01-01T00:00:00.000Z"}
AGREED = {"outcome": "agreed", "reason": "As the minutes say"}
FILES = (evidence("Works"),)
TENDER = "/api/v1/tenders/{ocid}"
DESK_DOCUMENTS = "/desk/tenders/{ocid}/bids/{envelope}/documents"
PLAIN = (
    *("/api/v1/tenders", TENDER, f"{TENDER}/timeline", f"{TENDER}/closing", f"{TENDER}/bids"),
    f"{TENDER}/stamp",
    *(f"{TENDER}/evaluation", f"{TENDER}/record", f"{TENDER}/own-bids", f"{TENDER}/steps"),
    *(f"{TENDER}/draws", f"{TENDER}/ocds", "/api/v1/releases", "/data", "/data/policy"),
    *(f"{TENDER}/enquiries", f"{TENDER}/questions", "/api/v1/outages", "/api/v1/covers"),
    *("/api/v1/certificate-status", "/api/v1/trust", "/api/v1/session", "/api/v1/passkeys"),
    *("/api/v1/applications", "/api/v1/drafts", "/api/v1/journal", "/health"),
    *("/", "/tenders", "/tenders/{ocid}", "/tenders/{ocid}/bid", "/entities", "/login", "/bidder"),
    *("/practice", "/assets/manifest.json"),
    *(f"/tenders/{{ocid}}/{what}" for what in ("notice", "enquiries", "bids", "draws")),
    *("/desk", "/desk/applications", "/desk/drafts", "/desk/bids", "/desk/bids/{ocid}"),
    "/desk/journal",
    *("/log/checkpoint", "/log/witnessed", "/log/vkey"),
    *("/beacon/chains", "/beacon/info", "/beacon/public/latest"),
    *("/api", "/api/openapi.json", "/api/v1/practice-tenders", "/api/v1/records"),
    "/api/v1/data",
)
"""What is read without saying more than the tender."""

FILLED: dict[str, dict[str, Fill]] = {
    f"{TENDER}/entries/{{seq}}": {"seq": lambda *_: 2},
    **{
        f"/tenders/{{ocid}}/lots/{{lot}}{what}": {"lot": lambda *_: "1"}
        for what in ("", "/prices.svg", "/scores.svg")
    },
    f"{TENDER}/statements/{{id}}": {"id": envelope},
    f"{TENDER}/receipts/{{id}}": {"id": received},
    "/tenders/{ocid}/receipts/{name}": {"name": received},
    f"{TENDER}/documents/{{id}}": {"id": lambda *_: "spec"},
    f"{TENDER}/bids/{{envelope}}/documents": {"envelope": opened_bid},
    f"{TENDER}/bids/{{envelope}}/documents/{{number}}": {"envelope": opened_bid, "number": lambda *_: 1},
    f"{TENDER}/bids/{{envelope}}/all-documents": {"envelope": opened_bid},
    "/tenders/{ocid}/bid/results/{envelope}": {"envelope": opened_bid},
    DESK_DOCUMENTS: {"envelope": opened_bid},
    f"{DESK_DOCUMENTS}/{{number}}": {"envelope": opened_bid, "number": lambda *_: 1},
    "/api/v1/registrations/{id}": {"id": lambda square, _: square.applied},
    "/api/v1/data/{digest}": {"digest": lambda *_: "0" * 64},
    "/api/v1/registry-statements/{id}": {"id": lambda square, _: square.approval},
    "/api/v1/applications/{id}": {"id": lambda square, _: square.applied},
    "/api/v1/certificates/{fingerprint}": {"fingerprint": fingerprint},
    "/assets/{name}": {"name": lambda *_: asset("site.css").removeprefix("/assets/")},
    "/entities/{id}": {"id": lambda *_: "KR-1234"},
    "/suppliers/{id}": {"id": lambda *_: "KR-1234"},
    "/api/v1/covers/{day}": {"day": lambda *_: "2026-01-01"},
    **{
        f"/data/{of}{{period}}/{{name}}": {"period": lambda *_: "2026-01-01", "name": lambda *_: "list.json"}
        for of in ("", "practice/")
    },
    "/beacon/public/{number}": {"number": round_of},
    "/beacon/{chain}/info": {"chain": chain},
    "/beacon/{chain}/public/latest": {"chain": chain},
    "/beacon/{chain}/public/{number}": {"chain": chain, "number": round_of},
    "/ocds/extensions/{name}/{file}": {"name": lambda *_: "sealing", "file": lambda *_: "extension.json"},
    "/ocds/extensions/{name}/README.md": {"name": lambda *_: "sealing"},
    "/api/{path}": {"path": lambda *_: "nothing"},
}
"""What is read with more said."""

ASKED: dict[Route, Asked] = {
    **{Route("GET", path): got(path) for path in PLAIN},
    **{Route("GET", path): got(path, **fill) for path, fill in FILLED.items()},
    **{
        Route("POST", f"{TENDER}/{path}"): about_tender(path, kind, fields)
        for path, kind, fields in (
            ("enquiries", Enquiry, lambda *_: {"question": "Which?", "salt": NONE}),
            ("answers", Answer, lambda *_: {"enquiry": NONE, "question": "Which?", "answer": "That."}),
            ("amendments", Amendment, amendment),
            ("terminations", Termination, lambda *_: {"outcome": "cancelled", "reason": "No budget."}),
            ("co-signatures", CoSignature, lambda *_: {"envelope": secrets.token_hex(32)}),
            ("opening-partials", OpeningPartial, partial),
            ("draw-requests", DrawRequest, lambda *_: {"round": "1"}),
            ("score-sheets", SignedScores, sheet),
            ("reserve-prices", RevealedPrices, lambda *_: {"lot": "1", "salt": NONE, "prices": PRICES}),
            (
                "examination-requests",
                ExaminationRequest,
                lambda *_: CANDIDATE | {"documents": "A", "due": now()},
            ),
            (
                "supplement-requests",
                SupplementRequest,
                lambda *_: ASKED_FOR | {"documents": "A", "due": now()},
            ),
            ("examination-documents", ExaminationDocuments, lambda *_: ASKED_FOR | {"files": FILES}),
            ("examination-results", ExaminationResult, lambda *_: ASKED_FOR | {"outcome": "no-documents"}),
            (
                "negotiation-results",
                NegotiationResult,
                lambda *_: CANDIDATE | {"outcome": "agreed", "reason": "A"},
            ),
            ("award-intentions", IntendedAward, lambda *_: {"evaluation": NONE, "awards": NO_AWARD}),
            ("awards", Award, lambda *_: {"intention": NONE, "awards": NO_AWARD}),
            (
                "order-refusals",
                OrderRefusal,
                lambda *_: {"part": "technical", "member": 1, "reason": "Not convinced."},
            ),
        )
    },
    Route("GET", "/tenders/{ocid}/events"): watched,
    Route("POST", "/api/v1/tenders"): publish,
    Route("PUT", f"{TENDER}/files/{{digest}}"): hand_in,
    Route("POST", f"{TENDER}/countersignatures"): countersign,
    Route("POST", f"{TENDER}/bids"): submit,
    Route("POST", f"{TENDER}/withdrawals"): withdraw,
    Route("POST", f"{TENDER}/uploads"): begin_upload,
    Route("HEAD", f"{TENDER}/uploads/{{id}}"): upload_of("HEAD", 2),
    Route("PATCH", f"{TENDER}/uploads/{{id}}"): upload_of(
        "PATCH", 1, **{"Content-Type": BYTES, "Upload-Offset": "0"}
    ),
    Route("GET", f"{TENDER}/uploads/{{id}}"): upload_of("GET", 2),
    Route("DELETE", f"{TENDER}/uploads/{{id}}"): upload_of("DELETE", 2),
    Route("POST", "/api/v1/handovers"): hand_over,
    Route("GET", "/api/v1/handovers/{id}"): handed_over("GET"),
    Route("DELETE", "/api/v1/handovers/{id}"): handed_over("DELETE"),
    Route("POST", f"{TENDER}/late-closings"): late_closing,
    Route("POST", f"{TENDER}/conflict-declarations"): declare,
    Route("POST", "/api/v1/ceremonies"): signed(
        "/api/v1/ceremonies", Convening, lambda square, _: convening_of(square.town)
    ),
    Route("POST", "/api/v1/ceremonies/{id}/words"): say,
    Route("GET", "/api/v1/ceremonies/{id}"): read_ceremony,
    Route("POST", "/api/v1/registrations"): apply,
    Route("POST", "/api/v1/registration-approvals"): decided("registration-approvals", Approval),
    Route("POST", "/api/v1/registration-rejections"): decided(
        "registration-rejections", Rejection, reason="Papers are missing."
    ),
    Route("POST", "/api/v1/renewals"): signed("/api/v1/renewals", Renewal, renewal),
    Route("POST", "/api/v1/revocations"): revoke,
    Route("GET", "/api/v1/certificate-status/{id}"): read_status,
    Route("POST", "/api/v1/practice-tenders"): sent("POST", "/api/v1/practice-tenders"),
    Route("POST", "/practice"): sent("POST", "/practice"),
    Route("POST", "/api/v1/challenges"): sent("POST", "/api/v1/challenges"),
    Route("POST", "/api/v1/log-ins"): log_in,
    Route("POST", "/api/v1/sessions"): begin_session,
    Route("DELETE", "/api/v1/session"): ending("DELETE", "/api/v1/session"),
    Route("DELETE", "/api/v1/sessions"): ending("DELETE", "/api/v1/sessions"),
    Route("POST", "/api/v1/passkey-options"): sent("POST", "/api/v1/passkey-options"),
    Route("POST", "/api/v1/passkeys"): enrol_passkey,
    Route("DELETE", "/api/v1/passkeys/{id}"): removed("DELETE", "/api/v1/passkeys/{id}"),
    Route("POST", "/api/v1/passkey-log-in-options"): sent("POST", "/api/v1/passkey-log-in-options"),
    Route("POST", "/api/v1/passkey-log-ins"): log_in_by_passkey,
    Route("POST", "/login"): log_in_page,
    Route("GET", "/log/tile/{path}"): read_tile,
    Route("POST", "/desk/passkeys/{id}/remove"): removed("POST", "/desk/passkeys/{id}/remove"),
    Route("POST", "/logout"): ending("POST", "/logout"),
    Route("POST", "/logout-everywhere"): ending("POST", "/logout-everywhere"),
}


def outcome(answer: httpx.Response) -> str:
    """An answer in the document's words."""
    if answer.status_code == 401 or answer.headers.get("Location") == "/login":
        return "log in"
    if answer.is_success or answer.is_redirect:
        return "yes"
    if not answer.headers["Content-Type"].startswith("application/problem+json"):
        return "no" if answer.status_code == 403 else f"{answer.status_code} on a page"
    code: str = answer.json()["code"]
    return "no" if answer.status_code == 403 and code in FORBIDDEN else code


@pytest.mark.parametrize("route", table(), ids=str)
async def test_what_comes_is_what_the_table_says(square: Square, route: Route) -> None:
    wrong = []
    for column, cell in table()[route].items():
        for case in cases(route, column):
            came = outcome(await ASKED[route](square, case))
            if came != (said := expected(cell, case)):
                wrong.append(f"{case}: the table says {said}, {came} came")
    assert not wrong, "\n".join([str(route), *wrong])


# ── before the opening ───────────────────────────────────────────────────────────────────────────────────

ANYHOW = {
    *("/api/v1/session", "/api/v1/journal", "/desk", "/desk/journal", "/api/v1/ceremonies/{id}"),
    *(each.path for each in ASKED if each.path.startswith(("/log", "/beacon"))),
    *(f"{TENDER}/uploads/{{id}}", f"{TENDER}/receipts/{{id}}", "/tenders/{ocid}/receipts/{name}"),
}
"""Differs from one moment to the next, whoever bids."""


async def test_nothing_that_can_be_read_tells_that_one_more_bid_came_in(square: Square) -> None:
    before = await everything(square)
    await seal(square.tenders[True, False], await square.town.bidder("Latecomer"))
    assert await everything(square) == before


async def everything(square: Square) -> dict[tuple[Route, str], bytes]:
    """All that anybody in any column reads about the own open tender, and in general."""
    read = {}
    for route, column in product(table(), COLUMNS):
        if route.method == "GET" and route.path not in ANYHOW:
            answer = await ASKED[route](square, Case(column, True, False))
            content = own_part(answer) if route.path.endswith("own-bids") else answer.content
            read[route, column] = timeless(content)
    return read


def own_part(answer: httpx.Response) -> bytes:
    """Of a business's own bids their ids; receipts are signed anew each time."""
    return encode([each["id"] for each in answer.json().get("bids", [])])


async def test_between_closing_and_opening_envelopes_are_listed_and_still_nobodys_to_read(
    square: Square,
) -> None:
    tender = await square.town.publish(a_lot(panel_rules()), lead=3, margin=1)
    id = await seal(tender, await square.town.bidder("Newcomer"))
    await tender.close()
    for column in COLUMNS:
        came = {}
        for path in ("closing", "bids", "evaluation", "record", f"statements/{id}"):
            answer = await square.send(Case(column, True, False), "GET", f"{tender.path}/{path}")
            came[path] = outcome(answer)
        assert list(came.values()) == ["yes", "not-yet", "not-yet", "not-yet", "no-such-statement"], column


async def test_a_business_reads_its_own_bids_only_also_when_others_are_open(square: Square) -> None:
    for own, after in square.tenders:
        answer = await ASKED[Route("GET", f"{TENDER}/own-bids")](square, Case("business", own, after))
        bids = answer.json()["bids"]
        assert bool(bids) == own
        for each in bids:
            receipt = Statement(from_base64(each["receipt"])).read(Receipt)
            assert receipt.bidder == square.keys["business"].certificate.registration


async def test_the_search_for_what_is_sealed_finds_it_where_it_is_given(square: Square) -> None:
    answer = await ASKED[Route("GET", f"{TENDER}/own-bids")](square, Case("business", True, False))
    business = square.keys["business"]
    given = {square.latest, business.fingerprint, business.certificate.registration}
    assert among(given, answer.content) == given
    [bid] = [each for each in answer.json()["bids"] if each["id"] == square.latest]
    assert square.latest.encode() not in from_base64(bid["envelope"])
    assert among({business.fingerprint}, encode({"wrapped": bid["envelope"]}))


async def test_an_application_is_not_to_be_read_among_the_statements_of_the_registry(square: Square) -> None:
    for column in COLUMNS:
        case, path = Case(column, True, False), f"/api/v1/registry-statements/{square.applied}"
        assert outcome(await square.send(case, "GET", path)) == "no-such-statement"


async def test_the_journal_does_not_say_on_which_tender_a_business_looks_for_its_bids(
    square: Square,
) -> None:
    tender = square.tenders[True, False]
    for path in (f"{TENDER}/own-bids", "/desk/bids/{ocid}"):
        await ASKED[Route("GET", path)](square, Case("business", True, False))
    journal = await ASKED[Route("GET", "/api/v1/journal")](square, Case("auditor", True, False))
    registration = square.keys["business"].certificate.registration
    read = [each["what"] for each in journal.json()["entries"] if each.get("registration") == registration]
    for path in ("/own-bids", "/desk/bids/"):
        assert any(path in what for what in read)
    assert not any(tender.ocid in what for what in read)
