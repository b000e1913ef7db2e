"""What the command shows of the deliveries that it processed."""

from __future__ import annotations

import pytest

from claims_lakehouse.commands import ingestion
from claims_lakehouse_tests.builders import Lakehouse, patient


def shown(lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of each line of the table, headings and sums included."""
    days = [f"2024-02-0{day}" for day in range(1, 5)]
    for day in days:
        bad = [patient(patient_id=f"{day}/{row}", fname="") for row in range(60 if day == "2024-02-03" else 0)]
        lakehouse.land("patients", day, [patient(patient_id=day), *bad])
    lakehouse.ingest()
    capsys.readouterr()
    ingestion._show_ledger(lakehouse.settings, [("patients", day) for day in days])
    lines = capsys.readouterr().out.splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_few_deliveries_are_shown_one_by_one(lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown(lakehouse, capsys)
    assert [row[1] for row in rows] == ["2024-02-01", "2024-02-02", "2024-02-03", "2024-02-04"]
    assert [row[-1] for row in rows] == ["applied", "applied", "held", "applied"]


def test_of_many_deliveries_those_not_applied_come_first_and_all_are_summed_up(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "_SHOWN", 2)
    rows = shown(lakehouse, capsys)
    assert [row[1] for row in rows] == ["2024-02-03", "2024-02-01", ""]
    assert rows[-1][0] == "all 4"
    assert rows[-1][2:5] == ["64", "0", "60"]
