"""What codes of the procedure are called on pages."""

from procurement.history import EventType
from procurement.owners import Unnamed
from procurement.web.look import N_

STATES: dict[str, str] = {
    "active": N_("Open for bids"),
    "closed": N_("Closed, not opened yet"),
    "opening": N_("Being opened"),
    "evaluation": N_("Being evaluated"),
    "recused": N_("Held up: nobody is left who may decide"),
    "standstill": N_("Award intended"),
    "complete": N_("Awarded"),
    "awarded": N_("Awarded"),
    "terminated": N_("Ended without an award"),
    "unsuccessful": N_("Ended without an award"),
    "cancelled": N_("Cancelled"),
}
"""Where a tender stands, or what came of it."""

EVENTS: dict[EventType, str] = {
    EventType.PUBLISHED: N_("Tender published"),
    EventType.COUNTERSIGNED: N_("Publication countersigned by a second officer"),
    EventType.ENQUIRED: N_("A question was asked"),
    EventType.ANSWERED: N_("Answered, for everybody"),
    EventType.AMENDMENT_COUNTERSIGNED: N_("Amendment countersigned by a second officer"),
    EventType.AMENDED: N_("Terms amended"),
    EventType.EXTENDED: N_("Deadline moved after an outage of the service"),
    EventType.TERMINATION_COUNTERSIGNED: N_("End of the tender countersigned by a second officer"),
    EventType.TERMINATED: N_("Ended without an award"),
    EventType.CLOSED: N_("Box closed and every envelope listed, before any key existed"),
    EventType.LATE: N_("Late witnessing of the closing answered for"),
    EventType.DRAW_REQUESTED: N_("Round fixed that draws the panel"),
    EventType.PANEL_DRAWN: N_("Panel drawn"),
    EventType.REFUSED: N_("Opening order refused by committee members"),
    EventType.PARTIAL: N_("Opening order signed by committee members"),
    EventType.OPENED: N_("Opened with both keys"),
    EventType.CONFLICT_DECLARED: N_("Officials declared whether they have a conflict of interest"),
    EventType.PRICES_REVEALED: N_("Committed preliminary prices revealed"),
    EventType.SHEET_SIGNED: N_("Score sheet signed"),
    EventType.SCORED: N_("Scored and ranked by the published rules"),
    EventType.EXAMINATION_REQUESTED: N_("Next in line asked for documents of the qualification examination"),
    EventType.SUPPLEMENT_REQUESTED: N_("Candidate asked for a supplement"),
    EventType.EXAMINATION_DOCUMENTED: N_("Candidate handed in documents"),
    EventType.EXAMINED: N_("Candidate examined"),
    EventType.NEGOTIATED: N_("Negotiation with the next in rank ended"),
    EventType.INTENDED: N_("Intended award named; standstill began"),
    EventType.AWARD_COUNTERSIGNED: N_("Award countersigned by a second officer"),
    EventType.AWARDED: N_("Awarded"),
}
"""What happened, but for the single bids of an opening."""

PARTS = {"technical": N_("technical parts"), "price": N_("price parts")}
"""Of what an envelope has more than one part of."""

OUTCOMES = {
    "passed": N_("Passed the qualification examination"),
    "below-pass-mark": N_("Below the pass mark of the qualification examination"),
    "no-documents": N_("Handed in nothing in time"),
    "agreed": N_("Agreed in the negotiation"),
    "failed": N_("No agreement in the negotiation"),
}
"""What an examination or a negotiation came to."""

ENDS = {"cancelled": N_("cancelled"), "unsuccessful": N_("nobody to award")}
"""Why there is no award."""

UNOPENABLE = {
    "ciphertext-invalid": N_("what was sealed is damaged"),
    "point-invalid": N_("the lock was not made rightly"),
    "locked-otherwise": N_("it was sealed with another lock"),
    "content-malformed": N_("the content cannot be read"),
    "declarations-wrong": N_("not exactly the declarations that are asked for"),
    "owners-unasked": N_("it names owners, and nobody asked for them"),
    "owners-wrong": N_("it does not say of each business once who owns it"),
    "documents-wrong": N_("two documents have the same number"),
    "lots-wrong": N_("it names a lot that is not there, or one twice"),
    "offer-wrong": N_("an offer is not such as the rules can read"),
}
"""Why a bid, or a part of it, did not open."""

UNNAMED: dict[Unnamed, str] = {
    "listed": N_("it is listed on a regulated market"),
    "public": N_("it belongs to a public body"),
    "dispersed": N_("nobody owns or controls enough of it"),
}
"""Why a business has no owners to name."""
