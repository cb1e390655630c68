"""Lies about a tender, each told on purpose with genuine keys, and the step at which the record breaks.

A lie is a function that gives the files of a dishonest record; `@lie` says at which step it is refused
and in which words. The manifest is always put right, so that step 1 never helps.
"""

import json
from collections.abc import Callable
from copy import copy
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest

from bids.envelope import Envelope, compose, entropy_size
from bids.orders import Opening, OpeningPartial, OrderRefusal, combined
from bids.receipts import chains, commitment_entry
from crypto import checkpoint
from crypto.certificates import SigningKey
from crypto.encoding import encode, moment, sha256, to_base64
from crypto.statements import Payload, Statement, sign
from procurement.awards import (
    Award,
    IntendedAward,
    LateClosing,
    LotAward,
    LotEvaluation,
    RevealedPrices,
    SignedScores,
)
from procurement.bundle import LoggedEntry
from procurement.evaluation import CommittedPrices, Evaluation, KrPriceFloor, LowestPrice, LowestPrice2, Rules
from procurement.evaluation.reserve_prices import Committed, commitment
from procurement.history import Event, EventType
from procurement.notices import TenderDocument
from procurement.record import verify
from procurement.scoring import score
from procurement.tenders import Bid, LotOffer
from tests.builders import DEADLINE, START, Life, a_bidder, a_lot, a_notice, packed, panel_rules, the_world
from tests.lies.catalogue import Files, Lie, Who, check_refused, last, lies_into

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SALT = "5a" * 32
PRICES = tuple(str(985_000 + 2000 * i) for i in range(15))
FLOOR = KrPriceFloor(
    base="1000000",
    basis_points=200,
    unit=100,
    floor="80",
    preliminary_prices=Committed(digest=commitment(CommittedPrices(salt=SALT, prices=PRICES))),
)


AGAIN = "computed again by the notice's rules, scores or ranking come out differently than was published"

LIES: list[Lie] = []
lie = lies_into(LIES)


# ── honest lives, and one that writes down something else than it believes ───────────────────────────────


@cache
def bidders() -> list[SigningKey]:
    return [a_bidder(the_world(), number) for number in range(1, 4)]


def begun(life: Life) -> Life:
    """Three bidders; the first replaces its bid, the last is the cheapest."""
    one, two, three = bidders()
    picks = (3, 7) if isinstance(life.notice.lots[0].rules, KrPriceFloor) else None
    first = life.submit(one, "960000", picks=picks)
    life.submit(two, "930000", picks=picks)
    life.submit(one, "920000", picks=picks, previous=first)
    life.submit(three, "910000", picks=picks)
    return life


def a_life(rules: Rules | None = None) -> Life:
    return begun(Life(notice=a_notice(the_world(), a_lot(rules), practice=rules == FLOOR)))


def a_panel_life() -> Life:
    return a_life(panel_rules(budget="1000000"))


def opened(life: Life) -> Life:
    """Everything open and ready to be evaluated."""
    for part in life.notice.parts:
        life.open(part)
        if part == "technical":
            life.score_sheets()
    if life.notice.lots[0].rules == FLOOR:
        life.reveal("1", SALT, PRICES)
    return life


def concluded(life: Life) -> Files:
    """Evaluated and awarded."""
    life.evaluate()
    life.award()
    return life.files()


def all_of(life: Life) -> Files:
    life.close()
    return concluded(opened(life))


class Liar(Life):
    """Signs other fields in one type of statement, or logs another event, than everybody goes on from."""

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        signing: type[Payload] | None = None,
        logging: EventType | None = None,
        **instead: Any,
    ) -> None:
        self.signing, self.logging, self.instead = signing, logging, instead
        super().__init__(notice=a_notice(the_world(), a_lot(rules), practice=rules == FLOOR))

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        lying = self.signing is type(payload)
        return super().signed(msgspec.structs.replace(payload, **self.instead) if lying else payload, key)

    def log(self, *events: Event) -> None:
        super().log(
            *(msgspec.structs.replace(e, **self.instead) if e.t is self.logging else e for e in events)
        )


class Forgetful(Life):
    """Leaves events out of the log."""

    def __init__(self, rules: Rules | None, forgets: Callable[["Forgetful", Event], bool]) -> None:
        self.forgets = forgets
        super().__init__(notice=a_notice(the_world(), a_lot(rules), practice=rules == FLOOR))

    def log(self, *events: Event) -> None:
        super().log(*(event for event in events if not self.forgets(self, event)))


def lived(life: Life) -> Files:
    return all_of(begun(life))


@pytest.mark.parametrize(
    "rules", [None, FLOOR, panel_rules(budget="1000000")], ids=["lowest", "floor", "panel"]
)
def test_the_same_lives_without_a_lie_are_verified(rules: Rules | None) -> None:
    data = packed(all_of(a_life(rules)))
    for trust, outcome in ((the_world().trust, "verified"), (None, "coherent")):
        verdict = verify(data, trust)
        assert (verdict.outcome, verdict.clean) == (outcome, True), last(verdict)
        assert [step.number for step in verdict.steps] == list(range(1, 14))


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────


@lie(
    13,
    "the record holds files that nothing refers to, or lacks some",
    "file that belongs to nothing",
    Who.BETWEEN,
    "A file that nobody signed is put into the record.",
)
def a_stray_file() -> Files:
    return all_of(a_life()) | {"statements/readme.txt": b"Trust me."}


@lie(13, "holds files that nothing refers to")
def a_replaced_envelope_is_published_after_all() -> Files:
    life = a_life()
    files = all_of(life)
    return files | {f"bids/{id}.json": life.bids[id] for chain in life.closing.chains for id in chain[:-1]}


@lie(
    13,
    "the open data differ from the signed statements",
    "open data with another amount",
    Who.SERVICE,
    "The data for the press state another amount than what the bidder signed.",
)
def the_open_data_state_another_amount() -> Files:
    files = all_of(a_life())
    return files | {"ocds.json": files["ocds.json"].replace(b"910000", b"990000")}


def without(folder: str, *, of: Callable[[Life], str]) -> Files:
    life = a_life()
    files = all_of(life)
    del files[next(path for path in files if path.startswith(f"{folder}/{of(life)}"))]
    return files


@lie(3, "lacks statements/")
def the_notice_is_missing() -> Files:
    return without("statements", of=lambda life: life.notice_id)


@lie(3, "lacks certificates/")
def a_members_certificate_is_missing() -> Files:
    return without("certificates", of=lambda life: life.world.members[2].key.fingerprint)


@lie(
    7,
    "a file that belongs there is missing",
    "bid missing from the record",
    Who.SERVICE,
    "The record is published without one of the bids.",
)
def a_counted_envelope_is_missing() -> Files:
    return without("bids", of=lambda life: life.counted[0].id)


@lie(7, "lacks contents/")
def a_content_is_missing() -> Files:
    return without("contents", of=lambda life: life.counted[0].id)


@lie(7, "lacks certificates/")
def a_bidders_certificate_is_missing() -> Files:
    return without("certificates", of=lambda life: bidders()[0].fingerprint)


@lie(
    3,
    "what somebody signed was exchanged",
    "notice changed without a word",
    Who.SERVICE,
    "The notice is exchanged for one that says something else.",
)
def the_notice_is_amended_without_a_word() -> Files:
    life = a_life()
    amended = sign(msgspec.structs.replace(life.notice, title="Other desks"), life.world.officer)
    return all_of(life) | {f"statements/{life.notice_id}.json": amended}


@lie(
    3,
    "what somebody signed was exchanged",
    "changed tender document",
    Who.OFFICER,
    "After publication the drawings are exchanged, and the notice for one that names the new ones.",
)
def a_tender_document_is_exchanged() -> Files:
    drawings = TenderDocument(
        document_type="technicalSpecifications",
        language="en",
        id="drawings",
        title="Drawings",
        format="application/pdf",
        sha256="11" * 32,
        size=9,
    )
    life = begun(Life(notice=a_notice(the_world(), documents=(drawings,))))
    other = msgspec.structs.replace(
        life.notice, documents=(msgspec.structs.replace(drawings, sha256="22" * 32),)
    )
    return all_of(life) | {f"statements/{life.notice_id}.json": sign(other, life.world.officer)}


@lie(3, "is another certificate")
def a_members_certificate_is_another_ones() -> Files:
    life = a_life()
    one, two = (member.key for member in life.world.members[:2])
    return all_of(life) | {f"certificates/{one.fingerprint}.der": two.certificate.der}


# ── the log and the tender's chain ───────────────────────────────────────────────────────────────────────


@lie(2, "not a signature by")
def the_checkpoint_has_another_root() -> Files:
    files = all_of(a_life())
    lines = files["log/checkpoint"].split(b"\n")
    return files | {"log/checkpoint": b"\n".join([*lines[:2], to_base64(bytes(32)).encode(), *lines[3:]])}


@lie(
    2,
    "the state of the log is not signed by the log and by enough outside witnesses",
    "witness missing",
    Who.SERVICE,
    "A state of the log is shown that no outside witness has signed.",
)
def nobody_cosigned_the_head() -> Files:
    files = all_of(a_life())
    return files | {"log/checkpoint": b"\n".join(files["log/checkpoint"].split(b"\n")[:5]) + b"\n"}


@lie(
    2,
    "the state of the log is not signed by the log and by enough outside witnesses",
    "state of another log",
    Who.SERVICE,
    "The record leans on a log that is not the one whose key is known.",
)
def the_checkpoint_is_of_another_log() -> Files:
    world = copy(the_world())
    world.log = checkpoint.SigningKey("tenders.example/other", checkpoint.LOG, bytes(32))
    life = a_life()
    files = all_of(life)
    life.world = world
    return files | {"log/checkpoint": life.note(life.now + SECOND).encode()}


@lie(
    2,
    "the log that the witnesses saw at the closing is not the log of now: there are two histories",
    "two histories",
    Who.SERVICE,
    "The list of bids that the witnesses saw stands in another log than the one shown.",
)
def the_closing_was_witnessed_on_another_branch_of_the_log() -> Files:
    return all_of(a_life()) | {"log/closing": all_of(a_life())["log/closing"]}


def with_history(change: Callable[[list[LoggedEntry]], object]) -> Files:
    """An honest record whose list of logged entries was changed."""
    life = a_life()
    files = all_of(life)
    proofs = life.facts().proofs
    history = list(proofs.history)
    change(history)
    return files | {"log/proofs.json": encode(msgspec.structs.replace(proofs, history=tuple(history)))}


@lie(
    3,
    "the tender's chain is broken at entry …: a step is missing, or was changed",
    "step left out",
    Who.SERVICE,
    "A step of the tender is left out of its history.",
)
def an_entry_of_the_chain_is_dropped() -> Files:
    return with_history(lambda history: history.pop(2))


@lie(3, "not in the order of the log")
def two_entries_of_the_chain_change_places() -> Files:
    return with_history(lambda history: history.insert(2, history.pop(3)))


@lie(3, "not in the order of the log")
def an_entry_stands_twice() -> Files:
    return with_history(lambda history: history.insert(2, history[2]))


@lie(3, "does not start with the tender's notice")
def the_chain_is_empty() -> Files:
    return with_history(lambda history: history.clear())


@lie(4, "0 entries of type tender:closed")
def the_chain_stops_before_the_closing() -> Files:
    return with_history(lambda history: history.__delitem__(slice(2, None)))


@lie(12, "0 entries of type award:made")
def the_chain_stops_before_the_award() -> Files:
    return with_history(lambda history: history.pop())


@lie(3, "inclusion proof")
def an_entry_is_shown_at_another_index() -> Files:
    def move(history: list[LoggedEntry]) -> None:
        history[-1] = msgspec.structs.replace(history[-1], index=history[-1].index - 1)
        history[-2:] = [history[-1]]

    return with_history(move)


@lie(3, "is another tender's")
def another_tenders_entry_stands_in_the_chain() -> Files:
    life = a_life()
    life.close()
    life.head = msgspec.structs.replace(life.head, tender="ocds-0s3al1-t2")
    return concluded(opened(life))


@lie(3, "about another tender")
def the_whole_chain_is_in_another_tenders_name() -> Files:
    class Renamed(Life):
        def log(self, *events: Event) -> None:
            self.head = msgspec.structs.replace(self.head, tender="ocds-0s3al1-t2")
            super().log(*events)

    return lived(Renamed())


@lie(3, "2 entries of type tender:published")
def the_notice_is_published_twice() -> Files:
    life = a_life()
    again = msgspec.structs.replace(life.notice, title="Other desks")
    life.say(EventType.PUBLISHED, again, life.world.officer)
    return all_of(life)


@lie(
    3,
    "entry … is out of time: … is dated before the step before it",
    "step dated back",
    Who.SERVICE,
    "A step is dated before the one that it follows.",
)
def the_chains_clock_runs_backwards() -> Files:
    life = a_life()
    life.close()
    opened(life)
    life.now -= MINUTE
    return concluded(life)


@lie(
    3,
    "the intended award comes again",
    "two intended awards",
    Who.OFFICER,
    "A second award is intended after the first one did not please.",
)
def the_award_is_intended_twice() -> Files:
    life = a_life()
    life.close()
    opened(life).evaluate()
    officer = life.world.officer
    nobody = IntendedAward(**life.about(officer), evaluation=life.evaluation_id, awards=(LotAward(lot="1"),))
    life.say(EventType.INTENDED, nobody, officer)
    life.award()
    return life.files()


@lie(
    3,
    "the closing statement comes again",
    "second closing in the record",
    Who.SERVICE,
    "A second list of bids is made after the first one did not please.",
)
def the_box_is_closed_twice() -> Files:
    life = a_life()
    life.close()
    life.close()
    return concluded(opened(life))


@lie(3, "order:refused after award:made")
def something_follows_the_award() -> Files:
    life = a_life()
    all_of(life)
    member = life.world.members[2]
    refusal = OrderRefusal(**life.about(member.key), part="bid", member=3, reason="I was ill.")
    life.say(EventType.REFUSED, refusal, member.key, "bid")
    return life.files()


# ── the box ──────────────────────────────────────────────────────────────────────────────────────────────


def closed(life: Life, **changes: Any) -> Files:
    life.close(**changes)
    return concluded(opened(life))


@lie(
    3,
    "the notice states another time than it was published at",
    "notice dated back",
    Who.OFFICER,
    "The notice is dated back, so that older rules apply to it.",
)
def the_notice_is_dated_back_to_an_older_floor_table() -> Files:
    earlier = moment(START - timedelta(minutes=6))
    return lived(Life(notice=a_notice(the_world(), published=earlier)))


@lie(
    4,
    "the closing statement was made before the deadline or the end of the grace",
    "early closing",
    Who.SERVICE,
    "The box is closed while bids may still come.",
)
def the_box_is_closed_before_the_deadline() -> Files:
    return closed(a_life(), at=DEADLINE - MINUTE)


@lie(
    4,
    "witnesses saw the closing statement before the deadline",
    "closing dated forward",
    Who.SERVICE,
    "The box is closed early, and the list is given a later time.",
)
def the_closing_is_dated_after_the_deadline_and_was_witnessed_before_it() -> Files:
    return closed(a_life(), cosigned_at=DEADLINE - 5 * MINUTE)


@lie(
    4,
    "the closing statement is about other terms or another deadline than the notice with its changes",
    "other deadline",
    Who.SERVICE,
    "The list of bids states another deadline than the notice.",
)
def the_closing_states_another_deadline() -> Files:
    return closed(a_life(), deadline=moment(DEADLINE + MINUTE))


@lie(4, "other terms")
def the_closing_states_other_terms() -> Files:
    return closed(a_life(), terms=("00" * 32,))


@lie(4, "every envelope exactly once")
def the_closing_leaves_a_commitment_out() -> Files:
    life = a_life()
    return closed(life, commitments=tuple(life.submitted[:-1]))


@lie(
    4,
    "the closing statement does not list every envelope exactly once: a bid is left out or stands twice",
    "dropped bid",
    Who.SERVICE,
    "A bid that came in time is left out of the list from which bids are opened.",
)
def the_closing_leaves_a_bidder_out() -> Files:
    life = a_life()
    return closed(life, chains=chains([(each.statement, None) for each in life.submitted[:-1]]))


@lie(
    4,
    "the closing statement does not list every envelope exactly once: a bid is left out or stands twice",
    "bid counted twice",
    Who.SERVICE,
    "One bid stands twice in the list that is made at the deadline.",
)
def the_closing_lists_an_envelope_twice() -> Files:
    life = a_life()
    return closed(life, commitments=(*life.submitted, life.submitted[0]))


@lie(4, "not in the order of the log")
def the_closing_lists_the_commitments_in_another_order() -> Files:
    life = a_life()
    return closed(life, commitments=tuple(reversed(life.submitted)))


@lie(4, "not every commitment is shown")
def a_commitment_is_not_shown_in_the_log() -> Files:
    life = a_life()
    files, proofs = all_of(life), life.facts().proofs
    return files | {
        "log/proofs.json": encode(msgspec.structs.replace(proofs, commitments=proofs.commitments[:-1]))
    }


@lie(
    4,
    "envelope … is not in the public log as it is shown here",
    "other time of arrival",
    Who.SERVICE,
    "A bid is said to have come at another time than it did.",
)
def a_commitment_is_revealed_with_another_time() -> Files:
    life = a_life()
    life.submitted[1] = msgspec.structs.replace(life.submitted[1], time=moment(START))
    return all_of(life)


@lie(
    4,
    "envelope … was accepted after the deadline",
    "late bid",
    Who.SERVICE,
    "A friend's bid that came when the time was over is counted.",
)
def a_bid_that_came_at_the_deadline_is_counted() -> Files:
    life = a_life()
    life.now = DEADLINE - SECOND
    life.submit(a_bidder(life.world, 9), "100")
    return all_of(life)


@lie(
    4,
    "envelope … was not in the box when that was closed",
    "late insertion",
    Who.SERVICE,
    "A bid is written after the list was made, and the list pretends that it was there before.",
)
def a_bid_is_slipped_in_after_the_closing() -> Files:
    life = a_life()
    bidder = a_bidder(life.world, 9)
    life.accept(bidder, a_sealed_bid(life, bidder, "100"))
    entry = life.entries.pop()
    life.submitted[-1] = msgspec.structs.replace(life.submitted[-1], index=len(life.entries) + 1)
    life.close()
    life.entries.append(entry)
    return concluded(opened(life))


@lie(
    4,
    "envelope … is not in the public log as it is shown here",
    "added bid",
    Who.SERVICE,
    "A bid that never came in is put into the list of bids.",
)
def a_bid_is_added_that_never_came() -> Files:
    life = a_life()
    bidder = a_bidder(life.world, 9)
    life.accept(bidder, a_sealed_bid(life, bidder, "100"))
    life.entries[-1] = commitment_entry(bytes(32))
    return all_of(life)


def a_sealed_bid(life: Life, bidder: SigningKey, amount: str, **terms: Any) -> bytes:
    entropy = life.world.entropy(entropy_size(life.terms))
    contents = life.contents_for(amount, None, ["1"])
    return compose(contents, msgspec.structs.replace(life.terms, **terms), bidder, entropy)


@lie(
    4,
    "the history lacks an officer's word on a late closing, or has it more than once",
    "late closing passed over",
    Who.SERVICE,
    "Outside witnesses saw the list of bids only after bids could be opened, and nobody says why.",
)
def a_closing_witnessed_after_the_round_is_passed_over() -> Files:
    return closed(a_life(), cosigned_at=DEADLINE + 31 * MINUTE)


def answered(life: Life, *, late: bool = True, key: SigningKey | None = None, **changes: Any) -> Life:
    """The closing was witnessed after the round, and somebody answers for it."""
    life.close(cosigned_at=DEADLINE + (31 * MINUTE if late else MINUTE))
    life.now += timedelta(hours=1)
    answer_for(life, key or life.world.officer, **changes)
    return life


def answer_for(life: Life, key: SigningKey, **changes: Any) -> None:
    late = LateClosing(**life.about(key), closing=life.closing_id, reason="The power was out.")
    life.say(EventType.LATE, msgspec.structs.replace(late, **changes), key)


def test_a_closing_witnessed_after_the_round_is_verified_but_never_clean() -> None:
    verdict = verify(packed(concluded(opened(answered(a_life())))), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", False), last(verdict)
    assert len(verdict.reservations) == 2
    assert verdict.reservations[0].endswith("the mandate lock held; the officer's reason: The power was out.")
    assert verdict.reservations[1] == "the closing was witnessed 1860 s after the deadline"


def test_a_closing_witnessed_long_after_the_deadline_is_verified_but_not_clean() -> None:
    verdict = verify(packed(closed(a_life(), cosigned_at=DEADLINE + 2 * MINUTE)), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", False), last(verdict)
    assert verdict.reservations == ("the closing was witnessed 120 s after the deadline",)


@lie(4, "is another one")
def the_officer_answers_for_another_late_closing() -> Files:
    return concluded(opened(answered(a_life(), closing="00" * 32)))


@lie(4, "in other officers' hands")
def another_officer_answers_for_the_late_closing() -> Files:
    return concluded(opened(answered(a_life(), key=another_officer())))


@cache
def another_officer() -> SigningKey:
    world = the_world()
    return world.enrol(world.officer.certificate.role, "Officer Choi", "O-3")


@lie(3, "closing:late after order:partial")
def the_late_closing_is_answered_for_after_the_orders() -> Files:
    life = a_life()
    life.close(cosigned_at=DEADLINE + 31 * MINUTE)
    partials = life.order("bid")
    answer_for(life, life.world.officer)
    life.open("bid", partials)
    return concluded(life)


@lie(13, "do not call for")
def a_late_closing_is_answered_for_that_was_not_late() -> Files:
    return concluded(opened(answered(a_life(), late=False)))


# ── beacon and committee ─────────────────────────────────────────────────────────────────────────────────


@lie(
    6,
    "the published keys are not what the committee signed",
    "opened by too few",
    Who.SERVICE,
    "The bids are opened although one member too few has ordered it in public.",
)
def the_keys_are_published_though_one_member_too_few_signed() -> Files:
    life = a_life()
    life.close()
    one = life.order("bid", life.world.members[:1])
    unlogged = life.world.members[1].sign_order(life.terms, "bid", None, life.now, life.world.entropy)
    life.open("bid", [*one, unlogged])
    return concluded(life)


@lie(
    6,
    "a refusal to open is not a committee member's",
    "refusal in another's name",
    Who.MEMBER,
    "A member refuses to open, and puts it on another member.",
)
def a_refusal_is_laid_at_another_members_door() -> Files:
    life = a_life()
    life.close()
    member = life.world.members[2]
    refusal = OrderRefusal(**life.about(member.key), part="bid", member=1, reason="Not me.")
    life.say(EventType.REFUSED, refusal, member.key, "bid")
    return concluded(opened(life))


@lie(6, "about another part")
def a_refusal_is_logged_for_another_part() -> Files:
    life = a_panel_life()
    life.close()
    member = life.world.members[2]
    refusal = OrderRefusal(**life.about(member.key), part="price", member=3, reason="No.")
    life.say(EventType.REFUSED, refusal, member.key, "technical")
    return concluded(opened(life))


@lie(
    6,
    "an order to open is not the committee's",
    "one member counts as two",
    Who.SERVICE,
    "The order of one member is counted twice.",
)
def one_members_partial_counts_twice() -> Files:
    life = a_life()
    life.close()
    partials = life.order("bid")
    life.say(EventType.PARTIAL, partials[0], life.world.members[0].key, "bid")
    life.open("bid", partials)
    return concluded(life)


@lie(
    6,
    "an order to open is not the committee's",
    "order in another's place",
    Who.MEMBER,
    "A member's order is passed off as another member's.",
)
def a_member_signs_in_anothers_place() -> Files:
    life = a_life()
    life.close()
    life.now = life.notice.opens
    one, two, three = life.world.members
    foreign = three.sign_order(life.terms, "bid", None, life.now, life.world.entropy)
    as_one = msgspec.structs.replace(foreign, signer=one.key.fingerprint, member=1)
    life.say(EventType.PARTIAL, as_one, one.key, "bid")
    life.open("bid", life.order("bid", [two, three]))
    return concluded(life)


@lie(6, "not signed by that member's certificate")
def a_member_signs_under_anothers_number() -> Files:
    return lived(Liar(signing=OpeningPartial, member=3))


@lie(
    6,
    "a committee member ordered the opening before its time",
    "early opening",
    Who.MEMBER,
    "A member signs the order to open before the time at which bids may be opened.",
)
def an_order_is_signed_before_the_round() -> Files:
    life = a_life()
    life.close()
    early = life.world.members[0].sign_order(life.terms, "bid", None, life.now, life.world.entropy)
    life.say(EventType.PARTIAL, early, life.world.members[0].key, "bid")
    life.open("bid", [early, *life.order("bid", life.world.members[1:2])])
    return concluded(life)


@lie(
    3,
    "a committee member's order to open comes before the closing statement",
    "pre-signed order",
    Who.MEMBER,
    "A member signs the order to open before the list of bids is made.",
)
def an_order_is_signed_before_the_closing() -> Files:
    life = a_life()
    one, two, _ = life.world.members
    early = one.sign_order(life.terms, "bid", None, life.now, life.world.entropy)
    life.say(EventType.PARTIAL, early, one.key, "bid")
    life.close()
    life.open("bid", [early, *life.order("bid", [two])])
    return concluded(life)


@lie(3, "order:partial after the bid parts were opened")
def an_order_follows_the_opening() -> Files:
    life = a_life()
    life.close()
    opened(life)
    life.order("bid", life.world.members[2:])
    return concluded(life)


@lie(3, "tender:opened for the second time")
def a_part_is_opened_twice() -> Files:
    life = a_life()
    life.close()
    opened(life)
    life.say(EventType.OPENED, life.openings["bid"], life.world.service, "bid")
    return concluded(life)


@lie(
    3,
    "the history names a part that this tender does not have",
    "order for another part",
    Who.MEMBER,
    "A member orders something to be opened that this tender does not have.",
)
def an_order_opens_a_part_that_there_is_not() -> Files:
    life = a_life()
    life.close()
    life.now = life.notice.opens
    partial = life.world.members[0].sign_order(life.terms, "technical", None, life.now, life.world.entropy)
    life.say(EventType.PARTIAL, partial, life.world.members[0].key, "technical")
    return concluded(opened(life))


@lie(6, "about another tender")
def the_opening_is_of_another_tender() -> Files:
    return lived(Liar(signing=Opening, tender="ocds-0s3al1-t2"))


@lie(6, "about another tender")
def the_opening_is_of_another_notice() -> Files:
    return lived(Liar(signing=Opening, notice="00" * 32))


@lie(6, "another part or round")
def the_opening_names_another_round() -> Files:
    return lived(Liar(signing=Opening, round="1"))


@lie(
    6,
    "what opens the bids at a set time and draws lots, the beacon's signature, is not genuine",
    "false beacon",
    Who.SERVICE,
    "The random number of another time is passed off as that of the opening.",
)
def the_beacons_signature_is_another_rounds() -> Files:
    return lived(Liar(signing=Opening, beacon=the_world().beacon.sign(1, START).signature.hex()))


@lie(6, "not what the committee signed")
def the_published_key_is_another_orders() -> Files:
    other = Life(notice=a_notice(the_world(), title="Other desks"))
    other.close()
    keys = combined("bid", other.order("bid"), other.notice.committee, other.key, other.terms)
    return lived(Liar(signing=Opening, keys=keys))


@lie(6, "not what the committee signed")
def a_key_is_kept_back() -> Files:
    return lived(Liar(signing=Opening, keys=()))


@lie(7, "other bids than those that count")
def a_tender_without_bids_is_opened_without_a_key() -> Files:
    """The draws are made from the key: without one there would be nothing to draw from."""
    life = Liar(signing=Opening, keys=())
    life.close()
    one = life.order("bid", life.world.members[:1])
    life.open(
        "bid", [*one, life.world.members[1].sign_order(life.terms, "bid", None, life.now, life.world.entropy)]
    )
    return concluded(life)


@lie(7, "other bids than those that count")
def the_price_of_a_bid_without_a_technical_part_is_opened() -> Files:
    life = a_panel_life()
    price = life.contents_for("100000", None, ["1"])["price"]
    failed = life.submit(a_bidder(life.world, 9), contents={"technical": b"?", "price": price})
    life.close()
    life.open("technical")
    life.score_sheet()
    whole = life.counted
    life.counted = [
        msgspec.structs.replace(e, proposal=whole[0].proposal) if e.id == failed else e for e in whole
    ]
    partials = life.order("price")
    life.counted = whole
    life.open("price", partials)
    return concluded(life)


# ── what the envelopes open to ───────────────────────────────────────────────────────────────────────────


def with_a_spoilt_bid(life: Life) -> Life:
    """A fourth bidder's content cannot be read."""
    life.submit(a_bidder(life.world, 9), contents=dict.fromkeys(life.notice.parts, b"?"))
    return life


@lie(
    7,
    "envelope … opens to something else than was published",
    "changed price",
    Who.SERVICE,
    "The published price of a bid is made lower than what its bidder sealed.",
)
def a_content_is_changed() -> Files:
    life = a_life()
    files = all_of(life)
    cheaper = encode(Bid(offers=(LotOffer(lot="1", amount="1"),)))
    return files | {f"contents/{life.counted[0].id}.bid.json": cheaper}


@lie(7, "opens to something else than was published")
def a_content_is_changed_and_logged_so() -> Files:
    cheaper = encode(Bid(offers=(LotOffer(lot="1", amount="1"),)))
    life = begun(Liar(logging=EventType.BID_OPENED, content=sha256(cheaper).hex()))
    files = all_of(life)
    return files | {path: cheaper for path in files if path.startswith("contents/")}


@lie(
    7,
    "envelope … opens to something else than was published",
    "good bids called unreadable",
    Who.SERVICE,
    "Bids that can be read are said to be unreadable, so that they do not count.",
)
def bids_that_open_are_called_unopenable() -> Files:
    instead: dict[str, Any] = {"t": EventType.BID_UNOPENABLE, "content": None, "reason": "locked-otherwise"}
    return lived(Liar(logging=EventType.BID_OPENED, **instead))


@lie(7, "opens to something else than was published")
def a_bid_is_unopenable_for_another_reason() -> Files:
    life = begun(Liar(logging=EventType.BID_UNOPENABLE, reason="declarations-wrong"))
    return all_of(with_a_spoilt_bid(life))


@lie(
    7,
    "envelope … opens to something else than was published",
    "price made up for an unreadable bid",
    Who.SERVICE,
    "A bid that nobody can read is given a price once all the others are known.",
)
def a_bid_that_does_not_open_is_given_a_content() -> Files:
    """The service would choose a price for a friend when it knows all the others."""
    content = encode(Bid(offers=(LotOffer(lot="1", amount="909999"),)))
    instead: dict[str, Any] = {"t": EventType.BID_OPENED, "content": sha256(content).hex(), "reason": None}
    life = with_a_spoilt_bid(begun(Liar(logging=EventType.BID_UNOPENABLE, **instead)))
    files = all_of(life)
    return files | {f"contents/{life.submitted[-1].statement}.bid.json": content}


class Relabelling(Life):
    """Writes another type of event into the log, and leaves its other fields as they are."""

    def __init__(self, old: EventType, new: EventType) -> None:
        self.old, self.new = (f'"t":"{each}"'.encode() for each in (old, new))
        super().__init__()

    def log(self, *events: Event) -> None:
        for event in events:
            super().log(event)
            self.entries[-1] = self.entries[-1].replace(self.old, self.new)
            self.head = msgspec.structs.replace(self.head, prev=sha256(self.entries[-1]).hex())


@lie(3, "bid:opened with other fields")
def a_bid_is_called_opened_for_the_reason_that_it_did_not_open() -> Files:
    life = with_a_spoilt_bid(begun(Relabelling(EventType.BID_UNOPENABLE, EventType.BID_OPENED)))
    content = encode(Bid(offers=(LotOffer(lot="1", amount="909999"),)))
    return all_of(life) | {f"contents/{life.submitted[-1].statement}.bid.json": content}


@lie(3, "bid:unopenable with other fields")
def bids_are_called_unopenable_beside_their_content() -> Files:
    return lived(Relabelling(EventType.BID_OPENED, EventType.BID_UNOPENABLE))


@lie(
    7,
    "the bid parts opened are not those that count: a bid was passed over, or one opened too many",
    "bid passed over at the opening",
    Who.SERVICE,
    "A bid that is in the list is not published when bids are opened.",
)
def a_bid_is_never_mentioned_again() -> Files:
    def is_of_the_first_bidder(life: Life, event: Event) -> bool:
        return event.t is EventType.BID_OPENED and event.statement == life.submitted[2].statement

    return lived(Forgetful(None, is_of_the_first_bidder))


@lie(7, "opened twice")
def a_bid_is_opened_twice() -> Files:
    life = a_life()
    life.close()
    opened(life)
    content = life.contents[life.counted[0].id, "bid"]
    life.log(life.opened_event("bid", life.counted[0].id, content))
    return concluded(life)


@lie(
    7,
    "a bid was opened that does not count",
    "replaced bid opened instead",
    Who.SERVICE,
    "The bid that its bidder had replaced is opened and published.",
)
def a_replaced_bid_is_opened() -> Files:
    life = a_life()
    life.close()
    opened(life)
    replaced = next(chain[0] for chain in life.closing.chains if len(chain) > 1)
    content = encode(Bid(offers=(LotOffer(lot="1", amount="1"),)))
    life.log(life.opened_event("bid", replaced, content))
    return concluded(life) | {f"contents/{replaced}.bid.json": content}


@lie(
    3,
    "the content of a bid comes before anybody could open it",
    "price leaked before its time",
    Who.SERVICE,
    "A price is published before the order that opens prices.",
)
def a_price_is_known_before_it_is_opened() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.log(
        life.opened_event("price", life.counted[0].id, life.contents_for("930000", None, ["1"])["price"])
    )
    life.score_sheet()
    life.open("price")
    return concluded(life)


# ── bidders ──────────────────────────────────────────────────────────────────────────────────────────────


@lie(
    4,
    "the closing statement does not give each bidder one chain of bids, of which the last one counts",
    "two bids of one bidder",
    Who.SERVICE,
    "A bidder has two bids that both count.",
)
def a_bidder_counts_twice() -> Files:
    life = a_life()
    life.accept(bidders()[0], a_sealed_bid(life, bidders()[0], "900000"))
    return all_of(life)


@lie(4, "does not give each bidder one chain")
def a_bidder_counts_twice_with_two_certificates() -> Files:
    life = a_life()
    life.submit(a_bidder(life.world, 1), "900000")
    return all_of(life)


@lie(4, "does not give each bidder one chain")
def a_replaced_envelope_counts_beside_the_one_that_replaces_it() -> Files:
    life = a_life()
    return closed(life, chains=tuple((each.statement,) for each in life.submitted))


@lie(
    8,
    "an envelope replaces another one than the closing statement says",
    "rival's bid passed off as replaced",
    Who.SERVICE,
    "A rival's bid is said to be an older one of the winner's, so that it does not count.",
)
def a_competitors_bid_is_passed_off_as_one_that_the_winner_replaced() -> Files:
    life = a_life()
    first, second, third, last_ = (each.statement for each in life.submitted)
    winner = life.submitted[3].bidder
    life.submitted[1] = msgspec.structs.replace(life.submitted[1], bidder=winner)
    return closed(life, chains=((first, third), (second, last_)))


@lie(
    8,
    "an envelope is another bidder's than the closing statement says",
    "swapped bids",
    Who.SERVICE,
    "A bid is counted under another business's name.",
)
def a_counted_envelope_is_said_to_be_somebody_elses() -> Files:
    life = a_life()
    life.submitted[3] = msgspec.structs.replace(life.submitted[3], bidder="999-99-99999")
    return all_of(life)


@lie(4, "does not give each bidder one chain")
def a_bidder_is_said_to_have_replaced_a_competitors_bid() -> Files:
    life = a_life()
    first, second, third, last_ = (each.statement for each in life.submitted)
    return closed(life, chains=((first, third), (second, last_)))


@lie(8, "terms is not this tender's")
def an_envelope_for_other_terms_counts() -> Files:
    life = a_life()
    bidder = a_bidder(life.world, 9)
    life.accept(bidder, a_sealed_bid(life, bidder, "900000", terms="00" * 32))
    return all_of(life)


@lie(7, "has no part bid")
def an_envelope_without_the_tenders_part_counts() -> Files:
    life = a_life()
    bidder = a_bidder(life.world, 9)
    whole = Statement(a_sealed_bid(life, bidder, "900000")).read(Envelope)
    part = msgspec.structs.replace(whole.parts[0], part="price")
    id = life.accept(bidder, sign(msgspec.structs.replace(whole, parts=(part,)), bidder))
    life.close()
    life.counted = [
        msgspec.structs.replace(each, envelope=whole) if each.id == id else each for each in life.counted
    ]
    return concluded(opened(life))


@lie(
    8,
    "the signature does not belong to this statement and key",
    "borrowed signature",
    Who.BETWEEN,
    "The signature of one bid is put under another.",
)
def an_envelopes_signature_is_anothers() -> Files:
    life = a_life()
    files = all_of(life)
    one, two = (f"bids/{each.id}.json" for each in life.counted[:2])
    swapped = json.loads(files[one]) | {"signatures": json.loads(files[two])["signatures"]}
    swapped["signatures"][0]["keyid"] = json.loads(files[one])["signatures"][0]["keyid"]
    return files | {one: encode(swapped)}


# ── draws, score sheets, ranking ─────────────────────────────────────────────────────────────────────────


@lie(
    9,
    "the preliminary prices that were revealed are not those of the notice",
    "exchanged preliminary prices",
    Who.OFFICER,
    "The secret prices from which the expected price is drawn are exchanged after bids are known.",
)
def other_prices_are_revealed_than_were_committed() -> Files:
    return lived(Liar(FLOOR, signing=RevealedPrices, prices=(*PRICES[1:], PRICES[0])))


@lie(9, "revealed twice, or before the opening")
def the_prices_are_revealed_twice() -> Files:
    life = a_life(FLOOR)
    life.close()
    opened(life).reveal("1", SALT, PRICES)
    return concluded(life)


@lie(9, "commits to no prices")
def prices_are_revealed_where_none_were_committed() -> Files:
    life = a_life()
    life.close()
    opened(life).reveal("1", SALT, PRICES)
    life.revealed.clear()
    return concluded(life)


@lie(
    10,
    "a score sheet was signed after a price order, when prices were known",
    "scores after prices",
    Who.EVALUATOR,
    "A score sheet is signed when prices are known already.",
)
def a_score_sheet_follows_the_price_orders() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.score_sheet()
    sheet = life.sheets[0]
    life.open("price")
    again = msgspec.structs.replace(sheet, time=moment(life.now))
    life.say(EventType.SHEET_SIGNED, again, life.world.evaluator)
    return concluded(life)


@lie(10, "not those of the panel")
def the_panel_signs_no_sheet() -> Files:
    return lived(Forgetful(panel_rules(budget="1000000"), lambda _, event: event.t is EventType.SHEET_SIGNED))


@lie(10, "scores every bid by every criterion")
def a_score_sheet_leaves_a_bid_out() -> Files:
    class Partial(Liar):
        def signed(self, payload: Payload, key: SigningKey) -> bytes:
            if isinstance(payload, SignedScores):
                payload = msgspec.structs.replace(payload, scores=payload.scores[1:])
            return super().signed(payload, key)

    return lived(Partial(panel_rules(budget="1000000")))


@lie(
    10,
    "the score sheet of … does not count: a score of … is outside 0 to …",
    "bomb score",
    Who.EVALUATOR,
    "An evaluator gives more points than a criterion has.",
)
def a_score_is_above_its_criterions_points() -> Files:
    class Generous(Liar):
        def signed(self, payload: Payload, key: SigningKey) -> bytes:
            if isinstance(payload, SignedScores):
                best = msgspec.structs.replace(payload.scores[0], score="91")
                payload = msgspec.structs.replace(payload, scores=(best, *payload.scores[1:]))
            return super().signed(payload, key)

    return lived(Generous(panel_rules(budget="1000000")))


def ranked(change: Callable[[Evaluation], Evaluation], rules: Rules | None = None) -> Files:
    """An honest life but for the evaluation that the service publishes, and that the officer follows."""
    life = a_life(rules)
    life.close()
    return evaluated_as(opened(life), change)


def evaluated_as(life: Life, change: Callable[[Evaluation], Evaluation]) -> Files:
    """An open tender of one lot, concluded with another evaluation than it has."""
    opening = life.openings[life.notice.parts[0]]
    lots = score(life.notice, life.notice_id, opening, life.counted, life.sheets, life.revealed)
    life.evaluate(lots=(LotEvaluation(lot="1", evaluation=change(lots[0].evaluation)),))
    life.award()
    return life.files()


@lie(
    11,
    AGAIN,
    "winner and second swapped",
    Who.SERVICE,
    "The second best bid is ranked first.",
)
def the_winner_and_the_second_change_places() -> Files:
    return ranked(swapped)


def swapped(evaluation: Evaluation) -> Evaluation:
    one, two, *rest = evaluation.ranking
    one, two = msgspec.structs.replace(two, rank=1), msgspec.structs.replace(one, rank=2)
    return msgspec.structs.replace(evaluation, ranking=(one, two, *rest))


def judged_by(rules: Rules, by: Rules) -> Files:
    """A tender under `rules` whose bids are judged by others."""
    life = a_life(rules)
    life.close()
    opened(life)
    other = msgspec.structs.replace(life.notice, lots=(a_lot(by),))
    opening = life.openings[life.notice.parts[0]]
    lots = score(other, life.notice_id, opening, life.counted, life.sheets, life.revealed)
    life.evaluate(lots=lots)
    life.award()
    return life.files()


@lie(
    11,
    AGAIN,
    "other rule version",
    Who.SERVICE,
    "Bids are judged by another version of the rules than the notice names.",
)
def bids_are_judged_by_another_version_of_the_rules() -> Files:
    return judged_by(LowestPrice(), LowestPrice2(abnormal_below="99", abnormal_from=3))


@lie(
    11,
    AGAIN,
    "other parameters",
    Who.SERVICE,
    "Bids are judged with another ceiling than the notice states, which shuts a rival out.",
)
def bids_are_judged_with_other_parameters() -> Files:
    return judged_by(LowestPrice(), LowestPrice(ceiling="915000"))


@lie(
    11,
    AGAIN,
    "wrong tie-break",
    Who.SERVICE,
    "Of two equal bids the one that lost the draw is ranked first.",
)
def the_loser_of_the_tie_break_comes_first() -> Files:
    life = Life()
    for bidder in bidders()[:2]:
        life.submit(bidder, "910000")
    life.close()
    return evaluated_as(opened(life), swapped)


@lie(11, "come out differently")
def a_bid_is_left_out_of_the_ranking() -> Files:
    return ranked(lambda evaluation: msgspec.structs.replace(evaluation, ranking=evaluation.ranking[1:]))


@lie(
    11,
    AGAIN,
    "re-scored",
    Who.SERVICE,
    "The winner's total is published a little higher than its score sheets make it.",
)
def a_score_is_changed_in_the_last_decimal() -> Files:
    def better(evaluation: Evaluation) -> Evaluation:
        one = msgspec.structs.replace(evaluation.ranking[0], total="90.0001")
        return msgspec.structs.replace(evaluation, ranking=(one, *evaluation.ranking[1:]))

    return ranked(better, panel_rules(budget="1000000"))


@lie(11, "come out differently")
def a_line_of_the_explanation_is_changed() -> Files:
    def explain(evaluation: Evaluation) -> Evaluation:
        return msgspec.structs.replace(evaluation, lines=())

    return ranked(explain, FLOOR)


@lie(
    11,
    AGAIN,
    "other expected price",
    Who.SERVICE,
    "The price that was drawn is published as another one.",
)
def the_expected_price_is_changed() -> Files:
    return ranked(lambda evaluation: msgspec.structs.replace(evaluation, expected_price="1"), FLOOR)


# ── award ────────────────────────────────────────────────────────────────────────────────────────────────


@lie(
    12,
    "the intended award names someone else than the first in line",
    "award to somebody else",
    Who.OFFICER,
    "The award is intended for somebody who is not first in line.",
)
def the_award_goes_to_another_bidder() -> Files:
    return lived(Liar(signing=IntendedAward, awards=(LotAward(lot="1", bid="00" * 32, supplier="O-1"),)))


@lie(12, "names another evaluation")
def the_intention_follows_another_evaluation() -> Files:
    return lived(Liar(signing=IntendedAward, evaluation="00" * 32))


@lie(
    12,
    "the award differs from what was intended",
    "award changed after complaints",
    Who.OFFICER,
    "Another award is made than the one that bidders could complain about.",
)
def the_award_differs_from_what_was_intended() -> Files:
    return lived(Liar(signing=Award, awards=(LotAward(lot="1"),)))


@lie(12, "differs from what was intended")
def the_award_follows_another_intention() -> Files:
    return lived(Liar(signing=Award, intention="00" * 32))


def awarded(**how: Any) -> Life:
    life = a_life()
    life.close()
    opened(life).evaluate()
    life.award(**how)
    return life


@lie(
    12,
    "the award came before the end of the standstill, the time for complaints",
    "shortened standstill",
    Who.OFFICER,
    "The award is made before the time for complaints is over.",
)
def the_award_comes_before_the_end_of_the_standstill() -> Files:
    return awarded(standstill=timedelta(seconds=3599)).files()


@lie(
    12,
    "witnesses saw the award before the time that it states",
    "award dated forward",
    Who.OFFICER,
    "The award is made early and dated as if the time for complaints were over.",
)
def the_award_is_dated_later_than_it_was_made() -> Files:
    life = awarded()
    life.now -= timedelta(seconds=3599)
    return life.files()


@lie(
    12,
    "… is not in charge of this tender: the tender is in other officers' hands",
    "award by a stranger",
    Who.OFFICER,
    "An officer whom the notice does not name makes the award.",
)
def another_officer_awards() -> Files:
    return awarded(officer=another_officer()).files()


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)
