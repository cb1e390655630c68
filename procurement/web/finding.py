"""Finding: the front page, the search for tenders, procuring entities and suppliers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from litestar import Router, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from litestar.response import Template
from litestar.status_codes import HTTP_400_BAD_REQUEST

from procurement.evaluation.explain import Language
from procurement.finding import store
from procurement.finding.search import SOON, Search, SearchError, read, read_award_cursor
from procurement.finding.store import Line, Page, Prize
from procurement.web.api import Asked, Steps, parameters
from procurement.web.look import N_, language_of
from procurement.web.wording import STATES

A_PAGE = 25
FEW = 5
"""Tenders of each kind on the front page."""
ENTITIES = 50
"""On a page."""

Registered = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$", description="An id.")]

STAGES = {
    "open": N_("Open for bids"),
    "closing": N_("Closing within three days"),
    "underway": N_("Being opened or evaluated"),
    "awarded": N_("Awarded"),
    "ended": N_("Ended without an award"),
}
PROCEDURES = {
    "open": N_("Open tender"),
    "small-value": N_("Price quotation for small value"),
    "negotiation": N_("Contract by negotiation"),
    "two-envelope": N_("Technical and price envelope apart"),
    "framework": N_("Framework agreement"),
}
SET_ASIDES = {
    "small": N_("Small businesses"),
    "local": N_("Businesses of the region"),
    "village": N_("Enterprises of villages"),
}
PRACTICE = {
    "hidden": N_("Without practice tenders"),
    "shown": N_("With practice tenders"),
    "only": N_("Practice tenders only"),
}
ORDERS = {
    "newest": N_("Newest first"),
    "closing-first": N_("Earliest deadline first"),
    "closing-last": N_("Latest deadline first"),
}
CHOICES = {
    "stage": (N_("Stage"), STAGES),
    "procedure": (N_("Procedure"), PROCEDURES),
    "reserved": (N_("Reserved for"), SET_ASIDES),
    "practice": (N_("Practice tenders"), PRACTICE),
    "order": (N_("Order"), ORDERS),
}
"""By parameter: what it is called, and what can be chosen."""
WRONG = {
    "text": N_("Words: at most 200 characters."),
    "classification": N_("Classification: a code like 56101703, or with its scheme: UNSPSC 56101703."),
    "currency": N_("Currency: three letters, like KRW; it is needed with amounts."),
    "least": N_("Value from: digits, with at most two decimals."),
    "most": N_("Value to: digits, with at most two decimals."),
    "since": N_("Deadline from: a day like 2026-12-01."),
    "until": N_("Deadline to: a day like 2026-12-31."),
    "published_since": N_("Published from: a day like 2026-12-01."),
    "published_until": N_("Published to: a day like 2026-12-31."),
}
"""By parameter of a search: how it has to be."""
FILTERS = (
    *(*CHOICES, "classification", "currency", "least", "most"),
    *("since", "until", "published_since", "published_until"),
)
"""Parameters that stand in the form beside the text."""
CHANGED = N_("This address asks for something that there is not. Choose anew, please.")
"""Of parameters that nobody writes by hand."""


class Card(NamedTuple):
    """A tender as its card shows it; `title` in the reader's language where the notice has it in that."""

    line: Line
    title: str
    language: str
    state: str
    soon: bool
    """Whether it closes within three days."""


@get("/", include_in_schema=False)
async def home(request: Asked, procedure: Steps) -> Template:
    """What this is, and what is open."""
    now = procedure.now()
    asked = {"soon": Search(stage="open", order="closing-first"), "new": Search()}
    found = {name: await store.find(procedure.pool, search, now, FEW) for name, search in asked.items()}
    context = {name: cards(page, request, now) for name, page in found.items()}
    return Template("home.html", context=context)


@get("/tenders", include_in_schema=False)
async def tenders(request: Asked, procedure: Steps) -> Template:
    """The tenders that the address asks for, 25 at a time."""
    given = {name: value.strip() for name, value in parameters(request).items()}
    filtered = any(given.get(name) for name in FILTERS)
    context: dict[str, Any] = {"given": given, "choices": CHOICES, "filtered": filtered, "entity": None}
    try:
        search = read(given)
    except SearchError as error:
        fields = {name if name in FILTERS else "text": name for name in error.fields}
        wrong = {shown: WRONG.get(name, CHANGED) for shown, name in fields.items()}
        context |= {"wrong": wrong, "cards": [], "order": "newest"}
        return Template("tenders.html", context=context, status_code=HTTP_400_BAD_REQUEST)
    now = procedure.now()
    page = await store.find(procedure.pool, search, now, A_PAGE)
    if search.entity and (known := await store.load_entity(procedure.pool, search.entity)):
        context["entity"] = known[0]
    context |= {"wrong": {}, "cards": cards(page, request, now), "order": search.order}
    return Template("tenders.html", context=context | _around(given, page))


@get("/entities", include_in_schema=False)
async def entities(request: Asked, procedure: Steps) -> Template:
    """Procuring entities, by name."""
    given = {name: value.strip() for name, value in parameters(request).items() if value.strip()}
    read({name: value for name, value in given.items() if name == "text"})
    after = read({"entity": given.get("after", "")}).entity
    found = await store.search_entities(procedure.pool, given.get("text"), after, ENTITIES + 1)
    shown = found[:ENTITIES]
    more = urlencode(given | {"after": shown[-1].id}) if len(found) > ENTITIES else None
    return Template("entities.html", context={"entities": shown, "given": given, "after": more})


@get("/entities/{id:str}", include_in_schema=False)
async def entity(id: Registered, request: Asked, procedure: Steps) -> Template:
    """What a procuring entity has published, and what became of it."""
    known = await store.load_entity(procedure.pool, id)
    if known is None:
        raise NotFoundException("no such procuring entity")
    now, only = procedure.now(), _only_practice(request)
    search = Search(entity=id, practice="only" if only else "hidden")
    page = await store.find(procedure.pool, search, now, FEW)
    prizes = await store.load_prizes(procedure.pool, "entity", id, practice=only, limit=FEW)
    context = {
        "entity": known[0],
        "contact": known[1],
        "figures": await store.load_figures(procedure.pool, id, now, practice=only),
        "cards": cards(page, request, now),
        "prizes": [(each, *title_of(each, language_of(request))) for each in prizes],
        "practice": only,
    }
    return Template("entity.html", context=context)


@get("/suppliers/{id:str}", include_in_schema=False)
async def supplier(id: Registered, request: Asked, procedure: Steps) -> Template:
    """What was awarded to a business; nothing of what it bids."""
    only, given = _only_practice(request), parameters(request).get("after", "").strip()
    after = read_award_cursor(given) if given else None
    prizes = await store.load_prizes(
        procedure.pool, "supplier", id, practice=only, after=after, limit=A_PAGE + 1
    )
    other = await store.has_awards(procedure.pool, id, practice=not only)
    if not prizes and not other:
        raise NotFoundException("nothing was awarded to such a supplier")
    shown = prizes[:A_PAGE]
    more = {"after": shown[-1].cursor} | ({"practice": "only"} if only else {}) if prizes[A_PAGE:] else {}
    context = {
        "id": id,
        "name": shown[0].name if shown else id,
        "prizes": [(each, *title_of(each, language_of(request))) for each in shown],
        "other": other,
        "practice": only,
        "after": urlencode(more),
    }
    return Template("supplier.html", context=context)


def cards(page: Page, request: Asked, now: datetime) -> list[Card]:
    """The tenders of a page for whoever reads it."""
    reader = language_of(request)
    return [
        Card(
            line,
            *title_of(line, reader),
            state=STATES[line.outcome or line.status(now)],
            soon=line.status(now) == "active" and line.deadline - now <= SOON,
        )
        for line in page.lines
    ]


def title_of(found: Line | Prize, reader: Language) -> tuple[str, str]:
    """The tender's title, and the language that it is in: the reader's where the notice has that."""
    if reader in found.translations:
        return found.translations[reader], reader
    return found.title, found.language


def _around(given: Mapping[str, str], page: Page) -> dict[str, str | None]:
    """Addresses of the pages after and before this one."""
    kept = {name: value for name, value in given.items() if value and name not in ("after", "before")}
    places = {"after": page.after, "before": page.before}
    return {
        name: urlencode(kept | {name: cursor}) if cursor is not None else None
        for name, cursor in places.items()
    }


def _only_practice(request: Asked) -> bool:
    """Whether a page is asked to show practice tenders, which it then shows alone. Raises SearchError."""
    return read({"practice": parameters(request).get("practice", "")}).practice == "only"


router = Router("/", route_handlers=[home, tenders, entities, entity, supplier])
