"""Registration numbers. One that begins with `practice-` is for practice tenders only, and names its own key:
nobody has to vouch for who holds it."""

from collections.abc import Iterable

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crypto.certificates import PublicKey
from crypto.encoding import sha256
from procurement.errors import TenderError

PRACTICE = "practice-"
DIGITS = 16


def is_practice(registration: str) -> bool:
    """In whatever case: numbers that differ by case only are one number to people."""
    return registration.lower().startswith(PRACTICE)


def practice_number(key: PublicKey) -> str:
    """The only practice number of whoever holds that key: `practice-` and the first 16 hex digits of the
    SHA-256 of its SubjectPublicKeyInfo (DER)."""
    key_info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PRACTICE + sha256(key_info).hex()[:DIGITS]


def check_admitted(registrations: Iterable[str], *, practice: bool) -> None:
    """Whoever has a practice number acts in practice tenders only; anybody may act in those.

    Raises TenderError.
    """
    for each in () if practice else filter(is_practice, registrations):
        raise TenderError("practice-only", f"{each} is a practice number: it is for practice tenders only")
