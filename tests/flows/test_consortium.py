"""Joint bids: every partner has signed the very envelope, is in no other bid, and is no official."""

import asyncio
import io
import json
import secrets
import zipfile
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bids.client import RefusedError, ServiceError
from bids.envelope import CoSignature, compose, entropy_size
from bids.receipts import Receipt
from crypto.certificates import Role, Signer, SigningKey, request
from crypto.encoding import encode
from crypto.statements import Statement, sign
from procurement.client import Sealed, co_sign, read_notice, seal_bid
from procurement.registry import applicant
from procurement.registry.statements import Reason, Representative
from tests.builders import a_lot, signed_anyhow, the_world
from tests.flows.people import PracticeTender, Town
from tests.flows.test_life import NEGOTIATION

SKIPS = True
"""Nothing here is about how time passes."""
LONG = 600.0
"""Seconds to a deadline that does not come."""


@pytest.fixture(scope="module")
async def firms(town: Town) -> list[SigningKey]:
    """A lead and two partners."""
    return [await town.bidder(name) for name in ("Lead", "Bricks", "Roofs")]


@pytest.fixture
async def tender(town: Town) -> PracticeTender:
    return await town.publish(a_lot(), lead=LONG)


async def sealed(
    tender: PracticeTender,
    lead: SigningKey,
    partners: Sequence[SigningKey],
    amount: str = "1000000",
    previous: str | None = None,
) -> Sealed:
    """What the lead seals and shows its partners."""
    line = tender.town.line()
    named = [each.fingerprint for each in partners]
    contents = tender.contents(amount)
    return await seal_bid(line, await read_notice(line, tender.ocid), lead, contents, named, previous)


async def signed_by(tender: PracticeTender, shown: Sealed, *partners: SigningKey) -> list[str]:
    """Each partner looks for itself, then co-signs."""
    ids = []
    for each in partners:
        line = tender.town.line()
        ids.append(await co_sign(line, await read_notice(line, tender.ocid), each, shown))
    return ids


async def joint_bid(
    tender: PracticeTender, lead: SigningKey, *partners: SigningKey, previous: str | None = None
) -> Receipt:
    shown = await sealed(tender, lead, partners, previous=previous)
    await signed_by(tender, shown, *partners)
    return await tender.submit(shown.envelope)


async def refused(tender: PracticeTender, envelope: bytes, code: str) -> str:
    """A signed refusal, and nothing of it in the box. What it says."""
    before = await tender.town.rows(tender.ocid)
    with pytest.raises(RefusedError) as caught:
        await tender.submit(envelope)
    assert caught.value.refusal.reason == code
    assert await tender.town.rows(tender.ocid) == before
    return caught.value.refusal.detail


def a_word(tender: PracticeTender, key: SigningKey, envelope: str, /, **changes: Any) -> bytes:
    """A co-signature that its signer gives without a look."""
    return sign(CoSignature(**(tender.about(key) | {"envelope": envelope} | changes)), key)


# ── from the first co-signature to the award ─────────────────────────────────────────────────────────────


async def test_a_bid_of_three_is_co_signed_opened_awarded_and_in_the_record(
    town: Town, firms: list[SigningKey]
) -> None:
    lead, *partners = firms
    tender = await town.publish(a_lot(), lead=6)
    shown = await sealed(tender, lead, partners, "700")
    words = await signed_by(tender, shown, *partners)
    assert len(set(words)) == 2
    receipt = await tender.submit(shown.envelope)
    await tender.bid(await town.bidder("Alone"), "900")
    assert receipt.bidder == lead.certificate.registration
    assert await tender.happened() == ["tender:published", "tender:countersigned"]
    for id in (*words, receipt.statement):
        assert (await tender.get(f"statements/{id}")).status_code == 404

    closed = await tender.close()
    committed = {each.statement: each for each in closed.closing.commitments}[receipt.statement]
    assert (committed.bidder, committed.status) == (receipt.bidder, receipt.status)
    await tender.order("bid")
    opened = await tender.opened("bid")
    assert opened[receipt.statement]["offers"][0]["amount"] == "700"
    await tender.evaluated()
    (award,) = await tender.intend()
    assert (award.bid, award.supplier) == (receipt.statement, receipt.bidder)
    await tender.award()
    record = zipfile.ZipFile(io.BytesIO(await tender.verified_record()))
    for each, word in zip(partners, words, strict=True):
        path = f"co-signatures/{receipt.statement}.{each.fingerprint}.json"
        assert Statement(record.read(path)).id == word
        assert f"certificates/{each.fingerprint}.der" in record.namelist()
    release = json.loads(record.read("ocds.json"))
    for each in firms:
        assert each.certificate.registration in json.dumps(release["records"])


async def test_whoever_is_revoked_after_the_receipt_has_bid(town: Town) -> None:
    lead, partner = await town.bidder("Lead"), await town.bidder("Partner")
    tender = await town.publish(a_lot(), lead=5)
    shown = await sealed(tender, lead, [partner])
    await signed_by(tender, shown, partner)
    receipt = await tender.submit(shown.envelope)
    for each in (lead, partner):
        await applicant.revoke(town.line(), town.registrar, each.fingerprint, Reason.KEY_COMPROMISE)
    assert await tender.submit(shown.envelope) == receipt
    assert (await tender.close()).closing.counted() == (receipt.statement,)
    await tender.order("bid")
    await tender.evaluated()
    (award,) = await tender.intend()
    assert award.supplier == lead.certificate.registration
    await tender.award()
    await tender.verified_record()


# ── who has not signed ───────────────────────────────────────────────────────────────────────────────────


async def test_an_envelope_that_a_partner_has_not_co_signed_is_refused(
    tender: PracticeTender, firms: list[SigningKey]
) -> None:
    lead, *partners = firms
    shown = await sealed(tender, lead, partners)
    said = await refused(tender, shown.envelope, "co-signature-missing")
    assert partners[0].certificate.registration in said
    await signed_by(tender, shown, partners[0])
    said = await refused(tender, shown.envelope, "co-signature-missing")
    assert partners[1].certificate.registration in said
    await signed_by(tender, shown, partners[1])
    await tender.submit(shown.envelope)


async def test_a_word_for_another_envelope_or_by_somebody_else_is_none(
    town: Town, tender: PracticeTender, firms: list[SigningKey]
) -> None:
    lead, partner, _ = firms
    shown, other = await sealed(tender, lead, [partner]), await sealed(tender, lead, [partner])
    await signed_by(tender, other, partner)
    stranger = await town.bidder("Stranger")
    id = Statement(shown.envelope).id
    again = await town.bidder("Bricks", partner.certificate.registration)
    for key in (stranger, lead, again):
        assert (await tender.post("co-signatures", a_word(tender, key, id))).status_code == 201
    await refused(tender, shown.envelope, "co-signature-missing")
    await tender.submit(other.envelope)


async def test_a_replacement_is_co_signed_anew(tender: PracticeTender, firms: list[SigningKey]) -> None:
    lead, *partners = firms
    first = await joint_bid(tender, lead, *partners)
    shown = await sealed(tender, lead, partners, "900000", previous=first.statement)
    await refused(tender, shown.envelope, "co-signature-missing")
    await signed_by(tender, shown, *partners)
    second = await tender.submit(shown.envelope)
    await joint_bid(tender, lead, partners[0], previous=second.statement)


async def test_a_partner_who_lost_its_key_signs_the_replacement_under_a_new_certificate(
    town: Town, tender: PracticeTender
) -> None:
    lead, partner = await town.bidder("Lead"), await town.bidder("Partner")
    first = await joint_bid(tender, lead, partner)
    shown = await sealed(tender, lead, [partner], previous=first.statement)
    await signed_by(tender, shown, partner)
    await applicant.revoke(town.line(), town.registrar, partner.fingerprint, Reason.KEY_COMPROMISE)
    said = await refused(tender, shown.envelope, "certificate-revoked")
    assert partner.certificate.registration in said
    with pytest.raises(ServiceError) as caught:
        await signed_by(tender, shown, partner)
    assert caught.value.code == "certificate-revoked"
    again = await town.bidder("Partner", partner.certificate.registration)
    await joint_bid(tender, lead, again, previous=first.statement)


# ── one bid each ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_business_is_in_a_joint_bid_once_whatever_certificates_it_has(
    town: Town, tender: PracticeTender, firms: list[SigningKey]
) -> None:
    lead, partner, _ = firms
    second = await town.bidder("Bricks II", partner.certificate.registration)
    lead_again = await town.bidder("Lead II", lead.certificate.registration)
    for company in ([partner, second], [partner, lead_again]):
        shown = await sealed(tender, lead, company)
        await signed_by(tender, shown, *company)
        await refused(tender, shown.envelope, "partner-twice")


async def test_whoever_bids_alone_is_no_partner_and_the_other_way_round(
    town: Town, tender: PracticeTender, firms: list[SigningKey]
) -> None:
    lead, partner, third = firms
    await tender.bid(third, "500")
    shown = await sealed(tender, lead, [partner, third])
    await signed_by(tender, shown, partner, third)
    assert third.certificate.registration in await refused(tender, shown.envelope, "elsewhere")
    await joint_bid(tender, lead, partner)
    await refused(tender, tender.seal(partner), "elsewhere")
    under_another = await town.bidder("Bricks II", partner.certificate.registration)
    await refused(tender, tender.seal(under_another), "elsewhere")
    other = await town.bidder("Other lead")
    for taken in (lead, partner):
        shown = await sealed(tender, other, [taken])
        await signed_by(tender, shown, taken)
        await refused(tender, shown.envelope, "elsewhere")
    await tender.bid(other, "400")


async def test_a_partner_whom_a_replacement_drops_stays_bound(
    tender: PracticeTender, firms: list[SigningKey]
) -> None:
    lead, partner, third = firms
    first = await joint_bid(tender, lead, partner, third)
    second = await joint_bid(tender, lead, third, previous=first.statement)
    assert "stays bound" in await refused(tender, tender.seal(partner), "elsewhere")
    await joint_bid(tender, lead, partner, previous=second.statement)


async def test_of_two_bids_that_share_partners_one_is_taken(town: Town, tender: PracticeTender) -> None:
    """Sent at once, and naming their partners in opposite orders."""
    leads = [await town.bidder(f"Lead {number}") for number in range(4)]
    shared = [await town.bidder(f"Shared {number}") for number in range(3)]
    bids = [
        await sealed(tender, lead, shared if number % 2 else shared[::-1])
        for number, lead in enumerate(leads)
    ]
    for shown in bids:
        await signed_by(tender, shown, *shared)
    answers = await asyncio.gather(*(tender.post("bids", shown.envelope) for shown in bids))
    assert sorted(each.status_code for each in answers) == [201, 422, 422, 422]
    assert {each.json().get("code") for each in answers} == {None, "elsewhere"}


# ── officials and their firms ────────────────────────────────────────────────────────────────────────────


async def represented(town: Town, name: str, person: str) -> SigningKey:
    """A business for which that person, an official perhaps, is registered to act."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = request(key, Role.BUSINESS, name, f"business-{secrets.token_hex(6)}")
    line = town.line()
    statement = applicant.application(
        Signer(key, asked), line.now(), representatives=[Representative(name="Somebody", person=person)]
    )
    await applicant.apply(line, statement)
    found = await applicant.approve(line, town.registrar, statement.id)
    return applicant.certified(line, key, asked, found.certificate)


@pytest.mark.parametrize("duty", ["officer", "second", "member"])
async def test_an_officials_firm_bids_neither_alone_nor_jointly(
    town: Town, tender: PracticeTender, firms: list[SigningKey], duty: str
) -> None:
    official = {"officer": town.officer, "second": town.second, "member": town.members[2].key}[duty]
    number = official.certificate.registration
    for firm in (await town.bidder("Own firm", number), await represented(town, "Firm", number)):
        await refused(tender, tender.seal(firm), "conflicting-roles")
        shown = await sealed(tender, firms[0], [firm])
        await signed_by(tender, shown, firm)
        await refused(tender, shown.envelope, "conflicting-roles")


async def test_an_evaluators_firm_does_not_bid_where_its_owner_scores(
    town: Town, firms: list[SigningKey]
) -> None:
    tender = await town.publish(a_lot(NEGOTIATION), lead=LONG)
    firm = await represented(town, "Firm", town.evaluator.certificate.registration)
    await refused(tender, tender.seal(firm), "conflicting-roles")
    shown = await sealed(tender, firms[0], [firms[1], firm])
    await signed_by(tender, shown, firms[1], firm)
    await refused(tender, shown.envelope, "conflicting-roles")
    await joint_bid(tender, firms[0], firms[1])


async def test_who_represents_whom_is_told_to_nobody(
    town: Town, tender: PracticeTender, firms: list[SigningKey]
) -> None:
    number = town.officer.certificate.registration
    firm = await represented(town, "Firm", number)
    assert number not in await refused(tender, tender.seal(firm), "conflicting-roles")
    rivals = await sealed(tender, firms[0], [firm])  # who names a firm that has not co-signed learns nothing
    await refused(tender, rivals.envelope, "co-signature-missing")


async def test_a_firm_of_somebody_without_a_duty_here_bids(town: Town, tender: PracticeTender) -> None:
    firm = await represented(town, "Firm", town.evaluator.certificate.registration)
    await tender.bid(firm, "500")


async def test_a_certificate_of_another_role_or_of_nobody_is_no_partners(
    town: Town, tender: PracticeTender, firms: list[SigningKey]
) -> None:
    for fingerprint in (town.auditor.fingerprint, "0" * 64):
        contents, entropy = tender.contents("500"), secrets.token_bytes(entropy_size(tender.terms))
        envelope = compose(contents, tender.terms, firms[0], entropy, None, [fingerprint])
        await refused(tender, envelope, "certificate-invalid")


# ── the co-signature itself ──────────────────────────────────────────────────────────────────────────────


async def test_the_first_word_on_an_envelope_stands(tender: PracticeTender, firms: list[SigningKey]) -> None:
    _, partner, _ = firms
    words = [a_word(tender, partner, "1" * 64, time=f"2026-01-0{day}T00:00:00.000Z") for day in (1, 2, 1)]
    answers = [await tender.post("co-signatures", each) for each in words]
    assert {each.status_code for each in answers} == {201}
    assert {each.json()["statement"] for each in answers} == {Statement(words[0]).id}
    rows = await tender.town.rows(tender.ocid)
    assert len(rows["co_signature"]) == 1


async def test_a_word_that_is_none_is_refused(
    town: Town, tender: PracticeTender, firms: list[SigningKey]
) -> None:
    _, partner, _ = firms
    before = await town.rows(tender.ocid)
    own = a_word(tender, partner, "1" * 64)
    stranger = the_world().enrol(Role.BUSINESS, "Stranger", "1")
    said = CoSignature(**tender.about(town.officer), envelope="1" * 64)
    by_an_officer = signed_anyhow(CoSignature.PURPOSE, encode(said), town.officer)
    bodies: list[tuple[bytes, int, str]] = [
        (b"", 400, "malformed"),
        (b"[" * 10_000, 400, "malformed"),
        (own[:-1], 400, "malformed"),
        (tender.seal(partner), 400, "malformed"),
        (a_word(tender, partner, "1" * 64, notice="0" * 64), 409, "another-tender"),
        (a_word(tender, partner, "1" * 64, tender="ocds-0s3al1-other"), 409, "another-tender"),
        (a_word(tender, stranger, "1" * 64), 403, "certificate-invalid"),
        (by_an_officer, 403, "certificate-invalid"),
    ]
    for body, status, code in bodies:
        answer = await tender.post("co-signatures", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await town.rows(tender.ocid) == before


async def test_after_the_deadline_a_word_is_refused_but_one_that_was_in_time_is_found(
    town: Town, firms: list[SigningKey]
) -> None:
    tender = await town.publish(a_lot(), lead=3)
    _, partner, _ = firms
    in_time = a_word(tender, partner, "1" * 64)
    assert (await tender.post("co-signatures", in_time)).status_code == 201
    await tender.deadline(0.1)
    assert (await tender.post("co-signatures", in_time)).status_code == 201
    late = await tender.post("co-signatures", a_word(tender, partner, "2" * 64))
    assert (late.status_code, late.json()["code"]) == (422, "after-deadline")
    assert len((await town.rows(tender.ocid))["co_signature"]) == 1
