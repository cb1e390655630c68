"""Where this service keeps its things, read once from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`database_url` is empty where the service starts a PostgreSQL of its own below `data_dir`."""

    data_dir: Path
    database_url: str = ""
    beacon_period: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 1
    """Seconds between the rounds of the embedded beacon; holds when its key is made, at the first start."""

    @classmethod
    def load(cls, environment: Mapping[str, str], data_dir: Path | None = None) -> Self:
        """From DATABASE_URL, OPENSEAL_BEACON_PERIOD and XDG_DATA_HOME; a given `data_dir` wins.

        Raises ValueError for a period that is none.
        """
        return cls(
            data_dir=data_dir or _default_data_dir(environment),
            database_url=environment.get("DATABASE_URL", ""),
            beacon_period=int(environment.get("OPENSEAL_BEACON_PERIOD", "1")),
        )


def _default_data_dir(environment: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/openseal")
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "openseal"
