"""Codes are held to landed code sets by the day of service; nothing is said of a system of which none has landed."""

from __future__ import annotations

import pytest

from claims_lakehouse.contracts import CODE_SETS
from claims_lakehouse.history import acts
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.medical import code, line


def unknown(lakehouse: Lakehouse) -> list[tuple[str, str, str, str | None]]:
    return lakehouse.rows(
        "SELECT record_key, value, status, resolved_by FROM issue WHERE rule = 'unknown_procedure' ORDER BY ALL"
    )


CLAIMS = [
    line(claim_id="KNOWN"),
    line(claim_id="OTHER", procedure_code="99999"),
    line(claim_id="BEFORE", date_of_service_from="2019-12-31"),
    line(claim_id="HCPCS", procedure_code="G0008"),
]


def test_without_a_code_set_nothing_is_said(lakehouse: Lakehouse) -> None:
    lakehouse.land("medical_claims", "2024-02-01", CLAIMS)
    lakehouse.ingest()
    assert unknown(lakehouse) == []


@pytest.mark.parametrize("sets_first", [True, False])
def test_a_code_is_unknown_where_no_set_has_it_on_the_day(lakehouse: Lakehouse, *, sets_first: bool) -> None:
    names = [("code_sets", "2024-01-01", [code()]), ("medical_claims", "2024-02-01", CLAIMS)]
    for feed, key, rows in names if sets_first else reversed(names):
        lakehouse.land(feed, key, rows)
        assert lakehouse.process(feed, key) is None
    lakehouse.ingest()
    assert unknown(lakehouse) == [("BEFORE|1", "99213", "open", None), ("OTHER|1", "99999", "open", None)]
    acts.retract(lakehouse.settings, CODE_SETS, "2024-01-01", because="test", who="test")
    lakehouse.ingest()
    assert unknown(lakehouse) == []


def test_a_later_code_set_resolves_what_it_brings(lakehouse: Lakehouse) -> None:
    lakehouse.land("code_sets", "2024-01-01", [code()])
    lakehouse.land("medical_claims", "2024-02-01", CLAIMS)
    lakehouse.land("code_sets", "2024-03-01", [code(code="99999")])
    lakehouse.ingest()
    assert unknown(lakehouse) == [
        ("BEFORE|1", "99213", "open", None),
        ("OTHER|1", "99999", "resolved", "2024-03-01"),
    ]


def test_a_code_that_ended_is_unknown_after_its_last_day(lakehouse: Lakehouse) -> None:
    lakehouse.land("code_sets", "2024-01-01", [code(effective_to="2024-01-10")])
    lakehouse.land(
        "medical_claims",
        "2024-02-01",
        [line(), line(claim_id="C2", date_of_service_from="2024-01-11", date_of_service_to="2024-01-11")],
    )
    lakehouse.ingest()
    assert unknown(lakehouse) == [("C2|1", "99213", "open", None)]


def test_a_code_that_is_reworded_was_known_from_the_start(lakehouse: Lakehouse) -> None:
    lakehouse.land("code_sets", "2024-01-01", [code()])
    lakehouse.land("medical_claims", "2024-02-01", CLAIMS)
    lakehouse.land("code_sets", "2024-03-01", [code(description="Otherwise"), code(code="99999")])
    lakehouse.ingest()
    assert unknown(lakehouse) == [
        ("BEFORE|1", "99213", "open", None),
        ("OTHER|1", "99999", "resolved", "2024-03-01"),
    ]
