"""`openseal trust`: a person sees in words whom a file trusts, and what is pinned stays pinned."""

import asyncio
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.beacon import QUICKNET
from crypto.certificates import Role
from crypto.encoding import decode, encode, from_base64, sha256
from crypto.trust import Trust
from procurement.__main__ import main
from tests.builders import World, the_world
from tests.relays import dead_address, serving

TRUST = the_world().trust
OTHER = World("elsewhere").trust

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(*arguments: str | Path, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main(["trust", *(str(each) for each in arguments)])
        return (int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "offered.json"
    path.write_bytes(encode(TRUST))
    return path


async def at_an_address(
    run: Run, *arguments: str | Path, answer: bytes, path: str = ""
) -> tuple[int, str, str]:
    """Runs `trust ARGUMENTS…` with the address of a server in place of `URL`."""

    async def app(scope: Any, _: Any, send: Any) -> None:
        status = 200 if scope["path"] == (path or "/api/v1/trust") else 404
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer if status == 200 else b""})

    async with serving(app) as url:
        return await asyncio.to_thread(
            run, *(f"{url}{path}" if each == "URL" else each for each in arguments)
        )


def test_every_identity_is_shown_in_words(run: Run, file: Path) -> None:
    status, shown, err = run("show", file)
    assert (status, err) == (0, "")
    world = the_world()
    assert world.log.verifier.name in shown
    assert world.log.verifier.public.hex() in shown
    assert "1 of 1 witnesses" in shown
    for role, roots in TRUST.roots.items():
        assert f"{role} root" in shown
        assert all(sha256(from_base64(each)).hex() in shown for each in roots)
    assert set(TRUST.roots) == set(Role)
    assert TRUST.networks[0].chain_hash in shown
    assert "which is not independent" in shown
    assert sha256(encode(TRUST)).hex() in shown
    assert ("keeps some of these itself" in shown) is not TRUST.independent


def test_quicknet_is_called_by_its_name(run: Run, file: Path) -> None:
    public = msgspec.structs.replace(TRUST, networks=(QUICKNET,), independent=True)
    file.write_bytes(encode(public))
    _, shown, _ = run("show", file)
    assert "quicknet of the League of Entropy, a round every 3 s since 2023-08-23" in shown
    assert "not independent" not in shown


def test_a_file_is_pinned_after_a_yes(run: Run, file: Path, tmp_path: Path) -> None:
    pinned = tmp_path / "trust.json"
    status, shown, _ = run("pin", file, "--out", pinned, typed="y\n")
    assert status == 0
    assert the_world().log.verifier.public.hex() in shown.partition("Pin this?")[0]
    assert decode(pinned.read_bytes(), Trust) == TRUST


@pytest.mark.parametrize("typed", ["n\n", "\n", "yes please\n", ""])
def test_without_a_yes_nothing_is_pinned(run: Run, file: Path, tmp_path: Path, typed: str) -> None:
    pinned = tmp_path / "trust.json"
    status, _, err = run("pin", file, "--out", pinned, typed=typed)
    assert status == 1
    assert err.startswith("openseal: no")
    assert not pinned.exists()


def test_a_script_may_say_yes(run: Run, file: Path, tmp_path: Path) -> None:
    pinned = tmp_path / "trust.json"
    assert run("pin", file, "--out", pinned, "--yes")[0] == 0
    assert decode(pinned.read_bytes(), Trust) == TRUST


def test_the_same_is_pinned_again_without_a_word(run: Run, file: Path, tmp_path: Path) -> None:
    pinned = tmp_path / "trust.json"
    pinned.write_bytes(msgspec.json.format(encode(TRUST)))
    before = pinned.read_bytes()
    status, shown, _ = run("pin", file, "--out", pinned)
    assert (status, pinned.read_bytes()) == (0, before)
    assert "pins the same" in shown


@pytest.mark.parametrize("field", ["log", "witnesses", "roots", "networks"])
def test_what_is_pinned_is_never_replaced_and_every_difference_is_shown(
    run: Run, file: Path, tmp_path: Path, field: str
) -> None:
    other = msgspec.structs.replace(TRUST, **{field: getattr(OTHER, field)})
    pinned = tmp_path / "trust.json"
    pinned.write_bytes(encode(other))
    status, shown, err = run("pin", file, "--out", pinned, "--yes")
    assert status == 1
    assert "move it away" in err
    assert pinned.read_bytes() == encode(other)
    differences = [
        line for line in shown.partition("pins something else")[2].splitlines() if line[:2] in ("- ", "+ ")
    ]
    assert len(differences) == (2 * len(Role) if field == "roots" else 2)


async def test_a_service_is_asked_for_what_it_says_of_itself(run: Run, tmp_path: Path) -> None:
    pinned = tmp_path / "trust.json"
    status, _, _ = await at_an_address(run, "pin", "URL", "--out", pinned, "--yes", answer=encode(TRUST))
    assert status == 0
    assert decode(pinned.read_bytes(), Trust) == TRUST


async def test_a_trust_file_may_be_anywhere_on_the_web(run: Run) -> None:
    status, shown, _ = await at_an_address(
        run, "show", "URL", answer=encode(TRUST), path="/pinned/trust.json"
    )
    assert status == 0
    assert the_world().log.verifier.public.hex() in shown


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b" " * 2_000_000], ids=len)
async def test_an_address_that_serves_no_trust_file_is_said_in_one_line(run: Run, answer: bytes) -> None:
    status, shown, err = await at_an_address(run, "show", "URL", answer=answer)
    assert (status, shown) == (2, "")
    assert "trust file" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("source", [dead_address(), "http://[", "none.json", "."])
def test_a_source_that_is_not_there_is_said_in_one_line(run: Run, source: str) -> None:
    status, shown, err = run("show", source)
    assert status in (1, 2)
    assert shown == ""
    assert err.startswith(f"openseal: {source}: ")
    assert err.count("\n") == 1
