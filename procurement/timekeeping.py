"""What time it is: on this machine, and by the database, which decides about deadlines."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any


class Clock:
    """The time on this machine, and the database's."""

    def __init__(self, ahead: Callable[[], timedelta] = timedelta) -> None:
        """`ahead` is by how much both are ahead of the real time: nothing, but where somebody turns them."""
        self._ahead = ahead

    def now(self) -> datetime:
        """The time on this machine, aware UTC."""
        return datetime.now(UTC) + self._ahead()

    def monotonic(self) -> float:
        """Seconds since some moment in the past. Nobody can turn this one."""
        return time.monotonic()

    async def at(self, connection: Any) -> datetime:
        """The database's time now, aware UTC: not that of the transaction's beginning."""
        at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return at.astimezone(UTC) + self._ahead()
