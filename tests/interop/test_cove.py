"""Releases and records before the checks of the standard's own tool. `make interop` installs it.

It looks for schemas on the network: here the standard is a ZIP of the copy at hand, and extensions are served
on this machine. Its licence keeps it a process of its own.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from procurement import ocds
from tests.builders import OCID
from tests.core.test_ocds import SCHEMAS
from tests.core.test_ocds_releases import LIVES, told

INSTALLED = Path(__file__).parents[2] / "build" / "interop" / "cove"
VERSIONED = "schema/1__1__5/versioned-release-validation-schema.json"

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the standard's schemas are not at hand")


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where extensions are served: theirs as they are at hand, and ours."""
    root = tmp_path_factory.mktemp("served")
    (root / "theirs").symlink_to(SCHEMAS / "extensions")
    (root / "schema").mkdir()
    (root / "schema" / "1__1__5").symlink_to(SCHEMAS / "schema")
    (root / "ocds").mkdir()
    (root / "ocds" / "extensions").symlink_to(Path(ocds.__file__).parent / "extensions")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def standard(base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The standard's repository as the tool wants it: a ZIP with one folder. The tool looks for one of its
    schemas on the network all the same."""
    path = tmp_path_factory.mktemp("standard") / "standard.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("standard/", b"")
        for each in sorted((SCHEMAS / "schema").rglob("*.*")):
            text = each.read_text(encoding="utf-8")
            text = text.replace(f"https://standard.open-contracting.org/{VERSIONED}", f"{base}/{VERSIONED}")
            packed.writestr(f"standard/schema/{each.relative_to(SCHEMAS / 'schema')}", text)
    return path


def packages(base: str) -> tuple[Json, Json]:
    """All lives, each under an ocid of its own: a page of releases, and records."""
    about = {"base": base, "uri": f"{base}/here", "publisher": "Openseal"}
    bodies, records = list[bytes](), list[Json]()
    for number, life in enumerate(LIVES):
        ocid = f"ocds-0s3al1-t{number}"
        releases = [
            ocds.Release(seq=each.seq, date=each.date, body=each.body.replace(OCID.encode(), ocid.encode()))
            for each in ocds.tell(told(life()))
        ]
        bodies += [each.body for each in releases]
        about["published"] = releases[-1].date
        start, end = ocds.record_package(ocid, ocds.compiled(releases), **about)
        record = json.loads(start + b",".join(each.body for each in releases) + end)
        records += record["records"]
    page = json.loads(ocds.release_package(bodies, **about))
    return at_hand(page, base), at_hand(record, base) | {"records": records}


def at_hand(package: Json, base: str) -> Json:
    """With the extensions of others where they are served here."""
    names = {each: each.split("/ocds_")[1].partition("_")[0] for each in ocds.EXTENSIONS}
    theirs = {each: f"{base}/theirs/{name}/extension.json" for each, name in names.items()}
    return package | {"extensions": [theirs.get(each, each) for each in package["extensions"]]}


def test_the_standards_own_tool_finds_nothing_wrong(base: str, standard: Path, tmp_path: Path) -> None:
    page, records = packages(base)
    found = checked(page, standard, tmp_path / "page.json")
    assert found["count"] == len(page["releases"])
    assert found["unique_ocids_count"] == len(LIVES)
    check_clean(found)
    found = checked(records, standard, tmp_path / "records.json")
    assert found["count"] == len(LIVES)
    # Merging leaves an object of which an amendment took out everything.
    [emptied] = found["additional_checks"].pop("empty_field")
    assert emptied["json_location"] == "records/0/compiledRelease/planning/budget"
    check_clean(found)


def test_the_tool_does_find_what_is_wrong(base: str, standard: Path, tmp_path: Path) -> None:
    page, _ = packages(base)
    page["releases"] = page["releases"][:1]
    page["releases"][0]["sealing"]["timeLock"]["round"] = 7
    page["releases"][0]["tender"]["status"] = "sleeping"
    page["releases"][0]["tender"]["mood"] = "good"
    found = checked(page, standard, tmp_path / "page.json")
    assert [each["field"] for each in found["validation_errors"]] == ["releases/sealing/timeLock/round"]
    assert found["additional_closed_codelist_values"]["releases/tender/status"]["values"] == ["sleeping"]
    assert [each["field"] for each in found["additional_fields"]] == ["mood"]


def check_clean(found: Json) -> None:
    assert found["extensions"]["invalid_extension"] == {}
    assert len(found["extensions"]["extensions"]) == len(ocds.EXTENSIONS) + 2
    assert found["validation_errors"] == []
    assert found["all_additional_fields"] == []
    assert found["deprecated_fields"] == []
    assert found["additional_closed_codelist_values"] == found["additional_open_codelist_values"] == {}
    assert found["additional_checks"] == {}


def checked(package: Json, standard: Path, file: Path) -> Json:
    """What the tool says of a package. It can ask nobody but this machine."""
    assert INSTALLED.is_dir(), "make interop comes first"
    file.write_text(json.dumps(package))
    nobody = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    here = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
    environment = {**os.environ, **nobody, **here, "PYTHONPATH": str(INSTALLED)}
    command = [sys.executable, "-m", "libcoveocds", str(file), "--standard-zip", str(standard)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said: Json = json.loads(done.stdout)
    return said
