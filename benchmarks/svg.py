"""Two small plots as SVG: bars, and lines over a logarithmic abscissa."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
ROW = 24  # height of a bar with its gap
NAME = 300  # width of the names beside the bars
HEIGHT = 360  # of a plot of lines
LEFT, RIGHT, TOP, BOTTOM = 80, 230, 40, 56  # margins of a plot of lines
OWN, OTHER, FLOOR = "#1f77b4", "#a8a8a8", "#d8c28a"
COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#7f7f7f")

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    :param name: beside it
    :param value: its length
    :param low: where the line of its spread begins
    :param high: where it ends
    :param color: of the bar
    """

    name: str
    value: float
    low: float
    high: float
    color: str


def bars(title: str, found: Sequence[Bar], unit: str) -> str:
    """Return horizontal bars, each with its value and the line of its spread."""
    room = WIDTH - NAME - 90
    scale = room / max((bar.high for bar in found), default=1.0)
    drawn = [_text(WIDTH / 2, 20, f"{title}, {unit}", "middle", bold=True)]
    for place, bar in enumerate(found):
        y = 36 + place * ROW
        middle = y + ROW / 2 - 3
        drawn += [
            _text(NAME - 8, middle + 4, bar.name, "end"),
            _bar(y, bar.value * scale, bar.color),
            _line(NAME + bar.low * scale, middle, NAME + bar.high * scale, middle, "#333"),
            _text(NAME + bar.high * scale + 6, middle + 4, short(bar.value)),
        ]
    return _document(drawn, 44 + len(found) * ROW)


def lines(title: str, found: Mapping[str, Points], across: str, up: str, *, log: bool) -> str:
    """Return lines through points over a logarithmic abscissa.

    :param across: what the abscissa is
    :param up: what the ordinate is
    :param log: whether the ordinate is logarithmic as well; else it begins at 0
    """
    xs = sorted({x for points in found.values() for x, _ in points})
    ys = [y for points in found.values() for _, y in points]
    ticks = _decades(min(ys), max(ys)) if log else _steps(max(ys))
    x_of = _axis(xs[0], xs[-1], LEFT, WIDTH - RIGHT, log=True)
    y_of = _axis(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP, log=log)
    drawn = [
        _text(WIDTH / 2, 20, title, "middle", bold=True),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle"),
        _text(LEFT, TOP - 8, up),
    ]
    for tick in ticks:
        drawn.append(_line(LEFT, y_of(tick), WIDTH - RIGHT, y_of(tick), "#ddd"))
        drawn.append(_text(LEFT - 8, y_of(tick) + 4, short(tick), "end"))
    drawn += [_text(x_of(x), HEIGHT - BOTTOM + 20, f"{x:,.0f}", "middle") for x in xs]
    for place, (name, points) in enumerate(found.items()):
        drawn += _curve(name, [(x_of(x), y_of(y)) for x, y in points], place)
    return _document(drawn, HEIGHT)


def short(value: float) -> str:
    """Return a number as it is read most easily: 2.1 M, 31 k, 512, 0.35."""
    for size, letter in ((1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e6 if letter == ' M' else 1e3):.3g}{letter}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _bar(y: float, width: float, color: str) -> str:
    where = f'x="{NAME}" y="{y}" width="{width:.1f}" height="{ROW - 6}"'
    return f'<rect {where} fill="{color}"/>'


def _curve(name: str, points: Points, place: int) -> list[str]:
    color = COLORS[place % len(COLORS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    y = TOP + 16 + place * 20
    return [
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points),
        _line(WIDTH - RIGHT + 12, y - 4, WIDTH - RIGHT + 30, y - 4, color),
        _text(WIDTH - RIGHT + 36, y, name),
    ]


def _axis(
    low: float, high: float, start: float, end: float, *, log: bool
) -> Callable[[float], float]:
    """Return what places a value between two ends of an axis."""
    scale = math.log10 if log else float
    span = (scale(high) - scale(low)) or 1.0
    return lambda value: start + (end - start) * (scale(value) - scale(low)) / span


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _steps(high: float) -> list[float]:
    """Return round numbers from 0 to at least the highest value."""
    rough = high / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    return [step * place for place in range(math.ceil(high / step) + 1)]


def _text(x: float, y: float, text: str, anchor: str = "start", *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    where = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {where} stroke="{color}" stroke-width="1.5"/>'


def _document(drawn: Sequence[str], height: int) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([head, ground, *drawn, "</svg>", ""])
