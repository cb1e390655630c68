"""Who is asking: the session's cookie, who may read what, and the routes by which people come and go.

What a cookie alone may do is read; statements are signed. A browser sends the cookie to this site's own pages
only (SameSite=Strict), and every change that a cookie vouches for has to come from such a page, too.
"""

from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import CacheControlHeader, Cookie
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, RawBody
from litestar.types import Guard, HTTPScope

from crypto.certificates import Role
from crypto.encoding import Moment, moment
from crypto.errors import VerificationError
from procurement.login.answers import GivenChallenge, GivenCode
from procurement.login.client import COOKIE
from procurement.login.errors import LogInError, NotLoggedIn
from procurement.login.passkeys import OFFICIALS, Credential, Passkeys
from procurement.login.sessions import Admitted, Sessions, Visitor
from procurement.login.store import PasskeyRow
from procurement.web.api import PROBLEMS, REQUEST_LIMIT, Hash, Signed
from procurement.web.problems import MEDIA_TYPE, Problem

SCHEME: list[dict[str, list[str]]] = [{"session": []}]
"""How the interface's description says that a route wants a session."""
PRIVATE = {
    401: ResponseSpec(Problem, description="Log in first.", media_type=MEDIA_TYPE, generate_examples=False),
    **PROBLEMS,
}
LEFT = {204: ResponseSpec(None, description="Logged out."), **PRIVATE}
UNSEEN = CacheControlHeader(no_store=True)

Here = NamedDependency[Sessions]
Keys = NamedDependency[Passkeys]
Who = NamedDependency[Visitor]
Name = Annotated[
    str, msgspec.Meta(min_length=1, max_length=60, pattern=r"\A[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*\Z")
]


class CodeShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A one-time code. Case, spaces and hyphens do not matter."""

    code: Annotated[str, msgspec.Meta(max_length=60)]


class SessionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who is logged in: until `ends`, or until `idle_ends` if nothing is asked for before."""

    role: Role
    name: str
    registration: str
    ends: Moment
    idle_ends: Moment

    @classmethod
    def of(cls, visitor: Visitor) -> "SessionView":
        return cls(
            role=visitor.role,
            name=visitor.certificate.name,
            registration=visitor.registration,
            ends=moment(visitor.session.ends_at),
            idle_ends=moment(visitor.idle_ends),
        )


class PasskeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey by the name that its owner gave to it."""

    id: str
    name: str
    added: Moment

    @classmethod
    def of(cls, row: PasskeyRow) -> "PasskeyView":
        return cls(id=row.id, name=row.name, added=moment(row.added_at))


class PasskeyList(msgspec.Struct, frozen=True, kw_only=True):
    """One's own passkeys, the oldest first."""

    passkeys: list[PasskeyView]


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an authenticator made (RegistrationResponseJSON of WebAuthn), and a name for it."""

    name: Name
    credential: Credential


class PasskeyShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an authenticator answers (AuthenticationResponseJSON of WebAuthn)."""

    credential: Credential


# ── guards ───────────────────────────────────────────────────────────────────────────────────────────


async def logged_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Somebody is; and a change comes from a page of ours. Raises NotLoggedIn or LogInError."""
    sessions: Sessions = connection.app.state.sessions
    if _method(connection) not in ("GET", "HEAD") and _comes_from(connection, sessions) != "here":
        raise LogInError("cross-site", "nothing shows that a page of this site asks for it")
    token = connection.cookies.get(COOKIE)
    if token is None:
        raise NotLoggedIn("log in first")
    connection.scope["user"] = await sessions.visitor(token)


def requires(*roles: Role) -> Guard:
    """Somebody in one of these roles is logged in. What they ask for is in the journal before they get it."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        await logged_in(connection, handler)
        sessions, visitor = connection.app.state.sessions, connection.user
        # On which tenders a business looks for its bids would tell who bids, while that is sealed.
        path = connection.scope["path_template" if visitor.role is Role.BUSINESS else "path"]
        what = f"{_method(connection)} {path}"
        if visitor.role not in roles:
            await sessions.note(f"refused {what}", visitor)
            raise LogInError("role-not-admitted", f"role {visitor.role} does not read this")
        await sessions.note(what, visitor)

    return guard


async def not_foreign(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """No page of another site logs its reader in as somebody else. Raises LogInError."""
    if _comes_from(connection, connection.app.state.sessions) == "elsewhere":
        raise LogInError("cross-site", "a page of another site asks for it")


def _method(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return cast(HTTPScope, connection.scope)["method"]


def _comes_from(connection: ASGIConnection[Any, Any, Any, Any], sessions: Sessions) -> str | None:
    """`here`, `elsewhere`, or None where no browser says."""
    site = connection.headers.get("Sec-Fetch-Site")
    if site is not None:
        return "here" if site == "same-origin" else "elsewhere"
    origin = connection.headers.get("Origin")
    if origin is not None:
        return "here" if origin == sessions.origin else "elsewhere"
    return None


async def who(request: Request[Visitor, Any, Any]) -> Visitor:
    """The visitor that a guard has let in."""
    return request.user


# ── coming and going ─────────────────────────────────────────────────────────────────────────────────


def cookie(admitted: Admitted) -> Cookie:
    """The session's token; the browser forgets it when it ends, the service when the session does."""
    return _cookie(admitted.token)


def no_cookie() -> Cookie:
    """Takes the cookie away."""
    return _cookie("", max_age=0)


def _cookie(value: str, max_age: int | None = None) -> Cookie:
    return Cookie(
        key=COOKIE, value=value, path="/", secure=True, httponly=True, samesite="strict", max_age=max_age
    )


async def leave_other(request: Request[Any, Any, Any], sessions: Sessions) -> None:
    """Whoever logs in again leaves the session that was there."""
    try:
        await sessions.end(await sessions.visitor(request.cookies.get(COOKIE, "")))
    except VerificationError:
        return


@post("/challenges", tags=["log-in"], responses=PROBLEMS, status_code=201)
async def give_challenge(sessions: Here) -> GivenChallenge:
    """A challenge that the holder of a certificate signs to log in; good once, for two minutes."""
    challenge = await sessions.challenge("log-in")
    return GivenChallenge(
        challenge=challenge.value.hex(), origin=sessions.origin, expires=moment(challenge.expires)
    )


@post(
    "/log-ins",
    tags=["log-in"],
    request_max_body_size=REQUEST_LIMIT,
    operation_class=Signed,
    responses=PROBLEMS,
    status_code=201,
)
async def log_in(body: RawBody, sessions: Here) -> GivenCode:
    """A one-time code for whoever signed a challenge: the body is the signed log-in."""
    code = await sessions.log_in(body)
    return GivenCode(code=code.text, expires=moment(code.expires))


@post(
    "/sessions",
    tags=["log-in"],
    guards=[not_foreign],
    request_max_body_size=REQUEST_LIMIT,
    responses=PROBLEMS,
    status_code=201,
)
async def begin_session(
    request: Request[Any, Any, Any], data: JSONBody[CodeShown], sessions: Here
) -> Response[SessionView]:
    """Log in by a one-time code: the answer sets the session's cookie."""
    admitted = await sessions.begin(data.code)
    await leave_other(request, sessions)
    return Response(SessionView.of(admitted.visitor), cookies=[cookie(admitted)])


@get("/session", tags=["log-in"], guards=[logged_in], security=SCHEME, responses=PRIVATE)
async def read_session(visitor: Who) -> SessionView:
    """Who is logged in, and until when."""
    return SessionView.of(visitor)


@delete("/session", tags=["log-in"], guards=[logged_in], security=SCHEME, responses=LEFT)
async def end_session(sessions: Here, visitor: Who) -> Response[None]:
    """Log out."""
    await sessions.end(visitor)
    return Response(None, cookies=[no_cookie()])


@delete("/sessions", tags=["log-in"], guards=[logged_in], security=SCHEME, responses=LEFT)
async def end_sessions(sessions: Here, visitor: Who) -> Response[None]:
    """Log out everywhere: all sessions of this role and registration number end."""
    await sessions.end_all(visitor)
    return Response(None, cookies=[no_cookie()])


# ── passkeys ─────────────────────────────────────────────────────────────────────────────────────────


@post("/passkey-options", tags=["log-in"], guards=[requires(*OFFICIALS)], security=SCHEME, responses=PRIVATE)
async def passkey_options(passkeys: Keys, visitor: Who) -> msgspec.Raw:
    """What a browser needs to make a passkey (PublicKeyCredentialCreationOptionsJSON of WebAuthn)."""
    return msgspec.Raw(await passkeys.options(visitor))


@post(
    "/passkeys",
    tags=["log-in"],
    guards=[requires(*OFFICIALS)],
    security=SCHEME,
    request_max_body_size=REQUEST_LIMIT,
    responses=PRIVATE,
    status_code=201,
)
async def enrol_passkey(data: JSONBody[NewPasskey], passkeys: Keys, visitor: Who) -> PasskeyView:
    """Enrol a passkey, to log in by from now on."""
    return PasskeyView.of(await passkeys.enrol(visitor, data.name, data.credential))


@get("/passkeys", tags=["log-in"], guards=[requires(*OFFICIALS)], security=SCHEME, responses=PRIVATE)
async def list_passkeys(passkeys: Keys, visitor: Who) -> PasskeyList:
    """One's own passkeys."""
    return PasskeyList(passkeys=[PasskeyView.of(row) for row in await passkeys.enrolled(visitor)])


@delete(
    "/passkeys/{id:str}", tags=["log-in"], guards=[requires(*OFFICIALS)], security=SCHEME, responses=PRIVATE
)
async def remove_passkey(id: Hash, passkeys: Keys, visitor: Who) -> None:
    """Remove a passkey: nobody logs in by it any more."""
    await passkeys.remove(visitor, id)


@post("/passkey-log-in-options", tags=["log-in"], responses=PROBLEMS)
async def passkey_log_in_options(passkeys: Keys) -> msgspec.Raw:
    """What a browser needs to use a passkey (PublicKeyCredentialRequestOptionsJSON of WebAuthn)."""
    return msgspec.Raw(await passkeys.log_in_options())


@post(
    "/passkey-log-ins",
    tags=["log-in"],
    guards=[not_foreign],
    request_max_body_size=REQUEST_LIMIT,
    responses=PROBLEMS,
    status_code=201,
)
async def passkey_log_in(
    request: Request[Any, Any, Any], data: JSONBody[PasskeyShown], passkeys: Keys, sessions: Here
) -> Response[SessionView]:
    """Log in by a passkey: the answer sets the session's cookie."""
    admitted = await passkeys.log_in(data.credential)
    await leave_other(request, sessions)
    return Response(SessionView.of(admitted.visitor), cookies=[cookie(admitted)])


router = Router(
    "/api/v1",
    cache_control=UNSEEN,
    route_handlers=[
        give_challenge,
        log_in,
        begin_session,
        read_session,
        end_session,
        end_sessions,
        passkey_options,
        enrol_passkey,
        list_passkeys,
        remove_passkey,
        passkey_log_in_options,
        passkey_log_in,
    ],
)
