"""Rows that are held back come out again, all rows of a record together, however many there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from claims_lakehouse.contracts import CLAIMS
from claims_lakehouse.landing.raw import write_raw
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation import held_back, survey
from claims_lakehouse.validation.held_back import HeldBack
from claims_lakehouse.validation.stage import validate_delivery
from claims_lakehouse.validation.verification import Verification
from claims_lakehouse_tests.builders import claim

RECEIVED = datetime(2024, 2, 1)  # noqa: DTZ001 - naive UTC, as everywhere in the lakehouse


@pytest.mark.parametrize("room", [10, 1_000])
def test_all_rows_of_a_record_are_in_one_share_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(held_back, "SHARE_ROWS", room)
    rows = pl.DataFrame({"row_number": range(90), "claim_id": [f"C{number % 30}" for number in range(90)]})
    with HeldBack(CLAIMS, rows.height, tmp_path / "tmp") as kept:
        for start in range(0, 90, 7):
            kept.add(rows.slice(start, 7))
        kept.add(rows.clear())
        shares = list(kept.shares())
    assert (len(shares) > 1) == (room < rows.height)
    assert pl.concat(shares).sort("row_number").equals(rows)
    assert sum(share["claim_id"].n_unique() for share in shares) == 30


def test_what_is_spilled_has_no_name_and_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_back, "SHARE_ROWS", 1)
    with HeldBack(CLAIMS, 2, tmp_path / "tmp") as kept:
        kept.add(pl.DataFrame({"row_number": [1, 2], "claim_id": ["C1", "C2"]}))
        assert list((tmp_path / "tmp").iterdir()) == []
        assert pl.concat(kept.shares()).height == 2


def test_a_delivery_comes_to_the_same_where_its_repeated_records_are_spilled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = verified(tmp_path / "in memory")
    monkeypatch.setattr(held_back, "SHARE_ROWS", 5)
    monkeypatch.setattr(survey, "_SORTED_ROWS", 7)
    assert verified(tmp_path / "spilled") == in_memory
    counts = in_memory[0]
    assert counts.repeats
    assert (counts.landed, counts.quarantined, counts.duplicate, counts.valid) == (90, 20, 20, 50)


def verified(folder: Path) -> tuple[Verification, list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Ten records said once; twenty that are said twice at two times, one time again or otherwise."""
    settings = replace(Settings.from_environment(), landing=folder, home=folder / "home")
    rows = [claim(claim_id=f"A{number}") for number in range(10)]
    for cost, day in (("1", "2/8/2021"), ("2", "2/9/2021"), ("2", "2/9/2021"), ("3", "2/8/2021")):
        rows += [claim(claim_id=f"B{number}", total_cost=cost, last_modified_date=day) for number in range(20)]
    part = folder / "claims_d.csv"
    folder.mkdir()
    part.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]))
    write_raw(CLAIMS, "d", "f", [part], folder, settings.raw("claims", "d", "f"))
    counts = validate_delivery(settings, CLAIMS, "d", "f", RECEIVED)
    valid, issues = (
        pl.read_parquet(path("claims", "d", "f")).sort("row_number").rows()
        for path in (settings.validated, settings.issues)
    )
    return counts, valid, issues
