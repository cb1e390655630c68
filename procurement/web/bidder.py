"""The bidder's start: registration, key, back-up and log-in in a browser. The page is the same for everybody:
who somebody is their own browser knows, and nothing of it is in the page or its address."""

from litestar import Router, get
from litestar.response import Template

from procurement.web.practice import Practice
from procurement.web.session import Here


@get("/bidder", include_in_schema=False)
async def bidder(sessions: Here, ground: Practice) -> Template:
    """Where a business makes its key and applies, and comes back to its bids."""
    context = {"origin": sessions.origin, "practice": ground is not None}
    return Template("bidder.html", context=context)


router = Router("/", route_handlers=[bidder])
