"""What the award record shows of a box into which documents followed, out of which bids were withdrawn, and
that was open while the clock was in doubt. Honest lives, and lies about each of these."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest

from bids.envelope import SealedFile, Section, Withdrawal
from bids.receipts import (
    Closing,
    Committed,
    CommittedDocument,
    DocumentReceipt,
    Held,
    MissingDocument,
    Promise,
    Receipt,
)
from crypto.certificates import SigningKey
from crypto.checkpoint import TlogProof
from crypto.encoding import encode, moment, to_base64
from crypto.errors import LogError
from crypto.merkle import leaf_hash
from crypto.statements import Payload, Statement, sign
from procurement.record import Verdict, verify
from procurement.tenders import Bid, Document, LotOffer
from tests.builders import (
    DEADLINE,
    Life,
    a_bidder,
    a_lot,
    a_notice,
    inclusion,
    packed,
    signed_anyhow,
    the_world,
)
from tests.lies.catalogue import Files, Lie, Who, check_refused, last, lies_into
from tests.lies.test_life import MINUTE, SECOND, bidders, concluded, opened

GRACE = timedelta(hours=1)
OFFER = SealedFile(number=1, sha256="11" * 32, size=4096)
ANNEX = SealedFile(number=1, sha256="22" * 32, size=65_552)
SECRET = SealedFile(number=2, sha256="33" * 32, size=300, part="bid")
LATER = SealedFile(number=1, sha256="44" * 32, size=10)

LIES: list[Lie] = []
lie = lies_into(LIES)


class BoxLife(Life):
    """One lot; documents may follow for an hour after the deadline."""

    first: str
    taken_back: str
    withdrawal: str
    best: str
    again: str

    def __init__(self) -> None:
        network = the_world().beacon.network
        round_ = str(network.round_at(DEADLINE + 2 * GRACE))
        limits = {"document_limit": 3, "document_size": 1 << 20, "upload_grace": 3600, "round": round_}
        super().__init__(notice=a_notice(the_world(), a_lot(), **limits))

    def with_documents(self, amount: str, *titles: str) -> dict[Section, bytes]:
        """Content that makes the first sealed files public."""
        named = tuple(
            Document(number=n, title=title, format="application/pdf", key="aa" * 32, sha256="bb" * 32, size=9)
            for n, title in enumerate(titles, start=1)
        )
        return {"bid": encode(Bid(offers=(LotOffer(lot="1", amount=amount),), documents=named))}


def boxed(life: BoxLife | None = None) -> BoxLife:
    """The first bidder replaces its bid and sends all files of both; the second withdraws; the third
    withdraws, comes again, and does not send its file."""
    life = life or BoxLife()
    one, two, three = bidders()
    life.first = life.submit(one, "960000", documents=[OFFER])
    life.receive(life.first, OFFER)
    life.taken_back = life.submit(two, "930000", documents=[OFFER])
    life.withdrawal = life.withdraw(two, life.taken_back)
    life.best = life.submit(
        one, contents=life.with_documents("920000", "Annex"), previous=life.first, documents=[ANNEX, SECRET]
    )
    gone = life.submit(three, "940000")
    away = life.withdraw(three, gone)
    life.again = life.submit(three, "941000", previous=away, documents=[LATER])
    life.receive(life.best, ANNEX)
    life.receive(life.best, SECRET)
    return life


def closed(life: Life, **changes: Any) -> Files:
    life.close(**changes)
    return concluded(opened(life))


def verdict_of(files: Files) -> Verdict:
    return verify(packed(files), the_world().trust)


# ── honest lives ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_box_with_documents_and_withdrawals_is_verified_and_what_is_absent_is_counted() -> None:
    life = boxed()
    verdict = verdict_of(closed(life))
    assert (verdict.outcome, verdict.clean) == ("verified", True), last(verdict)
    assert verdict.steps[3].findings[:4] == (
        "5 envelopes, 3 bidders",
        "2 withdrawals; 1 bids withdrawn",
        "3 documents came",
        "1 documents that bids list did not come",
    )
    assert "1 withdrawals, each by its bidder" in verdict.steps[7].findings
    assert verdict.not_checked[-1] == (
        "what is absent from the record: 2 documents, 1 restricted parts, 1 replaced envelopes,"
        " 2 withdrawn envelopes, 1 withdrawals before another bid"
    )


def test_the_open_data_list_withdrawn_bids_and_the_documents_that_came() -> None:
    life = boxed()
    ocds = msgspec.json.decode(closed(life)["ocds.json"])
    bids = {each["id"]: each for each in ocds["records"][0]["compiledRelease"]["bids"]["details"]}
    assert bids[life.withdrawal]["status"] == "withdrawn"
    assert bids[life.withdrawal]["tenderers"][0]["id"] == bidders()[1].certificate.registration
    assert bids[f"{life.best}/1"]["documents"] == [
        {"id": f"{life.best}/1", "title": "Annex", "format": "application/pdf"}
    ]
    assert "documents" not in bids[f"{life.again}/1"]
    assert life.taken_back not in str(bids)


def test_a_tender_whose_every_bid_was_withdrawn_is_verified() -> None:
    life = BoxLife()
    life.withdraw(bidders()[0], life.submit(bidders()[0]))
    verdict = verdict_of(closed(life))
    assert (verdict.outcome, verdict.clean) == ("verified", True), last(verdict)


def test_a_bid_accepted_in_doubt_counts_even_after_the_deadline_and_everybody_is_told() -> None:
    life = boxed()
    life.in_doubt = True
    life.now = DEADLINE + MINUTE
    late = life.submit(a_bidder(life.world, 9), "910000", documents=[OFFER])
    life.now = DEADLINE + GRACE
    life.receive(late, OFFER)
    life.in_doubt = False
    verdict = verdict_of(closed(life))
    assert (verdict.outcome, verdict.clean) == ("verified", False), last(verdict)
    bid, document = verdict.reservations
    assert bid.startswith(f"envelope {late} of 123-45-00009 came while the service's clock was in doubt")
    assert bid.endswith("after the deadline")
    assert document.startswith(f"document 1 of envelope {late} came while the service's clock was in doubt")
    assert late == life.evaluated.lots[0].evaluation.ranking[0].bid


# ── withdrawals ──────────────────────────────────────────────────────────────────────────────────────────


class Signs(BoxLife):
    """Signs a withdrawal with other fields than everybody goes on from."""

    def __init__(self, **instead: Any) -> None:
        self.instead = instead
        super().__init__()

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        lying = isinstance(payload, Withdrawal)
        return super().signed(msgspec.structs.replace(payload, **self.instead) if lying else payload, key)


def one_withdrawn(life: BoxLife) -> BoxLife:
    """The second of two bidders withdraws."""
    life.submit(bidders()[0], "960000")
    life.taken_back = life.submit(bidders()[1], "930000")
    life.withdrawal = life.withdraw(bidders()[1], life.taken_back)
    return life


@lie(4, "every envelope exactly once")
def a_withdrawal_is_dropped_from_the_commitments() -> Files:
    class Forgetful(BoxLife):
        def signed(self, payload: Payload, key: SigningKey) -> bytes:
            if isinstance(payload, Closing):
                kept = tuple(e for e in payload.commitments if e.statement != self.withdrawal)
                payload = msgspec.structs.replace(payload, commitments=kept)
            return super().signed(payload, key)

    return closed(boxed(Forgetful()))


@lie(4, "does not give each bidder one chain")
def a_withdrawn_bid_stands_beside_its_withdrawal() -> Files:
    life = boxed()
    chains = [(life.taken_back,), (life.withdrawal,), (life.first, life.best)]
    third = tuple(e.statement for e in life.submitted if e.bidder == bidders()[2].certificate.registration)
    return closed(life, chains=(*chains, third), missing=())


@lie(4, "a withdrawal of nothing")
def a_withdrawal_is_put_before_the_bid_that_it_takes_back() -> Files:
    """So that the bid would count after all."""
    life = one_withdrawn(BoxLife())
    first = life.submitted[0].statement
    return closed(life, chains=((first,), (life.withdrawal, life.taken_back)))


@lie(4, "a withdrawal of nothing")
def a_bid_is_withdrawn_twice() -> Files:
    life = one_withdrawn(BoxLife())
    life.withdraw(bidders()[1], life.withdrawal)
    return closed(life)


@lie(8, "lacks certificates/")
def the_certificate_of_whoever_withdrew_is_missing() -> Files:
    files = closed(one_withdrawn(BoxLife()))
    del files[f"certificates/{bidders()[1].fingerprint}.der"]
    return files


@lie(8, "lacks withdrawals/")
def a_withdrawal_is_not_shown() -> Files:
    life = one_withdrawn(BoxLife())
    files = closed(life)
    del files[f"withdrawals/{life.withdrawal}.json"]
    return files


@lie(13, "holds files that nothing refers to")
def a_withdrawn_envelope_is_published_after_all() -> Files:
    life = one_withdrawn(BoxLife())
    return closed(life) | {f"bids/{life.taken_back}.json": life.bids[life.taken_back]}


@lie(
    8,
    "a withdrawal is another bidder's than the closing statement says",
    "withdrawn by a rival",
    Who.BIDDER,
    "A rival withdraws the best bid, and the service takes it for its bidder's word.",
)
def a_competitor_withdraws_the_best_bid() -> Files:
    life = BoxLife()
    life.submit(bidders()[0], "960000")
    best = life.submit(bidders()[1], "930000")
    life.withdraw(bidders()[0], best)
    life.submitted[2] = msgspec.structs.replace(
        life.submitted[2], bidder=bidders()[1].certificate.registration
    )
    return closed(life)


@lie(
    8,
    "… could not act as business at …: a certificate of role service, not business",
    "marked as withdrawn",
    Who.SERVICE,
    "The service itself marks the best bid as withdrawn.",
)
def the_service_withdraws_a_bid() -> Files:
    life = BoxLife()
    best = life.submit(bidders()[0], "960000")
    said = Withdrawal(
        signer=bidders()[0].fingerprint, tender=life.notice.tender, notice=life.notice_id, previous=best
    )
    key = life.world.service
    body = encode(msgspec.structs.replace(said, signer=key.fingerprint))
    data = signed_anyhow("withdrawal", body, key)
    life.withdrawals[Statement(data).id] = data
    life.commit("withdrawal", key, data)
    registration = bidders()[0].certificate.registration
    life.submitted[1] = msgspec.structs.replace(life.submitted[1], bidder=registration)
    return closed(life)


@lie(8, "from another tender")
def a_withdrawal_from_another_tender_is_used_here() -> Files:
    return closed(one_withdrawn(Signs(tender="ocds-0s3al1-t2")))


@lie(
    8,
    "a withdrawal is of another envelope than the closing statement says",
    "old withdrawal used again",
    Who.SERVICE,
    "The withdrawal of an older bid is held against the one that came after it.",
)
def an_old_withdrawal_takes_back_a_later_bid() -> Files:
    """The bidder withdrew its first bid and sent a second; the service lets the withdrawal end the chain."""
    life = BoxLife()
    two = bidders()[1]
    life.submit(bidders()[0], "960000")
    first = life.submit(two, "930000")
    withdrawal = life.withdraw(two, first)
    again = life.submit(two, "900000", previous=withdrawal)
    return closed(life, chains=((life.submitted[0].statement,), (first, again, withdrawal)))


@lie(8, "was revoked")
def a_withdrawal_was_made_by_a_revoked_certificate() -> Files:
    life = BoxLife()
    two = the_world().enrol(bidders()[1].certificate.role, "Revoked", "555-55-00001")
    life.submit(bidders()[0], "960000")
    best = life.submit(two, "930000")
    life.now += MINUTE
    life.revoke(two)
    life.withdraw(two, best)
    return closed(life)


@lie(8, "does not belong to this statement")
def a_withdrawals_signature_is_broken() -> Files:
    life = one_withdrawn(BoxLife())
    files = closed(life)
    path = f"withdrawals/{life.withdrawal}.json"
    statement = msgspec.json.decode(files[path])
    statement["signatures"][0]["sig"] = to_base64(bytes(31) + b"\x01" + bytes(31) + b"\x01")
    return files | {path: encode(statement)}


@lie(4, "was accepted after the deadline")
def a_withdrawal_that_came_at_the_deadline_counts() -> Files:
    life = BoxLife()
    life.submit(bidders()[0], "960000")
    best = life.submit(bidders()[1], "930000")
    life.now = DEADLINE - SECOND
    life.withdraw(bidders()[1], best)
    return closed(life)


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────


@lie(
    8,
    "the closing statement does not say which documents are missing",
    "missing document passed over",
    Who.SERVICE,
    "A file that a bid promises never came, and nobody says so.",
)
def a_missing_document_is_passed_over() -> Files:
    return closed(boxed(), missing=())


@lie(4, "lists a document twice")
def a_document_that_came_is_called_missing() -> Files:
    life = boxed()
    both = (
        MissingDocument(envelope=life.best, number=1),
        MissingDocument(envelope=life.again, number=1),
    )
    return closed(life, missing=both)


@lie(8, "does not say which documents are missing")
def a_document_is_called_missing_that_no_envelope_lists() -> Files:
    life = boxed()
    missing = tuple(MissingDocument(envelope=life.again, number=n) for n in (1, 2))
    return closed(life, missing=missing)


@lie(4, "of an envelope that does not count")
def a_document_of_a_withdrawn_bid_is_called_missing() -> Files:
    life = boxed()
    missing = tuple(MissingDocument(envelope=id, number=1) for id in (life.taken_back, life.again))
    return closed(life, missing=missing)


@lie(8, "a document came that its envelope does not list")
def a_document_comes_that_its_envelope_does_not_list() -> Files:
    life = boxed()
    life.receive(life.again, SealedFile(number=3, sha256="55" * 32, size=1))
    return closed(life)


@lie(
    8,
    "a document came that its envelope does not list",
    "changed bid document",
    Who.SERVICE,
    "A file of a bid is exchanged for another one.",
)
def a_document_is_exchanged_for_another() -> Files:
    life = boxed()
    life.receive(life.again, msgspec.structs.replace(LATER, sha256="66" * 32))
    return closed(life)


@lie(4, "lists a document twice")
def a_document_is_committed_to_twice() -> Files:
    life = boxed()
    life.receive(life.best, ANNEX)
    return closed(life)


@lie(4, "a document of no envelope before it")
def a_document_comes_before_its_envelope() -> Files:
    life = BoxLife()
    bidder = bidders()[0]
    early = life.receive("00" * 32, OFFER)
    id = life.submit(bidder, documents=[OFFER])
    life.documents[0] = msgspec.structs.replace(early, envelope=id)
    return closed(life)


@lie(4, "a document of no envelope before it")
def a_document_belongs_to_a_withdrawal() -> Files:
    life = boxed()
    life.receive(life.withdrawal, OFFER)
    return closed(life)


@lie(
    4,
    "document … of envelope … came after the end of the grace",
    "late document",
    Who.SERVICE,
    "A file is taken after the time for files is over.",
)
def a_document_that_came_at_the_end_of_the_grace_is_taken() -> Files:
    life = boxed()
    life.now = DEADLINE + GRACE - SECOND
    life.receive(life.again, LATER)
    return closed(life)


@lie(4, "logged after the closing statement")
def a_document_is_slipped_in_after_the_closing() -> Files:
    life = boxed()
    given = life.receive(life.again, LATER)
    entry = life.entries.pop()
    life.documents[-1] = msgspec.structs.replace(given, index=len(life.entries) + 1)
    life.close()
    life.entries.append(entry)
    return concluded(opened(life))


def with_documents(change: Callable[[list[CommittedDocument]], object]) -> Files:
    life = boxed()
    change(life.documents)
    return closed(life)


@lie(4, "inclusion proof does not lead to the root")
def a_document_is_revealed_with_another_time() -> Files:
    def earlier(documents: list[CommittedDocument]) -> None:
        documents[1] = msgspec.structs.replace(documents[1], time=moment(DEADLINE - MINUTE))

    return with_documents(earlier)


@lie(4, "in another order than the log's")
def the_documents_are_listed_in_another_order() -> Files:
    return with_documents(lambda documents: documents.reverse())


@lie(4, "in another order than the log's")
def a_commitment_is_both_a_bids_and_a_documents() -> Files:
    life = boxed()
    life.documents[0] = msgspec.structs.replace(life.documents[0], index=life.submitted[0].index)
    return closed(life)


@lie(4, "not every document's commitment is shown")
def a_documents_commitment_is_not_shown_in_the_log() -> Files:
    life = boxed()
    files, proofs = closed(life), life.facts().proofs
    fewer = msgspec.structs.replace(proofs, documents=proofs.documents[:-1])
    return files | {"log/proofs.json": encode(fewer)}


@lie(4, "made before the deadline or the end of the grace")
def the_box_is_closed_before_the_end_of_the_grace() -> Files:
    return closed(boxed(), at=DEADLINE + GRACE - MINUTE)


@lie(4, "witnesses saw the closing statement before the end of the grace")
def the_closing_is_dated_after_the_grace_and_was_witnessed_before_it() -> Files:
    return closed(boxed(), cosigned_at=DEADLINE + GRACE - 5 * MINUTE)


@lie(13, "another OCDS record follows")
def the_open_data_are_silent_about_a_withdrawn_bid() -> Files:
    files = closed(boxed())
    return files | {"ocds.json": files["ocds.json"].replace(b'"withdrawn"', b'"pending"')}


# ── doubt ────────────────────────────────────────────────────────────────────────────────────────────────


@lie(4, "was accepted after the deadline")
def a_late_bid_is_taken_without_a_word_on_the_clock() -> Files:
    life = boxed()
    life.now = DEADLINE
    life.submit(a_bidder(life.world, 9), "910000")
    return closed(life)


def test_a_doubt_that_is_invented_for_a_friend_is_told_to_everybody_and_shown_by_the_receipt() -> None:
    """Whether the clock was in doubt nobody can tell from the record: it says so, and names the bid."""
    life = boxed()
    life.now = DEADLINE + MINUTE
    friend = life.submit(a_bidder(life.world, 9), "910000")
    kept = answer(life, life.submitted[-1])
    life.submitted[-1] = msgspec.structs.replace(life.submitted[-1], in_doubt=True)
    files = closed(life)
    verdict = verdict_of(files)
    assert (verdict.outcome, verdict.clean) == ("verified", False), last(verdict)
    assert friend in verdict.reservations[0]
    assert_contradicted(files, kept, f"envelope {friend}")


# ── receipts and promises ────────────────────────────────────────────────────────────────────────────────


def proof_of(life: Life, index: int) -> str:
    leaves = tuple(leaf_hash(entry) for entry in life.entries)
    hashes = tuple(inclusion(leaves, index))
    return TlogProof(index=index, hashes=hashes, checkpoint=life.note(life.now)).encode()


def said(life: Life, listed: Committed, type_: type[Receipt], **more: Any) -> bytes:
    fields: dict[str, Any] = {
        name: getattr(listed, name) for name in ("kind", "time", "salt", "statement", "status", "bidder")
    }
    about: dict[str, Any] = {
        "signer": life.world.service.fingerprint,
        "tender": life.notice.tender,
        "notice": life.notice_id,
    }
    return sign(type_(**about, **fields, in_doubt=listed.in_doubt, **more), life.world.service)


def answer(life: Life, listed: Committed) -> bytes:
    """What the service answered when it was in the log."""
    receipt = said(life, listed, Receipt)
    return msgspec.json.encode({"receipt": to_base64(receipt), "proof": proof_of(life, listed.index)})


def promised(life: Life, listed: Committed, seconds: int = 60) -> bytes:
    """What the service answered when it was not in the log yet."""
    by = moment(life.now + seconds * SECOND)
    return msgspec.json.encode({"promise": to_base64(said(life, listed, Promise, included_by=by))})


def document_answer(life: Life, listed: CommittedDocument, file: SealedFile, **changes: Any) -> bytes:
    receipt = DocumentReceipt(
        signer=life.world.service.fingerprint,
        tender=life.notice.tender,
        notice=life.notice_id,
        bidder="123-45-00001",
        envelope=listed.envelope,
        number=file.number,
        sha256=file.sha256,
        size=file.size,
        time=listed.time,
        salt=listed.salt,
        in_doubt=listed.in_doubt,
    )
    signed = sign(msgspec.structs.replace(receipt, **changes), life.world.service)
    return msgspec.json.encode({"receipt": to_base64(signed), "proof": proof_of(life, listed.index)})


def assert_contradicted(files: Files, kept: bytes, what: str) -> None:
    step = verify(packed(files), the_world().trust, held=[Held.parse(kept)]).steps[-1]
    assert (step.number, step.result) == (5, "refused")
    assert f"{what} has a receipt or promise that the closing statement contradicts" in step.findings[0]


def test_receipts_of_every_kind_and_promises_are_found_in_the_closing() -> None:
    life = one_withdrawn(BoxLife())
    promise = promised(life, life.submitted[-1])
    id = life.submit(bidders()[2], documents=[OFFER])
    file = life.receive(id, OFFER)
    kept = [answer(life, each) for each in life.submitted]
    kept += [promise, document_answer(life, file, OFFER)]
    verdict = verify(packed(closed(life)), the_world().trust, held=list(map(Held.parse, kept)))
    assert verdict.outcome == "verified", last(verdict)
    assert len(verdict.steps[4].findings) == 6


def test_a_promise_for_later_than_may_be_is_refused() -> None:
    life = one_withdrawn(BoxLife())
    kept = promised(life, life.submitted[-1], seconds=61)
    step = verify(packed(closed(life)), the_world().trust, held=[Held.parse(kept)]).steps[-1]
    assert (step.number, step.result) == (5, "refused")
    assert "for later than it may" in step.findings[0]


@pytest.mark.parametrize("changes", [{"sha256": "77" * 32}, {"salt": "00" * 32}, {"envelope": "00" * 32}])
def test_a_document_receipt_that_says_otherwise_than_the_log_is_refused(changes: dict[str, Any]) -> None:
    life = boxed()
    kept = document_answer(life, life.documents[0], OFFER, **changes)
    step = verify(packed(closed(life)), the_world().trust, held=[Held.parse(kept)]).steps[-1]
    assert (step.number, step.result) == (5, "refused")


def test_a_receipt_without_its_place_in_the_log_proves_nothing() -> None:
    life = one_withdrawn(BoxLife())
    held = Held(receipt=Statement(said(life, life.submitted[0], Receipt)))
    step = verify(packed(closed(life)), the_world().trust, held=[held]).steps[-1]
    assert (step.number, step.result) == (5, "refused")
    assert "without its place in the log" in step.findings[0]


# ── the closing by itself ────────────────────────────────────────────────────────────────────────────────


@cache
def an_honest_closing() -> Closing:
    life = boxed()
    life.close()
    return life.closing


def shuffled(documents: Sequence[CommittedDocument]) -> tuple[CommittedDocument, ...]:
    return (documents[1], documents[0], *documents[2:])


def test_an_honest_closing_holds_and_says_what_counts() -> None:
    closing = an_honest_closing()
    closing.check()
    assert len(closing.counted()) == 2
    assert len(closing.withdrawn()) == 1
    assert not set(closing.counted()) & set(closing.withdrawn())


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"documents": shuffled(c.documents)},
        lambda c: {"documents": (*c.documents, c.documents[-1])},
        lambda c: {"missing": (*c.missing, *c.missing)},
        lambda c: {"missing": (MissingDocument(envelope="00" * 32, number=1),)},
        lambda c: {"chains": tuple(reversed([chain[::-1] for chain in c.chains]))},
    ],
)
def test_a_closing_that_contradicts_itself_is_refused(change: Callable[[Closing], dict[str, Any]]) -> None:
    closing = an_honest_closing()
    with pytest.raises(LogError):
        msgspec.structs.replace(closing, **change(closing)).check()


@pytest.mark.parametrize("told", LIES, ids=lambda told: told.tell.__name__)
def test_a_lie_about_the_box_is_refused_at_its_step(told: Lie) -> None:
    check_refused(told)
