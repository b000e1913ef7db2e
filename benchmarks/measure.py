"""Whole processes, timed in turn: wall and processor seconds, and the peak memory of the process and its children.

A contender is a command. In each round every contender runs once, beginning with another one each time, so that what
else the machine does befalls them all. A process may tell of itself in a last line, `RESULT {json}`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
RESULT = "RESULT "
_EVERY = 0.03


class Failed(Exception):
    """A process that was to be measured ended badly."""


@dataclass(frozen=True)
class Run:
    """One process, from start to end.

    Attributes:
        seconds: Wall time.
        processor: Processor time of the process and of the children that it waited for.
        peak: The highest sum of resident memory over the process and its children, MiB; shared pages count for each.
        anonymous: The same of memory that no file backs.
        told: What the process told of itself.
    """

    seconds: float
    processor: float
    peak: float
    anonymous: float
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> float | None:
        """The seconds that the process took by its own clock, after its imports; None where it told none."""
        return self.told.get("seconds")


@dataclass(frozen=True)
class Contender:
    """What runs once a round: its name, its command given a round's number, what to do before and after, settings."""

    name: str
    command: Callable[[int], Sequence[str]]
    before: Callable[[int], object] = lambda _: None
    after: Callable[[int], object] = lambda _: None
    environment: Mapping[str, str] = field(default_factory=dict)


Rounds = dict[str, list[Run]]


def in_turn(
    contenders: Sequence[Contender],
    rounds: int,
    told: Callable[[str], object] = lambda _: None,
    dropped: Callable[[Contender, Failed], object] | None = None,
) -> Rounds:
    """Every contender once a round; the runs of each, in order.

    One that ends badly ends the benchmark, or, where somebody is told of what was `dropped`, its own part in it.
    """
    found: Rounds = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            if contender.name not in found:
                continue
            told(f"round {number + 1} of {rounds}: {contender.name}")
            try:
                contender.before(number)
                found[contender.name].append(measured(contender.command(number), contender.environment))
                contender.after(number)
            except Failed as failed:
                if dropped is None:
                    raise
                dropped(contender, failed)
                del found[contender.name]
    return found


def measured(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; Failed, with the end of what it said, where that is a bad one."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("CLAIMS_", "DAGSTER_"))}
    settings |= {"PYTHONPATH": str(REPOSITORY), **(environment or {})}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=settings, stdout=out, stderr=errors, cwd=REPOSITORY)
        memory = _Memory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        memory.stop()
        out.seek(0)
        said = out.read()
        if process.returncode:
            errors.seek(0)
            raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{(said + errors.read())[-3000:]}")
    lines = [line for line in said.splitlines() if line.startswith(RESULT)]
    return Run(
        seconds=seconds,
        processor=usage.ru_utime + usage.ru_stime,
        peak=memory.peak / 1024,
        anonymous=memory.anonymous / 1024,
        told=json.loads(lines[-1].removeprefix(RESULT)) if lines else {},
    )


def tell(**found: Any) -> None:
    """Tell the harness of oneself, from a process that it measures."""
    print(RESULT + json.dumps(found), flush=True)


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of ours."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def claims(*arguments: object) -> list[str]:
    """The `claims` command as it is installed."""
    script = Path(sys.executable).with_name("claims")
    start = [str(script)] if script.exists() else [sys.executable, "-m", "claims_lakehouse.cli"]
    return [*start, *map(str, arguments)]


def median(values: Iterable[float | None]) -> float | None:
    """The median of the values there are; None where there are none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def ratio(runs: Sequence[Run], floor: Sequence[Run], *, whole: bool = False) -> float | None:
    """The median of the ratios to the floor of the same round: by their own clocks, or of `whole` processes."""
    pairs = list(zip(runs, floor, strict=True))
    if whole:
        return median(run.seconds / base.seconds for run, base in pairs)
    return median(run.own / base.own for run, base in pairs if run.own and base.own)


class _Memory:
    """Watches the memory of a process and everything below it, in a thread of its own."""

    def __init__(self, process: int) -> None:
        self.peak = self.anonymous = 0
        self._process, self._done = process, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_EVERY):
            found = [_memory(process) for process in _tree(self._process)]
            highest = max((memory.get("VmHWM", 0) for memory in found), default=0)
            self.peak = max(self.peak, highest, sum(memory.get("VmRSS", 0) for memory in found))
            self.anonymous = max(self.anonymous, sum(memory.get("RssAnon", 0) for memory in found))


def _tree(process: int) -> list[int]:
    """A process and all that it started, directly or not, as far as they live."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - thirty times a second
        if entry.isdigit():
            with suppress(OSError, ValueError, IndexError):
                stat = Path("/proc", entry, "stat").read_text()
                children.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(entry))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found


def _memory(process: int) -> dict[str, int]:
    """What a process holds resident, and the most that it ever did alone, in KiB, by the system's names."""
    with suppress(OSError, ValueError):
        lines = Path("/proc", str(process), "status").read_text().splitlines()
        fields = (line.split() for line in lines if line.startswith(("VmHWM", "VmRSS", "RssAnon")))
        return {name.rstrip(":"): int(size) for name, size, _ in fields}
    return {}
