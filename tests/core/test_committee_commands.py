"""`openseal committee` and `openseal enrol` before they reach a service: passphrases, files, and one line for
what is wrong."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crypto.encoding import encode, to_base64
from procurement.__main__ import main
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe
from tests.builders import the_world

A_HOLDING = encode(
    Holding(
        service="http://127.0.0.1:1",
        trust=the_world().trust,
        certificate=to_base64(the_world().officer.certificate.der),
        key="11" * 32,
    )
)
PHRASE = "열두 글자보다 긴 문장"
NOBODY = (
    *("--service", "http://127.0.0.1:1", "--role", "committee"),
    *("--name", "Kim", "--registration", "G-1"),
)


class Prompt:
    """Somebody at the keyboard."""

    def __init__(self, *answers: str) -> None:
        self._answers = iter(answers)
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        try:
            return next(self._answers)
        except StopIteration:
            raise EOFError from None


@pytest.fixture(autouse=True)
def no_passphrase_file() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENSEAL_PASSPHRASE_FILE", raising=False)
        yield patch


def fails(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Exit status and the one line."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    captured = capfd.readouterr()
    lines = [line for line in captured.err.splitlines() if "for practice only" not in line]
    assert len(lines) == 1, captured.err
    return int(ended.value.code or 0), lines[0].removeprefix("openseal: ")


def test_a_new_passphrase_is_asked_for_twice_and_has_to_agree(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, no_passphrase_file: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(PHRASE, PHRASE + "!")
    no_passphrase_file.setattr(getpass, "getpass", prompt)
    assert fails(capfd, "enrol", tmp_path / "file", *NOBODY) == (2, "the passphrases differ")
    assert len(prompt.asked) == 2
    no_passphrase_file.setattr(getpass, "getpass", Prompt("short", "short"))
    status, line = fails(capfd, "enrol", tmp_path / "file", *NOBODY)
    assert (status, "12 characters or more" in line) == (2, True)
    no_passphrase_file.setattr(getpass, "getpass", Prompt())
    status, line = fails(capfd, "enrol", tmp_path / "file", *NOBODY)
    assert (status, "nobody is there" in line) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["--service", "--name", "--registration", "--role"])
def test_a_new_file_needs_to_be_told_whose_it_is(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, missing: str
) -> None:
    at = NOBODY.index(missing)
    status, line = fails(capfd, "enrol", tmp_path / "file", *NOBODY[:at], *NOBODY[at + 2 :])
    assert (status, "a new file needs" in line) == (2, True)


def test_nobody_enrols_as_the_service(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    at = NOBODY.index("--role")
    asked = [*NOBODY[:at], "--role", "service", *NOBODY[at + 2 :]]
    status, line = fails(capfd, "enrol", tmp_path / "file", *asked)
    assert (status, "service" in line, list(tmp_path.iterdir())) == (2, True, [])


@pytest.mark.parametrize("person", ["", "no number with spaces=Kim", "G-1=", "x" * 301])
def test_a_representative_that_cannot_be_written_down_is_named(
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    no_passphrase_file: pytest.MonkeyPatch,
    person: str,
) -> None:
    no_passphrase_file.setattr(getpass, "getpass", Prompt(PHRASE, PHRASE))
    status, line = fails(capfd, "enrol", tmp_path / "file", *NOBODY, "--representative", person)
    assert (status, "a representative is" in line) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_does_not_answer_leaves_no_file(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, no_passphrase_file: pytest.MonkeyPatch
) -> None:
    no_passphrase_file.setattr(getpass, "getpass", Prompt(PHRASE, PHRASE))
    status, line = fails(capfd, "enrol", tmp_path / "file", *NOBODY)
    assert (status, "no answer from http://127.0.0.1:1" in line) == (1, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["deal", "check", "rehearse", "sign", "status", "erase"])
def test_a_file_that_is_none_is_named(
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    no_passphrase_file: pytest.MonkeyPatch,
    command: str,
) -> None:
    no_passphrase_file.setattr(getpass, "getpass", lambda _: PHRASE)
    absent, other, empty = tmp_path / "absent", tmp_path / "other", tmp_path / "empty"
    other.write_bytes(b"something else")
    Safe(empty, PHRASE).write(b"{}")
    assert fails(capfd, "committee", command, absent) == (2, f"{absent}: No such file or directory")
    assert fails(capfd, "committee", command, other) == (2, f"{other}: not a file that openseal enrol made")
    status, line = fails(capfd, "committee", command, empty)
    assert (status, line.startswith(f"{empty}: not a Holding")) == (2, True)
    no_passphrase_file.setattr(getpass, "getpass", lambda _: PHRASE + "!")
    status, line = fails(capfd, "committee", command, empty)
    assert (status, "passphrase does not open" in line) == (2, True)


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1), ("yes please", 1)])
def test_only_a_yes_erases(
    tmp_path: Path, no_passphrase_file: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    no_passphrase_file.setattr(getpass, "getpass", lambda _: PHRASE)
    file = tmp_path / "file"
    Safe(file, PHRASE).write(A_HOLDING)
    with _typing(answer + "\n", no_passphrase_file), pytest.raises(SystemExit) as ended:
        main(["committee", "erase", str(file)])
    assert (ended.value.code, file.exists()) == (status, status == 1)


@contextmanager
def _typing(text: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal at which somebody types."""
    keyboard, terminal = os.openpty()
    with os.fdopen(terminal, "r") as stdin:
        patch.setattr(sys, "stdin", stdin)
        os.write(keyboard, text.encode())
        yield
    os.close(keyboard)


def test_the_passphrase_is_in_no_argument(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _ = fails(capfd, "committee", "status", tmp_path / "file", "--passphrase", PHRASE)
    assert status == 2
