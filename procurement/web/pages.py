"""Pages for people: plain, light, readable without JavaScript."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from litestar import Router, get
from litestar.response import Template

from bids.receipts import Closing, Committed
from crypto.encoding import parse_moment
from procurement import publication
from procurement.awards import Evaluated, LotEvaluation
from procurement.chronicle import Situation
from procurement.evaluation import Line, explain
from procurement.evaluation.explain import duration
from procurement.history import BID_EVENTS, SELECTION_EVENTS, Entry, EventType
from procurement.procedure import Procedure
from procurement.publication import PublishedBid, status
from procurement.scoring import read_opened
from procurement.selection import Candidacy, ExaminationResult
from procurement.steps import steps as every_step
from procurement.tenders import Document
from procurement.web.api import Ocid, Steps
from procurement.words import notice_in_words

OUTCOMES = {
    "passed": "Passed the qualification examination",
    "below-pass-mark": "Below the pass mark of the qualification examination",
    "no-documents": "Handed in nothing in time",
    "agreed": "Agreed in the negotiation",
    "failed": "No agreement in the negotiation",
}
"""What an examination or a negotiation came to."""

STEPS: dict[EventType, str] = {
    EventType.PUBLISHED: "Tender published",
    EventType.COUNTERSIGNED: "Publication countersigned by a second officer",
    EventType.ENQUIRED: "A question was asked",
    EventType.ANSWERED: "Answered, for everybody",
    EventType.AMENDMENT_COUNTERSIGNED: "Amendment countersigned by a second officer",
    EventType.AMENDED: "Terms amended",
    EventType.EXTENDED: "Deadline moved after an outage of the service",
    EventType.TERMINATION_COUNTERSIGNED: "End of the tender countersigned by a second officer",
    EventType.TERMINATED: "Ended without an award",
    EventType.CLOSED: "Box closed and every envelope listed, before any key existed",
    EventType.LATE: "Late witnessing of the closing answered for",
    EventType.DRAW_REQUESTED: "Round fixed that draws the panel",
    EventType.PANEL_DRAWN: "Panel drawn",
    EventType.REFUSED: "Opening order refused by committee members",
    EventType.PARTIAL: "Opening order signed by committee members",
    EventType.OPENED: "Opened with both keys",
    EventType.CONFLICT_DECLARED: "Officials declared whether they have a conflict of interest",
    EventType.PRICES_REVEALED: "Committed preliminary prices revealed",
    EventType.SHEET_SIGNED: "Score sheet signed",
    EventType.SCORED: "Scored and ranked by the published rules",
    EventType.EXAMINATION_REQUESTED: "Next in line asked for documents of the qualification examination",
    EventType.SUPPLEMENT_REQUESTED: "Candidate asked for a supplement",
    EventType.EXAMINATION_DOCUMENTED: "Candidate handed in documents",
    EventType.EXAMINED: "Candidate examined",
    EventType.NEGOTIATED: "Negotiation with the next in rank ended",
    EventType.INTENDED: "Intended award named; standstill began",
    EventType.AWARD_COUNTERSIGNED: "Award countersigned by a second officer",
    EventType.AWARDED: "Awarded",
}


@get("/tenders/{ocid:str}", include_in_schema=False)
async def tender(ocid: Ocid, procedure: Steps) -> Template:
    """One tender: what is bought, by which rules and locks, what happened, and what came out."""
    situation = await procedure.situation(ocid)
    notice = situation.tender.notice
    bids = await publication.opened_bids(procedure, ocid) if situation.has(EventType.OPENED) else []
    closing = await publication.read_closing(procedure, situation)
    evaluated = None
    if situation.has(EventType.SCORED):
        _, evaluated = await publication.evaluation(procedure, ocid)
    return Template(
        "tender.html",
        context={
            "notice": notice,
            "notice_id": situation.tender.notice_id,
            "status": status(situation, procedure.now()),
            "steps": steps(situation, await publication.signers(procedure, ocid)),
            "next": due(situation),
            "ahead": every_step(notice, situation.entries, procedure.now()),
            "facts": notice_in_words(notice),
            "duration": duration,
            "silent": publication.beacon_silent_since(procedure, situation),
            "unopenable": [e for e in situation.entries if e.t is EventType.BID_UNOPENABLE],
            "names": {bid.envelope: bid.bidder for bid in bids},
            "results": results(evaluated, bids, explain.language_of(notice.language)) if evaluated else [],
            "language": explain.language_of(notice.language),
            "doubt": None if closing else procedure.watch.trouble,
            "withdrawn": withdrawn(closing) if closing else [],
            "documents": documents(closing, bids) if closing else [],
            "amendments": await publication.amendments(procedure, situation),
            "enquiries": await publication.enquiries(procedure, ocid),
            "termination": await publication.termination(procedure, situation),
            "draws": await publication.draws(procedure, ocid),
            "pending": await publication.pending_draw(procedure, ocid),
            "candidates": await candidates(procedure, situation),
            "awarded": situation.has(EventType.AWARDED),
            "independent": procedure.trust.independent,
            "rules_in_words": explain.rules_in_words,
        },
    )


def steps(situation: Situation, signers: dict[str, str]) -> list[dict[str, Any]]:
    """What happened, in words; the same thing said several times in a row is one step."""
    entries = [entry for entry in situation.entries if entry.t not in BID_EVENTS]
    runs = groupby(entries, key=lambda entry: (entry.t, entry.part))
    return [_step(list(run), signers) for _, run in runs]


def _step(run: list[Entry], signers: dict[str, str]) -> dict[str, Any]:
    first = run[0]
    part = f" ({first.part} part)" if first.part not in (None, "bid") else ""
    return {
        "name": STEPS[first.t] + part,
        "first": first.time,
        "statements": [(signers.get(entry.statement, ""), entry) for entry in run],
    }


def due(situation: Situation) -> tuple[str, datetime] | None:
    """The next step whose time the notice or the rules fix."""
    notice = situation.tender.notice
    if situation.has(EventType.TERMINATED):
        return None
    if not situation.has(EventType.CLOSED):
        return "Deadline: no bid is taken from this moment on", notice.closes
    if not situation.has(EventType.OPENED):
        return "Earliest opening: the beacon's round, with the committee's order", notice.opens
    for entry in situation.of(EventType.INTENDED):
        if not situation.has(EventType.AWARDED):
            return "End of the standstill", parse_moment(entry.time) + timedelta(seconds=notice.standstill)
    return None


def withdrawn(closing: Closing) -> list[Committed]:
    """The withdrawals that chains end with, in the order of the log."""
    ends = set(closing.withdrawn())
    return [each for each in closing.commitments if each.statement in ends]


def documents(closing: Closing, bids: list[PublishedBid]) -> list[dict[str, Any]]:
    """Of each opened bid that lists files: their numbers, whether each is there, and what an open part says
    of it, if one does."""
    files: dict[str, dict[int, bool]] = {}
    for there in closing.documents:
        files.setdefault(there.envelope, {})[there.number] = True
    for absent in closing.missing:
        files.setdefault(absent.envelope, {})[absent.number] = False
    found = []
    for bid in (each for each in bids if each.envelope in files):
        named = {each.number: each for each in _named(bid)}
        listed = sorted(files[bid.envelope].items())
        found.append(
            {"bid": bid, "files": [(number, is_there, named.get(number)) for number, is_there in listed]}
        )
    return found


def _named(bid: PublishedBid) -> list[Document]:
    """The documents that the open parts of a bid name."""
    contents = [(each.part, bytes(each.content)) for each in bid.parts if each.content is not None]
    return [each for part, content in contents for each in read_opened(part, content).documents]


def results(
    evaluated: Evaluated, bids: list[PublishedBid], language: explain.Language
) -> list[dict[str, Any]]:
    """Each lot's ranking with every line of its explanation as a sentence; what hangs on one evaluator or
    weight, where a panel scored."""
    names = {bid.envelope: bid.bidder for bid in bids}
    return [
        {
            "lot": each.lot,
            "evaluation": each.evaluation,
            "lines": [explain.sentence(line, language) for line in each.evaluation.lines],
            "winners": each.evaluation.winners or 1,
            "sensitivity": [explain.sentence(line, language) for line in _sensitivity(each)],
            "ranking": [
                {
                    "ranked": ranked,
                    "name": names[ranked.bid],
                    "reason": explain.reason(ranked.reason, language),
                    "remark": explain.reason(ranked.reason, "ko"),
                    "lines": [explain.sentence(line, language) for line in ranked.lines],
                }
                for ranked in each.evaluation.ranking
            ],
        }
        for each in evaluated.lots
    ]


async def candidates(procedure: Procedure, situation: Situation) -> list[dict[str, Any]]:
    """Who was examined or negotiated with after the ranking, and how the figures came about."""
    if not any(entry.t in SELECTION_EVENTS for entry in situation.entries):
        return []
    selection = await procedure.selection(procedure.pool, situation)
    return [
        {
            "candidacy": each,
            "outcome": OUTCOMES[each.result.outcome] if each.result else "Under way",
            "lines": [explain.sentence(line, "en") for line in _examined(each)],
        }
        for each in selection.candidacies
    ]


def _examined(candidacy: Candidacy) -> tuple[Line, ...]:
    examined = candidacy.result.examined if isinstance(candidacy.result, ExaminationResult) else None
    return examined.lines if examined else ()


def _sensitivity(lot: LotEvaluation) -> Sequence[Line]:
    return lot.evaluation.sensitivity.lines if lot.evaluation.sensitivity else ()


router = Router("/", route_handlers=[tender])
