"""The command `openseal`. Every command imports what it needs itself: `verify` runs with neither database
nor web server installed."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.text import Text

from crypto.errors import VerificationError
from procurement.console import (
    FAILED,
    INTERRUPTED,
    UNUSABLE,
    Stop,
    parse_trust,
    plain,
    read,
    read_code,
    stdout,
)

if TYPE_CHECKING:
    from crypto.certificates import SigningKey
    from crypto.trust import Trust
    from procurement.case import Case
    from procurement.documents import Identified
    from procurement.record import Verdict
    from procurement.replay import Progress, Replayed

CodeFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]
Json = Annotated[bool, Parameter(negative=(), help="Print JSON and nothing else.")]

app = App(
    name="openseal",
    version=lambda: version("openseal"),
    help="Sealed bids that open at their time, and award records anyone can check.",
)


app.command("procurement.pinning:app", name="trust", help="Show or pin whom you trust.")
app.command("procurement.registry.commands:enrol", name="enrol", help="Make a key, apply for a certificate.")
app.command("procurement.registry.commands:renew", name="renew", help="Go over to a new key and certificate.")
app.command("procurement.registrar:app", name="registrar", help="Admit and revoke.")
app.command("procurement.login.commands:login", name="login")
app.command("procurement.committee.commands:app", name="committee")
app.command("procurement.bidding.commands:app", name="bid")
app.command("procurement.tendering.commands:app", name="tender")
app.command("procurement.witnessing:app", name="witness", help="Co-sign the logs of services, from outside.")
app.command("procurement.watching.commands:mirror", name="mirror", help="Keep a verifying copy of a log.")
app.command("procurement.watching.commands:monitor", name="monitor", help="Look through a whole log.")


@app.command
def serve(
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    data_dir: Path | None = None,
    workers: Annotated[int, Parameter(validator=Number(gte=1, lte=16))] = 2,
) -> int:
    """Run the service on this machine until Ctrl-C.

    Parameters
    ----------
    port
        Where to listen.
    host
        On which address; 127.0.0.1 is for this machine alone.
    data_dir
        Keys, log and the embedded database; DATABASE_URL names another database.
    workers
        How many processes answer requests.
    """
    from crypto.relays import BeaconUnavailable
    from crypto.selftest import SelfTestFailed
    from procurement import service
    from procurement.database import MigrationError
    from procurement.embedded import EmbeddedPostgresError
    from procurement.errors import FolderError
    from procurement.settings import SettingsError
    from procurement.supervision import FailedError

    try:
        service.serve(port, data_dir, host, workers)
    except SettingsError as error:
        raise Stop(UNUSABLE, error) from error
    except (
        SelfTestFailed,
        EmbeddedPostgresError,
        MigrationError,
        FailedError,
        BeaconUnavailable,
        FolderError,
        OSError,
    ) as error:
        raise Stop(FAILED, error) from error
    return 0


@app.command
def migrate(*, data_dir: Path | None = None) -> int:
    """Bring the database's tables up to date; `serve` does so by itself.

    Parameters
    ----------
    data_dir
        Where the embedded database is; DATABASE_URL names another one.
    """
    import asyncio
    import os

    from procurement import database
    from procurement.embedded import EmbeddedPostgresError
    from procurement.settings import Settings, SettingsError

    try:
        with database.server(Settings.load(os.environ, data_dir)) as dsn:
            applied = asyncio.run(database.migrate(dsn))
    except SettingsError as error:
        raise Stop(UNUSABLE, error) from error
    except (EmbeddedPostgresError, database.MigrationError, OSError) as error:
        raise Stop(FAILED, error) from error
    stdout().print("\n".join(applied) or "nothing to do")
    return 0


@app.command
def invite(*, data_dir: Path | None = None) -> int:
    """Make a one-time code that lets a registrar in: the first, or one after the last was lost.

    Parameters
    ----------
    data_dir
        The service's; a code from before is no good any more.
    """
    import os

    from procurement.service import House
    from procurement.settings import Settings, SettingsError

    try:
        code = House.below(Settings.load(os.environ, data_dir).data_dir).invitation.make()
    except SettingsError as error:
        raise Stop(UNUSABLE, error) from error
    except OSError as error:
        raise Stop(FAILED, f"{error.filename}: {error.strerror}") from error
    stdout().print(code)
    return 0


@app.command
def replay(
    case: list[Path],
    /,
    *,
    base_url: str | None = None,
    code_file: CodeFile = None,
    record: Path | None = None,
    json: Json = False,
) -> int:
    """Let past tenders live again, sealed, and compare what comes out with what was published.

    Parameters
    ----------
    case
        Of KONEPS, folders with notice.json, bids.json and, where a price was drawn, prices.json; of other
        publishers, OCDS files (release package, record package or release) that say what was bid.
    base_url
        A service on this machine; without it one is started for the purpose.
    code_file
        A file with the one-time code that `openseal invite` gives for that service; - is standard input.
    record
        Where to put the award record.
    """
    import secrets

    from bids.client import ServiceError
    from procurement.case import CaseError
    from procurement.replay import load_case, practice_service

    if record and len(case) > 1:
        raise Stop(UNUSABLE, "--record takes the record of one case")
    if (base_url is None) is not (code_file is None):
        raise Stop(UNUSABLE, "--base-url and --code-file go together: a registrar is needed")
    code = read_code(code_file) if code_file else ""
    try:
        cases = [load_case(path, secrets.token_hex(32)) for path in case]
    except CaseError as error:
        raise Stop(UNUSABLE, error) from error
    try:
        with nullcontext((base_url, code)) if base_url else practice_service() as (url, code):
            registrar = _let_in(url, code)
            agrees = [_replay(each, url, registrar, record, json) for each in cases]
    except ServiceError as error:
        raise Stop(FAILED, error) from error
    return 0 if all(agrees) else FAILED


@app.command
def verify(
    record: Path | None = None,
    /,
    *,
    all: str | None = None,
    into: Path | None = None,
    trust: Path | None = None,
    receipt: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    json: Json = False,
) -> int:
    """Check an award record, offline, or all that a service lists.

    Exit status 0: it holds, or all do; 1: a step failed, a record is withheld or could not be checked;
    2: not a record; 75: the service does not answer.

    Parameters
    ----------
    record
        The award record, a ZIP file.
    all
        A service's address: every record that it lists is downloaded and checked. Broken off and given again
        the command goes on where it was.
    into
        With --all: the folder of the records and of what was found; otherwise one of the service's name.
    trust
        Whom you trust (JSON). Without it every identity is the record's own claim.
    receipt
        The service's answer to a bid, a withdrawal or a document of yours, as it came or as `openseal bid`
        keeps it (JSON): a receipt or promise shows whether anything was lost, a refusal what was refused.
    """
    from bids.opening import open_in_parallel
    from bids.receipts import Held, is_refusal
    from crypto.statements import Statement
    from procurement import record as records

    if (record is None) is (all is None):
        raise Stop(UNUSABLE, "either one RECORD or --all URL is to be verified")
    pinned = parse_trust(read(trust), trust) if trust else None
    if record is None:
        return _verify_all(all or "", pinned, into, receipt, json)
    if into:
        raise Stop(UNUSABLE, "--into goes with --all")
    data = read(record)
    held, refused = [], []
    for each in receipt:
        kept = read(each)
        try:
            if is_refusal(kept):
                refused.append(Statement(kept))
            else:
                held.append(Held.parse(kept))
        except VerificationError as error:
            raise Stop(UNUSABLE, f"{each}: {error}") from error
    try:
        verdict = records.verify(data, pinned, open_in_parallel, held, refused)
    except VerificationError as error:
        raise Stop(UNUSABLE, f"{record}: {error}") from error
    if json:
        _out_json(verdict)
    else:
        _show_verdict(verdict)
    return FAILED if verdict.outcome == "refused" else 0


@app.command
def document(record: Path, sealed: Path, /, *, out: Path) -> int:
    """Open a document that was downloaded sealed, by the key that its bid names in an award record.

    It has to be, byte for byte, what the bid says that it is. Whether the record holds, `verify` tells.

    Parameters
    ----------
    record
        The award record, a ZIP file.
    sealed
        The sealed file.
    out
        Where to put the document; nothing is overwritten.
    """
    from bids.documents import digest
    from procurement.documents import identify

    try:
        found = digest(sealed)
        known = identify(read(record), found.sha256, found.size)
    except VerificationError as error:
        raise Stop(UNUSABLE, f"{record}: {error}") from error
    except OSError as error:
        raise Stop(UNUSABLE, f"{sealed}: {error.strerror}") from error
    if not known:
        raise Stop(FAILED, f"{sealed}: no bid in the record names this file as a public document")
    opened = _open_document(known, sealed, out)
    said = f"document {opened.document.number} of {opened.bidder} ({opened.registration})"
    stdout().print(plain(f"{said}: {opened.document.title}"))
    return 0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, the process's own by default. Ends the process."""
    tokens = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Korean still gets its lines
    try:
        status = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except Stop as stop:
        status = _fail(stop.status, str(stop))
    except CycloptsError as error:
        status = _fail(UNUSABLE, " ".join(str(error).split()))
    except KeyboardInterrupt:  # while a command is still being imported
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else 0)


def _fail(status: int, line: str) -> int:
    Console(stderr=True, soft_wrap=True).print(Text.assemble(("openseal: ", "bold red"), line))
    return status


def _out_json(value: object) -> None:
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.flush()


def _verify_all(
    url: str, trust: "Trust | None", into: Path | None, receipt: Sequence[Path], json: bool
) -> int:
    if receipt:
        raise Stop(UNUSABLE, "--receipt goes with the one RECORD that it is about")
    from procurement.watching.terminal import verify_all

    return verify_all(url, trust, into, json)


def _show_verdict(verdict: "Verdict") -> None:
    out = stdout()
    for step in verdict.steps:
        style = "green" if step.result == "ok" else "bold red"
        out.print(Text.assemble(f"{step.number:2} ", (f"{step.result:8}", style), step.title))
        for finding in step.findings:
            out.print(Text(f"{'':11}{plain(finding)}", "dim" if step.result == "ok" else "red"))
        if step.meaning:
            out.print(Text(f"{'':11}what this means: {step.meaning}", "bold"))
    for reservation in verdict.reservations:
        out.print(Text.assemble(("\nnote well: ", "bold yellow"), plain(reservation)))
    out.print(Text("\nnot checked: " + "; ".join(verdict.not_checked), "dim"))
    style = {"verified": "bold green", "coherent": "bold yellow", "refused": "bold red"}[verdict.outcome]
    last = verdict.steps[-1]
    where = f" at step {last.number}, {last.title}" if verdict.outcome == "refused" else ""
    out.print(Text.assemble((f"{verdict.outcome}{where}", style), f"  record {verdict.record or 'unnamed'}"))


def _open_document(known: Sequence["Identified"], sealed: Path, out: Path) -> "Identified":
    """Opens the file as the first bid says that can: another may have named a file that it only saw."""
    from bids.documents import Digest, open_file

    for each in known:
        named = Digest(sha256=each.document.sha256, size=each.document.size)
        try:
            open_file(sealed, out, bytes.fromhex(each.document.key), named)
        except VerificationError as error:
            failed = error
        except OSError as error:
            raise Stop(FAILED, f"{error.filename}: {error.strerror}") from error
        else:
            return each
    raise Stop(FAILED, f"{sealed}: {failed}")


def _let_in(url: str, code: str) -> "SigningKey":
    import asyncio

    from procurement.replay import connect, let_in

    async def come() -> "SigningKey":
        async with connect(url) as http:
            return await let_in(http, code)

    try:
        return asyncio.run(come())
    except VerificationError as error:
        raise Stop(FAILED, error) from error


def _replay(case: "Case", url: str, registrar: "SigningKey", record: Path | None, json: bool) -> bool:
    import asyncio
    import os

    from bids.client import ServiceError
    from procurement.replay import connect
    from procurement.replay import replay as play
    from procurement.settings import Settings, SettingsError

    async def replay() -> tuple["Replayed", bytes]:
        with _progress(case.number, shown=sys.stderr.isatty() and not json) as progress:
            async with connect(url) as http:
                return await play(case, http, registrar, progress, relays)

    try:
        relays = Settings.load(os.environ).relays
        replayed, data = asyncio.run(replay())
        if record:
            record.write_bytes(data)
    except SettingsError as error:
        raise Stop(UNUSABLE, error) from error
    except (ServiceError, VerificationError, OSError) as error:
        raise Stop(FAILED, f"{case.number}: {error}") from error
    if json:
        _out_json(replayed)
    else:
        _show_replayed(case, replayed)
    return replayed.agrees


def _grouped(amount: str | None) -> str:
    from procurement.money import grouped

    return grouped(amount) if amount else ""


@contextmanager
def _progress(title: str, shown: bool) -> Iterator["Progress"]:
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = "[progress.description]{task.description}", MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bars:
        tasks: dict[str, Any] = {}

        def tell(step: str, done: int, of: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(f"{title} {step}", total=of)
            bars.update(tasks[step], completed=done)

        yield tell


def _show_replayed(case: "Case", replayed: "Replayed") -> None:
    from rich.table import Table

    columns: dict[str, list[str | None]] = {
        "lot": [each.lot for each in replayed.ranking],
        "rank": [str(each.rank or "–") for each in replayed.ranking],
        "bidder": [each.bidder for each in replayed.ranking],
        "amount": [_grouped(each.amount) for each in replayed.ranking],
        "rate %": [each.rate for each in replayed.ranking],
        "tech.": [each.technical_score for each in replayed.ranking],
        "price": [each.price_score for each in replayed.ranking],
        "total": [each.total for each in replayed.ranking],
        "out": [None if each.rank else each.reason for each in replayed.ranking],
    }
    table = Table(title=f"{case.title}\n", box=None, pad_edge=False, title_justify="left")
    for heading, column in columns.items():
        if any(column):
            figures = heading not in ("lot", "bidder", "out")
            table.add_column(
                heading, justify="right" if figures else "left", no_wrap=figures, overflow="fold"
            )
    for row in zip(*filter(any, columns.values()), strict=True):
        table.add_row(*(figure or "" for figure in row))
    out = stdout()
    out.print(table)
    drawn = f", drawn {', '.join(map(str, replayed.drawn_numbers))}" if replayed.drawn_numbers else ""
    floor = f", floor amount {_grouped(replayed.floor_amount)}" if replayed.floor_amount else ""
    expected = f": expected price {_grouped(replayed.expected_price)}" if replayed.expected_price else ""
    out.print(f"{replayed.rule_set}{expected}{drawn}{floor}")
    out.print(f"{replayed.ocid}, award record {replayed.record}: verified")
    for note in replayed.notes:
        out.print(Text(f"note well: {plain(note)}", "yellow"))
    if not case.published:
        out.print(Text(f"{plain(case.publisher)} published no figure to compare with", "yellow"))
    elif replayed.agrees:
        agreed = f"agrees with all {len(case.published)} figures that {plain(case.publisher)} published"
        out.print(Text(agreed, "bold green"))
    for difference in replayed.differences:
        out.print(Text(f"differs: {plain(str(difference))}", "bold red"))


if __name__ == "__main__":
    main()
