"""The machine's zone and clock do not matter, and days at the edges are days."""

from __future__ import annotations

import os
from pathlib import Path

from claims_lakehouse_tests.builders import Lakehouse, claim, moment, patient
from claims_lakehouse_tests.torture.tally import Tally
from claims_lakehouse_tests.torture.zones import MODIFIED, zones


def test_the_same_deliveries_give_the_same_tables_in_every_zone_and_at_any_time(tmp_path: Path) -> None:
    tally = Tally()
    for one in zones(tmp_path, 1, ("America/New_York",), ("1969-12-31T23:59:59",), size=1):
        tally += one
    assert tally.zones_tried == 2
    assert tally.differences == []


def test_a_file_time_within_the_hour_that_came_twice_is_taken_in_utc(lakehouse: Lakehouse) -> None:
    path = lakehouse.land("patients", "by-hand", [patient()])
    os.utime(path, (MODIFIED, MODIFIED))
    lakehouse.ingest()
    assert lakehouse.rows("SELECT received_at FROM delivery") == [(moment("2024-11-03 05:30"),)]


def test_days_at_switches_leap_days_and_edges_come_out_as_they_went_in(lakehouse: Lakehouse) -> None:
    days = (
        "1900-01-01",
        "2000-02-29",
        "2023-12-31",
        "2024-02-29",
        "2024-03-10",
        "2024-03-31",
        "2024-11-03",
        "2100-12-31",
    )
    dated = {"date_of_service": "1900-01-01", "claim_date": "2100-12-31"}
    rows = [claim(last_modified_date=day, total_cost=f"{cost}", **dated) for cost, day in enumerate(days)]
    lakehouse.land("claims", "2100-12-31", rows)
    lakehouse.ingest()
    found = lakehouse.rows("SELECT valid_from::VARCHAR, valid_to::VARCHAR FROM fact_claim ORDER BY version")
    assert found == list(zip(days, (*days[1:], None), strict=True))
    for day in days:
        assert lakehouse.rows(f"SELECT count(*), min(valid_from)::VARCHAR FROM claim_as_of(DATE '{day}')") == [(1, day)]


def test_a_leap_day_of_no_leap_year_is_no_date(lakehouse: Lakehouse) -> None:
    days = ("1900-02-29", "2100-2-29", "2000-2-29")
    rows = [claim(claim_id=day, date_of_service="1900-01-01", claim_date=day) for day in days]
    lakehouse.land("claims", "priming", rows)
    lakehouse.ingest()
    assert lakehouse.rows("SELECT rule, count(*) FROM issue WHERE severity = 'error' GROUP BY ALL") == [
        ("not_a_date", 2)
    ]
    assert lakehouse.rows("SELECT claim_id FROM claim") == [("2000-2-29",)]
