"""Who is who over HTTP: every write is a signed statement. An application is nobody's to read here but who
knows its id; registrars read those that wait after a log-in."""

from functools import partial

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import RawBody

from crypto.encoding import Hex32, Moment, moment
from procurement.registry import store
from procurement.registry.answers import Registration, Renewed, Revoked
from procurement.registry.office import Office
from procurement.web.api import DSSE, PROBLEMS, REQUEST_LIMIT, Hash, Signed, problems

Registry = NamedDependency[Office]

take = partial(
    post,
    tags=["registry"],
    request_max_body_size=REQUEST_LIMIT,
    operation_class=Signed,
    responses=PROBLEMS,
)
"""A route that takes a signed statement."""


class CurrentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The id of the certificate status in force, and when the first of its lists ends."""

    status: Hex32
    ends: Moment


@take("/registrations", responses=PROBLEMS | problems({429: "Too many came to practise: later, again."}))
async def apply(body: RawBody, office: Registry) -> Registration:
    """Apply: signed with the key that the certificate is for, under its PKCS #10 request or certificate. A
    business that does so under the practice number of its key is certified at once."""
    return await office.apply(body)


@get("/registrations/{id:str}", tags=["registry"], responses=PROBLEMS)
async def read_registration(id: Hash, office: Registry) -> Registration:
    """Where an application stands; `id` is its statement's."""
    return await office.registration(id)


@take("/registration-approvals")
async def approve(body: RawBody, office: Registry) -> Registration:
    """A registrar admits an applicant."""
    return await office.approve(body)


@take("/registration-rejections")
async def reject(body: RawBody, office: Registry) -> Registration:
    """A registrar does not admit an applicant, and says why."""
    return await office.reject(body)


@take("/renewals")
async def renew(body: RawBody, office: Registry) -> Renewed:
    """A holder goes over to another key, signed with the one that the certificate before is for."""
    return await office.renew(body)


@take("/revocations")
async def revoke(body: RawBody, office: Registry) -> Revoked:
    """A registrar revokes a certificate, in force at once."""
    return await office.revoke(body)


@get("/registry-statements/{id:str}", tags=["registry"], responses=PROBLEMS, media_type=DSSE)
async def read_logged(id: Hash, office: Registry) -> msgspec.Raw:
    """The approval, renewal or revocation behind an entry of the log: who answers for it."""
    return msgspec.Raw(await store.load_logged(office.pool, id))


@get("/certificate-status", tags=["registry"], responses=PROBLEMS)
async def read_current_status(office: Registry) -> CurrentStatus:
    """The certificate status in force."""
    standing = await office.standings.current(office.pool)
    return CurrentStatus(status=standing.id, ends=moment(standing.next_update()))


@get("/certificate-status/{id:str}", tags=["registry"], responses=PROBLEMS)
async def read_status(id: Hash, office: Registry) -> msgspec.Raw:
    """A certificate status: every role's revocation lists at a moment, in canonical JSON."""
    return msgspec.Raw(await store.load_status(office.pool, id))


router = Router(
    "/api/v1",
    route_handlers=[
        apply,
        read_registration,
        approve,
        reject,
        renew,
        revoke,
        read_logged,
        read_current_status,
        read_status,
    ],
)
