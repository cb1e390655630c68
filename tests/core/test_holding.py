"""What is in somebody's file, and the two kinds of keys that it holds."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificates import P256_ORDER, Role, Signer, request
from crypto.encoding import decode, encode
from crypto.errors import MalformedError
from procurement.registry.holding import Holding, load, private
from procurement.registry.safe import Safe
from tests.builders import the_world

NUMBER = 0x1234567890ABCDEF << 128
KEYS = {"ed25519": "77" * 32, "p256": f"p256:{NUMBER:064x}"}


def holding(key: str) -> Holding:
    return Holding(service="http://localhost:8000", trust=the_world().trust, key=key)


@pytest.mark.parametrize("kind", KEYS)
def test_a_file_holds_a_key_of_either_kind_and_gives_it_back(kind: str, tmp_path: Path) -> None:
    Safe(tmp_path / "file", "correct horse battery").write(encode(holding(KEYS[kind])))
    key = private(load(Safe(tmp_path / "file", "correct horse battery")).key)
    signer = Signer(key, request(key, Role.BUSINESS, "도서관 상사", "KR-1"))
    signer.holder.verify(b"words", signer.sign(b"words"))


def test_which_kind_a_key_is_stands_before_it() -> None:
    assert isinstance(private(KEYS["ed25519"]), Ed25519PrivateKey)
    key = private(KEYS["p256"])
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers().private_value == NUMBER


@pytest.mark.parametrize("number", [0, P256_ORDER, 2**256 - 1])
def test_a_number_that_is_no_key_is_malformed(number: int) -> None:
    with pytest.raises(MalformedError):
        private(f"p256:{number:064x}")


@pytest.mark.parametrize("key", ["", "p256:", "p256:77", "P256:" + "77" * 32, "p384:" + "77" * 32, "7G" * 32])
def test_other_words_for_a_key_are_refused(key: str) -> None:
    with pytest.raises(MalformedError):
        decode(encode(holding(key)), Holding)


@given(st.binary(max_size=200))
def test_a_file_of_anything_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data, Holding)
