"""What is signed about who is who: applications, a registrar's answers to them, renewals and revocations.

An application is signed with the key that it is about, under the PKCS #10 request for that key or under a
certificate that another authority issued. Nothing of it is public but its id; what is public is that a
certificate was issued or revoked, and the id of the statement behind it.
"""

import hmac
from enum import StrEnum
from typing import Annotated

import msgspec

from crypto.certificates import Certificate, Holder, Request, Role
from crypto.encoding import Base64, Hex32, Identifier, Moment, Value, from_base64
from crypto.errors import MalformedError
from crypto.statements import Payload
from procurement.notices import Line

ANYBODY = tuple(role for role in Role if role is not Role.SERVICE)
MOST_REPRESENTATIVES = 20

_INVITATION = b"openseal/v1/invitation\n"


class Representative(Value, frozen=True, kw_only=True):
    """A natural person who may bind a business; `person` is their registration number where they have one
    as an official."""

    name: Line
    person: Identifier | None = None


class Application(Payload, frozen=True, kw_only=True):
    """Somebody asks to be registered. `signer` is the SHA-256 of the request, or of the certificate.

    `salt` is random: the id is in the log, and what was said is nobody's to find out by guessing.
    `representatives` are a business's, one at least; nobody else has any. `invitation` proves the one-time
    code of a registrar who has no other registrar to approve them.
    """

    PURPOSE = "registration"
    ROLES = ANYBODY

    time: Moment
    salt: Hex32
    request: Base64 | None = None
    """A PKCS #10 request (DER) for the embedded authority of the role that it names."""
    certificate: Base64 | None = None
    """A certificate (DER) that an authority elsewhere issued."""
    representatives: Annotated[tuple[Representative, ...], msgspec.Meta(max_length=MOST_REPRESENTATIVES)] = ()
    contact: Line | None = None
    invitation: Hex32 | None = None

    def __post_init__(self) -> None:
        if (self.request is None) == (self.certificate is None):
            raise MalformedError("an application has a request or a certificate")

    def holder(self) -> Holder:
        """Who asks. Raises MalformedError, SignatureError or CertificateError for a request or certificate
        that is none, or cannot be admitted, and for representatives that do not belong to the role."""
        holder: Holder
        if self.certificate is not None:
            holder = Certificate(from_base64(self.certificate))
        else:
            holder = Request(from_base64(self.request or ""))
        if bool(self.representatives) != (holder.role is Role.BUSINESS):
            raise MalformedError("a business names its representatives, and nobody else has any")
        return holder


class Approval(Payload, frozen=True, kw_only=True):
    """A registrar has looked at the papers: `application` (its statement's id) gets its certificate."""

    PURPOSE = "registration-approval"
    ROLES = (Role.REGISTRAR,)

    application: Hex32
    time: Moment


class Rejection(Payload, frozen=True, kw_only=True):
    """A registrar does not admit an application."""

    PURPOSE = "registration-rejection"
    ROLES = (Role.REGISTRAR,)

    application: Hex32
    reason: Line
    time: Moment


class Renewal(Payload, frozen=True, kw_only=True):
    """The holder of a certificate asks for one for another key, under the same role, name and number."""

    PURPOSE = "renewal"
    ROLES = ANYBODY

    request: Base64
    time: Moment


class Reason(StrEnum):
    """Why a certificate is revoked, in the words of RFC 5280 §5.3.1."""

    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


class Revocation(Payload, frozen=True, kw_only=True):
    """A registrar revokes the certificate with that fingerprint, and with it all that came of it by renewal:
    whoever had the key may have renewed with it."""

    PURPOSE = "revocation"
    ROLES = (Role.REGISTRAR,)

    certificate: Hex32
    reason: Reason
    time: Moment


class CertificateIssued(Value, frozen=True, kw_only=True, tag_field="t", tag="certificate:issued"):
    """Log entry: a certificate counts here from now on. `statement` is the id of the approval, of the
    renewal, or of the invited registrar's own application."""

    certificate: Hex32
    statement: Hex32


class CertificateRevoked(Value, frozen=True, kw_only=True, tag_field="t", tag="certificate:revoked"):
    """Log entry: `statement` is the id of the revocation of the certificate with that fingerprint, or of
    one that it came of by renewal."""

    certificate: Hex32
    statement: Hex32


def invitation_proof(code: str, holder: Holder) -> str:
    """That whoever asks knows the one-time code, for this request or certificate only; hex.

    Spaces, hyphens and case of the code do not matter.
    """
    key = "".join(each for each in code.upper() if each.isalnum()).encode()
    return hmac.digest(key, _INVITATION + holder.der, "sha256").hex()
