"""What stops a whole delivery, decided from its counts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.validation.gate import Gate, gate
from claims_lakehouse.validation.verification import Verification

NOTHING_AGAINST_IT = Gate(None, None)


def verified(
    landed: int, *, malformed: int = 0, quarantined: int = 0, duplicate: int = 0, lost: int = 0
) -> Verification:
    """The counts of a delivery whose other rows are valid, less those that were lost."""
    valid = landed - malformed - quarantined - duplicate - lost
    errors = {"bad_zipcode": quarantined, "malformed_row": malformed}
    return Verification(landed, malformed, quarantined, duplicate, valid, "v1", errors=errors)


@pytest.mark.parametrize(
    ("landed", "bad", "stops"),
    [
        (0, 0, False),
        (100, 0, False),
        (100, 30, False),
        (49, 49, False),
        (50, 50, True),
        (250, 50, False),
        (249, 50, True),
        (1000, 200, False),
        (1000, 201, True),
        (1000, 300, True),
    ],
    ids=lambda value: str(value),
)
def test_a_delivery_is_stopped_above_a_fifth_of_bad_rows_and_from_fifty_on(landed: int, bad: int, stops: bool) -> None:
    assert (gate(PATIENTS, verified(landed, quarantined=bad)).quarantine_rate is not None) is stops
    assert (gate(PATIENTS, verified(landed, malformed=bad)).quarantine_rate is not None) is stops


def test_malformed_and_quarantined_rows_count_together_and_duplicates_do_not() -> None:
    assert gate(PATIENTS, verified(200, malformed=25, quarantined=25)).quarantine_rate is not None
    assert gate(PATIENTS, verified(200, duplicate=100)) == NOTHING_AGAINST_IT


def test_limit_and_floor_are_the_feeds_own() -> None:
    half = verified(100, quarantined=50)
    assert gate(replace(PATIENTS, quarantine_limit=0.5), half) == NOTHING_AGAINST_IT
    assert gate(replace(PATIENTS, quarantine_floor=51), half) == NOTHING_AGAINST_IT
    assert gate(replace(PATIENTS, quarantine_limit=0.0, quarantine_floor=1), verified(100, quarantined=1)) != (
        NOTHING_AGAINST_IT
    )
    assert gate(replace(PATIENTS, quarantine_limit=0.0, quarantine_floor=0), verified(0)) == NOTHING_AGAINST_IT


def test_the_reason_names_how_many_the_limit_and_the_worst_rule() -> None:
    told = gate(PATIENTS, verified(10_000, malformed=1, quarantined=3000)).quarantine_rate
    assert told is not None
    for part in ("3,001 of 10,000 rows", "30%", "limit of 20%", "bad_zipcode (3,000)"):
        assert part in told


@pytest.mark.parametrize("lost", [1, -1])
def test_a_delivery_that_loses_or_invents_a_row_is_stopped(lost: int) -> None:
    found = gate(PATIENTS, verified(100, lost=lost))
    assert found.conservation == f"100 rows landed and {100 - lost} are accounted for"
    assert found.quarantine_rate is None


def test_a_release_answers_the_limit_but_never_lost_rows() -> None:
    found = gate(PATIENTS, verified(100, quarantined=60, lost=1))
    assert len(found.reasons(released=False)) == 2
    assert found.reasons(released=True) == [found.conservation]
    assert gate(PATIENTS, verified(100, quarantined=60)).reasons(released=True) == []


def test_records_of_another_kind_stop_nothing_and_hide_nothing() -> None:
    done = verified(1000, malformed=900)
    others = replace(done, errors={"other_record": 900})
    assert gate(PATIENTS, others) == NOTHING_AGAINST_IT
    bad = replace(verified(1000, malformed=900, quarantined=60), errors={"other_record": 900, "bad_zipcode": 60})
    assert gate(PATIENTS, bad).quarantine_rate == (
        "60 of 100 rows (60%) are malformed or quarantined, more than the limit of 20%; most of all bad_zipcode (60)"
    )
