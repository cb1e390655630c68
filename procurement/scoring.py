"""From opened bids to a ranking: what service and verifier compute alike, from published things only."""

from collections.abc import Mapping, Sequence

import msgspec

from bids.envelope import Envelope, Part
from bids.errors import Unopenable
from bids.orders import Opening
from crypto.draws import PublicRandomness
from crypto.encoding import decode, parse_moment, sha256
from procurement import evaluation
from procurement.awards import LotEvaluation, RevealedPrices, SignedScores, scores_of
from procurement.errors import TenderError
from procurement.evaluation import CommittedPrices, KrPriceFloor, ScoreSheet, Unpriced
from procurement.evaluation.kr_price_floor import commits_prices, verify_revealed
from procurement.money import parse
from procurement.tenders import LARGEST_CONTENT, Bid, Lot, Notice, Proposal, offers, read_bid, read_proposal


class OpenedBid(msgspec.Struct, frozen=True, kw_only=True):
    """A counted envelope with the parts of it that opened and decode."""

    id: str
    """The envelope's id."""
    registration: str
    envelope: Envelope
    proposal: Proposal | None = None
    bid: Bid | None = None


def read_part(part: Part, content: bytes, notice: Notice) -> Proposal | Bid:
    """The decoded content of one part. Raises Unopenable."""
    return read_proposal(content, notice) if part == "technical" else read_bid(content, notice)


def read_opened(part: Part, content: bytes) -> Proposal | Bid:
    """A part that opened: it was checked under the terms that it was sealed under. Raises MalformedError."""
    form: type[Proposal] | type[Bid] = Proposal if part == "technical" else Bid
    return decode(content, form, limit=LARGEST_CONTENT)


def with_part(opened: OpenedBid, content: Proposal | Bid) -> OpenedBid:
    """`opened` with one more part."""
    if isinstance(content, Proposal):
        return msgspec.structs.replace(opened, proposal=content)
    return msgspec.structs.replace(opened, bid=content)


def outcome(result: bytes | str, part: Part, notice: Notice) -> tuple[str | None, str | None]:
    """What is said of an opened part: the SHA-256 of its content, or the reason why there is none."""
    try:
        if isinstance(result, str):
            raise Unopenable(result)
        read_part(part, result, notice)
    except Unopenable as error:
        return None, error.code
    return sha256(result).hex(), None


def to_open(
    part: Part, notice: Notice, counted: Sequence[OpenedBid], sheets: Sequence[SignedScores]
) -> list[OpenedBid]:
    """Whose `part` is opened: everybody's, but a price only beside a technical part that opened and, where
    the rules keep the others closed, that passed. `sheets` are the whole panel's. Raises what `to_price`
    raises."""
    if part != "price":
        return list(counted)
    priced = set(to_price(notice, proposed(counted), sheets))
    return [each for each in counted if each.id in priced]


def orders_of(part: Part, round: str, counted: Sequence[OpenedBid]) -> set[str | None]:
    """Ids of the bids that have an order each to open their `part`, among those sealed for `round`; or None
    for the one order that opens all."""
    if part != "price":
        return {None}
    return {each.envelope.context.bid for each in counted if each.envelope.context.round == round}


def proposed(counted: Sequence[OpenedBid]) -> list[str]:
    """Ids of the envelopes whose technical part opened: what the panel scores."""
    return [each.id for each in counted if each.proposal is not None]


def to_price(notice: Notice, bids: Sequence[str], sheets: Sequence[SignedScores]) -> list[str]:
    """Those of `bids`, envelopes whose technical part opened, whose price is opened.

    Raises ScoresError where that depends on the panel and a sheet does not score all of them.
    """
    first, ids = notice.lots[0], set(bids)  # rules that keep prices closed are the tender's only ones
    if not evaluation.keeps_prices_closed(first.rules):
        return list(bids)
    return list(evaluation.to_price(first.rules, bids, [_sheet(each, first, ids) for each in sheets]))


def expected_scores(notice: Notice, bids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Every (envelope id, lot, criterion) that a score sheet has to score, where `bids` were `proposed`."""
    return [
        (bid, lot.id, criterion.id)
        for bid in bids
        for lot in notice.lots
        for criterion in evaluation.criteria(lot.rules)
    ]


def check_sheet(notice: Notice, bids: Sequence[str], sheet: SignedScores) -> None:
    """The sheet scores every one of `bids` by every criterion, once and within its points.

    Raises TenderError or ScoresError.
    """
    given = [(each.bid, each.lot, each.criterion) for each in sheet.scores]
    if sorted(given) != sorted(expected_scores(notice, bids)):
        raise TenderError("sheet-incomplete", "a sheet scores every bid by every criterion, once")
    for lot in notice.lots:
        evaluation.check_sheet(lot.rules, _sheet(sheet, lot, {bid for bid, _, _ in given}))


def check_revealed(notice: Notice, revealed: RevealedPrices) -> Lot:
    """The lot whose committed prices these are. Raises TenderError or ReservePricesError."""
    for lot in committed_lots(notice):
        rules = evaluation.single(lot.rules)
        if lot.id == revealed.lot and isinstance(rules, KrPriceFloor):
            verify_revealed(rules, CommittedPrices(salt=revealed.salt, prices=revealed.prices))
            return lot
    raise TenderError("nothing-to-reveal", "the notice commits to no prices for this lot")


def committed_lots(notice: Notice) -> list[Lot]:
    """The lots whose preliminary prices the officer has to reveal before they can be evaluated."""
    return [
        lot
        for lot in notice.lots
        if isinstance(rules := evaluation.single(lot.rules), KrPriceFloor) and commits_prices(rules)
    ]


def randomness(notice: Notice, notice_id: str, lot: Lot, opening: Opening) -> PublicRandomness:
    """What the lot's draws are made from; `opening` is that of the first part."""
    return PublicRandomness(
        tender=notice.tender,
        lot=notice.draw_lot(lot),
        notice=bytes.fromhex(notice_id),
        beacon=bytes.fromhex(opening.beacon),
        mandate=bytes.fromhex(opening.keys[0].signature),
    )


def score(
    notice: Notice,
    notice_id: str,
    opening: Opening,
    counted: Sequence[OpenedBid],
    sheets: Sequence[SignedScores],
    revealed: Mapping[str, RevealedPrices],
) -> tuple[LotEvaluation, ...]:
    """Each lot evaluated by its rule set. Raises EvaluationError where inputs are missing or contradict."""
    bids = [(each.id, each.registration, each.bid) for each in counted if each.bid is not None]
    closed = _closed(notice, counted, sheets)
    scored = {id for id, _, _ in bids} | {each.envelope_id for each in closed}
    return tuple(
        LotEvaluation(
            lot=lot.id,
            evaluation=evaluation.evaluate(
                lot.rules,
                offers(lot, bids),
                unpriced=closed,
                sheets=[_sheet(each, lot, scored) for each in sheets if evaluation.criteria(lot.rules)],
                committed=_prices(revealed.get(lot.id)),
                randomness=randomness(notice, notice_id, lot, opening),
                published=parse_moment(notice.published),
            ),
        )
        for lot in notice.lots
    )


def _closed(notice: Notice, counted: Sequence[OpenedBid], sheets: Sequence[SignedScores]) -> list[Unpriced]:
    """The bids that the panel has scored and whose price the rules keep closed."""
    opened = proposed(counted)
    priced = set(to_price(notice, opened, sheets))
    registrations = {each.id: each.registration for each in counted}
    return [Unpriced(envelope_id=id, bidder=registrations[id]) for id in opened if id not in priced]


def _sheet(sheet: SignedScores, lot: Lot, bids: set[str]) -> ScoreSheet:
    scores = {
        bid: {criterion: parse(points, places=4) for criterion, points in given.items()}
        for bid, given in scores_of(sheet, lot.id).items()
        if bid in bids
    }
    return ScoreSheet(evaluator=sheet.signer, scores=scores)


def _prices(revealed: RevealedPrices | None) -> CommittedPrices | None:
    return None if revealed is None else CommittedPrices(salt=revealed.salt, prices=revealed.prices)
