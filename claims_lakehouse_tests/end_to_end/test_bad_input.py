"""Bad input: a file that cannot be read fails alone and says why; odd but readable files do no harm."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet

from claims_lakehouse.history.stage import look
from claims_lakehouse.landing.fingerprint import Fingerprints
from claims_lakehouse_tests.builders import Lakehouse, claim, csv_text, patient, provider
from claims_lakehouse_tests.interchanges import COVERAGE, INSURED, enrolments, interchange

#: Stands in a row of every broken file: an error may never show it.
SECRET = "Zyxwvutsrq"
COUNTS = (
    "rows_landed",
    "rows_malformed",
    "rows_quarantined",
    "rows_duplicate",
    "rows_valid",
    "versions_added",
    "rows_restated",
)
HEADER = ",".join(patient())


def secret_rows(**changed: str) -> list[dict[str, str]]:
    return [patient(patient_id=f"{n}S", lname=SECRET, **changed) for n in range(1, 40)]


def as_parquet(rows: list[dict[str, str]], **columns: Any) -> bytes:
    """The rows as a Parquet file of text columns, some of them replaced or added."""
    table = pa.Table.from_pylist(rows)
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, values) if at >= 0 else table.append_column(name, values)
    written = io.BytesIO()
    parquet.write_table(table, written)
    return written.getvalue()


def landed(ext: str, content: Callable[[], bytes | str]) -> Callable[[Lakehouse, str], Path]:
    return lambda lakehouse, key: lakehouse.land("patients", key, content(), ext)


def whole_csv() -> bytes:
    return csv_text(secret_rows()).encode()


def with_header(header: str) -> str:
    body = csv_text(secret_rows()).split("\n", 1)[1]
    return header + "\n" + body


def without(column: str) -> str:
    rows = secret_rows()
    return csv_text(rows, header=[name for name in rows[0] if name != column])


def folder_for_a_file(lakehouse: Lakehouse, key: str) -> Path:
    folder = lakehouse.settings.landing / "patients" / f"{key}.csv"
    folder.mkdir(parents=True)
    (folder / "part.csv").write_bytes(whole_csv())
    return folder


def parts(lakehouse: Lakehouse, key: str) -> Path:
    folder = lakehouse.settings.landing / "patients" / key
    folder.mkdir(parents=True)
    (folder / "1.csv").write_bytes(whole_csv())
    return folder


def part_folder_with_a_folder(lakehouse: Lakehouse, key: str) -> Path:
    folder = parts(lakehouse, key)
    (folder / "nested").mkdir()
    (folder / "nested" / "2.csv").write_bytes(whole_csv())
    return folder


def part_folder_with_a_broken_part(lakehouse: Lakehouse, key: str) -> Path:
    folder = parts(lakehouse, key)
    (folder / "2.csv").write_text(without("zipcode"))
    return folder


def fifo(lakehouse: Lakehouse, key: str) -> Path:
    path = lakehouse.settings.landing / "patients" / f"{key}.csv"
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    return path


def broken_link(lakehouse: Lakehouse, key: str) -> Path:
    path = lakehouse.settings.landing / "patients" / f"{key}.csv"
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("nowhere.csv")
    return path


def two_files(lakehouse: Lakehouse, key: str) -> Path:
    flat = lakehouse.settings.landing / f"patients_{key}.csv"
    flat.write_bytes(whole_csv())
    lakehouse.land("patients", key, gzip.compress(whole_csv()), "csv.gz")
    return flat


class Broken(NamedTuple):
    """A delivery that cannot be read: how it is landed, what its error says, and the file that it names."""

    land: Callable[[Lakehouse, str], Path]
    found: str
    expected: str
    file: str = "patients/{key}.{ext}"
    ext: str = "csv"


BROKEN = {
    "truncated-gzip": Broken(
        landed("csv.gz", lambda: gzip.compress(whole_csv())[:-20]), "gzip", "whole gzip", ext="csv.gz"
    ),
    "no-gzip-at-all": Broken(landed("csv.gz", whole_csv), "gzip", "whole gzip", ext="csv.gz"),
    "truncated-parquet": Broken(
        landed("parquet", lambda: as_parquet(secret_rows())[:-100]), "Parquet", "whole Parquet", ext="parquet"
    ),
    "parquet-without-its-middle": Broken(
        landed("parquet", lambda: (whole := as_parquet(secret_rows()))[:40] + b"\xff" * 300 + whole[340:]),
        "Parquet",
        "whole Parquet",
        ext="parquet",
    ),
    "csv-called-parquet": Broken(landed("parquet", whole_csv), "Parquet", "whole Parquet", ext="parquet"),
    "parquet-called-csv": Broken(landed("csv", lambda: as_parquet(secret_rows())), "no text|not UTF-8", "UTF-8"),
    "gzip-called-csv": Broken(landed("csv", lambda: gzip.compress(whole_csv())), "no text|not UTF-8", "UTF-8"),
    "utf-16": Broken(landed("csv", lambda: whole_csv().decode().encode("utf-16")), "UTF-16", "UTF-8"),
    "utf-16-without-mark": Broken(landed("csv", lambda: whole_csv().decode().encode("utf-16-le")), "UTF-16", "UTF-8"),
    "no-header": Broken(
        landed("csv", lambda: csv_text(secret_rows()).split("\n", 1)[1]), "0 of 10 columns", "a header"
    ),
    "empty": Broken(landed("csv", lambda: b""), "empty", "a header"),
    "only-a-byte-order-mark": Broken(landed("csv", lambda: b"\xef\xbb\xbf"), "empty", "a header"),
    "only-blank-lines": Broken(landed("csv", lambda: b"\n  \r\n\n"), "empty", "a header"),
    "column-named-twice": Broken(landed("csv", lambda: with_header(HEADER + ", FName ")), "'fname' twice", "once"),
    "unexpected-column-named-twice": Broken(
        landed("csv", lambda: with_header(HEADER + ",note,Note")), "'note' twice", "once"
    ),
    "missing-column": Broken(
        landed("csv", lambda: without("zipcode")), "9 of 10 columns, without 'zipcode'", "all columns"
    ),
    "missing-column-in-parquet": Broken(
        landed("parquet", lambda: as_parquet([{k: v for k, v in row.items() if k != "city"} for row in secret_rows()])),
        "9 of 10 columns, without 'city'",
        "all columns",
        ext="parquet",
    ),
    # The header is line 1 and each of 39 rows a line: the quote opens in line 41.
    "open-quote": Broken(
        landed("csv", lambda: csv_text(secret_rows()) + '9S,"Ann\n' + csv_text(secret_rows())),
        "a quote that never closes",
        "its end",
        file="patients/{key}.csv, line 41",
    ),
    "open-quote-in-the-header": Broken(
        landed("csv", lambda: '"' + csv_text(secret_rows())), "a quote that never closes", "its end"
    ),
    "nested-column": Broken(
        landed("parquet", lambda: as_parquet(secret_rows(), city=pa.array([[SECRET]] * 39))),
        "column 'city' of type list",
        "text, numbers, dates or times",
        ext="parquet",
    ),
    "binary-column": Broken(
        landed("parquet", lambda: as_parquet(secret_rows(), city=pa.array([SECRET.encode()] * 39))),
        "column 'city' of type binary",
        "text, numbers, dates or times",
        ext="parquet",
    ),
    "million-columns": Broken(
        landed("csv", lambda: HEADER + "," + ",".join(map(str, range(1_000_000))) + "\n" + SECRET + "\n"),
        "a header of more than",
        "the columns of its feed",
    ),
    "folder-for-a-file": Broken(folder_for_a_file, "a folder", "a file"),
    "folder-in-a-part-folder": Broken(
        part_folder_with_a_folder, "a folder", "part files", file="patients/{key}/nested"
    ),
    "one-broken-part": Broken(
        part_folder_with_a_broken_part, "without 'zipcode'", "all columns", file="patients/{key}/2.csv"
    ),
    "fifo": Broken(fifo, "not a regular file|a pipe", "file"),
    "broken-link": Broken(broken_link, "No such file", "file"),
    "two-files": Broken(
        two_files, "a second file for delivery .*beside 'patients/{key}.csv.gz'", "one", file="patients_{key}.csv"
    ),
}


class Seen(NamedTuple):
    """What a set of broken deliveries came to: as they landed, again unchanged, and fixed."""

    errors: dict[str, str | None]
    ledger: dict[str, dict[str, Any]]
    log: dict[str, list[tuple[Any, ...]]]
    changes: list[int]
    fixed: dict[str, dict[str, Any]]
    fixed_log: dict[str, list[str]]
    restored: set[str]
    unplaceable: list[str]


def _ledger(lakehouse: Lakehouse) -> dict[str, dict[str, Any]]:
    return {row["delivery"]: row for row in lakehouse.dicts("FROM delivery WHERE feed = 'patients'")}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    lakehouse = Lakehouse(tmp_path_factory.mktemp("broken"))
    paths = {key: broken.land(lakehouse, key) for key, broken in BROKEN.items()}
    lakehouse.land("patients", "a-good-one", [patient(patient_id="first")])
    lakehouse.land("patients", "z-good-one", [patient(patient_id="last")])
    lakehouse.land("claims", "fifo", [claim()])
    (lakehouse.settings.landing / "payments_2024.csv").write_text(SECRET)
    outcome = lakehouse.ingest()
    assert outcome.pop(("claims", "fifo")) is None
    ledger = _ledger(lakehouse)
    log: dict[str, list[tuple[Any, ...]]] = {}
    for key, *event in lakehouse.rows("SELECT delivery, event, detail FROM delivery_log ORDER BY feed DESC, entry"):
        log.setdefault(key, []).append(tuple(event))
    changes = [lakehouse.rows("SELECT n FROM internal.change")[0][0]]
    lakehouse.ingest()
    changes.append(lakehouse.rows("SELECT n FROM internal.change")[0][0])
    for key, path in paths.items():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for other in (lakehouse.settings.landing / "patients").glob(f"{key}.*"):
            other.unlink()
        lakehouse.land("patients", key, [patient(patient_id=key)])
    lakehouse.ingest()
    fixed_log: dict[str, list[str]] = {}
    for key, event in lakehouse.rows(
        "SELECT delivery, event FROM delivery_log WHERE feed = 'patients' ORDER BY delivery, entry"
    ):
        fixed_log.setdefault(key, []).append(event)
    return Seen(
        {key: error for (_, key), error in outcome.items()},
        ledger,
        log,
        changes,
        _ledger(lakehouse),
        fixed_log,
        {key for (key,) in lakehouse.rows("SELECT patient_id FROM patient")},
        [str(one) for one in look(lakehouse.settings).unplaceable],
    )


def test_only_the_broken_deliveries_fail_and_the_others_are_applied(seen: Seen) -> None:
    assert {key for key, error in seen.errors.items() if error is not None} == set(BROKEN)
    for key in ("a-good-one", "z-good-one"):
        assert seen.ledger[key]["status"] == "applied"
        assert seen.ledger[key]["error"] is None
        assert [seen.ledger[key][count] for count in COUNTS] == [1, 0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("key", BROKEN)
def test_the_error_names_file_found_and_expected_and_no_value(seen: Seen, key: str) -> None:
    broken = BROKEN[key]
    error = seen.errors[key]
    assert error is not None
    shape = re.fullmatch(r"'?(?P<file>.*?)'?: found (?P<found>.*); expected (?P<expected>.*)\.", error)
    assert shape, error
    assert shape["file"].startswith(broken.file.format(key=key, ext=broken.ext)), error
    assert re.search(broken.found.format(key=key), shape["found"]), error
    assert broken.expected in shape["expected"], error
    assert SECRET not in error
    assert len(error) < 600


@pytest.mark.parametrize("key", BROKEN)
def test_the_ledger_and_the_log_say_that_it_failed_and_why(seen: Seen, key: str) -> None:
    row = seen.ledger[key]
    assert (row["status"], row["error"], row["fingerprint"]) == ("failed", seen.errors[key], None)
    assert [row[count] for count in COUNTS] == [None] * 7
    assert ("failed", seen.errors[key]) in seen.log[key]


def test_a_broken_file_that_lies_there_still_changes_nothing(seen: Seen) -> None:
    assert seen.changes[0] == seen.changes[1]


@pytest.mark.parametrize("key", BROKEN)
def test_the_fixed_file_is_applied_and_the_error_is_gone(seen: Seen, key: str) -> None:
    row = seen.fixed[key]
    assert (row["status"], row["error"]) == ("applied", None)
    assert [row[count] for count in COUNTS] == [1, 0, 0, 0, 1, 1, 0]
    assert key in seen.restored
    assert seen.fixed_log[key].count("failed") == 1
    assert seen.fixed_log[key].index("failed") < seen.fixed_log[key].index("applied")


def test_a_file_of_no_known_feed_is_named_with_the_feeds_there_are(seen: Seen) -> None:
    (error,) = seen.unplaceable
    assert error.startswith("'payments_2024.csv': found ")
    assert re.search("expected .*patients, providers, claims", error)


BAD_KEYS = {
    "dots": "a..b",
    "single-quote": "o'brien",
    "double-quote": 'a"b',
    "space": "a b",
    "unicode": "\u00e9t\u00e9",
    "arabic-indic-digits": "\u0662\u0660\u0662\u0664",
    "too-long": "x" * 101,
    "hyphen-first": "-rf",
    "semicolon": "a;DROP TABLE dim_patient",
    "percent": "%2e%2e",
    "line-break": "a\nb",
    "not-utf-8": os.fsdecode(b"a\xff"),
    "only-an-extension": "patients_",
}


@pytest.mark.parametrize("flat", [False, True], ids=["in-its-folder", "flat"])
def test_bad_delivery_keys_are_refused_by_name_and_do_no_harm(lakehouse: Lakehouse, flat: bool) -> None:
    folder = lakehouse.settings.landing / "patients"
    folder.mkdir()
    names = []
    for key in BAD_KEYS.values():
        if key == "patients_":
            names.append("patients_.csv")
        else:
            names.append(f"patients_{key}.csv" if flat else f"patients/{key}.csv")
        (lakehouse.settings.landing / names[-1]).write_text(csv_text([patient(lname=SECRET)]))
    lakehouse.land("patients", "y" * 100, [patient(patient_id="kept")])
    errors = [str(one) for one in look(lakehouse.settings).unplaceable]
    assert len(errors) == len(BAD_KEYS)
    for error in errors:
        assert re.search("found no readable delivery key; expected a delivery key of 1 to 100 letters", error)
        assert error.isprintable()
        assert SECRET not in error
    for name in ("o'brien", "a..b", "a b", "%2e%2e"):
        assert any(name in error for error in errors)
    assert lakehouse.ingest() == {("patients", "y" * 100): None}
    assert lakehouse.rows("SELECT patient_id FROM patient") == [("kept",)]
    assert os.listdir(lakehouse.settings.home / "raw" / "patients") == ["y" * 100]  # noqa: PTH208


@pytest.mark.parametrize("name", [".2024.csv", "_2024.csv", "2024.csv.tmp", "2024.csv.part"])
def test_a_file_still_being_written_is_left_alone(lakehouse: Lakehouse, name: str) -> None:
    lakehouse.land("patients", "2024-01-01", [patient()])
    (lakehouse.settings.landing / "patients" / name).write_text("half a he")
    outlook = look(lakehouse.settings)
    assert [due.delivery for due in outlook.due] == ["2024-01-01"]
    assert outlook.unplaceable == []


def test_a_link_that_leads_to_itself_fails_alone(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "a", [patient()])
    (lakehouse.settings.landing / "patients" / "z.csv").symlink_to("z.csv")
    (lakehouse.settings.landing / "patients" / "y").mkdir()
    (lakehouse.settings.landing / "patients" / "y" / "part.csv").symlink_to("part.csv")
    outcome = lakehouse.ingest()
    assert outcome.pop(("patients", "a")) is None
    assert set(outcome) == {("patients", "y"), ("patients", "z")}
    assert None not in outcome.values()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read_fails_alone(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    lakehouse.land("patients", "2024-01-01", [patient()])
    denied = lakehouse.land("patients", "2024-02-01", [patient()]) if what == "file" else parts(lakehouse, "2024-02-01")

    # Root, who may run the tests, may read everything: have the system say no.
    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **options: Any) -> Any:
            if str(path) == str(denied):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **options)

        return call

    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    monkeypatch.setattr(Path, "open", refusing(Path.open))
    outcome = lakehouse.ingest()
    assert outcome[("patients", "2024-01-01")] is None
    error = outcome[("patients", "2024-02-01")]
    assert error is not None
    assert "ermission" in error
    assert "patients/2024-02-01" in error


# Odd files that are to be read like any other.


def odd(text: str) -> bytes:
    return text.encode()


ROW = patient(patient_id="odd", address="1 Main St, \u201cRear\u201d")
TEXT = csv_text([ROW])
ODD = {
    "byte-order-mark": b"\xef\xbb\xbf" + odd(TEXT),
    "crlf": odd(TEXT.replace("\n", "\r\n")),
    "byte-order-mark-and-crlf": b"\xef\xbb\xbf" + odd(TEXT.replace("\n", "\r\n")),
    "no-line-end-at-the-end": odd(TEXT.rstrip("\n")),
    "blank-lines": odd("\n" + TEXT.replace("\n", "\n\n \n")),
    "header-in-capitals": odd(TEXT.replace(HEADER, HEADER.upper())),
    "spaces-in-the-header": odd(TEXT.replace(HEADER, HEADER.replace(",", " ,\t"))),
    "quoted-header": odd(TEXT.replace(HEADER, ",".join(f'"{name}"' for name in patient()))),
    "columns-in-another-order": odd(csv_text([ROW], header=reversed(list(ROW)))),
    "every-field-quoted": odd("".join(f'"{line}"\n' for line in ['","'.join(ROW), '","'.join(ROW.values())])),
}


@pytest.fixture(scope="module")
def odd_lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path_factory.mktemp("odd"))
    for key, content in ODD.items():
        lakehouse.land("patients", key, content)
    lakehouse.land("patients", "gzip", gzip.compress(TEXT.encode()), "csv.gz")
    lakehouse.land("patients", "GZIP", gzip.compress(TEXT.encode()), "CSV.GZ")
    lakehouse.land("patients", "parquet", as_parquet([ROW]), "parquet")
    assert set(lakehouse.ingest().values()) == {None}
    return lakehouse


@pytest.mark.parametrize("key", [*ODD, "gzip", "GZIP", "parquet"])
def test_odd_spellings_of_a_file_are_read_as_the_same_rows(odd_lakehouse: Lakehouse, key: str) -> None:
    columns = "patient_id, fname, address, zipcode, CAST(date_of_birth AS VARCHAR), row_number"
    rows = odd_lakehouse.rows(
        f"SELECT {columns} FROM dim_patient WHERE delivery = $1"
        f" UNION ALL SELECT {columns} FROM restated_patient WHERE delivery = $1",
        key,
    )
    assert rows == [("odd", "Ann", "1 Main St, \u201cRear\u201d", "72201", "1948-09-19", 1)]
    assert odd_lakehouse.rows("SELECT rows_landed, rows_valid FROM delivery WHERE delivery = $1", key) == [(1, 1)]
    assert odd_lakehouse.rows("SELECT rule, column_name FROM issue WHERE delivery = $1", key) == []


def test_an_empty_file_with_a_header_is_a_delivery_of_no_rows(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", HEADER + "\n")
    lakehouse.land("providers", "2024-01-01", ",".join(provider()))
    lakehouse.land("claims", "2024-01-01", _no_rows(claim()), "parquet")
    assert set(lakehouse.ingest().values()) == {None}
    rows = lakehouse.rows(f"SELECT status, error, {', '.join(COUNTS)} FROM delivery")
    assert rows == [("applied", None, 0, 0, 0, 0, 0, 0, 0)] * 3
    assert lakehouse.rows("SELECT count(*) FROM issue") == [(0,)]
    assert lakehouse.ingest() == {}


def _no_rows(row: dict[str, str]) -> bytes:
    written = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist([row]).slice(0, 0), written)
    return written.getvalue()


def test_an_empty_replacement_takes_every_row_back(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", [patient(), patient(patient_id="2")])
    lakehouse.ingest()
    lakehouse.land("patients", "2024-01-01", HEADER + "\n")
    lakehouse.ingest()
    assert lakehouse.rows("SELECT count(*) FROM dim_patient") == [(0,)]
    assert lakehouse.rows("SELECT status, rows_landed, versions_added FROM delivery") == [("applied", 0, 0)]


def test_an_unexpected_column_is_one_warning_and_stays_in_raw(lakehouse: Lakehouse) -> None:
    rows = [patient(patient_id=str(n), Shoe_Size="44", row_number="7") for n in range(3)]
    lakehouse.land("patients", "2024-01-01", rows)
    lakehouse.ingest()
    found = lakehouse.rows("SELECT rule, column_name, row_number, severity, status FROM issue ORDER BY column_name")
    assert [(rule, row, severity, status) for rule, _, row, severity, status in found] == [
        ("unexpected_column", None, "warning", "open")
    ] * 2
    assert found[1][1].lower() == "shoe_size"
    assert lakehouse.rows("SELECT rows_valid, rows_quarantined FROM delivery") == [(3, 0)]
    (raw,) = lakehouse.settings.delivery_folder("patients", "2024-01-01").glob("*.parquet")
    table = parquet.read_table(raw)
    kept = {name.lower(): table[name].to_pylist() for name in table.column_names}
    assert kept["shoe_size"] == ["44"] * 3
    assert kept["row_number"] == [1, 2, 3]
    assert ["7"] * 3 in kept.values()


def test_a_field_of_10_mb_does_no_harm(lakehouse: Lakehouse) -> None:
    long = "x" * 10_000_000
    rows = [patient(address=long), patient(patient_id="2", zipcode=long), patient(patient_id="3")]
    lakehouse.land("patients", "2024-01-01", rows)
    assert lakehouse.ingest() == {("patients", "2024-01-01"): None}
    assert lakehouse.rows("SELECT patient_id, length(address) FROM patient ORDER BY 1") == [
        ("1000U", 10_000_000),
        ("3", len(patient()["address"])),
    ]
    assert lakehouse.rows("SELECT rule, length(value), length(message) < 500 FROM issue") == [
        ("bad_zipcode", 10_000_000, True)
    ]


def test_malformed_records_are_issues_and_the_rest_goes_on(lakehouse: Lakehouse) -> None:
    good = [csv_text([patient(patient_id=f"{n}")]).splitlines()[1] for n in range(4)]
    records = [good[0], "too,few", good[1], good[2] + ",more", '"Ann"x' + good[3][1:], good[3]]
    bad_bytes = good[3].encode().replace(b"Ward", b"W\xffrd")
    content = (HEADER + "\n" + "\n".join(records) + "\n").encode() + bad_bytes + b"\n"
    lakehouse.land("patients", "2024-01-01", content)
    lakehouse.ingest()
    assert lakehouse.rows("SELECT rows_landed, rows_malformed, rows_quarantined, rows_valid FROM delivery") == [
        (7, 4, 0, 3)
    ]
    found = lakehouse.rows("SELECT row_number, rule, value, severity FROM issue ORDER BY row_number")
    assert [(row, rule, severity) for row, rule, _, severity in found] == [
        (row, "malformed_row", "error") for row in (2, 4, 5, 7)
    ]
    assert [value for _, _, value, _ in found][:3] == [records[1], records[3], records[4]]
    assert "rd" in found[3][2]


# What happens to a delivery over time.


TABLES = ("dim_patient", "dim_provider", "fact_claim", "restated_patient", "restated_provider", "restated_claim")


def export(lakehouse: Lakehouse, folder: Path, *more: str) -> dict[str, bytes]:
    """Every table in order, as CSV bytes."""
    folder.mkdir(exist_ok=True)
    exported = {}
    for table in (*TABLES, *more):
        file = folder / "table.csv"
        lakehouse.rows(f"COPY (SELECT * FROM ({table if ' ' in table else 'FROM ' + table}) ORDER BY ALL) TO '{file}'")
        exported[table] = file.read_bytes()
    return exported


def test_after_a_broken_replacement_the_last_good_content_stays(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.land("patients", "2024-01-01", [patient(), patient(patient_id="2")])
    lakehouse.ingest()
    before = export(lakehouse, tmp_path / "export")
    (counts,) = lakehouse.rows(f"SELECT {', '.join(COUNTS)}, fingerprint FROM delivery")
    lakehouse.land("patients", "2024-01-01", without("zipcode"))
    error = lakehouse.ingest()["patients", "2024-01-01"]
    assert error is not None
    assert export(lakehouse, tmp_path / "export") == before
    assert lakehouse.rows(f"SELECT {', '.join(COUNTS)}, fingerprint FROM delivery") == [counts]
    assert lakehouse.rows("SELECT status FROM delivery") == [("applied",)]
    log = lakehouse.rows("SELECT event, detail FROM delivery_log ORDER BY entry")
    assert log[-1] == ("failed", error)
    assert "applied" in [event for event, _ in log]

    lakehouse.land("patients", "2024-01-01", [patient(), patient(patient_id="2")])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT status, error FROM delivery") == [("applied", None)]
    assert export(lakehouse, tmp_path / "export") == before


def test_the_log_names_every_content_that_failed(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", "x\n")
    lakehouse.ingest()
    lakehouse.land("patients", "2024-01-01", "x\ny\n")
    lakehouse.ingest()
    failed = lakehouse.rows("SELECT fingerprint FROM delivery_log WHERE event = 'failed'")
    assert len({fingerprint for (fingerprint,) in failed}) == 2


def test_the_same_file_again_changes_nothing(lakehouse: Lakehouse, tmp_path: Path) -> None:
    rows = [patient(), patient(patient_id="2", zipcode="bad")]
    lakehouse.land("patients", "2024-01-01", rows)
    lakehouse.ingest()
    everything = ("delivery", "issue", "delivery_log")
    before = export(lakehouse, tmp_path / "export", *everything)
    published = lakehouse.settings.published.read_bytes()
    path = lakehouse.land("patients", "2024-01-01", rows)
    os.utime(path, (1, 1))
    assert lakehouse.ingest() == {}
    assert export(lakehouse, tmp_path / "export", *everything) == before
    assert lakehouse.settings.published.read_bytes() == published


def test_a_replacement_takes_exactly_the_rows_of_the_content_before(lakehouse: Lakehouse, tmp_path: Path) -> None:
    other = [patient(patient_id="2", fname="Old", last_modified_date="2018-01-01"), patient(patient_id="9")]
    first = [patient(), patient(patient_id="2", zipcode="bad"), patient(patient_id="3"), patient(patient_id="9")]
    second = [patient(fname="Anna"), patient(patient_id="2", fname="New")]
    for key, rows in (("2023-06-01", other), ("2024-01-01", first)):
        lakehouse.land("patients", key, rows)
    lakehouse.ingest()
    lakehouse.land("patients", "2024-01-01", second)
    lakehouse.ingest()
    assert lakehouse.rows("SELECT patient_id, fname, version, delivery FROM dim_patient ORDER BY 1, 3") == [
        ("1000U", "Anna", 1, "2024-01-01"),
        ("2", "Old", 1, "2023-06-01"),
        ("2", "New", 2, "2024-01-01"),
        ("9", "Ann", 1, "2023-06-01"),
    ]
    assert lakehouse.rows("SELECT count(*) FROM restated_patient") == [(0,)]
    assert lakehouse.rows("SELECT count(*) FROM issue") == [(0,)]
    assert "replaced" in [e for (e,) in lakehouse.rows("SELECT event FROM delivery_log WHERE delivery = '2024-01-01'")]

    fresh = Lakehouse(tmp_path / "fresh")
    for key, rows in (("2023-06-01", other), ("2024-01-01", second)):
        fresh.land("patients", key, rows)
    fresh.ingest()
    history = "SELECT * EXCLUDE (recorded_at) FROM dim_patient ORDER BY ALL"
    assert lakehouse.rows(history) == fresh.rows(history)
    # The content before stays on disk, under its fingerprint.
    assert len(list(lakehouse.settings.delivery_folder("patients", "2024-01-01").glob("*.parquet"))) == 2


def test_a_file_that_disappears_changes_nothing(lakehouse: Lakehouse, tmp_path: Path) -> None:
    path = lakehouse.land("patients", "2024-01-01", [patient()])
    lakehouse.ingest()
    before = export(lakehouse, tmp_path / "export", "delivery", "delivery_log")
    path.unlink()
    assert lakehouse.ingest() == {}
    shutil.rmtree(lakehouse.settings.landing / "patients")
    assert lakehouse.ingest() == {}
    assert export(lakehouse, tmp_path / "export", "delivery", "delivery_log") == before


LEDGER = f"SELECT feed, delivery, received_at, fingerprint, status, error, {', '.join(COUNTS)} FROM delivery"


def busy(lakehouse: Lakehouse) -> None:
    """A lakehouse that has seen late, replaced, restated, empty and nameless deliveries."""
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2"), patient(patient_id="3", zipcode="x")])
    lakehouse.land("claims", "2024-01-01", [claim(), claim(claim_id="2", patient_id="4"), claim(claim_id="3")])
    lakehouse.land("patients", "someday", [patient(fname="Anne", last_modified_date="2020-01-01")])
    lakehouse.ingest()
    lakehouse.land("providers", "2024-01-02", [provider()])
    lakehouse.land("patients", "2023-12-31", [patient(fname="Ana", last_modified_date="2019-12-31")])
    lakehouse.land("patients", "2024-02-01", [patient(patient_id="2", last_modified_date="2020-02-02")])
    lakehouse.land("claims", "2024-01-01", [claim(), claim(claim_id="2", patient_id="4", billed="F")])
    lakehouse.land("claims", "2024-03-01", ",".join(claim()))
    lakehouse.ingest()


def test_a_deleted_warehouse_comes_back_byte_for_byte(lakehouse: Lakehouse, tmp_path: Path) -> None:
    busy(lakehouse)
    everything = ("issue", "delivery_log", LEDGER)
    before = export(lakehouse, tmp_path / "export", *everything)
    # A header, two versions from priming, and one each from `someday` and 2023-12-31; 2024-02-01 says nothing new.
    assert before["dim_patient"].count(b"\n") == 5
    assert before["restated_patient"].count(b"\n") == 2
    recorded = lakehouse.rows("SELECT delivery, recorded_at FROM dim_patient ORDER BY ALL")
    assert all(isinstance(moment, datetime) for _, moment in recorded)
    lakehouse.settings.warehouse.unlink()
    lakehouse.ingest()
    assert export(lakehouse, tmp_path / "export", *everything) == before


def test_a_deleted_warehouse_comes_back_without_the_landing_folder(lakehouse: Lakehouse, tmp_path: Path) -> None:
    busy(lakehouse)
    before = export(lakehouse, tmp_path / "export", "issue", LEDGER)
    lakehouse.settings.warehouse.unlink()
    shutil.rmtree(lakehouse.settings.landing)
    lakehouse.settings.landing.mkdir()
    lakehouse.ingest()
    assert export(lakehouse, tmp_path / "export", "issue", LEDGER) == before


def test_a_deleted_warehouse_comes_back_with_the_last_good_content_of_a_broken_file(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    lakehouse.land("patients", "2024-01-01", [patient()])
    lakehouse.ingest()
    lakehouse.land("patients", "2024-01-01", without("zipcode"))
    lakehouse.ingest()
    before = export(lakehouse, tmp_path / "export", LEDGER)
    assert before["dim_patient"].count(b"\n") == 2
    lakehouse.settings.warehouse.unlink()
    lakehouse.ingest()
    assert export(lakehouse, tmp_path / "export", LEDGER) == before


def test_a_deleted_warehouse_comes_back_with_a_failed_delivery_whose_file_is_gone(
    lakehouse: Lakehouse, tmp_path: Path
) -> None:
    path = lakehouse.land("patients", "2024-01-01", "no header\n")
    lakehouse.ingest()
    path.unlink()
    before = export(lakehouse, tmp_path / "export", LEDGER)
    assert b"failed" in before[LEDGER]
    lakehouse.settings.warehouse.unlink()
    lakehouse.ingest()
    assert export(lakehouse, tmp_path / "export", LEDGER) == before


def test_a_file_replaced_while_it_is_taken_up_is_never_kept_under_the_other_ones_fingerprint(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.land("patients", "2024-01-01", [patient(fname="Old")])
    real, calls = Fingerprints.of, []

    def replaced_after(known: Fingerprints, parts: Any) -> str:
        fingerprint = real(known, parts)
        calls.append(fingerprint)
        # The first look is the plan's, the second that of the stage which reads the file next.
        if len(calls) == 2:
            lakehouse.land("patients", "2024-01-01", [patient(fname="New")])
        return fingerprint

    monkeypatch.setattr(Fingerprints, "of", replaced_after)
    lakehouse.ingest()
    lakehouse.land("patients", "2024-01-01", [patient(fname="Old")])
    lakehouse.ingest()
    assert len(calls) > 2
    assert lakehouse.rows("SELECT fname FROM patient") == [("Old",)]


@pytest.mark.parametrize("feed", ["patients", "providers", "claims"])
def test_a_delivery_of_nothing_but_malformed_rows_is_counted_to_the_last(lakehouse: Lakehouse, feed: str) -> None:
    header = ",".join({"patients": patient, "providers": provider, "claims": claim}[feed]())
    lakehouse.land(feed, "2024-01-01", f"{header}\nx\ny,z\n")
    assert lakehouse.ingest() == {(feed, "2024-01-01"): None}
    assert lakehouse.rows("SELECT rows_landed, rows_malformed, rows_valid FROM delivery") == [(2, 2, 0)]


@pytest.mark.parametrize("place", [1, 2])
def test_an_interchange_for_tests_is_one_warning_that_names_isa15_and_is_taken(
    lakehouse: Lakehouse, place: int
) -> None:
    sent = [interchange(enrolments([*INSURED[:4], f"NM1*IL*1*WARD*ANN****ZZ*P{n}"], COVERAGE)) for n in range(3)]
    sent[place] = sent[place].replace("*1*P*:~", "*1*T*:~")
    lakehouse.land("coverages", "2024-01-01", "".join(sent), "834")
    lakehouse.ingest()
    told = lakehouse.rows("SELECT rule, column_name, severity, message FROM issue WHERE row_number IS NULL")
    assert told == [("test_interchange", "ISA15", "warning", told[0][3])]
    assert "tests (T)" in told[0][3]
    assert lakehouse.rows("SELECT rows_valid, rows_quarantined FROM delivery") == [(3, 0)]
    lakehouse.land("coverages", "2024-01-01", "".join(sent).replace("*1*T*:~", "*1*P*:~"), "834")
    lakehouse.ingest()
    assert lakehouse.rows("SELECT count(*) FROM issue WHERE rule = 'test_interchange' AND status = 'open'") == [(0,)]
