"""Past tenders of OCDS publishers: what is read, and what is compared with what was published."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import Role, request
from crypto.encoding import encode
from procurement.awards import LotEvaluation
from procurement.case import ENTITY, Case, CaseError, compare, results
from procurement.evaluation import Evaluation, LowestPrice, Offer, evaluate
from procurement.ocds import record_of
from procurement.releases import read_case
from procurement.replay import common_name
from procurement.tenders import Lot, LotOffer
from tests.builders import Life
from tests.core.evaluation_builders import PUBLISHED, public_randomness
from tests.core.test_ocds import (
    SCHEMAS,
    jointly,
    lowest_price,
    negotiation,
    published,
    read_schema,
    validate,
)
from tests.past_releases import (
    PACKAGES,
    ROADS,
    SCHOOLS,
    Json,
    changed,
    moldova,
    nigeria,
    paraguay,
    the_release,
    ukraine,
    value,
    written,
)

Change = Callable[[Json], Any]

KEY = ec.generate_private_key(ec.SECP256R1())


def evaluated(case: Case) -> list[LotEvaluation]:
    """Every lot by its rules, all bids that stand opened."""
    return [LotEvaluation(lot=lot.id, evaluation=_evaluated(case, lot.id)) for lot in case.lots]


def _evaluated(case: Case, id: str) -> Evaluation:
    [lot] = [each for each in case.lots if each.id == id]
    offered = [
        Offer(envelope_id=f"{bid.position:064x}", bidder=bid.registration, amount=Decimal(offer.amount))
        for bid in case.bids
        for offer in bid.offers
        if offer.lot == id
    ]
    return evaluate(lot.rules, offered, randomness=public_randomness(), published=PUBLISHED)


def differences(data: bytes) -> list[str]:
    case = read_case(data)
    return [str(each) for each in compare(case, evaluated(case))]


def ranking(case: Case) -> list[tuple[str | None, str, str, int | None]]:
    return [(each.lot, each.bidder, each.amount, each.rank) for each in results(case, evaluated(case))]


def check_read(package: Json) -> None:
    case = read_case(written(package))
    assert len(case.bids) > 1
    assert compare(case, evaluated(case)) == compare(case, evaluated(case)[::-1])


def check_schema(package: Json) -> None:
    """The upstream schemas of packages and releases; a release that is a link has none."""
    schema = read_schema("release-schema-with-extensions.json")
    kind = "record" if "records" in package else "release"
    if "publisher" in package:
        validate(read_schema(f"schema/{kind}-package-schema.json"), package)
    stages = package["records"][0]["releases"] if "records" in package else []
    for each in (the_release(package), *stages):
        if "url" not in each:
            validate(schema, each)


CHECKS = [check_read, *([check_schema] if SCHEMAS.is_dir() else [])]


@pytest.mark.parametrize("publisher", PACKAGES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_packages_are_such_as_are_published(
    publisher: Callable[[], Json], check: Callable[[Json], None]
) -> None:
    check(publisher())


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────


def test_a_tender_without_lots_has_one() -> None:
    case = read_case(written(ukraine()))
    [lot] = case.lots
    [item] = lot.items
    assert (case.publisher, case.number, case.language) == ("Prozorro", "UA-2025-02-10-004711-a", "uk")
    assert (case.title, case.entity.id, case.currency) == ("Поточний ремонт дороги", "UA-EDR-04051234", "UAH")
    assert (lot.title, lot.rules) == (case.title, LowestPrice(ceiling="500000"))
    assert (item.description, item.quantity, item.unit) == ("Ремонт дороги", "1.5", "км")
    assert item.classification is not None
    assert (item.classification.scheme, item.classification.id) == ("CPV", "45233142-6")
    assert [(bid.name, bid.offers[0].amount) for bid in case.bids] == [
        ("ТОВ «Будсервіс»", "441000.5"),
        ("ТОВ «Дорожник»", "455000"),
        ("ПП «Шлях»", "499999.99"),
    ]


def test_each_lot_has_its_rules_items_and_bids() -> None:
    case = read_case(written(moldova()))
    assert [(lot.id, lot.title) for lot in case.lots] == [(ROADS, "Drumuri"), (SCHOOLS, "Școli")]
    assert [lot.rules for lot in case.lots] == [LowestPrice(ceiling="100000"), LowestPrice()]
    assert [[item.description for item in lot.items] for lot in case.lots] == [["Drum"], ["Școli"]]
    assert case.buyer is not None
    assert (case.entity.name, case.buyer.name) == ("Primăria", "Ministerul Infrastructurii")
    assert [(bid.names, [offer.lot for offer in bid.offers]) for bid in case.bids] == [
        (("Firma 1", "Firma 2"), [ROADS]),
        (("Firma 3",), [ROADS, SCHOOLS]),
        (("Firma 5",), [SCHOOLS]),
    ]


def test_tenderers_of_one_bid_bid_jointly_under_numbers_of_their_own() -> None:
    joint = read_case(written(moldova())).bids[0]
    assert (joint.name, joint.registrations) == ("Firma 1 + Firma 2", ("replay-0001", "replay-0001-1"))


def test_a_withdrawn_bid_is_withdrawn_before_the_bidder_comes_again() -> None:
    back = read_case(written(moldova())).bids[2]
    assert back.withdrawn == ((LotOffer(lot=ROADS, amount="1"),),)
    assert back.offers == (LotOffer(lot=SCHOOLS, amount="39000"),)


def test_a_withdrawn_bid_whose_price_is_published_has_it() -> None:
    def withdraw(release: Json) -> None:
        release["bids"]["details"][1]["status"] = "withdrawn"

    gone = read_case(changed(ukraine(), withdraw)).bids[1]
    assert (gone.offers, gone.withdrawn) == ((), ((LotOffer(lot="1", amount="455000"),),))


def test_what_the_rules_cannot_know_is_named_with_its_reason() -> None:
    assert read_case(written(moldova())).notes == (
        f"the value 38000 of lot {SCHOOLS} is no ceiling: bid 3 is valid above it",
        "bid 4 of Firma 4 is not replayed: disqualified, no bid security",
        "bid 7 of Firma 6 is not replayed: invited",
    )
    assert read_case(written(ukraine())).notes == (
        "the award a1 to ТОВ «Будсервіс» is unsuccessful: Не надано забезпечення",
    )


def test_a_disqualified_bid_has_the_reason_of_the_award_that_it_was_refused() -> None:
    def disqualify(release: Json) -> None:
        release["bids"]["details"][0]["status"] = "disqualified"

    data = changed(ukraine(), disqualify)
    assert read_case(data).notes[0] == (
        "bid b1 of ТОВ «Будсервіс» is not replayed: disqualified, Не надано забезпечення"
    )
    assert differences(data) == []


def test_releases_are_merged_by_their_dates() -> None:
    case = read_case(written(nigeria()))
    assert (case.title, case.number) == ("Boreholes", "ABJ-2025-7")
    assert [(bid.name, bid.offers[0].amount) for bid in case.bids] == [
        ("Adamu & Sons", "11000000"),
        ("Blue Water", "10500000"),
    ]
    assert differences(written(nigeria())) == []


def test_a_null_in_a_later_release_takes_a_field_away() -> None:
    data = changed(nigeria(), lambda release: release.update(awards=None))
    assert read_case(data).published == ()


def test_a_release_by_itself_is_read_and_may_say_nothing_of_awards() -> None:
    case = read_case(b"\xef\xbb\xbf" + written(paraguay()))
    assert (case.publisher, case.currency, case.published) == ("the publisher", "PYG", ())
    assert (case.entity.name, case.buyer) == (ENTITY, None)
    assert [each.rank for each in results(case, evaluated(case))] == [1, 2]
    assert results(case, evaluated(case))[0].reason == "valid Válida"


def test_a_record_by_itself_is_read_like_its_package() -> None:
    [record] = moldova()["records"]
    assert read_case(written(record)) == msgspec.structs.replace(
        read_case(written(moldova())), publisher="the publisher"
    )


def test_the_buyer_is_named_where_it_is_not_the_entity() -> None:
    def buy(release: Json) -> None:
        release["buyer"] = release["tender"].pop("procuringEntity")

    case = read_case(changed(ukraine(), buy))
    assert (case.entity.name, case.buyer) == ("Сільська рада", None)


def test_an_award_is_known_by_the_bid_that_it_names_or_by_its_suppliers() -> None:
    def by_bid(release: Json) -> None:
        release["awards"][0].update(suppliers=[], relatedBids=["1"])

    def by_lead(release: Json) -> None:
        release["awards"][0].update(suppliers=[{"id": "MD-IDNO-2"}])

    for change in (by_bid, by_lead):
        assert read_case(changed(moldova(), change)).published == read_case(written(moldova())).published


def test_names_lose_what_no_certificate_can_hold() -> None:
    def rename(release: Json) -> None:
        names = "\ufeffТОВ\u00a0«Дорога»\n\u200b", "Шлях" * 40, "\u200b"
        for each, name in zip(release["parties"], names, strict=True):
            each["name"] = name

    names = [bid.name for bid in read_case(changed(ukraine(), rename)).bids]
    assert names == ["ТОВ «Дорога»", "Шлях" * 40, "UA-EDR-33456789"]
    for name in names:
        request(KEY, Role.BUSINESS, common_name(name), "replay-0001")
    assert common_name(names[1]) == "Шлях" * 8


def test_bidders_of_one_name_are_told_apart() -> None:
    def rename(release: Json) -> None:
        for each in release["parties"]:
            each["name"] = "ТОВ"

    names = [bid.name for bid in read_case(changed(ukraine(), rename)).bids]
    assert names == ["ТОВ (UA-EDR-31234567)", "ТОВ (UA-EDR-32345678)", "ТОВ (UA-EDR-33456789)"]


def test_ids_that_ours_cannot_have_become_places() -> None:
    def rename(release: Json) -> None:
        release["tender"]["lots"] = [{"id": "Лот 1"}, {"id": "Лот-1"}]
        for each in release["bids"]["details"]:
            each["relatedLots"] = ["Лот 1"]
        for each in release["awards"]:
            each["relatedLots"] = ["Лот 1"]

    case = read_case(changed(ukraine(), rename))
    assert [lot.id for lot in case.lots] == ["1", "2"]
    assert {offer.lot for bid in case.bids for offer in bid.offers} == {"1"}


def test_a_classification_or_quantity_that_our_notices_have_no_form_for_is_left_out() -> None:
    def strange(release: Json) -> None:
        [item] = release["tender"]["items"]
        item.update(quantity=1.2345, classification={"scheme": "CPV", "id": "?"}, unit={})

    [item] = read_case(changed(ukraine(), strange)).lots[0].items
    assert (item.quantity, item.classification, item.unit) == (None, None, None)


# ── what is compared ─────────────────────────────────────────────────────────────────────────────────


def test_who_was_awarded_against_the_rules_is_one_difference_and_its_amount_another() -> None:
    assert differences(written(ukraine())) == [
        "tender: awarded (awards.suppliers) ТОВ «Дорожник» published, ТОВ «Будсервіс» computed",
        "tender: awardedAmount (awards.value.amount) 455000 published, 441000.5 computed",
    ]


def test_a_package_that_its_rules_give_again_agrees() -> None:
    case = read_case(written(moldova()))
    assert [(each.figure, each.lot, each.published) for each in case.published] == [
        ("awarded", ROADS, "Firma 1 + Firma 2"),
        ("awardedAmount", ROADS, "90000"),
        ("awarded", SCHOOLS, "Firma 5"),
        ("awardedAmount", SCHOOLS, "39000"),
    ]
    assert compare(case, evaluated(case)) == ()
    assert ranking(case) == [
        (ROADS, "Firma 1 + Firma 2", "90000", 1),
        (ROADS, "Firma 3", "95000.25", 2),
        (SCHOOLS, "Firma 5", "39000", 1),
        (SCHOOLS, "Firma 3", "40000", 2),
    ]


def test_a_difference_names_its_lot() -> None:
    def award_another(release: Json) -> None:
        release["awards"][1].update(relatedBid="3", suppliers=[{"id": "MD-IDNO-3"}])

    case = read_case(changed(moldova(), award_another))
    (found,) = compare(case, evaluated(case))
    assert str(found) == f"lot {SCHOOLS}: awarded (awards.suppliers) Firma 3 published, Firma 5 computed"
    assert msgspec.to_builtins(found) == {
        "figure": "awarded",
        "field": "awards.suppliers",
        "published": "Firma 3",
        "lot": SCHOOLS,
        "computed": "Firma 5",
    }


def test_whoever_of_equal_bids_was_awarded_agrees() -> None:
    def make_equal(release: Json) -> None:
        release["bids"]["details"][0]["value"]["amount"] = 455000

    assert differences(changed(ukraine(), make_equal)) == []


def test_a_winner_that_is_no_bidder_of_ours_is_named_as_published() -> None:
    def award_stranger(release: Json) -> None:
        release["awards"] = [{"id": "1", "suppliers": [{"id": "UA-1", "name": "Somebody else"}]}]

    assert differences(changed(ukraine(), award_stranger)) == [
        "tender: awarded (awards.suppliers) Somebody else published, ТОВ «Будсервіс» computed"
    ]


def test_of_several_awards_for_one_lot_all_are_named() -> None:
    def award_two(release: Json) -> None:
        release["awards"][0]["status"] = "active"

    assert differences(changed(ukraine(), award_two)) == [
        "tender: awarded (awards.suppliers) ТОВ «Будсервіс»; ТОВ «Дорожник» published,"
        " ТОВ «Будсервіс» computed"
    ]


def test_a_lot_that_nobody_was_awarded_differs_where_the_rules_have_a_winner() -> None:
    data = changed(ukraine(), lambda release: release["awards"].pop())
    assert differences(data) == [
        "tender: awarded (awards.suppliers) nobody published, ТОВ «Будсервіс» computed"
    ]


def test_an_award_that_is_still_to_be_decided_says_nothing() -> None:
    def pend(release: Json) -> None:
        release["awards"][1]["status"] = "pending"

    assert read_case(changed(ukraine(), pend)).published == ()


def test_a_bid_above_the_ceiling_is_out() -> None:
    def raise_it(release: Json) -> None:
        release["bids"]["details"][2]["value"]["amount"] = 500000.01

    case = read_case(changed(ukraine(), raise_it))
    last = results(case, evaluated(case))[-1]
    assert (last.bidder, last.rank, last.reason) == ("ПП «Шлях»", None, "above-ceiling Above the ceiling")


# ── our own records ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("life", [lowest_price, jointly])
def test_our_own_record_gives_the_same_ranking_again(life: Callable[[], Life], whole: bool) -> None:
    package = json.loads(record_of(published(life())))
    [record] = package["records"]
    release = record["compiledRelease"] if whole else record.pop("compiledRelease")
    case = read_case(written(package))
    assert compare(case, evaluated(case)) == ()
    assert ranking(case) == list(ranked(release))


def ranked(release: Json) -> Iterator[tuple[str, str, str, int]]:
    """Valid bids, lot by lot, the lowest first."""
    for lot in release["tender"]["lots"]:
        details = [each for each in release["bids"]["details"] if each.get("relatedLots") == [lot["id"]]]
        valid = [each for each in details if each["status"] == "valid"]
        ordered = sorted(valid, key=lambda each: float(each["value"]["amount"]))
        for place, each in enumerate(ordered, start=1):
            names = " + ".join(tenderer["name"] for tenderer in each["tenderers"])
            yield lot["id"], names, f"{Decimal(str(each['value']['amount'])):f}", place


def test_our_own_record_of_a_scored_tender_is_refused() -> None:
    with pytest.raises(CaseError, match="ratedCriteria"):
        read_case(record_of(published(negotiation())))


# ── what cannot be replayed ──────────────────────────────────────────────────────────────────────────


def details(change: Callable[[list[Json]], Any]) -> Change:
    return lambda release: change(release["bids"]["details"])


def first(**changes: Any) -> Change:
    """A change of the first bid."""
    return details(lambda bids: bids[0].update(changes))


def tender(**changes: Any) -> Change:
    return lambda release: release["tender"].update(changes)


def award(**changes: Any) -> Change:
    """A change of the last award."""
    return lambda release: release["awards"][-1].update(changes)


def each_bid(**changes: Any) -> Change:
    return details(lambda bids: [each.update(changes) for each in bids])


WRONG: list[tuple[Callable[[], Json], Change, str]] = [
    (ukraine, lambda release: release.pop("tender"), "there is no tender section"),
    (ukraine, lambda release: release.pop("bids"), "bids.details is missing"),
    (ukraine, lambda release: release["bids"].update(details=[]), "bids.details is missing"),
    (
        ukraine,
        tender(awardCriteria="ratedCriteria"),
        "awardCriteria ratedCriteria: only bids",
    ),
    (ukraine, tender(awardCriteria="costOnly"), "awardCriteria costOnly"),
    (ukraine, tender(awardCriteria=None), "tender.awardCriteria is missing"),
    (ukraine, tender(lots=[{"id": "1"}, {"id": "1"}]), "lots: the id 1 stands twice"),
    (ukraine, tender(lots=[{"id": str(i)} for i in range(101)]), "there are 101 lots, more than 100"),
    (ukraine, tender(lots=[{"id": "1"}, {"id": "2"}]), "bid b1 does not say for which lot it is"),
    (ukraine, tender(value=value(500000, "EUR")), "amounts are in several currencies: EUR, UAH"),
    (ukraine, tender(value=value(0.001, "UAH")), "the value of lot 1: 0.001 is no price in UAH"),
    (ukraine, tender(items=[{"id": "1"}, {"id": "1"}]), "items: the id 1 stands twice"),
    (ukraine, first(id="b2"), "bids: the id b2 stands twice"),
    (ukraine, first(status="empty"), "bid b1 has an unknown status: empty"),
    (ukraine, first(value=None), "bid b1: the amount is missing"),
    (ukraine, first(value={"currency": "UAH"}), "bid b1: the amount is missing"),
    (ukraine, first(value=value(441000.123, "UAH")), "441000.123 is no price in UAH, which is above 0"),
    (ukraine, first(value=value(0, "UAH")), "bid b1: 0 is no price in UAH"),
    (ukraine, first(value=value(-5, "UAH")), "bid b1: -5 is no price in UAH"),
    (ukraine, first(value=value(10**15, "UAH")), "bid b1: 1000000000000000 is no price in UAH"),
    (ukraine, first(value={"amount": "NaN", "currency": "UAH"}), "bid b1: NaN is no price in UAH"),
    (ukraine, first(value={"amount": "sNaN", "currency": "UAH"}), "bid b1: sNaN is no price in UAH"),
    (ukraine, first(value={"amount": "much", "currency": "UAH"}), "not a release of OCDS"),
    (ukraine, first(value={"amount": True, "currency": "UAH"}), "not a release of OCDS"),
    (ukraine, first(value=value(1, "USD")), "amounts are in several currencies: UAH, USD"),
    (ukraine, first(relatedLots=["9"]), "bid b1 is for a lot that is not there: 9"),
    (ukraine, first(tenderers=[]), "bid b1 names no tenderer"),
    (ukraine, first(tenderers=[{}]), "bid b1 names no tenderer"),
    (ukraine, first(tenderers=[{"id": str(i)} for i in range(22)]), "has 22 tenderers, more than 21"),
    (ukraine, first(tenderers=[{"id": "UA-EDR-32345678"}]), "bids b1 and b2 are by the same bidder for the"),
    (
        ukraine,
        first(tenderers=[{"id": "UA-EDR-31234567"}, {"id": "UA-EDR-32345678"}]),
        "ТОВ «Дорожник» bids with others, and without them",
    ),
    (ukraine, each_bid(status="invited"), "no bid is left to replay"),
    (ukraine, award(value=value(1, "USD")), "amounts are in several currencies: UAH, USD"),
    (ukraine, award(value=value(0.001, "UAH")), "award a2: 0.001 is no amount in UAH"),
    (ukraine, award(id="a1"), "awards: the id a1 stands twice"),
    (ukraine, award(status="given"), "award a2 has an unknown status: given"),
    (ukraine, award(suppliers=[], relatedBid=None), "award a2 names no supplier"),
    (ukraine, award(relatedLots=["9"]), "award a2 is for a lot that is not there: 9"),
    (moldova, award(relatedBid=None), "award y does not say for which lot it is"),
    (moldova, first(relatedLots=[ROADS, SCHOOLS]), "bid 1 has one price for 2 lots"),
    (moldova, details(lambda bids: bids[4].update(value=value(0.5, "EUR"))), "in several currencies"),
    (
        moldova,
        details(lambda bids: bids[4].update(relatedLots=["9"])),
        "bid 5 is for a lot that is not",
    ),
    (nigeria, lambda release: release.pop("date"), "a release has no date by which it could be merged"),
    (nigeria, lambda release: release.update(date="yesterday"), "a release has no date"),
    (nigeria, lambda release: release.update(ocid="ocds-another"), "the releases are of several tenders"),
    (paraguay, first(value=value(9500000.5, "PYG")), "9500000.5 is no price in PYG, .* at most 0 decimals"),
    (paraguay, each_bid(value={"amount": 1}), "amounts are in no currency"),
    (paraguay, each_bid(value=value(1, "KWD")), "KWD: amounts in KWD have 3 decimals, and here 2 at most"),
    (paraguay, each_bid(value=value(1, "Gs.")), "currency Gs.: unknown currency"),
]


@pytest.mark.parametrize(("publisher", "change", "said"), WRONG)
def test_what_cannot_be_replayed_is_said_in_one_line(
    publisher: Callable[[], Json], change: Change, said: str
) -> None:
    with pytest.raises(CaseError, match=said) as caught:
        read_case(changed(publisher(), change))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "1e400", "1e99999999999999999999", "9" * 5000, "1e-400"]
)
def test_numbers_that_are_no_amounts_are_refused(amount: str) -> None:
    data = written(ukraine()).replace(b"441000.5", amount.encode(), 1)
    with pytest.raises(CaseError) as caught:
        read_case(data)
    assert len(str(caught.value)) < 200


def test_an_exponent_and_zeros_behind_a_price_change_nothing() -> None:
    data = written(ukraine()).replace(b"441000.5", b"4.41000500000e5")
    assert read_case(data).bids[0].offers[0].amount == "441000.5"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b"{}",
        b'{"releases":[]}',
        b'{"releases":{}}',
        b'{"releases":[1]}',
        b'{"records":[]}',
        b'{"records":[{},{}]}',
        b'{"records":[[]]}',
        b'{"compiledRelease":[]}',
        b'{"tender":[]}',
        b'{"tender":{"title":7}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ],
)
def test_a_file_that_is_no_release_is_refused(data: bytes) -> None:
    with pytest.raises(CaseError):
        read_case(data)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(content: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a package something stands."""
    if way:
        yield way
    if isinstance(content, dict | list):
        entries = content.items() if isinstance(content, dict) else enumerate(content)
        for key, inner in entries:
            yield from places(inner, (*way, key))


@given(publisher=st.sampled_from(PACKAGES), put=ANYTHING, data=st.data())
def test_whatever_stands_in_a_field_it_is_a_case_or_said_to_be_none(
    publisher: Callable[[], Json], put: Any, data: st.DataObject
) -> None:
    package = deepcopy(publisher())
    *way, last = data.draw(st.sampled_from(list(places(package))))
    inside: Any = package
    for key in way:
        inside = inside[key]
    inside[last] = put
    with suppress(CaseError):
        case = read_case(written(package))
        compare(case, evaluated(case))
        results(case, evaluated(case))
        encode(case.lots)
        for bid in case.bids:
            for name, registration in zip(bid.names, bid.registrations, strict=True):
                request(KEY, Role.BUSINESS, common_name(name), registration)
        assert msgspec.convert(msgspec.to_builtins(case.lots), tuple[Lot, ...]) == case.lots


@given(data=st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(CaseError):
        read_case(data)
