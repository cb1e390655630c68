"""The award record checked: everything a stranger needs to know whether an award is right, offline.

`verify` is the one narrative that takes a record apart. It is pure, so the verdict is the same everywhere.
What lies where in a record, `procurement.bundle` says.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, TypeVar

import msgspec

from bids.envelope import CoSignature, Envelope, Part, SealedFile, Withdrawal, check
from bids.orders import (
    Opening,
    OpeningPartial,
    OrderKey,
    OrderRefusal,
    PartToOpen,
    RoundKeys,
    Subject,
    check_refusal,
    combined,
    open_parts,
)
from bids.receipts import (
    PROMISED,
    Closing,
    Committed,
    CommittedDocument,
    DocumentReceipt,
    Held,
    Promise,
    Receipt,
    Refusal,
    commitment,
    commitment_entry,
)
from crypto.certificates import Certificate, Role
from crypto.checkpoint import Checkpoint, VerifyingKey, verify_checkpoint
from crypto.encoding import decode, encode, from_base64, moment, parse_moment, sha256
from crypto.errors import CommitteeError, LogError, VerificationError
from crypto.merkle import leaf_hash, verify_consistency, verify_inclusion
from crypto.revocation import Standing
from crypto.stamps import Token
from crypto.statements import Payload, Statement
from crypto.trust import Trust
from procurement import archive, ocds, periods
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    Evaluated,
    IntendedAward,
    LateClosing,
    LotAward,
    RevealedPrices,
    SignedScores,
    check_award,
    check_countersigned,
    check_intention,
    check_seen,
)
from procurement.bundle import STAMP, Record, content_path, manifest
from procurement.documents import odd_documents
from procurement.duties import Word, check_declared, declared
from procurement.editions import (
    MISSED,
    Amendment,
    Extension,
    changes,
    check_in_time,
    check_told_afterwards,
    followed_by,
    published,
    rounds,
    under,
)
from procurement.enquiries import Answer, check_answer
from procurement.errors import RecordError, TenderError
from procurement.history import (
    BID_EVENTS,
    EDITIONS,
    PRIVATE,
    SELECTION_EVENTS,
    Entry,
    EventType,
    check_about,
    check_order,
)
from procurement.panels import (
    GRINDABLE,
    DrawRequest,
    PanelDraw,
    check_request,
    check_unknown,
    is_grindable,
    verify_draw,
)
from procurement.scoring import (
    Chosen,
    check_revealed,
    check_sheet,
    committed_lots,
    orders_of,
    outcome,
    proposed,
    score,
    to_open,
)
from procurement.selection import SAID, check_may_say
from procurement.tenders import (
    Notice,
    appointed,
    check_notice,
    check_publication,
    check_transcript,
    purchase,
)

SLEWED = timedelta(seconds=1)
"""How far a clock that nobody doubts may have been set back meanwhile."""
WITNESS_CLOCKS = timedelta(seconds=60)
"""How far the clocks of service and witnesses may differ before it is said or held against the record."""
OWN = "independence: at least one of witness, beacon and authorities is the service's own"
FALSE_BEACON = "what opens the bids at a set time and draws lots, the beacon's signature, is not genuine"
PERIODS_UNSTATED = "legal periods: the notice does not say under which law it was published"
UNSEEN = (
    "completeness and uniqueness: what the log holds beyond this record, only who follows the whole log sees"
    " (openseal monitor)",
    "the standstill's length: when the award was intended is the service's word, as long as nobody kept an"
    " earlier look at the tender (openseal mirror)",
    "certificate status: whether a status was older than a revocation in force, only who follows the whole"
    " log sees (certificate:revoked, openseal monitor)",
)

P = TypeVar("P", bound=Payload)
Opened = Callable[[Sequence[PartToOpen]], list[bytes | str]]
"""How parts are opened: one after another here, on several processors where the caller has them."""


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One numbered step of a verification and what it found."""

    number: int
    title: str
    result: Literal["ok", "refused"]
    findings: tuple[str, ...]
    meaning: str = ""
    """Where it is refused, what that means for whoever reads of the award."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`verified` against a trust file, `coherent` in itself without one, or `refused` at the last step.

    `clean` is false where something that everybody should know happened, although it was handled by the
    rules; `reservations` says what.
    """

    outcome: Literal["verified", "coherent", "refused"]
    clean: bool
    record: str
    """SHA-256 of the manifest, hex; empty where there is none."""
    tender: str
    """The ocid; empty where there is no notice that holds."""
    steps: tuple[Step, ...]
    reservations: tuple[str, ...]
    not_checked: tuple[str, ...]


def verify(
    data: bytes,
    trust: Trust | None,
    opened: Opened = open_parts,
    held: Sequence[Held] = (),
    refused: Sequence[Statement] = (),
) -> Verdict:
    """Check a whole record; nothing is left to the caller but to read the verdict.

    Without `trust` every identity is the record's own claim and the outcome at best `coherent`. `held` are
    receipts and promises that bidders kept: a genuine one that the closing does not list proves a loss.
    `refused` are refusals, not verified, that bidders kept.
    Raises RecordError only for bytes that nobody could mean as a record.
    """
    if not archive.resembles_one(data):
        raise RecordError("not an award record")
    check = _Check(data, trust, opened, held, refused)
    done: list[Step] = []
    for number, (title, step, meaning) in enumerate(STEPS, start=1):
        try:
            findings = step(check)
        except VerificationError as error:
            said = (str(error),)
            done.append(Step(number=number, title=title, result="refused", findings=said, meaning=meaning))
            return check.verdict("refused", done)
        done.append(Step(number=number, title=title, result="ok", findings=tuple(findings)))
    return check.verdict("verified" if trust else "coherent", done)


class _Check:
    """One verification under way. Every step leaves behind what it verified for those after it."""

    def __init__(
        self,
        data: bytes,
        trust: Trust | None,
        opened: Opened,
        held: Sequence[Held],
        refused: Sequence[Statement],
    ) -> None:
        self.data = data
        self.pinned = trust
        self.opened = opened
        self.held = held
        self.refused = refused
        self.reservations: list[str] = []
        self.heard: set[int] = set()
        self.standings: dict[str, Standing] = {}
        self.unchecked = list(UNSEEN)
        self.manifest = b""
        self.tender = ""

    def verdict(self, outcome: Literal["verified", "coherent", "refused"], steps: list[Step]) -> Verdict:
        return Verdict(
            outcome=outcome,
            clean=outcome != "refused" and not self.reservations,
            record=sha256(self.manifest).hex() if self.manifest else "",
            tender=self.tender,
            steps=tuple(steps),
            reservations=tuple(self.reservations),
            not_checked=tuple(self.unchecked),
        )

    def signed(self, entry: Entry, type_: type[P]) -> P:
        """The statement behind `entry`, genuine and about this tender, by someone who may say so and was in
        good standing then."""
        statement = self.record.statement(entry.statement)
        certificate = self.record.certificate(statement.signer)
        payload = statement.verify(type_, certificate)
        self.check_standing(certificate, certificate.role, entry)
        check_about(entry, payload)
        self.heard.add(entry.seq)
        return payload

    def one_signed(self, type_: EventType, payload: type[P]) -> P:
        return self.signed(self.record.event(type_), payload)

    def check_standing(self, certificate: Certificate, role: Role, by: Entry | Committed) -> None:
        """`certificate` counted in `role` at the time of `by`, under the status that it names."""
        id = by.status or ""  # none stands only where nobody's certificate is looked at
        with _looking(
            f"{certificate.name} ({certificate.registration}) could not act as {role} at {by.time}"
        ):
            if id not in self.standings:
                self.standings[id] = Standing(self.record.status(id), self.authorities)
            self.standings[id].verify(certificate, role, parse_moment(by.time))

    def check_in_charge(self, signer: str) -> None:
        with _looking(f"{self.name(signer)} is not in charge of this tender"):
            self.officials.check_in_charge(self.person(signer))

    def check_second(self, first: str, second: str, bidders: Sequence[str] = ()) -> None:
        """Somebody else, who may, signed what the first one did."""
        with _looking(f"{self.name(second)} may not be the second to sign this"):
            self.officials.check_countersigning(self.person(first), self.person(second), bidders)

    def check_without_conflict(self, signer: str, before: int) -> None:
        """Had said before that entry that there is no conflict of interest."""
        with _looking(f"{self.name(signer)} acted against the rules on conflicts of interest"):
            check_declared(declared(self.words, before), self.person(signer))

    def person(self, fingerprint: str) -> str:
        """The registration number of whoever holds that certificate."""
        return self.record.certificate(fingerprint).registration

    def name(self, fingerprint: str) -> str:
        certificate = self.record.certificate(fingerprint)
        return f"{certificate.name} ({certificate.registration})"

    # 1. The file is in its one form, lists everything it holds, and names whom it relies on.
    def files(self) -> list[str]:
        files = archive.unpack(self.data)
        self.record = Record(files)
        self.manifest = self.record.file("manifest.json")
        others = {path: data for path, data in files.items() if path != "manifest.json"}
        if encode(manifest(others)) != self.manifest:
            raise RecordError(
                "a file was changed, added or left out: the manifest does not list them as they are"
            )
        claims = decode(self.record.file("claims.json"), Trust)
        self.trust = self.pinned or claims
        self.authorities = self.trust.authorities()
        if self.pinned is None:
            self.unchecked.insert(0, "identities: the record's own claims, no trust file was given")
        if not self.trust.independent:
            self.unchecked.insert(0, OWN)
        return [f"{len(files)} files", *(_identities(self.trust))]

    # 2. The log and a quorum of witnesses signed the checkpoints.
    def checkpoints(self) -> list[str]:
        log = VerifyingKey.parse(self.trust.log)
        with _looking("the state of the log is not signed by the log and by enough outside witnesses"):
            self.head = self.trust.verify_head(self.record.note("log/checkpoint"))
            self.closing_head = verify_checkpoint(self.record.note("log/closing"), log)
        self.check_extends(self.closing_head, self.record.proofs.consistency, "at the closing")
        return [f"log {log.name} of {self.head.size} entries"]

    # 3. The tender's chain is complete from its notice, and all of it is in the log.
    def chain(self) -> list[str]:
        self.check_logged()
        self.notice = self.one_signed(EventType.PUBLISHED, Notice)
        self.notice_id = self.record.history[0].statement
        self.tender = self.notice.tender
        self.key = check_notice(self.notice)
        with _looking("the notice states another time than it was published at"):
            check_publication(self.notice, parse_moment(self.record.history[0].time))
        self.trust.check_network(self.notice.network)
        self.check_members()
        check_order(self.record.history)
        self.countersigned = self.one_signed(EventType.COUNTERSIGNED, Countersignature)
        with _looking("the notice does not have the signatures that it needs"):
            check_countersigned(self.notice_id, self.countersigned)
        self.officials = appointed(self.notice, self.person(self.countersigned.signer), self.person)
        with _looking("those who act in this tender are not kept apart"):
            self.officials.check_apart()
        self.check_answers()
        changes = self.amendments()
        self.check_parts()
        return [
            f"{len(self.record.history)} entries, {self.notice.tender}: {self.notice.title}",
            f"published by {self.name(self.notice.signer)}",
            f"countersigned by {self.name(self.countersigned.signer)}",
            *changes,
            *self.periods(),
            *self.tender_documents(),
        ]

    def periods(self) -> list[str]:
        """The legal periods that the notice kept; says where nobody can tell."""
        asked = purchase(self.notice)
        if self.notice.practice:
            return ["a practice tender, exempt from the legal periods"]
        if asked is None:
            self.unchecked.append(PERIODS_UNSTATED)
            return ["legal periods: not stated by the notice"]
        return [f"legal period kept, {each}" for each in periods.required(asked)]

    def tender_documents(self) -> list[str]:
        """The files that the notice names; none of them is in the record."""
        named = self.notice.documents
        if named:
            self.unchecked.append(f"tender documents: {len(named)} files, which the notice names by SHA-256")
        return [f"tender document {each.id}: SHA-256 {each.sha256}, {each.size} bytes" for each in named]

    # 4. The closing statement reveals every commitment, and was witnessed before any key existed.
    def box(self) -> list[str]:
        entry = self.record.event(EventType.CLOSED)
        self.closing = self.signed(entry, Closing)
        self.closing.check()
        accepted = tuple(each.terms.terms for each in self.editions)
        if (self.closing.deadline, self.closing.terms) != (self.notice.deadline, accepted):
            raise RecordError(
                "the closing statement is about other terms or another deadline than the notice with its"
                " changes"
            )
        if parse_moment(self.closing.time) < self.notice.complete:
            raise RecordError(
                "the closing statement was made before the deadline or the end of the grace: bids could"
                " still have come"
            )
        self.check_commitments(self.log_index(entry))
        self.check_superseded()
        self.check_documents_logged(self.log_index(entry))
        self.check_changes()
        closing, path = self.record.proofs.history[entry.seq], self.record.proofs.closing
        entry_ = from_base64(closing.entry)
        self.included("the closing statement", entry_, closing.index, path, self.closing_head)
        return [*_contents_of(self.closing), *self.check_witnessed(), *self.check_stamped()]

    # 5. What the service signed a receipt for is in the closing statement, as it was signed and logged.
    def receipts(self) -> list[str]:
        if not self.held and not self.refused:
            return ["no receipts were supplied"]
        kept = [f"{self.receipt(each)} is in the closing statement as was promised" for each in self.held]
        return kept + [self.turned_away(each) for each in self.refused]

    # 6. The round's signature and k members' partials are the keys that were published.
    def keys(self) -> list[str]:
        sealed = [self.record.edition(id).terms.terms for id in self.closing.counted()]
        self.rounds = rounds(self.editions, sealed)
        self.openings: dict[str, Opening] = {}
        self.ordered: dict[str, set[Subject]] = {}
        for entry in self.record.events(EventType.OPENED):
            opening = self.signed(entry, Opening)
            if opening.part != entry.part:
                raise CommitteeError("the opening is of another part or round")
            self.check_opening(opening, entry.seq)
            self.openings[opening.part] = opening
        if tuple(self.openings) != self.notice.parts:
            raise RecordError("not every part was opened, in order")
        for entry in self.record.events(EventType.REFUSED):
            self.reservations.append(self.refusal(entry))
        members = len(self.notice.committee.members)
        return [
            f"round {self.notice.round} of beacon {self.notice.network.chain_hash}",
            f"{self.notice.committee.threshold} of {members} committee members",
        ]

    # 7. Every counted envelope opens to what was published, or fails for the reason that was published.
    def contents(self) -> list[str]:
        counted = self.record.counted
        findings = []
        for part in self.notice.parts:
            opening, chosen = self.openings[part], self.opened_of(part)
            for each in (RoundKeys.of(opening), *opening.earlier):
                if {key.subject for key in each.keys} != orders_of(part, each.round, chosen):
                    raise CommitteeError("the committee opened other bids than those that count")
            self.compare(part, chosen, self.opened([self.part_to_open(each, opening) for each in chosen]))
            failed = [e for e in self.record.events(EventType.BID_UNOPENABLE) if e.part == part]
            findings.append(f"{part}: {len(chosen) - len(failed)} opened, {len(failed)} unopenable")
        return [*findings, *(f"bid {each.id}: {fault}" for each in counted for fault in odd_documents(each))]

    # 8. Each envelope is its bidder's and partners', made for this tender; what files it lists came or are
    # missing. Each withdrawal is by whoever bid. None bids twice, no official bids.
    def bidders(self) -> list[str]:
        committed = {each.statement: each for each in self.closing.commitments}
        previous = {chain[-1]: chain[-2] if len(chain) > 1 else None for chain in self.closing.chains}
        self.businesses: list[str] = []
        for id, envelope in self.record.envelopes.items():
            self.check_consortium(committed[id], envelope)
            self.check_terms(committed[id], envelope)
            if self.person(envelope.signer) != committed[id].bidder:
                raise RecordError("an envelope is another bidder's than the closing statement says")
            if envelope.previous != previous[id]:
                raise RecordError("an envelope replaces another one than the closing statement says")
        withdrawn = [self.withdrawer(committed[id], previous[id]) for id in self.record.withdrawals]
        bidding = [*self.businesses, *withdrawn]
        if len(set(bidding)) != len(bidding):
            raise TenderError("bids-twice", "a business is in two bids, or twice in one")
        with _looking("a bidder has a say in this tender"):
            self.officials.check_apart(bidding)
        self.check_documents()
        partners = len(self.businesses) - len(self.record.envelopes)
        return [
            f"{len(self.record.envelopes)} bidders' signatures and certificates",
            *([f"{partners} partners' co-signatures and certificates"] if partners else []),
            *([f"{len(withdrawn)} withdrawals, each by its bidder"] if withdrawn else []),
        ]

    # 9. The draws' inputs were fixed before the bids: derived from the keys, or committed in the notice.
    def draws(self) -> list[str]:
        self.revealed: dict[str, RevealedPrices] = {}
        opened = self.record.events(EventType.OPENED)[0].seq
        for entry in self.record.events(EventType.PRICES_REVEALED):
            revealed = self.signed(entry, RevealedPrices)
            with _looking("the preliminary prices that were revealed are not those of the notice"):
                check_revealed(self.notice, revealed)
            self.check_in_charge(revealed.signer)
            if revealed.lot in self.revealed or entry.seq < opened:
                raise TenderError(
                    "revealed-wrongly", "preliminary prices were revealed twice, or before the opening"
                )
            self.revealed[revealed.lot] = revealed
        if set(self.revealed) != {lot.id for lot in committed_lots(self.notice)}:
            raise TenderError("not-revealed", "committed prices were not revealed")
        committed = [f"lot {lot}: prices committed by the officer, not derived" for lot in self.revealed]
        return committed + [self.panel(entry) for entry in self.record.events(EventType.DRAW_REQUESTED)]

    # 10. Every evaluator without a conflict of interest signed a sheet, and all were logged before any price
    # order. Prices were ordered of those bids, and no others, that the sheets let in.
    def sheets(self) -> list[str]:
        findings = self.declarations()
        self.signed_sheets: list[SignedScores] = []
        bids = proposed(self.record.counted)
        priced = [e.seq for e in self.record.events(EventType.PARTIAL) if e.part == "price"]
        until = min(priced, default=len(self.record.history))
        for entry in self.record.events(EventType.SHEET_SIGNED):
            sheet = self.signed(entry, SignedScores)
            with _looking(f"the score sheet of {self.name(sheet.signer)} does not count"):
                check_sheet(self.notice, bids, sheet)
                self.officials.check_seated(self.person(sheet.signer), declared(self.words, entry.seq))
            self.check_without_conflict(sheet.signer, entry.seq)
            if any(entry.seq < drawn.seq for drawn in self.record.events(EventType.PANEL_DRAWN)):
                raise TenderError("scored-early", "a score sheet was signed before the panel was drawn")
            if entry.seq > until:
                raise TenderError(
                    "scored-late", "a score sheet was signed after a price order, when prices were known"
                )
            self.signed_sheets.append(sheet)
        scored_by = [self.person(sheet.signer) for sheet in self.signed_sheets]
        with _looking("the bids were not scored by the panel"):
            self.officials.check_scored(declared(self.words, until), scored_by, to_score=bool(bids))
        self.check_priced()
        return [*findings, f"{len(self.signed_sheets)} score sheets"]

    # 11. Scores and ranking come out again by the notice's rule sets.
    def ranking(self) -> list[str]:
        self.evaluated = self.one_signed(EventType.SCORED, Evaluated)
        opening = self.openings[self.notice.parts[0]]
        again = score(
            self.notice, self.notice_id, opening, self.record.counted, self.signed_sheets, self.revealed
        )
        if again != self.evaluated.lots:
            raise RecordError(
                "computed again by the notice's rules, scores or ranking come out differently than was"
                " published"
            )
        return [f"lot {each.lot}: {each.evaluation.rule_set}" for each in again]

    # 12. The award is the first in line's, intended first, made after the standstill, and countersigned.
    def award(self) -> list[str]:
        scored, intended = self.record.event(EventType.SCORED), self.record.event(EventType.INTENDED)
        awarded = self.record.event(EventType.AWARDED)
        intention, award = self.signed(intended, IntendedAward), self.signed(awarded, Award)
        with _looking("a candidate was not examined, or negotiated with, as the notice says"):
            candidates, chosen = self.candidates(), self.record.selection.chosen()
        check_intention(intention, self.evaluated, scored.statement, chosen)
        check_award(award, intention, intended.statement)
        second = self.check_officers(intention, award)
        waited = parse_moment(awarded.time) - parse_moment(intended.time)
        if waited < timedelta(seconds=self.notice.standstill):
            raise TenderError(
                "standstill", "the award came before the end of the standstill, the time for complaints"
            )
        if self.trust.witnesses.reached(self.record.note("log/checkpoint")) + WITNESS_CLOCKS < parse_moment(
            awarded.time
        ):
            raise TenderError("standstill", "witnesses saw the award before the time that it states")
        return [
            *candidates,
            *[f"lot {each.lot}: {self.suppliers(each)}" for each in award.awards],
            f"awarded by {self.name(award.signer)}, countersigned by {self.name(second)}",
        ]

    # 13. The open data say the same, and nothing else is in the file.
    def open_data(self) -> list[str]:
        if ocds.record_of(self.record.published()) != self.record.file("ocds.json"):
            raise RecordError(
                "the open data differ from the signed statements: another OCDS record follows from them"
            )
        if self.record.expected_paths() != set(self.record.files):
            raise RecordError("the record holds files that nothing refers to, or lacks some")
        unsaid = (*BID_EVENTS, *PRIVATE)
        if any(e.t not in unsaid and e.seq not in self.heard for e in self.record.history):
            raise RecordError("the history has a statement that its steps do not call for")
        return []

    def check_parts(self) -> None:
        """The history is about parts, and about lots' parts, that this tender has."""
        named = {entry.part for entry in self.record.history} - {None}
        opened = {entry.section for entry in self.record.events(*BID_EVENTS)}
        if not (named <= set(self.notice.parts) and opened <= set(self.notice.sections)):
            raise LogError("the history names a part that this tender does not have")

    def amendments(self) -> list[str]:
        """Hears every change of the terms: in time, by an officer in charge and countersigned by another one,
        or by the service after an outage, as the notice says. From here on the notice is the amended one."""
        self.editions = published(self.notice, self.notice_id)
        findings = []
        for entry in self.record.events(*EDITIONS[1:]):
            said = self.amendment(entry) if entry.t is EventType.AMENDED else self.extension(entry)
            what = "an amendment" if isinstance(said, Amendment) else "an extension after an outage"
            with _looking(f"{what} changes what it may not"):
                self.editions = followed_by(self.editions, said, entry.statement, entry.seq)
            self.notice = self.editions[-1].notice
            check_notice(self.notice)
            findings.append(self.change(said))
        return findings

    def amendment(self, entry: Entry) -> Amendment:
        amendment = self.signed(entry, Amendment)
        with _looking("an amendment came too late"):
            check_in_time(self.editions[-1], amendment.amended, parse_moment(entry.time))
        word = self.signed(self.record.history[entry.seq - 1], Countersignature)
        check_countersigned(entry.statement, word)
        self.check_in_charge(amendment.signer)
        self.check_second(amendment.signer, word.signer)
        return amendment

    def extension(self, entry: Entry) -> Extension:
        extension = self.signed(entry, Extension)
        with _looking("the deadline was moved for an outage that had not been"):
            check_told_afterwards(extension, parse_moment(entry.time))
        return extension

    def change(self, said: Amendment | Extension) -> str:
        """What it changes; an outage, and bids that do not stand, everybody should know of."""
        before, after = self.editions[-2].notice, self.notice
        if isinstance(said, Extension):
            pauses = ", ".join(f"{gap.start} to {gap.end}" for gap in said.gaps)
            moved = f"the deadline moved from {before.deadline} to {after.deadline}"
            self.reservations.append(f"{moved}: by the service's word no bids were taken from {pauses}")
            return f"extended to {after.deadline} after an outage"
        if not said.bids_stand:
            self.reservations.append(f"bids from before an amendment do not count; its reason: {said.reason}")
        return f"amended by {self.name(said.signer)}: {', '.join(changes(before, after))}"

    def check_answers(self) -> None:
        """Each answer is an officer's in charge, to a question that was asked before."""
        for entry in self.record.events(EventType.ANSWERED):
            answer = self.signed(entry, Answer)
            asked = [e.statement for e in self.record.events(EventType.ENQUIRED) if e.seq < entry.seq]
            check_answer(answer, asked)
            self.check_in_charge(answer.signer)

    def deadline_at(self, time: str) -> str:
        """Which deadline was stated at that time."""
        made = [each for each in self.editions if self.record.history[each.seq].time <= time]
        return (made or self.editions)[-1].notice.deadline

    def check_superseded(self) -> None:
        """The closing says which bids do not count, since they came under terms that no longer stand."""
        last = [*self.closing.counted(), *self.closing.superseded]
        superseded = {id for id in last if not self.record.edition(id).stands}
        if superseded != set(self.closing.superseded):
            raise RecordError("the closing statement counts other bids than those whose terms stand")

    def check_changes(self) -> None:
        """Says where the bids contradict what changes of the terms say of their time, or of outages."""
        taken = [each for each in self.closing.commitments if not each.in_doubt]
        for edition in self.editions[1:]:
            entry = self.record.history[edition.seq]
            latest, index = parse_moment(entry.time) + SLEWED, self.log_index(entry)
            if any(each.index < index and parse_moment(each.time) > latest for each in taken):
                self.reservations.append(
                    f"the change of terms that states the time {entry.time} was logged after bids of a later"
                    " time: it was dated back, or a clock was wrong"
                )
        extensions = self.record.events(EventType.EXTENDED)
        for gap in (gap for each in extensions for gap in self.record.payload(each, Extension).gaps):
            start, end = parse_moment(gap.start) + MISSED, parse_moment(gap.end) - MISSED
            if any(start < parse_moment(each.time) < end for each in taken):
                self.reservations.append(
                    f"bids were taken between {gap.start} and {gap.end}, an outage by the service's word"
                )

    def check_terms(self, committed: Committed, envelope: Envelope) -> None:
        """The envelope was sealed under the terms that were in force when it came."""
        edition = self.record.in_force(committed.index)
        with _looking(f"bid {committed.statement} was not made for this tender as it was published"):
            check(envelope, edition.terms)
        if edition.terms.round != self.notice.round:
            self.reservations.append(
                f"bid {committed.statement} was sealed for round {edition.terms.round}, which came before the"
                " deadline that was moved: from then on the mandate lock alone held it"
            )

    def included(
        self, what: str, entry: bytes, index: int, path: Sequence[str], head: Checkpoint | None = None
    ) -> None:
        head = head or self.head
        with _looking(f"{what} is not in the public log as it is shown here"):
            hashes = [from_base64(each) for each in path]
            verify_inclusion(leaf_hash(entry), index, head.size, hashes, head.root)

    def check_extends(self, seen: Checkpoint, path: Sequence[str], when: str) -> None:
        """The log is the one that witnesses saw before, with more at its end."""
        with _looking(
            f"the log that the witnesses saw {when} is not the log of now: there are two histories"
        ):
            hashes = [from_base64(each) for each in path]
            verify_consistency(seen.size, seen.root, self.head.size, self.head.root, hashes)

    def check_logged(self) -> None:
        """Every entry of the tender's history is in the log, and they are in its order."""
        last = -1
        for entry in self.record.proofs.history:
            if entry.index <= last:
                raise LogError("the tender's chain is not in the order of the log")
            self.included("a step of the tender", from_base64(entry.entry), entry.index, entry.path)
            last = entry.index

    def log_index(self, entry: Entry) -> int:
        return self.record.proofs.history[entry.seq].index

    def receipt(self, held: Held) -> str:
        """What it is for. Raises LogError where the closing statement contradicts the receipt or promise."""
        certificate = self.record.certificate(held.receipt.signer)
        receipt = held.receipt.verify(held.type, certificate)
        self.authorities.verify(certificate, Role.SERVICE, parse_moment(receipt.time))
        if (receipt.tender, receipt.notice) != (self.notice.tender, self.notice_id):
            raise RecordError(f"a receipt is for another tender or notice: {receipt.tender}")
        index = self.shown_index(held, commitment_entry(receipt.commitment()))
        if isinstance(receipt, Promise):
            _check_promised(receipt)
        what, said = _named(receipt), _as_committed(receipt)
        listed = self.closing.documents if isinstance(said, CommittedDocument) else self.closing.commitments
        where = {each.index for each in listed if msgspec.structs.replace(each, index=0) == said}
        if not where or index not in (None, *where):
            raise LogError(f"{what} has a receipt or promise that the closing statement contradicts")
        return what

    def turned_away(self, statement: Statement) -> str:
        """What the service refused, when and why, and whether it took it at another time all the same.

        Raises LogError where the service refused something as late before the deadline.
        """
        certificate = self.record.certificate(statement.signer)
        refusal = statement.verify(Refusal, certificate)
        self.authorities.verify(certificate, Role.SERVICE, parse_moment(refusal.time))
        if refusal.tender != self.notice.tender:
            raise RecordError(f"a refusal is for another tender: {refusal.tender}")
        if refusal.reason == "after-deadline" and refusal.time < self.deadline_at(refusal.time):
            raise LogError(f"what came at {refusal.time} was refused as late, before the deadline")
        taken = refusal.statement in {each.statement for each in self.closing.commitments}
        rest = "and was taken at another time" if taken else "and is not in the closing statement"
        return f"what came at {refusal.time} was refused ({refusal.reason}) {rest}"

    def shown_index(self, held: Held, entry: bytes) -> int | None:
        """Where the log showed the bidder its commitment; None where it had only a promise."""
        if held.proof is None:
            if held.type is not Promise:
                raise RecordError("a receipt comes without its place in the log")
            return None
        head = held.proof.verify(entry, VerifyingKey.parse(self.trust.log))
        if head.size == self.head.size and head.root != self.head.root:
            raise LogError("the log showed the bidder another tree than is in the record")
        return held.proof.index

    def check_members(self) -> None:
        """All n members are certified as such and signed for this committee: k of n are k people. The panel
        is certified, too. Both at publication, which is the last time that anybody can be named."""
        at = self.record.history[0]
        fingerprints = [member.certificate for member in self.notice.committee.members]
        members = [self.record.certificate(fingerprint) for fingerprint in fingerprints]
        for certificate in members:
            self.check_standing(certificate, Role.COMMITTEE, at)
        for fingerprint in self.notice.evaluators:
            self.check_standing(self.record.certificate(fingerprint), Role.EVALUATOR, at)
        check_transcript(self.notice, members)

    def check_consortium(self, committed: Committed, envelope: Envelope) -> None:
        """Whoever bids in this envelope was in good standing when it came, and signed it."""
        businesses = self.record.consortium(envelope)
        for each in businesses:
            self.check_standing(each, Role.BUSINESS, committed)
        self.record.statement(committed.statement, "bids").verify(Envelope, businesses[0])
        for partner in businesses[1:]:
            statement = self.record.co_signature(committed.statement, partner.fingerprint)
            said = statement.verify(CoSignature, partner)
            if (said.tender, said.notice, said.envelope) != (
                self.notice.tender,
                self.notice_id,
                committed.statement,
            ):
                raise RecordError("a partner signed another envelope")
        self.businesses += [each.registration for each in businesses]

    def declarations(self) -> list[str]:
        """Hears everybody's word on conflicts of interest, each given once."""
        self.words: list[Word] = []
        findings = []
        for entry in self.record.events(EventType.CONFLICT_DECLARED):
            declaration = self.signed(entry, ConflictDeclaration)
            check_seen(declaration, self.record.events(EventType.OPENED)[0].statement)
            person = self.person(declaration.signer)
            self.officials.check_admits(person)
            if self.record.certificate(declaration.signer).role is Role.EVALUATOR:
                self.officials.check_on_panel(person)
            self.words.append(Word(entry.seq, person, declaration.conflict))
            word = f"a conflict: {declaration.explanation}" if declaration.conflict else "no conflict"
            findings.append(f"{self.name(declaration.signer)} declared {word}")
        declared(self.words)
        return findings

    def panel(self, entry: Entry) -> str:
        """The draw that `entry` requests: by a round of which the witnesses' co-signatures show that nobody
        knew it then. Leaves behind in which order the pool is called."""
        request = self.signed(entry, DrawRequest)
        self.check_in_charge(request.signer)
        with _looking("the draw of the panel was not announced as it must be"):
            check_request(self.notice, request, parse_moment(entry.time))
        if not self.record.events(EventType.PANEL_DRAWN):
            return "a panel's draw was requested, and none came of it"
        draw = self.one_signed(EventType.PANEL_DRAWN, PanelDraw)
        check_unknown(self.notice, request, self.witnessed_draw(entry))
        with _looking("the panel was not drawn as it was announced"):
            verify_draw(self.notice, self.notice_id, (entry.statement, request.round), draw)
        self.officials = msgspec.structs.replace(self.officials, drawn=draw.order(self.person))
        found = f"panel of {self.notice.seats} drawn from {len(draw.tickets)} by round {draw.round}"
        if not is_grindable(self.notice):
            return found
        self.unchecked.append(f"the panel's draw is {GRINDABLE}")
        return f"{found}, {GRINDABLE}"

    def witnessed_draw(self, entry: Entry) -> datetime:
        """When the quorum had reached the entry that requests a draw."""
        note = self.record.note("log/draw")
        head, proofs = verify_checkpoint(note, VerifyingKey.parse(self.trust.log)), self.record.proofs
        self.check_extends(head, proofs.draw_consistency, "before the draw")
        logged = proofs.history[entry.seq]
        what = "the request to draw the panel"
        self.included(what, from_base64(logged.entry), logged.index, proofs.draw, head)
        return max(self.notice.witnesses.reached(note), self.trust.witnesses.reached(note))

    def candidates(self) -> list[str]:
        """Hears who was examined or negotiated with: by officers who may, in the order of the line."""
        for entry in self.record.events(*SELECTION_EVENTS):
            said = self.signed(entry, SAID[entry.t])
            person = self.person(said.signer)
            check_may_say(said, person, self.officials, declared(self.words, entry.seq))
        return [
            f"lot {each.lot}: rank {each.ranked.rank}, {each.ranked.bidder}: {each.result.outcome}"
            for each in self.record.selection.candidacies
            if each.result
        ]

    def check_officers(self, intention: IntendedAward, award: Award) -> str:
        """Who intends, awards and countersigns may do so. Returns the certificate of who countersigned."""
        entry = self.record.event(EventType.AWARD_COUNTERSIGNED)
        second = self.signed(entry, Countersignature)
        check_countersigned(self.record.event(EventType.AWARDED).statement, second)
        self.check_second(award.signer, second.signer, self.businesses)
        intended = self.record.event(EventType.INTENDED).seq
        for signer, before in ((intention.signer, intended), (award.signer, entry.seq)):
            self.check_in_charge(signer)
            self.check_without_conflict(signer, before)
        self.check_without_conflict(second.signer, entry.seq)
        return second.signer

    def suppliers(self, award: LotAward) -> str:
        if award.bid is None:
            return "unsuccessful"
        lead, *partners = self.record.consortium(self.record.envelopes[award.bid])
        return " with ".join([lead.registration, *(each.registration for each in partners)])

    def check_commitments(self, closed_at: int) -> None:
        notice_index = self.record.proofs.history[0].index
        paths = self.record.proofs.commitments
        for each, path in zip(self.closing.commitments, paths, strict=False):
            digest = commitment(each.kind, self.notice_id, each.time, each.salt, each.statement)
            what = f"{each.kind} {each.statement}"
            self.included(what, commitment_entry(digest), each.index, path)
            if not notice_index < each.index < closed_at:
                raise LogError(
                    f"{what} was not in the box when that was closed: it came into the log before the"
                    " notice or"
                    " after the closing statement"
                )
            deadline = self.record.in_force(each.index).notice.deadline
            if each.time >= deadline and not each.in_doubt:
                raise LogError(f"{what} was accepted after the deadline")
            if each.in_doubt:
                late = "after" if each.time >= deadline else "before"
                self.reservations.append(
                    f"{what} of {each.bidder} came while the service's clock was in"
                    f" doubt: at {each.time} by that clock, {late} the deadline"
                )
        if len(paths) != len(self.closing.commitments):
            raise LogError("not every commitment is shown to be in the log")

    def check_documents_logged(self, closed_at: int) -> None:
        """As `check_commitments`; that no document precedes its envelope the closing itself has to show."""
        paths, until = self.record.proofs.documents, moment(self.notice.complete)
        if len(paths) != len(self.closing.documents):
            raise LogError("not every document's commitment is shown to be in the log")
        for each, path in zip(self.closing.documents, paths, strict=True):
            file = SealedFile(number=each.number, sha256=each.sha256, size=0)
            digest = commitment("document", self.notice_id, each.time, each.salt, file.id(each.envelope))
            what = f"document {each.number} of envelope {each.envelope}"
            self.included(what, commitment_entry(digest), each.index, path)
            if each.index >= closed_at:
                raise LogError(f"{what} was logged after the closing statement")
            if each.time >= until and not each.in_doubt:
                raise LogError(f"{what} came after the end of the grace")
            if each.in_doubt:
                self.reservations.append(
                    f"{what} came while the service's clock was in doubt: at {each.time} by that clock"
                )

    def withdrawer(self, committed: Committed, previous: str | None) -> str:
        """The registration number of whoever takes its bid back: the business that the closing says it is, in
        good standing when it did."""
        withdrawal = self.record.withdrawals[committed.statement]
        certificate = self.record.certificate(withdrawal.signer)
        self.check_standing(certificate, Role.BUSINESS, committed)
        self.record.statement(committed.statement, "withdrawals").verify(Withdrawal, certificate)
        if (withdrawal.tender, withdrawal.notice) != (self.notice.tender, self.notice_id):
            raise RecordError("a withdrawal is from another tender")
        if certificate.registration != committed.bidder:
            raise RecordError("a withdrawal is another bidder's than the closing statement says")
        if withdrawal.previous != previous:
            raise RecordError("a withdrawal is of another envelope than the closing statement says")
        return committed.bidder

    def check_documents(self) -> None:
        """Every file that a counted envelope lists came as it is listed, or is said to be missing; no other
        came for it. Says what of all this the record does not hold."""
        came = {(each.envelope, each.number): each.sha256 for each in self.closing.documents}
        listed = {
            (id, file.number): file for id, bid in self.record.envelopes.items() for file in bid.documents
        }
        for key, digest in came.items():
            if key[0] in self.record.envelopes and (key not in listed or listed[key].sha256 != digest):
                raise RecordError("a document came that its envelope does not list")
        manifests = {id: bid.documents for id, bid in self.record.envelopes.items()}
        if self.closing.missing != self.closing.lacking(manifests):
            raise RecordError("the closing statement does not say which documents are missing")
        restricted = sum(listed[key].part is not None for key in came if key in listed)
        self.unchecked += _absent(self.closing, restricted)

    def check_witnessed(self) -> list[str]:
        """The quorum's co-signatures on the closing must precede the round, or an officer answers for it."""
        note = self.record.note("log/closing")
        reached = max(self.notice.witnesses.reached(note), self.trust.witnesses.reached(note))
        over = "the end of the grace" if self.notice.upload_grace else "the deadline"
        if reached < self.notice.complete - WITNESS_CLOCKS:
            raise TenderError("closed-early", f"witnesses saw the closing statement before {over}")
        if reached >= self.notice.opens:
            late = self.one_signed(EventType.LATE, LateClosing)
            if late.closing != self.record.event(EventType.CLOSED).statement:
                raise TenderError("wrong-closing", "the late closing that is answered for is another one")
            self.check_in_charge(late.signer)
            self.reservations.append(
                "the time lock did not cover the closing, the mandate lock held; the officer's reason: "
                + late.reason
            )
        after = reached - self.notice.complete
        if after > WITNESS_CLOCKS:
            seconds = after // timedelta(seconds=1)
            self.reservations.append(f"the closing was witnessed {seconds} s after {over}")
        return [f"witnessed {reached:%Y-%m-%d %H:%M:%S} UTC, opened from {self.notice.opens:%H:%M:%S} on"]

    def check_stamped(self) -> list[str]:
        """The closing's time stamp, where there is one, is by an authority that is pinned; of another one it
        is said that nobody checked it."""
        if STAMP not in self.record.files:
            return []
        token, roots = Token(self.record.file(STAMP)), self.trust.stamping_roots()
        if not token.names(roots):
            self.unchecked.append(f"the closing's time stamp: {token.by} is not a pinned authority")
            return []
        token.verify(self.record.file("log/closing"), roots)
        if token.time < self.notice.complete - WITNESS_CLOCKS:
            raise TenderError("closed-early", "the closing statement was stamped before the deadline")
        at = f"{token.time:%Y-%m-%d %H:%M:%S} UTC"
        if token.latest >= self.notice.opens:
            self.reservations.append(f"the closing was stamped after the round, at {at}")
        return [f"stamped by {token.by} at {at} under its policy {token.policy}"]

    def check_opening(self, opening: Opening, before: int) -> None:
        """Each round's signature is the beacon's, and the keys are what members signed before the entry: of
        the latest round, and of all others that bids which count were sealed for."""
        published = (RoundKeys.of(opening), *opening.earlier)
        if [each.round for each in published] != self.rounds:
            raise CommitteeError("the opening is of another part or round than bids were sealed for")
        for each in published:
            if each.keys != self.combine(opening.part, each.round, before):
                raise CommitteeError(
                    "the published keys are not what the committee signed: too few members ordered the"
                    " opening,"
                    " or another one"
                )
            with _looking(FALSE_BEACON):
                self.notice.network.verify_round(int(each.round), bytes.fromhex(each.beacon))

    def opened_of(self, part: Part) -> list[Chosen]:
        """What the committee opened of `part` of the counted bids. Whether it is every price that was to be
        opened depends on the sheets, which come later."""
        if part != "price":
            return [Chosen(each, part) for each in self.record.counted]
        technical = [each for each in self.record.counted if each.proposal is not None]
        lots = self.notice.priced_apart or (None,)
        prices = [Chosen(each, part, lot) for lot in lots for each in technical]
        keys = self.keys_of(part)
        return [each for each in prices if each.subject in keys]

    def part_to_open(self, each: Chosen, opening: Opening) -> PartToOpen:
        terms = self.record.edition(each.bid.id).terms
        return PartToOpen(envelope=each.bid.envelope, terms=terms, opening=opening, lot=each.lot)

    def keys_of(self, part: Part) -> set[Subject]:
        """What of `part` has a key, of whatever round."""
        opening = self.openings[part]
        return {key.subject for each in (RoundKeys.of(opening), *opening.earlier) for key in each.keys}

    def check_priced(self) -> None:
        """Nobody's price for a lot was ordered or opened whom the sheets shut out of it, and everybody
        else's was opened."""
        if "price" not in self.notice.parts:
            return
        chosen = to_open("price", self.notice, self.record.counted, self.signed_sheets)
        priced = {each.subject for each in chosen}
        if not self.ordered["price"] <= priced:
            raise CommitteeError("an order was signed on a price that was to stay closed")
        if self.keys_of("price") != priced:
            raise CommitteeError("not every price was opened that was to be")

    def combine(self, part: Part, round: str, before: int) -> tuple[OrderKey, ...]:
        entries = [e for e in self.record.events(EventType.PARTIAL) if e.part == part and e.seq < before]
        if any(parse_moment(entry.time) < self.notice.opens for entry in entries):
            raise CommitteeError(
                "a committee member ordered the opening before its time, the round of the time lock"
            )
        partials = [self.signed(entry, OpeningPartial) for entry in entries]
        if not {each.round for each in partials} <= set(self.rounds):
            raise CommitteeError("an order was signed for a round that no bid which counts was sealed for")
        self.ordered[part] = {each.subject for each in partials}
        given = [each for each in partials if each.round == round]
        with _looking("an order to open is not the committee's"):
            return combined(part, given, self.notice.committee, self.key, under(self.editions, round))

    def refusal(self, entry: Entry) -> str:
        refusal = self.signed(entry, OrderRefusal)
        with _looking("a refusal to open is not a committee member's"):
            check_refusal(refusal, self.notice.committee, self.editions[-1].terms)
        if refusal.part != entry.part:
            raise CommitteeError("the refusal is about another part")
        return f"committee member {refusal.member} refused the order on part {refusal.part}: {refusal.reason}"

    def compare(self, part: Part, chosen: list[Chosen], results: list[bytes | str]) -> None:
        """The history says of each envelope, and of each lot that is opened apart, once what opening it again
        gives."""
        entries = [e for e in self.record.events(*BID_EVENTS) if e.part == part]
        said = {(e.statement, e.section): e for e in entries}
        if len(said) != len(entries):
            raise RecordError("an envelope was opened twice")
        if set(said) != {(each.bid.id, each.section) for each in chosen}:
            raise RecordError(
                f"the {part} parts opened are not those that count: a bid was passed over, or one opened"
                " too many"
            )
        for each, result in zip(chosen, results, strict=True):
            if not self.comes_out(said[each.bid.id, each.section], result):
                raise RecordError(f"envelope {each.bid.id} opens to something else than was published")

    def comes_out(self, entry: Entry, result: bytes | str) -> bool:
        """Whether `result` is what the history says. What was published as opened was read by `counted`."""
        if entry.content is None:
            notice = self.record.edition(entry.statement).notice
            partners = self.record.envelopes[entry.statement].consortium
            return outcome(result, entry.section, notice, partners) == (None, entry.reason)
        published = self.record.file(content_path(entry.statement, entry.section))
        return result == published and sha256(published).hex() == entry.content


STEPS: tuple[tuple[str, Callable[[_Check], list[str]], str], ...] = (
    (
        "file, manifest, trust",
        _Check.files,
        "this file is not as the service made it: it was damaged or changed on its way, or is none of its"
        " records; download it again and compare",
    ),
    (
        "checkpoints and co-signatures",
        _Check.checkpoints,
        "the public log behind this record is not the one that you and its outside witnesses know: this"
        " history may have been made up afterwards, or for you alone",
    ),
    (
        "the tender's chain",
        _Check.chain,
        "the story of this tender does not hold together: a step is missing, was taken out of turn or too"
        " late, or was not signed by somebody whose duty it is",
    ),
    (
        "closing statement before any key",
        _Check.box,
        "the list of bids that was to be fixed before anybody could read one does not hold: a bid may have"
        " been dropped, added, exchanged or let in late",
    ),
    (
        "receipts",
        _Check.receipts,
        "the service signed its word to a bidder and did not keep it: what the bidder holds is evidence",
    ),
    (
        "beacon, committee, opening orders",
        _Check.keys,
        "the bids were not opened by the committee and at the time that the notice names: somebody may have"
        " read them early, or alone",
    ),
    (
        "envelopes open to what was published",
        _Check.contents,
        "what is published as the bids is not what the bidders sealed, or other bids were opened than those"
        " that count",
    ),
    (
        "bidders' signatures and certificates",
        _Check.bidders,
        "a bid, a withdrawal or a document is not from the business in whose name it stands, was not made for"
        " this tender, or its business may not bid here",
    ),
    (
        "draws",
        _Check.draws,
        "what was to be drawn by lot was not: the result may have been chosen for somebody",
    ),
    (
        "score sheets before prices",
        _Check.sheets,
        "the bids were not scored as they should have been: by the wrong people, after prices were known, or"
        " with a price opened that was to stay closed",
    ),
    (
        "scores and ranking",
        _Check.ranking,
        "computed again by the rules of the notice, the result is another one than was published: somebody"
        " else may have won",
    ),
    (
        "award after standstill",
        _Check.award,
        "the award does not follow from the result, came too early, or was made by people who may not make"
        " it",
    ),
    (
        "open data",
        _Check.open_data,
        "the data files say something else than the signed statements do, or are not all and only what"
        " belongs here: do not quote their figures",
    ),
)
"""Each step's title, what it does, and what it means where it is refused."""


@contextmanager
def _looking(words: str) -> Iterator[None]:
    """Puts `words`, which say what does not hold, before the detail of how it does not."""
    try:
        yield
    except VerificationError as error:
        raise RecordError(f"{words}: {error}") from error


def _named(receipt: Receipt | DocumentReceipt) -> str:
    if isinstance(receipt, DocumentReceipt):
        return f"document {receipt.number} of envelope {receipt.envelope}"
    return f"{receipt.kind} {receipt.statement}"


def _as_committed(receipt: Receipt | DocumentReceipt) -> Committed | CommittedDocument:
    """What the closing has to say of it, but for the index in the log."""
    given: dict[str, Any] = {
        "index": 0,
        "time": receipt.time,
        "salt": receipt.salt,
        "in_doubt": receipt.in_doubt,
    }
    if isinstance(receipt, DocumentReceipt):
        return CommittedDocument(
            **given, envelope=receipt.envelope, number=receipt.number, sha256=receipt.sha256
        )
    return Committed(
        **given,
        kind=receipt.kind,
        statement=receipt.statement,
        status=receipt.status,
        bidder=receipt.bidder,
    )


def _check_promised(promise: Promise) -> None:
    if parse_moment(promise.included_by) > parse_moment(promise.time) + PROMISED:
        raise LogError("the service promised a place in the log for later than it may")


def _contents_of(closing: Closing) -> list[str]:
    envelopes = sum(each.kind == "envelope" for each in closing.commitments)
    withdrawals, missing = len(closing.commitments) - envelopes, len(closing.missing)
    return [
        f"{envelopes} envelopes, {len(closing.chains)} bidders",
        *([f"{withdrawals} withdrawals; {len(closing.withdrawn())} bids withdrawn"] if withdrawals else []),
        *([f"{len(closing.documents)} documents came"] if closing.documents else []),
        *([f"{missing} documents that bids list did not come"] if missing else []),
    ]


def _absent(closing: Closing, restricted: int) -> list[str]:
    """What the closing reveals and no record holds, counted; `restricted` are restricted parts that came."""
    kind = {each.statement: each.kind for each in closing.commitments}
    followed = [(kind[id], kind[next_]) for chain in closing.chains for id, next_ in pairwise(chain)]
    counts = {
        "documents": len(closing.documents) - restricted,
        "restricted parts": restricted,
        "replaced envelopes": followed.count(("envelope", "envelope")),
        "withdrawn envelopes": followed.count(("envelope", "withdrawal")),
        "withdrawals before another bid": followed.count(("withdrawal", "envelope")),
    }
    absent = [f"{count} {what}" for what, count in counts.items() if count]
    return [f"what is absent from the record: {', '.join(absent)}"] if absent else []


def _identities(trust: Trust) -> list[str]:
    """Everybody whom the verdict relies on, so that a reader can compare them with what he knows."""
    roots = [
        f"{role} root {sha256(from_base64(each)).hex()}"
        for role, several in sorted(trust.roots.items())
        for each in several
    ]
    witnesses = [f"witness {key}" for key in trust.witnesses.keys]
    beacons = [f"beacon {each.chain_hash}" for each in trust.networks]
    stamping = [f"stamping root {sha256(from_base64(each)).hex()}" for each in trust.stamping]
    return [f"log {trust.log}", *witnesses, *roots, *beacons, *stamping]
