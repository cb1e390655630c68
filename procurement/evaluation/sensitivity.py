"""How much of a panel's result hangs on one evaluator, or on one weight.

*Without an evaluator* everything is computed again from the other sheets: who is in line, the lowest price,
the scores, the order. Where prices stay closed nobody can say whom one of them would make win; those who
would have been let in are named instead.

*A weight's move.* Let a bid in line have the published total T, and let f be what it gets of a weight of 1 in
what that weight is given for: its mean mark ÷ the most there is, or lowest price ÷ price. With the weight
moved by d, all other weights, and who is in line, fixed, its total is T + d·f. A bid i that does not win
comes before a winner w as soon as T_i + d·f_i > T_w + d·f_w:

    up:   d > (T_w − T_i) ÷ (f_i − f_w)   where f_i > f_w
    down: −d > (T_w − T_i) ÷ (f_w − f_i)  where f_i < f_w, and −d is at most the weight

The move that is stated is the least multiple of 0.0001 beyond that for any such pair, and its winners are the
first by T + d·f; equal ones stay in the order of the ranking.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from procurement.evaluation.panel import written
from procurement.evaluation.values import (
    Line,
    Sensitivity,
    Shift,
    WeightMoves,
    WithoutEvaluator,
    line,
)

Share = tuple[int, int]
"""Numerator ≥ 0 and denominator > 0 of what a bid gets of a weight of 1."""


class Weight(NamedTuple):
    """A criterion's weight, or the price's (None), in steps of 0.0001."""

    criterion: str | None
    steps: int


class Contender(NamedTuple):
    """A bid in line: its total in steps of 0.0001, and its share in each weight."""

    bid: str
    total: int
    shares: tuple[Share, ...]


class Outcome(NamedTuple):
    """What comes out without somebody's sheet: who wins, in order, and which closed bids would be let in."""

    winners: tuple[str, ...]
    passing: tuple[str, ...] = ()


def sensitivity(
    evaluators: Sequence[str],
    outcome: Callable[[str], Outcome],
    weights: Sequence[Weight],
    contenders: Sequence[Contender],
    winners: int,
    bidders: Mapping[str, str],
) -> Sensitivity:
    """`evaluators` ascending, and the `outcome` without each; `contenders` in the order of their ranks, of
    whom the first `winners` win; `bidders` by envelope id."""
    won = {each.bid for each in contenders[:winners]}
    without = tuple(_without(each, outcome(each), won) for each in evaluators) if len(evaluators) > 1 else ()
    moves = tuple(_moves(index, weight, contenders, winners) for index, weight in enumerate(weights))
    explained = [each for one in without for each in _evaluator_lines(one, bidders)]
    explained += [each for one in moves for each in _weight_lines(one, bidders)]
    return Sensitivity(evaluators=without, weights=moves, lines=tuple(explained))


def _without(evaluator: str, others: Outcome, won: set[str]) -> WithoutEvaluator:
    winners = None if set(others.winners) == won else others.winners
    return WithoutEvaluator(evaluator=evaluator, winners=winners, passing=others.passing)


def _moves(index: int, weight: Weight, contenders: Sequence[Contender], winners: int) -> WeightMoves:
    return WeightMoves(
        criterion=weight.criterion,
        weight=written(weight.steps),
        up=_shift(index, 1, contenders, winners),
        down=_shift(index, -1, contenders, winners, most=weight.steps),
    )


def _shift(
    index: int, sign: int, contenders: Sequence[Contender], winners: int, most: int | None = None
) -> Shift | None:
    first, others = contenders[:winners], contenders[winners:]
    steps = [(least, each) for each in others for least in _overtaking(index, sign, first, each)]
    move = min((least for least, _ in steps), default=None)
    if move is None or (most is not None and move > most):
        return None
    rivals = dict.fromkeys(each for least, each in steps if least == move)

    def moved(each: Contender) -> Fraction:
        return each.total + sign * move * Fraction(*each.shares[index])

    order = sorted([*first, *rivals], key=moved, reverse=True)  # equal ones stay as they are ranked
    return Shift(by=written(move), winners=tuple(each.bid for each in order[:winners]))


def _overtaking(index: int, sign: int, first: Sequence[Contender], rival: Contender) -> list[int]:
    """The least steps of a move by which `rival` comes before one of those who win."""
    a, b = rival.shares[index]
    found = []
    for each in first:
        c, d = each.shares[index]
        gains = sign * (a * d - c * b)
        if gains > 0:
            found.append((each.total - rival.total) * b * d // gains + 1)
    return found[:1] if len(found) < 2 else [min(found)]


def _evaluator_lines(each: WithoutEvaluator, bidders: Mapping[str, str]) -> list[Line]:
    evaluator = each.evaluator
    lines = [line("evaluator-without-effect", evaluator=evaluator)]
    if each.winners:
        lines = [line("evaluator-decides", evaluator=evaluator, bidders=_names(each.winners, bidders))]
    elif each.winners is not None:
        lines = [line("evaluator-carries", evaluator=evaluator)]
    if each.passing:
        lines.append(line("evaluator-shuts-out", evaluator=evaluator, bidders=_names(each.passing, bidders)))
    return lines


def _weight_lines(each: WeightMoves, bidders: Mapping[str, str]) -> list[Line]:
    prefix, about = "price-weight", {"weight": each.weight}
    if each.criterion is not None:
        prefix, about = "weight", {"criterion": each.criterion, **about}
    moves = [
        line(f"{prefix}-{direction}", **about, by=shift.by, bidders=_names(shift.winners, bidders))
        for direction, shift in (("up", each.up), ("down", each.down))
        if shift
    ]
    return moves or [line(f"{prefix}-without-effect", **about)]


def _names(bids: Sequence[str], bidders: Mapping[str, str]) -> str:
    return ", ".join(bidders[bid] for bid in bids)
