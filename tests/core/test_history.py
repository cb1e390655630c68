"""A tender's chain: complete, unbroken, in an order that a tender's life can have."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.encoding import decode, encode, moment, sha256
from crypto.errors import LogError, MalformedError
from procurement.history import BEGINNING, BID_EVENTS, Entry, Event, EventType, Head, check_order, read
from tests.builders import OCID, START

NOTICE, OTHER, STATUS = "11" * 32, "22" * 32, "33" * 32
T = EventType


def an_event(t: EventType, part: str | None = None, minute: int = 0) -> Event:
    of_a_part = t in (T.REFUSED, T.PARTIAL, T.OPENED, *BID_EVENTS)
    return Event(
        t=t,
        time=moment(START + timedelta(minutes=minute)),
        statement=NOTICE if t is T.PUBLISHED else OTHER,
        part=(part or "bid") if of_a_part else None,
        content=OTHER if t is T.BID_OPENED else None,
        reason="locked-otherwise" if t is T.BID_UNOPENABLE else None,
        status=None if t in BID_EVENTS else STATUS,
    )


def entries(*events: Event, head: Head | None = None) -> list[bytes]:
    return (head or Head(tender=OCID, notice=NOTICE)).append(events)[1]


def chain(*types: EventType | tuple[EventType, str]) -> list[Entry]:
    """Entries of these types (with their parts), a minute apart."""
    pairs = [each if isinstance(each, tuple) else (each, None) for each in types]
    events = [an_event(t, part, minute) for minute, (t, part) in enumerate(pairs)]
    return read(entries(*events))


PUBLISHED = [T.PUBLISHED, T.COUNTERSIGNED]
ONE_PART = [*PUBLISHED, T.CLOSED, T.PARTIAL, T.PARTIAL, T.OPENED, T.BID_OPENED, T.BID_UNOPENABLE]
AWARD = [T.SCORED, T.INTENDED, T.AWARD_COUNTERSIGNED, T.AWARDED]
EXAMINATION = [
    T.EXAMINATION_REQUESTED,
    T.EXAMINATION_DOCUMENTED,
    T.SUPPLEMENT_REQUESTED,
    T.EXAMINATION_DOCUMENTED,
    T.EXAMINED,
]
TWO_PARTS: list[Any] = [
    *PUBLISHED,
    T.CLOSED,
    (T.PARTIAL, "technical"),
    (T.OPENED, "technical"),
    (T.BID_OPENED, "technical"),
    T.CONFLICT_DECLARED,
    T.CONFLICT_DECLARED,
    T.SHEET_SIGNED,
    (T.PARTIAL, "price"),
    (T.OPENED, "price"),
    (T.BID_OPENED, "price"),
    *AWARD,
]


# ── lives ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "types",
    [
        [*ONE_PART, *AWARD],
        [*ONE_PART, T.PRICES_REVEALED, T.PRICES_REVEALED, *AWARD],
        [*PUBLISHED, T.CLOSED, T.LATE, T.PARTIAL, T.OPENED, *AWARD],
        [*PUBLISHED, T.REFUSED, T.CLOSED, T.REFUSED, T.LATE, T.PARTIAL, T.REFUSED, T.OPENED, *AWARD],
        TWO_PARTS,
        [*PUBLISHED, T.CLOSED, T.DRAW_REQUESTED, T.PANEL_DRAWN, *TWO_PARTS[3:]],
        [*TWO_PARTS[:6], T.DRAW_REQUESTED, T.PANEL_DRAWN, *TWO_PARTS[6:]],
        [*ONE_PART, T.SCORED, *EXAMINATION, *EXAMINATION, *AWARD[1:]],
        [*ONE_PART, T.SCORED, T.NEGOTIATED, T.NEGOTIATED, *AWARD[1:]],
        [*ONE_PART],
        [T.PUBLISHED],
        [*ONE_PART, T.CONFLICT_DECLARED, T.SCORED, T.CONFLICT_DECLARED, T.INTENDED, T.CONFLICT_DECLARED],
    ],
)
def test_a_life_in_order_is_in_order_wherever_it_stands(types: list[Any]) -> None:
    for length in range(1, len(types) + 1):
        check_order(chain(*types[:length]))


@pytest.mark.parametrize(
    ("says", "types"),
    [
        ("order:partial before tender:closed", [*PUBLISHED, T.PARTIAL]),
        ("closing:late before tender:closed", [*PUBLISHED, T.LATE]),
        ("tender:opened before order:partial", [*PUBLISHED, T.CLOSED, T.OPENED]),
        ("bid:opened before tender:opened", [*PUBLISHED, T.CLOSED, T.PARTIAL, T.BID_OPENED]),
        ("before the price parts", [*TWO_PARTS[:5], (T.BID_OPENED, "price")]),
        ("evaluation:scored before tender:opened", [*PUBLISHED, T.CLOSED, T.SCORED]),
        ("sheet:signed before tender:opened", [*PUBLISHED, T.CLOSED, T.SHEET_SIGNED]),
        ("prices:revealed before tender:opened", [*PUBLISHED, T.CLOSED, T.PRICES_REVEALED]),
        ("award:intended before evaluation:scored", [*ONE_PART, T.INTENDED]),
        ("award:countersigned before award:intended", [*ONE_PART, T.SCORED, T.AWARD_COUNTERSIGNED]),
        ("award:made before award:countersigned", [*ONE_PART, T.SCORED, T.INTENDED, T.AWARDED]),
        ("sheet:signed after award:countersigned", [*ONE_PART, *AWARD[:3], T.SHEET_SIGNED]),
        ("conflict:declared after award:countersigned", [*ONE_PART, *AWARD[:3], T.CONFLICT_DECLARED]),
        ("conflict:declared after award:made", [*ONE_PART, *AWARD, T.CONFLICT_DECLARED]),
        ("conflict:declared before tender:opened", [*PUBLISHED, T.CLOSED, T.CONFLICT_DECLARED]),
        ("tender:closed before tender:countersigned", [T.PUBLISHED, T.CLOSED]),
        ("order:refused before tender:countersigned", [T.PUBLISHED, T.REFUSED]),
        ("tender:countersigned for the second time", [*PUBLISHED, T.COUNTERSIGNED]),
        ("tender:countersigned for the second time", [*ONE_PART, T.COUNTERSIGNED]),
        ("order:partial after the bid parts", [*ONE_PART, T.PARTIAL]),
        ("order:refused after the bid parts", [*ONE_PART, T.REFUSED]),
        ("closing:late after order:partial", [*PUBLISHED, T.CLOSED, T.PARTIAL, T.LATE]),
        ("tender:opened for the second time", [*ONE_PART, T.OPENED]),
        ("tender:closed for the second time", [*PUBLISHED, T.CLOSED, T.CLOSED]),
        ("tender:published after tender:published", [*PUBLISHED, T.PUBLISHED]),
        ("bid:opened after evaluation:scored", [*ONE_PART, T.SCORED, T.BID_OPENED]),
        ("evaluation:scored after evaluation:scored", [*ONE_PART, T.SCORED, T.SCORED]),
        ("sheet:signed after evaluation:scored", [*ONE_PART, T.SCORED, T.INTENDED, T.SHEET_SIGNED]),
        ("award:made after award:made", [*ONE_PART, *AWARD, T.AWARDED]),
        ("award:intended for the second time", [*ONE_PART, *AWARD[:2], T.INTENDED]),
        ("draw:requested before tender:closed", [*PUBLISHED, T.DRAW_REQUESTED]),
        ("panel:drawn before draw:requested", [*PUBLISHED, T.CLOSED, T.PANEL_DRAWN]),
        ("draw:requested for the second time", [*PUBLISHED, T.CLOSED, *[T.DRAW_REQUESTED] * 2]),
        ("draw:requested after evaluation:scored", [*ONE_PART, T.SCORED, T.DRAW_REQUESTED]),
        ("examination:requested before evaluation:scored", [*ONE_PART, T.EXAMINATION_REQUESTED]),
        ("examination:scored before examination:requested", [*ONE_PART, T.SCORED, T.EXAMINED]),
        ("negotiation:concluded after award:intended", [*ONE_PART, *AWARD[:2], T.NEGOTIATED]),
        ("examination:requested after award:intended", [*ONE_PART, *AWARD[:2], T.EXAMINATION_REQUESTED]),
        ("sheet:signed after award:made", [*ONE_PART, *AWARD, T.SHEET_SIGNED]),
    ],
)
def test_a_life_out_of_order_is_refused(says: str, types: list[Any]) -> None:
    with pytest.raises(LogError, match=says):
        check_order(chain(*types))


def test_the_clock_of_a_chain_never_runs_backwards_but_may_stand_still() -> None:
    first, second = an_event(T.PUBLISHED, minute=5), an_event(T.COUNTERSIGNED, minute=5)
    check_order(read(entries(first, second)))
    with pytest.raises(LogError, match="out of time"):
        check_order(read(entries(first, an_event(T.COUNTERSIGNED, minute=4))))


@given(st.lists(st.tuples(st.sampled_from(EventType), st.sampled_from(["bid", "price", "x"])), max_size=12))
def test_any_order_of_events_is_accepted_or_a_log_error(given_events: list[tuple[EventType, str]]) -> None:
    try:
        check_order(chain(*PUBLISHED, *given_events))
    except LogError:
        return
    types = [t for t, _ in given_events]
    assert types.count(T.CLOSED) <= 1
    assert types.count(T.AWARDED) <= 1
    if T.AWARDED in types:
        assert types[-2:] == AWARD[-2:]


# ── chains ───────────────────────────────────────────────────────────────────────────────────────────────


def test_entries_name_the_one_before_them() -> None:
    first, second = entries(an_event(T.PUBLISHED), an_event(T.CLOSED))
    assert [entry.prev for entry in read([first, second])] == [BEGINNING, sha256(first).hex()]
    assert [entry.seq for entry in read([first, second])] == [0, 1]


def test_a_chain_goes_on_from_its_head() -> None:
    head, first = Head(tender=OCID, notice=NOTICE).append([an_event(T.PUBLISHED)])
    _, second = head.append([an_event(T.CLOSED)])
    assert [*first, *second] == entries(an_event(T.PUBLISHED), an_event(T.CLOSED))


WHOLE = entries(*(an_event(t, minute=i) for i, t in enumerate([*ONE_PART, *AWARD])))


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_a_chain_without_one_of_its_entries_is_refused(at: int) -> None:
    rest = [*WHOLE[:at], *WHOLE[at + 1 :]]
    if at == len(WHOLE) - 1:
        assert len(read(rest)) == at  # a shorter chain is a chain: what it lacks, a step will miss
    else:
        with pytest.raises(LogError):
            read(rest)


def test_a_chain_in_another_order_or_doubled_is_refused() -> None:
    for changed in (
        WHOLE[::-1],
        [*WHOLE[:2], WHOLE[1], *WHOLE[2:]],
        [WHOLE[1], WHOLE[0], *WHOLE[2:]],
        WHOLE * 2,
    ):
        with pytest.raises(LogError):
            read(changed)


@pytest.mark.parametrize("changes", [{"tender": "ocds-0s3al1-t2"}, {"notice": OTHER}])
def test_another_tender_s_entry_in_the_chain_is_refused(changes: dict[str, str]) -> None:
    head, first = Head(tender=OCID, notice=NOTICE).append([an_event(T.PUBLISHED)])
    _, foreign = msgspec.structs.replace(head, **changes).append([an_event(T.CLOSED)])
    with pytest.raises(LogError, match="another tender's"):
        read([*first, *foreign])


def test_a_chain_starts_with_its_own_notice() -> None:
    for start in (
        [],
        entries(an_event(T.CLOSED)),
        entries(an_event(T.PUBLISHED), head=Head(tender=OCID, notice=OTHER)),
    ):
        with pytest.raises(LogError, match="does not start"):
            read(start)


@pytest.mark.parametrize(
    "changes",
    [
        {"t": "tender:repealed"},
        {"t": "bid:opened"},
        {"t": "order:partial"},
        {"part": "bid"},
        {"content": OTHER},
        {"reason": "late"},
        {"seq": -1},
        {"seq": 2**53},
        {"prev": "0"},
        {"time": "2026-03-02"},
        {"statement": "AB" * 32},
        {"more": 1},
    ],
    ids=str,
)
def test_an_entry_of_another_form_is_malformed(changes: dict[str, Any]) -> None:
    value = msgspec.json.decode(entries(an_event(T.PUBLISHED))[0]) | changes
    with pytest.raises(MalformedError):
        read([msgspec.json.encode(value, order="sorted")])


@pytest.mark.parametrize("t", EventType)
@pytest.mark.parametrize("part", ["price", "technical"])
def test_what_came_of_a_price_may_be_of_a_lot_and_nothing_else(t: EventType, part: str) -> None:
    event = an_event(t, part)
    if t in BID_EVENTS and part == "price":
        of_lot = msgspec.structs.replace(event, lot="2")
        assert decode(encode(of_lot), Event) == of_lot
        assert (of_lot.section, event.section) == ("price-2", "price")
    else:
        with pytest.raises(MalformedError, match="of a lot"):
            msgspec.structs.replace(event, lot="2")


@pytest.mark.parametrize("t", EventType)
def test_an_event_has_exactly_the_fields_of_its_type(t: EventType) -> None:
    right = an_event(t)
    assert decode(encode(right), Event) == right
    for name, value in (("part", "bid"), ("content", OTHER), ("reason", "late"), ("status", STATUS)):
        other = None if getattr(right, name) else value
        with pytest.raises(MalformedError, match="other fields"):
            msgspec.structs.replace(right, **{name: other})


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_garbage_is_malformed_or_a_log_error(garbage: list[bytes]) -> None:
    with pytest.raises((LogError, MalformedError)):
        read(garbage)
