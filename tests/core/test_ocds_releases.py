"""Releases at every point of a tender's life: what each says, and what none says too early."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids.envelope import Envelope, Withdrawal
from bids.orders import OrderRefusal
from crypto.certificates import Certificate
from crypto.encoding import encode, moment, sha256
from crypto.statements import Statement, sign
from procurement import ocds
from procurement.awards import LateClosing, Termination
from procurement.editions import Gap
from procurement.enquiries import Answer, Enquiry
from procurement.evaluation import (
    CostItem,
    Examination,
    LowestPrice,
    MultiAward,
    QualityPrice,
    Single,
    WeightedCriterion,
)
from procurement.history import Entry, EventType, read
from procurement.notices import Budget, TenderDocument
from procurement.ocds.merging import changes, merge
from procurement.tenders import Bid, LotOffer, Proposal
from tests.builders import A_RULE, DEADLINE, OCID, START, Life, a_bidder, a_lot, a_notice, the_world
from tests.core import test_ocds as whole
from tests.core.test_ocds import (
    CRITERION,
    MERGER,
    SCHEMAS,
    Json,
    by_id,
    check_release,
    check_valid,
    read_schema,
)
from tests.lies.test_box import boxed
from tests.lies.test_lots import Apart, begun, scored
from tests.lies.test_panel import Drawn
from tests.lies.test_selection import Ranked

HOUR = timedelta(hours=1)
BASE = "https://tenders.example"


def told(life: Life) -> ocds.Facts:
    """What the service knows of the life so far, whether anybody else may or not."""
    history = read([life.entries[index] for index in life.history])
    certificates = [Certificate(der) for der in life.certificates.values()]
    closed = any(entry.t is EventType.CLOSED for entry in history)
    return ocds.Facts(
        history=tuple(history),
        statements={id: Statement(data) for id, data in life.statements.items()},
        envelopes={
            id: Statement(life.bids[id]).read(Envelope) for id in (life.closing.counted() if closed else ())
        },
        withdrawers={id: Statement(data).read(Withdrawal).signer for id, data in life.withdrawals.items()},
        contents=life.contents,
        people={each.fingerprint: ocds.Person(each.registration, each.name) for each in certificates},
    )


def public(facts: ocds.Facts, seq: int) -> ocds.Facts:
    """What everybody knew when the entry with that seq had been logged."""
    history = facts.history[: seq + 1]
    logged = {entry.statement for entry in history}
    opened = {(entry.statement, entry.section) for entry in history if entry.t is EventType.BID_OPENED}
    known = any(entry.t is EventType.OPENED for entry in history)
    return ocds.Facts(
        history=history,
        statements={id: each for id, each in facts.statements.items() if id in logged},
        envelopes=facts.envelopes if known else {},
        withdrawers=facts.withdrawers if known else {},
        contents={key: content for key, content in facts.contents.items() if key in opened},
        people=facts.people,
    )


def bodies(life: Life) -> list[Json]:
    return [json.loads(each.body) for each in ocds.tell(told(life))]


def states(releases: Sequence[Json]) -> list[Json]:
    """What was known after each release."""
    return [merge(releases[: count + 1]) for count in range(len(releases))]


def final(life: Life) -> Json:
    return states(bodies(life))[-1]


def entry_of(life: Life, release: Json) -> Entry:
    history = told(life).history
    return history[int(release["id"].rpartition("-")[2])]


# ── lives ────────────────────────────────────────────────────────────────────────────────────────────────


def document(id: str, **changes: Any) -> TenderDocument:
    said = {"title": f"Document {id}", "format": "application/pdf", "language": "en", "sha256": "5e" * 32}
    given: Any = {"id": id, "document_type": "biddingDocuments", "size": 9, **said, **changes}
    return TenderDocument(**given)


def enquire(life: Life, number: int, question: str) -> str:
    """A business asks. Its statement is not published: only the entry is."""
    life.now += timedelta(minutes=1)
    key = a_bidder(life.world, number)
    said = Enquiry(**life.about(key), question=question, salt="5a" * 32)
    id = life.say(EventType.ENQUIRED, said, key)
    del life.statements[id]
    return id


def answer(life: Life, enquiry: str, question: str) -> None:
    life.now += timedelta(minutes=1)
    officer = life.world.officer
    said = Answer(**life.about(officer), enquiry=enquiry, question=question, answer="Oak.")
    life.say(EventType.ANSWERED, said, officer)


def terminate(life: Life) -> None:
    life.now += timedelta(minutes=1)
    officer = life.world.officer
    said = Termination(**life.about(officer), outcome="cancelled", reason="The school closes.")
    life.countersign(EventType.TERMINATION_COUNTERSIGNED, Statement(sign(said, officer)).id)
    life.say(EventType.TERMINATED, said, officer)


@cache
def changed() -> Life:
    """Two questions, one of them answered; an amendment that takes out a document, its budget and its
    description; an outage. One bid came before, one after."""
    network = the_world().beacon.network
    life = Life(
        notice=a_notice(
            the_world(),
            description="Desks of oak.",
            outage=A_RULE,
            enquiries_until=moment(DEADLINE - HOUR),
            budget=Budget(id="2026-1", description="Furniture"),
            documents=(document("plan"), document("form")),
            round=str(network.round_at(DEADLINE + HOUR / 2)),
        )
    )
    asked = enquire(life, 8, "Who sells the desks that I make?")
    enquire(life, 9, "May I see the school?")
    answer(life, asked, "Which wood?")
    life.submit(a_bidder(life.world, 1), "900")
    life.amend(
        deadline=moment(DEADLINE + timedelta(days=7)),
        budget=None,
        description="",
        documents=(document("form", sha256="6f" * 32), document("map")),
    )
    closes = life.notice.closes
    life.submit(a_bidder(life.world, 2), "800")
    life.extend(Gap(start=moment(closes - HOUR), end=moment(closes - HOUR / 2)))
    return life.to_award()


@cache
def cancelled() -> Life:
    """Before the deadline, with a bid in the box."""
    life = Life(notice=a_notice(the_world(), a_lot(id="1"), a_lot(id="2")))
    life.submit(a_bidder(life.world, 1), "900")
    terminate(life)
    return life


@cache
def cancelled_late() -> Life:
    """Between intended award and award; the box was closed late, and a member refused."""
    life = Life(notice=a_notice(the_world(), a_lot()))
    life.submit(a_bidder(life.world, 1), "900")
    life.close(cosigned_at=DEADLINE + HOUR)
    officer, member = life.world.officer, life.world.members[2]
    late = LateClosing(**life.about(officer), closing=life.closing_id, reason="The power was out.")
    life.say(EventType.LATE, late, officer)
    refusal = OrderRefusal(**life.about(member.key), part="bid", member=3, reason="Nobody asked me.")
    life.say(EventType.REFUSED, refusal, member.key, "bid")
    life.open("bid")
    life.evaluate()
    life.award()
    # As it was before its last two entries.
    life.history, life.head = (
        life.history[:-2],
        msgspec.structs.replace(
            life.head, seq=life.head.seq - 2, prev=sha256(life.entries[life.history[-3]]).hex()
        ),
    )
    terminate(life)
    return life


@cache
def panelled() -> Life:
    """The panel is drawn from a pool; who is called first has a conflict."""
    life = Drawn()
    life.request_draw()
    life.draw_panel()
    life.open("technical")
    first, *others = life.called
    life.declare(first, "A cousin of mine bids.")
    life.scored_by(*others[:2])
    life.open("price")
    life.evaluate()
    life.award()
    return life


@cache
def in_the_dark() -> Life:
    """Two lots whose prices are sealed together beside a technical part: of four bids, one is for a lot only,
    of one the technical part does not open, of one the prices."""
    life = Life(
        notice=a_notice(
            the_world(),
            a_lot(QualityPrice(criteria=(CRITERION,), price_weight="10")),
            a_lot(LowestPrice(), id="2"),
        )
    )
    proposal = encode(Proposal(proposal="We have done this before."))
    price = encode(Bid(offers=(LotOffer(lot="1", amount="90"),)))
    one, two, three, four = (a_bidder(life.world, number) for number in range(1, 5))
    life.submit(one, "98")
    life.submit(two, "100", lots=["2"])
    life.submit(three, contents={"technical": b"?", "price": price})
    life.submit(four, contents={"technical": proposal, "price": b"?"})
    return life.to_award()


@cache
def apart() -> Life:
    """Lots whose prices open apart, or never."""
    life = scored(begun(Apart()))
    life.open("price")
    life.evaluate()
    life.award()
    return life


@cache
def supplemented() -> Life:
    """The first in line is asked twice, and the answer takes time."""
    life = Ranked("900000")
    [bid] = life.line
    request = life.ask(bid)
    life.hand_in(request, life.bids_by[bid], "Works")
    life.now += HOUR
    more = life.ask_more(request)
    life.hand_in(more, life.bids_by[bid], "Balance")
    life.examine(request, "15", "5")
    life.award()
    return life


@cache
def box() -> Life:
    """Bids replaced, withdrawn, with documents."""
    life = boxed()
    life.to_award()
    return life


LIVES: tuple[Callable[[], Life], ...] = (
    *(changed, cancelled, cancelled_late, panelled, in_the_dark, apart, box, supplemented),
    *whole.LIVES,
)


@pytest.fixture(params=LIVES, ids=lambda life: life.__name__)
def life(request: pytest.FixtureRequest) -> Life:
    chosen: Life = request.param()
    return chosen


# ── whatever a tender's life was ─────────────────────────────────────────────────────────────────────────


def test_every_release_is_valid_and_so_is_what_was_known_after_it(life: Life) -> None:
    releases = bodies(life)
    for release, known in zip(releases, states(releases), strict=True):
        check_valid(release)
        check_valid(known)
        check_release(known)


def test_releases_merge_to_what_ocds_merge_makes_of_them_at_every_point(life: Life) -> None:
    told_so_far = ocds.tell(told(life))
    for count in range(1, len(told_so_far) + 1):
        compiled = json.loads(ocds.compiled(told_so_far[:count]))
        assert compiled == MERGER.create_compiled_release(
            [json.loads(each.body) for each in told_so_far[:count]]
        )


def test_a_release_is_made_of_what_was_public_then_and_never_changes(life: Life) -> None:
    facts = told(life)
    releases = ocds.tell(facts)
    for entry in facts.history:
        assert ocds.tell(public(facts, entry.seq)) == [each for each in releases if each.seq <= entry.seq]


def test_each_release_says_something_new_and_only_that(life: Life) -> None:
    releases = bodies(life)
    head = ("ocid", "id", "date", "tag", "initiationType", "language")
    for before, release in zip(states(releases), releases[1:], strict=False):
        said = {name: each for name, each in release.items() if name not in head}
        assert set(repeated(before, said)) <= {"$.tender.id"}


def repeated(before: Any, said: Any, path: str = "$") -> Iterator[str]:
    """Where something is said that was said before; ids do not count."""
    for name, value in said.items():
        known = before.get(name)
        if isinstance(value, dict):
            yield from repeated(known or {}, value, f"{path}.{name}")
        elif (
            isinstance(value, list)
            and value
            and all(isinstance(each, dict) and "id" in each for each in value)
        ):
            ids = {each["id"]: each for each in known or []}
            for each in value:
                new = {key: inner for key, inner in each.items() if key != "id"}
                assert new or each["id"] not in ids, f"{path}.{name} says nothing of {each['id']}"
                yield from repeated(ids.get(each["id"], {}), new, f"{path}.{name}")
        elif value == known:
            yield f"{path}.{name}"


def test_each_release_names_the_entry_of_the_log_that_it_tells_of(life: Life) -> None:
    for release in bodies(life):
        entry, [logged] = entry_of(life, release), release["sealing"]["log"]
        assert logged["sha256"] == sha256(encode(entry)).hex()
        assert (logged["id"], logged["type"], logged["statement"]) == (
            str(entry.seq),
            entry.t,
            entry.statement,
        )
        assert release["date"] == logged["date"] == entry.time


def test_nobody_is_told_who_bids_before_the_opening(life: Life) -> None:
    bidders = {Statement(data).signer for data in (*life.bids.values(), *life.withdrawals.values())}
    names = {Certificate(life.certificates[each]).registration for each in bidders}
    names |= {Certificate(life.certificates[each]).name for each in bidders}
    opened = [entry.seq for entry in told(life).history if entry.t is EventType.OPENED]
    for release in ocds.tell(told(life)):
        if not opened or release.seq < opened[0]:
            assert not any(f'"{name}"'.encode() in release.body for name in names)
            assert "bids" not in json.loads(release.body)


def test_both_packages_are_valid_and_name_schemas_that_are_there(life: Life) -> None:
    releases = ocds.tell(told(life))
    served = {"base": BASE, "uri": f"{BASE}/here", "publisher": "Openseal"}
    served["published"] = releases[-1].date
    start, end = ocds.record_package(OCID, ocds.compiled(releases), **served)
    record = json.loads(start + b",".join(each.body for each in releases) + end)
    page = json.loads(ocds.release_package([each.body for each in releases], **served))
    assert page["releases"] == record["records"][0]["releases"] == bodies(life)
    for each in page["extensions"]:
        if each.startswith(BASE):
            name, file = each.rsplit("/", 2)[1:]
            assert json.loads(ocds.extension_file(name, file))["schemas"] == ["release-schema.json"]
    if SCHEMAS.is_dir():
        whole.validate(read_schema("schema/record-package-schema.json"), record)
        whole.validate(read_schema("schema/release-package-schema.json"), page)


# ── what is said when ────────────────────────────────────────────────────────────────────────────────────


def tags(life: Life) -> list[tuple[str, str]]:
    return [(str(entry_of(life, each).t), each["tag"][0]) for each in bodies(life)]


def test_the_document_has_a_row_for_each_kind_of_entry_that_makes_a_release() -> None:
    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    section = re.split(r"^## \d+\. Open data$", text, flags=re.MULTILINE)[1]
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted({each for life in LIVES for each in tags(life())})


def test_a_tender_that_changes_says_so_as_it_goes() -> None:
    assert tags(changed()) == [
        ("tender:countersigned", "tender"),
        ("enquiry:asked", "tenderUpdate"),
        ("enquiry:asked", "tenderUpdate"),
        ("enquiry:answered", "tenderUpdate"),
        ("tender:amended", "tenderAmendment"),
        ("tender:extended", "tenderAmendment"),
        ("tender:closed", "tenderUpdate"),
        ("tender:opened", "tenderUpdate"),
        ("bid:opened", "tenderUpdate"),
        ("evaluation:scored", "tenderUpdate"),
        ("conflict:declared", "tenderUpdate"),
        ("award:intended", "award"),
        ("conflict:declared", "tenderUpdate"),
        ("award:made", "awardUpdate"),
    ]


def test_a_question_is_seen_to_be_asked_and_read_once_it_is_answered() -> None:
    asked, _, answered = bodies(changed())[1:4]
    [question] = asked["tender"]["enquiries"]
    assert question.keys() == {"id", "date"}
    assert answered["tender"]["enquiries"] == [
        {
            "id": question["id"],
            "description": "Which wood?",
            "answer": "Oak.",
            "dateAnswered": answered["date"],
        }
    ]
    text = json.dumps(bodies(changed()))
    assert "that I make" not in text
    assert "123-45-00008" not in text
    assert final(changed())["tender"]["hasEnquiries"] is True
    assert final(changed())["tender"]["enquiryPeriod"]["startDate"] == moment(START)


def test_an_amendment_says_what_it_changes_and_takes_out_what_is_gone() -> None:
    life = changed()
    amended, extended = bodies(life)[4:6]
    assert amended["tender"]["description"] is None
    assert amended["tender"]["tenderPeriod"] == {"endDate": moment(DEADLINE + timedelta(days=7))}
    assert amended["sealing"]["timeLock"].keys() == {"round", "date"}
    assert extended["tender"]["tenderPeriod"]["endDate"] == life.notice.deadline
    documents = by_id(final(life)["tender"]["documents"])
    assert documents["plan"]["description"].startswith("no longer part of the notice; ")
    assert documents["form"]["description"] == f"SHA-256 {'6f' * 32}, 9 bytes"
    assert documents["map"]["title"] == "Document map"
    assert "id" not in final(life)["planning"]["budget"]
    first, second = final(life)["tender"]["amendments"]
    assert first["rationale"] == "The drawings were wrong."
    assert (first["amendsReleaseID"], first["releaseID"]) == (f"{OCID}-1", amended["id"])
    assert (second["amendsReleaseID"], second["releaseID"]) == (amended["id"], extended["id"])
    assert second["rationale"].startswith("bids could not be taken from ")
    assert final(life)["tender"]["bidOpening"]["date"] == moment(life.notice.opens)


def test_a_tender_that_is_cancelled_says_why_and_opens_nothing() -> None:
    release = bodies(cancelled())[-1]
    assert release["tag"] == ["tenderCancellation"]
    assert release["tender"]["status"] == "cancelled"
    assert [each["status"] for each in release["tender"]["lots"]] == ["cancelled", "cancelled"]
    assert release["tender"]["amendments"][0]["rationale"] == "The school closes."
    assert "bids" not in final(cancelled())


def test_an_intended_award_is_pending_and_cancelled_with_the_tender() -> None:
    intended = next(each for each in bodies(cancelled_late()) if each["tag"] == ["award"])
    assert [each["status"] for each in intended["awards"]] == ["pending"]
    assert intended["tender"]["milestones"][0]["status"] == "scheduled"
    compiled = final(cancelled_late())
    assert [each["status"] for each in compiled["awards"]] == ["cancelled"]
    assert [each["status"] for each in compiled["tender"]["milestones"]] == ["notMet"]


def test_the_box_is_counted_at_its_closing_and_who_filled_it_is_told_with_the_bids() -> None:
    life = box()
    closing = next(each for each in bodies(life) if "closing" in each["sealing"])["sealing"]
    figures = {name: each for name, each in closing["closing"].items() if isinstance(each, int)}
    assert figures == {
        "envelopes": 5,
        "withdrawals": 2,
        "counted": 2,
        "superseded": 0,
        "documents": 3,
        "missingDocuments": 1,
    }
    assert [each["status"] for each in closing["commitments"]].count("replaced") == 4
    assert all(
        encode({"c": each["commitment"], "t": "commitment"}) in life.entries
        for each in closing["commitments"]
    )
    indexes = [each["logIndex"] for each in closing["commitments"]]
    assert [json.loads(life.entries[each])["c"] for each in indexes] == [
        each["commitment"] for each in closing["commitments"]
    ]


def test_what_opened_the_bids_and_what_came_of_each_is_told() -> None:
    life = apart()
    sealing = final(life)["sealing"]
    assert [each["id"] for each in sealing["openings"]] == ["technical", "price"]
    [technical], [price] = (each["rounds"] for each in sealing["openings"])
    assert [each["id"] for each in technical["orders"]] == ["all"]
    assert technical["orders"][0]["signature"] == life.openings["technical"].keys[0].signature
    passed = [bid["id"] for bid in final(life)["bids"]["details"] if bid["status"] == "valid"]
    assert sorted(each["id"] for each in price["orders"]) == sorted(passed)
    outcomes = {
        (each["id"], part["id"]): part["sha256"]
        for each in sealing["commitments"]
        for part in each.get("sections", [])
    }
    assert outcomes == {key: sha256(content).hex() for key, content in life.contents.items()}


def test_a_late_closing_and_a_refusal_are_told_with_their_reasons() -> None:
    sealing = final(cancelled_late())["sealing"]
    assert sealing["closing"]["late"]["reason"] == "The power was out."
    [refusal] = sealing["refusals"]
    assert (refusal["member"], refusal["part"], refusal["reason"]) == ("3", "bid", "Nobody asked me.")


def test_where_nobody_knows_the_lots_yet_bids_appear_with_the_prices() -> None:
    life = in_the_dark()
    technical, price, _ = [each for each in bodies(life) if "bids" in each]
    one, two, three, four = life.bids
    assert [each["id"] for each in technical["bids"]["details"]] == [three]
    assert technical["bids"]["statistics"] == [{"id": "bidders", "measure": "bidders", "value": 4}]
    assert technical["tender"]["numberOfTenderers"] == 4
    assert {each["id"]: each["status"] for each in price["bids"]["details"]} == {
        f"{one}/1": "pending",
        f"{one}/2": "pending",
        f"{two}/2": "pending",
        four: "disqualified",
    }
    assert price["bids"]["statistics"] == [{"id": "bids", "measure": "bids", "value": 5}]


def test_scores_appear_together_with_the_last_sheet() -> None:
    life = panelled()
    told_scores = [entry_of(life, each) for each in bodies(life) if scores_in(each)]
    sheets = [entry for entry in told(life).history if entry.t is EventType.SHEET_SIGNED]
    assert [entry.seq for entry in told_scores] == [sheets[-1].seq]
    found = final(life)["evaluation"]["sheets"]
    assert [each["id"] for each in found] == [entry.statement for entry in sheets]
    assert {each["points"] for sheet in found for each in sheet["scores"]} == {80}
    evaluators = by_id(final(life)["evaluation"]["panel"]["evaluators"])
    assert all(evaluators[each["evaluator"]]["name"].startswith("Expert ") for each in found)


def scores_in(release: Json) -> list[Json]:
    sheets = release.get("evaluation", {}).get("sheets", [])
    return [score for each in sheets for score in each.get("scores", [])]


def test_the_draw_of_a_panel_and_who_stepped_back_are_told() -> None:
    life = panelled()
    evaluation = final(life)["evaluation"]
    assert evaluation["panel"]["seats"] == 2
    assert life.draw
    [draw] = [each for each in evaluation["draws"] if each["purpose"] == "panel"]
    assert [each["id"] for each in draw["tickets"]] == [each.certificate for each in life.draw.tickets]
    assert next(each["conflict"] for each in evaluation["declarations"]) is True
    assert "cousin" not in json.dumps(bodies(life))


def test_a_rule_set_is_told_with_its_parameters_and_every_figure_with_its_line() -> None:
    evaluation = final(whole.price_floor())["evaluation"]
    [lot] = evaluation["lots"]
    assert (lot["ruleSet"]["name"], lot["ruleSet"]["version"]) == ("kr-price-floor", "1")
    assert lot["ruleSet"]["parameters"]["basisPoints"] == 200
    assert lot["ruleSet"]["parameters"]["floor"] == "90"
    [result] = whole.price_floor().evaluated.lots
    assert [each["id"] for each in lot["ranking"]] == [f"{each.bid}/1" for each in result.evaluation.ranking]
    assert [each.get("rank") for each in lot["ranking"]] == [1, 2, None]
    assert len(lot["preliminaryPrices"]) == 15
    assert any("expected price" in each["text"] for each in lot["lines"])
    [draw] = [each for each in evaluation["draws"] if each["purpose"] == "reserve-prices"]
    assert draw["prices"] == [each["price"] for each in lot["preliminaryPrices"]]
    assert len(draw["numbers"]) == 29


@pytest.mark.parametrize("name", ["complaints", "evaluation", "sealing"])
def test_the_page_of_an_extension_is_about_its_schema(name: str) -> None:
    page = ocds.extension_file(name, "README.md").decode()
    definitions = json.loads(ocds.extension_file(name, "release-schema.json"))["definitions"]
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^###|\Z)", page, re.MULTILINE | re.DOTALL))
    assert {title: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for title, text in sections.items()} == {
        title: list(each["properties"]) for title, each in definitions.items()
    }
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    release = {"ocid": OCID, "id": "1", "date": moment(START), "tag": ["tender"], "initiationType": "tender"}
    check_valid(release | json.loads(example))


@pytest.mark.parametrize(("name", "file"), [("other", "README.md"), ("sealing", "../sealing.py"), ("", "")])
def test_nothing_else_is_a_file_of_an_extension(name: str, file: str) -> None:
    with pytest.raises(LookupError):
        ocds.extension_file(name, file)


def test_every_parameter_of_every_rule_set_has_a_field() -> None:
    schema = json.loads(ocds.extension_file("evaluation", "release-schema.json"))["definitions"]
    for rules in (*get_args(Single), MultiAward):
        names = set(rules.__struct_encode_fields__) - {"ruleSet", "rules"}
        assert names <= schema["RuleParameters"]["properties"].keys(), rules
    assert set(WeightedCriterion.__struct_encode_fields__) <= schema["ScoredCriterion"]["properties"].keys()
    assert set(CostItem.__struct_encode_fields__) <= schema["StatedCost"]["properties"].keys()
    assert set(Examination.__struct_encode_fields__) <= schema["ExaminationTerms"]["properties"].keys()


def test_equal_bids_are_told_with_their_tickets() -> None:
    life = whole.a_life(LowestPrice())
    for number in (1, 2):
        life.submit(a_bidder(life.world, number), "900")
    draws = final(life.to_award())["evaluation"]["draws"]
    assert [(each["id"], [ticket["rank"] for ticket in each["tickets"]]) for each in draws] == [
        ("tie-break/1", [1, 2])
    ]


def test_who_fails_an_examination_is_out_from_then_on() -> None:
    life = whole.examined()
    failed = next(each for each in bodies(life) if "candidates" in each.get("evaluation", {}))
    assert entry_of(life, failed).t is EventType.EXAMINED
    assert [each["status"] for each in failed["bids"]["details"]] == ["disqualified"]
    first, second = final(life)["evaluation"]["candidates"]
    assert (first["outcome"], second["outcome"], second["total"]) == ("below-pass-mark", "passed", 100)
    assert [each["points"] for each in second["scores"]] == [15, 5]


def test_a_supplement_moves_the_day_when_documents_are_due() -> None:
    asked, more = [
        release["tender"]["milestones"]
        for release in bodies(supplemented())
        if "dueDate" in release.get("tender", {}).get("milestones", [{}])[0]
    ][:2]
    assert asked[0]["id"] == more[0]["id"]
    assert more[0].keys() == {"id", "dueDate"}
    assert asked[0]["dueDate"] != more[0]["dueDate"]


def test_one_ocid_and_one_id_of_each_organisation_from_notice_to_award(life: Life) -> None:
    releases = bodies(life)
    assert {each["ocid"] for each in releases} == {OCID}
    names: dict[str, set[str]] = {}
    for known in states(releases):
        for party in known["parties"]:
            names.setdefault(party["id"], set()).add(party["name"])
    assert all(len(each) == 1 for each in names.values())


# ── merging ──────────────────────────────────────────────────────────────────────────────────────────────

SCALARS = st.integers(0, 3) | st.text("ab", min_size=1, max_size=2) | st.lists(st.integers(0, 2), min_size=1)


def things(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from("pqr"), inner, min_size=1)
    keyed = st.dictionaries(st.sampled_from("123"), fields, min_size=1)
    return fields | keyed.map(lambda found: [{"id": id, **each} for id, each in found.items()])


STATES = st.dictionaries(st.sampled_from("pqr"), st.recursive(SCALARS, things, max_leaves=6), min_size=1)


@settings(max_examples=60)
@given(first=STATES, data=st.data())
def test_releases_merge_as_ocds_merge_merges_them(first: Json, data: st.DataObject) -> None:
    releases = [first, *(moved(first, data) for _ in range(2))]
    dated = [{"id": str(at), "date": str(at), **each} for at, each in enumerate(releases)]
    theirs = MERGER.create_compiled_release(dated)
    assert merge(releases) == {name: each for name, each in theirs.items() if name in "pqr"}


@settings(max_examples=60)
@given(before=STATES, data=st.data())
def test_changes_lead_from_one_state_to_the_next(before: Json, data: st.DataObject) -> None:
    after = moved(before, data)
    assert bare(merge([before, changes(before, after)])) == bare(after)
    assert changes(after, after) == {}


def moved(value: Any, data: st.DataObject) -> Any:
    """Another value of the same kind; lists by id lose nothing."""
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name == "id"}
        others = [name for name in value if name != "id" and data.draw(st.booleans())]
        return kept | {name: moved(value[name], data) for name in others}
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [moved(each, data) for each in value]
    return data.draw(st.sampled_from([value, 7]))


def bare(value: Any) -> Any:
    """Without empty objects, which merging leaves."""
    if isinstance(value, list):
        return [bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: inner for name, each in value.items() if (inner := bare(each)) != {}}


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────────────


def calls(tell: Callable[[], object]) -> int:
    """How many functions are called, of ours and of others."""
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        tell()
    finally:
        sys.setprofile(None)
    return count


def many(bids: int) -> Life:
    life = whole.a_life(LowestPrice())
    for number in range(1, bids + 1):
        life.submit(a_bidder(life.world, number), str(1000 + number))
    return life.to_award()


def failing(candidates: int) -> Life:
    """Everybody in line is examined, and fails."""
    life = Ranked(*[str(900_000 + 100 * number) for number in range(candidates)])
    for rank in range(1, candidates + 1):
        life.examined(rank, "0", "0")
    life.award()
    return life


@pytest.mark.parametrize(("make", "sizes"), [(many, (6, 12, 24)), (failing, (1, 2, 4))])
def test_twice_as_many_bids_take_twice_as_much_and_no_more(
    make: Callable[[int], Life], sizes: tuple[int, int, int]
) -> None:
    facts = [told(make(size)) for size in sizes]
    for each in facts:
        ocds.tell(each)  # whatever is read once only
    few, some, lots = (calls(lambda each=each: ocds.compiled(ocds.tell(each))) for each in facts)  # type: ignore[misc]
    assert lots - some <= 2.3 * (some - few)
    few, some, lots = (sum(len(release.body) for release in ocds.tell(each)) for each in facts)
    assert lots - some <= 2.3 * (some - few)
