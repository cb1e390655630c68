"""Registration by the command line: applicant, registrar and holder, each with a file of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args
from uuid import uuid4

import httpx
import msgspec
import pytest

import bids.client
from bids.client import read_trust
from crypto.certificates import Certificate, Role, Signer, request
from crypto.encoding import encode, from_base64, to_base64
from crypto.errors import CertificateError
from crypto.statements import Statement, sign
from procurement.authorities import Authorities, local_beacon
from procurement.numbers import practice_number
from procurement.registry import applicant
from procurement.registry.commands import Applied
from procurement.registry.holding import Holding, load, private
from procurement.registry.safe import Safe
from procurement.registry.statements import ANYBODY, Application, Representative
from procurement.sandbox.offer import Pace
from procurement.service import House, embedded_witness, working
from procurement.settings import SettingsError
from procurement.timekeeping import Clock
from tests.conftest import fresh_database
from tests.flows.conftest import running
from tests.flows.people import Town
from tests.flows.test_ceremony import OUR_WORDS, Ended, listening, passphrase_in, run
from tests.flows.test_registry import Elsewhere
from tests.ports import free_port


class Person:
    """Somebody who runs commands on a file of their own."""

    def __init__(self, town: Town, url: str, file: Path) -> None:
        self.town, self.url, self.file = town, url, file

    async def run(self, *command: str) -> Ended:
        at = 2 if command[0] == "registrar" else 1
        arguments = [*command[:at], str(self.file), *command[at:]]
        return await asyncio.to_thread(run, *arguments)

    async def ok(self, *command: str) -> str:
        ended = await self.run(*command)
        assert ended.status == 0, ended.err
        return ended.out

    async def fails(self, *command: str) -> str:
        ended = await self.run(*command)
        assert ended.status == 1, ended
        return ended.err

    async def apply(self, role: str, name: str, number: str, *more: str) -> str:
        """What the first command prints."""
        about = ("--service", self.url, "--role", role, "--name", name, "--registration", number)
        return await self.ok("enrol", *about, *more)

    def holding(self) -> Holding:
        return load(Safe(self.file, OUR_WORDS))

    def keep(self, holding: Holding) -> None:
        Safe(self.file, OUR_WORDS).write(encode(holding))


@pytest.fixture(autouse=True)
def passphrase(tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "passphrase"
    folder.mkdir()
    with passphrase_in(folder):
        yield


def an_address() -> tuple[int, str]:
    """A port that nobody uses, and the address of a service behind it."""
    port = free_port()
    return port, f"http://localhost:{port}"


@pytest.fixture(scope="module")
async def here(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, str]]:
    """A town whose service also listens on a port, and its address."""
    house = House.below(tmp_path_factory.mktemp("town"))
    port, url = an_address()
    async with (
        fresh_database(postgres, f"enrolment_{uuid4().hex}", migrated) as dsn,
        running(dsn, house, url, pace=Pace()) as client,
        listening(client._transport.app, port),  # type: ignore[attr-defined]  # the application itself
    ):
        yield await Town.settle(client, house, dsn), url


@pytest.fixture
async def registrar(here: tuple[Town, str], tmp_path: Path) -> Person:
    """A registrar with a file, who came by a code."""
    person = Person(*here, tmp_path / "registrar")
    (tmp_path / "code").write_text(here[0].house.invitation.make() + "\n")
    number, code = f"R-{uuid4().hex}", ("--code-file", f"{tmp_path}/code")
    out = await person.apply("registrar", "Registrar Ma", number, *code)
    assert out.strip() == person.holding().signing_key.fingerprint
    return person


async def test_from_an_application_to_a_certificate_a_renewal_and_a_revocation(
    here: tuple[Town, str], registrar: Person, tmp_path: Path
) -> None:
    business = Person(*here, tmp_path / "business")
    persons = ("--representative", "Hong Gil-dong", "--representative", "KR-7=Im Kkeokjeong")
    _, id, waits, *_ = (await business.apply("business", "도서관 상사", "KR-70", *persons)).split()
    assert waits == "waits"
    said = Statement(from_base64(business.holding().application or "")).read(Application)
    assert [(each.name, each.person) for each in said.representatives] == [
        ("Hong Gil-dong", None),
        ("Im Kkeokjeong", "KR-7"),
    ]
    assert f"application {id} waits" in await business.ok("enrol")
    assert "no certificate is in this file yet" in await business.fails("renew")
    shown = await registrar.ok("registrar", "approve", id, "--yes")
    assert "business 도서관 상사, number KR-70" in shown
    assert "represented by Im Kkeokjeong, number KR-7" in shown
    assert "Registrar Ma signs" in shown
    first = (await business.ok("enrol")).strip()
    assert first == business.holding().signing_key.fingerprint == shown.split()[-1]
    assert (await business.run("enrol")).status == 2
    second = (await business.ok("renew")).strip()
    holding = business.holding()
    assert second == holding.signing_key.fingerprint != first
    assert (holding.next_key, holding.renewal, holding.application) == (None, None, None)
    shown = await registrar.ok("registrar", "revoke", first, "--reason", "keyCompromise", "--yes")
    assert "business 도서관 상사, number KR-70" in shown
    assert f"as one came of the other by renewal: {second}" in shown
    assert "the certificate was revoked" in await business.fails("renew")


async def test_whoever_practises_has_the_number_of_their_key_at_once(
    here: tuple[Town, str], tmp_path: Path
) -> None:
    person = Person(*here, tmp_path / "learner")
    out = await person.apply("business", "도서관 상사", "practice", "--representative", "Hong Gil-dong")
    key = person.holding().signing_key
    assert out.strip() == key.fingerprint
    assert key.certificate.registration == practice_number(key.certificate.public_key)
    assert "a practice number is its key's" in await person.fails("renew")


async def test_a_file_with_the_key_of_a_browser_without_ed25519_is_as_good(
    here: tuple[Town, str], registrar: Person, tmp_path: Path
) -> None:
    town, business = here[0], Person(*here, tmp_path / "business")
    line, key = town.line(), f"p256:{'33' * 32}"
    signer = Signer(private(key), request(private(key), Role.BUSINESS, "도서관 상사", "KR-71"))
    asked = applicant.application(signer, line.now(), representatives=[Representative(name="홍길동")])
    business.keep(Holding(service=business.url, trust=line.trust, key=key, application=to_base64(asked.data)))
    _, id, *_ = (await business.ok("enrol")).split()
    await registrar.ok("registrar", "approve", id, "--yes")
    first = (await business.ok("enrol")).strip()
    assert len((await business.ok("login")).strip()) == 19
    second = (await business.ok("renew")).strip()
    assert business.holding().signing_key.fingerprint == second != first


async def test_nothing_is_signed_without_a_yes(
    here: tuple[Town, str], registrar: Person, tmp_path: Path
) -> None:
    person = Person(*here, tmp_path / "evaluator")
    _, id, *_ = (await person.apply("evaluator", "Evaluator Bu", "E-70")).split()
    victim = (await here[0].bidder("Bidder")).fingerprint
    for command in (
        ("approve", id),
        ("reject", id, "--reason", "No."),
        ("revoke", victim, "--reason", "superseded"),
    ):
        assert "nobody is there to be asked" in await registrar.fails("registrar", *command)
    assert "waits" in await person.ok("enrol")
    await registrar.ok("registrar", "reject", id, "--reason", "No appointment.", "--yes")
    assert "rejected: No appointment.; a new file makes a new one" in await person.fails("enrol")


async def test_an_application_that_never_arrived_is_sent_again(
    here: tuple[Town, str], registrar: Person, tmp_path: Path
) -> None:
    person = Person(*here, tmp_path / "officer")
    await person.apply("officer", "Officer Do", "O-70")
    holding = person.holding()
    said = Statement(from_base64(holding.application or "")).read(Application)
    long_ago = msgspec.structs.replace(said, time="2026-01-01T00:00:00.000Z")
    signer = Signer(private(holding.key), said.holder())
    lost = to_base64(sign(long_ago, signer))
    person.keep(msgspec.structs.replace(holding, application=lost))
    _, id, *_ = (await person.ok("enrol")).split()
    kept = Statement(from_base64(person.holding().application or ""))
    assert (kept.id, kept.read(Application).request) == (id, said.request)
    await registrar.ok("registrar", "approve", id, "--yes")
    assert (await person.ok("enrol")).strip() == person.holding().signing_key.fingerprint


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_renewal_whose_answer_was_lost_is_taken_up_again(
    here: tuple[Town, str], registrar: Person, tmp_path: Path, arrived: bool
) -> None:
    town, person = here[0], Person(*here, tmp_path / "auditor")
    _, id, *_ = (await person.apply("auditor", "Auditor Seo", f"A-{arrived}")).split()
    await registrar.ok("registrar", "approve", id, "--yes")
    await person.ok("enrol")
    holding, seed = person.holding(), "77" * 32
    line = town.line()
    at = line.now() if arrived else line.now().replace(year=2025)
    asked = applicant.renewal(holding.signing_key, private(seed), at)
    if arrived:
        expected = await applicant.renewed(line, holding.signing_key, private(seed), asked)
    person.keep(msgspec.structs.replace(holding, next_key=seed, renewal=to_base64(asked.data)))
    fingerprint = (await person.ok("renew")).strip()
    after = person.holding()
    assert (after.key, after.signing_key.fingerprint, after.next_key) == (seed, fingerprint, None)
    if arrived:
        assert fingerprint == expected.fingerprint


async def test_a_member_whom_notices_name_keeps_its_certificate(
    here: tuple[Town, str], registrar: Person, tmp_path: Path
) -> None:
    person = Person(*here, tmp_path / "member")
    _, id, *_ = (await person.apply("committee", "Member Tak", "C-70")).split()
    await registrar.ok("registrar", "approve", id, "--yes")
    before = (await person.ok("enrol")).strip()
    person.keep(msgspec.structs.replace(person.holding(), ceremony="11" * 32, member=1))
    assert "notices name this committee member's certificate" in await person.fails("renew")
    assert person.holding().signing_key.fingerprint == before


async def test_a_registrar_is_told_of_what_is_not_there(registrar: Person) -> None:
    absent = "77" * 32
    for command in (("approve", absent), ("reject", absent, "--reason", "No.")):
        assert "no application with this id waits" in await registrar.fails("registrar", *command, "--yes")
    shown = await registrar.fails("registrar", "revoke", absent, "--reason", "superseded", "--yes")
    assert "no such certificate" in shown
    assert (await registrar.run("registrar", "revoke", absent, "--reason", "bored")).status == 2


async def test_a_certificate_that_was_not_asked_for_is_not_believed(here: tuple[Town, str]) -> None:
    """A service that hands out another holder's certificate fools nobody."""
    town = here[0]
    key = await town.bidder("Bidder")
    other = request(key._key, Role.BUSINESS, "Another", key.certificate.registration)
    der = to_base64(key.certificate.der)
    for asked, given in ((other, der), (key.certificate, to_base64(town.officer.certificate.der))):
        with pytest.raises(CertificateError):
            applicant.certified(town.line(), key._key, asked, given)


# ── a first try that fails ───────────────────────────────────────────────────────────────────────────────


async def test_a_refused_application_does_not_stand_in_the_way_of_the_next_one(
    here: tuple[Town, str], tmp_path: Path
) -> None:
    person, code = Person(*here, tmp_path / "registrar"), tmp_path / "code"
    code.write_text("AAAA-BBBB-CCCC-DDDD-EEEE-FFFF\n")
    about = (
        "--service",
        here[1],
        "--role",
        "registrar",
        "--name",
        "Ma",
        "--registration",
        f"R-{uuid4().hex}",
    )
    here[0].house.invitation.make()
    assert "the one-time code does not fit" in await person.fails("enrol", *about, "--code-file", str(code))
    assert not person.file.exists()
    code.write_text(here[0].house.invitation.make())
    out = await person.ok("enrol", *about, "--code-file", str(code))
    assert out.strip() == person.holding().signing_key.fingerprint


async def test_a_wrong_address_does_not_get_into_the_file(
    here: tuple[Town, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bids.client, "PAUSES", (0.01,) * len(bids.client.PAUSES))
    person, trust = Person(*here, tmp_path / "officer"), tmp_path / "trust.json"
    trust.write_bytes(encode(here[0].trust))
    _, nobodys = an_address()
    about = ("--role", "officer", "--name", "Officer Eo", "--registration", "O-71", "--trust", str(trust))
    for more in ((), ("--csr", str(tmp_path / "csr"))):
        await person.fails("enrol", "--service", nobodys, *about, *more)
        assert not person.file.exists()
    assert "waits" in await person.ok("enrol", "--service", here[1], *about)


async def test_nobody_is_offered_to_be_the_service(here: tuple[Town, str], tmp_path: Path) -> None:
    person = Person(*here, tmp_path / "service")
    about = ("--service", here[1], "--name", "Openseal", "--registration", "service")
    for role in ANYBODY:
        assert role in (await person.run("enrol", "--help")).out
    assert (await person.run("enrol", *about, "--role", "service")).status == 2
    assert get_args(Applied) == tuple(each.value for each in ANYBODY)
    assert not person.file.exists()


# ── where every authority is elsewhere ───────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
async def abroad(
    postgres: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Town, str, Elsewhere]]:
    """A service that certifies nobody, not even itself."""
    folder = tmp_path_factory.mktemp("abroad")
    house, elsewhere = House.below(folder), Elsewhere(folder / "roots", *Role)
    keys = house.keys
    with pytest.raises(SettingsError):
        Authorities(keys, elsewhere.folder).service_key(keys, datetime.now(UTC))
    elsewhere.certify(keys / "service.csr", elsewhere.folder / "service.cer")
    port, url = an_address()
    witnesses, beacon = embedded_witness(house, "http://127.0.0.1:1"), local_beacon(keys, 1)
    async with (
        fresh_database(postgres, f"abroad_{uuid4().hex}", migrated) as dsn,
        working(house, dsn, witnesses, beacon, Clock(), elsewhere.folder, url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http,
        listening(app, port),
    ):
        yield Town(http, house, dsn, await read_trust(http)), url, elsewhere


class Foreigner(Person):
    """Somebody whom an authority elsewhere certifies."""

    def __init__(self, abroad: tuple[Town, str, Elsewhere], file: Path) -> None:
        town, url, self.elsewhere = abroad
        super().__init__(town, url, file)
        self.csr, self.certificate = file.with_suffix(".csr"), file.with_suffix(".cer")

    async def certified(self, role: str, name: str, *, pem: bool = True) -> None:
        """A key of one's own, and the certificate that the authority makes for it."""
        said = await self.apply(role, name, f"N-{uuid4().hex}", "--csr", str(self.csr))
        assert str(self.csr) in said
        self.elsewhere.certify(self.csr, self.certificate, pem=pem)

    @property
    def bring(self) -> tuple[str, ...]:
        return ("enrol", "--certificate", str(self.certificate))


async def test_people_certified_elsewhere_enrol_and_log_in_by_commands(
    abroad: tuple[Town, str, Elsewhere], tmp_path: Path
) -> None:
    town = abroad[0]
    registrar, officer = Foreigner(abroad, tmp_path / "registrar"), Foreigner(abroad, tmp_path / "officer")
    await registrar.certified("registrar", "Registrar Ma")
    assert (await town.rows())["application"] == []
    code = tmp_path / "code"
    code.write_text(town.house.invitation.make())
    fingerprint = (await registrar.ok(*registrar.bring, "--code-file", str(code))).strip()
    assert fingerprint == registrar.holding().signing_key.fingerprint
    assert Certificate(from_base64(registrar.holding().certificate or "")).name == "Registrar Ma"

    await officer.certified("officer", "Officer Do", pem=False)
    _, id, *_ = (await officer.ok(*officer.bring)).split()
    for again in (("enrol",), officer.bring):
        assert f"application {id} waits" in await officer.ok(*again)
    shown = await registrar.ok("registrar", "approve", id, "--yes")
    assert "officer Officer Do" in shown
    fingerprint = (await officer.ok("enrol")).strip()
    assert fingerprint == officer.holding().signing_key.fingerprint == shown.split()[-1]
    assert "come from an authority elsewhere" in await officer.fails("renew")
    assert (await officer.run(*officer.bring)).status == 2
    for who in (registrar, officer):
        assert (await who.ok("login")).strip()


async def test_a_request_is_written_again_while_its_certificate_is_to_come(
    abroad: tuple[Town, str, Elsewhere], tmp_path: Path
) -> None:
    person = Foreigner(abroad, tmp_path / "evaluator")
    await person.certified("evaluator", "Evaluator Bu")
    before = person.csr.read_bytes()
    person.csr.unlink()
    ended = await person.run("enrol")
    assert (ended.status, "--certificate" in ended.err) == (2, True)
    await person.ok("enrol", "--csr", str(person.csr))
    assert person.csr.read_bytes() == before


async def test_only_the_keys_own_certificate_of_a_trusted_authority_is_sent(
    abroad: tuple[Town, str, Elsewhere], tmp_path: Path
) -> None:
    person, other = Foreigner(abroad, tmp_path / "one"), Foreigner(abroad, tmp_path / "other")
    await person.certified("review", "Reviewer Ki")
    await other.certified("review", "Reviewer No")
    good = person.certificate.read_bytes()
    person.certificate.write_bytes(other.certificate.read_bytes())
    assert "for another key" in await person.fails(*person.bring)
    strangers = Elsewhere(tmp_path / "strangers", Role.REVIEW)
    strangers.certify(person.csr, person.certificate)
    assert "not issued by a trusted review root" in await person.fails(*person.bring)
    for bad in (b"", b"garbage", good[:-40]):
        person.certificate.write_bytes(bad)
        assert (await person.run(*person.bring)).status == 2
    person.certificate.unlink()
    assert (await person.run(*person.bring)).status == 2
    assert (await person.town.rows())["application"] == (await other.town.rows())["application"]
    person.certificate.write_bytes(good)
    assert "waits" in await person.ok(*person.bring)
    assert (await Foreigner(abroad, tmp_path / "nobody").run(*person.bring)).status == 2


async def test_a_refused_or_rejected_certificate_may_be_brought_again(
    abroad: tuple[Town, str, Elsewhere], tmp_path: Path
) -> None:
    town = abroad[0]
    registrar, firm = Foreigner(abroad, tmp_path / "registrar"), Foreigner(abroad, tmp_path / "firm")
    await registrar.certified("registrar", "Registrar Ba")
    code = tmp_path / "code"
    code.write_text("AAAA-BBBB")
    assert "does not fit" in await registrar.fails(*registrar.bring, "--code-file", str(code))
    code.write_text(town.house.invitation.make())
    await registrar.ok(*registrar.bring, "--code-file", str(code))

    await firm.certified("business", "Hanbit")
    assert "names its representatives" in await firm.fails(*firm.bring)
    _, id, *_ = (await firm.ok(*firm.bring, "--representative", "Hong")).split()
    await registrar.ok("registrar", "reject", id, "--reason", "Another Hong.", "--yes")
    assert "--certificate makes a new one" in await firm.fails("enrol")
    _, again, *_ = (await firm.ok(*firm.bring, "--representative", "Hong Gil-dong")).split()
    assert again != id
    await registrar.ok("registrar", "approve", again, "--yes")
    assert (await firm.ok("enrol")).strip() == firm.holding().signing_key.fingerprint
