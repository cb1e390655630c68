"""Panels by draw: who of the pool scores, and the lies about it, each refused at its step."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import Role, SigningKey
from crypto.encoding import encode
from procurement.duties import Officials
from procurement.errors import TenderError
from procurement.panels import check_request, tickets
from procurement.record import verify
from procurement.tenders import check_notice
from tests.builders import Life, a_bidder, a_lot, a_notice, packed, panel_rules, the_world
from tests.lies.catalogue import Files, Lie, Who, check_refused, last, lies_into

HOUR = timedelta(hours=1)
SEATS = 2


@cache
def pool() -> tuple[SigningKey, ...]:
    return tuple(the_world().enrol(Role.EVALUATOR, f"Expert {i}", f"X-{i}") for i in range(1, 6))


class Drawn(Life):
    """A tender whose panel of two is drawn from five."""

    def __init__(self, bidders: Sequence[SigningKey] | None = None) -> None:
        evaluators = tuple(each.fingerprint for each in pool())
        notice = a_notice(the_world(), a_lot(panel_rules()), evaluators=evaluators, seats=SEATS)
        super().__init__(notice=notice)
        for bidder in (a_bidder(the_world(), 1), a_bidder(the_world(), 2)) if bidders is None else bidders:
            self.submit(bidder)
        self.close()

    def panel(self) -> list[SigningKey]:
        """The pool, called or not: all of it is in the record."""
        return [each for each in pool() if each.fingerprint in self.notice.evaluators]

    @property
    def called(self) -> list[SigningKey]:
        """The pool in the order drawn."""
        assert self.draw
        keys = {each.fingerprint: each for each in pool()}
        return [keys[each.certificate] for each in self.draw.tickets]

    def scored_by(self, *evaluators: SigningKey) -> None:
        for each in evaluators:
            self.score_sheet(evaluator=each)

    def awarded(self) -> Files:
        self.open("price")
        self.evaluate()
        self.award()
        return self.files()


def drawn() -> Drawn:
    """Up to the sheets."""
    life = Drawn()
    life.request_draw()
    life.draw_panel()
    life.open("technical")
    return life


def verified(files: Files) -> Any:
    verdict = verify(packed(files), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), last(verdict)
    return verdict


# ── drawn ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_of_the_pool_score() -> None:
    life = drawn()
    life.scored_by(*life.called[:SEATS])
    verdict = verified(life.awarded())
    [found] = verdict.steps[8].findings
    round = life.draw_request.round
    assert found == (
        f"panel of 2 drawn from 5 by round {round},"
        " grindable: who runs the beacon, the service itself, could know its rounds before"
    )
    assert any("grindable" in each for each in verdict.not_checked)


def test_the_order_is_what_anybody_computes_by_hand() -> None:
    """PROTOCOL section 8: purpose, ocid, no lot, notice, the round's signature, no order's signature."""
    life = drawn()
    assert life.draw

    def f(x: bytes) -> bytes:
        return len(x).to_bytes(4, "big") + x

    fields = b"panel", life.notice.tender.encode(), b"", bytes.fromhex(life.notice_id)
    seed = hashlib.sha256(
        b"openseal/v1/draw\n" + b"".join(map(f, (*fields, bytes.fromhex(life.draw.beacon), b"")))
    ).digest()
    by_hand = sorted(
        (hashlib.sha256(seed + bytes.fromhex(each.fingerprint)).hexdigest(), each.fingerprint)
        for each in pool()
    )
    assert [(each.ticket, each.certificate) for each in life.draw.tickets] == by_hand


def test_who_declares_a_conflict_gives_way_to_the_next_ticket() -> None:
    life = drawn()
    first, second, third, *_ = life.called
    life.declare(first, "my sister's company bids")
    life.scored_by(second, third)
    verified(life.awarded())


def test_a_conflict_declared_before_the_draw_counts_in_it() -> None:
    life = Drawn()
    life.open("technical")
    for each in pool()[:2]:
        life.declare(each, "I know them")
    life.request_draw()
    life.draw_panel()
    able = [each for each in life.called if each not in pool()[:2]]
    life.scored_by(*able[:SEATS])
    verified(life.awarded())


def test_a_panel_that_nobody_needs_need_not_be_drawn() -> None:
    life = Drawn(bidders=())
    life.open("technical")
    assert verified(life.awarded()).steps[8].findings == ()


def test_a_draw_that_was_requested_in_vain_is_told() -> None:
    life = Drawn(bidders=())
    life.request_draw()
    life.open("technical")
    [found] = verified(life.awarded()).steps[8].findings
    assert "none came of it" in found


# ── officials ────────────────────────────────────────────────────────────────────────────────────────────


POOL = ("a", "b", "c", "d")


def officials(*order: str, seats: int | None = 2) -> Officials:
    return Officials(officer="o", second="p", evaluators=POOL, members=("m",), seats=seats, drawn=order)


@given(order=st.permutations(POOL), conflicts=st.sets(st.sampled_from(POOL)), seats=st.integers(1, len(POOL)))
def test_the_panel_is_the_first_so_many_without_a_conflict(
    order: list[str], conflicts: set[str], seats: int
) -> None:
    who = officials(*order, seats=seats)
    declared = dict.fromkeys(conflicts, True)
    able = [each for each in order if each not in conflicts]
    assert who.panel(declared) == set(able[:seats])
    assert who.is_depleted(declared) == (len(able) < seats)
    for each in POOL:
        if each in able[:seats]:
            who.check_seated(each, declared)
        else:
            with pytest.raises(TenderError) as caught:
                who.check_seated(each, declared)
            assert caught.value.code == "not-drawn"


@given(order=st.permutations(POOL), conflict=st.sampled_from(POOL))
def test_one_more_conflict_seats_nobody_else_than_the_next(order: list[str], conflict: str) -> None:
    who = officials(*order)
    before, after = who.panel({}), who.panel({conflict: True})
    assert before - {conflict} <= after
    assert len(after - before) == (conflict in before)


def test_nobody_is_seated_before_the_draw_and_strangers_never() -> None:
    for order, person, code in (
        ((), "a", "panel-not-drawn"),
        (("a", "b", "c", "d"), "e", "not-on-panel"),
        (("a", "b", "c", "d"), "c", "not-drawn"),
    ):
        with pytest.raises(TenderError) as caught:
            officials(*order).check_seated(person, {})
        assert caught.value.code == code


def test_a_pool_too_small_after_conflicts_waits_under_that_name() -> None:
    declared = dict.fromkeys("abc", True)
    for order in ((), POOL):
        with pytest.raises(TenderError) as caught:
            officials(*order).check_scored(declared, ["d"], to_score=True)
        assert caught.value.code == "pool-too-small"
    with pytest.raises(TenderError) as caught:
        officials().check_scored({}, [], to_score=True)
    assert caught.value.code == "panel-not-drawn"


@pytest.mark.parametrize("changes", [{"seats": 6}, {"seats": 1, "evaluators": ()}])
def test_a_notice_with_more_seats_than_its_pool_is_refused(changes: Any) -> None:
    notice = msgspec.structs.replace(Drawn().notice, **changes)
    with pytest.raises(TenderError):
        check_notice(notice)


def test_without_seats_a_notice_is_encoded_as_before() -> None:
    assert b"seats" not in encode(a_notice(the_world(), a_lot(panel_rules())))


def test_a_tender_that_draws_no_panel_takes_no_request() -> None:
    life = drawn()
    plain = msgspec.structs.replace(life.notice, seats=None)
    with pytest.raises(TenderError, match="draws no panel"):
        check_request(plain, life.draw_request, life.now - HOUR)


@pytest.mark.parametrize(("ahead", "code"), [(timedelta(), "round-known"), (1.1 * HOUR, "round-too-late")])
def test_the_round_comes_within_an_hour_of_the_request(ahead: timedelta, code: str) -> None:
    life = drawn()
    comes = life.notice.network.time_of(int(life.draw_request.round))
    check_request(life.notice, life.draw_request, comes - HOUR)
    with pytest.raises(TenderError) as caught:
        check_request(life.notice, life.draw_request, comes - ahead)
    assert caught.value.code == code


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────────────


LIES: list[Lie] = []
lie = lies_into(LIES)


def told(draw: Callable[[Drawn], None]) -> Files:
    """A life in which the panel is drawn by `draw`, and then scores."""
    life = Drawn()
    draw(life)
    life.open("technical")
    life.scored_by(*life.called[:SEATS])
    return life.awarded()


@lie(
    9,
    "the panel was not drawn as it was announced: the panel comes out of its draw differently: somebody"
    " was chosen, not drawn",
    "wrong draw of the panel",
    Who.SERVICE,
    "A favoured evaluator is put first in the order that is drawn by lot.",
)
def a_favoured_evaluator_is_called_first() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw()
        beacon = life.world.beacon.sign(int(life.draw_request.round), life.now + HOUR).signature.hex()
        *others, favoured = tickets(life.notice, life.notice_id, beacon)
        life.draw_panel(tickets=(favoured, *others))

    return told(draw)


@lie(9, "comes out of its draw differently")
def one_of_the_pool_is_left_out() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw()
        beacon = life.world.beacon.sign(int(life.draw_request.round), life.now + HOUR).signature.hex()
        life.draw_panel(tickets=tickets(life.notice, life.notice_id, beacon)[1:])

    return told(draw)


@lie(
    9,
    "the draw's round came before its request was witnessed",
    "draw chosen after it was known",
    Who.OFFICER,
    "The officer waits for a random number that suits, and says that it was announced before.",
)
def a_round_is_chosen_after_it_was_known() -> Files:
    """The entry says that it is ten minutes before; the witnesses know better."""

    def draw(life: Drawn) -> None:
        life.request_draw(seen=timedelta(minutes=11))
        life.draw_panel()

    return told(draw)


@lie(9, "has come before its request")
def a_past_round_is_chosen() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw(ahead=-timedelta(minutes=1))
        life.draw_panel()

    return told(draw)


@lie(9, "more than an hour after")
def a_round_is_chosen_for_much_later() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw(ahead=2 * HOUR)
        life.draw_panel()

    return told(draw)


@lie(3, "draw:requested for the second time")
def a_second_request_is_counted() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw()
        life.request_draw(ahead=timedelta(minutes=20))
        life.draw_panel()

    return told(draw)


@lie(9, "by another request or round")
def the_panel_is_drawn_by_another_request() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw()
        life.draw_panel(request="0" * 64)

    return told(draw)


@lie(9, "by another request or round")
def the_panel_is_drawn_by_another_round() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw()
        life.draw_panel(round=str(int(life.draw_request.round) + 1))

    return told(draw)


@lie(9, "is not signed by network")
def the_round_has_another_signature() -> Files:
    def draw(life: Drawn) -> None:
        life.request_draw()
        other = life.world.beacon.sign(int(life.notice.round), life.notice.opens)
        life.draw_panel(beacon=other.signature.hex())

    return told(draw)


@lie(
    10,
    "the score sheet of … does not count: an evaluator signs whom the draw has not called to the panel",
    "wrong panel",
    Who.EVALUATOR,
    "Somebody scores whom the draw did not call.",
)
def somebody_who_was_not_drawn_scores() -> Files:
    life = drawn()
    life.scored_by(life.called[0], life.called[SEATS])
    return life.awarded()


@lie(10, "not every evaluator has scored")
def one_who_was_drawn_is_not_waited_for() -> Files:
    life = drawn()
    life.scored_by(life.called[0])
    return life.awarded()


@lie(10, "leave fewer evaluators than there are seats")
def the_panel_is_smaller_than_its_seats() -> Files:
    life = drawn()
    for each in life.called[1:]:
        life.declare(each, "I know them")
    life.scored_by(life.called[0])
    return life.awarded()


@lie(10, "the panel is not drawn yet")
def a_panel_scores_that_nobody_drew() -> Files:
    life = Drawn()
    life.open("technical")
    life.scored_by(*pool()[:SEATS])
    return life.awarded()


@lie(10, "before the panel was drawn")
def a_sheet_is_signed_before_the_panel_is_drawn() -> Files:
    life = Drawn()
    life.request_draw()
    life.open("technical")
    beacon = life.world.beacon.sign(int(life.draw_request.round), life.now + HOUR).signature.hex()
    order = [each.certificate for each in tickets(life.notice, life.notice_id, beacon)]
    first, second = [next(each for each in pool() if each.fingerprint == id) for id in order[:SEATS]]
    life.scored_by(first)
    life.draw_panel()
    life.scored_by(second)
    return life.awarded()


@lie(9, "in other officers' hands")
def a_third_officer_fixes_the_round() -> Files:
    def draw(life: Drawn) -> None:
        officer = life.world.officer
        third = life.world.enrol(Role.OFFICER, "Officer Oh", "O-3")
        life.world.officer = third
        try:
            life.request_draw()
        finally:
            life.world.officer = officer
        life.draw_panel()

    return told(draw)


@lie(8, "is evaluator here and cannot be bidder")
def one_of_the_pool_bids() -> Files:
    """Whether it is drawn or not."""
    number = pool()[0].certificate.registration
    life = Drawn(bidders=[the_world().enrol(Role.BUSINESS, "Expert and Sons", number)])
    life.request_draw()
    life.draw_panel()
    life.open("technical")
    life.scored_by(*life.called[:SEATS])
    return life.awarded()


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_about_the_panel_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)


@pytest.mark.parametrize("path", ["log/draw"])
def test_the_witnesses_word_on_the_draw_belongs_to_the_record(path: str) -> None:
    life = drawn()
    life.scored_by(*life.called[:SEATS])
    files = life.awarded()
    verified(files)
    without = {each: data for each, data in files.items() if each != path}
    verdict = verify(packed(without), the_world().trust)
    assert (verdict.outcome, verdict.steps[-1].number) == ("refused", 9)
