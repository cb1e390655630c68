from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import (
    LOG,
    WITNESS,
    Checkpoint,
    SigningKey,
    cosign,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from crypto.merkle import EMPTY_ROOT, plan_consistency
from crypto.witness import Answer, Conflict, Request, WitnessState, add_checkpoint
from tests.core.test_merkle import LEAVES, Tree

KEY = SigningKey("witness.example/w1", WITNESS, bytes(32))
LOG_KEY = SigningKey("tenders.example/log1", LOG, bytes(range(32)))
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TREE = Tree(LEAVES[:600])
FORK = Tree([*LEAVES[:5], LEAVES[700], *LEAVES[6:600]])


def note_at(size: int, tree: Tree = TREE, key: SigningKey = LOG_KEY) -> str:
    root = tree.frontier.extend([])[0].root if size == 600 else Tree(tree.rows[0][:size]).frontier.root
    return sign_checkpoint(Checkpoint(origin=key.verifier.name, size=size, root=root), key)


def request(old: int, new: int, tree: Tree = TREE) -> bytes:
    proof = tuple(tree.prove(plan_consistency(old, new)))
    return Request(old_size=old, proof=proof, checkpoint=note_at(new, tree)).encode()


def ask(state: WitnessState, body: bytes) -> tuple[Answer, WitnessState]:
    return add_checkpoint(state, body, [LOG_KEY.verifier], KEY, NOW)


def witnessed(size: int) -> WitnessState:
    answer, state = ask(WitnessState(), request(0, size))
    assert answer.status == 200
    return state


def test_a_new_log_is_cosigned_and_remembered() -> None:
    answer, state = ask(WitnessState(), request(0, 7))
    assert answer.status == 200
    (cosignature,) = verify_cosignatures(note_at(7) + answer.body.decode(), [KEY.verifier], 1)
    assert cosignature.time == NOW
    head = state.head(LOG_KEY.verifier.name)
    assert head.note == note_at(7) + answer.body.decode()
    assert (head.size, head.root) == (7, Tree(LEAVES[:7]).frontier.root.hex())


@given(st.lists(st.integers(0, 600), min_size=1, max_size=6))
def test_a_growing_log_is_cosigned_at_each_step(steps: list[int]) -> None:
    state, held = WitnessState(), 0
    for size in sorted(steps):
        answer, state = ask(WitnessState.parse(state.encode()), request(held, size))
        assert answer.status == 200
        held = size


def test_the_same_head_may_be_cosigned_again_later() -> None:
    state = witnessed(7)
    answer, after = add_checkpoint(state, request(7, 7), [LOG_KEY.verifier], KEY, NOW + timedelta(hours=1))
    assert answer.status == 200
    (before,), (head,) = state.heads, after.heads
    assert (head.size, head.root) == (before.size, before.root)
    (cosignature,) = verify_cosignatures(head.note, [KEY.verifier], 1)
    assert cosignature.time == NOW + timedelta(hours=1)


@pytest.mark.parametrize("old", [0, 3, 8])
def test_another_old_size_than_the_one_held_is_a_conflict_that_tells_it(old: int) -> None:
    state = witnessed(7)
    answer, after = ask(state, request(old, 9))
    assert (answer.status, answer.body, answer.content_type) == (409, b"7\n", "text/x.tlog.size")
    assert after == state


@pytest.mark.parametrize("old", [0, 7])
def test_a_rollback_is_a_conflict_and_kept(old: int) -> None:
    state = witnessed(9)
    answer, after = ask(state, request(old, 7))
    assert (answer.status, answer.body, after) == (409, b"9\n", state)
    conflict = evidence(answer, "older", note_at(9), note_at(7))
    assert "came with 7 entries after 9 were seen" in str(conflict)


@pytest.mark.parametrize("old", [0, 9])
def test_a_fork_at_the_same_size_is_a_conflict_and_proof(old: int) -> None:
    state = witnessed(9)
    answer, after = ask(state, request(old, 9, FORK))
    assert (answer.status, answer.body, after) == (409, b"9\n", state)
    conflict = evidence(answer, "another-tree", note_at(9), note_at(9, FORK))
    assert "tenders.example/log1 signed two trees of 9 entries" in str(conflict)


def test_a_fork_that_grew_is_unprocessable_and_kept_with_its_proof() -> None:
    state = witnessed(9)
    answer, after = ask(state, request(9, 20, FORK))
    assert (answer.status, after) == (422, state)
    conflict = evidence(answer, "unproven", note_at(9), note_at(20, FORK))
    assert len(conflict.proof) == len(FORK.prove(plan_consistency(9, 20)))
    assert "signed a tree of 20 entries that was not shown to extend the 9 seen before" in str(conflict)


def test_evidence_has_the_logs_signature_and_none_that_others_added() -> None:
    stranger = SigningKey("witness.example/w2", WITNESS, bytes(32))
    note = note_at(9, FORK)
    body = Request(old_size=9, proof=(), checkpoint=note + cosign(note, stranger, NOW)).encode()
    evidence(ask(witnessed(9), body)[0], "another-tree", note_at(9), note)


def test_what_is_remembered_does_not_grow_with_what_is_written_below_a_note() -> None:
    note = note_at(7)
    line = note.splitlines(keepends=True)[-1]
    answer, state = ask(WitnessState(), Request(old_size=0, proof=(), checkpoint=note + 90 * line).encode())
    assert answer.status == 200
    assert state.heads[0].note == note + answer.body.decode()


def test_the_same_evidence_has_the_same_name() -> None:
    state = witnessed(9)
    names = {
        str(answer.conflict and answer.conflict.name)
        for answer in (
            ask(state, request(9, 20, FORK))[0],
            ask(state, Request(old_size=9, proof=(), checkpoint=note_at(20, FORK)).encode())[0],
        )
    }
    assert len(names) == 1
    assert ask(state, request(9, 21, FORK))[0].conflict.name not in names  # type: ignore[union-attr]


def evidence(answer: Answer, kind: str, held: str, offered: str) -> Conflict:
    """The conflict, with notes that anybody can verify: the log's, and co-signed the one that is held."""
    conflict = answer.conflict
    assert conflict is not None
    assert (conflict.kind, conflict.offered) == (kind, offered)
    assert conflict.held.startswith(held)
    verify_cosignatures(conflict.held, [KEY.verifier], 1)
    assert verify_checkpoint(conflict.held, LOG_KEY.verifier) != verify_checkpoint(offered, LOG_KEY.verifier)
    assert decode(encode(conflict), Conflict) == conflict
    return conflict


def test_what_says_nothing_about_the_log_is_no_evidence() -> None:
    impostor = SigningKey(LOG_KEY.verifier.name, LOG, bytes(32))
    forged = Request(old_size=9, proof=(), checkpoint=note_at(9, FORK, impostor)).encode()
    for body in (request(0, 20), request(9, 20), forged):
        assert ask(witnessed(9), body)[0].conflict is None


def test_a_proof_from_nothing_must_be_empty() -> None:
    body = Request(old_size=0, proof=(bytes(32),), checkpoint=note_at(7)).encode()
    answer, _ = ask(WitnessState(), body)
    assert (answer.status, answer.conflict) == (422, None)


def test_an_empty_tree_has_the_empty_root() -> None:
    good = Request(old_size=0, proof=(), checkpoint=note_at(0)).encode()
    assert ask(WitnessState(), good)[0].status == 200
    checkpoint = Checkpoint(origin=LOG_KEY.verifier.name, size=0, root=bytes(32))
    bad = Request(old_size=0, proof=(), checkpoint=sign_checkpoint(checkpoint, LOG_KEY)).encode()
    answer, state = ask(WitnessState(), bad)
    assert (answer.status, state) == (409, WitnessState())
    assert answer.conflict is not None
    assert str(answer.conflict).startswith("log tenders.example/log1 signed two trees of 0 entries")
    assert WitnessState().head("any").root == EMPTY_ROOT.hex()


def test_an_unknown_log_is_not_found() -> None:
    stranger = SigningKey("other.example/log", LOG, bytes(range(32)))
    body = Request(old_size=0, proof=(), checkpoint=note_at(7, key=stranger)).encode()
    assert ask(WitnessState(), body) == (Answer(status=404), WitnessState())


def test_a_known_log_under_another_key_is_forbidden() -> None:
    impostor = SigningKey(LOG_KEY.verifier.name, LOG, bytes(32))
    body = Request(old_size=0, proof=(), checkpoint=note_at(7, key=impostor)).encode()
    assert ask(WitnessState(), body) == (Answer(status=403), WitnessState())


def test_an_old_size_above_the_new_one_is_malformed() -> None:
    body = Request(old_size=8, proof=(), checkpoint=note_at(7)).encode()
    assert ask(witnessed(8), body)[0].status == 400


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"old 0", b"old 00"),
        (b"old 0", b"old -1"),
        (b"old 0", b"old  0"),
        (b"old 0", b"new 0"),
        (b"old 0\n", b""),
        (b"old 0\n", b"old 0\r\n"),
        (b"old 0\n", b"old 0\nAAAA\n"),
        (b"old 0\n", b"old 0\n" + 64 * (b"A" * 43 + b"=\n")),
        (b"old 0\n", b"old 0\n\n"),
        (b"\n7\n", b"\n07\n"),
        (b"\n7\n", b"\n7\nextension\n"),
        ("—".encode(), b"-"),
        ("—".encode(), b"\xff"),
        (b"old 0", b"old 0" + bytes(600_000)),
    ],
)
def test_a_request_in_any_other_form_is_malformed(old: bytes, new: bytes) -> None:
    body = request(0, 7)
    assert old in body
    assert ask(WitnessState(), body.replace(old, new, 1)) == (Answer(status=400), WitnessState())


@given(st.binary() | st.text().map(lambda text: f"old 0\n\n{text}\n\n— a AAAAAAA=\n".encode()))
def test_garbage_gets_an_answer_and_changes_nothing(body: bytes) -> None:
    answer, state = ask(WitnessState(), body)
    assert answer.status in (400, 404)
    assert state == WitnessState()


@given(st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_request_can_change_and_still_be_cosigned(at: int, difference: int) -> None:
    state, body = witnessed(5), bytearray(request(5, 300))
    body[at % len(body)] ^= difference
    answer, after = ask(state, bytes(body))
    assert answer.status != 200
    assert after == state


def test_several_logs_are_remembered_apart() -> None:
    other = SigningKey("other.example/log", LOG, bytes(range(32)))
    logs = [LOG_KEY.verifier, other.verifier]
    state = witnessed(7)
    body = Request(old_size=0, proof=(), checkpoint=note_at(3, key=other)).encode()
    answer, state = add_checkpoint(state, body, logs, KEY, NOW)
    assert answer.status == 200
    assert [(head.origin, head.size) for head in state.heads] == [
        ("other.example/log", 3),
        ("tenders.example/log1", 7),
    ]
    assert WitnessState.parse(state.encode()) == state


@given(st.binary())
def test_a_broken_state_file_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        WitnessState.parse(data)
