"""What the service signed to a bidder, held against the record that it publishes, by the command line."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bids.receipts import Committed, Refusal
from crypto.encoding import encode, moment
from crypto.statements import sign
from tests.builders import Life, packed, the_world
from tests.commands import Ended, Run
from tests.lies.catalogue import Catcher, Entry, Who, entry
from tests.lies.test_box import OFFER, BoxLife, answer, closed, document_answer, promised
from tests.lies.test_life import bidders


def broken(name: str, words: str, done: str) -> Entry:
    return entry(name, Who.SERVICE, done, Catcher.VERIFY, words)


LOST = broken(
    "receipt whose bid is missing",
    "envelope … has a receipt or promise that the closing statement contradicts",
    "A bidder holds a signed receipt, and the list of bids does not have its bid.",
)
PROMISED = broken(
    "broken promise",
    "envelope … has a receipt or promise that the closing statement contradicts",
    "A bidder was promised in writing that its bid would be in the log, and it never was.",
)
UNDONE = broken(
    "withdrawal kept quiet",
    "withdrawal … has a receipt or promise that the closing statement contradicts",
    "A bidder withdrew and holds the receipt, and its bid is opened all the same.",
)
DOCUMENT = broken(
    "receipt whose document is missing",
    "document … of envelope … has a receipt or promise that the closing statement contradicts",
    "A bidder holds a receipt for a file, and the file is said not to have come.",
)
REFUSED = broken(
    "refused for a false reason",
    "what came at … was refused as late, before the deadline",
    "A bid is turned away as late while there was still time.",
)


@pytest.fixture
def verify(run: Run, tmp_path: Path) -> Any:
    """The verdict on a life's record beside what a bidder kept."""

    def verify(files: dict[str, bytes], kept: bytes) -> Ended:
        (tmp_path / "trust.json").write_bytes(encode(the_world().trust))
        (tmp_path / "record.zip").write_bytes(packed(files))
        (tmp_path / "kept.json").write_bytes(kept)
        record, trust, receipt = (tmp_path / each for each in ("record.zip", "trust.json", "kept.json"))
        return run("verify", record, "--trust", trust, "--receipt", receipt)

    return verify


def check_caught(ended: Ended, told: Entry) -> None:
    assert ended.status == 1
    assert ended.out.splitlines()[-1].startswith("refused at step 5, receipts")
    assert "what this means: the service signed its word to a bidder and did not keep it" in ended.out
    told.check_named(ended.out)


def two_bids() -> BoxLife:
    """The second one with a file."""
    life = BoxLife()
    life.submit(bidders()[0], "960000")
    life.receive(life.submit(bidders()[1], "930000", documents=[OFFER]), OFFER)
    return life


def a_promise(life: Life, listed: Committed) -> bytes:
    return promised(life, listed, seconds=30)


def test_what_was_signed_and_kept_is_found(verify: Any) -> None:
    for kept in (answer, a_promise):
        life = two_bids()
        said = kept(life, life.submitted[-1])
        assert verify(closed(life), said).status == 0
    life = two_bids()
    said = document_answer(life, life.documents[0], OFFER)
    assert verify(closed(life), said).status == 0
    assert verify(closed(two_bids()), refusal(life, timedelta())).status == 0


@pytest.mark.parametrize(("told", "kept"), [(LOST, answer), (PROMISED, a_promise)])
def test_a_bid_that_is_not_in_the_list_is_proved_by_what_its_bidder_kept(
    verify: Any, told: Entry, kept: Any
) -> None:
    life = two_bids()
    said = kept(life, life.submitted[-1])
    lost = life.submitted.pop()
    del life.bids[lost.statement], life.documents[0]
    check_caught(verify(closed(life), said), told)


def test_a_withdrawal_that_is_kept_quiet_is_proved_by_its_receipt(verify: Any) -> None:
    life = two_bids()
    withdrawal = life.withdraw(bidders()[0], life.submitted[0].statement)
    said = answer(life, life.submitted[-1])
    life.submitted.pop()
    del life.withdrawals[withdrawal]
    check_caught(verify(closed(life), said), UNDONE)


def test_a_document_that_is_said_not_to_have_come_is_proved_by_its_receipt(verify: Any) -> None:
    life = two_bids()
    said = document_answer(life, life.documents.pop(), OFFER)
    check_caught(verify(closed(life), said), DOCUMENT)


def test_a_refusal_for_a_false_reason_is_proved_by_itself(verify: Any) -> None:
    life = two_bids()
    check_caught(verify(closed(life), refusal(life, timedelta(milliseconds=-1))), REFUSED)


def refusal(life: Life, after: timedelta) -> bytes:
    """As late, at that time after the deadline."""
    said = Refusal(
        signer=life.world.service.fingerprint,
        tender=life.notice.tender,
        received="a" * 64,
        statement="b" * 64,
        reason="after-deadline",
        detail="the deadline has passed",
        time=moment(life.notice.closes + after),
    )
    return sign(said, life.world.service)
