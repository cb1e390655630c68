"""Very many businesses and their bids, made in bulk: what the registry and sealing would take hours for."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from cryptography.hazmat.primitives.asymmetric import ed25519

from bids.envelope import NONCE, Context, Envelope, SubmissionTerms, bid_id, compose, entropy_size
from crypto.certificates import Role, SigningKey, request
from crypto.statements import Statement, sign
from procurement.authorities import Authorities
from procurement.registry import store as registry
from procurement.service import House

CONTENT = b"1" * 1_500
"""What is sealed; sealed, signed and encoded it has some 4 KiB."""


async def businesses(house: House, dsn: str, count: int) -> list[SigningKey]:
    """So many, each with a certificate of the embedded authority that the service knows."""
    authorities, now = Authorities(house.keys), datetime.now(UTC)
    run = secrets.token_hex(4)
    keys = []
    for number in range(count):
        private = ed25519.Ed25519PrivateKey.generate()
        asked = request(private, Role.BUSINESS, f"Business {number}", f"{run}-{number}")
        keys.append(SigningKey(private, authorities.issue(asked, now)))
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            for key in keys:
                await registry.add_certificate(connection, key.certificate)
    finally:
        await connection.close()
    return keys


def unopenable(terms: SubmissionTerms, keys: Sequence[SigningKey]) -> list[bytes]:
    """One envelope by each of `keys` around one sealed part: no box can tell that it opens for nobody."""
    first = compose({"bid": CONTENT}, terms, keys[0], secrets.token_bytes(entropy_size(terms)))
    genuine = Statement(first).read(Envelope)
    return [sign(_under_another_name(genuine, key.fingerprint), key) for key in keys]


def _under_another_name(genuine: Envelope, fingerprint: str) -> Envelope:
    nonce = secrets.token_bytes(NONCE)
    values = {name: getattr(genuine.context, name) for name in genuine.context.__struct_fields__}
    own = {"bid": bid_id(fingerprint, nonce), "nonce": nonce.hex(), "certificate": fingerprint}
    return Envelope(signer=fingerprint, context=Context(**(values | own)), parts=genuine.parts)
