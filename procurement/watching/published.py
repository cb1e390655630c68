"""Lists of published files: of what `procurement.bulk.listing` writes, what a watcher reads."""

from typing import Annotated

import msgspec

from crypto.encoding import Hex32, Small, sha256

PUBLISHED = "data:published"
"""Type of the log's entries that name such lists."""


class DataPublished(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag=PUBLISHED):
    """Log entry: a list of published files has this SHA-256."""

    sha256: Hex32


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """A published file; `size` in bytes. Whoever keeps it can do so under its name."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9-][A-Za-z0-9.-]{0,63}\Z")]
    sha256: Hex32
    size: Small


class DataList(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="openseal/data/v1"):
    """What was published of a day, a month, or all tenders up to a day."""

    period: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
    practice: bool = False
    files: tuple[DataFile, ...]

    def __post_init__(self) -> None:
        if len({each.name for each in self.files}) < len(self.files):
            raise ValueError("a name stands twice in a list of published files")

    @property
    def of_all(self) -> bool:
        """Whether its files go away once there are newer ones."""
        return self.period.startswith("all-")

    @property
    def folder(self) -> str:
        """Where a service has the files."""
        return f"/data/practice/{self.period}" if self.practice else f"/data/{self.period}"


def is_list(data: bytes, digest: str) -> bool:
    """Whether these are the bytes with that SHA-256 (hex)."""
    return sha256(data).hex() == digest
