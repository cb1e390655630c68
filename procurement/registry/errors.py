"""What the registry does not do, or not at the moment."""

from crypto.errors import VerificationError


class RegistryError(VerificationError):
    """What the registry does not admit. `code` says which rule was broken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RegistryFullError(VerificationError):
    """More applications wait than registrars can look at; nothing is wrong with the one that came."""

    code = "registry-full"


class PracticeFullError(VerificationError):
    """Too many came to practise; `seconds` is when to come back. Nothing is wrong with what was sent."""

    code = "too-many-requests"

    def __init__(self, seconds: int) -> None:
        super().__init__("too many came to practise: send the same again later")
        self.seconds = seconds
