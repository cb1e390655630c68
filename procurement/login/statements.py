"""What a certificate's holder signs to log in: a challenge of the service's, for one address only."""

from datetime import datetime

from crypto.encoding import Hex32, Moment, Text
from crypto.statements import Payload
from procurement.clocks import check_clock
from procurement.login.errors import LogInError
from procurement.registry.statements import ANYBODY


class LogIn(Payload, frozen=True, kw_only=True):
    """The holder wants to read at `origin` (scheme, host and port as a browser writes them).

    Whoever passes the challenge of another service on gets a statement that is of no use there.
    """

    PURPOSE = "log-in"
    ROLES = ANYBODY

    challenge: Hex32
    origin: Text
    time: Moment

    def check(self, origin: str, now: datetime) -> None:
        """That it is meant for the service at `origin`, and was signed now. Raises LogInError, ClockError."""
        if self.origin != origin:
            raise LogInError("foreign-origin", f"signed for another address: this service is at {origin}")
        check_clock(self.time, now)
