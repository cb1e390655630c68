"""What waits for a second officer, as somebody reads it who is to sign it: all of it in words, and below
that the very JSON."""

from collections.abc import Sequence

import msgspec

import bids.store as box
from bids.envelope import Envelope
from crypto.certificates import Certificate
from crypto.statements import Statement
from procurement import publication
from procurement.awards import Award, Evaluated, LotAward
from procurement.evaluation import Derived, KrNegotiation, KrPriceFloor, LowestPrice, Ranked, Rules
from procurement.money import grouped
from procurement.procedure import Procedure
from procurement.registry import store as registry
from procurement.store import Draft
from procurement.tenders import Notice

Facts = list[tuple[str, str]]
"""Labels with what is stated under each."""

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """What an award says of a lot: whom it goes to, the lead first, by which bid; nobody where it is
    unsuccessful."""

    lot: str
    title: str
    tenderers: list[Certificate]
    ranked: Ranked | None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A draft in words. `notice` is what waits, or the one under which is awarded; `people` has everybody's
    certificate by fingerprint whom it names; `winners` are an award's."""

    draft: Draft
    statement: Statement
    notice: Notice
    people: dict[str, Certificate]
    winners: list[Winner]

    @property
    def officer(self) -> Certificate:
        """Who signed it."""
        return self.people[self.statement.signer]

    @property
    def second(self) -> Certificate | None:
        """Who countersigned it, where only its time is still to come."""
        said = self.draft.countersignature
        return self.people[Statement(said).signer] if said else None

    @property
    def json(self) -> str:
        """What was signed, indented."""
        return msgspec.json.format(self.statement.payload, indent=2).decode()


async def read(procedure: Procedure, draft: Draft) -> Reading:
    """A draft with everything that the second officer has to know."""
    statement = Statement(draft.body)
    if draft.kind == "award":
        notice, named = (await procedure.tender(draft.ocid)).notice, [statement.signer]
        winners = await _winners(procedure, draft, notice, statement.read(Award))
    else:
        notice, winners = statement.read(Notice), []
        named = [notice.signer, *(each.certificate for each in notice.committee.members), *notice.evaluators]
    if draft.countersignature:
        named.append(Statement(draft.countersignature).signer)
    people = await _certificates(procedure, named)
    return Reading(draft=draft, statement=statement, notice=notice, people=people, winners=winners)


def rules_in_words(rules: Rules, currency: str) -> Facts:
    """Every parameter of a rule set."""
    match rules:
        case LowestPrice():
            first = "lowest-price/1: the lowest price is first in line"
            return [("Rule set", first), ("Ceiling", _money(rules.ceiling, currency, "none"))]
        case KrPriceFloor():
            return _price_floor(rules, currency)
        case KrNegotiation():
            return _negotiation(rules, currency)


def duration(seconds: int) -> str:
    """A length of time in words, in full."""
    words = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return ", ".join(words) or "none"


def _price_floor(rules: KrPriceFloor, currency: str) -> Facts:
    first = "kr-price-floor/1: the lowest price from the floor up to the expected price is first"
    steps = "0.01" if rules.unit == 1 else "whole amounts, preliminary prices in hundreds"
    return [
        ("Rule set", first),
        ("Base amount", _money(rules.base, currency)),
        ("Range around it", f"± {rules.basis_points} basis points"),
        ("Preliminary prices", _preliminary_prices(rules)),
        ("Steps of a price", steps),
        ("Floor", _floor(rules)),
        ("Estimated price", _money(rules.estimated_price, currency)),
        ("Whose rules", f"{rules.authority} government"),
        ("Statutory costs", _money(rules.statutory_costs, currency)),
        ("Net construction cost", _money(rules.net_construction_cost, currency)),
    ]


def _negotiation(rules: KrNegotiation, currency: str) -> Facts:
    pass_mark = f"{rules.pass_mark} % of the technical points" if rules.pass_mark else "none"
    return [
        ("Rule set", "kr-negotiation/1: most technical and price points together are first in line"),
        ("Budget", _money(rules.budget, currency)),
        ("Price points", rules.price_points),
        ("Technical points", rules.technical_points),
        *((f"Criterion {each.id}", f"{each.title}: {each.points} points") for each in rules.criteria),
        ("Pass mark", pass_mark),
        ("Extremes", f"left out from {rules.drop_extremes_from} evaluators on"),
    ]


def _money(amount: str | None, currency: str, absent: str = "not stated") -> str:
    return absent if amount is None else f"{grouped(amount)} {currency}"


def _preliminary_prices(rules: KrPriceFloor) -> str:
    if isinstance(rules.preliminary_prices, Derived):
        return "fifteen, which follow from the opening's signatures"
    return f"fifteen, which the officer fixed beforehand, with the digest {rules.preliminary_prices.digest}"


def _floor(rules: KrPriceFloor) -> str:
    if rules.floor is not None:
        return f"{rules.floor} % of the expected price"
    return "by the dated table for the estimated price"


async def _winners(procedure: Procedure, draft: Draft, notice: Notice, award: Award) -> list[Winner]:
    _, evaluated = await publication.evaluation(procedure, draft.ocid)
    titles = {lot.id: lot.title for lot in notice.lots}
    return [
        Winner(
            lot=each.lot,
            title=titles[each.lot],
            tenderers=await _tenderers(procedure, draft, each),
            ranked=_ranked(evaluated, each),
        )
        for each in award.awards
    ]


def _ranked(evaluated: Evaluated, award: LotAward) -> Ranked | None:
    ranking = [
        ranked for each in evaluated.lots if each.lot == award.lot for ranked in each.evaluation.ranking
    ]
    return next((each for each in ranking if each.bid == award.bid), None)


async def _tenderers(procedure: Procedure, draft: Draft, award: LotAward) -> list[Certificate]:
    stored = await box.load_envelope(procedure.pool, draft.tender_id, award.bid) if award.bid else None
    if stored is None:
        return []
    envelope = Statement(stored.body).read(Envelope)
    named = [envelope.signer, *envelope.consortium]
    found = await _certificates(procedure, named)
    return [found[each] for each in named]


async def _certificates(procedure: Procedure, fingerprints: Sequence[str]) -> dict[str, Certificate]:
    found = await registry.load_certificates(procedure.pool, fingerprints)
    return {fingerprint: Certificate(der) for fingerprint, der in found.items()}
