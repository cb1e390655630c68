"""`openseal verify --all`: every award record that a service lists, downloaded and checked as one is.

A record that is withheld, exchanged, refused or not to be checked never stops the others. What was found is
kept in a journal beside the records, so that a walk that was broken off goes on where it was.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec

from bids.client import ServiceError, download, parse, read
from bids.documents import Digest, digest
from crypto.encoding import Hex32, Identifier, Small, encode, sha256
from crypto.errors import LogError, VerificationError
from procurement import archive, record
from procurement.errors import RecordError
from procurement.watching.checking import Checkers, UncheckedError
from procurement.watching.store import Finding, Journal, Outcome, Under

AT_ONCE = 4
"""Records that are on their way at a time."""
PAGE = 1000
"""Records whose downloads and checks overlap."""
LISTED = "the list of records"
"""The title of the comparison that precedes a record's own steps."""
UNLISTED = "the service listed this tender's record before, and does not any more"
EXCHANGED = (
    "the service listed another record of this tender before; a record is made once, so one of the two was"
    " made up afterwards"
)
INCOMPLETE = "whether the list names every award, only who follows the service's log sees: openseal mirror"
OTHER_FILE = (
    "what is in the list and what is served are two things: somebody was shown another record than you"
)

Place = Annotated[str, msgspec.Meta(pattern=r"\A/[!-.0-~][!-~]*\Z")]
"""Of the same service: no address of another."""
Tell = Callable[[Finding, bool], None]
"""Told each finding, and whether it was known from an earlier walk."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the service's list names it: the SHA-256 and size of the file."""

    tender: Identifier
    position: Small
    sha256: Hex32
    size: Small
    path: Place


class _Next(msgspec.Struct, frozen=True, kw_only=True):
    offset: Small


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the list, in the order of the log; the last one is empty."""

    records: tuple[Listed, ...]
    next_page: _Next


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many records there are of each kind; `exchanged` and `unlisted` ones are among the others, too."""

    verified: int = 0
    coherent: int = 0
    refused: int = 0
    withheld: int = 0
    unchecked: int = 0
    exchanged: int = 0
    unlisted: int = 0
    reserved: int = 0

    @property
    def holds(self) -> bool:
        """Every record that was ever listed came, unchanged, was checked, and holds."""
        return not (self.refused or self.withheld or self.unchecked or self.exchanged or self.unlisted)


class Walk:
    """One walk over the records of the service at `http`, judged by `checkers`, kept in `folder`."""

    def __init__(
        self, http: httpx.AsyncClient, checkers: Checkers, version: str, folder: Path, journal: Journal
    ) -> None:
        """`version` is this program's: another may judge otherwise. Raises OSError."""
        trust = checkers.trust
        self._http = http
        self._checkers = checkers
        self._under = Under(sha256(encode(trust)).hex() if trust else "", version)
        self._records = folder / "records"
        self._records.mkdir(exist_ok=True)
        self._journal = journal
        self._downloads = asyncio.Semaphore(AT_ONCE)

    async def all(self, tell: Tell) -> None:
        """Go through the whole list.

        Raises ServiceError where the service is away, VerificationError for a list that is none, OSError.
        """
        offset, last = 0, -1
        while (page := await self._page(offset)).records:
            positions = [last, *(each.position for each in page.records)]
            onward = all(one < next_ for one, next_ in pairwise(positions)) and page.next_page.offset > offset
            if not onward or len({each.tender for each in page.records}) < len(page.records):
                raise LogError(
                    "the service's list of records repeats itself, or is not in the order of its log"
                )
            await self._check_page(page, offset, tell)
            offset, last = page.next_page.offset, positions[-1]

    async def count(self) -> int:
        """How many records the list has. Raises ServiceError, VerificationError."""
        offset, many = 0, 0
        while (page := await self._page(offset)).records and page.next_page.offset > offset:
            offset, many = page.next_page.offset, many + len(page.records)
        return many

    async def _page(self, offset: int, limit: int = PAGE) -> Page:
        path = f"/api/v1/records?offset={offset}&limit={limit}&practice=shown"
        return parse(await read(self._http, path), Page)

    async def _check_page(self, page: Page, offset: int, tell: Tell) -> None:
        known = {each.tender: found for each in page.records if (found := self._known(each))}
        self._journal.seen(known)
        for found in known.values():
            tell(found, True)
        try:
            async with asyncio.TaskGroup() as group:
                for each in page.records:
                    if each.tender not in known:
                        group.create_task(self._check(each, offset, tell))
        except* (ServiceError, VerificationError, OSError) as several:
            raise several.exceptions[0] from None

    def _known(self, listed: Listed) -> Finding | None:
        """What was found about the very same file by the same trust file and version, if it ever came."""
        kept = self._journal.find(listed.tender)
        if kept is None or kept.finding.outcome in ("withheld", "unchecked") or kept.finding.step == 0:
            return None
        return kept.finding if (kept.finding.sha256, kept.under) == (listed.sha256, self._under) else None

    async def _check(self, listed: Listed, offset: int, tell: Tell) -> None:
        found = await self._find(listed, offset)
        kept = self._journal.find(listed.tender)
        if kept and kept.finding.sha256 != listed.sha256:
            found = msgspec.structs.replace(found, earlier=kept.finding.sha256)
        elif kept:
            found = msgspec.structs.replace(found, earlier=kept.finding.earlier)
        self._journal.keep(found, self._under)
        tell(found, False)

    async def _find(self, listed: Listed, offset: int) -> Finding:
        try:
            async with self._downloads:
                path = await self._fetch(listed)
        except ServiceError as error:
            await self._page(offset, 1)  # where it still answers to this, it is the record that it withholds
            return _finding(listed, "withheld", words=f"listed, but not served: {error}")
        except RecordError as error:
            return _finding(listed, "refused", step=0, title=LISTED, words=str(error), meaning=OTHER_FILE)
        return await self._judged(listed, path)

    async def _judged(self, listed: Listed, path: Path) -> Finding:
        """Raises OSError."""
        try:
            return _said(listed, await self._checkers.check(path))
        except UncheckedError as error:
            return _finding(listed, "unchecked", words=str(error))
        except RecordError as error:
            title, _, meaning = record.STEPS[0]
            return _finding(listed, "refused", step=1, title=title, words=str(error), meaning=meaning)

    async def _fetch(self, listed: Listed) -> Path:
        """The file that the list names, of which an earlier walk may have brought a copy; one that it named
        before stays where it is. Raises RecordError, ServiceError, OSError."""
        if listed.size > archive.LARGEST:
            raise RecordError("the list names a file that is larger than any award record may be")
        named = Digest(sha256=listed.sha256, size=listed.size)
        path = self._records / f"{listed.tender}.zip"
        if path.exists() and await asyncio.to_thread(digest, path) != named:
            path = path.with_suffix(f".{listed.sha256}.zip")
        if path.exists() and await asyncio.to_thread(digest, path) == named:
            return path
        part = path.with_suffix(".part")
        if await download(self._http, listed.path, part, listed.size) != named:
            part.unlink()
            raise RecordError("what is served as this tender's record is not the file that the list names")
        part.replace(path)
        return path


def summary(journal: Journal) -> Summary:
    """Of all that is in the journal, after a whole walk."""
    counts: Counter[str] = Counter()
    for found, listed in journal.all():
        counts[found.outcome] += 1
        counts["exchanged"] += bool(found.earlier)
        counts["unlisted"] += not listed
        counts["reserved"] += bool(found.reservations)
    return Summary(**counts)


def troubles(journal: Journal) -> Iterator[tuple[Finding, list[str]]]:
    """Each finding that somebody should look at, and what there is to be said of it, after a whole walk."""
    for found, listed in journal.all():
        words = [found.words] if found.words else []
        words += [f"what this means: {found.meaning}"] if found.meaning else []
        words += [f"{EXCHANGED}: SHA-256 {found.earlier}, now {found.sha256}"] if found.earlier else []
        words += [] if listed else [UNLISTED]
        words += [f"note well: {each}" for each in found.reservations]
        if words:
            yield found, words


def _said(listed: Listed, verdict: record.Verdict) -> Finding:
    if verdict.outcome == "refused":
        last = verdict.steps[-1]
        where: dict[str, Any] = {"step": last.number, "title": last.title}
        return _finding(listed, "refused", **where, words=last.findings[0], meaning=last.meaning)
    if verdict.tender != listed.tender:
        words = f"the list names the record of another tender: {verdict.tender}"
        return _finding(listed, "refused", step=0, title=LISTED, words=words, meaning=OTHER_FILE)
    return _finding(listed, verdict.outcome, reservations=verdict.reservations)


def _finding(listed: Listed, outcome: Outcome, **rest: Any) -> Finding:
    return Finding(tender=listed.tender, sha256=listed.sha256, outcome=outcome, **rest)
