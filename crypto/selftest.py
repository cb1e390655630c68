"""Known answers, checked at start-up: a library that computes something else must not seal or open a bid.

Answers come from other programs where there are any (RFC 9380, drand, tlock-js); long ones are hashed.
"""

from collections.abc import Callable

from crypto import bls
from crypto.beacon import QUICKNET
from crypto.committee import JointKey, Partial
from crypto.encoding import encode, sha256
from crypto.locks import Capsule, Lock, Opener, OpeningOrder, encrypt_content, mandate_lock, seal


class SelfTestFailed(Exception):
    """The machine or a library gives a wrong answer; nothing may be sealed or opened here."""


ROUND = 1000
ROUND_SIGNATURE = (
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
)
ORDER = OpeningOrder(tender="ocds-0s3al1-T1", notice="00" * 32, part="bid", round=str(ROUND))
COMMITMENTS = (
    "91969c46fdc00f7e44422749766896a778c27c278758559080e707e7003bda3246e76a918f9e52bad7ee8ea626abab91"
    "148d3866b31ccc4520f008d89095542843afe6853d26e369d9d6883e3be1facafd0955527fc75d7a82fe48c8f0c4e3bd",
    "86a359751cee0e8f6906f8e82d71394fe9f583495c6af48705a2dca5529700ee9e8d5abd66baf3fa41188a2f6faa2d60"
    "12353221612c3cfcc3512524b5091875abadea10b8275f74493006183d0c30680e1c3b85cf132dbca2055792bf671ed3",
    "b09393492c8eb02f17f22da804f4e8a581df4ba90cfde32d5eb72901121d96bebf646954f6b938745fc657f11d627c44"
    "14a1402e29a22521c9727fa295f17ee0c9a12693218679bf5fd53d3a8b69aebd393698a6c71b542097a105932be7377b",
)
PARTIALS = {
    1: "8e826d3f9f231e6cecc840594889092f4ad388e652ad8cc3cafb4352383561b97944541fca4be0bfb4038656370e6427",
    4: "95d3c71cb6adbbd078f1d79e707e3c7e9c448ea1f16489643fb940f1f778c801e712a78cfe04a96953a2441a2ca0ff17",
    5: "8cc1cfde18d1e17b4dde543890743bf69dc7be952b3bdb39fbefc68610ba55d71fca6e9a74235c6c24b40e19a6bb5ccd",
}
ORDER_SIGNATURE = (
    "8c95d1c8d305bf53d7ad810ae27c4db0dcbaead42e5c37e7d199ac85a750ed24d391e12ea297084241475b5d280f7b7c"
)
TLOCK_JS_CAPSULE = Capsule(
    u=bytes.fromhex(
        "94ccc738b7cb9d821a07981d8803eb53d22762e2617eaa57fdac714a5cc1e2e4db57c78651c4c2270395f70dcaf1ed04"
        "0595591034a6ec997248ea510deee66a0cd5c232a32cab04427ceb31bb02170bb9b164e2ce1b72cade08cde3625e3629"
    ),
    v=b"\xdb",
    w=b"\x1f",
)


def run() -> None:
    """Compute every known answer, some 60 ms. Raises SelfTestFailed with the name of the first wrong one."""
    for name, compute in _TESTS.items():
        try:
            answer = compute().hex()
        except Exception as error:
            raise SelfTestFailed(name) from error
        if answer != ANSWERS[name]:
            raise SelfTestFailed(name)


def _hash_to_curve() -> bytes:
    dst = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
    return bls.hash_to_g1(b"", dst).to_compressed_bytes()


def _pairing_bytes() -> bytes:
    return sha256(bls.pairing_product([(bls.G1(), bls.G2())]))


def _beacon() -> bytes:
    return QUICKNET.verify_round(ROUND, bytes.fromhex(ROUND_SIGNATURE)).randomness


def _chain_hash() -> bytes:
    return bytes.fromhex(QUICKNET.chain_hash)


def _time_lock() -> bytes:
    return Opener([QUICKNET.lock(ROUND)], [bytes.fromhex(ROUND_SIGNATURE)]).open(TLOCK_JS_CAPSULE)


def _threshold() -> bytes:
    key = JointKey([bls.parse_g2(bytes.fromhex(text)) for text in COMMITMENTS], size=5)
    partials = [Partial(member=i, signature=bytes.fromhex(text)) for i, text in PARTIALS.items()]
    return key.combine(partials, encode(ORDER))


def _sum_locks() -> list[Lock]:
    return [QUICKNET.lock(ROUND), mandate_lock(bytes.fromhex(COMMITMENTS[0]), encode(ORDER))]


def _sum_lock() -> Capsule:
    return seal(_sum_locks(), bytes(range(200, 232)), bytes(range(32)))


def _sealing() -> bytes:
    capsule = _sum_lock()
    return sha256(capsule.u, capsule.v, capsule.w)


def _opening() -> bytes:
    opener = Opener(_sum_locks(), [bytes.fromhex(ROUND_SIGNATURE), bytes.fromhex(ORDER_SIGNATURE)])
    return opener.open(_sum_lock())


def _content() -> bytes:
    return encrypt_content(bytes(range(200, 232)), b"context", _sum_lock(), b"content")


def _canonical_json() -> bytes:
    return sha256(encode(ORDER))


_TESTS: dict[str, Callable[[], bytes]] = {
    "canonical JSON": _canonical_json,
    "hash to curve": _hash_to_curve,
    "pairing bytes": _pairing_bytes,
    "chain hash": _chain_hash,
    "beacon": _beacon,
    "time lock": _time_lock,
    "threshold signature": _threshold,
    "sealing": _sealing,
    "opening": _opening,
    "content encryption": _content,
}

ANSWERS: dict[str, str] = {
    "canonical JSON": "9c970279b217c29f685cf1694a5b083d664e32f6f13c04821113bc135c8c717d",
    "hash to curve": (
        "852926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1"
    ),
    "pairing bytes": "300e47c99502f3af33ad2080847d528cabd90365a90ab98bc174565c27928591",
    "chain hash": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "beacon": "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd",
    "time lock": "41",
    "threshold signature": ORDER_SIGNATURE,
    "sealing": "4ae5d9d4fd0b37fb272b9011622d068226e7197f049284fdf82a4401257b2f83",
    "opening": "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7",
    "content encryption": "30cca81e960d6c90dc17004df84fcb03aa7e78208898a9",
}
