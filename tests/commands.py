"""The command line run in this process, as a test sees it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from procurement.__main__ import main


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


def in_this_process(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process."""

    def run(*arguments: str | Path) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    return run
