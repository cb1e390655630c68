"""Files that a power cut leaves as they were or as they should be, never between."""

import os
from pathlib import Path


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` at `path`, whole or not at all, for the owner's eyes alone unless `mode` says otherwise;
    durable when this returns.

    Raises OSError.
    """
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's content, or a folder's entries, durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_upwards(path: Path, root: Path) -> None:
    """Make a file durable, with its entries in all folders from its own up to `root`. Raises OSError."""
    for each in (path, *path.parents):
        sync(each)
        if each == root:
            return
