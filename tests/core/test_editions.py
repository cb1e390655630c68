"""Editions of a tender's terms: what may follow what, which bids stand, and where outages move a deadline."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crypto.encoding import encode, moment, parse_moment
from crypto.errors import VerificationError
from crypto.statements import Statement, sign
from procurement.editions import (
    AMENDABLE,
    FIXED,
    MOST_AMENDED,
    RESEALING,
    Amendment,
    Edition,
    Extension,
    Gap,
    changes,
    check_in_time,
    counting,
    edition_of,
    followed_by,
    in_force,
    moved,
    next_round,
    published,
    reread,
    rounds,
    under,
)
from procurement.errors import TenderError
from procurement.evaluation import LowestPrice
from procurement.notices import LegalBasis
from procurement.tenders import Notice, OutageRule
from tests.builders import (
    A_RULE,
    DEADLINE,
    START,
    Life,
    a_lot,
    a_notice,
    the_world,
)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def first(**changed: Any) -> tuple[Edition, ...]:
    return published(a_notice(the_world(), **changed), "11" * 32)


def amendment(editions: tuple[Edition, ...], *, stand: bool = True, **changed: Any) -> Amendment:
    before = editions[-1].notice
    return Amendment(
        signer=before.signer,
        tender=before.tender,
        notice=editions[0].statement,
        previous=editions[-1].statement,
        amended=replace(before, **changed),
        bids_stand=stand,
        reason="Why not.",
        time=moment(START),
    )


def after(editions: tuple[Edition, ...], *, stand: bool = True, **changed: Any) -> tuple[Edition, ...]:
    id = f"{len(editions):02}" * 32
    return followed_by(editions, amendment(editions, stand=stand, **changed), id, 2 * len(editions))


def gap(start: datetime, end: datetime) -> Gap:
    return Gap(start=moment(start), end=moment(end))


# ── what may be amended ──────────────────────────────────────────────────────────────────────────────────


def test_every_field_of_a_notice_is_either_fixed_or_may_be_amended() -> None:
    assert sorted((*FIXED, *AMENDABLE)) == sorted(Notice.__struct_fields__)


def test_an_amendment_keeps_the_legal_periods() -> None:
    """13 days of standstill are what the law of the Union takes at its longest."""
    law = LegalBasis(jurisdiction="eu", procedure="open")
    long = moment(START + timedelta(days=60))
    opening = the_world().beacon.network.round_at(START + timedelta(days=60, hours=1))
    begun = first(legal=law, deadline=long, round=str(opening), standstill=13 * 24 * 3600)
    with pytest.raises(TenderError) as refused:
        after(begun, standstill=12 * 24 * 3600)
    assert refused.value.code == "period-too-short"
    assert after(begun, standstill=14 * 24 * 3600)[-1].notice.standstill == 14 * 24 * 3600
    with pytest.raises(TenderError) as refused:
        after(begun, legal=None)
    assert refused.value.code == "fixed"


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("fixed", {"number": "2026-0002"}),
        ("fixed", {"practice": True}),
        ("fixed", {"currency": "USD"}),
        ("fixed", {"evaluators": ("22" * 32,)}),
        ("fixed", {"on_extension": "reseal"}),
        ("fixed", {"outage": A_RULE}),
        ("fixed", {"lots": (a_lot(LowestPrice(ceiling="5")),)}),
        ("fixed", {"lots": (a_lot(), a_lot(id="2"))}),
        ("fixed", {"lots": (replace(a_lot(), items=()),)}),
        ("nothing-amended", {}),
        ("deadline-earlier", {"deadline": moment(DEADLINE - SECOND)}),
        ("wrong-round", {"round": "1"}),
        ("wrong-round", {"deadline": moment(DEADLINE + HOUR)}),
    ],
    ids=str,
)
def test_what_bids_are_locked_and_judged_by_cannot_be_amended(code: str, changed: dict[str, Any]) -> None:
    with pytest.raises(TenderError) as error:
        after(first(), **changed)
    assert error.value.code == code


def test_an_amendment_follows_the_latest_edition_only() -> None:
    editions = first()
    stale = amendment(editions, standstill=7)
    with pytest.raises(TenderError, match="earlier edition"):
        followed_by(after(editions, standstill=5), stale, "33" * 32, 4)


def test_terms_are_amended_before_their_deadline_and_not_at_it() -> None:
    [latest] = first(practice=True)
    check_in_time(latest, latest.notice, DEADLINE - SECOND)
    with pytest.raises(TenderError, match="deadline"):
        check_in_time(latest, latest.notice, DEADLINE)


def test_an_amendment_leaves_everybody_a_day_to_seal_under_it() -> None:
    """Else two officers could let a friend's bid in and nobody else's, a second before the deadline."""
    [latest] = first()
    check_in_time(latest, latest.notice, DEADLINE - RESEALING)
    later = replace(latest.notice, deadline=moment(DEADLINE + 23 * HOUR))
    check_in_time(latest, later, DEADLINE - HOUR)
    for amended, now in ((latest.notice, DEADLINE - RESEALING + SECOND), (later, DEADLINE - SECOND)):
        with pytest.raises(TenderError) as error:
            check_in_time(latest, amended, now)
        assert error.value.code == "no-time-to-reseal"


def test_the_end_of_the_grace_moves_no_more_than_the_deadline_to_anybodys_loss() -> None:
    graced = first(upload_grace=1200)
    assert (
        after(graced, upload_grace=600, deadline=moment(DEADLINE + 10 * MINUTE))[-1].notice.upload_grace
        == 600
    )
    with pytest.raises(TenderError) as error:
        after(graced, upload_grace=600)
    assert error.value.code == "deadline-earlier"


def test_officers_who_amend_again_and_again_leave_outages_their_extensions() -> None:
    editions = first(outage=KONEPS)
    while len(editions) < MOST_AMENDED:
        editions = after(editions, title=f"Desks {len(editions)}")
    with pytest.raises(TenderError) as error:
        after(editions, title="Desks once more")
    assert error.value.code == "too-many-amendments"
    assert len(extended(editions, gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE))) == MOST_AMENDED + 1


def test_each_edition_has_terms_of_its_own_and_the_first_notice_names_the_tender() -> None:
    editions = after(after(first(), title="Oak desks"), standstill=5)
    assert len({each.terms.terms for each in editions}) == 3
    assert {each.terms.notice for each in editions} == {"11" * 32}
    assert [changes(a.notice, b.notice) for a, b in pairwise(editions)] == [
        ["title"],
        ["standstill"],
    ]
    assert edition_of(editions, editions[1].terms.terms) == editions[1]
    with pytest.raises(TenderError, match="never had"):
        edition_of(editions, "00" * 32)


def test_a_bid_stands_as_long_as_every_later_edition_lets_it() -> None:
    editions = after(first(), title="Oak desks")
    assert [each.stands for each in editions] == [True, True]
    editions = after(editions, stand=False, description="Of oak.")
    assert [each.stands for each in editions] == [False, False, True]
    editions = after(editions, standstill=5)
    assert [each.stands for each in editions] == [False, False, True, True]


def test_what_came_before_an_amendments_entry_came_under_the_terms_before_it() -> None:
    editions = after(first(), standstill=5)
    assert [in_force(editions, index, (10, 20)).seq for index in (11, 19, 21)] == [0, 0, 2]


# ── deadlines and rounds ─────────────────────────────────────────────────────────────────────────────────


def test_the_round_stays_while_it_comes_after_the_grace_and_follows_the_margin_else() -> None:
    notice = a_notice(the_world(), extension_margin=600)
    assert next_round(notice, DEADLINE + 29 * MINUTE) == notice.round
    late = DEADLINE + 40 * MINUTE
    assert notice.network.time_of(int(next_round(notice, late))) == late + 10 * MINUTE
    graced = a_notice(the_world(), upload_grace=1200, extension_margin=600)
    assert next_round(graced, DEADLINE + 5 * MINUTE) == graced.round
    assert next_round(graced, DEADLINE + 15 * MINUTE) != graced.round


def test_where_the_notice_says_reseal_no_bid_stands_past_its_round() -> None:
    editions = first(on_extension="reseal")
    later = DEADLINE + 2 * HOUR
    changed: dict[str, Any] = {"deadline": moment(later)}
    changed["round"] = next_round(editions[0].notice, later)
    with pytest.raises(TenderError, match="anew"):
        after(editions, **changed)
    assert [each.stands for each in after(editions, stand=False, **changed)] == [False, True]
    soon: dict[str, Any] = {"deadline": moment(DEADLINE + MINUTE)}
    assert [each.stands for each in after(editions, **soon)] == [True, True]


def test_the_latest_round_is_opened_even_where_nobody_bid_under_it() -> None:
    later = DEADLINE + 2 * HOUR
    editions = first()
    old = editions[0]
    editions = after(editions, deadline=moment(later), round=next_round(old.notice, later))
    own = editions[-1].terms.round
    assert rounds(editions, []) == [own]
    assert rounds(editions, [old.terms.terms]) == [own, old.terms.round]
    assert rounds(editions, [each.terms.terms for each in editions] * 2) == [own, old.terms.round]
    assert under(editions, old.terms.round).round == old.terms.round
    with pytest.raises(TenderError, match="no edition"):
        under(editions, "7")


# ── outages ──────────────────────────────────────────────────────────────────────────────────────────────

KONEPS = OutageRule(window=3 * 3600, least=600, short=7200, short_extension=7200, long_extension=86400)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (-2 * HOUR, -2 * HOUR + 9 * MINUTE, None),
        (-2 * HOUR, -2 * HOUR + 10 * MINUTE, 2 * HOUR),
        (-2 * HOUR, timedelta(), 2 * HOUR),
        (-2 * HOUR, MINUTE, 24 * HOUR + MINUTE),
        (-5 * HOUR, -3 * HOUR + 9 * MINUTE, None),
        (-5 * HOUR, -3 * HOUR + 10 * MINUTE, 2 * HOUR),
        (-MINUTE, 30 * MINUTE, 2 * HOUR + 30 * MINUTE),
        (-MINUTE, 48 * HOUR, 72 * HOUR),
    ],
)
def test_an_outage_moves_the_deadline_by_konepss_rule(
    start: timedelta, end: timedelta, expected: timedelta | None
) -> None:
    """Down for up to two hours: two hours; longer: twenty-four. Counted from the window on, whole past it."""
    found = moved(KONEPS, DEADLINE, [gap(DEADLINE + start, DEADLINE + end)])
    assert found == (None if expected is None else DEADLINE + expected)


def test_several_short_outages_add_up() -> None:
    minutes = [gap(DEADLINE - i * 5 * MINUTE - 4 * MINUTE, DEADLINE - i * 5 * MINUTE) for i in (3, 2, 1)]
    assert moved(KONEPS, DEADLINE, minutes[:2]) is None
    assert moved(KONEPS, DEADLINE, minutes) == DEADLINE + 2 * HOUR


def extended(editions: tuple[Edition, ...], *gaps: Gap, **changed: Any) -> tuple[Edition, ...]:
    latest = editions[-1]
    deadline = moved(latest.notice.outage or KONEPS, latest.notice.closes, gaps) or latest.notice.closes
    said = Extension(
        signer="44" * 32,
        tender=latest.notice.tender,
        notice=editions[0].statement,
        previous=latest.statement,
        gaps=gaps,
        deadline=moment(deadline),
        round=next_round(latest.notice, deadline),
        time=moment(START),
    )
    return followed_by(editions, replace(said, **changed), f"e{len(editions)}" * 32, len(editions) + 1)


def test_an_extension_is_what_the_rule_says_and_nothing_else() -> None:
    editions, down = first(outage=KONEPS), gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE)
    after_it = extended(editions, down)
    assert after_it[-1].notice.closes == DEADLINE + 2 * HOUR
    assert changes(editions[-1].notice, after_it[-1].notice) == ["deadline", "round"]
    for code, changed in (
        ("wrong-extension", {"deadline": moment(DEADLINE + 3 * HOUR)}),
        ("wrong-round", {"round": editions[-1].notice.round}),
        ("wrong-gaps", {"gaps": (down, down)}),
        ("wrong-gaps", {"gaps": (gap(DEADLINE + MINUTE, DEADLINE + HOUR),)}),
        ("wrong-gaps", {"gaps": (gap(DEADLINE - 30 * MINUTE, DEADLINE - HOUR),)}),
        ("not-latest", {"previous": "55" * 32}),
    ):
        with pytest.raises(TenderError) as error:
            extended(editions, down, **changed)
        assert error.value.code == code
    with pytest.raises(TenderError, match="no rule"):
        extended(first(), down)


def test_no_outage_counts_twice() -> None:
    long_window = replace(KONEPS, window=6 * 3600)
    editions, down = first(outage=long_window), gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE)
    editions = extended(editions, down)
    assert counting(editions[-1], [down]) == []
    with pytest.raises(TenderError, match="do not count"):
        extended(editions, down)
    again = gap(DEADLINE + HOUR, DEADLINE + 2 * HOUR)
    assert extended(editions, again)[-1].notice.closes == DEADLINE + 4 * HOUR


def test_of_more_outages_than_an_extension_may_name_the_last_ones_count() -> None:
    latest = first(outage=replace(KONEPS, window=24 * 3600))
    gaps = [
        gap(DEADLINE - each * MINUTE, DEADLINE - each * MINUTE + 40 * SECOND) for each in range(1200, 0, -1)
    ]
    following = extended(latest, *counting(latest[-1], gaps))
    assert following[-1].settled == gaps[-1].end
    assert counting(following[-1], gaps) == []


@given(
    st.lists(st.integers(-400, 300), min_size=2, max_size=12, unique=True),
    st.integers(60, 7200),
    st.integers(60, 7200),
)
def test_an_extension_never_moves_a_deadline_earlier_and_always_past_the_outage(
    minutes: list[int], least: int, window: int
) -> None:
    rule = replace(KONEPS, least=least, window=window)
    edges = [DEADLINE + each * MINUTE for each in sorted(minutes)]
    gaps = [gap(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    [latest] = first(outage=rule)
    chosen = counting(latest, gaps)
    found = moved(rule, DEADLINE, chosen) if chosen else None
    if found is not None:
        assert found > DEADLINE
        assert all(parse_moment(each.end) < found for each in chosen)


# ── what is kept, and garbage ────────────────────────────────────────────────────────────────────────────


def test_statements_that_were_kept_make_the_same_editions_again() -> None:
    life = Life(notice=a_notice(the_world(), outage=A_RULE))
    ids = [life.amend(title="Oak desks"), life.amend(stand=False, description="Of oak.")]
    ids.append(life.extend(gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE)))
    statements = [Statement(life.statements[id]) for id in ids]
    again = reread(Statement(life.statements[life.notice_id]), statements)
    assert [each.terms for each in again] == [each.terms for each in life.editions]
    assert [each.stands for each in again] == [each.stands for each in life.editions]
    with pytest.raises(TenderError):
        reread(Statement(life.statements[life.notice_id]), statements[::-1])


@given(st.binary(max_size=80))
def test_garbage_for_an_amendment_raises_only_typed_errors(garbage: bytes) -> None:
    life = Life()
    data = sign(amendment(life.editions, standstill=4), the_world().officer)
    for body in (garbage, data[:-1] + b"\0" + garbage, encode({"payload": garbage.hex()})):
        with pytest.raises(VerificationError):
            reread(Statement(life.statements[life.notice_id]), [Statement(body)])
