"""Charts as SVG: pictures of their own address, since no page of ours has styles inside."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

import leather
from leather import theme

WIDTH, HEIGHT, ROW = 400, 280, 180
"""Of a chart of prices, and the height of one of scores: small, since a phone shrinks letters with them."""
SVG = "http://www.w3.org/2000/svg"
MOST_COLUMNS = 10
"""Bids of a chart of scores: the first in line."""
_WIDE = "\u1100"
"""From this character on letters are about as wide as high (Hangul and what follows it)."""
_FONT = "system-ui, sans-serif"
_SIZE = 14


class Colours(NamedTuple):
    """Of one scheme, each at 4.5 : 1 or more against its background where it is read, 3 : 1 where it is seen.
    Limits are told apart by their strokes, too."""

    background: str
    text: str
    grid: str
    inside: str
    outside: str
    limits: tuple[str, ...]


LIGHT = Colours(
    "#ffffff", "#14213d", "#d5d1c8", "#0b4fa8", "#8c1c13", ("#00693a", "#6b3fa0", "#8a5a00", "#14213d")
)
DARK = Colours(
    "#10151f", "#eceff4", "#45506a", "#8ec1ff", "#ff9d92", ("#6fd09c", "#c9a6ff", "#ffd84d", "#eceff4")
)
STROKES = ("none", "8 4", "2 4", "10 4 2 4")


class Priced(NamedTuple):
    """A bid in a chart: the number under which the table has it, its price, and whether it is in line."""

    number: int
    amount: Decimal
    in_line: bool


class Limit(NamedTuple):
    """A line to compare prices with."""

    label: str
    amount: Decimal


class Scores(NamedTuple):
    """What the first bids in line have in one respect, in their order."""

    label: str
    points: Sequence[Decimal]


def prices(
    bids: Sequence[Priced],
    limits: Sequence[Limit],
    labels: tuple[str, str],
    write: Callable[[Decimal], str],
    colours: Colours,
) -> str:
    """Prices as dots by their numbers, with lines for the limits. `labels` are those of bids in line and of
    the others, `write` says an amount. There is at least one bid."""
    _dress(colours, [*labels, *(each.label for each in limits)])
    chart: Any = leather.Chart()
    first, last = bids[0].number - 1, bids[-1].number + 1
    for limit, colour, stroke in zip(limits, colours.limits, STROKES, strict=False):
        line = [(first, limit.amount), (last, limit.amount)]
        chart.add_line(line, name=limit.label, stroke_color=colour, stroke_dasharray=stroke)
    for in_line, colour, label in ((True, colours.inside, labels[0]), (False, colours.outside, labels[1])):
        dots = [(each.number, each.amount) for each in bids if each.in_line == in_line]
        if dots:
            chart.add_dots(dots, name=label, fill_color=colour, radius=5 if in_line else 3)
    amounts = [*(each.amount for each in bids), *(each.amount for each in limits)]
    low, high = _around(min(amounts), max(amounts))
    chart.add_x_scale(first, last)
    chart.add_y_scale(low, high)
    chart.add_x_axis(ticks=_some(bids), tick_formatter=lambda value, *_: str(value))
    chart.add_y_axis(tick_formatter=lambda value, *_: write(Decimal(value)))
    root = ET.Element("svg", xmlns=SVG)
    root.append(chart.to_svg_group(WIDTH, HEIGHT))
    return _written(root, HEIGHT)


def scores(series: Sequence[Scores], colours: Colours) -> str:
    """One small chart for each respect, columns by rank, all on one scale from nothing up."""
    _dress(colours, [each.label for each in series])
    highest = max(value for each in series for value in each.points)
    root = ET.Element("svg", xmlns=SVG)
    for at, each in enumerate(series):
        chart: Any = leather.Chart(each.label)
        points = [(str(rank), value) for rank, value in enumerate(each.points[:MOST_COLUMNS], 1)]
        chart.add_columns(points, fill_color=colours.inside)
        chart.add_y_scale(0, highest or 1)
        place = ET.SubElement(root, "g", transform=f"translate(0 {at * ROW})")
        place.append(chart.to_svg_group(WIDTH, ROW))
    return _written(root, ROW * len(series))


def _around(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """A little more than the range, so that no dot lies on its edge."""
    room = (high - low) / 20 or high / 20
    exponent = Decimal(1).scaleb(room.adjusted())
    return (
        (max(Decimal(0), low - room) / exponent).to_integral(ROUND_FLOOR) * exponent,
        ((high + room) / exponent).to_integral(ROUND_CEILING) * exponent,
    )


def _some(bids: Sequence[Priced]) -> list[int]:
    """At most a dozen of their numbers."""
    return [each.number for each in bids[:: len(bids) // 12 + 1]]


def _dress(colours: Colours, labels: Sequence[str]) -> None:
    """leather's looks are variables of a module of its own: nothing is drawn in another thread meanwhile."""
    theme.background_color = colours.background
    theme.title_color = theme.legend_color = theme.axis_title_color = theme.label_color = colours.text
    theme.tick_color, theme.zero_color = colours.grid, colours.text
    theme.title_font_family = theme.legend_font_family = theme.tick_font_family = _FONT
    theme.title_font_size = theme.legend_font_size = theme.tick_font_size = _SIZE
    wide = any(letter >= _WIDE for label in labels for letter in label)
    theme.legend_font_char_width = _SIZE if wide else 8
    theme.margin = 0.05


def _written(root: ET.Element, height: int) -> str:
    """With a box to be scaled by."""
    size = {"width": WIDTH, "height": height, "viewBox": f"0 0 {WIDTH} {height}"}
    root.attrib.update({name: str(value) for name, value in size.items()})
    return ET.tostring(root, encoding="unicode")
