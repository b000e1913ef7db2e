"""Broken files end in an error for their delivery or in balanced counts, and as the oracle says."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from claims_lakehouse_tests.builders import claim, csv_text
from claims_lakehouse_tests.torture import fuzz
from claims_lakehouse_tests.torture.fuzz import Case, examine, regression
from claims_lakehouse_tests.torture.tally import Tally

REGRESSIONS = sorted((Path(__file__).parent / "regressions").iterdir())


def test_broken_files_lose_no_row_and_tell_no_value() -> None:
    tally = Tally()
    for one in fuzz.fuzz(seed=7, numbers=range(150)):
        tally += one
    assert tally.inputs_fuzzed == 150
    assert tally.differences == []
    assert tally.rows_lost == 0


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_what_once_went_wrong(tmp_path: Path, path: Path) -> None:
    verdict = examine(regression(path), tmp_path)
    assert verdict.wrong == ""
    assert verdict.refused or ".refused." not in path.name


def test_files_are_both_read_and_refused(tmp_path: Path) -> None:
    refused = [examine(fuzz.case(7, number), tmp_path / f"{number}").refused for number in range(30)]
    assert 5 < sum(refused) < 25


def test_a_row_that_is_lost_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [claim(claim_id=f"CF#{number}") for number in range(3)]
    assert examine(Case("claims", "csv", csv_text(rows).encode()), tmp_path / "all").wrong == ""
    real = fuzz.validate
    monkeypatch.setattr(fuzz, "validate", lambda one: real(one._replace(content=csv_text(rows).encode())))
    verdict = examine(Case("claims", "csv", csv_text(rows[:2]).encode()), tmp_path / "less")
    assert verdict.wrong
    assert verdict.rows_lost == 1


def test_a_value_in_an_error_is_seen(tmp_path: Path) -> None:
    one = Case("claims", "csv", b"not,a,header\n", values=frozenset({"without"}))
    assert "tells a value" in examine(one, tmp_path).wrong


def test_a_crash_is_one_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally()
    monkeypatch.setattr(fuzz, "_batch", _crashing_batch)
    for one in fuzz.fuzz(seed=7, numbers=range(5)):
        tally += one
    assert tally.inputs_fuzzed == 5
    assert len(tally.differences) == 1
    assert "case(7, 3)" in tally.differences[0]
    assert "signal 11" in tally.differences[0]


def _crashing_batch(seed: int, numbers: list[int], progress: Path) -> Tally:
    """As `_batch`, for a library that crashes on number 3."""
    done = Tally()
    with progress.open("w") as told:
        for number in numbers:
            told.write(f"{number}\n")
            told.flush()
            if number == 3:
                os.kill(os.getpid(), signal.SIGSEGV)
            done += Tally(inputs_fuzzed=1)
    return done
