"""Builders with defaults: a world of people and keys, and a tender's whole life in memory.

The life is played with the pure core alone, on a log that is a list of entries, so that tests of the
record need no database; `tests/flows` lives the same life in the real service.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import shake_256
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from bids.envelope import (
    CoSignature,
    Envelope,
    Part,
    SealedFile,
    Section,
    SubmissionTerms,
    Withdrawal,
    compose,
    entropy_size,
    place,
    section,
)
from bids.orders import Member, Opening, OpeningPartial, PartToOpen, RoundKeys, Subject, combined, open_parts
from bids.receipts import (
    Closing,
    Committed,
    CommittedDocument,
    Kind,
    chains,
    commitment,
    commitment_entry,
)
from crypto import checkpoint
from crypto.beacon import LocalBeacon
from crypto.certificates import Authority, Certificate, Role, SigningKey, request
from crypto.checkpoint import Checkpoint, cosign, sign_checkpoint
from crypto.encoding import encode, moment, parse_moment, sha256, to_base64
from crypto.errors import VerificationError
from crypto.merkle import Frontier, leaf_hash, node_hash
from crypto.revocation import Status
from crypto.statements import PAYLOAD_TYPE, Payload, Statement, pae, sign
from crypto.trust import Trust, WitnessPolicy
from procurement import archive, bundle, ocds
from procurement.awards import (
    Award,
    ConflictDeclaration,
    Countersignature,
    CriterionScore,
    Evaluated,
    IntendedAward,
    LotAward,
    RevealedPrices,
    SignedScores,
    first_in_line,
)
from procurement.editions import (
    Amendment,
    Edition,
    Extension,
    Gap,
    followed_by,
    moved,
    next_round,
    published,
    rounds,
    under,
)
from procurement.errors import TenderError
from procurement.evaluation import (
    Committed as CommittedTo,
)
from procurement.evaluation import (
    CommittedPrices,
    Criterion,
    Examination,
    KrNegotiation,
    KrPriceFloor,
    LowestPrice,
    Rules,
    TwoEnvelope,
    WeightedCriterion,
    criteria,
)
from procurement.evaluation.reserve_prices import commitment as commitment_to_prices
from procurement.history import Event, EventType, Head
from procurement.owners import Ownership
from procurement.panels import DrawRequest, PanelDraw, tickets
from procurement.practice import convene
from procurement.scoring import (
    Chosen,
    OpenedBid,
    expected_scores,
    orders_of,
    outcome,
    proposed,
    read_part,
    score,
    to_open,
    with_part,
)
from procurement.selection import (
    CapabilityScore,
    EvidenceFile,
    ExaminationDocuments,
    ExaminationRequest,
    ExaminationResult,
    NegotiationResult,
    Said,
    Selection,
    SupplementRequest,
)
from procurement.tenders import (
    Bid,
    Contact,
    Item,
    Lot,
    LotOffer,
    Notice,
    Organisation,
    OutageRule,
    Proposal,
    by_section,
    check_notice,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DEADLINE = START + timedelta(days=14)
OCID = "ocds-0s3al1-t1"
ORIGIN = "tenders.example/log"
MILLION = CommittedPrices(salt="5a" * 32, prices=("1000000",) * 15)
"""Preliminary prices of which every draw makes the same expected price."""
DAY = timedelta(days=1)


A_RULE = OutageRule(window=3600, least=600, short=7200, short_extension=7200, long_extension=86400)


class Entropy:
    """Random-looking bytes, the same in every run."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return shake_256(f"{self._seed}/{self._count}".encode()).digest(size)


class World:
    """Authorities, a log, a witness, a beacon, and whoever takes part in tenders."""

    def __init__(self, seed: str = "world") -> None:
        self.entropy = Entropy(seed)
        self.authorities = {role: Authority.create(role, START - timedelta(days=1)) for role in Role}
        self.beacon = LocalBeacon(b"\x00" + self.entropy(31), genesis=int(START.timestamp()), period=3)
        self.log = checkpoint.SigningKey(ORIGIN, checkpoint.LOG, self.entropy(32))
        self.witness = checkpoint.SigningKey("witness.example/w", checkpoint.WITNESS, self.entropy(32))
        self.staff()

    def staff(self) -> None:
        """Gives everybody but the bidders a key and a certificate by the present authorities."""
        self.officer = self.enrol(Role.OFFICER, "Officer Kim", "O-1")
        self.second = self.enrol(Role.OFFICER, "Officer Park", "O-2")
        self.panel = [self.enrol(Role.EVALUATOR, f"Evaluator {name}", f"E-{name}") for name in ("Lee", "Min")]
        self.evaluator = self.panel[0]
        self.service = self.enrol(Role.SERVICE, "Openseal", "S-1")
        members = [self.enrol(Role.COMMITTEE, f"Member {i}", f"C-{i}") for i in range(1, 4)]
        convened = convene(self.officer, members, 2, START, self.entropy)
        self.committee, self.transcript, self.members = convened

    def enrol(self, role: Role, name: str, registration: str) -> SigningKey:
        private = ec.generate_private_key(ec.SECP256R1())
        return SigningKey(
            private, self.authorities[role].issue(request(private, role, name, registration), START)
        )

    def status(self, at: datetime, revoked: Mapping[Role, Mapping[int, datetime]]) -> Status:
        """Every role's list of the day, or since the last revocation if there was one on that day."""
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        since = max([day, *(time for serials in revoked.values() for time in serials.values())])
        return Status(
            lists={
                role: (
                    to_base64(
                        authority.list_revoked(revoked.get(role, {}), int(since.timestamp()), since, DAY)
                    ),
                )
                for role, authority in self.authorities.items()
            }
        )

    @property
    def trust(self) -> Trust:
        """The trust file of everybody in this world."""
        roots: dict[Role, tuple[str, ...]] = {
            role: (to_base64(authority.root.public_bytes(Encoding.DER)),)
            for role, authority in self.authorities.items()
        }
        return Trust(
            independent=True,
            log=self.log.verifier.encode(),
            witnesses=self.witnesses,
            roots=roots,
            networks=(self.beacon.network,),
        )

    @property
    def witnesses(self) -> WitnessPolicy:
        return WitnessPolicy(keys=(self.witness.verifier.encode(),), quorum=1)


@cache
def the_world() -> World:
    """One world for all tests that change nothing in it."""
    return World()


def a_lot(rules: Rules | None = None, id: str = "1") -> Lot:
    items = (Item(id="1", description="Twelve school desks", quantity="12", unit="EA"),)
    return Lot(id=id, title="Desks", items=items, rules=rules or LowestPrice())


def panel_rules(budget: str = "110000000") -> KrNegotiation:
    criteria = (Criterion(id="quality", title="Quality", points="90"),)
    return KrNegotiation(technical_points="90", price_points="10", budget=budget, criteria=criteria)


def two_envelopes(**changes: Any) -> TwoEnvelope:
    """A bid passes with 54 of 90 points."""
    criteria = (WeightedCriterion(id="quality", title="Quality", points="90", weight="90"),)
    return msgspec.structs.replace(TwoEnvelope(criteria=criteria, pass_mark="60"), **changes)


def a_notice(world: World, *lots: Lot, **changes: Any) -> Notice:
    lots = lots or (a_lot(),)
    network = world.beacon.network
    values: dict[str, Any] = {
        "signer": world.officer.fingerprint,
        "tender": OCID,
        "number": "2026-0001",
        "title": "School desks",
        "procuring_entity": Organisation(id="KR-1234", name="Village school board"),
        "contact": Contact(name="Officer Kim", email="kim@example.org"),
        "currency": "KRW",
        "lots": lots,
        "published": moment(START),
        "deadline": moment(DEADLINE),
        "standstill": 3600,
        "network": network,
        "round": str(network.round_at(DEADLINE + timedelta(minutes=30))),
        "committee": world.committee,
        "transcript": world.transcript,
        "witnesses": world.witnesses,
        "evaluators": (world.evaluator.fingerprint,) if any(criteria(lot.rules) for lot in lots) else (),
    }
    return Notice(**(values | changes))


def examined_floor(**periods: Any) -> KrPriceFloor:
    """With an examination of two criteria. The expected price is a million, so 897,500 gets 75 of 80 points
    for the price, and 900,000 all of them."""
    criteria = (
        Criterion(id="works", title="Works of this kind", points="15"),
        Criterion(id="finance", title="Financial state", points="5"),
    )
    return KrPriceFloor(
        base="1000000",
        basis_points=200,
        unit=100,
        estimated_price="300000000",
        preliminary_prices=CommittedTo(digest=commitment_to_prices(MILLION)),
        examination=Examination(criteria=criteria, **periods),
    )


def figured(selection: Selection, notice: Notice, request: str, scores: Sequence[str]) -> dict[str, Any]:
    """The fields of the result of an examination: scores of the first lot's criteria, in their order, for all
    that was handed in; none where nothing was."""
    rules = notice.lots[0].rules
    assert isinstance(rules, KrPriceFloor)
    assert rules.examination
    files = tuple(file.sha256 for file in selection.asked(request).files)
    given = tuple(
        CapabilityScore(criterion=each.id, score=score, evidence=files, reason="As the files show")
        for each, score in zip(rules.examination.criteria, scores, strict=bool(scores))
    )
    examined = selection.examined(request, given) if given else None
    outcome = selection.outcome(request, examined)
    return {"request": request, "scores": given, "examined": examined, "outcome": outcome}


def evidence(title: str) -> EvidenceFile:
    """A file that a candidate hands in."""
    return EvidenceFile(title=title, sha256=sha256(title.encode()).hex(), size=len(title))


class Life:
    """One tender, step by step; `now` is moved by the steps. Every step can be called wrongly on purpose."""

    def __init__(self, world: World | None = None, notice: Notice | None = None) -> None:
        self.world = world or the_world()
        self.notice = notice or a_notice(self.world)
        self.now = START
        self.entries: list[bytes] = []
        self.statements: dict[str, bytes] = {}
        self.certificates: dict[str, bytes] = {}
        self.revoked: dict[Role, dict[int, datetime]] = {}
        self.statuses: dict[str, bytes] = {}
        self.current: dict[tuple[date, int], str] = {}
        self.looked_at: set[str] = set()
        self.declared: set[str] = set()
        self.bids: dict[str, bytes] = {}
        self.withdrawals: dict[str, bytes] = {}
        self.documents: list[CommittedDocument] = []
        self.in_doubt = False
        self.co_signatures: dict[tuple[str, str], bytes] = {}
        self.submitted: list[Committed] = []
        self.contents: dict[tuple[str, Section], bytes] = {}
        self.openings: dict[Part, Opening] = {}
        self.opening_id = "0" * 64
        self.counted: list[OpenedBid] = []
        self.sheets: list[SignedScores] = []
        self.revealed: dict[str, RevealedPrices] = {}
        self.history: list[int] = []
        self.proceedings: list[tuple[str, Said, datetime, str]] = []
        self.closing_note = ""
        self.draw_note = ""
        self.draw: PanelDraw | None = None
        data = sign(self.notice, self.world.officer)
        self.notice_id = Statement(data).id
        self.head = Head(tender=self.notice.tender, notice=self.notice_id)
        self.editions = published(self.notice, self.notice_id)
        self.terms = self.editions[0].terms
        self.key = check_notice(self.notice)
        for each in [*(member.key for member in self.world.members), *self.panel()]:
            self.keep_certificate(each)
        self.publish()

    def publish(self) -> None:
        """Seq 0 and 1."""
        self.say(EventType.PUBLISHED, self.notice, self.world.officer)
        self.countersign(EventType.COUNTERSIGNED, self.notice_id)

    def amend(
        self,
        *,
        stand: bool = True,
        officer: SigningKey | None = None,
        second: SigningKey | None = None,
        **changed: Any,
    ) -> str:
        """An amendment of these fields, with the round that follows, countersigned. Returns its id."""
        self.now += timedelta(minutes=1)
        officer = officer or self.world.officer
        amended = msgspec.structs.replace(self.notice, **changed)
        if "round" not in changed:
            amended = msgspec.structs.replace(amended, round=next_round(amended, amended.closes))
        about = self.about(officer) | {"previous": self.editions[-1].statement}
        said = Amendment(**about, amended=amended, bids_stand=stand, reason="The drawings were wrong.")
        data = self.signed(said, officer)
        self.countersign(EventType.AMENDMENT_COUNTERSIGNED, Statement(data).id, second)
        return self.new_edition(EventType.AMENDED, data, officer)

    def extend(self, *gaps: Gap, **changed: Any) -> str:
        """The service's extension after these outages. Returns its id."""
        self.now = max(self.now, *(parse_moment(each.end) for each in gaps))
        rule, notice = self.notice.outage or A_RULE, self.notice
        deadline = moved(rule, notice.closes, gaps) or notice.closes
        said = Extension(
            **self.about(self.world.service),
            previous=self.editions[-1].statement,
            gaps=gaps,
            deadline=moment(deadline),
            round=next_round(notice, deadline),
        )
        data = self.signed(msgspec.structs.replace(said, **changed), self.world.service)
        return self.new_edition(EventType.EXTENDED, data, self.world.service)

    def new_edition(self, type_: EventType, data: bytes, key: SigningKey) -> str:
        """A new edition; where nobody honest would make one, the terms stay."""
        seq, statement = self.head.seq, Statement(data)
        said = statement.read(Amendment) if type_ is EventType.AMENDED else statement.read(Extension)
        with suppress(TenderError):
            self.editions = followed_by(self.editions, said, statement.id, seq)
        self.notice, self.terms = self.editions[-1].notice, self.editions[-1].terms
        return self.post(type_, data, key)

    def edition(self, id: str) -> Edition:
        """Under which the envelope with that id was sealed; a stranger's is taken for the latest's."""
        digest = Statement(self.bids[id]).read(Envelope).context.terms
        return next((each for each in self.editions if each.terms.terms == digest), self.editions[-1])

    def panel(self) -> list[SigningKey]:
        """The evaluators whom the notice names."""
        return [each for each in self.world.panel if each.fingerprint in self.notice.evaluators]

    def status(self) -> str:
        """Id of the certificate status in force."""
        key = self.now.date(), sum(len(serials) for serials in self.revoked.values())
        if key not in self.current:
            status = self.world.status(self.now, self.revoked)
            self.statuses[status.id] = encode(status)
            self.current[key] = status.id
        return self.current[key]

    def revoke(self, key: SigningKey) -> None:
        """From now on."""
        serials = self.revoked.setdefault(key.certificate.role, {})
        serials[key.certificate.x509.serial_number] = self.now.replace(microsecond=0)

    def keep_certificate(self, key: SigningKey) -> None:
        self.certificates[key.fingerprint] = key.certificate.der

    def log(self, *events: Event) -> None:
        self.head, entries = self.head.append(events)
        self.looked_at |= {event.status for event in events if event.status}
        for entry in entries:
            self.history.append(len(self.entries))
            self.entries.append(entry)

    def say(self, type_: EventType, payload: Payload, key: SigningKey, part: Part | None = None) -> str:
        return self.post(type_, self.signed(payload, key), key, part)

    def post(self, type_: EventType, data: bytes, key: SigningKey, part: Part | None = None) -> str:
        """Keeps and logs what was signed. Returns the statement's id."""
        id = Statement(data).id
        self.statements[id] = data
        self.keep_certificate(key)
        self.log(Event(t=type_, time=moment(self.now), statement=id, part=part, status=self.status()))
        return id

    def countersign(self, type_: EventType, statement: str, key: SigningKey | None = None) -> None:
        key = key or self.world.second
        self.say(type_, Countersignature(**self.about(key), statement=statement), key)

    def declare(self, key: SigningKey, conflict: str = "") -> None:
        """Says whether there is a conflict of interest, once: what it is, if anything."""
        person = key.certificate.registration
        if person not in self.declared:
            self.declared.add(person)
            about = self.about(key) | {"opening": self.opening_id}
            said = ConflictDeclaration(**about, conflict=bool(conflict), explanation=conflict)
            self.say(EventType.CONFLICT_DECLARED, said, key)

    def signed(self, payload: Payload, key: SigningKey) -> bytes:
        """What every statement but an envelope is signed by: the place to say something else instead."""
        return sign(payload, key)

    def about(self, key: SigningKey) -> dict[str, Any]:
        return {
            "signer": key.fingerprint,
            "tender": self.notice.tender,
            "notice": self.notice_id,
            "time": moment(self.now),
        }

    def contents_for(
        self,
        amount: str,
        picks: tuple[int, int] | None,
        lots: Sequence[str],
        owners: Sequence[Ownership] = (),
    ) -> dict[Section, bytes]:
        offers = tuple(LotOffer(lot=lot, amount=amount, picks=picks) for lot in lots)
        prices = by_section(offers, self.notice).items()
        owned = tuple(owners)
        if self.notice.parts == ("bid",):
            return {name: encode(Bid(offers=each, owners=owned)) for name, each in prices}
        proposal = Proposal(proposal="We have done this before.", owners=owned)
        return {"technical": encode(proposal), **{name: encode(Bid(offers=each)) for name, each in prices}}

    def submit(
        self,
        bidder: SigningKey,
        amount: str = "1000000",
        *,
        picks: tuple[int, int] | None = None,
        lots: Sequence[str] | None = None,
        contents: dict[Section, bytes] | None = None,
        previous: str | None = None,
        partners: Sequence[SigningKey] = (),
        documents: Sequence[SealedFile] = (),
        owners: Sequence[Ownership] = (),
    ) -> str:
        self.now = max(self.now, START + timedelta(days=7)) + timedelta(seconds=1)
        lots = lots or [lot.id for lot in self.notice.lots]
        contents = contents or self.contents_for(amount, picks, lots, owners)
        entropy = self.world.entropy(entropy_size(self.terms))
        named = [each.fingerprint for each in partners]
        data = compose(contents, self.terms, bidder, entropy, previous, named, documents)
        for each in partners:
            self.co_sign(Statement(data).id, each)
        return self.accept(bidder, data)

    def co_sign(self, envelope: str, partner: SigningKey) -> None:
        """A partner's word before the envelope is sent."""
        said = CoSignature(**self.about(partner), envelope=envelope)
        self.co_signatures[envelope, partner.fingerprint] = self.signed(said, partner)
        self.keep_certificate(partner)

    def accept(self, bidder: SigningKey, data: bytes) -> str:
        """Puts an envelope into the box, whatever it is."""
        self.bids[Statement(data).id] = data
        return self.commit("envelope", bidder, data)

    def commit(self, kind: Kind, bidder: SigningKey, data: bytes) -> str:
        """Commits to an envelope or withdrawal. Returns its id."""
        id, salt, time = Statement(data).id, self.world.entropy(32).hex(), moment(self.now)
        self.keep_certificate(bidder)
        self.submitted.append(
            Committed(
                index=len(self.entries),
                kind=kind,
                time=time,
                salt=salt,
                statement=id,
                status=self.status(),
                bidder=bidder.certificate.registration,
                in_doubt=self.in_doubt,
            )
        )
        self.entries.append(commitment_entry(commitment(kind, self.notice_id, time, salt, id)))
        return id

    def withdraw(self, bidder: SigningKey, previous: str, **changes: Any) -> str:
        """The bidder takes back the envelope `previous`. Returns the withdrawal's id."""
        self.now += timedelta(seconds=1)
        about = {"signer": bidder.fingerprint, "tender": self.notice.tender, "notice": self.notice_id}
        said = Withdrawal(**about, previous=previous)
        data = self.signed(msgspec.structs.replace(said, **changes), bidder)
        self.withdrawals[Statement(data).id] = data
        return self.commit("withdrawal", bidder, data)

    def receive(self, envelope: str, file: SealedFile) -> CommittedDocument:
        """A document that the envelope lists comes."""
        self.now += timedelta(seconds=1)
        salt, time = self.world.entropy(32).hex(), moment(self.now)
        self.documents.append(
            CommittedDocument(
                index=len(self.entries),
                time=time,
                salt=salt,
                envelope=envelope,
                number=file.number,
                sha256=file.sha256,
                in_doubt=self.in_doubt,
            )
        )
        digest = commitment("document", self.notice_id, time, salt, file.id(envelope))
        self.entries.append(commitment_entry(digest))
        return self.documents[-1]

    def close(self, at: datetime | None = None, cosigned_at: datetime | None = None, **changes: Any) -> None:
        self.now = at or max(self.now, self.notice.complete) + timedelta(seconds=1)
        previous: dict[str, str | None] = {
            id: Statement(data).read(Envelope).previous for id, data in self.bids.items()
        }
        previous |= {id: Statement(data).read(Withdrawal).previous for id, data in self.withdrawals.items()}
        closing = Closing(
            **self.about(self.world.service),
            terms=tuple(each.terms.terms for each in self.editions),
            deadline=self.notice.deadline,
            commitments=tuple(self.submitted),
            chains=chains([(each.statement, previous[each.statement]) for each in self.submitted]),
            documents=tuple(self.documents),
        )
        superseded = tuple(id for id in closing.counted() if not self.edition(id).stands)
        closing = msgspec.structs.replace(closing, superseded=superseded)
        listed = {id: Statement(self.bids[id]).read(Envelope).documents for id in closing.counted()}
        closing = msgspec.structs.replace(closing, missing=closing.lacking(listed))
        self.closing = msgspec.structs.replace(closing, **changes)
        self.closing_id = self.say(EventType.CLOSED, self.closing, self.world.service)
        self.closing_note = self.note(cosigned_at or self.now + timedelta(seconds=1))
        self.counted = [self.unopened(id) for id in self.closing.counted()]

    def unopened(self, id: str) -> OpenedBid:
        envelope = Statement(self.bids[id]).read(Envelope)
        registration = Certificate(self.certificates[envelope.signer]).registration
        return OpenedBid(id=id, registration=registration, envelope=envelope)

    def order(self, part: Part, members: Sequence[Member] | None = None) -> list[OpeningPartial]:
        """The members' signed orders, each logged."""
        self.now = max(self.now + timedelta(seconds=1), self.notice.opens)
        partials = [
            self.partial(member, part, each, under(self.editions, round))
            for round in self.rounds()
            for each in self.ordered(part, round)
            for member in members or self.world.members[:2]
        ]
        for partial in partials:
            member = self.world.members[partial.member - 1]
            self.say(EventType.PARTIAL, partial, member.key, part)
        return partials

    def partial(
        self, member: Member, part: Part, subject: Subject, terms: SubmissionTerms | None = None
    ) -> OpeningPartial:
        """What one member signs to open that of `part`."""
        name = section(part, subject.lot)
        return member.sign_order(terms or self.terms, name, subject.bid, self.now, self.world.entropy)

    def to_open(self, part: Part) -> list[Chosen]:
        """What the committee opens of `part`."""
        return to_open(part, self.notice, self.counted, self.sheets)

    def open(self, part: Part, partials: Sequence[OpeningPartial] | None = None) -> None:
        given = partials or self.order(part)
        own, *earlier = [self.round_keys(part, round, given) for round in self.rounds()]
        opening = Opening(
            **self.about(self.world.service),
            part=part,
            round=own.round,
            beacon=own.beacon,
            keys=own.keys,
            earlier=tuple(earlier),
        )
        self.openings[part] = opening
        id = self.say(EventType.OPENED, opening, self.world.service, part)
        if part == self.notice.parts[0]:
            self.opening_id = id
        chosen = self.to_open(part)
        parts = [self.part_to_open(each, opening) for each in chosen]
        results = list(zip(chosen, open_parts(parts), strict=True))
        self.log(*(self.opened_event(each.section, each.bid.id, result) for each, result in results))
        for each, result in results:
            self.counted = [self.with_result(each, bid, result) for bid in self.counted]

    def part_to_open(self, each: Chosen, opening: Opening) -> PartToOpen:
        terms = self.edition(each.bid.id).terms
        return PartToOpen(envelope=each.bid.envelope, terms=terms, opening=opening, lot=each.lot)

    def rounds(self) -> list[str]:
        """The rounds that bids which count were sealed for, the latest edition's first."""
        return rounds(self.editions, [self.edition(each.id).terms.terms for each in self.counted])

    def ordered(self, part: Part, round: str) -> list[Subject]:
        """What has an order each, lot by lot, in the order in which the bids came; or one order for all."""
        chosen = self.to_open(part)
        wanted = orders_of(part, round, chosen)
        return [Subject()] if part != "price" else [e.subject for e in chosen if e.subject in wanted]

    def round_keys(self, part: Part, round: str, partials: Sequence[OpeningPartial]) -> RoundKeys:
        given = [each for each in partials if each.round == round]
        keys = combined(part, given, self.notice.committee, self.key, under(self.editions, round))
        beacon = self.world.beacon.sign(int(round), self.now).signature.hex()
        return RoundKeys(round=round, beacon=beacon, keys=keys)

    def opened_event(self, name: Section, id: str, result: bytes | str) -> Event:
        partners = Statement(self.bids[id]).read(Envelope).consortium
        content, reason = outcome(result, name, self.edition(id).notice, partners)
        part, lot = place(name)
        return Event(
            t=EventType.BID_OPENED if content else EventType.BID_UNOPENABLE,
            time=moment(self.now),
            statement=id,
            part=part,
            lot=lot,
            content=content,
            reason=reason,
        )

    def with_result(self, each: Chosen, bid: OpenedBid, result: bytes | str) -> OpenedBid:
        if bid.id != each.bid.id or isinstance(result, str):
            return bid
        name, under = each.section, (self.edition(bid.id).notice, bid.envelope.consortium)
        if outcome(result, name, *under)[0] is None:
            return bid
        self.contents[bid.id, name] = result
        return with_part(bid, read_part(name, result, *under))

    def request_draw(
        self, ahead: timedelta = timedelta(minutes=10), seen: timedelta = timedelta(seconds=1), **changes: Any
    ) -> None:
        """The officer fixes a round so far `ahead`; witnesses co-sign what was `seen` after so long."""
        officer = self.world.officer
        self.now += timedelta(seconds=1)
        round = str(self.notice.network.round_at(self.now + ahead))
        self.draw_request = msgspec.structs.replace(
            DrawRequest(**self.about(officer), round=round), **changes
        )
        self.draw_id = self.say(EventType.DRAW_REQUESTED, self.draw_request, officer)
        self.draw_note = self.note(self.now + seen)

    def draw_panel(self, **changes: Any) -> None:
        """The round comes, and the service says in which order the pool is called."""
        round = int(self.draw_request.round)
        self.now = max(self.now, self.notice.network.time_of(round))
        beacon = self.world.beacon.sign(round, self.now).signature.hex()
        draw = PanelDraw(
            **self.about(self.world.service),
            request=self.draw_id,
            round=str(round),
            beacon=beacon,
            tickets=tickets(self.notice, self.notice_id, beacon),
        )
        self.draw = msgspec.structs.replace(draw, **changes)
        self.say(EventType.PANEL_DRAWN, self.draw, self.world.service)

    def score_sheet(
        self,
        points: Mapping[Any, str] | None = None,
        evaluator: SigningKey | None = None,
    ) -> None:
        """Everybody gets 80 points but those in `points`, by envelope or by envelope and lot."""
        evaluator, given = evaluator or self.world.evaluator, points or {}
        self.now += timedelta(seconds=1)
        self.declare(evaluator)
        scores = tuple(
            CriterionScore(
                bid=bid, lot=lot, criterion=criterion, score=given.get((bid, lot), given.get(bid, "80"))
            )
            for bid, lot, criterion in expected_scores(self.notice, proposed(self.counted))
        )
        salt = self.world.entropy(32).hex()
        sheet = SignedScores(**self.about(evaluator), scores=scores, salt=salt)
        self.sheets.append(sheet)
        self.say(EventType.SHEET_SIGNED, sheet, evaluator)

    def reveal(self, lot: str, salt: str, prices: Sequence[str], officer: SigningKey | None = None) -> None:
        officer = officer or self.world.officer
        self.now += timedelta(seconds=1)
        revealed = RevealedPrices(**self.about(officer), lot=lot, salt=salt, prices=tuple(prices))
        self.revealed[lot] = revealed
        self.say(EventType.PRICES_REVEALED, revealed, officer)

    def evaluate(self, **changes: Any) -> None:
        self.now += timedelta(seconds=1)
        opening = self.openings[self.notice.parts[0]]
        lots = score(self.notice, self.notice_id, opening, self.counted, self.sheets, self.revealed)
        self.evaluated = msgspec.structs.replace(
            Evaluated(**self.about(self.world.service), lots=lots), **changes
        )
        self.evaluation_id = self.say(EventType.SCORED, self.evaluated, self.world.service)

    def ask(self, bid: str, officer: SigningKey | None = None, **changes: Any) -> str:
        """An officer asks a candidate for documents. Returns the request's id."""
        officer = officer or self.world.officer
        self.now += timedelta(seconds=1)
        self.declare(officer)
        about, lot = self.about(officer), self.notice.lots[0].id
        due = self.selection().due_at(lot, self.now)
        request = ExaminationRequest(
            **about, evaluation=self.evaluation_id, lot=lot, bid=bid, documents="Proof of works", due=due
        )
        request = msgspec.structs.replace(request, **changes)
        return self.proceed(EventType.EXAMINATION_REQUESTED, request, officer)

    def ask_more(self, request: str, **changes: Any) -> str:
        """The officer asks for a supplement. Returns the id of that request."""
        self.now += timedelta(seconds=1)
        due = self.selection().due_at(self.notice.lots[0].id, self.now, supplement=True)
        about = self.about(self.world.officer)
        more = SupplementRequest(**about, request=request, documents="The second page", due=due)
        more = msgspec.structs.replace(more, **changes)
        return self.proceed(EventType.SUPPLEMENT_REQUESTED, more, self.world.officer)

    def hand_in(self, request: str, bidder: SigningKey, *titles: str) -> None:
        """The candidate names files, whose hashes follow from their titles."""
        self.now += timedelta(seconds=1)
        files = tuple(evidence(title) for title in titles or ("Works",))
        said = ExaminationDocuments(**self.about(bidder), request=request, files=files)
        self.proceed(EventType.EXAMINATION_DOCUMENTED, said, bidder)

    def examine(self, request: str, *scores: str, **changes: Any) -> None:
        """The officer scores the criteria in their order; nothing where no documents came."""
        self.now += timedelta(seconds=1)
        selection = self.selection()
        figures = figured(selection, self.notice, request, scores)
        result = ExaminationResult(**self.about(self.world.officer), **figures)
        result = msgspec.structs.replace(result, **changes)
        self.proceed(EventType.EXAMINED, result, self.world.officer)

    def negotiate(self, bid: str, outcome: Literal["agreed", "failed"], **changes: Any) -> None:
        """The officer negotiates with one of those in line."""
        officer = self.world.officer
        self.now += timedelta(seconds=1)
        self.declare(officer)
        result = NegotiationResult(
            **self.about(officer),
            evaluation=self.evaluation_id,
            lot=self.notice.lots[0].id,
            bid=bid,
            outcome=outcome,
            reason="As the minutes say",
        )
        self.proceed(EventType.NEGOTIATED, msgspec.structs.replace(result, **changes), officer)

    def selection(self) -> Selection:
        """What was done about those in line so far."""
        selection = Selection(self.notice, self.evaluation_id, self.evaluated)
        for step in self.proceedings:
            selection.hear(*step)
        return selection

    def proceed(self, type_: EventType, said: Said, key: SigningKey) -> str:
        """Says something about one of those in line."""
        id = self.say(type_, said, key)
        self.proceedings = [*self.proceedings, (id, said, self.now, key.certificate.registration)]
        return id

    def award(
        self,
        standstill: timedelta | None = None,
        officer: SigningKey | None = None,
        second: SigningKey | None = None,
        **changes: Any,
    ) -> None:
        officer, second = officer or self.world.officer, second or self.world.second
        self.now += timedelta(seconds=1)
        self.declare(officer)
        self.intended = IntendedAward(
            **self.about(officer), evaluation=self.evaluation_id, awards=self.winners()
        )
        intention = self.say(EventType.INTENDED, self.intended, officer)
        self.now += standstill if standstill is not None else timedelta(seconds=self.notice.standstill)
        award = Award(**self.about(officer), intention=intention, awards=self.intended.awards)
        data = self.signed(msgspec.structs.replace(award, **changes), officer)
        self.declare(second)
        self.countersign(EventType.AWARD_COUNTERSIGNED, Statement(data).id, second)
        self.post(EventType.AWARDED, data, officer)

    def winners(self) -> tuple[LotAward, ...]:
        """Whom the intention names."""
        return first_in_line(self.evaluated, self.selection().chosen())

    def to_award(self) -> "Life":
        """Everything from the closing on, as it should be."""
        self.close()
        for part in self.notice.parts:
            self.open(part)
            if part == "technical":
                self.score_sheets()
        self.evaluate()
        self.award()
        return self

    def score_sheets(self) -> None:
        """Everybody's on the panel."""
        for each in self.panel():
            self.score_sheet(evaluator=each)

    def note(self, cosigned_at: datetime) -> str:
        """The log's present head with the witness's co-signature."""
        frontier, _ = Frontier().extend(leaf_hash(entry) for entry in self.entries)
        note = sign_checkpoint(
            Checkpoint(origin=ORIGIN, size=frontier.size, root=frontier.root), self.world.log
        )
        return note + cosign(note, self.world.witness, cosigned_at)

    def facts(self) -> bundle.Facts:
        closed_size, draw_size = size_of(self.closing_note), size_of(self.draw_note) if self.draw else 0
        size = len(self.entries)
        leaves = tuple(leaf_hash(entry) for entry in self.entries)
        history = tuple(
            bundle.LoggedEntry(
                index=index,
                entry=to_base64(self.entries[index]),
                path=tuple(map(to_base64, inclusion(leaves, index))),
            )
            for index in self.history
        )
        closed = next(i for i, index in enumerate(self.history) if index == closed_size - 1)
        proofs = bundle.Proofs(
            history=history,
            commitments=tuple(
                tuple(map(to_base64, inclusion(leaves, each.index))) for each in self.submitted
            ),
            closing=tuple(map(to_base64, inclusion(leaves[:closed_size], self.history[closed]))),
            consistency=tuple(map(to_base64, consistency(leaves, closed_size))) if size else (),
            documents=tuple(tuple(map(to_base64, inclusion(leaves, each.index))) for each in self.documents),
            draw=tuple(map(to_base64, inclusion(leaves[:draw_size], draw_size - 1))) if draw_size else (),
            draw_consistency=tuple(map(to_base64, consistency(leaves, draw_size))) if draw_size else (),
        )
        withdrawn = self.closing.withdrawn()
        counted = set(self.closing.counted())
        co_signed = {key: data for key, data in self.co_signatures.items() if key[0] in counted}
        shown = {Statement(self.bids[id]).signer for id in counted} | {partner for _, partner in co_signed}
        shown |= {Statement(self.withdrawals[id]).signer for id in withdrawn}
        hidden = {Statement(data).signer for data in (*self.bids.values(), *self.withdrawals.values())}
        hidden |= {partner for _, partner in self.co_signatures}
        taken = {each.status for each in self.submitted if each.statement in {*counted, *withdrawn}}
        return bundle.Facts(
            claims=self.world.trust,
            checkpoint=self.note(self.now + timedelta(seconds=1)),
            closing_checkpoint=self.closing_note,
            draw_checkpoint=self.draw_note if self.draw else None,
            proofs=proofs,
            statements=self.statements,
            bids={id: data for id, data in self.bids.items() if id in counted},
            withdrawals={id: self.withdrawals[id] for id in withdrawn},
            co_signatures=co_signed,
            contents=self.contents,
            certificates=[der for fp, der in self.certificates.items() if fp not in hidden - shown],
            statuses={id: data for id, data in self.statuses.items() if id in self.looked_at | taken},
        )

    def record(self) -> bytes:
        return bundle.build(self.facts())

    def files(self) -> dict[str, bytes]:
        """The record's files but for its manifest, also of a life that no honest record can be made of."""
        files = bundle.files_of(self.facts())
        try:
            return files | {"ocds.json": ocds.record_of(bundle.Record(files).published())}
        except (VerificationError, LookupError, ValueError):  # it relies on what a verifier checks before it
            return files | {"ocds.json": b"{}"}


def size_of(note: str) -> int:
    """How many entries the log had that a signed note is about."""
    return checkpoint.Checkpoint.parse(checkpoint.Note.parse(note).text).size


def packed(files: Mapping[str, bytes]) -> bytes:
    """A record of these files, with the manifest that belongs to them."""
    return archive.pack({**files, "manifest.json": encode(bundle.manifest(files))})


def signed_anyhow(purpose: str, body: bytes, key: SigningKey) -> bytes:
    """A genuine signature by `key` under `body`, whatever it says."""
    payload_type = PAYLOAD_TYPE.format(purpose=purpose)
    signature = {"keyid": key.fingerprint, "sig": to_base64(key.sign(pae(payload_type, body)))}
    return encode({"payload": to_base64(body), "payloadType": payload_type, "signatures": [signature]})


def a_bidder(world: World, number: int) -> SigningKey:
    return world.enrol(Role.BUSINESS, f"Bidder {number}", f"123-45-{number:05}")


@cache
def root_of(leaves: tuple[bytes, ...]) -> bytes:
    """RFC 6962's tree hash as its definition reads, independent of crypto.merkle's."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def inclusion(leaves: tuple[bytes, ...], index: int) -> list[bytes]:
    """RFC 6962 section 2.1.1, PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*inclusion(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion(leaves[split:], index - split), root_of(leaves[:split])]


def consistency(leaves: tuple[bytes, ...], old: int, whole: bool = True) -> list[bytes]:
    """RFC 6962 section 2.1.2, SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= split:
        return [*consistency(leaves[:split], old, whole), root_of(leaves[split:])]
    return [*consistency(leaves[split:], old - split, False), root_of(leaves[:split])]
