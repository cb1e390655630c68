"""The steps of a tender in words: all of them, dated, in three languages, late by what they are late."""

import re
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crypto.encoding import decode, moment, parse_moment
from procurement import steps as module
from procurement.evaluation import Committed, KrPriceFloor
from procurement.history import Entry, EventType
from procurement.notices import LegalBasis
from procurement.steps import HOLDERS, LANGUAGES, RULES, WHO, WORDS, Step, in_words, steps, turns
from tests.builders import DEADLINE, START, Life, a_bidder, a_lot, a_notice, panel_rules, the_world
from tests.lies.test_panel import drawn
from tests.lies.test_selection import Ranked

HANGUL = re.compile("[가-힣]")
LAW = {"legal": LegalBasis(jurisdiction="kr-national", procedure="open"), "category": "goods"}


@cache
def a_life() -> Life:
    """From notice to award, under Korean law, with a grace and a standstill of an hour."""
    life = Life(notice=a_notice(the_world(), upload_grace=600, **LAW))
    life.submit(a_bidder(life.world, 1), "900")
    return life.to_award()


@cache
def a_panel_life() -> Life:
    life = Life(notice=a_notice(the_world(), a_lot(panel_rules())))
    life.submit(a_bidder(life.world, 1), "98000000")
    return life.to_award()


def history(life: Life) -> list[Entry]:
    return [decode(life.entries[index], Entry) for index in life.history]


def until(life: Life, type_: EventType, part: str | None = None) -> list[Entry]:
    """The history up to and with the last such entry."""
    entries = history(life)
    last = max(i for i, each in enumerate(entries) if each.t is type_ and part in (None, each.part))
    return entries[: last + 1]


def of(found: list[Step], code: str) -> Step:
    return next(each for each in found if each.code == code)


def states(found: list[Step]) -> dict[str, str]:
    return {each.code: each.state for each in found}


def test_an_awarded_tender_has_done_all_its_steps_in_order() -> None:
    life = a_life()
    found = steps(life.notice, history(life), life.now)
    assert [each.code for each in found] == [
        "publication",
        "countersigning",
        "bidding",
        "uploads",
        "closing",
        "opening",
        "evaluation",
        "intention",
        "standstill",
        "award",
    ]
    assert set(states(found).values()) == {"done"}
    done = [parse_moment(each.done or "") for each in found]
    assert done == sorted(done)


def test_a_panels_work_and_both_openings_are_steps_of_their_own() -> None:
    life = a_panel_life()
    found = steps(life.notice, history(life), life.now)
    assert [(each.code, each.part) for each in found if each.code in ("opening", "scoring")] == [
        ("opening", "technical"),
        ("scoring", None),
        ("opening", "price"),
    ]
    scored = steps(life.notice, until(life, EventType.OPENED, "technical"), life.now)
    assert states(scored)["scoring"] == "open"
    assert of(scored, "scoring").holder == "panel"


def test_a_panel_that_is_drawn_and_those_in_line_who_are_examined_are_steps_of_their_own() -> None:
    life = drawn()
    found = steps(life.notice, until(life, EventType.PANEL_DRAWN), life.now)
    assert [each.code for each in found if each.code in ("opening", "panel-draw", "scoring")] == [
        *("opening", "panel-draw", "scoring", "opening")
    ]
    assert (of(found, "panel-draw").state, of(found, "panel-draw").holder) == ("done", "officer")
    asked = steps(life.notice, until(life, EventType.DRAW_REQUESTED), life.now)
    assert of(asked, "panel-draw").state == "open"
    line = Ranked("900000")
    waiting = steps(line.notice, history(line), line.now)
    assert (of(waiting, "selection").state, of(waiting, "selection").due) == ("open", None)
    line.examined(1, "15", "5")
    line.award()
    assert of(steps(line.notice, history(line), line.now), "selection").state == "done"
    assert "selection" not in states(steps(a_life().notice, history(a_life()), a_life().now))


def test_before_it_is_published_everything_is_ahead_but_its_publication() -> None:
    found = steps(a_life().notice, [], START)
    assert states(found) == {each.code: "ahead" for each in found} | {
        "publication": "open",
        "countersigning": "open",
    }


def test_bids_come_in_until_the_deadline() -> None:
    life = a_life()
    entries = until(life, EventType.COUNTERSIGNED)
    before = of(steps(life.notice, entries, DEADLINE - timedelta(seconds=1)), "bidding")
    at = of(steps(life.notice, entries, DEADLINE), "bidding")
    assert (before.state, at.state, at.done) == ("open", "done", life.notice.deadline)
    assert before.due == life.notice.deadline
    assert before.rule.startswith("tendering: 7 days (국가계약법 시행령 제35조제1항)")


@given(seconds=st.integers(1, 10**7))
def test_a_closing_that_does_not_come_is_late_by_exactly_so_much(seconds: int) -> None:
    life = a_life()
    entries = until(life, EventType.COUNTERSIGNED)
    late = of(steps(life.notice, entries, life.notice.opens + timedelta(seconds=seconds)), "closing")
    assert (late.state, late.late_by) == ("late", seconds)
    on_time = of(steps(life.notice, entries, life.notice.opens), "closing")
    assert (on_time.state, on_time.late_by) == ("open", None)


def test_a_step_that_was_done_late_says_so_for_ever() -> None:
    life = a_life()
    opened = of(steps(life.notice, history(life), life.now), "opening")
    assert opened.done is not None
    by = parse_moment(opened.done) - life.notice.opens
    assert opened.late_by == (int(by.total_seconds()) or None)
    assert of(steps(life.notice, history(life), life.now + timedelta(days=9)), "opening") == opened


def test_the_standstill_ends_by_itself_and_the_award_waits_for_it() -> None:
    life = a_life()
    entries = until(life, EventType.INTENDED)
    intended = parse_moment(entries[-1].time)
    during = steps(life.notice, entries, intended + timedelta(minutes=59))
    after = steps(life.notice, entries, intended + timedelta(minutes=60))
    assert (states(during)["standstill"], states(during)["award"]) == ("open", "ahead")
    assert (states(after)["standstill"], states(after)["award"]) == ("done", "open")


def test_committed_prices_are_waited_for() -> None:
    rules = KrPriceFloor(
        base="1000000",
        basis_points=200,
        unit=100,
        floor="80",
        preliminary_prices=Committed(digest="00" * 32),
    )
    found = steps(a_notice(the_world(), a_lot(rules), practice=True, **LAW), [], START)
    assert "prices" in states(found)
    assert "tendering" not in of(found, "bidding").rule  # practice is exempt


def happened(*types: EventType) -> list[Entry]:
    """A history of these events, an hour apart, from the publication on."""
    notice = "11" * 32
    return [
        Entry(
            t=each,
            time=moment(START + timedelta(hours=number)),
            statement="22" * 32,
            status="33" * 32,
            tender="ocds-0s3al1-t1",
            notice=notice,
            seq=number,
            prev="44" * 32,
        )
        for number, each in enumerate((EventType.PUBLISHED, EventType.COUNTERSIGNED, *types))
    ]


def test_a_question_is_open_until_it_is_answered_and_late_when_the_law_says_so() -> None:
    law = {"legal": LegalBasis(jurisdiction="eu", procedure="open")}
    closes, until = START + timedelta(days=60), START + timedelta(days=20)
    opening = the_world().beacon.network.round_at(closes + timedelta(hours=1))
    times = {"deadline": moment(closes), "enquiries_until": moment(until), "round": str(opening)}
    notice = a_notice(the_world(), standstill=13 * 24 * 3600, **times, **law)
    asked = happened(EventType.ENQUIRED)
    answered = happened(EventType.ENQUIRED, EventType.ANSWERED)
    waiting = of(steps(notice, asked, until), "answers")
    assert (waiting.state, waiting.holder) == ("open", "officer")
    assert waiting.since == asked[-1].time
    assert waiting.rule.startswith("answers: 6 days (Directive 2014/24/EU, Article 53(2))")
    assert parse_moment(waiting.due or "") < closes - timedelta(days=5)
    late = of(steps(notice, asked, closes - timedelta(days=5)), "answers")
    assert late.state == "late"
    assert of(steps(notice, answered, until - timedelta(days=1)), "answers").state == "open"
    assert of(steps(notice, answered, until), "answers").state == "done"
    assert "answers" not in states(steps(a_life().notice, [], START))


def test_a_panel_by_draw_and_a_negotiation_are_steps() -> None:
    world = the_world()
    pool = tuple(each.fingerprint for each in world.panel)
    drawn = a_notice(world, a_lot(replace(panel_rules(), negotiation=True)), evaluators=pool, seats=1)
    found = states(steps(drawn, happened(EventType.CLOSED), DEADLINE))
    assert (found["panel-draw"], found["scoring"]) == ("open", "ahead")
    events = EventType.CLOSED, EventType.DRAW_REQUESTED, EventType.PANEL_DRAWN
    done = states(steps(drawn, happened(*events), DEADLINE))
    assert done["panel-draw"] == "done"
    assert "selection" in found
    assert "selection" not in states(steps(a_life().notice, [], START))


def test_a_tender_that_was_ended_has_nothing_to_do_any_more() -> None:
    entries = happened(EventType.TERMINATION_COUNTERSIGNED, EventType.TERMINATED)
    found = steps(a_life().notice, entries, DEADLINE + timedelta(days=99))
    assert states(found) == {"publication": "done", "countersigning": "done", "termination": "done"}


@given(at=st.integers(0, 200), of_history=st.integers(0, 30))
def test_at_any_time_every_step_is_whole(at: int, of_history: int) -> None:
    life = a_life()
    now = START + timedelta(hours=2 * at)
    for each in steps(life.notice, history(life)[:of_history], now):
        assert (each.state == "done") == (each.done is not None)
        assert (each.state != "late") or each.late_by
        assert each.contact == life.notice.contact
        assert each.rule
        assert each.missed


@given(of_history=st.integers(0, 30), between=st.integers(0, 10**7), after=st.integers(0, 10**7))
def test_between_two_turns_no_step_changes(of_history: int, between: int, after: int) -> None:
    life = a_life()
    entries = history(life)[:of_history]
    first, second = sorted(START + timedelta(seconds=each) for each in (between, after))
    passed = [sum(turn <= now for turn in turns(life.notice, entries)) for now in (first, second)]
    found = [states(steps(life.notice, entries, now)) for now in (first, second)]
    assert (found[0] == found[1]) == (passed[0] == passed[1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_is_in_every_language(language: Any) -> None:
    life = a_panel_life()
    found = steps(life.notice, history(life), life.now, language)
    english = steps(life.notice, history(life), life.now)
    for step, other in zip(found, english, strict=True):
        assert (step.code, step.state, step.due) == (other.code, other.state, other.due)
        assert bool(HANGUL.search(step.what)) == (language == "ko")
        assert bool(HANGUL.search(step.missed)) == (language == "ko")
        assert language == "en" or step.what != other.what
    committee = next(each for each in found if each.holder == "committee")
    assert "2" in committee.who
    assert "3" in committee.who


def test_the_rules_behind_a_step_are_said_in_the_readers_language() -> None:
    found = of(steps(a_life().notice, [], START, "ko"), "bidding")
    assert found.rule == "입찰 기간: 7일 (국가계약법 시행령 제35조제1항); Openseal 형식 문서 7절"
    found = of(steps(a_life().notice, [], START, "es"), "bidding")
    assert found.rule.startswith("plazo para ofertar: 7 días (")


def test_whatever_has_a_code_has_words_a_holder_and_a_rule() -> None:
    assert set(WORDS) == set(HOLDERS) == set(RULES)
    for said in (WORDS, WHO, module.PARTS, module.STATES):
        assert all(set(each) == set(LANGUAGES) for each in said.values())


def test_a_step_is_one_line_for_a_terminal() -> None:
    life = a_life()
    entries = until(life, EventType.COUNTERSIGNED)
    now = life.notice.opens + timedelta(hours=2)
    lines = [in_words(each) for each in steps(life.notice, entries, now)]
    assert f"Hand in sealed bids: the bidders; done {life.notice.deadline}" in lines
    closing = next(line for line in lines if line.startswith("Close the box"))
    since, due = moment(life.notice.complete), moment(life.notice.opens)
    assert closing.endswith(f"; under way since {since}, due {due}, LATE by 2 hours")
