"""From opened bids to a ranking: what service and verifier compute alike, from published things only."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from bids.envelope import Envelope, Part, Section, place, section
from bids.errors import Unopenable
from bids.orders import Opening, Subject
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


class Scored(NamedTuple):
    """An envelope whose technical part opened: what the panel scores. `lots` are those that it has a price
    part of its own for."""

    id: str
    lots: tuple[str, ...]


class Chosen(NamedTuple):
    """What is opened of one bid: a part, or a lot's."""

    bid: OpenedBid
    part: Part
    lot: str | None = None

    @property
    def section(self) -> Section:
        """Its name in the envelope."""
        return section(self.part, self.lot)

    @property
    def subject(self) -> Subject:
        """What the order that opens it names."""
        return Subject(self.bid.envelope.context.bid, self.lot) if self.part == "price" else Subject()


def read_part(section: Section, content: bytes, notice: Notice, partners: Sequence[str]) -> Proposal | Bid:
    """The decoded content of one section of an envelope with these `partners` (its `consortium`). Raises
    Unopenable."""
    part, lot = place(section)
    if part == "technical":
        return read_proposal(content, notice, partners)
    return read_bid(content, notice, lot, partners)


def read_opened(section: Section, content: bytes) -> Proposal | Bid:
    """What opened was checked under the terms that it was sealed under. Raises MalformedError."""
    form: type[Proposal] | type[Bid] = Proposal if section == "technical" else Bid
    return decode(content, form, limit=LARGEST_CONTENT)


def with_part(opened: OpenedBid, content: Proposal | Bid) -> OpenedBid:
    """`opened` with what one more section holds; the prices of several lots together make the bid."""
    if isinstance(content, Proposal):
        return msgspec.structs.replace(opened, proposal=content)
    if opened.bid is None:
        return msgspec.structs.replace(opened, bid=content)
    offers = (*opened.bid.offers, *content.offers)
    documents = (*opened.bid.documents, *content.documents)
    bid = msgspec.structs.replace(opened.bid, offers=offers, documents=documents)
    return msgspec.structs.replace(opened, bid=bid)


def outcome(
    result: bytes | str, section: Section, notice: Notice, partners: Sequence[str]
) -> tuple[str | None, str | None]:
    """What is said of an opened section of an envelope with these `partners`: the SHA-256 of its content, or
    the reason why there is none."""
    try:
        if isinstance(result, str):
            raise Unopenable(result)
        read_part(section, result, notice, partners)
    except Unopenable as error:
        return None, error.code
    return sha256(result).hex(), None


def to_open(
    part: Part, notice: Notice, counted: Sequence[OpenedBid], sheets: Sequence[SignedScores]
) -> list[Chosen]:
    """Whose `part` is opened: everybody's, but a price only beside a technical part that opened and, where
    the rules of its lot keep the others closed, that passed. `sheets` are the whole panel's. Raises what
    `to_price` raises."""
    if part != "price":
        return [Chosen(each, part) for each in counted]
    by_id = {each.id: each for each in counted}
    return [Chosen(by_id[id], part, lot) for id, lot in to_price(notice, proposed(counted), sheets)]


def orders_of(part: Part, round: str, chosen: Sequence[Chosen]) -> set[Subject]:
    """What the orders are about that open the `part` of the `chosen`, among those sealed for `round`: one
    order for all, or one for each price."""
    if part != "price":
        return {Subject()}
    return {each.subject for each in chosen if each.bid.envelope.context.round == round}


def proposed(counted: Sequence[OpenedBid]) -> list[Scored]:
    """What the panel scores: the envelopes whose technical part opened."""
    return [Scored(each.id, lots_of(each.envelope)) for each in counted if each.proposal is not None]


def lots_of(envelope: Envelope) -> tuple[str, ...]:
    """The lots that the envelope has a price part of its own for, whatever the part says."""
    return tuple(each.lot for each in envelope.parts if each.lot is not None)


def to_price(
    notice: Notice, bids: Sequence[Scored], sheets: Sequence[SignedScores]
) -> list[tuple[str, str | None]]:
    """Of `bids` those whose price is opened, by envelope id, and of which lot where each has a part.

    Raises ScoresError where that depends on the panel and a sheet does not score all of them.
    """
    if not notice.priced_apart:
        return [(id, None) for id in _passing(notice.lots[0], [each.id for each in bids], sheets)]
    return [
        (id, lot.id)
        for lot in notice.lots
        for id in _passing(lot, [each.id for each in bids if lot.id in each.lots], sheets)
    ]


def expected_scores(notice: Notice, bids: Sequence[Scored]) -> list[tuple[str, str, str]]:
    """Every (envelope id, lot, criterion) that a score sheet has to score: for which lots a bid is, where one
    part holds all prices, nobody knows yet."""
    return [
        (bid.id, lot.id, criterion.id)
        for bid in bids
        for lot in notice.lots
        if lot.id in bid.lots or not notice.priced_apart
        for criterion in evaluation.criteria(lot.rules)
    ]


def check_sheet(notice: Notice, bids: Sequence[Scored], sheet: SignedScores) -> None:
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
    closed = {lot.id: _closed(lot, notice, counted, sheets) for lot in notice.lots}
    scored = {id for id, _, _ in bids} | {each.envelope_id for lot in closed.values() for each in lot}
    return tuple(
        LotEvaluation(
            lot=lot.id,
            evaluation=evaluation.evaluate(
                lot.rules,
                offers(lot, bids),
                unpriced=closed[lot.id],
                sheets=[_sheet(each, lot, scored) for each in sheets if evaluation.criteria(lot.rules)],
                committed=_prices(revealed.get(lot.id)),
                randomness=randomness(notice, notice_id, lot, opening),
                published=parse_moment(notice.published),
            ),
        )
        for lot in notice.lots
    )


def _passing(lot: Lot, bids: Sequence[str], sheets: Sequence[SignedScores]) -> list[str]:
    """Those of `bids` whose price for the lot is opened. No panel is asked where all are."""
    if not evaluation.keeps_prices_closed(lot.rules):
        return list(bids)
    return list(evaluation.to_price(lot.rules, bids, [_sheet(each, lot, set(bids)) for each in sheets]))


def _closed(
    lot: Lot, notice: Notice, counted: Sequence[OpenedBid], sheets: Sequence[SignedScores]
) -> list[Unpriced]:
    """The bids for the lot that the panel has scored and whose price its rules keep closed."""
    if not evaluation.keeps_prices_closed(lot.rules):
        return []
    scored = [each.id for each in proposed(counted) if lot.id in each.lots or not notice.priced_apart]
    priced = set(_passing(lot, scored, sheets))
    registrations = {each.id: each.registration for each in counted}
    return [Unpriced(envelope_id=id, bidder=registrations[id]) for id in scored if id not in priced]


def _sheet(sheet: SignedScores, lot: Lot, bids: set[str]) -> ScoreSheet:
    scores = {
        bid: {criterion: parse(points, places=4) for criterion, points in given.items()}
        for bid, given in scores_of(sheet, lot.id).items()
        if bid in bids
    }
    return ScoreSheet(evaluator=sheet.signer, scores=scores)


def _prices(revealed: RevealedPrices | None) -> CommittedPrices | None:
    return None if revealed is None else CommittedPrices(salt=revealed.salt, prices=revealed.prices)
