"""What the registry answers: which applications wait, how one stands, and what came of a renewal or a
revocation."""

from typing import Literal

import msgspec

from crypto.certificates import Role
from crypto.encoding import Base64, Hex32, Moment
from procurement.registry.statements import Representative

State = Literal["waiting", "approved", "rejected"]


class Registration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an application stands: its id, the certificate (DER, base64) when it was approved, or the
    registrar's reason when it was not. Who knows the id may read this."""

    statement: Hex32
    state: State
    certificate: Base64 | None = None
    reason: str | None = None


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """The id of a renewal, and the certificate (DER, base64) that came of it."""

    statement: Hex32
    certificate: Base64


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """The id of the revocation in force, the fingerprints of all certificates that it revoked (the one it
    names, and what came of it by renewal), and of others of the same role and registration number that still
    count: whoever had the key may have one of those, too."""

    statement: Hex32
    revoked: list[Hex32]
    others: list[Hex32]


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that counts."""

    fingerprint: Hex32
    name: str


class WaitingApplication(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An application: who asks for which role. `certified` are certificates that count already under the same
    role and number: whoever asks is the same person, or takes somebody's number."""

    statement: Hex32
    role: Role
    name: str
    registration: str
    received: Moment
    own_certificate: bool
    """Whether the certificate is another authority's."""
    representatives: tuple[Representative, ...]
    certified: list[Certified]
    contact: str | None = None


class WaitingApplications(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a registrar, the oldest first."""

    applications: list[WaitingApplication]
