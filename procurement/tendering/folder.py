"""A tender's folder, while it is written: the draft, the files beside it, and what was signed.

    office.json     which service, whom its officer trusts, whose file signs
    notice.json     the draft
    committee.json  what `openseal committee status --json` printed
    signed.json     the notice as it was signed, from just before it is sent for the first time

Everything is durable before anybody is told of it.
"""

from pathlib import Path

from bids.documents import digest
from crypto import durable
from crypto.encoding import Text, Value, decode, encode
from crypto.errors import MalformedError
from crypto.statements import Statement
from crypto.trust import Trust
from procurement import folders
from procurement.errors import FolderError
from procurement.registry.holding import Holding
from procurement.tendering import draft
from procurement.tendering.draft import Convened, Fields, FoundFile


class _Kept(Value, frozen=True, kw_only=True):
    """What `office.json` holds. `file` is the officer's, made by `openseal enrol`."""

    service: Text
    trust: Trust
    file: Text


class Folder:
    """Methods raise OSError, MalformedError; FolderError for a folder that is none."""

    def __init__(self, path: Path) -> None:
        """Read what is there."""
        self.path = path
        if not (path / "office.json").is_file():
            raise FolderError(f"{path} is no tender's folder: openseal tender new makes one")
        self._kept = decode((path / "office.json").read_bytes(), _Kept)

    @classmethod
    def make(cls, path: Path, holding: Holding, file: Path, template: bytes) -> "Folder":
        """A new one. An empty folder may be there already."""
        folders.make(path)
        kept = _Kept(service=holding.service, trust=holding.trust, file=str(file.resolve()))
        durable.replace(path / "notice.json", template)
        durable.replace(path / "office.json", encode(kept))
        durable.sync(path.parent)
        return cls(path)

    @property
    def service(self) -> str:
        """The service's address."""
        return self._kept.service

    @property
    def trust(self) -> Trust:
        """Whom the officer trusts."""
        return self._kept.trust

    @property
    def signer(self) -> Path:
        """The officer's file."""
        return Path(self._kept.file)

    @property
    def fields(self) -> Fields:
        """The draft, as it is edited now."""
        return draft.read((self.path / "notice.json").read_bytes())

    @property
    def signed(self) -> Statement | None:
        """The notice as it was signed last."""
        path = self.path / "signed.json"
        return Statement(path.read_bytes()) if path.exists() else None

    def keep_signed(self, statement: bytes) -> None:
        """Before it is sent."""
        durable.replace(self.path / "signed.json", statement)

    def convened(self, fields: Fields) -> Convened:
        """The committee that the draft names."""
        path = self.path / draft.committee_file(fields)
        if not path.is_file():
            raise MalformedError(
                f"there is no {path.name}: openseal committee status FILE --json > {path}, once it is done"
            )
        return draft.read_convened(path.read_bytes())

    def files(self, fields: Fields) -> dict[str, FoundFile]:
        """Those of the draft's documents that are there."""
        found = {}
        for name in draft.files_named(fields):
            if (self.path / name).is_file():
                read = digest(self.path / name)
                found[name] = FoundFile(sha256=read.sha256, size=read.size)
        return found
