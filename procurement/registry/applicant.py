"""Registration as its people do it, each at a machine of their own: applicant, registrar, holder.

A certificate that comes back is believed only when a pinned root issued it for the very key, role, name and
number that were asked for.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

from bids.client import Service, parse
from crypto.certificates import Certificate, Holder, PrivateKey, Request, Role, Signer, SigningKey, request
from crypto.encoding import from_base64, moment, to_base64
from crypto.errors import CertificateError
from crypto.statements import Payload, Statement, sign
from procurement.registry.answers import Registration, Renewed, Revoked
from procurement.registry.statements import (
    Application,
    Approval,
    Reason,
    Rejection,
    Renewal,
    Representative,
    Revocation,
    invitation_proof,
)

REGISTRATIONS = "/api/v1/registrations"


def application(
    signer: Signer,
    now: datetime,
    *,
    representatives: Sequence[Representative] = (),
    contact: str | None = None,
    code: str | None = None,
) -> Statement:
    """A signed application by whoever holds the signer's key, under a request or a certificate.

    `code` is an invitation's. Raises MalformedError for representatives that do not belong to the role.
    """
    holder = signer.holder
    payload = Application(
        signer=signer.fingerprint,
        time=moment(now),
        salt=secrets.token_hex(32),
        request=to_base64(holder.der) if isinstance(holder, Request) else None,
        certificate=to_base64(holder.der) if isinstance(holder, Certificate) else None,
        representatives=tuple(representatives),
        contact=contact,
        invitation=invitation_proof(code, holder) if code else None,
    )
    payload.holder()
    return Statement(sign(payload, signer))


async def apply(service: Service, statement: Statement) -> Registration:
    """Send an application."""
    return parse(await service.post(REGISTRATIONS, statement.data), Registration)


async def registration(service: Service, id: str) -> Registration:
    """Where the application with that id stands."""
    return parse(await service.get(f"{REGISTRATIONS}/{id}"), Registration)


def certified(service: Service, key: PrivateKey, asked: Holder, certificate: str | None) -> SigningKey:
    """`key` with the certificate (DER, base64) that came back for it.

    Raises CertificateError where it is another than was asked for, or no pinned root's.
    """
    issued = Certificate(from_base64(certificate or ""))
    if (issued.name, issued.registration) != (asked.name, asked.registration):
        raise CertificateError("the certificate names another holder than was asked for")
    service.trust.authorities().verify(issued, asked.role, service.now())
    return SigningKey(key, issued)


async def approve(service: Service, registrar: SigningKey, id: str) -> Registration:
    """The registrar admits the applicant with that application."""
    approval = Approval(signer=registrar.fingerprint, application=id, time=moment(service.now()))
    return parse(await _post(service, "registration-approvals", approval, registrar), Registration)


async def reject(service: Service, registrar: SigningKey, id: str, reason: str) -> Registration:
    """The registrar does not admit the applicant, and says why."""
    time = moment(service.now())
    rejection = Rejection(signer=registrar.fingerprint, application=id, reason=reason, time=time)
    return parse(await _post(service, "registration-rejections", rejection, registrar), Registration)


async def enrol(
    service: Service,
    key: PrivateKey,
    role: Role,
    name: str,
    registration: str,
    *,
    registrar: SigningKey | None = None,
    code: str | None = None,
) -> SigningKey:
    """`key` with a certificate, applied for and approved in one go: by a registrar who is at hand, or by the
    invitation's code. A business is represented by one person of its own name."""
    asked = request(key, role, name, registration)
    persons = (Representative(name=name),) if role is Role.BUSINESS else ()
    statement = application(Signer(key, asked), service.now(), representatives=persons, code=code)
    found = await apply(service, statement)
    if registrar is not None:
        found = await approve(service, registrar, statement.id)
    return certified(service, key, asked, found.certificate)


def renewal(old: SigningKey, key: PrivateKey, now: datetime) -> Statement:
    """The holder of `old` asks for a certificate for `key`."""
    holder = old.certificate
    asked = request(key, holder.role, holder.name, holder.registration)
    payload = Renewal(signer=old.fingerprint, request=to_base64(asked.der), time=moment(now))
    return Statement(sign(payload, old))


async def renew(service: Service, old: SigningKey, key: PrivateKey) -> SigningKey:
    """`key` with a certificate in place of that of `old`, which still counts until it ends."""
    return await renewed(service, old, key, renewal(old, key, service.now()))


async def renewed(service: Service, old: SigningKey, key: PrivateKey, statement: Statement) -> SigningKey:
    """`key` with the certificate that comes of that renewal."""
    answer = parse(await service.post("/api/v1/renewals", statement.data), Renewed)
    return certified(service, key, old.certificate, answer.certificate)


async def revoke(service: Service, registrar: SigningKey, certificate: str, reason: Reason) -> Revoked:
    """The registrar revokes the certificate with that fingerprint and what came of it, in force at once."""
    time = moment(service.now())
    payload = Revocation(signer=registrar.fingerprint, certificate=certificate, reason=reason, time=time)
    return parse(await _post(service, "revocations", payload, registrar), Revoked)


async def _post(service: Service, path: str, payload: Payload, key: SigningKey) -> bytes:
    return await service.post(f"/api/v1/{path}", sign(payload, key))
