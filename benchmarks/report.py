"""What was measured, as a table for people and as JSON below build/bench."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import described, machine
from benchmarks.measure import REPOSITORY, Rounds, Run, median, ratio

RESULTS = REPOSITORY / "build" / "bench"
console = Console(stderr=True, highlight=False)
_out = Console(highlight=False, width=140)


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers stand right."""
    _out.print(f"\n[bold]{title}[/]", soft_wrap=True)
    table = Table()
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    _out.print(table)


def cell(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def show_rounds(title: str, rounds: Rounds, floor: str, after: Sequence[Sequence[object]] = ()) -> None:
    """Print medians, and medians of the ratios to the floor of the same round."""
    rows: list[Sequence[object]] = []
    for name, runs in rounds.items():
        rows.append(
            (
                name,
                median(run.own for run in runs),
                ratio(runs, rounds[floor]),
                median(run.seconds for run in runs),
                ratio(runs, rounds[floor], whole=True),
                median(run.processor for run in runs),
                median(run.peak for run in runs),
            )
        )
    show(title, ("", "seconds", "x floor", "process", "x floor", "processor", "peak MiB"), [*rows, *after])


def write(name: str, folder: Path, found: dict[str, Any]) -> Path:
    """Write what was measured, with the machine; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    where = machine()
    record = {"benchmark": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": where}
    record |= {part: _plain(value) for part, value in found.items()}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    _out.print(f"{described(where)}\nwritten to {os.path.relpath(path)}", soft_wrap=True)
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, Run):
        return asdict(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


@contextmanager
def workplace(kept: Path | None) -> Iterator[Path]:
    """A folder to work in: gone in the end, or `kept`."""
    base = kept or Path(mkdtemp(prefix="claims-bench-"))
    base.mkdir(parents=True, exist_ok=True)
    try:
        yield base
    finally:
        if kept is None:
            shutil.rmtree(base, ignore_errors=True)


@contextmanager
def subfolder(folder: Path) -> Iterator[Path]:
    """A folder for one part of a benchmark, empty at first and gone in the end: the next needs the room."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
