"""What is done again and again, and may be in trouble for a while."""

import logging
from collections.abc import Awaitable, Callable

from crypto.errors import BeaconError
from procurement import database


class Troubles:
    """Attempts, of which each may fail without ending the rest. A trouble is told once, not at every look."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: dict[str, str] = {}

    async def attempt(self, what: str, act: Callable[[], Awaitable[None]]) -> bool:
        """Do it; whether it was done. What else came of it is in the log where it is no use waiting for."""
        try:
            await act()
        except (BeaconError, TimeoutError):
            return False  # the round or the log's index is still to come
        except Exception as error:
            if self._told.get(what) != repr(error):
                unexpected = not isinstance(error, database.AWAY)
                self._logger.error("%s: a step that is due failed: %s", what, error, exc_info=unexpected)
            self._told[what] = repr(error)
            return False
        else:
            self._told.pop(what, None)
            return True
