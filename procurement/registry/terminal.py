"""What commands at a person's own machine share: passphrase, the file it opens, the line to the service."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from bids.client import Service, ServiceError, read_trust
from crypto.certificates import SigningKey
from crypto.errors import VerificationError
from procurement.console import FAILED, UNUSABLE, Stop, parse_trust, plain, read, stdout
from procurement.registry.holding import Holding, load
from procurement.registry.safe import Safe
from procurement.settings import Settings, SettingsError

SHORTEST_PASSPHRASE = 12  # characters

Yes = Annotated[bool, Parameter(negative=(), help="Do it without asking.")]
Act = Callable[[Service, Safe, Holding], Awaitable[None]]


def at(file: Path, act: Act) -> int:
    """Do something with what is in the file, at the service that it names. Raises Stop."""
    safe = Safe(file, passphrase())
    found = holding(safe)
    try:
        relays = Settings.load(os.environ).relays
    except SettingsError as error:
        raise Stop(UNUSABLE, error) from error

    async def work(http: httpx.AsyncClient) -> None:
        await act(Service(http, found.trust, relays=relays), safe, found)

    attempt(lambda: connected(found.service, work))
    return 0


def at_service(service: str, trust: Path | None, work: Callable[[Service], Awaitable[Any]]) -> Any:
    """Do something with a line to a service that is trusted by a file, or on its own word. Raises Stop."""
    pinned = parse_trust(read(trust), trust) if trust else None
    if pinned is None:
        warn("without --trust the service is believed on its own word: for practice only")

    async def first(http: httpx.AsyncClient) -> Any:
        return await work(Service(http, pinned or await read_trust(http)))

    return attempt(lambda: connected(service, first))


async def connected(address: str, work: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Do something with a connection to that address."""
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30, trust_env=False) as http:
        return await work(http)


def attempt(work: Callable[[], Any]) -> Any:
    """Run it to its end. Raises Stop for everything that can be wrong with a service and its answers."""
    try:
        return asyncio.run(work())
    except httpx.InvalidURL as error:
        raise Stop(UNUSABLE, f"no address: {error}") from error
    except (ServiceError, VerificationError) as error:
        raise Stop(FAILED, error) from error
    except OSError as error:
        raise Stop(FAILED, f"{error.filename or 'this machine'}: {error.strerror}") from error


def holding(safe: Safe) -> Holding:
    """What is in the file. Raises Stop."""
    try:
        return load(safe)
    except VerificationError as error:
        raise Stop(UNUSABLE, f"{safe.path}: {error}") from error
    except OSError as error:
        raise Stop(UNUSABLE, f"{safe.path}: {error.strerror}") from error


def signing_key(holding: Holding, file: Path) -> SigningKey:
    """The key in somebody's file, with its certificate. Raises Stop."""
    try:
        return holding.signing_key
    except VerificationError as error:
        raise Stop(UNUSABLE, f"{file}: {error}") from error


@contextmanager
def refusing() -> Iterator[None]:
    """What is wrong with a folder, in one line. Raises Stop."""
    try:
        yield
    except VerificationError as error:
        raise Stop(UNUSABLE, error) from error
    except OSError as error:
        raise Stop(UNUSABLE, f"{error.filename}: {error.strerror}") from error


def passphrase(*, new: bool = False) -> str:
    """From the prompt, or from the file that the environment names; never from the command line."""
    if path := os.environ.get("OPENSEAL_PASSPHRASE_FILE"):
        given = read(Path(path)).decode("utf-8", "replace").rstrip("\r\n")
    else:
        given = _asked("Passphrase: ")
        if new and _asked("The same again: ") != given:
            raise Stop(UNUSABLE, "the passphrases differ")
    if len(given) < SHORTEST_PASSPHRASE:
        raise Stop(UNUSABLE, f"a passphrase has {SHORTEST_PASSPHRASE} characters or more")
    return given


def check_new(path: Path) -> None:
    """A file is never replaced by another person's, or a share by none. Raises Stop."""
    if path.exists():
        raise Stop(UNUSABLE, f"{path} is there already")


def say(line: str) -> None:
    """One line on standard output."""
    stdout().print(plain(line))


def warn(line: str, console: Console | None = None) -> None:
    """One line on standard error, or on a `console` that draws there already."""
    (console or Console(stderr=True, soft_wrap=True)).print(Text(f"openseal: {line}", "yellow"))


def _asked(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError as error:
        raise Stop(UNUSABLE, "nobody is there to be asked for the passphrase") from error
