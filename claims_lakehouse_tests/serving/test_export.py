"""Published tables go out as Parquet, and answers in the format that is asked for."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from claims_lakehouse.errors import UsageError
from claims_lakehouse.serving.connect import Connection, connect
from claims_lakehouse.serving.export import export, tables, write_answer
from claims_lakehouse_tests.builders import Lakehouse, claim, patient


@pytest.fixture
def published(lakehouse: Lakehouse) -> Connection:
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2000U", zipcode="x")])
    lakehouse.land("claims", "priming", [claim(), claim(claim_id="CF#2", patient_id='say "ah", please')])
    lakehouse.land("patients", "2024-02-01", [patient(city="Lakeville", last_modified_date="2023-01-01")])
    lakehouse.ingest()
    return connect(lakehouse.settings.home)


def test_every_table_and_view_is_exported_as_it_is(published: Connection, tmp_path: Path) -> None:
    names = tables(published)
    assert {"dim_patient", "claim_detail", "issue", "delivery"} <= set(names)
    done = export(published, tmp_path / "out", names)
    for one in done:
        rows = published.execute(f"FROM {one.table}").fetchall()
        found = pl.read_parquet(one.folder / "*.parquet").rows()
        assert sorted(map(repr, found)) == sorted(map(repr, rows))
        assert one.rows == len(rows)


def test_files_are_laid_out_by_the_columns_that_are_asked_for(published: Connection, tmp_path: Path) -> None:
    [one] = export(published, tmp_path, ["dim_patient"], ["delivery", "is_current"])
    folders = sorted(path.relative_to(one.folder).parent.as_posix() for path in one.folder.rglob("*.parquet"))
    assert folders == ["delivery=2024-02-01/is_current=true", "delivery=priming/is_current=false"]


def test_an_export_takes_the_place_of_an_earlier_one_and_of_nothing_else(published: Connection, tmp_path: Path) -> None:
    export(published, tmp_path, ["patient"])
    stale = tmp_path / "patient" / "stale.parquet"
    stale.touch()
    export(published, tmp_path, ["patient"])
    assert not stale.exists()
    (tmp_path / "claim").mkdir()
    with pytest.raises(UsageError, match="claim is there already, and no export wrote it"):
        export(published, tmp_path, ["patient", "claim"])


@pytest.mark.parametrize(
    ("names", "by", "told"),
    [
        (["nobody"], [], "no table 'nobody'; there are adjustment, claim,"),
        (["claim"], ["nothing"], "has a column 'nothing'"),
    ],
)
def test_what_is_not_there_cannot_be_exported(
    published: Connection, tmp_path: Path, names: list[str], by: list[str], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        export(published, tmp_path / "out", names, by)
    assert not (tmp_path / "out").exists()


def test_an_answer_is_written_as_csv_that_reads_back(published: Connection) -> None:
    out = io.BytesIO()
    write_answer(published, "SELECT claim_id, patient_id, total_cost FROM claim ORDER BY claim_id", "csv", out)
    assert list(csv.reader(io.StringIO(out.getvalue().decode()))) == [
        ["claim_id", "patient_id", "total_cost"],
        ["CF#1000078NN", "1000U", "782.08"],
        ["CF#2", 'say "ah", please', "782.08"],
    ]


def test_an_answer_is_written_as_parquet_with_its_types(published: Connection) -> None:
    out = io.BytesIO()
    write_answer(published, "SELECT total_cost, date_of_service FROM claim LIMIT 1", "parquet", out)
    assert pl.read_parquet(out.getvalue()).schema == {"total_cost": pl.Decimal(12, 2), "date_of_service": pl.Date}


@pytest.mark.parametrize("sql", ["DROP TABLE dim_patient", "SELECT 1; SELECT 2", "SELECT nonsense FROM claim"])
def test_only_one_select_is_answered(published: Connection, sql: str) -> None:
    with pytest.raises(UsageError):
        write_answer(published, sql, "csv", io.BytesIO())
