"""The age file format (C2SP age) around a time lock, as tlock-js writes and reads it.

A file key of 16 bytes keys the payload; the header's one stanza, ``-> tlock ROUND CHAIN``, holds the file
key in a capsule: U (96 bytes), V (16) and W (16).
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.locks import Capsule

CHUNK = 64 * 1024
TAG = 16
_ARMOR = re.compile(r"-----BEGIN AGE ENCRYPTED FILE-----\n(.*)\n-----END AGE ENCRYPTED FILE-----\n*", re.S)
_HEADER = re.compile(
    rb"(age-encryption.org/v1\n-> tlock (\d+) ([0-9a-f]{64})\n([\w+/\n]+)\n---) ([\w+/]{43})\n"
)


class AgeFile(NamedTuple):
    """A file as it was read: nothing in it is checked before the file key is known."""

    round: int
    chain: str
    capsule: Capsule
    header: bytes
    mac: bytes
    payload: bytes

    def open(self, file_key: bytes) -> bytes:
        """What is inside, once header and payload agree with the file key."""
        assert hmac.compare_digest(self.mac, _mac(file_key, self.header))
        cipher = _cipher(file_key, self.payload[:16])
        nonces, sealed = _nonces(len(self.payload) - 16, CHUNK + TAG), self.payload[16:]
        return b"".join(cipher.decrypt(nonce, sealed[at : at + CHUNK + TAG], None) for at, nonce in nonces)


def parse(armored: str) -> AgeFile:
    """An armoured file with one tlock stanza."""
    armor = _ARMOR.fullmatch(armored)
    assert armor
    data = b64decode(armor[1])
    found = _HEADER.match(data)
    assert found
    header, round, chain, stanza, mac = found.groups()
    body = _unpadded(stanza.replace(b"\n", b""))
    capsule = Capsule(u=body[:96], v=body[96:112], w=body[112:])
    return AgeFile(int(round), chain.decode(), capsule, header, _unpadded(mac), data[found.end() :])


def write(round: int, chain: str, capsule: Capsule, file_key: bytes, nonce: bytes, plaintext: bytes) -> str:
    """The armoured file; `nonce` is 16 fresh bytes."""
    stanza = b64encode(capsule.u + capsule.v + capsule.w).rstrip(b"=").decode()
    lines = [stanza[at : at + 64] for at in range(0, len(stanza), 64)]
    header = "\n".join(["age-encryption.org/v1", f"-> tlock {round} {chain}", *lines, "---"]).encode()
    cipher = _cipher(file_key, nonce)
    sealed = [cipher.encrypt(n, plaintext[at : at + CHUNK], None) for at, n in _nonces(len(plaintext), CHUNK)]
    mac = b64encode(_mac(file_key, header)).rstrip(b"=")
    text = b64encode(b"".join([header, b" ", mac, b"\n", nonce, *sealed])).decode()
    body = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN AGE ENCRYPTED FILE-----\n{body}\n-----END AGE ENCRYPTED FILE-----\n"


def _nonces(size: int, chunk: int) -> Iterator[tuple[int, bytes]]:
    """Where each chunk of STREAM begins, and its nonce: 11 bytes of a counter, 01 at the last chunk."""
    for number, at in enumerate(range(0, max(size, 1), chunk)):
        yield at, number.to_bytes(11, "big") + bytes([at + chunk >= size])


def _cipher(file_key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=nonce, info=b"payload").derive(file_key))


def _mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(HKDF(SHA256(), 32, salt=b"", info=b"header").derive(file_key), header, "sha256")


def _unpadded(text: bytes) -> bytes:
    return b64decode(text + b"=" * (-len(text) % 4))
