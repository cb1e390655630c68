"""What a business reads of its own bid, and nobody else's: its chain with receipts and files at any time, how
the closing lists it, and what was opened and scored once everybody may know."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

import bids.store as box
from bids import intake
from bids.envelope import Envelope, SealedFile
from bids.receipts import Closing, Kind
from bids.store import StoredDocument, StoredEnvelope
from bids.uploads import document_entry, document_receipt
from crypto.certificates import Certificate
from crypto.encoding import Base64, Hex32, Moment, moment, to_base64
from crypto.log import Log
from crypto.merkle import leaf_hash
from crypto.statements import Statement, sign
from procurement.awards import Evaluated
from procurement.chronicle import Situation, Tender
from procurement.errors import TenderError
from procurement.evaluation import Ranked, explain
from procurement.history import EventType
from procurement.procedure import Procedure
from procurement.publication import PublishedPart, published_part, read_closing, witnessed_proof
from procurement.registry import store as registry
from procurement.tenders import Organisation

ChainState = Literal["counts", "superseded", "replaced", "withdrawn"]
"""The last of a chain counts: an envelope to be opened, or a withdrawal that leaves nothing to open. But an
envelope is superseded where the terms have changed since and it does not stand: it is never opened."""
FileState = Literal["stored", "awaited", "missing"]


class OwnFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A sealed file that an envelope lists. It is awaited until the end of the upload grace, and missing
    afterwards; a stored one has its receipt (DSSE, base64) and tlog-proof once the log has its commitment."""

    number: int
    sha256: Hex32
    size: int
    state: FileState
    part: str | None = None
    lot: str | None = None
    """Of restricted content, which part's, and which lot's."""
    in_doubt: bool = False
    receipt: Base64 | None = None
    proof: str | None = None
    index: int | None = None
    """Where the closing statement lists it in the log."""


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An envelope or withdrawal (DSSE, base64) as it was submitted, and its receipt with its proof, or the
    promise of them while the log is behind.

    `tenderers` are who bids by it: the lead, and after it the partners of a joint bid. `index` is where the
    closing statement lists it in the log.
    """

    id: Hex32
    kind: Kind
    time: Moment
    tenderers: list[Organisation]
    envelope: Base64
    receipt: Base64 | None = None
    proof: str | None = None
    promise: Base64 | None = None
    in_doubt: bool = False
    """Whether the service's clock was in doubt: `time` may be wrong, and the bid is none the worse for it."""
    index: int | None = None
    files: list[OwnFile] = []


class OwnBid(Taken, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A link of one's own chain: what was taken, and what it counts for."""

    state: ChainState


class OwnResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the evaluation of one lot says of one's own offer: without a rank it is out, and `reason` says
    why; without an amount its price stays closed. `lines` explain each number, in the notice's language."""

    lot: str
    amount: str | None = None
    reason: str
    lines: list[str]
    rank: int | None = None
    total: str | None = None


class OwnBids(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One's own chain in a tender's box, the oldest first; the closing statement's id once there is one, and
    what was opened of, and what came of, the envelope that counts."""

    bids: list[OwnBid]
    closing: Hex32 | None = None
    parts: tuple[PublishedPart, ...] = ()
    results: list[OwnResult] = []


async def own_bids(procedure: Procedure, ocid: str, registration: str) -> OwnBids:
    """What the business with that registration number, alone or as a partner, reads of its own bid. A partner
    that a later envelope drops does not read that one. Raises TenderError or LogError."""
    situation = await procedure.situation(ocid)
    tender, tender_id = situation.tender, situation.row.tender_id
    chain = _in_order(await box.load_envelopes_of(procedure.pool, tender_id, registration))
    own = await _own(procedure, chain, registration)
    if not own:
        return OwnBids(bids=[])
    closing = await read_closing(procedure, situation)
    files = await _files(procedure, situation, [each.id for each in chain if each.id in own])
    found = [
        _link(await _taken(procedure, situation, stored, own[stored.id], files, closing), state)
        for stored, state in ((each, _state(tender, chain, place)) for place, each in enumerate(chain))
        if stored.id in own
    ]
    counts = chain[-1].id if chain[-1].id in own else None
    return OwnBids(
        bids=found,
        closing=situation.of(EventType.CLOSED)[0].statement if closing else None,
        parts=await _parts(procedure, situation, counts),
        results=await _results(procedure, situation, counts),
    )


async def taken(procedure: Procedure, situation: Situation, id: str) -> Taken:
    """What whoever knows its id may read of an envelope or withdrawal. Raises TenderError or LogError."""
    stored = await _stored(procedure, situation, id)
    bid = stored if stored.kind == "envelope" else await _stored(procedure, situation, stored.previous)
    tenderers = await _tenderers(procedure, Statement(bid.body).read(Envelope))
    files = await _files(procedure, situation, [id])
    closing = await read_closing(procedure, situation)
    return await _taken(procedure, situation, stored, tenderers, files, closing)


async def _stored(procedure: Procedure, situation: Situation, id: str | None) -> StoredEnvelope:
    found = await box.load_envelope(procedure.pool, situation.row.tender_id, id) if id else None
    if found is None:
        raise TenderError("no-such-statement", "no such statement is in the box of this tender")
    return found


def _in_order(found: Iterable[StoredEnvelope]) -> list[StoredEnvelope]:
    """A chain from its start: the clock may have been turned between two of its links."""
    after = {each.previous: each for each in found}
    chain: list[StoredEnvelope] = []
    while following := after.pop(chain[-1].id if chain else None, None):
        chain.append(following)
    return chain


def _state(tender: Tender, chain: Sequence[StoredEnvelope], place: int) -> ChainState:
    following = chain[place + 1 : place + 2]
    if following:
        return "withdrawn" if following[0].kind == "withdrawal" else "replaced"
    return "counts" if _stands(tender, chain[place]) else "superseded"


def _stands(tender: Tender, last: StoredEnvelope) -> bool:
    """A withdrawal stands whatever the terms have become."""
    return last.kind == "withdrawal" or tender.edition(Statement(last.body).read(Envelope)).stands


async def _own(
    procedure: Procedure, chain: Sequence[StoredEnvelope], registration: str
) -> dict[str, list[Organisation]]:
    """By id, of the links that are the business's own, who bids by them; a withdrawal takes back the bid of
    everybody who was in the envelope before it."""
    own, tenderers = {}, list[Organisation]()
    for stored in chain:
        if stored.kind == "envelope":
            tenderers = await _tenderers(procedure, Statement(stored.body).read(Envelope))
        if registration in {each.id for each in tenderers}:
            own[stored.id] = tenderers
    return own


async def _tenderers(procedure: Procedure, envelope: Envelope) -> list[Organisation]:
    named = [envelope.signer, *envelope.consortium]
    certificates = await registry.load_certificates(procedure.pool, named)
    holders = [Certificate(certificates[each]) for each in named]
    return [Organisation(id=each.registration, name=each.name) for each in holders]


async def _files(
    procedure: Procedure, situation: Situation, envelopes: Sequence[str]
) -> Mapping[tuple[str, int], StoredDocument]:
    found = await box.load_documents_of(procedure.pool, situation.row.tender_id, envelopes)
    return {(each.envelope, each.number): each for each in found}


def _link(taken: Taken, state: ChainState) -> OwnBid:
    return OwnBid(**msgspec.structs.asdict(taken), state=state)


async def _taken(
    procedure: Procedure,
    situation: Situation,
    stored: StoredEnvelope,
    tenderers: list[Organisation],
    files: Mapping[tuple[str, int], StoredDocument],
    closing: Closing | None,
) -> Taken:
    tender, notice, key = situation.row.ocid, situation.row.notice_id, procedure.key
    proof = await _proof(procedure.log, intake.entry(stored, notice))
    give = intake.receipt if proof else intake.promise
    word = to_base64(sign(give(stored, tender, notice, key), key))
    listed = _indexes(closing)
    return Taken(
        id=stored.id,
        kind=stored.kind,
        time=moment(stored.accepted_at),
        tenderers=tenderers,
        envelope=to_base64(stored.body),
        receipt=word if proof else None,
        proof=proof,
        promise=None if proof else word,
        in_doubt=stored.in_doubt,
        index=listed.get((stored.id, 0)),
        files=[
            await _file(procedure, situation, stored, each, files.get((stored.id, each.number)), listed)
            for each in _listed(stored)
        ],
    )


def _indexes(closing: Closing | None) -> dict[tuple[str, int], int]:
    """By statement and number of the file (0: the statement itself) the index in the log."""
    if closing is None:
        return {}
    files = {(each.envelope, each.number): each.index for each in closing.documents}
    return {(each.statement, 0): each.index for each in closing.commitments} | files


def _listed(stored: StoredEnvelope) -> tuple[SealedFile, ...]:
    return Statement(stored.body).read(Envelope).documents if stored.kind == "envelope" else ()


async def _file(
    procedure: Procedure,
    situation: Situation,
    envelope: StoredEnvelope,
    file: SealedFile,
    stored: StoredDocument | None,
    listed: Mapping[tuple[str, int], int],
) -> OwnFile:
    tender, notice, key = situation.row.ocid, situation.row.notice_id, procedure.key
    proof = receipt = None
    if stored:
        proof = await _proof(procedure.log, document_entry(stored, notice))
        said = document_receipt(stored, tender, notice, envelope.registration, key)
        receipt = to_base64(sign(said, key)) if proof else None
    return OwnFile(
        number=file.number,
        sha256=file.sha256,
        size=file.size,
        part=file.part,
        lot=file.lot,
        state="stored" if stored else _unstored(situation, procedure.now()),
        in_doubt=bool(stored and stored.in_doubt),
        receipt=receipt,
        proof=proof,
        index=listed.get((envelope.id, file.number)),
    )


def _unstored(situation: Situation, now: datetime) -> FileState:
    over = situation.has(EventType.CLOSED) or now >= situation.tender.notice.complete
    return "missing" if over else "awaited"


async def _proof(log: Log, entry: bytes) -> str | None:
    """Where the entry is in the log, as a tlog-proof, under a checkpoint that the witnesses co-signed as soon
    as there is one; None while the log does not have it."""
    index = await log.index_of(leaf_hash(entry))
    if index is None:
        return None
    try:
        return (await witnessed_proof(log, index)).encode()
    except TenderError:
        return await log.tlog_proof(index)


async def _parts(procedure: Procedure, situation: Situation, id: str | None) -> tuple[PublishedPart, ...]:
    if id is None or not situation.has(EventType.OPENED):
        return ()
    opened = await box.load_opened_parts(procedure.pool, situation.row.tender_id, id)
    names = situation.tender.terms.sections
    return tuple(published_part(name, opened[name]) for name in names if name in opened)


async def _results(procedure: Procedure, situation: Situation, id: str | None) -> list[OwnResult]:
    scored = situation.of(EventType.SCORED)
    if id is None or not scored:
        return []
    evaluated = await procedure.said(procedure.pool, situation, scored[0], Evaluated)
    language = explain.language_of(situation.tender.notice.language)
    return [
        _result(each.lot, ranked, language)
        for each in evaluated.lots
        for ranked in each.evaluation.ranking
        if ranked.bid == id
    ]


def _result(lot: str, ranked: Ranked, language: explain.Language) -> OwnResult:
    return OwnResult(
        lot=lot,
        amount=ranked.amount,
        reason=explain.reason(ranked.reason, language),
        lines=[explain.sentence(line, language) for line in ranked.lines],
        rank=ranked.rank,
        total=ranked.total,
    )
