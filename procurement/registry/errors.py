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
