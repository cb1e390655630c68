"""The one-time code by which a registrar comes in whom no other registrar approves: the first one, and one
after the last was lost. Whoever can write the service's folder can make one; the log shows what came of it.
"""

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

from crypto import durable
from crypto.encoding import sha256

_BYTES = 15  # 120 bits, 24 letters and digits in six groups
_GROUP = 4


class Invitation:
    """The code in the file at `path`, for the owner's eyes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> str:
        """A new code in place of the last one. Raises OSError."""
        letters = base64.b32encode(secrets.token_bytes(_BYTES)).decode()
        code = "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
        durable.replace(self._path, code.encode())
        return code

    def code(self) -> str | None:
        """The code, unless there is none. Raises OSError."""
        try:
            return self._path.read_text("ascii")
        except FileNotFoundError:
            return None

    def discard(self, is_used: Callable[[str], bool]) -> None:
        """The code is used up, which the database says in any case; a newer one stays."""
        code = self.code()
        if code is not None and is_used(code):
            self._path.unlink(missing_ok=True)


def digest(code: str) -> bytes:
    """What is kept of a code that is used up; 120 random bits are not found by trying."""
    return sha256(code.encode())
