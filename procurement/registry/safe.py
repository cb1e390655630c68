r"""A file under a passphrase, for what its owner must neither show nor lose.

    openseal/safe/v1\n ‖ salt(16) ‖ nonce(12) ‖ ChaCha20-Poly1305(Argon2id(passphrase, salt), nonce, content)

The tag line and the salt are authenticated. The file is replaced as a whole, and what was there before is
overwritten: on a disk that does not spread writes nothing of it is left, on others only ciphertext is.
"""

import os
import secrets
import unicodedata
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from crypto import durable
from procurement.errors import SafeError

SALT_SIZE = 16
COST = 3, 4, 64 * 1024
"""Of a guess at a passphrase: passes, lanes and KiB of Argon2id, RFC 9106's second recommended option."""
_FORMAT = b"openseal/safe/v1\n"
_NONCE_SIZE = 12


class Safe:
    """The file at `path`, for its owner's eyes and passphrase."""

    def __init__(self, path: Path, passphrase: str) -> None:
        self.path = path
        self._passphrase = passphrase
        self._keys: dict[bytes, bytes] = {}  # by salt, which stays while the file does: a key takes a while

    def read(self) -> bytes:
        """The content. Raises SafeError for another passphrase or no such file, OSError."""
        data = self.path.read_bytes()
        head, nonce = data[: len(_FORMAT) + SALT_SIZE], data[len(_FORMAT) + SALT_SIZE :][:_NONCE_SIZE]
        if not head.startswith(_FORMAT) or len(nonce) != _NONCE_SIZE:
            raise SafeError("not a file that openseal enrol made")
        cipher = ChaCha20Poly1305(self._key(head[len(_FORMAT) :]))
        try:
            return cipher.decrypt(nonce, data[len(head) + _NONCE_SIZE :], head)
        except InvalidTag as error:
            raise SafeError("the passphrase does not open the file, or it is damaged") from error

    def write(self, content: bytes) -> None:
        """Replace the content, whole or not at all, durable when this returns. Raises OSError."""
        salt = next(iter(self._keys), None) or secrets.token_bytes(SALT_SIZE)
        head, nonce = _FORMAT + salt, secrets.token_bytes(_NONCE_SIZE)
        sealed = ChaCha20Poly1305(self._key(salt)).encrypt(nonce, content, head)
        before = os.open(self.path, os.O_RDWR) if self.path.exists() else None
        durable.replace(self.path, head + nonce + sealed)
        if before is not None:
            _overwrite(before)

    def erase(self) -> None:
        """Overwrite the file and remove it. Raises OSError."""
        _overwrite(os.open(self.path, os.O_RDWR))
        self.path.unlink()
        durable.sync(self.path.parent)

    def _key(self, salt: bytes) -> bytes:
        if salt not in self._keys:
            self._keys = {salt: key_of(self._passphrase, salt)}
        return self._keys[salt]


def key_of(passphrase: str, salt: bytes) -> bytes:
    """32 bytes by Argon2id at `COST`.

    The passphrase is normalised (NFC): keyboards compose Korean and accents differently.
    """
    text = unicodedata.normalize("NFC", passphrase).encode()
    passes, lanes, memory = COST
    return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(text)


def _overwrite(descriptor: int) -> None:
    with os.fdopen(descriptor, "r+b") as file:
        file.write(secrets.token_bytes(os.fstat(descriptor).st_size))
        file.flush()
        os.fsync(descriptor)
