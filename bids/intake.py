"""Taking in what bidders send, many arrivals at once: each into its box and the log's queue, or told why not.

In one transaction a batch is decided as if its arrivals had come one after the other::

    look (what the boxes hold that matters) ──► find, check, admit (no database) ──► keep (insert, queue)

Another transaction may do the same at the same time. What it has changed meanwhile shows in `keep`, which
then raises Raced: whoever decides the batch again sees it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from bids import store
from bids.envelope import Envelope, Withdrawal
from bids.errors import EnvelopeError
from bids.receipts import PROMISED, Committed, Kind, Promise, Receipt, commitment, commitment_entry
from bids.store import Key, Latest, StoredEnvelope
from crypto.certificates import Certificate, SigningKey
from crypto.encoding import moment, rounded_down
from crypto.log import Log
from crypto.statements import Statement


class Raced(Exception):
    """Somebody else has put something into the same boxes since they were looked at."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope or a withdrawal that has come, its form, its terms and its signature checked."""

    tender_id: UUID
    notice: str
    statement: Statement
    said: Envelope | Withdrawal
    lead: Certificate
    """The signer's."""
    partners: tuple[Certificate, ...] = ()
    salt: str
    """Of its commitment: 32 fresh bytes, hex."""

    @property
    def kind(self) -> Kind:
        return "withdrawal" if isinstance(self.said, Withdrawal) else "envelope"

    @property
    def withdraws(self) -> str | None:
        """The id of the envelope that it takes back."""
        return self.said.previous if isinstance(self.said, Withdrawal) else None

    @property
    def bidders(self) -> tuple[Certificate, ...]:
        """Certificates of all who bid by it, the lead's first."""
        return (self.lead, *self.partners)

    @property
    def registrations(self) -> list[str]:
        """Of all of them, the lead's first."""
        return [each.registration for each in self.bidders]


class Intake:
    """What the boxes hold that matters to a batch of arrivals, and what of it is to be added to them."""

    def __init__(
        self,
        found: dict[Key, StoredEnvelope],
        latest: dict[Key, Latest],
        leads: dict[Key, str],
        co_signed: set[tuple[UUID, str, str]],
    ) -> None:
        self._found, self._latest, self._leads, self._co_signed = found, latest, leads, co_signed
        self._added: list[tuple[Arrival, StoredEnvelope]] = []
        self._bound: dict[Key, str] = {}

    @classmethod
    async def look(cls, connection: Any, arrivals: Sequence[Arrival]) -> "Intake":
        """As of the caller's transaction, which holds the tenders' rows.

        Where another one is just keeping the same statement, this waits for its end: what it keeps is never
        refused here.
        """
        statements = [(each.tender_id, each.statement.id) for each in arrivals]
        await store.hold_statements(connection, {id for _, id in statements})
        withdrawn = [(each.tender_id, id) for each in arrivals if (id := each.withdraws)]
        bidders = sorted({(each.tender_id, name) for each in arrivals for name in each.registrations})
        joint = [(each.tender_id, each.statement.id) for each in arrivals if each.partners]
        return cls(
            found=await store.find_envelopes(connection, [*statements, *withdrawn]),
            latest=await store.find_latest(connection, bidders),
            leads=await store.find_leads(connection, bidders),
            co_signed=await store.find_co_signatures(connection, joint) if joint else set(),
        )

    def find(self, arrival: Arrival) -> StoredEnvelope | None:
        """What was stored when the same statement came for the first time."""
        return self._found.get((arrival.tender_id, arrival.statement.id))

    def check(self, arrival: Arrival) -> None:
        """It continues its bidder's chain, all partners have signed it, and none of them is in another bid.

        Raises EnvelopeError.
        """
        self._check_latest(arrival)
        self._check_co_signed(arrival)
        self._check_bound(arrival)

    def admit(self, arrival: Arrival, at: datetime, status: str, *, in_doubt: bool) -> StoredEnvelope:
        """The box's new element, for `keep`: `arrival` has been checked, under the status with that id."""
        tender_id, lead = arrival.tender_id, arrival.lead.registration
        stored = StoredEnvelope(
            id=arrival.statement.id,
            registration=lead,
            previous=arrival.said.previous,
            body=arrival.statement.data,
            accepted_at=rounded_down(at),
            salt=arrival.salt,
            status=status,
            kind=arrival.kind,
            in_doubt=in_doubt,
        )
        self._added.append((arrival, stored))
        self._found[tender_id, stored.id] = stored
        self._latest[tender_id, lead] = Latest(id=stored.id, kind=stored.kind)
        for each in ((tender_id, name) for name in arrival.registrations):
            if each not in self._leads:
                self._leads[each] = self._bound[each] = lead
        return stored

    async def keep(self, connection: Any, log: Log) -> None:
        """Everything admitted goes into the boxes and into the log's queue. Raises Raced."""
        if not self._added:
            return
        # In one order everywhere, so that two batches wait for each other and do not deadlock.
        bound = sorted((*at, lead) for at, lead in self._bound.items())
        if await store.bind_parties(connection, bound) != len(bound):
            raise Raced
        rows = sorted(
            ((arrival.tender_id, stored) for arrival, stored in self._added),
            key=lambda row: (row[0], row[1].registration, row[1].previous or ""),
        )
        if await store.add_envelopes(connection, rows) != len(rows):
            raise Raced
        await log.append(connection, [entry(stored, arrival.notice) for arrival, stored in self._added])

    def _check_latest(self, arrival: Arrival) -> None:
        latest = self._latest.get((arrival.tender_id, arrival.lead.registration))
        if arrival.said.previous != (latest.id if latest else None):
            raise EnvelopeError("not-latest", "the statement does not continue from this bidder's latest one")
        if latest is None or arrival.withdraws is None:
            return
        if latest.kind != "envelope":
            raise EnvelopeError("nothing-to-withdraw", "the bidder's latest statement is a withdrawal")
        if Statement(self._found[arrival.tender_id, latest.id].body).signer != arrival.statement.signer:
            raise EnvelopeError("another-certificate", "an envelope is withdrawn by whoever signed it")

    def _check_co_signed(self, arrival: Arrival) -> None:
        """Certificates differ in a checked envelope, but one business may have several."""
        if len(set(arrival.registrations)) != len(arrival.registrations):
            raise EnvelopeError("partner-twice", "a joint bid names one bidder twice")
        for each in arrival.partners:
            if (arrival.tender_id, arrival.statement.id, each.fingerprint) not in self._co_signed:
                raise EnvelopeError(
                    "co-signature-missing", f"{each.registration} has not co-signed this envelope"
                )

    def _check_bound(self, arrival: Arrival) -> None:
        """Whoever was in a bid once has seen it from within: nobody gets out of it into another one."""
        lead = arrival.lead.registration
        for name in arrival.registrations:
            if self._leads.get((arrival.tender_id, name), lead) != lead:
                raise EnvelopeError(
                    "elsewhere", f"{name} is or was in another bid of this tender, and stays bound to it"
                )


def entry(stored: StoredEnvelope, notice: str) -> bytes:
    """The log entry that commits to `stored`."""
    digest = commitment(stored.kind, notice, moment(stored.accepted_at), stored.salt, stored.id)
    return commitment_entry(digest)


def receipt(stored: StoredEnvelope, tender: str, notice: str, key: SigningKey) -> Receipt:
    """What the bidder is given for `stored`, to be signed by `key`."""
    return Receipt(**_inputs(stored, tender, notice, key))


def promise(stored: StoredEnvelope, tender: str, notice: str, key: SigningKey) -> Promise:
    """What the bidder is given for `stored` while the log does not have it, to be signed by `key`."""
    included_by = moment(stored.accepted_at + PROMISED)
    return Promise(**_inputs(stored, tender, notice, key), included_by=included_by)


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


def _inputs(stored: StoredEnvelope, tender: str, notice: str, key: SigningKey) -> dict[str, Any]:
    return {
        "signer": key.fingerprint,
        "tender": tender,
        "notice": notice,
        "bidder": stored.registration,
        "kind": stored.kind,
        "time": moment(stored.accepted_at),
        "salt": stored.salt,
        "statement": stored.id,
        "status": stored.status,
        "in_doubt": stored.in_doubt,
    }
