"""`make bench-scale`: what becomes of time and memory as deliveries, records and numbers of deliveries grow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.scale import growth, large, many, tick, updates

#: Each part measures, prints, and returns what is to be written down.
PARTS: dict[str, Callable[[Path, float, Callable[[str], object]], dict[str, Any]]] = {
    "large": large.run,
    "updates": updates.run,
    "many": many.run,
    "tick": tick.run,
    "growth": growth.run,
}


def run(base: Path, results: Path, factor: float, only: list[str]) -> None:
    """Run the parts one after the other, each in a folder of its own, and write each down at once."""
    for name in only:
        if name not in PARTS:
            raise SystemExit(f"There is no part '{name}'; there are {', '.join(PARTS)}.")
    for name, part in PARTS.items():
        if only and name not in only:
            continue
        with report.console.status(name) as spinner, report.subfolder(base / name) as folder:

            def say(what: str, part: str = name) -> None:
                spinner.update(f"{part}: {what}")

            found = part(folder, factor, say)
        report.write(f"scale-{name}", results, {"factor": factor, **found})
