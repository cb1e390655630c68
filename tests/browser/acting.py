"""The people of practice tenders act while a browser looks: their steps run in a loop of their own, in
another thread, since a browser's driver holds this one."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from procurement.service import House
from tests.browser.conftest import Service
from tests.flows.people import Town

T = TypeVar("T")


class Acting:
    """A town at a real service, whose people do one thing after the other."""

    town: Town

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        """What comes of a step, waited for."""
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(300)


@contextmanager
def acting(service: Service) -> Iterator[Acting]:
    """The people have settled; afterwards their lines are closed."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    found = Acting(loop)
    try:
        http = found.do(_line(service))
        found.town = found.do(Town.settle(http, House.below(service.folder), ""))
        yield found
        found.do(http.aclose())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _line(service: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=60)
