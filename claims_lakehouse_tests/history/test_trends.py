"""What an attentive person would notice about a delivery, compared with the last ones before it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.history.acts import retract
from claims_lakehouse.history.stage import bring_up_to_date
from claims_lakehouse.history.trends import Trends
from claims_lakehouse_tests.builders import Lakehouse, claim, patient, provider


def people(count: int, empty: int = 0, first: int = 0) -> list[dict[str, str]]:
    """So many patients, the first of whom have no city."""
    return [
        patient(patient_id=f"{number}U", city="" if number - first < empty else "Little Rock")
        for number in range(first, first + count)
    ]


def taken_up(lakehouse: Lakehouse, delivery: str, rows: list[dict[str, str]], feed: str = "patients") -> Trends:
    """What is noticed of a delivery when it is applied."""
    lakehouse.land(feed, delivery, rows)
    error = lakehouse.process(feed, delivery)
    assert error is None
    return seen(lakehouse, delivery, feed)


def seen(lakehouse: Lakehouse, delivery: str, feed: str = "patients") -> Trends:
    return bring_up_to_date(lakehouse.settings, feed_named(feed), delivery).trends


def usual(lakehouse: Lakehouse, *sizes: int, **options: Any) -> None:
    for day, size in enumerate(sizes, 1):
        taken_up(lakehouse, f"2024-01-{day:02}", people(size, **options))


def test_with_fewer_than_three_deliveries_before_it_nothing_is_compared(lakehouse: Lakehouse) -> None:
    usual(lakehouse, 10, 10)
    found = taken_up(lakehouse, "2024-02-01", people(100))
    assert (found.usual_rows, found.is_unusual) == (None, False)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("usual")
    usual(Lakehouse(base).with_tables(), 10, 9, 30)
    return base


@pytest.mark.parametrize(("rows", "unusual"), [(10, False), (5, False), (4, True), (20, False), (21, True), (0, True)])
def test_a_volume_below_half_or_above_twice_the_median_is_noticed(
    once: Path, tmp_path: Path, rows: int, unusual: bool
) -> None:
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    lakehouse = Lakehouse(tmp_path)
    sent = people(rows)
    if not sent:
        lakehouse.land("patients", "2024-02-01", ",".join(patient()) + "\n")
        assert lakehouse.process("patients", "2024-02-01") is None
        found = seen(lakehouse, "2024-02-01")
    else:
        found = taken_up(lakehouse, "2024-02-01", sent)
    assert found.usual_rows == 10
    assert found.is_unusual is unusual


def test_priming_is_neither_compared_nor_compared_with(lakehouse: Lakehouse) -> None:
    assert taken_up(lakehouse, "priming", people(500)) == Trends()
    usual(lakehouse, 10, 10, 10)
    assert taken_up(lakehouse, "2024-02-01", people(10)).usual_rows == 10


def test_only_the_last_five_deliveries_received_before_it_count(lakehouse: Lakehouse) -> None:
    usual(lakehouse, 100, 100, 100, 10, 10, 10, 10, 10)
    taken_up(lakehouse, "2024-03-01", people(300))
    assert taken_up(lakehouse, "2024-02-01", people(10)).usual_rows == 10
    assert seen(lakehouse, "2024-01-04").usual_rows == 100


def test_what_was_retracted_or_belongs_to_another_feed_is_not_compared_with(lakehouse: Lakehouse) -> None:
    usual(lakehouse, 10, 10, 10, 70)
    taken_up(lakehouse, "2024-01-20", [provider(provider_id=f"P{n}") for n in range(99)], "providers")
    retract(lakehouse.settings, feed_named("patients"), "2024-01-04", because="why", who="a test")
    bring_up_to_date(lakehouse.settings, feed_named("patients"), "2024-01-04")
    assert taken_up(lakehouse, "2024-02-01", people(10)).usual_rows == 10


@pytest.mark.parametrize(("empty", "noticed"), [(2, False), (3, False), (4, True)])
def test_a_column_that_is_emptier_by_more_than_a_tenth_is_noticed(
    lakehouse: Lakehouse, empty: int, noticed: bool
) -> None:
    usual(lakehouse, 10, 10, 10, empty=2)
    found = taken_up(lakehouse, "2024-02-01", people(10, empty=empty))
    assert found.emptier == ({"city": (0.4, pytest.approx(0.2))} if noticed else {})


def test_a_column_that_is_fuller_than_usual_is_fine(lakehouse: Lakehouse) -> None:
    usual(lakehouse, 10, 10, 10, empty=9)
    assert taken_up(lakehouse, "2024-02-01", people(10)).emptier == {}


def test_rows_that_refer_to_unknown_records_are_counted_by_rule_until_these_come(lakehouse: Lakehouse) -> None:
    billed = [claim(claim_id=f"C{n}", patient_id=f"{n}U") for n in range(3)]
    found = taken_up(lakehouse, "2024-02-01", billed, "claims")
    assert found.unresolved == {"unknown_patient": 3, "unknown_provider": 3}
    taken_up(lakehouse, "2024-02-02", people(2))
    taken_up(lakehouse, "2024-02-02", [provider()], "providers")
    assert seen(lakehouse, "2024-02-01", "claims").unresolved == {"unknown_patient": 1}


def test_what_is_noticed_holds_no_value_of_a_row(lakehouse: Lakehouse) -> None:
    usual(lakehouse, 10, 10, 10)
    found = taken_up(
        lakehouse, "2024-02-01", [patient(patient_id=f"{n}U", lname="Zyxwvutsrq", city="") for n in range(30)]
    )
    assert found.is_unusual
    assert "Zyxwvutsrq" not in repr(found)
