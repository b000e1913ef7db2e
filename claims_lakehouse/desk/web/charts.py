"""Small charts, drawn on the server: bars by severity, the trend over iterations. Their numbers stand beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from claims_lakehouse.desk.overview import Count, Iteration

#: The size of the trend's drawing, in its own units.
WIDTH, HEIGHT = 720, 180
#: How wide an iteration's place is at most, where there are few.
WIDEST = 90


class Bar(NamedTuple):
    """One heading's bar: where errors end and warnings end, in hundredths of the longest."""

    open: Count
    errors: float
    warnings: float


class Column(NamedTuple):
    """One iteration in the trend: its columns from the bottom up, and the point of its quarantine rate."""

    iteration: Iteration
    x: float
    width: float
    errors: float
    warnings: float
    rate_x: float
    rate_y: float | None


class Trend(NamedTuple):
    """The trend's drawing: its columns, the line of the quarantine rate, and the ends of both scales."""

    columns: list[Column]
    line: str
    most: int
    highest: float


def bars(counts: Sequence[Count]) -> list[Bar]:
    """Bars beside each other, the longest as long as there is room."""
    most = max((count.total for count in counts), default=0) or 1
    return [Bar(count, 100 * count.errors / most, 100 * count.warnings / most) for count in counts]


def trend(iterations: Sequence[Iteration]) -> Trend:
    """Columns of what was found an iteration, and over them the share of rows that was kept out."""
    most = max((one.errors + one.warnings for one in iterations), default=0) or 1
    highest = max((one.kept_out or 0.0 for one in iterations), default=0.0) or 0.01
    step = min(WIDTH / max(1, len(iterations)), WIDEST)
    columns = []
    for place, one in enumerate(iterations):
        rate = None if one.kept_out is None else HEIGHT * (1 - one.kept_out / highest)
        middle = place * step + step / 2
        columns.append(
            Column(one, place * step + step * 0.15, step * 0.7, HEIGHT * one.errors / most,
                   HEIGHT * one.warnings / most, middle, rate)
        )  # fmt: skip
    line = " ".join(f"{one.rate_x:.1f},{one.rate_y:.1f}" for one in columns if one.rate_y is not None)
    return Trend(columns, line, most, highest)
