"""The commands of whoever watches: `openseal mirror` and `openseal monitor`."""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.text import Text

from bids.client import ServiceError
from crypto.encoding import moment
from crypto.errors import MalformedError
from crypto.trust import Trust
from procurement.console import FAILED, INTERRUPTED, LATER, UNUSABLE, Stop, parse_trust, plain, read, stdout
from procurement.folders import locked
from procurement.registry.terminal import refusing
from procurement.watching.folder import Folder
from procurement.watching.line import Alarm, AwayError, Line
from procurement.watching.mirror import Mirror, alarms
from procurement.watching.monitor import Finding, Monitor, Released, Summary
from procurement.watching.site import compare

Seconds = Annotated[float, Parameter(validator=Number(gt=0))]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `openseal monitor --json` prints. `copied` are the entries in the copy: where the summary has
    fewer, a mirror has still to fetch what the rest of them names."""

    copied: int
    findings: list[Finding]
    summary: Summary
    released: list[Released]


def mirror(
    folder: Path,
    /,
    *,
    service: str,
    trust: Path,
    log: str = "/log",
    files: Annotated[bool, Parameter(negative=())] = False,
    once: Annotated[bool, Parameter(negative=())] = False,
    every: Seconds = 60.0,
    patience: Seconds = 60.0,
) -> int:
    """Keep a verifying copy of a service's log and of what the log names, and shout when it does not hold.

    Exit status 0: all is well; 1: there is an alarm, whose evidence is in FOLDER/alarms and which stands
    until somebody takes it away from there; 2: unusable; 75: service or witnesses do not answer, or the
    service has too much to do, try again.

    Parameters
    ----------
    folder
        The copy, itself a log for any static web server. Broken off, it goes on where it was.
    service
        The service's address.
    trust
        Whom you trust (JSON): the log's key, the witnesses.
    log
        Where the log's files are, if not at the service: a copy of them somewhere.
    files
        Keep the published files, too, each checked by its SHA-256; otherwise the service is only asked what
        they are. Of all tenders the two newest ones are kept.
    once
        End when all is copied, for cron; otherwise the copy is kept up until Ctrl-C.
    every
        Seconds between looks.
    patience
        Seconds for which something is asked for again before it counts as withheld.
    """
    pinned = parse_trust(read(trust), trust)
    with refusing():
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            keeper = _Keeper(Folder(folder), pinned, service, files)
            try:
                return asyncio.run(keeper.keep(log, patience, None if once else every))
            except KeyboardInterrupt:
                return keeper.status(INTERRUPTED)


def monitor(
    folder: Path,
    /,
    *,
    trust: Path | None = None,
    service: str | None = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON and nothing else.")] = False,
) -> int:
    """Look through a whole log for what no single award record shows, offline, in a folder of `mirror`.

    It goes as far as the mirror has asked for what the entries name, and leaves out what is lacking still.

    Exit status 0: nothing was found; 1: something, named with the log entries that prove it; 2: no such copy.

    Parameters
    ----------
    folder
        The copy of the log.
    trust
        Whom you trust (JSON). Without it, the copy's own head is taken for genuine.
    service
        The service's address: what its pages load now is compared with what the log names, too.
    """
    pinned = parse_trust(read(trust), trust) if trust else None
    copy = Folder(folder, pinned)
    watching, told, away = Monitor(copy), _Told(json), False
    with refusing():
        reached = _checked(copy, pinned)
        told.tell(watching.watch(reached if copy.is_gathered else ""))
    if service:
        try:
            told.tell(asyncio.run(_pages(service, watching)))
        except (ServiceError, MalformedError) as error:
            away = True
            _shout(f"what the service's pages load could not be looked at: {error}")
    told.sum_up(watching, copy.head.size)
    return FAILED if told.count else LATER if away else 0


class _Told:
    """Findings: a line each as they come, or all in JSON at the end."""

    def __init__(self, json: bool) -> None:
        self.count = 0
        self._json = json
        self._kept: list[Finding] = []

    def tell(self, findings: Iterable[Finding]) -> None:
        for each in findings:
            self.count += 1
            if self._json:
                self._kept.append(each)
            else:
                _show(each)

    def sum_up(self, watching: Monitor, copied: int) -> None:
        if not self._json:
            _show_summary(watching, copied, self.count)
            return
        report = Report(
            copied=copied, findings=self._kept, summary=watching.summary, released=watching.released
        )
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        sys.stdout.flush()


class _Keeper:
    """Keeps one folder up to date, and says what it sees: alarms on standard error."""

    def __init__(self, folder: Folder, trust: Trust, service: str, files: bool) -> None:
        self._folder = folder
        self._trust = trust
        self._service = service
        self._files = files
        self._quiet = ""

    async def keep(self, log: str, patience: float, every: float | None) -> int:
        """Once, or again and again after `every` seconds. Returns the exit status."""
        async with _connected(self._service) as http:
            line = Line(http, log, patience)
            mirror = Mirror(self._folder, line, self._trust, self._tell, files=self._files)
            while True:
                away = await self._follow(mirror)
                if every is None:
                    return self.status(LATER if away else 0)
                await asyncio.sleep(every)

    async def _follow(self, mirror: Mirror) -> bool:
        """Whether somebody did not answer, which is said once until they do."""
        before = mirror.copied
        try:
            await mirror.follow()
        except AwayError as error:
            if str(error) != self._quiet:
                _shout(f"nothing to be had, asked again later: {error}")
            self._quiet = str(error)
            return True
        if mirror.copied != before or self._quiet:
            lacking = f", {mirror.lacking} still lacking" if mirror.lacking else ""
            stdout().print(f"{mirror.size} entries, {mirror.copied - before} things new{lacking}")
        self._quiet = ""
        return False

    def status(self, otherwise: int) -> int:
        """The exit status: an alarm stands until somebody has taken it away."""
        standing = alarms(self._folder)
        for place, each in standing:
            _shout(f"ALARM since {each.time}: {each.sentence} Evidence: {self._folder.path / place}")
        return FAILED if standing else otherwise

    def _tell(self, alarm: Alarm, place: str) -> None:
        _shout(f"ALARM: {alarm} Evidence: {self._folder.path / place}")


def _connected(service: str) -> httpx.AsyncClient:
    """Raises Stop for no address."""
    try:
        url = httpx.URL(service)
    except httpx.InvalidURL as error:
        raise Stop(UNUSABLE, f"{service} is no address: {error}") from error
    if url.scheme not in ("http", "https"):
        raise Stop(UNUSABLE, f"{service} is no address of a service")
    return httpx.AsyncClient(base_url=url, timeout=30, headers={"User-Agent": "openseal-watch"})


def _checked(copy: Folder, trust: Trust | None) -> str:
    """When the copy's head was co-signed, by the witnesses' clocks; nothing without trust. Raises
    VerificationError's kinds where the folder is no whole copy of a log."""
    note, reached = copy.note() or "", ""
    if copy.head.size and trust:
        trust.verify_head(note)
        reached = moment(trust.witnesses.reached(note))
    copy.check_entries()
    return reached


async def _pages(service: str, watching: Monitor) -> list[Finding]:
    async with _connected(service) as http:
        return await compare(Line(http), watching.released, watching.newest)


def _show(finding: Finding) -> None:
    places = ", ".join(map(str, finding.indexes))
    code = Text(f"{finding.code:18} ", "bold red")
    stdout().print(Text.assemble(code, plain(finding.sentence), (f" [{places}]", "dim")))


def _show_summary(watching: Monitor, copied: int, count: int) -> None:
    told, out = watching.summary, stdout()
    if told.entries < copied:
        out.print(
            f"looked at the first {told.entries} of {copied} entries: what the others name is not here yet"
        )
    if told.lacking:
        out.print(f"{len(told.lacking)} lacking of what these name, such as {told.lacking[0]}")
    out.print(
        f"{told.entries} entries, {told.tenders} tenders: {told.closed} closed, {told.awarded} awarded,"
    )
    out.print(
        f"{told.terminated} ended otherwise; {told.revealed} commitments revealed, {told.sealed} still sealed"
    )
    if told.published:
        out.print(f"{told.published} lists of open data")
    for each in watching.released[-1:]:
        out.print(f"pages load the scripts of list {each.manifest} (entry {each.index})")
    out.print(Text(f"{count} findings" if count else "nothing found", "bold red" if count else "bold green"))


def _shout(line: str) -> None:
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("openseal: ", "bold red"), plain(line)))
