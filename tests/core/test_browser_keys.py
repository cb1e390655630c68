"""A business's key in a browser: the same files as the commands', the same statements."""

import secrets
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crypto.certificates import PrivateKey, Role, Signer, SigningKey, request
from crypto.encoding import encode, milliseconds, moment, to_base64
from crypto.statements import Statement
from procurement.errors import SafeError
from procurement.login.statements import LogIn
from procurement.registry import applicant
from procurement.registry.holding import Holding, load, private
from procurement.registry.safe import Safe
from procurement.registry.statements import Application, Renewal, Representative
from tests.builders import the_world
from tests.twins import Twins

WORDS = "바다 위의 달 correct horse"
NOW = datetime.now(UTC)
KEYS = {"Ed25519": "77" * 32, "P-256": f"p256:{'33' * 32}"}
PERSONS = (Representative(name="홍길동"), Representative(name="임꺽정", person="KR-7"))


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Twins() as twins:
        yield twins


def asked(key: str) -> Signer:
    return Signer(private(key), request(private(key), Role.BUSINESS, "도서관 상사", "KR-1"))


def holding(key: str, **more: str) -> Holding:
    """A file whose application waits."""
    application = applicant.application(asked(key), NOW, representatives=PERSONS)
    about = {"application": to_base64(application.data)} | more
    return Holding(service="http://localhost:8000", trust=the_world().trust, key=key, **about)  # type: ignore[arg-type]  # its fields are texts


def pkcs8(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_of_the_command_opens_in_a_browser_with_any_way_to_compose_its_words(
    twins: Twins, tmp_path: Path
) -> None:
    Safe(tmp_path / "file", WORDS).write(b"content")
    data = (tmp_path / "file").read_bytes().hex()
    for words in (WORDS, unicodedata.normalize("NFD", WORDS)):
        assert bytes.fromhex(twins("openSafe", data=data, passphrase=words)) == b"content"
    assert twins.code("openSafe", data=data, passphrase="바다 위의 달 correct horses") == "safe-closed"


def test_a_file_of_a_browser_opens_for_the_command(twins: Twins, tmp_path: Path) -> None:
    sealed = [bytes.fromhex(twins("sealSafe", content=b"content".hex(), passphrase=WORDS)) for _ in range(2)]
    assert sealed[0] != sealed[1]
    (tmp_path / "file").write_bytes(sealed[0])
    assert Safe(tmp_path / "file", WORDS).read() == b"content"
    with pytest.raises(SafeError):
        Safe(tmp_path / "file", "another horse than that").read()


def test_a_damaged_file_is_closed_wherever_it_is_damaged(twins: Twins, tmp_path: Path) -> None:
    Safe(tmp_path / "file", WORDS).write(b"content")
    data = (tmp_path / "file").read_bytes()
    head = len(b"openseal/safe/v1\n")
    for at in (head, head + 15, head + 16, head + 27, head + 28, len(data) - 1):
        broken = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert twins.code("openSafe", data=broken.hex(), passphrase=WORDS) == "safe-closed"
    for short in (b"", data[: head - 1], data[: head + 27], b"x" + data):
        assert twins.code("openSafe", data=short.hex(), passphrase=WORDS) == "not-a-safe"


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_in_a_file_reads_the_same_on_both_sides(twins: Twins, kind: str) -> None:
    data = encode(holding(KEYS[kind]))
    read = twins("holding", data=data.hex())
    assert bytes.fromhex(read["data"]) == data
    assert (read["name"], read["registration"], read["role"]) == ("도서관 상사", "KR-1", "business")
    assert read["algorithm"] == kind
    assert read["extractable"] is False


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_a_browser_made_is_the_same_key_for_the_command(
    twins: Twins, kind: str, tmp_path: Path
) -> None:
    made = twins(
        "newHolding", algorithm=kind, trust=encode(the_world().trust).hex(), name="가나다", number="KR-2"
    )
    (tmp_path / "file").write_bytes(bytes.fromhex(twins("sealSafe", content=made["data"], passphrase=WORDS)))
    found = load(Safe(tmp_path / "file", WORDS))
    said = Statement(bytes.fromhex(made["application"])).read(Application)
    assert found.application == to_base64(bytes.fromhex(made["application"]))
    Signer(private(found.key), said.holder())  # raises where the key is another one


def test_a_file_that_lies_about_its_key_is_not_believed(twins: Twins) -> None:
    for kind, other in {"Ed25519": "78" * 32, "P-256": f"p256:{'34' * 32}"}.items():
        lie = replace(holding(KEYS[kind]), key=other)
        assert twins.code("holding", data=encode(lie).hex()) == "certificate-invalid"
    swapped = replace(holding(KEYS["Ed25519"]), key=f"p256:{'77' * 32}")
    assert twins.code("holding", data=encode(swapped).hex()) == "certificate-invalid"
    for number in ("00" * 32, "ff" * 32):
        lie = replace(holding(KEYS["P-256"]), key=f"p256:{number}")
        assert twins.code("holding", data=encode(lie).hex()) == "certificate-invalid"


def test_what_is_no_business_file_is_malformed(twins: Twins) -> None:
    waiting = replace(
        holding(KEYS["Ed25519"]), application=None, request=to_base64(asked(KEYS["Ed25519"]).holder.der)
    )
    assert twins.code("holding", data=encode(waiting).hex()) == "malformed"
    member = replace(holding(KEYS["Ed25519"]), ceremony="11" * 32, member=1)
    assert twins.code("holding", data=encode(member).hex()) == "malformed"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_a_file_of_anything_is_malformed(twins: Twins, data: bytes) -> None:
    assert twins.code("holding", data=data.hex()) == "malformed"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_file_that_was_altered_anywhere_is_refused_by_type(twins: Twins, data: st.DataObject) -> None:
    genuine = bytearray(encode(holding(KEYS["Ed25519"])))
    at = data.draw(st.integers(0, len(genuine) - 1))
    genuine[at] ^= data.draw(st.integers(1, 255))
    assert twins.code("holding", data=bytes(genuine).hex()) in {
        None,  # the address, whom to trust: anything well-formed
        "malformed",
        "certificate-invalid",
        "signature-invalid",
    }


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KEYS)
def test_an_application_says_in_a_browser_what_it_says_elsewhere(twins: Twins, kind: str) -> None:
    persons = [{"name": "홍길동"}, {"name": "임꺽정", "person": "KR-7"}]
    given = {"key": pkcs8(private(KEYS[kind])), "request": asked(KEYS[kind]).holder.der.hex()}
    now = milliseconds(moment(NOW))
    made = twins("apply", **given, representatives=persons, contact="02-123-4567", now=now)
    statement = Statement(bytes.fromhex(made))
    holder = statement.read(Application).holder()
    said = statement.verify(Application, holder)
    assert said.representatives == PERSONS
    assert (said.contact, said.time, said.invitation) == ("02-123-4567", moment(NOW), None)
    again = twins("dateAnew", **given, statement=made, now=now + 600_000)
    later = Statement(bytes.fromhex(again)).verify(Application, holder)
    assert replace(later, time=said.time) == said
    assert milliseconds(later.time) == now + 600_000


def test_nobody_applies_for_a_business_that_nobody_represents(twins: Twins) -> None:
    given = {"key": pkcs8(private(KEYS["P-256"])), "request": asked(KEYS["P-256"]).holder.der.hex()}
    now = milliseconds(moment(NOW))
    assert twins.code("apply", **given, representatives=[], now=now) == "malformed"
    many = [{"name": "홍길동"}] * 21
    assert twins.code("apply", **given, representatives=many, now=now) == "malformed"


@pytest.mark.parametrize("kind", KEYS)
def test_renewals_and_log_ins_are_the_statements_that_the_service_takes(twins: Twins, kind: str) -> None:
    key = private(KEYS[kind])
    authority = the_world().authorities[Role.BUSINESS]
    old = SigningKey(key, authority.issue(request(key, Role.BUSINESS, "도서관 상사", "KR-1"), NOW))
    given = {"key": pkcs8(key), "certificate": old.certificate.der.hex(), "now": milliseconds(moment(NOW))}
    new: PrivateKey = (
        Ed25519PrivateKey.generate() if kind == "P-256" else ec.generate_private_key(ec.SECP256R1())
    )
    wanted = request(new, Role.BUSINESS, "도서관 상사", "KR-1")
    renewal = Statement(bytes.fromhex(twins("renew", **given, request=wanted.der.hex())))
    assert renewal.verify(Renewal, old.certificate).request == to_base64(wanted.der)
    challenge = secrets.token_hex(32)
    log_in = Statement(
        bytes.fromhex(twins("answer", **given, challenge=challenge, origin="http://localhost:8000"))
    )
    said = log_in.verify(LogIn, old.certificate)
    said.check("http://localhost:8000", NOW)
    assert said.challenge == challenge
