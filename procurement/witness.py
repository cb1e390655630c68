"""What a witness of logs has on its disk: its key, what it has co-signed, and what it would not.

    FOLDER/witness.key     the secret key in a line, as Go's sumdb/note writes one; no passphrase, mode 0600
    FOLDER/state.json      per log the largest head that was co-signed (crypto.witness.WitnessState)
    FOLDER/conflicts/      what logs signed that contradicts it, or may, a file each (crypto.witness.Conflict)

The key comes last: one without a memory beside it has lost it, and a witness that forgot must never go on
under its name, for it would co-sign another past.
"""

import secrets
from pathlib import Path

from crypto import durable
from crypto.checkpoint import WITNESS, SigningKey
from crypto.encoding import encode
from crypto.errors import MalformedError
from crypto.witness import Conflict, WitnessState
from procurement.errors import FolderError

MOST_CONFLICTS = 1000
"""Files kept of what proves that a log misbehaved."""
MOST_NOTES = 100
"""Files kept of each other kind, which anybody can make some of who has a log's checkpoints."""

_KEY, _STATE, _CONFLICTS = "witness.key", "state.json", "conflicts"


def create(folder: Path, name: str) -> SigningKey:
    """A new witness's key, its empty memory beside it. Raises FolderError where there is a key or a memory
    already, MalformedError for a name that is none, OSError."""
    key = SigningKey(name, WITNESS, secrets.token_bytes(32))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / _KEY).exists() or _remembers(folder):
        raise FolderError(f"{folder} has a witness already")
    (folder / _CONFLICTS).mkdir(mode=0o700, exist_ok=True)
    durable.replace(folder / _STATE, WitnessState().encode())
    durable.replace(folder / _KEY, f"{key.encode()}\n".encode())
    return key


def settle(folder: Path, name: str) -> SigningKey:
    """The key of the witness in `folder`, which is made where there is none. Raises as `create` and
    `Memory`."""
    if not (folder / _KEY).exists():
        return create(folder, name)
    return Memory(folder).key


class Memory:
    """A witness's key and all that it remembers. Whoever changes it holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        """Raises FolderError where the key or the memory is not there, or no good; OSError."""
        self.folder = folder
        self.key = _key(folder / _KEY)
        self.state = _state(folder / _STATE)

    def keep(self, state: WitnessState) -> None:
        """Durable when this returns. Raises OSError."""
        durable.replace(self.folder / _STATE, state.encode())
        self.state = state

    def keep_conflict(self, conflict: Conflict) -> Path | None:
        """The new file with that evidence; None where it is there already, or enough of its kind are.
        Raises OSError."""
        path = self.folder / _CONFLICTS / f"{conflict.kind}-{conflict.name}.json"
        most = MOST_CONFLICTS if conflict.proves else MOST_NOTES
        if path.exists() or len(self.conflicts(conflict.kind)) >= most:
            return None
        durable.replace(path, encode(conflict))
        return path

    def conflicts(self, kind: str = "") -> list[Path]:
        """The files of evidence, of one kind or of all."""
        return sorted((self.folder / _CONFLICTS).glob(f"{kind}*.json"))


def _remembers(folder: Path) -> bool:
    """Whether anything was ever co-signed there."""
    return (folder / _STATE).exists() and _state(folder / _STATE) != WitnessState()


def _key(path: Path) -> SigningKey:
    try:
        key = SigningKey.parse(path.read_text().removesuffix("\n"))
    except FileNotFoundError as error:
        raise FolderError(f"{path} is missing: `openseal witness init` makes a witness") from error
    except (UnicodeDecodeError, MalformedError) as error:
        raise FolderError(f"{path}: not the secret key of a witness") from error
    if key.verifier.kind != WITNESS:
        raise FolderError(f"{path}: not the secret key of a witness")
    return key


def _state(path: Path) -> WitnessState:
    try:
        return WitnessState.parse(path.read_bytes())
    except FileNotFoundError as error:
        raise FolderError(f"{path} is missing: {_FORGOTTEN}") from error
    except MalformedError as error:
        raise FolderError(f"{path} cannot be read: {_FORGOTTEN}") from error


_FORGOTTEN = (
    "a witness that has forgotten what it co-signed must not go on under its name;"
    " make another with `openseal witness init`, and have its key take this one's place"
)
