"""Bidder and committee member at their own machines: what each verifies for itself before it signs.

Neither believes the service. A bidder seals only for a notice that its pinned witnesses have seen; a
member signs an opening order only after a witnessed closing statement and the round's signature.
"""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from bids.client import Logged, Service, parse
from bids.envelope import Envelope, Part, SubmissionTerms, compose, entropy_size
from bids.orders import Member, OpeningPartial
from bids.receipts import Closing, Receipt
from crypto.certificates import Role, SigningKey
from crypto.encoding import decode, parse_moment
from crypto.errors import LogError
from crypto.statements import Payload, Statement, sign
from procurement import history
from procurement.awards import LateClosing, SignedScores
from procurement.errors import TenderError
from procurement.history import Entry, EventType
from procurement.scoring import read_part
from procurement.tenders import Notice, check_notice, check_publication, check_transcript, terms

P = TypeVar("P", bound=Payload)

MOST_REFUSALS = 30
"""Before the closing: each of fifteen members may refuse each of two parts once."""
AT_ONCE = 4
"""Statements that one party has under way at a time."""


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """A tender that a party has verified: its notice, and the entry with which its history begins."""

    notice: Notice
    notice_id: str
    terms: SubmissionTerms
    entry: bytes


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A verified closing statement, and when the quorum of witnesses had seen it."""

    closing: Closing
    closing_id: str
    witnessed: datetime


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """The orders on one part that a member has found in order: `bids` names those whose price is opened, or
    nobody's in particular; `late` is the officer's reason where the closing was witnessed too late."""

    part: Part
    bids: tuple[str | None, ...]
    closed: Closed
    late: str | None


class PublishedPart(msgspec.Struct, frozen=True):
    """A part of an opened bid as the service tells it, not verified."""

    part: str
    content: msgspec.Raw = msgspec.Raw()
    reason: str | None = None


class PublishedBid(msgspec.Struct, frozen=True):
    """An opened bid as the service tells it, not verified: envelope id, holder, parts."""

    envelope: str
    bidder: str
    registration: str
    parts: tuple[PublishedPart, ...]

    def opened(self, part: Part) -> bool:
        """Whether that part is said to have opened."""
        return any(each.part == part and each.reason is None for each in self.parts)


class _Event(msgspec.Struct, frozen=True):
    seq: int
    type: str


class _Timeline(msgspec.Struct, frozen=True):
    events: tuple[_Event, ...]


class _Bids(msgspec.Struct, frozen=True):
    bids: tuple[PublishedBid, ...]


async def read_notice(service: Service, ocid: str) -> Announced:
    """The tender as the pinned witnesses have seen it published.

    Verified: the notice's place at the start of the tender's history in the co-signed log, the officer's
    signature, the committee's proofs and the word of its n certified members, a pinned beacon, and a round
    after the deadline. Raises ServiceError, or VerificationError's kinds.
    """
    logged = await service.logged(f"{path_of(ocid)}/entries/0")
    entry = history.read([logged.entry])[0]
    notice = await _said(service, logged, entry, Notice)
    if (notice.tender, entry.tender) != (ocid, ocid):
        raise LogError("the notice is another tender's")
    check_notice(notice)
    check_publication(notice, parse_moment(entry.time))
    service.trust.check_network(notice.network)
    named = [member.certificate for member in notice.committee.members]
    at = parse_moment(entry.time)
    check_transcript(notice, [await service.certificate(each, Role.COMMITTEE, at) for each in named])
    return Announced(
        notice=notice,
        notice_id=logged.statement.id,
        terms=terms(notice, logged.statement.id),
        entry=logged.entry,
    )


async def submit_bid(
    service: Service, tender: Announced, key: SigningKey, contents: Mapping[Part, bytes]
) -> Receipt:
    """The verified receipt for `contents`, sealed and signed here.

    Content that would not open as a bid raises Unopenable before it is sealed. Raises TenderError after
    the deadline, and what `Service.submit` raises.
    """
    for part, content in contents.items():
        read_part(part, content, tender.notice)
    if service.now() >= min(tender.notice.closes, tender.notice.opens):
        raise TenderError("deadline-passed", "the deadline has passed")
    entropy = secrets.token_bytes(entropy_size(tender.terms))
    envelope = await asyncio.to_thread(compose, dict(contents), tender.terms, key, entropy)
    return await service.submit(envelope, tender.terms, tender.notice.deadline)


async def read_closing(service: Service, tender: Announced) -> Closed:
    """The closing statement, waited for, in a log that is consistent with the one the notice is in."""
    logged = await service.logged(
        f"{path_of(tender.notice.tender)}/closing", _until(service, tender.notice.opens)
    )
    entry = await _linked(service, tender, logged.entry)
    closing = await _said(service, logged, entry, Closing)
    closing.check()
    if entry.t is not EventType.CLOSED or closing.terms != (tender.terms.terms,):
        raise LogError("the closing statement is about other terms")
    if closing.deadline != tender.notice.deadline or parse_moment(closing.time) < tender.notice.closes:
        raise LogError("the closing statement was made before the deadline")
    policies = service.trust.witnesses, tender.notice.witnesses
    witnessed = max(policy.reached(logged.note) for policy in policies)
    return Closed(closing=closing, closing_id=logged.statement.id, witnessed=witnessed)


async def verify_orders(service: Service, tender: Announced, part: Part) -> Orders:
    """What a member may sign to open `part`, waited for.

    It has verified for itself: a witnessed closing statement (or the officer's word for a late one), the
    round's signature and, for prices, every evaluator's sheet. Raises TenderError for no part of it.
    """
    if part not in tender.notice.parts:
        raise TenderError("no-such-part", f"the tender's parts are {' and '.join(tender.notice.parts)}")
    closed = await read_closing(service, tender)
    late = closed.witnessed >= tender.notice.opens
    reason = await _answered_for(service, tender, closed) if late else None
    await service.beacon(tender.notice.network, int(tender.terms.round))
    bids = tuple(await _to_price(service, tender, closed)) if part == "price" else (None,)
    return Orders(part=part, bids=bids, closed=closed, late=reason)


async def sign_orders(
    service: Service, tender: Announced, member: Member, part: Part
) -> list[OpeningPartial]:
    """Verify, sign and send the member's partials for `part`: one, or one for each price to be opened."""
    return await send_orders(service, tender, member, await verify_orders(service, tender, part))


async def send_orders(
    service: Service, tender: Announced, member: Member, orders: Orders
) -> list[OpeningPartial]:
    """Sign what `verify_orders` gave, and send it."""
    part = orders.part
    limit = asyncio.Semaphore(AT_ONCE)

    async def send(bid: str | None) -> OpeningPartial:
        async with limit:
            partial = member.sign_order(tender.terms, part, bid, service.now(), secrets.token_bytes)
            await service.post(f"{path_of(tender.notice.tender)}/opening-partials", sign(partial, member.key))
            return partial

    return await asyncio.gather(*map(send, orders.bids))


async def read_bids(service: Service, ocid: str) -> list[PublishedBid]:
    """What the service says was opened, waited for. Not verified: the award record is."""
    return list(parse(await service.wait_for(f"{path_of(ocid)}/bids"), _Bids).bids)


def path_of(ocid: str) -> str:
    """Where the tender is on a service."""
    return f"/api/v1/tenders/{ocid}"


async def _said(service: Service, logged: Logged, entry: Entry, type_: type[P]) -> P:
    """What the statement behind a logged entry says."""
    if logged.statement.id != entry.statement:
        raise LogError(f"entry {entry.seq} is about another statement")
    return await service.verified(logged.statement, type_, parse_moment(entry.time))


async def _all_said(service: Service, tender: Announced, event: EventType, type_: type[P]) -> list[P]:
    """What all the statements behind the tender's entries of one kind say."""
    path = path_of(tender.notice.tender)
    events = parse(await service.get(f"{path}/timeline"), _Timeline).events
    said = []
    for seq in [each.seq for each in events if each.type == event]:
        logged = await service.logged(f"{path}/entries/{seq}")
        entry = decode(logged.entry, Entry, limit=history.LONGEST_ENTRY)
        if (entry.t, entry.tender, entry.notice) != (event, tender.notice.tender, tender.notice_id):
            raise LogError(f"entry {seq} is another one than the timeline says")
        said.append(await _said(service, logged, entry, type_))
    return said


async def _linked(service: Service, tender: Announced, last: bytes) -> Entry:
    """The closing's entry `last`, in one chain with the notice's: members may refuse before it."""
    seq = min(decode(last, Entry, limit=history.LONGEST_ENTRY).seq, MOST_REFUSALS + 1)
    path = path_of(tender.notice.tender)
    between = [await service.logged(f"{path}/entries/{each}") for each in range(1, seq)]
    return history.read([tender.entry, *(each.entry for each in between), last])[-1]


async def _answered_for(service: Service, tender: Announced, closed: Closed) -> str:
    for each in await _all_said(service, tender, EventType.LATE, LateClosing):
        if (each.signer, each.closing) == (tender.notice.signer, closed.closing_id):
            return each.reason
    raise TenderError("late-closing", "the closing was witnessed too late and no officer answers for it")


async def _check_sheets(service: Service, tender: Announced) -> None:
    sheets = await _all_said(service, tender, EventType.SHEET_SIGNED, SignedScores)
    if {sheet.signer for sheet in sheets} != set(tender.notice.evaluators):
        raise TenderError("not-scored", "prices are opened when every evaluator has scored")


async def _to_price(service: Service, tender: Announced, closed: Closed) -> list[str]:
    """Ids of the bids whose price is opened, each read from an envelope that the closing counted.

    Raises TenderError unless every evaluator has signed before.
    """
    bids = []
    for each in await read_bids(service, tender.notice.tender):
        if each.opened("technical"):
            path = f"{path_of(tender.notice.tender)}/statements/{each.envelope}"
            statement = Statement(await service.get(path))
            if statement.id != each.envelope or statement.id not in closed.closing.counted():
                raise LogError("a bid was opened that the closing statement does not count")
            bids.append(statement.read(Envelope).context.bid)
    if bids:
        await _check_sheets(service, tender)
    return bids


def _until(service: Service, time: datetime) -> float:
    """Seconds until `time`, with a minute's patience on top."""
    return max(0.0, (time - service.now()).total_seconds()) + 60
