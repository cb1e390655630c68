"""Who may do what, as the award record shows it: good standing, four eyes, separation of duties, conflicts of
interest, joint bids. Honest lives in which somebody steps back, and lies about each of these rules."""

from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest

from bids.envelope import CoSignature
from bids.orders import OrderRefusal
from crypto.certificates import Authority, Role, SigningKey
from crypto.encoding import encode, from_base64, to_base64
from crypto.revocation import Status
from crypto.statements import Payload
from procurement.awards import (
    ConflictDeclaration,
    Countersignature,
    CriterionScore,
    IntendedAward,
    SignedScores,
    first_in_line,
)
from procurement.history import Event, EventType
from procurement.record import Verdict, verify
from procurement.scoring import expected_scores, proposed
from tests.builders import (
    DAY,
    DEADLINE,
    START,
    Life,
    World,
    a_bidder,
    a_lot,
    a_notice,
    packed,
    panel_rules,
    signed_anyhow,
    the_world,
)
from tests.lies.catalogue import Files, Lie, Who, check_refused, last, lies_into
from tests.lies.test_life import (
    FLOOR,
    MINUTE,
    PRICES,
    SALT,
    SECOND,
    Forgetful,
    Liar,
    a_life,
    a_panel_life,
    all_of,
    answered,
    begun,
    bidders,
    concluded,
    lived,
    opened,
    with_history,
)

PANEL = panel_rules(budget="1000000")
LIES: list[Lie] = []
lie = lies_into(LIES)


def verified(files: Files) -> Verdict:
    verdict = verify(packed(files), the_world().trust)
    assert (verdict.outcome, verdict.clean) == ("verified", True), last(verdict)
    return verdict


@cache
def somebody(role: Role, registration: str) -> SigningKey:
    """Somebody of the world with that number, under a certificate of their own."""
    return the_world().enrol(role, f"Somebody {registration}", registration)


def scored(life: Life) -> Life:
    life.close()
    opened(life).evaluate()
    return life


def awarded(life: Life, **how: Any) -> Files:
    scored(life).award(**how)
    return life.files()


def named(*evaluators: SigningKey, world: World | None = None) -> Life:
    """A tender with these on its panel."""
    world = copy(world or the_world())
    world.panel = list(evaluators)
    fingerprints = tuple(each.fingerprint for each in evaluators)
    return begun(Life(world, a_notice(world, a_lot(PANEL), evaluators=fingerprints)))


# ── honest lives ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_verdict_says_who_published_declared_awarded_and_countersigned() -> None:
    steps = verified(all_of(a_panel_life())).steps
    assert steps[2].findings[1:3] == (
        "published by Officer Kim (O-1)",
        "countersigned by Officer Park (O-2)",
    )
    assert steps[9].findings == (
        "Evaluator Lee (E-Lee) declared no conflict",
        "Officer Kim (O-1) declared no conflict",
        "Officer Park (O-2) declared no conflict",
        "1 score sheets",
    )
    assert steps[11].findings[-1] == "awarded by Officer Kim (O-1), countersigned by Officer Park (O-2)"


def test_a_trust_file_need_not_name_the_roots_of_roles_that_sign_nothing_in_a_record() -> None:
    trust = the_world().trust
    roots = {role: each for role, each in trust.roots.items() if role not in (Role.AUDITOR, Role.REGISTRAR)}
    files = all_of(a_panel_life())
    assert verify(packed(files), msgspec.structs.replace(trust, roots=roots)).outcome == "verified"
    del roots[Role.EVALUATOR]
    assert verify(packed(files), msgspec.structs.replace(trust, roots=roots)).outcome == "refused"


def test_the_second_officer_may_intend_and_award_and_the_first_countersign() -> None:
    world = the_world()
    verified(awarded(a_life(), officer=world.second, second=world.officer))


def test_a_third_officer_may_countersign_the_award() -> None:
    verdict = verified(awarded(a_life(), second=somebody(Role.OFFICER, "O-3")))
    assert verdict.steps[11].findings[-1].endswith("countersigned by Somebody O-3 (O-3)")


def test_one_officer_may_award_what_the_other_intended() -> None:
    class Relayed(Life):
        def award(self, *_: Any, **__: Any) -> None:
            self.declare(self.world.officer)
            self.declare(self.world.second)
            about = self.about(self.world.second)
            awards = first_in_line(self.evaluated)
            intended = IntendedAward(**about, evaluation=self.evaluation_id, awards=awards)
            self.intention = self.say(EventType.INTENDED, intended, self.world.second)
            self.now += timedelta(seconds=self.notice.standstill)
            super().award()

        def say(self, type_: EventType, payload: Payload, key: SigningKey, part: Any = None) -> str:
            if type_ is EventType.INTENDED and key is self.world.officer:
                return self.intention
            return super().say(type_, payload, key, part)

    verified(lived(Relayed()))


def test_an_officer_with_a_conflict_steps_back_and_others_award() -> None:
    life = scored(a_life())
    life.declare(life.world.officer, "My brother bids.")
    life.award(officer=life.world.second, second=somebody(Role.OFFICER, "O-3"))
    verdict = verified(life.files())
    assert "Officer Kim (O-1) declared a conflict: My brother bids." in verdict.steps[9].findings


def test_the_second_officer_answers_for_a_late_closing_and_reveals_prices() -> None:
    second = the_world().second
    verdict = verify(packed(concluded(opened(answered(a_life(), key=second)))), the_world().trust)
    assert verdict.outcome == "verified", last(verdict)
    life = a_life(FLOOR)
    life.close()
    life.open("bid")
    life.reveal("1", SALT, PRICES, second)
    verified(concluded(life))


def test_an_evaluator_with_a_conflict_is_not_waited_for() -> None:
    life = named(*the_world().panel)
    life.close()
    life.open("technical")
    life.declare(life.world.panel[1], "I own shares of one of them.")
    life.score_sheet()
    life.open("price")
    assert verified(concluded(life)).steps[9].findings[-1] == "1 score sheets"


def test_a_renewed_certificate_is_the_same_person() -> None:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.declare(life.world.evaluator)
    life.score_sheet(evaluator=somebody(Role.EVALUATOR, "E-Lee"))
    life.open("price")
    life.evaluate()
    life.award(officer=somebody(Role.OFFICER, "O-1"), second=somebody(Role.OFFICER, "O-2"))
    verified(life.files())


def test_whoever_is_revoked_afterwards_has_still_done_what_was_done() -> None:
    life = a_panel_life()
    life.close()
    for part in life.notice.parts:
        life.open(part)
        if part == "technical":
            life.score_sheets()
    world = life.world
    for key in (*bidders(), world.evaluator, *(member.key for member in world.members)):
        life.revoke(key)
    life.now += SECOND
    verified(concluded(life))


def test_a_joint_bid_is_verified_with_all_its_partners() -> None:
    life = a_joint_life()
    verdict = verified(all_of(life))
    assert verdict.steps[7].findings == (
        "4 bidders' signatures and certificates",
        "2 partners' co-signatures and certificates",
    )
    assert verdict.steps[11].findings[0] == "lot 1: 123-45-00011 with 123-45-00012 with 123-45-00013"
    assert len([path for path in life.files() if path.startswith("co-signatures/")]) == 2


def test_co_signatures_of_a_replaced_envelope_are_not_in_the_record() -> None:
    life = Life()
    lead, one, two = (a_bidder(the_world(), number) for number in (11, 12, 13))
    first = life.submit(lead, "900000", partners=[one])
    life.submit(lead, "890000", partners=[one, two], previous=first)
    verified(all_of(life))


def test_a_status_older_than_a_revocation_in_force_is_said_not_to_be_checked() -> None:
    """Only the log shows that a revocation came between: the record holds what the service pinned."""
    life = a_life()
    life.now = DEADLINE
    before = life.status()
    life.revoke(life.world.service)
    life.current[life.now.date(), 1] = before
    verdict = verified(all_of(life))
    assert any("certificate:revoked" in each for each in verdict.not_checked)


# ── good standing ────────────────────────────────────────────────────────────────────────────────────────


class Unwatched(Life):
    """Somebody's certificate is revoked before an entry of one type, or before everything."""

    def __init__(self, who: Callable[[World], SigningKey], before: EventType, rules: Any = None) -> None:
        self.who, self.before = who, before
        super().__init__(notice=a_notice(the_world(), a_lot(rules), practice=rules == FLOOR))

    def post(self, type_: EventType, data: bytes, key: SigningKey, part: Any = None) -> str:
        if type_ is self.before and not self.revoked:
            self.revoke(self.who(self.world))
        return super().post(type_, data, key, part)


def unwatched(
    who: Callable[[World], SigningKey], before: EventType, rules: Any = None
) -> Callable[[], Files]:
    return lambda: lived(Unwatched(who, before, rules))


REVOKED: dict[str, tuple[int, Callable[[], Files]]] = {
    "officer, notice": (3, unwatched(lambda world: world.officer, EventType.PUBLISHED)),
    "second officer, notice": (3, unwatched(lambda world: world.second, EventType.COUNTERSIGNED)),
    "member, notice": (3, unwatched(lambda world: world.members[2].key, EventType.PUBLISHED)),
    "evaluator, notice": (3, unwatched(lambda world: world.evaluator, EventType.PUBLISHED, PANEL)),
    "service, closing": (4, unwatched(lambda world: world.service, EventType.CLOSED)),
    "member, order": (6, unwatched(lambda world: world.members[0].key, EventType.PARTIAL)),
    "service, opening": (6, unwatched(lambda world: world.service, EventType.OPENED)),
    "officer, prices": (9, unwatched(lambda world: world.officer, EventType.PRICES_REVEALED, FLOOR)),
    "evaluator, word": (10, unwatched(lambda w: w.evaluator, EventType.CONFLICT_DECLARED, PANEL)),
    "evaluator, sheet": (10, unwatched(lambda world: world.evaluator, EventType.SHEET_SIGNED, PANEL)),
    "service, evaluation": (11, unwatched(lambda world: world.service, EventType.SCORED)),
    "officer, intention": (12, unwatched(lambda world: world.officer, EventType.INTENDED)),
    "second officer, award": (12, unwatched(lambda w: w.second, EventType.AWARD_COUNTERSIGNED)),
    "officer, award": (12, unwatched(lambda world: world.officer, EventType.AWARDED)),
}


@pytest.mark.parametrize("who", REVOKED)
def test_whoever_was_revoked_before_says_nothing_that_counts(who: str) -> None:
    step, tell = REVOKED[who]
    check_refused(Lie(tell, step, "was revoked"))


@lie(
    8,
    "… could not act as business at …: the certificate was revoked",
    "revoked certificate",
    Who.BIDDER,
    "A business bids under a certificate that had been revoked.",
)
def a_bidder_was_revoked_before_its_bid() -> Files:
    life = a_life()
    bidder = a_bidder(life.world, 9)
    life.revoke(bidder)
    life.submit(bidder, "900000")
    return all_of(life)


@lie(8, "was revoked")
def a_partner_was_revoked_before_the_joint_bid() -> Files:
    life = a_life()
    lead, partner = a_bidder(life.world, 8), a_bidder(life.world, 9)
    life.revoke(partner)
    life.submit(lead, "900000", partners=[partner])
    return all_of(life)


PRACTICE = "practice-0123456789abcdef"


@lie(
    8,
    "… is a practice number: it is for practice tenders only",
    "practice bidder in a real tender",
    Who.BIDDER,
    "Somebody who is registered for practice only bids for a real contract.",
)
def somebody_bids_for_real_under_a_practice_number() -> Files:
    life = a_life()
    life.submit(somebody(Role.BUSINESS, PRACTICE), "900000")
    return all_of(life)


@lie(8, "is a practice number")
def a_partner_bids_for_real_under_a_practice_number() -> Files:
    life = a_life()
    life.submit(a_bidder(life.world, 9), "900000", partners=[somebody(Role.BUSINESS, PRACTICE)])
    return all_of(life)


@lie(3, "is a practice number")
def a_real_tender_is_an_officers_with_a_practice_number() -> Files:
    world = copy(the_world())
    world.officer = somebody(Role.OFFICER, PRACTICE)
    return lived(Life(world, a_notice(world)))


@lie(10, "is a practice number")
def somebody_with_a_practice_number_has_a_say_on_conflicts_in_a_real_tender() -> Files:
    return awarded(a_life(), second=somebody(Role.OFFICER, PRACTICE))


def test_practice_numbers_have_every_duty_in_a_practice_tender() -> None:
    world = copy(the_world())
    world.officer = somebody(Role.OFFICER, PRACTICE)
    life = begun(Life(world, a_notice(world, practice=True)))
    life.submit(somebody(Role.BUSINESS, "practice-fedcba9876543210"), "900000")
    verified(all_of(life))


class Backdated(Life):
    """Looks at everybody under the status of the first day."""

    def status(self) -> str:
        if not self.current:
            super().status()
        return next(iter(self.current.values()))


@lie(4, "of another time")
def the_closing_is_under_a_status_whose_lists_have_ended() -> Files:
    return lived(Backdated())


@lie(3, "of another time")
def the_notice_is_under_a_status_that_was_made_later() -> Files:
    later = the_world().status(START + DAY, {})

    class Prophetic(Life):
        def status(self) -> str:
            self.statuses[later.id] = encode(later)
            return later.id

    return lived(Prophetic())


@lie(8, "of another time")
def a_bid_is_under_a_status_of_another_day() -> Files:
    life = a_life()
    first = next(iter(life.statuses))
    life.submitted[1] = msgspec.structs.replace(life.submitted[1], status=first)
    return all_of(life)


class Dictated(Life):
    """Under a status that somebody else than the authorities made."""

    def __init__(self, change: Callable[[dict[Role, tuple[str, ...]], datetime], object]) -> None:
        self.change = change
        super().__init__()

    def status(self) -> str:
        lists = dict(the_world().status(self.now, {}).lists)
        self.change(lists, self.now)
        status = Status(lists=lists)
        self.statuses[status.id] = encode(status)
        return status.id


def listed_by(authority: Authority, at: datetime) -> tuple[str, ...]:
    return (to_base64(authority.list_revoked({}, 1, at - MINUTE, DAY)),)


@lie(
    3,
    "… could not act as officer at …",
    "forged revocation list",
    Who.REGISTRAR,
    "Who is in good standing is said by an authority of the same name that nobody trusts.",
)
def a_foreign_authority_of_the_same_name_made_a_list() -> Files:
    foreign = Authority.create(Role.OFFICER, START - DAY)
    return lived(Dictated(lambda lists, at: lists.update({Role.OFFICER: listed_by(foreign, at)})))


@lie(3, "no revocation list")
def another_roles_authority_made_a_list() -> Files:
    other = the_world().authorities[Role.BUSINESS]
    return lived(Dictated(lambda lists, at: lists.update({Role.OFFICER: listed_by(other, at)})))


@lie(3, "no revocation list of the certificate's committee root")
def a_status_has_no_list_of_a_role() -> Files:
    return lived(Dictated(lambda lists, at: lists.pop(Role.COMMITTEE)))


@lie(3, "not a revocation list")
def a_status_holds_something_else_than_lists() -> Files:
    return lived(Dictated(lambda lists, at: lists.update({Role.AUDITOR: (to_base64(b"nobody"),)})))


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_in_revocation_lists_never_crashes_a_verifier(seed: int) -> None:
    random = Random(seed)

    def spoil(lists: dict[Role, tuple[str, ...]], _: datetime) -> None:
        role = random.choice(sorted(lists))
        der = bytearray(from_base64(lists[role][0]))
        der[random.randrange(len(der))] ^= 1 << random.randrange(8)
        lists[role] = (to_base64(bytes(der)),)

    verdict = verify(packed(lived(Dictated(spoil))), the_world().trust)
    assert (verdict.outcome, verdict.steps[-1].number) == ("refused", 3)


def with_status(change: Callable[[Files, str, Life], object]) -> Files:
    """The officer is revoked on the day of the award; the record is changed afterwards."""
    life = Unwatched(lambda world: world.officer, EventType.AWARDED)
    files = lived(life)
    change(files, f"status/{next(reversed(life.statuses))}.json", life)
    return files


@lie(12, "is another certificate status")
def a_list_without_the_serial_is_swapped_in() -> Files:
    def swap(files: Files, path: str, life: Life) -> None:
        files[path] = encode(life.world.status(life.now, {}))

    return with_status(swap)


@lie(12, "lacks status/")
def the_status_of_the_award_is_missing() -> Files:
    return with_status(lambda files, path, life: files.pop(path))


@lie(13, "holds files that nothing refers to")
def a_status_that_nobody_was_looked_at_under_is_in_the_record() -> Files:
    other = the_world().status(START + 3 * DAY, {})
    return all_of(a_life()) | {f"status/{other.id}.json": encode(other)}


@lie(3, "tender:closed with other fields")
def an_entry_names_no_status() -> Files:
    class Silent(Life):
        def log(self, *events: Event) -> None:
            for event in events:
                super().log(event)
                if event.t is EventType.CLOSED:
                    said = f'"status":"{event.status}",'.encode()
                    self.entries[-1] = self.entries[-1].replace(said, b"")

    return lived(Silent())


@lie(3, "bid:opened with other fields")
def a_bid_outcome_names_a_status() -> Files:
    class Talkative(Life):
        def log(self, *events: Event) -> None:
            for event in events:
                super().log(event)
                if event.t is EventType.BID_OPENED:
                    status = f',"status":"{self.status()}","t":'.encode()
                    self.entries[-1] = self.entries[-1].replace(b',"t":', status)

    return lived(Talkative())


# ── four eyes ────────────────────────────────────────────────────────────────────────────────────────────


def countersigned(type_: EventType, key: SigningKey, **changes: Any) -> Life:
    """Somebody else countersigns, or something else."""

    class Countersigned(Life):
        def countersign(self, type__: EventType, statement: str, _: SigningKey | None = None) -> None:
            if type__ is not type_:
                return super().countersign(type__, statement)
            self.declare(key) if type_ is EventType.AWARD_COUNTERSIGNED else None
            said = Countersignature(**self.about(key), statement=statement)
            self.say(type_, msgspec.structs.replace(said, **changes), key)
            return None

    return begun(Countersigned())


@lie(3, "0 entries of type tender:countersigned")
def the_chain_stops_after_the_notice() -> Files:
    return with_history(lambda history: history.__delitem__(slice(1, None)))


@lie(3, "tender:closed before tender:countersigned")
def nobody_countersigns_the_notice() -> Files:
    return lived(Forgetful(None, lambda _, event: event.t is EventType.COUNTERSIGNED))


@lie(3, "order:refused before tender:countersigned")
def the_notice_is_countersigned_later() -> Files:
    class Hesitant(Life):
        def publish(self) -> None:
            self.say(EventType.PUBLISHED, self.notice, self.world.officer)
            member = self.world.members[2]
            refusal = OrderRefusal(**self.about(member.key), part="bid", member=3, reason="Too early.")
            self.say(EventType.REFUSED, refusal, member.key, "bid")
            self.countersign(EventType.COUNTERSIGNED, self.notice_id)

    return lived(Hesitant())


@lie(
    3,
    "those who act in this tender are not kept apart: a notice is countersigned by a second officer",
    "one officer signs twice",
    Who.OFFICER,
    "The officer who publishes the notice countersigns it, too.",
)
def the_officer_countersigns_the_notice() -> Files:
    return all_of(countersigned(EventType.COUNTERSIGNED, the_world().officer))


@lie(3, "notice is countersigned by a second officer")
def the_officer_countersigns_the_notice_under_another_certificate() -> Files:
    return all_of(countersigned(EventType.COUNTERSIGNED, somebody(Role.OFFICER, "O-1")))


@lie(3, "another statement is countersigned")
def something_else_than_the_notice_is_countersigned() -> Files:
    return all_of(countersigned(EventType.COUNTERSIGNED, the_world().second, statement="00" * 32))


@lie(3, "about another tender")
def another_tenders_notice_is_countersigned() -> Files:
    return all_of(countersigned(EventType.COUNTERSIGNED, the_world().second, tender="ocds-0s3al1-t2"))


class Impersonated(Life):
    """A statement of one type is signed by somebody whose role does not make such statements."""

    def __init__(self, type_: type[Payload], key: SigningKey, rules: Any = None) -> None:
        self.type_, self.impostor = type_, key
        super().__init__(notice=a_notice(the_world(), a_lot(rules)))

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        if not isinstance(payload, self.type_):
            return super().signed(payload, key)
        self.keep_certificate(self.impostor)
        body = encode(msgspec.structs.replace(payload, signer=self.impostor.fingerprint))
        return signed_anyhow(payload.PURPOSE, body, self.impostor)


@lie(3, "role registrar does not sign statements of type countersignature")
def a_registrar_countersigns_the_notice() -> Files:
    return lived(Impersonated(Countersignature, somebody(Role.REGISTRAR, "R-1")))


@lie(10, "role committee does not sign statements of type conflict-declaration")
def a_committee_member_declares_for_the_evaluator() -> Files:
    return lived(Impersonated(ConflictDeclaration, the_world().members[0].key, PANEL))


@lie(
    3,
    "the award comes before the second officer's signature under the award",
    "award not countersigned",
    Who.OFFICER,
    "The award is made without a second officer's signature.",
)
def nobody_countersigns_the_award() -> Files:
    return lived(Forgetful(None, lambda _, event: event.t is EventType.AWARD_COUNTERSIGNED))


@lie(
    12,
    "… may not be the second to sign this: what one officer signs is countersigned by a second officer",
    "award countersigned by the same person",
    Who.OFFICER,
    "The officer who awards countersigns the award, too.",
)
def the_officer_countersigns_the_award() -> Files:
    return all_of(countersigned(EventType.AWARD_COUNTERSIGNED, the_world().officer))


@lie(12, "countersigned by a second officer")
def the_officer_countersigns_the_award_under_another_certificate() -> Files:
    return all_of(countersigned(EventType.AWARD_COUNTERSIGNED, somebody(Role.OFFICER, "O-1")))


@lie(12, "another statement is countersigned")
def something_else_than_the_award_is_countersigned() -> Files:
    return all_of(countersigned(EventType.AWARD_COUNTERSIGNED, the_world().second, statement="00" * 32))


@lie(9, "in other officers' hands")
def another_officer_reveals_the_prices() -> Files:
    life = a_life(FLOOR)
    life.close()
    life.open("bid")
    life.reveal("1", SALT, PRICES, somebody(Role.OFFICER, "O-3"))
    return concluded(life)


@lie(10, "another opening")
def an_official_declared_before_it_could_be_known_who_bids() -> Files:
    life = scored(a_life())
    officer = life.world.officer
    about = life.about(officer) | {"opening": life.notice_id}
    early = ConflictDeclaration(**about, conflict=False, explanation="")
    life.say(EventType.CONFLICT_DECLARED, early, officer)
    life.declared.add(officer.certificate.registration)
    life.award()
    return life.files()


# ── separation of duties ─────────────────────────────────────────────────────────────────────────────────


@lie(3, "O-2 is second officer here and cannot be evaluator")
def the_second_officer_is_on_the_panel() -> Files:
    return all_of(named(somebody(Role.EVALUATOR, "O-2")))


@lie(
    3,
    "those who act in this tender are not kept apart: … is evaluator here and cannot be committee member",
    "one person, two duties",
    Who.OFFICER,
    "A member of the opening committee is on the panel that scores.",
)
def a_committee_member_is_on_the_panel() -> Files:
    return all_of(named(somebody(Role.EVALUATOR, "C-1")))


@lie(3, "two seats on the panel")
def one_person_has_two_seats_on_the_panel() -> Files:
    return all_of(named(the_world().evaluator, somebody(Role.EVALUATOR, "E-Lee")))


@lie(12, "E-Lee is second officer here and cannot be evaluator")
def an_evaluator_countersigns_the_award() -> Files:
    return awarded(a_panel_life(), second=somebody(Role.OFFICER, "E-Lee"))


@lie(12, "123-45-00001 is second officer here and cannot be bidder")
def a_bidder_countersigns_the_award() -> Files:
    return awarded(a_life(), second=somebody(Role.OFFICER, "123-45-00001"))


@pytest.mark.parametrize("number", ["O-1", "O-2", "E-Lee", "C-3"])
@pytest.mark.parametrize("jointly", [False, True])
def test_no_official_of_the_tender_bids_alone_or_as_a_partner(number: str, jointly: bool) -> None:
    def tell() -> Files:
        life, official = a_panel_life(), somebody(Role.BUSINESS, number)
        lead = a_bidder(life.world, 9) if jointly else official
        life.submit(lead, "900000", partners=[official] if jointly else [])
        return all_of(life)

    check_refused(Lie(tell, 8, f"{number} is "))


# ── conflicts of interest ────────────────────────────────────────────────────────────────────────────────


class Reticent(Life):
    """Somebody does not declare, or not what everybody else would."""

    def __init__(self, who: str, conflict: str | None, rules: Any = None) -> None:
        self.who, self.conflict = who, conflict
        super().__init__(notice=a_notice(the_world(), a_lot(rules)))

    def declare(self, key: SigningKey, conflict: str = "") -> None:
        if key.certificate.registration != self.who:
            super().declare(key, conflict)
        elif self.conflict is not None:
            super().declare(key, self.conflict)


@lie(10, "first declares")
def an_evaluator_scores_without_a_word_on_conflicts() -> Files:
    return lived(Reticent("E-Lee", None, PANEL))


@lie(
    10,
    "… acted against the rules on conflicts of interest: an official with a declared conflict of"
    " interest steps back",
    "conflicted evaluator",
    Who.EVALUATOR,
    "An evaluator scores after declaring that a relative bids.",
)
def an_evaluator_with_a_conflict_scores() -> Files:
    return lived(Reticent("E-Lee", "My sister bids.", PANEL))


@lie(10, "first declares")
def an_evaluator_declares_after_its_sheet() -> Files:
    class Later(Life):
        def score_sheet(self, points: Any = None, evaluator: SigningKey | None = None) -> None:
            key = evaluator or self.world.evaluator
            self.declared.add(key.certificate.registration)
            super().score_sheet(points, key)
            self.declared.clear()
            self.declare(key)

    return lived(Later(notice=a_notice(the_world(), a_lot(PANEL))))


@lie(
    12,
    "… acted against the rules on conflicts of interest: an official first declares whether there is a"
    " conflict",
    "no word on conflicts",
    Who.OFFICER,
    "An officer chooses the winner without declaring whether there is a conflict of interest.",
)
def an_officer_intends_without_a_word_on_conflicts() -> Files:
    return lived(Reticent("O-1", None))


@lie(12, "steps back")
def an_officer_with_a_conflict_intends() -> Files:
    return lived(Reticent("O-1", "My brother bids."))


@lie(12, "first declares")
def an_officer_countersigns_the_award_without_a_word_on_conflicts() -> Files:
    return lived(Reticent("O-2", None))


@lie(12, "steps back")
def an_officer_with_a_conflict_countersigns_the_award() -> Files:
    return lived(Reticent("O-2", "I am to work there."))


@lie(12, "first declares")
def an_officer_declares_after_the_intention() -> Files:
    life = scored(begun(Delayed()))
    life.award()
    return life.files()


class Delayed(Reticent):
    """The officer declares between the intention and the award."""

    def __init__(self) -> None:
        super().__init__("O-1", None)

    def say(self, type_: EventType, payload: Payload, key: SigningKey, part: Any = None) -> str:
        id = super().say(type_, payload, key, part)
        if type_ is EventType.INTENDED:
            Life.declare(self, key)
        return id


@lie(10, "declared twice")
def an_official_declares_twice() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.declare(life.world.evaluator, "A conflict, in spite of all.")
    life.declared.clear()
    life.score_sheet()
    life.open("price")
    return concluded(life)


@lie(10, "not those of the panel")
def an_evaluator_is_excused_only_after_the_price_orders() -> Files:
    life = named(*the_world().panel)
    life.close()
    life.open("technical")
    life.score_sheet()
    life.open("price", life.order("price"))
    life.declare(life.world.panel[1], "Now that I see the prices.")
    return concluded(life)


@lie(10, "nobody is left to score")
def prices_are_opened_though_the_whole_panel_steps_back() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.declare(life.world.evaluator, "I know them all.")
    life.open("price")
    life.sheets.append(a_sheet_in_a_drawer(life))
    return concluded(life)


def a_sheet_in_a_drawer(life: Life) -> SignedScores:
    """Signed by nobody who would say so, but scored by."""
    scores = tuple(
        CriterionScore(bid=bid, lot=lot, criterion=criterion, score="80")
        for bid, lot, criterion in expected_scores(life.notice, proposed(life.counted))
    )
    return SignedScores(**life.about(life.world.evaluator), scores=scores, salt="5a" * 32)


@lie(10, "whom the notice does not name")
def a_strangers_sheet_is_counted() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.score_sheet()
    life.declared.add("E-9")
    life.score_sheet(evaluator=somebody(Role.EVALUATOR, "E-9"))
    life.open("price")
    return concluded(life)


@lie(10, "whom the notice does not name")
def a_stranger_declares() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.declare(somebody(Role.EVALUATOR, "E-9"))
    life.score_sheet()
    life.open("price")
    return concluded(life)


@lie(
    10,
    "the bids were not scored by the panel: not every evaluator has scored, or somebody else has",
    "two votes of one evaluator",
    Who.EVALUATOR,
    "An evaluator scores twice, under an old and a new certificate.",
)
def one_evaluator_scores_twice_under_two_certificates() -> Files:
    life = a_panel_life()
    life.close()
    life.open("technical")
    life.score_sheet()
    life.score_sheet(evaluator=somebody(Role.EVALUATOR, "E-Lee"))
    life.open("price")
    return concluded(life)


@lie(3, "conflict:declared before tender:opened")
def an_official_declares_before_anybody_knows_who_bids() -> Files:
    life = a_life()
    life.close()
    life.declare(life.world.officer)
    return concluded(opened(life))


# ── joint bids ───────────────────────────────────────────────────────────────────────────────────────────


def a_joint_life(life: Life | None = None) -> Life:
    """Beside the three bidders one with two partners, and the cheapest of all."""
    life = begun(life or Life())
    lead, *partners = consortium()
    life.submit(lead, "900000", partners=partners)
    return life


@cache
def consortium() -> Sequence[SigningKey]:
    return [a_bidder(the_world(), number) for number in (11, 12, 13)]


def the_joint_bid(life: Life) -> str:
    return life.submitted[-1].statement


@lie(
    8,
    "a file that belongs there is missing",
    "partner who never signed",
    Who.BIDDER,
    "A joint bid names a partner who has not signed it.",
)
def a_partner_has_not_signed() -> Files:
    life = a_joint_life()
    del life.co_signatures[the_joint_bid(life), consortium()[1].fingerprint]
    return all_of(life)


@lie(8, "a partner signed another envelope")
def a_partner_signed_another_envelope() -> Files:
    return all_of(a_joint_life(Liar(signing=CoSignature, envelope="00" * 32)))


@lie(8, "a partner signed another envelope")
def a_partner_signed_for_another_tender() -> Files:
    return all_of(a_joint_life(Liar(signing=CoSignature, tender="ocds-0s3al1-t2")))


@lie(8, "signed under another certificate")
def one_partners_co_signature_stands_for_the_others() -> Files:
    life = a_joint_life()
    id = the_joint_bid(life)
    one, two = (id, consortium()[1].fingerprint), (id, consortium()[2].fingerprint)
    life.co_signatures[two] = life.co_signatures[one]
    return all_of(life)


@lie(8, "does not belong to this statement")
def a_partners_signature_is_forged() -> Files:
    life = a_joint_life()
    key = the_joint_bid(life), consortium()[1].fingerprint
    genuine = msgspec.json.decode(life.co_signatures[key])
    genuine["signatures"][0]["sig"] = to_base64(bytes(31) + b"\x01" + bytes(31) + b"\x01")
    life.co_signatures[key] = encode(genuine)
    return all_of(life)


@lie(
    8,
    "… could not act as business at …",
    "foreign certificate",
    Who.BIDDER,
    "A partner of a joint bid is certified by nobody who may do so.",
)
def a_partner_is_certified_by_nobody() -> Files:
    foreign = World("elsewhere").enrol(Role.BUSINESS, "Nobody", "999-99-99999")
    life = a_life()
    life.submit(consortium()[0], "900000", partners=[foreign])
    return all_of(life)


@lie(8, "certificate of role officer")
def a_partner_is_no_business() -> Files:
    class Signing(Life):
        def signed(self, payload: Payload, key: SigningKey) -> bytes:
            if isinstance(payload, CoSignature):
                return signed_anyhow(payload.PURPOSE, encode(payload), key)
            return super().signed(payload, key)

    life = begun(Signing())
    life.submit(consortium()[0], "900000", partners=[somebody(Role.OFFICER, "O-9")])
    return all_of(life)


@lie(
    8,
    "a business is in two bids, or twice in one",
    "business in two bids",
    Who.BIDDER,
    "A business is a partner in one bid and bids alone in another.",
)
def a_partner_bids_alone_as_well() -> Files:
    life = a_joint_life()
    life.submit(consortium()[1], "890000")
    return all_of(life)


@lie(8, "in two bids")
def a_bidder_is_a_competitors_partner_under_another_certificate() -> Files:
    life = a_life()
    life.submit(consortium()[0], "900000", partners=[somebody(Role.BUSINESS, "123-45-00001")])
    return all_of(life)


@lie(8, "or twice in one")
def a_lead_is_its_own_partner_under_another_certificate() -> Files:
    life = a_life()
    life.submit(consortium()[0], "900000", partners=[somebody(Role.BUSINESS, "123-45-00011")])
    return all_of(life)


@lie(13, "holds files that nothing refers to")
def somebody_else_co_signed_as_well() -> Files:
    life = a_joint_life()
    files = all_of(life)
    id, stranger = the_joint_bid(life), a_bidder(life.world, 19)
    said = CoSignature(**life.about(stranger), envelope=id)
    return files | {f"co-signatures/{id}.{stranger.fingerprint}.json": life.signed(said, stranger)}


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_about_people_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)
