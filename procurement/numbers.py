"""Registration numbers. One that begins with `practice-` is for practice tenders only, and names its own key:
nobody vouches for who holds it."""

from collections.abc import Iterable

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crypto.certificates import Holder
from crypto.encoding import sha256
from procurement.errors import TenderError

PRACTICE = "practice-"
DIGITS = 16


def is_practice(registration: str) -> bool:
    """In whatever case: numbers that differ by case only are one number to people."""
    return registration.lower().startswith(PRACTICE)


def practice_number(key_info: bytes) -> str:
    """The number of the key with that SubjectPublicKeyInfo (DER): `practice-` and the first 16 hex digits of
    its SHA-256."""
    return PRACTICE + sha256(key_info).hex()[:DIGITS]


def own_practice_number(holder: Holder) -> str:
    """The only practice number that the holder of this request or certificate can have."""
    key_info = holder.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return practice_number(key_info)


def check_admitted(registrations: Iterable[str], *, practice: bool) -> None:
    """Whoever has a practice number acts in practice tenders only; anybody may act in those.

    Raises TenderError.
    """
    for each in () if practice else filter(is_practice, registrations):
        raise TenderError("practice-only", f"{each} is a practice number: it is for practice tenders only")
