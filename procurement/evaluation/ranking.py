"""From merits to ranks: one order for all rule sets, with equal merits drawn apart in public."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from crypto.draws import PublicRandomness, ticket
from procurement.evaluation.values import Line, Ranked, line

Merit = tuple[Decimal | int, ...]
"""What bids in line are compared by: the smaller comes first."""


class Entrant(NamedTuple):
    """A bid's result, and its merit where it is in line."""

    merit: Merit
    result: Ranked


def ranked(entrants: Sequence[Entrant], randomness: PublicRandomness) -> tuple[Ranked, ...]:
    """Results in their published order: those in line with their ranks, then those out by envelope id.

    Equal merits are ordered by their tie-break tickets, ascending (PROTOCOL section 8), and each of the
    equal bids is shown its ticket. No two bids share a rank.
    """
    drawn = tickets(randomness, [entrant.result.bid for entrant in entrants])
    in_line = [
        (entrant.merit, drawn[entrant.result.bid], entrant.result)
        for entrant in entrants
        if entrant.result.reason == "valid"
    ]
    in_line.sort(key=lambda placed: placed[:2])
    equals = Counter(merit for merit, _, _ in in_line)
    placed = (
        _placed(result, rank, len(in_line), _tie(equals[merit], its_ticket))
        for rank, (merit, its_ticket, result) in enumerate(in_line, start=1)
    )
    out = (entrant.result for entrant in entrants if entrant.result.reason != "valid")
    return *placed, *sorted(out, key=lambda result: result.bid)


def tickets(randomness: PublicRandomness, bids: Iterable[str]) -> dict[str, str]:
    """Each bid's tie-break ticket, hex, by envelope id."""
    seed = randomness.seed("tie-break")
    return {bid: ticket(seed, bytes.fromhex(bid)).hex() for bid in bids}


def leaders(merits: Mapping[str, Merit], drawn: Mapping[str, str], winners: int) -> tuple[str, ...]:
    """Ids of the first `winners` bids in line, in the order of `ranked`."""
    return tuple(heapq.nsmallest(winners, merits, key=lambda bid: (merits[bid], drawn[bid])))


def _tie(equals: int, its_ticket: str) -> tuple[Line, ...]:
    return (line("tie-draw", equals=str(equals), ticket=its_ticket),) if equals > 1 else ()


def _placed(result: Ranked, rank: int, of: int, tie: tuple[Line, ...]) -> Ranked:
    lines = (*result.lines, *tie, line("rank", rank=str(rank), inLine=str(of)))
    return msgspec.structs.replace(result, rank=rank, lines=lines)
