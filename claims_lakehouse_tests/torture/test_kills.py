"""A process killed anywhere leaves nothing half-applied, and one normal run later nothing is different."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.torture import children, states
from claims_lakehouse_tests.torture.children import Trouble
from claims_lakehouse_tests.torture.kills import Ground, survive, troubles

#: How many kills of each scenario; those left out are much like one of these, and in the long run.
KILLS = {"ingest": 2, "rebuild": 1, "purge": 1, "correct": 1, "waive": 1}


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_run_is_made_good_by_the_next(ground: Callable[[str], Ground], name: str) -> None:
    ready = ground(name)
    for trouble in islice(troubles(ready, random.Random(f"1 {name}")), KILLS[name]):
        tally = survive(ready, trouble)
        assert tally.differences == []
        assert (tally.kills_survived, tally.rows_lost) == (1, 0)


@pytest.mark.parametrize("point", ["after duckdb DELETE", "before duckdb COMMIT", "amid copyfile", "amid os.write"])
def test_a_run_killed_where_it_matters_most_is_made_good_by_the_next(
    ground: Callable[[str], Ground], point: str
) -> None:
    tally = survive(ground("retract"), Trouble(at=1, called=point))
    assert tally.differences == []
    assert tally.kills_survived == 1


def test_a_waiver_of_many_issues_is_made_whole_or_not_at_all(ground: Callable[[str], Ground]) -> None:
    tally = survive(ground("waive"), Trouble(at=1, called="amid os.write"))
    assert tally.differences == []
    assert tally.kills_survived == 1


def test_a_run_killed_in_the_midst_of_a_write_is_made_good_by_the_next(ground: Callable[[str], Ground]) -> None:
    tally = survive(ground("retract"), Trouble(file_size=300_000, killed_by_size=True))
    assert tally.differences == []
    assert tally.kills_survived == 1


def test_a_child_dies_at_the_point_it_is_told_to(tmp_path: Path) -> None:
    work = partial(_write_three_times, tmp_path / "file")
    undisturbed = children.run(work)
    assert undisturbed.points == ("before write_text", "amid write_text", "after write_text") * 3
    for at, name, written in (
        (4, "before write_text", "01"),
        (5, "amid write_text", "2"),
        (6, "after write_text", "23"),
    ):
        killed = children.run(work, Trouble(at=at))
        assert (killed.signal, killed.point) == (signal.SIGKILL, name)
        assert (tmp_path / "file").read_text() == written


def test_a_child_that_hangs_is_ended() -> None:
    hung = children.run(_hang, patience=1.0)
    assert (hung.hung, hung.signal) == (True, signal.SIGKILL)


def test_rows_that_are_gone_or_half_applied_are_seen(ground: Callable[[str], Ground], tmp_path: Path) -> None:
    ready = ground("retract")
    lakehouse = ready.copy()
    before = states.warehouse(lakehouse.settings)
    assert before is not None
    assert (before.broken, before.rows_lost) == ([], 0)
    for statement in (
        "DELETE FROM fact_claim WHERE rowid = (SELECT min(rowid) FROM fact_claim)",
        "DELETE FROM internal.ledger WHERE feed = 'claims'",
    ):
        lakehouse = ready.copy()
        _change(lakehouse.settings, statement)
        seen = states.warehouse(lakehouse.settings)
        assert seen is not None
        assert seen.broken
        assert states.difference(seen.state, before.state)


def _change(settings: Settings, statement: str) -> None:
    import duckdb

    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute(statement)


def _write_three_times(path: Path) -> None:
    for text in ("01", "23", "45"):
        path.write_text(text)


def _hang() -> None:
    import threading

    threading.Event().wait()
