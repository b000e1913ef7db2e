"""A correction lies over a landed row: the landed file stays, and so does the delivery's place in history."""

from __future__ import annotations

from typing import Any

import pytest

from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.errors import DeliveryError, UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.stage import bring_up_to_date
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse_tests.builders import Lakehouse, csv_text, patient

DAY = "2024-02-01"
WRONG = [patient(), patient(patient_id="2000U", zipcode="x")]


def correct(lakehouse: Lakehouse, row: int, delivery: str = DAY, **texts: str) -> str:
    made = acts.correct(lakehouse.settings, PATIENTS, delivery, {row: texts}, because="asked", who="a steward")
    lakehouse.ingest()
    return made


def withdraw(lakehouse: Lakehouse, correction: str) -> None:
    acts.withdraw(lakehouse.settings, PATIENTS, DAY, correction, because="mistaken", who="a steward")
    lakehouse.ingest()


def land(lakehouse: Lakehouse, rows: Any, delivery: str = DAY) -> None:
    lakehouse.land("patients", delivery, rows)
    lakehouse.ingest()


def counts(lakehouse: Lakehouse) -> tuple[Any, ...]:
    told = "rows_landed, rows_malformed, rows_quarantined, rows_duplicate, rows_valid, versions_added"
    return lakehouse.rows(f"SELECT {told} FROM delivery WHERE delivery = $1", DAY)[0]


def test_a_quarantined_row_is_accepted_once_it_is_corrected_and_not_before(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    assert counts(lakehouse) == (2, 0, 1, 0, 1, 1)
    made = correct(lakehouse, 2, zipcode="501")
    assert counts(lakehouse) == (2, 0, 0, 0, 2, 2)
    assert lakehouse.rows("SELECT zipcode, row_number FROM patient JOIN dim_patient USING (patient_id, zipcode)"
                          " WHERE patient_id = '2000U'") == [("00501", 2)]  # fmt: skip
    issues = lakehouse.rows("SELECT rule, value, status, resolved_by FROM issue ORDER BY rule")
    assert issues == [
        ("bad_zipcode", "x", "resolved", f"correction {made}"),
        ("zipcode_padded", "501", "open", None),
    ]
    withdraw(lakehouse, made)
    assert counts(lakehouse) == (2, 0, 1, 0, 1, 1)
    assert lakehouse.rows("SELECT rule, status, resolved_by FROM issue") == [("bad_zipcode", "open", None)]


def test_the_landed_and_the_raw_file_stay_as_they_were(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    path = lakehouse.settings.landing / "patients" / f"{DAY}.csv"
    raw = next(lakehouse.settings.delivery_folder("patients", DAY).glob("*.parquet"))
    before = path.read_bytes(), raw.read_bytes()
    correct(lakehouse, 2, zipcode="72201")
    assert (path.read_bytes(), raw.read_bytes()) == before


def test_correcting_an_old_row_never_makes_it_current(lakehouse: Lakehouse) -> None:
    land(lakehouse, [patient(city="Old Town", last_modified_date="2020-01-01")])
    land(lakehouse, [patient(city="New Town", last_modified_date="2021-01-01")], "2024-03-01")
    correct(lakehouse, 1, city="Older Town")
    assert lakehouse.rows("SELECT city FROM patient") == [("New Town",)]
    assert lakehouse.rows("SELECT city, version FROM dim_patient ORDER BY version") == [
        ("Older Town", 1),
        ("New Town", 2),
    ]


def test_a_correction_binds_to_the_content_and_comes_back_with_it(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    correct(lakehouse, 2, zipcode="72201")
    land(lakehouse, [*WRONG, patient(patient_id="3000U")])
    assert counts(lakehouse) == (3, 0, 1, 0, 2, 2)
    land(lakehouse, WRONG)
    assert counts(lakehouse) == (2, 0, 0, 0, 2, 2)


def test_corrections_survive_the_loss_of_the_warehouse_and_go_with_a_retraction(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    made = correct(lakehouse, 2, zipcode="72201")
    lakehouse.settings.warehouse.unlink()
    lakehouse.ingest()
    assert counts(lakehouse) == (2, 0, 0, 0, 2, 2)
    acts.retract(lakehouse.settings, PATIENTS, DAY, because="wrong", who="a steward")
    lakehouse.ingest()
    assert lakehouse.rows("SELECT count(*) FROM dim_patient") == [(0,)]
    assert lakehouse.rows("SELECT DISTINCT status, resolved_by FROM issue") == [("retracted", None)]
    acts.reinstate(lakehouse.settings, PATIENTS, DAY, because="right", who="a steward")
    lakehouse.ingest()
    assert counts(lakehouse) == (2, 0, 0, 0, 2, 2)
    assert lakehouse.rows("SELECT status, resolved_by FROM issue") == [("resolved", f"correction {made}")]


def test_a_later_correction_of_the_same_field_counts(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    correct(lakehouse, 2, zipcode="72201", city="First")
    last = correct(lakehouse, 2, zipcode="72202")
    assert lakehouse.rows("SELECT zipcode, city FROM patient WHERE patient_id = '2000U'") == [("72202", "First")]
    withdraw(lakehouse, last)
    assert lakehouse.rows("SELECT zipcode, city FROM patient WHERE patient_id = '2000U'") == [("72201", "First")]


def test_empty_text_empties_a_field(lakehouse: Lakehouse) -> None:
    land(lakehouse, [patient()])
    correct(lakehouse, 1, address="")
    assert lakehouse.rows("SELECT address FROM patient") == [(None,)]
    assert lakehouse.rows("SELECT rule, column_name FROM issue") == [("missing_value", "address")]


def test_a_malformed_row_needs_every_required_column(lakehouse: Lakehouse) -> None:
    land(lakehouse, csv_text([patient()]) + "2000U,asdf\n")
    with pytest.raises(UsageError, match=r"row 2 is malformed.*found none for fname, lname"):
        correct(lakehouse, 2, patient_id="2000U", date_of_birth="1948-09-19", last_modified_date="2019-09-17")
    whole = {name: text for name, text in patient(patient_id="2000U").items() if name != "address"}
    made = correct(lakehouse, 2, **whole)
    assert counts(lakehouse) == (2, 0, 0, 0, 2, 2)
    assert lakehouse.rows("SELECT rule, status, resolved_by FROM issue ORDER BY rule") == [
        ("malformed_row", "resolved", f"correction {made}"),
        ("missing_value", "open", None),
    ]


def test_a_correction_of_the_first_of_two_conflicting_rows_settles_the_other(lakehouse: Lakehouse) -> None:
    land(lakehouse, [patient(city="A"), patient(city="B")])
    assert lakehouse.rows("SELECT row_number, rule FROM issue") == [(2, "conflicting_row")]
    made = correct(lakehouse, 1, patient_id="2000U")
    assert lakehouse.rows("SELECT row_number, rule, resolved_by FROM issue") == [
        (2, "conflicting_row", f"correction {made}")
    ]
    assert lakehouse.rows("SELECT patient_id, city FROM patient ORDER BY ALL") == [("1000U", "B"), ("2000U", "A")]


def test_what_a_correction_settled_stays_settled_by_it(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    made = correct(lakehouse, 2, zipcode="72201")
    land(lakehouse, [patient(patient_id="2000U", last_modified_date="2023-01-01")], "2024-03-01")
    assert lakehouse.rows("SELECT resolved_by FROM issue") == [(f"correction {made}",)]


@pytest.mark.parametrize(
    ("row", "texts", "told"),
    [
        (3, {"city": "x"}, "has no row 3; it has rows 1 to 2"),
        (0, {"city": "x"}, "has no row 0"),
        (1, {"town": "x"}, "no column 'town'; it has patient_id"),
        (1, {}, "found nothing"),
    ],
)
def test_a_correction_of_what_is_not_there_is_refused_and_nothing_is_written(
    lakehouse: Lakehouse, row: int, texts: dict[str, str], told: str
) -> None:
    land(lakehouse, WRONG)
    before = Journal(lakehouse.settings, "patients", DAY).events()
    with pytest.raises(UsageError, match=told):
        correct(lakehouse, row, **texts)
    assert Journal(lakehouse.settings, "patients", DAY).events() == before
    assert not (lakehouse.settings.delivery_folder("patients", DAY) / "corrections").exists()


def test_a_correction_that_is_not_in_effect_cannot_be_withdrawn(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    made = correct(lakehouse, 2, zipcode="72201")
    withdraw(lakehouse, made)
    with pytest.raises(UsageError, match=f"no correction '{made}' in effect; there is none"):
        withdraw(lakehouse, made)


def test_a_held_delivery_goes_on_once_enough_of_it_is_corrected(lakehouse: Lakehouse) -> None:
    rows = [patient(patient_id=f"{number}U", zipcode="x" if number < 50 else "72201") for number in range(200)]
    land(lakehouse, rows)
    assert lakehouse.rows("SELECT status FROM delivery") == [("held",)]
    correct(lakehouse, 1, zipcode="72201")
    assert lakehouse.rows("SELECT status, rows_quarantined, versions_added FROM delivery") == [("applied", 49, 151)]


def test_no_log_of_events_holds_a_corrected_value(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    correct(lakehouse, 2, zipcode="72201", fname="Zyzzyva")
    assert "Zyzzyva" not in Journal(lakehouse.settings, "patients", DAY).path.read_text()
    assert lakehouse.rows("SELECT who, why, detail FROM delivery_log WHERE event = 'corrected'") == [
        ("a steward", "asked", "2 fields of row 2")
    ]
    fields = lakehouse.rows("SELECT row_number, column_name, value, who, withdrawn_at FROM correction ORDER BY ALL")
    assert fields == [(2, "fname", "Zyzzyva", "a steward", None), (2, "zipcode", "72201", "a steward", None)]


def test_a_lost_correction_file_fails_its_delivery_and_no_other(lakehouse: Lakehouse) -> None:
    land(lakehouse, WRONG)
    made = acts.correct(lakehouse.settings, PATIENTS, DAY, {2: {"zipcode": "72201"}}, because="a", who="b")
    (lakehouse.settings.delivery_folder("patients", DAY) / "corrections" / f"{made}.json").unlink()
    with pytest.raises(DeliveryError, match=f"delivery '{DAY}', correction {made}: found No such file"):
        bring_up_to_date(lakehouse.settings, PATIENTS, DAY)
