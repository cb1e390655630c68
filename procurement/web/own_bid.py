"""One's own bids as pages: what is in the box, how the closing lists it, and after the opening what came of
it and why."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from litestar import Request, get
from litestar.response import Template

from crypto.certificates import Role
from crypto.encoding import parse_moment
from procurement import publication
from procurement.awards import Evaluated, IntendedAward
from procurement.chronicle import Situation
from procurement.evaluation import Ranked, explain
from procurement.evaluation.explain import Language
from procurement.history import SELECTION_EVENTS, EventType
from procurement.login import store as login
from procurement.own_bids import own_bids
from procurement.procedure import Procedure
from procurement.publication import PublishedPart, status
from procurement.scoring import read_opened
from procurement.selection import Candidacy
from procurement.tenders import Bid, Proposal
from procurement.web import documents
from procurement.web.api import Ocid, Steps
from procurement.web.look import N_, language_of
from procurement.web.results import partners_of
from procurement.web.session import Here, Who, requires
from procurement.web.wording import STATES, UNNAMED, UNOPENABLE

OF_OWN_BIDS = (Role.BUSINESS,)
"""Who has bids."""

KINDS = {"envelope": N_("Sealed bid"), "withdrawal": N_("Withdrawal of a bid")}
WORTH = {
    "counts": N_("Counts"),
    "superseded": N_("Does not stand: the terms have changed"),
    "replaced": N_("Replaced"),
    "withdrawn": N_("Withdrawn"),
}
"""What a link of one's chain is worth."""
PARTS = {"bid": N_("Bid"), "technical": N_("Technical part"), "price": N_("Price part")}


class Standing(NamedTuple):
    """What one lot came to for one's own bid: its place, why in the reader's words, and who is first: the
    one whom the award names, or who leads the ranking."""

    lot: str
    title: str
    ranked: Ranked
    reason: str
    remark: str
    lines: list[str]
    places: int
    """How many are in line."""
    first: list["First"]
    won: bool


class First(NamedTuple):
    """Somebody whom a lot goes to as it stands: what everybody may know of them."""

    name: str
    ranked: Ranked


@get("/desk/bids", include_in_schema=False, guards=[requires(*OF_OWN_BIDS)])
async def own_bids_page(sessions: Here, procedure: Steps, visitor: Who) -> Template:
    """The tenders in which one has bid."""
    found = await login.list_own_tenders(sessions.pool, visitor.registration)
    tenders = [(await procedure.situation(ocid), lead) for ocid, lead in found]
    rows = [(each, status(each, procedure.now()), lead) for each, lead in tenders]
    return Template("own_bids.html", context={"rows": rows, "stages": STATES, "visitor": visitor})


@get("/desk/bids/{ocid:str}", include_in_schema=False, guards=[requires(*OF_OWN_BIDS)])
async def own_bid_page(
    ocid: Ocid, request: Request[Any, Any, Any], procedure: Steps, visitor: Who
) -> Template:
    """One's own bid in a tender: what is in the box, and what came of it."""
    situation = await procedure.situation(ocid)
    own = await own_bids(procedure, ocid, visitor.registration)
    counts = next((each.id for each in own.bids if each.state == "counts"), None)
    contents = [(each, _said(each)) for each in own.parts]
    owners = [owned for _, content in contents if content for owned in content.owners]
    context = {
        "notice": situation.tender.notice,
        "status": status(situation, procedure.now()),
        "own": own,
        "contents": contents,
        "names": await partners_of(procedure, owners),
        "unnamed": UNNAMED,
        "declared": {each.id: each.text for each in situation.tender.notice.declarations},
        "standings": await standings(procedure, situation, counts, language_of(request)),
        "asked": await asked(procedure, situation, counts),
        "objections": _objections(situation),
        "awarded": situation.has(EventType.AWARDED),
        "stages": STATES,
        "kinds": KINDS,
        "worth": WORTH,
        "parts": PARTS,
        "restricted": documents.PARTS,
        "unopenable": UNOPENABLE,
    }
    return Template("own_bid.html", context=context)


async def standings(
    procedure: Procedure, situation: Situation, bid: str | None, language: Language
) -> list[Standing]:
    """How the envelope that counts stands, lot by lot, once it is scored."""
    scored = situation.of(EventType.SCORED)
    if bid is None or not scored:
        return []
    evaluated = await procedure.said(procedure.pool, situation, scored[0], Evaluated)
    chosen = await _chosen(procedure, situation)
    bids = await publication.opened_bids(procedure, situation.row.ocid)
    names = {each.envelope: each.bidder for each in bids}
    titles = {lot.id: lot.title for lot in situation.tender.notice.lots}
    return [
        _standing(each.lot, titles[each.lot], each.evaluation.ranking, ranked, chosen, names, language)
        for each in evaluated.lots
        for ranked in each.evaluation.ranking
        if ranked.bid == bid
    ]


async def asked(procedure: Procedure, situation: Situation, bid: str | None) -> list[Candidacy]:
    """Documents that are wanted of the bid after the ranking, and have not come."""
    if bid is None or not any(each.t in SELECTION_EVENTS for each in situation.entries):
        return []
    selection = await procedure.selection(procedure.pool, situation)
    own = [each for each in selection.candidacies if each.ranked.bid == bid]
    return [each for each in own if each.requests and not each.answered and each.result is None]


async def _chosen(procedure: Procedure, situation: Situation) -> Mapping[str, Sequence[str | None]]:
    """By lot the envelopes that the officer means to award, once that is said."""
    intended = situation.of(EventType.INTENDED)
    if not intended:
        return {}
    said = await procedure.said(procedure.pool, situation, intended[-1], IntendedAward)
    found: dict[str, list[str | None]] = {}
    for each in said.awards:
        found.setdefault(each.lot, []).append(each.bid)
    return found


def _standing(
    lot: str,
    title: str,
    ranking: Sequence[Ranked],
    ranked: Ranked,
    chosen: Mapping[str, Sequence[str | None]],
    names: Mapping[str, str],
    language: Language,
) -> Standing:
    named = chosen.get(lot)
    first = [each for each in ranking if (each.bid in named if named else each.rank == 1)]
    return Standing(
        lot=lot,
        title=title,
        ranked=ranked,
        reason=explain.reason(ranked.reason, language),
        remark=explain.reason(ranked.reason, "ko"),
        lines=[explain.sentence(line, language) for line in ranked.lines],
        places=sum(each.rank is not None for each in ranking),
        first=[First(names.get(each.bid, each.bidder), each) for each in first if each.bid != ranked.bid],
        won=named is not None and ranked.bid in named,
    )


def _objections(situation: Situation) -> datetime | None:
    """Until when an intended award is open to objections."""
    intended = situation.of(EventType.INTENDED)
    if not intended or situation.has(EventType.AWARDED):
        return None
    return parse_moment(intended[-1].time) + timedelta(seconds=situation.tender.notice.standstill)


def _said(part: PublishedPart) -> Proposal | Bid | None:
    return None if part.content is None else read_opened(part.part, bytes(part.content))
