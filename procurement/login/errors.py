"""What can be wrong with a log-in, or with what is asked by somebody who should be logged in."""

from crypto.errors import VerificationError


class LogInError(VerificationError):
    """Somebody may not come in, or not here. `code` says which rule was broken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotLoggedIn(VerificationError):
    """There is no session, or it has ended."""

    code = "not-logged-in"
