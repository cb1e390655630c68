"""A real service with a real Chromium in front of it, for all tests of pages."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from procurement.__main__ import main
from tests.ports import free_port

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


HURRIED = """
const later = globalThis.setTimeout;
globalThis.setTimeout = (act, time, ...more) =>
  later(act, time > 200 && time <= 60_000 ? time / 20 : time, ...more);
"""
"""For a page that is to lose no time: its pauses between attempts and looks are a twentieth as long."""
PATIENCE = 120_000
"""Milliseconds: a slow machine is no failure."""
expect.set_options(timeout=PATIENCE)


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
    port = free_port()
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
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        launched.on("context", _be_patient)
        yield launched


def _be_patient(context: BrowserContext) -> None:
    context.set_default_timeout(PATIENCE)


def run(*arguments: str, given: str = "") -> str:
    """What the command `openseal` prints; `given` is its standard input."""
    command = [*COMMAND, *arguments]
    done = subprocess.run(command, input=given, text=True, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_here(*arguments: str, passphrase: Path) -> str:
    """The same without a process of its own, but in a thread: in this one the browser's loop runs."""
    with ThreadPoolExecutor(1) as thread, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENSEAL_PASSPHRASE_FILE", str(passphrase))
        return thread.submit(_printed, arguments).result()


def _printed(arguments: tuple[str, ...]) -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert not ended.value.code, err.getvalue()
    return out.getvalue().strip()


def _wait_for(address: str, service: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
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
