"""Sealed files in an S3 bucket, served by others' software that checks signatures. `make interop` has it."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from bids.uploads import PART
from procurement.service import House
from tests.flows.conftest import running
from tests.flows.people import Town
from tests.flows.test_ceremony import listening
from tests.flows.test_openapi import app_of
from tests.flows.test_uploads import Sender, a_sender, code, until
from tests.ports import free_port

INSTALLED = Path(__file__).parents[2] / "build" / "interop" / "s3" / "bin" / "rclone"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder behind the bucket `sealed`; the environment says where it is and who may use it."""
    assert INSTALLED.is_file(), "make interop comes first"
    folder, key, secret, port = tmp_path / "sealed", "openseal", secrets.token_hex(16), free_port()
    folder.mkdir()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
    }.items():
        monkeypatch.setenv(name, value)
    command = [str(INSTALLED), "serve", "s3", str(tmp_path), "--config", "/dev/null"]
    command += ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{key},{secret}", "--vfs-cache-mode", "off"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            answering(port)
            yield folder
        finally:
            server.terminate()


@pytest.fixture
async def town(dsn: str, open_folder: Path, bucket: Path) -> AsyncIterator[Town]:
    """People around a service that keeps sealed files in the bucket."""
    house = House.below(open_folder, "s3://sealed/tenders")
    async with running(dsn, house) as client:
        yield await Town.settle(client, house, dsn)


async def test_files_lie_in_the_bucket_until_nobody_needs_them(town: Town, bucket: Path) -> None:
    files = [secrets.token_bytes(PART + 1000), secrets.token_bytes(5000)]
    async with listening(app_of(town)) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
        sender = await a_sender(town, *files, lead=6, margin=8)
        for number in (1, 2):
            await sender.create(http, number)
        assert (await sender.send(http, files[0][:PART])).status_code == 204
        damaged = await sender.send(http, bytes(1000), PART)
        assert code(damaged) == (460, "document-differs")
        assert not objects(bucket)
        assert (await sender.send(http, files[0])).status_code == 204
        await sender.receipt(http)
        await sender.send(http, files[1][:1000], number=2)
        assert sorted(each.stat().st_size for each in objects(bucket)) == [1000, 1000, PART]
        await sender.tender.close()
        assert await until(lambda: asyncio.sleep(0, len(objects(bucket))), 2)
        await check_bytes(sender, bucket)


async def check_bytes(sender: Sender, bucket: Path) -> None:
    parts = sorted(objects(bucket), key=lambda each: int(each.name.split("-")[0]))
    assert b"".join(each.read_bytes() for each in parts) == sender.files[0]
    assert {each.parts[-3] for each in parts} == {str(sender.tender_id)}


def objects(bucket: Path) -> list[Path]:
    return [each for each in bucket.rglob("*") if each.is_file()]


def answering(port: int) -> None:
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(transport=transport, trust_env=False) as client:
        assert client.get(f"http://127.0.0.1:{port}/").is_client_error, "it lets in whoever comes"
