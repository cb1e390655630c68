"""A real service with a real Chromium in front of it, for all tests of pages."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

CASE = Path(__file__).parents[2] / "procurement" / "cases" / "R25BK01027145"
COMMAND = [sys.executable, "-m", "procurement"]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Service(NamedTuple):
    """A running service: its port on this machine and its data folder."""

    port: int
    folder: Path

    @property
    def origin(self) -> str:
        """Its address as log-in is bound to it."""
        return f"http://localhost:{self.port}"

    def invite(self) -> str:
        """A one-time code that lets a registrar in."""
        return run("invite", "--data-dir", str(self.folder))


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("browser")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)  # the database's account has to pass
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["serve", "--port", str(port), "--data-dir", str(folder)]
    process = subprocess.Popen([*COMMAND, *serve], stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}", process)
        yield Service(port, folder)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="package")
def site(service: Service) -> str:
    """The address of a service through which the case has gone."""
    address = f"http://127.0.0.1:{service.port}"
    run("replay", str(CASE), "--base-url", address, "--code-file", "-", given=service.invite())
    return address


# Playwright keeps a loop running in this thread: it has to be gone before tests have loops of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("OPENSEAL_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


def run(*arguments: str, given: str = "", passphrase: Path | None = None) -> str:
    """What the command `openseal` prints; `given` is its standard input."""
    environment = os.environ | ({"OPENSEAL_PASSPHRASE_FILE": str(passphrase)} if passphrase else {})
    done = subprocess.run(
        [*COMMAND, *arguments], input=given, env=environment, text=True, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _wait_for(address: str, service: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert service.poll() is None, "the service ended"
        try:
            httpx.get(f"{address}/health").raise_for_status()
        except httpx.HTTPError:
            pass
        else:
            return
        try:
            service.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the service did not answer")
