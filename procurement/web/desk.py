"""The desk: what somebody may read who is logged in, as pages and as JSON. All of it is in the journal."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import URLEncodedBody
from litestar.response import Redirect, Template
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_403_FORBIDDEN

from crypto.certificates import Certificate, Role
from crypto.encoding import Base64, Hex32, Moment, moment, to_base64
from crypto.errors import VerificationError
from crypto.statements import Statement
from procurement import store
from procurement.evaluation.explain import duration, rules_in_words
from procurement.login import store as login
from procurement.login.client import COOKIE
from procurement.login.errors import NotLoggedIn
from procurement.login.passkeys import OFFICIALS
from procurement.login.sessions import Sessions
from procurement.own_bids import OwnBids, own_bids
from procurement.procedure import Procedure
from procurement.registry import store as registry
from procurement.registry.answers import Certified, WaitingApplication, WaitingApplications
from procurement.registry.statements import Application
from procurement.registry.store import ApplicationRow
from procurement.store import Draft
from procurement.tenders import PROMPT, Notice
from procurement.web.api import DSSE, REQUEST_LIMIT, Hash, Ocid, Steps
from procurement.web.documents import documents_page, read_opened_document
from procurement.web.drafts import read
from procurement.web.look import N_, language_of
from procurement.web.own_bid import OF_OWN_BIDS, own_bid_page, own_bids_page
from procurement.web.session import (
    PRIVATE,
    SCHEME,
    UNSEEN,
    CodeShown,
    Here,
    Keys,
    Who,
    cookie,
    leave_other,
    logged_in,
    no_cookie,
    not_foreign,
    requires,
)
from procurement.words import notice_in_words

MOST = 500
"""Rows of the journal that are shown, the latest ones."""

OF_APPLICATIONS = (Role.REGISTRAR, Role.AUDITOR)
OF_DRAFTS = (Role.OFFICER, Role.AUDITOR)
OF_JOURNAL = (Role.AUDITOR,)
"""Who may read what."""

READINGS = {
    "/desk/applications": (N_("Applications that wait for a registrar"), OF_APPLICATIONS),
    "/desk/drafts": (N_("What waits for a second officer or for its time"), OF_DRAFTS),
    "/desk/bids": (N_("Your own bids and their receipts"), OF_OWN_BIDS),
    "/desk/journal": (N_("Who came in, and who read what"), OF_JOURNAL),
}
"""By address: what there is to read, and for whom."""

ROLES: dict[Role, str] = {
    Role.BUSINESS: N_("Business"),
    Role.OFFICER: N_("Contracting officer"),
    Role.EVALUATOR: N_("Evaluator"),
    Role.COMMITTEE: N_("Member of the opening committee"),
    Role.REGISTRAR: N_("Registrar"),
    Role.REVIEW: N_("Review body"),
    Role.AUDITOR: N_("Auditor"),
}
"""What people act as."""
MEANS = {"certificate": N_("with a key file"), "passkey": N_("with a passkey")}
"""By what they came in."""
DEEDS = {
    "log-in by certificate": N_("Came in with a key file"),
    "log-in by passkey": N_("Came in with a passkey"),
    "log-out": N_("Went out"),
    "log-out everywhere": N_("Went out everywhere"),
}
"""What the journal says of people who come and go; the rest are addresses."""
DRAFTS = {
    "notice": N_("New tender"),
    "amendment": N_("Change of the terms"),
    "termination": N_("End of the tender"),
    "award": N_("Award"),
}
"""What waits for a second officer."""
WRONG_CODE = N_(
    "The code is wrong, over or used. A code has sixteen letters and digits, in groups of four:"
    " ask for another one."
)
REFUSED = N_("You were not let in: your certificate does not count at the moment.")
"""Why nobody came in."""


class WaitingDraft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something (DSSE, base64) that a second officer has to countersign, and the registration
    number of the officer who signed it. With a `countersignature` (likewise) a notice waits for its time."""

    id: Hex32
    kind: str
    tender: str
    officer: str
    since: Moment
    statement: Base64
    due: Moment | None = None
    countersignature: Base64 | None = None
    number: str | None = None
    title: str | None = None


class WaitingDrafts(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a second officer or for its time, the oldest first."""

    drafts: list[WaitingDraft]


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody did or tried; nobody's role and number where it was not shown who."""

    time: Moment
    what: str
    role: str | None = None
    registration: str | None = None


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """The latest rows of the journal, the newest first."""

    entries: list[JournalEntry]


# ── as JSON ──────────────────────────────────────────────────────────────────────────────────────────


@get(
    "/applications",
    tags=["private"],
    guards=[requires(*OF_APPLICATIONS)],
    security=SCHEME,
    responses=PRIVATE,
)
async def list_applications(sessions: Here) -> WaitingApplications:
    """The applications that wait for a registrar, with what they say."""
    return WaitingApplications(applications=await waiting(sessions))


@get(
    "/applications/{id:str}",
    tags=["private"],
    guards=[requires(*OF_APPLICATIONS)],
    security=SCHEME,
    responses=PRIVATE,
    media_type=DSSE,
)
async def read_application(id: Hash, sessions: Here) -> msgspec.Raw:
    """An application as it was signed."""
    return msgspec.Raw((await registry.load_application(sessions.pool, id)).body)


@get(
    "/drafts",
    tags=["private"],
    guards=[requires(*OF_DRAFTS)],
    security=SCHEME,
    responses=PRIVATE,
)
async def list_drafts(procedure: Steps) -> WaitingDrafts:
    """What waits for a second officer, and notices that wait for their time."""
    return WaitingDrafts(drafts=await drafts(procedure))


@get(
    "/tenders/{ocid:str}/own-bids",
    tags=["private"],
    guards=[requires(*OF_OWN_BIDS)],
    security=SCHEME,
    responses=PRIVATE,
)
async def read_own_bids(ocid: Ocid, procedure: Steps, visitor: Who) -> OwnBids:
    """One's own envelopes and withdrawals, alone or as a partner, with their receipts and files; how the
    closing lists them, and after the opening what they say and what came of them."""
    return await own_bids(procedure, ocid, visitor.registration)


@get(
    "/journal",
    tags=["private"],
    guards=[requires(*OF_JOURNAL)],
    security=SCHEME,
    responses=PRIVATE,
)
async def read_journal(sessions: Here) -> Journal:
    """Every log-in, every refused one, and every reading of what is private."""
    return Journal(entries=await journal(sessions))


# ── as pages ─────────────────────────────────────────────────────────────────────────────────────────


@get("/login", include_in_schema=False)
async def log_in_page(request: Request[Any, Any, Any], sessions: Here) -> Redirect | Template:
    """Where a one-time code is typed in, or a passkey used; who is in already goes on to the desk."""
    try:
        await sessions.visitor(request.cookies.get(COOKIE, ""))
    except VerificationError:
        return _log_in_page(sessions)
    return Redirect("/desk", status_code=HTTP_303_SEE_OTHER)


@post("/login", include_in_schema=False, guards=[not_foreign], request_max_body_size=REQUEST_LIMIT)
async def log_in(
    request: Request[Any, Any, Any], data: URLEncodedBody[CodeShown], sessions: Here
) -> Redirect | Template:
    """A session for whoever has the code, and on to the desk."""
    try:
        admitted = await sessions.begin(data.code)
    except VerificationError as error:
        problem = WRONG_CODE if error.code == "code-unknown" else REFUSED
        return _log_in_page(sessions, problem, HTTP_403_FORBIDDEN)
    await leave_other(request, sessions)
    return Redirect("/desk", status_code=HTTP_303_SEE_OTHER, cookies=[cookie(admitted)])


@get("/desk", include_in_schema=False, guards=[logged_in])
async def desk(sessions: Here, passkeys: Keys, visitor: Who) -> Template:
    """Who one is, until when, and what there is to read."""
    official = visitor.role in OFFICIALS
    return Template(
        "desk.html",
        context={
            "visitor": visitor,
            "readings": {at: text for at, (text, roles) in READINGS.items() if visitor.role in roles},
            "sessions": await sessions.sessions(visitor),
            "official": official,
            "passkeys": await passkeys.enrolled(visitor) if official else [],
            "roles": ROLES,
            "means": MEANS,
        },
    )


@get("/desk/applications", include_in_schema=False, guards=[requires(*OF_APPLICATIONS)])
async def applications_page(sessions: Here) -> Template:
    """Applications that wait."""
    return Template("applications.html", context={"waiting": await waiting(sessions), "roles": ROLES})


@get("/desk/drafts", include_in_schema=False, guards=[requires(*OF_DRAFTS)])
async def drafts_page(request: Request[Any, Any, Any], procedure: Steps) -> Template:
    """What waits for a second officer or for its time."""
    language = language_of(request)
    context = {
        "drafts": [await read(procedure, each, language) for each in await _waiting_drafts(procedure)],
        "kinds": DRAFTS,
        "duration": partial(duration, language=language),
        "rules_in_words": partial(rules_in_words, language=language),
        "notice_in_words": partial(notice_in_words, language=language),
    }
    return Template("drafts.html", context=context)


@get("/desk/journal", include_in_schema=False, guards=[requires(*OF_JOURNAL)])
async def journal_page(sessions: Here) -> Template:
    """The journal."""
    context = {"rows": await journal(sessions), "roles": ROLES, "deeds": DEEDS}
    return Template("journal.html", context=context)


@post("/logout", include_in_schema=False, guards=[logged_in])
async def log_out(sessions: Here, visitor: Who) -> Redirect:
    """Log out here."""
    await sessions.end(visitor)
    return _out()


@post("/logout-everywhere", include_in_schema=False, guards=[logged_in])
async def log_out_everywhere(sessions: Here, visitor: Who) -> Redirect:
    """Log out wherever one is logged in."""
    await sessions.end_all(visitor)
    return _out()


@post("/desk/passkeys/{id:str}/remove", include_in_schema=False, guards=[requires(*OFFICIALS)])
async def remove_passkey(id: Hash, passkeys: Keys, visitor: Who) -> Redirect:
    """Remove one of one's own passkeys."""
    await passkeys.remove(visitor, id)
    return Redirect("/desk", status_code=HTTP_303_SEE_OTHER)


def to_log_in(_: Request[Any, Any, Any], __: NotLoggedIn) -> Response[Any]:
    """A page is no place for a problem in JSON."""
    return Redirect("/login", status_code=HTTP_303_SEE_OTHER)


readings = Router(
    "/api/v1",
    cache_control=UNSEEN,
    route_handlers=[list_applications, read_application, list_drafts, read_own_bids, read_journal],
)

router = Router(
    "/",
    cache_control=UNSEEN,
    exception_handlers={NotLoggedIn: to_log_in},
    route_handlers=[
        log_in_page,
        log_in,
        desk,
        applications_page,
        drafts_page,
        own_bids_page,
        own_bid_page,
        documents_page,
        read_opened_document,
        journal_page,
        log_out,
        log_out_everywhere,
        remove_passkey,
    ],
)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────


async def waiting(sessions: Sessions) -> list[WaitingApplication]:
    """The applications that wait, each with the certificates that count under its role and number."""
    rows = await registry.list_applications(sessions.pool, "waiting")
    live = {}
    for role in {row.role for row in rows}:
        numbers = {row.registration for row in rows if row.role is role}
        live[role] = await registry.live_certificates(sessions.pool, role, numbers, sessions.now())
    return [_application(row, live[row.role].get(row.registration, [])) for row in rows]


async def drafts(procedure: Procedure) -> list[WaitingDraft]:
    """What waits for a second officer or for its time."""
    return [_draft(each) for each in await _waiting_drafts(procedure)]


async def journal(sessions: Sessions) -> list[JournalEntry]:
    """The latest rows, the newest first."""
    rows = await login.list_journal(sessions.pool, MOST)
    return [
        JournalEntry(time=moment(row.at), what=row.what, role=row.role, registration=row.registration)
        for row in rows
    ]


def _application(row: ApplicationRow, live: Sequence[bytes]) -> WaitingApplication:
    said = Statement(row.body).read(Application)
    return WaitingApplication(
        statement=row.id,
        role=row.role,
        name=said.holder().name,
        registration=row.registration,
        received=moment(row.received_at),
        own_certificate=said.certificate is not None,
        representatives=said.representatives,
        contact=said.contact,
        certified=[
            Certified(fingerprint=each.fingerprint, name=each.name) for each in map(Certificate, live)
        ],
    )


async def _waiting_drafts(procedure: Procedure) -> list[Draft]:
    return await store.list_drafts(procedure.pool, procedure.now() - PROMPT)


def _draft(draft: Draft) -> WaitingDraft:
    notice = Statement(draft.body).read(Notice) if draft.kind == "notice" else None
    return WaitingDraft(
        id=draft.id,
        kind=draft.kind,
        tender=draft.ocid,
        officer=draft.registration,
        since=moment(draft.made_at),
        statement=to_base64(draft.body),
        due=moment(draft.due) if draft.due else None,
        countersignature=to_base64(draft.countersignature) if draft.countersignature else None,
        number=notice.number if notice else None,
        title=notice.title if notice else None,
    )


def _log_in_page(sessions: Sessions, problem: str = "", status: int = 200) -> Template:
    context = {"problem": problem, "origin": sessions.origin}
    return Template("login.html", context=context, status_code=status)


def _out() -> Redirect:
    return Redirect("/", status_code=HTTP_303_SEE_OTHER, cookies=[no_cookie()])
