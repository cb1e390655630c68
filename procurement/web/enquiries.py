"""Questions and answers, and when the service took no bids: what moves a tender before its deadline."""

from datetime import timedelta

import msgspec
from litestar import Router, get

from crypto.certificates import Role
from crypto.encoding import Moment, moment
from procurement import publication, store
from procurement.procedure import Procedure
from procurement.publication import AskedQuestion, PublishedEnquiry
from procurement.web.api import PROBLEMS, Ocid, Steps, statement_route
from procurement.web.session import PRIVATE, SCHEME, UNSEEN, Who, requires

OF_QUESTIONS = (Role.OFFICER, Role.AUDITOR)
LEDGER = timedelta(days=366)
"""How far back the ledger of outages is shown."""


class Enquiries(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was asked about a tender, in order, with the answers there are."""

    enquiries: list[PublishedEnquiry]


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """Questions as they were signed, in the order in which they were asked."""

    questions: list[AskedQuestion]


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the service took no bids."""

    start: Moment
    end: Moment


class Outages(msgspec.Struct, frozen=True, kw_only=True):
    """Outages of the last year that are over, the oldest first."""

    outages: list[Outage]


@get("/tenders/{ocid:str}/enquiries", tags=["tenders"], responses=PROBLEMS)
async def read_enquiries(ocid: Ocid, procedure: Steps) -> Enquiries:
    """What businesses asked and officers answered. Who asked, nobody is told."""
    return Enquiries(enquiries=await publication.enquiries(procedure, ocid))


@get(
    "/tenders/{ocid:str}/questions",
    tags=["private"],
    guards=[requires(*OF_QUESTIONS)],
    security=SCHEME,
    responses=PRIVATE,
)
async def read_questions(ocid: Ocid, procedure: Steps, visitor: Who) -> Questions:
    """The questions as they were signed: for the tender's two officers, who answer them, and auditors."""
    situation = await procedure.situation(ocid)
    if visitor.role is Role.OFFICER:
        situation.officials.check_in_charge(visitor.registration)
    return Questions(questions=await publication.questions(procedure, situation))


@get("/outages", tags=["service"], responses=PROBLEMS)
async def read_outages(procedure: Steps) -> Outages:
    """When the service took no bids. By these times deadlines move, where their notices say so."""
    found = await store.load_gaps(procedure.pool, procedure.now() - LEDGER)
    return Outages(outages=[Outage(start=moment(start), end=moment(end)) for start, end in found])


enquire = statement_route("enquiries", Procedure.enquire, "A business asks about the tender")

# One router for all that is answered at one address.
router = Router("/api/v1", route_handlers=[enquire, read_enquiries, read_outages])
readings = Router("/api/v1", cache_control=UNSEEN, route_handlers=[read_questions])
