"""Records of tenders whose lots are priced apart: a bid that fails in one lot is priced in the others, and
whatever is lied about that is refused at its step."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import Envelope, compose, entropy_size, section
from bids.orders import OpeningPartial, RoundKeys, Subject
from crypto.certificates import SigningKey
from crypto.encoding import encode, moment, sha256
from crypto.statements import Payload, Statement, sign
from procurement.awards import Award, CriterionScore, IntendedAward, SignedScores
from procurement.bundle import content_path
from procurement.evaluation import LowestPrice, QualityPrice, Ranked, Rules
from procurement.history import BID_EVENTS, Event, EventType
from procurement.record import Verdict, verify
from procurement.scoring import Chosen, score
from procurement.tenders import Bid, LotOffer
from tests.builders import DEADLINE, Life, a_bidder, a_lot, a_notice, packed, the_world, two_envelopes
from tests.lies.catalogue import Files, Lie, Who, check_refused, lies_into

TWO = two_envelopes()
AMOUNTS = {("first", "1"): "111111111111", ("first", "2"): "222222222222", ("second", "1"): "333333333333"}
AMOUNTS |= {("second", "2"): "444444444444", ("third", "2"): "555555555555"}
FAILED = {("first", "1"), ("third", "2")}
"""The first fails in lot 1 and passes in lot 2, the second passes in both; the third bids for lot 2 alone,
and fails."""
WHO = ("first", "second", "third")


class Apart(Life):
    """Two lots under `two-envelope/1`, or more under other rules."""

    def __init__(self, *others: Rules, **how: Any) -> None:
        lots = [a_lot(each, id=str(number)) for number, each in enumerate((TWO, TWO, *others), start=1)]
        super().__init__(notice=a_notice(the_world(), *lots, **how))
        self.ids: dict[str, str] = {}

    def bid(self, who: str, **how: Any) -> str:
        lots = [lot for name, lot in AMOUNTS if name == who]
        contents = self.contents_for("1", None, lots)
        for lot in lots:
            offer = LotOffer(lot=lot, amount=AMOUNTS[who, lot])
            contents[section("price", lot)] = encode(Bid(offers=(offer,)))
        key = a_bidder(self.world, 1 + WHO.index(who))
        self.ids[who] = self.submit(key, contents=contents, **how)
        return self.ids[who]

    def of(self, who: str) -> str:
        """The bid's id in orders."""
        return Statement(self.bids[self.ids[who]]).read(Envelope).context.bid

    def points(self) -> Mapping[Any, str]:
        return {(self.ids[who], lot): "10" for who, lot in FAILED}

    def score_sheets(self) -> None:
        for each in self.panel():
            self.score_sheet(self.points(), each)


def begun(life: Apart) -> Apart:
    for who in WHO:
        life.bid(who)
    return life


def scored(life: Apart) -> Apart:
    life.close()
    life.open("technical")
    life.score_sheets()
    return life


def concluded(life: Life) -> Files:
    life.evaluate()
    life.award()
    return life.files()


def all_of(life: Apart) -> Files:
    scored(life).open("price")
    return concluded(life)


def verified(files: Files) -> Verdict:
    verdict = verify(packed(files), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), verdict.steps[-1]
    return verdict


def ranking(life: Life, lot: int = 0) -> list[Ranked]:
    return list(life.evaluated.lots[lot].evaluation.ranking)


# ── honest records ───────────────────────────────────────────────────────────────────────────────────


def test_a_bid_that_fails_in_one_lot_wins_another_and_its_price_there_alone_is_known() -> None:
    life = begun(Apart())
    files = all_of(life)
    verdict = verified(files)
    assert verdict.steps[6].findings == ("technical: 3 opened, 0 unopenable", "price: 3 opened, 0 unopenable")
    assert verdict.steps[10].findings == ("lot 1: two-envelope/1", "lot 2: two-envelope/1")
    assert verdict.steps[11].findings[:2] == ("lot 1: 123-45-00002", "lot 2: 123-45-00001")
    first, second, third = (life.ids[who] for who in WHO)
    assert [(each.bid, each.rank, each.amount) for each in ranking(life)] == [
        (second, 1, "333333333333"),
        (first, None, None),
    ]
    assert [(each.bid, each.rank, each.amount) for each in ranking(life, 1)] == [
        (first, 1, "222222222222"),
        (second, 2, "444444444444"),
        (third, None, None),
    ]
    for (who, lot), amount in AMOUNTS.items():
        opened = (who, lot) not in FAILED
        assert (content_path(life.ids[who], f"price-{lot}") in files) == opened
        assert any(amount.encode() in data for data in files.values()) == opened


def test_orders_and_keys_are_of_the_bids_and_lots_that_passed_and_of_no_other() -> None:
    life = begun(Apart())
    all_of(life)
    passed = {Subject(life.of(who), lot) for who, lot in AMOUNTS if (who, lot) not in FAILED}
    assert {each.subject for each in life.openings["price"].keys} == passed
    partials = [Statement(data) for data in life.statements.values()]
    orders = [each.read(OpeningPartial) for each in partials if "opening-partial" in each.payload_type]
    assert {each.subject for each in orders if each.part == "price"} == passed


def test_the_open_data_name_the_lots_of_a_bid_whose_price_stays_closed() -> None:
    life = begun(Apart())
    package = msgspec.json.decode(all_of(life)["ocds.json"])
    details = package["records"][0]["compiledRelease"]["bids"]["details"]
    of_lots = {each["id"]: (each["status"], "value" in each) for each in details}
    assert of_lots == {
        f"{life.ids[who]}/{lot}": ("disqualified", False) if (who, lot) in FAILED else ("valid", True)
        for who, lot in AMOUNTS
    }


def test_lots_under_other_rules_share_the_tender_and_open_whatever_a_bid_comes_to_elsewhere() -> None:
    quality = QualityPrice(criteria=TWO.criteria, price_weight="30")
    life = Apart(LowestPrice(), quality)
    keys = [a_bidder(life.world, number) for number in (1, 2)]
    poor, good = (life.submit(key, amount) for key, amount in zip(keys, ("5", "6"), strict=True))
    life.ids = {"first": poor, "third": poor}
    verified(all_of(life))
    assert [[each.bid for each in ranking(life, lot) if each.rank] for lot in range(4)] == [
        [good],
        [good],
        [poor, good],
        [poor, good],
    ]
    assert [each.lot for each in life.openings["price"].keys if each.bid == life.of("first")] == ["3", "4"]


def test_where_nobody_passes_in_a_lot_it_is_unsuccessful_and_where_in_none_nothing_is_opened() -> None:
    class Harsh(Apart):
        def points(self) -> Mapping[Any, str]:
            return dict.fromkeys(self.ids.values(), "1")

    life = begun(Harsh())
    verdict = verified(all_of(life))
    assert verdict.steps[11].findings[:2] == ("lot 1: unsuccessful", "lot 2: unsuccessful")
    assert life.openings["price"].keys == ()


def test_a_price_that_does_not_open_in_one_lot_costs_the_bid_that_lot_alone() -> None:
    class Kind(Apart):
        def points(self) -> Mapping[Any, str]:
            return {}

    life = Kind()
    life.bid("second")
    contents = life.contents_for("7", None, ["1", "2"]) | {"price-2": b"no price"}
    broken = life.submit(a_bidder(life.world, 1), contents=contents)
    verdict = verified(all_of(life))
    assert verdict.steps[6].findings[1] == "price: 3 opened, 1 unopenable"
    assert [each.bid for each in ranking(life)] == [broken, life.ids["second"]]
    assert [each.bid for each in ranking(life, 1)] == [life.ids["second"]]


def test_bids_of_an_earlier_round_have_orders_of_their_own_for_each_lot() -> None:
    life = Apart()
    life.bid("first")
    life.amend(deadline=moment(DEADLINE + timedelta(hours=3)))
    life.bid("second")
    life.bid("third")
    verdict = verify(packed(all_of(life)), the_world().trust)
    assert verdict.outcome == "verified", verdict.steps[-1]
    opening = life.openings["price"]
    keys = [each.keys for each in (RoundKeys.of(opening), *opening.earlier)]
    assert [[each.subject for each in of_round] for of_round in keys] == [
        [Subject(life.of("second"), "1"), Subject(life.of("second"), "2")],
        [Subject(life.of("first"), "2")],
    ]


def with_swapped_prices(life: Apart) -> Apart:
    """One more bid, whose prices stand under each other's lots, in an envelope that its bidder signed."""
    begun(life)
    bidder, contents = a_bidder(life.world, 9), life.contents_for("7", None, ["1", "2"])
    sealed = compose(contents, life.terms, bidder, life.world.entropy(entropy_size(life.terms)))
    envelope, replace = Statement(sealed).read(Envelope), msgspec.structs.replace
    technical, one, two = envelope.parts
    parts = technical, replace(two, lot="1"), replace(one, lot="2")
    life.ids["swapped"] = life.accept(bidder, sign(replace(envelope, parts=parts), bidder))
    return life


def test_prices_that_stand_under_each_others_lots_open_in_neither() -> None:
    life = with_swapped_prices(Apart())
    files = all_of(life)
    assert verified(files).steps[6].findings[1] == "price: 3 opened, 2 unopenable"
    assert not any(life.ids["swapped"] in path for path in files if ".price." in path)
    assert life.ids["swapped"] not in {each.bid for lot in (0, 1) for each in ranking(life, lot)}


MARKS = st.sampled_from(["0", "53.9999", "54", "90"])


@settings(max_examples=12, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(AMOUNTS, MARKS)))
def test_whatever_the_panel_says_prices_are_opened_of_those_lots_in_which_a_bid_passes(
    marks: dict[tuple[str, str], str],
) -> None:
    class Marked(Apart):
        def points(self) -> Mapping[Any, str]:
            return {(self.ids[who], lot): mark for (who, lot), mark in marks.items()}

    life = begun(Marked())
    files = all_of(life)
    verified(files)
    passed = {(who, lot) for (who, lot), mark in marks.items() if mark in ("54", "90")}
    assert {each.subject for each in life.openings["price"].keys} == {
        Subject(life.of(who), lot) for who, lot in passed
    }
    known = {
        key for key, amount in AMOUNTS.items() if any(amount.encode() in data for data in files.values())
    }
    assert known == passed


@pytest.mark.parametrize("lots", [("A", "a"), ("1.5", "1-5"), ("x" * 64, "y" * 64)])
def test_lots_of_any_ids_have_files_of_their_own(lots: tuple[str, str]) -> None:
    life = Life(notice=a_notice(the_world(), *(a_lot(TWO, id=lot) for lot in lots)))
    life.submit(a_bidder(life.world, 1))
    life.close()
    life.open("technical")
    life.score_sheets()
    life.open("price")
    files = concluded(life)
    verified(files)
    assert len([path for path in files if ".price." in path]) == 2


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────────

LIES: list[Lie] = []
lie = lies_into(LIES)


class Choosing(Apart):
    """Orders and opens of the prices what it likes."""

    def __init__(self, likes: Callable[[str, str], bool]) -> None:
        super().__init__()
        self.likes = likes

    def to_open(self, part: Any) -> list[Chosen]:
        if part != "price":
            return super().to_open(part)
        bids = {who: next(each for each in self.counted if each.id == id) for who, id in self.ids.items()}
        return [Chosen(bids[who], "price", lot) for who, lot in AMOUNTS if self.likes(who, lot)]


@lie(10, "a price that was to stay closed")
def the_price_of_the_lot_in_which_a_bid_failed_is_opened_too() -> Files:
    life = scored(begun(Choosing(lambda who, lot: (who, lot) != ("third", "2"))))
    life.open("price")
    honest = next(each for each in life.counted if each.id == life.ids["first"])
    assert honest.bid
    # What the rules refuse to rank is kept out of the ranking, as if nobody had looked.
    seen = msgspec.structs.replace(honest.bid, offers=honest.bid.offers[1:])
    kept = msgspec.structs.replace(honest, bid=seen)
    life.counted = [kept if each is honest else each for each in life.counted]
    return concluded(life)


def alone(life: Apart, who: str, lot: str) -> OpeningPartial:
    """The word of one member, of whom nobody asked it, on a price."""
    member = life.world.members[2]
    partial = life.partial(member, "price", Subject(life.of(who), lot))
    life.say(EventType.PARTIAL, partial, member.key, "price")
    return partial


@lie(
    10,
    "an order was signed on a price that was to stay closed",
    "order for another lot",
    Who.MEMBER,
    "A member orders the price of a lot to be opened in which the bid had failed.",
)
def one_member_signs_the_order_of_a_lot_in_which_a_bid_failed() -> Files:
    life = scored(begun(Apart()))
    life.open("price", [*life.order("price"), alone(life, "first", "1")])
    return concluded(life)


@lie(10, "a price that was to stay closed")
def one_member_signs_the_order_of_a_lot_that_a_bid_is_not_for() -> Files:
    life = scored(begun(Apart()))
    life.open("price", [*life.order("price"), alone(life, "third", "1")])
    return concluded(life)


@lie(10, "not every price was opened")
def the_price_of_a_lot_in_which_a_bid_passed_stays_closed() -> Files:
    life = scored(begun(Choosing(lambda who, lot: who == "second")))
    life.open("price")
    whole, life.counted = life.counted, [each for each in life.counted if each.id != life.ids["first"]]
    life.evaluate()
    life.counted = whole
    life.award()
    return life.files()


class Retelling(Apart):
    """Logs what came of prices otherwise than it came."""

    def __init__(self, told: Callable[["Retelling", Event], Sequence[Event]]) -> None:
        self.told = told
        super().__init__()

    def log(self, *events: Event) -> None:
        super().log(
            *(
                each
                for event in events
                for each in (self.told(self, event) if event.t in BID_EVENTS and event.lot else (event,))
            )
        )


def is_of(life: Apart, event: Event, who: str, lot: str) -> bool:
    return (event.statement, event.lot) == (life.ids[who], lot)


@lie(7, "the price parts opened are not those that count")
def what_came_of_one_lots_price_is_never_mentioned() -> Files:
    def told(life: Retelling, event: Event) -> Sequence[Event]:
        return () if is_of(life, event, "second", "2") else (event,)

    return all_of(begun(Retelling(told)))


@lie(7, "the price parts opened are not those that count")
def what_came_of_one_lots_price_is_told_of_the_other_lot() -> Files:
    def told(life: Retelling, event: Event) -> Sequence[Event]:
        mine = is_of(life, event, "first", "2")
        return (msgspec.structs.replace(event, lot="1"),) if mine else (event,)

    life = begun(Retelling(told))
    files = all_of(life)
    content = encode(Bid(offers=(LotOffer(lot="1", amount="222222222222"),)))
    return files | {content_path(life.ids["first"], "price-1"): content}


@lie(7, "opens to something else than was published")
def the_price_of_a_lot_is_said_not_to_open() -> Files:
    def told(life: Retelling, event: Event) -> Sequence[Event]:
        unopenable = {"t": EventType.BID_UNOPENABLE, "content": None, "reason": "locked-otherwise"}
        mine = is_of(life, event, "second", "2")
        return (msgspec.structs.replace(event, **unopenable),) if mine else (event,)

    return all_of(begun(Retelling(told)))


@lie(7, "opens to something else than was published")
def a_price_that_stands_under_another_lot_is_said_to_open_there() -> Files:
    """As its bidder meant it for the other lot."""
    content = encode(Bid(offers=(LotOffer(lot="1", amount="7"),)))

    def told(life: Retelling, event: Event) -> Sequence[Event]:
        opened = {"t": EventType.BID_OPENED, "content": sha256(content).hex(), "reason": None}
        mine = is_of(life, event, "swapped", "1")
        return (msgspec.structs.replace(event, **opened),) if mine else (event,)

    life = with_swapped_prices(Retelling(told))
    return all_of(life) | {content_path(life.ids["swapped"], "price-1"): content}


@lie(7, "opened twice")
def the_price_of_a_lot_is_opened_twice() -> Files:
    return all_of(begun(Retelling(lambda life, event: (event, event))))


@lie(3, "names a part that this tender does not have")
def a_lot_that_the_tender_does_not_have_was_opened() -> Files:
    def told(life: Retelling, event: Event) -> Sequence[Event]:
        return (msgspec.structs.replace(event, lot="3"),)

    return all_of(begun(Retelling(told)))


@lie(3, "names a part that this tender does not have")
def the_price_of_all_lots_was_opened_where_each_has_a_part() -> Files:
    def told(life: Retelling, event: Event) -> Sequence[Event]:
        return (msgspec.structs.replace(event, lot=None),)

    return all_of(begun(Retelling(told)))


@lie(3, "names a part that this tender does not have")
def the_price_of_one_lot_was_opened_where_none_has_a_part() -> Files:
    class OfLot(Life):
        def log(self, *events: Event) -> None:
            of_lot = [
                msgspec.structs.replace(each, lot="1")
                if each.t in BID_EVENTS and each.part == "price"
                else each
                for each in events
            ]
            super().log(*of_lot)

    life = OfLot(notice=a_notice(the_world(), a_lot(TWO)))
    life.submit(a_bidder(life.world, 1))
    life.close()
    life.open("technical")
    life.score_sheets()
    life.open("price")
    return concluded(life)


class Keys(Apart):
    """Publishes other keys of prices than the members made."""

    def round_keys(self, part: Any, round: str, partials: Sequence[OpeningPartial]) -> RoundKeys:
        honest = super().round_keys(part, round, partials)
        if part != "price":
            return honest
        self.honest = honest
        return msgspec.structs.replace(honest, keys=self.otherwise(honest))

    def otherwise(self, honest: RoundKeys) -> tuple[Any, ...]:
        raise NotImplementedError

    def part_to_open(self, each: Chosen, opening: Any) -> Any:
        if opening.part == "price":
            opening = msgspec.structs.replace(opening, keys=self.honest.keys)
        return super().part_to_open(each, opening)


@lie(
    6,
    "the published keys are not what the committee signed",
    "keys of two lots swapped",
    Who.SERVICE,
    "The keys that open the prices of two lots are exchanged.",
)
def two_lots_keys_change_places() -> Files:
    class Swapped(Keys):
        def otherwise(self, honest: RoundKeys) -> tuple[Any, ...]:
            one, two, *others = honest.keys
            replace = msgspec.structs.replace
            return (replace(one, signature=two.signature), replace(two, signature=one.signature), *others)

    return all_of(begun(Swapped()))


@lie(6, "not what the committee signed")
def the_key_of_a_lot_is_held_back() -> Files:
    class HeldBack(Keys):
        def otherwise(self, honest: RoundKeys) -> tuple[Any, ...]:
            return honest.keys[1:]

    return all_of(begun(HeldBack()))


class Scoring(Apart):
    """Evaluators sign other scores than everybody goes on from."""

    def __init__(self, change: Callable[["Scoring", tuple[CriterionScore, ...]], Sequence[Any]]) -> None:
        self.change = change
        super().__init__()

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        if isinstance(payload, SignedScores):
            scores = tuple(self.change(self, payload.scores))
            payload = msgspec.structs.replace(payload, scores=scores)
        return super().signed(payload, key)


@lie(10, "scores every bid by every criterion, once")
def a_sheet_leaves_a_lot_of_a_bid_out() -> Files:
    def change(life: Scoring, scores: tuple[CriterionScore, ...]) -> Sequence[CriterionScore]:
        return [each for each in scores if (each.bid, each.lot) != (life.ids["first"], "1")]

    return all_of(begun(Scoring(change)))


@lie(10, "scores every bid by every criterion, once")
def a_sheet_scores_a_lot_that_a_bid_is_not_for() -> Files:
    def change(life: Scoring, scores: tuple[CriterionScore, ...]) -> Sequence[CriterionScore]:
        more = CriterionScore(bid=life.ids["third"], lot="1", criterion="quality", score="90")
        return [*scores, more]

    return all_of(begun(Scoring(change)))


@lie(10, "a price that was to stay closed")
def a_sheet_fails_a_bid_in_a_lot_in_which_its_price_was_opened() -> Files:
    def change(life: Scoring, scores: tuple[CriterionScore, ...]) -> Sequence[CriterionScore]:
        worse = ("second", "2")
        return [
            msgspec.structs.replace(each, score="1")
            if (each.bid, each.lot) == (life.ids[worse[0]], worse[1])
            else each
            for each in scores
        ]

    return all_of(begun(Scoring(change)))


@lie(10, "a score sheet was signed after a price order")
def one_lots_price_is_ordered_before_the_sheet_is_there() -> Files:
    life = begun(Apart())
    life.close()
    life.open("technical")
    life.declare(life.world.evaluator)
    life.now += timedelta(hours=1)
    early = alone(life, "second", "1")
    life.score_sheets()
    life.open("price", [early, *life.order("price")])
    return concluded(life)


@lie(11, "come out differently")
def a_bid_is_given_a_price_in_the_lot_in_which_it_failed() -> Files:
    life = scored(begun(Apart()))
    life.open("price")

    replace = msgspec.structs.replace
    opening = life.openings["technical"]
    one, two = score(life.notice, life.notice_id, opening, life.counted, life.sheets, {})
    *others, last = one.evaluation.ranking
    ranking = (*others, replace(last, amount="111111111111"))
    life.evaluate(lots=(replace(one, evaluation=replace(one.evaluation, ranking=ranking)), two))
    life.award()
    return life.files()


@lie(12, "someone else than the first in line")
def a_lot_is_awarded_to_a_bid_that_failed_in_it() -> Files:
    class Favouring(Apart):
        def signed(self, payload: Any, key: Any) -> bytes:
            if isinstance(payload, IntendedAward | Award):
                one, two = payload.awards
                favoured = msgspec.structs.replace(one, bid=two.bid, supplier=two.supplier)
                payload = msgspec.structs.replace(payload, awards=(favoured, two))
            return super().signed(payload, key)

    return all_of(begun(Favouring()))


@lie(8, "this tender takes the parts technical, price, the price of each lot apart")
def an_envelope_has_one_price_part_for_all_lots() -> Files:
    life = begun(Apart())
    bidder, together = a_bidder(life.world, 9), msgspec.structs.replace(life.terms, lots=())
    entropy = life.world.entropy(entropy_size(together))
    life.accept(
        bidder, compose({"technical": b'{"proposal":"All."}', "price": b"{}"}, together, bidder, entropy)
    )
    return all_of(life)


@lie(13, "files that nothing refers to")
def the_price_of_a_failed_lot_lies_in_the_record_all_the_same() -> Files:
    life = begun(Apart())
    content = encode(Bid(offers=(LotOffer(lot="1", amount="111111111111"),)))
    return all_of(life) | {content_path(life.ids["first"], "price-1"): content}


@lie(7, "lacks contents")
def the_content_of_a_lot_is_missing() -> Files:
    life = begun(Apart())
    files = all_of(life)
    del files[content_path(life.ids["first"], "price-2")]
    return files


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)
