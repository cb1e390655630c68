"""From merits to ranks: one order for all rule sets, with equal merits drawn apart in public."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from crypto.draws import PublicRandomness, ticket
from procurement.evaluation.values import Line, Ranked, line


class Entrant(NamedTuple):
    """A bid's result, and its merit where it is in line: the smaller comes first."""

    merit: tuple[Decimal, ...]
    result: Ranked


def ranked(entrants: Sequence[Entrant], randomness: PublicRandomness) -> tuple[Ranked, ...]:
    """Results in their published order: those in line with their ranks, then those out by envelope id.

    Equal merits are ordered by their tie-break tickets, ascending (PROTOCOL section 8), and each of the
    equal bids is shown its ticket. No two bids share a rank.
    """
    seed = randomness.seed("tie-break")
    in_line = [
        (entrant.merit, ticket(seed, bytes.fromhex(entrant.result.bid)).hex(), entrant.result)
        for entrant in entrants
        if entrant.result.reason == "valid"
    ]
    in_line.sort(key=lambda drawn: drawn[:2])
    equals = Counter(merit for merit, _, _ in in_line)
    placed = (
        _placed(result, rank, len(in_line), _tie(equals[merit], its_ticket))
        for rank, (merit, its_ticket, result) in enumerate(in_line, start=1)
    )
    out = (entrant.result for entrant in entrants if entrant.result.reason != "valid")
    return *placed, *sorted(out, key=lambda result: result.bid)


def _tie(equals: int, its_ticket: str) -> tuple[Line, ...]:
    return (line("tie-draw", equals=str(equals), ticket=its_ticket),) if equals > 1 else ()


def _placed(result: Ranked, rank: int, of: int, tie: tuple[Line, ...]) -> Ranked:
    lines = (*result.lines, *tie, line("rank", rank=str(rank), inLine=str(of)))
    return msgspec.structs.replace(result, rank=rank, lines=lines)
