"""A shelf of award records behind a real HTTP server on loopback, which lists and serves them as a service
does, honestly or not."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

Answer = tuple[int, bytes]
LISTING = "/api/v1/records"


class Shelf:
    """`records` by ocid, in the order in which they were awarded; `twist` changes an answer, by path. `asked`
    are the paths so far. A page is of two records: what a service gives may be less than it was asked for."""

    def __init__(self, records: dict[str, bytes], page: int = 2) -> None:
        self.records = records
        self.page = page
        self.twist: Callable[[str, Answer], Answer] = lambda path, answer: answer
        self.asked: list[str] = []
        self.url = ""

    def listed(self) -> list[dict[str, Any]]:
        return [
            {
                "tender": tender,
                "position": 10 * i,
                "awarded": "2026-03-17T09:00:00.000Z",
                "sha256": sha256(data).hexdigest(),
                "record": "00" * 32,
                "size": len(data),
                "path": f"/api/v1/tenders/{tender}/record",
            }
            for i, (tender, data) in enumerate(self.records.items(), start=1)
        ]

    def answer(self, target: str) -> Answer:
        url = urlsplit(target)
        self.asked.append(url.path)
        return self.twist(url.path, self.honest(url.path, parse_qs(url.query)))

    def honest(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path == LISTING:
            offset = int(query["offset"][0])
            some = [each for each in self.listed() if each["position"] >= offset][: self.page]
            following = some[-1]["position"] + 1 if some else offset
            page = {"records": some, "next_page": {"offset": following, "path": "", "uri": ""}}
            return 200, msgspec.json.encode(page)
        tender = path.split("/")[4]
        return (200, self.records[tender]) if tender in self.records else (404, b"{}")

    @property
    def downloads(self) -> list[str]:
        return sorted(path.split("/")[4] for path in self.asked if path != LISTING)


@contextmanager
def served(shelf: Shelf) -> Iterator[Shelf]:
    """The shelf at its address."""
    with answering(shelf.answer) as shelf.url:
        yield shelf


def tagged(path: str, body: bytes) -> dict[str, str]:
    """As who serves files has them: the ETag is the SHA-256."""
    return {"ETag": f'"{sha256(body).hexdigest()}"'}


@contextmanager
def answering(
    answer: Callable[[str], Answer], headers: Callable[[str, bytes], dict[str, str]] = tagged
) -> Iterator[str]:
    """The address of a server that gives these answers with these headers, by path and body. With status 0 it
    gives none: the connection ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for each in headers(self.path, body).items():
                self.send_header(*each)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked has had enough
                self.wfile.write(body)

        log_message: Callable[..., None] = lambda *_: None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
