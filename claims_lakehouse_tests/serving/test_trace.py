"""From a record to every row that spoke of it, and from a landed row to what became of it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import date
from typing import Any

import duckdb
import pandera.polars as pa
import polars as pl
import pytest

from claims_lakehouse.commands.trace_report import print_row, print_trace
from claims_lakehouse.contracts import CLAIMS, FEEDS, MEDICAL_CLAIMS, PATIENTS, PROVIDERS, Feed, Field
from claims_lakehouse.contracts.formats import DATE, TEXT
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history.acts import retract
from claims_lakehouse.history.application import Application
from claims_lakehouse.history.ledger import write_ledger_row
from claims_lakehouse.history.stage import bring_up_to_date, take_up, verify
from claims_lakehouse.serving import origin
from claims_lakehouse.serving.connect import connect
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.serving.trace import Change, Row, Trace, trace, trace_row
from claims_lakehouse.serving.views import create_views
from claims_lakehouse.warehouse.schema import create_schema, feed_ddl
from claims_lakehouse_tests import interchanges as x12
from claims_lakehouse_tests.builders import Lakehouse, claim, csv_text, moment, patient, provider
from claims_lakehouse_tests.medical import npi


def traced(lakehouse: Lakehouse, key: str, feed: Feed = PATIENTS) -> Trace:
    with connect(lakehouse.settings.home, confined=True) as con:
        return trace(con, lakehouse.settings, feed, key)


def became(lakehouse: Lakehouse, delivery: str, row_number: int, feed: Feed = PATIENTS) -> Row:
    with connect(lakehouse.settings.home, confined=True) as con:
        return trace_row(con, lakehouse.settings, feed, delivery, row_number)


def rules(row: Row) -> list[tuple[str, str, str | None]]:
    return [(found.rule, found.status, found.resolved_by) for found in row.issues]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A patient of three versions, and rows about them of every other kind. Only read from."""
    found = Lakehouse(tmp_path_factory.mktemp("trace"))
    first = csv_text([
        patient(patient_id="2000U", address="two\nlines"),
        patient(),
        patient(zipcode="x", city=""),
        patient(),
        patient(last_modified_date="1/1/2018", city="Before"),
        patient(patient_id="3000U", city="Conflict"),
        patient(patient_id="3000U"),
    ])  # fmt: skip
    first = first.replace("\n1000U", "\n\n  \n1000U", 1) + "1000U,torn\n"
    found.land("patients", "priming", "\ufeff\n" + first)
    found.land("patients", "2024-01-01", [patient(city="Moved", zipcode="", last_modified_date="1/1/2021")])
    found.land("patients", "2024-02-01", [patient(city="Moved", zipcode="", last_modified_date="1/1/2022")])
    found.land("patients", "2024-03-01", [
        patient(patient_id="4000U", last_modified_date="1/1/2023"),
        patient(city="Gone", last_modified_date="1/1/2023"),
        patient(city="Gone", last_modified_date="1/1/2023"),
        patient(city="Wrong", zipcode="x", last_modified_date="1/2/2023"),
    ])  # fmt: skip
    found.land("claims", "2024-01-01", [claim(patient_id="5000U")])
    found.ingest()
    retract(found.settings, PATIENTS, "2024-03-01", because="sent by mistake", who="somebody")
    found.ingest()
    return found


def test_each_version_tells_what_it_changed_and_where_it_came_from(lake: Lakehouse) -> None:
    told = traced(lake, "1000U")
    assert (told.feed, told.record_key) == ("patients", "1000U")
    assert [(v.version, v.valid_from, v.valid_to, v.is_current) for v in told.versions] == [
        (1, date(2018, 1, 1), date(2019, 9, 17), False),
        (2, date(2019, 9, 17), date(2021, 1, 1), False),
        (3, date(2021, 1, 1), None, True),
    ]
    first, second, third = told.versions
    assert Change("city", None, "Before") in first.changes
    assert {change.before for change in first.changes} == {None}
    assert [change.column_name for change in first.changes] == list(PATIENTS.content)
    assert second.changes == (Change("city", "Before", "Little Rock"),)
    assert third.changes == (Change("city", "Little Rock", "Moved"), Change("zipcode", "72201", None))
    assert [(v.row.delivery, v.row.row_number, v.row.fate, v.row.version) for v in told.versions] == [
        ("priming", 5, "version", 1), ("priming", 2, "version", 2), ("2024-01-01", 1, "version", 3)
    ]  # fmt: skip
    [(recorded,)] = lake.rows("SELECT DISTINCT recorded_at FROM dim_patient WHERE delivery = '2024-01-01'")
    assert third.row.recorded_at == recorded
    assert third.row.received_at == moment("2024-01-01")
    assert rules(third.row) == [("missing_value", "open", None)]


def test_every_other_row_about_a_record_is_told_with_what_became_of_it(lake: Lakehouse) -> None:
    others = traced(lake, "1000U").other_rows
    assert [(row.delivery, row.row_number, row.fate, row.duplicate_of, row.delivery_status) for row in others] == [
        ("priming", 3, "quarantined", None, "applied"),
        ("priming", 4, "duplicate", 2, "applied"),
        ("2024-02-01", 1, "restatement", None, "applied"),
        ("2024-03-01", 2, "retracted", None, "retracted"),
        ("2024-03-01", 3, "duplicate", 2, "retracted"),
        ("2024-03-01", 4, "quarantined", None, "retracted"),
    ]
    assert {row.record_key for row in others} == {"1000U"}
    assert rules(others[0]) == [("bad_zipcode", "resolved", "2024-01-01"), ("missing_value", "open", None)]
    assert (others[2].sequence, others[2].version) == (date(2022, 1, 1), None)
    assert [rules(row) for row in others[3:]] == [
        [], [("duplicate_row", "retracted", None)], [("bad_zipcode", "retracted", None)]
    ]  # fmt: skip


def test_a_row_stands_in_a_file_at_a_line_where_blank_lines_and_long_fields_count(lake: Lakehouse) -> None:
    # 1 blank, 2 header, 3 and 4 the address of two lines, 5 and 6 blank
    lines = {row: became(lake, "priming", row).origin for row in range(1, 9)}
    assert {row: where.line for row, where in lines.items()} == {1: 3, 2: 7, 3: 8, 4: 9, 5: 10, 6: 11, 7: 12, 8: 13}
    assert {(where.file, where.file_row - row) for row, where in lines.items() if where.file_row} == {
        ("patients/priming.csv", 0)
    }
    text = lake.settings.landing.joinpath("patients", "priming.csv").read_text(encoding="utf-8").split("\n")
    assert text[lines[8].line - 1] == "1000U,torn" if lines[8].line else False


@pytest.mark.parametrize(
    ("row", "fate", "key", "found"),
    [
        (1, "version", "2000U", []),
        (6, "version", "3000U", []),
        (7, "quarantined", "3000U", [("conflicting_row", "open", None)]),
        (8, "malformed", None, [("malformed_row", "open", None)]),
    ],
)
def test_a_row_of_a_delivery_tells_what_became_of_it(
    lake: Lakehouse, row: int, fate: str, key: str | None, found: list[Any]
) -> None:
    told = became(lake, "priming", row)
    assert (told.delivery, told.row_number, told.fate, told.record_key) == ("priming", row, fate, key)
    assert rules(told) == found


def test_a_row_of_a_retracted_delivery_names_its_record(lake: Lakehouse) -> None:
    told = became(lake, "2024-03-01", 1)
    assert (told.fate, told.record_key, told.version, told.recorded_at) == ("retracted", "4000U", None, None)
    assert traced(lake, "4000U").versions == ()
    assert traced(lake, "4000U").other_rows == (told,)


def test_every_row_of_every_delivery_is_accounted_for_once(generated: Any) -> None:
    """What the trace says of rows adds up to what the ledger says of the delivery."""
    lakehouse = generated.lakehouse
    counted = {"version": "versions_added", "restatement": "rows_restated", "malformed": "rows_malformed",
               "quarantined": "rows_quarantined", "duplicate": "rows_duplicate"}  # fmt: skip
    with connect(lakehouse.settings.home) as con:
        for entry in lakehouse.dicts("FROM delivery WHERE feed = 'patients'"):
            numbers = range(1, entry["rows_landed"] + 1)
            fates = [trace_row(con, lakehouse.settings, PATIENTS, entry["delivery"], n).fate for n in numbers]
            expected = {fate: entry[name] for fate, name in counted.items() if entry[name]}
            assert Counter(fates) == expected


def test_a_live_warning_goes_with_the_row_that_it_is_about(lake: Lakehouse) -> None:
    [version] = traced(lake, "CF#1000078NN", CLAIMS).versions
    assert rules(version.row) == [("unknown_patient", "open", None), ("unknown_provider", "open", None)]


def test_what_nobody_spoke_of_is_an_error_that_names_no_record(lake: Lakehouse) -> None:
    for feed, key in ((PATIENTS, "9999U"), (CLAIMS, "1000U"), (PATIENTS, "")):
        with pytest.raises(UsageError, match=f"Feed '{feed.name}' has no record of that key") as error:
            traced(lake, key, feed)
        assert not any(word in str(error.value) for word in ("9999U", "1000U", "2000U"))
    with pytest.raises(UsageError, match=r"no record of that key; expected claim_id\|line_number\.$"):
        traced(lake, "MC1", MEDICAL_CLAIMS)
    with pytest.raises(UsageError, match="Feed 'patients' has no delivery 'never'"):
        became(lake, "never", 1)
    for row in (0, 9, -1):
        with pytest.raises(UsageError, match=f"patients priming has no row {row}; rows landed: 8"):
            became(lake, "priming", row)


def test_the_run_is_the_one_that_applied_the_content(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2000U", zipcode="x")])
    take_up(lakehouse.settings, PATIENTS, "priming", "run-1")
    verify(lakehouse.settings, PATIENTS, "priming", "run-1")
    for run in ("run-1", "run-2"):
        bring_up_to_date(lakehouse.settings, PATIENTS, "priming", run)
    publish(lakehouse.settings)
    assert lakehouse.rows("SELECT run_id FROM delivery") == [("run-2",)]
    assert traced(lakehouse, "1000U").versions[0].row.run_id == "run-1"
    assert became(lakehouse, "priming", 2).run_id == "run-1"


def test_rows_of_several_files_stand_in_their_own(lakehouse: Lakehouse) -> None:
    folder = lakehouse.settings.landing / "providers" / "2024-01-01"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(csv_text([provider(), provider(provider_id="P2")]))
    packed = "\r\n\r\n" + csv_text([provider(provider_id="P3"), provider(provider_id="P4")]).replace("\nP4", "\n\nP4")
    (folder / "b.csv.gz").write_bytes(gzip.compress(packed.encode()))
    pl.DataFrame([provider(provider_id="P5")]).write_parquet(folder / "c.parquet")
    lakehouse.ingest()
    stands = {key: traced(lakehouse, key, PROVIDERS).versions[0].row for key in ("P2", "P3", "P4", "P5")}
    assert {key: (row.row_number, *row.origin[:3]) for key, row in stands.items()} == {
        "P2": (2, "providers/2024-01-01/a.csv", 2, 3),
        "P3": (3, "providers/2024-01-01/b.csv.gz", 1, 4),
        "P4": (4, "providers/2024-01-01/b.csv.gz", 2, 6),
        "P5": (5, "providers/2024-01-01/c.parquet", 1, None),
    }


def test_a_line_is_told_only_while_landing_has_the_content(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    where = ("patients/priming.csv", 1)
    assert became(lakehouse, "priming", 1).origin[:3] == (*where, 2)
    monkeypatch.setattr(origin, "MAX_BYTES", landed.stat().st_size - 1)
    assert became(lakehouse, "priming", 1).origin[:3] == (*where, None)
    monkeypatch.setattr(origin, "MAX_BYTES", landed.stat().st_size)
    assert became(lakehouse, "priming", 1).origin[:3] == (*where, 2)
    landed.write_text(landed.read_text().replace("Ann", "Eve"))
    assert became(lakehouse, "priming", 1).origin[:3] == (*where, None)
    landed.unlink()
    assert became(lakehouse, "priming", 1).origin[:3] == (*where, None)
    [raw] = lakehouse.settings.delivery_folder("patients", "priming").glob("*.parquet")
    raw.unlink()
    assert became(lakehouse, "priming", 1).origin[:3] == (None, None, None)
    assert became(lakehouse, "priming", 1).fate == "version"


def test_a_held_delivery_says_so_of_the_rows_that_it_keeps_out(lakehouse: Lakehouse) -> None:
    rows = [patient(patient_id=f"{n}U", zipcode="x") for n in range(50)] + [patient()]
    lakehouse.land("patients", "2024-01-01", rows)
    lakehouse.ingest()
    assert lakehouse.rows("SELECT status, versions_added FROM delivery") == [("held", 0)]
    [row] = traced(lakehouse, "1000U").other_rows
    assert (row.fate, row.row_number, row.delivery_status) == ("held", 51, "held")
    [row] = traced(lakehouse, "7U").other_rows
    assert (row.fate, row.delivery_status) == ("quarantined", "held")


def test_what_a_correction_put_right_is_not_what_became_of_the_row(lakehouse: Lakehouse) -> None:
    """Findings of the uncorrected row stay, resolved by the correction, or retracted with the delivery."""
    lakehouse.land("patients", "2024-01-01", [patient(), patient()])
    lakehouse.land("patients", "2024-02-01", [patient(city="Gone", last_modified_date="1/1/2023")])
    lakehouse.ingest()
    retract(lakehouse.settings, PATIENTS, "2024-02-01", because="sent by mistake", who="somebody")
    lakehouse.ingest()
    with duckdb.connect(str(lakehouse.settings.published)) as con:
        con.execute(
            """
            INSERT INTO internal.finding BY NAME
            SELECT delivery || rule AS issue_id, 'patients' AS feed, delivery, row_number, '1000U' AS record_key, rule,
                   'x' AS value, 'It was wrong.' AS message, 'error' AS severity, false AS live, status, resolved_by
            FROM (VALUES ('2024-01-01', 2, 'bad_zipcode', 'resolved', 'correction 0a1b'),
                         ('2024-01-01', 1, 'malformed_row', 'resolved', 'correction 0a1b'),
                         ('2024-02-01', 1, 'bad_zipcode', 'retracted', NULL))
                 AS found(delivery, row_number, rule, status, resolved_by)
            """
        )
    told = traced(lakehouse, "1000U")
    assert [rules(version.row) for version in told.versions] == [[("malformed_row", "resolved", "correction 0a1b")]]
    assert [(row.delivery, row.fate) for row in told.other_rows] == [
        ("2024-01-01", "duplicate"), ("2024-02-01", "retracted")
    ]  # fmt: skip


class Stays(pa.DataFrameModel):
    """A patient's stay in a ward."""

    ward: str = Field(TEXT, "Where.", required=True, identifies="nothing")
    begins: pl.Date = Field(DATE, "From when.", required=True, identifies="date")
    bed: str = Field(TEXT, "Which bed.", identifies="nothing")


def test_a_key_of_several_columns_is_written_with_a_bar(lakehouse: Lakehouse) -> None:
    stays = Feed("stays", "stay", "fact", Stays, key=("ward", "begins"))
    day = moment("2024-01-01")
    with duckdb.connect() as con:
        create_schema(con)
        con.execute(feed_ddl(stays))
        create_views(con, (*FEEDS, stays))
        write_ledger_row(con, Application(stays, "one", day, day, None), [])
        con.execute(
            "INSERT INTO fact_stay VALUES ('A', '2024-01-01', 'x', '2024-01-01', NULL, true, 1, 'one', 1, '2024-01-01', 5)"
        )
        told = trace(con, lakehouse.settings, stays, "A|2024-01-01")
        assert [(v.changes, v.row.record_key) for v in told.versions] == [((Change("bed", None, "x"),), "A|2024-01-01")]
        with pytest.raises(UsageError):
            trace(con, lakehouse.settings, stays, "A")


def test_machines_get_the_whole_trace_as_json(lake: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    print_trace(traced(lake, "1000U"), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [version["valid_from"] for version in told["versions"]] == ["2018-01-01", "2019-09-17", "2021-01-01"]
    assert told["versions"][1]["changes"] == [{"column_name": "city", "before": "Before", "after": "Little Rock"}]
    assert told["versions"][1]["row"]["origin"] == {
        "file": "patients/priming.csv",
        "file_row": 2,
        "line": 7,
        "segment": None,
    }
    assert [row["fate"] for row in told["other_rows"]][:2] == ["quarantined", "duplicate"]
    print_row(became(lake, "priming", 8), as_json=True)
    row = json.loads(capsys.readouterr().out)
    assert (row["fate"], row["issues"][0]["value"]) == ("malformed", "1000U,torn")


def test_people_get_tables(lake: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    print_trace(traced(lake, "1000U"), as_json=False)
    told = capsys.readouterr().out
    for words in ("Versions of patients 1000U", "city: Before → Little Rock", "zipcode: 72201 → nothing",
                  "duplicate of row 2", "duplicate of row 2; the delivery is retracted", "restatement", "bad_zipcode",
                  "patients/2024-02-01.csv"):  # fmt: skip
        assert words in told
    print_row(became(lake, "priming", 8), as_json=False)
    told = capsys.readouterr().out
    assert "malformed" in told
    assert "2 fields instead of 10" in told


def test_a_row_that_a_correction_made_another_record_s_is_told_of_both(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    with duckdb.connect(str(lakehouse.settings.published)) as con:
        con.execute(
            """
            INSERT INTO internal.finding BY NAME
            SELECT 'i' AS issue_id, 'patients' AS feed, 'priming' AS delivery, 1 AS row_number, '9999U' AS record_key,
                   'bad_zipcode' AS rule, 'It was wrong.' AS message, 'error' AS severity, false AS live,
                   'resolved' AS status, 'correction 0a1b' AS resolved_by
            """
        )
    told = traced(lakehouse, "9999U")
    assert told.versions == ()
    [row] = told.other_rows
    assert (row.fate, row.version, row.record_key) == ("version", 1, "1000U")
    print_trace(told, as_json=False)
    shown = capsys.readouterr().out
    assert "version 1 of 1000U" in shown
    assert "Versions of" not in shown


def test_what_is_printed_is_neither_markup_nor_control(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    lakehouse.land("patients", "priming", [patient(city="[red]x[/]\x1b[31m")])
    lakehouse.ingest()
    print_trace(traced(lakehouse, "1000U"), as_json=False)
    told = capsys.readouterr().out
    assert "[red]x[/]" in told
    assert "\x1b" not in told


def test_a_row_of_an_x12_file_stands_at_its_segment(lakehouse: Lakehouse) -> None:
    biller = [segment.replace("1999996666", npi("199999666")) for segment in x12.BILLER]
    claim = ["CLM*C1*43.00***11:B:1*Y*A*Y*Y", "HI*ABK:I10"]
    lines = [f"LX*{n}~SV1*HC:9921{n}*21.50*UN*1***1~DTP*472*D8*20240214" for n in (1, 2)]
    sound = x12.transaction(x12.HEAD, biller, x12.SUBSCRIBER, claim, *(line.split("~") for line in lines))
    other = x12.transaction(["BHT*0019*00*1*20240301*1023*CH"], code="278", guide="*005010X217", number="0002")
    lakehouse.land("medical_claims", "2024-03-01", x12.interchange(sound, other), "837")
    lakehouse.ingest()
    rows = [became(lakehouse, "2024-03-01", row, MEDICAL_CLAIMS) for row in (1, 2, 3)]
    assert [row.origin for row in rows] == [
        ("medical_claims/2024-03-01.837", 1, None, 22),  # ISA, GS and ST are the first three segments
        ("medical_claims/2024-03-01.837", 2, None, 25),
        ("medical_claims/2024-03-01.837", 3, None, None),
    ]
    assert [row.fate for row in rows] == ["version", "version", "malformed"]
    [found] = [issue for issue in rows[2].issues if issue.rule == "unsupported_transaction"]
    assert "at segment 29" in found.message
