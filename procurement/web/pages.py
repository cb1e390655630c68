"""Pages for people: plain, light, readable without JavaScript."""

from litestar import Router, get
from litestar.response import Template

from procurement import store
from procurement.web.api import Steps, summary


@get("/", include_in_schema=False)
async def home(procedure: Steps) -> Template:
    """All tenders."""
    ocids = await store.list_tenders(procedure.pool)
    situations = [await procedure.situation(ocid) for ocid in ocids]
    tenders = [summary(situation, procedure.now()) for situation in situations]
    return Template("home.html", context={"tenders": tenders})


router = Router("/", route_handlers=[home])
