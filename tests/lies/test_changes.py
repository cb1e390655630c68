"""Records of tenders whose terms changed: honest ones, and lies about amendments and outages."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from crypto.encoding import moment
from procurement.editions import (
    Gap,
    next_round,
)
from procurement.evaluation import LowestPrice
from procurement.history import EventType
from procurement.record import verify
from tests.builders import (
    A_RULE,
    DEADLINE,
    Life,
    a_bidder,
    a_lot,
    a_notice,
    panel_rules,
    the_world,
)
from tests.lies.catalogue import Files, Lie, Who, check_refused, last, lies_into

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def gap(start: datetime, end: datetime) -> Gap:
    return Gap(start=moment(start), end=moment(end))


def two(life: Life) -> Life:
    """The second bidder comes after whatever has changed."""
    life.submit(a_bidder(life.world, 2), "900000")
    return life


def bid_before(**notice: Any) -> tuple[Life, str]:
    life = Life(notice=a_notice(the_world(), **notice))
    return life, life.submit(a_bidder(life.world, 1), "950000")


def moved_on(**how: Any) -> Life:
    """A life whose deadline moves past its round, between two bids."""
    life, _ = bid_before()
    life.amend(deadline=moment(DEADLINE + 3 * HOUR), **how)
    return two(life)


def test_a_record_with_amendments_verifies_and_says_what_changed() -> None:
    life, _ = bid_before()
    life.amend(title="Oak desks")
    verdict = verify(two(life).to_award().record(), life.world.trust)
    assert verdict.outcome == "verified", last(verdict)
    assert "amended by Officer Kim (O-1): title" in verdict.steps[2].findings
    assert verdict.clean


def test_a_record_with_bids_of_two_rounds_verifies_and_says_which_the_mandate_lock_held() -> None:
    life = moved_on()
    verdict = verify(life.to_award().record(), life.world.trust)
    assert verdict.outcome == "verified", last(verdict)
    assert [each for each in verdict.reservations if "mandate lock alone" in each]
    assert len(life.openings["bid"].earlier) == 1


def test_prices_of_two_rounds_open_bid_by_bid() -> None:
    life = Life(notice=a_notice(the_world(), a_lot(panel_rules(budget="1000000"))))
    life.submit(a_bidder(life.world, 1), "950000")
    life.amend(deadline=moment(DEADLINE + 3 * HOUR))
    two(life).to_award()
    opening = life.openings["price"]
    assert [len(opening.keys), *(len(each.keys) for each in opening.earlier)] == [1, 1]
    verdict = verify(life.record(), life.world.trust)
    assert verdict.outcome == "verified", last(verdict)


def test_a_record_after_an_outage_verifies_and_says_whose_word_it_was() -> None:
    life, _ = bid_before(outage=A_RULE)
    life.now = DEADLINE - 10 * MINUTE
    life.extend(gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE))
    verdict = verify(two(life).to_award().record(), life.world.trust)
    assert verdict.outcome == "verified", last(verdict)
    assert [each for each in verdict.reservations if "by the service's word" in each]


def test_a_superseded_bid_is_in_no_record_and_wins_nothing() -> None:
    life, lost = bid_before()
    life.amend(stand=False, description="Of oak.")
    data = two(life).to_award().record()
    verdict = verify(data, life.world.trust)
    assert verdict.outcome == "verified", last(verdict)
    assert f"bids/{lost}.json" not in life.files()
    assert life.closing.superseded == (lost,)


def reservations(life: Life) -> str:
    verdict = verify(life.to_award().record(), life.world.trust)
    assert verdict.outcome == "verified", last(verdict)
    return "\n".join(verdict.reservations)


def test_a_change_that_is_dated_back_shows_where_a_bid_had_come_meanwhile() -> None:
    life, _ = bid_before()
    life.now -= MINUTE + 2 * SECOND
    life.amend(title="Oak desks")
    life.now += 2 * MINUTE
    assert "dated back" in reservations(two(life))


def test_an_outage_in_which_bids_were_taken_is_told() -> None:
    life, _ = bid_before(outage=A_RULE)
    life.now = DEADLINE - 40 * MINUTE
    life.submit(a_bidder(life.world, 2), "900000")
    life.extend(gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE))
    assert "bids were taken between" in reservations(life)


LIES: list[Lie] = []
lie = lies_into(LIES)


def told(life: Life) -> Files:
    life.to_award()
    return life.files()


@lie(
    4,
    "the closing statement counts other bids than those whose terms stand",
    "bid under old terms counted",
    Who.SERVICE,
    "A bid for terms that no longer stand is counted.",
)
def a_bid_that_does_not_stand_counts() -> Files:
    life, _ = bid_before()
    life.amend(stand=False, description="Of oak.")
    two(life)
    life.close(superseded=())
    life.counted = [life.unopened(id) for id in life.closing.counted()]
    return finished(life)


@lie(4, "other bids than those whose terms stand")
def a_bid_that_stands_is_called_superseded() -> Files:
    life, id = bid_before()
    life.amend(description="Of oak.")
    two(life)
    life.close(superseded=(id,))
    return finished(life)


def finished(life: Life) -> Files:
    for part in life.notice.parts:
        life.open(part)
    life.evaluate()
    life.award()
    return life.files()


@lie(4, "about other terms")
def the_closing_leaves_an_amendment_out() -> Files:
    life, _ = bid_before()
    life.amend(title="Oak desks")
    two(life)
    life.close(terms=(life.editions[0].terms.terms,))
    return finished(life)


@lie(
    3,
    "… may not be the second to sign this: what one officer signs is countersigned by a second officer",
    "amended by one officer alone",
    Who.OFFICER,
    "The terms are changed without a second officer.",
)
def one_officer_amends_alone() -> Files:
    life, _ = bid_before()
    life.amend(title="Oak desks", second=life.world.officer)
    return told(two(life))


@lie(3, "in other officers' hands")
def another_officer_amends() -> Files:
    life, _ = bid_before()
    stranger = life.world.enrol(life.world.officer.certificate.role, "Stranger", "O-9")
    life.amend(title="Oak desks", officer=stranger)
    return told(two(life))


@lie(
    3,
    "an amendment came too late: the deadline has passed",
    "amended after the deadline",
    Who.OFFICER,
    "The terms are changed when the time for bids is over.",
)
def an_amendment_after_the_deadline() -> Files:
    life, _ = bid_before()
    life.now = DEADLINE
    life.amend(title="Oak desks")
    return told(life)


@lie(3, "a day after the amendment or later")
def an_amendment_in_the_last_hour() -> Files:
    life, _ = bid_before()
    life.now = DEADLINE - HOUR
    life.amend(stand=False, description="Of oak.")
    return told(two(life))


@lie(
    3,
    "the deadline was moved for an outage that had not been: an outage is told of before it is over",
    "outage that had not been",
    Who.SERVICE,
    "The deadline is moved for an outage that is still to come.",
)
def the_service_tells_of_an_outage_that_is_still_to_come() -> Files:
    class Early(Life):
        def post(self, type_: Any, *rest: Any, **how: Any) -> str:
            if type_ is EventType.EXTENDED:
                self.now = DEADLINE - 2 * HOUR
            return super().post(type_, *rest, **how)

    life = Early(notice=a_notice(the_world(), outage=A_RULE))
    life.submit(a_bidder(life.world, 1), "950000")
    life.extend(gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE))
    return told(two(life))


@lie(3, "nor the end of the grace")
def an_amendment_cuts_the_grace_short() -> Files:
    life, _ = bid_before(upload_grace=1200)
    life.amend(upload_grace=0)
    return told(two(life))


@lie(
    3,
    "an amendment changes what it may not: an amendment cannot change which lots there are, nor their rules",
    "rules changed after bids came",
    Who.OFFICER,
    "An amendment changes the rules by which bids are judged.",
)
def the_rules_are_amended() -> Files:
    life, _ = bid_before()
    life.amend(lots=(a_lot(LowestPrice(ceiling="940000")),))
    return told(two(life))


@lie(3, "moves the deadline otherwise")
def the_service_moves_the_deadline_further_than_its_rule() -> Files:
    life, _ = bid_before(outage=A_RULE)
    later = DEADLINE + 5 * HOUR
    round = next_round(life.notice, later)
    life.extend(gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE), deadline=moment(later), round=round)
    return told(two(life))


@lie(
    3,
    "an extension after an outage changes what it may not: the notice has no rule for outages",
    "extension without an outage",
    Who.SERVICE,
    "The deadline is moved for an outage, in a tender that has no such rule.",
)
def the_service_moves_a_deadline_that_has_no_rule() -> Files:
    life, _ = bid_before()
    life.extend(gap(DEADLINE - HOUR, DEADLINE - 30 * MINUTE))
    return told(two(life))


@lie(6, "another part or round")
def the_keys_of_an_earlier_round_are_withheld() -> Files:
    class Withholding(Life):
        def signed(self, payload: Any, key: Any) -> bytes:
            kept = replace(payload, earlier=()) if payload.PURPOSE == "opening" else payload
            return super().signed(kept, key)

    life = Withholding(notice=a_notice(the_world()))
    life.submit(a_bidder(life.world, 1), "950000")
    life.amend(deadline=moment(DEADLINE + 3 * HOUR))
    return told(two(life))


@lie(
    6,
    "an order was signed for a round that no bid which counts was sealed for",
    "order for a bid that does not count",
    Who.MEMBER,
    "The committee orders bids to be opened that are not to be opened at all.",
)
def the_committee_orders_what_does_not_count() -> Files:
    life, _ = bid_before(on_extension="reseal")
    old = life.terms
    life.amend(stand=False, deadline=moment(DEADLINE + 3 * HOUR))
    two(life)
    life.close()
    life.now = life.notice.opens
    for member in life.world.members[:2]:
        partial = member.sign_order(old, "bid", None, life.now, life.world.entropy)
        life.say(EventType.PARTIAL, partial, member.key, "bid")
    return finished(life)


@lie(8, "terms is not this tender's")
def an_envelope_under_the_terms_from_before_comes_after_an_amendment() -> Files:
    life, _ = bid_before()
    old = life.terms
    life.amend(title="Oak desks")
    life.terms = old
    two(life)
    life.terms = life.editions[-1].terms
    return told(life)


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_about_amendments_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)
