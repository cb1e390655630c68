"""Draws shown step by step: what is shown is enough to recompute them with SHA-256 and nothing of ours."""

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from procurement.draws import ShownDraw, lot_draws, panel_draw
from procurement.evaluation import Derived, KrPriceFloor, LowestPrice, Rules
from tests.builders import Life, a_bidder, a_lot, a_notice, the_world
from tests.lies.test_panel import SEATS, Drawn, drawn

DOCUMENT = (Path(__file__).parents[2] / "docs/formats.md").read_text()
FLOOR = KrPriceFloor(base="1000000", basis_points=200, unit=100, floor="80", preliminary_prices=Derived())


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def seed_by_hand(purpose: str, shown: Any) -> str:
    fields = (
        purpose.encode(),
        shown["tender"].encode(),
        shown["lot"].encode(),
        *(bytes.fromhex(shown[name]) for name in ("notice", "beacon", "mandate")),
    )
    framed = (len(each).to_bytes(4, "big") + each for each in fields)
    return digest(b"openseal/v1/draw\n", *framed).hex()


def ticket_by_hand(seed: str, of: str) -> str:
    return digest(bytes.fromhex(seed), bytes.fromhex(of)).hex()


def block_by_hand(seed: str, number: int) -> bytes:
    return digest(bytes.fromhex(seed), number.to_bytes(8, "big"))


def prices_by_hand(base: int, points: int, numbers: list[int]) -> list[str]:
    """Unit 100: one of each band, shuffled."""
    edges = [base * (15 * (10_000 - points) + 2 * points * k) for k in range(16)]
    prices = [100 * (edges[k] // 15_000_000 + 1 + numbers[k]) for k in range(15)]
    for i, j in zip(range(14, 0, -1), numbers[15:], strict=True):
        prices[i], prices[j] = prices[j], prices[i]
    return [str(price) for price in prices]


def recomputed(draw: ShownDraw) -> dict[str, Any]:
    """The draw as it goes over the wire, once its seed, blocks and tickets came out again."""
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(draw))
    assert seed_by_hand(shown["purpose"], shown) == shown["seed"]
    for each in shown.get("numbers", []):
        x = int(each["x"], 16)
        assert block_by_hand(shown["seed"], each["block"])[:8].hex() == each["x"]
        assert x < 2**64 - 2**64 % each["n"]
        assert x % each["n"] == each["number"]
    tickets = [each["ticket"] for each in shown.get("tickets", [])]
    assert tickets == sorted(ticket_by_hand(shown["seed"], each["of"]) for each in shown.get("tickets", []))
    return shown


# ── shown ────────────────────────────────────────────────────────────────────────────────────────────────


def opened(rules: Rules, *amounts: str, lots: int = 1) -> Life:
    life = Life(notice=a_notice(the_world(), *(a_lot(rules, id=str(i + 1)) for i in range(lots))))
    picks = (1, 2) if isinstance(rules, KrPriceFloor) else None
    for number, amount in enumerate(amounts, start=1):
        life.submit(a_bidder(the_world(), number), amount, picks=picks)
    life.close()
    life.open("bid")
    return life


def shown(life: Life, *, evaluated: bool = True) -> list[dict[str, Any]]:
    if evaluated:
        life.evaluate()
    said = life.evaluated if evaluated else None
    return [recomputed(each) for each in lot_draws(life.notice, life.notice_id, life.openings["bid"], said)]


@pytest.mark.parametrize("lots", [1, 2])
def test_derived_prices_are_shown_with_every_number_that_made_them(lots: int) -> None:
    life = opened(FLOOR, "900000", "910000", lots=lots)
    draws = shown(life)
    assert [(each["purpose"], each["ofLot"]) for each in draws] == [
        ("reserve-prices", str(i + 1)) for i in range(lots)
    ]
    for draw, lot in zip(draws, life.evaluated.lots, strict=True):
        assert draw["lot"] == ("" if lots == 1 else lot.lot)
        assert draw["prices"] == prices_by_hand(1_000_000, 200, [each["number"] for each in draw["numbers"]])
        published = lot.evaluation.preliminary_prices
        assert published
        assert draw["prices"] == [each.price for each in published]


def test_equal_bids_are_shown_with_their_tickets() -> None:
    life = opened(LowestPrice(), "5", "7", "5", "7", "6")
    [draw] = shown(life)
    ranks = {each.bid: each.rank for each in life.evaluated.lots[0].evaluation.ranking}
    assert draw["purpose"] == "tie-break"
    assert {each["of"]: each["rank"] for each in draw["tickets"]} == {
        bid: rank for bid, rank in ranks.items() if rank != 3
    }
    by_rank = sorted(draw["tickets"], key=lambda each: each["rank"])
    for one, other in ((0, 1), (2, 3)):
        assert by_rank[one]["ticket"] < by_rank[other]["ticket"]


def test_where_nothing_is_drawn_nothing_is_shown() -> None:
    assert shown(opened(LowestPrice(), "5", "7")) == []
    assert shown(opened(LowestPrice(), "5", "5"), evaluated=False) == []
    assert len(shown(opened(FLOOR, "900000"), evaluated=False)) == 1


def of_panel(life: Drawn, *conflicts: str) -> dict[str, Any]:
    assert life.draw
    people = {each.fingerprint: each.certificate.registration for each in life.panel()}
    order = life.draw.order(people.__getitem__)
    panel = set([each for each in order if each not in conflicts][:SEATS])
    declared = dict.fromkeys(conflicts, True)
    return recomputed(panel_draw(life.notice, life.notice_id, life.draw, people, panel, declared))


def test_a_panel_is_shown_with_everybodys_ticket_and_who_gave_way() -> None:
    life = drawn()
    draw = of_panel(life)
    assert (draw["purpose"], draw["lot"], draw["mandate"], draw["grindable"]) == ("panel", "", "", True)
    assert draw["round"] == life.draw_request.round
    assert [each["of"] for each in draw["tickets"]] == [each.fingerprint for each in life.called]
    assert [each["place"] for each in draw["tickets"]] == ["called"] * 2 + ["waiting"] * 3
    first = draw["tickets"][0]["holder"]
    places = [each["place"] for each in of_panel(life, first)["tickets"]]
    assert places == ["conflict", "called", "called", "waiting", "waiting"]


# ── the document's example ───────────────────────────────────────────────────────────────────────────────


def test_the_documents_example_comes_out_by_hand() -> None:
    section = re.split(r"^## \d+\. ", DOCUMENT, flags=re.M)[11]
    [block] = re.findall(r"^```\n(tender .*?)^```", section, flags=re.M | re.S)
    said = dict(re.split(r" *= ?", line, maxsplit=1) for line in block.splitlines())
    assert said["reserveSeed"] == seed_by_hand("reserve-prices", said)
    assert said["tieSeed"] == seed_by_hand("tie-break", said)
    assert said["panelSeed"] == seed_by_hand("panel", {**said, "mandate": ""})
    for i in "12":
        assert said[f"tieTicket{i}"] == ticket_by_hand(said["tieSeed"], said[f"envelope{i}"])
    for i in "123":
        assert said[f"panelTicket{i}"] == ticket_by_hand(said["panelSeed"], said[f"certificate{i}"])
    first, shuffle = block_by_hand(said["reserveSeed"], 0), block_by_hand(said["reserveSeed"], 15)
    assert (said["firstBlock"], said["shuffleBlock"]) == (first.hex(), shuffle.hex())
    x, other = (int.from_bytes(each[:8], "big") for each in (first, shuffle))
    low, high = (404_282_000 * (15 * 9800 + 400 * k) // 15_000_000 for k in (0, 1))
    assert said["firstX"] == str(x)
    assert said["firstBand"] == f"{low + 1} to {high}"
    assert said["firstNumber"] == f"{x} mod {high - low} = {x % (high - low)}"
    price = 100 * (low + 1 + x % (high - low))
    assert said["firstPrice"] == f"100 · ({low + 1} + {x % (high - low)}) = {price}"
    assert said["shuffleNumber"] == f"{other} mod 15 = {other % 15}"
