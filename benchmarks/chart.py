"""Cost against size, drawn from what `make bench-scale` wrote: for docs/benchmarks.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.measure import REPOSITORY, median

IMAGES = REPOSITORY / "docs" / "images"
_WIDTH, _HEIGHT = 320, 220
Point = dict[str, Any]


def draw(results: Path, images: Path = IMAGES) -> list[Path]:
    """Draw what was measured; parts that were not are left out. Returns the files."""
    drawn = []
    for part, chart in _CHARTS.items():
        file = results / f"scale-{part}.json"
        if file.exists():
            path = images / f"benchmarks-{part}.svg"
            chart(json.loads(file.read_text(encoding="utf-8"))).save(path)
            drawn.append(path)
    return drawn


def _updates(found: dict[str, Any]) -> Any:
    points: list[Point] = []
    for size in found["sizes"]:
        seconds = {"whole way": median(run["seconds"] for run in size["runs"])}
        seconds |= {name: median(size["stages"].get(step, [])) for step, name in _STEPS.items()}
        points += _points(size["records"], seconds)
    rows = found["sizes"][0]["rows"]
    return _lines(points, f"An update of {rows:,} rows", "records in the warehouse", "seconds")


def _large(found: dict[str, Any]) -> Any:
    rate: list[Point] = []
    memory: list[Point] = []
    for one in found["deliveries"]:
        run = one["run"]
        rate += _points(one["rows"], {"thousand rows a second": one["rows"] / run["seconds"] / 1000})
        memory += _points(one["rows"], {"all": run["peak"] / 1024, "that no file backs": run["anonymous"] / 1024})
    return _lines(rate, "One CSV delivery: pace", "rows of the delivery", "thousand rows a second") | _lines(
        memory, "One CSV delivery: peak memory", "rows of the delivery", "GiB"
    )


def _many(found: dict[str, Any]) -> Any:
    import altair as alt

    curve = found["curve"]
    each = found["deliveries"] / len(curve)
    points = [{"deliveries": number * each, "seconds": moment} for number, moment in enumerate(curve)]
    title = f"{found['deliveries']:,} deliveries of {found['rows']} rows"
    return (
        alt.Chart(pl.DataFrame(points), title=title, width=_WIDTH, height=_HEIGHT)
        .mark_line()
        .encode(
            x=alt.X("deliveries:Q", title="deliveries that are applied"), y=alt.Y("seconds:Q", title="after seconds")
        )
    )


def _points(size: int, values: dict[str, float | None]) -> list[Point]:
    return [{"size": size, "what": name, "value": value} for name, value in values.items() if value is not None]


def _lines(points: list[Point], title: str, across: str, up: str) -> Any:
    import altair as alt

    return (
        alt.Chart(pl.DataFrame(points), title=title, width=_WIDTH, height=_HEIGHT)
        .mark_line(point=True)
        .encode(
            x=alt.X("size:Q", title=across, axis=alt.Axis(format="~s")),
            y=alt.Y("value:Q", title=up, scale=alt.Scale(zero=True)),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="bottom")),
        )
    )


#: Dagster's names of what an update's seconds are drawn of.
_STEPS = {"validate_patients": "validation", "dim_patient": "history", "published": "publication"}
_CHARTS: dict[str, Callable[[dict[str, Any]], Any]] = {"updates": _updates, "large": _large, "many": _many}
