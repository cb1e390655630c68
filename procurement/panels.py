"""A panel by draw (PROTOCOL section 8): the notice freezes a pool of evaluators, and public randomness that
nobody knew when the round was fixed says in which order they are called.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar

from crypto.beacon import LOCAL
from crypto.certificates import Role
from crypto.draws import PublicRandomness, ticket
from crypto.encoding import Hex32, HexG1, Identifier, Moment, RoundNumber, Value
from crypto.statements import Payload
from procurement.errors import TenderError
from procurement.tenders import Notice

LATEST = timedelta(hours=1)
"""How long after the request its round comes at most."""
GRINDABLE = "grindable: who runs the beacon, the service itself, could know its rounds before"


class DrawRequest(Payload, frozen=True, kw_only=True):
    """The officer fixes the round of the notice's beacon that draws the panel. The first request counts."""

    PURPOSE: ClassVar[str] = "draw-request"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.OFFICER,)

    tender: Identifier
    notice: Hex32
    round: RoundNumber
    time: Moment


class PanelTicket(Value, frozen=True, kw_only=True):
    """What one of the pool, by certificate, has drawn."""

    certificate: Hex32
    ticket: Hex32


class PanelDraw(Payload, frozen=True, kw_only=True):
    """The service publishes the round's signature and the whole pool in the order of its tickets."""

    PURPOSE: ClassVar[str] = "panel-draw"
    ROLES: ClassVar[tuple[Role, ...]] = (Role.SERVICE,)

    tender: Identifier
    notice: Hex32
    request: Hex32
    """Id of the draw's request."""
    round: RoundNumber
    beacon: HexG1
    tickets: tuple[PanelTicket, ...]
    time: Moment

    def order(self, person: Callable[[str], str]) -> tuple[str, ...]:
        """Who is called when; `person` gives the registration number of whoever holds a certificate."""
        return tuple(person(each.certificate) for each in self.tickets)


def check_request(notice: Notice, request: DrawRequest, at: datetime) -> None:
    """A panel is to be drawn, by a round that comes within an hour of the request's entry. Raises TenderError
    or BeaconError."""
    if notice.seats is None:
        raise TenderError("nothing-to-draw", "the notice draws no panel")
    time = notice.network.time_of(int(request.round))
    if time <= at:
        raise TenderError("round-known", "the draw's round has come before its request")
    if time > at + LATEST:
        raise TenderError("round-too-late", "the draw's round comes more than an hour after its request")


def check_unknown(notice: Notice, request: DrawRequest, reached: datetime) -> None:
    """The quorum of witnesses had `reached` the request's entry before its round came. Raises TenderError."""
    if reached >= notice.network.time_of(int(request.round)):
        raise TenderError("draw-late", "the draw's round came before its request was witnessed")


def randomness(notice: Notice, notice_id: str, beacon: str) -> PublicRandomness:
    """What the panel is drawn from: a round's signature (hex) alone, since no order is signed yet."""
    return PublicRandomness(
        tender=notice.tender, notice=bytes.fromhex(notice_id), beacon=bytes.fromhex(beacon)
    )


def tickets(notice: Notice, notice_id: str, beacon: str) -> tuple[PanelTicket, ...]:
    """Everybody's in the pool, the lowest first: SHA-256(seed ‖ certificate fingerprint)."""
    seed = randomness(notice, notice_id, beacon).seed("panel")
    drawn = [
        PanelTicket(certificate=each, ticket=ticket(seed, bytes.fromhex(each)).hex())
        for each in notice.evaluators
    ]
    return tuple(sorted(drawn, key=lambda each: each.ticket))


def verify_draw(notice: Notice, notice_id: str, requested: tuple[str, str], draw: PanelDraw) -> None:
    """`draw` is what came of the request with that id for that round. Raises TenderError or BeaconError."""
    if (draw.request, draw.round) != requested:
        raise TenderError("another-draw", "the panel was drawn by another request or round")
    notice.network.verify_round(int(draw.round), bytes.fromhex(draw.beacon))
    if draw.tickets != tickets(notice, notice_id, draw.beacon):
        raise TenderError(
            "panel-wrong", "the panel comes out of its draw differently: somebody was chosen, not drawn"
        )


def is_grindable(notice: Notice) -> bool:
    """Whether whoever runs the service could have known the round when it was fixed."""
    return notice.network.beacon_id == LOCAL
