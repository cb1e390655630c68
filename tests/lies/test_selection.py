"""Examinations and negotiations: who is awarded where the first rank is not enough, and the lies about it.

Each life is played with genuine keys; a lie is refused at step 12, in its own words.
"""

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.certificates import Role, SigningKey
from crypto.encoding import moment
from crypto.errors import VerificationError
from procurement.awards import LotAward
from procurement.bundle import Record
from procurement.errors import TenderError
from procurement.evaluation import (
    Examined,
    KrPriceFloor,
    Rules,
)
from procurement.record import verify
from procurement.selection import (
    CapabilityScore,
    ExaminationDocuments,
    ExaminationRequest,
    ExaminationResult,
    NegotiationResult,
    Said,
    Selection,
    SupplementRequest,
)
from tests.builders import (
    MILLION,
    Life,
    a_bidder,
    a_lot,
    a_notice,
    evidence,
    examined_floor,
    packed,
    panel_rules,
    the_world,
)
from tests.lies.catalogue import Files, Lie, Who, check_refused, last, lies_into

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EXAMINED = examined_floor()
NEGOTIATED = msgspec.structs.replace(panel_rules(budget="1000000"), negotiation=True)


@cache
def bidders() -> list[SigningKey]:
    return [a_bidder(the_world(), number) for number in range(1, 5)]


class Ranked(Life):
    """Evaluated; `bids` are the envelopes in the order in which they came."""

    def __init__(self, *amounts: str, rules: Rules = EXAMINED) -> None:
        super().__init__(notice=a_notice(the_world(), a_lot(rules), practice=True))
        picks = (1, 2) if isinstance(rules, KrPriceFloor) else None
        people = zip(bidders(), amounts, strict=False)
        self.bids_by = {self.submit(who, amount, picks=picks): who for who, amount in people}
        self.close()
        for part in self.notice.parts:
            self.open(part)
            if part == "technical":
                self.score_sheets()
        if rules is EXAMINED:
            self.reveal("1", MILLION.salt, MILLION.prices)
        self.evaluate()

    @property
    def line(self) -> list[str]:
        """The envelopes in line by rank."""
        [lot] = self.evaluated.lots
        return [each.bid for each in lot.evaluation.ranking if each.rank]

    def examined(self, rank: int, *scores: str) -> str:
        """Asked, answered and scored; the request's id."""
        bid = self.line[rank - 1]
        request = self.ask(bid)
        self.hand_in(request, self.bids_by[bid])
        self.examine(request, *scores)
        return request

    def intending(self, winner: int | None) -> Files:
        """The record of an award to whoever has that rank, right or not."""
        bid = self.line[winner - 1] if winner else None
        supplier = self.bids_by[bid].certificate.registration if bid else None
        self.winners = lambda: (LotAward(lot="1", bid=bid, supplier=supplier),)  # type: ignore[method-assign]
        self.award()
        return self.files()


def verified(life: Life) -> list[str]:
    """What step 12 of an honest award finds."""
    life.award()
    verdict = verify(packed(life.files()), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), last(verdict)
    return list(verdict.steps[11].findings)


def winner(life: Ranked) -> int | None:
    """The rank of who is intended."""
    [award] = life.intended.awards
    return life.line.index(award.bid) + 1 if award.bid else None


# ── examinations ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_in_line_who_passes_is_awarded() -> None:
    life = Ranked("900000", "897500", "950000")
    life.examined(1, "15", "5")
    number = life.bids_by[life.line[0]].certificate.registration
    assert verified(life)[:2] == [f"lot 1: rank 1, {number}: passed", f"lot 1: {number}"]
    assert winner(life) == 1


def test_who_fails_gives_way_to_the_next_in_line() -> None:
    life = Ranked("900000", "897500", "950000")
    life.examined(1, "14.9999", "5")  # 75 + 19.9999
    life.examined(2, "15", "0")  # 80 + 15
    findings = verified(life)
    assert [each.rpartition(": ")[2] for each in findings[:2]] == ["below-pass-mark", "passed"]
    assert winner(life) == 2
    result = Record(life.files()).selection.candidacies[0].result
    assert isinstance(result, ExaminationResult)
    assert result.examined is not None
    assert (result.examined.price_score, result.examined.total) == ("75.0000", "94.9999")


def test_who_hands_in_nothing_in_time_fails_for_that_reason() -> None:
    life = Ranked("900000", "897500")
    request = life.ask(life.line[0])
    with pytest.raises(VerificationError, match="may still be handed in"):
        told(life, lambda other: other.examine(request))
    life.now += 7 * DAY
    life.examine(request)
    life.examined(2, "15", "5")
    assert verified(life)[0].endswith("no-documents")
    assert winner(life) == 2


def test_nobody_passes_and_the_lot_is_unsuccessful() -> None:
    life = Ranked("900000", "897500")
    life.examined(1, "0", "0")
    life.examined(2, "0", "0")
    assert verified(life)[2] == "lot 1: unsuccessful"
    assert winner(life) is None


def test_without_anybody_in_line_nobody_is_examined() -> None:
    life = Ranked("500000")
    assert life.line == []
    assert verified(life)[0] == "lot 1: unsuccessful"


def test_a_supplement_is_asked_for_once_and_its_files_count() -> None:
    life = Ranked("900000")
    bid = life.line[0]
    request = life.ask(bid)
    life.hand_in(request, life.bids_by[bid], "Works")
    more = life.ask_more(request)
    with pytest.raises(VerificationError, match="may still be handed in"):
        told(life, lambda other: other.examine(request, "15", "5"))
    life.hand_in(more, life.bids_by[bid], "Balance")
    life.examine(request, "15", "5")
    assert winner_of(life) == 1
    [candidate] = life.selection().candidacies
    assert [file.title for file in candidate.files] == ["Works", "Balance"]


def test_a_supplement_that_does_not_come_is_not_waited_for_longer() -> None:
    life = Ranked("900000")
    bid = life.line[0]
    request = life.ask(bid)
    life.hand_in(request, life.bids_by[bid])
    life.ask_more(request)
    life.now += 3 * DAY
    life.examine(request, "15", "0")
    assert winner_of(life) == 1


def winner_of(life: Ranked) -> int | None:
    verified(life)
    return winner(life)


@pytest.mark.parametrize(("scores", "first"), [(("15", "5"), False), (("0", "0"), True)])
def test_of_equal_prices_all_are_examined_and_more_points_win(scores: tuple[str, str], first: bool) -> None:
    """The draw has put them into an order, in which they stay where their points are equal, too."""
    life = Ranked("900000", "900000", "897500")
    assert [each.amount for each in life.evaluated.lots[0].evaluation.ranking] == [
        "897500",
        "900000",
        "900000",
    ]
    life.examined(1, "0", "0")
    life.examined(2, "15", "3")
    with pytest.raises(VerificationError, match="still to be examined"):
        life.selection().chosen()
    life.examined(3, *scores)
    assert winner_of(life) == (2 if first else 3)


def test_equal_points_leave_equal_prices_in_the_order_of_their_draw() -> None:
    life = Ranked("900000", "900000")
    life.examined(2, "15", "5")  # in whatever order they are examined
    life.examined(1, "15", "5")
    assert winner_of(life) == 1


def test_all_of_it_is_in_the_open_data() -> None:
    life = Ranked("900000", "897500")
    life.examined(1, "0", "0")
    life.examined(2, "15", "5")
    life.award()
    package = msgspec.json.decode(life.files()["ocds.json"])
    release = package["records"][0]["compiledRelease"]
    milestones = release["tender"]["milestones"]
    assert [(each["code"], each["status"]) for each in milestones] == [
        ("qualification", "notMet"),
        ("qualification", "met"),
        ("standstill", "met"),
    ]
    statuses = {each["id"]: each["status"] for each in release["bids"]["details"]}
    assert statuses == {f"{life.line[0]}/1": "disqualified", f"{life.line[1]}/1": "valid"}
    assert [each["relatedBid"] for each in release["awards"]] == [f"{life.line[1]}/1"]


@settings(max_examples=30, deadline=None)
@given(points=st.lists(st.integers(0, 15), min_size=4, max_size=4), order=st.permutations([1, 2, 3]))
def test_the_winner_is_the_best_of_the_first_equals_of_whom_any_passes(
    points: list[int], order: list[int]
) -> None:
    """Ranks 1 to 3 have one price (80 points), rank 4 a higher one (75 points)."""
    life = evaluated_once()
    selection = Selection(life.notice, life.evaluation_id, life.evaluated)
    totals = {rank: (80 if rank < 4 else 75) + points[rank - 1] + 5 for rank in (1, 2, 3, 4)}
    passed = [rank for rank in (1, 2, 3) if totals[rank] >= 95]
    expected = max(passed, key=lambda rank: (totals[rank], -rank), default=4 if totals[4] >= 95 else None)
    for rank in (*order, 4):
        if not selection.due("1"):
            break
        examine_in(selection, life, rank, str(points[rank - 1]), "5")
    assert selection.chosen() == {"1": life.line[expected - 1] if expected else None}


@cache
def evaluated_once() -> Ranked:
    return Ranked("900000", "900000", "900000", "960000")


def examine_in(selection: Selection, life: Ranked, rank: int, *scores: str) -> None:
    """Asks, answers and scores without a log."""
    officer, bid = life.world.officer, life.line[rank - 1]
    bidder, request = life.bids_by[bid], f"{rank:064x}"
    number = officer.certificate.registration
    asked = ExaminationRequest(
        **life.about(officer),
        evaluation=life.evaluation_id,
        lot="1",
        bid=bid,
        documents="All",
        due=selection.due_at("1", life.now),
    )
    selection.hear(request, asked, life.now, number)
    answer = ExaminationDocuments(**life.about(bidder), request=request, files=(evidence("Works"),))
    selection.hear("1" * 64, answer, life.now, bidder.certificate.registration)
    given = [
        CapabilityScore(criterion=each, score=score, evidence=(evidence("Works").sha256,), reason="So")
        for each, score in zip(("works", "finance"), scores, strict=True)
    ]
    examined = selection.examined(request, given)
    result = ExaminationResult(
        **life.about(officer),
        request=request,
        scores=tuple(given),
        examined=examined,
        outcome=selection.outcome(request, examined),
    )
    selection.hear("2" * 64, result, life.now, number)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_said_in_whatever_order_is_heard_or_refused(data: st.DataObject) -> None:
    """Only our typed errors come of nonsense, and at most one envelope of the line is chosen."""
    life = evaluated_once()
    selection = Selection(life.notice, life.evaluation_id, life.evaluated)
    at, ids = life.now, ["1" * 64, "2" * 64, life.evaluation_id, *life.line]
    for _ in range(data.draw(st.integers(1, 8))):
        with suppress(VerificationError):
            selection.hear(data.draw(st.sampled_from(ids)), babble(data, life, ids), at, "123-45-00001")
        at += data.draw(st.sampled_from([timedelta(), DAY, 8 * DAY]))
    with suppress(TenderError):
        assert selection.chosen()["1"] in {None, *life.line}


def babble(data: st.DataObject, life: Ranked, ids: list[str]) -> Said:
    """A statement of any kind with fields that are right now and then."""
    one = st.sampled_from(ids)
    times = st.sampled_from([moment(life.now + shift) for shift in (-DAY, timedelta(), 7 * DAY)])
    about = life.about(life.world.officer) | {"time": data.draw(times)}
    file = evidence("Works")
    score = CapabilityScore(
        criterion=data.draw(st.sampled_from(["works", "finance"])),
        score=data.draw(st.sampled_from(["0", "15", "5", "9999.9999"])),
        evidence=data.draw(st.sampled_from([(), (file.sha256,)])),
        reason="So",
    )
    figures = Examined(price_score="x", capability_score="-1", total=data.draw(st.text()), lines=())
    lot = data.draw(st.sampled_from(["1", "2"]))
    match data.draw(st.integers(0, 4)):
        case 0:
            bid, due = data.draw(one), data.draw(times)
            evaluation = data.draw(st.sampled_from([life.evaluation_id, "0" * 64]))
            return ExaminationRequest(
                **about, evaluation=evaluation, lot=lot, bid=bid, documents="All", due=due
            )
        case 1:
            return SupplementRequest(**about, request=data.draw(one), documents="More", due=data.draw(times))
        case 2:
            return ExaminationDocuments(**about, request=data.draw(one), files=(file,))
        case 3:
            examined = data.draw(st.sampled_from([None, figures]))
            scores = data.draw(st.sampled_from([(), (score,), (score, score)]))
            return ExaminationResult(
                **about, request=data.draw(one), outcome="passed", scores=scores, examined=examined
            )
        case _:
            evaluation, bid = life.evaluation_id, data.draw(one)
            return NegotiationResult(
                **about, evaluation=evaluation, lot=lot, bid=bid, outcome="agreed", reason="So"
            )


def test_an_evaluation_without_the_lot_selects_nobody() -> None:
    life = evaluated_once()
    with pytest.raises(TenderError, match="a lot is not evaluated"):
        Selection(life.notice, life.evaluation_id, msgspec.structs.replace(life.evaluated, lots=()))


# ── negotiations ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_with_whom_there_is_an_agreement_is_awarded() -> None:
    life = Ranked("900000", "950000", "990000", rules=NEGOTIATED)
    life.negotiate(life.line[0], "failed")
    life.negotiate(life.line[1], "agreed")
    findings = verified(life)
    assert [each.rpartition(": ")[2] for each in findings[:2]] == ["failed", "agreed"]
    assert winner(life) == 2


def test_without_an_agreement_the_lot_is_unsuccessful() -> None:
    life = Ranked("900000", rules=NEGOTIATED)
    life.negotiate(life.line[0], "failed")
    assert winner_of(life) is None


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────────────


LIES: list[Lie] = []
lie = lies_into(LIES)


def two() -> Ranked:
    return Ranked("900000", "897500")


@lie(12, "someone else than the first in line")
def a_failed_candidate_is_awarded() -> Files:
    life = two()
    life.examined(1, "0", "0")
    life.examined(2, "15", "5")
    return life.intending(1)


@lie(12, "still to be examined")
def the_award_comes_without_an_examination() -> Files:
    return two().intending(1)


@lie(12, "still to be examined")
def the_award_comes_after_a_failure_without_the_next_being_examined() -> Files:
    life = two()
    life.examined(1, "0", "0")
    return life.intending(1)


@lie(
    12,
    "a candidate was not examined, or negotiated with, as the notice says: it is not this candidate's turn",
    "next in line skipped",
    Who.OFFICER,
    "The second in line is examined and awarded without a word on the first.",
)
def the_next_in_line_is_skipped() -> Files:
    life = two()
    life.ask(life.line[1])
    return life.intending(2)


@lie(12, "not this candidate's turn")
def another_is_examined_after_one_has_passed() -> Files:
    life = two()
    life.examined(1, "15", "5")
    life.ask(life.line[1])
    return life.intending(2)


@lie(12, "this candidate was asked before")
def a_candidate_is_examined_twice() -> Files:
    life = two()
    life.ask(life.line[0])
    life.ask(life.line[0])
    return life.intending(1)


def scored_otherwise(**changes: Any) -> Files:
    """A result of which something was changed after it was figured out."""
    life = two()
    request = life.ask(life.line[0])
    life.hand_in(request, life.bids_by[life.line[0]])
    life.examine(request, "14", "5", **changes)
    return life.intending(1)


@lie(12, "figures of the examination come out differently")
def a_capability_score_is_changed() -> Files:
    scores = tuple(
        CapabilityScore(criterion=id, score=score, evidence=(evidence("Works").sha256,), reason="So")
        for id, score in (("works", "15"), ("finance", "5"))
    )
    return scored_otherwise(scores=scores, outcome="passed")


@lie(12, "another outcome")
def an_outcome_is_changed() -> Files:
    return scored_otherwise(outcome="passed")


@lie(12, "come out differently")
def a_price_score_is_wrong() -> Files:
    wrong = Examined(price_score="80.0000", capability_score="19.0000", total="99.0000", lines=())
    return scored_otherwise(examined=wrong, outcome="passed")


@lie(12, "an examination scores other criteria")
def a_candidate_who_has_handed_in_is_said_not_to_have() -> Files:
    return scored_otherwise(examined=None, scores=(), outcome="no-documents")


@lie(
    12,
    "a candidate was not examined, or negotiated with, as the notice says: points are given for files"
    " that were handed in",
    "points for nothing",
    Who.OFFICER,
    "A candidate gets points although nothing was handed in for them.",
)
def points_are_given_for_nothing() -> Files:
    scores = tuple(
        CapabilityScore(criterion=id, score=score, reason="I know them")
        for id, score in (("works", "14"), ("finance", "5"))
    )
    return scored_otherwise(scores=scores)


@lie(12, "for files that were handed in")
def points_are_given_for_a_file_of_somebody_elses() -> Files:
    scores = tuple(
        CapabilityScore(criterion=id, score=score, evidence=("00" * 32,), reason="So")
        for id, score in (("works", "14"), ("finance", "5"))
    )
    return scored_otherwise(scores=scores)


@lie(12, "the documents were due before")
def documents_come_after_their_time() -> Files:
    life = two()
    request = life.ask(life.line[0])
    life.now += 7 * DAY
    life.hand_in(request, life.bids_by[life.line[0]])
    return life.intending(1)


@lie(12, "due at the end of the notice's period")
def a_candidate_gets_less_time_than_the_notice_gives() -> Files:
    life = two()
    soon = life.selection().due_at("1", life.now - DAY)
    life.ask(life.line[0], due=soon)
    return life.intending(None)


@lie(12, "the request's time is not now")
def a_request_is_dated_back() -> Files:
    life = two()
    earlier = life.now - DAY
    due = life.selection().due_at("1", earlier)
    life.ask(life.line[0], time=moment(earlier), due=due)
    return life.intending(None)


@lie(12, "the examination has ended")
def a_supplement_is_asked_for_after_the_result() -> Files:
    life = two()
    request = life.examined(1, "0", "0")
    life.ask_more(request)
    return life.intending(2)


@lie(12, "a supplement is asked for once")
def a_second_supplement_is_asked_for() -> Files:
    life = two()
    request = life.ask(life.line[0])
    life.hand_in(request, life.bids_by[life.line[0]])
    life.ask_more(request)
    life.ask_more(request)
    return life.intending(1)


@lie(12, "nothing was handed in that lacks anything")
def a_supplement_gives_more_time_to_who_handed_in_nothing() -> Files:
    life = two()
    life.examined(1, "0", "0")
    request = life.ask(life.line[1])
    life.now += 7 * DAY
    life.ask_more(request)
    return life.intending(2)


@lie(12, "documents are handed in once")
def a_candidate_hands_in_again() -> Files:
    life = two()
    request = life.ask(life.line[0])
    life.hand_in(request, life.bids_by[life.line[0]])
    life.hand_in(request, life.bids_by[life.line[0]], "Better works")
    return life.intending(1)


@lie(12, "another business was asked")
def a_rival_hands_in_for_the_candidate() -> Files:
    life = two()
    request = life.ask(life.line[0])
    life.hand_in(request, life.bids_by[life.line[1]])
    return life.intending(1)


@lie(12, "in other officers' hands")
def a_third_officer_asks() -> Files:
    life = two()
    third = life.world.enrol(Role.OFFICER, "Officer Oh", "O-3")
    life.ask(life.line[0], officer=third)
    return life.intending(None)


@lie(12, "with a declared conflict of interest steps back")
def an_officer_with_a_conflict_asks() -> Files:
    life = two()
    life.declare(life.world.officer, "my brother's company")
    life.ask(life.line[0])
    return life.intending(None)


@lie(12, "about another evaluation")
def a_request_is_about_another_evaluation() -> Files:
    life = two()
    life.ask(life.line[0], evaluation="0" * 64)
    return life.intending(None)


@lie(12, "not this candidate's turn")
def the_second_rank_is_negotiated_with_first() -> Files:
    life = Ranked("900000", "950000", rules=NEGOTIATED)
    life.negotiate(life.line[1], "agreed")
    return life.intending(2)


@lie(12, "someone else than the first in line")
def who_did_not_agree_is_awarded() -> Files:
    life = Ranked("900000", "950000", rules=NEGOTIATED)
    life.negotiate(life.line[0], "failed")
    life.negotiate(life.line[1], "agreed")
    return life.intending(1)


@lie(12, "awards this lot by rank alone")
def a_lot_that_is_not_negotiated_is() -> Files:
    life = Ranked("900000", rules=panel_rules(budget="1000000"))
    life.negotiate(life.line[0], "failed")
    return life.intending(1)


@lie(3, "after award:intended")
def an_examination_goes_on_after_the_intention() -> Files:
    class Late(Ranked):
        def declare(self, key: SigningKey, conflict: str = "") -> None:
            if self.world.second is key:
                self.ask(self.line[0])
            super().declare(key, conflict)

    life = Late("900000")
    life.examined(1, "15", "5")
    return life.intending(1)


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_about_the_selection_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)


def told(life: Ranked, act: Callable[[Ranked], None]) -> None:
    """What the selection says to one more step, of which nothing stays."""
    other = copy(life)
    for name in ("history", "entries", "statements"):
        setattr(other, name, copy(getattr(life, name)))
    act(other)
    other.selection()
