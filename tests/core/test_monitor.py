"""The monitor: an honest log says nothing, and each rule finds what it is for."""

from datetime import date, timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids.envelope import SealedFile
from bids.receipts import CommitmentEntry
from crypto.certificates import SigningKey
from crypto.encoding import encode, moment, parse_moment, sha256
from crypto.statements import Statement
from procurement.awards import Termination
from procurement.bulk.listing import DataPublished
from procurement.history import Event, EventType, Head
from procurement.registry.statements import CertificateIssued, CertificateRevoked
from procurement.watching.monitor import Monitor
from procurement.web.look import RELEASED
from tests.builders import DEADLINE, START, Life, a_bidder, a_lot, a_notice, panel_rules, the_world
from tests.watched import Kept, Watched, codes, found

AFTER = moment(DEADLINE + timedelta(days=60))
"""When nothing can be late any more."""
NIGHT = moment(START + timedelta(days=7))[:10]


def begun(ocid: str = "ocds-0s3al1-t1", **changes: Any) -> Life:
    return Life(notice=a_notice(the_world(), tender=ocid, **changes))


def closed(watched: Watched, ocid: str = "ocds-0s3al1-t1", **changes: Any) -> Life:
    """Two bids, one of them replaced, one withdrawn, a file, and the closing statement."""
    file = SealedFile(number=1, sha256="ab" * 32, size=100)
    life = watched.life(lambda: begun(ocid, document_limit=1, document_size=1000))
    one, two = a_bidder(the_world(), 1), a_bidder(the_world(), 2)
    first = life.submit(one, "950000", documents=[file])
    life.receive(first, file)
    life.submit(one, "940000", previous=first)
    life.withdraw(two, life.submit(two, "930000"))
    life.close(**changes)
    return life


def awarded(watched: Watched, ocid: str = "ocds-0s3al1-t1") -> Life:
    life = watched.life(lambda: begun(ocid))
    life.submit(a_bidder(the_world(), 1), "950000")
    return life.to_award()


def ended(life: Life) -> None:
    """The tender is cancelled."""
    key = life.world.officer
    data = life.signed(Termination(**life.about(key), outcome="cancelled", reason="No budget."), key)
    life.countersign(EventType.TERMINATION_COUNTERSIGNED, id_of(data))
    life.post(EventType.TERMINATED, data, key)


def id_of(data: bytes) -> str:
    return Statement(data).id


def rewritten(kept: Kept, life: Life, **changes: Any) -> Kept:
    """The same log, but for what the closing statement of a tender says."""
    said = msgspec.structs.replace(life.closing, **changes)
    data = life.signed(said, life.world.service)
    kept.statements[id_of(data)] = data
    at = next(i for i, each in enumerate(kept.log) if life.closing_id.encode() in each)
    kept.log[at] = kept.log[at].replace(life.closing_id.encode(), id_of(data).encode())
    return kept


# ── honest logs ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_honest_log_says_nothing_and_is_told_in_numbers() -> None:
    watched = Watched()
    watched.entries += [encode(RELEASED), encode(CertificateIssued(certificate="1" * 64, statement="2" * 64))]
    watched.publish("day", date(2026, 3, 1))
    watched.cover(moment(START + timedelta(days=7)))
    awarded(watched)
    closed(watched, "ocds-0s3al1-t2")
    watched.cover(moment(START + timedelta(days=7, hours=1)))
    watched.reveal(NIGHT)
    open_ = watched.life(lambda: begun("ocds-0s3al1-t3"))
    open_.submit(a_bidder(the_world(), 3))
    monitor = Monitor(watched.kept())
    assert list(monitor.watch(AFTER)) == []
    told = monitor.summary
    assert (told.entries, told.tenders, told.closed, told.awarded) == (len(watched.entries), 3, 2, 1)
    assert (told.revealed, told.sealed, told.published, told.unknown) == (8, 1, 1, {})
    assert [(each.index, each.manifest) for each in monitor.released] == [(0, RELEASED.manifest)]


def test_lists_of_published_files_are_here_and_one_for_each_period() -> None:
    watched = Watched()
    for kind, content in (("day", b"1"), ("month", b"1"), ("all", b"1"), ("day", b"2")):
        watched.publish(kind, date(2026, 3, 31), content)  # type: ignore[arg-type]
    kept = watched.kept()
    [twice] = found(kept)
    assert (twice.code, twice.indexes) == ("published-twice", (0, 3))
    kept.data = dict.fromkeys(kept.data, b"{}")
    assert codes(kept) == ["list-missing"]
    kept.log = [encode(DataPublished(sha256=sha256(b"{}").hex()))]
    kept.data = {f"/api/v1/data/{sha256(b'{}').hex()}": b"{}"}
    assert codes(kept) == ["list-unreadable"]


def test_what_a_copy_knows_that_it_has_not_yet_is_no_finding_and_is_told() -> None:
    watched = Watched()
    life = awarded(watched)
    list_, covers = watched.publish("day", date(2026, 3, 1)), watched.cover(f"{NIGHT}T00:00:00.000Z")
    said = watched.reveal(covers.time[:10])
    kept, ids = watched.kept(), [life.notice_id, life.closing_id, said]
    kept.records, kept.data = {}, {}
    for id in ids:
        del kept.statements[id]
    assert codes(kept, AFTER) == ["list-missing", "never-revealed", "record-missing", "statement-missing"]
    kept.missing = {"ocds-0s3al1-t1", list_, *ids}
    monitor = Monitor(kept)
    assert list(monitor.watch(AFTER)) == []
    assert sorted(monitor.summary.lacking) == sorted(kept.missing)


def test_a_cancelled_tender_is_closed_afterwards_and_that_is_all() -> None:
    watched = Watched()
    life = watched.life(begun)
    life.submit(a_bidder(the_world(), 1))
    ended(life)
    assert codes(watched.kept()) == []
    life.close()
    assert codes(watched.kept(), AFTER) == []
    life.say(EventType.LATE, life.closing, life.world.service)
    assert codes(watched.kept()) == ["after-the-end"]


def test_a_sheet_that_is_not_given_out_yet_is_not_missed() -> None:
    watched = Watched()
    life = watched.life(lambda: Life(notice=a_notice(the_world(), a_lot(panel_rules()))))
    life.submit(a_bidder(the_world(), 1))
    life.close()
    life.open("technical")
    life.score_sheets()
    kept = watched.kept()
    sheets = [id_of(life.signed(each, the_world().evaluator)) for each in life.sheets]
    names = [name for name, data in kept.statements.items() if b"score-sheet" in data]
    assert names
    assert len(names) == len(sheets)
    hidden = {name: kept.statements.pop(name) for name in names}
    assert codes(kept) == []
    life.open("price")
    life.evaluate()
    kept = watched.kept()
    assert codes(kept) == []
    for name in hidden:
        del kept.statements[name]
    assert codes(kept) == ["statement-missing"]


# ── a tender's history ───────────────────────────────────────────────────────────────────────────────────


def test_two_entries_at_one_place_are_a_fork_that_names_both() -> None:
    watched = Watched()
    life = closed(watched)
    fork = Head(tender=life.notice.tender, notice=life.notice_id, seq=2)
    watched.entries += fork.append(
        [Event(t=EventType.EXTENDED, time=AFTER, statement="0" * 64, status="0" * 64)]
    )[1]
    [finding] = found(watched.kept())
    closing = watched.entries.index(next(each for each in watched.entries if b"tender:closed" in each))
    assert (finding.code, finding.indexes) == ("forked-history", (closing, len(watched.entries) - 1))
    assert finding.tender == life.notice.tender


def test_a_second_notice_of_the_same_tender_is_a_fork() -> None:
    watched = Watched()
    closed(watched)
    watched.life(lambda: begun(title="Other desks"))
    assert "forked-history" in codes(watched.kept())


@pytest.mark.parametrize("how", ["a step is gone", "another before it", "another notice"])
def test_a_history_that_does_not_hang_together_is_found(how: str) -> None:
    watched = Watched()
    life = watched.life(begun)
    match how:
        case "a step is gone":
            life.head = msgspec.structs.replace(life.head, seq=3)
        case "another before it":
            life.head = msgspec.structs.replace(life.head, prev="0" * 64)
        case _:
            life.head = msgspec.structs.replace(life.head, notice="0" * 64)
    life.notice_id = life.head.notice
    life.close()
    assert "broken-history" in codes(watched.kept())


def test_a_second_closing_is_named_and_so_is_what_it_reveals_again() -> None:
    watched = Watched()
    life = closed(watched)
    first = len(watched.entries) - 1
    life.close()
    seconds = [each for each in found(watched.kept(), AFTER) if each.code == "second-closing"]
    assert [each.indexes for each in seconds] == [(first, first + 1)]
    assert codes(watched.kept(), AFTER) == ["revealed-twice", "second-closing"]


def test_a_second_closing_is_found_after_an_award_too() -> None:
    watched = Watched()
    life = awarded(watched)
    watched.kept()
    life.close()
    assert codes(watched.kept(), AFTER) == ["revealed-twice", "second-closing"]


def test_a_step_after_the_award_is_found() -> None:
    watched = Watched()
    life = awarded(watched)
    watched.kept()
    ended(life)
    assert codes(watched.kept(), AFTER) == ["after-the-end"]


def test_an_award_without_a_second_signature_is_found() -> None:
    watched = Watched()
    life = watched.life(begun)
    life.submit(a_bidder(the_world(), 1))
    life.countersign = lambda *_: None  # type: ignore[method-assign]
    life.to_award()
    assert codes(watched.kept(), AFTER) == ["not-countersigned"]


def test_steps_in_another_order_are_found() -> None:
    watched = Watched()
    life = watched.life(begun)
    life.submit(a_bidder(the_world(), 1))
    life.order("bid")
    assert codes(watched.kept()) == ["out-of-order"]


def test_a_clock_that_runs_backwards_in_a_history_is_found() -> None:
    watched = Watched()
    life = closed(watched)
    life.now = START
    life.order("bid", members=[])
    life.now = START
    life.log(Event(t=EventType.LATE, time=moment(START), statement="0" * 64, status="0" * 64))
    assert "out-of-order" in codes(watched.kept())


def test_what_was_dated_back_or_ahead_is_found_by_the_heads_that_witnesses_saw() -> None:
    watched = Watched()
    life = awarded(watched)
    kept, size = watched.kept(), len(watched.entries)
    intended = next(i for i, each in enumerate(watched.entries) if b"award:intended" in each)
    made = next(i for i, each in enumerate(watched.entries) if b"award:made" in each)
    at = parse_moment(life.intended.time)
    kept.seen = [(intended, moment(at - timedelta(seconds=50))), (size, moment(life.now))]
    assert codes(kept) == []
    kept.seen = [(made, moment(life.now + timedelta(hours=1))), (size, AFTER)]
    assert [(each.code, each.indexes) for each in found(kept)] == [("dated-back", (made,))]
    kept.seen = [(size, moment(at))]
    late = [index for index in life.history if index >= made - 2]
    assert [(each.code, each.indexes) for each in found(kept)] == [("dated-ahead", (each,)) for each in late]


# ── commitments ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_bid_that_vanished_is_found_once_its_tender_is_closed_and_covers_are_told() -> None:
    watched = Watched()
    life = closed(watched)
    lost = life.submitted[-2].index
    kept = rewritten(
        watched.kept(), life, commitments=life.closing.commitments[:-2], chains=life.closing.chains[:-1]
    )
    assert codes(kept, moment(life.now)) == [], "it may still be a cover"
    [finding] = found(kept, AFTER)
    assert (finding.code, finding.indexes) == ("never-revealed", (lost, lost + 1))
    told = Watched()
    told.entries = kept.log
    told.reveal(moment(DEADLINE)[:10])
    kept.statements |= told.said
    assert codes(kept, moment(life.now)) == ["never-revealed"]


def test_a_tender_that_is_open_holds_up_what_came_while_it_was() -> None:
    watched = Watched()
    watched.life(lambda: begun("ocds-0s3al1-t2"))
    life = closed(watched)
    kept = rewritten(
        watched.kept(), life, commitments=life.closing.commitments[:-2], chains=life.closing.chains[:-1]
    )
    assert codes(kept, AFTER) == []


def test_what_is_revealed_twice_is_found_by_whatever_statement() -> None:
    watched = Watched()
    watched.cover(moment(START + timedelta(days=7)))
    watched.reveal(NIGHT)
    watched.reveal("2026-03-20", watched.covers)
    assert codes(watched.kept()) == ["covers-wrong", "revealed-twice"]


def test_a_second_statement_about_one_day_s_covers_is_found() -> None:
    watched = Watched()
    watched.reveal(NIGHT)
    watched.reveal(NIGHT, [watched.cover(moment(START + timedelta(days=7)))])
    assert codes(watched.kept()) == ["covers-twice"]


def test_covers_that_are_told_while_a_tender_takes_bids_are_found() -> None:
    watched = Watched()
    life = watched.life(begun)
    watched.reveal(NIGHT)
    assert codes(watched.kept()) == ["covers-early"]
    life.close()


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("reveals-nothing", {"salt": "0" * 64}),
        ("reveals-nothing", {"index": 0}),
        ("reveals-later", {"index": 1000}),
    ],
)
def test_a_closing_that_claims_what_the_log_does_not_have_is_found(
    code: str, changed: dict[str, Any]
) -> None:
    watched = Watched()
    life = watched.life(begun)
    life.submit(a_bidder(the_world(), 1))
    life.close()
    listed = tuple(msgspec.structs.replace(each, **changed) for each in life.closing.commitments)
    kept = rewritten(watched.kept(), life, commitments=listed)
    assert codes(kept, AFTER) == sorted([code, "never-revealed"])


def test_a_closing_before_its_commitments_is_found() -> None:
    watched = Watched()
    life = watched.life(begun)
    early = [life.submit(a_bidder(the_world(), 1))]
    life.close()
    commitment = life.entries.pop(life.submitted[0].index)
    life.entries.append(commitment)
    moved = tuple(
        msgspec.structs.replace(each, index=len(life.entries) - 1) for each in life.closing.commitments
    )
    assert early
    assert "reveals-later" in codes(rewritten(watched.kept(), life, commitments=moved), AFTER)


def test_a_bid_from_before_the_notice_is_found() -> None:
    watched = Watched()
    life = watched.life(begun)
    life.submit(a_bidder(the_world(), 1))
    life.close()
    commitment = life.entries.pop(life.submitted[0].index)
    life.entries.insert(0, commitment)
    moved = tuple(msgspec.structs.replace(each, index=0) for each in life.closing.commitments)
    assert codes(rewritten(watched.kept(), life, commitments=moved), AFTER) == ["reveals-earlier"]


def test_one_envelope_taken_in_twice_is_found_with_both_places() -> None:
    watched = Watched()
    one, two = watched.life(begun), watched.life(lambda: begun("ocds-0s3al1-t2"))
    bidder = a_bidder(the_world(), 1)
    id = one.submit(bidder)
    two.now = one.now
    two.accept(bidder, one.bids[id])
    one.close()
    two.close()
    same = [each for each in found(watched.kept(), AFTER) if each.code == "same-id-twice"]
    places = [one.submitted[0].index, two.submitted[0].index]
    closings = [i for i, each in enumerate(watched.entries) if b"tender:closed" in each]
    assert [each.indexes for each in same] == [(*places, *closings)]


def test_a_closing_that_contradicts_itself_is_found() -> None:
    watched = Watched()
    life = closed(watched)
    kept = rewritten(watched.kept(), life, chains=())
    assert "closing-wrong" in codes(kept)
    watched = Watched()
    life = closed(watched)
    assert "closing-wrong" in codes(rewritten(watched.kept(), life, tender="ocds-0s3al1-t9"))


# ── people, records, statements ──────────────────────────────────────────────────────────────────────────


def revoked(key: SigningKey) -> bytes:
    return encode(CertificateRevoked(certificate=key.fingerprint, statement="0" * 64))


def test_a_step_under_a_certificate_that_was_revoked_before_is_found() -> None:
    watched = Watched()
    life = watched.life(begun)
    watched.entries.append(revoked(the_world().service))
    life.close()
    [finding] = found(watched.kept(), AFTER)
    assert (finding.code, finding.indexes) == ("revoked-signer", (2, 3))


def test_a_revocation_changes_nothing_that_was_before_it() -> None:
    watched = Watched()
    closed(watched)
    watched.entries.append(revoked(the_world().service))
    assert codes(watched.kept(), AFTER) == []


def test_a_bid_under_a_certificate_that_was_revoked_before_is_found_in_the_record() -> None:
    watched = Watched()
    life = watched.life(begun)
    bidder = a_bidder(the_world(), 1)
    watched.entries.append(revoked(bidder))
    life.submit(bidder)
    life.to_award()
    [finding] = found(watched.kept(), AFTER)
    assert (finding.code, finding.indexes) == ("revoked-bidder", (2, life.submitted[0].index))


def test_a_record_of_another_history_is_found() -> None:
    watched, elsewhere = Watched(), Watched()
    awarded(watched)
    other = awarded(elsewhere)
    kept = watched.kept()
    kept.records[other.notice.tender] = other.record()
    assert codes(kept, AFTER) == ["record-differs"]
    kept.records[other.notice.tender] = b"PK"
    assert codes(kept, AFTER) == ["record-differs"]
    del kept.records[other.notice.tender]
    assert codes(kept, AFTER) == ["record-missing"]


def test_a_statement_that_is_not_there_or_another_one_is_found() -> None:
    watched = Watched()
    life = closed(watched)
    kept = watched.kept()
    kept.statements[life.closing_id] = kept.statements[life.notice_id]
    assert "statement-wrong" in codes(kept)
    del kept.statements[life.closing_id]
    assert codes(kept) == ["statement-missing"]


# ── garbage ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"null",
        b'{"t":"commitment"}',
        b'{"c":"x","t":"commitment"}',
        b'{"t":"commitment","c":"' + b"0" * 64 + b'"}',
        b'{"t":"tender:closed"}',
        b'{"certificate":"1","t":"certificate:revoked"}',
        b'{"t":"client:released"}',
        b'{"t":"covers:revealed"}',
    ],
)
def test_an_entry_that_is_not_what_it_says_is_found(entry: bytes) -> None:
    [finding] = found(Kept([entry]))
    assert (finding.code, finding.indexes) == ("unreadable-entry", (0,))


def test_an_entry_of_an_unknown_type_is_told_once_of_each_type() -> None:
    monitor = Monitor(Kept([b'{"t":"contract:signed"}', b'{"t":"contract:signed","x":1}', b'{"t":"x"}']))
    assert [(each.code, each.indexes) for each in monitor.watch()] == [
        ("unknown-entry", (0,)),
        ("unknown-entry", (2,)),
    ]
    assert monitor.summary.unknown == {"contract:signed": 2, "x": 1}


def test_a_commitment_of_no_tender_ever_is_found() -> None:
    watched = Watched()
    watched.entries.append(encode(CommitmentEntry(c=sha256(b"?").hex())))
    closed(watched)
    assert codes(watched.kept(), AFTER) == ["never-revealed"]


@given(st.data())
def test_no_log_and_no_statement_stops_the_monitor(data: st.DataObject) -> None:
    kept = _a_year()
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(kept.log) - 1))
        match data.draw(st.sampled_from(["entry", "move", "twice", "statement", "record"])):
            case "entry":
                kept.log[at] = data.draw(st.one_of(st.binary(), st.just(_garbled(data, kept.log[at]))))
            case "move":
                kept.log.insert(data.draw(st.integers(0, len(kept.log) - 1)), kept.log.pop(at))
            case "twice":
                kept.log.append(kept.log[at])
            case "statement":
                id = data.draw(st.sampled_from(sorted(kept.statements)))
                kept.statements[id] = _garbled(data, kept.statements[id])
            case _:
                kept.records = {ocid: _garbled(data, zip_) for ocid, zip_ in kept.records.items()}
    for finding in found(kept, AFTER):
        assert finding.sentence.endswith(".")
        assert finding.indexes


def _garbled(data: st.DataObject, value: bytes) -> bytes:
    at = data.draw(st.integers(0, len(value)))
    return value[:at] + data.draw(st.binary(max_size=3)) + value[at + 1 :]


def _a_year() -> Kept:
    made = _made()
    kept = Kept(made.log)
    kept.statements, kept.records = dict(made.statements), dict(made.records)
    return kept


@cache
def _made() -> Kept:
    watched = Watched()
    watched.cover(moment(START + timedelta(days=7)))
    awarded(watched)
    closed(watched, "ocds-0s3al1-t2")
    watched.reveal(NIGHT)
    return watched.kept()
