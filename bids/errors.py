"""Why an envelope is turned away, and why one that was accepted does not open."""

from crypto.errors import VerificationError


class EnvelopeError(VerificationError):
    """An envelope that does not fit the terms it was made for. `code` says how."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UploadError(VerificationError):
    """A sealed file, or a piece of one, that does not get into the store. `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unopenable(VerificationError):
    """An accepted envelope that does not open or does not decode. `code` is its published reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
