"""Accepting an envelope: in the database and in the log's queue, in one transaction, or not at all."""

from datetime import datetime
from typing import Any
from uuid import UUID

from bids import store
from bids.envelope import Envelope
from bids.errors import EnvelopeError
from bids.receipts import Receipt, commitment, commitment_entry
from bids.store import StoredEnvelope
from crypto.certificates import Certificate, SigningKey
from crypto.encoding import moment
from crypto.log import Log
from crypto.statements import Statement


async def accept(
    connection: Any,
    log: Log,
    tender_id: UUID,
    statement: Statement,
    envelope: Envelope,
    bidder: Certificate,
    now: datetime,
    salt: bytes,
) -> StoredEnvelope:
    """Put a checked envelope into the box, in the caller's transaction.

    The same envelope again gives what was stored the first time. Raises EnvelopeError where the bidder
    has an envelope in the box that this one does not replace.
    """
    stored = StoredEnvelope(
        id=statement.id,
        registration=bidder.registration,
        previous=envelope.previous,
        body=statement.data,
        accepted_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        salt=salt.hex(),
    )
    if await store.add_envelope(connection, tender_id, stored):
        await log.append(connection, [entry(stored, envelope.context.notice)])
        return stored
    before = await store.load_envelope(connection, tender_id, statement.id)
    if before is None:
        raise EnvelopeError("not-latest", "the envelope does not replace this bidder's latest one")
    return before


def entry(stored: StoredEnvelope, notice: str) -> bytes:
    """The log entry that commits to `stored`."""
    digest = commitment(notice, moment(stored.accepted_at), stored.salt, stored.id)
    return commitment_entry(digest)


def receipt(stored: StoredEnvelope, envelope: Envelope, key: SigningKey) -> Receipt:
    """What the bidder is given for `stored`, to be signed by `key`."""
    return Receipt(
        signer=key.fingerprint,
        tender=envelope.context.tender,
        notice=envelope.context.notice,
        bidder=stored.registration,
        kind="envelope",
        time=moment(stored.accepted_at),
        salt=stored.salt,
        statement=stored.id,
    )
