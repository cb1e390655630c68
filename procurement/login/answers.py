"""What log-in answers: a challenge to be signed, and the code that comes of it."""

import msgspec

from crypto.encoding import Hex32, Moment


class GivenChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge (hex) to be signed, for `origin` and until `expires`."""

    challenge: Hex32
    origin: str
    expires: Moment


class GivenCode(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time code: whoever has it first, until `expires`, comes in."""

    code: str
    expires: Moment
