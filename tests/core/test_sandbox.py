"""What the practice ground makes without anybody's help: notice, document, rivals' prices; whose number is
whose."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from crypto.encoding import sha256
from procurement.documents import check_before_sealing
from procurement.numbers import practice_number
from procurement.sandbox.offer import GUIDE, OCID_PREFIX, Named, Pace, document, notice, rival_bid
from procurement.steps import LANGUAGES
from procurement.tenders import Notice, check_law_stated, check_notice, check_publication, padded
from tests.builders import START, the_world

DOCUMENT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
PACE = Pace()


def made(pace: Pace = PACE) -> Notice:
    world = the_world()
    named = Named(world.officer.fingerprint, world.committee, world.transcript)
    return notice(named, world.trust, pace, START, "0a1b2c")


def test_the_notice_is_one_that_is_published_and_checked_like_any_other() -> None:
    found = made()
    check_notice(found)
    check_publication(found, START)
    check_law_stated(found)
    assert found.practice
    assert found.tender.startswith(OCID_PREFIX)
    assert found.closes - START <= timedelta(seconds=PACE.lead) < found.closes - START + timedelta(seconds=1)
    assert timedelta() <= found.opens - found.closes - timedelta(seconds=PACE.margin) < timedelta(seconds=3)


def test_the_notice_says_everything_in_every_language_that_there_is() -> None:
    found = made()
    assert {found.language, *(each.language for each in found.translations)} == set(LANGUAGES)
    for each in found.translations:
        assert each.title
        assert each.description
        lots = {lot.id: {item.id for item in lot.items} for lot in each.lots}
        assert lots == {lot.id: {item.id for item in lot.items} for lot in found.lots}


def test_the_document_is_the_guide() -> None:
    assert (document().sha256, document().size) == (sha256(GUIDE).hex(), len(GUIDE))
    assert made().documents == (document(),)


@pytest.mark.parametrize("randomness", [bytes(4), b"\xff" * 4, *(Random(n).randbytes(4) for n in range(50))])
def test_a_rival_bids_around_the_ceiling_and_as_the_notice_wants_it(randomness: bytes) -> None:
    bid, found = rival_bid(randomness), made()
    check_before_sealing(found, {"bid": padded(bid)}, {}, (), ())
    for offer, lot in zip(bid.offers, found.lots, strict=True):
        ceiling = Decimal(msgspec.to_builtins(lot.rules)["ceiling"])
        assert Decimal("0.9") * ceiling <= Decimal(offer.amount) <= Decimal("1.05") * ceiling
        assert int(offer.amount) % 100 == 0


def test_some_of_the_rivals_prices_are_above_the_ceiling_and_most_are_not() -> None:
    random = Random(1)
    prices = [int(rival_bid(random.randbytes(4)).offers[0].amount) for _ in range(500)]
    assert 0.1 < sum(each > 600000 for each in prices) / len(prices) < 0.5


@pytest.mark.parametrize(
    ("key", "number"),
    [
        (
            ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key(),
            "practice-a050837d85070582",
        ),
        (ec.derive_private_key(7, ec.SECP256R1()).public_key(), "practice-11086649cd3e5d18"),
    ],
    ids=["ed25519", "p256"],
)
def test_a_practice_number_is_its_keys(
    key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey, number: str
) -> None:
    assert practice_number(key) == number


def test_the_documented_number_is_right() -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    assert f"number                 {practice_number(key)}\n" in DOCUMENT
