"""Before the closing nothing tells how many bids a tender has, or whose they are.

A tender is read by everybody, everywhere, while its box is empty and again after a rush: bids, replaced and
withdrawn ones, documents. What comes is the same to the byte. Times are not compared by a stopwatch: while
the service may not read what is in the boxes, what it answers is the same, too.
"""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from bids.envelope import SealedFile, UploadRequest, Withdrawal, compose, entropy_size
from bids.receipts import commitment_entry
from crypto.certificates import Role, SigningKey
from crypto.encoding import moment, to_base64
from crypto.statements import Statement, sign
from procurement.enquiries import Answer, Enquiry
from procurement.tenders import OutageRule
from tests.builders import a_lot, panel_rules
from tests.flows.people import PracticeTender, Town, timeless
from tests.flows.test_access import among
from tests.flows.test_login import log_in
from tests.flows.test_openapi import app_of

IN_THE_BOXES = ("envelope", "upload", "upload_part", "document", "party", "co_signature", "opened_part")
"""Tables that tell who has bid, and how often."""
ALL_THE_TIME = (
    r"/log/.*|/beacon/.*public/latest|/api/v1/session|/api/v1/journal|/desk|/desk/journal"
    r"|/api/v1/certificate-status|/api/v1/tenders/{ocid}/own-bids|/desk/bids.*|/tenders/{ocid}/events"
)
"""Differs from one moment to the next, whoever bids; or is for one bidder alone; or has no end."""
NOWHERE = "0" * 64
UNTOLD = {"date", "set-cookie"}
TUS = {"Tus-Resumable": "1.0.0"}


class Told(NamedTuple):
    """What an answer tells."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes

    @classmethod
    def by(cls, answer: httpx.Response) -> "Told":
        content, untold = timeless(answer.content), UNTOLD
        if content != answer.content:
            untold = UNTOLD | {"content-length"}
        headers = sorted((name, value) for name, value in answer.headers.items() if name not in untold)
        return cls(answer.status_code, tuple(headers), content)


class Rush(NamedTuple):
    """What came into the box, by whom."""

    bidders: Sequence[SigningKey]
    statements: Sequence[str]
    """Ids of envelopes and withdrawals, in the order in which they came."""
    files: Sequence[str]
    """Ids of sealed files."""

    @property
    def hidden(self) -> set[str]:
        """What nobody else may come to know."""
        people = {name for key in self.bidders for name in (key.fingerprint, key.certificate.registration)}
        return people | set(self.statements) | set(self.files)


class Square(NamedTuple):
    """Everybody who looks on, and what they look at."""

    town: Town
    tender: PracticeTender
    bidders: Sequence[SigningKey]
    sessions: Mapping[str, Mapping[str, str]]

    async def everything(self, files: Sequence[str] = (NOWHERE,)) -> dict[tuple[str, str, str], Told]:
        """By method, address and who asks, all that can be asked about the tender and in general; what needs
        a statement's id gets one that there is not, what needs a sealed file's the given ones."""
        addresses = list(self.addresses(files))
        return {
            (method, address, who): Told.by(await self.ask(method, address, headers))
            for method, address in addresses
            for who, headers in self.sessions.items()
        }

    async def ask(self, method: str, address: str, headers: Mapping[str, str]) -> httpx.Response:
        answer = await self.town.http.request(method, address, headers=dict(headers))
        self.town.http.cookies.clear()
        return answer

    def addresses(self, files: Sequence[str]) -> list[tuple[str, str]]:
        """Every route that is read, with whatever goes into its address."""
        found = set()
        for route in app_of(self.town).routes:
            path = re.sub(r":\w+(?=})", "", route.path_format)
            if re.fullmatch(ALL_THE_TIME, path):
                continue
            for method, filled in product({"GET", "HEAD"} & set(route.methods), self.filled(path, files)):
                found.add((method, filled))
        return sorted(found)

    def filled(self, path: str, files: Sequence[str]) -> list[str]:
        values: dict[str, Sequence[str]] = {
            "ocid": [self.tender.ocid],
            "seq": [str(seq) for seq in range(9)],
            "fingerprint": [self.town.officer.fingerprint],
            "number": ["1"],
            "name": ["style.css"],
            "path": ["nothing"],
            "lot": [self.tender.notice.lots[0].id],
            "chain": [self.town.trust.networks[0].chain_hash],
            "id": files if "/uploads/" in path else [NOWHERE, self.tender.notice_id],
        }
        addresses = [path]
        for name in re.findall(r"{(\w+)}", path):
            addresses = [
                each.replace(f"{{{name}}}", of) for each in addresses for of in values.get(name, [NOWHERE])
            ]
        return addresses


@pytest.fixture(scope="module")
async def square(town: Town) -> Square:
    """A tender that takes documents, people of all roles with a session, and bidders who have bid nowhere."""
    tender = await published(town)
    keys = {
        "officer": town.officer,
        "second officer": town.second,
        "evaluator": town.evaluator,
        "committee member": town.members[0].key,
        "registrar": town.registrar,
        "auditor": town.auditor,
        "review body": await town.enrol(Role.REVIEW, "Reviewer Seo"),
        "rival": await town.bidder("Saebyeok"),
    }
    sessions: dict[str, Mapping[str, str]] = {"public": {}}
    sessions |= {who: await log_in(town, key) for who, key in keys.items()}
    bidders = [await town.bidder(f"Bidder {i}") for i in range(4)]
    return Square(town, tender, bidders, sessions)


async def published(town: Town) -> PracticeTender:
    """A tender with questions and amended terms, whose bids may have documents, open for longer than the
    tests of this module take."""
    more: dict[str, Any] = {"document_limit": 3, "document_size": 1 << 20, "upload_grace": 60}
    more["outage"] = OutageRule(window=60, least=60, short=60, short_extension=60, long_extension=60)
    more["enquiries_until"] = moment(datetime.now(UTC) + timedelta(seconds=1700))
    tender = await town.publish(a_lot(panel_rules()), lead=1800, margin=120, **more)
    asker = await town.bidder("Asker")
    for question in ("Which wood?", "How high?"):
        asked = Enquiry(**tender.about(asker), question=question, salt=secrets.token_hex(32))
        id = await tender.say("enquiries", asked, asker)
    about = tender.about(town.officer)
    await tender.say("answers", Answer(**about, enquiry=id, question="Height?", answer="80 cm"), town.officer)
    await tender.amend(stand=False, description="80 cm high")
    await tender.say("amendments", tender.amendment(title="Oak desks"), town.officer)
    return tender


async def rush(square: Square) -> Rush:
    """One bids, one replaces, one withdraws, one withdraws and comes again; all with documents."""
    tender = square.tender
    one, two, three, four = square.bidders
    statements, files = [], []

    async def bid(key: SigningKey, previous: str | None = None) -> str:
        file = secrets.token_bytes(3000)
        listed = SealedFile(number=1, sha256=hashlib.sha256(file).hexdigest(), size=len(file))
        envelope = compose(
            dict(tender.contents("1000")),
            tender.terms,
            key,
            secrets.token_bytes(entropy_size(tender.terms)),
            previous,
            documents=(listed,),
        )
        id = (await tender.submit(envelope)).statement
        await upload(tender, key, id, listed, file)
        statements.append(id)
        files.append(listed.id(id))
        return id

    async def withdraw(key: SigningKey, previous: str) -> str:
        said = Withdrawal(
            signer=key.fingerprint, tender=tender.ocid, notice=tender.notice_id, previous=previous
        )
        data = sign(said, key)
        assert (await tender.post("withdrawals", data)).status_code == 201
        statements.append(Statement(data).id)
        return statements[-1]

    await bid(one)
    await bid(two, await bid(two))
    await withdraw(three, await bid(three))
    await bid(four, await withdraw(four, await bid(four)))
    return Rush(square.bidders, statements, files)


async def upload(
    tender: PracticeTender, key: SigningKey, envelope: str, listed: SealedFile, file: bytes
) -> tuple[str, dict[str, str]]:
    """The file is all there. Its address, and the headers by which its bidder asks for it."""
    token = secrets.token_bytes(32)
    asked = UploadRequest(
        **tender.about(key),
        envelope=envelope,
        number=listed.number,
        token=hashlib.sha256(token).hexdigest(),
    )
    metadata = f"request {to_base64(sign(asked, key))}"
    headers = TUS | {"Authorization": f"Bearer {token.hex()}"}
    made = await tender.town.http.post(
        f"{tender.path}/uploads",
        headers=headers | {"Upload-Length": str(len(file)), "Upload-Metadata": metadata},
    )
    assert made.status_code == 201, made.text
    sent = await tender.town.http.patch(
        made.headers["Location"],
        headers=headers | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        content=file,
    )
    assert sent.status_code == 204, sent.text
    return made.headers["Location"], headers


class Seen(NamedTuple):
    """The same looked at while the box is empty, and after a rush."""

    square: Square
    size: int
    """Of the log, before the rush."""
    before: Mapping[tuple[str, str, str], Told]
    came: Rush
    after: Mapping[tuple[str, str, str], Told]


@pytest.fixture(scope="module")
async def seen(square: Square) -> Seen:
    size, before = len(await square.town.verify_log()), await square.everything()
    came = await rush(square)
    return Seen(square, size, before, came, await square.everything())


async def test_an_empty_box_and_a_full_one_look_the_same_to_everybody_to_the_byte(seen: Seen) -> None:
    asked = {address for _, address, _ in seen.before}
    ocid = seen.square.tender.ocid
    assert {"/", "/health", "/api/openapi.json", f"/tenders/{ocid}", "/desk/drafts"} <= asked
    assert {each for each, told in seen.before.items() if told.status == 200}
    assert {each for each, told in seen.before.items() if told != seen.after[each]} == set()


async def test_nothing_that_anybody_reads_names_a_bidder_or_a_bid(seen: Seen) -> None:
    for key, told in seen.after.items():
        assert not among(seen.came.hidden, told.content + repr(told.headers).encode()), key
    for path in ("/api/v1/journal", "/desk/journal"):
        answer = await seen.square.ask("GET", path, seen.square.sessions["auditor"])
        assert answer.status_code == 200
        assert not among(seen.came.hidden, answer.content)


async def test_what_is_hidden_is_in_the_box_and_found_where_its_bidder_reads_it(seen: Seen) -> None:
    rows = await seen.square.town.rows(seen.square.tender.ocid)
    counts = {table: len(rows[table]) for table in ("envelope", "document", "party")}
    assert counts == {"envelope": len(seen.came.statements), "document": len(seen.came.files), "party": 4}
    bidder = seen.came.bidders[0]
    path = f"/api/v1/tenders/{seen.square.tender.ocid}/own-bids"
    answer = await seen.square.ask("GET", path, await log_in(seen.square.town, bidder))
    assert among(seen.came.hidden, answer.content) >= {bidder.fingerprint, seen.came.statements[0]}


async def test_the_log_has_as_many_commitments_as_came_and_each_is_like_the_others(seen: Seen) -> None:
    """Envelopes, withdrawals, documents and what stands for nothing: an upper bound is told, and no more."""
    entries = (await seen.square.town.verify_log())[seen.size :]
    commitments = [each for each in entries if each.startswith(b'{"c":')]
    assert len(commitments) >= len(seen.came.statements) + len(seen.came.files)
    assert {len(each) for each in commitments} == {89}
    assert all(each == commitment_entry(bytes.fromhex(each[6:70].decode())) for each in commitments)
    assert not among({*seen.came.statements, *seen.came.files}, b"\n".join(entries))


async def test_without_its_token_a_file_that_is_there_looks_like_one_that_is_not(seen: Seen) -> None:
    path = f"{seen.square.tender.path}/uploads"
    body = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    for method, token in product(("HEAD", "GET", "PATCH", "DELETE"), (None, NOWHERE, "x")):
        headers = TUS | ({"Authorization": f"Bearer {token}"} if token else {})
        headers |= body if method == "PATCH" else {}
        told = set()
        for id in (NOWHERE, *seen.came.files):
            answer = await seen.square.town.http.request(method, f"{path}/{id}", headers=headers)
            assert answer.is_client_error
            told.add(Told.by(answer))
        assert len(told) == 1, (method, token, told)


async def test_whoever_asks_to_send_a_file_of_anothers_envelope_does_not_learn_that_there_is_one(
    seen: Seen,
) -> None:
    tender, rival = seen.square.tender, await seen.square.town.bidder("A curious rival")
    told = set()
    for envelope in (NOWHERE, *seen.came.statements):
        asked = UploadRequest(**tender.about(rival), envelope=envelope, number=1, token=NOWHERE)
        metadata = {"Upload-Length": "5", "Upload-Metadata": f"request {to_base64(sign(asked, rival))}"}
        answer = await tender.town.http.post(f"{tender.path}/uploads", headers=TUS | metadata)
        assert answer.is_client_error
        told.add(Told.by(answer))
    assert len(told) == 1, told


async def test_no_public_reading_asks_what_is_in_a_box_so_that_none_takes_longer_for_it(seen: Seen) -> None:
    by_id = re.compile(r".*/(receipts|uploads)/[0-9a-f]{64}")  # one row, for whoever knows its id
    public = {key: told for key, told in seen.after.items() if not by_id.fullmatch(key[1])}
    async with unread(seen.square.town):
        answers = await seen.square.everything()
        assert {key: answers[key] for key in public} == public
        asked = await seen.square.ask("GET", "/desk/bids", seen.square.sessions["rival"])
        assert asked.status_code == 500, "whatever does ask the boxes fails meanwhile"


async def test_a_full_box_refuses_wrong_statements_as_an_empty_one_does(seen: Seen) -> None:
    town = seen.square.town
    quiet, rival = await published(town), await town.bidder("Another rival")
    assert await said(seen.square.tender, rival) == await said(quiet, rival)


async def said(tender: PracticeTender, rival: SigningKey) -> list[tuple[str, int, str, str, int]]:
    """Status, code, words and length of what comes for wrong statements about the tender."""
    elsewhere = tender.seal(rival, previous=NOWHERE)
    unsigned = tender.seal(rival).replace(b'"sig":"', b'"sig":"AAAA')
    withdrawal = Withdrawal(
        signer=rival.fingerprint, tender=tender.ocid, notice=tender.notice_id, previous=NOWHERE
    )
    request = UploadRequest(**tender.about(rival), envelope=NOWHERE, number=1, token=NOWHERE)
    metadata = {"Upload-Length": "5", "Upload-Metadata": f"request {to_base64(sign(request, rival))}"}
    http, path = tender.town.http, tender.path
    answers = {
        "replaces nothing": await tender.post("bids", elsewhere),
        "not signed": await tender.post("bids", unsigned),
        "withdraws nothing": await tender.post("withdrawals", sign(withdrawal, rival)),
        "garbage": await tender.post("bids", b"{}"),
        "no such receipt": await tender.get(f"receipts/{NOWHERE}"),
        "no such statement": await tender.get(f"statements/{NOWHERE}"),
        "file of nothing": await http.post(f"{path}/uploads", headers=TUS | metadata),
        "no file": await http.post(f"{path}/uploads", headers=TUS),
    }
    assert all(each.is_client_error for each in answers.values())
    return [
        (what, each.status_code, each.json()["code"], each.json()["detail"], len(each.content))
        for what, each in answers.items()
    ]


@asynccontextmanager
async def unread(town: Town) -> AsyncIterator[None]:
    """Meanwhile the service may not read the tables of the boxes."""
    connection = await asyncpg.connect(town.dsn)
    try:
        for table in IN_THE_BOXES:
            await connection.execute(f"REVOKE SELECT ON {table} FROM openseal_service")  # noqa: S608  # ours
        yield
    finally:
        for table in IN_THE_BOXES:
            await connection.execute(f"GRANT SELECT ON {table} TO openseal_service")
        await connection.close()
