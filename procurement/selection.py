"""From a ranking to an award where the first rank is not enough: qualification examinations (적격심사) and
negotiations in the order of the ranks (협상), each step a signed statement in the tender's history.

`Selection` hears these statements one after another, at the service, at a verifier and at whoever is about to
sign one, and comes to the same winner everywhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from crypto.certificates import Role
from crypto.encoding import Hex32, Identifier, Moment, Small, Value, moment, parse_moment
from crypto.statements import Payload
from procurement import money
from procurement.awards import Chosen, Evaluated
from procurement.duties import Declared, Officials, check_declared
from procurement.errors import TenderError
from procurement.evaluation import (
    Evaluation,
    Examination,
    Examined,
    KrNegotiation,
    KrPriceFloor,
    Ranked,
    takes_more,
)
from procurement.evaluation.examination import passes
from procurement.evaluation.kr_price_floor import examine
from procurement.history import EventType
from procurement.money import Points
from procurement.notices import Line
from procurement.tenders import PROMPT, Lot, Notice

Explanation = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Outcome = Literal["passed", "below-pass-mark", "no-documents"]
MOST_FILES = 100


class ExaminationRequest(Payload, frozen=True, kw_only=True):
    """The officer asks who is next in line for documents, which are due at the end of the notice's period."""

    PURPOSE: ClassVar[str] = "examination-request"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    evaluation: Hex32
    """Id of the evaluation whose ranking this follows."""
    lot: Identifier
    bid: Hex32
    """The candidate's envelope."""
    documents: Explanation
    """What is asked for."""
    due: Moment
    time: Moment


class SupplementRequest(Payload, frozen=True, kw_only=True):
    """The officer asks, once, for what is missing in the documents that came."""

    PURPOSE: ClassVar[str] = "supplement-request"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    request: Hex32
    """Id of the examination's request."""
    documents: Explanation
    due: Moment
    time: Moment


class EvidenceFile(Value, frozen=True, kw_only=True):
    """A file that goes to the officials and is public by its hash alone; `size` in bytes."""

    title: Line
    sha256: Hex32
    size: Small


class ExaminationDocuments(Payload, frozen=True, kw_only=True):
    """The candidate hands in what was asked for, once for each request."""

    PURPOSE: ClassVar[str] = "examination-documents"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.BUSINESS,)

    tender: Identifier
    notice: Hex32
    request: Hex32
    """Id of the request, or of that for a supplement, which this answers."""
    files: Annotated[tuple[EvidenceFile, ...], msgspec.Meta(min_length=1, max_length=MOST_FILES)]
    time: Moment


class CapabilityScore(Value, frozen=True, kw_only=True):
    """Points for one criterion, the files that show them (SHA-256), and why they are so many."""

    criterion: Identifier
    score: Points
    evidence: tuple[Hex32, ...] = ()
    reason: Explanation


class ExaminationResult(Payload, frozen=True, kw_only=True):
    """The officer's scores, and what they come to with the price. Without documents nothing is scored."""

    PURPOSE: ClassVar[str] = "examination-result"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    request: Hex32
    """Id of the examination's request."""
    outcome: Outcome
    scores: tuple[CapabilityScore, ...] = ()
    examined: Examined | None = None
    time: Moment


class NegotiationResult(Payload, frozen=True, kw_only=True):
    """The officer says what the negotiation with the next in rank came to."""

    PURPOSE: ClassVar[str] = "negotiation-result"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    evaluation: Hex32
    lot: Identifier
    bid: Hex32
    outcome: Literal["agreed", "failed"]
    reason: Explanation
    time: Moment


Said: TypeAlias = (
    ExaminationRequest | SupplementRequest | ExaminationDocuments | ExaminationResult | NegotiationResult
)

SAID: dict[EventType, type[Said]] = {
    EventType.EXAMINATION_REQUESTED: ExaminationRequest,
    EventType.SUPPLEMENT_REQUESTED: SupplementRequest,
    EventType.EXAMINATION_DOCUMENTED: ExaminationDocuments,
    EventType.EXAMINED: ExaminationResult,
    EventType.NEGOTIATED: NegotiationResult,
}
"""What the statement behind each of these entries is."""


class Candidacy(msgspec.Struct, kw_only=True):
    """What was done about one of those in line."""

    lot: str
    ranked: Ranked
    requests: dict[str, ExaminationRequest | SupplementRequest] = {}
    """By id: the examination's request, then that for a supplement."""
    answers: dict[str, ExaminationDocuments] = {}
    """By id of the request that they answer."""
    result: ExaminationResult | NegotiationResult | None = None
    at: datetime | None = None
    """When the result was logged."""

    @property
    def passed(self) -> bool:
        """Whether the result is there and says that the candidate may be awarded."""
        return self.result is not None and self.result.outcome in ("passed", "agreed")

    @property
    def total(self) -> Decimal:
        """The points of an examination; none where nothing was examined."""
        examined = self.result.examined if isinstance(self.result, ExaminationResult) else None
        return money.parse(examined.total, places=4) if examined else Decimal(0)

    @property
    def files(self) -> list[EvidenceFile]:
        """What the candidate handed in."""
        return [file for answer in self.answers.values() for file in answer.files]

    @property
    def due(self) -> datetime:
        """When the documents are due that were asked for last."""
        return parse_moment(list(self.requests.values())[-1].due)

    @property
    def answered(self) -> bool:
        """Whether all came that was asked for."""
        return self.answers.keys() == self.requests.keys()


class Selection:
    """Who of those in line was examined or negotiated with since the evaluation, and what came of it."""

    def __init__(self, notice: Notice, evaluation_id: str, evaluated: Evaluated) -> None:
        self._notice = notice
        self._evaluation_id = evaluation_id
        self._evaluations = {each.lot: each.evaluation for each in evaluated.lots}
        self._lots = {lot.id: lot for lot in notice.lots if takes_more(lot.rules)}
        _require(self._lots.keys() <= self._evaluations.keys(), "wrong-evaluation", "a lot is not evaluated")
        self._lines = {id: _line(lot, self._evaluations[id]) for id, lot in self._lots.items()}
        self._asked: dict[str, Candidacy] = {}

    @property
    def candidacies(self) -> list[Candidacy]:
        """Everybody about whom something was said, lot by lot in the order of the ranks."""
        everybody = (each for line in self._lines.values() for equals in line for each in equals)
        return [each for each in everybody if each.requests or each.result]

    def chosen(self) -> Chosen:
        """The winner of each lot that takes more than a rank. Raises TenderError while one is open."""
        return {lot: self._winner(lot) for lot in self._lots}

    def due(self, lot: str) -> list[Candidacy]:
        """Whose turn it is: the next in line without a result, several where their prices are equal.

        Nobody where the lot is decided. Raises TenderError for a lot that takes no more than a rank.
        """
        _require(lot in self._lines, "nothing-to-select", "the notice awards this lot by rank alone")
        for equals in self._lines[lot]:
            if waiting := [each for each in equals if each.result is None]:
                return waiting
            if any(each.passed for each in equals):
                break
        return []

    def asked(self, request: str) -> Candidacy:
        """Whom the request with that id, or that for a supplement, asks. Raises TenderError."""
        _require(request in self._asked, "no-such-request", "no such request was made")
        return self._asked[request]

    def due_at(self, lot: str, time: datetime, *, supplement: bool = False) -> str:
        """When documents are due that are asked for at `time`. Raises TenderError."""
        terms = self._examination(lot)
        within = terms.supplement_within if supplement else terms.documents_within
        return moment(time + timedelta(seconds=within))

    def examined(self, request: str, scores: Iterable[CapabilityScore]) -> Examined:
        """The figures of an examination with these scores. Raises TenderError, ScoresError."""
        candidate = self.asked(request)
        rules, evaluation = self._lots[candidate.lot].rules, self._evaluations[candidate.lot]
        if not isinstance(rules, KrPriceFloor) or evaluation.expected_price is None:
            raise TenderError("nothing-to-select", "this lot is not examined")
        return examine(
            rules,
            _amount(candidate.ranked),
            money.parse(evaluation.expected_price, places=2),
            {each.criterion: money.parse(each.score, places=4) for each in scores},
            parse_moment(self._notice.published),
        )

    def outcome(self, request: str, examined: Examined | None) -> Outcome:
        """What an examination with these figures comes to; without any, nothing was handed in in time."""
        if examined is None:
            return "no-documents"
        terms = self._examination(self.asked(request).lot)
        return "passed" if passes(terms, money.parse(examined.total, places=4)) else "below-pass-mark"

    def hear(self, id: str, said: Said, at: datetime, registration: str) -> None:
        """The statement with that id, as an entry of time `at` has it, by whoever has that number.

        Whether an officer may say it `check_may_say` asks. Raises TenderError where it is not the time for
        it or the figures are wrong, and ScoresError.
        """
        match said:
            case ExaminationRequest():
                self._hear_request(id, said, at)
            case SupplementRequest():
                self._hear_supplement(id, said, at)
            case ExaminationDocuments():
                self._hear_documents(said, at, registration)
            case ExaminationResult():
                self._hear_examined(said, at)
            case NegotiationResult():
                self._hear_negotiated(said, at)

    def _hear_request(self, id: str, said: ExaminationRequest, at: datetime) -> None:
        candidate = self._next(said)
        _require(not candidate.requests, "said-before", "this candidate was asked before")
        self._check_due(candidate, said, at)
        self._keep_request(id, candidate, said)

    def _hear_supplement(self, id: str, said: SupplementRequest, at: datetime) -> None:
        candidate = self._under_way(said.request)
        _require(len(candidate.requests) == 1, "said-before", "a supplement is asked for once")
        _require(candidate.answered, "nothing-to-supplement", "nothing was handed in that lacks anything")
        self._check_due(candidate, said, at)
        self._keep_request(id, candidate, said)

    def _hear_documents(self, said: ExaminationDocuments, at: datetime, registration: str) -> None:
        candidate = self.asked(said.request)
        if registration != candidate.ranked.bidder:
            raise TenderError("another-candidate", "another business was asked for its documents")
        _require(candidate.result is None, "examined", "the examination has ended")
        _require(said.request not in candidate.answers, "said-before", "documents are handed in once")
        due = parse_moment(candidate.requests[said.request].due)
        _require(at < due, "documents-late", "the documents were due before")
        candidate.answers = {**candidate.answers, said.request: said}

    def _hear_examined(self, said: ExaminationResult, at: datetime) -> None:
        candidate = self._under_way(said.request)
        waited = candidate.answered or at >= candidate.due
        _require(waited, "documents-awaited", "documents may still be handed in")
        examined = None
        if candidate.answers:
            _check_evidence(candidate, said.scores)
            examined = self.examined(said.request, said.scores)
        right = said.examined == examined and (examined is not None or not said.scores)
        _require(right, "figures-wrong", "the figures of the examination come out differently")
        right = said.outcome == self.outcome(said.request, examined)
        _require(right, "outcome-wrong", "the figures of the examination have another outcome")
        candidate.result, candidate.at = said, at

    def _hear_negotiated(self, said: NegotiationResult, at: datetime) -> None:
        candidate = self._next(said)
        negotiated = isinstance(self._lots[said.lot].rules, KrNegotiation)
        _require(negotiated, "nothing-to-select", "this lot is not negotiated")
        candidate.result, candidate.at = said, at

    def _next(self, said: ExaminationRequest | NegotiationResult) -> Candidacy:
        """The candidate that is meant, whose turn it is."""
        if said.evaluation != self._evaluation_id:
            raise TenderError("wrong-evaluation", "the statement is about another evaluation")
        for each in self.due(said.lot):
            if each.ranked.bid == said.bid:
                return each
        raise TenderError("not-next-in-line", "it is not this candidate's turn")

    def _keep_request(
        self, id: str, candidate: Candidacy, said: ExaminationRequest | SupplementRequest
    ) -> None:
        candidate.requests = {**candidate.requests, id: said}
        self._asked[id] = candidate

    def _under_way(self, request: str) -> Candidacy:
        """Whom the examination's own request with that id asks, before there is a result."""
        candidate = self.asked(request)
        first = next(iter(candidate.requests)) == request
        _require(first, "no-such-request", "a request for a supplement is meant, not the examination's")
        _require(candidate.result is None, "examined", "the examination has ended")
        return candidate

    def _check_due(
        self, candidate: Candidacy, said: ExaminationRequest | SupplementRequest, at: datetime
    ) -> None:
        """Nobody gets more time or less than the notice gives, counted from about the entry's time."""
        time = parse_moment(said.time)
        _require(abs(time - at) < PROMPT, "request-time-wrong", "the request's time is not now")
        due = self.due_at(candidate.lot, time, supplement=isinstance(said, SupplementRequest))
        _require(said.due == due, "due-wrong", "the documents are due at the end of the notice's period")

    def _winner(self, lot: str) -> str | None:
        """Of the first equals of whom anybody passed who has most points; then, who is first in line."""
        waiting = f"lot {lot}: the next in line is still to be examined, or negotiated with"
        _require(not self.due(lot), "not-selected", waiting)
        passed = [each for equals in self._lines[lot] for each in equals if each.passed]
        best = max(passed, key=lambda each: each.total, default=None)  # of several such the first in line
        return best.ranked.bid if best else None

    def _examination(self, lot: str) -> Examination:
        rules = self._lots[lot].rules if lot in self._lots else None
        if not isinstance(rules, KrPriceFloor) or rules.examination is None:
            raise TenderError("nothing-to-select", "this lot is not examined")
        return rules.examination


def check_may_say(said: Said, registration: str, officials: Officials, declared: Declared) -> None:
    """Whoever has that number is an officer in charge without a conflict of interest, unless a candidate is
    meant, whom `Selection.hear` asks. Raises TenderError."""
    if not isinstance(said, ExaminationDocuments):
        officials.check_in_charge(registration)
        check_declared(declared, registration)


def _line(lot: Lot, evaluation: Evaluation) -> list[list[Candidacy]]:
    """Those in line by rank; who is examined stands together with all who offer the same price."""
    in_line = [each for each in evaluation.ranking if each.rank is not None]
    by_price = isinstance(lot.rules, KrPriceFloor)
    equals = groupby(in_line, lambda each: _amount(each) if by_price else each.rank)
    return [[Candidacy(lot=lot.id, ranked=each) for each in several] for _, several in equals]


def _amount(ranked: Ranked) -> Decimal:
    if ranked.amount is None:
        raise TenderError("wrong-evaluation", "somebody in line has no price")
    return money.parse(ranked.amount, places=2)


def _check_evidence(candidate: Candidacy, scores: Sequence[CapabilityScore]) -> None:
    """Each criterion once; points are given for files that were handed in. Raises TenderError."""
    handed_in = {file.sha256 for file in candidate.files}
    criteria = [each.criterion for each in scores]
    _require(len(set(criteria)) == len(criteria), "scores-repeat", "a criterion is scored twice")
    for each in scores:
        shown = bool(each.evidence) or not money.parse(each.score, places=4)
        _require(
            shown and handed_in.issuperset(each.evidence),
            "evidence-missing",
            "points are given for files that were handed in",
        )


def _require(holds: bool, code: str, message: str) -> None:
    if not holds:
        raise TenderError(code, message)
