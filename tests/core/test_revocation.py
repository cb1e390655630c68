"""Certificate status: lists that count, lists that do not, and what a list says of whom and when."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import Authority, Certificate, PrivateKey, Role, Roots, request
from crypto.encoding import decode, encode, to_base64
from crypto.errors import (
    CertificateError,
    MalformedError,
    RevokedError,
    StatusError,
    VerificationError,
)
from crypto.revocation import Standing, Status
from tests.builders import START, the_world

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
NOON = START + timedelta(hours=3)
BYTES = serialization.Encoding.DER


def authority(role: Role = Role.BUSINESS) -> Authority:
    return the_world().authorities[role]


def roots() -> Roots:
    return the_world().trust.authorities()


def key_of(issuer: Authority) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(issuer.pem(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@cache
def kim() -> Certificate:
    return issued(authority())


def issued(by: Authority) -> Certificate:
    key: PrivateKey = ec.generate_private_key(ec.SECP256R1())
    return by.issue(request(key, by.role, "Kim", "123-45-67890"), START)


def a_list(issuer: Authority | None = None, **how: Any) -> bytes:
    """A list of the business root, in force for a day, with whatever an embedded authority would not say."""
    by = issuer or authority()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(how.get("name", by.root.subject))
        .last_update(how.get("issued", START))
        .next_update(how.get("ends", START + DAY))
    )
    for serial, since in how.get("revoked", ()):
        builder = builder.add_revoked_certificate(an_entry(serial, since, how.get("says", ())))
    for extension, critical in how.get("extensions", ()):
        builder = builder.add_extension(extension, critical)
    return builder.sign(how.get("key", key_of(by)), how.get("hash", hashes.SHA256())).public_bytes(BYTES)


def an_entry(
    serial: int, since: datetime, says: Sequence[tuple[x509.ExtensionType, bool]]
) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
    for extension, critical in says:
        builder = builder.add_extension(extension, critical)
    return builder.build()


def a_status(*lists: bytes, role: Role = Role.BUSINESS) -> Status:
    return Status(lists={role: tuple(map(to_base64, lists))})


def standing(*lists: bytes) -> Standing:
    return Standing(a_status(*lists), roots())


def counts(found: Standing, at: datetime = NOON, certificate: Certificate | None = None) -> None:
    certificate = certificate or kim()
    assert found.verify(certificate, Role.BUSINESS, at) is certificate


# ── who counts, and when ─────────────────────────────────────────────────────────────────────────────────


def test_who_is_on_no_list_is_in_good_standing() -> None:
    counts(standing(a_list()))
    counts(standing(a_list(revoked=[(kim().x509.serial_number + 1, START)])))


def test_the_embedded_authoritys_own_list_is_admitted() -> None:
    revoked = {kim().x509.serial_number: NOON}
    found = standing(authority().list_revoked(revoked, 7, START, DAY))
    counts(found, NOON - SECOND)
    with pytest.raises(RevokedError):
        counts(found, NOON)


@pytest.mark.parametrize("late", [timedelta(0), SECOND, timedelta(hours=20)])
def test_a_revoked_certificate_counts_from_that_moment_on_no_more(late: timedelta) -> None:
    found = standing(a_list(revoked=[(kim().x509.serial_number, NOON)]))
    counts(found, NOON - timedelta(milliseconds=1))
    with pytest.raises(RevokedError):
        counts(found, NOON + late)


def test_of_two_times_for_one_certificate_the_earlier_counts() -> None:
    serial = kim().x509.serial_number
    for times in ((START, START + DAY), (START + DAY, START)):
        with pytest.raises(RevokedError):
            counts(standing(a_list(revoked=[(serial, each) for each in times])))


def test_a_certificate_on_hold_or_taken_off_a_list_does_not_count_either() -> None:
    for flag in (x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl):
        said = [(x509.CRLReason(flag), False)]
        with pytest.raises(RevokedError):
            counts(standing(a_list(revoked=[(kim().x509.serial_number, START)], says=said)))


@pytest.mark.parametrize("at", [START - SECOND, START + DAY, START + 2 * DAY])
def test_a_list_says_nothing_of_another_time_than_its_own(at: datetime) -> None:
    with pytest.raises(StatusError, match="another time"):
        counts(standing(a_list()), at)


def test_a_status_without_the_roots_list_is_no_answer() -> None:
    for found in (standing(), Standing(Status(lists={}), roots())):
        with pytest.raises(StatusError, match="no revocation list"):
            counts(found)


def test_another_roles_list_is_no_answer() -> None:
    officers = authority(Role.OFFICER)
    found = Standing(a_status(a_list(officers), role=Role.OFFICER), roots())
    with pytest.raises(StatusError, match="no revocation list"):
        counts(found)


def test_good_standing_does_not_make_a_certificate_genuine() -> None:
    stranger = issued(Authority.create(Role.BUSINESS, START))
    with pytest.raises(CertificateError, match="not issued"):
        counts(standing(a_list()), certificate=stranger)
    with pytest.raises(CertificateError, match="role business"):
        standing(a_list()).verify(kim(), Role.OFFICER, NOON)
    with pytest.raises(CertificateError, match="out of time"):
        counts(standing(a_list(ends=START + 400 * DAY)), START + 366 * DAY)


def test_a_status_ends_with_the_first_of_its_lists() -> None:
    officers = a_list(authority(Role.OFFICER), ends=NOON)
    lists: dict[Role, tuple[str, ...]] = {
        Role.BUSINESS: (to_base64(a_list()),),
        Role.OFFICER: (to_base64(officers),),
    }
    assert Standing(Status(lists=lists), roots()).next_update() == NOON
    with pytest.raises(StatusError, match="without a revocation list"):
        standing().next_update()


# ── several roots of one role ────────────────────────────────────────────────────────────────────────────


def a_second_root(name: str) -> Authority:
    """An authority for businesses with a name of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Authority(Role.BUSINESS, key, a_root(key, subject))


def a_root(key: ec.EllipticCurvePrivateKey, subject: x509.Name, *, lists: bool = True) -> x509.Certificate:
    usage = x509.KeyUsage(False, False, False, False, False, True, lists, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START - DAY)
        .not_valid_after(START + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def test_each_root_of_a_role_answers_for_its_own_certificates() -> None:
    second = a_second_root("A second authority")
    both = Roots({Role.BUSINESS: [authority().root, second.root]})
    lee = issued(second)
    revoked = [(lee.x509.serial_number, START)]
    counts(Standing(a_status(a_list(revoked=revoked), a_list(second)), both), certificate=lee)
    with pytest.raises(RevokedError):
        counts(Standing(a_status(a_list(), a_list(second, revoked=revoked)), both), certificate=lee)
    with pytest.raises(StatusError, match="no revocation list"):
        counts(Standing(a_status(a_list()), both), certificate=lee)


def test_two_roots_of_one_name_are_refused() -> None:
    twin = Authority.create(Role.BUSINESS, START)
    both = Roots({Role.BUSINESS: [authority().root, twin.root]})
    with pytest.raises(CertificateError, match="two business roots of one name"):
        Standing(a_status(a_list()), both)


def test_two_lists_of_one_root_are_refused() -> None:
    for second in (a_list(), a_list(revoked=[(kim().x509.serial_number, START)])):
        with pytest.raises(MalformedError, match="two lists of one root"):
            standing(a_list(), second)


# ── lists that are none ──────────────────────────────────────────────────────────────────────────────────


def test_a_list_of_an_authority_that_is_not_trusted_says_nothing() -> None:
    for stranger in (a_second_root("Somebody else"), authority(Role.OFFICER)):
        revoked = [(kim().x509.serial_number, START)]
        counts(standing(a_list(), a_list(stranger, revoked=revoked)))
        with pytest.raises(StatusError, match="no revocation list"):
            counts(standing(a_list(stranger)))


def test_a_status_is_complete_with_one_list_of_every_trusted_root() -> None:
    business = Roots({Role.BUSINESS: [authority().root]})
    Standing(a_status(a_list()), business).check_complete()
    with pytest.raises(StatusError, match="a business root has no"):
        Standing(a_status(), business).check_complete()
    with pytest.raises(StatusError, match="not trusted"):
        Standing(a_status(a_list(), a_list(a_second_root("Somebody else"))), business).check_complete()


def test_a_list_in_the_roots_name_by_another_key_is_refused() -> None:
    for impostor in (Authority.create(Role.BUSINESS, START), authority(Role.OFFICER)):
        with pytest.raises(CertificateError, match="not its root's"):
            standing(a_list(key=key_of(impostor)))


def test_a_root_whose_key_is_not_for_lists_makes_none() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "No lists")])
    silent = Authority(Role.BUSINESS, key, a_root(key, subject, lists=False))
    with pytest.raises(CertificateError, match="not its root's"):
        Standing(a_status(a_list(silent)), Roots({Role.BUSINESS: [silent.root]}))


@pytest.mark.parametrize(
    "hash", [hashes.SHA224(), hashes.SHA384(), hashes.SHA512()], ids=lambda each: each.name
)
def test_a_list_under_another_hash_is_refused(hash: hashes.HashAlgorithm) -> None:
    with pytest.raises(MalformedError, match="not admitted"):
        standing(a_list(hash=hash))


def a_distribution_point(**how: Any) -> x509.IssuingDistributionPoint:
    values: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(values | how))


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
SOMEBODY = x509.CertificateIssuer(
    [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Somebody else")]))]
)


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        a_distribution_point(only_contains_ca_certs=True),
        a_distribution_point(only_contains_user_certs=True),
        a_distribution_point(indirect_crl=True),
        a_distribution_point(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])),
    ],
    ids=str,
)
def test_a_list_that_does_not_name_all_whom_its_root_revoked_is_refused(
    extension: x509.ExtensionType, critical: bool
) -> None:
    with pytest.raises(MalformedError, match="not admitted"):
        standing(a_list(extensions=[(extension, critical)]))


def test_a_list_with_something_critical_that_we_do_not_look_at_is_refused() -> None:
    counts(standing(a_list(extensions=[(UNKNOWN, False)])))
    with pytest.raises(MalformedError, match="not admitted"):
        standing(a_list(extensions=[(UNKNOWN, True)]))


@pytest.mark.parametrize(("says", "critical"), [(UNKNOWN, True), (SOMEBODY, True), (SOMEBODY, False)])
def test_an_entry_about_another_issuer_or_with_something_critical_spoils_the_list(
    says: x509.ExtensionType, critical: bool
) -> None:
    with pytest.raises(MalformedError, match="not admitted"):
        standing(a_list(revoked=[(1, START)], says=[(says, critical)]))


def der(tag: int, content: bytes) -> bytes:
    """A value of up to 255 bytes."""
    size = bytes([0x81, len(content)]) if len(content) > 127 else bytes([len(content)])
    return bytes([tag]) + size + content


def test_a_list_without_an_end_is_refused() -> None:
    """The library writes none, so the field is cut out and the list signed again by hand."""
    body = x509.load_der_x509_crl(a_list()).tbs_certlist_bytes
    ends = (START + DAY).strftime("\x17\x0d%y%m%d%H%M%SZ").encode()
    assert body.count(ends) == 1
    fields = body.removeprefix(body[: 3 if body[1] & 0x80 else 2]).replace(ends, b"")
    endless = der(0x30, fields)
    signature = key_of(authority()).sign(endless, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    with pytest.raises(MalformedError, match="not admitted"):
        standing(der(0x30, endless + algorithm + der(0x03, b"\x00" + signature)))


def test_a_list_with_any_bit_flipped_raises_only_typed_errors_and_revokes_nobody_less() -> None:
    der = a_list(revoked=[(kim().x509.serial_number, START)])
    for at in range(len(der) * 8):
        flipped = bytearray(der)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(VerificationError):
            counts(standing(bytes(flipped)))


def test_a_list_cut_short_or_with_bytes_after_it_is_malformed() -> None:
    der = a_list(revoked=[(1, START)])
    for size in range(len(der)):
        with pytest.raises(MalformedError):
            standing(der[:size])
    for tail in (b"\x00", der):
        with pytest.raises(MalformedError):
            standing(der + tail)


@given(st.binary(max_size=300))
def test_garbage_is_malformed(garbage: bytes) -> None:
    with pytest.raises(MalformedError):
        standing(garbage)


# ── the status itself ────────────────────────────────────────────────────────────────────────────────────

STATUSES = st.dictionaries(
    st.sampled_from(Role), st.lists(st.binary(max_size=20).map(to_base64), max_size=3).map(tuple)
)


@given(STATUSES, STATUSES)
def test_a_status_has_one_encoding_and_another_status_another_id(
    first: dict[Role, tuple[str, ...]], second: dict[Role, tuple[str, ...]]
) -> None:
    one, other = Status(lists=first), Status(lists=second)
    assert decode(encode(one), Status) == one
    assert one.id == Status(lists=dict(reversed(first.items()))).id
    assert (one.id == other.id) == (first == second)


@pytest.mark.parametrize(
    "data",
    [
        b'{"lists":{"business":[],"business":[]}}',
        b'{"lists":{"officer":[],"business":[]}}',
        b'{"lists":{"mayor":[]}}',
        b'{"lists":{"business":["A"]}, "more":1}',
        b'{"lists":{"business":"AAAA"}}',
        b'{"lists":{"business":["*"]}}',
        b'{"lists":null}',
        b"{}",
    ],
)
def test_a_status_of_another_form_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data, Status)


def test_a_list_in_base64_with_stray_bits_is_malformed() -> None:
    strayed = to_base64(a_list() + b"\x00")[:-2] + "B="
    with pytest.raises(MalformedError):
        Standing(Status(lists={Role.BUSINESS: (strayed,)}), roots())
