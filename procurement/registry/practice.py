"""Who is let in to practise: anybody, at once, under the number of their own key, and not too many at a time.

The practice registrar's key lies with the service, which approves under it; all other registrars have no say
about practice numbers, and this one none about any other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from crypto.certificates import Certificate, Holder, Role, SigningKey
from crypto.encoding import moment
from crypto.statements import Statement, sign
from procurement.numbers import is_practice, practice_number
from procurement.registry.errors import PracticeFullError, RegistryError
from procurement.registry.statements import Application, Approval


class Rate(NamedTuple):
    """So many within so long."""

    most: int
    within: timedelta


RATES = (Rate(5, timedelta(minutes=1)), Rate(60, timedelta(hours=1)))


class PracticeRegistrar(NamedTuple):
    """The registrar of a service that people practise on, and how many it lets in."""

    key: SigningKey
    rates: tuple[Rate, ...]

    @property
    def longest(self) -> timedelta:
        """Whoever was let in before that has no bearing on the rates."""
        return max(each.within for each in self.rates)

    def check_room(self, times: Sequence[datetime], now: datetime) -> None:
        """`times`, in order, are those at which others came. Raises PracticeFullError."""
        for rate in self.rates:
            recent = [each for each in times if each > now - rate.within]
            if len(recent) >= rate.most:
                wait = recent[-rate.most] + rate.within - now
                raise PracticeFullError(seconds=int(wait.total_seconds()) + 1)


def approved(registrar: SigningKey, application: str, now: datetime) -> Statement:
    """The registrar's word for the application with that id."""
    approval = Approval(signer=registrar.fingerprint, application=application, time=moment(now))
    return Statement(sign(approval, registrar))


def check_number(application: Application, holder: Holder) -> None:
    """A practice number is a business's own, by its key, and no representative's of anybody who is for real.
    It names no official as its representative: nobody looks whether that is so, and by it anybody could stop
    what that official does.

    Raises RegistryError.
    """
    persons = [each.person for each in application.representatives if each.person is not None]
    if is_practice(holder.registration):
        if holder.role is not Role.BUSINESS:
            raise RegistryError("practice-number", "practice numbers are for businesses")
        check_own(holder)
        if persons:
            raise RegistryError("practice-number", "no official represents a business that practises")
    elif any(map(is_practice, persons)):
        raise RegistryError("practice-number", "nobody with a practice number represents a real business")


def check_own(holder: Holder) -> None:
    """Raises RegistryError for another practice number than that of the holder's key."""
    own = practice_number(holder.public_key)
    if holder.registration != own:
        raise RegistryError("practice-number", f"the practice number of this key is {own}")


def check_decides(registrar: Certificate, registration: str) -> None:
    """Practice numbers are the practice registrar's, and no others. Raises RegistryError."""
    if is_practice(registrar.registration) is not is_practice(registration):
        raise RegistryError("practice-only", "practice numbers are the practice registrar's, and no others")
