"""The box closes when the grace is over, and the closing says all that is in it: withdrawals, documents, what
is missing; the award record shows it."""

import asyncio
import secrets

import httpx
import msgspec

from bids.envelope import Withdrawal
from bids.receipts import Closing, Held
from crypto.encoding import from_base64, parse_moment
from crypto.statements import Statement, sign
from procurement import archive, record
from tests.builders import a_lot
from tests.flows.people import Town
from tests.flows.test_uploads import Sender

SKIPS = True
"""Nothing here is about how time passes."""
GRACE = 5


async def upload(sender: Sender, http: httpx.AsyncClient, number: int) -> bytes:
    """The service's answer for a whole file, once the log has it."""
    await sender.create(http, number)
    assert (await sender.send(http, sender.files[number - 1], number=number)).status_code == 204
    await sender.receipt(http, number)
    return (await http.get(sender.path(number), headers=sender.bearer(number))).content


async def withdraw(sender: Sender) -> httpx.Response:
    tender = sender.tender
    about = {"tender": tender.ocid, "notice": tender.notice_id, "previous": sender.envelope}
    return await tender.post(
        "withdrawals", sign(Withdrawal(signer=sender.key.fingerprint, **about), sender.key)
    )


async def test_the_closing_waits_for_the_grace_and_lists_withdrawals_documents_and_what_is_missing(
    town: Town,
) -> None:
    http = town.http
    keys = [await town.bidder(f"Bidder {number}") for number in range(3)]
    tender = await town.publish(
        a_lot(), lead=8.0, margin=GRACE + 8.0, document_limit=2, document_size=1 << 20, upload_grace=GRACE
    )
    files = [secrets.token_bytes(70_000), secrets.token_bytes(10)]
    complete, gone, lacking = (
        Sender(tender, keys[0], files),
        Sender(tender, keys[1], files[:1]),
        Sender(tender, keys[2], files[1:]),
    )
    for sender, amount in ((complete, "950000"), (gone, "900000"), (lacking, "960000")):
        await sender.bid(amount=amount)
    kept = [await upload(complete, http, 1), await upload(gone, http, 1)]
    withdrawn = await withdraw(gone)
    assert withdrawn.status_code == 201, withdrawn.text
    kept.append(withdrawn.content)

    await tender.deadline(1.0)
    kept.append(await upload(complete, http, 2))
    assert (await withdraw(lacking)).json()["code"] == "after-deadline"
    assert "tender:closed" not in await tender.happened()
    await tender.until("tender:closed")
    await asyncio.sleep(0.5)
    closing = Statement(from_base64((await tender.get("closing")).json()["statement"])).read(Closing)
    closing.check()
    assert parse_moment(closing.time) >= tender.notice.complete
    assert set(closing.counted()) == {complete.envelope, lacking.envelope}
    [withdrawal] = closing.withdrawn()
    assert {each.kind for each in closing.commitments if each.statement == withdrawal} == {"withdrawal"}
    came = {(each.envelope, each.number) for each in closing.documents}
    assert came == {(complete.envelope, 1), (complete.envelope, 2), (gone.envelope, 1)}
    assert [(each.envelope, each.number) for each in closing.missing] == [(lacking.envelope, 1)]
    late = await lacking.create(http)
    assert late.json()["code"] == "after-grace"

    await tender.close()
    data = await tender.awarded()
    verdict = record.verify(data, town.trust, held=[Held.parse(each) for each in kept])
    assert (verdict.outcome, verdict.clean) == ("verified", True), (verdict.steps[-1], verdict.reservations)
    assert len(verdict.steps[4].findings) == 4
    assert "1 documents that bids list did not come" in verdict.steps[3].findings
    assert verdict.not_checked[-1].endswith("3 documents, 1 withdrawn envelopes")
    files_of = archive.unpack(data)
    assert f"withdrawals/{withdrawal}.json" in files_of
    assert not any(gone.envelope in path for path in files_of)
    ocds = msgspec.json.decode(files_of["ocds.json"])["records"][0]["compiledRelease"]["bids"]["details"]
    assert [each["status"] for each in ocds if each["id"] == withdrawal] == ["withdrawn"]
