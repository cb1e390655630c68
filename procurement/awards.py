"""From closing to award, or to another end: what panel, officer and service sign after the last bid is in."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from crypto.certificates import Role
from crypto.encoding import Hex32, Identifier, Moment, Value
from crypto.statements import Payload
from procurement.errors import TenderError
from procurement.evaluation import Evaluation
from procurement.money import Amount, Points

Chosen = Mapping[str, str | None]
"""By lot whose award takes more than the first rank: the envelope of who passed, or None where nobody did."""


class LateClosing(Payload, frozen=True, kw_only=True):
    """The officer answers for opening although the closing was witnessed only after the round."""

    PURPOSE: ClassVar[str] = "late-closing"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    closing: Hex32
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    time: Moment


class CriterionScore(Value, frozen=True, kw_only=True):
    """Points for one criterion of one lot, for the bid in envelope `bid`."""

    bid: Hex32
    lot: Identifier
    criterion: Identifier
    score: Points


class SignedScores(Payload, frozen=True, kw_only=True):
    """One evaluator's score sheet: all bids, all criteria.

    Its id is public as soon as it is signed, its content only with the last sheet: without the random `salt`
    a colleague could find the scores by trying.
    """

    PURPOSE: ClassVar[str] = "score-sheet"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.EVALUATOR,)

    tender: Identifier
    notice: Hex32
    scores: Annotated[tuple[CriterionScore, ...], msgspec.Meta(min_length=1)]
    salt: Hex32
    time: Moment


class RevealedPrices(Payload, frozen=True, kw_only=True):
    """The officer reveals the preliminary prices that the notice committed to."""

    PURPOSE: ClassVar[str] = "reserve-prices"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    lot: Identifier
    salt: Hex32
    prices: Annotated[tuple[Amount, ...], msgspec.Meta(min_length=15, max_length=15)]
    time: Moment


class LotEvaluation(Value, frozen=True, kw_only=True):
    """The ranking of one lot with its explanation."""

    lot: Identifier
    evaluation: Evaluation


class Evaluated(Payload, frozen=True, kw_only=True):
    """The service publishes what the rule sets came to, lot by lot."""

    PURPOSE: ClassVar[str] = "evaluation"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    lots: tuple[LotEvaluation, ...]
    time: Moment


class LotAward(Value, frozen=True, kw_only=True):
    """A winner of a lot: envelope `bid` of `supplier` (registration number). Neither: unsuccessful.

    A lot with several winners has one for each, in the order of their ranks.
    """

    lot: Identifier
    bid: Hex32 | None = None
    supplier: Identifier | None = None


class IntendedAward(Payload, frozen=True, kw_only=True):
    """The officer says whom the contract is meant for; the standstill runs from its entry in the log."""

    PURPOSE: ClassVar[str] = "award-intention"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    evaluation: Hex32
    """Id of the evaluation this follows."""
    awards: tuple[LotAward, ...]
    time: Moment


class ConflictDeclaration(Payload, frozen=True, kw_only=True):
    """An official who has seen who bids says whether that is a conflict of interest. Made once."""

    PURPOSE: ClassVar[str] = "conflict-declaration"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER, Role.EVALUATOR)

    tender: Identifier
    notice: Hex32
    opening: Hex32
    """Id of the opening of the tender's first part, after which it is known who bids."""
    conflict: bool
    explanation: Annotated[str, msgspec.Meta(max_length=2000)]
    """What the conflict is; may be empty where there is none."""
    time: Moment


class Countersignature(Payload, frozen=True, kw_only=True):
    """A second officer's word for a colleague's notice, amendment, termination or award: without it none of
    them counts."""

    PURPOSE: ClassVar[str] = "countersignature"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    statement: Hex32
    """Id of what is countersigned."""
    time: Moment


class Award(Payload, frozen=True, kw_only=True):
    """The officer awards, after the standstill, what was intended."""

    PURPOSE: ClassVar[str] = "award"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    intention: Hex32
    awards: tuple[LotAward, ...]
    time: Moment


class Termination(Payload, frozen=True, kw_only=True):
    """The officer ends a tender without an award: it is cancelled, or nothing can come of it. No bid that is
    sealed then is ever opened."""

    PURPOSE: ClassVar[str] = "termination"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    outcome: Literal["cancelled", "unsuccessful"]
    """OCDS tenderStatus."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    time: Moment


def first_in_line(evaluated: Evaluated, chosen: Chosen | None = None) -> tuple[LotAward, ...]:
    """The awards that follow from the rankings: lot by lot the first in line, as many as the rules let win;
    nobody where no bid is ranked; of the lots that `chosen` has, who stands there."""
    return tuple(award for each in evaluated.lots for award in _winners(each, chosen or {}))


def check_intention(
    intended: IntendedAward, evaluated: Evaluated, evaluation: str, chosen: Chosen | None = None
) -> None:
    """`intended` names the first in line of the evaluation with that id, of those who were `chosen` where
    that takes more than the rank. Raises TenderError."""
    if intended.evaluation != evaluation:
        raise TenderError("wrong-evaluation", "the intention names another evaluation")
    if intended.awards != first_in_line(evaluated, chosen):
        raise TenderError("not-first-in-line", "the intended award names someone else than the first in line")


def check_award(award: Award, intended: IntendedAward, intention: str) -> None:
    """`award` is what was intended by the statement with that id. Raises TenderError."""
    if award.intention != intention or award.awards != intended.awards:
        raise TenderError("not-as-intended", "the award differs from what was intended")


def check_seen(declaration: ConflictDeclaration, opening: str) -> None:
    """The declaration names the opening, so who bids could be known when it was made. Raises TenderError."""
    if declaration.opening != opening:
        raise TenderError("wrong-opening", "the declaration names another opening than the tender's first")


def check_countersigned(statement: str, word: Countersignature) -> None:
    """`word` is about the statement with that id. Raises TenderError."""
    if word.statement != statement:
        raise TenderError("wrong-countersignature", "another statement is countersigned")


def scores_of(sheet: SignedScores, lot: str) -> Mapping[str, Mapping[str, str]]:
    """One lot's scores: envelope id → criterion → points."""
    scores: dict[str, dict[str, str]] = {}
    for each in sheet.scores:
        if each.lot == lot:
            scores.setdefault(each.bid, {})[each.criterion] = each.score
    return scores


def _winners(each: LotEvaluation, chosen: Chosen) -> list[LotAward]:
    in_line = [ranked for ranked in each.evaluation.ranking if ranked.rank is not None]
    winning = in_line[: each.evaluation.winners or 1]
    if each.lot in chosen:
        winning = [ranked for ranked in in_line if ranked.bid == chosen[each.lot]]
    awards = [LotAward(lot=each.lot, bid=ranked.bid, supplier=ranked.bidder) for ranked in winning]
    return awards or [LotAward(lot=each.lot)]
