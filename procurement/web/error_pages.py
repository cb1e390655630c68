"""Errors for people: whoever reads with a browser gets a page in words, programs get the problem."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.response import Template

from procurement.web.look import N_
from procurement.web.problems import HANDLERS as PROBLEMS
from procurement.web.problems import Problem

FOR_PROGRAMS = ("/api/", "/log/", "/beacon/")
"""Below these nobody gets pages."""

Handler = Callable[[Request[Any, Any, Any], Any], Response[Problem]]

WORDS = {
    400: (N_("This cannot be read"), N_("The address, or what was sent, is not of the form it must have.")),
    401: (N_("Log in first"), N_("This is not open to everybody.")),
    403: (
        N_("Not for you to see or do"),
        N_("This is open to others, in another role or on another tender."),
    ),
    404: (
        N_("There is nothing here"),
        N_("The address may be mistyped, or what it names is not there, or not public yet."),
    ),
    405: (N_("This cannot be done here"), N_("The address is right, but not for that.")),
    408: (N_("It took too long"), N_("What you sent did not come whole. Send it again, please.")),
    409: (N_("Not now"), N_("This step is not due, or was done before.")),
    413: (N_("Too large"), N_("What you sent is larger than it may be.")),
    422: (N_("This is not right"), N_("What you sent can be read, and something in it is wrong.")),
    429: (N_("Too much at once"), N_("Wait a few seconds, then try again. Nothing is lost.")),
    500: (
        N_("Something went wrong here"),
        N_("It was not your doing, and we have a note of it. Try again, please."),
    ),
    503: (N_("Too much is going on here"), N_("Wait a few seconds, then try again. Nothing is lost.")),
}
"""By status: what has happened, and what to do."""


def in_words(handler: Handler) -> Handler:
    """What the handler answers, as a page where one is wanted."""

    def answer(request: Request[Any, Any, Any], error: Any) -> Response[Any]:
        said = handler(request, error)
        return _page(said) if wants_page(request) else said

    return answer


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether somebody reads this: a browser names HTML first."""
    if request.url.path.startswith(FOR_PROGRAMS):
        return False
    liked = _liked(request.headers.get("Accept", ""))
    return liked.get("text/html", 0) > max(
        liked.get(each, 0) for each in ("application/json", "application/problem+json")
    )


def _liked(accept: str) -> dict[str, float]:
    """By media type how much it is liked; what cannot be read is not liked at all."""
    found = {}
    for each in accept.split(","):
        kind, *rest = (part.strip() for part in each.split(";"))
        weight = next((part[2:] for part in rest if part.startswith("q=")), "1")
        found[kind.lower()] = float(weight) if weight.replace(".", "", 1).isdecimal() else 0.0
    return found


def _page(said: Response[Problem]) -> Template:
    status = said.status_code or 500
    title, text = WORDS.get(status, WORDS[500 if status >= 500 else 400])
    headers = {name: value for name, value in said.headers.items() if name.lower() != "content-type"}
    context = {"title": title, "text": text, "status": status}
    return Template("problem.html", context=context, status_code=status, headers=headers)


HANDLERS = {kind: in_words(handler) for kind, handler in PROBLEMS.items()}
"""Of the whole site."""
