"""What anyone may read of a tender: entries with their proofs, opened bids, the award record."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

import bids.store as box
from bids.covers import revealed_entry
from bids.envelope import Envelope, Part, Section, place
from bids.orders import Opening
from bids.receipts import Closing
from crypto.certificates import Certificate
from crypto.checkpoint import Checkpoint, Note, TlogProof
from crypto.encoding import Base64, Hex32, Moment, encode, moment, to_base64
from crypto.errors import LogError
from crypto.log import Log
from crypto.merkle import leaf_hash
from crypto.statements import Statement
from procurement import bundle, ocds, store
from procurement.awards import Evaluated, Termination
from procurement.chronicle import PATIENCE, Situation
from procurement.draws import PendingDraw, ShownDraw, lot_draws, panel_draw
from procurement.editions import Amendment, changes
from procurement.enquiries import Answer
from procurement.errors import TenderError
from procurement.finding.listing import Status, status_at
from procurement.history import Entry, EventType
from procurement.panels import DrawRequest, PanelDraw, check_unknown
from procurement.procedure import Procedure
from procurement.registry import store as registry
from procurement.scoring import lots_of


class ProvenEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the log (base64), the statement behind it (base64; none for a bid's outcome), and its
    tlog-proof under a checkpoint that the quorum co-signed."""

    entry: str
    proof: str
    statement: str | None = None


class PublishedPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one part of a bid says, or one lot's, or the code of the reason why it says nothing."""

    part: Part
    lot: str | None = None
    content: msgspec.Raw | None = None
    reason: str | None = None


class PublishedBid(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A counted bid after the opening. `envelope` is its statement's id, `bid` the id in opening orders;
    `lots` those that it has a price part of its own for, `partners` the names of those who bid jointly with
    the bidder."""

    envelope: str
    bid: str
    bidder: str
    registration: str
    parts: tuple[PublishedPart, ...]
    lots: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()


class PublishedEnquiry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question by its statement's id, and when it was asked; with its answer, once there is one, what was
    asked and the answer's statement."""

    enquiry: Hex32
    asked: Moment
    question: str | None = None
    answer: str | None = None
    answered: Moment | None = None
    statement: Hex32 | None = None


class RevealedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day (UTC) whose commitments to nothing are revealed, and the id of the statement that does so, which
    the log names."""

    day: date
    statement: Hex32


class AskedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question as it was signed, and whether an answer was given."""

    enquiry: Hex32
    asked: Moment
    statement: Base64
    answered: bool


class PublishedEdition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of a tender's terms: the entry's place, type and time, its statement, which fields it changes,
    why, until when bids are taken by it, and whether those from before stand."""

    seq: int
    type: str
    time: Moment
    statement: Hex32
    changes: list[str]
    deadline: Moment
    stand: bool
    reason: str


def status(situation: Situation, now: datetime) -> Status:
    """Where the tender is: derived from its history and, for the deadline alone, the clock."""
    return status_at(situation.phase, situation.row.deadline, now)


def beacon_silent_since(procedure: Procedure, situation: Situation) -> datetime | None:
    """Since when the beacon gives no rounds, where the tender still waits for its own."""
    if situation.has(EventType.OPENED, situation.tender.notice.parts[-1]):
        return None
    return procedure.beacon.silent_since


async def proven_entry(procedure: Procedure, ocid: str, seq: int) -> ProvenEntry:
    """Entry `seq` of the tender's history. Raises TenderError while it is not there and witnessed, or about
    a score sheet that is not given out yet."""
    situation = await procedure.situation(ocid)
    if not 0 <= seq < len(situation.entries):
        raise TenderError("not-yet", "the tender's history has no such entry yet")
    entry = situation.entries[seq]
    _check_given_out(situation, entry.statement)
    found = await store.load_statements(procedure.pool, situation.row.tender_id, [entry.statement])
    body = found.get(entry.statement)
    data = encode(entry)
    proof = await proof_of(procedure.log, data)
    return ProvenEntry(
        entry=to_base64(data), proof=proof.encode(), statement=to_base64(body) if body else None
    )


async def proven_closing(procedure: Procedure, ocid: str) -> ProvenEntry:
    """The closing statement's entry. Raises TenderError while there is none, or no quorum for it."""
    situation = await procedure.situation(ocid)
    for entry in situation.of(EventType.CLOSED):
        return await proven_entry(procedure, ocid, entry.seq)
    raise TenderError("not-yet", "the tender is not closed yet")


async def closing_stamp(procedure: Procedure, ocid: str) -> bytes:
    """The time stamp of the checkpoint under which `proven_closing` proves the closing. Raises TenderError
    where there is none, or not yet."""
    situation = await procedure.situation(ocid)
    token = await store.load_stamp(procedure.pool, situation.row.tender_id)
    if token is None:
        raise TenderError("not-yet", "the closing has no time stamp")
    return token


async def read_closing(procedure: Procedure, situation: Situation) -> Closing | None:
    """What the closing statement says; None before there is one."""
    for entry in situation.of(EventType.CLOSED):
        return await procedure.said(procedure.pool, situation, entry, Closing)
    return None


async def witnessed_head(procedure: Procedure) -> str:
    """The newest head of the log that the quorum co-signed. Raises TenderError while there is none."""
    note = await procedure.log.latest_witnessed()
    if note is None:
        raise TenderError("not-yet", "the witnesses have not co-signed this yet")
    return note


async def revealed_days(procedure: Procedure) -> list[RevealedDay]:
    """The days whose covers are revealed, oldest first."""
    found = await box.list_revealed(procedure.pool)
    return [RevealedDay(day=day, statement=id) for day, id in found]


async def covers(procedure: Procedure, day: date) -> ProvenEntry:
    """The statement that reveals which commitments of that day (UTC) were to nothing. Raises TenderError
    while there is none."""
    body = await box.load_covers_statement(procedure.pool, day)
    if body is None:
        raise TenderError("not-yet", "the covers of this day are not revealed")
    entry = revealed_entry(Statement(body).id)
    proof = await proof_of(procedure.log, entry)
    return ProvenEntry(entry=to_base64(entry), proof=proof.encode(), statement=to_base64(body))


async def statement(procedure: Procedure, ocid: str, id: str) -> bytes:
    """A published statement about the tender; envelopes only once they are opened, score sheets once every
    evaluator has signed. Raises TenderError."""
    situation = await procedure.situation(ocid)
    _check_given_out(situation, id)
    found = await store.load_statements(procedure.pool, situation.row.tender_id, [id])
    if id in found:
        return found[id]
    # The box is asked for nothing that is not opened: not even how long it takes may tell what is in it.
    if id in {each.id for each in await _opened(procedure, situation)}:
        stored = await box.load_envelope(procedure.pool, situation.row.tender_id, id)
        if stored is not None:
            return stored.body
    raise TenderError("no-such-statement", "no such statement was published")


async def opened_bids(procedure: Procedure, ocid: str) -> list[PublishedBid]:
    """Every counted bid and what its opened parts say. Raises TenderError before the opening."""
    situation = await procedure.situation(ocid)
    counted = await _opened(procedure, situation)
    if not situation.of(EventType.OPENED):
        raise TenderError("not-yet", "the bids are not opened yet")
    opened = await box.load_opened(procedure.pool, situation.row.tender_id)
    people = {one for each in counted for one in (each.envelope.signer, *each.envelope.consortium)}
    names = await names_of(procedure, list(people))
    return [
        PublishedBid(
            envelope=each.id,
            bid=each.envelope.context.bid,
            bidder=names[each.envelope.signer],
            registration=each.registration,
            parts=tuple(
                published_part(name, opened[each.id, name])
                for name in situation.tender.terms.sections
                if (each.id, name) in opened
            ),
            lots=lots_of(each.envelope),
            partners=tuple(names[one] for one in each.envelope.consortium),
        )
        for each in counted
    ]


async def names_of(procedure: Procedure, fingerprints: Sequence[str]) -> dict[str, str]:
    """The names in these certificates, by fingerprint. Raises LogError where one is gone."""
    found = await registry.load_certificates(procedure.pool, fingerprints)
    if missing := set(fingerprints) - set(found):
        raise LogError(f"{len(missing)} certificates are gone")
    return {fingerprint: Certificate(der).name for fingerprint, der in found.items()}


async def signers(procedure: Procedure, ocid: str) -> dict[str, str]:
    """Who made each statement of the tender's history: names by statement id."""
    situation = await procedure.situation(ocid)
    said = bundle.said_in(situation.entries)
    statements = await store.load_statements(procedure.pool, situation.row.tender_id, said)
    fingerprints = {id: Statement(body).signer for id, body in statements.items()}
    names = await names_of(procedure, list(fingerprints.values()))
    return {id: names[fingerprint] for id, fingerprint in fingerprints.items()}


async def evaluation(procedure: Procedure, ocid: str) -> tuple[str, Evaluated]:
    """The evaluation's statement id and payload. Raises TenderError before it was made."""
    situation = await procedure.situation(ocid)
    for entry in situation.of(EventType.SCORED):
        return entry.statement, await procedure.said(procedure.pool, situation, entry, Evaluated)
    raise TenderError("not-yet", "the bids are not evaluated yet")


async def draws(procedure: Procedure, ocid: str) -> list[ShownDraw]:
    """Every draw of the tender so far, step by step."""
    situation = await procedure.situation(ocid)
    tender, pool, found = situation.tender, procedure.pool, []
    for entry in situation.of(EventType.PANEL_DRAWN):
        draw = await procedure.said(pool, situation, entry, PanelDraw)
        order = dict(zip((each.certificate for each in draw.tickets), situation.officials.drawn, strict=True))
        panel = situation.officials.panel(situation.declared)
        found.append(panel_draw(tender.notice, tender.notice_id, draw, order, panel, situation.declared))
    if opened := situation.of(EventType.OPENED):
        opening = await procedure.said(pool, situation, opened[0], Opening)
        scored = situation.of(EventType.SCORED)
        evaluated = await procedure.said(pool, situation, scored[0], Evaluated) if scored else None
        found += await asyncio.to_thread(lot_draws, tender.notice, tender.notice_id, opening, evaluated)
    return found


async def pending_draw(procedure: Procedure, ocid: str) -> PendingDraw | None:
    """A panel's draw that was requested and is not made, if there is one."""
    situation = await procedure.situation(ocid)
    requested = situation.of(EventType.DRAW_REQUESTED)
    if not requested or situation.has(EventType.PANEL_DRAWN):
        return None
    request = await procedure.said(procedure.pool, situation, requested[0], DrawRequest)
    notice, trouble = situation.tender.notice, None
    try:
        check_unknown(notice, request, await procedure.reached(situation, requested[0]))
    except TenderError as error:
        trouble = error.code
    comes = moment(notice.network.time_of(int(request.round)))
    return PendingDraw(round=request.round, comes=comes, trouble=trouble)


async def enquiries(procedure: Procedure, ocid: str) -> list[PublishedEnquiry]:
    """What was asked, in order, and what was answered."""
    situation = await procedure.situation(ocid)
    entries = situation.of(EventType.ANSWERED)
    tender_id, said = situation.row.tender_id, [each.statement for each in entries]
    bodies = await store.load_statements(procedure.pool, tender_id, said) if said else {}
    answers = [(each, Statement(bodies[each.statement]).read(Answer)) for each in entries]
    given = {answer.enquiry: (entry, answer) for entry, answer in answers}
    return [_enquiry(entry, given.get(entry.statement)) for entry in situation.of(EventType.ENQUIRED)]


def _enquiry(asked: Entry, given: tuple[Entry, Answer] | None) -> PublishedEnquiry:
    found = PublishedEnquiry(enquiry=asked.statement, asked=asked.time)
    if given is None:
        return found
    entry, answer = given
    return msgspec.structs.replace(
        found,
        question=answer.question,
        answer=answer.answer,
        answered=entry.time,
        statement=entry.statement,
    )


async def questions(procedure: Procedure, situation: Situation) -> list[AskedQuestion]:
    """The questions as they were signed: who reads them is for the caller to ask."""
    bodies = await store.load_enquiries(procedure.pool, situation.row.tender_id)
    answered = {each.enquiry for each in await enquiries(procedure, situation.row.ocid) if each.answered}
    return [
        AskedQuestion(
            enquiry=entry.statement,
            asked=entry.time,
            statement=to_base64(bodies[entry.statement]),
            answered=entry.statement in answered,
        )
        for entry in situation.of(EventType.ENQUIRED)
    ]


async def amendments(procedure: Procedure, situation: Situation) -> list[PublishedEdition]:
    """How the terms have changed since publication, in order."""
    found = []
    for before, edition in pairwise(situation.tender.editions):
        entry = situation.entries[edition.seq]
        amends = entry.t is EventType.AMENDED
        reason = "an outage of the service before the deadline"
        stand = edition.notice.round == before.notice.round or edition.notice.on_extension == "stand"
        if amends:
            amendment = await procedure.said(procedure.pool, situation, entry, Amendment)
            reason, stand = amendment.reason, amendment.bids_stand
        found.append(
            PublishedEdition(
                seq=entry.seq,
                type=entry.t,
                time=entry.time,
                statement=entry.statement,
                changes=changes(before.notice, edition.notice),
                deadline=edition.notice.deadline,
                stand=stand,
                reason=reason,
            )
        )
    return found


async def termination(procedure: Procedure, situation: Situation) -> Termination | None:
    """Why the tender ended without an award, if it did."""
    for entry in situation.of(EventType.TERMINATED):
        return await procedure.said(procedure.pool, situation, entry, Termination)
    return None


async def award_record(procedure: Procedure, ocid: str) -> bytes:
    """The award record. The same bytes whenever it is asked for. Raises TenderError before the award."""
    situation = await procedure.situation(ocid)
    if not situation.has(EventType.AWARDED):
        raise TenderError("not-yet", "the tender is not awarded yet")
    return await asyncio.to_thread(bundle.build, await _facts(procedure, situation))


async def releases(procedure: Procedure, ocid: str) -> list[ocds.Release]:
    """Every OCDS release of the tender so far, oldest first. Raises TenderError for none such."""
    situation = await procedure.situation(ocid)
    tender_id, pool = situation.row.tender_id, procedure.pool
    bodies = await store.load_statements(pool, tender_id, ocds.called_for(situation.entries))
    stored, contents = list[box.StoredEnvelope](), dict[tuple[str, Section], bytes | str]()
    if situation.has(EventType.OPENED):  # the box is asked for what is opened only
        stored = await box.load_envelopes(pool, tender_id)
        contents = await box.load_opened(pool, tender_id)
    # A tender of many bids takes seconds to read and to tell: beside the loop, which answers bidders.
    said, holders = await asyncio.to_thread(_said, situation, bodies, stored, contents)
    found = await registry.load_certificates(pool, holders)
    return await asyncio.to_thread(_tell, said, found)


def _said(
    situation: Situation,
    bodies: Mapping[str, bytes],
    stored: Sequence[box.StoredEnvelope],
    contents: Mapping[tuple[str, Section], bytes | str],
) -> tuple[ocds.Facts, set[str]]:
    """What releases are made of but for the people, and the certificates that say who they are."""
    statements = {id: Statement(body) for id, body in bodies.items()}
    envelopes, withdrawers = dict[str, Envelope](), dict[str, str]()
    if situation.has(EventType.OPENED):
        closing = statements[situation.of(EventType.CLOSED)[0].statement].read(Closing)
        sealed = {each.id: each.body for each in stored}
        envelopes = {id: Statement(sealed[id]).read(Envelope) for id in closing.counted()}
        withdrawers = {id: Statement(sealed[id]).signer for id in closing.withdrawn()}
    facts = ocds.Facts(
        history=situation.entries,
        statements=statements,
        envelopes=envelopes,
        withdrawers=withdrawers,
        contents={key: result for key, result in contents.items() if isinstance(result, bytes)},
        people={},
    )
    holders = bundle.signers_of(statements.values(), envelopes.values(), situation.tender.notice)
    return facts, holders | set(withdrawers.values())


def _tell(said: ocds.Facts, certificates: Mapping[str, bytes]) -> list[ocds.Release]:
    held = {each: Certificate(der) for each, der in certificates.items()}
    people = {each: ocds.Person(one.registration, one.name) for each, one in held.items()}
    return ocds.tell(msgspec.structs.replace(said, people=people))


def _check_given_out(situation: Situation, id: str) -> None:
    """Whoever could read a colleague's sheet would score by it. Raises TenderError."""
    if id not in {entry.statement for entry in situation.of(EventType.SHEET_SIGNED)}:
        return
    if not situation.scored:
        raise TenderError("not-yet", "score sheets are published together, once every evaluator has signed")


async def _facts(procedure: Procedure, situation: Situation) -> bundle.Facts:
    tender_id, pool = situation.row.tender_id, procedure.pool
    statements = await store.load_statements(pool, tender_id, bundle.said_in(situation.entries))
    closed = situation.of(EventType.CLOSED)[0]
    closing = Statement(statements[closed.statement]).read(Closing)
    stored = {each.id: each.body for each in await box.load_envelopes(pool, tender_id)}
    bids = {id: stored[id] for id in closing.counted()}
    withdrawals = {id: stored[id] for id in closing.withdrawn()}
    envelopes = {id: Statement(body).read(Envelope) for id, body in bids.items()}
    signed = map(Statement, (*statements.values(), *withdrawals.values()))
    signers = bundle.signers_of(signed, envelopes.values(), situation.tender.notice)
    certificates = await registry.load_certificates(pool, signers)
    statuses = sorted(bundle.statuses_of(situation.entries, closing))
    opened = await box.load_opened(pool, tender_id)
    last, at_closing, proofs = await _proofs(procedure.log, situation.entries, closed, closing)
    at_draw, proofs = await _with_draw(procedure.log, situation, last, proofs)
    return bundle.Facts(
        claims=procedure.trust,
        checkpoint=last,
        closing_checkpoint=at_closing,
        closing_stamp=await store.load_stamp(pool, tender_id),
        draw_checkpoint=at_draw,
        proofs=proofs,
        statements=statements,
        bids=bids,
        withdrawals=withdrawals,
        co_signatures=await _co_signatures(pool, tender_id, envelopes),
        contents={key: result for key, result in opened.items() if isinstance(result, bytes)},
        certificates=list(certificates.values()),
        statuses={id: await registry.load_status(pool, id) for id in statuses},
    )


async def _co_signatures(
    connection: Any, tender_id: UUID, envelopes: Mapping[str, Envelope]
) -> dict[tuple[str, str], bytes]:
    """By envelope id and partner's certificate what the partners of the counted envelopes signed."""
    given = await box.load_co_signatures(connection, tender_id, envelopes)
    called_for = {(id, partner) for id, each in envelopes.items() for partner in each.consortium}
    return {key: given[key].body for key in called_for}


async def _proofs(
    log: Log, entries: Sequence[Entry], closed: Entry, closing: Closing
) -> tuple[str, str, bundle.Proofs]:
    """Everything under the first witnessed checkpoint that covers the tender's last entry."""
    rows = [encode(entry) for entry in entries]
    indexes = await log.wait_for([leaf_hash(row) for row in rows], PATIENCE)
    at = [indexes[leaf_hash(row)] for row in rows]
    last, size = await _witnessed(log, at[-1])
    first, closed_size = await _witnessed(log, at[closed.seq])

    async def path(index: int, size: int) -> tuple[str, ...]:
        return tuple(to_base64(each) for each in await log.inclusion(index, size))

    history = [
        bundle.LoggedEntry(index=index, entry=to_base64(row), path=await path(index, size))
        for index, row in zip(at, rows, strict=True)
    ]
    return (
        last,
        first,
        bundle.Proofs(
            history=tuple(history),
            commitments=tuple([await path(each.index, size) for each in closing.commitments]),
            closing=await path(at[closed.seq], closed_size),
            consistency=tuple(to_base64(each) for each in await log.consistency(closed_size, size)),
            documents=tuple([await path(each.index, size) for each in closing.documents]),
        ),
    )


async def _with_draw(
    log: Log, situation: Situation, last: str, proofs: bundle.Proofs
) -> tuple[str | None, bundle.Proofs]:
    """Where a panel was drawn: the first witnessed checkpoint with its request, and how `last` extends it."""
    if not situation.has(EventType.PANEL_DRAWN):
        return None, proofs
    [requested] = situation.of(EventType.DRAW_REQUESTED)
    index = proofs.history[requested.seq].index
    note, size = await _witnessed(log, index)
    extended = await log.consistency(size, Checkpoint.parse(Note.parse(last).text).size)
    proofs = msgspec.structs.replace(
        proofs,
        draw=tuple(map(to_base64, await log.inclusion(index, size))),
        draw_consistency=tuple(map(to_base64, extended)),
    )
    return note, proofs


async def proof_of(log: Log, entry: bytes) -> TlogProof:
    """That the log has the entry, under the earliest checkpoint that the witnesses co-signed. Raises
    TenderError while there is none."""
    index = await log.index_of(leaf_hash(entry))
    if index is None:
        raise TenderError("not-yet", "the entry is not in the published log yet")
    return await witnessed_proof(log, index)


async def witnessed_proof(log: Log, index: int) -> TlogProof:
    """The entry at that index under the earliest checkpoint that the witnesses co-signed. Raises TenderError
    while there is none."""
    note, size = await _witnessed(log, index)
    return TlogProof(index=index, hashes=tuple(await log.inclusion(index, size)), checkpoint=note)


async def _witnessed(log: Log, index: int) -> tuple[str, int]:
    note = await log.witnessed(index + 1)
    if note is None:
        raise TenderError("not-yet", "the witnesses have not co-signed this yet")
    return note, Checkpoint.parse(Note.parse(note).text).size


async def _opened(procedure: Procedure, situation: Situation) -> list[Any]:
    if not situation.has(EventType.OPENED):
        return []
    return await procedure.counted(procedure.pool, situation)


async def _names(procedure: Procedure, fingerprints: list[str]) -> dict[str, str]:
    found = await registry.load_certificates(procedure.pool, fingerprints)
    if missing := set(fingerprints) - set(found):
        raise LogError(f"{len(missing)} certificates are gone")
    return {fingerprint: Certificate(der).name for fingerprint, der in found.items()}


def published_part(section: Section, result: bytes | str) -> PublishedPart:
    """The section as it is shown, out of its content or the code of the reason why there is none."""
    part, lot = place(section)
    if isinstance(result, str):
        return PublishedPart(part=part, lot=lot, reason=result)
    return PublishedPart(part=part, lot=lot, content=msgspec.Raw(result))
