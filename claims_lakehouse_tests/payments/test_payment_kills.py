"""Killed wherever it is while it decides, makes payments and closes days, a lakehouse is put right by the next run.

Of the 50 kills a test makes a few; all of them are made by `python -m claims_lakehouse_tests.payments.test_payment_kills`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from claims_lakehouse.adjudication import acts
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.payments.closed import digest_of, sent_days
from claims_lakehouse.payments.payer_file import made_up_settings
from claims_lakehouse.payments.stage import make_payments, mark_sent
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.adjudication.worlds import ON_RECORD, Clock, receive_all, seen, settle
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.payments.test_stage import (
    BY_CHECK,
    FIRST,
    LAST,
    SECOND,
    THIRD,
    WORLD,
    A,
    B,
    Files,
    advices,
    everything,
    files,
    hold_the_law,
    told_once,
    touched,
)
from claims_lakehouse_tests.torture import children
from claims_lakehouse_tests.torture.children import Outcome, Trouble

SEED, KILLS, IN_A_TEST = 1, 50, 4
#: The day after the last that was sent: what came late is told on it.
AFTER = "2024-02-06"


def work(base: Path) -> None:
    """Decide two days, pay, close a day; then a person releases a claim as of a day that is closed, and all of it again."""
    os.environ["CLAIMS_PAYER_SETTINGS"] = str(base / "payer.toml")
    lakehouse = Lakehouse(base)
    settle(lakehouse, THIRD)
    settle(lakehouse)
    make_payments(lakehouse.settings)
    _send(lakehouse, SECOND)
    with patch.object(acts, "datetime", Clock), suppress(Overtaken):  # it is on record already
        Clock.at = datetime.fromisoformat("2024-02-02T09:00")
        acts.approve(lakehouse.settings, seen(lakehouse, "C4"), allowed=Decimal("25.00"), **ON_RECORD)
    settle(lakehouse)
    make_payments(lakehouse.settings)
    _send(lakehouse, AFTER)
    _send(lakehouse, THIRD)


def _send(lakehouse: Lakehouse, day: str) -> None:
    try:
        mark_sent(lakehouse.settings, date.fromisoformat(day), who="clerk")
    except UsageError as error:
        if "was sent already" not in str(error):
            raise


@dataclass
class Ground:
    """A base made ready, and what an undisturbed run makes of it: all that lies there, and the points that it reaches."""

    base: Path
    folder: Path
    expected: Files
    points: tuple[str, ...]

    @classmethod
    def prepare(cls, folder: Path) -> Ground:
        lakehouse = Lakehouse(folder / "base").with_tables()
        receive_all(lakehouse, [one for one in WORLD if one.key in (FIRST, SECOND)])
        (folder / "base" / "payer.toml").write_text(made_up_settings((A, B, BY_CHECK)), encoding="utf-8")
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("CLAIMS_PAYER_SETTINGS", str(folder / "base" / "payer.toml"))
            settle(lakehouse)
            make_payments(lakehouse.settings)
            mark_sent(lakehouse.settings, date.fromisoformat(FIRST), who="clerk")
        publish(lakehouse.settings)
        receive_all(lakehouse, [one for one in WORLD if one.key in (THIRD, LAST)])
        ground = cls(folder / "base", folder, {}, ())
        undisturbed = ground.copy("undisturbed")
        outcome = run(undisturbed)
        assert outcome.error is None, outcome.trace
        ground.expected, ground.points = lasting(undisturbed), outcome.points
        return ground

    def copy(self, name: str) -> Lakehouse:
        """The base, fresh, in a place of its own."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.copytree(self.base, self.folder / name, symlinks=True)
        return Lakehouse(self.folder / name)

    def places(self) -> list[int]:
        """The seeded points at which runs are killed. Temporary tables are no durable step."""
        durable = [number for number, name in enumerate(self.points, 1) if not name.endswith("duckdb CREATE")]
        return random.Random(SEED).sample(durable, KILLS)

    def places_that_matter_most(self) -> dict[str, int]:
        """Points in the midst of remitting, and of writing down what was sent."""
        points = list(self.points)
        sending = points.index("after duckdb COPY")
        again = points.index("before duckdb COPY", sending)
        deleted = [number for number, name in enumerate(points[:again], 1) if name == "after duckdb DELETE"]
        return {
            "remitting": deleted[-2],  # the last says that it was done
            "what a day told": sending + 1,
            "half a line of what was sent": points.index("amid os.write", sending) + 1,
            "a line of what was sent": points.index("after os.write", sending) + 1,
        }

    def survive(self, place: int) -> list[str]:
        """Kill a run at a point; what is wrong with what it left, and with what the next run made of that."""
        lakehouse = self.copy("killed")
        first = closed(lakehouse)
        outcome = run(lakehouse, Trouble(at=place))
        told = f"killed at {place}, {outcome.point or self.points[place - 1]}"
        if outcome.signal != signal.SIGKILL:
            return [f"{told}: it was not killed: {outcome.error_type} {outcome.error}\n{outcome.trace}"]
        wrong = [f"{told}: {one}" for one in unsound(lakehouse)]
        outcome = run(lakehouse)
        if outcome.error is not None:
            return [*wrong, f"{told}: the next run failed: {outcome.error_type} {outcome.error}\n{outcome.trace}"]
        found = lasting(lakehouse)
        names = {name for name in (*found, *self.expected) if found.get(name) != self.expected.get(name)}
        wrong += [f"{told}: other files: {sorted(names)}"] if names else []
        wrong += [f"{told}: in the end: {one}" for one in unsound(lakehouse)]
        if [one.day.isoformat() for one in sent_days(lakehouse.settings)] != [FIRST, SECOND, AFTER, THIRD]:
            wrong.append(f"{told}: other days were sent")
        if closed(lakehouse) != first:
            wrong.append(f"{told}: files of the day that was closed before were touched")
        try:
            told_once(lakehouse)
        except AssertionError as error:
            wrong.append(f"{told}: not everything is told once: {error}")
        return wrong


def run(lakehouse: Lakehouse, trouble: Trouble = Trouble()) -> Outcome:  # noqa: B008 - frozen
    return children.run(partial(work, lakehouse.settings.home.parent), trouble)


def lasting(lakehouse: Lakehouse) -> Files:
    """All that lies there but the record of what was sent, which has its time."""
    return {name: data for name, data in everything(lakehouse).items() if name != "sent.jsonl"}


def closed(lakehouse: Lakehouse) -> dict[str, tuple[int, int]]:
    """What changes where a file of the day that was closed in the base is touched."""
    return {name: one for name, one in touched(lakehouse).items() if name.startswith(f"{FIRST}/")}


def unsound(lakehouse: Lakehouse) -> Iterator[str]:
    """What is not as it was sent; days that were sent twice; files that others may read."""
    folder = lakehouse.settings.home / "payments"
    for one in sent_days(lakehouse.settings):
        of_day = lakehouse.settings.payments(one.day)
        if one.digest not in (digest_of(of_day / "told.parquet"), digest_of(of_day / "telling.parquet")):
            yield f"{one.day}: what it told is gone"
        yield from (f"{one.day}: another {name}" for name in one.files if digest_of(of_day / name) != one.files[name])
    record = (folder / "sent.jsonl").read_text(encoding="utf-8")
    on_record = [line[9:19] for line in record.splitlines() if line.endswith("}}")]  # others were cut short
    yield from (f"{day} is on record twice" for day in set(on_record) if on_record.count(day) > 1)
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o77:
            yield f"{path.name} can be read by others"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground.prepare(tmp_path_factory.mktemp("kills"))


def test_an_undisturbed_run_tells_on_the_first_open_day_what_came_late(ground: Ground) -> None:
    lakehouse = Lakehouse(ground.folder / "undisturbed")
    told = {(one.day, one.payee): one.claims for one in advices(files(lakehouse))}
    assert (told[AFTER, B], told[THIRD, B]) == ([("C4", "1", 20)], [("C3", "22", -64)])
    assert {day for day, _ in told} == {FIRST, SECOND, AFTER, THIRD, LAST}
    hold_the_law(lakehouse)
    reached = [point.removeprefix("before ") for point in ground.points if point.startswith("before ")]
    assert {"duckdb COMMIT", "duckdb INSERT", "duckdb COPY", "os.replace", "os.write", "write_bytes"} <= set(reached)


@pytest.mark.parametrize("number", range(IN_A_TEST))
def test_a_run_that_is_killed_is_put_right_by_the_next(ground: Ground, number: int) -> None:
    assert ground.survive(ground.places()[number]) == []


@pytest.mark.parametrize(
    "name", ["remitting", "what a day told", "half a line of what was sent", "a line of what was sent"]
)
def test_a_run_that_is_killed_where_it_matters_most_is_put_right_by_the_next(ground: Ground, name: str) -> None:
    assert ground.survive(ground.places_that_matter_most()[name]) == []


def main() -> int:
    """All kills, one by one; 1 where one was not survived."""
    with tempfile.TemporaryDirectory() as folder:
        Lakehouse.shared = Path(folder, "shared")
        Lakehouse.shared.mkdir()
        started, ground = time.monotonic(), Ground.prepare(Path(folder))
        places = [*ground.places(), *ground.places_that_matter_most().values()]
        print(f"{len(ground.points)} points, of which {len(places)} are tried, in {time.monotonic() - started:.0f} s")
        wrong = [one for place in places for one in ground.survive(place)]
        print(*wrong, f"{len(places)} kills in {time.monotonic() - started:.0f} s, {len(wrong)} differences", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
