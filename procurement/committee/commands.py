"""The command `openseal committee`: what members of an opening committee do at their own machines."""

import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
from cyclopts import App, Parameter

from bids.client import Service
from bids.envelope import Part
from crypto.encoding import encode
from crypto.errors import CommitteeError, VerificationError
from procurement.client import Orders, verify_orders
from procurement.committee import paper
from procurement.committee.member import Board, Seat, read_board, restore
from procurement.committee.member import backup as backup_of
from procurement.console import FAILED, Stop, confirm, read, stdout
from procurement.editions import under
from procurement.registry import terminal
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe
from procurement.registry.terminal import Yes, say

NEXT = {
    "committing": "join",
    "dealing": "deal",
    "proving": "check",
    "signing": "sign",
}
"""What the awaited members are to do in each phase."""

Act = Callable[[Seat], Awaitable[None]]

app = App(name="committee", help="An opening committee: make its key together, sign orders, keep the share.")


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
        say(f"{board.officer.name} convened {board.ceremony.size} members, of whom {opening} open:")
        for each in range(1, board.ceremony.size + 1):
            say(f"  {board.name(each)}{' (you)' if each == number else ''}")
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
        say(f"your share works: with {board.ceremony.convening.threshold - 1} others' it opened a canary")

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
        _show_orders(seat, orders)
        if orders.orders:
            confirm("Sign? Signatures of this kind cannot be taken back.", yes)
        sent = await seat.sign_orders(announced, orders)
        say(f"signed and sent: {len(sent)}")

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
        say(f"{tender}, part {part}: “{reason}”")
        confirm("Publish this refusal under your name?", yes)
        say(f"published: {await seat.refuse(announced, part, reason)}")

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
    terminal.check_new(page)
    passphrase = terminal.passphrase()
    holding = terminal.holding(Safe(file, passphrase))
    try:
        found = backup_of(holding)
        text = paper.write(found, None if plain else passphrase, secrets.token_bytes(16))
        sheet = paper.page(text, found, holding.signing_key.certificate.name)
    except VerificationError as error:
        raise Stop(FAILED, error) from error
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(sheet)
    say(f"{page}: print it, then remove it")
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
    terminal.check_new(file)
    passphrase = terminal.passphrase()
    try:
        found = paper.read(read(lines).decode("utf-8", "replace"), passphrase)
    except VerificationError as error:
        raise Stop(FAILED, f"{lines}: {error}") from error
    safe = Safe(file, passphrase)
    seat = terminal.at_service(service, trust, lambda line: restore(line, service, safe, found))
    say(f"you are member {seat.holding.own_share.member} again; the share works")
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
            say(f"share in this file: {'yes' if seat.holding.share else 'no'}")

    return _at(file, work)


@app.command
def erase(file: Path, /, *, anyway: Annotated[bool, Parameter(negative=())] = False, yes: Yes = False) -> int:
    """Overwrite and remove your file, after the last order. A printed back-up has to be destroyed by hand.

    Parameters
    ----------
    anyway
        Do not ask the service whether a tender still waits for your share.
    """
    safe = Safe(file, terminal.passphrase())
    holding = terminal.holding(safe)
    if holding.share is not None and not anyway:
        terminal.attempt(lambda: terminal.connected(holding.service, partial(_check_done, safe, holding)))
    confirm(f"Erase {file} with its share and key for ever?", yes)
    try:
        safe.erase()
    except OSError as error:
        raise Stop(FAILED, f"{file}: {error.strerror}") from error
    return 0


async def _check_done(safe: Safe, holding: Holding, http: httpx.AsyncClient) -> None:
    """No tender waits for the share. Raises CommitteeError."""
    awaited = await Seat(safe, Service(http, holding.trust), holding).awaited()
    if awaited:
        raise CommitteeError(f"your share is still needed to open {', '.join(awaited)}")


def _at(file: Path, act: Act) -> int:
    """Do something with the member's file and line."""
    return terminal.at(file, lambda line, safe, holding: act(Seat(safe, line, holding)))


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
    say(f"ceremony {ceremony.id}: {ceremony.phase}")
    if awaited := ceremony.awaited():
        say(f"awaited to {NEXT[ceremony.phase]}: {', '.join(map(board.name, awaited))}")


def _show_orders(seat: Seat, orders: Orders) -> None:
    closed = orders.closed
    notice = closed.tender.notice
    say(f"Order that opens the {orders.part} part of {notice.tender}: {notice.title}")
    say(f"  of {notice.procuring_entity.name}, officer in charge {notice.contact.name}")
    say(f"  deadline {notice.deadline}; opening from {notice.opens:%Y-%m-%dT%H:%M:%SZ} on")
    count = len(closed.closing.chains)
    say(f"  box closed with {count} bidders' envelopes, witnessed {closed.witnessed:%Y-%m-%dT%H:%M:%SZ}")
    if orders.late:
        say(f"  witnessed after the round; the officer's reason: {orders.late}")
    rounds = dict.fromkeys(each.round for each in orders.orders)
    say(f"  round {' and '.join(rounds or [notice.round])} of beacon {notice.network.chain_hash} is signed")
    say(f"  you are member {seat.holding.own_share.member}; {notice.committee.threshold} of you open")
    for order in orders.orders:
        terms = under(closed.tender.editions, order.round)
        say(f"  {encode(terms.order(orders.section(order), order.bid)).decode()}")
    if not orders.orders:
        say("  there is nothing to open")


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
