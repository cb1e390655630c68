"""A walk over a service's records at a terminal: where it is, what it shouts, and the table at its end."""

import asyncio
import sys
from contextlib import closing, suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from rich.console import Console
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from bids.client import ServiceError
from crypto.errors import VerificationError
from crypto.trust import Trust
from procurement import folders
from procurement.console import FAILED, LATER, UNUSABLE, Stop, plain, stdout
from procurement.errors import FolderError
from procurement.watching.checking import Checkers
from procurement.watching.store import Finding, Journal
from procurement.watching.verifying import INCOMPLETE, Summary, Walk, summary, troubles

TIMEOUT = 30.0  # seconds without a byte
SHOUTED = 20
"""Records that are named at once because they do not hold; all are at the end."""
OUTCOMES = {
    "verified": "hold under your trust file",
    "coherent": "hold in themselves: no trust file was given",
    "refused": "do not hold",
    "withheld": "are listed, but not served",
    "unchecked": "could not be checked here: give the same command again",
}
KINDS = OUTCOMES | {
    "exchanged": "of these are another file than was listed before",
    "unlisted": "of these were listed before, and are not any more",
    "reserved": "of these hold, with something that everybody should know",
}
GOOD = ("verified", "coherent")


def verify_all(url: str, trust: Trust | None, into: Path | None, json: bool) -> int:
    """Verify every record of the service at `url`; the exit status. Raises Stop."""
    address = _address(url)
    folder = into or Path(address.netloc.decode().replace(":", "-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with folders.locked(folder), closing(Journal(folder / "journal", str(address))) as journal:
            with _Bar(address.host) as bar:
                asyncio.run(_walk(address, trust, folder, journal, bar))
            found = summary(journal)
            (_out_json if json else _show)(found, journal, folder)
    except ServiceError as error:
        raise Stop(LATER, f"{error}; give the same command again to go on") from error
    except FolderError as error:
        raise Stop(UNUSABLE, error) from error
    except VerificationError as error:
        raise Stop(FAILED, f"{address}: {error}") from error
    except OSError as error:
        raise Stop(UNUSABLE, f"{error.filename or folder}: {error.strerror}") from error
    return 0 if found.holds else FAILED


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Stop(UNUSABLE, f"{url}: no address: {error}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise Stop(UNUSABLE, f"{url}: a service's address begins with https://")
    return address


async def _walk(address: httpx.URL, trust: Trust | None, folder: Path, journal: Journal, bar: "_Bar") -> None:
    http = httpx.AsyncClient(base_url=address, timeout=TIMEOUT, trust_env=False)
    async with http, Checkers(trust) as checkers:
        walk = Walk(http, checkers, version("openseal"), folder, journal)
        counting = asyncio.create_task(bar.count(walk))
        try:
            await walk.all(bar.tell)
        finally:
            counting.cancel()


class _Bar:
    """How many records are done, of how many, and how fast; what does not hold is said at once. Nothing where
    nobody looks."""

    def __init__(self, host: str) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        columns = SpinnerColumn(), "[progress.description]{task.description}", MofNCompleteColumn()
        more, hidden = (TimeElapsedColumn(), _Pace()), not self._console.is_terminal
        self._bar = Progress(*columns, *more, console=self._console, disable=hidden)
        self._task = self._bar.add_task(f"records of {host}", total=None, checked=0)
        self._checked = self._shouted = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    async def count(self, walk: Walk) -> None:
        """Ahead of the walk, which says what is wrong with the list."""
        if not self._bar.disable:
            with suppress(ServiceError, VerificationError):
                self._bar.update(self._task, total=await walk.count())

    def tell(self, found: Finding, known: bool) -> None:
        """Takes note of it."""
        self._checked += not known
        self._bar.update(self._task, advance=1, checked=self._checked)
        if not known and found.outcome not in GOOD and not self._bar.disable:
            self._shout(f"{found.tender}: {_outcome(found)}: {plain(found.words)}")

    def _shout(self, line: str) -> None:
        self._shouted += 1
        if self._shouted <= SHOUTED:
            self._console.print(Text(line, "red"))
        elif self._shouted == SHOUTED + 1:
            self._console.print(Text("… and more, which are named at the end", "red"))


class _Pace(ProgressColumn):
    """Records checked a second, and how long the rest takes, once it is known how many they are."""

    def render(self, task: Task) -> Text:
        """What there is to be said by now."""
        if not task.elapsed or not task.fields["checked"]:
            return Text()
        pace = task.fields["checked"] / task.elapsed
        rest = (task.total or 0) - task.completed
        left = f", {timedelta(seconds=round(rest / pace))} left" if rest > 0 else ""
        return Text(f"{pace:,.1f} a second{left}")


def _out_json(found: Summary, journal: Journal, folder: Path) -> None:
    """A line of JSON for each trouble, of which there may be any number, and a last one with the counts."""
    for each, words in troubles(journal):
        _out({"troubles": words, "finding": each})
    _out({"summary": found, "holds": found.holds, "folder": str(folder)})


def _out(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.flush()


def _show(found: Summary, journal: Journal, folder: Path) -> None:
    out = stdout()
    for each, words in troubles(journal):
        out.print(Text.assemble((f"{each.tender} ", "bold"), _outcome(each)))
        for line in words:
            out.print(Text(f"    {plain(line)}", "yellow" if each.outcome in GOOD else "red"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    counts = msgspec.structs.asdict(found)
    for kind, meaning in KINDS.items():
        if counts[kind]:
            table.add_row(str(counts[kind]), kind, meaning)
    out.print(table)
    out.print(Text(f"not checked: {INCOMPLETE}", "dim"))
    total = sum(counts[each] for each in OUTCOMES)
    style, last = ("bold green", "all hold") if found.holds else ("bold red", "not all hold")
    records = f"{total} record{'' if total == 1 else 's'}, in {folder}/records"
    out.print(Text(f"{last}: {records}", style) if total else Text("the service lists no record"))


def _outcome(found: Finding) -> str:
    return found.outcome + (f" at step {found.step}, {found.title}" if found.step is not None else "")
