"""Kill a process at work, look at what it leaves, and let one normal run put it right."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path

from claims_lakehouse.files import sweep
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse
from claims_lakehouse_tests.torture import children, states
from claims_lakehouse_tests.torture.children import Outcome, Trouble
from claims_lakehouse_tests.torture.scenarios import SCENARIOS, Scenario, generated, ingest
from claims_lakehouse_tests.torture.states import State, difference
from claims_lakehouse_tests.torture.tally import Tally


@dataclass
class Ground:
    """A scenario made ready: its base on disk, and what an undisturbed run makes of it.

    Attributes:
        before: What is published in the base.
        after: What is published after an undisturbed run.
        points: The points that an undisturbed run reaches.
        seconds: How long it takes.
        largest: The size of the largest file that it leaves.
    """

    scenario: Scenario
    base: Path
    work: Path
    before: State
    after: State
    points: tuple[str, ...]
    seconds: float
    largest: int

    @classmethod
    def prepare(cls, scenario: Scenario, folder: Path, seed: int, size: int = 8) -> Ground:
        base, work = folder / f"{scenario.name} base", folder / f"{scenario.name} try"
        scenario.prepare(Lakehouse(base), generated(seed, size))
        ground = cls(scenario, base, work, {}, {}, (), 0.0, 0)
        lakehouse = ground.copy()
        ground.before = _published(lakehouse)
        started = time.monotonic()
        outcome = ground.run(lakehouse)
        ground.seconds = time.monotonic() - started
        assert outcome.error is None, outcome.trace
        ground.points = outcome.points
        ground.after = _published(lakehouse)
        ground.largest = max(path.stat().st_size for path in lakehouse.settings.home.rglob("*") if path.is_file())
        return ground

    def copy(self) -> Lakehouse:
        """The base, fresh, in a place of its own."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.base, self.work, symlinks=True)
        return Lakehouse(self.work)

    def run(self, lakehouse: Lakehouse, trouble: Trouble = Trouble()) -> Outcome:  # noqa: B008 - frozen
        return children.run(partial(act, self.scenario.name, lakehouse.settings.home.parent), trouble)

    def aftermath(self, lakehouse: Lakehouse, but: tuple[str, ...] = ()) -> Iterator[str]:
        """What is wrong with what trouble left behind, before anything was put right; tables `but` those named."""
        for name, seen in (("published", states.published), ("warehouse", states.warehouse)):
            try:
                found = seen(lakehouse.settings)
            except Exception as error:
                yield f"the {name} file cannot be read: {type(error).__name__}: {error}"
                continue
            if found is not None:
                yield from (f"{name}: {law}" for law in found.broken)
        if wrong := self._neither(_published(lakehouse), but):
            yield f"published is neither before nor after: {wrong}"

    def _neither(self, found: State, but: tuple[str, ...]) -> str:
        """How what is published differs from what was there before and from the result, if it does from both."""
        if not difference(found, self.before, but):
            return ""
        return difference(found, self.after, but)

    def convergence(self, lakehouse: Lakehouse, but: tuple[str, ...] = ()) -> Iterator[str]:
        """What one normal run does not put right; a person whose act was cut short then does it again."""
        outcome = children.run(partial(again, self.scenario.name, lakehouse.settings.home.parent))
        if outcome.result is None:
            yield f"the next run failed: {outcome.error_type}: {outcome.error} {outcome.signal}\n{outcome.trace}"
        elif wrong := self._neither(outcome.result, but):
            yield f"after `ingest`, published is neither before nor after: {wrong}"
        if wrong := difference(_published(lakehouse), self.after, but):
            yield f"the next run did not converge: {wrong}"
        _age(lakehouse.settings.home)
        sweep(lakehouse.settings.home)
        if left := states.leftovers(lakehouse.settings.home):
            yield f"left behind: {', '.join(left)}"


def act(scenario: str, base: Path) -> None:
    """A scenario's act, by name; what a child does."""
    next(one for one in SCENARIOS if one.name == scenario).act(Lakehouse(base))


def again(scenario: str, base: Path) -> State:
    """What a child does afterwards: a normal run, then the act once more; returns what was published in between."""
    lakehouse = Lakehouse(base)
    ingest(lakehouse)
    between = _published(lakehouse)
    act(scenario, base)
    return between


def kills(folder: Path, seed: int, wanted: int) -> Iterator[Tally]:
    """Kill `wanted` runs, shared out among the scenarios; one tally each."""
    for number, scenario in enumerate(SCENARIOS):
        share = wanted // len(SCENARIOS) + (number < wanted % len(SCENARIOS))
        if not share:
            continue
        ground = Ground.prepare(scenario, folder, seed)
        killed = 0
        for trouble in islice(troubles(ground, random.Random(f"{seed} {scenario.name}")), 3 * share):
            tally = survive(ground, trouble)
            killed += bool(tally.kills_survived or tally.differences)  # some are done before they can be killed
            yield tally
            if killed == share:
                break


def troubles(ground: Ground, rng: random.Random) -> Iterator[Trouble]:
    """Mostly points, none twice; every fifth at a random time, every tenth in the midst of a write."""
    numbers = rng.sample(range(1, len(ground.points) + 1), len(ground.points))
    for number in count():
        if number % 10 == 9:
            yield Trouble(file_size=rng.randrange(100, ground.largest), killed_by_size=True)
        elif number % 5 == 4 or not numbers:
            yield Trouble(after=rng.uniform(0, ground.seconds))
        else:
            yield Trouble(at=numbers.pop())


def survive(ground: Ground, trouble: Trouble) -> Tally:
    """One kill: what it leaves, and what the next run makes of it."""
    lakehouse = ground.copy()
    outcome = ground.run(lakehouse, trouble)
    told = f"{ground.scenario.name}, {trouble} ({outcome.point or f'signal {outcome.signal}'})"
    wrong = []
    if outcome.error is not None:
        wrong.append(f"it failed instead of dying: {outcome.error_type}: {outcome.error}\n{outcome.trace}")
    wrong += [*ground.aftermath(lakehouse), *ground.convergence(lakehouse)]
    found = None if wrong else states.published(lakehouse.settings)
    return Tally(
        kills_survived=int(outcome.is_killed and not wrong),
        rows_lost=found.rows_lost if found else 0,
        differences=[f"killed: {told}: {each}" for each in wrong],
    )


def _published(lakehouse: Lakehouse) -> State:
    try:
        seen = states.published(lakehouse.settings)
    except Exception:
        return {"unreadable": []}
    return seen.state if seen else {}


def _age(home: Path) -> None:
    """Make every half-written file look as if it had lain there for long."""
    for left in home.rglob("*.tmp"):
        os.utime(left, (0, 0))


def command_kills(folder: Path, seed: int, wanted: int) -> Iterator[Tally]:
    """Kill the real `claims ingest`, with all its processes, at random times; then run it once more."""
    rng = random.Random(f"{seed} commands")
    ground = Ground.prepare(SCENARIOS[0], folder, seed) if wanted else None
    seconds = 0.0
    for number in range(wanted + 1 if ground else 0):
        assert ground is not None
        lakehouse = ground.copy()
        after = rng.uniform(0.2, 1.0) * seconds if number else None  # the first shows how long one takes
        started = time.monotonic()
        status, told = _command(lakehouse, after)
        if after is None:
            seconds = time.monotonic() - started
        wrong = [] if status in (0, -signal.SIGKILL) else [f"it ended with {status}: {told}"]
        wrong += ground.aftermath(lakehouse)
        status, told = _command(lakehouse)
        if status:
            wrong.append(f"the next run ended with {status}: {told}")
        wrong += ground.convergence(lakehouse)
        how = f"`claims ingest` killed after {after:.2f} s" if after else "`claims ingest` twice"
        yield Tally(kills_survived=int(bool(after and not wrong)), differences=[f"{how}: {each}" for each in wrong])


def _command(lakehouse: Lakehouse, after: float | None = None) -> tuple[int, str]:
    """Run `claims ingest`, killed after some seconds; its exit status and what it said."""
    settings = lakehouse.settings
    options = ("--landing", str(settings.landing), "--home", str(settings.home))
    with subprocess.Popen(
        [sys.executable, "-m", "claims_lakehouse.cli", "ingest", *options],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            told, _ = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            told, _ = process.communicate()
        return process.returncode, told
