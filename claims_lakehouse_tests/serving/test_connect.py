"""A reader sees one publication whole, for as long as it likes, and learns of newer ones."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import duckdb
import pytest

import claims_lakehouse
from claims_lakehouse.errors import UsageError
from claims_lakehouse_tests.builders import Lakehouse, claim, patient


@pytest.fixture
def published(lakehouse: Lakehouse) -> Lakehouse:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.land("claims", "priming", [claim(total_cost="782.08")])
    lakehouse.ingest()
    return lakehouse


def count(con: claims_lakehouse.serving.connect.Connection) -> int:
    return int(con.execute("SELECT count(*) FROM patient").fetchall()[0][0])


def test_a_connection_sees_what_it_opened_until_it_is_refreshed(published: Lakehouse) -> None:
    with claims_lakehouse.connect(published.settings.home) as con:
        assert not con.is_stale
        assert con.refresh() is False
        published.land("patients", "2024-02-01", [patient(patient_id="2000U")])
        published.ingest()
        assert (con.is_stale, count(con)) == (True, 1)
        assert con.refresh() is True
        assert (con.is_stale, count(con)) == (False, 2)


def test_a_second_connection_of_the_same_process_sees_what_was_published_since(published: Lakehouse) -> None:
    with claims_lakehouse.connect(published.settings.home) as first:
        published.land("patients", "2024-02-01", [patient(patient_id="2000U")])
        published.ingest()
        with claims_lakehouse.connect(published.settings.home) as second:
            assert (count(first), count(second)) == (1, 2)


def test_values_stay_exact_in_every_library(published: Lakehouse) -> None:
    sql = "SELECT total_cost, date_of_service FROM claim WHERE patient_id = $patient"
    with claims_lakehouse.connect(published.settings.home) as con:
        expected = con.execute(sql, {"patient": "1000U"}).fetchall()
        assert con.polars(sql, {"patient": "1000U"}).rows() == expected
        table = con.arrow(sql, {"patient": "1000U"})
        assert [tuple(row.values()) for row in table.to_pylist()] == expected


def test_pandas_frames_keep_exact_types(published: Lakehouse) -> None:
    pytest.importorskip("pandas", reason="pandas is not among the dependencies")
    with claims_lakehouse.connect(published.settings.home) as con:
        frame = con.pandas("SELECT total_cost FROM claim")
        assert str(frame.dtypes["total_cost"]).startswith("decimal128(12, 2)")


def test_macros_and_views_answer_through_a_connection(published: Lakehouse) -> None:
    with claims_lakehouse.connect(published.settings.home) as con:
        assert len(con.execute("FROM patient_as_known(DATE '2030-01-01')").fetchall()) == 1
        assert len(con.execute("FROM claim_at_service").fetchall()) == 1
        assert con.execute("SELECT status FROM delivery").fetchall() == [("applied",)] * 2


def test_nothing_can_be_written_through_a_connection(published: Lakehouse) -> None:
    with claims_lakehouse.connect(published.settings.home) as con:
        for sql in ("DELETE FROM dim_patient", "CREATE TABLE mine (n INTEGER)", "DROP VIEW patient"):
            with pytest.raises(duckdb.Error, match="read-only"):
                con.execute(sql)
        con.execute("CREATE TEMP TABLE mine AS FROM patient")
        assert len(con.execute("FROM mine").fetchall()) == 1


def test_where_nothing_is_published_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Nothing is published at .*; run `claims ingest` first"):
        claims_lakehouse.connect(tmp_path)


def test_a_readers_group_reaches_what_is_published_and_nothing_else(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = grp.getgrgid(os.getgroups()[0] if os.getgroups() else os.getgid())
    monkeypatch.setenv("CLAIMS_READERS_GROUP", group.gr_name)
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    home = lakehouse.settings.home
    modes = {path.relative_to(home.parent).as_posix(): oct(path.stat().st_mode & 0o777) for path in home.rglob("*")}
    assert oct(home.stat().st_mode & 0o777) == "0o710"
    assert modes.pop("home/published") == "0o750"
    assert modes.pop("home/published/claims.duckdb") == "0o640"
    assert set(modes.values()) == {"0o600", "0o700"}
    assert lakehouse.settings.published.stat().st_gid == group.gr_gid


def test_a_readers_group_that_is_none_is_told(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMS_READERS_GROUP", "nobody-of-that-name")
    lakehouse.land("patients", "priming", [patient()])
    with pytest.raises(UsageError, match="found the group 'nobody-of-that-name'; expected one that exists"):
        lakehouse.ingest()
    assert not lakehouse.settings.published.exists()
