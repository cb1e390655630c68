"""What was found about each record of a service, in a file of SQLite that a broken-off walk leaves whole."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from procurement.errors import FolderError

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS walk (service TEXT NOT NULL, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS finding (
    tender TEXT PRIMARY KEY, body BLOB NOT NULL, trust TEXT NOT NULL, version TEXT NOT NULL,
    walk INTEGER NOT NULL
) WITHOUT ROWID;
"""

Outcome = Literal["verified", "coherent", "refused", "withheld", "unchecked"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What became of a record that the service lists: the verdict's outcome, `withheld` where none came, or
    `unchecked` where there is no verdict on what came.

    `step` and `title` say where a record was refused, 0 being the comparison with the list; `words` say why,
    and `meaning` what that means. `earlier` is the SHA-256 that the list named before, if it named another.
    """

    tender: str
    sha256: str
    outcome: Outcome
    step: int | None = None
    title: str = ""
    words: str = ""
    meaning: str = ""
    reservations: tuple[str, ...] = ()
    earlier: str = ""


class Under(NamedTuple):
    """By what a record was judged: the SHA-256 of the trust file, empty without one, and our version."""

    trust: str
    version: str


class Kept(NamedTuple):
    """A finding of a walk, and by what it was found."""

    finding: Finding
    under: Under
    walk: int


class Journal:
    """The findings about one service's records. `walk` is the number of the walk under way."""

    def __init__(self, path: Path, service: str) -> None:
        """Raises FolderError where the file is another service's journal, or none."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise FolderError(f"{path} cannot be used as a journal: {error}") from error
        try:
            self.walk = self._begin(path, service)
        except sqlite3.Error as error:
            self._db.close()
            raise FolderError(f"{path} cannot be used as a journal: {error}") from error
        except FolderError:
            self._db.close()
            raise

    def _begin(self, path: Path, service: str) -> int:
        self._db.executescript(_TABLES)
        kept, before = self._db.execute("SELECT service, number FROM walk").fetchone() or (service, 0)
        if kept != service:
            raise FolderError(f"{path.parent} holds what was found about {kept}")
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM walk")
            self._db.execute("INSERT INTO walk VALUES (?, ?)", (service, before + 1))
        return int(before) + 1

    def close(self) -> None:
        self._db.close()

    def find(self, tender: str) -> Kept | None:
        """What was found about a tender's record last."""
        rows = self._db.execute("SELECT body, trust, version, walk FROM finding WHERE tender = ?", (tender,))
        row = rows.fetchone()
        return Kept(_read(row[0]), Under(row[1], row[2]), row[3]) if row else None

    def keep(self, finding: Finding, under: Under) -> None:
        """In place of what was found before. A power cut may take the last ones, which are found again:
        waiting for the disk takes as long as checking a record."""
        row = (finding.tender, msgspec.json.encode(finding), under.trust, under.version, self.walk)
        self._db.execute("INSERT OR REPLACE INTO finding VALUES (?, ?, ?, ?, ?)", row)

    def seen(self, tenders: Iterable[str]) -> None:
        """Listed on this walk as they were before."""
        with self._db:
            self._db.execute("BEGIN")
            rows = [(self.walk, tender) for tender in tenders]
            self._db.executemany("UPDATE finding SET walk = ? WHERE tender = ?", rows)

    def all(self) -> Iterator[tuple[Finding, bool]]:
        """Every finding, by tender, and whether this walk saw its tender listed."""
        for body, walk in self._db.execute("SELECT body, walk FROM finding ORDER BY tender"):
            yield _read(body), walk == self.walk


def _read(body: bytes) -> Finding:
    return msgspec.json.decode(body, type=Finding)
