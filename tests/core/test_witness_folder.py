"""`openseal witness`: what it keeps, what it refuses, and what it says over HTTP."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from crypto.checkpoint import (
    LOG,
    SigningKey,
    VerifyingKey,
    verify_checkpoint,
    verify_cosignatures,
)
from crypto.encoding import decode, encode
from crypto.witness import REQUEST_LIMIT, Conflict, Request, WitnessState
from procurement import witness
from procurement.errors import FolderError
from procurement.web.witness import create_witness
from procurement.witness import Memory
from tests.builders import the_world
from tests.commands import Ended, Run
from tests.core.test_witness import FORK, LOG_KEY, note_at, request

NAME = "auditor.example/witness"
OTHER = SigningKey("other.example/log", LOG, bytes(range(32)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "auditor"
    witness.create(path, NAME)
    return path


def line_to(memory: Memory, *logs: SigningKey) -> httpx.AsyncClient:
    """A client of a witness of these logs."""
    app: Any = create_witness([each.verifier for each in logs or (LOG_KEY,)], memory)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://witness")


async def asked(folder: Path, *bodies: bytes, logs: Sequence[SigningKey] = ()) -> list[httpx.Response]:
    """The answers of a witness that starts now."""
    async with line_to(Memory(folder), *logs) as client:
        return [await client.post("/add-checkpoint", content=body) for body in bodies]


def test_a_new_witness_has_a_key_for_its_owners_eyes_and_prints_the_public_one(
    tmp_path: Path,
    run: Run,
) -> None:
    folder = tmp_path / "new" / "auditor"
    ended = run("witness", "init", folder, "--name", NAME)
    assert ended.status == 0
    key = VerifyingKey.parse(ended.out.strip())
    assert (key.name, key) == (NAME, Memory(folder).key.verifier)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "witness.key").stat().st_mode & 0o777 == 0o600
    assert run("witness", "show", folder) == Ended(0, f"{key.encode()}\n", "")


def test_a_witness_is_never_made_over_another(folder: Path, run: Run) -> None:
    before = (folder / "witness.key").read_bytes()
    ended = run("witness", "init", folder, "--name", "another.example")
    assert (ended.status, ended.err) == (2, f"openseal: {folder} has a witness already\n")
    assert (folder / "witness.key").read_bytes() == before


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb"])
def test_a_name_that_no_key_can_have_makes_no_witness(tmp_path: Path, name: str, run: Run) -> None:
    ended = run("witness", "init", tmp_path / "new", "--name", name)
    assert ended.status == 2
    assert "a key's name" in ended.err
    assert not (tmp_path / "new").exists()


async def test_what_was_co_signed_is_on_the_disk_and_holds_after_a_new_start(folder: Path) -> None:
    [first] = await asked(folder, request(0, 7))
    assert first.status_code == 200
    verify_cosignatures(note_at(7) + first.text, [Memory(folder).key.verifier], 1)
    again, conflict = await asked(folder, request(0, 9), request(7, 9, FORK))
    assert (again.status_code, again.text, again.headers["content-type"]) == (409, "7\n", "text/x.tlog.size")
    assert conflict.status_code == 422
    assert decode((folder / "state.json").read_bytes(), WitnessState).heads[0].size == 7


async def test_several_logs_are_watched_apart(folder: Path) -> None:
    other = Request(old_size=0, proof=(), checkpoint=note_at(3, key=OTHER)).encode()
    answers = await asked(folder, request(0, 7), other, logs=[LOG_KEY, OTHER])
    assert [each.status_code for each in answers] == [200, 200]
    [unknown] = await asked(folder, other)
    assert unknown.status_code == 404
    assert [head.size for head in Memory(folder).state.heads] == [3, 7]


async def test_each_contradiction_is_told_once_and_kept_as_evidence(
    folder: Path,
    run: Run,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lies = [request(9, 9, FORK), request(9, 20, FORK), request(0, 7), request(9, 9, FORK)]
    answers = await asked(folder, request(0, 9), *lies, request(0, 20), b"garbage")
    assert [each.status_code for each in answers] == [200, 409, 422, 409, 409, 409, 400]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    kinds = sorted(line.split(" log tenders.example/log1 ")[0] for line in lines)
    assert kinds == ["witness: CONFLICT:", "witness: note:", "witness: note:"]
    kept = [decode(path.read_bytes(), Conflict) for path in (folder / "conflicts").iterdir()]
    assert {each.kind for each in kept} == {"another-tree", "unproven", "older"}
    [fork] = [each for each in kept if each.kind == "another-tree"]
    seen, offered = (verify_checkpoint(note, LOG_KEY.verifier) for note in (fork.held, fork.offered))
    assert (seen.size, offered.size) == (9, 9)
    assert seen.root != offered.root

    shown = run("witness", "show", folder)
    assert shown.status == 1
    assert f"tenders.example/log1: 9 entries, root {seen.root.hex()}, co-signed 20" in shown.out
    assert shown.out.count("CONFLICT log tenders.example/log1") == 1
    assert shown.out.count("note: log tenders.example/log1") == 2


async def test_what_anybody_may_have_sent_is_shown_and_no_conflict(
    folder: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    await asked(folder, request(0, 9), request(0, 7), request(9, 20, FORK))
    assert "CONFLICT" not in capfd.readouterr().err
    shown = run("witness", "show", folder)
    assert (shown.status, shown.out.count("note: log"), shown.out.count("CONFLICT")) == (0, 2, 0)


async def test_no_evidence_keeps_proof_of_another_kind_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "MOST_NOTES", 2)
    older = [request(0, size) for size in (5, 6, 7, 8)]
    await asked(folder, request(0, 9), *older, request(9, 9, FORK))
    names = [path.name.rsplit("-", 2)[0] for path in Memory(folder).conflicts()]
    assert names == ["another-tree", "older", "older"]


async def test_what_cannot_be_kept_is_not_co_signed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    memory = Memory(folder)
    async with line_to(memory) as client:
        (folder / "state.json.new").mkdir()  # in the way of whatever is to be written
        answer = await client.post("/add-checkpoint", content=request(0, 7))
        assert (answer.status_code, answer.content) == (503, b"")
        assert "nothing is co-signed that cannot be kept" in capfd.readouterr().err
        (folder / "state.json.new").rmdir()
        assert memory.state == WitnessState()
        assert (await client.post("/add-checkpoint", content=request(0, 9))).status_code == 200


async def test_requests_at_the_same_time_are_decided_one_after_the_other(folder: Path) -> None:
    async with line_to(Memory(folder)) as client:
        bodies = [request(0, size) for size in range(1, 17)]
        answers = await asyncio.gather(*(client.post("/add-checkpoint", content=each) for each in bodies))
    assert sorted(each.status_code for each in answers) == [200, *[409] * 15]


async def test_a_body_beyond_the_limit_is_refused_unread(folder: Path) -> None:
    [answer] = await asked(folder, bytes(REQUEST_LIMIT + 1))
    assert answer.status_code == 413


Harm = Callable[[Path], object]


def lose(name: str) -> Harm:
    return lambda folder: (folder / name).unlink()


def spoil(name: str) -> Harm:
    return lambda folder: (folder / name).write_bytes(b"\xff")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lose("state.json"), "state.json is missing: a witness that has forgotten"),
        (spoil("state.json"), "state.json cannot be read: a witness that has forgotten"),
        (lose("witness.key"), "witness.key is missing"),
        (spoil("witness.key"), "witness.key: not the secret key of a witness"),
        (
            lambda folder: (folder / "witness.key").write_text(LOG_KEY.encode()),
            "not the secret key of a witness",
        ),
    ],
)
def test_a_witness_without_its_key_or_memory_does_not_start(
    folder: Path,
    harm: Harm,
    said: str,
    run: Run,
) -> None:
    harm(folder)
    for command in (("run", folder, "--log", LOG_KEY.verifier.encode(), "--port", "0"), ("show", folder)):
        ended = run("witness", *command)
        assert ended.status == 2
        assert said in ended.err


async def test_a_lost_key_is_not_made_anew_where_something_was_co_signed(folder: Path) -> None:
    await asked(folder, request(0, 7))
    (folder / "witness.key").unlink()
    with pytest.raises(FolderError):
        witness.settle(folder, NAME)


def test_the_services_own_witness_does_not_start_without_its_memory_either(tmp_path: Path) -> None:
    own = tmp_path / "own"
    witness.settle(own, NAME)
    (own / "state.json").unlink()
    with pytest.raises(FolderError, match="has forgotten"):
        witness.settle(own, NAME)


def test_a_key_that_was_made_is_found_again(tmp_path: Path) -> None:
    assert witness.settle(tmp_path / "own", NAME).verifier == witness.settle(tmp_path / "own", NAME).verifier


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no log to watch"),
        (["--log", "nonsense"], "nonsense: "),
        (["--log", the_world().witness.verifier.encode()], "the key of a witness, not of a log"),
    ],
)
def test_a_witness_of_nothing_does_not_start(
    folder: Path,
    options: list[str],
    said: str,
    run: Run,
) -> None:
    ended = run("witness", "run", folder, "--port", "0", *options)
    assert ended.status == 2
    assert said in ended.err


@contextmanager
def running(folder: Path, *options: str | Path) -> Iterator[HTTPConnection]:
    """`openseal witness run` in a process of its own, and a connection to it."""
    command = [sys.executable, "-m", "procurement", "witness", "run", folder, "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            with closing(
                HTTPConnection("127.0.0.1", int(line.rsplit(":", 1)[1].strip(" /\n")))
            ) as connection:
                yield connection
        finally:
            process.terminate()


def test_a_client_that_knows_the_specification_alone_is_co_signed_and_then_contradicted(
    folder: Path,
    tmp_path: Path,
    run: Run,
) -> None:
    """Requests by hand, over one connection; logs by key and by trust file; nobody else at the folder."""
    trust = tmp_path / "trust.json"
    trust.write_bytes(encode(the_world().trust))
    with running(folder, "--trust", trust, "--log", OTHER.verifier.encode()) as line:

        def post(body: bytes) -> tuple[int, str | None, bytes]:
            line.request("POST", "/add-checkpoint", body)
            answer = line.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()

        note = note_at(5, key=OTHER).encode()
        status, _, signature = post(b"old 0\n\n" + note)
        assert (status, signature[:3], signature[-1:]) == (200, "—".encode(), b"\n")
        verify_cosignatures((note + signature).decode(), [Memory(folder).key.verifier], 1)
        assert post(b"old 0\n\n" + note) == (409, "text/x.tlog.size", b"5\n")
        assert post(b"old 6\n\n" + note)[0] == 400
        assert post(b"old 5\n\n" + note_at(5, FORK, OTHER).encode())[0] == 200, "so far they are the same"
        assert post(b"old 5\n\n" + note_at(7, FORK, OTHER).encode())[0] == 422
        assert post(b"old 0\n\n" + note_at(7).encode())[0] == 404
        line.request("GET", "/add-checkpoint")
        answer = line.getresponse()
        assert (answer.status, answer.read() and None) == (405, None)
        second = run("witness", "run", folder, "--trust", trust, "--port", "0")
        told, refused = second.err.splitlines()  # what it says of the fork, and no word about the others
        assert told.startswith("witness: note: log other.example/log signed a tree of 7 entries")
        assert (second.status, refused) == (2, f"openseal: another command is at work in {folder}")
    assert [path.name.rsplit("-", 2)[0] for path in Memory(folder).conflicts()] == ["unproven"]


def test_a_taken_port_is_said_in_a_line(folder: Path, run: Run) -> None:
    with running(folder, "--log", LOG_KEY.verifier.encode()) as line:
        ended = run("witness", "run", folder, "--log", LOG_KEY.verifier.encode(), "--port", str(line.port))
    assert ended.status == 1
    assert f"cannot listen on 127.0.0.1 port {line.port}" in ended.err
