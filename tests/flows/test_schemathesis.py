"""What the service answers, against what it says of its own interface."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from bids.envelope import CoSignature, Envelope, Section, Withdrawal
from bids.orders import OrderRefusal
from crypto.ceremony import Commitment, Convening
from crypto.certificates import Role, Signer, SigningKey, request
from crypto.encoding import encode, moment
from crypto.statements import Payload, Statement, sign
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    IntendedAward,
    LateClosing,
    LotAward,
    RevealedPrices,
)
from procurement.login.statements import LogIn
from procurement.registry import applicant
from procurement.registry.statements import Application, Approval, Reason, Rejection, Renewal, Revocation
from procurement.sandbox.offer import Pace
from procurement.tenders import Bid, LotOffer, padded
from tests.builders import a_lot, panel_rules
from tests.flows.conftest import a_town
from tests.flows.people import PracticeTender, Town, signed_anyhow
from tests.flows.test_ceremony import listening
from tests.flows.test_documents import enclose, seal
from tests.flows.test_life import conclude
from tests.flows.test_login import SAME, an_application, log_in
from tests.flows.test_openapi import app_of, described
from tests.flows.test_own_bids import withdraw
from tests.flows.test_silence import upload

AS_DESCRIBED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ANY_REFUSAL = SchemathesisConfig.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}}}
)
"""Resumable uploads have statuses of their own for what is not as it should be."""
TO_VISITORS = [*AS_DESCRIBED, negative_data_rejection]
TO_STRANGERS = [*TO_VISITORS, unsupported_method]
Operation = APIOperation[Any, Any, Any, Any]
TILE = "/log/tile/{path}"
NONE = "0" * 64
WRONG: tuple[Any, ...] = (None, 2**50, "", NONE, "x" * 3000, [], {"a": [[]]})
"""In place of a field; None leaves it out."""
BRIEFLY = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@pytest.mark.parametrize("mode", list(GenerationMode))
async def test_whatever_a_stranger_sends_is_answered_as_described(town: Town, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(await described(town), config=ANY_REFUSAL)
    async with listening(app_of(town)) as url:
        for operation in operations(schema):
            await asyncio.to_thread(send, operation, mode, url, TO_STRANGERS)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
async def test_whatever_somebody_logged_in_sends_is_answered_as_described(town: Town, role: Role) -> None:
    schema = schemathesis.openapi.from_dict(await described(town), config=ANY_REFUSAL)
    key = await town.enrol(role, f"A {role}")
    private = [each for each in operations(schema) if each.definition.raw.get("security")]
    async with listening(app_of(town)) as url:
        for operation, mode in product(private, GenerationMode):
            visitor = await log_in(town, key)  # anew: the operation before may have ended the session
            came = await asyncio.to_thread(send, operation, mode, url, TO_VISITORS, visitor)
            assert 401 not in came or operation.method == "delete", operation.label


@pytest.fixture(scope="module")
async def town(postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """With a practice ground."""
    pace = Pace(lead=7200, shared=3600)
    async with a_town(postgres, migrated, tmp_path_factory.mktemp("town"), pace) as town:
        yield town


async def test_a_statement_with_something_wrong_in_it_is_answered_as_described(town: Town) -> None:
    known = Described(await described(town))
    still_open = await town.publish(a_lot(panel_rules()), lead=600)
    opened = await town.publish(a_lot(panel_rules()), lead=3)
    business = await town.bidder("Hanbit")
    bid = await opened.bid(business, "100")
    await opened.close()
    await opened.order("technical")
    await opened.opened("technical")
    refused = 0
    for tender in (opened, still_open):
        said = [*about(tender, business, bid), *await of_the_registry(town, business)]
        for path, data in chain(changed(said), astray(said, opened, still_open)):
            answer = await town.http.post(path, content=data)
            known.check(answer)
            refused += answer.is_client_error
    assert refused > 1000


async def test_every_answer_of_a_tenders_life_is_as_described(town: Town, tmp_path: Path) -> None:
    known = Described(await described(town))
    checked = [(known.check(answer), answer.is_success) for answer in await life(town, tmp_path)]
    read = {label for label, success in checked if success}
    given = {each.label for each in known.operations if each.method in ("get", "head", "patch")}
    # Given once a day is over, see test_covers and test_bulk; where an authority is asked, see test_stamps.
    later = {
        "/api/v1/covers/{day}",
        "/data/{period}/{name}",
        "/data/practice/{period}/{name}",
        "/api/v1/data/{digest}",
        "/api/v1/tenders/{ocid}/stamp",
    }
    assert given - read == {f"GET {each}" for each in later}


def send(
    operation: Operation,
    mode: GenerationMode,
    url: str,
    checks: Sequence[Any],
    visitor: Mapping[str, str] | None = None,
) -> set[int]:
    """To the operation requests that are as described, or that are not where they can be wrong; `visitor` are
    a session's headers. The statuses that came."""
    breakable = (operation.path_parameters or operation.body) and operation.path != TILE
    came: set[int] = set()
    if mode is GenerationMode.NEGATIVE and not breakable:
        return came
    with requests.Session() as session:
        session.trust_env = False

        @BRIEFLY
        @given(operation.as_strategy(generation_mode=mode))
        def answered(case: Case[Any]) -> None:
            case.headers.update({"Connection": "close"})
            if visitor:
                case.headers.update(SAME)
                case.cookies = dict([visitor["Cookie"].split("=", 1)])
            came.add(case.call_and_validate(url, session, checks=list(checks)).status_code)

        answered()
    return came


async def life(town: Town, folder: Path) -> list[httpx.Response]:
    """Every answer on a tender's way to its award, and one of all that can be read."""
    answers: list[httpx.Response] = []

    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        answers.append(answer)

    hooks = town.http.event_hooks["response"]
    hooks.append(keep)
    ocid = f"ocds-0s3al1-{secrets.token_hex(6)}"
    named = (await town.hand_in(ocid, b"Of oak."),)
    limits = {"document_limit": 1, "document_size": 1 << 20}
    tender = await town.publish(a_lot(), lead=4, margin=4, tender=ocid, documents=named, **limits)
    bidder, leaves = await town.bidder("Hanbit"), await town.bidder("Saebyeok")
    envelope = await documented(tender, bidder, folder)
    await withdraw(tender, leaves, await tender.bid(leaves, "200"))
    await tender.close()
    assert "refusal" in (await tender.post("bids", tender.statement)).json()
    await tender.order("bid")
    await tender.opened("bid")
    await conclude(tender)
    await town.http.post("/api/v1/practice-tenders")
    handed = (await town.http.post("/api/v1/handovers", content=b"ciphertext")).json()["id"]
    for path in (
        f"/api/v1/handovers/{handed}",
        f"/api/v1/ceremonies/{await convened(town)}",
        f"/api/v1/tenders/{tender.ocid}",
        *(f"/api/v1/tenders/{tender.ocid}/{what}" for what in ("steps", "enquiries", "draws", "ocds")),
        f"/api/v1/tenders/{tender.ocid}/documents/spec",
        f"/api/v1/tenders/{tender.ocid}/statements/{tender.notice_id}",
        f"/api/v1/tenders/{tender.ocid}/receipts/{envelope}",
        f"/api/v1/tenders/{tender.ocid}/bids/{envelope}/documents",
        f"/api/v1/tenders/{tender.ocid}/bids/{envelope}/documents/1",
        *("/api/v1/releases?practice=shown", "/ocds/extensions/sealing/README.md"),
        "/ocds/extensions/sealing/extension.json",
        *("/api/v1/tenders", "/api/v1/practice-tenders", "/api/v1/trust", "/api/v1/outages", "/health"),
        *("/api/v1/records", "/api/v1/data", "/api/v1/covers"),
        *("/log/witnessed", "/log/checkpoint", "/log/vkey", "/log/tile/0/000.p/1"),
        *("/beacon/chains", "/beacon/info", "/beacon/public/latest", "/beacon/public/1"),
    ):
        await town.http.get(path)
    await read_private(town, bidder, tender.ocid, envelope)
    hooks.remove(keep)
    return answers


async def documented(tender: PracticeTender, bidder: SigningKey, folder: Path) -> str:
    """The id of a bid with a document, which is uploaded in all the ways that there are."""
    plan = enclose(folder, 1, "Plan", b"Twelve desks in a row.")
    bid = Bid(offers=(LotOffer(lot="1", amount="100"),), documents=(plan.document,))
    contents: dict[Section, bytes] = {"bid": padded(bid)}
    envelope, _ = seal(tender, bidder, contents, [plan], {}, folder)
    id = (await tender.submit(envelope)).statement
    place, headers = await upload(tender, bidder, id, plan.file, plan.path.read_bytes())
    http = tender.town.http
    await http.head(place, headers=headers)
    await http.get(place, headers=headers)
    assert (await http.delete(place, headers=headers)).json()["code"] == "document-stored"
    assert (await http.head(place, headers=headers | {"Authorization": f"Bearer {NONE}"})).is_client_error
    return id


async def read_private(town: Town, bidder: SigningKey, ocid: str, envelope: str) -> None:
    """All that somebody reads who is logged in, and what a registry says to anybody."""
    application = await applicant.apply(town.line(), an_application("Hanbit Trade", "KR-0001"))
    status = (await town.http.get("/api/v1/certificate-status")).json()["status"]
    renewal = applicant.renewal(bidder, ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC))
    await town.line().post("/api/v1/renewals", renewal.data)
    readings = {
        bidder: ["session", f"registry-statements/{renewal.id}", f"tenders/{ocid}/own-bids"],
        town.second: [
            *("drafts", "passkeys", f"tenders/{ocid}/questions"),
            f"tenders/{ocid}/bids/{envelope}/all-documents",
        ],
        town.registrar: ["applications", f"applications/{application.statement}"],
        town.auditor: ["journal", f"registrations/{application.statement}", f"certificate-status/{status}"],
    }
    for key, paths in readings.items():
        headers = await log_in(town, key)
        for path in paths:
            await town.http.get(f"/api/v1/{path}", headers=headers)


async def convened(town: Town) -> str:
    """The id of a ceremony that has just begun."""
    answer = await town.http.post("/api/v1/ceremonies", content=sign(convening(town), town.officer))
    id: str = answer.json()["statement"]
    return id


def convening(town: Town) -> Convening:
    return Convening(
        signer=town.officer.fingerprint,
        threshold=2,
        members=tuple(key.fingerprint for key, _ in town.members),
        nonce=secrets.token_hex(32),
        time=moment(datetime.now(UTC)),
    )


def operations(schema: BaseSchema) -> list[Operation]:
    """All that the interface describes."""
    found: list[Operation] = []
    for each in schema.get_all_operations():
        assert isinstance(each, Ok), each
        found.append(each.ok())
    return found


class Described:
    """The interface's description, to hold answers against."""

    def __init__(self, spec: dict[str, Any]) -> None:
        found = operations(schemathesis.openapi.from_dict(spec))
        self.operations = sorted(found, key=lambda each: each.path.count("{"))  # as OpenAPI matches paths

    def check(self, answer: httpx.Response) -> str | None:
        """That the answer is as described; the operation's label, where it is a described one."""
        case = self._case_of(answer.request)
        if case is None:
            return None
        case.validate_response(answer, AS_DESCRIBED)
        label: str = case.operation.label
        return label

    def _case_of(self, request: httpx.Request) -> Case[Any] | None:
        for operation in sorted(self.operations, key=lambda each: each.path.count("{")):  # the plainest first
            value = ".+" if operation.path == TILE else "[^/]+"
            path = re.fullmatch(re.sub(r"{(\w+)}", rf"(?P<\1>{value})", operation.path), request.url.path)
            if path and operation.method.upper() == request.method:
                return operation.Case(path_parameters=path.groupdict())
        return None


# ── statements with something wrong in them ──────────────────────────────────────────────────────────────


class Said(NamedTuple):
    """What could be right, who says it, and where it is sent."""

    path: str
    payload: Payload
    key: Signer


def changed(said: Sequence[Said]) -> Iterator[tuple[str, bytes]]:
    """Every field of every statement left out, or of another form, or too many; signed with the right key."""
    for each in said:
        fields: dict[str, Any] = msgspec.json.decode(encode(each.payload))
        yield each.path, signed_anyhow(encode(fields | {"more": 1}), each.payload.PURPOSE, each.key)
        for name, wrong in product(fields, WRONG):
            values = fields | {name: wrong}
            if wrong is None:
                del values[name]
            yield each.path, signed_anyhow(encode(values), each.payload.PURPOSE, each.key)


def astray(said: Sequence[Said], *tenders: PracticeTender) -> Iterator[tuple[str, bytes]]:
    """Every statement on every other route, as what it is and as what is said there, and about a tender on
    the route of another one."""
    for each, there in product(said, said):
        for purpose in {each.payload.PURPOSE, there.payload.PURPOSE}:
            yield there.path, signed_anyhow(encode(each.payload), purpose, each.key)
    for each, tender in product(said, tenders):
        path = re.sub(r"/tenders/[^/]+/", f"/tenders/{tender.ocid}/", each.path)
        yield path, signed_anyhow(encode(each.payload), each.payload.PURPOSE, each.key)


def about(tender: PracticeTender, business: SigningKey, bid: str) -> list[Said]:
    """What people in all roles say about a tender."""
    town, now = tender.town, datetime.now(UTC)
    order = town.members[0].sign_order(tender.terms, "technical", None, now, secrets.token_bytes)
    envelope = Statement(tender.seal(business)).read(Envelope)
    taken_back = Withdrawal(
        signer=business.fingerprint, tender=tender.ocid, notice=tender.notice_id, previous=NONE
    )
    officer, second, evaluator = (tender.about(key) for key in (town.officer, town.second, town.evaluator))
    member = tender.about(town.members[0].key) | {"part": "technical", "member": 1}
    prices = tuple(str(100 + i) for i in range(15))
    awards = (LotAward(lot="1"),)
    said: list[tuple[str, Payload, SigningKey]] = [
        ("countersignatures", Countersignature(**second, statement=NONE), town.second),
        ("co-signatures", CoSignature(**tender.about(business), envelope=NONE), business),
        ("bids", envelope, business),
        ("withdrawals", taken_back, business),
        ("late-closings", LateClosing(**officer, closing=NONE, reason="Slow."), town.officer),
        ("opening-partials", order, town.members[0].key),
        ("order-refusals", OrderRefusal(**member, reason="Not convinced."), town.members[0].key),
        ("score-sheets", tender.sheet({bid: "80"}, town.evaluator), town.evaluator),
        ("reserve-prices", RevealedPrices(**officer, lot="1", salt=NONE, prices=prices), town.officer),
        ("award-intentions", IntendedAward(**officer, evaluation=NONE, awards=awards), town.officer),
        ("awards", Award(**officer, intention=NONE, awards=awards), town.officer),
    ]
    for key, about in ((town.second, second), (town.evaluator, evaluator)):
        declaration = ConflictDeclaration(**about, opening=NONE, conflict=False, explanation="")
        said.append(("conflict-declarations", declaration, key))
    notice = town.notice(a_lot(), lead=600)
    return [
        Said("/api/v1/tenders", notice, town.officer),
        *(Said(f"{tender.path}/{path}", payload, key) for path, payload, key in said),
    ]


async def of_the_registry(town: Town, business: SigningKey) -> list[Said]:
    """What is said of who is who, to log in, and in a ceremony."""
    time, lost = moment(datetime.now(UTC)), await town.bidder("Lost")
    waiting = an_application("Hanbit Trade", f"KR-{secrets.token_hex(6)}")
    await applicant.apply(town.line(), waiting)
    asked = ec.generate_private_key(ec.SECP256R1())
    applying = Signer(asked, request(asked, Role.AUDITOR, "Nam", "KR-2"))
    registrar = {"signer": town.registrar.fingerprint, "time": time}
    application = {"application": waiting.id} | registrar
    ceremony, member = await convened(town), town.members[0].key
    word = Commitment(signer=member.fingerprint, ceremony=ceremony, member=1, mailbox=NONE, commitment=NONE)
    said = [
        Said("/api/v1/ceremonies", convening(town), town.officer),
        Said(f"/api/v1/ceremonies/{ceremony}/words", word, member),
        Said(
            "/api/v1/registrations",
            applicant.application(applying, datetime.now(UTC)).read(Application),
            applying,
        ),
        Said("/api/v1/registration-rejections", Rejection(**application, reason="No."), town.registrar),
        Said("/api/v1/registration-approvals", Approval(**application), town.registrar),
        Said(
            "/api/v1/revocations",
            Revocation(**registrar, certificate=lost.fingerprint, reason=Reason.SUPERSEDED),
            town.registrar,
        ),
    ]
    reviewer = await town.enrol(Role.REVIEW, "Reviewer Seo")
    for key in (business, town.officer, town.evaluator, member, town.registrar, reviewer, town.auditor):
        renewal = applicant.renewal(key, ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC))
        said.append(Said("/api/v1/renewals", renewal.read(Renewal), key))
        coming = LogIn(signer=key.fingerprint, challenge=NONE, origin="http://localhost", time=time)
        said.append(Said("/api/v1/log-ins", coming, key))
    return said
