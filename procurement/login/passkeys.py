"""Passkeys (WebAuthn, discoverable, with user verification): how officials come in without their key file.

A passkey belongs to a role and registration number. It lets nobody in whose certificates do not count, and
none that was enrolled under a certificate that was revoked since: whoever had that key may have enrolled it.
"""

import base64
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from crypto.certificates import Certificate, Role
from crypto.errors import CertificateError, RevokedError, StatusError, VerificationError
from procurement.login import store
from procurement.login.errors import LogInError
from procurement.login.sessions import Admitted, Purpose, Sessions, Visitor
from procurement.login.store import PasskeyRow
from procurement.registry import store as registry

OFFICIALS = tuple(role for role in Role if role not in (Role.BUSINESS, Role.SERVICE))
MOST = 20
"""Passkeys of one person."""
FRESH = timedelta(minutes=10)
"""After a log-in in which passkeys are added and removed: a session that was left open adds none."""

_ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_LONGEST_KEY = 1024  # bytes

Credential = dict[str, Any]
"""What a browser answers, in the JSON form of WebAuthn level 3."""


class _ClientData(msgspec.Struct):
    challenge: str
    cross_origin: bool = msgspec.field(default=False, name="crossOrigin")


class Passkeys:
    """The passkeys that are enrolled here."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._pool = sessions.pool

    async def options(self, visitor: Visitor) -> bytes:
        """What a visitor's browser needs to enrol a passkey: PublicKeyCredentialCreationOptionsJSON.

        Raises LogInError where the visitor has to log in again first.
        """
        self._check_fresh(visitor)
        challenge = await self._sessions.challenge("passkey", visitor)
        role, registration = visitor.role, visitor.registration
        handle = await store.passkey_handle(self._pool, role, registration, self._sessions.entropy(32))
        enrolled = await store.list_passkeys(self._pool, role, registration)
        options = generate_registration_options(
            rp_id=self._sessions.host,
            rp_name="Openseal",
            user_id=handle,
            user_name=f"{visitor.certificate.name} ({role})",
            challenge=challenge.value,
            supported_pub_key_algs=_ALGORITHMS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential) for each in enrolled],
        )
        return options_to_json(options).encode()

    async def enrol(self, visitor: Visitor, name: str, credential: Credential) -> PasskeyRow:
        """A new passkey of the visitor's. Raises LogInError."""
        challenge = await self._redeem(credential, "passkey", visitor)
        try:
            verified = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._sessions.host,
                expected_origin=self._sessions.origin,
                require_user_verification=True,
                supported_pub_key_algs=_ALGORITHMS,
            )
        except Exception as error:  # its parsers raise many kinds on bytes that are none
            raise LogInError("passkey-invalid", "the passkey does not answer the challenge") from error
        row = PasskeyRow(
            id=store.passkey_id(verified.credential_id),
            credential=verified.credential_id,
            role=visitor.role,
            registration=visitor.registration,
            certificate=visitor.certificate.fingerprint,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            name=name,
            added_at=self._sessions.now(),
        )
        await self._add(row)
        return row

    async def log_in_options(self) -> bytes:
        """What a stranger's browser needs to use a passkey: PublicKeyCredentialRequestOptionsJSON."""
        challenge = await self._sessions.challenge("passkey-log-in")
        options = generate_authentication_options(
            rp_id=self._sessions.host,
            challenge=challenge.value,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options).encode()

    async def log_in(self, credential: Credential) -> Admitted:
        """A session for whoever holds a passkey and a certificate that counts. Raises VerificationError's
        kinds."""
        try:
            passkey = await self._proven(credential)
            return await self._sessions.admit(await self._certificate(passkey), "passkey")
        except VerificationError as error:
            await self._sessions.note_refused(f"log-in by passkey refused: {error.code}")
            raise

    async def enrolled(self, visitor: Visitor) -> list[PasskeyRow]:
        """The visitor's passkeys, the oldest first."""
        return await store.list_passkeys(self._pool, visitor.role, visitor.registration)

    async def remove(self, visitor: Visitor, id: str) -> None:
        """Raises LogInError where the visitor has no such passkey, or has to log in again first."""
        self._check_fresh(visitor)
        if not await store.remove_passkey(self._pool, id, visitor.role, visitor.registration):
            raise LogInError("no-such-passkey", "you have no such passkey")

    def _check_fresh(self, visitor: Visitor) -> None:
        if self._sessions.now() - visitor.session.began_at > FRESH:
            raise LogInError("log-in-again", "log in again first: passkeys change just after a log-in only")

    async def _add(self, row: PasskeyRow) -> None:
        if len(row.public_key) > _LONGEST_KEY:
            raise LogInError("passkey-invalid", "a key of a size that no authenticator has")
        if len(await store.list_passkeys(self._pool, row.role, row.registration)) >= MOST:
            raise LogInError("too-many-passkeys", f"nobody has more than {MOST} passkeys: remove one first")
        if not await store.add_passkey(self._pool, row):
            raise LogInError("passkey-taken", "this passkey is enrolled already")

    async def _proven(self, credential: Credential) -> PasskeyRow:
        challenge = await self._redeem(credential, "passkey-log-in", None)
        passkey = await store.load_passkey(self._pool, *_claimed(credential))
        if passkey is None:
            raise LogInError("passkey-unknown", "no such passkey is enrolled here")
        try:
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._sessions.host,
                expected_origin=self._sessions.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except Exception as error:  # its parsers raise many kinds on bytes that are none
            raise LogInError("passkey-invalid", "the passkey does not answer the challenge") from error
        if not await store.count_up(self._pool, passkey.id, verified.new_sign_count):
            raise LogInError("passkey-copied", "the passkey counts backwards: there may be a copy of it")
        return passkey

    async def _certificate(self, passkey: PasskeyRow) -> Certificate:
        """One of the person's that counts now. Raises CertificateError."""
        now, standings = self._sessions.now(), self._sessions.standings
        enrolled = await standings.certificate(self._pool, passkey.certificate)
        if await registry.load_revocation(self._pool, enrolled.fingerprint):
            raise RevokedError("the passkey was enrolled under a certificate that was revoked")
        standing = await standings.current(self._pool)
        try:
            return standing.verify(enrolled, enrolled.role, now)
        except (RevokedError, StatusError):
            raise
        except CertificateError:  # out of time: there may be a renewed one
            pass
        found = await registry.live_certificates(self._pool, enrolled.role, [passkey.registration], now)
        for der in found.get(passkey.registration, []):
            with suppress(CertificateError):
                return standing.verify(Certificate(der), enrolled.role, now)
        raise CertificateError("no certificate of this person counts any more")

    async def _redeem(self, credential: Credential, purpose: Purpose, visitor: Visitor | None) -> bytes:
        """The challenge that the answer claims to be to, used up. Raises LogInError."""
        try:
            data = msgspec.json.decode(_bytes(credential["response"]["clientDataJSON"]), type=_ClientData)
            challenge = _bytes(data.challenge)
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise LogInError("passkey-invalid", "not a passkey's answer") from error
        if data.cross_origin:
            raise LogInError("foreign-origin", "asked for inside of another site's page")
        await self._sessions.redeem(challenge, purpose, visitor)
        return challenge


def _claimed(credential: Credential) -> tuple[bytes, bytes]:
    """Which credential, and whose, by the handle that a discoverable one tells. Raises LogInError."""
    try:
        return _bytes(credential["id"]), _bytes(credential["response"]["userHandle"])
    except (LookupError, TypeError, ValueError) as error:
        raise LogInError("passkey-invalid", "not a passkey's answer") from error


def _bytes(text: Any) -> bytes:
    """Base64url without padding. Raises TypeError or ValueError."""
    if not isinstance(text, str) or "=" in text:
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
