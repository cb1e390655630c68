"""The commands `openseal registrar`, at a registrar's own machine: what waits is read before it is signed."""

from pathlib import Path

import httpx
from cyclopts import App
from rich.text import Text

from bids.client import Service, parse
from crypto.certificates import Certificate, SigningKey
from crypto.encoding import from_base64
from crypto.errors import MalformedError
from crypto.statements import Statement
from procurement.console import FAILED, Stop, confirm, plain, stdout
from procurement.login.client import log_in, session
from procurement.login.terminal import at
from procurement.registry import applicant
from procurement.registry import terminal as registry_terminal
from procurement.registry.answers import WaitingApplication, WaitingApplications
from procurement.registry.errors import RegistryError
from procurement.registry.holding import Holding
from procurement.registry.safe import Safe
from procurement.registry.statements import Application, Reason
from procurement.registry.terminal import Yes, say

app = App(name="registrar", help="A registrar's work: admit applicants, revoke certificates.")


@app.command(name="list")
def list_(file: Path, /, *, service: str | None = None) -> int:
    """List the applications that wait, as they were signed, and who is certified under the same number.

    Parameters
    ----------
    file
        The registrar's file.
    service
        The service's address; by default the one in the file.
    """

    async def work(http: httpx.AsyncClient, line: Service, key: SigningKey, origin: str) -> None:
        found = await _waiting(http, line, key, origin)
        for each in found:
            _show(*each)
        if not found:
            say("no application waits")

    return at(file, service, work)


@app.command
def approve(file: Path, application: str, /, *, service: str | None = None, yes: Yes = False) -> int:
    """Admit an applicant: sign that the papers are in order.

    Parameters
    ----------
    file
        The registrar's file.
    application
        The application's id, as `registrar list` and the applicant show it.
    service
        The service's address; by default the one in the file.
    """

    async def work(http: httpx.AsyncClient, line: Service, key: SigningKey, origin: str) -> None:
        _show(*await _one(http, line, key, origin, application))
        say(f"{key.certificate.name} signs: whoever made this application is who it names, and is admitted")
        confirm("Have you seen the papers, and does nobody else hold this number?", yes)
        answer = await applicant.approve(line, key, application)
        say(Certificate(from_base64(answer.certificate or "")).fingerprint)

    return at(file, service, work)


@app.command
def reject(
    file: Path, application: str, /, *, reason: str, service: str | None = None, yes: Yes = False
) -> int:
    """Turn an applicant away.

    Parameters
    ----------
    file
        The registrar's file.
    application
        The application's id.
    reason
        Why, for the applicant to read.
    service
        The service's address; by default the one in the file.
    """

    async def work(http: httpx.AsyncClient, line: Service, key: SigningKey, origin: str) -> None:
        _show(*await _one(http, line, key, origin, application))
        say(f"{key.certificate.name} signs: the applicant is not admitted: “{reason}”")
        confirm("Turn the applicant away?", yes)
        say((await applicant.reject(line, key, application, reason)).state)

    return at(file, service, work)


@app.command
def revoke(file: Path, certificate: str, /, *, reason: Reason, yes: Yes = False) -> int:
    """Revoke a certificate and all that came of it by renewal, in force at once. What was done before counts.

    Parameters
    ----------
    file
        The registrar's file.
    certificate
        The certificate's fingerprint.
    reason
        Why, in the words of RFC 5280.
    """

    async def work(line: Service, _: Safe, holding: Holding) -> None:
        key = holding.signing_key
        found = Certificate(await line.get(f"/api/v1/certificates/{certificate}"))
        if found.fingerprint != certificate:
            raise Stop(FAILED, "the service shows another certificate than the one asked for")
        say(f"{key.certificate.name} signs: {found.role} {found.name}, number {found.registration},")
        say(f"  certificate {certificate}, is revoked, with all that came of it by renewal: {reason}")
        confirm("Revoke it? This cannot be taken back.", yes)
        answer = await applicant.revoke(line, key, certificate, reason)
        say(f"revoked by {answer.statement}")
        for each in answer.revoked:
            if each != certificate:
                say(f"revoked by the same, as one came of the other by renewal: {each}")
        for other in answer.others:
            say(f"still in force under the same role and number: {other}")

    return registry_terminal.at(file, work)


async def _waiting(
    http: httpx.AsyncClient, line: Service, key: SigningKey, origin: str, only: str | None = None
) -> list[tuple[WaitingApplication, bytes]]:
    """The applications that wait, or the one with that id, each with its statement (DSSE)."""
    given = await log_in(line, key, origin)
    async with session(http, given.code, origin):
        found = parse(await line.get("/api/v1/applications"), WaitingApplications).applications
        chosen = [each for each in found if only in (None, each.statement)]
        return [(each, await line.get(f"/api/v1/applications/{each.statement}")) for each in chosen]


async def _one(
    http: httpx.AsyncClient, line: Service, key: SigningKey, origin: str, application: str
) -> tuple[WaitingApplication, bytes]:
    for each in await _waiting(http, line, key, origin, application):
        return each
    raise RegistryError("no-such-statement", "no application with this id waits")


def _show(waiting: WaitingApplication, data: bytes) -> None:
    """What the applicant signed, in words. Raises VerificationError's kinds where it is something else."""
    statement = Statement(data)
    if statement.id != waiting.statement:
        raise MalformedError("the service shows another application than the one asked for")
    said = statement.read(Application)
    holder = said.holder()
    statement.verify(Application, holder)
    say(f"{statement.id}  {said.time}")
    say(f"  {holder.role} {holder.name}, number {holder.registration}")
    for person in said.representatives:
        say(f"  represented by {person.name}{f', number {person.person}' if person.person else ''}")
    if said.contact:
        say(f"  contact {said.contact}")
    for other in waiting.certified:
        line = f"  certified already under this role and number: {other.name}, {other.fingerprint}"
        stdout().print(Text(plain(line), "bold yellow"))
