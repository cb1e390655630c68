"""The extension "evaluation": by which rules bids are compared, who scores them, what was drawn, and what
came of it, every figure with the line that explains it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from procurement import money
from procurement.awards import ConflictDeclaration, LotEvaluation, RevealedPrices, SignedScores
from procurement.draws import ShownDraw
from procurement.evaluation import Evaluation, Examined, Line, MultiAward, Ranked, Rules, Sensitivity
from procurement.evaluation.explain import language_of, sentence
from procurement.evaluation.values import Shift
from procurement.history import Entry
from procurement.ocds.facts import Person
from procurement.ocds.merging import Json
from procurement.ocds.notice import present
from procurement.selection import ExaminationResult, NegotiationResult
from procurement.tenders import Notice


def rules(notice: Notice, people: Mapping[str, Person]) -> Json:
    """As the notice has them: each lot's rule set with its parameters, and who is on the panel, or in the
    pool that it is drawn from."""
    evaluators = [{"id": each, "name": people[each].name} for each in notice.evaluators]
    return present(
        lots=[{"id": lot.id, "ruleSet": _rule_set(lot.rules)} for lot in notice.lots],
        panel=present(seats=notice.seats, evaluators=evaluators),
    )


def declared(entry: Entry, said: ConflictDeclaration, person: Person) -> Json:
    """An official has seen who bids, and has a conflict of interest or none."""
    about = {"id": entry.statement, "date": entry.time, "certificate": said.signer, "name": person.name}
    return {"declarations": [{**about, "conflict": said.conflict}]}


def signed(entry: Entry, sheet: SignedScores) -> Json:
    """That somebody has scored; how, is published with the last sheet."""
    return {"sheets": [{"id": entry.statement, "date": entry.time, "evaluator": sheet.signer}]}


def scored(sheets: Mapping[str, SignedScores]) -> Json:
    """Every score of these sheets, by id."""
    return present(
        sheets=[
            {
                "id": id,
                "scores": [
                    {
                        "id": f"{each.bid}/{each.lot}/{each.criterion}",
                        "envelope": each.bid,
                        "relatedLot": each.lot,
                        "criterion": each.criterion,
                        "points": money.parse(each.score, places=4),
                    }
                    for each in sheet.scores
                ],
            }
            for id, sheet in sheets.items()
        ]
    )


def revealed(entry: Entry, said: RevealedPrices) -> Json:
    """The preliminary prices that the notice committed to."""
    prices = [money.parse(each, places=2) for each in said.prices]
    shown = {"id": entry.statement, "date": entry.time, "salt": said.salt, "prices": prices}
    return {"lots": [{"id": said.lot, "revealedPrices": shown}]}


def drawn(draws: Iterable[ShownDraw]) -> Json:
    """Draws with all that anybody needs to repeat them."""
    return present(draws=[_draw(each) for each in draws])


def evaluated(entry: Entry, lots: Sequence[LotEvaluation], notice: Notice) -> Json:
    """The rankings, explained in the notice's language where there are words for it."""
    about = {"date": entry.time, "statement": entry.statement}
    return {"lots": [{"id": each.lot, **about, **_result(each, notice)} for each in lots]}


def concluded(
    entry: Entry, lot: str, bid: str, said: ExaminationResult | NegotiationResult, notice: Notice
) -> Json:
    """What came of one of those in line."""
    about = {"id": f"{lot}/{bid}", "relatedLot": lot, "relatedBid": f"{bid}/{lot}", "date": entry.time}
    what = _examination(said, notice) if isinstance(said, ExaminationResult) else {"reason": said.reason}
    return {"candidates": [{**about, "statement": entry.statement, "outcome": said.outcome, **what}]}


def _rule_set(rules: Rules) -> Json:
    name, version = str(rules.__struct_config__.tag).split("/")
    stated = _without(msgspec.to_builtins(rules), "ruleSet", "rules")
    compared = _rule_set(rules.rules) if isinstance(rules, MultiAward) else None
    return {"name": name, "version": version, **present(parameters=stated, comparedBy=compared)}


def _draw(draw: ShownDraw) -> Json:
    said: Json = msgspec.to_builtins(draw)
    lot = said.pop("ofLot", None)
    tickets = [
        present(id=each.of, ticket=each.ticket, holder=each.holder, rank=each.rank) for each in draw.tickets
    ]
    prices = [money.parse(each, places=2) for each in draw.prices]
    id = f"{draw.purpose}/{lot}" if lot else draw.purpose
    more = present(relatedLot=lot, prices=prices, tickets=tickets, grindable=draw.grindable or None)
    stated = present(**_without(said, "tender", "prices", "tickets", "grindable"))
    return {"id": id, **stated, **more}


def _result(found: LotEvaluation, notice: Notice) -> Json:
    result = found.evaluation
    return present(
        expectedPrice=_price(result.expected_price),
        floorAmount=_price(result.floor_amount),
        drawnNumbers=list(result.drawn_numbers or ()),
        preliminaryPrices=_preliminary(result),
        winners=result.winners,
        lines=_lines(result.lines, notice),
        ranking=[_ranked(each, found.lot, notice) for each in result.ranking],
        sensitivity=_sensitivity(result.sensitivity, found.lot, notice) if result.sensitivity else None,
    )


def _preliminary(result: Evaluation) -> list[Json]:
    return [
        {"id": str(each.number), "price": _price(each.price), "picks": each.picks}
        for each in result.preliminary_prices or ()
    ]


def _ranked(ranked: Ranked, lot: str, notice: Notice) -> Json:
    return present(
        id=f"{ranked.bid}/{lot}",
        rank=ranked.rank,
        reason=ranked.reason,
        rate=_figure(ranked.rate),
        technicalScore=_figure(ranked.technical_score),
        priceScore=_figure(ranked.price_score),
        total=_figure(ranked.total),
        lines=_lines(ranked.lines, notice),
    )


def _sensitivity(found: Sensitivity, lot: str, notice: Notice) -> Json:
    evaluators = [
        present(
            id=each.evaluator,
            winners=None if each.winners is None else _of_lot(each.winners, lot),
            passing=_of_lot(each.passing, lot),
        )
        for each in found.evaluators
    ]
    weights = [
        present(
            id=each.criterion or "price",
            weight=_figure(each.weight),
            up=_shift(each.up, lot),
            down=_shift(each.down, lot),
        )
        for each in found.weights
    ]
    return present(evaluators=evaluators, weights=weights, lines=_lines(found.lines, notice))


def _shift(shift: Shift | None, lot: str) -> Json | None:
    return {"by": _figure(shift.by), "winners": _of_lot(shift.winners, lot)} if shift else None


def _examination(said: ExaminationResult, notice: Notice) -> Json:
    scores = [
        {"id": each.criterion, "points": money.parse(each.score, places=4), "reason": each.reason}
        for each in said.scores
    ]
    return present(scores=scores, **(_examined(said.examined, notice) if said.examined else {}))


def _examined(found: Examined, notice: Notice) -> Json:
    return {
        "priceScore": _figure(found.price_score),
        "capabilityScore": _figure(found.capability_score),
        "total": _figure(found.total),
        "lines": _lines(found.lines, notice),
    }


def _lines(lines: Sequence[Line], notice: Notice) -> list[Json]:
    language = language_of(notice.language)
    return [{"code": each.code, "text": sentence(each, language)} for each in lines]


def _of_lot(envelopes: Sequence[str], lot: str) -> list[str]:
    return [f"{each}/{lot}" for each in envelopes]


def _price(amount: str | None) -> Any:
    return None if amount is None else money.parse(amount, places=2)


def _figure(figure: str | None) -> Any:
    """What a rule set came to, with its decimals."""
    return None if figure is None else Decimal(figure)


def _without(said: Json, *names: str) -> Json:
    return {name: each for name, each in said.items() if name not in names}
