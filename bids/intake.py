"""Accepting an envelope: in the database and in the log's queue, in one transaction, or not at all."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bids import store
from bids.envelope import Envelope
from bids.errors import EnvelopeError
from bids.receipts import Committed, Receipt, commitment, commitment_entry
from bids.store import StoredEnvelope
from crypto.certificates import Certificate, SigningKey
from crypto.encoding import moment
from crypto.log import Log
from crypto.statements import Statement


class Bidders(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a bid, all in good standing: certificates of its signer and of the signer's partners, and
    the id of the certificate status under which they were looked at."""

    lead: Certificate
    partners: tuple[Certificate, ...]
    status: str

    @property
    def registrations(self) -> list[str]:
        """Of all of them, the lead's first."""
        return [each.registration for each in (self.lead, *self.partners)]


async def accept(
    connection: Any,
    log: Log,
    tender_id: UUID,
    statement: Statement,
    envelope: Envelope,
    bidders: Bidders,
    now: datetime,
    salt: bytes,
) -> StoredEnvelope:
    """Put a checked envelope into the box, in the caller's transaction.

    The same envelope again gives what was stored the first time. Raises EnvelopeError where the bidder
    has an envelope in the box that this one does not replace, where a partner has not co-signed it, and
    where one of them is in another bid.
    """
    stored = StoredEnvelope(
        id=statement.id,
        registration=bidders.lead.registration,
        previous=envelope.previous,
        body=statement.data,
        accepted_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        salt=salt.hex(),
        status=bidders.status,
    )
    if await store.add_envelope(connection, tender_id, stored):
        await _check_co_signed(connection, tender_id, statement.id, bidders)
        await _bind(connection, tender_id, bidders)
        await log.append(connection, [entry(stored, envelope.context.notice)])
        return stored
    before = await store.load_envelope(connection, tender_id, statement.id)
    if before is None:
        raise EnvelopeError("not-latest", "the envelope does not replace this bidder's latest one")
    return before


def entry(stored: StoredEnvelope, notice: str) -> bytes:
    """The log entry that commits to `stored`."""
    digest = commitment(stored.kind, notice, moment(stored.accepted_at), stored.salt, stored.id)
    return commitment_entry(digest)


def receipt(stored: StoredEnvelope, envelope: Envelope, key: SigningKey) -> Receipt:
    """What the bidder is given for `stored`, to be signed by `key`."""
    return Receipt(
        signer=key.fingerprint,
        tender=envelope.context.tender,
        notice=envelope.context.notice,
        bidder=stored.registration,
        kind=stored.kind,
        time=moment(stored.accepted_at),
        salt=stored.salt,
        statement=stored.id,
        status=stored.status,
        in_doubt=stored.in_doubt,
    )


def committed(stored: StoredEnvelope, index: int) -> Committed:
    """What the closing statement says of `stored`, whose commitment has that index in the log."""
    return Committed(
        index=index,
        kind=stored.kind,
        time=moment(stored.accepted_at),
        salt=stored.salt,
        statement=stored.id,
        status=stored.status,
        bidder=stored.registration,
        in_doubt=stored.in_doubt,
    )


async def _check_co_signed(connection: Any, tender_id: UUID, id: str, bidders: Bidders) -> None:
    """Certificates differ in a checked envelope, but one business may have several."""
    if len(set(bidders.registrations)) != len(bidders.registrations):
        raise EnvelopeError("partner-twice", "a joint bid names one bidder twice")
    if not bidders.partners:
        return
    given = await store.load_co_signatures(connection, tender_id, [id])
    for each in bidders.partners:
        if (id, each.fingerprint) not in given:
            raise EnvelopeError(
                "co-signature-missing", f"{each.registration} has not co-signed this envelope"
            )


async def _bind(connection: Any, tender_id: UUID, bidders: Bidders) -> None:
    """Whoever was in a bid once has seen it from within: nobody gets out of it into another one."""
    lead = bidders.lead.registration
    await store.add_parties(connection, tender_id, lead, bidders.registrations)
    leads = await store.load_leads(connection, tender_id, bidders.registrations)
    for registration in bidders.registrations:
        if leads[registration] != lead:
            raise EnvelopeError(
                "elsewhere",
                f"{registration} is or was in another bid of this tender, and stays bound to it",
            )
