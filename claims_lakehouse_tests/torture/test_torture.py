"""The long run can be asked for in short, counts what it did, and fails where anything differs."""

from __future__ import annotations

import pytest

from claims_lakehouse_tests.torture.__main__ import main
from claims_lakehouse_tests.torture.tally import Tally


def test_it_prints_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "fuzz", "--inputs", "5", "--seed", "7"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == [
        *("orders tried", "kills survived", "faults injected", "inputs fuzzed", "answers read", "zones tried"),
        *("rows lost", "differences"),
    ]
    assert {"inputs fuzzed: 5", "rows lost: 0", "differences: 0"} <= set(printed)


def test_a_difference_fails_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for found in (Tally(differences=["one"]), Tally(rows_lost=1)):
        monkeypatch.setattr("claims_lakehouse_tests.torture.__main__.fuzz", lambda *_, found=found: iter([found]))
        assert main(["--only", "fuzz"]) == 1
    assert "one" in capsys.readouterr().err
