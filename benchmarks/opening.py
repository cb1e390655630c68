"""Sealing a bid, opening one, opening very many."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from secrets import token_bytes

from py_arkworks_bls12381 import GT

from benchmarks.measuring import Measure, Scale, best, peak_memory, ratio
from bids.envelope import Envelope, SubmissionTerms, compose, entropy_size
from bids.opening import open_in_parallel
from bids.orders import Opening, PartToOpen, open_parts
from crypto import bls
from crypto.statements import Statement
from tests.builders import Life, a_bidder, the_world

CONTENT = b"1" * 1_500
"""A bid's plaintext; sealed, signed and encoded it has some 4 KiB."""
_BATCH = 100


def seal_bid(scale: Scale) -> Iterator[Measure]:
    """Composing one envelope: two locks, encryption, signature."""
    terms, _ = a_tender()
    _seal(terms, 1)  # the curve's table is built, the locks' points are known
    key = a_bidder(the_world(), 1)

    def seal() -> None:
        for _ in range(scale.sample):
            compose({"bid": CONTENT}, terms, key, token_bytes(entropy_size(terms)))

    yield Measure(name="seal_bid_ms", value=best(seal, scale.rounds) / scale.sample * 1e3, unit="ms")


def open_bid(scale: Scale) -> Iterator[Measure]:
    """Locks and decryption of a bid ÷ nothing but the library's pairing, on the same points."""
    parts = sealed(scale.sample)
    key, points = bls.hash_to_g1(b"any point", b"of G1"), [_point(part) for part in parts]
    open_parts(parts)
    value = ratio(
        lambda: open_parts(parts), lambda: [GT.pairing(key, point) for point in points], 10 * scale.rounds
    )
    yield Measure(name="open_bid_ratio", value=value, unit="", goal=1.5)


def open_many(scale: Scale) -> Iterator[Measure]:
    """As the service opens a tender: on all processors, from envelopes that are in memory."""
    parts = sealed(scale.bids)
    with peak_memory() as few:
        open_in_parallel(parts[: len(parts) // 5])
    with peak_memory() as all_:
        elapsed = best(lambda: _check(open_in_parallel(parts)), scale.rounds)
    yield Measure(name="open_5000_s", value=elapsed, unit="s", goal=7)
    yield Measure(name="open_5000_parent_mb", value=all_.own, unit="MiB", goal=64)
    yield Measure(name="open_5000_child_mb", value=max(0.0, all_.child - few.child), unit="MiB", goal=16)


@cache
def a_tender() -> tuple[SubmissionTerms, Opening]:
    """What bids are sealed for, and the keys that open them."""
    life = Life()
    life.open("bid")
    return life.terms, life.openings["bid"]


@cache
def sealed(count: int) -> list[PartToOpen]:
    """Real envelopes, sealed on all processors."""
    terms, opening = a_tender()
    sizes = [min(_BATCH, count - start) for start in range(0, count, _BATCH)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        batches = list(pool.map(_seal, [terms] * len(sizes), sizes))
    return [
        PartToOpen(envelope=Statement(data).read(Envelope), terms=terms, opening=opening)
        for batch in batches
        for data in batch
    ]


def _seal(terms: SubmissionTerms, count: int) -> list[bytes]:
    key = a_bidder(the_world(), 1)
    return [compose({"bid": CONTENT}, terms, key, token_bytes(entropy_size(terms))) for _ in range(count)]


def _point(part: PartToOpen) -> bls.G2:
    return bls.parse_g2(part.envelope.parts[0].capsule.u)


def _check(results: Sequence[bytes | str]) -> None:
    assert set(results) == {CONTENT}, "every bid opens to its content"
