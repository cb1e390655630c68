"""What every step asks of the registry: is this statement genuine, does this certificate count, and by which
status; as of the caller's transaction."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from crypto.certificates import Certificate, Role, Roots
from crypto.encoding import decode
from crypto.errors import CertificateError, StatusError
from crypto.revocation import Standing, Status
from crypto.statements import Payload, Statement
from procurement.registry import store

MOST_CERTIFICATES = 8192
"""Of those that were asked for, the ones that are kept at hand: the oldest make room."""

P = TypeVar("P", bound=Payload)


class Standings:
    """The certificates that are known here, and the certificate status in force."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._known: Standing | None = None
        self._certificates: OrderedDict[str, Certificate] = OrderedDict()

    async def current(self, connection: Any) -> Standing:
        """The latest status, its lists verified. Raises StatusError while there is none."""
        id = await store.current_status(connection)
        if id is None:
            raise StatusError("there is no certificate status yet")
        if self._known is None or self._known.id != id:
            body = await store.load_status(connection, id)
            self._known = Standing(decode(body, Status), self._roots)
        return self._known

    async def certificate(self, connection: Any, fingerprint: str) -> Certificate:
        """A certificate that is known here, whether it counts or not. Raises CertificateError."""
        return self.among(await self.known(connection, [fingerprint]), fingerprint)

    async def known(self, connection: Any, fingerprints: Iterable[str]) -> dict[str, Certificate]:
        """By fingerprint, of those that are known here. What a certificate says never changes."""
        asked = set(fingerprints)
        found = {each: known for each in asked if (known := self._certificates.get(each))}
        if missing := asked - set(found):
            loaded = await store.load_certificates(connection, missing)
            found |= await asyncio.to_thread(lambda: {each: Certificate(der) for each, der in loaded.items()})
        self._certificates |= found
        while len(self._certificates) > MOST_CERTIFICATES:
            self._certificates.popitem(last=False)
        return found

    @staticmethod
    def among(known: Mapping[str, Certificate], fingerprint: str) -> Certificate:
        """That one of `known`. Raises CertificateError."""
        if fingerprint not in known:
            raise CertificateError("the signer's certificate is not known here")
        return known[fingerprint]

    async def certified(
        self, connection: Any, fingerprints: Sequence[str], role: Role, at: datetime
    ) -> list[Certificate]:
        """The certificates with these fingerprints, each of which counts in `role` at that time.

        Raises CertificateError.
        """
        found = [await self.certificate(connection, each) for each in fingerprints]
        standing = await self.current(connection)
        return [standing.verify(each, role, at) for each in found]

    async def genuine(
        self, connection: Any, data: bytes, type_: type[P], at: datetime
    ) -> tuple[Statement, P, Certificate]:
        """A statement by someone whose certificate counts at that time: what it says, and who says it.

        Raises MalformedError, SignatureError or CertificateError.
        """
        statement = Statement(data)
        certificate = await self.certificate(connection, statement.signer)
        said = statement.verify(type_, certificate)
        (await self.current(connection)).verify(certificate, certificate.role, at)
        return statement, said, certificate
