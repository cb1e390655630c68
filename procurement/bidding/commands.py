"""The command `openseal bid`: a bidder at its own machine, with a folder for each bid."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
from cryptography.x509 import Certificate, load_pem_x509_certificates
from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from bids.client import BrokenPromiseError, RefusedError, Service
from bids.envelope import Envelope, SealedFile
from bids.receipts import Promise, Receipt
from crypto import stamping
from crypto.certificates import Role, SigningKey
from crypto.encoding import moment
from crypto.statements import Statement
from procurement.bidding import bidder, draft
from procurement.bidding.bidder import Fate
from procurement.bidding.folder import Element, Folder, read_shown
from procurement.client import Sealed, co_sign, read_notice
from procurement.console import FAILED, UNUSABLE, Stop, confirm, read
from procurement.evaluation import explain
from procurement.folders import locked
from procurement.registry import terminal
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe
from procurement.registry.terminal import Yes, refusing, say, signing_key, warn
from procurement.scoring import read_part
from procurement.tenders import Notice, read_restricted
from procurement.words import notice_in_words

Key = Annotated[
    Path | None, Parameter(help="The file that `openseal enrol` made, where it is not any more where it was.")
]
Partner = Annotated[tuple[str, ...], Parameter(negative=())]
Act = Callable[[Service, Folder], Awaitable[None]]
Signed = Callable[[Service, Folder, SigningKey], Awaitable[None]]

_WHEN = "%Y-%m-%d %H:%MZ"
_FOR_OFFICIALS = '{"file": "staff.csv", "restricted": true}'

app = App(name="bid", help="Your bid: write, check, seal, submit, send its files, follow, withdraw.")


@app.command
def keys(file: Path, /) -> int:
    """Show who you are: your certificate, its fingerprint and how long it counts.

    Parameters
    ----------
    file
        The file that `openseal enrol` made.
    """
    holding = terminal.holding(Safe(file, terminal.passphrase()))
    certificate = signing_key(holding, file).certificate
    x509 = certificate.x509
    _facts(
        [
            ("Name", certificate.name),
            ("Number", certificate.registration),
            ("Role", certificate.role),
            ("Fingerprint", certificate.fingerprint),
            ("Valid", f"{x509.not_valid_before_utc:{_WHEN}} to {x509.not_valid_after_utc:{_WHEN}}"),
            ("Service", holding.service),
        ]
    )
    return 0


@app.command
def compose(folder: Path, /, *, key: Path, tender: str) -> int:
    """Begin a bid: verify the tender's notice, show it in words, and write a draft to fill in.

    Parameters
    ----------
    folder
        Where everything of this bid is kept from now on: new, or empty.
    key
        The file that `openseal enrol` made. It says which service, and whom you trust.
    tender
        The tender's ocid.
    """

    async def work(line: Service, safe: Safe, holding: Holding) -> None:
        _business(signing_key(holding, safe.path), safe.path)
        made = await bidder.compose(line, holding, safe.path, folder, tender)
        notice = made.tender.notice
        _facts(notice_in_words(notice))
        if notice.document_limit:
            say(f'documents, in {folder}: {{"file": "plan.pdf"}}; for officials alone: {_FOR_OFFICIALS}')
        say(f"fill in {folder / 'bid.json'}, then: openseal bid check {folder}")

    return terminal.at(key, work)


@app.command
def check(folder: Path, /, *, partner: Partner = ()) -> int:
    """Ask of the draft what the opening will ask, without a line to anybody. Status 1: something is wrong.

    Parameters
    ----------
    partner
        In a joint bid, the fingerprint of a partner's certificate; once for each.
    """
    found = _found(folder)
    with refusing():
        faults = bidder.check(found, partner)
    for each in faults:
        say(each)
    if faults:
        raise Stop(FAILED, f"the draft would not open as a bid: {_count(len(faults), 'fault')}")
    say("the draft would open as a bid")
    return 0


@app.command
def seal(
    folder: Path,
    /,
    *,
    partner: Partner = (),
    replace: Annotated[bool, Parameter(negative=())] = False,
    key: Key = None,
    yes: Yes = False,
) -> int:
    """Seal and sign the draft with its documents. From here on the opening opens it, and your own folder.

    Parameters
    ----------
    partner
        In a joint bid, the fingerprint of a partner's certificate; once for each.
    replace
        A bid of yours is in the box: make the one that takes its place.
    """
    found = _found(folder)
    with refusing():
        bidder.check_sealable(found, replace)
        if faults := bidder.check(found, partner):
            raise Stop(FAILED, f"{faults[0]}; openseal bid check {folder} names every fault")

    async def work(line: Service, found: Folder, signing: SigningKey) -> None:
        element = await bidder.seal(line, found, signing, partner)
        _show_sealed(element.shown().sealed(), found.tender.notice)
        say(f"sealed as number {element.number}, id {element.statement.id}")
        if partner:
            shown = element.path / "sealed.json"
            asked = f"openseal bid co-sign {shown.name} --key FILE --tender {found.tender.notice.tender}"
            say(f"each partner, who has to see {shown}, and nobody else: {asked}")
        say(f"then: openseal bid submit {folder}")

    _words(found, "Seal and sign this?", yes)
    return _signed(found, key, work)


@app.command
def submit(folder: Path, /) -> int:
    """Send the sealed bid, or the withdrawal, until there is a receipt. Broken off, the same goes on."""
    found = _found(folder)
    with refusing():
        element = next(reversed(found.chain), None)
    if element is None:
        raise Stop(UNUSABLE, f"nothing is sealed: openseal bid seal {folder} comes first")

    async def work(line: Service, found: Folder) -> None:
        await _submit(line, found, element)
        if element.files:
            say(f"{_count(len(element.files), 'file')} to follow: openseal bid upload {folder}")

    return _at(found, work)


@app.command
def upload(folder: Path, /, *, key: Key = None) -> int:
    """Send the files of the bid that is in the box, each from where it stopped, until there are receipts."""
    found = _found(folder)
    with refusing():
        element, files = bidder.unsent_files(found)
    for later in (each for each in found.chain if each.number > element.number and each.state == "sealed"):
        warn(f"number {later.number} is sealed, not sent: these are the files of number {element.number}")
    if not files:
        say("every file has its receipt")
        return 0

    async def work(line: Service, found: Folder, signing: SigningKey) -> None:
        await _catch_up(line, found)
        for file in files:
            with _bar(element, file) as (sent, tell):
                receipt = await bidder.upload(line, found, signing, element, file, sent, tell)
            say(f"file {file.number}: there since {receipt.time}{_doubt(receipt.in_doubt)}")

    return _signed(found, key, work)


@app.command
def withdraw(folder: Path, /, *, key: Key = None, yes: Yes = False) -> int:
    """Take your bid back, before the deadline. Afterwards another one may be sealed."""
    found = _found(folder)
    notice = found.tender.notice
    with refusing():
        bidder.check_withdrawable(found)

    async def work(line: Service, found: Folder, signing: SigningKey) -> None:
        say(f"Withdrawal from {notice.tender}: {notice.title}, of {notice.procuring_entity.name}")
        say(f"  signed by {signing.certificate.name}, number {signing.certificate.registration}")
        say("  your bid in the box will not be opened; that there was one is public after the deadline")
        confirm("Sign and send this?", yes)
        await _submit(line, found, bidder.withdrawal(found, signing))

    return _signed(found, key, work)


@app.command(name="co-sign")
def co_sign_(sealed: Path, /, *, key: Path, tender: str, yes: Yes = False) -> int:
    """As a partner in a joint bid: look at what the lead has sealed, and sign that it is your bid, too.

    Parameters
    ----------
    sealed
        The lead's sealed.json. Your machine recomputes that the envelope holds just what it shows.
    key
        The file that `openseal enrol` made.
    tender
        The tender's ocid.
    """

    async def work(line: Service, safe: Safe, holding: Holding) -> None:
        signing, announced = signing_key(holding, safe.path), await read_notice(line, tender)
        shown = read_shown(sealed)
        _facts(notice_in_words(announced.notice))
        _show_sealed(shown, announced.notice)
        confirm("Is this your bid, too? Signed once, you are bound to it in this tender.", yes)
        say(f"co-signed: {await co_sign(line, announced, signing, shown)}")

    return terminal.at(key, work)


@app.command
def stamp(folder: Path, /, *, authority: str, roots: Path) -> int:
    """Have a time-stamping authority (RFC 3161) say that what was sealed last is there now.

    Evidence for whom the service refuses or does not answer. The authority gets a hash. What it says is kept
    as statement.tsr beside statement.json, where `openssl ts -verify` reads it; the first stamp stays.

    Parameters
    ----------
    authority
        Its address.
    roots
        The root certificates that its own is under (PEM).
    """
    found, known = _found(folder), _certificates(roots)
    with refusing(), locked(found.path):
        if not found.chain:
            raise Stop(UNUSABLE, f"nothing is sealed yet: openseal bid seal {folder}")
        element = found.chain[-1]
        if element.stamp is None:
            element.keep_stamp(_stamped(element.statement.data, authority, known))
        say(f"number {element.number} {_stamp(element)}: {element.path / 'statement.tsr'}")
    return 0


@app.command
def status(folder: Path, /) -> int:
    """What there is of the bid: receipts, files; after the closing how it is listed, then what came of it."""
    found = _found(folder)
    with refusing():
        _facts([("Tender", f"{found.tender.notice.tender}: {found.tender.notice.title}")])
        chain = found.chain
        for element in chain:
            _show_element(element, found.tender.notice, bidder.successor(element, chain))
        if not chain:
            say(f"nothing is sealed yet: openseal bid seal {folder}")

    async def work(line: Service, found: Folder) -> None:
        await _catch_up(line, found)
        _show_fate(await bidder.fate(line, found), found.tender.notice)

    return _at(found, work)


async def _catch_up(line: Service, found: Folder) -> None:
    for change in await bidder.catch_up(line, found):
        say(f"the terms have changed: {change}")


async def _submit(line: Service, found: Folder, element: Element) -> None:
    try:
        receipt = await bidder.submit(line, found, element, warn)
    except RefusedError as error:
        kept = f"the signed refusal is {element.path / 'refusal.json'}"
        raise Stop(FAILED, f"refused at {error.refusal.time}: {error}; {kept}") from error
    except BrokenPromiseError as error:
        raise Stop(FAILED, f"{error}; the service's promise in {element.path} proves it") from error
    what = "withdrawn" if element.withdrawal else "in the box"
    say(f"number {element.number} {what} since {receipt.time}{_doubt(receipt.in_doubt)}")
    say(f"receipt, verified: {element.path / 'receipt.json'}")


def _stamped(statement: bytes, authority: str, roots: Sequence[Certificate]) -> bytes:
    async def ask() -> bytes:
        async with httpx.AsyncClient() as client:
            return await stamping.stamp(statement, authority, roots, client)

    token: bytes = terminal.attempt(ask)
    return token


def _certificates(path: Path) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(read(path))
    except ValueError as error:
        raise Stop(UNUSABLE, f"{path}: not certificates in PEM") from error


# ── the line, the key, the folder ────────────────────────────────────────────────────────────────────


def _found(path: Path) -> Folder:
    with refusing():
        return Folder(path)


def _business(key: SigningKey, file: Path) -> None:
    if (role := key.certificate.role) is not Role.BUSINESS:
        raise Stop(UNUSABLE, f"{file}: the certificate is for the role {role}, and bids are a business's")


def _at(folder: Folder, act: Act) -> int:
    """Do something with the folder, at the service that it names."""

    async def work(http: httpx.AsyncClient) -> None:
        with locked(folder.path):
            line = Service(http, folder.trust)
            line.seen = folder.seen
            await act(line, folder)

    terminal.attempt(lambda: terminal.connected(folder.service, work))
    return 0


def _signed(folder: Folder, file: Path | None, act: Signed) -> int:
    """The same with the key in the bidder's file."""
    path = file or folder.signer
    signing = signing_key(terminal.holding(Safe(path, terminal.passphrase())), path)

    async def work(line: Service, found: Folder) -> None:
        await act(line, found, signing)

    return _at(folder, work)


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────


def _words(found: Folder, question: str, yes: bool) -> None:
    notice = found.tender.notice
    say(f"Bid for {notice.tender}: {notice.title}, of {notice.procuring_entity.name}")
    filled = found.draft
    for offer in filled.offers:
        say(f"  lot {offer.lot}: {draft.price(offer, notice)}")
    for each in filled.documents:
        seen = "for officials alone" if each.restricted else "public after the opening"
        say(f"  {draft.title(each)} ({draft.media_type(each)}), {seen}")
    for name, text in (("proposal", filled.proposal), ("for officials alone", filled.restricted)):
        if text:
            say(f"  {name}: {text}")
    for declaration in filled.declarations:
        say(f"  declared: {draft.declaration_text(notice, declaration.id)}")
    for owned in filled.owners:
        label, text = draft.owners_in_words(draft.ownership(owned))
        say(f"  {label}, public after the opening: {text}")
    confirm(question, yes)


def _show_sealed(sealed: Sealed, notice: Notice) -> None:
    partners = Statement(sealed.envelope).read(Envelope).consortium
    for name, content in sealed.contents.items():
        _facts([("Part", name), *draft.in_words(read_part(name, content, notice, partners), notice)])
    for name, content in sealed.restricted.items():
        _facts([("Restricted", name), *draft.in_words(read_restricted(content), notice)])


def _show_element(element: Element, notice: Notice, successor: Element | None) -> None:
    kind = "withdrawal" if element.withdrawal else "bid"
    say(f"number {element.number}, {kind} {element.statement.id[:16]}…: {_state(element)}")
    if successor:
        said = "taken back by" if successor.withdrawal else "superseded by"
        say(f"  {said} number {successor.number}")
    if element.stamp:
        say(f"  {_stamp(element)}")
    if successor or element.state == "refused":
        return  # its files are awaited by nobody
    named = {} if element.withdrawal else element.documents()
    for file in element.files:
        receipt = element.document_receipt(file.number)
        name = named[file.number].title if file.number in named else "restricted content"
        awaited = f"no receipt yet, awaited until {moment(notice.complete)}"
        there = f"there since {receipt.time}{_doubt(receipt.in_doubt)}" if receipt else awaited
        say(f"  file {file.number}, {name}, {file.size:,} bytes sealed: {there}")


def _stamp(element: Element) -> str:
    token = element.stamp
    return f"stamped by {token.by} at {token.time:{_WHEN}}" if token else "not stamped"


def _state(element: Element) -> str:
    match element.receipt:
        case Promise() as promise:
            return f"taken at {promise.time}, receipt promised by {promise.included_by}"
        case Receipt() as receipt:
            return f"receipt of {receipt.time}{_doubt(receipt.in_doubt)}"
    if element.state == "refused" and (refusal := element.refusal):
        return f"refused at {refusal.time}: {refusal.detail}"
    return "sealed, not sent" if element.state == "sealed" else "sent, no answer yet"


def _show_fate(fate: Fate, notice: Notice) -> None:
    say(f"the tender: {fate.status}, deadline {notice.deadline}")
    if fate.closed:
        say(f"closed: number {fate.number} is listed, {fate.listed}")
    for number in fate.missing:
        say(f"  file {number} did not come in time")
    if fate.opened:
        for part in fate.opened.parts:
            said = "opened" if part.reason is None else draft.WORDS.get(part.reason, part.reason)
            of_lot = f" of lot {part.lot}" if part.lot else ""
            say(f"part {part.part}{of_lot}: {said}")
    language = explain.language_of(notice.language)
    for lot, ranked in fate.results:
        rank = f"rank {ranked.rank}" if ranked.rank else "out of line"
        say(f"lot {lot}: {rank}, {explain.reason(ranked.reason, language).lower()}")
        for line in ranked.lines:
            say(f"  {explain.sentence(line, language)}")


def _facts(facts: Sequence[tuple[str, str]]) -> None:
    width = max([16, *(len(label) for label, _ in facts)])
    for label, text in facts:
        first, *more = text.splitlines() or [""]
        say(f"{label:{width}} {first}")
        for each in more:
            say(f"{'':{width}} {each}")


def _doubt(in_doubt: bool) -> str:
    return " (the service's clock was in doubt)" if in_doubt else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def _bar(
    element: Element, file: SealedFile
) -> Iterator[tuple[Callable[[SealedFile, int], None], Callable[[str], None]]]:
    """A bar for a file, on a terminal; and how something is said above it."""
    named = element.documents()
    console = Console(stderr=True, soft_wrap=True)
    columns = "[progress.description]{task.description}", DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bars:
        title = escape(named[file.number].title if file.number in named else "restricted")
        task = bars.add_task(title, total=file.size)
        yield lambda _, sent: bars.update(task, completed=sent), lambda line: warn(line, console)
