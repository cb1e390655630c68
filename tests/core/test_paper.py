"""A member's file and its printed back-up: what was written comes back, and nothing else does."""

import base64
import hashlib
import unicodedata
from pathlib import Path

import pytest
import segno
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given, settings
from hypothesis import strategies as st

from procurement.committee import paper
from procurement.committee.paper import Backup
from procurement.errors import SafeError
from procurement.registry.safe import Safe

PHRASE = "열두 글자보다 긴 문장"
BACKUP = Backup(
    ceremony="aa" * 32, member=7, certificate="bb" * 32, share=bytes(range(32)), key=bytes(range(32, 64))
)
PLAIN = paper.write(BACKUP, None, b"")
SEALED = paper.write(BACKUP, PHRASE, bytes(16))


def fields(backup: Backup) -> tuple[object, ...]:
    return backup.ceremony, backup.member, backup.certificate, backup.share, backup.key


@pytest.mark.parametrize("text", [PLAIN, SEALED])
def test_what_was_printed_comes_back(text: str) -> None:
    assert fields(paper.read(text, PHRASE)) == fields(BACKUP)
    assert fields(paper.read(text.lower() + "\n\n", PHRASE)) == fields(BACKUP)
    assert fields(paper.read(text.replace("O", "0").replace("I", "1"), PHRASE)) == fields(BACKUP)
    code = paper.QR_PREFIX + "".join("".join(line.split()[1:-1]) for line in text.splitlines())
    assert fields(paper.read(code, PHRASE)) == fields(BACKUP)
    assert code in _decoded(paper.page(text, BACKUP, "Member <Seven>"), code)


def _decoded(page: str, code: str) -> str:
    """The code, if the page shows the very picture that stands for it."""
    picture = segno.make(code, error="m").svg_inline(scale=4)
    return code if picture in page and "Member &lt;Seven&gt;" in page else ""


@pytest.mark.parametrize(("text", "form"), [(PLAIN, 0), (SEALED, 1)])
def test_the_sheet_is_what_the_document_says(text: str, form: int) -> None:
    """Read by hand, with nothing of ours (docs/formats.md, section 5)."""
    joined = ""
    for number, line in enumerate(text.splitlines(), start=1):
        first, *groups, check = line.split()
        data = "".join(groups)
        digest = hashlib.sha256(bytes([number]) + data.encode()).digest()
        assert (first, check) == (f"{number:02}", base64.b32encode(digest).decode()[:2])
        assert [len(each) for each in groups[:-1]] == [5] * (len(groups) - 1)
        joined += data
    raw = base64.b32decode(joined + "=" * (-len(joined) % 8))
    head, inside, check_bytes = raw[:67], raw[67:-8], raw[-8:]
    assert hashlib.sha256(raw[:-8]).digest()[:8] == check_bytes
    assert head == bytes([1, form, 7]) + b"\xaa" * 32 + b"\xbb" * 32
    if form:
        phrase, salt = unicodedata.normalize("NFC", PHRASE).encode(), inside[:16]
        key = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(phrase)
        inside = ChaCha20Poly1305(key).decrypt(bytes(12), inside[16:], head + salt)
    assert inside == bytes(range(64))


def test_a_sealed_back_up_takes_its_passphrase_and_a_plain_one_none() -> None:
    assert (paper.is_sealed(SEALED), paper.is_sealed(PLAIN)) == (True, False)
    with pytest.raises(SafeError, match="passphrase"):
        paper.read(SEALED, PHRASE + "!")
    assert paper.read(PLAIN, "").member == 7
    assert "is encrypted under your passphrase" in paper.page(SEALED, BACKUP, "x")
    assert "not encrypted" in paper.page(PLAIN, BACKUP, "x")


def test_korean_typed_on_another_keyboard_is_the_same_passphrase() -> None:
    assert fields(paper.read(SEALED, unicodedata.normalize("NFD", PHRASE))) == fields(BACKUP)


def test_every_miscopied_character_and_exchanged_line_is_noticed() -> None:
    lines = PLAIN.splitlines()
    for number, line in enumerate(lines, start=1):
        for place, letter in enumerate(line):
            if letter != " " and place > 1:
                bad = line[:place] + ("A" if letter != "A" else "C") + line[place + 1 :]
                with pytest.raises(SafeError, match=f"line {number} "):
                    paper.read("\n".join([*lines[: number - 1], bad, *lines[number:]]), "")
    with pytest.raises(SafeError, match="line 1 "):
        paper.read("\n".join(lines[1:]), "")
    with pytest.raises(SafeError, match="missing"):
        paper.read("\n".join(lines[:-1]), "")


@settings(max_examples=200)
@given(st.one_of(st.text(), st.text("ABCDEFGHIJ234567 \n01").map(lambda text: paper.QR_PREFIX + text)))
def test_anything_else_is_no_back_up(text: str) -> None:
    with pytest.raises(SafeError):
        paper.read(text, "")


def test_a_file_comes_back_under_its_passphrase_only(tmp_path: Path) -> None:
    path = tmp_path / "member"
    Safe(path, PHRASE).write(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"secret" not in path.read_bytes()
    safe = Safe(path, PHRASE)
    assert safe.read() == b"secret"
    before = path.read_bytes()
    safe.write(b"other secret")
    assert Safe(path, PHRASE).read() == b"other secret"
    assert path.read_bytes()[33:45] != before[33:45], "no nonce twice"
    with pytest.raises(SafeError, match="passphrase"):
        Safe(path, PHRASE + " ").read()
    assert list(tmp_path.iterdir()) == [path]


def test_every_changed_byte_of_a_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "member"
    Safe(path, PHRASE).write(b"s")
    whole = path.read_bytes()
    for place in (0, 16, 20, 33, 44, 45, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SafeError):
            Safe(path, PHRASE).read()
    for size in (0, 5, 17, 40, 45, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(SafeError):
            Safe(path, PHRASE).read()


def test_what_is_replaced_or_erased_is_overwritten(tmp_path: Path) -> None:
    path, kept = tmp_path / "member", tmp_path / "second-name"
    safe = Safe(path, PHRASE)
    safe.write(b"first")
    kept.hardlink_to(path)
    before = kept.read_bytes()
    safe.write(b"second")
    assert len(kept.read_bytes()) == len(before)
    assert kept.read_bytes()[:16] != before[:16]
    kept.unlink()
    kept.hardlink_to(path)
    safe.erase()
    assert not path.exists()
    with pytest.raises(SafeError):
        Safe(kept, PHRASE).read()
