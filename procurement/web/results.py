"""What came out of a tender, as pages show it: who bid, what for, in which order, and why."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from bids.receipts import Closing
from procurement import publication
from procurement.awards import Award, IntendedAward, LotAward
from procurement.chronicle import Situation
from procurement.evaluation import Evaluation, KrNegotiation, KrPriceFloor, Line, Ranked, explain, single
from procurement.evaluation.explain import Language
from procurement.history import SELECTION_EVENTS, EventType
from procurement.owners import Ownership
from procurement.procedure import Procedure
from procurement.publication import PublishedBid
from procurement.scoring import read_opened
from procurement.selection import Candidacy, ExaminationResult
from procurement.tenders import Bid, Document, Lot, Notice, Proposal
from procurement.web.charts import Limit, Priced, Scores
from procurement.web.look import N_
from procurement.web.wording import OUTCOMES

SIZE = 25
"""Entries of a page."""
EXCERPT = 600
"""Letters of a proposal that a page shows."""

T = TypeVar("T")
U = TypeVar("U")


class Page(NamedTuple, Generic[T]):
    """Some of a list, and where they are in it: pages are numbered from 1."""

    items: Sequence[T]
    number: int
    last: int
    total: int

    def with_items(self, items: Sequence[U]) -> "Page[U]":
        """The same page of what was made of its items."""
        return Page(items, self.number, self.last, self.total)


class Row(NamedTuple):
    """A bid in the ranking of a lot: `number` is its place in the list, `chosen` that it wins as it stands
    now, `lines` is why, sentence by sentence."""

    number: int
    ranked: Ranked
    bid: PublishedBid
    chosen: bool
    reason: str
    lines: list[str]


class Result(NamedTuple):
    """A lot's evaluation with the bids behind it; `chosen` are the envelopes that win as it stands now."""

    lot: Lot
    evaluation: Evaluation
    bids: Mapping[str, PublishedBid]
    chosen: Sequence[str]

    def rows(self, ranking: Sequence[tuple[int, Ranked]], language: Language) -> list[Row]:
        return [
            Row(
                number,
                each,
                self.bids[each.bid],
                each.bid in self.chosen,
                explain.reason(each.reason, language),
                said(each.lines, language),
            )
            for number, each in ranking
        ]

    @property
    def numbered(self) -> list[tuple[int, Ranked]]:
        """The whole ranking: those in line first."""
        return list(enumerate(self.evaluation.ranking, 1))

    def winners(self, language: Language) -> list[Row]:
        return self.rows([each for each in self.numbered if each[1].bid in self.chosen], language)

    def limits(self, notice: Notice) -> list[tuple[str, str]]:
        """What prices are compared with: messages and amounts."""
        rules, found = single(self.lot.rules), self.evaluation
        expected = N_("Budget") if isinstance(rules, KrNegotiation) else N_("Expected price")
        estimated = rules.estimated_price if isinstance(rules, KrPriceFloor) else None
        if estimated is None and len(notice.lots) == 1:
            estimated = notice.estimated_value
        stated = [
            (N_("Ceiling"), getattr(rules, "ceiling", None)),
            (expected, found.expected_price),
            (N_("Floor amount"), found.floor_amount),
            (N_("Estimated price"), estimated),
        ]
        return [(label, amount) for label, amount in stated if amount]

    def priced(self) -> list[Priced]:
        """The bids whose price was opened, for a chart."""
        return [
            Priced(number, Decimal(each.amount), each.rank is not None)
            for number, each in self.numbered
            if each.amount
        ]

    def near(self, limits: Sequence[tuple[str, str]]) -> list[Limit]:
        """Those of the limits that are not so far off that beside them all prices would look alike."""
        amounts = [each.amount for each in self.priced()]
        found = [Limit(label, Decimal(amount)) for label, amount in limits]
        return [each for each in found if min(amounts) / 2 <= each.amount <= 2 * max(amounts)]

    def respects(self) -> list[tuple[str, dict[str, str]]]:
        """In what bids have scores: the title of a criterion, or a message, and the scores by envelope."""
        titles = {each.id: each.title for each in getattr(single(self.lot.rules), "criteria", ())}
        by_criterion: dict[str, dict[str, str]] = {}
        for each in self.evaluation.ranking:
            for line in each.lines:
                if line.code.startswith("criterion-score"):
                    title = titles[line.values["criterion"]]
                    by_criterion.setdefault(title, {})[each.bid] = line.values["score"]
        technical = {
            each.bid: each.technical_score for each in self.evaluation.ranking if each.technical_score
        }
        price = {each.bid: each.price_score for each in self.evaluation.ranking if each.price_score}
        rest = [] if by_criterion or not technical else [(N_("Technical score"), technical)]
        return [*by_criterion.items(), *rest, *([(N_("Price score"), price)] if price else [])]

    def scored(self) -> list[Scores]:
        """The scores of those in line, for a chart."""
        ranked = [each.bid for each in self.evaluation.ranking if each.rank is not None]
        return [
            Scores(label, [Decimal(scores[bid]) for bid in ranked if bid in scores])
            for label, scores in (self.respects() if ranked else [])
        ]


class Offered(NamedTuple):
    """A bid as it was opened: what did not open, as (lot, or None where it is for all, and the reason why);
    what it says of each lot, and of who owns whom; and its files as (number, whether it is there, what an
    open part says of it)."""

    bid: PublishedBid
    unopened: list[tuple[str | None, str]]
    offers: list[Any]
    proposal: str
    owners: list[Ownership]
    files: list[tuple[int, bool, Document | None]]


def page_of(items: Sequence[T], number: int, size: int = SIZE) -> Page[T]:
    """The page with that number, or the last one there is."""
    last = max(1, -(-len(items) // size))
    number = min(max(1, number), last)
    return Page(items[(number - 1) * size : number * size], number, last, len(items))


async def results(procedure: Procedure, situation: Situation) -> list[Result]:
    """Every lot's evaluation; none before there is one."""
    if not situation.has(EventType.SCORED):
        return []
    ocid = situation.row.ocid
    _, evaluated = await publication.evaluation(procedure, ocid)
    bids = {bid.envelope: bid for bid in await publication.opened_bids(procedure, ocid)}
    named, lots = await _named(procedure, situation), {lot.id: lot for lot in situation.tender.notice.lots}
    return [
        Result(lots[each.lot], each.evaluation, bids, _chosen(each.lot, each.evaluation, named))
        for each in evaluated.lots
    ]


async def _named(procedure: Procedure, situation: Situation) -> Sequence[LotAward] | None:
    """Whom the officer has awarded, or means to; None while nobody is named."""
    for type_, form in ((EventType.AWARDED, Award), (EventType.INTENDED, IntendedAward)):
        for entry in situation.of(type_):
            said: Award | IntendedAward = await procedure.said(procedure.pool, situation, entry, form)
            return said.awards
    return None


def _chosen(lot: str, evaluation: Evaluation, named: Sequence[LotAward] | None) -> list[str]:
    if named is not None:
        return [each.bid for each in named if each.lot == lot and each.bid]
    first = evaluation.winners or 1
    return [each.bid for each in evaluation.ranking if each.rank and each.rank <= first]


def offered(bids: Sequence[PublishedBid], closing: Closing) -> list[Offered]:
    """What these bids say, and which of their files came."""
    files: dict[str, dict[int, bool]] = {}
    for there in closing.documents:
        files.setdefault(there.envelope, {})[there.number] = True
    for absent in closing.missing:
        files.setdefault(absent.envelope, {})[absent.number] = False
    return [_offered(bid, files.get(bid.envelope, {})) for bid in bids]


def _offered(bid: PublishedBid, files: Mapping[int, bool]) -> Offered:
    opened = [
        (each.part, read_opened(each.part, bytes(each.content)))
        for each in bid.parts
        if each.content is not None
    ]
    named = {document.number: document for _, content in opened for document in content.documents}
    offers = [offer for _, content in opened if isinstance(content, Bid) for offer in content.offers]
    proposals = [content.proposal for _, content in opened if isinstance(content, Proposal)]
    return Offered(
        bid=bid,
        unopened=[(each.lot, each.reason) for each in bid.parts if each.reason],
        offers=offers,
        proposal="".join(proposals),
        owners=[owned for _, content in opened for owned in content.owners],
        files=[(number, there, named.get(number)) for number, there in sorted(files.items())],
    )


async def partners_of(procedure: Procedure, owned: Sequence[Ownership]) -> dict[str, str]:
    """The names of the partners of whom these say who owns them, by certificate."""
    return await publication.names_of(procedure, [each.partner for each in owned if each.partner])


async def candidates(procedure: Procedure, situation: Situation, language: Language) -> list[dict[str, Any]]:
    """Who was examined or negotiated with after the ranking, and how the figures came about."""
    if not any(entry.t in SELECTION_EVENTS for entry in situation.entries):
        return []
    selection = await procedure.selection(procedure.pool, situation)
    return [
        {
            "candidacy": each,
            "outcome": OUTCOMES[each.result.outcome] if each.result else N_("Under way"),
            "reason": getattr(each.result, "reason", ""),
            "scores": getattr(each.result, "scores", ()),
            "lines": said(_examined(each), language),
        }
        for each in selection.candidacies
    ]


def _examined(candidacy: Candidacy) -> Sequence[Line]:
    examined = candidacy.result.examined if isinstance(candidacy.result, ExaminationResult) else None
    return examined.lines if examined else ()


def said(lines: Sequence[Line], language: Language, names: Mapping[str, str] | None = None) -> list[str]:
    """Each line of an explanation as a sentence, with `names` of evaluators and bidders for their ids."""
    return [explain.sentence(_named_in(line, names or {}), language) for line in lines]


def _named_in(line: Line, names: Mapping[str, str]) -> Line:
    people = {
        place: ", ".join(names.get(each, each) for each in line.values[place].split(", "))
        for place in ("evaluator", "bidders")
        if place in line.values
    }
    return msgspec.structs.replace(line, values={**line.values, **people}) if people else line
