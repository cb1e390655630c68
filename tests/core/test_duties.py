"""Nobody does two things on one tender; who has a conflict of interest steps back."""

from collections.abc import Iterable

import msgspec
import pytest

from procurement.chronicle import Situation, published_as
from procurement.duties import Officials, Word, check_declared, declared
from procurement.errors import TenderError
from procurement.history import read
from procurement.store import TenderRow, id_of
from tests.builders import Life, a_bidder, a_lot, a_notice, panel_rules, the_world

OFFICIALS = Officials(
    officer="kim", second="park", evaluators=("lee", "choi"), members=("member-1", "member-2")
)
PEOPLE = ("kim", "park", "lee", "choi", "member-1", "member-2")


def refused(code: str) -> "pytest.RaisesExc[TenderError]":
    return pytest.RaisesExc(TenderError, check=lambda error: error.code == code)


def test_different_people_in_every_duty_are_apart() -> None:
    OFFICIALS.check_apart()
    OFFICIALS.check_apart(["acme", "bolt", "acme"])


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("four-eyes", {"second": "kim"}),
        ("panel-repeats", {"evaluators": ("lee", "choi", "lee")}),
        ("conflicting-roles", {"evaluators": ("lee", "kim")}),
        ("conflicting-roles", {"evaluators": ("park",)}),
        ("conflicting-roles", {"members": ("member-1", "kim")}),
        ("conflicting-roles", {"members": ("park", "member-2")}),
        ("conflicting-roles", {"members": ("member-1", "lee")}),
    ],
    ids=str,
)
def test_one_person_in_two_duties_is_refused(code: str, changes: dict[str, Iterable[str]]) -> None:
    with refused(code):
        msgspec.structs.replace(OFFICIALS, **changes).check_apart()


EVERYBODY = msgspec.structs.replace(OFFICIALS, practice=True)


@pytest.mark.parametrize("number", ["practice-0123456789abcdef", "practice-", "Practice-1", "PRACTICE-x"])
@pytest.mark.parametrize("duty", ["officer", "second", "evaluators", "members"])
def test_a_practice_number_has_a_duty_on_practice_tenders_only(duty: str, number: str) -> None:
    person = number if duty in ("officer", "second") else (number,)
    EVERYBODY.check_apart(["acme"])
    msgspec.structs.replace(EVERYBODY, **{duty: person}).check_apart(["acme"])
    with refused("practice-only"):
        msgspec.structs.replace(OFFICIALS, **{duty: person}).check_apart()


def test_a_practice_number_bids_and_countersigns_in_practice_tenders_only() -> None:
    EVERYBODY.check_apart(["acme", "practice-1"])
    EVERYBODY.check_countersigning("kim", "practice-1")
    with refused("practice-only"):
        OFFICIALS.check_apart(["acme", "practice-1"])
    with refused("practice-only"):
        OFFICIALS.check_countersigning("kim", "practice-1")


@pytest.mark.parametrize("number", ["practise-1", "apractice-1", "KR-practice-1", "practice"])
def test_no_other_number_is_a_practice_number(number: str) -> None:
    OFFICIALS.check_apart([number])


@pytest.mark.parametrize("bidder", PEOPLE)
def test_no_official_bids(bidder: str) -> None:
    with refused("conflicting-roles"):
        OFFICIALS.check_apart(["acme", bidder])


@pytest.mark.parametrize(
    ("awarded", "countersigned"), [("kim", "park"), ("kim", "jung"), ("park", "kim"), ("park", "jung")]
)
def test_either_officer_awards_and_any_other_officer_countersigns(awarded: str, countersigned: str) -> None:
    OFFICIALS.check_in_charge(awarded)
    OFFICIALS.check_countersigning(awarded, countersigned, ["acme"])


@pytest.mark.parametrize(
    ("code", "awarded", "countersigned"),
    [
        ("another-officer", "jung", "park"),
        ("four-eyes", "kim", "kim"),
        ("four-eyes", "park", "park"),
        ("conflicting-roles", "kim", "lee"),
        ("conflicting-roles", "park", "member-2"),
        ("conflicting-roles", "kim", "acme"),
        ("conflicting-roles", "park", "acme"),
    ],
)
def test_an_award_by_the_wrong_people_is_refused(code: str, awarded: str, countersigned: str) -> None:
    with refused(code):
        OFFICIALS.check_in_charge(awarded)
        OFFICIALS.check_countersigning(awarded, countersigned, ["acme"])


def test_who_declared_a_conflict_is_not_waited_for() -> None:
    assert OFFICIALS.panel({}) == {"lee", "choi"}
    assert OFFICIALS.panel({"lee": False, "choi": True, "kim": True}) == {"lee"}
    assert OFFICIALS.panel({"lee": True, "choi": True}) == set()
    assert OFFICIALS.able({"lee": True}) == {"kim", "park"}
    assert OFFICIALS.able({"kim": True, "jung": False}) == {"park"}
    assert OFFICIALS.able({"kim": True, "park": True}) == set()


def test_an_evaluator_whom_the_notice_names_is_on_the_panel() -> None:
    OFFICIALS.check_on_panel("lee")
    for stranger in ("kim", "acme"):
        with refused("not-on-panel"):
            OFFICIALS.check_on_panel(stranger)


@pytest.mark.parametrize("sheets", [["choi", "lee"], ["lee", "choi"]])
def test_the_panel_has_scored_when_each_without_a_conflict_has(sheets: list[str]) -> None:
    OFFICIALS.check_scored({"lee": False, "choi": False}, sheets, to_score=True)
    OFFICIALS.check_scored({"lee": False, "choi": True}, ["lee"], to_score=True)


@pytest.mark.parametrize("declared", [{}, {"lee": False, "choi": True}, {"lee": True, "choi": True}])
def test_where_there_is_nothing_to_score_nobody_has_to_and_nobody_has(declared: dict[str, bool]) -> None:
    OFFICIALS.check_scored(declared, [], to_score=False)
    with refused("not-scored"):
        OFFICIALS.check_scored(declared, ["lee"], to_score=False)


@pytest.mark.parametrize(
    ("code", "conflicts", "sheets"),
    [
        ("not-scored", [], []),
        ("not-scored", [], ["lee"]),
        ("not-scored", [], ["lee", "choi", "acme"]),
        ("not-scored", [], ["lee", "choi", "choi"]),
        ("not-scored", ["choi"], ["lee", "choi"]),
        ("recused", ["lee", "choi"], []),
        ("recused", ["lee", "choi"], ["lee"]),
    ],
)
def test_sheets_of_a_wrong_panel_are_not_enough(code: str, conflicts: list[str], sheets: list[str]) -> None:
    with refused(code):
        OFFICIALS.check_scored(dict.fromkeys(conflicts, True), sheets, to_score=True)


def situation(life: Life) -> Situation:
    """Where a tender stands when its evaluator has declared a conflict."""
    notice = life.notice
    row = TenderRow(
        tender_id=id_of(notice.tender),
        ocid=notice.tender,
        notice_id=life.notice_id,
        deadline=notice.closes,
        terms="00" * 32,
        shut_at=None,
        terminated_at=None,
        concluded_at=None,
        head=life.head,
    )
    return Situation(
        row=row,
        tender=published_as(notice, life.notice_id),
        officials=msgspec.structs.replace(OFFICIALS, evaluators=("lee",)),
        entries=tuple(read([life.entries[index] for index in life.history])),
        declared={"lee": True},
        scored_by=(),
    )


@pytest.mark.parametrize("readable", [True, False])
def test_nobody_is_left_only_where_there_is_something_to_score(*, readable: bool) -> None:
    world = the_world()
    life = Life(world, a_notice(world, a_lot(panel_rules())))
    life.submit(a_bidder(world, 1), contents=None if readable else {"technical": b"{}", "price": b"{}"})
    life.close()
    assert not situation(life).recused
    with refused("not-opened"):
        situation(life).check_scored()
    life.open("technical")
    assert situation(life).recused is readable
    assert situation(life).scored is not readable


def test_a_declaration_counts_from_its_own_entry_on_and_once() -> None:
    words = [Word(5, "lee", False), Word(7, "choi", True)]
    assert declared(words) == {"lee": False, "choi": True}
    assert declared(words, 7) == {"lee": False}
    for again in (False, True):
        with refused("said-before"):
            declared([*words, Word(9, "lee", again)])
    assert declared([*words, Word(9, "lee", True)], 9) == {"lee": False, "choi": True}


def test_an_official_acts_after_declaring_that_there_is_no_conflict() -> None:
    check_declared({"kim": False, "park": True}, "kim")
    with refused("conflict-undeclared"):
        check_declared({"park": False}, "kim")
    with refused("conflict-declared"):
        check_declared({"kim": True}, "kim")
