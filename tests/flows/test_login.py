"""Log-in: who comes in, for how long, what they read, and what keeps everybody else out."""

import asyncio
import base64
import hashlib
import html
import logging
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bids.client import ServiceError, parse
from bids.receipts import Receipt
from crypto.certificates import Role, Signer, SigningKey, request
from crypto.encoding import encode, from_base64, moment
from crypto.errors import CertificateError, RevokedError, StatusError, VerificationError
from crypto.statements import Statement, sign
from procurement.authorities import Authorities
from procurement.evaluation import Committed, LowestPrice, Rules
from procurement.evaluation.explain import rules_in_words
from procurement.login import client, store
from procurement.login.client import COOKIE
from procurement.login.errors import LogInError
from procurement.login.passkeys import FRESH, Passkeys
from procurement.login.sessions import (
    CHALLENGE_LIFETIME,
    IDLE,
    LONGEST,
    REFUSED_NOTED,
    Admitted,
    Sessions,
    Visitor,
)
from procurement.login.statements import LogIn
from procurement.registry import applicant
from procurement.registry import store as registry
from procurement.registry.standings import Standings
from procurement.registry.statements import Reason, Representative
from procurement.settings import Settings, SettingsError
from procurement.tenders import Declaration
from procurement.web.look import when
from tests.authenticator import PRESENT, Passkey
from tests.builders import a_lot, panel_rules
from tests.core.evaluation_builders import a_negotiation, a_price_floor
from tests.flows.people import PracticeTender, Town
from tests.flows.test_consortium import joint_bid, sealed, signed_by

ORIGIN = "http://localhost"
MOMENT = timedelta(milliseconds=1)


class Hall:
    """Log-in at a service whose clock the test turns."""

    def __init__(self, pool: "asyncpg.Pool[Any]", folder: Path) -> None:
        self.time = datetime.now(UTC)
        self.pool = pool
        self.authorities = Authorities(folder)
        standings = Standings(self.authorities.roots)
        self.sessions = Sessions(pool, standings, ORIGIN, lambda: self.time, secrets.token_bytes)
        self.passkeys = Passkeys(self.sessions)
        self._number = 0

    async def enrol(self, role: Role = Role.OFFICER, registration: str = "KR-1") -> SigningKey:
        key = ec.generate_private_key(ec.SECP256R1())
        asked = request(key, role, "Kim", registration)
        certificate = self.authorities.issue(asked, self.time)
        await registry.add_certificate(self.pool, certificate)
        return SigningKey(key, certificate)

    async def revoke(self, *keys: SigningKey) -> None:
        """A new status, which has these certificates on its lists."""
        self._number += 1
        revoked: dict[Role, dict[int, datetime]] = {}
        for key in keys:
            since = revoked.setdefault(key.certificate.role, {})
            since[key.certificate.x509.serial_number] = self.time
        status = self.authorities.status(revoked, self._number, self.time)
        await registry.add_status(self.pool, status.id, self._number, encode(status), self.time)

    async def said(self, key: SigningKey, **changes: Any) -> bytes:
        """A signed log-in, right but for the changes."""
        challenge = await self.sessions.challenge("log-in")
        values = {"challenge": challenge.value.hex(), "origin": ORIGIN, "time": moment(self.time)}
        return sign(LogIn(signer=key.fingerprint, **(values | changes)), key)

    async def come_in(self, key: SigningKey) -> Admitted:
        return await self.sessions.begin((await self.sessions.log_in(await self.said(key))).text)

    async def enrol_passkey(self, visitor: Visitor, passkey: Passkey) -> None:
        options = parse(await self.passkeys.options(visitor), dict[str, Any])
        await self.passkeys.enrol(visitor, "Laptop", passkey.create(options))

    async def use(self, passkey: Passkey) -> Admitted:
        options = parse(await self.passkeys.log_in_options(), dict[str, Any])
        return await self.passkeys.log_in(passkey.get(options))

    async def journal(self) -> list[str]:
        return [row.what for row in await store.list_journal(self.pool, 100)]


@pytest.fixture
async def hall(pool: "asyncpg.Pool[Any]", open_folder: Path) -> Hall:
    hall = Hall(pool, open_folder)
    await hall.revoke()
    return hall


async def turned_away(coming: Any, code: str) -> None:
    with pytest.raises(VerificationError) as caught:
        await coming
    assert caught.value.code == code


# ── by a certificate ─────────────────────────────────────────────────────────────────────────────────────


async def test_who_signs_a_challenge_gets_a_code_and_for_the_code_a_session(hall: Hall) -> None:
    key = await hall.enrol()
    admitted = await hall.come_in(key)
    visitor = await hall.sessions.visitor(admitted.token)
    assert (visitor.role, visitor.registration) == (Role.OFFICER, "KR-1")
    assert visitor.session.ends_at == hall.time + LONGEST
    assert visitor.idle_ends == hall.time + IDLE


async def test_a_challenge_is_good_once(hall: Hall) -> None:
    said = await hall.said(await hall.enrol())
    await hall.sessions.log_in(said)
    await turned_away(hall.sessions.log_in(said), "challenge-unknown")


async def test_a_code_is_good_once_even_for_two_at_the_same_time(hall: Hall) -> None:
    code = await hall.sessions.log_in(await hall.said(await hall.enrol()))
    came = await asyncio.gather(*(hall.sessions.begin(code.text) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(each, Admitted) for each in came) == 1
    assert {each.code for each in came if isinstance(each, VerificationError)} == {"code-unknown"}


async def test_a_code_may_be_typed_as_people_type(hall: Hall) -> None:
    code = await hall.sessions.log_in(await hall.said(await hall.enrol()))
    assert len(code.text.replace("-", "")) * 5 == 80
    await hall.sessions.begin(f" {code.text.lower().replace('-', ' ')} ")


@pytest.mark.parametrize("code", ["", "ABCD", "A" * 17, "0189-0189-0189-0189", "é" * 16, "\0" * 16])
async def test_what_is_no_code_is_told_so(hall: Hall, code: str) -> None:
    await turned_away(hall.sessions.begin(code), "code-unknown")


async def test_challenges_and_codes_last_two_minutes(hall: Hall) -> None:
    key = await hall.enrol()
    late, later = await hall.said(key), await hall.said(key)
    hall.time += CHALLENGE_LIFETIME - MOMENT
    code = await hall.sessions.log_in(late)
    hall.time += MOMENT
    await turned_away(hall.sessions.log_in(later), "challenge-unknown")
    hall.time += CHALLENGE_LIFETIME - MOMENT
    await turned_away(hall.sessions.begin(code.text), "code-unknown")


async def test_a_challenge_that_another_site_passed_on_is_of_no_use_there(hall: Hall) -> None:
    key = await hall.enrol()
    for origin in (
        "https://openseal.example",
        "http://localhost:8000",
        "http://localhost/",
        "HTTP://LOCALHOST",
    ):
        await turned_away(hall.sessions.log_in(await hall.said(key, origin=origin)), "foreign-origin")


async def test_a_challenge_of_nobodys_or_for_a_passkey_lets_nobody_in(hall: Hall) -> None:
    key = await hall.enrol()
    said = await hall.said(key, challenge=secrets.token_hex(32))
    await turned_away(hall.sessions.log_in(said), "challenge-unknown")
    other = await hall.sessions.challenge("passkey-log-in")
    said = await hall.said(key, challenge=other.value.hex())
    await turned_away(hall.sessions.log_in(said), "challenge-unknown")


async def test_a_log_in_of_another_time_is_refused(hall: Hall) -> None:
    key = await hall.enrol()
    for minutes in (-6, 6):
        time = moment(hall.time + timedelta(minutes=minutes))
        await turned_away(hall.sessions.log_in(await hall.said(key, time=time)), "time-wrong")


async def test_who_is_unknown_revoked_or_out_of_time_does_not_come_in(hall: Hall) -> None:
    lost, known = await hall.enrol(), await hall.enrol(registration="KR-2")
    unknown = SigningKey(
        lost._key, hall.authorities.issue(request(lost._key, Role.OFFICER, "Lee", "KR-3"), hall.time)
    )
    await turned_away(hall.sessions.log_in(await hall.said(unknown)), "certificate-invalid")
    await hall.revoke(lost)
    await turned_away(hall.sessions.log_in(await hall.said(lost)), "certificate-revoked")
    hall.time += timedelta(days=400)
    await hall.revoke()
    await turned_away(hall.sessions.log_in(await hall.said(known)), "certificate-invalid")


async def test_a_certificate_revoked_between_code_and_session_lets_nobody_in(hall: Hall) -> None:
    key = await hall.enrol()
    code = await hall.sessions.log_in(await hall.said(key))
    await hall.revoke(key)
    await turned_away(hall.sessions.begin(code.text), "certificate-revoked")


async def test_what_somebody_else_signed_lets_nobody_in(hall: Hall) -> None:
    one, other = await hall.enrol(), await hall.enrol(registration="KR-2")
    said = Statement(await hall.said(one))
    forged = Statement(await hall.said(other)).data.replace(
        other.fingerprint.encode(), one.fingerprint.encode()
    )
    await turned_away(hall.sessions.log_in(forged), "signature-invalid")
    flipped = bytearray(said.data)
    place = said.data.index(b'"sig":"') + 12
    flipped[place] = ord("A") if flipped[place] != ord("A") else ord("B")
    await turned_away(hall.sessions.log_in(bytes(flipped)), "signature-invalid")


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_ends_when_it_is_not_used(hall: Hall) -> None:
    admitted = await hall.come_in(await hall.enrol())
    for _ in range(3):
        hall.time += IDLE - MOMENT
        await hall.sessions.visitor(admitted.token)
    hall.time += IDLE
    await turned_away(hall.sessions.visitor(admitted.token), "not-logged-in")


async def test_a_session_ends_after_eight_hours_however_much_it_is_used(hall: Hall) -> None:
    admitted = await hall.come_in(await hall.enrol())
    began = hall.time
    while hall.time + IDLE / 2 < began + LONGEST:
        hall.time += IDLE / 2
        visitor = await hall.sessions.visitor(admitted.token)
    assert visitor.idle_ends == began + LONGEST
    hall.time = began + LONGEST
    await turned_away(hall.sessions.visitor(admitted.token), "not-logged-in")


async def test_a_session_ends_when_its_certificate_is_revoked_or_out_of_time(hall: Hall) -> None:
    lost, kept = await hall.enrol(), await hall.enrol(registration="KR-2")
    one, other = await hall.come_in(lost), await hall.come_in(kept)
    await hall.revoke(lost)
    await turned_away(hall.sessions.visitor(one.token), "not-logged-in")
    await hall.sessions.visitor(other.token)
    await hall.revoke()  # nothing brings it back
    await turned_away(hall.sessions.visitor(one.token), "not-logged-in")


async def test_a_session_waits_while_nothing_says_who_is_revoked(hall: Hall) -> None:
    admitted = await hall.come_in(await hall.enrol())
    hall.time += timedelta(minutes=1)
    await hall.pool.execute("SELECT 1")
    ahead = hall.time
    hall.time += timedelta(days=2)
    await hall.revoke()
    hall.time = ahead
    with pytest.raises(StatusError):
        await hall.sessions.visitor(admitted.token)
    await hall.revoke()
    await hall.sessions.visitor(admitted.token)


async def test_every_log_in_is_a_session_of_its_own(hall: Hall) -> None:
    key = await hall.enrol()
    one, other = await hall.come_in(key), await hall.come_in(key)
    assert one.token != other.token
    await hall.sessions.end(one.visitor)
    await turned_away(hall.sessions.visitor(one.token), "not-logged-in")
    assert len(await hall.sessions.sessions(other.visitor)) == 1


async def test_log_out_everywhere_ends_a_persons_sessions_and_nobody_elses(hall: Hall) -> None:
    key, renewed = await hall.enrol(), await hall.enrol()
    somebody, namesake = await hall.enrol(registration="KR-2"), await hall.enrol(Role.AUDITOR)
    own = [await hall.come_in(each) for each in (key, key, renewed)]
    others = [await hall.come_in(each) for each in (somebody, namesake)]
    await hall.sessions.end_all(own[0].visitor)
    for each in own:
        await turned_away(hall.sessions.visitor(each.token), "not-logged-in")
    for each in others:
        await hall.sessions.visitor(each.token)


async def test_a_tampered_token_is_nobodys(hall: Hall) -> None:
    token = (await hall.come_in(await hall.enrol())).token
    changed = [f"{token[:at]}{'B' if token[at] == 'A' else 'A'}{token[at + 1 :]}" for at in range(len(token))]
    for each in [*changed, token[:-1], token + "A", "", token.lower(), "\xff" * 43, "A" * 10_000]:
        await turned_away(hall.sessions.visitor(each), "not-logged-in")
    await hall.sessions.visitor(token)


async def test_what_is_over_is_gone_from_the_database(hall: Hall) -> None:
    await hall.come_in(await hall.enrol())
    await hall.said(await hall.enrol())
    await hall.sessions.log_in(await hall.said(await hall.enrol()))
    hall.time += IDLE
    await hall.sessions.challenge("log-in")
    assert await hall.pool.fetchval("SELECT count(*) FROM session") == 0
    assert await hall.pool.fetchval("SELECT count(*) FROM log_in_code") == 0
    assert await hall.pool.fetchval("SELECT count(*) FROM challenge") == 1


async def test_who_reads_the_database_cannot_come_in_with_what_is_there(hall: Hall, dsn: str) -> None:
    key = await hall.enrol()
    challenge = await hall.sessions.challenge("log-in")
    code = await hall.sessions.log_in(await hall.said(key))
    admitted = await hall.come_in(key)
    owner = await asyncpg.connect(dsn)
    queries = "SELECT * FROM challenge", "SELECT * FROM log_in_code", "SELECT * FROM session"
    rows = [row for query in queries for row in await owner.fetch(query)]
    await owner.close()
    secret = base64.b32decode(code.text.replace("-", ""))
    token = base64.urlsafe_b64decode(admitted.token + "=")
    text = repr([tuple(row) for row in rows])
    for each in (challenge.value, secret, token, admitted.token.encode()):
        assert repr(each)[2:-1] not in text
        assert not any(each in bytes(value) for row in rows for value in row if isinstance(value, bytes))
    for hash in [row["hash"] for row in rows]:
        found = base64.urlsafe_b64encode(hash).decode().rstrip("=")
        await turned_away(hall.sessions.visitor(found), "not-logged-in")
        await turned_away(hall.sessions.begin(base64.b32encode(hash[:10]).decode()), "code-unknown")
        await turned_away(
            hall.sessions.log_in(await hall.said(key, challenge=hash.hex())), "challenge-unknown"
        )


async def test_the_service_may_not_rewrite_its_journal(hall: Hall) -> None:
    await hall.come_in(await hall.enrol())
    for statement in ("DELETE FROM access_journal", "UPDATE access_journal SET what = ''"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await hall.pool.execute(statement)


async def test_the_journal_names_who_came_in_and_nobody_who_did_not(hall: Hall) -> None:
    key = await hall.enrol()
    said = await hall.said(key)
    await hall.sessions.begin((await hall.sessions.log_in(said)).text)
    for coming in (hall.sessions.log_in(said), hall.sessions.begin("AAAA-AAAA-AAAA-AAAA")):
        with pytest.raises(LogInError):
            await coming
    rows = await store.list_journal(hall.pool, 10)
    assert [(row.role, row.registration, row.what) for row in rows] == [
        (None, None, "log-in refused: code-unknown"),
        (None, None, "log-in refused: challenge-unknown"),
        ("officer", "KR-1", "log-in by certificate"),
    ]


async def test_whoever_tries_codes_all_day_writes_a_row_a_minute(hall: Hall) -> None:
    key = await hall.enrol()
    for minute in range(3):
        for _ in range(20):
            await turned_away(hall.sessions.begin("AAAA-AAAA-AAAA-AAAA"), "code-unknown")
            body = (await hall.said(key)).replace(b'"sig":"', b'"sig":"AAAA', 1)
            with pytest.raises(VerificationError):
                await hall.sessions.log_in(body)
        rows = await hall.journal()
        assert rows.count("log-in refused: code-unknown") == minute + 1
        assert len(rows) == 2 * (minute + 1)
        hall.time += REFUSED_NOTED
    await hall.come_in(key)
    assert (await hall.journal())[0] == "log-in by certificate"


# ── passkeys ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_passkey_lets_its_owner_in(hall: Hall) -> None:
    key, passkey = await hall.enrol(), Passkey()
    visitor = (await hall.come_in(key)).visitor
    await hall.enrol_passkey(visitor, passkey)
    admitted = await hall.use(passkey)
    assert (admitted.visitor.registration, admitted.visitor.session.means) == ("KR-1", "passkey")
    await hall.sessions.visitor(admitted.token)
    [row] = await hall.passkeys.enrolled(visitor)
    await hall.passkeys.remove(visitor, row.id)
    await turned_away(hall.use(passkey), "passkey-unknown")


async def test_passkeys_are_added_and_removed_just_after_a_log_in_only(hall: Hall) -> None:
    visitor = (await hall.come_in(await hall.enrol())).visitor
    await hall.enrol_passkey(visitor, Passkey())
    [row] = await hall.passkeys.enrolled(visitor)
    hall.time += FRESH + timedelta(seconds=1)
    await turned_away(hall.enrol_passkey(visitor, Passkey()), "log-in-again")
    await turned_away(hall.passkeys.remove(visitor, row.id), "log-in-again")
    assert await hall.passkeys.enrolled(visitor) == [row]


async def test_a_passkey_answers_each_challenge_once_and_only_its_own_kind(hall: Hall) -> None:
    visitor, passkey = (await hall.come_in(await hall.enrol())).visitor, Passkey()
    await hall.enrol_passkey(visitor, passkey)
    options = parse(await hall.passkeys.log_in_options(), dict[str, Any])
    answer = passkey.get(options)
    await hall.passkeys.log_in(answer)
    await turned_away(hall.passkeys.log_in(answer), "challenge-unknown")
    enrolling = parse(await hall.passkeys.options(visitor), dict[str, Any])
    await turned_away(hall.passkeys.log_in(passkey.get(enrolling)), "challenge-unknown")
    certificate = {
        "challenge": base64.urlsafe_b64encode((await hall.sessions.challenge("log-in")).value)
        .decode()
        .rstrip("=")
    }
    await turned_away(hall.passkeys.log_in(passkey.get(certificate)), "challenge-unknown")


async def test_a_passkey_is_enrolled_in_the_session_that_asked(hall: Hall) -> None:
    victim = (await hall.come_in(await hall.enrol())).visitor
    thief = (await hall.come_in(await hall.enrol(registration="KR-2"))).visitor
    options = parse(await hall.passkeys.options(thief), dict[str, Any])
    await turned_away(hall.passkeys.enrol(victim, "Mine", Passkey().create(options)), "challenge-unknown")
    assert await hall.passkeys.enrolled(victim) == []


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"flags": PRESENT}, "passkey-invalid"),
        ({"flags": 0}, "passkey-invalid"),
        ({"origin": "https://openseal.example"}, "passkey-invalid"),
        ({"host": "openseal.example"}, "passkey-invalid"),
        ({"client_data": {"crossOrigin": True}}, "foreign-origin"),
        ({"client_data": {"type": "webauthn.other"}}, "passkey-invalid"),
        ({"client_data": {"challenge": 1}}, "passkey-invalid"),
    ],
)
async def test_a_passkey_that_answers_otherwise_is_refused(
    hall: Hall, lie: dict[str, Any], code: str
) -> None:
    visitor, passkey = (await hall.come_in(await hall.enrol())).visitor, Passkey()
    await hall.enrol_passkey(visitor, passkey)
    for name, value in lie.items():
        setattr(passkey, name, value)
    await turned_away(hall.use(passkey), code)
    fresh = Passkey()
    for name, value in lie.items():
        setattr(fresh, name, value)
    await turned_away(hall.enrol_passkey(visitor, fresh), code)


async def test_another_key_or_handle_is_not_the_passkey(hall: Hall) -> None:
    visitor, passkey, other = (await hall.come_in(await hall.enrol())).visitor, Passkey(), Passkey()
    await hall.enrol_passkey(visitor, passkey)
    other.id, other.handle = passkey.id, passkey.handle
    await turned_away(hall.use(other), "passkey-invalid")
    passkey.handle = secrets.token_bytes(32)
    await turned_away(hall.use(passkey), "passkey-unknown")


async def test_a_passkey_that_counts_backwards_may_be_a_copy(hall: Hall) -> None:
    visitor, passkey = (await hall.come_in(await hall.enrol())).visitor, Passkey()
    passkey.count = 5
    await hall.enrol_passkey(visitor, passkey)
    passkey.count = 6
    await hall.use(passkey)
    for count in (6, 5, 0):
        passkey.count = count
        await turned_away(hall.use(passkey), "passkey-invalid")
    passkey.count = 7
    await hall.use(passkey)


async def test_of_a_passkey_and_its_copy_at_the_same_time_one_comes_in(hall: Hall) -> None:
    visitor, passkey = (await hall.come_in(await hall.enrol())).visitor, Passkey()
    passkey.count = 1
    await hall.enrol_passkey(visitor, passkey)
    passkey.count = 2
    came = await asyncio.gather(*(hall.use(passkey) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, Admitted) for each in came) == 1


async def test_a_passkey_is_of_use_after_a_renewal_but_not_without_a_certificate(hall: Hall) -> None:
    old, passkey = await hall.enrol(), Passkey()
    await hall.enrol_passkey((await hall.come_in(old)).visitor, passkey)
    hall.time += timedelta(days=360)
    renewed = await hall.enrol()
    hall.time += timedelta(days=10)
    await hall.revoke()
    assert (await hall.use(passkey)).visitor.certificate.fingerprint == renewed.fingerprint
    await hall.revoke(renewed)
    with pytest.raises(CertificateError):
        await hall.use(passkey)


async def test_a_passkey_enrolled_with_a_stolen_key_is_void_when_that_is_revoked(hall: Hall) -> None:
    stolen, passkey = await hall.enrol(), Passkey()
    await hall.enrol_passkey((await hall.come_in(stolen)).visitor, passkey)
    await hall.enrol()
    await hall.revoke(stolen)
    with pytest.raises(RevokedError):
        await hall.use(passkey)


async def test_a_passkey_is_enrolled_once(hall: Hall) -> None:
    one = (await hall.come_in(await hall.enrol())).visitor
    other = (await hall.come_in(await hall.enrol(registration="KR-2"))).visitor
    passkey = Passkey()
    await hall.enrol_passkey(one, passkey)
    await turned_away(hall.enrol_passkey(other, passkey), "passkey-taken")
    [row] = await hall.passkeys.enrolled(one)
    await turned_away(hall.passkeys.remove(other, row.id), "no-such-passkey")


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────

SAME = {"Sec-Fetch-Site": "same-origin"}


async def log_in(town: Town, key: SigningKey) -> dict[str, str]:
    """The headers of somebody who is logged in."""
    code = await client.log_in(town.line(), key, ORIGIN)
    answer = await town.http.post("/api/v1/sessions", json={"code": code.code})
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for each in ("Path=/", "Secure", "HttpOnly", "SameSite=strict"):
        assert each.lower() in cookie.lower()
    assert "domain" not in cookie.lower()
    town.http.cookies.clear()
    return {"Cookie": cookie.split(";")[0]}


def an_application(name: str, registration: str) -> Statement:
    """Of a business that is represented by Hong."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = Signer(key, request(key, Role.BUSINESS, name, registration))
    person = Representative(name="Hong", person="KR-77")
    return applicant.application(asked, datetime.now(UTC), representatives=[person], contact="a@b.test")


def problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_somebody_logs_in_reads_who_they_are_and_logs_out(town: Town) -> None:
    headers = await log_in(town, town.officer)
    answer = await town.http.get("/api/v1/session", headers=headers)
    view = answer.json()
    assert (view["role"], view["name"]) == ("officer", "Officer Kim")
    assert view["registration"] == town.officer.certificate.registration
    assert answer.headers["Cache-Control"] == "no-store"
    gone = await town.http.delete("/api/v1/session", headers=headers | SAME)
    assert gone.status_code == 204
    assert f"{COOKIE}=;" in gone.headers["Set-Cookie"].replace('""', "")
    problem(await town.http.get("/api/v1/session", headers=headers), 401, "not-logged-in")


async def test_a_session_that_was_there_before_is_over_after_a_log_in(town: Town) -> None:
    planted = await log_in(town, town.officer)
    code = await client.log_in(town.line(), town.auditor, ORIGIN)
    answer = await town.http.post("/api/v1/sessions", json={"code": code.code}, headers=planted)
    town.http.cookies.clear()
    assert answer.status_code == 201
    assert planted["Cookie"] not in answer.headers["Set-Cookie"]
    problem(await town.http.get("/api/v1/session", headers=planted), 401, "not-logged-in")


async def test_without_a_session_nothing_private_is_read(town: Town) -> None:
    for path in ("session", "passkeys", "applications", "drafts", "journal", "tenders/x/own-bids"):
        answer = await town.http.get(f"/api/v1/{path}")
        problem(answer, 401, "not-logged-in")
        assert answer.headers["Cache-Control"] == "no-store"
    problem(await town.http.get(f"/api/v1/applications/{'0' * 64}"), 401, "not-logged-in")
    for page in ("", "/applications", "/drafts", "/bids", "/journal"):
        answer = await town.http.get(f"/desk{page}")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")


MAY = {
    "applications": {"registrar", "auditor"},
    "drafts": {"officer", "auditor"},
    "journal": {"auditor"},
    "tenders/x/own-bids": {"business"},
    "passkeys": {"officer", "evaluator", "committee", "registrar", "review", "auditor"},
}


async def test_each_role_reads_what_is_meant_for_it_and_nothing_else(town: Town) -> None:
    people = {role: await town.enrol(role, f"A {role}") for role in Role if role is not Role.SERVICE}
    for role, key in people.items():
        headers = await log_in(town, key)
        for path, roles in MAY.items():
            answer = await town.http.get(f"/api/v1/{path}", headers=headers)
            assert answer.status_code == (403 if role not in roles else 404 if "/" in path else 200), (
                role,
                path,
            )
            if role not in roles:
                assert answer.headers["Cache-Control"] == "no-store"
        for page in ("applications", "drafts", "journal"):
            expected = 200 if role in MAY[page] else 403
            assert (await town.http.get(f"/desk/{page}", headers=headers)).status_code == expected
        assert (await town.http.get("/desk", headers=headers)).status_code == 200


async def test_a_change_has_to_come_from_a_page_of_this_site(town: Town) -> None:
    headers = await log_in(town, town.officer)
    away: list[dict[str, str]] = [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{ORIGIN}.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
    ]
    changes = [
        ("DELETE", "/api/v1/session"),
        ("DELETE", "/api/v1/sessions"),
        ("POST", "/api/v1/passkey-options"),
    ]
    changes += [("POST", "/api/v1/passkeys"), ("DELETE", f"/api/v1/passkeys/{'0' * 64}")]
    changes += [
        ("POST", "/logout"),
        ("POST", "/logout-everywhere"),
        ("POST", f"/desk/passkeys/{'0' * 64}/remove"),
    ]
    for method, path in changes:
        for more in away:
            problem(await town.http.request(method, path, headers=headers | more), 403, "cross-site")
    await town.http.get("/api/v1/session", headers=headers)
    for more in (SAME, {"Origin": ORIGIN}):
        answer = await town.http.post("/api/v1/passkey-options", headers=headers | more)
        assert answer.status_code == 201
    assert (await town.http.post("/logout", headers=headers | SAME)).status_code == 303


async def test_no_other_site_logs_its_reader_in_as_somebody_else(town: Town) -> None:
    code = (await client.log_in(town.line(), town.officer, ORIGIN)).code
    for more in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        problem(await town.http.post("/login", data={"code": code}, headers=more), 403, "cross-site")
        problem(
            await town.http.post("/api/v1/sessions", json={"code": code}, headers=more), 403, "cross-site"
        )
    answer = await town.http.post("/login", data={"code": code}, headers=SAME)
    town.http.cookies.clear()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/desk")


async def test_a_wrong_code_on_the_page_is_answered_by_the_page(town: Town) -> None:
    answer = await town.http.post("/login", data={"code": "<script>"}, headers=SAME)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "sixteen letters" in answer.text
    assert "&lt;" not in answer.text.split("<main")[1].split("noscript")[0]
    assert 'href="#code"' in answer.text
    korean = await town.http.post("/login", data={"code": "x"}, headers=SAME | {"Accept-Language": "ko"})
    assert "네 자리씩 묶인" in korean.text
    assert "Set-Cookie" not in answer.headers


async def test_a_registrar_sees_who_waits_and_whose_number_it_is(town: Town) -> None:
    holder = await town.bidder("Hanbit")
    statement = an_application("Hanbit Trade", holder.certificate.registration)
    await applicant.apply(town.line(), statement)
    headers = await log_in(town, town.registrar)
    listed = (await town.http.get("/api/v1/applications", headers=headers)).json()["applications"]
    [found] = [each for each in listed if each["statement"] == statement.id]
    assert found["representatives"] == [{"name": "Hong", "person": "KR-77"}]
    assert found["certified"] == [{"fingerprint": holder.fingerprint, "name": "Hanbit"}]
    served = await town.http.get(f"/api/v1/applications/{statement.id}", headers=headers)
    assert served.content == statement.data
    page = await town.http.get("/desk/applications", headers=headers)
    assert "certified under this role and number already" in page.text
    await applicant.reject(town.line(), town.registrar, statement.id, "not theirs")
    assert statement.id not in (await town.http.get("/api/v1/applications", headers=headers)).text


async def test_a_second_officer_sees_what_waits_and_the_public_does_not(town: Town) -> None:
    notice = town.notice(a_lot(), lead=600, title="Secret until published")
    statement = sign(notice, town.officer)
    await town.line().post("/api/v1/tenders", statement)
    headers = await log_in(town, town.second)
    drafts = (await town.http.get("/api/v1/drafts", headers=headers)).json()["drafts"]
    [found] = [each for each in drafts if each["tender"] == notice.tender]
    assert (found["kind"], found["title"]) == ("notice", notice.title)
    assert from_base64(found["statement"]) == statement
    assert notice.title in (await town.http.get("/desk/drafts", headers=headers)).text
    assert notice.title not in (await town.http.get("/")).text


async def test_officers_see_a_countersigned_notice_until_its_time_has_come(town: Town) -> None:
    times, network = datetime.now(UTC) + timedelta(minutes=10), town.trust.networks[0]
    notice = town.notice(
        a_lot(),
        title="Countersigned and not yet out",
        published=moment(times),
        deadline=moment(times + timedelta(hours=1)),
        round=str(network.round_at(times + timedelta(hours=2))),
    )
    tender = PracticeTender(town, notice, sign(notice, town.officer))
    await town.line().post("/api/v1/tenders", tender.statement)
    headers = await log_in(town, town.officer)

    async def found() -> Any:
        drafts = (await town.http.get("/api/v1/drafts", headers=headers)).json()["drafts"]
        return next(each for each in drafts if each["tender"] == notice.tender)

    assert "countersignature" not in await found()
    answer = await tender.post("countersignatures", tender.countersignature(tender.notice_id, town.second))
    assert answer.status_code == 202
    signed = Statement(from_base64((await found())["countersignature"]))
    assert signed.signer == town.second.fingerprint
    page = (await town.http.get("/desk/drafts", headers=headers)).text
    [card] = [each for each in page.split("<article") if notice.title in each]
    second = town.second.certificate
    assert f"Countersigned by</dt><dd>{second.name} ({second.registration})" in card


async def test_a_second_officer_reads_the_whole_notice_before_signing(town: Town) -> None:
    hostile = "<script>alert(1)</script>"
    lots = a_lot(panel_rules()), a_lot(panel_rules("220000000"), id="2")
    declared = (Declaration(id="d", text="We paid <i>every</i> tax."),)
    notice = town.notice(
        *lots, lead=600, title=hostile, description="Desks & chairs", declarations=declared, standstill=93600
    )
    await town.line().post("/api/v1/tenders", sign(notice, town.officer))
    page = (await town.http.get("/desk/drafts", headers=await log_in(town, town.second))).text
    assert hostile not in page
    [card] = [each for each in page.split("<article") if html.escape(hostile) in each]
    assert card.count("<li>Member ") == 3
    said = html.unescape(re.sub(r"<[^>]+>", "", card))
    for expected in (
        *(
            hostile,
            "Desks & chairs",
            "We paid <i>every</i> tax.",
            "Twelve school desks, 12 EA",
            "1 day, 2 hours",
        ),
        *("Budget110,000,000 KRW", "Budget220,000,000 KRW", "Quality: 90 points", "kr-negotiation/1"),
        *(
            "2 of these 3 must sign",
            "Village school board",
            when("en", notice.closes).striptags(),
            when("en", notice.opens).striptags(),
        ),
        *(
            f"{each.name} ({each.registration})"
            for each in (town.officer.certificate, town.evaluator.certificate)
        ),
        msgspec.json.format(encode(notice), indent=2).decode(),
    ):
        assert expected in said, expected


async def test_a_second_officer_reads_to_whom_is_awarded_and_why(town: Town) -> None:
    tender = await town.publish(a_lot(), a_lot(LowestPrice(ceiling="500"), id="2"), lead=4)
    lead, partner = await town.bidder("Lead & Co."), await town.bidder("Partner")
    shown = await sealed(tender, lead, [partner], "700")
    await signed_by(tender, shown, partner)
    await tender.submit(shown.envelope)
    await tender.close()
    await tender.order("bid")
    await tender.evaluated()
    await tender.intend()
    await tender.say("awards", tender.final_award(), town.officer)
    page = (await town.http.get("/desk/drafts", headers=await log_in(town, town.second))).text
    [card] = [each for each in page.split("<article") if tender.ocid in each]
    assert card.count(f'href="/tenders/{tender.ocid}"') == 2
    said = " ".join(html.unescape(re.sub(r"<[^>]+>", "", card)).split())
    names = "".join(f"{each.certificate.name} ({each.certificate.registration})" for each in (lead, partner))
    assert f"Lot 1: Desks Awarded jointly to{names} Amount700 KRW Rank1" in said
    assert "Lot 2: Desks Nobody: the lot is unsuccessful." in said
    assert tender.intention_id in said


@pytest.mark.parametrize(
    "rules",
    [
        LowestPrice(ceiling="123456"),
        panel_rules(),
        a_negotiation(pass_mark="85.5", drop_extremes_from=7),  # no password
        a_price_floor(estimated_price="234567", statutory_costs="34567", net_construction_cost="45678"),
        a_price_floor(preliminary_prices=Committed(digest="ab" * 32), floor=None, authority="local", unit=1),
    ],
)
def test_no_parameter_of_a_rule_set_is_left_out_of_its_words(rules: Rules) -> None:
    said = " ".join(f"{label} {text}" for label, text in rules_in_words(rules, "KRW")).replace(",", "")

    def leaves(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, each in value.items():
                yield from () if key in ("kind", "unit", "id") else leaves(each)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from leaves(each)
        elif value is not None:
            yield str(value)

    found = list(leaves(msgspec.to_builtins(rules)))
    assert len(found) > 1
    for each in found:
        assert each in said, (each, said)


async def test_a_business_reads_its_own_envelopes_and_receipts_and_no_rivals(town: Town) -> None:
    tender = await town.publish(a_lot(), lead=600)
    own, rival = await town.bidder("Hanbit"), await town.bidder("Saebyeok")
    envelope = tender.seal(own, "100")
    receipt = await tender.submit(envelope)
    theirs = await tender.bid(rival, "200")
    headers = await log_in(town, own)
    path = f"/api/v1/tenders/{tender.ocid}/own-bids"
    answer = await town.http.get(path, headers=headers)
    [bid] = answer.json()["bids"]
    assert from_base64(bid["envelope"]) == envelope
    kept = Statement(from_base64(bid["receipt"]))
    again = await town.line().verified_unless_revoked(kept, Receipt, datetime.now(UTC))
    assert again == receipt
    assert theirs not in answer.text
    assert tender.ocid in (await town.http.get("/desk/bids", headers=headers)).text
    [tenderer] = bid["tenderers"]
    assert tenderer == {"id": own.certificate.registration, "name": "Hanbit"}
    nothing = await town.http.get(path, headers=await log_in(town, await town.bidder("Another")))
    assert nothing.json() == {"bids": []}


async def test_partners_read_the_joint_bid_that_they_are_in_and_none_that_leaves_them_out(
    town: Town,
) -> None:
    tender = await town.publish(a_lot(), lead=600)
    lead, stays, goes = [await town.bidder(name) for name in ("Lead", "Stays", "Goes")]
    first = await joint_bid(tender, lead, stays, goes)
    second = await joint_bid(tender, lead, stays, previous=first.statement)
    await tender.bid(await town.bidder("Rival"), "200")
    read = {}
    for who in (lead, stays, goes):
        headers = await log_in(town, who)
        bids = (await town.http.get(f"/api/v1/tenders/{tender.ocid}/own-bids", headers=headers)).json()[
            "bids"
        ]
        read[who.certificate.name] = [
            (bid["id"], [each["name"] for each in bid["tenderers"]]) for bid in bids
        ]
        verified = Statement(from_base64(bids[0]["receipt"]))
        assert await town.line().verified_unless_revoked(verified, Receipt, datetime.now(UTC)) == first
        page = (await town.http.get("/desk/bids", headers=headers)).text
        assert tender.ocid in page
        joint = f"A joint bid that {lead.certificate.registration} leads"
        assert (joint in page) == (who is not lead)
    both = [(first.statement, ["Lead", "Stays", "Goes"]), (second.statement, ["Lead", "Stays"])]
    assert read == {"Lead": both, "Stays": both, "Goes": both[:1]}


async def test_an_auditor_sees_every_reading_and_who_was_refused(town: Town) -> None:
    officer, auditor = await log_in(town, town.officer), await log_in(town, town.auditor)
    await town.http.get("/desk/drafts", headers=officer)
    await town.http.get("/api/v1/journal", headers=officer)
    entries = (await town.http.get("/api/v1/journal", headers=auditor)).json()["entries"]
    number = town.officer.certificate.registration
    said = [each["what"] for each in entries if each.get("registration") == number][:2]
    assert said == ["refused GET /api/v1/journal", "GET /desk/drafts"]
    assert entries[0]["what"] == "GET /api/v1/journal"
    page = await town.http.get("/desk/journal", headers=auditor)
    assert f"Contracting officer {number}: <code>GET /desk/drafts</code>" in page.text


async def test_what_is_put_into_an_address_draws_no_lines_in_the_journal(town: Town) -> None:
    headers = await log_in(town, await town.bidder("Hanbit"))
    for hostile in ("%0Aofficer", "%00", "%1b[31m", "%ff", "a" * 5000):
        answer = await town.http.get(f"/api/v1/tenders/{hostile}/own-bids", headers=headers)
        assert answer.status_code in (400, 404)
    rows = (await town.rows())["access_journal"]
    assert all(row.isprintable() and len(row) < 600 for row in rows)


async def test_a_passkey_is_enrolled_and_used_over_http(town: Town) -> None:
    headers, passkey = await log_in(town, town.auditor) | SAME, Passkey()
    options = (await town.http.post("/api/v1/passkey-options", headers=headers)).json()
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert town.auditor.certificate.registration not in str(options)
    body = {"name": "Laptop", "credential": passkey.create(options)}
    made = await town.http.post("/api/v1/passkeys", json=body, headers=headers)
    assert made.status_code == 201, made.text
    asked = (await town.http.post("/api/v1/passkey-log-in-options")).json()
    assert asked["userVerification"] == "required"
    assert asked.get("allowCredentials", []) == []
    came = await town.http.post(
        "/api/v1/passkey-log-ins", json={"credential": passkey.get(asked)}, headers=SAME
    )
    assert (came.status_code, came.json()["role"]) == (201, "auditor")
    town.http.cookies.clear()
    listed = (await town.http.get("/api/v1/passkeys", headers=headers)).json()["passkeys"]
    assert [each["name"] for each in listed] == ["Laptop"]
    gone = await town.http.delete(f"/api/v1/passkeys/{made.json()['id']}", headers=headers)
    assert gone.status_code == 204
    asked = (await town.http.post("/api/v1/passkey-log-in-options")).json()
    answer = await town.http.post("/api/v1/passkey-log-ins", json={"credential": passkey.get(asked)})
    problem(answer, 403, "passkey-unknown")


async def test_a_business_enrols_no_passkey(town: Town) -> None:
    headers = await log_in(town, await town.bidder("Hanbit")) | SAME
    problem(await town.http.post("/api/v1/passkey-options", headers=headers), 403, "role-not-admitted")


async def test_a_revoked_person_is_out_at_the_next_request(town: Town) -> None:
    key = await town.enrol(Role.AUDITOR, "Auditor Oh")
    headers = await log_in(town, key)
    await applicant.revoke(town.line(), town.registrar, key.fingerprint, Reason.KEY_COMPROMISE)
    problem(await town.http.get("/api/v1/journal", headers=headers), 401, "not-logged-in")
    with pytest.raises(ServiceError) as caught:
        await client.log_in(town.line(), key, ORIGIN)
    assert (caught.value.code, caught.value.status) == ("certificate-revoked", 403)


async def test_no_secret_of_a_log_in_is_in_rows_or_logs(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    code = (await client.log_in(town.line(), town.auditor, ORIGIN)).code
    headers = await log_in(town, town.auditor)
    await town.http.post("/login", data={"code": "AAAA-BBBB-CCCC-DDDD"}, headers=SAME)
    await town.http.get("/desk/journal", headers=headers)
    token = headers["Cookie"].split("=", 1)[1]
    rows = repr(await town.rows())
    secret = base64.b32decode(code.replace("-", "")).hex()
    for each in (code, code.replace("-", ""), secret, token, base64.urlsafe_b64decode(token + "=").hex()):
        assert each not in rows
        assert each not in caplog.text
    assert hashlib.sha256(token.encode()).hexdigest() in rows


GARBAGE: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b'{"code":1}',
    b'{"code":"' + b"A" * 100_000 + b'"}',
    b'{"credential":{}}',
    b'{"credential":{"response":{"clientDataJSON":"bnVsbA"}}}',
    b'{"credential":{"response":{"clientDataJSON":"\xed\x95\x9c"}}}',
    b'{"name":"x","credential":{"id":[],"response":null}}',
    b'{"name":"","credential":{}}',
    b'{"credential":' + b"[" * 30_000,
]


@pytest.mark.parametrize("body", GARBAGE)
async def test_garbage_is_answered_as_what_it_is(town: Town, body: bytes) -> None:
    headers = await log_in(town, town.auditor) | SAME
    json = headers | {"Content-Type": "application/json"}
    form = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("log-ins", "sessions", "passkeys", "passkey-log-ins"):
        answer = await town.http.post(f"/api/v1/{path}", content=body, headers=json)
        assert answer.status_code in (400, 403, 413), (path, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
    answer = await town.http.post("/login", content=body, headers=form)
    assert answer.status_code in (400, 403, 413)
    assert "Set-Cookie" not in answer.headers


async def test_the_description_names_the_cookie_of_every_private_route(town: Town) -> None:
    spec = (await town.http.get("/api/openapi.json")).json()
    assert spec["components"]["securitySchemes"]["session"]["name"] == COOKIE
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if operation.get("security"):
                assert "401" in operation["responses"], path
                answer = await town.http.request(
                    method.upper(), path.replace("{ocid}", "x").replace("{id}", "0" * 64), headers=SAME
                )
                problem(answer, 401, "not-logged-in")


async def test_pages_of_people_who_are_logged_in_are_kept_nowhere(town: Town) -> None:
    headers = await log_in(town, town.auditor)
    there = await town.http.get("/login", headers=headers)
    assert (there.status_code, there.headers["Location"]) == (303, "/desk")
    for path in ("/desk", "/desk/journal", "/login"):
        answer = await town.http.get(path, headers={} if path == "/login" else headers)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy


def test_an_address_is_written_as_browsers_write_it() -> None:
    for typed, origin in {
        "http://localhost:8000/": "http://localhost:8000",
        "HTTPS://Openseal.Example:443/desk?x#y": "https://openseal.example",
        "http://127.0.0.1:80": "http://127.0.0.1",
        "http://[::1]:8000": "http://[::1]:8000",
        "https://user:secret@openseal.example": "https://openseal.example",
    }.items():
        assert client.origin_of(typed) == origin
    for nonsense in ("", "localhost", "ftp://x", "http://", "http://x:port"):
        with pytest.raises(ValueError):  # noqa: PT011 - urllib raises its own kinds
            client.origin_of(nonsense)


@pytest.mark.parametrize(
    "origin",
    ["https://openseal.example", "https://seals.go.kr:8443", "http://localhost", "http://localhost:8000"],
)
def test_the_services_address_is_set_as_browsers_write_it(origin: str) -> None:
    assert Settings.load({"OPENSEAL_ORIGIN": origin}, Path("data")).origin == origin
    assert client.origin_of(origin) == origin


@pytest.mark.parametrize(
    "origin",
    [
        *("openseal.example", "http://openseal.example", "https://Openseal.example", "https://a.example/"),
        *("https://a.example:443", "https://127.0.0.1", "http://127.0.0.1:8000", "https://[::1]", "https://"),
        *("https://a.example\n", "https://user@a.example", "https://a..example"),
    ],
)
def test_an_address_to_which_no_log_in_can_be_bound_is_no_setting(origin: str) -> None:
    with pytest.raises(SettingsError):
        Settings.load({"OPENSEAL_ORIGIN": origin}, Path("data"))
