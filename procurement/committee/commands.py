"""The command `openseal committee`: what members of an opening committee do at their own machines."""

import asyncio
import getpass
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
from cyclopts import App, Parameter
from rich.text import Text

from bids.client import Service, ServiceError, read_trust
from bids.envelope import Part
from crypto.certificates import Role
from crypto.encoding import encode
from crypto.errors import VerificationError
from procurement.client import Announced, Orders, verify_orders
from procurement.committee import paper
from procurement.committee.member import Board, Holding, Seat, enrol_at, load, read_board, restore
from procurement.committee.safe import Safe
from procurement.console import FAILED, UNUSABLE, Stop, confirm, parse_trust, plain, read, stdout
from procurement.settings import Settings, SettingsError

SHORTEST_PASSPHRASE = 12  # characters

NEXT = {
    "committing": "join",
    "dealing": "deal",
    "proving": "check",
    "signing": "sign",
}
"""What the awaited members are to do in each phase."""

Yes = Annotated[bool, Parameter(negative=(), help="Do it without asking.")]
Act = Callable[[Seat], Awaitable[None]]

app = App(name="committee", help="An opening committee: make its key together, sign orders, keep the share.")


@app.command
def enrol(
    file: Path,
    /,
    *,
    service: str,
    name: str,
    registration: str,
    role: Literal["committee", "officer"] = "committee",
    trust: Path | None = None,
) -> int:
    """Make a key with a certificate, in a new file under a passphrase; print the certificate's fingerprint.

    Parameters
    ----------
    file
        Where everything of this person is kept from now on.
    service
        The service's address.
    name
        The person's name.
    registration
        The person's registration number.
    role
        Members hold shares; an officer convenes them.
    trust
        Whom you trust (JSON). Without it the service's own word is taken, which is for practice only.
    """
    _check_new(file)
    safe = Safe(file, _passphrase(new=True))

    async def work(line: Service) -> str:
        seat = await enrol_at(line, service, safe, Role(role), name, registration)
        return seat.key.fingerprint

    stdout().print(_run(service, trust, work))
    return 0


@app.command
def create(file: Path, /, *members: str, threshold: int) -> int:
    """Convene a committee (an officer does): THRESHOLD of the members open. Print the ceremony's id.

    Parameters
    ----------
    file
        The officer's file.
    members
        Fingerprints of their certificates, in the order of their numbers.
    threshold
        How many it takes to open: more than half of them.
    """

    async def work(seat: Seat) -> None:
        stdout().print(await seat.convene(members, threshold))

    return _at(file, work)


@app.command
def join(file: Path, ceremony: str, /, *, yes: Yes = False) -> int:
    """Take a seat in a ceremony: commit to what you will deal.

    Parameters
    ----------
    file
        The member's file.
    ceremony
        The ceremony's id, from the officer who convened it.
    """

    async def work(seat: Seat) -> None:
        board = await read_board(seat.service, ceremony)
        number = board.ceremony.number_of(seat.key.fingerprint)
        opening = board.ceremony.convening.threshold
        _say(f"{board.officer.name} convened {board.ceremony.size} members, of whom {opening} open:")
        for each in range(1, board.ceremony.size + 1):
            _say(f"  {board.name(each)}{' (you)' if each == number else ''}")
        confirm("Do you know all of them, and want to hold a share?", yes)
        _show(await seat.join(board))

    return _at(file, work)


@app.command
def deal(file: Path, /) -> int:
    """Deal, once all have joined: publish what others check, and send each member its sealed share."""
    return _at(file, lambda seat: _shown(seat.deal()))


@app.command
def check(file: Path, /) -> int:
    """Take your share, once all have dealt, and prove it; complain where one that was dealt is wrong."""
    return _at(file, lambda seat: _shown(seat.check()))


@app.command
def rehearse(file: Path, /) -> int:
    """Seal a canary for the committee and open it with the share in your file and other members' proofs."""

    async def work(seat: Seat) -> None:
        board = await seat.rehearse()
        _say(f"your share works: with {board.ceremony.convening.threshold - 1} others' it opened a canary")

    return _at(file, work)


@app.command
def sign(file: Path, /, *, tender: str | None = None, part: Part = "bid", yes: Yes = False) -> int:
    """Sign the ceremony's transcript or, with a tender, the order that opens its bids.

    Parameters
    ----------
    tender
        The tender's ocid. Nothing is signed before your machine has verified everything itself.
    part
        What is to be opened; tenders with two envelopes have `technical` and `price`.
    """
    if tender is None:
        return _at(file, lambda seat: _shown(seat.sign_off()))

    async def work(seat: Seat) -> None:
        announced = await seat.tender(tender)
        orders = await verify_orders(seat.service, announced, part)
        _show_orders(seat, announced, orders)
        if orders.bids:
            confirm("Sign? Signatures of this kind cannot be taken back.", yes)
        sent = await seat.sign_orders(announced, orders)
        _say(f"signed and sent: {len(sent)}")

    return _at(file, work)


@app.command
def refuse(file: Path, /, *, tender: str, reason: str, part: Part = "bid", yes: Yes = False) -> int:
    """Refuse an opening order, in public.

    Parameters
    ----------
    tender
        The tender's ocid.
    reason
        Why, in words that everybody may read.
    part
        What you will not open.
    """

    async def work(seat: Seat) -> None:
        announced = await seat.tender(tender)
        _say(f"{tender}, part {part}: “{reason}”")
        confirm("Publish this refusal under your name?", yes)
        _say(f"published: {await seat.refuse(announced, part, reason)}")

    return _at(file, work)


@app.command
def backup(file: Path, page: Path, /, *, plain: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Write a page to print: your share and key in lines that can be typed in again, and as a QR code.

    Parameters
    ----------
    page
        The page, HTML. Remove it when it is printed.
    plain
        Readable without your passphrase, for an envelope in a vault.
    """
    _check_new(page)
    passphrase = _passphrase()
    holding = _holding(Safe(file, passphrase))
    try:
        found = holding.backup()
        text = paper.write(found, None if plain else passphrase, secrets.token_bytes(16))
        sheet = paper.page(text, found, holding.signing_key.certificate.name)
    except VerificationError as error:
        raise Stop(FAILED, error) from error
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(sheet)
    _say(f"{page}: print it, then remove it")
    return 0


@app.command(name="restore")
def restore_(file: Path, lines: Path, /, *, service: str, trust: Path | None = None) -> int:
    """Make your file anew from a printed back-up, check it against the ceremony, and rehearse.

    Parameters
    ----------
    file
        The new file.
    lines
        The lines of the back-up as text, or what its QR code says.
    service
        The service's address.
    trust
        Whom you trust (JSON); as for `enrol`.
    """
    _check_new(file)
    passphrase = _passphrase()
    try:
        found = paper.read(read(lines).decode("utf-8", "replace"), passphrase)
    except VerificationError as error:
        raise Stop(FAILED, f"{lines}: {error}") from error
    safe = Safe(file, passphrase)
    seat = _run(service, trust, lambda line: restore(line, service, safe, found))
    _say(f"you are member {seat.holding.own_share.member} again; the share works")
    return 0


@app.command
def status(file: Path, /, *, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Where the ceremony stands, and who is awaited.

    Parameters
    ----------
    json
        Print JSON: the phase and, when it is done, committee and transcript for a notice.
    """

    async def work(seat: Seat) -> None:
        board = await seat.board()
        if json:
            sys.stdout.write(encode(_for_notice(board)).decode() + "\n")
        else:
            _show(board)
            _say(f"share in this file: {'yes' if seat.holding.share else 'no'}")

    return _at(file, work)


@app.command
def erase(file: Path, /, *, yes: Yes = False) -> int:
    """Overwrite and remove your file, after the last order. A printed back-up has to be destroyed by hand."""
    safe = Safe(file, _passphrase())
    _holding(safe)
    confirm(f"Erase {file} with its share and key for ever?", yes)
    try:
        safe.erase()
    except OSError as error:
        raise Stop(FAILED, f"{file}: {error.strerror}") from error
    return 0


def _at(file: Path, act: Act) -> int:
    """Do something with the member's file and line."""
    safe = Safe(file, _passphrase())
    holding = _holding(safe)

    try:
        relays = Settings.load(os.environ).relays
    except SettingsError as error:
        raise Stop(UNUSABLE, error) from error

    async def work(http: httpx.AsyncClient) -> None:
        await act(Seat(safe, Service(http, holding.trust, relays=relays), holding))

    _attempt(lambda: _connected(holding.service, work))
    return 0


def _run(service: str, trust: Path | None, work: Callable[[Service], Awaitable[Any]]) -> Any:
    """Do something with a line to a service that is trusted by a file, or on its own word."""
    pinned = parse_trust(read(trust), trust) if trust else None
    if pinned is None:
        _warn("without --trust the service is believed on its own word: for practice only")

    async def first(http: httpx.AsyncClient) -> Any:
        return await work(Service(http, pinned or await read_trust(http)))

    return _attempt(lambda: _connected(service, first))


async def _connected(address: str, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30, trust_env=False) as http:
        return await work(http)


def _attempt(work: Callable[[], Any]) -> Any:
    try:
        return asyncio.run(work())
    except httpx.InvalidURL as error:
        raise Stop(UNUSABLE, f"no address: {error}") from error
    except (ServiceError, VerificationError) as error:
        raise Stop(FAILED, error) from error
    except OSError as error:
        raise Stop(FAILED, f"{error.filename or 'this machine'}: {error.strerror}") from error


def _holding(safe: Safe) -> Holding:
    try:
        return load(safe)
    except VerificationError as error:
        raise Stop(UNUSABLE, f"{safe.path}: {error}") from error
    except OSError as error:
        raise Stop(UNUSABLE, f"{safe.path}: {error.strerror}") from error


def _passphrase(*, new: bool = False) -> str:
    """From the prompt, or from the file that the environment names; never from the command line."""
    if path := os.environ.get("OPENSEAL_PASSPHRASE_FILE"):
        passphrase = read(Path(path)).decode("utf-8", "replace").rstrip("\r\n")
    else:
        passphrase = _asked("Passphrase: ")
        if new and _asked("The same again: ") != passphrase:
            raise Stop(UNUSABLE, "the passphrases differ")
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise Stop(UNUSABLE, f"a passphrase has {SHORTEST_PASSPHRASE} characters or more")
    return passphrase


def _asked(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise Stop(UNUSABLE, "nobody is there to be asked for the passphrase") from error


def _check_new(path: Path) -> None:
    """A file is never replaced by another person's, or a share by none."""
    if path.exists():
        raise Stop(UNUSABLE, f"{path} is there already")


async def _shown(work: Awaitable[Board]) -> None:
    _show(await work)


def _show(board: Board) -> None:
    ceremony = board.ceremony
    if complaint := ceremony.complaint:
        culprit, member = board.name(complaint.against), board.name(complaint.member)
        raise Stop(
            FAILED,
            f"the ceremony is over: member {culprit} sent member {member} a bad share ({complaint.fault});"
            " convene another",
        )
    _say(f"ceremony {ceremony.id}: {ceremony.phase}")
    if awaited := ceremony.awaited():
        _say(f"awaited to {NEXT[ceremony.phase]}: {', '.join(map(board.name, awaited))}")


def _show_orders(seat: Seat, tender: Announced, orders: Orders) -> None:
    notice, closed = tender.notice, orders.closed
    _say(f"Order that opens the {orders.part} part of {notice.tender}: {notice.title}")
    _say(f"  of {notice.procuring_entity.name}, officer in charge {notice.contact.name}")
    _say(f"  deadline {notice.deadline}; opening from {notice.opens:%Y-%m-%dT%H:%M:%SZ} on")
    count = len(closed.closing.chains)
    _say(f"  box closed with {count} bidders' envelopes, witnessed {closed.witnessed:%Y-%m-%dT%H:%M:%SZ}")
    if orders.late:
        _say(f"  witnessed after the round; the officer's reason: {orders.late}")
    _say(f"  round {notice.round} of beacon {notice.network.chain_hash} is signed")
    _say(f"  you are member {seat.holding.own_share.member}; {notice.committee.threshold} of you open")
    for bid in orders.bids:
        _say(f"  {encode(tender.terms.order(orders.part, bid)).decode()}")
    if not orders.bids:
        _say("  there is nothing to open")


def _for_notice(board: Board) -> dict[str, Any]:
    ceremony = board.ceremony
    found: dict[str, Any] = {
        "ceremony": ceremony.id,
        "phase": ceremony.phase,
        "awaited": ceremony.awaited(),
    }
    if ceremony.phase == "done":
        found |= {"committee": ceremony.committee(), "transcript": board.transcript}
    return found


def _say(line: str) -> None:
    stdout().print(plain(line))


def _warn(line: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(Text(f"openseal: {line}", "yellow"))
