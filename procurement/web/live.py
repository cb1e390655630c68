"""The timeline of a tender while it is looked at: server-sent events, told as soon as its history grows or a
step changes by the clock.

Of a bid that comes in nothing is told, not even by when something is: it is no part of a tender's history.
One task of a process looks after all tenders that somebody watches, by one query; what is sent is made once
for each language. Whoever takes it too slowly gets the newest state alone, or loses the line.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from crypto.encoding import moment
from procurement import database, publication, store
from procurement.chronicle import Situation
from procurement.evaluation.explain import Language
from procurement.procedure import Procedure
from procurement.reception import Pushback
from procurement.steps import turns
from procurement.web.api import Ocid
from procurement.web.look import language_of
from procurement.web.timeline import shown, version

MOST = 500
"""Watchers of one process."""
PAUSE = 1.0  # seconds between two looks at what is watched
HEARTBEAT = 15.0  # seconds without news after which the time alone is sent
RETRY = 4000  # milliseconds after which a browser whose line was cut comes back
WITHIN = 30.0  # seconds in which a watcher takes what was sent
COME_BACK = 60  # seconds after which somebody who found no place may ask again

Render = Callable[[dict[str, Any]], str]
"""Makes HTML of what `shown` gives, in one language."""


class Scene:
    """One tender as everybody sees it who watches it now."""

    _situation: Situation
    _signers: dict[str, str]
    _turns: list[datetime]

    def __init__(self, procedure: Procedure, ocid: str) -> None:
        self._procedure, self._ocid = procedure, ocid
        self._rendered: dict[Language, str] = {}
        self._loading = asyncio.Lock()
        self.tender_id = store.id_of(ocid)
        self.version = ""
        """Empty until the tender was loaded."""
        self.changed = asyncio.Event()
        """Set when there is another version; the next one is awaited by another event."""
        self.watchers = 0

    async def load(self) -> None:
        """Where the tender stands, asked for once, whoever asks. Raises TenderError."""
        async with self._loading:
            if not self.version:
                await self._load()

    async def look(self, seq: int | None) -> None:
        """`seq` is how many entries the history has by now."""
        if not self.version:
            return
        if seq != len(self._situation.entries):
            await self._load()
        elif not self.version.endswith(f".{bisect_right(self._turns, self._procedure.now())}"):
            self._turn()

    async def _load(self) -> None:
        situation = await self._procedure.situation(self._ocid)
        self._signers = await publication.signers(self._procedure, self._ocid)
        self._turns = turns(situation.tender.notice, situation.entries)
        self._situation = situation
        self._turn()

    def _turn(self) -> None:
        self.version = version(self._situation, self._procedure.now())
        self._rendered.clear()
        self.wake()

    def wake(self) -> None:
        """Everybody who waits for a change looks again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def html(self, language: Language, render: Render) -> str:
        """What is shown, made when the first watcher of a language needs it."""
        if language not in self._rendered:
            context = shown(self._situation, self._signers, self._procedure.now(), language)
            self._rendered[language] = render(context)
        return self._rendered[language]


class Live:
    """All who watch a tender in this process, each on a line of its own: so many at most."""

    def __init__(self, procedure: Procedure, most: int = MOST) -> None:
        self.now = procedure.now
        self._procedure, self._most = procedure, most
        self._scenes: dict[str, Scene] = {}
        self._seated = 0
        self.ended = False
        """Whether all lines are about to be let go."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError, *database.AWAY):
                await self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE)

    async def _look(self) -> None:
        scenes = list(self._scenes.values())
        if not scenes:
            return
        seqs = await store.load_seqs(self._procedure.pool, [each.tender_id for each in scenes])
        for scene in scenes:
            await scene.look(seqs.get(scene.tender_id))

    def end(self) -> None:
        """Lets go of everybody: an open line would keep the server from ending."""
        self.ended = True
        for scene in self._scenes.values():
            scene.wake()

    @asynccontextmanager
    async def watch(self, ocid: str) -> AsyncIterator[Scene]:
        """A place among those who watch this tender. Raises TenderError, and Pushback while there is none."""
        if self.ended or self._seated >= self._most:
            raise Pushback("busy", "too many watch: the page can be loaded again", COME_BACK)
        self._seated += 1
        scene = self._scenes.setdefault(ocid, Scene(self._procedure, ocid))
        scene.watchers += 1
        try:
            await scene.load()
            yield scene
        finally:
            self._seated -= 1
            scene.watchers -= 1
            if not scene.watchers:
                del self._scenes[ocid]


class Stream:
    """The answer to one watcher, an ASGI application. `seen` is the version that the page shows already."""

    def __init__(self, live: Live, ocid: str, seen: str, language: Language, render: Render) -> None:
        self._live, self._ocid, self._seen = live, ocid, seen
        self._language, self._render = language, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._live.watch(self._ocid) as scene:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"text/event-stream; charset=utf-8"),
                        (b"cache-control", b"no-store"),
                        (b"x-accel-buffering", b"no"),
                    ],
                }
            )
            telling = asyncio.create_task(self._tell(scene, send))
            leaving = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                telling.cancel()
                await asyncio.wait({telling, leaving})
            if not telling.cancelled() and (error := telling.exception()):
                raise error

    async def _tell(self, scene: Scene, send: Send) -> None:
        said = f"retry: {RETRY}\n\n"
        with suppress(TimeoutError):
            while not self._live.ended:
                await _put(send, said + self._news(scene))
                said = ""
                await self._news_or_time(scene)
            await _put(send, "", more=False)

    def _news(self, scene: Scene) -> str:
        """The time, by which pages count down; before it, if it is new to them, what there is to see."""
        time = f"event: clock\ndata: {moment(self._live.now())}\n\n"
        if scene.version == self._seen:
            return time
        self._seen = scene.version
        lines = scene.html(self._language, self._render).splitlines()
        data = "".join(f"data: {line}\n" for line in lines if line)
        return f"{time}id: {scene.version}\nevent: timeline\n{data}\n"

    async def _news_or_time(self, scene: Scene) -> None:
        if scene.version == self._seen and not self._live.ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(scene.changed.wait(), HEARTBEAT)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _put(send: Send, text: str, *, more: bool = True) -> None:
    """Raises TimeoutError where it is not taken."""
    async with asyncio.timeout(WITHIN):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


@get("/tenders/{ocid:str}/events", include_in_schema=False, opt={"uncompressed": True})
async def events(
    ocid: Ocid,
    request: Request[Any, Any, Any],
    live: NamedDependency[Live],
    after: Annotated[str, QueryParameter(description="The version that the page shows.")] = "",
) -> ASGIApp:
    """The tender's status and timeline as HTML, again whenever they change; and the time."""
    seen = request.headers.get("Last-Event-ID", after)

    def render(context: dict[str, Any]) -> str:
        template = request.app.template_engine.get_template("tender/live.html")  # type: ignore[union-attr]  # there is one
        return str(template.render(**context, request=request))

    return Stream(live, ocid, seen, language_of(request), render)


router = Router("/", route_handlers=[events])
