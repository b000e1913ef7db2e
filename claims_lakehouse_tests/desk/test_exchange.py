"""Rows leave as a file that a spreadsheet may open, and come back fixed: what was changed, and nothing else."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from claims_lakehouse.contracts import CLAIMS, MEDICAL_CLAIMS, PATIENTS
from claims_lakehouse.desk import exchange, fixed_rows
from claims_lakehouse.desk.exchange import Exported, Fixed, RefusedLine, export_rows, feed_of, read_fixed, take_back
from claims_lakehouse.desk.issues import Filters, Issue, all_issues
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.desk.spreadsheet import guarded, read_sheet, restored, writer
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.purge import purge
from claims_lakehouse.landing.decisions import Content, bindings
from claims_lakehouse_tests.builders import Lakehouse, claim, csv_text, patient

DAY, LATER = "2024-02-01", "2024-03-01"
OPEN = Filters(status="open")
TOLD = {"because": "asked", "who": "ann"}
SECRET = "Zyxwvutsrq"

Rows = list[dict[str, str]]


def exported(lakehouse: Lakehouse, issues: Iterable[Issue] | Filters = OPEN, feed: Any = PATIENTS) -> str:
    out = io.StringIO(newline="")
    reading = Reading(lakehouse.settings)
    export_rows(reading, lakehouse.settings, feed, issues, out)
    reading.close()
    return out.getvalue()


def rows_of(text: str) -> Rows:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def read(lakehouse: Lakehouse, rows: Rows | str | bytes, feed: Any = PATIENTS, delimiter: str = ",") -> Fixed:
    if isinstance(rows, list):
        out = io.StringIO(newline="")
        lines = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
        lines.writeheader()
        lines.writerows(rows)
        rows = out.getvalue()
    return read_fixed(lakehouse.settings, feed, rows.encode() if isinstance(rows, str) else rows)


def changes(fixed: Fixed) -> dict[str, Any]:
    return {one.delivery: dict(one.changes) for one in fixed.deliveries}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("exchange")
    lakehouse = Lakehouse(base)
    wrong = [
        patient(),
        patient(patient_id="2000U", zipcode="x", state="Conneticut"),
        patient(patient_id="3000U", address="", fname="=HYPERLINK(1)"),
    ]
    lakehouse.land("patients", DAY, csv_text(wrong) + "4000U,too,short\n")
    lakehouse.land("patients", LATER, [patient(patient_id="5000U", zipcode="y", date_of_birth="9-19-1948")])
    lakehouse.ingest()
    return base


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> Lakehouse:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


def test_each_row_that_has_an_issue_is_written_once_with_what_is_wrong_with_it(lake: Lakehouse) -> None:
    text = exported(lake)
    assert text.startswith("\ufefflakehouse_row,what_is_wrong,patient_id,fname,")
    assert text.count("\n") == text.count("\r\n") == 5
    rows = rows_of(text)
    assert [(row["patient_id"], row["lakehouse_row"].rpartition("/")[0]) for row in rows] == [
        ("2000U", f"{DAY}/2"),
        ("3000U", f"{DAY}/3"),
        ("", f"{DAY}/4"),
        ("5000U", f"{LATER}/1"),
    ]
    assert rows[0]["what_is_wrong"].startswith("zipcode is not a zip code; expected ")
    assert rows[0]["what_is_wrong"].endswith("padded.; state is not a US state or territory; kept as sent.")
    assert rows[1]["what_is_wrong"] == "address is empty; accepted without it."
    assert "could not be split into fields" in rows[2]["what_is_wrong"]
    assert {name: text for name, text in rows[2].items() if name in patient()} == dict.fromkeys(patient(), "")
    assert rows[3]["what_is_wrong"].startswith("zipcode is not a zip code")


def test_a_reference_says_what_the_row_said_as_decisions_bind_to_it(lake: Lakehouse) -> None:
    [content] = [row[0] for row in lake.rows("SELECT fingerprint FROM delivery WHERE delivery = ?", DAY)]
    about = [("bad_zipcode", row) for row in (2, 3, 4)]
    bound = bindings(lake.settings, PATIENTS, DAY, Content(content, ""), about)
    found = [row["lakehouse_row"] for row in rows_of(exported(lake)) if row["lakehouse_row"].startswith(DAY)]
    assert found == [f"{DAY}/{row}/{said[:12]}" for (_, row), said in bound.items()]


def test_messages_are_those_of_the_open_issues_that_are_exported_each_with_its_column(lake: Lakehouse) -> None:
    reading = Reading(lake.settings)
    found = [one for one in all_issues(reading, OPEN) if one.row_number == 2]
    assert len(found) == 2
    one = replace(found[0], message="Not so.", column_name="state")
    waived = replace(found[1], status="waived")
    [row] = rows_of(exported(lake, [one, waived]))
    assert row["what_is_wrong"] == "state: Not so."
    [row] = rows_of(exported(lake, [waived]))
    assert (row["patient_id"], row["what_is_wrong"]) == ("2000U", "")


def test_rows_are_in_their_order_and_a_malformed_one_says_why_though_it_is_waived(lakehouse: Lakehouse) -> None:
    head, *lines = csv_text(patient(patient_id=str(row), zipcode="x") for row in (1, 3)).splitlines(keepends=True)
    lakehouse.land("patients", DAY, "".join([head, lines[0], "2,too,short\n", lines[1]]))
    lakehouse.ingest()
    found = [replace(one, status="waived") for one in all_issues(Reading(lakehouse.settings), OPEN)]
    rows = rows_of(exported(lakehouse, found))
    assert [row["lakehouse_row"].split("/")[1] for row in rows] == ["1", "2", "3"]
    assert [row["patient_id"] for row in rows] == ["1", "", "3"]
    told = [row["what_is_wrong"] for row in rows]
    assert (told[0], told[2]) == ("", "")
    assert told[1].startswith("The line could not be split into fields: ")


def test_issues_about_the_whole_file_are_left_out_and_counted(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", DAY, [patient(zipcode="x") | {"extra": "1"}])
    lakehouse.ingest()
    out = io.StringIO(newline="")
    assert export_rows(Reading(lakehouse.settings), lakehouse.settings, PATIENTS, OPEN, out) == Exported(1, 1)
    assert len(rows_of(out.getvalue())) == 1


def test_issues_of_another_feed_are_refused(lake: Lakehouse) -> None:
    with pytest.raises(UsageError, match="found issues of 'patients'; expected only 'claims'"):
        exported(lake, Filters(feed="patients"), CLAIMS)
    with pytest.raises(UsageError, match="found issues of 'patients'; expected only 'claims'"):
        exported(lake, all_issues(Reading(lake.settings), OPEN), CLAIMS)


def test_what_is_exported_is_what_the_row_says_with_its_corrections(lake: Lakehouse) -> None:
    acts.correct(lake.settings, PATIENTS, DAY, {2: {"city": "Hartford"}}, **TOLD)
    lake.ingest()
    [row] = [row for row in rows_of(exported(lake)) if row["patient_id"] == "2000U"]
    assert (row["city"], row["zipcode"]) == ("Hartford", "x")


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_more_rows_than_are_held_at_a_time_are_the_same_file(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    whole = exported(lake)
    monkeypatch.setattr(exchange, "_CHUNK", chunk)
    monkeypatch.setattr(fixed_rows, "_CHUNK", chunk)
    again = [row | {"what_is_wrong": ""} for row in rows_of(exported(lake))]
    assert again == [row | {"what_is_wrong": ""} for row in rows_of(whole)]
    fixed = read(lake, [row | ({"city": "Conway"} if row["patient_id"] else {}) for row in again])
    assert changes(fixed) == {DAY: {row: {"city": "Conway"} for row in (2, 3)}, LATER: {1: {"city": "Conway"}}}
    assert (fixed.refused, fixed.unchanged) == ((), 1)


@given(st.lists(st.text(), min_size=1))
@example(["=1+1", "'", "''", "'=1", "\t", "\r", "\n", "a\r\nb", "\ufeff", '"', "\x00", "", "-5", "@a", "+1"])
def test_every_text_comes_back_as_it_was(texts: list[str]) -> None:
    out = io.StringIO(newline="")
    lines = writer(out)
    lines.writerow(["key", *(f"c{place}" for place in range(len(texts)))])
    lines.writerow(["1", *map(guarded, texts)])
    sheet = read_sheet(out.getvalue().encode(), "key")
    [line] = sheet.lines
    assert [restored(field) for field in line.fields] == ["1", *texts]


@given(st.text(), st.sampled_from("=+-@\t\r\n'"))
def test_no_text_that_leaves_begins_a_formula(text: str, first: str) -> None:
    assert guarded(first + text) == "'" + first + text
    assert guarded("a" + text) == restored("a" + text) == "a" + text
    assert restored("'a" + text) == "'a" + text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20), min_size=4, max_size=4))
@example(["=1+1", "'=1", "-\r\n", " \t"])
@example(["a\rb", "\u2028", '"', ","])
def test_a_file_that_nobody_touched_changes_nothing(lake: Lakehouse, texts: list[str]) -> None:
    names = ("fname", "address", "city", "state")
    laid = [dict(zip(names, texts, strict=True))]
    acts.correct(lake.settings, PATIENTS, DAY, {2: laid[0]}, **TOLD)
    for source in (exported(lake), exported(lake).encode("utf-8-sig").decode("utf-8-sig")):
        fixed = read(lake, source)
        assert (fixed.deliveries, fixed.refused, fixed.unchanged, fixed.ignored) == ((), (), 4, ())
    [row] = [row for row in rows_of(exported(lake)) if row["lakehouse_row"].startswith(f"{DAY}/2/")]
    assert [restored(row[name]) for name in names] == texts


def test_a_fixed_file_is_taken_back_as_one_correction_a_delivery(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))
    rows[0] |= {"zipcode": "06101", "state": "Connecticut"}
    rows[1]["fname"] = "'=1+1"
    rows[3]["zipcode"] = "72202"
    fixed = read(lake, rows)
    assert changes(fixed) == {
        DAY: {2: {"zipcode": "06101", "state": "Connecticut"}, 3: {"fname": "=1+1"}},
        LATER: {1: {"zipcode": "72202"}},
    }
    assert fixed.deliveries[0].expected == {2: {"zipcode": "x", "state": "Conneticut"}, 3: {"fname": "=HYPERLINK(1)"}}
    assert (fixed.refused, fixed.unchanged) == ((), 1)
    taken = take_back(lake.settings, fixed, "fixed by the sender", "ann")
    assert [one[:2] + one[3:] for one in taken] == [
        ("patients", DAY, 3, 2, None),
        ("patients", LATER, 1, 1, None),
    ]
    lake.ingest()
    assert lake.rows("SELECT patient_id, zipcode FROM patient WHERE patient_id IN ('2000U', '5000U') ORDER BY 1") == [
        ("2000U", "06101"),
        ("5000U", "72202"),
    ]
    made = lake.rows("SELECT DISTINCT correction_id, who, why FROM correction ORDER BY delivery")
    assert sorted(made) == sorted((one.correction, "ann", "fixed by the sender") for one in taken)
    again = read(lake, rows)
    assert (again.deliveries, again.refused, again.unchanged) == ((), (), 4)


def test_what_a_spreadsheet_rewrites_is_no_change(lakehouse: Lakehouse) -> None:
    lakehouse.land("claims", DAY, [claim(total_cost="100.50", patient_id="x1", billed="T")])
    lakehouse.land("patients", DAY, [patient(zipcode="01234", state="Nowhere", city="Two\r\nlines", fname=" Ann")])
    lakehouse.ingest()
    [row] = rows_of(exported(lakehouse))
    row |= {"zipcode": "1234", "date_of_birth": "9/19/1948", "city": "Two\nlines", "fname": "Ann", "lname": "Ward "}
    assert read(lakehouse, [row])[1:4] == ((), (), 1)
    row["date_of_birth"] = "9/20/1948"
    row["zipcode"] = "12345"
    assert changes(read(lakehouse, [row])) == {DAY: {1: {"date_of_birth": "9/20/1948", "zipcode": "12345"}}}
    [row] = rows_of(exported(lakehouse, feed=CLAIMS))
    row |= {"total_cost": "100.5", "billed": "TRUE", "visit_type": "Surgery", "coverage_type": "100.0"}
    assert read(lakehouse, [row], CLAIMS)[1:4] == ((), (), 1)


def test_an_emptied_field_is_a_change_and_a_column_that_is_missing_is_none(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))[:1]
    rows[0]["city"] = ""
    assert changes(read(lake, rows)) == {DAY: {2: {"city": ""}}}
    del rows[0]["city"]
    assert read(lake, rows)[1:4] == ((), (), 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_columns_in_any_order_delimiter_and_case_are_read_and_unknown_ones_named(
    lake: Lakehouse, delimiter: str, mark: str
) -> None:
    [row] = rows_of(exported(lake))[:1]
    row |= {"zipcode": "06101", "address": "a, b; c\td", "remark": SECRET, "": ""}
    lines = [list(reversed(row)), [row[name] for name in reversed(row)]]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([[f" {name.upper()} " for name in lines[0]], *lines[1:]])
    fixed = read(lake, mark + out.getvalue())
    assert changes(fixed) == {DAY: {2: {"zipcode": "06101", "address": "a, b; c\td"}}}
    assert fixed.ignored == ("remark",)


def test_a_malformed_row_needs_every_required_column(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))[2:3]
    rows[0]["fname"] = "Ann"
    [refused] = read(lake, rows).refused
    assert refused.line == 2
    assert "row 4 is malformed: expected every required column; found none for patient_id, lname" in refused.why
    rows[0] |= {name: text for name, text in patient(patient_id="4000U").items() if name not in ("address", "state")}
    fixed = read(lake, rows)
    take_back(lake.settings, fixed, "x", "ann")
    lake.ingest()
    assert lake.rows("SELECT zipcode, state FROM patient WHERE patient_id = '4000U'") == [("72201", None)]
    # Once it is corrected one field is enough: what the others say is known.
    [row] = [row for row in rows_of(exported(lake)) if row["patient_id"] == "4000U"]
    row["state"] = "Ohio"
    [taken] = take_back(lake.settings, read(lake, [row]), "x", "ann")
    assert taken.refused is None
    lake.ingest()
    assert lake.rows("SELECT zipcode, state FROM patient WHERE patient_id = '4000U'") == [("72201", "Ohio")]
    [row] = [row for row in rows_of(exported(lake, Filters())) if row["patient_id"] == "4000U"]
    few = {"lakehouse_row": row["lakehouse_row"], "address": "1 Oak Street"}
    assert [one.refused for one in take_back(lake.settings, read(lake, [few]), "x", "ann")] == [None]


def test_lines_that_cannot_be_taken_back_are_refused_and_say_why(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))
    good = rows[0] | {"zipcode": "06101"}
    said = good["lakehouse_row"].rpartition("/")[2]
    bad = [
        (f"{SECRET} {DAY}", "broken lakehouse_row"),
        (f"../../{DAY}/2/{said}", "broken lakehouse_row"),
        (f"../2/{said}", "broken lakehouse_row"),
        (f"{DAY}/0/{said}", "broken lakehouse_row"),
        (f"2030-01-01/2/{said}", "Feed 'patients' has no delivery '2030-01-01'"),
        (f"{DAY}/3/{said}", "row 3 says something else"),
        (f"{DAY}/99/{said}", "row 99 says something else"),
    ]
    fixed = read(lake, [good, *(good | {"lakehouse_row": reference} for reference, _ in bad)])
    assert changes(fixed) == {DAY: {2: {"zipcode": "06101"}}}
    assert [one.line for one in fixed.refused] == [3, 4, 5, 6, 7, 8, 9]
    for (_, why), one in zip(bad, fixed.refused, strict=True):
        assert why in one.why
        assert SECRET not in one.why


def test_a_row_that_stands_twice_with_different_text_is_refused_both_times(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))
    fixed = read(lake, [rows[0], rows[3], rows[0] | {"zipcode": "06101"}, rows[3]])
    assert [one.line for one in fixed.refused] == [2, 4]
    assert all("twice" in one.why for one in fixed.refused)
    assert (fixed.deliveries, fixed.unchanged) == ((), 1)


def test_a_row_that_was_replaced_is_refused_and_one_that_says_the_same_is_not(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))
    for row in rows:
        row["city"] = "Elsewhere"
    kept = patient(patient_id="3000U", address="", fname="=HYPERLINK(1)")
    lake.land("patients", DAY, [patient(), patient(patient_id="2000U", zipcode="other"), kept])
    lake.ingest()
    fixed = read(lake, rows)
    assert changes(fixed) == {DAY: {3: {"city": "Elsewhere"}}, LATER: {1: {"city": "Elsewhere"}}}
    assert [(one.line, "something else" in one.why) for one in fixed.refused] == [(2, True), (4, True)]


def test_a_file_does_not_undo_what_was_corrected_since_it_was_exported(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))[:1]
    acts.correct(lake.settings, PATIENTS, DAY, {2: {"state": "Connecticut"}}, **TOLD)
    rows[0]["zipcode"] = "06101"
    fixed = read(lake, rows)
    assert (fixed.deliveries, [one.line for one in fixed.refused]) == ((), [2])


def test_what_was_purged_is_refused(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))
    purge(lake.settings, PATIENTS, LATER, because="x", who="ann")
    fixed = read(lake, [row | {"city": "x"} for row in rows[3:]])
    assert fixed.refused == (RefusedLine(2, f"patients {LATER} is purged; there is no row to correct."),)


def test_a_delivery_that_is_overtaken_gets_no_correction_and_the_others_do(lake: Lakehouse) -> None:
    fixed = read(lake, [row | {"city": "x"} for row in rows_of(exported(lake)) if row["patient_id"]])
    acts.correct(lake.settings, PATIENTS, DAY, {2: {"city": "Hartford"}}, **TOLD)
    first, second = take_back(lake.settings, fixed, "x", "ann")
    assert (first.correction, "corrected since you looked" in (first.refused or "")) == (None, True)
    assert second.correction is not None
    with pytest.raises(UsageError, match="needs a reason"):
        take_back(lake.settings, fixed, " ", "ann")


def test_a_line_with_too_few_or_too_many_fields_is_refused_unless_nothing_is_lost(lake: Lakehouse) -> None:
    header, *lines = exported(lake).splitlines()
    short = lines[0].rpartition(",")[0]
    empty = f"{lines[2].rstrip(',')}"
    assert empty.count(",") < header.count(",")
    fixed = read(lake, "\n".join([header, short, lines[1] + ",more", empty, "", lines[3] + ",,,", ",,"]))
    assert [(one.line, "fields" in one.why) for one in fixed.refused] == [(2, True), (3, True)]
    assert fixed.unchanged == 2


def test_lines_are_counted_as_an_editor_counts_them(lake: Lakehouse) -> None:
    rows = rows_of(exported(lake))
    fixed = read(lake, [rows[0] | {"city": "Two\nlines"}, rows[1] | {"lakehouse_row": "nonsense"}])
    assert changes(fixed) == {DAY: {2: {"city": "Two\nlines"}}}
    assert [one.line for one in fixed.refused] == [4]


def test_a_delimiter_is_known_by_the_column_that_it_has_to_split_off_and_a_field_may_be_long(lake: Lakehouse) -> None:
    long = "x" * 200_000
    [row, *_] = rows_of(exported(lake))
    text = f'lakehouse_row;"a, b, c, d";city\n{row["lakehouse_row"]};;{long}\n'
    assert changes(read(lake, text)) == {DAY: {2: {"city": long}}}


WRONG = {
    "no-reference": (
        f"fname,lname,{SECRET}\n{SECRET},b,c",
        r"found 2 of the 10 columns .*'fname', 'lname'.* without 'lakeh",
    ),
    "no-header": (f"{SECRET},b,c\n{SECRET},b,c", "found 0 of the 10 columns of patients, without 'lakehouse_row'"),
    "empty": ("", "without 'lakehouse_row'"),
    "twice": ("lakehouse_row,fname,FNAME\na/1/0123456789ab,b,c", "names 'fname' twice"),
    "not-utf8": (b"lakehouse_row,fname\na/1/0123456789ab,\xff", "bytes that are not UTF-8; expected a CSV file"),
    "open-quote": (f'lakehouse_row,fname\na/1/0123456789ab,"{SECRET}\nmore\n', "line 2: found a quote that is not"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_none_is_wrong_use_and_shows_no_value(lake: Lakehouse, case: str) -> None:
    content, message = WRONG[case]
    with pytest.raises(UsageError, match=message) as caught:
        read(lake, content)
    assert SECRET.lower() not in str(caught.value).lower()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_begins_with_one_byte_order_mark_however_it_is_encoded(encoding: str) -> None:
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding=encoding, newline="")
    writer(out).writerow(["key"])
    out.flush()
    assert written.getvalue() == b"\xef\xbb\xbfkey\r\n"


def test_a_file_is_named_in_errors_and_read_from_its_path(lake: Lakehouse, tmp_path: Path) -> None:
    path = tmp_path / "fixed.csv"
    with pytest.raises(UsageError, match=r"fixed\.csv: found No such file"):
        read_fixed(lake.settings, PATIENTS, path)
    path.write_text(exported(lake), encoding="utf-8", newline="")
    assert read_fixed(lake.settings, PATIENTS, path).unchanged == 4


def test_the_feed_of_a_file_is_known_by_its_columns(lake: Lakehouse) -> None:
    assert feed_of(exported(lake).encode()) == PATIENTS
    assert feed_of(b"lakehouse_row,claim_id,provider_id\n") == CLAIMS
    assert feed_of(b"lakehouse_row,claim_id,line_number\n") == MEDICAL_CLAIMS
    with pytest.raises(UsageError, match=r"found columns of claims or medical_claims; .* --feed names it"):
        feed_of(b"lakehouse_row,claim_id,patient_id\n")
    with pytest.raises(UsageError, match=r"found columns of patients or providers; .* --feed names it"):
        feed_of(b"lakehouse_row,zipcode\n")
    with pytest.raises(UsageError, match="found columns of no feed"):
        feed_of(b"lakehouse_row\n")
