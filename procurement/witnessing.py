"""`openseal witness`: an auditor elsewhere co-signs the logs of services, and keeps what contradicts itself.

The one duty of whoever runs it is to keep the folder: key and memory belong together, for years. A copy of
an older memory put back makes it co-sign what it had refused.
"""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text

from crypto.checkpoint import LOG, VerifyingKey, verify_cosignatures
from crypto.encoding import decode
from crypto.errors import VerificationError
from crypto.witness import Conflict, WitnessedHead
from procurement import witness
from procurement.console import FAILED, UNUSABLE, Stop, parse_trust, plain, read, stdout
from procurement.errors import FolderError

app = App(name="witness", help="A witness of the logs of services, at another organisation.")


@app.command
def init(folder: Path, /, *, name: str) -> int:
    """Make a witness: a key, and an empty memory. Prints the key that services name in OPENSEAL_WITNESSES.

    Parameters
    ----------
    folder
        Where it keeps its key (for the owner's eyes, without a passphrase: nobody is there to type one), what
        it has co-signed, and evidence.
    name
        What it is called in every co-signature, best an address of yours without https://, as
        witness.example/openseal.
    """
    try:
        key = witness.create(folder, name)
    except VerificationError as error:
        raise Stop(UNUSABLE, error) from error
    except OSError as error:
        raise Stop(FAILED, f"{error.filename}: {error.strerror}") from error
    stdout().print(key.verifier.encode())
    return 0


@app.command
def run(
    folder: Path,
    /,
    *,
    log: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    trust: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    host: str = "127.0.0.1",
    port: int = 8400,
) -> int:
    """Co-sign what extends what was co-signed before, until Ctrl-C; a line on standard error for all else.

    It speaks C2SP tlog-witness, `add-checkpoint` alone, without TLS: that is for a proxy before it.

    Parameters
    ----------
    folder
        The witness's, as `init` made it.
    log
        The key (vkey) of a log to watch; repeatable.
    trust
        A trust file, whose log is watched; repeatable.
    host
        On which address to listen.
    port
        Where to listen.
    """
    from procurement.web.connection import listen
    from procurement.web.witness import serve

    logs = [*map(_log, log), *(_log(parse_trust(read(path), path).log) for path in trust)]
    if not logs:
        raise Stop(UNUSABLE, "no log to watch: --log VKEY, or --trust TRUST.json")
    try:
        with listen(host, port) as listening:
            where = f"[{host}]" if ":" in host else host
            at = f"http://{where}:{listening.getsockname()[1]}/"
            stdout().print(f"witness of {', '.join(each.name for each in logs)} at {at}")
            serve(listening, folder, logs)
    except FolderError as error:
        raise Stop(UNUSABLE, error) from error
    except OSError as error:
        raise Stop(FAILED, error) from error
    return 0


@app.command
def show(folder: Path, /) -> int:
    """Print the witness's key, what it has co-signed last of each log, and which logs contradicted
    themselves. Exit status 1 where one did; notes of what anybody may have sent change nothing.

    Parameters
    ----------
    folder
        The witness's.
    """
    try:
        memory = witness.Memory(folder)
        conflicts = [(path, decode(path.read_bytes(), Conflict)) for path in memory.conflicts()]
    except VerificationError as error:
        raise Stop(UNUSABLE, error) from error
    except OSError as error:
        raise Stop(UNUSABLE, f"{error.filename}: {error.strerror}") from error
    out = stdout()
    out.print(memory.key.verifier.encode())
    for head in memory.state.heads:
        out.print(_told(head, memory.key.verifier))
    for path, conflict in conflicts:
        kind = ("CONFLICT ", "bold red") if conflict.proves else ("note: ", "dim")
        out.print(Text.assemble(kind, plain(f"{conflict}; kept as {path}")))
    return FAILED if any(conflict.proves for _, conflict in conflicts) else 0


def _log(vkey: str) -> VerifyingKey:
    try:
        key = VerifyingKey.parse(vkey)
    except VerificationError as error:
        raise Stop(UNUSABLE, f"{vkey}: {error}") from error
    if key.kind != LOG:
        raise Stop(UNUSABLE, f"{vkey}: the key of a witness, not of a log")
    return key


def _told(head: WitnessedHead, key: VerifyingKey) -> str:
    [last] = verify_cosignatures(head.note, [key], 1)
    return (
        f"{head.origin}: {head.size} entries, root {head.root}, co-signed {last.time:%Y-%m-%d %H:%M:%S} UTC"
    )
