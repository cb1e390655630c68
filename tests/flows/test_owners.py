"""Who owns the businesses that bid: sealed with the bid, and public with the opening."""

import json

import pytest

from bids.envelope import Section
from bids.errors import Unopenable
from crypto.encoding import encode
from procurement import archive
from procurement.client import read_notice, seal_bid
from procurement.owners import Owner, Ownership
from procurement.tenders import Bid, LotOffer
from tests.builders import a_lot
from tests.flows.people import Town
from tests.flows.test_consortium import signed_by
from tests.flows.test_login import log_in

SKIPS = True
"""Nothing here is about how time passes."""

WORDS = {
    "en": ("Kim &lt;Yu-na&gt; (South Korea, Kosovo)", "Ada Rossi (Italy)", "Followers", "listed on a"),
    "ko": ("Kim &lt;Yu-na&gt; (대한민국, 코소보)", "Ada Rossi (이탈리아)", "Followers", "상장되어 있음"),
    "es": ("Kim &lt;Yu-na&gt; (Corea del Sur, Kosovo)", "Ada Rossi (Italia)", "Followers", "cotiza en un"),
}
"""What pages say of owners."""


def owned(*owners: Ownership) -> dict[Section, bytes]:
    return {"bid": encode(Bid(offers=(LotOffer(lot="1", amount="700"),), owners=owners))}


async def test_who_owns_the_businesses_of_a_joint_bid_is_public_once_it_is_open_and_not_before(
    town: Town,
) -> None:
    lead, partner = [await town.bidder(name) for name in ("Leaders", "Followers")]
    silent, listed = [await town.bidder(name) for name in ("Silent", "Listed")]
    tender = await town.publish(a_lot(), lead=8, owners_asked=True)
    own = Ownership(persons=(Owner(name="Kim <Yu-na>", nationalities=("KR", "XK")),))
    theirs = Ownership(partner=partner.fingerprint, persons=(Owner(name="Ada Rossi", nationalities=("IT",)),))
    line, announced = town.line(), await read_notice(town.line(), tender.ocid)
    for wrong in ((), (own,), (own, Ownership(partner=silent.fingerprint, unnamed="public"))):
        with pytest.raises(Unopenable, match="owners-wrong"):
            await seal_bid(line, announced, lead, owned(*wrong), [partner.fingerprint])
    shown = await seal_bid(line, announced, lead, owned(own, theirs), [partner.fingerprint])
    await signed_by(tender, shown, partner)
    joint = (await tender.submit(shown.envelope)).statement
    unsaid = await tender.bid(silent, "1", contents=owned())
    await tender.bid(listed, "1", contents=owned(Ownership(unnamed="listed")))

    await tender.close()
    await tender.order("bid")
    opened = await tender.opened("bid")
    assert opened[unsaid] == {"reason": "owners-wrong"}
    assert [each["persons"][0]["name"] for each in opened[joint]["owners"]] == ["Kim <Yu-na>", "Ada Rossi"]
    await tender.evaluated()
    await tender.intend()
    await tender.award()
    data = await tender.verified_record()

    releases = [json.loads(each.body) for each in await tender.released()]
    [telling] = [each for each in releases if "beneficialOwners" in json.dumps(each)]
    assert next(each["bids"] for each in releases if "bids" in each) == telling["bids"]
    parties = {each["id"]: each for each in telling["parties"]}
    assert parties[partner.certificate.registration]["beneficialOwners"] == [
        {"id": "1", "name": "Ada Rossi", "nationalities": ["IT"]}
    ]
    assert parties[listed.certificate.registration]["details"] == {"listedOnRegulatedMarket": True}
    assert json.loads(archive.unpack(data)["ocds.json"])["records"][0]["releases"] == releases
    for language, words in WORDS.items():
        page = (await town.http.get(f"/tenders/{tender.ocid}/bids?lang={language}")).text
        assert [each for each in words if each not in page] == []
        assert "Kim <Yu-na>" not in page
        headers = await log_in(town, partner)
        mine = (await town.http.get(f"/desk/bids/{tender.ocid}?lang={language}", headers=headers)).text
        assert [each for each in words[:3] if each not in mine] == []
