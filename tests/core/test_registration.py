"""What is signed about who is who, who certifies whom, and which roots a service is given."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from crypto.beacon import QUICKNET
from crypto.certificates import Authority, Request, Role, Signer, request
from crypto.checkpoint import LOG, WITNESS, SigningKey
from crypto.encoding import decode, encode, moment, to_base64
from crypto.errors import CertificateError, MalformedError, VerificationError
from crypto.revocation import Standing
from crypto.statements import Statement, sign
from crypto.trust import WitnessPolicy
from procurement.authorities import LAST_DAYS, Authorities
from procurement.registry.invitation import Invitation, digest
from procurement.registry.statements import (
    ANYBODY,
    Application,
    CertificateIssued,
    CertificateRevoked,
    Reason,
    Representative,
    invitation_proof,
)
from procurement.settings import SettingsError
from tests.builders import START, the_world

PERSON = Representative(name="Hong Gil-dong")


@pytest.fixture
def now() -> datetime:
    """When the test runs: a suite may take longer than embedded roots are made for the past."""
    return datetime.now(UTC)


def asked(role: Role = Role.BUSINESS, name: str = "Kim", number: str = "KR-1") -> Request:
    return request(ec.generate_private_key(ec.SECP256R1()), role, name, number)


def an_application(holder: Request, **changes: Any) -> Application:
    given: dict[str, Any] = {
        "signer": holder.fingerprint,
        "time": moment(START),
        "salt": "55" * 32,
        "request": to_base64(holder.der),
        "representatives": (PERSON,) if holder.role is Role.BUSINESS else (),
    }
    return Application(**(given | changes))


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────


def test_an_application_names_its_holder_by_a_request_or_by_a_certificate() -> None:
    holder = asked()
    assert an_application(holder).holder().fingerprint == holder.fingerprint
    certificate = the_world().officer.certificate
    application = Application(
        signer=certificate.fingerprint,
        time=moment(START),
        salt="55" * 32,
        certificate=to_base64(certificate.der),
    )
    assert application.holder().fingerprint == certificate.fingerprint


@pytest.mark.parametrize("both", [True, False])
def test_an_application_has_a_request_or_a_certificate_and_not_both(both: bool) -> None:
    der = to_base64(the_world().officer.certificate.der)
    with pytest.raises(MalformedError, match="a request or a certificate"):
        Application(
            signer="11" * 32,
            time=moment(START),
            salt="55" * 32,
            request=der if both else None,
            certificate=der if both else None,
        )


@pytest.mark.parametrize("role", ANYBODY)
def test_a_business_names_its_representatives_and_nobody_else_has_any(role: Role) -> None:
    holder = asked(role)
    wrong = () if role is Role.BUSINESS else (PERSON,)
    with pytest.raises(MalformedError, match="representatives"):
        an_application(holder, representatives=wrong).holder()


def test_the_service_applies_nowhere() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    holder = request(key, Role.SERVICE, "Openseal", "service")
    with pytest.raises(CertificateError):
        sign(an_application(holder), Signer(key, holder))


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=300)
persons = st.builds(Representative, name=names, person=st.none() | st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z"))


@given(st.lists(persons, min_size=1, max_size=20), st.none() | names)
def test_an_application_has_one_encoding(several: list[Representative], contact: str | None) -> None:
    application = an_application(HOLDER, representatives=tuple(several), contact=contact)
    assert decode(encode(application), Application) == application


HOLDER = asked()


@given(st.binary(max_size=400))
def test_garbage_is_no_application(garbage: bytes) -> None:
    with pytest.raises(VerificationError):
        an_application(HOLDER, request=to_base64(garbage)).holder()
    with pytest.raises(MalformedError):
        Statement(garbage)


def test_entries_of_the_log_are_told_apart_by_their_type() -> None:
    about = {"certificate": "11" * 32, "statement": "22" * 32}
    for kind, tag in ((CertificateIssued, b"issued"), (CertificateRevoked, b"revoked")):
        entry = encode(kind(**about))
        assert b'"t":"certificate:' + tag + b'"' in entry
        assert decode(entry, kind) == kind(**about)
    with pytest.raises(MalformedError):
        decode(encode(CertificateIssued(**about)), CertificateRevoked)


def test_reasons_are_those_of_rfc_5280() -> None:
    assert {each.value for each in Reason} <= {flag.value for flag in x509.ReasonFlags}


# ── the one-time code ────────────────────────────────────────────────────────────────────────────────────


def test_a_code_is_proven_for_one_request_and_however_it_is_typed() -> None:
    one, other = asked(Role.REGISTRAR), asked(Role.REGISTRAR)
    proof = invitation_proof("ABCD-2345-EFGH", one)
    assert proof == invitation_proof(" abcd2345 efgh\n", one)
    assert proof != invitation_proof("ABCD-2345-EFGH", other)
    assert proof != invitation_proof("ABCD-2345-EFGI", one)


def test_codes_are_long_and_never_the_same_and_the_last_one_counts(tmp_path: Path) -> None:
    invitation = Invitation(tmp_path / "code")
    assert invitation.code() is None
    codes = {invitation.make() for _ in range(20)}
    assert len(codes) == 20
    assert {len(each.replace("-", "")) for each in codes} == {24}  # five bits each
    last = invitation.make()
    assert invitation.code() == last
    assert (tmp_path / "code").stat().st_mode & 0o777 == 0o600
    invitation.discard(lambda code: code != last)
    assert invitation.code() == last
    invitation.discard(lambda code: code == last)
    assert invitation.code() is None
    invitation.discard(lambda code: True)
    assert digest(last) not in {digest(each) for each in codes}


# ── authorities ──────────────────────────────────────────────────────────────────────────────────────────


class Folder:
    """Roots and lists of authorities elsewhere."""

    def __init__(self, path: Path, roles: tuple[Role, ...] = tuple(Role)) -> None:
        self.path, self.made = path, datetime.now(UTC)
        path.mkdir()
        self.authorities = {role: Authority.create(role, self.made) for role in roles}
        for role in roles:
            self.write(role, self.authorities[role])

    def write(self, role: Role, *several: Authority) -> None:
        roots = b"".join(each.root.public_bytes(serialization.Encoding.PEM) for each in several)
        (self.path / f"{role}.pem").write_bytes(b"A comment.\n" + roots)
        lists = [
            x509.load_der_x509_crl(each.list_revoked({}, 1, self.made, timedelta(days=9))) for each in several
        ]
        pem = b"\n".join(each.public_bytes(serialization.Encoding.PEM) for each in lists)
        (self.path / f"{role}.crl").write_bytes(pem)


def trust_of(authorities: Authorities, others: bool = True) -> Any:
    log = SigningKey("a.example/log", LOG, bytes(32)).verifier
    witness = SigningKey("a.example/witness", WITNESS, bytes(32)).verifier
    policy = WitnessPolicy(keys=(witness.encode(),), quorum=1)
    return authorities.trust(log, policy, QUICKNET, others)


def test_a_set_up_is_independent_when_nothing_in_it_is_its_own(tmp_path: Path) -> None:
    everybody = Authorities(tmp_path / "keys", Folder(tmp_path / "all").path)
    assert trust_of(everybody).independent
    assert not trust_of(everybody, others=False).independent
    assert not (tmp_path / "keys").exists()
    but_one = Folder(tmp_path / "most", tuple(set(Role) - {Role.REVIEW}))
    assert not trust_of(Authorities(tmp_path / "keys", but_one.path)).independent
    assert [each.name for each in (tmp_path / "keys").iterdir()] == ["review.pem"]
    assert not trust_of(Authorities(tmp_path / "own")).independent


def test_two_roots_of_a_role_with_a_list_each_both_certify(now: datetime, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "roots", (Role.BUSINESS,))
    one = folder.authorities[Role.BUSINESS]
    other = renamed(Authority.create(Role.BUSINESS, now))
    folder.write(Role.BUSINESS, one, other)
    authorities = Authorities(tmp_path / "keys", folder.path)
    standing = Standing(authorities.status({}, 1, now), authorities.roots)
    for issuer in (one, other):
        assert standing.verify(issuer.issue(asked(), now), Role.BUSINESS, now)
    assert len(trust_of(authorities).roots[Role.BUSINESS]) == 2


def renamed(authority: Authority) -> Authority:
    """The same authority under another name."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another authority")])
    old = authority.root
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return Authority(authority.role, authority._key, builder.sign(authority._key, hashes.SHA256()))


def no_list(folder: Path) -> None:
    (folder / "officer.crl").unlink()


def bad_list(folder: Path) -> None:
    (folder / "officer.crl").write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")


def bad_root(folder: Path) -> None:
    (folder / "officer.pem").write_bytes(b"no certificate")


def root_of_another_kind(folder: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ed")])
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
    now = datetime.now(UTC)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    (folder / "officer.pem").write_bytes(builder.sign(key, None).public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize("spoil", [bad_root, root_of_another_kind])
def test_roots_that_cannot_be_used_are_named(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = Folder(tmp_path / "roots", (Role.OFFICER,))
    spoil(folder.path)
    with pytest.raises(SettingsError, match=str(folder.path)):
        Authorities(tmp_path / "keys", folder.path)


def a_foreign_list(folder: Path) -> None:
    foreign = Folder(folder.parent / "foreign", (Role.OFFICER,))
    (folder / "officer.crl").write_bytes((foreign.path / "officer.crl").read_bytes())


def half_a_list(folder: Path) -> None:
    path = folder / "officer.crl"
    path.write_bytes(path.read_bytes()[:-40])


SPOILT = [no_list, bad_list, a_foreign_list, half_a_list]


@pytest.mark.parametrize("spoil", SPOILT)
def test_no_first_status_is_made_of_lists_that_are_no_good(
    now: datetime, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = Folder(tmp_path / "roots", (Role.OFFICER,))
    spoil(folder.path)
    authorities = Authorities(tmp_path / "keys", folder.path)
    with pytest.raises(SettingsError, match=str(folder.path)):
        authorities.status({}, 1, now)


@pytest.mark.parametrize("spoil", SPOILT)
def test_where_one_authoritys_lists_are_no_good_those_in_force_stay_and_the_others_are_new(
    now: datetime, tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = Folder(tmp_path / "roots", (Role.OFFICER, Role.REVIEW))
    first = Authorities(tmp_path / "keys", folder.path).status({}, 1, now)
    spoil(folder.path)
    authorities = Authorities(tmp_path / "keys", folder.path)
    later = now + timedelta(hours=12)
    for number in (2, 3):
        status = authorities.status({}, number, later, first)
        same = {role for role in Role if status.lists[role] == first.lists[role]}
        assert same == {Role.OFFICER, Role.REVIEW}
    [told] = caplog.messages
    assert str(folder.path / "officer.crl") in told
    standing = Standing(status, authorities.roots)
    officer = folder.authorities[Role.OFFICER].issue(asked(Role.OFFICER), now)
    assert standing.verify(officer, Role.OFFICER, later)
    folder.write(Role.OFFICER, folder.authorities[Role.OFFICER])
    authorities.status({}, 4, later, status)
    spoil(folder.path) if spoil is not a_foreign_list else no_list(folder.path)
    authorities.status({}, 5, later, status)
    assert len(caplog.messages) == 2


def test_lists_in_force_of_another_root_are_not_kept(now: datetime, tmp_path: Path) -> None:
    before = Authorities(tmp_path / "keys").status({}, 1, now)
    folder = Folder(tmp_path / "roots", (Role.OFFICER,))
    no_list(folder.path)
    with pytest.raises(SettingsError):
        Authorities(tmp_path / "keys", folder.path).status({}, 2, now, before)


def test_a_list_for_one_of_two_roots_does_not_take_the_place_of_both(now: datetime, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "roots", (Role.BUSINESS,))
    one = folder.authorities[Role.BUSINESS]
    folder.write(Role.BUSINESS, one, renamed(Authority.create(Role.BUSINESS, now)))
    authorities = Authorities(tmp_path / "keys", folder.path)
    both = authorities.status({}, 1, now)
    path = folder.path / "business.crl"
    path.write_bytes(path.read_bytes()[:-40])
    assert authorities.status({}, 2, now, both).lists[Role.BUSINESS] == both.lists[Role.BUSINESS]


def test_the_services_own_certificate_is_made_anew_before_it_ends(now: datetime, tmp_path: Path) -> None:
    authorities = Authorities(tmp_path)
    first = authorities.service_key(tmp_path, now)
    ends = first.certificate.x509.not_valid_after_utc
    assert authorities.service_key(tmp_path, ends - LAST_DAYS).fingerprint == first.fingerprint
    second = authorities.service_key(tmp_path, ends - LAST_DAYS + timedelta(seconds=1))
    assert second.fingerprint != first.fingerprint
    assert second.certificate.public_key == first.certificate.public_key
    assert authorities.service_key(tmp_path, ends).fingerprint == second.fingerprint


@pytest.mark.parametrize("pem", [True, False])
def test_a_service_certified_elsewhere_leaves_its_request_and_takes_the_certificate(
    now: datetime, tmp_path: Path, pem: bool
) -> None:
    folder, keys = Folder(tmp_path / "roots", (Role.SERVICE,)), tmp_path / "keys"
    authorities = Authorities(keys, folder.path)
    with pytest.raises(SettingsError, match=r"service\.cer is missing: have .*service\.csr certified"):
        authorities.service_key(keys, now)
    csr = x509.load_pem_x509_csr((keys / "service.csr").read_bytes())
    issued = folder.authorities[Role.SERVICE].issue(
        Request(csr.public_bytes(serialization.Encoding.DER)), now
    )
    data = issued.x509.public_bytes(serialization.Encoding.PEM) if pem else issued.der
    (folder.path / "service.cer").write_bytes(data)
    key = authorities.service_key(keys, now)
    assert (key.fingerprint, key.certificate.role) == (issued.fingerprint, Role.SERVICE)
    for bad in (b"garbage", the_world().service.certificate.der, b"-----BEGIN CERTIFICATE-----"):
        (folder.path / "service.cer").write_bytes(bad)
        with pytest.raises(SettingsError, match=r"service\.cer"):
            authorities.service_key(keys, now)


def test_an_embedded_authority_certifies_its_role_and_never_the_service(
    now: datetime, tmp_path: Path
) -> None:
    authorities = Authorities(tmp_path)
    for role in ANYBODY:
        issued = authorities.issue(asked(role), now)
        assert authorities.roots.verify(issued, role, now)
    with pytest.raises(CertificateError, match="certifies nobody else as the service"):
        authorities.issue(asked(Role.SERVICE), now)
    with pytest.raises(CertificateError, match="replaced at its machine"):
        authorities.check_ours(authorities.service_key(tmp_path, now).certificate)
