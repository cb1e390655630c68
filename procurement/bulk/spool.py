"""Folders to put files together in: of each process its own, and gone with it.

    spool/maker-… : locked (flock) for as long as its process lives

A process that is killed leaves its folder, unlocked; the next one that starts removes it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def spooled(spool: Path) -> Iterator[Path]:
    """A new folder below `spool`, and nobody else's, until the block ends. Raises OSError."""
    spool.mkdir(parents=True, exist_ok=True)
    with _locked(spool):  # nobody takes a folder that is new, and not locked yet, for one that was left
        _clear(spool)
        folder = Path(tempfile.mkdtemp(prefix="maker-", dir=spool))
        lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def _locked(spool: Path) -> Iterator[None]:
    lock = _lock(spool)
    try:
        yield
    finally:
        os.close(lock)


def _clear(spool: Path) -> None:
    for folder in spool.glob("maker-*"):
        try:
            lock = _lock(folder, fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError):  # at work, or just at its end
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path, how: int = 0) -> int:
    """Its open descriptor, which no child process has. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
