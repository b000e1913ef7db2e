"""What people decide, by the command: each act on the real deliveries, one after the other, in processes of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.end_to_end.test_command import Said, claims

BECAUSE = ("--because", "a test says so")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path_factory.mktemp("acts"))
    lakehouse.land("patients", "priming", PATIENTS)
    lakehouse.land("patients", "2024-02-01", UPDATE)
    assert run(lakehouse, "ingest").status == 0
    return lakehouse


HEADER = "patient_id,fname,lname,date_of_birth,address,city,state,zipcode,date_of_residence,last_modified_date\n"
PATIENTS = HEADER + (
    "1000U,Ann,Ward,9-19-1948,482 Quail Street,Little Rock,Arkansas,72201,4-19-2007,9-17-2019\n"
    "\n"
    "2000U,Bob,Stone,1-2-1950,1 Oak Street,Reno,Nevada,x9,4-19-2007,9-17-2019\n"
)
UPDATE = HEADER + "1000U,Ann,Ward,9-19-1948,9 Elm Street,Conway,Arkansas,72201,4-19-2007,9-17-2023\n"


def run(lakehouse: Lakehouse, *arguments: str | Path) -> Said:
    return claims(*arguments, home=lakehouse.settings.home, landing=lakehouse.settings.landing)


def told(lakehouse: Lakehouse, *arguments: str) -> Any:
    return json.loads(run(lakehouse, *arguments, "--json").out)


def test_a_row_is_corrected_traced_withdrawn_and_the_warehouse_rebuilt_the_same(lake: Lakehouse) -> None:
    done = run(lake, "correct", "patients", "priming", "2", "zipcode=89501", *BECAUSE)
    assert done.status == 0, done.err
    assert "Nothing is wrong with that row now." in done.err
    [correction] = told(lake, "query", "SELECT correction_id, who IS NOT NULL AS signed FROM correction")
    assert correction["signed"]
    traced = told(lake, "trace", "patients", "2000U")
    [version] = traced["versions"]
    # The second record of its file stands in line 4: a header, a record and a blank line come before it.
    assert version["row"]["origin"] == {"file": "patients/priming.csv", "file_row": 2, "line": 4, "segment": None}
    [issue] = version["row"]["issues"]
    assert issue["resolved_by"] == f"correction {correction['correction_id']}"
    assert "patients/priming.csv" in run(lake, "trace", "patients", "--delivery", "priming", "--row", "2").out
    same = run(lake, "rebuild", "--check", "--from", "raw")
    assert (same.status, "the same tables, row for row" in same.err) == (0, True)
    done = run(lake, "withdraw", "patients", "priming", correction["correction_id"], *BECAUSE)
    assert done.status == 0, done.err
    assert told(lake, "query", "SELECT patient_id FROM patient") == [{"patient_id": "1000U"}]


def test_a_warehouse_that_was_tampered_with_is_reported_and_put_right(lake: Lakehouse) -> None:
    with duckdb.connect(str(lake.settings.warehouse)) as con:
        con.execute("DELETE FROM dim_patient WHERE version = 1")
    checked = run(lake, "rebuild", "--check")
    assert (checked.status, "main.dim_patient" in checked.out) == (1, True)
    assert run(lake, "rebuild").status == 0
    assert told(lake, "query", "SELECT count(*) AS n FROM dim_patient") == [{"n": 2}]


def test_a_check_of_a_warehouse_that_cannot_be_read_does_not_end_well(lake: Lakehouse, tmp_path: Path) -> None:
    shutil.copytree(lake.settings.home.parent, tmp_path, dirs_exist_ok=True)
    lakehouse = Lakehouse(tmp_path)
    lakehouse.settings.warehouse.write_bytes(b"no database")
    checked = run(lakehouse, "rebuild", "--check")
    assert (checked.status, "nothing to compare" in checked.err) == (1, True)


def test_a_purged_delivery_is_gone_and_its_tombstone_is_told(lake: Lakehouse, tmp_path: Path) -> None:
    shutil.copytree(lake.settings.home.parent, tmp_path, dirs_exist_ok=True)
    lakehouse = Lakehouse(tmp_path)
    done = run(lakehouse, "purge", "patients", "2024-02-01", *BECAUSE)
    assert done.status == 0, done.err
    assert told(lakehouse, "query", "SELECT city FROM patient") == [{"city": "Little Rock"}]
    assert [row["status"] for row in told(lakehouse, "status")] == ["applied", "purged"]
    assert not (lakehouse.settings.landing / "patients" / "2024-02-01.csv").exists()
    assert run(lakehouse, "ingest").status == 0


def test_tables_are_exported_and_the_edition_made(lake: Lakehouse, tmp_path: Path) -> None:
    assert run(lake, "export", tmp_path / "out", "--table", "patient").status == 0
    assert list((tmp_path / "out" / "patient").glob("*.parquet"))
    made = run(lake, "deidentify")
    assert made.status == 0, made.err
    assert (lake.settings.home / "published" / "claims_deidentified.duckdb").exists()
    answer = run(lake, "query", "--format", "csv", "SELECT patient_id FROM patient")
    assert answer.out.splitlines() == ['"patient_id"', '"1000U"']


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("correct", "patients", "priming", "1", "zipcode", *BECAUSE), "COLUMN=VALUE"),
        (("correct", "patients", "priming", "9", "zipcode=1", *BECAUSE), "has no row 9"),
        (("withdraw", "patients", "priming", "abc", *BECAUSE), "no correction 'abc'"),
        (("rebuild", "--from", "landing"), "there are raw, validated"),
        (("purge", "patients", "2030-01-01", *BECAUSE), "has no delivery '2030-01-01'"),
        (("trace", "patients"), "Name a record, or a row"),
        (("trace", "patients", "nobody"), "no record of that key"),
        (("query", "--format", "xml", "SELECT 1"), "no format 'xml'"),
    ],
)
def test_wrong_use_is_told_in_a_line(lake: Lakehouse, arguments: tuple[str, ...], word: str) -> None:
    said = run(lake, *arguments)
    assert (said.status, word in said.err, said.out) == (2, True, "")
