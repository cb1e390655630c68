"""The OCDS record against the published schema where it is at hand, and always against what it must say."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker
from ocdsmerge import Merger
from referencing import Registry
from referencing.jsonschema import DRAFT4

from crypto.encoding import encode
from procurement import archive
from procurement.bundle import Record
from procurement.evaluation import (
    CostItem,
    Derived,
    KrPriceFloor,
    LifeCycleCost,
    LowestPrice,
    MultiAward,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
)
from procurement.history import BID_EVENTS, EventType
from procurement.ocds import Facts, extension_file, record_of
from procurement.owners import Owner, Ownership
from procurement.tenders import Bid, LotOffer, Proposal, StatedCost
from tests.builders import OCID, Life, a_bidder, a_lot, a_notice, panel_rules, the_world
from tests.lies.test_selection import NEGOTIATED, Ranked

SCHEMAS = Path(__file__).parents[3] / "shared" / "ocds"

CRITERION = WeightedCriterion(id="quality", title="Quality", points="90", weight="90")
TWO_ENVELOPES = TwoEnvelope(criteria=(CRITERION,), pass_mark="60")
COSTS = LifeCycleCost(costs=(CostItem(id="energy", title="Energy"),), years=5, rate="3", ceiling="1000")

TAGS = {"tender", "tenderUpdate", "tenderAmendment", "tenderCancellation", "award", "awardUpdate", "compiled"}
ROLES = {"procuringEntity", "buyer", "tenderer", "supplier"}
TENDER_STATUSES = {"active", "complete", "unsuccessful", "cancelled"}
BID_STATUSES = {"pending", "valid", "disqualified", "withdrawn"}
AWARD_STATUSES = {"pending", "active", "unsuccessful", "cancelled"}

Json = dict[str, Any]
Check = Callable[[Json], None]


def a_life(*rules: Rules, **changes: Any) -> Life:
    lots = [a_lot(each, id=str(number)) for number, each in enumerate(rules, start=1)]
    return Life(notice=a_notice(the_world(), *lots, **changes))


@cache
def lowest_price() -> Life:
    """Two lots in dollars: somebody wins the first, everybody is above the second's ceiling; one bid was
    replaced, one is for the first lot only, one does not open."""
    life = a_life(LowestPrice(ceiling="1000"), LowestPrice(ceiling="10.50"), currency="USD")
    one, two, three, four = (a_bidder(life.world, number) for number in range(1, 5))
    first = life.submit(one, "999.99")
    life.submit(two, "800.10")
    life.submit(one, "700.05", previous=first)
    life.submit(three, "1000.01", lots=["1"])
    life.submit(four, contents={"bid": b"?"})
    return life.to_award()


@cache
def price_floor() -> Life:
    """A practice tender with one bid above the expected price; 97.5 and 99 are in line."""
    rules = KrPriceFloor(
        base="100000000", basis_points=200, unit=100, preliminary_prices=Derived(), floor="90"
    )
    life = a_life(rules, practice=True)
    for number, amount in enumerate(("97500000", "99000000", "110000000"), start=1):
        life.submit(a_bidder(life.world, number), amount, picks=(number, number + 5))
    return life.to_award()


@cache
def negotiation() -> Life:
    """Four bidders: of one the technical part does not open, of one the price."""
    life = a_life(panel_rules(), description="Desks of oak.")
    proposal = encode(Proposal(proposal="We have done this before."))
    price = encode(Bid(offers=(LotOffer(lot="1", amount="90000000"),)))
    one, two, three, four = (a_bidder(life.world, number) for number in range(1, 5))
    life.submit(one, "98000000")
    life.submit(two, "100000000")
    life.submit(three, contents={"technical": b"?", "price": price})
    life.submit(four, contents={"technical": proposal, "price": b"?"})
    return life.to_award()


@cache
def unattended() -> Life:
    """A tender for which nobody bid."""
    return a_life(LowestPrice()).to_award()


@cache
def jointly() -> Life:
    """Two lots. Two businesses bid jointly and win both; a third bids alone."""
    life = a_life(LowestPrice(), LowestPrice())
    one, two, three = (a_bidder(life.world, number) for number in range(1, 4))
    life.submit(one, "900", partners=[two])
    life.submit(three, "950")
    return life.to_award()


KIM = Owner(name="Kim Yu-na", nationalities=("KR",))
ROSSI = Owner(name="Ada Rossi", nationalities=("IT", "CH"))


@cache
def owned() -> Life:
    """Owners are asked for. Two businesses bid jointly, of one bid nobody is named, one is listed, and of the
    last the bid does not open, since it says nothing of its partner."""
    life = a_life(LowestPrice(), owners_asked=True)
    one, two, *others = (a_bidder(life.world, number) for number in range(1, 7))
    joint = Ownership(persons=(KIM,)), Ownership(partner=two.fingerprint, persons=(ROSSI, KIM))
    life.submit(one, "900", partners=[two], owners=joint)
    life.submit(others[0], "910", owners=(Ownership(unnamed="public"),))
    life.submit(others[1], "920", owners=(Ownership(unnamed="listed"),))
    life.submit(others[2], "930", partners=[others[3]], owners=joint[:1])
    return life.to_award()


@cache
def owned_apart() -> Life:
    """Owners are named in the technical part; one bid's does not open, since it names none."""
    life = a_life(panel_rules(), owners_asked=True)
    life.submit(a_bidder(life.world, 1), "98000000", owners=(Ownership(persons=(KIM, ROSSI)),))
    life.submit(a_bidder(life.world, 2), "97000000")
    return life.to_award()


@cache
def two_envelopes() -> Life:
    """Two bidders, of whom one fails; its price stays closed."""
    life = a_life(TWO_ENVELOPES)
    one, two = (a_bidder(life.world, number) for number in (1, 2))
    failed, passed = life.submit(one, "500"), life.submit(two, "900")
    life.close()
    life.open("technical")
    life.score_sheet({failed: "10", passed: "80"})
    life.open("price")
    life.evaluate()
    life.award()
    return life


@cache
def examined() -> Life:
    """The first in line fails the examination, the second passes."""
    life = Ranked("900000", "897500")
    life.examined(1, "0", "0")
    life.examined(2, "15", "5")
    life.award()
    return life


@cache
def framework() -> Life:
    """Two of three bidders win the first lot, one the second, which is compared by what it costs to run."""
    life = a_life(MultiAward(rules=LowestPrice(ceiling="1000"), winners=2), COSTS)
    costs = (StatedCost(id="energy", amount="10"),)
    for number, amount in enumerate(("700", "800", "900"), start=1):
        offers = LotOffer(lot="1", amount=amount), LotOffer(lot="2", amount=amount, costs=costs)
        life.submit(a_bidder(life.world, number), contents={"bid": encode(Bid(offers=offers))})
    return life.to_award()


@cache
def negotiated() -> Life:
    """There is no agreement with anybody."""
    life = Ranked("900000", rules=NEGOTIATED)
    life.negotiate(life.line[0], "failed")
    life.award()
    return life


LIVES = (
    *(lowest_price, price_floor, negotiation, unattended, jointly, two_envelopes, framework),
    *(examined, negotiated, owned, owned_apart),
)


@pytest.fixture(params=LIVES, ids=lambda life: life.__name__)
def life(request: pytest.FixtureRequest) -> Life:
    """Every life in turn."""
    chosen: Life = request.param()
    return chosen


def published(life: Life) -> Facts:
    return Record(archive.unpack(life.record())).published()


def package(life: Life) -> Json:
    parsed: Json = json.loads(record_of(published(life)), parse_float=Decimal)
    return parsed


def record(life: Life) -> Json:
    [only] = package(life)["records"]
    return dict(only)


def compiled(life: Life) -> Json:
    return dict(record(life)["compiledRelease"])


def by_id(objects: list[Json]) -> dict[str, Json]:
    assert max(Counter(each["id"] for each in objects).values(), default=1) == 1
    return {each["id"]: each for each in objects}


# Whatever a tender's life was, its record is OCDS


def check_package(package: Json) -> None:
    assert package["version"] == "1.1"
    assert all(is_uri(each) for each in package["extensions"])
    assert is_uri(package["uri"])
    assert is_uri(package["license"])
    assert package["publisher"] == {"name": "Village school board", "uid": "KR-1234"}
    [record] = package["records"]
    assert record["ocid"] == OCID
    assert package["publishedDate"] == record["compiledRelease"]["date"] == record["releases"][-1]["date"]
    for each in (*states(record["releases"]), record["compiledRelease"]):
        check_release(each)
    tenderers = record["compiledRelease"]["tender"].get("tenderers", [])
    assert whoever_bids(record["compiledRelease"]) == {each["id"] for each in tenderers}


def check_release(release: Json) -> None:
    assert release["ocid"] == OCID
    assert is_date_time(release["date"])
    assert set(release["tag"]) <= TAGS
    assert release["initiationType"] == "tender"
    assert "[]" not in json.dumps(release, default=str)  # which merging would drop
    check_codes(release)
    check_ids(release)
    check_organisations(release)


def check_codes(release: Json) -> None:
    tender = release["tender"]
    assert {each["status"] for each in tender.get("milestones", [])} <= {"scheduled", "met", "notMet"}
    assert {tender["status"], *(lot["status"] for lot in tender["lots"])} <= TENDER_STATUSES
    assert tender["awardCriteria"] in {"priceOnly", "costOnly", "ratedCriteria"}
    assert tender["submissionMethod"] == ["electronicSubmission"]
    assert {role for party in release["parties"] for role in party["roles"]} <= ROLES
    assert {bid["status"] for bid in bids(release)} <= BID_STATUSES
    assert {award["status"] for award in release.get("awards", [])} <= AWARD_STATUSES


def check_ids(release: Json) -> None:
    """Every id occurs once in its list, and whatever is referred to is there."""
    lots, items = by_id(release["tender"]["lots"]), by_id(release["tender"]["items"])
    details, awards = by_id(bids(release)), by_id(release.get("awards", []))
    assert {item["relatedLot"] for item in items.values()} == set(lots)
    for each in (*details.values(), *awards.values()):
        assert set(each.get("relatedLots", [])) <= set(lots)
    assert {award["relatedBid"] for award in awards.values() if "relatedBid" in award} <= set(details)


def check_organisations(release: Json) -> None:
    """Each party is named alike wherever it occurs, and has exactly the roles in which it occurs."""
    parties, tender = by_id(release["parties"]), release["tender"]
    occurring = {
        "buyer": [release["buyer"]],
        "procuringEntity": [tender["procuringEntity"]],
        "tenderer": tender.get("tenderers", []),
        "supplier": [each for award in release.get("awards", []) for each in award.get("suppliers", [])],
    }
    for role, references in occurring.items():
        assert {each["id"] for each in references} == {id for id, p in parties.items() if role in p["roles"]}
        assert all(each["name"] == parties[each["id"]]["name"] for each in references)
    assert whoever_bids(release) <= {each["id"] for each in occurring["tenderer"]}


def whoever_bids(release: Json) -> set[str]:
    return {each["id"] for bid in bids(release) for each in bid["tenderers"]}


def check_schema(package: Json) -> None:
    """The upstream schema of record packages, and no field in any release that no schema knows."""
    package = json.loads(json.dumps(package, default=float))
    validate(read_schema("schema/record-package-schema.json"), package)
    [record] = package["records"]
    for release in (*record["releases"], record["compiledRelease"]):
        check_valid(release)


def check_valid(release: Json) -> None:
    """Against the upstream schema with all extensions, where it is at hand, and ours in any case; no field is
    unknown."""
    errors = validator().iter_errors(json.loads(json.dumps(release, default=float)))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@cache
def validator() -> Draft4Validator:
    if SCHEMAS.is_dir():
        return Draft4Validator(closed(release_schema()), registry=registry(), format_checker=FORMATS)
    ours = extended({"definitions": {"OrganizationReference": {}}})
    return Draft4Validator(ours | {"definitions": closed(ours["definitions"])}, format_checker=FORMATS)


CHECKS: list[Check] = [check_package, *([check_schema] if SCHEMAS.is_dir() else [])]


@pytest.mark.parametrize("check", CHECKS)
def test_the_record_package_is_valid_ocds(life: Life, check: Check) -> None:
    check(package(life))


def test_the_compiled_release_is_what_the_releases_merge_to(life: Life) -> None:
    releases = record(life)["releases"]
    last = releases[-1]["date"]
    assert compiled(life) == states(releases)[-1] | {"id": f"{OCID}-{last}", "tag": ["compiled"]}
    assert compiled(life) == MERGER.create_compiled_release(releases)


def test_each_release_is_named_and_dated_by_the_entry_that_completed_it(life: Life) -> None:
    entries = {f"{OCID}-{entry.seq}": entry for entry in published(life).history}
    told = [(entries[release["id"]], release) for release in record(life)["releases"]]
    assert [entry.seq for entry, _ in told] == sorted({entry.seq for entry, _ in told})
    assert all(entry.time == release["date"] for entry, release in told)
    assert {entry.t: release["tag"] for entry, release in told}.items() >= {
        EventType.COUNTERSIGNED: ["tender"],
        EventType.INTENDED: ["award"],
        EventType.AWARDED: ["awardUpdate"],
    }.items()


def test_the_bids_of_a_part_appear_together_with_the_last_of_them(life: Life) -> None:
    history = published(life).history
    last = {entry.part: entry for entry in history if entry.t in (EventType.OPENED, *BID_EVENTS)}
    telling = [release["id"] for release in record(life)["releases"] if bids(release)]
    assert {f"{OCID}-{entry.seq}" for entry in last.values()} >= set(telling[: len(last)])


def test_nothing_of_bids_or_bidders_is_in_the_release_of_the_notice(life: Life) -> None:
    first = record(life)["releases"][0]
    assert "bids" not in first
    assert "awards" not in first
    assert "tenderers" not in first["tender"]
    assert [party["roles"] for party in first["parties"]] == [["procuringEntity", "buyer"]]


def test_the_same_facts_give_the_same_bytes(life: Life) -> None:
    facts = published(life)
    turned = dict(sorted(facts.statements.items(), reverse=True))
    people = dict(sorted(facts.people.items(), reverse=True))
    assert record_of(msgspec.structs.replace(facts, statements=turned, people=people)) == record_of(facts)


def test_other_facts_give_another_package_name() -> None:
    assert len({package(each())["uri"] for each in LIVES}) == len(LIVES)


# What it says of the tender


def test_the_tender_is_what_the_notice_says() -> None:
    tender = compiled(negotiation())["tender"]
    assert tender["id"] == "2026-0001"
    assert tender["title"] == "School desks"
    assert tender["description"] == "Desks of oak."
    assert tender["tenderPeriod"] == {
        "startDate": "2026-03-02T09:00:00.000Z",
        "endDate": "2026-03-16T09:00:00.000Z",
    }
    assert tender["value"] == {"amount": 110_000_000, "currency": "KRW"}
    assert tender["awardCriteria"] == "ratedCriteria"
    assert tender["awardCriteriaDetails"] == "lot 1: kr-negotiation/1"
    assert "procurementMethodDetails" not in tender


def test_lots_and_items_are_kept_apart_although_items_have_the_same_id_in_each_lot() -> None:
    tender = compiled(lowest_price())["tender"]
    assert [(lot["id"], lot["status"], lot["value"]["amount"]) for lot in tender["lots"]] == [
        ("1", "complete", 1000),
        ("2", "unsuccessful", Decimal("10.50")),
    ]
    assert [(item["id"], item["relatedLot"]) for item in tender["items"]] == [("1/1", "1"), ("2/1", "2")]
    assert tender["items"][0]["quantity"] == 12
    assert tender["items"][0]["unit"] == {"name": "EA"}
    assert tender["value"]["amount"] == Decimal("1010.50")


def test_a_tender_without_a_ceiling_states_no_value() -> None:
    tender = compiled(unattended())["tender"]
    assert "value" not in tender
    assert "value" not in tender["lots"][0]


def test_a_practice_tender_is_marked_as_one() -> None:
    assert "practice" in compiled(price_floor())["tender"]["procurementMethodDetails"]


def test_a_tender_is_complete_if_any_lot_is_and_else_unsuccessful() -> None:
    assert compiled(lowest_price())["tender"]["status"] == "complete"
    assert compiled(unattended())["tender"]["status"] == "unsuccessful"


def test_the_officer_in_charge_can_be_asked() -> None:
    entity = compiled(lowest_price())["parties"][0]
    assert entity["contactPoint"] == {"name": "Officer Kim", "email": "kim@example.org"}


# What it says of bids and awards


def test_each_offer_has_its_own_value_and_status_by_lot() -> None:
    assert statuses(compiled(lowest_price())) == [
        ("123-45-00002", ["1"], Decimal("800.10"), "valid"),
        ("123-45-00002", ["2"], Decimal("800.10"), "disqualified"),
        ("123-45-00001", ["1"], Decimal("700.05"), "valid"),
        ("123-45-00001", ["2"], Decimal("700.05"), "disqualified"),
        ("123-45-00003", ["1"], Decimal("1000.01"), "disqualified"),
        ("123-45-00004", None, None, "disqualified"),
    ]


def test_a_bid_of_which_any_part_stays_shut_is_disqualified_without_a_value() -> None:
    found = {bidder: (value, status) for bidder, _, value, status in statuses(compiled(negotiation()))}
    assert found["123-45-00003"] == found["123-45-00004"] == (None, "disqualified")
    assert found["123-45-00001"] == (Decimal(98_000_000), "valid")


def test_what_opened_is_pending_until_it_is_evaluated() -> None:
    opened, evaluated = [release for release in record(lowest_price())["releases"] if bids(release)]
    assert [bid["status"] for bid in bids(opened)] == [*["pending"] * 5, "disqualified"]
    assert {bid["status"] for bid in bids(evaluated)} == {"valid", "disqualified"}
    assert "pending" not in {bid["status"] for bid in bids(compiled(lowest_price()))}


def test_a_bid_is_dated_by_its_acceptance() -> None:
    life = lowest_price()
    accepted = {each.statement: each.time for each in life.submitted}
    assert [accepted[bid["id"].partition("/")[0]] for bid in bids(compiled(life))] == [
        bid["date"] for bid in bids(compiled(life))
    ]


@pytest.mark.parametrize(
    ("life", "bids", "bidders"),
    [(lowest_price, 6, 4), (negotiation, 4, 4), (unattended, 0, 0), (jointly, 4, 2)],
)
def test_bids_and_bidders_are_counted(life: Callable[[], Life], bids: int, bidders: int) -> None:
    release = compiled(life())
    counts = {each["measure"]: each["value"] for each in release["bids"]["statistics"]}
    assert counts == {"bids": bids, "bidders": bidders}
    assert release["tender"]["numberOfTenderers"] == len(release["tender"].get("tenderers", []))


def test_a_lot_is_awarded_to_the_first_in_line_at_what_it_offered() -> None:
    life = lowest_price()
    awarded, unsuccessful = compiled(life)["awards"]
    winner = life.evaluated.lots[0].evaluation.ranking[0]
    assert awarded["status"] == "active"
    assert awarded["relatedLots"] == ["1"]
    assert awarded["value"] == {"amount": Decimal("700.05"), "currency": "USD"}
    assert awarded["suppliers"] == [{"id": "123-45-00001", "name": "Bidder 1"}]
    assert awarded["relatedBid"] == f"{winner.bid}/1"
    assert unsuccessful == {
        "id": "2",
        "date": awarded["date"],
        "relatedLots": ["2"],
        "status": "unsuccessful",
    }


def test_a_lot_that_several_win_has_an_award_for_each_in_their_order() -> None:
    release = compiled(framework())
    assert [(each["id"], each["relatedLots"], each["suppliers"][0]["id"]) for each in release["awards"]] == [
        ("1/1", ["1"], "123-45-00001"),
        ("1/2", ["1"], "123-45-00002"),
        ("2", ["2"], "123-45-00001"),
    ]
    assert [each["value"]["amount"] for each in release["awards"]] == [700, 800, 700]
    tender = release["tender"]
    assert [lot["status"] for lot in tender["lots"]] == ["complete", "complete"]
    assert tender["awardCriteria"] == "costOnly"
    assert tender["awardCriteriaDetails"] == (
        "lot 1: multi-award/1 by lowest-price/1; lot 2: life-cycle-cost/1"
    )


def test_a_bid_whose_price_stays_closed_is_disqualified_without_a_value() -> None:
    release = compiled(two_envelopes())
    assert statuses(release) == [
        ("123-45-00001", ["1"], None, "disqualified"),
        ("123-45-00002", ["1"], Decimal(900), "valid"),
    ]
    assert release["tender"]["awardCriteria"] == "ratedCriteria"


def test_whoever_bids_jointly_is_a_tenderer_of_the_bid_and_a_supplier_of_the_award() -> None:
    release = compiled(jointly())
    partners = [
        {"id": "123-45-00001", "name": "Bidder 1"},
        {"id": "123-45-00002", "name": "Bidder 2"},
    ]
    assert bids(release)[0]["tenderers"] == bids(release)[1]["tenderers"] == partners
    assert [each["suppliers"] for each in release["awards"]] == [partners, partners]
    roles = {party["id"]: party["roles"] for party in release["parties"]}
    assert roles["123-45-00002"] == ["tenderer", "supplier"]
    assert roles["123-45-00003"] == ["tenderer"]
    assert [each["id"] for each in release["tender"]["tenderers"]] == [f"123-45-0000{i}" for i in (1, 2, 3)]


def test_each_business_says_who_owns_it_once_its_bid_is_open() -> None:
    parties = by_id(compiled(owned())["parties"])
    kim = {"id": "1", "name": "Kim Yu-na", "nationalities": ["KR"]}
    rossi = {"id": "1", "name": "Ada Rossi", "nationalities": ["IT", "CH"]}
    stated = {id: (each.get("beneficialOwners"), each.get("details")) for id, each in parties.items()}
    assert stated == {
        "KR-1234": (None, None),
        "123-45-00001": ([kim], None),
        "123-45-00002": ([rossi, {**kim, "id": "2"}], None),
        "123-45-00003": (None, None),
        "123-45-00004": (None, {"listedOnRegulatedMarket": True}),
        "123-45-00005": (None, None),
        "123-45-00006": (None, None),
    }
    assert statuses(compiled(owned()))[-1] == ("123-45-00005", ["1"], None, "disqualified")


def test_the_extension_is_declared_where_owners_are_told() -> None:
    declaring = [life.__name__ for life in LIVES if "beneficialOwners" in str(package(life())["extensions"])]
    assert declaring == ["owned", "owned_apart"]


def test_owners_come_with_the_first_part_and_the_tender_says_that_they_will() -> None:
    releases = record(owned_apart())["releases"]
    telling = [each for each in releases if "beneficialOwners" in json.dumps(each, default=str)]
    [first] = [each for each in releases if "bids" in each][:1]
    assert telling == [first]
    said = "names the natural persons who in the end own or control the business"
    assert said in releases[0]["tender"]["submissionMethodDetails"]
    assert "submissionMethodDetails" not in compiled(negotiation())["tender"]


def test_a_price_outside_the_rules_is_a_disqualified_bid_with_a_value() -> None:
    assert ("123-45-00003", ["1"], Decimal(110_000_000), "disqualified") in statuses(compiled(price_floor()))


@given(whole=st.integers(0, 10**15 - 1), cents=st.none() | st.integers(0, 99))
def test_an_amount_keeps_every_digit(whole: int, cents: int | None) -> None:
    amount = str(whole) if cents is None else f"{whole}.{cents:02}"
    facts = published_once()
    changed = encode(Bid(offers=(LotOffer(lot="1", amount=amount),)))
    contents = dict.fromkeys(facts.contents, changed)
    text = record_of(msgspec.structs.replace(facts, contents=contents)).decode()
    assert f'"value":{{"amount":{amount},"currency":"KRW"}}' in text.rpartition('"awards":')[2]


@cache
def published_once() -> Facts:
    return published(price_floor())


def bids(release: Json) -> list[Json]:
    return list(release.get("bids", {}).get("details", []))


def statuses(release: Json) -> list[tuple[str, list[str] | None, Decimal | None, str]]:
    """(bidder, lots, amount, status) of each bid."""
    return [
        (bid["tenderers"][0]["id"], bid.get("relatedLots"), bid.get("value", {}).get("amount"), bid["status"])
        for bid in bids(release)
    ]


def states(releases: list[Json]) -> list[Json]:
    """What was known after each release."""
    return list(accumulate(releases, merge))


def merge(old: Any, new: Any) -> Any:
    """OCDS's merge: objects by field, lists of objects by id in order of appearance, all else the newest."""
    match old, new:
        case dict(), dict():
            found = old | {key: merge(old.get(key), value) for key, value in new.items()}
            return {key: value for key, value in found.items() if value is not None}
        case list(), [{"id": _}, *_]:
            known, changed = by_id(old), by_id(new)
            return [merge(known.get(id), changed.get(id, known.get(id))) for id in known | changed]
    return new


def read_schema(path: str) -> Json:
    schema: Json = json.loads((SCHEMAS / path).read_text(encoding="utf-8"))
    return schema


@cache
def release_schema() -> Json:
    """The upstream schema of releases with every extension, each a JSON merge patch (RFC 7396)."""
    schema = read_schema("schema/release-schema.json")
    for path in sorted((SCHEMAS / "extensions").glob("*/release-schema.json")):
        schema = patched(schema, json.loads(path.read_text(encoding="utf-8")))
    return extended(schema)


def extended(schema: Json) -> Json:
    """With the extensions of our own."""
    for name in ("evaluation", "sealing", "complaints"):
        schema = patched(schema, json.loads(extension_file(name, "release-schema.json")))
    return schema


def patched(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = patched(found.get(name), value)
    return found


def closed(schema: Any) -> Any:
    """The schema with every object closed to fields that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return inner | ({"additionalProperties": False} if "properties" in schema else {})


def merger() -> Merger:
    """OCDS Merge, with the schema's rules, or what they say of the fields that we use."""
    if SCHEMAS.is_dir():
        return Merger(release_schema())
    return Merger(
        merge_rules={("id",): "omitWhenMerged", ("date",): "omitWhenMerged", ("tag",): "omitWhenMerged"}
    )


@cache
def registry() -> Registry[Any]:
    resources = [read_schema(str(path.relative_to(SCHEMAS))) for path in (SCHEMAS / "schema").glob("*.json")]
    return Registry().with_resources((each["id"], DRAFT4.create_resource(each)) for each in resources)


def validate(schema: Json, value: Json) -> None:
    errors = Draft4Validator(schema, registry=registry(), format_checker=FORMATS).iter_errors(value)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def is_date_time(text: object) -> bool:
    return not isinstance(text, str) or ("T" in text and datetime.fromisoformat(text).tzinfo is not None)


def is_uri(text: object) -> bool:
    return not isinstance(text, str) or (bool(urlsplit(text).scheme) and text.isascii() and " " not in text)


MERGER = merger()
FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time", ValueError)(is_date_time)
FORMATS.checks("uri", ValueError)(is_uri)
