"""Charts: every bid is in them, on whatever ground they can be read, and nothing in them is code."""

import xml.etree.ElementTree as ET
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procurement.web.charts import (
    DARK,
    HEIGHT,
    LIGHT,
    MOST_COLUMNS,
    WIDTH,
    Colours,
    Limit,
    Priced,
    Scores,
    prices,
    scores,
)

SVG = "{http://www.w3.org/2000/svg}"
LABELS = ("In line", "Out")
AMOUNTS = st.decimals("0.01", "999999999999999", places=2)


def drawn(svg: str, *what: str) -> list[ET.Element]:
    root = ET.fromstring(svg)  # noqa: S314  # our own
    return [each for each in root.iter() if each.tag.removeprefix(SVG) in what]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_charts_are_seen_and_read_on_their_ground(colours: Colours) -> None:
    assert contrast(colours.text, colours.background) >= 4.5
    for each in (colours.inside, colours.outside, *colours.limits):
        assert contrast(each, colours.background) >= 3


@settings(deadline=None)
@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=60), limits=st.lists(AMOUNTS, max_size=4))
def test_every_price_is_a_dot_within_the_chart(amounts: list[Decimal], limits: list[Decimal]) -> None:
    bids = [Priced(at, amount, at % 3 > 0) for at, amount in enumerate(amounts, 1)]
    lines = [Limit(f"Limit {at}", amount) for at, amount in enumerate(limits)]
    svg = prices(bids, lines, LABELS, "{:,}".format, LIGHT)
    dots = drawn(svg, "circle")
    assert len(dots) == len(bids)
    assert len(drawn(svg, "path")) == len(lines)
    for each in dots:
        assert 0 <= float(each.attrib["cx"]) <= WIDTH
        assert 0 <= float(each.attrib["cy"]) <= HEIGHT


@settings(deadline=None)
@given(series=st.integers(1, 9), ranked=st.integers(1, 30))
def test_scores_have_a_column_for_each_of_the_first(series: int, ranked: int) -> None:
    given = [
        Scores(f"Criterion {at}", [Decimal(at * 10 + each) for each in range(ranked)]) for at in range(series)
    ]
    columns = [each for each in drawn(scores(given, DARK), "rect") if each.attrib["fill"] == DARK.inside]
    assert len(columns) == series * min(ranked, MOST_COLUMNS)


def test_what_people_wrote_is_text_and_no_style_is_inside() -> None:
    bids = [Priced(1, Decimal(5), True)]
    svg = prices(bids, [Limit("<script>alert(1)</script>", Decimal(6))], LABELS, str, LIGHT)
    svg += scores([Scores("<style>&", [Decimal(0)])], LIGHT)
    for wrong in ("<script", "<style", "style=", "href"):
        assert wrong not in svg
    assert "&lt;script&gt;" in svg


def test_a_chart_can_be_scaled() -> None:
    svg = prices([Priced(1, Decimal(5), False)], [], LABELS, str, DARK)
    assert f'viewBox="0 0 {WIDTH} {HEIGHT}"' in svg
