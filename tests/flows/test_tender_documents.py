"""Tender documents: handed in by an officer before the notice that names them, then anybody's to have."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from crypto.certificates import Role
from crypto.encoding import sha256, to_base64
from crypto.statements import sign
from procurement import store
from procurement.client import read_notice
from tests.builders import a_lot
from tests.flows.people import Town

SKIPS = True
"""Nothing here is about how time passes."""
PIECE = 4 * 1024 * 1024


def an_ocid() -> str:
    return f"ocds-0s3al1-{secrets.token_hex(6)}"


async def put(
    town: Town, ocid: str, data: bytes, sent: Any = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Offers `data`, and sends that or something else."""
    digest = sha256(data).hex()
    return await town.http.put(
        f"/api/v1/tenders/{ocid}/files/{digest}",
        content=data if sent is None else sent,
        headers=headers or town.offered(ocid, digest, len(data)),
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("size", [0, 1, PIECE, 2 * PIECE + 7])
async def test_a_stranger_gets_the_very_bytes_that_the_notice_names(town: Town, size: int) -> None:
    ocid, data = an_ocid(), secrets.token_bytes(size)
    document = await town.hand_in(ocid, data)
    tender = await town.publish(a_lot(), tender=ocid, documents=(document,), lead=60)
    answer = await tender.get("documents/spec")
    assert answer.content == data
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Length"] == str(size)
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''spec%20The")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await read_notice(town.line(), ocid)).notice.documents == (document,)
    assert code(await tender.get("documents/other")) == (404, "no-such-document")
    page = (await town.http.get(f"/tenders/{ocid}")).text
    assert f'<a href="/api/v1/tenders/{ocid}/documents/spec" hreflang="ko">' in page
    assert f"(technical specifications, application/pdf, {size:,} bytes)" in " ".join(page.split())
    assert document.sha256 in page


async def test_a_notice_whose_files_are_not_there_is_not_published(town: Town) -> None:
    ocid = an_ocid()
    document = await town.hand_in(ocid, b"here")
    for missing in (
        replace(document, id="plan", sha256="00" * 32),
        replace(document, id="plan", size=5),
    ):
        notice = town.notice(a_lot(), tender=ocid, documents=(document, missing), lead=60)
        answer = await town.http.post("/api/v1/tenders", content=sign(notice, town.officer))
        assert code(answer) == (409, "documents-missing")
        assert "plan" in answer.json()["detail"]
    other = town.notice(a_lot(), documents=(document,), lead=60)  # another tender's file is not this one's
    answer = await town.http.post("/api/v1/tenders", content=sign(other, town.officer))
    assert code(answer) == (409, "documents-missing")


async def test_before_publication_nobody_gets_a_file(town: Town) -> None:
    ocid = an_ocid()
    await town.hand_in(ocid, b"not yet")
    answer = await town.http.get(f"/api/v1/tenders/{ocid}/documents/spec")
    assert code(answer) == (404, "no-such-tender")


async def test_the_same_file_again_is_there_already(town: Town) -> None:
    ocid, data = an_ocid(), secrets.token_bytes(PIECE + 1)
    assert [(await put(town, ocid, data)).status_code for _ in range(3)] == [201, 200, 200]
    again = await asyncio.gather(*(put(town, an_ocid(), data) for _ in range(3)))
    assert [each.status_code for each in again] == [201] * 3


@pytest.mark.parametrize("sent", [b"", b"other", b"offered, and more"])
async def test_other_bytes_than_were_offered_are_not_kept(town: Town, sent: bytes) -> None:
    ocid, data = an_ocid(), b"offered"
    assert code(await put(town, ocid, data, sent)) == (422, "document-differs")
    folder = f"notices/{store.id_of(ocid)}"
    left = await asyncio.to_thread(
        lambda: [each for each in (Path(town.house.documents) / folder).rglob("*") if each.is_file()]
    )
    assert not left
    assert (await put(town, ocid, data)).status_code == 201


async def test_a_sender_that_does_not_say_how_long_it_is_is_cut_off_where_the_file_ends(town: Town) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield bytes(1024 * 1024)

    assert code(await put(town, an_ocid(), bytes(10), endless())) == (422, "document-differs")


async def test_who_may_not_or_offers_something_else_is_refused(town: Town) -> None:
    ocid, data = an_ocid(), b"desks"
    digest = sha256(data).hex()
    business = await town.bidder("Hanbit")
    for headers, expected in (
        (town.offered(ocid, digest, 5, business), (403, "certificate-invalid")),
        (town.offered(an_ocid(), digest, 5), (422, "document-differs")),
        (town.offered(ocid, "00" * 32, 5), (422, "document-differs")),
        (town.offered(ocid, digest, 6), (422, "document-differs")),
        ({"Openseal-Statement": "?"}, (400, "malformed")),
        ({"Openseal-Statement": to_base64(b"{}")}, (400, "malformed")),
        ({"X": "nothing"}, (400, "validation")),
    ):
        assert code(await put(town, ocid, data, headers=headers)) == expected


async def test_a_published_tender_takes_files_of_its_officers_until_its_box_is_shut(town: Town) -> None:
    ocid = an_ocid()
    document = await town.hand_in(ocid, b"first")
    tender = await town.publish(a_lot(), tender=ocid, documents=(document,))
    other = await town.enrol(Role.OFFICER, "Officer of another tender")
    foreign = town.offered(ocid, sha256(b"second").hex(), 6, other)
    assert code(await put(town, ocid, b"second", headers=foreign)) == (409, "another-officer")
    assert (await put(town, ocid, b"second")).status_code == 201
    await tender.close()
    assert code(await put(town, ocid, b"third")) == (409, "deadline-passed")
    assert (await put(town, ocid, b"first")).status_code == 200


async def test_the_record_names_the_hashes_and_has_no_files(town: Town) -> None:
    ocid, data = an_ocid(), b"to be found nowhere in the record"
    document = await town.hand_in(ocid, data)
    tender = await town.publish(a_lot(), tender=ocid, documents=(document,))
    await tender.bid(await town.bidder("Hanbit"), "1000000")
    await tender.deadline()
    await tender.close()
    record = await tender.awarded()
    assert document.sha256.encode() in record
    assert data not in record
