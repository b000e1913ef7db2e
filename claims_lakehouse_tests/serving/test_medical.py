"""The diagnoses of lines, a row each."""

from __future__ import annotations

from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.medical import line


def test_each_diagnosis_of_a_line_has_a_row_and_says_whether_the_service_was_for_it(lakehouse: Lakehouse) -> None:
    twelve = "|".join(f"M25{number}" for number in range(501, 513))
    rows = [
        line(diagnosis_codes="e11.9, I10", diagnosis_pointers="2"),
        line(line_number="2", diagnosis_codes=twelve, diagnosis_pointers="12", date_of_service_from="2019-01-10"),
        line(line_number="3", diagnosis_codes="I10", diagnosis_pointers=""),
    ]
    lakehouse.land("medical_claims", "2024-02-01", rows)
    lakehouse.ingest()
    found = lakehouse.rows(
        "SELECT line_number, place, diagnosis_code, is_pointed_to FROM medical_claim_diagnosis ORDER BY ALL"
    )
    assert found[:2] == [(1, 1, "E119", False), (1, 2, "I10", True)]
    assert [place for number, place, _, pointed in found if number == 2 and pointed] == [12]  # and not place 1 or 2
    assert [row[1:] for row in found if row[0] == 3] == [(1, "I10", None)]
