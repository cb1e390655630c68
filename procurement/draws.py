"""Draws shown step by step, so that anybody recomputes them with a program for SHA-256 and a calculator."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from bids.orders import Opening
from crypto.draws import Draw, PublicRandomness, Purpose
from crypto.encoding import Moment
from procurement import money
from procurement.awards import Evaluated
from procurement.duties import Declared
from procurement.evaluation import Derived, KrPriceFloor, Ranked, single
from procurement.evaluation.kr_price_floor import derive
from procurement.panels import PanelDraw, is_grindable, randomness
from procurement.scoring import randomness as opened_randomness
from procurement.tenders import Notice

Place = Literal["called", "conflict", "waiting"]
"""Of one of a pool: on the panel; stepped back, so that the next was called; called if others step back."""


class ShownNumber(msgspec.Struct, frozen=True, kw_only=True):
    """`number` = `x` modulo `n`, where x is the first eight bytes of SHA-256(seed ‖ uint64_be(block))."""

    block: int
    x: str
    """Sixteen hex digits."""
    n: int
    number: int


class ShownTicket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ticket` = SHA-256(seed ‖ of), hex: of an envelope's id, or a certificate's fingerprint."""

    of: str
    ticket: str
    holder: str
    """Registration number."""
    rank: int | None = None
    """Of a bid that is equal to others."""
    place: Place | None = None


class ShownDraw(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A draw: what its seed is made from (docs/formats.md, section 11), what was drawn, what came of it."""

    purpose: Purpose
    tender: str
    lot: str
    """As it stands in the seed: empty where the tender has one lot only, and for panels."""
    of_lot: str | None = None
    """The lot that the draw is about."""
    notice: str
    round: str
    beacon: str
    mandate: str
    """The order's signature; empty for panels."""
    seed: str
    numbers: tuple[ShownNumber, ...] = ()
    """Fifteen of the prices' bands, then fourteen that shuffle them."""
    prices: tuple[str, ...] = ()
    """The preliminary prices by number."""
    tickets: tuple[ShownTicket, ...] = ()
    """The lowest first."""
    grindable: bool = False


class PendingDraw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A panel's draw that was requested and is not made. `trouble` is the code of what else than its round it
    waits for; with `draw-late` none will come of it, since nobody can show that the round was not known."""

    round: str
    comes: Moment
    trouble: str | None = None


def panel_draw(
    notice: Notice,
    notice_id: str,
    draw: PanelDraw,
    holders: Mapping[str, str],
    panel: set[str],
    declared: Declared,
) -> ShownDraw:
    """How a panel was called. `holders`: certificate → registration number; `panel` are those on it now."""
    shown = []
    for each in draw.tickets:
        who = holders[each.certificate]
        place: Place = "called" if who in panel else "conflict" if declared.get(who, False) else "waiting"
        shown.append(ShownTicket(of=each.certificate, ticket=each.ticket, holder=who, place=place))
    inputs = _inputs(randomness(notice, notice_id, draw.beacon), "panel", draw.round)
    return ShownDraw(**inputs, tickets=tuple(shown), grindable=is_grindable(notice))


def lot_draws(
    notice: Notice, notice_id: str, opening: Opening, evaluated: Evaluated | None
) -> list[ShownDraw]:
    """The draws of all lots, out of the opening of the first part; ties once the bids are `evaluated`."""
    rankings = {each.lot: each.evaluation.ranking for each in evaluated.lots} if evaluated else {}
    shown = []
    for lot in notice.lots:
        public = opened_randomness(notice, notice_id, lot, opening)
        rules = single(lot.rules)
        if isinstance(rules, KrPriceFloor) and isinstance(rules.preliminary_prices, Derived):
            prices, draw = derive(rules, public)
            inputs = _inputs(public, "reserve-prices", opening.round)
            texts = tuple(map(money.text, prices))
            shown.append(ShownDraw(**inputs, of_lot=lot.id, numbers=_numbers(draw), prices=texts))
        if tickets := _tickets(rankings.get(lot.id, ())):
            inputs = _inputs(public, "tie-break", opening.round)
            shown.append(ShownDraw(**inputs, of_lot=lot.id, tickets=tickets))
    return shown


def _numbers(draw: Draw) -> tuple[ShownNumber, ...]:
    return tuple(
        ShownNumber(block=each.block, x=f"{each.x:016x}", n=each.n, number=each.number) for each in draw.taken
    )


def _tickets(ranking: Sequence[Ranked]) -> tuple[ShownTicket, ...]:
    """Of all bids that are equal to another, as their explanations have them."""
    tickets = [
        ShownTicket(of=each.bid, ticket=line.values["ticket"], holder=each.bidder, rank=each.rank)
        for each in ranking
        for line in each.lines
        if line.code == "tie-draw"
    ]
    return tuple(sorted(tickets, key=lambda each: each.ticket))


def _inputs(public: PublicRandomness, purpose: Purpose, round: str) -> dict[str, Any]:
    """What the seed is made from, and the seed."""
    return {
        "purpose": purpose,
        "tender": public.tender,
        "lot": public.lot,
        "notice": public.notice.hex(),
        "round": round,
        "beacon": public.beacon.hex(),
        "mandate": public.mandate.hex(),
        "seed": public.seed(purpose).hex(),
    }
