"""Verifying a whole award record, beside what the opening of its bids takes anybody."""

from collections.abc import Iterator

from benchmarks.measuring import Measure, Scale, ratio
from bids.envelope import Envelope
from bids.orders import PartToOpen, open_parts
from crypto.statements import Statement
from procurement import record
from tests.builders import Life, a_bidder, the_world


def verify(scale: Scale) -> Iterator[Measure]:
    """`record.verify` ÷ opening the record's bids. Both in one process, so that the ratio is that of work."""
    life, data = a_life(scale.record_bids)
    trust = life.world.trust

    def verify_record() -> None:
        assert record.verify(data, trust).outcome == "verified"

    value = ratio(verify_record, lambda: open_all(life), 2 * scale.rounds)
    yield Measure(name="verify_ratio", value=value, unit="", goal=1.3)


def a_life(bids: int) -> tuple[Life, bytes]:
    """A tender with so many bidders, awarded, and its record."""
    life = Life()
    for number in range(bids):
        life.submit(a_bidder(the_world(), number), str(1_000_000 + number))
    return life, life.to_award().record()


def open_all(life: Life) -> None:
    """What the service does when it opens a tender, without its database: from the envelopes as they lie in
    the box to the history's entries that say what each of them says."""
    opening, ids = life.openings["bid"], life.closing.counted()
    envelopes = [Statement(life.bids[id]).read(Envelope) for id in ids]
    parts = [PartToOpen(envelope=each, terms=life.terms, opening=opening) for each in envelopes]
    results = open_parts(parts)
    life.head.append([life.opened_event("bid", id, result) for id, result in zip(ids, results, strict=True)])
