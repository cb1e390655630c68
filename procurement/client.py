"""Bidder and committee member at their own machines: what each verifies for itself before it signs.

Neither believes the service. A bidder seals only for a notice that its pinned witnesses have seen; a
member signs an opening order only after a witnessed closing statement and the round's signature.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from bids.client import Logged, Service, parse
from bids.envelope import (
    CoSignature,
    Envelope,
    Part,
    SealedFile,
    Section,
    SubmissionTerms,
    check,
    compose,
    entropy_size,
    seal_restricted,
    section,
    verify_sealed,
)
from bids.errors import EnvelopeError
from bids.orders import Member, Opening, OpeningPartial
from bids.receipts import Closing, Committed, Receipt
from crypto.certificates import Certificate, Role, SigningKey
from crypto.encoding import decode, encode, moment, parse_moment, sha256
from crypto.errors import LogError
from crypto.statements import Payload, Statement, sign
from procurement import editions, enquiries, history
from procurement.awards import (
    ConflictDeclaration,
    Countersignature,
    Evaluated,
    LateClosing,
    SignedScores,
    Termination,
    check_countersigned,
    check_seen,
)
from procurement.documents import check_before_sealing
from procurement.duties import Officials, Word, check_declared, declared
from procurement.editions import Amendment, Edition, Extension
from procurement.errors import TenderError
from procurement.history import BID_EVENTS, EDITIONS, SELECTION_EVENTS, Entry, EventType
from procurement.numbers import check_admitted
from procurement.panels import DrawRequest, PanelDraw, check_request, check_unknown, verify_draw
from procurement.scoring import Scored, check_sheet, lots_of, to_price
from procurement.selection import SAID, Selection, check_may_say
from procurement.tenders import (
    Notice,
    appointed,
    check_notice,
    check_publication,
    check_transcript,
)

P = TypeVar("P", bound=Payload)

MOST_BEFORE_CLOSING = 30 + 2 * enquiries.MOST + 2 * editions.MOST
"""Entries: fifteen members may refuse each of two parts once, questions are answered, terms amended."""
AT_ONCE = 4
"""Statements that one party has under way at a time."""


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """A tender as its notice states it, which a party has verified."""

    notice: Notice
    notice_id: str
    terms: SubmissionTerms


class Announced(Stated, frozen=True, kw_only=True):
    """The same with all editions of its terms, who is in charge of what, and the entries with which its
    history begins; `notice` and `terms` are those of the latest edition."""

    editions: tuple[Edition, ...]
    indexes: tuple[int, ...]
    """Of the editions' entries in the log."""
    amendments: tuple[bytes, ...] = ()
    """The statements (DSSE) that made the editions after the first."""
    officials: Officials
    entries: tuple[bytes, ...]

    def in_force(self, index: int) -> Edition:
        """The edition under which that came whose commitment has this index in the log."""
        return editions.in_force(self.editions, index, self.indexes)


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed bid and all that shows what is in it: for its bidder and partners, and nobody else's eyes."""

    envelope: bytes
    contents: dict[Section, bytes]
    entropy: bytes
    restricted: dict[Section, bytes] = {}
    """What only officials read, by what it belongs to."""
    files: dict[int, bytes] = {}
    """The restricted contents as they are sent after the envelope, by their number in it."""

    def __repr__(self) -> str:
        return "Sealed()"


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A verified closing statement, when the quorum of witnesses had seen it, and the tender by then; `ended`
    where two officers had ended it without an award before."""

    tender: Announced
    closing: Closing
    closing_id: str
    witnessed: datetime
    ended: bool


class Order(NamedTuple):
    """What is opened: what was sealed for `round`, of one bid or of nobody's in particular, of one lot or of
    all."""

    round: str
    bid: str | None = None
    lot: str | None = None


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """The orders on one part that a member has found in order; `late` is the officer's reason where the
    closing was witnessed too late."""

    part: Part
    orders: tuple[Order, ...]
    closed: Closed
    late: str | None

    def section(self, order: Order) -> Section:
        """What of an envelope one of them opens."""
        return section(self.part, order.lot)


class PublishedPart(msgspec.Struct, frozen=True):
    """A part of an opened bid, or one lot's, as the service tells it, not verified."""

    part: str
    lot: str | None = None
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


class _Accepted(msgspec.Struct, frozen=True):
    statement: str


class _Bids(msgspec.Struct, frozen=True):
    bids: tuple[PublishedBid, ...]


async def read_notice(service: Service, ocid: str) -> Announced:
    """The tender as the pinned witnesses have seen it published, and amended since.

    Verified: the notice's place at the start of the tender's history in the co-signed log, the signatures of
    two officers, the committee's proofs and the word of its n certified members, that nobody holds two
    duties, a pinned beacon, and a round after the deadline; and each change of the terms that the service
    shows. Raises ServiceError and VerificationError's kinds.
    """
    published, countersigned = [await service.logged(f"{path_of(ocid)}/entries/{seq}") for seq in (0, 1)]
    first, second = history.read([published.entry, countersigned.entry])
    history.check_order([first, second])
    notice, officer = await _said(service, published, first, Notice)
    word, colleague = await _said(service, countersigned, second, Countersignature)
    if first.tender != ocid:
        raise LogError("the notice is another tender's")
    check_countersigned(first.statement, word)
    check_notice(notice)
    check_publication(notice, parse_moment(first.time))
    service.trust.check_network(notice.network)
    made = editions.published(notice, first.statement)
    tender = Announced(
        notice=notice,
        notice_id=first.statement,
        terms=made[-1].terms,
        editions=made,
        indexes=(published.index,),
        officials=await _officials(service, notice, first, officer, colleague),
        entries=(published.entry, countersigned.entry),
    )
    return await _amended(service, tender, await _places(service, tender, *EDITIONS[1:]))


async def submit_bid(
    service: Service,
    tender: Announced,
    key: SigningKey,
    contents: Mapping[Section, bytes],
    partners: Sequence[SigningKey] = (),
    previous: str | None = None,
) -> Receipt:
    """The verified receipt for `contents`, sealed and signed here, by all where the bid is joint. Raises what
    `seal_bid`, `co_sign` and `Service.submit` raise."""
    named = [each.fingerprint for each in partners]
    sealed = await seal_bid(service, tender, key, contents, named, previous)
    for each in partners:
        await co_sign(service, tender, each, sealed)
    return await service.submit(sealed.envelope, tender.terms, tender.notice.deadline)


async def seal_bid(
    service: Service,
    tender: Stated,
    key: SigningKey,
    contents: Mapping[Section, bytes],
    consortium: Sequence[str] = (),
    previous: str | None = None,
    documents: Sequence[SealedFile] = (),
    restricted: Mapping[Section, bytes] | None = None,
) -> Sealed:
    """`contents`, sealed and signed here; partners, named by their certificates, have yet to co-sign it.

    `documents` are sealed already, numbered from 1; the `restricted` contents of parts become sealed files
    after them. Content that would not open as a bid raises Unopenable before it is sealed. Raises TenderError
    after the deadline and for a practice number in a tender that is for real, EnvelopeError for what the
    terms do not admit.
    """
    _check_open(service, tender, key)
    withheld = dict(restricted or {})
    check_before_sealing(tender.notice, contents, withheld, documents, consortium)
    entropy = secrets.token_bytes(entropy_size(tender.terms))
    sealed = seal_restricted(withheld, tender.terms, key.fingerprint, entropy)
    files = {len(documents) + i: (name, sealed[name]) for i, name in enumerate(sealed, start=1)}
    listed = [SealedFile.restricted(number, *each) for number, each in files.items()]
    follow = (*documents, *listed)
    envelope = await asyncio.to_thread(
        compose, contents, tender.terms, key, entropy, previous, tuple(consortium), follow
    )
    return Sealed(
        envelope=envelope,
        contents=dict(contents),
        entropy=entropy,
        restricted=withheld,
        files={number: file for number, (_, file) in files.items()},
    )


async def co_sign(service: Service, tender: Stated, key: SigningKey, sealed: Sealed) -> str:
    """The id of a partner's word for a joint bid, given after a look at what is in the envelope.

    Verified: the lead's signature and certificate, that the partner is named, and that the envelope seals
    exactly the contents shown, which open as a bid. Raises EnvelopeError, Unopenable, TenderError as
    `seal_bid` does, and what `Service.post` raises.
    """
    _check_open(service, tender, key)
    statement = Statement(sealed.envelope)
    envelope = await service.verified_unless_revoked(statement, Envelope, service.now())
    if key.fingerprint not in envelope.consortium:
        raise EnvelopeError("not-a-partner", "the envelope does not name this certificate as a partner's")
    await asyncio.to_thread(
        verify_sealed, envelope, sealed.contents, tender.terms, sealed.entropy, sealed.restricted
    )
    check_before_sealing(
        tender.notice, sealed.contents, sealed.restricted, envelope.documents, envelope.consortium
    )
    word = CoSignature(
        signer=key.fingerprint,
        tender=tender.notice.tender,
        notice=tender.notice_id,
        envelope=statement.id,
        time=moment(service.now()),
    )
    answer = await service.post(f"{path_of(tender.notice.tender)}/co-signatures", sign(word, key))
    return parse(answer, _Accepted).statement


async def read_closing(service: Service, tender: Announced) -> Closed:
    """The closing statement, waited for, in a log that is consistent with the one the notice is in.

    It is made when nothing can come any more: after the deadline and the grace, or once the tender has ended.
    """
    logged = await service.logged(
        f"{path_of(tender.notice.tender)}/closing", _until(service, tender.notice.opens)
    )
    chain = await _linked(service, tender, logged.entry)
    entry, changed = chain[-1], [(each.seq, each.statement) for each in chain if each.t in EDITIONS[1:]]
    tender = await _amended(service, tender, [seq for seq, _ in changed if seq > tender.editions[-1].seq])
    if [(each.seq, each.statement) for each in tender.editions[1:]] != changed:
        raise LogError("the service showed other amendments than the tender has")
    closing, _ = await _said(service, logged, entry, Closing)
    closing.check()
    if closing.terms != tuple(each.terms.terms for each in tender.editions):
        raise LogError("the closing statement is about other terms")
    ended = await _ended(service, tender, chain)
    early = parse_moment(closing.time) < tender.notice.complete and not ended
    if closing.deadline != tender.notice.deadline or early:
        raise LogError("the closing statement was made before the deadline")
    policies = service.trust.witnesses, tender.notice.witnesses
    witnessed = max(policy.reached(logged.note) for policy in policies)
    return Closed(
        tender=tender, closing=closing, closing_id=logged.statement.id, witnessed=witnessed, ended=ended
    )


async def verify_orders(service: Service, tender: Announced, part: Part) -> Orders:
    """What a member may sign to open `part`, waited for.

    It has verified for itself: a witnessed closing statement (or the officer's word for a late one), the
    rounds' signatures and, for prices, every evaluator's sheet. Raises TenderError for no part of it, and
    for a tender that is said to have ended without an award: nothing more of it is opened.
    """
    if part not in tender.notice.parts:
        raise TenderError("no-such-part", f"the tender's parts are {' and '.join(tender.notice.parts)}")
    closed = await read_closing(service, tender)
    tender = closed.tender
    if closed.ended or await _places(service, tender, EventType.TERMINATED):
        raise TenderError("terminated", "the tender has ended without an award: nothing is opened")
    late = closed.witnessed >= tender.notice.opens
    reason = await _answered_for(service, tender, closed) if late else None
    for round in _rounds(closed):
        await service.beacon(tender.notice.network, int(round))
    if part == "price":
        orders = await _to_price(service, tender, closed)
    else:
        orders = [Order(round) for round in _rounds(closed)]
    return Orders(part=part, orders=tuple(orders), closed=closed, late=reason)


def _rounds(closed: Closed) -> list[str]:
    """The rounds that bids which count were sealed for, the latest edition's among them.

    Raises LogError where the closing counts bids whose terms do not stand.
    """
    index = {each.statement: each.index for each in closed.closing.commitments}
    sealed = [closed.tender.in_force(index[id]) for id in closed.closing.counted()]
    if not all(each.stands for each in sealed):
        raise LogError("the closing statement counts bids whose terms do not stand")
    return editions.rounds(closed.tender.editions, [each.terms.terms for each in sealed])


async def sign_orders(
    service: Service, tender: Announced, member: Member, part: Part
) -> list[OpeningPartial]:
    """Verify, sign and send the member's partials for `part`: one, or one for each price to be opened."""
    return await send_orders(service, tender, member, await verify_orders(service, tender, part))


async def send_orders(
    service: Service, tender: Announced, member: Member, orders: Orders
) -> list[OpeningPartial]:
    """Sign what `verify_orders` gave, and send it."""
    made = orders.closed.tender.editions
    limit = asyncio.Semaphore(AT_ONCE)

    async def send(order: Order) -> OpeningPartial:
        async with limit:
            terms = editions.under(made, order.round)
            name, now = orders.section(order), service.now()
            partial = member.sign_order(terms, name, order.bid, now, secrets.token_bytes)
            await service.post(f"{path_of(tender.notice.tender)}/opening-partials", sign(partial, member.key))
            return partial

    return await asyncio.gather(*map(send, orders.orders))


async def read_bids(service: Service, ocid: str) -> list[PublishedBid]:
    """What the service says was opened, waited for. Not verified: the award record is."""
    return list(parse(await service.wait_for(f"{path_of(ocid)}/bids"), _Bids).bids)


async def read_evaluation(service: Service, tender: Announced) -> tuple[str, Evaluated]:
    """The evaluation's statement id and what it says, waited for; as the log has it, signed by a service that
    was in good standing. Raises TenderError where the service shows none in the tender's history."""
    await service.wait_for(f"{path_of(tender.notice.tender)}/evaluation")
    for entry, evaluated, _ in await _all_said(service, tender, EventType.SCORED, Evaluated):
        return entry.statement, evaluated
    raise TenderError("not-yet", "the bids are not evaluated yet")


async def read_selection(service: Service, tender: Announced) -> Selection:
    """What was done about those in line so far, as the log has it: each word by who may say it, every figure
    recomputed. Raises what `Selection.hear` and `check_may_say` raise."""
    selection = Selection(tender.notice, *await read_evaluation(service, tender))
    words = await _words(service, tender)
    said = [
        each for event in SELECTION_EVENTS for each in await _all_said(service, tender, event, SAID[event])
    ]
    for entry, word, registration in sorted(said, key=lambda each: each[0].seq):
        check_may_say(word, registration, tender.officials, declared(words, entry.seq))
        selection.hear(entry.statement, word, parse_moment(entry.time), registration)
    return selection


async def read_panel(service: Service, tender: Announced) -> tuple[Officials, int]:
    """The officials, with the order in which a pool is called to the panel, and the place of its draw in the
    history; recomputed from a round that nobody knew when the log had its request. Raises TenderError.

    Where nothing is drawn, or not yet, they are as the notice has them.
    """
    drawn = await _all_said(service, tender, EventType.PANEL_DRAWN, PanelDraw)
    places = await _places(service, tender, EventType.DRAW_REQUESTED)
    if tender.notice.seats is None or not (drawn and places):
        return tender.officials, 0
    entry, draw, _ = drawn[0]
    logged = await service.logged(_entry_path(tender, places[0]))
    requested = _own_entry(tender, logged.entry, EventType.DRAW_REQUESTED)
    request, officer = await _said(service, logged, requested, DrawRequest)
    tender.officials.check_in_charge(officer.registration)
    check_request(tender.notice, request, parse_moment(requested.time))
    policies = service.trust.witnesses, tender.notice.witnesses
    check_unknown(tender.notice, request, max(policy.reached(logged.note) for policy in policies))
    verify_draw(tender.notice, tender.notice_id, (requested.statement, request.round), draw)
    pool = await _standing(service, tender.notice.evaluators, Role.EVALUATOR, _published(tender))
    people = {each.fingerprint: each.registration for each in pool}
    order = draw.order(people.__getitem__)
    return msgspec.structs.replace(tender.officials, drawn=order), entry.seq


async def read_openings(service: Service, tender: Announced) -> list[Entry]:
    """The entries of the openings so far, as the log has them, in order."""
    return [entry for entry, _, _ in await _all_said(service, tender, EventType.OPENED, Opening)]


def path_of(ocid: str) -> str:
    """Where the tender is on a service."""
    return f"/api/v1/tenders/{ocid}"


def _check_open(service: Service, tender: Stated, key: SigningKey) -> None:
    """The tender takes bids, and bids by the holder of this key."""
    check_admitted([key.certificate.registration], practice=tender.notice.practice)
    if service.now() >= min(tender.notice.closes, tender.notice.opens):
        raise TenderError("deadline-passed", "the deadline has passed")


async def _officials(
    service: Service, notice: Notice, published: Entry, officer: Certificate, second: Certificate
) -> Officials:
    """Who holds which duty: members and panel in good standing at publication, the members agreed on one
    ceremony, and nobody with two duties."""
    named = [member.certificate for member in notice.committee.members]
    members = await _standing(service, named, Role.COMMITTEE, published)
    check_transcript(notice, members)
    panel = await _standing(service, notice.evaluators, Role.EVALUATOR, published)
    people = {each.fingerprint: each.registration for each in (officer, *members, *panel)}
    officials = appointed(notice, second.registration, people.__getitem__)
    officials.check_apart()
    return officials


async def _standing(
    service: Service, fingerprints: Sequence[str], role: Role, entry: Entry
) -> list[Certificate]:
    """The certificates with these fingerprints, each in good standing when `entry` was made."""
    at = parse_moment(entry.time)
    return [await service.certificate(each, role, at, entry.status or "") for each in fingerprints]


async def _said(service: Service, logged: Logged, entry: Entry, type_: type[P]) -> tuple[P, Certificate]:
    """What the statement behind a logged entry says, and who was in good standing and said it."""
    if logged.statement.id != entry.statement:
        raise LogError(f"entry {entry.seq} is about another statement")
    at, status = parse_moment(entry.time), entry.status or ""  # none stands only by what became of a bid
    said, signer = await service.verified(logged.statement, type_, at, status)
    history.check_about(entry, said)
    return said, signer


async def _all_said(
    service: Service, tender: Announced, event: EventType, type_: type[P]
) -> list[tuple[Entry, P, str]]:
    """The tender's entries of one kind that the service shows: what the statements behind them say, and
    their signers' registration numbers."""
    said = []
    for seq in await _places(service, tender, event):
        logged = await service.logged(_entry_path(tender, seq))
        entry = _own_entry(tender, logged.entry, event)
        payload, signer = await _said(service, logged, entry, type_)
        said.append((entry, payload, signer.registration))
    return said


async def _places(service: Service, tender: Announced, *types: EventType) -> list[int]:
    """Where the service says that such entries stand."""
    path = path_of(tender.notice.tender)
    events = parse(await service.get(f"{path}/timeline"), _Timeline).events
    return [each.seq for each in events if each.type in types]


def _published(tender: Announced) -> Entry:
    return decode(tender.entries[0], Entry, limit=history.LONGEST_ENTRY)


def _own_entry(tender: Announced, data: bytes, *events: EventType) -> Entry:
    """The entry, of the tender's own history and of one of these kinds. Raises LogError."""
    entry = decode(data, Entry, limit=history.LONGEST_ENTRY)
    if (entry.tender, entry.notice) != (tender.notice.tender, tender.notice_id) or entry.t not in events:
        raise LogError(f"entry {entry.seq} is another one than the service says")
    return entry


def _entry_path(tender: Announced, seq: int) -> str:
    return f"{path_of(tender.notice.tender)}/entries/{seq}"


async def _amended(service: Service, tender: Announced, seqs: Sequence[int]) -> Announced:
    """The tender with the changes of its terms whose entries stand there, each verified."""
    for seq in seqs:
        logged = await service.logged(_entry_path(tender, seq))
        entry = _own_entry(tender, logged.entry, *EDITIONS[1:])
        if entry.t is EventType.AMENDED:
            said: Amendment | Extension = await _amendment(service, tender, logged, entry)
        else:
            said = await _extension(service, logged, entry)
        made = editions.followed_by(tender.editions, said, entry.statement, entry.seq)
        await asyncio.to_thread(check_notice, made[-1].notice)
        tender = msgspec.structs.replace(
            tender,
            notice=made[-1].notice,
            terms=made[-1].terms,
            editions=made,
            indexes=(*tender.indexes, logged.index),
            amendments=(*tender.amendments, logged.statement.data),
        )
    return tender


async def _extension(service: Service, logged: Logged, entry: Entry) -> Extension:
    """What the service extended, once the outages were over."""
    extension, _ = await _said(service, logged, entry, Extension)
    editions.check_told_afterwards(extension, parse_moment(entry.time))
    return extension


async def _amendment(service: Service, tender: Announced, logged: Logged, entry: Entry) -> Amendment:
    """What an officer in charge amended in time, and another countersigned."""
    amendment = await _agreed(service, tender, logged, entry, EventType.AMENDMENT_COUNTERSIGNED, Amendment)
    editions.check_in_time(tender.editions[-1], amendment.amended, parse_moment(entry.time))
    return amendment


async def _ended(service: Service, tender: Announced, chain: Sequence[Entry]) -> bool:
    """Whether an officer in charge ended the tender in this history, and another countersigned."""
    for entry in chain:
        if entry.t is EventType.TERMINATED:
            logged = await service.logged(_entry_path(tender, entry.seq))
            if _own_entry(tender, logged.entry, EventType.TERMINATED) != entry:
                raise LogError(f"the service shows two entries {entry.seq} of the tender")
            await _agreed(service, tender, logged, entry, EventType.TERMINATION_COUNTERSIGNED, Termination)
            return True
    return False


async def _agreed(
    service: Service, tender: Announced, logged: Logged, entry: Entry, by: EventType, type_: type[P]
) -> P:
    """What an officer in charge said in `entry`, and another countersigned in the one before, a `by`."""
    before = await service.logged(_entry_path(tender, entry.seq - 1))
    agreed = _own_entry(tender, before.entry, by)
    if entry.prev != sha256(before.entry).hex():
        raise LogError(f"the tender's chain is broken at entry {entry.seq}")
    said, officer = await _said(service, logged, entry, type_)
    word, colleague = await _said(service, before, agreed, Countersignature)
    check_countersigned(entry.statement, word)
    tender.officials.check_in_charge(officer.registration)
    tender.officials.check_countersigning(officer.registration, colleague.registration)
    return said


async def _linked(service: Service, tender: Announced, last: bytes) -> list[Entry]:
    """The chain from the notice to the closing's entry `last`: others stand between them."""
    begun = len(tender.entries)
    seq = min(decode(last, Entry, limit=history.LONGEST_ENTRY).seq, begun + MOST_BEFORE_CLOSING)
    between = [await service.proven(_entry_path(tender, each)) for each in range(begun, seq)]
    chain = history.read([*tender.entries, *(each.entry for each in between), last])
    history.check_order(chain)
    if chain[-1].t is not EventType.CLOSED:
        raise LogError("the service shows another entry than the closing's")
    return chain


async def _answered_for(service: Service, tender: Announced, closed: Closed) -> str:
    for _, each, registration in await _all_said(service, tender, EventType.LATE, LateClosing):
        if each.closing == closed.closing_id:
            tender.officials.check_in_charge(registration)
            return each.reason
    raise TenderError("late-closing", "the closing was witnessed too late and no officer answers for it")


async def _sheets(service: Service, tender: Announced, opening: str, *, to_score: bool) -> list[SignedScores]:
    """The panel's sheets: whoever is on it and has no conflict of interest has said so, after the opening
    with that id, and has then scored. Raises TenderError unless all have."""
    words = await _words(service, tender, opening)
    officials, drawn = await read_panel(service, tender)
    sheets = await _all_said(service, tender, EventType.SHEET_SIGNED, SignedScores)
    for entry, _, evaluator in sheets:
        check_declared(declared(words, entry.seq), evaluator)
        if entry.seq < drawn:
            raise TenderError("scored-early", "a score sheet was signed before the panel was drawn")
    scored_by = [evaluator for _, _, evaluator in sheets]
    officials.check_scored(declared(words), scored_by, to_score=to_score)
    return [sheet for _, sheet, _ in sheets]


async def _words(service: Service, tender: Announced, opening: str | None = None) -> list[Word]:
    """Who has declared whether there is a conflict of interest, after the `opening` with that id."""
    said = await _all_said(service, tender, EventType.CONFLICT_DECLARED, ConflictDeclaration)
    for _, word, _ in said:
        check_seen(word, opening or word.opening)
    return [Word(entry.seq, official, word.conflict) for entry, word, official in said]


async def _to_price(service: Service, tender: Announced, closed: Closed) -> list[Order]:
    """The bids whose price is opened, and of which lots, each read from an envelope that the closing counted.

    Whose price for which lot the rules keep closed this member finds out from the sheets itself. Raises
    TenderError unless every evaluator has signed a whole sheet before, ScoresError for a score that the rules
    do not admit, and what `_envelope` raises.
    """
    opening, opened = await _opened(service, tender, closed)
    committed = {each.statement: each for each in closed.closing.commitments}
    envelopes = {id: await _envelope(service, tender, committed[id]) for id in opened}
    bids = [Scored(id, lots_of(each)) for id, each in envelopes.items()]
    sheets = await _sheets(service, tender, opening, to_score=bool(bids))
    for sheet in sheets:
        check_sheet(tender.notice, bids, sheet)
    contexts = {id: each.context for id, each in envelopes.items()}
    return [
        Order(contexts[id].round, contexts[id].bid, lot) for id, lot in to_price(tender.notice, bids, sheets)
    ]


async def _envelope(service: Service, tender: Announced, committed: Committed) -> Envelope:
    """An envelope that the closing counts: its bidder's, and as this tender takes them.

    Or else an order on one bid's price would open another's, whose id it names. Raises LogError,
    EnvelopeError, and what `Service.verified` raises.
    """
    path = f"{path_of(tender.notice.tender)}/statements/{committed.statement}"
    statement = Statement(await service.get(path))
    if statement.id != committed.statement:
        raise LogError("the service shows another envelope than the one asked for")
    envelope, _ = await service.verified(statement, Envelope, parse_moment(committed.time), committed.status)
    check(envelope, tender.in_force(committed.index).terms)
    return envelope


async def _opened(service: Service, tender: Announced, closed: Closed) -> tuple[str, list[str]]:
    """The id of the technical parts' opening, and those of the envelopes whose technical part opened.

    The opening's entry is followed by one for every envelope that counts, so none can be left out.
    """
    counted = closed.closing.counted()
    for entry, opening, _ in await _all_said(service, tender, EventType.OPENED, Opening):
        if opening.part == entry.part == "technical":
            results = await _outcomes(service, tender, entry, len(counted))
            if sorted(each.statement for each in results) != sorted(counted):
                raise LogError("what was opened is not what the closing statement counts")
            bids = [each.statement for each in results if each.t is EventType.BID_OPENED]
            return entry.statement, bids
    raise TenderError("not-opened", "the technical parts are not opened yet")


async def _outcomes(service: Service, tender: Announced, opening: Entry, count: int) -> list[Entry]:
    """The `count` entries that directly follow an opening's: what came of each bid."""
    results: list[Entry] = []
    prev = sha256(encode(opening)).hex()
    for seq in range(opening.seq + 1, opening.seq + 1 + count):
        data = (await service.proven(_entry_path(tender, seq))).entry
        entry = _own_entry(tender, data, *BID_EVENTS)
        if (entry.seq, entry.prev, entry.part) != (seq, prev, opening.part):
            raise LogError(f"the tender's chain is broken at entry {seq}")
        prev = sha256(data).hex()
        results.append(entry)
    return results


def _until(service: Service, time: datetime) -> float:
    """Seconds until `time`, with a minute's patience on top."""
    return max(0.0, (time - service.now()).total_seconds()) + 60
