"""The award record's container: a ZIP that has exactly one form for its files.

Stored, sorted, without extras, comments or times, so that whoever has the files has the bytes, and any
flipped bit shows. A reader rebuilds the archive and compares.
"""

import io
import re
import zipfile
from collections.abc import Mapping

from procurement.errors import RecordError

LARGEST = 1024 * 1024 * 1024  # bytes of a whole archive
REPACKED = "something was added to the file, or it was packed anew"

_PATH = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER = 30  # bytes before a file's name
_MARKS = (b"PK\x03\x04", b"PK\x05\x06")


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of `files` (path → content). Raises RecordError for a path of another form."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            _check_path(path)
            entry = zipfile.ZipInfo(path, _NO_TIME)
            entry.create_system = 3
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of an archive that `pack` could have made. Raises RecordError."""
    if len(data) > LARGEST:
        raise RecordError("the archive is larger than 1 GiB")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(data):
                raise RecordError(f"{REPACKED}: the archive's files are larger than the archive")
            files = {entry.filename: _stored(data, entry) for entry in entries}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise RecordError("the file is cut off or damaged: not a ZIP archive") from error
    if pack(files) != data:
        raise RecordError(f"{REPACKED}: the archive is not in its one form")
    return files


def resembles_one(data: bytes) -> bool:
    """Whether someone could mean these bytes as an archive: they begin or end like one."""
    return data.startswith(_MARKS[0]) or _MARKS[1] in data[-22:]


def _stored(data: bytes, entry: zipfile.ZipInfo) -> bytes:
    """Its bytes as they lie there: nothing is unpacked that could be larger than it looks."""
    start = entry.header_offset + _LOCAL_HEADER + len(entry.filename)
    return data[start : start + entry.file_size]


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path) or ".." in path:
        raise RecordError("a path outside [a-z0-9][a-z0-9._/-]*")
