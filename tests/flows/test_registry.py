"""Who is who, over HTTP: applications, approvals, renewals, revocations, and what the public sees of them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from bids.client import ServiceError, parse, read_trust
from crypto.ceremony import Convening
from crypto.certificates import Authority, Certificate, PrivateKey, Request, Role, Signer, SigningKey, request
from crypto.encoding import decode, encode, from_base64, moment, to_base64
from crypto.errors import CertificateError, RevokedError, StatusError
from crypto.log import Log
from crypto.revocation import Standing, Status
from crypto.statements import Statement, sign
from procurement import database
from procurement.authorities import STATUS_LIFETIME, Authorities, local_beacon
from procurement.registry import applicant, store
from procurement.registry.answers import Registration, Revoked
from procurement.registry.errors import RegistryError
from procurement.registry.invitation import Invitation
from procurement.registry.office import LOOK, MOST_WAITING, Office, invite_first
from procurement.registry.standings import Standings
from procurement.registry.statements import (
    Application,
    Approval,
    Reason,
    Rejection,
    Renewal,
    Representative,
    Revocation,
)
from procurement.service import House, embedded_witness, working
from procurement.settings import SettingsError
from procurement.timekeeping import Clock
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.flows.people import Town, signed_anyhow

PERSON = Representative(name="Hong Gil-dong", person="KR-800101")


def now() -> str:
    return moment(datetime.now(UTC))


def a_number(kind: str = "KR") -> str:
    return f"{kind}-{secrets.token_hex(6)}"


class Applicant:
    """Somebody with a key and a request, who is not registered yet."""

    def __init__(
        self, role: Role = Role.BUSINESS, name: str = "Kim & Co.", registration: str | None = None
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.request = request(self.key, role, name, registration or a_number())
        self.signer = Signer(self.key, self.request)

    def application(self, **how: Any) -> Statement:
        if self.request.role is Role.BUSINESS:
            how = {"representatives": [PERSON]} | how
        return applicant.application(self.signer, datetime.now(UTC), **how)

    def payload(self, **changes: Any) -> Application:
        """What is in an application, with something else in it."""
        return msgspec.structs.replace(self.application().read(Application), **changes)


async def post(town: Town, route: str, body: bytes) -> httpx.Response:
    return await town.http.post(f"/api/v1/{route}", content=body)


async def refused(town: Town, route: str, body: bytes, status: int, code: str) -> None:
    """With that problem, and nothing was kept."""
    before = await town.kept()
    answer = await post(town, route, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await town.kept() == before


async def applied(town: Town, who: Applicant, **how: Any) -> str:
    statement = who.application(**how)
    assert (await applicant.apply(town.line(), statement)).state == "waiting"
    return statement.id


async def logged(town: Town) -> list[bytes]:
    """All entries of the log, once what was said last is in it."""
    connection = await asyncpg.connect(town.dsn)
    query = "SELECT size = published_size AND NOT EXISTS (SELECT FROM log_queue) FROM log_head"
    for _ in range(1200):
        if await connection.fetchval(query):
            await connection.close()
            return await town.verify_log()
        await asyncio.sleep(0.05)
    raise AssertionError("the log has not taken up what waits")


def entry(kind: str, certificate: str, statement: str) -> bytes:
    return encode({"t": kind, "certificate": certificate, "statement": statement})


def convening(town: Town, officer: SigningKey) -> bytes:
    """Something that only an officer in good standing may say."""
    members = tuple(each.key.fingerprint for each in town.members)
    nonce = secrets.token_hex(32)
    return sign(
        Convening(signer=officer.fingerprint, threshold=2, members=members, nonce=nonce, time=now()), officer
    )


# ── registration ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_business_applies_waits_is_approved_and_has_a_certificate(town: Town) -> None:
    who = Applicant(name="김 상사")
    statement = who.application(contact="kim@example.test")
    answer = await post(town, "registrations", statement.data)
    assert (answer.status_code, answer.json()) == (201, {"statement": statement.id, "state": "waiting"})
    assert await applicant.registration(town.line(), statement.id) == Registration(**answer.json())
    approval = Approval(signer=town.registrar.fingerprint, application=statement.id, time=now())
    signed = sign(approval, town.registrar)
    answered = parse((await post(town, "registration-approvals", signed)).content, Registration)
    assert answered == await applicant.registration(town.line(), statement.id)
    assert answered.state == "approved"
    key = applicant.certified(town.line(), who.key, who.request, answered.certificate)
    assert (key.certificate.role, key.certificate.name) == (Role.BUSINESS, "김 상사")
    served = await town.http.get(f"/api/v1/certificates/{key.fingerprint}")
    assert served.content == key.certificate.der
    assert entry("certificate:issued", key.fingerprint, Statement(signed).id) in await logged(town)


async def test_what_a_business_says_of_its_people_is_nowhere_in_public(town: Town) -> None:
    who = Applicant()
    persons = [Representative(name="Im Kkeokjeong", person="KR-555555"), Representative(name="Jang Gilsan")]
    id = await applied(town, who, representatives=persons, contact="+82 2 555 5555")
    await applicant.approve(town.line(), town.registrar, id)
    public = [(await town.http.get(f"/api/v1/registrations/{id}")).content, *await logged(town)]
    for private in ("Kkeokjeong", "Gilsan", "KR-555555", "555 5555"):
        assert not any(private.encode() in each for each in public)
    connection = await asyncpg.connect(town.dsn)
    number = who.request.registration
    assert await store.represented_by(connection, [number, "nobody"]) == {
        number: {"KR-555555"},
        "nobody": set(),
    }
    await connection.close()


async def test_the_same_application_again_changes_nothing_however_often_it_comes(town: Town) -> None:
    statement = Applicant().application()
    answers = await asyncio.gather(*(post(town, "registrations", statement.data) for _ in range(8)))
    assert {(each.status_code, each.text) for each in answers} == {(201, answers[0].text)}
    await applicant.approve(town.line(), town.registrar, statement.id)
    again = parse((await post(town, "registrations", statement.data)).content, Registration)
    assert again.state == "approved"


async def test_an_application_that_is_none_is_refused(town: Town) -> None:
    who, other = Applicant(), Applicant()
    good = who.payload()
    official = Applicant(Role.EVALUATOR)
    service = Applicant(Role.SERVICE)
    for body in (b"", b"{}", b"[" * 60_000, who.request.der):
        await refused(town, "registrations", body, 400, "malformed")
    for body in (
        encode_raw(good, who, request=None),
        encode_raw(good, who, certificate=to_base64(town.officer.certificate.der)),
        encode_raw(good, who, representatives=[{"name": "X"}] * 21),
        encode_raw(good, who, representatives=[{"name": "X", "person": "no number"}]),
        encode_raw(good, who, representatives=None),
        encode_raw(official.payload(), official, representatives=[{"name": "X"}]),
        encode_raw(good, who, request="AAAA"),
        encode_raw(good, who, request=to_base64(b"x" * 9000)),
        encode_raw(good, who, invitation="11"),
        encode_raw(good, who, time="2026-02-30T00:00:00.000Z"),
        encode_raw(good, who, note="x"),
    ):
        await refused(town, "registrations", body, 400, "malformed")
    late = msgspec.structs.replace(good, time=moment(datetime.now(UTC) - timedelta(minutes=6)))
    early = msgspec.structs.replace(good, time=moment(datetime.now(UTC) + timedelta(minutes=6)))
    for payload in (late, early):
        await refused(town, "registrations", sign(payload, who.signer), 409, "time-wrong")
    stolen = Signer(other.key, other.request)
    theirs = encode_raw(good, who, sign_with=stolen)
    await refused(town, "registrations", theirs, 403, "signature-invalid")
    mine = msgspec.structs.replace(good, signer=other.signer.fingerprint)
    await refused(town, "registrations", sign(mine, other.signer), 403, "certificate-invalid")
    own: dict[str, Any] = {
        "request": to_base64(service.request.der),
        "signer": service.signer.fingerprint,
    }
    theirs = encode_raw(official.payload(), service, **own)
    await refused(town, "registrations", theirs, 403, "certificate-invalid")


def encode_raw(
    payload: Application, who: Applicant, sign_with: Signer | None = None, **changes: Any
) -> bytes:
    """An application with whatever fields, signed under the keyid of `who`; None takes a field away."""
    from tests.flows.people import signed_anyhow

    fields = msgspec.json.decode(encode(payload)) | changes
    body = encode({name: value for name, value in fields.items() if value is not None})
    signer: Any = sign_with or who.signer
    return signed_anyhow(body, Application.PURPOSE, signer, keyid=who.signer.fingerprint)


async def test_a_request_that_its_key_did_not_sign_is_no_proof_of_possession(town: Town) -> None:
    who = Applicant()
    der = bytearray(who.request.der)
    der[-1] ^= 1
    body = encode_raw(who.payload(), who, request=to_base64(bytes(der)))
    answer = await post(town, "registrations", body)
    assert answer.status_code in (400, 403), answer.text


async def test_a_certificate_of_an_authority_that_is_no_root_is_refused(town: Town) -> None:
    who = Applicant(Role.OFFICER)
    foreign = Authority.create(Role.OFFICER, datetime.now(UTC)).issue(who.request, datetime.now(UTC))
    statement = applicant.application(SigningKey(who.key, foreign), datetime.now(UTC))
    await refused(town, "registrations", statement.data, 403, "certificate-invalid")


async def test_only_a_registrar_approves_and_only_what_is_there(town: Town) -> None:
    id = await applied(town, Applicant())
    for key in (town.officer, town.auditor, town.evaluator):
        with pytest.raises(CertificateError):
            await applicant.approve(town.line(), key, id)
        fields = encode({"signer": key.fingerprint, "application": id, "time": now()})
        body = signed_anyhow(fields, Approval.PURPOSE, key)
        await refused(town, "registration-approvals", body, 403, "certificate-invalid")
    registrar = town.registrar
    unknown = sign(Approval(signer=registrar.fingerprint, application="77" * 32, time=now()), registrar)
    await refused(town, "registration-approvals", unknown, 404, "no-such-statement")
    old = moment(datetime.now(UTC) - timedelta(minutes=6))
    late = sign(Approval(signer=registrar.fingerprint, application=id, time=old), registrar)
    await refused(town, "registration-approvals", late, 409, "time-wrong")
    stranger = Applicant(Role.REGISTRAR)
    foreign = Authority.create(Role.REGISTRAR, datetime.now(UTC)).issue(stranger.request, datetime.now(UTC))
    alone = SigningKey(stranger.key, foreign)
    body = sign(Approval(signer=alone.fingerprint, application=id, time=now()), alone)
    await refused(town, "registration-approvals", body, 403, "certificate-invalid")
    assert (await applicant.registration(town.line(), id)).state == "waiting"


async def test_nobody_admits_themselves_under_another_role_or_name(town: Town) -> None:
    own = town.registrar.certificate.registration
    for role in (Role.BUSINESS, Role.REGISTRAR, Role.OFFICER):
        id = await applied(town, Applicant(role, "Another name", own))
        body = sign(Approval(signer=town.registrar.fingerprint, application=id, time=now()), town.registrar)
        await refused(town, "registration-approvals", body, 409, "own-application")


async def test_an_application_is_decided_once(town: Town) -> None:
    id = await applied(town, Applicant())
    about = {"signer": town.registrar.fingerprint, "application": id, "time": now()}
    approval = sign(Approval(**about), town.registrar)
    rejection = sign(Rejection(**about, reason="No papers."), town.registrar)
    answers = await asyncio.gather(
        *(post(town, "registration-approvals", approval) for _ in range(4)),
        *(post(town, "registration-rejections", rejection) for _ in range(4)),
    )
    statuses = [each.status_code for each in answers]
    assert statuses in ([201] * 4 + [409] * 4, [409] * 4 + [201] * 4)
    state = (await applicant.registration(town.line(), id)).state
    assert state == ("approved" if statuses[0] == 201 else "rejected")


async def test_who_was_turned_away_reads_why_and_applies_again(town: Town) -> None:
    who = Applicant()
    id = await applied(town, who)
    answer = await applicant.reject(town.line(), town.registrar, id, "The seal is missing.")
    assert (answer.state, answer.reason, answer.certificate) == ("rejected", "The seal is missing.", None)
    assert await applicant.registration(town.line(), id) == answer
    with pytest.raises(ServiceError, match="decided before"):
        await applicant.approve(town.line(), town.registrar, id)
    again = await applied(town, who)
    assert (await applicant.approve(town.line(), town.registrar, again)).state == "approved"


async def test_who_follows_the_log_finds_out_who_answers_for_each_certificate(town: Town) -> None:
    before, registrar = len(await logged(town)), await town.invited("Registrar Pi")
    town_registrar, town.registrar = town.registrar, registrar
    holder = await town.enrol(Role.REVIEW, "Review body")
    town.registrar = town_registrar
    renewed = await applicant.renew(town.line(), holder, ed25519.Ed25519PrivateKey.generate())
    await applicant.revoke(town.line(), registrar, holder.fingerprint, Reason.SUPERSEDED)
    entries = [msgspec.json.decode(each) for each in (await logged(town))[before:]]
    kinds: list[tuple[Any, SigningKey]] = [
        (Approval, registrar),
        (Renewal, holder),
        (Revocation, registrar),
        (Revocation, registrar),
    ]
    assert [each["certificate"] for each in entries] == [
        registrar.fingerprint,
        holder.fingerprint,
        renewed.fingerprint,
        holder.fingerprint,
        renewed.fingerprint,
    ]
    for (type_, signer), found in zip(kinds, entries[1:], strict=True):
        answer = await town.http.get(f"/api/v1/registry-statements/{found['statement']}")
        assert answer.headers["content-type"] == "application/vnd.dsse+json"
        statement = Statement(answer.content)
        said: Any = statement.verify(type_, signer.certificate)
        assert (statement.id, said.signer) == (found["statement"], signer.fingerprint)
    rejected, own = await applied(town, Applicant()), entries[0]["statement"]
    rejection = Rejection(
        signer=registrar.fingerprint, application=rejected, reason="Im Kkeokjeong is dead.", time=now()
    )
    signed = sign(rejection, registrar)
    assert (await post(town, "registration-rejections", signed)).status_code == 201
    for private in (own, rejected, Statement(signed).id):
        answer = await town.http.get(f"/api/v1/registry-statements/{private}")
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-statement")


async def test_a_registrar_sees_who_already_holds_a_number(town: Town) -> None:
    rival = await town.bidder("The rival", number := a_number())
    id = await applied(town, Applicant(name="The impostor", registration=number))
    connection = await asyncpg.connect(town.dsn)
    (waiting,) = [each for each in await store.list_applications(connection, "waiting") if each.id == id]
    at = datetime.now(UTC)
    live = await store.live_certificates(connection, waiting.role, [waiting.registration], at)
    assert live == {number: [rival.certificate.der]}
    assert await store.live_certificates(connection, Role.OFFICER, [number], at) == {}
    assert await store.live_certificates(connection, waiting.role, [number], at + timedelta(days=400)) == {}
    await applicant.revoke(town.line(), town.registrar, rival.fingerprint, Reason.SUPERSEDED)
    assert await store.live_certificates(connection, waiting.role, [number], at) == {}
    await applicant.reject(town.line(), town.registrar, id, "Another business has this number.")
    rejected = await store.list_applications(connection, "rejected")
    assert id in {each.id for each in rejected}
    assert id not in {each.id for each in await store.list_applications(connection, "approved")}
    await connection.close()


# ── the first registrar ──────────────────────────────────────────────────────────────────────────────────


async def test_the_first_start_makes_one_code_and_later_ones_make_none(town: Town, tmp_path: Path) -> None:
    async with await database.connect(town.dsn, most=1) as pool:
        assert await invite_first(pool, Invitation(tmp_path / "code")) is None
    assert not (tmp_path / "code").exists()


async def test_a_house_without_a_registrar_makes_a_code_and_tells_it_once(dsn: str, house: House) -> None:
    async with await database.connect(dsn, most=1) as pool:
        code = await invite_first(pool, house.invitation)
        assert await invite_first(pool, house.invitation) is None
    path = house.keys / "invitation"
    assert (path.read_text(), path.stat().st_mode & 0o777) == (code, 0o600)
    async with running(dsn, house) as http:
        town = Town(http, house, dsn, await read_trust(http))
        who = Applicant(Role.REGISTRAR)
        found = await applicant.apply(
            town.line(), who.application(code=(code or "").lower().replace("-", " "))
        )
        assert found.state == "approved"
        assert not path.exists()
        key = applicant.certified(town.line(), who.key, who.request, found.certificate)
        assert entry("certificate:issued", key.fingerprint, found.statement) in await logged(town)
        path.write_text(code or "")
        other = Applicant(Role.REGISTRAR)
        await refused(town, "registrations", other.application(code=code).data, 403, "invitation-used")


async def test_a_code_lets_in_one_of_many_who_come_at_once(town: Town) -> None:
    code = town.house.invitation.make()
    comers = [Applicant(Role.REGISTRAR) for _ in range(6)]
    answers = await asyncio.gather(
        *(post(town, "registrations", each.application(code=code).data) for each in comers)
    )
    statuses = sorted(each.status_code for each in answers)
    assert statuses == [201, 403, 403, 403, 403, 403]


async def test_a_code_is_for_a_registrar_who_has_it_and_for_its_own_request(town: Town) -> None:
    old = town.house.invitation.make()
    code = town.house.invitation.make()
    for role in (Role.OFFICER, Role.BUSINESS, Role.AUDITOR):
        body = Applicant(role).application(code=code).data
        await refused(town, "registrations", body, 403, "invitation-invalid")
    for wrong in (old, "AAAA", code[:-1]):
        body = Applicant(Role.REGISTRAR).application(code=wrong).data
        await refused(town, "registrations", body, 403, "invitation-invalid")
    seen, thief = Applicant(Role.REGISTRAR).application(code=code), Applicant(Role.REGISTRAR)
    copied = thief.payload(invitation=seen.read(Application).invitation)
    await refused(town, "registrations", sign(copied, thief.signer), 403, "invitation-invalid")
    (town.house.keys / "invitation").unlink()
    body = Applicant(Role.REGISTRAR).application(code=code).data
    await refused(town, "registrations", body, 403, "invitation-invalid")


# ── renewal ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_holder_goes_over_to_another_key_and_the_old_certificate_still_counts(town: Town) -> None:
    old = await town.enrol(Role.OFFICER, "Officer Moon")
    private = ed25519.Ed25519PrivateKey.generate()
    statement = applicant.renewal(old, private, datetime.now(UTC))
    several = [applicant.renewed(town.line(), old, private, statement) for _ in range(6)]
    new, *again = await asyncio.gather(*several)
    assert {each.fingerprint for each in again} == {new.fingerprint} != {old.fingerprint}
    assert new.certificate.registration == old.certificate.registration
    assert entry("certificate:issued", new.fingerprint, statement.id) in await logged(town)
    for key in (old, new):
        assert (await post(town, "ceremonies", convening(town, key))).status_code == 201


async def test_a_renewal_changes_the_key_and_nothing_else(town: Town) -> None:
    old = await town.enrol(Role.EVALUATOR, "Evaluator Han")
    own, key = old.certificate, ec.generate_private_key(ec.SECP256R1())

    def body(private: PrivateKey, role: Role, name: str, number: str, time: str | None = None) -> bytes:
        asked = to_base64(request(private, role, name, number).der)
        return sign(Renewal(signer=old.fingerprint, request=asked, time=time or now()), old)

    await refused(
        town, "renewals", body(key, Role.OFFICER, own.name, own.registration), 403, "certificate-invalid"
    )
    await refused(
        town, "renewals", body(key, own.role, "Another", own.registration), 403, "certificate-invalid"
    )
    await refused(town, "renewals", body(key, own.role, own.name, "another"), 403, "certificate-invalid")
    same = body(old._key, own.role, own.name, own.registration)
    await refused(town, "renewals", same, 403, "certificate-invalid")
    past = moment(datetime.now(UTC) - timedelta(minutes=6))
    late = body(key, own.role, own.name, own.registration, past)
    await refused(town, "renewals", late, 409, "time-wrong")
    garbage = sign(Renewal(signer=old.fingerprint, request="AAAA", time=now()), old)
    await refused(town, "renewals", garbage, 400, "malformed")
    await applicant.revoke(town.line(), town.registrar, old.fingerprint, Reason.KEY_COMPROMISE)
    good = body(key, own.role, own.name, own.registration)
    await refused(town, "renewals", good, 403, "certificate-revoked")


# ── revocation ───────────────────────────────────────────────────────────────────────────────────────────


async def current(town: Town) -> Standing:
    """The status in force, as a client reads it."""
    shown = (await town.http.get("/api/v1/certificate-status")).json()
    body = (await town.http.get(f"/api/v1/certificate-status/{shown['status']}")).content
    standing = Standing(decode(body, Status), town.trust.authorities())
    assert (standing.id, moment(standing.next_update())) == (shown["status"], shown["ends"])
    return standing


async def test_a_revoked_officer_says_nothing_more_and_what_was_said_before_stands(town: Town) -> None:
    officer = await town.enrol(Role.OFFICER, "Officer Baek")
    assert (await post(town, "ceremonies", convening(town, officer))).status_code == 201
    before = await current(town)
    statement = sign(
        Revocation(
            signer=town.registrar.fingerprint,
            certificate=officer.fingerprint,
            reason=Reason.PRIVILEGE_WITHDRAWN,
            time=now(),
        ),
        town.registrar,
    )
    answer = await post(town, "revocations", statement)
    assert answer.status_code == 201
    assert answer.json() == {
        "statement": Statement(statement).id,
        "revoked": [officer.fingerprint],
        "others": [],
    }
    await refused(town, "ceremonies", convening(town, officer), 403, "certificate-revoked")
    after, at = await current(town), datetime.now(UTC)
    with pytest.raises(RevokedError):
        after.verify(officer.certificate, Role.OFFICER, at)
    assert before.verify(officer.certificate, Role.OFFICER, at)
    assert after.verify(officer.certificate, Role.OFFICER, at - timedelta(minutes=1))
    assert entry("certificate:revoked", officer.fingerprint, Statement(statement).id) in await logged(town)
    again = await applicant.revoke(
        town.line(), await town.invited("Registrar Woo"), officer.fingerprint, Reason.SUPERSEDED
    )
    assert again.statement == Statement(statement).id


async def test_only_a_registrar_revokes_and_only_what_is_the_registrys(town: Town) -> None:
    victim, registrar = await town.bidder("The rival"), town.registrar

    def body(key: SigningKey, certificate: str, **changes: Any) -> bytes:
        fields = {
            "signer": key.fingerprint,
            "certificate": certificate,
            "reason": "superseded",
            "time": now(),
        }
        return signed_anyhow(encode(fields | changes), Revocation.PURPOSE, key)

    for key in (town.officer, town.auditor, victim):
        await refused(town, "revocations", body(key, victim.fingerprint), 403, "certificate-invalid")
    await refused(town, "revocations", body(registrar, "77" * 32), 404, "no-such-statement")
    service = Certificate((town.house.keys / "service.der").read_bytes())
    await refused(town, "revocations", body(registrar, service.fingerprint), 403, "certificate-invalid")
    bored = body(registrar, victim.fingerprint, reason="bored")
    await refused(town, "revocations", bored, 400, "malformed")
    past = moment(datetime.now(UTC) - timedelta(minutes=6))
    late = body(registrar, victim.fingerprint, time=past)
    await refused(town, "revocations", late, 409, "time-wrong")


def another_key() -> PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


async def test_a_revocation_takes_all_that_came_of_the_certificate_by_renewal(town: Town) -> None:
    own = await town.bidder("The careless")
    stolen = await applicant.renew(town.line(), own, another_key())
    line: list[SigningKey] = []
    for _ in range(4):
        line.append(await applicant.renew(town.line(), ([stolen, *line])[-1], another_key()))
    other = await town.bidder("The careless", own.certificate.registration)
    answer = await applicant.revoke(town.line(), town.registrar, stolen.fingerprint, Reason.KEY_COMPROMISE)
    gone = [stolen, *line]
    assert set(answer.revoked) == {each.fingerprint for each in gone}
    assert set(answer.others) == {own.fingerprint, other.fingerprint}
    standing, at, entries = await current(town), datetime.now(UTC), await logged(town)
    for each in gone:
        with pytest.raises(RevokedError):
            standing.verify(each.certificate, Role.BUSINESS, at)
        assert entry("certificate:revoked", each.fingerprint, answer.statement) in entries
        renewal = applicant.renewal(each, another_key(), at)
        await refused(town, "renewals", renewal.data, 403, "certificate-revoked")
    for each in (own, other):
        assert standing.verify(each.certificate, Role.BUSINESS, at)
    shown = await town.http.get(f"/api/v1/registry-statements/{answer.statement}")
    assert Statement(shown.content).read(Revocation).certificate == stolen.fingerprint
    again = await applicant.revoke(town.line(), town.registrar, line[-1].fingerprint, Reason.SUPERSEDED)
    assert again == answer


async def test_a_certificate_has_one_live_successor_so_that_a_theft_shows(town: Town) -> None:
    own = await town.bidder("The careless")
    thiefs = await applicant.renew(town.line(), own, another_key())
    owners = applicant.renewal(own, another_key(), datetime.now(UTC))
    await refused(town, "renewals", owners.data, 409, "renewed-before")
    await applicant.revoke(town.line(), town.registrar, thiefs.fingerprint, Reason.KEY_COMPROMISE)
    assert (await post(town, "renewals", owners.data)).status_code == 201


async def test_of_many_renewals_at_once_one_is_made(town: Town) -> None:
    own = await town.bidder("The careless")
    asked = [applicant.renewal(own, another_key(), datetime.now(UTC)) for _ in range(6)]
    answers = await asyncio.gather(*(post(town, "renewals", each.data) for each in asked))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409, 409, 409]


async def test_a_thief_who_renews_as_fast_as_the_service_answers_is_shut_out_by_one_revocation(
    town: Town,
) -> None:
    own = await town.bidder("The careless")
    minted, under_way = [own], asyncio.Event()

    async def mint() -> str:
        while True:
            try:
                minted.append(await applicant.renew(town.line(), minted[-1], another_key()))
            except ServiceError as refusal:
                return refusal.code
            if len(minted) > 3:
                under_way.set()

    thief = asyncio.create_task(mint())
    await under_way.wait()
    answer = await applicant.revoke(town.line(), town.registrar, own.fingerprint, Reason.KEY_COMPROMISE)
    assert await thief == "certificate-revoked"
    assert set(answer.revoked) == {each.fingerprint for each in minted}
    assert answer.others == []


async def test_revocations_at_the_same_moment_are_all_in_force(town: Town) -> None:
    registrars = [town.registrar, await town.invited("Registrar Shin")]
    victims = [await town.bidder(f"Bidder {number}") for number in range(8)]
    answers: list[Revoked] = await asyncio.gather(
        *(
            applicant.revoke(
                town.line(), registrars[at % 2], victim.fingerprint, Reason.CESSATION_OF_OPERATION
            )
            for at, victim in enumerate([*victims, *victims])
        )
    )
    assert len({each.statement for each in answers}) == len(victims)
    standing, at = await current(town), datetime.now(UTC)
    for victim in victims:
        with pytest.raises(RevokedError):
            standing.verify(victim.certificate, Role.BUSINESS, at)


async def test_a_revoked_registrar_admits_revokes_and_renews_nothing(town: Town) -> None:
    fallen, rest = await town.invited("Registrar Oh"), await town.bidder("Bidder")
    id = await applied(town, Applicant())
    await applicant.revoke(town.line(), town.registrar, fallen.fingerprint, Reason.AFFILIATION_CHANGED)
    for act in (
        applicant.approve(town.line(), fallen, id),
        applicant.reject(town.line(), fallen, id, "No."),
        applicant.revoke(town.line(), fallen, rest.fingerprint, Reason.SUPERSEDED),
        applicant.renew(town.line(), fallen, ed25519.Ed25519PrivateKey.generate()),
    ):
        with pytest.raises(ServiceError) as refusal:
            await act
        assert (refusal.value.code, refusal.value.status) == ("certificate-revoked", 403)


async def test_a_revoked_member_joins_no_ceremony(town: Town) -> None:
    member = await town.enrol(Role.COMMITTEE, "Member Gu")
    await applicant.revoke(town.line(), town.registrar, member.fingerprint, Reason.AFFILIATION_CHANGED)
    members = (member.fingerprint, *(each.key.fingerprint for each in town.members[:2]))
    given = Convening(
        signer=town.officer.fingerprint, threshold=2, members=members, nonce="11" * 32, time=now()
    )
    await refused(town, "ceremonies", sign(given, town.officer), 403, "certificate-revoked")


async def test_a_status_that_never_was_is_not_there(town: Town) -> None:
    answer = await town.http.get(f"/api/v1/certificate-status/{'11' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-statement")
    answer = await town.http.get(f"/api/v1/registrations/{'11' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-statement")


async def test_a_restart_keeps_who_waits_who_is_admitted_and_who_is_revoked(dsn: str, house: House) -> None:
    async with running(dsn, house) as http:
        town = Town(http, house, dsn, await read_trust(http))
        town.registrar = await town.invited("Registrar Jang")
        officer, out = await town.enrol(Role.OFFICER, "In"), await town.enrol(Role.OFFICER, "Out")
        id = await applied(town, Applicant())
        await applicant.revoke(town.line(), town.registrar, out.fingerprint, Reason.SUPERSEDED)
        before = await current(town)
    async with running(dsn, house) as http:
        again = Town(http, house, dsn, await read_trust(http))
        assert again.trust == town.trust
        standing, at = await current(again), datetime.now(UTC)
        assert standing.id == before.id
        assert standing.verify(officer.certificate, Role.OFFICER, at)
        with pytest.raises(RevokedError):
            standing.verify(out.certificate, Role.OFFICER, at)
        assert (await applicant.approve(again.line(), town.registrar, id)).state == "approved"


async def test_a_renewal_beside_its_revocation_is_refused_or_revoked_with_it(town: Town) -> None:
    for _ in range(6):
        old = await town.bidder("The careless")
        asked = applicant.renewal(old, ed25519.Ed25519PrivateKey.generate(), datetime.now(UTC))
        answer, renewed = await asyncio.gather(
            applicant.revoke(town.line(), town.registrar, old.fingerprint, Reason.KEY_COMPROMISE),
            post(town, "renewals", asked.data),
        )
        assert renewed.status_code in (201, 403), renewed.text
        assert len(answer.revoked) == 1 + (renewed.status_code == 201)
        assert answer.others == []


async def test_no_certificate_is_logged_as_issued_after_its_registrar_was_logged_as_revoked(
    town: Town,
) -> None:
    for _ in range(4):
        fallen = await town.invited("Registrar Oh")
        ids = [await applied(town, Applicant()) for _ in range(4)]
        approvals = [Approval(signer=fallen.fingerprint, application=id, time=now()) for id in ids]
        signed = [sign(each, fallen) for each in approvals]
        revoking = asyncio.create_task(
            applicant.revoke(town.line(), town.registrar, fallen.fingerprint, Reason.KEY_COMPROMISE)
        )
        answers = await asyncio.gather(*(post(town, "registration-approvals", each) for each in signed))
        answer = await revoking
        entries = [msgspec.json.decode(each) for each in await logged(town)]
        said = [each.get("statement") for each in entries]
        taken = [Statement(each).id for each, got in zip(signed, answers, strict=True) if got.is_success]
        assert all(said.index(each) < said.index(answer.statement) for each in taken)


# ── one number, one spelling ─────────────────────────────────────────────────────────────────────────────


async def test_a_number_in_another_spelling_is_refused(town: Town) -> None:
    await town.bidder("The first", number := a_number())
    spelled = number.lower()
    for role in (Role.BUSINESS, Role.OFFICER):
        body = Applicant(role, "The other", spelled).application()
        await refused(town, "registrations", body.data, 409, "number-spelled-otherwise")
    person = Representative(name="Hong Gil-dong", person=spelled)
    body = Applicant().application(representatives=[person])
    await refused(town, "registrations", body.data, 409, "number-spelled-otherwise")
    assert await applied(town, Applicant(Role.OFFICER, "The same", number))


async def test_of_two_spellings_that_wait_one_is_admitted(town: Town) -> None:
    person = a_number()
    business = await applied(town, Applicant(), representatives=[Representative(name="Im", person=person)])
    official = await applied(town, Applicant(Role.OFFICER, "Im", person.lower()))
    bodies = [
        sign(Approval(signer=town.registrar.fingerprint, application=id, time=now()), town.registrar)
        for id in (business, official)
    ]
    answers = await asyncio.gather(*(post(town, "registration-approvals", each) for each in bodies))
    assert sorted(each.status_code for each in answers) == [201, 409]
    (refusal,) = [each.json() for each in answers if each.status_code == 409]
    assert refusal["code"] == "number-spelled-otherwise"


async def test_what_an_application_says_is_not_guessed_from_its_id(town: Town) -> None:
    who, at = Applicant(), datetime.now(UTC)
    one, other = (applicant.application(who.signer, at, representatives=[PERSON]) for _ in range(2))
    assert one.read(Application).salt != other.read(Application).salt
    assert one.id != other.id
    await refused(town, "registrations", encode_raw(who.payload(), who, salt=None), 400, "malformed")


# ── certificate status as time goes by ───────────────────────────────────────────────────────────────────


class SetClock:
    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
async def office(pool: "asyncpg.Pool[Any]", tmp_path: Path) -> tuple[Office, SetClock]:
    """An office whose clock is the test's, over certificates of embedded authorities."""
    return an_office(pool, Authorities(tmp_path), tmp_path)


def an_office(pool: Any, authorities: Authorities, folder: Path) -> tuple[Office, SetClock]:
    clock = SetClock()
    return Office(
        pool,
        Log(pool),
        authorities=authorities,
        standings=Standings(authorities.roots),
        invitation=Invitation(folder / "invitation"),
        now=clock,
    ), clock


async def admitted(office: Office, clock: SetClock, folder: Path, role: Role = Role.REGISTRAR) -> SigningKey:
    """A registrar, by a code."""
    who, code = Applicant(role), Invitation(folder / "invitation").make()
    found = await office.apply(applicant.application(who.signer, clock.at, code=code).data)
    return SigningKey(who.key, Certificate(from_base64(found.certificate or "")))


async def test_before_there_is_a_status_nobody_counts(
    office: tuple[Office, SetClock], tmp_path: Path
) -> None:
    registrar = await admitted(*office, tmp_path)
    approval = Approval(signer=registrar.fingerprint, application="11" * 32, time=now())
    with pytest.raises(StatusError):
        await office[0].approve(sign(approval, registrar))


async def test_a_status_is_made_anew_at_half_its_life_and_a_stale_one_is_no_answer(
    office: tuple[Office, SetClock], tmp_path: Path
) -> None:
    registry, clock = office
    registrar = await admitted(registry, clock, tmp_path)
    await registry.refresh()
    first = await registry.standings.current(registry.pool)
    clock.at += STATUS_LIFETIME / 2 - LOOK
    await registry.refresh()
    assert (await registry.standings.current(registry.pool)).id == first.id
    clock.at += STATUS_LIFETIME / 2 + LOOK
    approval = Approval(signer=registrar.fingerprint, application="11" * 32, time=moment(clock.at))
    with pytest.raises(StatusError):
        await registry.approve(sign(approval, registrar))
    await registry.refresh()
    assert (await registry.standings.current(registry.pool)).id != first.id
    with pytest.raises(RegistryError, match="no such application"):
        await registry.approve(sign(approval, registrar))


async def test_a_status_made_under_a_wrong_clock_does_not_outlive_it(office: tuple[Office, SetClock]) -> None:
    registry, clock = office
    clock.at += timedelta(days=3650)
    await registry.refresh()
    future = await registry.standings.current(registry.pool)
    clock.at -= timedelta(days=3650)
    await registry.refresh()
    now_again = await registry.standings.current(registry.pool)
    assert now_again.id != future.id
    assert now_again.next_update() == (clock.at + STATUS_LIFETIME).replace(microsecond=0)


async def test_a_revoked_certificate_stays_revoked_in_every_later_status(
    office: tuple[Office, SetClock], tmp_path: Path
) -> None:
    registry, clock = office
    await registry.refresh()
    registrar, fallen = [await admitted(registry, clock, tmp_path) for _ in range(2)]
    time = moment(clock.at)
    about: dict[str, Any] = {"certificate": fallen.fingerprint, "reason": Reason.SUPERSEDED, "time": time}
    await registry.revoke(sign(Revocation(signer=registrar.fingerprint, **about), registrar))
    for _ in range(3):
        clock.at += STATUS_LIFETIME
        await registry.refresh()
        standing = await registry.standings.current(registry.pool)
        assert standing.verify(registrar.certificate, Role.REGISTRAR, clock.at)
        with pytest.raises(RevokedError):
            standing.verify(fallen.certificate, Role.REGISTRAR, clock.at)


async def test_when_roots_were_changed_the_first_look_makes_a_status_of_todays(
    pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    before, _ = an_office(pool, Authorities(tmp_path / "before"), tmp_path)
    await before.refresh()
    after, _ = an_office(pool, Authorities(tmp_path / "after"), tmp_path)
    with pytest.raises(CertificateError):
        await after.standings.current(pool)
    await after.refresh()
    assert await after.standings.current(pool)


# ── authorities elsewhere ────────────────────────────────────────────────────────────────────────────────


class Elsewhere:
    """A folder with the roots of authorities that are not the service's, and their revocation lists."""

    def __init__(self, folder: Path, *roles: Role) -> None:
        self.folder, self.number = folder, 1
        folder.mkdir()
        self.authorities = {role: Authority.create(role, datetime.now(UTC)) for role in roles}
        for role, authority in self.authorities.items():
            root = authority.root.public_bytes(serialization.Encoding.PEM)
            (folder / f"{role}.pem").write_bytes(root)
            self.lists(role)

    def lists(self, role: Role, *revoked: Certificate, pem: bool = True) -> None:
        at, self.number = datetime.now(UTC), self.number + 1
        serials = {each.x509.serial_number: at for each in revoked}
        der = self.authorities[role].list_revoked(serials, self.number, at, timedelta(days=7))
        found = x509.load_der_x509_crl(der).public_bytes(serialization.Encoding.PEM) if pem else der
        (self.folder / f"{role}.crl").write_bytes(found)

    def certify(self, csr: Path, to: Path, *, pem: bool = True) -> None:
        """What such an authority does with a request in PEM."""
        der = x509.load_pem_x509_csr(csr.read_bytes()).public_bytes(serialization.Encoding.DER)
        asked = Request(der)
        issued = self.authorities[asked.role].issue(asked, datetime.now(UTC))
        to.write_bytes(issued.x509.public_bytes(serialization.Encoding.PEM) if pem else issued.der)

    def key(self, role: Role, name: str = "Somebody") -> SigningKey:
        key = ec.generate_private_key(ec.SECP256R1())
        asked = request(key, role, name, a_number())
        return SigningKey(key, self.authorities[role].issue(asked, datetime.now(UTC)))


@pytest.fixture
async def abroad(
    postgres: str, migrated: str, open_folder: Path, tmp_path: Path
) -> AsyncIterator[tuple[Town, Elsewhere]]:
    """A town whose registrars and businesses are certified elsewhere."""
    house = House.below(open_folder)
    elsewhere = Elsewhere(tmp_path / "roots", Role.REGISTRAR, Role.BUSINESS)
    witnesses, beacon = embedded_witness(house, "http://127.0.0.1:1"), local_beacon(house.keys, 1)
    async with (
        fresh_database(postgres, f"abroad_{uuid4().hex}", migrated) as dsn,
        working(house, dsn, witnesses, beacon, Clock(), elsewhere.folder) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http,
    ):
        yield Town(http, house, dsn, await read_trust(http)), elsewhere


async def test_people_certified_elsewhere_are_registered_by_their_certificates(
    abroad: tuple[Town, Elsewhere],
) -> None:
    town, elsewhere = abroad
    line, at = town.line(), datetime.now(UTC)
    registrar, bidder = elsewhere.key(Role.REGISTRAR), elsewhere.key(Role.BUSINESS)
    code = town.house.invitation.make()
    found = await applicant.apply(line, applicant.application(registrar, at, code=code))
    assert (found.state, from_base64(found.certificate or "")) == ("approved", registrar.certificate.der)
    statement = applicant.application(bidder, at, representatives=[PERSON])
    assert (await applicant.apply(line, statement)).state == "waiting"
    answer = await applicant.approve(line, registrar, statement.id)
    assert from_base64(answer.certificate or "") == bidder.certificate.der
    officer = await applicant.enrol(
        line, ec.generate_private_key(ec.SECP256R1()), Role.OFFICER, "Kim", "O-1", registrar=registrar
    )
    roots = town.trust.authorities()
    assert roots.verify(officer.certificate, Role.OFFICER, datetime.now(UTC))
    assert roots.verify(bidder.certificate, Role.BUSINESS, datetime.now(UTC))
    assert not town.trust.independent


async def test_what_the_authority_elsewhere_does_is_not_done_here(abroad: tuple[Town, Elsewhere]) -> None:
    town, elsewhere = abroad
    registrar, bidder = elsewhere.key(Role.REGISTRAR), elsewhere.key(Role.BUSINESS)
    at, code = datetime.now(UTC), town.house.invitation.make()
    await applicant.apply(town.line(), applicant.application(registrar, at, code=code))
    asked = Applicant(Role.BUSINESS).application()
    await refused(town, "registrations", asked.data, 403, "certificate-invalid")
    statement = applicant.application(bidder, at, representatives=[PERSON])
    await applicant.apply(town.line(), statement)
    await applicant.approve(town.line(), registrar, statement.id)
    renewal = applicant.renewal(bidder, ed25519.Ed25519PrivateKey.generate(), at)
    await refused(town, "renewals", renewal.data, 403, "certificate-invalid")
    about: dict[str, Any] = {"certificate": bidder.fingerprint, "reason": Reason.SUPERSEDED, "time": now()}
    body = sign(Revocation(signer=registrar.fingerprint, **about), registrar)
    await refused(town, "revocations", body, 403, "certificate-invalid")


@pytest.mark.parametrize("pem", [True, False])
async def test_a_new_list_from_elsewhere_is_in_force_soon_after_it_is_there(
    abroad: tuple[Town, Elsewhere], pem: bool
) -> None:
    town, elsewhere = abroad
    registrar, bidder = elsewhere.key(Role.REGISTRAR), elsewhere.key(Role.BUSINESS)
    at, code = datetime.now(UTC), town.house.invitation.make()
    await applicant.apply(town.line(), applicant.application(registrar, at, code=code))
    elsewhere.lists(Role.BUSINESS, bidder.certificate, pem=pem)
    before = await current(town)
    for _ in range(1200):
        if (await current(town)).id != before.id:
            break
        await asyncio.sleep(0.05)
    statement = applicant.application(bidder, datetime.now(UTC), representatives=[PERSON])
    await refused(town, "registrations", statement.data, 403, "certificate-revoked")


async def test_lists_that_are_none_leave_the_status_as_it_is(
    pool: "asyncpg.Pool[Any]", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Elsewhere(tmp_path / "roots", Role.BUSINESS)
    registry, clock = an_office(pool, Authorities(tmp_path / "keys", elsewhere.folder), tmp_path)
    await registry.refresh()
    before = (await registry.standings.current(pool)).id
    foreign = Elsewhere(tmp_path / "foreign", Role.BUSINESS)
    good = (elsewhere.folder / "business.crl").read_bytes()
    foreigners = (foreign.folder / "business.crl").read_bytes()
    for bad in (b"", b"garbage", good[:-40], foreigners):
        (elsewhere.folder / "business.crl").write_bytes(bad)
        for _ in range(2):
            clock.at += LOOK
            await registry.refresh()
            assert (await registry.standings.current(pool)).id == before
    (elsewhere.folder / "business.crl").unlink()
    clock.at += LOOK
    await registry.refresh()
    assert len(caplog.messages) == len({*caplog.messages}) == 3  # the first three of no form, foreign, gone
    (elsewhere.folder / "business.crl").write_bytes(good)
    clock.at += LOOK
    await registry.refresh()
    assert (await registry.standings.current(pool)).id == before


@pytest.mark.parametrize("restarted", [False, True])
async def test_while_one_authoritys_list_is_no_good_others_are_revoked_and_renewed(
    pool: "asyncpg.Pool[Any]", tmp_path: Path, restarted: bool
) -> None:
    elsewhere = Elsewhere(tmp_path / "roots", Role.BUSINESS)
    registry, clock = an_office(pool, Authorities(tmp_path / "keys", elsewhere.folder), tmp_path)
    await registry.refresh()
    business = elsewhere.key(Role.BUSINESS).certificate
    registrar, fallen = [await admitted(registry, clock, tmp_path) for _ in range(2)]
    (elsewhere.folder / "business.crl").write_bytes(b"-----BEGIN X509 CRL-----\nMII")
    if restarted:
        registry, clock = an_office(pool, Authorities(tmp_path / "keys", elsewhere.folder), tmp_path)
    about: dict[str, Any] = {"certificate": fallen.fingerprint, "reason": Reason.SUPERSEDED}
    revocation = Revocation(signer=registrar.fingerprint, time=moment(clock.at), **about)
    await registry.revoke(sign(revocation, registrar))
    clock.at += STATUS_LIFETIME
    await registry.refresh()
    standing = await registry.standings.current(pool)
    assert standing.verify(registrar.certificate, Role.REGISTRAR, clock.at)
    assert standing.verify(business, Role.BUSINESS, clock.at)
    with pytest.raises(RevokedError):
        standing.verify(fallen.certificate, Role.REGISTRAR, clock.at)


async def test_at_the_very_first_start_every_list_must_be_good(
    pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    elsewhere = Elsewhere(tmp_path / "roots", Role.BUSINESS)
    (elsewhere.folder / "business.crl").unlink()
    registry, _ = an_office(pool, Authorities(tmp_path / "keys", elsewhere.folder), tmp_path)
    with pytest.raises(SettingsError, match=r"business\.crl"):
        await registry.refresh()


async def test_a_flood_of_applications_keeps_out_strangers_only_and_for_a_day_only(
    abroad: tuple[Town, Elsewhere],
) -> None:
    town, elsewhere = abroad
    at, before = datetime.now(UTC), Applicant(Role.OFFICER).application()
    assert (await post(town, "registrations", before.data)).status_code == 201
    owner = await asyncpg.connect(town.dsn)
    await owner.execute(
        "INSERT INTO application (id, body, role, registration, received_at)"
        " SELECT sha256(int4send(i)), '', 'officer', 'flood', now() FROM generate_series(1, $1) AS i",
        MOST_WAITING - 1,
    )
    stranger = Applicant(Role.OFFICER).application()
    answer = await post(town, "registrations", stranger.data)
    assert (answer.status_code, answer.json()["code"]) == (503, "registry-full")
    assert int(answer.headers["Retry-After"]) > 0
    with pytest.raises(ServiceError, match="no such application"):
        await applicant.registration(town.line(), stranger.id)
    assert (await post(town, "registrations", before.data)).status_code == 201
    known = applicant.application(elsewhere.key(Role.BUSINESS), at, representatives=[PERSON])
    assert (await applicant.apply(town.line(), known)).state == "waiting"
    code = town.house.invitation.make()
    invited = applicant.application(elsewhere.key(Role.REGISTRAR), at, code=code)
    assert (await applicant.apply(town.line(), invited)).state == "approved"
    await owner.execute("UPDATE application SET received_at = received_at - interval '1 day'")
    assert (await applicant.apply(town.line(), stranger)).state == "waiting"
    assert await owner.fetchval("SELECT count(*) FROM application") == MOST_WAITING + 3
    await owner.close()


async def test_where_everybody_is_certified_elsewhere_the_same_lists_are_the_same_status(
    pool: "asyncpg.Pool[Any]", tmp_path: Path
) -> None:
    elsewhere = Elsewhere(tmp_path / "roots", *Role)
    registry, clock = an_office(pool, Authorities(tmp_path / "keys", elsewhere.folder), tmp_path)
    path = elsewhere.folder / "business.crl"
    one = path.read_bytes()
    elsewhere.lists(Role.BUSINESS, elsewhere.key(Role.BUSINESS).certificate)
    ids = []
    for lists in (one, one, path.read_bytes(), one):
        path.write_bytes(lists)
        await registry.refresh()
        ids.append((await registry.standings.current(pool)).id)
        clock.at += STATUS_LIFETIME / 2
    assert ids[0] == ids[1] == ids[3] != ids[2]
