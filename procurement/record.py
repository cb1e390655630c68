"""The award record: everything a stranger needs to check an award offline, in one file.

`build` puts the published facts of a tender into it; `verify` is the one narrative that takes it apart
again. Both are pure, so the verdict is the same everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Literal, TypeVar

import msgspec

from bids.envelope import Envelope, Part, check
from bids.orders import (
    Opening,
    OpeningPartial,
    OrderKey,
    OrderRefusal,
    PartToOpen,
    check_refusal,
    combined,
    open_parts,
)
from bids.receipts import Closing, Committed, Held, Receipt, commitment, commitment_entry
from crypto.certificates import Certificate, Role
from crypto.checkpoint import Checkpoint, VerifyingKey, verify_checkpoint
from crypto.encoding import (
    Base64,
    Hex32,
    Small,
    Value,
    decode,
    encode,
    from_base64,
    parse_moment,
    sha256,
)
from crypto.errors import CommitteeError, LogError, VerificationError
from crypto.merkle import leaf_hash, verify_consistency, verify_inclusion
from crypto.statements import Payload, Statement
from crypto.trust import Trust
from procurement import archive, ocds
from procurement.awards import (
    Award,
    Evaluated,
    IntendedAward,
    LateClosing,
    RevealedPrices,
    SignedScores,
    check_award,
    check_intention,
)
from procurement.errors import RecordError, TenderError
from procurement.history import BID_EVENTS, Entry, EventType, check_order, read
from procurement.scoring import (
    OpenedBid,
    check_revealed,
    check_sheet,
    committed_lots,
    expected_scores,
    outcome,
    read_part,
    score,
    to_open,
    with_part,
)
from procurement.tenders import Notice, check_notice, check_publication, check_transcript, terms

FORMAT = "openseal/award-record/v1"
PROOFS_LIMIT = 256 * 1024 * 1024
CLOCKS = timedelta(seconds=60)
"""How far the clocks of service and witnesses may differ before it is said or held against the record."""
UNSEEN = (
    "completeness and uniqueness: what the log holds beyond this record, only who follows the whole log sees",
    "the standstill's length: when the award was intended is the service's word, as long as nobody kept an"
    " earlier look at the tender",
)

P = TypeVar("P", bound=Payload)
Opened = Callable[[Sequence[PartToOpen]], list[bytes | str]]
"""How parts are opened: one after another here, on several processors where the caller has them."""


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
    """Inclusion of the history and of each commitment in `log/checkpoint`; inclusion of the closing
    statement's entry in `log/closing`; consistency of the two."""

    history: tuple[LoggedEntry, ...]
    commitments: tuple[tuple[Base64, ...], ...]
    closing: tuple[Base64, ...]
    consistency: tuple[Base64, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a record is built from. Everything in it is public."""

    claims: Trust
    """The identities that the service says are its own."""
    checkpoint: str
    closing_checkpoint: str
    proofs: Proofs
    statements: Mapping[str, bytes]
    """By id: every statement that the history names, but no envelope."""
    bids: Mapping[str, bytes]
    """By id: every counted envelope."""
    contents: Mapping[tuple[str, Part], bytes]
    """What opened, by envelope id and part."""
    certificates: Sequence[bytes]
    """DER of everybody who signed."""


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One numbered step of a verification and what it found."""

    number: int
    title: str
    result: Literal["ok", "refused"]
    findings: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`verified` against a trust file, `coherent` in itself without one, or `refused` at the last step.

    `clean` is false where something that everybody should know happened, although it was handled by the
    rules; `reservations` says what.
    """

    outcome: Literal["verified", "coherent", "refused"]
    clean: bool
    record: str
    """SHA-256 of the manifest, hex; empty where there is none."""
    steps: tuple[Step, ...]
    reservations: tuple[str, ...]
    not_checked: tuple[str, ...]


def build(facts: Facts) -> bytes:
    """The record of a concluded tender. The same facts give the same bytes."""
    files = {
        "claims.json": encode(facts.claims),
        "log/checkpoint": facts.checkpoint.encode(),
        "log/closing": facts.closing_checkpoint.encode(),
        "log/proofs.json": encode(facts.proofs),
    }
    files |= {f"statements/{id}.json": data for id, data in facts.statements.items()}
    files |= {f"bids/{id}.json": data for id, data in facts.bids.items()}
    files |= {_content_path(id, part): data for (id, part), data in facts.contents.items()}
    files |= {f"certificates/{sha256(der).hex()}.der": der for der in facts.certificates}
    files["ocds.json"] = ocds.record_package(Record(files).published())
    return archive.pack({**files, "manifest.json": encode(_manifest(files))})


def verify(
    data: bytes, trust: Trust | None, opened: Opened = open_parts, held: Sequence[Held] = ()
) -> Verdict:
    """Check a whole record; nothing is left to the caller but to read the verdict.

    Without `trust` every identity is the record's own claim and the outcome at best `coherent`. `held` are
    receipts that bidders kept: a genuine one that the closing does not list proves a loss. Raises
    RecordError only for bytes that nobody could mean as a record.
    """
    if not archive.resembles_one(data):
        raise RecordError("not an award record")
    check = _Check(data, trust, opened, held)
    done: list[Step] = []
    for number, (title, step) in enumerate(STEPS, start=1):
        try:
            findings = step(check)
        except VerificationError as error:
            done.append(Step(number=number, title=title, result="refused", findings=(str(error),)))
            return check.verdict("refused", done)
        done.append(Step(number=number, title=title, result="ok", findings=tuple(findings)))
    return check.verdict("verified" if trust else "coherent", done)


class Record:
    """A record's files, read but not verified."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self._statements: dict[str, Statement] = {}
        self._certificates: dict[str, Certificate] = {}

    def file(self, path: str) -> bytes:
        """Raises RecordError for a file that is not there."""
        if path not in self.files:
            raise RecordError(f"the record lacks {path}")
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
            raise RecordError(f"{len(found)} entries of type {type_} where there must be one")
        return found[0]

    def statement(self, id: str, folder: str = "statements") -> Statement:
        """The statement with that id. Raises RecordError or MalformedError."""
        path = f"{folder}/{id}.json"
        if path not in self._statements:
            self._statements[path] = Statement(self.file(path))
        if self._statements[path].id != id:
            raise RecordError(f"{path} is another statement")
        return self._statements[path]

    def payload(self, entry: Entry, type_: type[P]) -> P:
        """What the statement behind `entry` says, unverified."""
        return self.statement(entry.statement).read(type_)

    @cached_property
    def notice(self) -> Notice:
        return self.payload(self.event(EventType.PUBLISHED), Notice)

    @cached_property
    def closing(self) -> Closing:
        return self.payload(self.event(EventType.CLOSED), Closing)

    @cached_property
    def envelopes(self) -> dict[str, Envelope]:
        return {id: self.statement(id, "bids").read(Envelope) for id in self.closing.counted()}

    def certificate(self, fingerprint: str) -> Certificate:
        """Raises RecordError, MalformedError or CertificateError."""
        path = f"certificates/{fingerprint}.der"
        if path not in self._certificates:
            self._certificates[path] = Certificate(self.file(path))
        if self._certificates[path].fingerprint != fingerprint:
            raise RecordError(f"{path} is another certificate")
        return self._certificates[path]

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
            if entry.statement not in bids or entry.part not in self.notice.parts:
                raise RecordError("a bid was opened that does not count")
            part = entry.part
            content = self.file(_content_path(entry.statement, part))
            bids[entry.statement] = with_part(bids[entry.statement], read_part(part, content, self.notice))
        return list(bids.values())

    def published(self) -> ocds.Published:
        """What OCDS says of the tender."""
        return ocds.Published(
            notice=self.notice,
            history=tuple(self.history),
            counted=tuple(self.counted),
            names={bid.registration: self.certificate(bid.envelope.signer).name for bid in self.counted},
            submitted={each.statement: each.time for each in self.closing.commitments},
            evaluated=self.payload(self.event(EventType.SCORED), Evaluated),
            award=self.payload(self.event(EventType.AWARDED), Award),
        )

    def expected_paths(self) -> set[str]:
        """Every file that the history and the closing statement call for."""
        said = {entry.statement for entry in self.history if entry.t not in BID_EVENTS}
        signers = {self.statement(id).signer for id in said}
        signers |= {envelope.signer for envelope in self.envelopes.values()}
        signers |= {member.certificate for member in self.notice.committee.members}
        opened = self.events(EventType.BID_OPENED)
        return (
            {"claims.json", "log/checkpoint", "log/closing", "log/proofs.json", "ocds.json", "manifest.json"}
            | {f"statements/{id}.json" for id in said}
            | {f"bids/{id}.json" for id in self.envelopes}
            | {_content_path(entry.statement, entry.part) for entry in opened}
            | {f"certificates/{signer}.der" for signer in signers}
        )


class _Check:
    """One verification under way. Every step leaves behind what it verified for those after it."""

    def __init__(self, data: bytes, trust: Trust | None, opened: Opened, held: Sequence[Held]) -> None:
        self.data = data
        self.pinned = trust
        self.opened = opened
        self.held = held
        self.reservations: list[str] = []
        self.heard: set[int] = set()
        self.unchecked = list(UNSEEN)
        self.manifest = b""

    def verdict(self, outcome: Literal["verified", "coherent", "refused"], steps: list[Step]) -> Verdict:
        return Verdict(
            outcome=outcome,
            clean=outcome != "refused" and not self.reservations,
            record=sha256(self.manifest).hex() if self.manifest else "",
            steps=tuple(steps),
            reservations=tuple(self.reservations),
            not_checked=tuple(self.unchecked),
        )

    def signed(self, entry: Entry, type_: type[P]) -> P:
        """The statement behind `entry`, genuine and about this tender, by someone who may say so."""
        statement = self.record.statement(entry.statement)
        certificate = self.record.certificate(statement.signer)
        self.authorities.verify(certificate, type_.ROLE, parse_moment(entry.time))
        payload = statement.verify(type_, certificate)
        if (getattr(payload, "tender", None), getattr(payload, "notice", entry.notice)) != (
            entry.tender,
            entry.notice,
        ):
            raise RecordError(f"the statement behind entry {entry.seq} is about another tender")
        self.heard.add(entry.seq)
        return payload

    def one_signed(self, type_: EventType, payload: type[P]) -> P:
        return self.signed(self.record.event(type_), payload)

    # 1. The file is in its one form, lists everything it holds, and names whom it relies on.
    def files(self) -> list[str]:
        files = archive.unpack(self.data)
        self.record = Record(files)
        self.manifest = self.record.file("manifest.json")
        others = {path: data for path, data in files.items() if path != "manifest.json"}
        if encode(_manifest(others)) != self.manifest:
            raise RecordError("the manifest does not list the record's files as they are")
        claims = decode(self.record.file("claims.json"), Trust)
        self.trust = self.pinned or claims
        self.authorities = self.trust.authorities()
        if self.pinned is None:
            self.unchecked.insert(0, "identities: the record's own claims, no trust file was given")
        if not self.trust.independent:
            self.unchecked.insert(0, "independence: log, witness, beacon and roots are one set-up's own")
        return [f"{len(files)} files", *(_identities(self.trust))]

    # 2. The log and a quorum of witnesses signed the checkpoints.
    def checkpoints(self) -> list[str]:
        self.head = self.trust.verify_head(self.record.note("log/checkpoint"))
        log = VerifyingKey.parse(self.trust.log)
        self.closing_head = verify_checkpoint(self.record.note("log/closing"), log)
        path = [from_base64(each) for each in self.record.proofs.consistency]
        old, new = self.closing_head, self.head
        verify_consistency(old.size, old.root, new.size, new.root, path)
        return [f"log {log.name} of {self.head.size} entries"]

    # 3. The tender's chain is complete from its notice, and all of it is in the log.
    def chain(self) -> list[str]:
        last = -1
        for entry in self.record.proofs.history:
            if entry.index <= last:
                raise LogError("the tender's chain is not in the order of the log")
            self.included(from_base64(entry.entry), entry.index, entry.path)
            last = entry.index
        self.notice = self.one_signed(EventType.PUBLISHED, Notice)
        self.notice_id = self.record.history[0].statement
        self.key = check_notice(self.notice)
        check_publication(self.notice, parse_moment(self.record.history[0].time))
        self.trust.check_network(self.notice.network)
        self.check_members()
        self.terms = terms(self.notice, self.notice_id)
        check_order(self.record.history)
        if {entry.part for entry in self.record.history} - {None, *self.notice.parts}:
            raise LogError("the history names a part that this tender does not have")
        return [f"{len(self.record.history)} entries, {self.notice.tender}: {self.notice.title}"]

    # 4. The closing statement reveals every commitment, and was witnessed before any key existed.
    def box(self) -> list[str]:
        entry = self.record.event(EventType.CLOSED)
        self.closing = self.signed(entry, Closing)
        self.closing.check()
        if self.closing.deadline != self.notice.deadline or self.closing.terms != (self.terms.terms,):
            raise RecordError("the closing statement is about other terms or another deadline")
        if parse_moment(self.closing.time) < self.notice.closes:
            raise RecordError("the closing statement was made before the deadline")
        self.check_commitments(self.log_index(entry))
        closing = self.record.proofs.history[entry.seq]
        self.included(
            from_base64(closing.entry), closing.index, self.record.proofs.closing, self.closing_head
        )
        return [
            f"{len(self.closing.commitments)} envelopes, {len(self.closing.chains)} bidders",
            *self.check_witnessed(),
        ]

    # 5. What the service signed a receipt for is in the closing statement, as it was signed and logged.
    def receipts(self) -> list[str]:
        if not self.held:
            return ["no receipts were supplied"]
        return [f"{self.receipt(each)} is in the closing statement as its receipt says" for each in self.held]

    # 6. The round's signature and k members' partials are the keys that were published.
    def keys(self) -> list[str]:
        self.openings: dict[str, Opening] = {}
        for entry in self.record.events(EventType.OPENED):
            opening = self.signed(entry, Opening)
            if (opening.part, opening.round) != (entry.part, self.notice.round):
                raise CommitteeError("the opening is of another part or round")
            if opening.keys != self.combine(opening.part, entry.seq):
                raise CommitteeError("the published keys are not what the committee signed")
            beacon = self.notice.network.verify_round(int(opening.round), bytes.fromhex(opening.beacon))
            self.openings[opening.part] = opening
        if tuple(self.openings) != self.notice.parts:
            raise RecordError("not every part was opened, in order")
        for entry in self.record.events(EventType.REFUSED):
            self.reservations.append(self.refusal(entry))
        members = len(self.notice.committee.members)
        return [
            f"round {beacon.round} of beacon {self.notice.network.chain_hash}",
            f"{self.notice.committee.threshold} of {members} committee members",
        ]

    # 7. Every counted envelope opens to what was published, or fails for the reason that was published.
    def contents(self) -> list[str]:
        counted = self.record.counted
        findings = []
        for part in self.notice.parts:
            opening, chosen = self.openings[part], to_open(part, counted)
            orders = {each.envelope.context.bid for each in chosen} if part == "price" else {None}
            if {key.bid for key in opening.keys} != orders:
                raise CommitteeError("the committee opened other bids than those that count")
            parts = [PartToOpen(envelope=each.envelope, terms=self.terms, opening=opening) for each in chosen]
            self.compare(part, [each.id for each in chosen], self.opened(parts))
            failed = [e for e in self.record.events(EventType.BID_UNOPENABLE) if e.part == part]
            findings.append(f"{part}: {len(parts) - len(failed)} opened, {len(failed)} unopenable")
        return findings

    # 8. Each envelope is its bidder's, made for this tender; one bidder counts once.
    def bidders(self) -> list[str]:
        committed = {each.statement: each for each in self.closing.commitments}
        previous = {chain[-1]: chain[-2] if len(chain) > 1 else None for chain in self.closing.chains}
        for id, envelope in self.record.envelopes.items():
            certificate = self.record.certificate(envelope.signer)
            self.authorities.verify(certificate, Role.BUSINESS, parse_moment(committed[id].time))
            self.record.statement(id, "bids").verify(Envelope, certificate)
            check(envelope, self.terms)
            if certificate.registration != committed[id].bidder:
                raise RecordError("an envelope is another bidder's than the closing statement says")
            if envelope.previous != previous[id]:
                raise RecordError("an envelope replaces another one than the closing statement says")
        return [f"{len(self.record.envelopes)} bidders' signatures and certificates"]

    # 9. The draws' inputs were fixed before the bids: derived from the keys, or committed in the notice.
    def draws(self) -> list[str]:
        self.revealed: dict[str, RevealedPrices] = {}
        opened = self.record.events(EventType.OPENED)[0].seq
        for entry in self.record.events(EventType.PRICES_REVEALED):
            revealed = self.signed(entry, RevealedPrices)
            check_revealed(self.notice, revealed)
            if revealed.lot in self.revealed or entry.seq < opened or revealed.signer != self.notice.signer:
                raise TenderError("revealed-wrongly", "prices revealed twice, early, or by another officer")
            self.revealed[revealed.lot] = revealed
        if set(self.revealed) != {lot.id for lot in committed_lots(self.notice)}:
            raise TenderError("not-revealed", "committed prices were not revealed")
        return [f"lot {lot}: prices committed by the officer, not derived" for lot in self.revealed]

    # 10. Every evaluator signed a sheet, and all were logged before any price order.
    def sheets(self) -> list[str]:
        self.signed_sheets: list[SignedScores] = []
        expected = expected_scores(self.notice, self.record.counted)
        priced = [e.seq for e in self.record.events(EventType.PARTIAL) if e.part == "price"]
        for entry in self.record.events(EventType.SHEET_SIGNED):
            sheet = self.signed(entry, SignedScores)
            check_sheet(self.notice, self.record.counted, sheet)
            if priced and entry.seq > priced[0]:
                raise TenderError("scored-late", "a score sheet was signed after a price order")
            self.signed_sheets.append(sheet)
        panel = self.notice.evaluators if expected else ()
        if sorted(sheet.signer for sheet in self.signed_sheets) != sorted(panel):
            raise TenderError("panel-differs", "the sheets are not those of the panel, one each")
        return [f"{len(self.signed_sheets)} score sheets"]

    # 11. Scores and ranking come out again by the notice's rule sets.
    def ranking(self) -> list[str]:
        self.evaluated = self.one_signed(EventType.SCORED, Evaluated)
        opening = self.openings[self.notice.parts[0]]
        again = score(
            self.notice, self.notice_id, opening, self.record.counted, self.signed_sheets, self.revealed
        )
        if again != self.evaluated.lots:
            raise RecordError("scores or ranking come out differently")
        return [f"lot {each.lot}: {each.evaluation.rule_set}" for each in again]

    # 12. The award is the first in line's, intended first, made after the standstill.
    def award(self) -> list[str]:
        scored, intended = self.record.event(EventType.SCORED), self.record.event(EventType.INTENDED)
        awarded = self.record.event(EventType.AWARDED)
        intention, award = self.signed(intended, IntendedAward), self.signed(awarded, Award)
        check_intention(intention, self.evaluated, scored.statement)
        check_award(award, intention, intended.statement)
        if {intention.signer, award.signer} != {self.notice.signer}:
            raise TenderError("another-officer", "the award is not by the officer who published the notice")
        waited = parse_moment(awarded.time) - parse_moment(intended.time)
        if waited < timedelta(seconds=self.notice.standstill):
            raise TenderError("standstill", "the award came before the end of the standstill")
        if self.trust.witnesses.reached(self.record.note("log/checkpoint")) + CLOCKS < parse_moment(
            awarded.time
        ):
            raise TenderError("standstill", "witnesses saw the award before the time that it states")
        return [f"lot {each.lot}: {each.supplier or 'unsuccessful'}" for each in award.awards]

    # 13. The open data say the same, and nothing else is in the file.
    def open_data(self) -> list[str]:
        if ocds.record_package(self.record.published()) != self.record.file("ocds.json"):
            raise RecordError("the OCDS record differs from the statements")
        if self.record.expected_paths() != set(self.record.files):
            raise RecordError("the record holds files that nothing refers to, or lacks some")
        if any(e.t not in BID_EVENTS and e.seq not in self.heard for e in self.record.history):
            raise RecordError("the history has a statement that its steps do not call for")
        return []

    def included(self, entry: bytes, index: int, path: Sequence[str], head: Checkpoint | None = None) -> None:
        head = head or self.head
        verify_inclusion(leaf_hash(entry), index, head.size, [from_base64(each) for each in path], head.root)

    def log_index(self, entry: Entry) -> int:
        return self.record.proofs.history[entry.seq].index

    def receipt(self, held: Held) -> str:
        """The envelope's id. Raises LogError where the closing statement contradicts the receipt."""
        certificate = self.record.certificate(held.receipt.signer)
        receipt = held.receipt.verify(Receipt, certificate)
        self.authorities.verify(certificate, Role.SERVICE, parse_moment(receipt.time))
        if (receipt.tender, receipt.notice) != (self.notice.tender, self.notice_id):
            raise RecordError("a receipt is for another tender")
        entry = commitment_entry(receipt.commitment())
        head = held.proof.verify(entry, VerifyingKey.parse(self.trust.log))
        if head.size == self.head.size and head.root != self.head.root:
            raise LogError("the log showed the bidder another tree than is in the record")
        promised = Committed(
            index=held.proof.index,
            kind=receipt.kind,
            time=receipt.time,
            salt=receipt.salt,
            statement=receipt.statement,
            bidder=receipt.bidder,
        )
        if promised not in self.closing.commitments:
            raise LogError(
                f"envelope {receipt.statement} has a receipt that the closing statement contradicts"
            )
        return f"envelope {receipt.statement}"

    def check_members(self) -> None:
        """All n members are certified as such and signed for this committee: k of n are k people."""
        published = parse_moment(self.notice.published)
        fingerprints = [member.certificate for member in self.notice.committee.members]
        certificates = [self.record.certificate(fingerprint) for fingerprint in fingerprints]
        for certificate in certificates:
            self.authorities.verify(certificate, Role.COMMITTEE, published)
        check_transcript(self.notice, certificates)

    def check_commitments(self, closed_at: int) -> None:
        notice_index = self.record.proofs.history[0].index
        paths = self.record.proofs.commitments
        for each, path in zip(self.closing.commitments, paths, strict=False):
            digest = commitment(self.notice_id, each.time, each.salt, each.statement)
            self.included(commitment_entry(digest), each.index, path)
            if not notice_index < each.index < closed_at:
                raise LogError("a commitment was logged before the notice or after the closing statement")
            if each.time >= self.notice.deadline:
                raise LogError("an envelope was accepted after the deadline")
        if len(paths) != len(self.closing.commitments):
            raise LogError("not every commitment is shown to be in the log")

    def check_witnessed(self) -> list[str]:
        """The quorum's co-signatures on the closing must precede the round, or an officer answers for it."""
        note = self.record.note("log/closing")
        reached = max(self.notice.witnesses.reached(note), self.trust.witnesses.reached(note))
        if reached < self.notice.closes - CLOCKS:
            raise TenderError("closed-early", "witnesses saw the closing statement before the deadline")
        if reached >= self.notice.opens:
            late = self.one_signed(EventType.LATE, LateClosing)
            if late.closing != self.record.event(EventType.CLOSED).statement:
                raise TenderError("wrong-closing", "the late closing that is answered for is another one")
            if late.signer != self.notice.signer:
                raise TenderError("another-officer", "the late closing is not answered for by the officer")
            self.reservations.append(
                "the time lock did not cover the closing, the mandate lock held; the officer's reason: "
                + late.reason
            )
        after = reached - self.notice.closes
        if after > CLOCKS:
            seconds = after // timedelta(seconds=1)
            self.reservations.append(f"the closing was witnessed {seconds} s after the deadline")
        return [f"witnessed {reached:%Y-%m-%d %H:%M:%S} UTC, opened from {self.notice.opens:%H:%M:%S} on"]

    def combine(self, part: Part, before: int) -> tuple[OrderKey, ...]:
        entries = [e for e in self.record.events(EventType.PARTIAL) if e.part == part and e.seq < before]
        if any(parse_moment(entry.time) < self.notice.opens for entry in entries):
            raise CommitteeError("an opening order was signed before the round of the time lock")
        partials = [self.signed(entry, OpeningPartial) for entry in entries]
        return combined(part, partials, self.notice.committee, self.key, self.terms)

    def refusal(self, entry: Entry) -> str:
        refusal = self.signed(entry, OrderRefusal)
        check_refusal(refusal, self.notice.committee, self.terms)
        if refusal.part != entry.part:
            raise CommitteeError("the refusal is about another part")
        return f"committee member {refusal.member} refused the order on part {refusal.part}: {refusal.reason}"

    def compare(self, part: Part, ids: list[str], results: list[bytes | str]) -> None:
        """The history says of each envelope once what opening it again gives."""
        said = {e.statement: e for e in self.record.events(*BID_EVENTS) if e.part == part}
        if len(said) != len([e for e in self.record.events(*BID_EVENTS) if e.part == part]):
            raise RecordError("an envelope was opened twice")
        if set(said) != set(ids):
            raise RecordError(f"the {part} parts opened are not those that count")
        for id, result in zip(ids, results, strict=True):
            if not self.comes_out(said[id], part, result):
                raise RecordError(f"envelope {id} opens to something else than was published")

    def comes_out(self, entry: Entry, part: Part, result: bytes | str) -> bool:
        """Whether `result` is what the history says. What was published as opened was read by `counted`."""
        if entry.content is None:
            return outcome(result, part, self.notice) == (None, entry.reason)
        published = self.record.file(_content_path(entry.statement, part))
        return result == published and sha256(published).hex() == entry.content


STEPS: tuple[tuple[str, Callable[[_Check], list[str]]], ...] = (
    ("file, manifest, trust", _Check.files),
    ("checkpoints and co-signatures", _Check.checkpoints),
    ("the tender's chain", _Check.chain),
    ("closing statement before any key", _Check.box),
    ("receipts", _Check.receipts),
    ("beacon, committee, opening orders", _Check.keys),
    ("envelopes open to what was published", _Check.contents),
    ("bidders' signatures and certificates", _Check.bidders),
    ("draws", _Check.draws),
    ("score sheets before prices", _Check.sheets),
    ("scores and ranking", _Check.ranking),
    ("award after standstill", _Check.award),
    ("open data", _Check.open_data),
)


def _manifest(files: Mapping[str, bytes]) -> Manifest:
    return Manifest(
        files=tuple(
            File(path=path, sha256=sha256(files[path]).hex(), size=len(files[path])) for path in sorted(files)
        )
    )


def _content_path(id: str, part: str | None) -> str:
    return f"contents/{id}.{part}.json"


def _identities(trust: Trust) -> list[str]:
    """Everybody whom the verdict relies on, so that a reader can compare them with what he knows."""
    roots = [
        f"{role} root {sha256(from_base64(each)).hex()}"
        for role, several in sorted(trust.roots.items())
        for each in several
    ]
    witnesses = [f"witness {key}" for key in trust.witnesses.keys]
    return [f"log {trust.log}", *witnesses, *roots, *(f"beacon {n.chain_hash}" for n in trust.networks)]
