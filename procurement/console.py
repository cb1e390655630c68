"""What all commands share: how one ends, what it reads, and where it prints."""

import sys
from pathlib import Path

import msgspec
from rich.console import Console

from crypto.checkpoint import VerifyingKey
from crypto.errors import VerificationError
from crypto.trust import Trust

FAILED = 1
"""Exit status: something is not as it should be, and the output says what."""
UNUSABLE = 2
"""Exit status: what was given could not be worked with at all."""
LATER = 75
"""Exit status: nothing is wrong that could be shown, somebody does not answer: try again (EX_TEMPFAIL)."""
INTERRUPTED = 130
"""Exit status: broken off by Ctrl-C."""


class Stop(Exception):  # not an error of ours: how a command ends early
    """Ends the command with one line and an exit status."""

    def __init__(self, status: int, line: object) -> None:
        super().__init__(" ".join(str(line).split()))
        self.status = status


def plain(text: str) -> str:
    """What others wrote, as part of one line: it draws no lines of its own, and none backwards."""
    return "".join(each if each.isprintable() else " " for each in text)


def stdout() -> Console:
    """Standard output."""
    return Console(soft_wrap=True, highlight=False, markup=False)


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes` answers already. Raises Stop for anything but a yes."""
    try:
        answer = "y" if yes else input(f"{question} [y/N] ")
    except (EOFError, OSError, RuntimeError) as error:  # the input is at its end, unreadable, or closed
        raise Stop(FAILED, "nobody is there to be asked; --yes answers") from error
    if answer.strip().lower() not in ("y", "yes"):
        raise Stop(FAILED, "nothing was done")


def read(path: Path) -> bytes:
    """The file. Raises Stop."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Stop(UNUSABLE, f"{path}: {error.strerror}") from error


def parse_trust(data: bytes, source: object) -> Trust:
    """The trust file that was read from `source`. Raises Stop.

    Whoever wrote it may have indented it: its bytes are nobody's statement.
    """
    try:
        trust = msgspec.json.decode(data, type=Trust)
        trust.authorities()
        VerifyingKey.parse(trust.log)
    except (ValueError, RecursionError, VerificationError) as error:
        raise Stop(UNUSABLE, f"{source}: not a trust file: {error}") from error
    return trust


def read_code(path: Path) -> str:
    """The one-time code in the file, or on standard input for `-`. Raises Stop."""
    code = sys.stdin.readline() if str(path) == "-" else read(path).decode("ascii", "replace")
    if not code.strip():
        raise Stop(UNUSABLE, f"{path}: there is no code in it")
    return code.strip()
