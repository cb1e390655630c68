"""What the bid box answers for: commitments by hand, closing statements that hide or double nothing."""

import hashlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids.receipts import Closing, Committed, Receipt, Refusal, chains, commitment, commitment_entry
from crypto.encoding import decode, encode, moment
from crypto.errors import LogError, MalformedError
from crypto.statements import Statement, sign
from tests.builders import DEADLINE, OCID, START, the_world

NOTICE, SALT, STATEMENT, STATUS = "11" * 32, "22" * 32, "33" * 32, "44" * 32
TIME = "2026-03-09T09:00:00.123Z"


def ids(*letters: str) -> tuple[str, ...]:
    return tuple(letter * 64 for letter in letters)


def a_closing(*commitments: tuple[int, str, str], chains: tuple[tuple[str, ...], ...]) -> Closing:
    """`commitments` as (log index, id, bidder)."""
    return Closing(
        signer=the_world().service.fingerprint,
        tender=OCID,
        notice=NOTICE,
        terms=(NOTICE,),
        deadline=moment(DEADLINE),
        time=moment(DEADLINE),
        commitments=tuple(
            Committed(
                index=index,
                kind="envelope",
                time=TIME,
                salt=SALT,
                statement=id,
                status=STATUS,
                bidder=bidder,
            )
            for index, id, bidder in commitments
        ),
        chains=chains,
    )


def test_a_commitment_is_the_hash_that_the_specification_writes_down() -> None:
    ms = 1773046800123
    data = b"openseal/v1/commitment\n\x01" + bytes.fromhex(NOTICE) + struct.pack(">Q", ms)
    by_hand = hashlib.sha256(data + bytes.fromhex(SALT) + bytes.fromhex(STATEMENT)).digest()
    assert commitment("envelope", NOTICE, TIME, SALT, STATEMENT) == by_hand


def test_a_commitment_s_log_entry_says_nothing_but_the_hash() -> None:
    assert commitment_entry(bytes(32)) == b'{"c":"%s","t":"commitment"}' % (b"0" * 64)


@given(st.integers(0, 4), st.integers(0, 63))
def test_every_input_of_a_commitment_counts(which: int, at: int) -> None:
    inputs = [NOTICE, TIME, SALT, STATEMENT]
    before = commitment("envelope", *inputs)
    if which == 1:
        inputs[1] = TIME.replace("123Z", "124Z")
    elif which < 4:
        text = inputs[which]
        inputs[which] = text[:at] + ("4" if text[at] != "4" else "5") + text[at + 1 :]
    assert (commitment("envelope", *inputs) == before) == (which == 4)


def test_a_commitment_from_before_1970_is_malformed_and_not_a_crash() -> None:
    with pytest.raises(MalformedError):
        commitment("envelope", NOTICE, "1969-12-31T23:59:59.999Z", SALT, STATEMENT)


def test_a_receipt_holds_all_that_its_commitment_is_made_of() -> None:
    service = the_world().service
    receipt = Receipt(
        signer=service.fingerprint,
        tender=OCID,
        notice=NOTICE,
        kind="envelope",
        time=TIME,
        salt=SALT,
        statement=STATEMENT,
        bidder="123-45-67890",
        status=STATUS,
    )
    read = Statement(sign(receipt, service)).verify(Receipt, service.certificate)
    assert read == receipt
    assert read.commitment() == commitment("envelope", NOTICE, TIME, SALT, STATEMENT)


@pytest.mark.parametrize("reason", ["Too late", "too_late", "", "x" * 65, "zu-spät"])
def test_a_refusal_s_reason_is_a_code(reason: str) -> None:
    refusal = Refusal(
        signer="00" * 32, tender=OCID, received="00" * 32, reason=reason, detail="Sorry.", time=moment(START)
    )
    with pytest.raises(MalformedError):
        decode(encode(refusal), Refusal)


# ── the closing statement ────────────────────────────────────────────────────────────────────────────────

A, B, C = ids("a", "b", "c")


def test_the_last_of_each_chain_counts() -> None:
    closing = a_closing((3, A, "1"), (4, B, "2"), (7, C, "1"), chains=((B,), (A, C)))
    closing.check()
    assert closing.counted() == (B, C)


def test_a_box_without_bids_is_closed_like_any_other() -> None:
    closing = a_closing(chains=())
    closing.check()
    assert closing.counted() == ()


WRONG: dict[str, tuple[str, Any, Any]] = {
    "an envelope in no chain": ("exactly once", [(3, A, "1"), (4, B, "2")], ((A,),)),
    "a chain's envelope not committed to": ("exactly once", [(3, A, "1")], ((A,), (B,))),
    "an envelope in two chains": ("exactly once", [(3, A, "1"), (4, B, "2")], ((A,), (B, A))),
    "an envelope twice in a chain": ("exactly once", [(3, A, "1")], ((A, A),)),
    "an envelope committed to twice": ("exactly once", [(3, A, "1"), (4, A, "1")], ((A,),)),
    "twice here and twice there": ("exactly once", [(3, A, "1"), (4, A, "1")], ((A,), (A,))),
    "an empty chain": ("one chain", [(3, A, "1")], ((A,), ())),
    "a bidder with two chains": ("one chain", [(3, A, "1"), (4, B, "1")], ((A,), (B,))),
    "two bidders in a chain": ("one chain", [(3, A, "1"), (4, B, "2")], ((A, B),)),
    "indices out of order": ("order of the log", [(4, A, "1"), (3, B, "2")], ((A,), (B,))),
    "an index that stands twice": ("order of the log", [(3, A, "1"), (3, B, "2")], ((A,), (B,))),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_closing_statement_that_hides_or_doubles_something_is_refused(what: str) -> None:
    says, commitments, given_chains = WRONG[what]
    with pytest.raises(LogError, match=says):
        a_closing(*commitments, chains=given_chains).check()


# ── chains ───────────────────────────────────────────────────────────────────────────────────────────────


def test_envelopes_that_replace_each_other_are_one_chain() -> None:
    assert chains([(A, None), (B, A), (C, B)]) == ((A, B, C),)


def test_bidders_chains_do_not_mix() -> None:
    assert chains([(A, None), (B, None), (C, A)]) == ((B,), (A, C))


def test_an_envelope_that_replaces_something_unknown_starts_a_chain() -> None:
    assert chains([(A, B)]) == ((A,),)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=10, unique_by=lambda p: p[0]
    )
)
def test_whatever_replaces_what_each_envelope_is_in_exactly_one_chain(
    pairs: list[tuple[int, int | None]],
) -> None:
    named = [(str(id), None if previous is None else str(previous)) for id, previous in pairs]
    found = [each for chain in chains(named) for each in chain]
    assert sorted(found) == sorted(id for id, _ in named)
    assert all(chain for chain in chains(named))
