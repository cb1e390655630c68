"""What an award record holds: its files, their names, and what they say. Nothing here is verified."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import msgspec

from bids.envelope import Envelope, Section, Withdrawal, place
from bids.receipts import Closing
from crypto.certificates import Certificate
from crypto.encoding import Base64, Hex32, Small, Value, decode, encode, from_base64, parse_moment, sha256
from crypto.revocation import Status
from crypto.statements import Payload, Statement
from crypto.trust import Trust
from procurement import archive, ocds
from procurement.awards import Evaluated
from procurement.editions import Edition, after, in_force
from procurement.errors import RecordError
from procurement.history import (
    BID_EVENTS,
    EDITIONS,
    PRIVATE,
    SELECTION_EVENTS,
    Entry,
    EventType,
    called,
    read,
)
from procurement.scoring import OpenedBid, read_part, with_part
from procurement.selection import SAID, Selection
from procurement.tenders import Notice

FORMAT = "openseal/award-record/v1"
STAMP = "log/closing.tsr"
PROOFS_LIMIT = 256 * 1024 * 1024

P = TypeVar("P", bound=Payload)


class File(Value, frozen=True, kw_only=True):
    """A file of the record."""

    path: str
    sha256: Hex32
    size: Small


class Manifest(Value, frozen=True, kw_only=True, tag_field="format", tag=FORMAT):
    """All other files. The SHA-256 of its bytes names the record."""

    files: tuple[File, ...]


class LoggedEntry(Value, frozen=True, kw_only=True):
    """An entry of the tender's history (base64), its log index, and its way up to the checkpoint."""

    index: Small
    entry: Base64
    path: tuple[Base64, ...]


class Proofs(Value, frozen=True, kw_only=True):
    """Inclusion of the history and of each commitment in `log/checkpoint`, those of documents apart;
    inclusion of the closing statement's entry in `log/closing`; consistency of the two."""

    history: tuple[LoggedEntry, ...]
    commitments: tuple[tuple[Base64, ...], ...]
    closing: tuple[Base64, ...]
    consistency: tuple[Base64, ...]
    documents: tuple[tuple[Base64, ...], ...] = ()
    draw: tuple[Base64, ...] = ()
    """Inclusion of the entry that requests a panel's draw in `log/draw`, and consistency of that with
    `log/checkpoint`."""
    draw_consistency: tuple[Base64, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a record is built from. Everything in it is public."""

    claims: Trust
    """The identities that the service says are its own."""
    checkpoint: str
    closing_checkpoint: str
    closing_stamp: bytes | None = None
    """A time-stamping authority's token about `closing_checkpoint`, where one came before the award."""
    draw_checkpoint: str | None = None
    """Where a panel was drawn, the one that witnesses co-signed before its round."""
    proofs: Proofs
    statements: Mapping[str, bytes]
    """By id: every statement that the history names, but no envelope."""
    bids: Mapping[str, bytes]
    """By id: every counted envelope."""
    withdrawals: Mapping[str, bytes]
    """By id: every withdrawal that ends a bidder's chain."""
    co_signatures: Mapping[tuple[str, str], bytes]
    """By envelope id and partner's certificate: every co-signature of a counted envelope."""
    contents: Mapping[tuple[str, Section], bytes]
    """What opened, by envelope id and section."""
    certificates: Sequence[bytes]
    """DER of everybody who signed, of the committee's members and of the panel."""
    statuses: Mapping[str, bytes]
    """By id: every certificate status under which the signers of all these were looked at."""


def build(facts: Facts) -> bytes:
    """The record of a concluded tender. The same facts give the same bytes."""
    files = files_of(facts)
    files["ocds.json"] = ocds.record_of(Record(files).published())
    return archive.pack({**files, "manifest.json": encode(manifest(files))})


def files_of(facts: Facts) -> dict[str, bytes]:
    """The record's files by path, but for those that follow from the others."""
    files = {
        "claims.json": encode(facts.claims),
        "log/checkpoint": facts.checkpoint.encode(),
        "log/closing": facts.closing_checkpoint.encode(),
        "log/proofs.json": encode(facts.proofs),
    }
    files |= {STAMP: facts.closing_stamp} if facts.closing_stamp else {}
    files |= {"log/draw": facts.draw_checkpoint.encode()} if facts.draw_checkpoint else {}
    files |= {f"statements/{id}.json": data for id, data in facts.statements.items()}
    files |= {f"bids/{id}.json": data for id, data in facts.bids.items()}
    files |= {f"withdrawals/{id}.json": data for id, data in facts.withdrawals.items()}
    files |= {co_signature_path(*key): data for key, data in facts.co_signatures.items()}
    files |= {content_path(*key): data for key, data in facts.contents.items()}
    files |= {f"certificates/{sha256(der).hex()}.der": der for der in facts.certificates}
    return files | {f"status/{id}.json": data for id, data in facts.statuses.items()}


def manifest(files: Mapping[str, bytes]) -> Manifest:
    """The manifest of `files`, by path."""
    return Manifest(
        files=tuple(
            File(path=path, sha256=sha256(files[path]).hex(), size=len(files[path])) for path in sorted(files)
        )
    )


def said_in(history: Iterable[Entry]) -> list[str]:
    """Ids of the statements that a history is made of, which an envelope is not, nor what is private."""
    return [entry.statement for entry in history if entry.t not in (*BID_EVENTS, *PRIVATE)]


def signers_of(statements: Iterable[Statement], envelopes: Iterable[Envelope], notice: Notice) -> set[str]:
    """Fingerprints of everybody who signed one of these, and of whom the notice names."""
    bidders = {each for envelope in envelopes for each in (envelope.signer, *envelope.consortium)}
    return {each.signer for each in statements} | bidders | set(notice.named)


def statuses_of(history: Iterable[Entry], closing: Closing) -> set[str]:
    """Ids of the statuses under which those were looked at who signed the history, and what each chain ends
    with."""
    last = {chain[-1] for chain in closing.chains}
    taken = {each.status for each in closing.commitments if each.statement in last}
    return taken | {entry.status for entry in history if entry.status}


def content_path(id: str, section: Section) -> str:
    """Where the content of one section of the envelope with that id lies; lots are told apart by their ids'
    bytes, since a path has no capitals. Raises MalformedError for what is no section."""
    part, lot = place(section)
    if lot is None:
        return f"contents/{id}.{part}.json"
    apart = lot.encode().hex()
    return f"contents/{id}.{part}.{apart}.json"


def co_signature_path(id: str, partner: str) -> str:
    """Where the co-signature under the envelope with that id by the certificate `partner` lies."""
    return f"co-signatures/{id}.{partner}.json"


class Record:
    """A record's files, read but not verified."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self._statements: dict[str, Statement] = {}
        self._certificates: dict[str, Certificate] = {}

    def file(self, path: str) -> bytes:
        """Raises RecordError for a file that is not there."""
        if path not in self.files:
            raise RecordError(f"a file that belongs there is missing: the record lacks {path}")
        return self.files[path]

    def note(self, path: str) -> str:
        """A signed note. Raises RecordError."""
        try:
            return self.file(path).decode()
        except UnicodeDecodeError as error:
            raise RecordError(f"{path} is not text") from error

    @cached_property
    def proofs(self) -> Proofs:
        return decode(self.file("log/proofs.json"), Proofs, limit=PROOFS_LIMIT)

    @cached_property
    def history(self) -> list[Entry]:
        return read([from_base64(each.entry) for each in self.proofs.history])

    def events(self, *types: EventType) -> list[Entry]:
        """The history's entries of these types, in order."""
        return [entry for entry in self.history if entry.t in types]

    def event(self, type_: EventType) -> Entry:
        """The one entry of a type. Raises RecordError."""
        found = self.events(type_)
        if len(found) != 1:
            raise RecordError(
                f"the history lacks {called(type_)}, or has it more than once: {len(found)} entries of type"
                f" {type_} where there must be one"
            )
        return found[0]

    def statement(self, id: str, folder: str = "statements") -> Statement:
        """The statement with that id. Raises RecordError or MalformedError."""
        path = f"{folder}/{id}.json"
        if path not in self._statements:
            self._statements[path] = Statement(self.file(path))
        if self._statements[path].id != id:
            raise RecordError(f"what somebody signed was exchanged: {path} is another statement")
        return self._statements[path]

    def payload(self, entry: Entry, type_: type[P]) -> P:
        """What the statement behind `entry` says, unverified."""
        return self.statement(entry.statement).read(type_)

    @cached_property
    def notice(self) -> Notice:
        return self.payload(self.event(EventType.PUBLISHED), Notice)

    @cached_property
    def editions(self) -> tuple[Edition, ...]:
        """The terms as they changed, each edition by the statement that made it."""
        editions = tuple[Edition, ...]()
        for entry in self.events(*EDITIONS):
            editions = after(editions, entry, self.statement(entry.statement))
        return editions

    def in_force(self, index: int) -> Edition:
        """The edition under which that came whose commitment has this index in the log."""
        return in_force(self.editions, index, [self.proofs.history[each.seq].index for each in self.editions])

    def edition(self, envelope: str) -> Edition:
        """The edition under which the envelope with that id came, by the closing statement."""
        return self.in_force(self._indexes[envelope])

    @cached_property
    def _indexes(self) -> dict[str, int]:
        return {each.statement: each.index for each in self.closing.commitments}

    @cached_property
    def closing(self) -> Closing:
        return self.payload(self.event(EventType.CLOSED), Closing)

    @cached_property
    def envelopes(self) -> dict[str, Envelope]:
        return {id: self.statement(id, "bids").read(Envelope) for id in self.closing.counted()}

    @cached_property
    def withdrawals(self) -> dict[str, Withdrawal]:
        return {id: self.statement(id, "withdrawals").read(Withdrawal) for id in self.closing.withdrawn()}

    def co_signature(self, id: str, partner: str) -> Statement:
        """What `partner` signed about the envelope with that id. Raises RecordError or MalformedError."""
        return Statement(self.file(co_signature_path(id, partner)))

    def certificate(self, fingerprint: str) -> Certificate:
        """Raises RecordError, MalformedError or CertificateError."""
        path = f"certificates/{fingerprint}.der"
        if path not in self._certificates:
            self._certificates[path] = Certificate(self.file(path))
        if self._certificates[path].fingerprint != fingerprint:
            raise RecordError(f"somebody's certificate was exchanged: {path} is another certificate")
        return self._certificates[path]

    def consortium(self, envelope: Envelope) -> list[Certificate]:
        """Certificates of everybody whose bid the envelope is: who signed it, then the partners."""
        return [self.certificate(each) for each in (envelope.signer, *envelope.consortium)]

    def status(self, id: str) -> Status:
        """The certificate status with that id. Raises RecordError or MalformedError."""
        status = decode(self.file(f"status/{id}.json"), Status)
        if status.id != id:
            raise RecordError(
                f"a revocation list was exchanged: status/{id}.json is another certificate status"
            )
        return status

    @cached_property
    def counted(self) -> list[OpenedBid]:
        """The counted envelopes with what the history says was opened of them."""
        bids = {
            id: OpenedBid(
                id=id, registration=self.certificate(envelope.signer).registration, envelope=envelope
            )
            for id, envelope in self.envelopes.items()
        }
        for entry in self.events(EventType.BID_OPENED):
            if entry.statement not in bids or entry.section not in self.notice.sections:
                raise RecordError("a bid was opened that does not count")
            content = self.file(content_path(entry.statement, entry.section))
            notice, bid = self.edition(entry.statement).notice, bids[entry.statement]
            said = read_part(entry.section, content, notice, bid.envelope.consortium)
            bids[entry.statement] = with_part(bid, said)
        return list(bids.values())

    @cached_property
    def selection(self) -> Selection:
        """What was done about those in line after the evaluation. Raises what `Selection.hear` raises."""
        scored = self.event(EventType.SCORED)
        selection = Selection(self.notice, scored.statement, self.payload(scored, Evaluated))
        for entry in self.events(*SELECTION_EVENTS):
            person = self.certificate(self.statement(entry.statement).signer).registration
            said = self.payload(entry, SAID[entry.t])
            selection.hear(entry.statement, said, parse_moment(entry.time), person)
        return selection

    def published(self) -> ocds.Facts:
        """What OCDS says of the tender."""
        signed = [self.statement(id) for id in ocds.called_for(self.history)]
        holders = signers_of(signed, self.envelopes.values(), self.notice)
        holders |= {each.signer for each in self.withdrawals.values()}
        certificates = [self.certificate(each) for each in sorted(holders)]
        return ocds.Facts(
            history=tuple(self.history),
            statements={each.id: each for each in signed},
            envelopes=self.envelopes,
            withdrawers={id: each.signer for id, each in self.withdrawals.items()},
            contents={
                (entry.statement, entry.section): self.file(content_path(entry.statement, entry.section))
                for entry in self.events(EventType.BID_OPENED)
            },
            people={each.fingerprint: ocds.Person(each.registration, each.name) for each in certificates},
        )

    def expected_paths(self) -> set[str]:
        """Every file that the history and the closing statement call for."""
        said = said_in(self.history)
        signed = [self.statement(id) for id in said]
        signed += [self.statement(id, "withdrawals") for id in self.withdrawals]
        signers = signers_of(signed, list(self.envelopes.values()), self.notice)
        opened = self.events(EventType.BID_OPENED)
        return (
            {"claims.json", "log/checkpoint", "log/closing", "log/proofs.json", "ocds.json", "manifest.json"}
            | ({STAMP} & set(self.files))  # evidence on top: a record without it lacks nothing
            | {"log/draw" for _ in self.events(EventType.PANEL_DRAWN)}
            | {f"statements/{id}.json" for id in said}
            | {f"bids/{id}.json" for id in self.envelopes}
            | {f"withdrawals/{id}.json" for id in self.withdrawals}
            | {co_signature_path(id, each) for id, bid in self.envelopes.items() for each in bid.consortium}
            | {content_path(entry.statement, entry.section) for entry in opened}
            | {f"certificates/{each}.der" for each in signers}
            | {f"status/{each}.json" for each in statuses_of(self.history, self.closing)}
        )
