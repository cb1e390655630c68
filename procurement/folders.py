"""Folders in which people keep what they are at work on: for their owner's eyes, one command at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from procurement.errors import FolderError


def make(path: Path) -> None:
    """A new folder; an empty one may be there already. Raises FolderError, OSError."""
    path.mkdir(mode=0o700, exist_ok=True)
    if any(path.iterdir()):
        raise FolderError(f"{path} is not empty")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else at work in the folder. Raises FolderError, OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FolderError(f"another command is at work in {path}") from error
    else:
        yield
    finally:
        os.close(descriptor)
