"""BLS12-381 with signatures in G1 and public keys in G2: all the curve arithmetic there is.

The only file that touches the library, whose sharp edges end here: it decodes anything with the infinity
bit as the identity, turns ``Scalar(ORDER)`` into 0, gives GT no byte form, and is not constant-time.
Points are compressed as in the ZCash format (48 and 96 bytes); scalars are ints in 1..ORDER-1.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from py_arkworks_bls12381 import GT, Scalar
from py_arkworks_bls12381 import G1Point as G1
from py_arkworks_bls12381 import G2Point as G2

from crypto.errors import MalformedError, SignatureError

__all__ = ["G1", "G2"]

ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Of G1, G2 and GT."""

_G2 = G2()
_MINUS_G2 = -_G2
_G1_IDENTITY = G1.identity()
_G2_IDENTITY = G2.identity()


def parse_g1(data: bytes) -> G1:
    """A signature. Raises MalformedError unless `data` is the one encoding of a point of order ORDER."""
    try:
        point = G1.from_compressed_bytes(data)
    except (TypeError, ValueError) as error:
        raise MalformedError("not a point of G1") from error
    if point == _G1_IDENTITY or point.to_compressed_bytes() != data:
        raise MalformedError("not the encoding of a point of G1")
    return point


def parse_g2(data: bytes) -> G2:
    """A public key. Raises MalformedError unless `data` is the one encoding of a point of order ORDER."""
    try:
        point = G2.from_compressed_bytes(data)
    except (TypeError, ValueError) as error:
        raise MalformedError("not a point of G2") from error
    if point == _G2_IDENTITY or point.to_compressed_bytes() != data:
        raise MalformedError("not the encoding of a point of G2")
    return point


def parse_scalar(data: bytes) -> int:
    """A secret, 32 bytes big-endian. Raises MalformedError outside 1..ORDER-1."""
    value = int.from_bytes(data, "big")
    if len(data) != 32 or not 0 < value < ORDER:
        raise MalformedError("not a scalar")
    return value


def scalar_from(randomness: bytes) -> int:
    """An even scalar from at least 48 random bytes. Raises MalformedError for fewer."""
    if len(randomness) < 48:
        raise MalformedError("a scalar takes 48 random bytes")
    return int.from_bytes(randomness, "big") % (ORDER - 1) + 1


def hash_to_g1(message: bytes, dst: bytes) -> G1:
    """RFC 9380 with suite BLS12381G1_XMD:SHA-256_SSWU_RO_ and domain separation tag `dst`."""
    return G1.hash_to_curve(message, dst)


def times_g1(point: G1, scalar: int) -> G1:
    """``scalar · point``. Raises MalformedError for a scalar outside 1..ORDER-1."""
    return point * _scalar(scalar)


def times_g2(scalar: int) -> G2:
    """``scalar · G2``, the public key of a secret. Raises MalformedError outside 1..ORDER-1.

    Sums one table entry per byte, six times faster than a general multiplication. Not constant-time: for
    scalars that are used here once.
    """
    digits = _scalar(scalar).to_le_bytes()
    return sum((row[digit] for row, digit in zip(_table(), digits, strict=True)), _G2_IDENTITY)


def add_g1(points: Iterable[G1]) -> G1:
    """The sum. Raises MalformedError where it is the identity."""
    total = sum(points, _G1_IDENTITY)
    if total == _G1_IDENTITY:
        raise MalformedError("points of G1 that cancel out")
    return total


def add_g2(points: Iterable[G2]) -> G2:
    """The sum. Raises MalformedError where it is the identity."""
    total = sum(points, _G2_IDENTITY)
    if total == _G2_IDENTITY:
        raise MalformedError("points of G2 that cancel out")
    return total


def pairing_product(pairs: Sequence[tuple[G1, G2]]) -> bytes:
    """``Π e(p, q)`` as 576 bytes: c1 before c0 at every tower level, Fp 48 bytes big-endian."""
    product = GT.multi_pairing([p for p, _ in pairs], [q for _, q in pairs])
    return bytes.fromhex(str(product))[::-1]


def sign(secret: int, message: bytes, dst: bytes, blinding: bytes) -> bytes:
    """The BLS signature, 48 bytes. Raises MalformedError for a bad secret or under 48 bytes of blinding.

    The secret is split at random into two summands, fresh for each call, so that the time a
    multiplication takes says nothing about the secret.
    """
    point = hash_to_g1(message, dst)
    mask = _scalar(scalar_from(blinding))
    return (point * (_scalar(secret) - mask) + point * mask).to_compressed_bytes()


def verify_signature(public_key: G2, message: bytes, dst: bytes, signature: bytes) -> G1:
    """The signature's point. Raises SignatureError, or MalformedError if it is no point at all."""
    point = parse_g1(signature)
    if not GT.pairing_check([point, hash_to_g1(message, dst)], [_MINUS_G2, public_key]):
        raise SignatureError("the signature is not this key's on this message")
    return point


def polynomial_at(coefficients: Sequence[int], x: int) -> int:
    """``Σ coefficients[j] · x^j mod ORDER``."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % ORDER
    return value


def commitment_at(commitments: Sequence[G2], x: int) -> G2:
    """``Σ x^j · commitments[j]``: what `polynomial_at` commits to (Feldman 1987)."""
    powers = [Scalar(pow(x, j, ORDER)) for j in range(len(commitments))]
    return G2.multiexp_unchecked(list(commitments), powers)


def interpolate_at_zero(points: Mapping[int, G1]) -> G1:
    """The value at 0 of the polynomial through `points` (x to point, x distinct and not 0; Lagrange)."""
    return sum((point * _lagrange(x, points) for x, point in points.items()), _G1_IDENTITY)


def _lagrange(x: int, others: Iterable[int]) -> Scalar:
    numerator = denominator = 1
    for other in others:
        if other != x:
            numerator = numerator * other % ORDER
            denominator = denominator * (other - x) % ORDER
    return Scalar(numerator * pow(denominator, -1, ORDER) % ORDER)


def _scalar(value: int) -> Scalar:
    if not 0 < value < ORDER:
        raise MalformedError("not a scalar")
    return Scalar.from_be_bytes(value.to_bytes(32, "big"))


@cache
def _table() -> list[list[G2]]:
    """Row i holds 0, 1, … 255 times ``256^i · G2``; some 25 ms to build."""
    rows, base = [], _G2
    for _ in range(32):
        row = [_G2_IDENTITY]
        for _ in range(255):
            row.append(row[-1] + base)
        rows.append(row)
        base = row[-1] + base
    return rows
