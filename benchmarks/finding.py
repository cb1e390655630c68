"""A search among very many tenders, as people and programs ask."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from statistics import quantiles
from time import perf_counter
from urllib.parse import urlencode

import httpx

from benchmarks.intake import a_service
from benchmarks.loading import a_year, load_lines
from benchmarks.measuring import Measure, Scale
from benchmarks.year import CODES, ENDS, REGIONS, THINGS, TOWNS, Year, entity

PAGES = 3
"""That somebody who searches goes through."""


def search(scale: Scale) -> Iterator[Measure]:
    """How long somebody waits who searches among very many tenders: words, filters, pages, all mixed."""
    times = asyncio.run(_search(scale))
    at = quantiles(times, n=100, method="inclusive")
    yield Measure(name="search_p99_ms", value=at[98] * 1e3, unit="ms", goal=50)
    yield Measure(name="search_p50_ms", value=at[49] * 1e3, unit="ms")
    yield Measure(name="search_worst_ms", value=max(times) * 1e3, unit="ms")


async def _search(scale: Scale) -> list[float]:
    async with a_service() as process:
        year = a_year(scale.lines)
        await asyncio.to_thread(load_lines, process.dsn, year)
        async with httpx.AsyncClient(base_url=process.url, timeout=60, trust_env=False) as http:
            for asked in searches(year, scale.sample):
                await _pages(http, asked)
            return [each for asked in searches(year, scale.searches) for each in await _pages(http, asked)]


async def _pages(http: httpx.AsyncClient, asked: str) -> list[float]:
    """Seconds for the first pages of what is found."""
    times: list[float] = []
    path: str | None = f"/api/v1/tenders?{asked}"
    while path and len(times) < PAGES:
        start = perf_counter()
        answer = await http.get(path)
        times.append(perf_counter() - start)
        path = answer.raise_for_status().json().get("next")
    return times


def searches(year: Year, count: int) -> Iterator[str]:
    """As people and programs ask: a few words, or a stage, a place, a sum, often several of them."""
    chance = random.Random(count)  # noqa: S311
    kinds = list(_ASKED.values())
    for number in range(count):
        asked = dict(kinds[number % len(kinds)](chance, year))
        if chance.random() < 0.3:
            asked |= _ASKED["stage"](chance, year)
        yield urlencode(asked)


def _word(chance: random.Random, year: Year) -> dict[str, str]:
    """One that many have."""
    return {"text": chance.choice([*ENDS.values(), *(each.split()[-1] for each in THINGS["works"])])}


def _words(chance: random.Random, year: Year) -> dict[str, str]:
    """Several, of which one is a place."""
    thing = chance.choice([each for things in THINGS.values() for each in things])
    return {"text": f"{chance.choice(TOWNS)} {thing}"}


def _number(chance: random.Random, year: Year) -> dict[str, str]:
    """Its ocid, or that of its entity's own."""
    number = chance.randrange(year.tenders)
    ours, theirs = f"ocds-0s3al1-year-{number}", f"R{year.until.year % 100}BK{number:08}"
    return {"text": chance.choice((ours, theirs))}


def _stage(chance: random.Random, year: Year) -> dict[str, str]:
    return {"stage": chance.choice(("open", "closing", "underway", "awarded", "ended"))}


def _entity(chance: random.Random, year: Year) -> dict[str, str]:
    return {"entity": entity(int(year.entities * chance.random() ** 2)).id}


def _sum(chance: random.Random, year: Year) -> dict[str, str]:
    least = 10 ** chance.randint(6, 9)
    return {"currency": "KRW", "least": str(least), "most": str(least * 3)}


def _days(chance: random.Random, year: Year) -> dict[str, str]:
    since = year.until - timedelta(days=chance.randrange(365))
    until = since + timedelta(days=chance.choice((0, 6, 30)))
    return {"since": f"{since:%Y-%m-%d}", "until": f"{until:%Y-%m-%d}"}


def _code(chance: random.Random, year: Year) -> dict[str, str]:
    code = str(chance.choice(list(CODES.values())) + chance.randrange(100) * 100)
    return {"classification": f"UNSPSC {code[: chance.choice((4, 6, 8))]}"}


def _place(chance: random.Random, year: Year) -> dict[str, str]:
    """Small works at home, which take bids."""
    return {
        "text": f"{chance.choice(REGIONS)} 공사",
        "stage": "open",
        "reserved": chance.choice(("small", "local")),
    }


def _all(chance: random.Random, year: Year) -> dict[str, str]:
    return {"order": chance.choice(("newest", "closing-first", "closing-last"))}


_ASKED = {
    "word": _word,
    "words": _words,
    "number": _number,
    "stage": _stage,
    "entity": _entity,
    "sum": _sum,
    "days": _days,
    "code": _code,
    "place": _place,
    "all": _all,
}
