"""The oracle is held to the specification by small cases worked out by hand."""

import ast
import random
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from . import (
    COLUMNS,
    Correction,
    Delivery,
    Tables,
    Unreadable,
    as_known,
    as_of,
    read_delivery,
    received_at,
    received_by,
    tables,
)
from .generate import changes, deliveries
from .reading import read_content

FLEXION = Path(__file__).resolve().parents[2] / "../shared/data/flexion"
PATIENT = {
    "patient_id": "P1",
    "fname": "Ann",
    "lname": "Null",
    "date_of_birth": "2-9-1980",
    "address": "1 Road",
    "city": "Town",
    "state": "Ohio",
    "zipcode": "43001",
    "date_of_residence": "2001-1-31",
    "last_modified_date": "2023-06-01",
}
PROVIDER = {
    "provider_id": "N1",
    "fname": "Bo",
    "lname": "Li",
    "facility_name": "Clinic",
    "address": "2 Road",
    "city": "Town",
    "state": "OH",
    "zipcode": "43001",
    "specialty_code": "heart_surgeon",
    "start_date": "1/2/2003",
}
CLAIM = {
    "claim_id": "C1",
    "patient_id": "P1",
    "provider_id": "N1",
    "visit_type": "surgery",
    "total_cost": "12.5",
    "coverage_type": "100",
    "date_of_service": "5/1/2023",
    "claim_date": "5/2/2023",
    "billed": "T",
    "last_modified_date": "6/1/2023",
}
ROWS = {"patients": PATIENT, "providers": PROVIDER, "claims": CLAIM}


def delivery(feed: str, key: str, *changes: dict[str, str]) -> Delivery:
    """A delivery of one good row for each `changes`, with these laid over it."""
    rows = [ROWS[feed] | change for change in changes]
    quoted = [['"' + row[name].replace('"', '""') + '"' for name in COLUMNS[feed]] for row in rows]
    text = "\n".join([",".join(COLUMNS[feed]), *(",".join(fields) for fields in quoted)])
    return Delivery(feed, key, received_at(key), text.encode())


def patients(key: str, *changes: dict[str, str]) -> Delivery:
    return delivery("patients", key, *changes)


def raw(body: bytes, key: str = "2024-02-01", feed: str = "patients") -> Delivery:
    """A delivery with the usual header and this after it."""
    return Delivery(feed, key, received_at(key), ",".join(COLUMNS[feed]).encode() + b"\n" + body)


def at(modified: str, city: str = "Town", **more: str) -> dict[str, str]:
    return {"last_modified_date": modified, "city": city, **more}


def intervals(known: Tables, feed: str = "patients", column: str = "city") -> list[tuple[Any, ...]]:
    """Versions as (content, from, to, current, delivery), dates shown as text."""
    return [
        (row[column], f"{row['valid_from']}", f"{row['valid_to']}", row["is_current"], row["delivery"])
        for row in known.versions[feed]
    ]


def rules(known: Tables) -> list[tuple[Any, ...]]:
    return [(row["row_number"], row["rule"], row["column_name"], row["severity"]) for row in known.issues]


def found(feed: str, key: str = "2024-02-01", **change: str) -> list[str]:
    """The rules that one row breaks by itself, with the column that each names."""
    known = tables([delivery(feed, key, change)])
    live = ("unknown_patient", "unknown_provider")
    return [f"{row['rule']} {row['column_name']}" for row in known.issues if row["rule"] not in live]


def counts(known: Tables, feed: str, key: str) -> tuple[int, ...]:
    """Landed, malformed, quarantined, duplicate, valid, added, restated."""
    return next(
        tuple(value for value in row.values() if isinstance(value, int))
        for row in known.ledger
        if (row["feed"], row["delivery"]) == (feed, key)
    )


def status(known: Tables, rule: str) -> list[tuple[str, str | None]]:
    return [(row["status"], row["resolved_by"]) for row in known.issues if row["rule"] == rule]


def conserved(known: Tables) -> bool:
    return all(
        row["rows_landed"]
        == row["rows_malformed"] + row["rows_quarantined"] + row["rows_duplicate"] + row["rows_valid"]
        and row["rows_valid"] == row["versions_added"] + row["rows_restated"]
        for row in known.ledger
    )


# Reading


def test_a_clean_delivery_has_typed_versions_and_no_issue():
    known = tables([delivery(feed, "2024-02-01", {}) for feed in COLUMNS])
    assert known.issues == []
    assert known.versions["claims"] == [
        {
            "claim_id": "C1",
            "patient_id": "P1",
            "provider_id": "N1",
            "visit_type": "surgery",
            "total_cost": Decimal("12.50"),
            "coverage_type": 100,
            "date_of_service": date(2023, 5, 1),
            "claim_date": date(2023, 5, 2),
            "billed": True,
            "last_modified_date": date(2023, 6, 1),
            "valid_from": date(2023, 6, 1),
            "valid_to": None,
            "is_current": True,
            "version": 1,
            "delivery": "2024-02-01",
            "row_number": 1,
        }
    ]
    assert known.versions["providers"][0]["valid_from"] == datetime.fromisoformat("2024-02-01T00:00")


def test_headers_match_in_any_order_case_and_padding_and_extra_columns_are_warned_of_once():
    names = list(reversed(COLUMNS["patients"]))
    lines = [
        ",".join(f" {name.upper()}\u00a0" for name in [*names, "notes"]),
        *[",".join([*(PATIENT[name] for name in names), "x"])] * 2,
    ]
    sent = Delivery("patients", "2024-02-01", received_at("2024-02-01"), b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    known = tables([sent])
    assert intervals(known) == [("Town", "2023-06-01", "None", True, "2024-02-01")]
    assert rules(known) == [
        (None, "unexpected_column", "notes", "warning"),
        (2, "duplicate_row", None, "warning"),
    ]


GOOD = ",".join(PATIENT.values()).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"junk",
        GOOD + b",",
        GOOD.replace(b"Ann", b'"Ann"x'),
        GOOD.replace(b"Ann", b'"Ann" '),
        GOOD.replace(b"Ann", b"\xff"),
        GOOD.replace(b"Ann", b'"\xed\xa0\x80"'),
        b"\x1c",
    ],
)
def test_a_malformed_record_counts_and_harms_no_other(line):
    known = tables([raw(b"\n".join([GOOD, b" \t", "\u3000".encode(), line, GOOD]))])
    assert counts(known, "patients", "2024-02-01") == (3, 1, 0, 1, 1, 1, 0)
    assert rules(known) == [(2, "malformed_row", None, "error"), (3, "duplicate_row", None, "warning")]


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (b'"a,b"', "a,b"),
        (b'"a\r\nb\n\nc"', "a\r\nb\n\nc"),
        (b'"a ""b"""', 'a "b"'),
        (b'a"b"', 'a"b"'),
        (b' "a"', '"a"'),
        (b"a\rb", "a\rb"),
        ("\u00a0\u2028a b\u3000\r".encode(), "a b"),
        (b"\x1ca\x1f", "\x1ca\x1f"),
        ("\u200ba".encode(), "\u200ba"),
    ],
)
def test_a_field_is_read_by_the_grammar_and_trimmed_of_white_space(sent, value):
    known = tables([raw(GOOD.replace(b"Ann", sent) + b"\r\n")])
    assert [row["fname"] for row in known.versions["patients"]] == [value]
    assert known.issues == []


def test_text_after_a_closing_quote_ends_at_the_next_separator():
    rows = read_delivery(raw(b'"a"x"y,"b\nc"\n' + GOOD)).rows
    assert [(row.text, row.sent is None) for row in rows] == [('"a"x"y,"b\nc"', True), (GOOD.decode(), False)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\n",
        raw(b'"open').content,
        raw(b"").content.replace(b"fname,", b""),
        raw(b"").content.replace(b"fname", b"LNAME "),
        raw(b"").content.replace(b"fname", b'"fname"x'),
        raw(GOOD).content.decode().encode("utf-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_to_be_so(content):
    with pytest.raises(Unreadable):
        tables([Delivery("patients", "2024-02-01", received_at("2024-02-01"), content)])


def test_a_header_alone_is_a_delivery_of_no_rows():
    assert counts(tables([raw(b"")]), "patients", "2024-02-01") == (0,) * 7


@pytest.mark.parametrize(
    ("key", "moment"),
    [
        ("priming", "1900-01-01T00:00"),
        ("2024-02-29", "2024-02-29T00:00"),
        ("20240229", "2024-02-29T00:00"),
        ("2024-02-29T2359", "2024-02-29T23:59"),
    ],
)
def test_a_key_says_when_its_delivery_was_received(key, moment):
    assert received_at(key) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("key", ["update", "2023-02-29", "2024-2-9", "2024-02-01T2400", "2024-02-01x", "20240201T0000"])
def test_another_key_does_not(key):
    assert received_at(key) is None


# Rules of one row


@pytest.mark.parametrize("text", ["2020-1-2", "2020-01-02", "1/2/2020", "01-02-2020", " 1-02-2020 "])
def test_dates_that_are_one(text):
    known = tables([patients("2024-02-01", {"date_of_residence": text})])
    assert [row["date_of_residence"] for row in known.versions["patients"]] == [date(2020, 1, 2)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2023-2-29",
            "13/1/2020",
            "1/2/20",
            "1899-12-31",
            "2101-1-1",
            "2020/1/2",
            "1-2/2020",
            "2020-1-1T00:00",
        ),
        *("\u0662020-1-1", "20200102", "2020-001-1", "x"),
    ],
)
def test_dates_that_are_none(text):
    assert found("patients", date_of_residence=text) == ["not_a_date date_of_residence"]


@pytest.mark.parametrize(
    ("feed", "column", "text", "value"),
    [
        ("claims", "total_cost", "9999999999.99", Decimal("9999999999.99")),
        ("claims", "total_cost", "00000000000012.5", Decimal("12.5")),
        ("claims", "total_cost", "0", Decimal(0)),
        ("claims", "coverage_type", "50.00", 50),
        ("claims", "coverage_type", "0.", 0),
        ("claims", "visit_type", " SURGERY", "surgery"),
        ("claims", "billed", "nO", False),
        ("claims", "billed", "1", True),
        ("providers", "specialty_code", "Heart _\u00a0Surgeon", "heart_surgeon"),
        ("patients", "zipcode", "123456789", "12345-6789"),
        ("patients", "zipcode", "12345-6789", "12345-6789"),
        ("patients", "state", "puerto RICO", "puerto RICO"),
        ("patients", "state", "dc", "dc"),
        ("patients", "state", "U.S. Virgin Islands", "U.S. Virgin Islands"),
    ],
)
def test_values_are_kept_in_their_one_form(feed, column, text, value):
    known = tables([delivery(feed, "2024-02-01", {column: text})])
    (version,) = known.versions[feed]
    assert (version[column], type(version[column])) == (value, type(value))
    assert found(feed, **{column: text}) == []


@pytest.mark.parametrize(
    ("feed", "column", "rule", "texts"),
    [
        (
            "claims",
            "total_cost",
            "bad_amount",
            ("10000000000", "1.", ".5", "1.005", "-1", "1e3", "$5", "\uff11"),
        ),
        ("claims", "coverage_type", "bad_coverage", ("25", "100.5", "00", "\u0665\u0660", "100%")),
        ("claims", "visit_type", "unknown_visit_type", ("check-up", "_surgery", "phys ical")),
        ("claims", "billed", "bad_flag", ("maybe", "01", "\uff59")),
        (
            "providers",
            "specialty_code",
            "unknown_specialty",
            ("heart-surgeon", "heart\x1csurgeon", "heartsurgeon"),
        ),
        ("patients", "zipcode", "bad_zipcode", ("12", "123456", "1234-5678", "12345 6789", "ABCDE")),
        ("patients", "state", "unknown_state", ("Conneticut", "N.Y.", "XX", "New  York")),
    ],
)
def test_values_that_break_their_rule(feed, column, rule, texts):
    for text in texts:
        assert found(feed, **{column: text}) == [f"{rule} {column}"]


@pytest.mark.parametrize(("sent", "kept"), [(" 501", "00501"), ("2115", "02115")])
def test_lost_zeros_of_a_zip_code_come_back_with_a_warning(sent, kept):
    known = tables([patients("2024-02-01", {"zipcode": sent})])
    assert [row["zipcode"] for row in known.versions["patients"]] == [kept]
    assert [(row["rule"], row["value"], row["severity"]) for row in known.issues] == [
        ("zipcode_padded", sent, "warning")
    ]


@pytest.mark.parametrize("feed", list(COLUMNS))
def test_what_is_required_is_an_error_to_leave_out_and_the_rest_a_warning(feed):
    optional = {
        "patients": {"address", "city", "state", "zipcode", "date_of_residence"},
        "providers": {"facility_name", "address", "city", "state", "zipcode", "start_date"},
        "claims": set(),
    }[feed]
    for column in COLUMNS[feed]:
        known = tables([delivery(feed, "2024-02-01", {column: "\u3000"})])
        severity = "warning" if column in optional else "error"
        assert (1, "missing_value", column, severity) in rules(known)
        assert len(known.versions[feed]) == (column in optional)
        assert known.issues[0]["record_key"] == (None if column == COLUMNS[feed][0] else ROWS[feed][COLUMNS[feed][0]])


def test_every_rule_that_a_row_breaks_is_reported():
    change = {"total_cost": "x", "billed": "", "date_of_service": "5/3/2023", "claim_date": "5/2/2023"}
    assert found("claims", **change) == [
        "bad_amount total_cost",
        "missing_value billed",
        "service_after_claim date_of_service",
    ]


def test_a_day_of_service_may_be_the_day_of_the_claim():
    assert found("claims", date_of_service="5/2/2023") == []


def test_the_future_begins_after_the_day_of_receipt_and_31_days_later_for_a_sequence():
    key = "2024-02-01T2359"
    assert found("patients", key, last_modified_date="2024-03-03", date_of_residence="2024-02-01") == []
    assert found("patients", key, last_modified_date="2024-03-04", date_of_residence="2024-02-02") == [
        "date_in_future date_of_residence",
        "sequence_in_future last_modified_date",
    ]
    assert found("patients", "priming", last_modified_date="2099-03-04", date_of_residence="2099-02-02") == []
    assert found("providers", key, start_date="2024-02-02") == ["date_in_future start_date"]


def test_ids_in_each_others_place():
    rows = [{"claim_id": "C1"}, {"claim_id": "C2"}, {"claim_id": " P1", "patient_id": "C1"}]
    known = tables([delivery("claims", "2024-02-01", *rows)])
    assert [(row["record_key"], row["value"]) for row in known.issues if row["rule"] == "swapped_ids"] == [
        ("P1", " P1")
    ]
    assert counts(known, "claims", "2024-02-01")[2] == 1
    for other in (
        rows[1:],
        [rows[0], rows[2]],
        [*rows, {"claim_id": "C4", "patient_id": "C1"}],
        [*rows[:2], {"claim_id": "P1", "patient_id": "C9"}],
    ):
        assert status(tables([delivery("claims", "2024-02-01", *other)]), "swapped_ids") == []


# The cases of design.md


def test_a_late_older_version_splits_the_interval_that_it_falls_in():
    sent = [
        patients("2024-02-01", at("2023-01-01", "A")),
        patients("2024-02-02", at("2023-03-01", "C")),
        patients("2024-02-03", at("2023-02-01", "B")),
    ]
    assert intervals(tables(sent)) == [
        ("A", "2023-01-01", "2023-02-01", False, "2024-02-01"),
        ("B", "2023-02-01", "2023-03-01", False, "2024-02-03"),
        ("C", "2023-03-01", "None", True, "2024-02-02"),
    ]


def test_several_versions_in_one_delivery_are_kept_in_order():
    known = tables([patients("2024-02-01", at("2023-02-01", "B"), at("2023-01-01", "A"))])
    assert intervals(known) == [
        ("A", "2023-01-01", "2023-02-01", False, "2024-02-01"),
        ("B", "2023-02-01", "None", True, "2024-02-01"),
    ]


def test_the_same_file_again_changes_nothing():
    sent = patients("2024-02-01", at("2023-02-01", "B"), at("2023-01-01", "A"))
    assert tables([sent, sent]) == tables([sent])


def test_other_content_under_the_same_name_replaces_what_the_delivery_said():
    other = patients("2024-02-02", at("2023-02-01", "B"))
    replaced = [
        patients("2024-02-01", at("2023-01-01", "A")),
        other,
        patients("2024-02-01", at("2023-03-01", "C")),
    ]
    assert tables(replaced) == tables([other, replaced[2]])


def test_same_sequence_with_other_content_in_a_later_delivery_wins_with_a_warning():
    sent = [patients("2024-02-02", at("2023-01-01", "B")), patients("2024-02-01", at("2023-01-01", "A"))]
    known = tables(sent)
    assert intervals(known) == [
        ("A", "2023-01-01", "2023-01-01", False, "2024-02-01"),
        ("B", "2023-01-01", "None", True, "2024-02-02"),
    ]
    assert [(row["delivery"], row["column_name"], row["status"]) for row in known.issues] == [
        ("2024-02-02", "last_modified_date", "open")
    ]
    assert [row["city"] for row in as_of(known, "patients", date(2023, 1, 1))] == ["B"]
    assert as_of(known, "patients", date(2022, 12, 31)) == []


def test_same_sequence_with_the_same_content_is_a_restatement_without_a_warning():
    known = tables([patients("2024-02-01", at("2023-01-01")), patients("2024-02-02", at("1/1/2023"))])
    assert intervals(known) == [("Town", "2023-01-01", "None", True, "2024-02-01")]
    assert (len(known.restatements["patients"]), known.issues) == (1, [])


def test_of_deliveries_received_at_one_moment_the_greater_key_is_later():
    sent = [
        delivery("providers", "20240201", {"city": "B"}),
        delivery("providers", "2024-02-01", {"city": "A"}),
    ]
    known = tables(sent)
    moment = "2024-02-01 00:00:00"
    assert intervals(known, "providers") == [
        ("A", moment, moment, False, "2024-02-01"),
        ("B", moment, "None", True, "20240201"),
    ]
    assert rules(known) == [(1, "same_sequence", None, "warning")]


def test_same_sequence_with_other_content_in_one_delivery_is_quarantined():
    known = tables(
        [
            patients(
                "2024-02-01",
                at("2023-01-01", "A"),
                at("1/1/2023", "B"),
                at("1-1-2023", "A"),
                at("1-1-2023", "B"),
            )
        ]
    )
    assert intervals(known) == [("A", "2023-01-01", "None", True, "2024-02-01")]
    assert rules(known) == [
        (2, "conflicting_row", None, "error"),
        (3, "duplicate_row", None, "warning"),
        (4, "conflicting_row", None, "error"),
    ]
    assert counts(known, "patients", "2024-02-01") == (4, 0, 2, 1, 1, 1, 0)


def test_only_rows_without_an_error_are_duplicates_or_conflicts():
    bad = at("2023-01-01", "A", zipcode="x")
    known = tables([patients("2024-02-01", bad, bad, at("2023-01-01", "B"))])
    assert rules(known) == [(1, "bad_zipcode", "zipcode", "error"), (2, "bad_zipcode", "zipcode", "error")]
    assert intervals(known) == [("B", "2023-01-01", "None", True, "2024-02-01")]


def test_a_provider_can_be_in_a_delivery_once():
    known = tables([delivery("providers", "2024-02-01", {}, {"specialty_code": "Heart Surgeon"}, {"city": "B"})])
    assert rules(known) == [(2, "duplicate_row", None, "warning"), (3, "conflicting_row", None, "error")]


def test_content_as_before_under_a_newer_sequence_is_a_restatement():
    sent = [patients("2024-02-01", at("2023-01-01")), patients("2024-02-02", at("2023-02-01"))]
    known = tables(sent)
    assert intervals(known) == [("Town", "2023-01-01", "None", True, "2024-02-01")]
    (restated,) = known.restatements["patients"]
    assert (restated["delivery"], restated["row_number"], restated["last_modified_date"]) == (
        "2024-02-02",
        1,
        date(2023, 2, 1),
    )
    assert "valid_from" not in restated


def test_a_late_delivery_turns_anothers_version_into_a_restatement_and_the_ledger_says_so():
    new = patients("2024-02-01", at("2023-06-01"))
    assert counts(tables([new]), "patients", "2024-02-01")[-2:] == (1, 0)
    known = tables([new, patients("2024-02-02", at("2023-01-01"))])
    assert intervals(known) == [("Town", "2023-01-01", "None", True, "2024-02-02")]
    assert counts(known, "patients", "2024-02-01")[-2:] == (0, 1)


def test_a_content_that_comes_back_after_another_is_a_version_again():
    known = tables([patients("2024-02-01", at("2023-01-01", "A"), at("2023-02-01", "B"), at("2023-03-01", "A"))])
    assert [(row["city"], row["version"]) for row in known.versions["patients"]] == [
        ("A", 1),
        ("B", 2),
        ("A", 3),
    ]


def test_null_equals_null_in_content_and_nothing_else():
    sent = [patients(f"2024-02-0{n}", at(f"2023-0{n}-01", city)) for n, city in enumerate(["", " ", "Null"], 1)]
    known = tables(sent)
    assert [row["city"] for row in known.versions["patients"]] == [None, "Null"]
    assert len(known.restatements["patients"]) == 1


def test_a_claims_unknown_parents_are_resolved_by_the_delivery_that_brings_them():
    claim = delivery("claims", "2024-02-01", {"last_modified_date": "2023-01-01"}, {})
    alone = tables([claim])
    assert counts(alone, "claims", "2024-02-01") == (2, 0, 0, 0, 2, 1, 1)
    assert status(alone, "unknown_patient") == status(alone, "unknown_provider") == [("open", None)] * 2
    assert {row["value"] for row in alone.issues} == {"P1", "N1"}
    later = [patients("2024-02-03", {}), patients("2024-02-02", {}), delivery("providers", "2024-02-01", {})]
    known = tables([claim, *later])
    assert status(known, "unknown_patient") == [("resolved", "2024-02-02")] * 2
    assert status(known, "unknown_provider") == []


def test_a_quarantined_parent_is_no_parent():
    known = tables([delivery("claims", "2024-02-01", {}), patients("2024-02-01", {"fname": ""})])
    assert status(known, "unknown_patient") == [("open", None)]


@pytest.mark.parametrize(
    ("key", "sequence", "resolved"),
    [
        ("2024-02-02", "2023-06-01", True),
        ("20240201", "2023-06-02", True),
        ("2024-02-02", "2023-05-31", False),
        ("2024-01-31", "2023-06-02", False),
    ],
)
def test_an_error_is_resolved_by_a_later_row_that_is_not_older(key, sequence, resolved):
    bad = patients("2024-02-01", {"zipcode": "x"})
    known = tables([bad, patients(key, at(sequence)), patients("2024-02-09", at("2023-07-01", patient_id="P2"))])
    assert status(known, "bad_zipcode") == [("resolved", key) if resolved else ("open", None)]


def test_an_error_is_resolved_by_no_row_beside_it_and_by_the_first_later_one():
    bad = patients("2024-02-01", {"zipcode": "x"}, at("2023-07-01"))
    assert status(tables([bad]), "bad_zipcode") == [("open", None)]
    later = [patients(key, at("2023-08-01")) for key in ("2024-02-03", "20240202", "2024-02-02")]
    assert status(tables([bad, *later]), "bad_zipcode") == [("resolved", "2024-02-02")]


def test_an_error_in_the_sequence_is_resolved_by_any_later_row_and_one_without_a_key_by_none():
    bad = patients("2024-02-01", {"last_modified_date": "x"}, {"patient_id": ""})
    known = tables([bad, patients("2024-02-02", at("1999-01-01"))])
    assert status(known, "not_a_date") == [("resolved", "2024-02-02")]
    assert status(known, "missing_value") == [("open", None)]


def test_a_restatement_resolves_an_error_too_but_no_warning():
    sent = [
        patients("2024-02-01", at("2023-01-01")),
        patients("2024-02-02", at("2023-02-01", zipcode="x", state="?")),
        patients("2024-02-03", at("2023-03-01")),
    ]
    known = tables(sent)
    assert len(known.versions["patients"]) == 1
    assert status(known, "bad_zipcode") == [("resolved", "2024-02-03")]
    assert status(known, "unknown_state") == [("open", None)]


# Corrections and retractions


def correct(sent: Delivery, **rows: dict[int, dict[str, str]]) -> Delivery:
    """The delivery with these corrections, by id, in this order."""
    return sent._replace(corrections=tuple(Correction(name, each) for name, each in rows.items()))


def states(known: Tables) -> list[tuple[Any, ...]]:
    return [(row["row_number"], row["rule"], row["value"], row["status"], row["resolved_by"]) for row in known.issues]


def test_a_corrected_row_is_as_if_it_had_been_sent_so_and_what_was_wrong_stays_on_record():
    sent = patients("2024-02-01", {"zipcode": "x", "state": "?"})
    known = tables([correct(sent, c1={1: {"zipcode": "43001"}})])
    assert known.versions == tables([patients("2024-02-01", {"state": "?"})]).versions
    assert counts(known, "patients", "2024-02-01") == (1, 0, 0, 0, 1, 1, 0)
    assert states(known) == [
        (1, "bad_zipcode", "x", "resolved", "correction c1"),
        (1, "unknown_state", "?", "open", None),
    ]


def test_a_correction_can_be_wrong_itself():
    known = tables([correct(patients("2024-02-01", {"zipcode": "x"}), c1={1: {"zipcode": "y", "city": ""}})])
    assert states(known) == [(1, "bad_zipcode", "y", "open", None), (1, "missing_value", "", "open", None)]
    assert counts(known, "patients", "2024-02-01") == (1, 0, 1, 0, 0, 0, 0)


def test_of_two_corrections_of_one_field_the_later_holds_and_of_two_fields_both():
    sent = patients("2024-02-01", {"zipcode": "x", "city": "A", "lname": "L"}, {"patient_id": "P2", "zipcode": "x"})
    first = {1: {"zipcode": "1", "city": "B"}, 2: {"zipcode": "501"}}
    known = tables([correct(sent, c2=first, c1={1: {"zipcode": "43002"}})])
    assert [(row["zipcode"], row["city"], row["lname"]) for row in known.versions["patients"]] == [
        ("43002", "B", "L"),
        ("00501", "Town", "Null"),
    ]
    assert states(known) == [
        (1, "bad_zipcode", "x", "resolved", "correction c1"),
        (2, "bad_zipcode", "x", "resolved", "correction c2"),
        (2, "zipcode_padded", "501", "open", None),
    ]
    known = tables([correct(sent, c1={1: {"zipcode": "43002"}}, c2=first)])
    assert states(known)[0] == (1, "bad_zipcode", "1", "open", None)


def test_a_row_that_two_corrections_touch_is_resolved_by_the_later_whatever_field_that_was_about():
    sent = patients("2024-02-01", {"zipcode": "x"})
    known = tables([correct(sent, c1={1: {"zipcode": "43001"}}, c2={1: {"city": "B"}})])
    assert states(known) == [(1, "bad_zipcode", "x", "resolved", "correction c2")]


def test_a_corrected_malformed_row_has_the_fields_given_and_no_other():
    sent = raw(b"junk\n" + GOOD)
    given = {name: PATIENT[name] for name in ("patient_id", "fname", "lname", "date_of_birth", "last_modified_date")}
    known = tables([correct(sent, c1={1: given | {"patient_id": "P2"}})])
    assert counts(known, "patients", "2024-02-01") == (2, 0, 0, 0, 2, 2, 0)
    assert [(row["patient_id"], row["row_number"], row["city"]) for row in known.versions["patients"]] == [
        ("P1", 2, "Town"),
        ("P2", 1, None),
    ]
    assert states(known) == [
        (1, "malformed_row", "junk", "resolved", "correction c1"),
        *[(1, "missing_value", "", "open", None)] * 5,
    ]


def test_a_malformed_row_that_no_correction_speaks_of_stays_malformed():
    known = tables([correct(raw(b"junk\n" + GOOD), c1={2: {"city": "B"}})])
    assert counts(known, "patients", "2024-02-01") == (2, 1, 0, 0, 1, 1, 0)
    assert states(known) == [(1, "malformed_row", "junk", "open", None)]


def test_corrections_are_laid_over_before_rows_are_compared():
    sent = patients("2024-02-01", at("2023-01-01", "A"), at("2023-01-01", "B"), at("2023-02-01", "C"))
    known = tables([sent])
    assert states(known) == [(2, "conflicting_row", None, "open", None)]
    known = tables([correct(sent, c1={1: {"city": "B"}}, c2={3: {"city": "D"}})])
    assert intervals(known) == [
        ("B", "2023-01-01", "2023-02-01", False, "2024-02-01"),
        ("D", "2023-02-01", "None", True, "2024-02-01"),
    ]
    assert counts(known, "patients", "2024-02-01") == (3, 0, 0, 1, 2, 2, 0)
    assert states(known) == [
        (2, "conflicting_row", None, "resolved", "correction c2"),
        (2, "duplicate_row", None, "open", None),
    ]


def test_a_row_that_conflicted_stands_when_the_one_before_it_is_moved_away():
    sent = patients("2024-02-01", at("2023-01-01", "A"), at("2023-01-01", "B"))
    known = tables([correct(sent, c1={1: {"last_modified_date": "2023-03-01"}})])
    assert intervals(known) == [
        ("B", "2023-01-01", "2023-03-01", False, "2024-02-01"),
        ("A", "2023-03-01", "None", True, "2024-02-01"),
    ]
    assert states(known) == [(2, "conflicting_row", None, "resolved", "correction c1")]


def test_corrections_are_laid_over_before_swapped_ids_are_looked_for():
    sent = delivery(
        "claims", "2024-02-01", {"claim_id": "C1"}, {"claim_id": "C2"}, {"claim_id": "P1", "patient_id": "C1"}
    )
    parents = [patients("priming", {}), delivery("providers", "priming", {})]
    assert states(tables([sent, *parents])) == [(3, "swapped_ids", "P1", "open", None)]
    known = tables([correct(sent, c1={3: {"claim_id": "C3", "patient_id": "P1"}}), *parents])
    assert [(row["claim_id"], row["row_number"]) for row in known.versions["claims"]] == [
        ("C1", 1),
        ("C2", 2),
        ("C3", 3),
    ]
    # The finding keeps the record that the row spoke of when it was wrong.
    assert [(row["record_key"], row["resolved_by"]) for row in known.issues] == [("P1", "correction c1")]
    # A correction of another row can put an end to it as well: C1 is then no claim's number.
    known = tables([correct(sent, c1={1: {"claim_id": "C9"}}), *parents])
    assert states(known)[0] == (3, "swapped_ids", "P1", "resolved", "correction c1")
    assert [row["rule"] for row in known.issues] == ["swapped_ids", "unknown_patient"]


def test_a_correction_leaves_place_and_order_so_that_an_old_row_never_becomes_current():
    old, new = patients("2024-02-01", at("2023-01-01", "A")), patients("2024-02-02", at("2023-02-01", "C"))
    known = tables([new, correct(old, c1={1: {"city": "B"}})])
    assert intervals(known) == [
        ("B", "2023-01-01", "2023-02-01", False, "2024-02-01"),
        ("C", "2023-02-01", "None", True, "2024-02-02"),
    ]
    assert known.issues == []
    known = tables([new, correct(old, c1={1: {"last_modified_date": "2023-02-01"}})])
    assert [row["city"] for row in known.versions["patients"] if row["is_current"]] == ["C"]
    assert [(row["delivery"], row["rule"]) for row in known.issues] == [("2024-02-02", "same_sequence")]


def test_what_a_correction_resolved_is_no_later_deliverys_to_resolve():
    sent = correct(patients("2024-02-01", {"zipcode": "x", "state": "?"}), c1={1: {"zipcode": "43001"}})
    known = tables([sent, patients("2024-02-02", at("2023-07-01"))])
    assert states(known) == [
        (1, "bad_zipcode", "x", "resolved", "correction c1"),
        (1, "unknown_state", "?", "open", None),
    ]


def test_a_corrected_parent_brings_its_record_where_its_delivery_stands():
    sent = [delivery("claims", "2024-02-02", {}), delivery("providers", "2024-02-02", {})]
    sent.append(patients("2024-02-03", {"fname": ""}))
    assert status(tables(sent), "unknown_patient") == [("open", None)]
    sent[-1] = correct(sent[-1], c1={1: {"fname": "Ann"}})
    assert status(tables(sent), "unknown_patient") == [("resolved", "2024-02-03")]


def test_as_known_sees_a_corrected_row_from_when_its_delivery_was_received():
    sent = [correct(patients("2024-01-15", at("2023-06-01", "A")), c1={1: {"city": "B"}})]
    assert [row["city"] for row in as_known(sent, "patients", date(2024, 1, 15))] == ["B"]
    assert as_known(sent, "patients", date(2024, 1, 14)) == []


def test_a_retracted_delivery_says_nothing_and_keeps_its_counts_and_findings():
    out = correct(patients("2024-02-01", at("2023-06-01", zipcode="x"), {"state": "?"}), c1={1: {"zipcode": "43001"}})
    other = patients("2024-02-02", at("2023-07-01"))
    known = tables([out._replace(is_retracted=True), other])
    assert (known.versions, known.restatements) == tables([other])[:2]
    assert known.ledger[0]["status"] == "retracted"
    assert counts(known, "patients", "2024-02-01") == (2, 0, 1, 0, 1, 0, 0)
    assert states(known) == [
        (1, "bad_zipcode", "x", "retracted", None),
        (2, "conflicting_row", None, "retracted", None),
        (2, "unknown_state", "?", "retracted", None),
    ]
    assert as_known([out._replace(is_retracted=True)], "patients", date(2024, 2, 1)) == []


def test_a_claim_whose_patients_delivery_was_retracted_knows_no_patient():
    sent = [delivery("claims", "2024-02-01", {}), patients("2024-02-01", {})]
    assert status(tables(sent), "unknown_patient") == []
    assert status(tables([sent[0], sent[1]._replace(is_retracted=True)]), "unknown_patient") == [("open", None)]
    assert tables([each._replace(is_retracted=True) for each in sent]).issues == []


# Two axes of time


def test_what_was_known_in_january_does_not_depend_on_an_older_statement_of_february():
    sent = [patients("2024-01-15", at("2023-06-01")), patients("2024-02-15", at("2023-01-01"))]
    assert len(tables(sent).restatements["patients"]) == 1
    (known,) = as_known(sent, "patients", date(2024, 1, 31))
    assert (known["delivery"], known["valid_from"]) == ("2024-01-15", date(2023, 6, 1))
    assert as_known(sent, "patients", date(2024, 1, 14)) == []
    assert as_known(sent, "patients", date(2024, 2, 15))[0]["delivery"] == "2024-02-15"


def test_a_bare_date_means_all_of_that_day_and_a_moment_includes_itself():
    sent = [patients("2024-01-15T1030", {})]
    assert received_by(sent, date(2024, 1, 15)) == sent
    assert received_by(sent, datetime.fromisoformat("2024-01-15T10:30")) == sent
    assert received_by(sent, datetime.fromisoformat("2024-01-15T10:29")) == []


def test_providers_are_valid_from_the_moment_that_they_were_received():
    known = tables([delivery("providers", "2024-02-01T1200", {}), delivery("providers", "2024-02-02", {"city": "B"})])
    moments = ["2024-02-01T11:59", "2024-02-01T12:00", "2024-02-01T23:59", "2024-02-02T00:00"]
    valid = [as_of(known, "providers", datetime.fromisoformat(moment)) for moment in moments]
    assert [[row["city"] for row in rows] for rows in valid] == [[], ["Town"], ["Town"], ["B"]]
    assert as_of(known, "providers", date(2024, 2, 2)) == valid[3]


# Whole sets


def flexion(*keys: str) -> list[Delivery]:
    if not FLEXION.is_dir():
        pytest.skip(f"the sample deliveries are not there: {FLEXION}")
    update = datetime.fromisoformat("2026-11-22")
    return [
        Delivery(feed, key, received_at(key) or update, (FLEXION / f"{feed}_{key}.csv").read_bytes())
        for feed in COLUMNS
        for key in keys
    ]


def test_the_priming_that_a_customer_sent():
    known = tables(flexion("priming"))
    assert counts(known, "patients", "priming") == (102, 1, 3, 0, 98, 98, 0)
    assert counts(known, "providers", "priming") == (102, 1, 1, 1, 99, 99, 0)
    assert counts(known, "claims", "priming") == (1004, 2, 4, 0, 998, 998, 0)


def test_the_update_that_a_customer_sent():
    known = tables(flexion("priming", "update"))
    versions = {feed: Counter(row[COLUMNS[feed][0]] for row in rows) for feed, rows in known.versions.items()}
    assert {feed: (len(each), each.total()) for feed, each in versions.items()} == {
        "patients": (110, 112),
        "providers": (110, 113),
        "claims": (1009, 1013),
    }
    assert conserved(known)


RULES = {
    *("malformed_row", "missing_value", "not_a_date", "bad_amount", "bad_coverage", "unknown_visit_type"),
    *(
        "unknown_specialty",
        "bad_flag",
        "zipcode_padded",
        "bad_zipcode",
        "unknown_state",
        "service_after_claim",
    ),
    *("swapped_ids", "sequence_in_future", "duplicate_row", "conflicting_row", "date_in_future"),
    *("unexpected_column", "same_sequence", "unknown_patient", "unknown_provider"),
}


def shuffled(sent: Iterable[Delivery], seed: int) -> list[Delivery]:
    again = list(sent)
    random.Random(seed).shuffle(again)
    return again


def test_generated_sets_meet_every_rule_and_every_case_and_lose_no_row():
    met: Counter[str] = Counter()
    for seed in range(40):
        sent = deliveries(seed, 12)
        known = tables(sent)
        assert conserved(known)
        assert tables(shuffled(sent, seed)) == known
        met.update(row["rule"] for row in known.issues)
        met.update(f"{row['severity']} {row['status']}" for row in known.issues)
        moments = Counter((each.feed, each.received_at) for each in sent)
        met["equal received_at"] += max(moments.values()) > 1
        for feed, versions in known.versions.items():
            met[f"{feed} restated"] += len(known.restatements[feed])
            met[f"{feed} version 3"] += any(row["version"] == 3 for row in versions)
            met[f"{feed} zero length"] += any(row["valid_from"] == row["valid_to"] for row in versions)
            first = {each.key: each.received_at for each in sent if each.feed == feed}
            met[f"{feed} late"] += any(
                first[row["delivery"]] > first[following["delivery"]]
                for row, following in pairwise(versions)
                if row["version"] + 1 == following["version"]
            )
    cases = [f"{feed} {case}" for feed in COLUMNS for case in ("restated", "version 3", "zero length")]
    cases += ["patients late", "claims late", "equal received_at", "error open", "error resolved"]
    cases += ["warning open", "warning resolved"]
    assert {case for case in [*RULES, *cases] if not met[case]} == set()
    assert {name for name in met if "_" in name and name != "equal received_at"} == RULES
    assert met["providers late"] == 0


def test_generated_corrections_meet_every_case_and_lose_no_row():
    met: Counter[str] = Counter()
    for seed in range(30):
        rng = random.Random(seed)
        sent = deliveries(seed, 12)
        made = [correct_at_random(rng, each) for each in sent]
        known = tables(made)
        assert conserved(known)
        for each in made:
            malformed = {row.number for row in read_content(each).rows if row.sent is None}
            for correction in each.corrections:
                met["several rows"] += len(correction.rows) > 1
                met["malformed row"] += bool(malformed & set(correction.rows))
                met["emptied"] += any("" in change.values() for change in correction.rows.values())
            fields = Counter(
                (number, column) for one in each.corrections for number, change in one.rows.items() for column in change
            )
            met["one field twice"] += any(count > 1 for count in fields.values())
            touched = {number for correction in each.corrections for number in correction.rows}
            for row in known.issues:
                if (row["feed"], row["delivery"]) == (each.feed, each.key):
                    met["resolved"] += (row["resolved_by"] or "").startswith("correction ")
                    met["resolved by another row's"] += row["status"] == "resolved" and (
                        row["row_number"] not in touched and "correction" in row["resolved_by"]
                    )
        met["made valid"] += sum(
            with_it["rows_valid"] > without["rows_valid"]
            for with_it, without in zip(known.ledger, tables(sent).ledger, strict=True)
        )
    cases = ("several rows", "malformed row", "emptied", "one field twice")
    cases += ("resolved", "resolved by another row's", "made valid")
    assert {case for case in cases if not met[case]} == set()


def correct_at_random(rng: random.Random, sent: Delivery) -> Delivery:
    for number in range(rng.choice((0, 1, 3))):
        if made := changes(rng, sent):
            sent = sent._replace(corrections=(*sent.corrections, Correction(f"c{number}", made)))
    return sent


def test_a_seed_always_means_the_same_set():
    assert deliveries(7, 12) == deliveries(7, 12)
    assert deliveries(7, 12) != deliveries(8, 12)


def test_the_oracle_imports_nothing_but_the_standard_library():
    for module in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            allowed = {*sys.stdlib_module_names, "pytest"} - {"csv"}
            assert {name.split(".")[0] for name in names} <= allowed, module.name
