import json
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.checkpoint import (
    LOG,
    WITNESS,
    Checkpoint,
    Note,
    SigningKey,
    TlogProof,
    VerifyingKey,
    cosign,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from crypto.errors import LogError, MalformedError, SignatureError, VerificationError
from crypto.merkle import EMPTY_ROOT
from tests.core.test_merkle import entry

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "tlog.json").read_text())
LOG_KEY = VerifyingKey.parse(VECTORS["log"]["vkey"])
WITNESS_KEY = VerifyingKey.parse(VECTORS["witness"]["vkey"])
LOG_SIGNER = SigningKey(LOG_KEY.name, LOG, sha256(VECTORS["log"]["seedText"].encode()).digest())
WITNESS_SIGNER = SigningKey(
    WITNESS_KEY.name, WITNESS, sha256(VECTORS["witness"]["seedText"].encode()).digest()
)
TIME = datetime.fromtimestamp(VECTORS["witness"]["time"], UTC)
NOTE: str = VECTORS["notes"][-1]
PROOF: str = VECTORS["tlogProof"]
OTHER_WITNESS = SigningKey("witness.example/w2", WITNESS, bytes(32))


@pytest.mark.parametrize("note", VECTORS["notes"], ids=lambda note: note.split("\n")[1])
def test_a_published_note_verifies_and_is_made_again_byte_for_byte(note: str) -> None:
    checkpoint = verify_checkpoint(note, LOG_KEY)
    (cosignature,) = verify_cosignatures(note, [WITNESS_KEY], 1)
    assert (cosignature.name, cosignature.time) == (WITNESS_KEY.name, TIME)
    signed = sign_checkpoint(checkpoint, LOG_SIGNER)
    assert signed + cosign(signed, WITNESS_SIGNER, TIME) == note
    assert Note.parse(note).encode() == note


def test_a_vkey_is_the_name_the_id_and_the_key() -> None:
    assert LOG_SIGNER.verifier == LOG_KEY
    assert WITNESS_SIGNER.verifier == WITNESS_KEY
    assert LOG_KEY.encode() == VECTORS["log"]["vkey"]
    assert WITNESS_KEY.encode() == VECTORS["witness"]["vkey"]
    assert (LOG_KEY.kind, WITNESS_KEY.kind) == (LOG, WITNESS)


def test_a_published_proof_verifies_and_is_made_again_byte_for_byte() -> None:
    proof = TlogProof.parse(PROOF)
    assert proof.encode() == PROOF
    assert proof.verify(entry(proof.index), LOG_KEY).size == 70_007
    assert verify_cosignatures(proof.checkpoint, [WITNESS_KEY], 1)
    with pytest.raises(LogError):
        proof.verify(entry(proof.index + 1), LOG_KEY)


def test_a_proof_may_carry_opaque_extra_data() -> None:
    with_extra = PROOF.replace("\n", "\nextra AAEC\n", 1)
    proof = TlogProof.parse(with_extra)
    assert proof.extra == b"\x00\x01\x02"
    assert proof.encode() == with_extra
    proof.verify(entry(proof.index), LOG_KEY)


def test_a_proof_of_the_only_entry_has_no_hashes() -> None:
    proof = TlogProof.parse(TlogProof(index=0, hashes=(), checkpoint=VECTORS["notes"][0]).encode())
    assert proof.verify(entry(0), LOG_KEY).size == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 46671", "index 046671"),
        ("index 46671", "index -1"),
        ("index 46671\n", ""),
        ("index 46671", "extra \nindex 46671"),
        ("index 46671", "extra AB==\nindex 46671"),
        ("index 46671\n", "index 46671\nAAAA\n"),
        ("index 46671\n", "index 46671\n\n"),
        ("index 46671\n", "index 46671\n" + 64 * f"{'A' * 43}=\n"),
        ("\n\ntenders.example/log1", "\ntenders.example/log1"),
        ("\n70007\n", "\n070007\n"),
    ],
)
def test_a_proof_in_any_other_form_is_malformed(old: str, new: str) -> None:
    assert old in PROOF
    with pytest.raises(MalformedError):
        TlogProof.parse(PROOF.replace(old, new, 1))


def test_a_secret_key_is_written_as_go_writes_it() -> None:
    """The example of golang.org/x/mod/sumdb/note."""
    skey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    key = SigningKey.parse(skey)
    assert key.verifier.encode() == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert key.encode() == skey
    assert SigningKey.parse(WITNESS_SIGNER.encode()).verifier == WITNESS_KEY


@given(st.text() | st.text().map("PRIVATE+KEY+{}".format) | st.text().map("PRIVATE+KEY+a+00000000+{}".format))
def test_garbage_is_no_secret_key(text: str) -> None:
    with pytest.raises(MalformedError):
        SigningKey.parse(text)


@pytest.mark.parametrize("vkey", [LOG_KEY, WITNESS_KEY], ids=["log", "witness"])
def test_a_public_key_is_no_secret_key(vkey: VerifyingKey) -> None:
    for text in (vkey.encode(), f"PRIVATE+KEY+{vkey.encode()}"):
        with pytest.raises(MalformedError):
            SigningKey.parse(text)


def test_a_checkpoint_by_another_log_is_refused() -> None:
    other = SigningKey("other.example/log", LOG, bytes(32))
    note = sign_checkpoint(Checkpoint(origin="other.example/log", size=0, root=EMPTY_ROOT), other)
    with pytest.raises(LogError):
        verify_checkpoint(note, LOG_KEY)
    same_name = SigningKey(LOG_KEY.name, LOG, bytes(32))
    note = sign_checkpoint(Checkpoint(origin=LOG_KEY.name, size=0, root=EMPTY_ROOT), same_name)
    with pytest.raises(SignatureError):
        verify_checkpoint(note, LOG_KEY)


def test_a_witness_key_signs_no_checkpoint_and_a_log_key_no_cosignature() -> None:
    checkpoint = Checkpoint(origin=WITNESS_KEY.name, size=0, root=EMPTY_ROOT)
    with pytest.raises(SignatureError):
        verify_checkpoint(sign_checkpoint(checkpoint, WITNESS_SIGNER), WITNESS_KEY)
    with pytest.raises(SignatureError):
        verify_cosignatures(NOTE, [LOG_KEY], 1)


def test_signatures_by_unknown_keys_are_ignored_even_under_a_known_name() -> None:
    stranger = SigningKey(WITNESS_KEY.name, WITNESS, bytes(32))
    note = NOTE + cosign(NOTE, stranger, TIME) + cosign(NOTE, OTHER_WITNESS, TIME)
    assert verify_checkpoint(note, LOG_KEY).size == 70_007
    assert [each.name for each in verify_cosignatures(note, [WITNESS_KEY], 1)] == [WITNESS_KEY.name]


def test_a_wrong_signature_under_a_known_key_is_refused() -> None:
    elsewhere = cosign(VECTORS["notes"][0], WITNESS_SIGNER, TIME)
    with pytest.raises(SignatureError):
        verify_cosignatures(NOTE + elsewhere, [WITNESS_KEY], 1)
    signature = Note.parse(VECTORS["notes"][0]).by(LOG_KEY)[0].encode()
    with pytest.raises(SignatureError):
        verify_checkpoint(NOTE + signature, LOG_KEY)


def test_a_quorum_counts_distinct_witnesses() -> None:
    keys = [WITNESS_KEY, OTHER_WITNESS.verifier]
    with pytest.raises(LogError):
        verify_cosignatures(NOTE, keys, 2)
    with pytest.raises(LogError):
        verify_cosignatures(NOTE + cosign(NOTE, WITNESS_SIGNER, TIME), keys, 2)
    both = NOTE + cosign(NOTE, OTHER_WITNESS, TIME.replace(year=2024))
    assert [each.name for each in verify_cosignatures(both, keys, 2)] == [
        "witness.example/w2",
        "witness.example/w1",
    ]


def test_one_key_under_two_names_is_one_witness() -> None:
    seed = sha256(VECTORS["witness"]["seedText"].encode()).digest()
    alias = SigningKey("witness.example/alias", WITNESS, seed)
    note = NOTE + cosign(NOTE, alias, TIME)
    with pytest.raises(LogError):
        verify_cosignatures(note, [WITNESS_KEY, alias.verifier], 2)


def test_a_witness_that_signed_twice_counts_with_its_earliest_time() -> None:
    note = NOTE + cosign(NOTE, WITNESS_SIGNER, TIME.replace(year=2024))
    assert [each.time.year for each in verify_cosignatures(note, [WITNESS_KEY], 1)] == [2024]


def test_a_time_beyond_the_calendar_is_refused() -> None:
    signature = Note.parse(NOTE).by(WITNESS_KEY)[0]
    late = type(signature)(name=signature.name, id=signature.id, signature=b"\xff" * 72)
    with pytest.raises(SignatureError):
        verify_cosignatures(Note.parse(NOTE).text + "\n" + late.encode(), [WITNESS_KEY], 1)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a+b",
        "a+b+c",
        VECTORS["log"]["vkey"].replace("b8f21bd3", "b8f21bd4"),
        VECTORS["log"]["vkey"].replace("tenders", "tenderz"),
        VECTORS["log"]["vkey"].replace("b8f21bd3", "B8F21BD3"),
        VECTORS["log"]["vkey"] + "=",
        "a b+00000000+" + VECTORS["log"]["vkey"].split("+", 2)[2],
        "log+00000000+AgAA",
        "\ud800+00000000+" + VECTORS["log"]["vkey"].split("+", 2)[2],
    ],
)
def test_a_vkey_that_is_not_its_own_is_malformed(vkey: str) -> None:
    with pytest.raises(MalformedError):
        VerifyingKey.parse(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\u2003b"])
def test_a_key_name_with_spaces_or_plus_is_malformed(name: str) -> None:
    with pytest.raises(MalformedError):
        SigningKey(name, LOG, bytes(32))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\n— name\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name AAAAAAA=",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— na+me AAAAAAA=\n",
        "text\n\n— name AAAAAAB=\n",
        "text\n\n— name AAAAAAA= more\n",
        "te\txt\n\n— name AAAAAAA=\n",
        "te\r\n\n— name AAAAAAA=\n",
        "te\ud800xt\n\n— name AAAAAAA=\n",
        "text\n\n" + 101 * "— name AAAAAAA=\n",
        "t" * 300_000 + "\n\n— name AAAAAAA=\n",
    ],
)
def test_what_is_not_a_note_is_malformed(note: str) -> None:
    with pytest.raises(MalformedError):
        Note.parse(note)


def test_a_note_s_text_ends_at_its_last_empty_line() -> None:
    note = Note.parse("one\n\ntwo\n\n— name AAAAAAA=\n")
    assert note.text == "one\n\ntwo\n"
    assert [each.name for each in note.signatures] == ["name"]


ROOT = "ddyPBS72O7vnyKgoqsaxg5ijZxfa214An4Rvx1rBCug="


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"\n1\n{ROOT}\n",
        f"log\n01\n{ROOT}\n",
        f"log\n+1\n{ROOT}\n",
        f"log\n١\n{ROOT}\n",
        f"log\n9007199254740992\n{ROOT}\n",
        f"log\n1\n{ROOT}",
        f"log\n1\n{ROOT[:-1]}\n",
        "log\n1\nAAAA\n",
        f"log\n1\n{ROOT}\nextension\n",
        f"log\n1\n{ROOT}\n\n",
    ],
)
def test_what_is_not_a_checkpoint_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint.parse(text)


@given(st.data())
def test_no_byte_of_a_signed_checkpoint_or_its_proof_can_change(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([NOTE, PROOF]))
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.characters(codec="utf-8").filter(lambda character: character != text[at]))
    changed = text[:at] + new + text[at + 1 :]
    with pytest.raises(VerificationError):
        verify_wholly(changed)


def verify_wholly(text: str) -> None:
    note = text
    if "tlog-proof" in text:
        proof = TlogProof.parse(text)
        proof.verify(entry(46_671), LOG_KEY)
        note = proof.checkpoint
    verify_checkpoint(note, LOG_KEY)
    verify_cosignatures(note, [WITNESS_KEY], 1)


@given(
    st.text() | st.text(alphabet="—-+ \nA=0") | st.builds(lambda text: f"{text}\n\n— a AAAAAAA=\n", st.text())
)
def test_garbage_raises_only_typed_errors(text: str) -> None:
    for read in (VerifyingKey.parse, Note.parse, Checkpoint.parse, TlogProof.parse):
        with suppress(VerificationError):
            read(text)
    with pytest.raises(VerificationError):
        verify_checkpoint(text, LOG_KEY)
    with pytest.raises(VerificationError):
        verify_cosignatures(text, [WITNESS_KEY], 1)
