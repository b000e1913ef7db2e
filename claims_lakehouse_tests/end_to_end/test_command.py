"""The `claims` command as people run it: a process of its own, its exit status, its output and its files."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

import claims_lakehouse
from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.history import acts
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import FLEXION, REPOSITORY, Lakehouse, claim, csv_text, patient, provider

SECRET = "Zyxwvutsrq"


class Said(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str


def claims(*arguments: str | Path, home: Path | None = None, landing: Path | None = None, **more: str) -> Said:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", "NO_COLOR": "1"} | more
    environment |= {"CLAIMS_HOME": str(home)} if home else {}
    environment |= {"CLAIMS_LANDING": str(landing)} if landing else {}
    command = [sys.executable, "-m", "claims_lakehouse.cli", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


class Ingested(NamedTuple):
    """The flexion deliveries, ingested twice."""

    home: Path
    first: Said
    second: Said


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    if not FLEXION.is_dir():
        pytest.skip("the sample deliveries (shared/data/flexion) are not beside the repository")
    home = tmp_path_factory.mktemp("flexion") / "home"
    first = claims("ingest", "--landing", FLEXION, home=home)
    return Ingested(home, first, claims("ingest", "--landing", FLEXION, home=home))


@pytest.fixture
def con(ingested: Ingested, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CLAIMS_HOME", str(ingested.home))
    with claims_lakehouse.connect() as connection:
        yield connection


def test_ingest_ends_well_and_shows_what_became_of_each_delivery(ingested: Ingested) -> None:
    assert ingested.first.status == 0
    for name in ("landed", "malformed", "quarantined", "duplicate", "valid", "versions added", "restated"):
        assert name in ingested.first.out
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in ingested.first.out.splitlines()]
    by_delivery = {(row[0], row[1]): row[2:] for row in cells if len(row) > 8}
    assert set(by_delivery) == {
        (feed, key) for feed in ("patients", "providers", "claims") for key in ("priming", "update")
    }
    # landed, malformed, ..., valid as the issue has them.
    expected = {"patients": (102, 1, 98), "providers": (102, 1, 99), "claims": (1004, 2, 998)}
    for feed, counts in expected.items():
        row = [int(cell.replace(",", "")) for cell in by_delivery[feed, "priming"][:7]]
        assert (row[0], row[1], row[4]) == counts
        assert row[0] == row[1] + row[2] + row[3] + row[4]
        assert row[4] == row[5] + row[6]
    assert by_delivery["providers", "priming"][3] == "1"


def test_a_second_ingest_has_nothing_to_do_and_says_so(ingested: Ingested) -> None:
    assert ingested.second.status == 0
    assert "nothing to do" in (ingested.second.out + ingested.second.err).lower()


def test_the_tables_hold_the_records_and_versions_that_they_should(con: duckdb.DuckDBPyConnection) -> None:
    tables = (("patient", "dim_patient"), ("provider", "dim_provider"), ("claim", "fact_claim"))
    counts = [
        con.execute(f"SELECT (SELECT count(*) FROM {now}), (SELECT count(*) FROM {all_})").fetchall()[0]
        for now, all_ in tables
    ]
    assert counts == [(110, 112), (110, 113), (1009, 1013)]


def test_each_row_that_is_not_valid_is_an_issue_with_number_and_message(con: duckdb.DuckDBPyConnection) -> None:
    wrong = con.execute(
        """
        SELECT feed, delivery, rows_malformed + rows_quarantined AS wrong, rows_malformed, rows_duplicate FROM delivery
        """
    ).fetchall()
    assert sum(row[2] for row in wrong) > 0
    for feed, delivery, count, malformed, duplicate in wrong:
        of = [feed, delivery]
        rows = "SELECT count(DISTINCT row_number) FROM issue WHERE feed = $1 AND delivery = $2 AND length(message) > 10"
        assert con.execute(f"{rows} AND severity = 'error'", of).fetchall() == [(count,)]
        assert con.execute(f"{rows} AND rule = 'malformed_row'", of).fetchall() == [(malformed,)]
        assert con.execute(f"{rows} AND rule = 'duplicate_row'", of).fetchall() == [(duplicate,)]


@pytest.fixture(scope="module")
def known() -> dict[str, list[dict[str, Any]]]:
    """The current records, by an implementation that shares no code with this one."""
    if not FLEXION.is_dir():
        pytest.skip("the sample deliveries (shared/data/flexion) are not beside the repository")
    deliveries = []
    for file in sorted(FLEXION.glob("*.csv")):
        feed, key = file.stem.split("_")
        # `update` names no moment; any after priming and the data's own dates orders it the same.
        received = oracle.received_at("priming" if key == "priming" else "2026-01-01")
        deliveries.append(oracle.Delivery(feed, key, received, file.read_bytes()))
    versions = oracle.tables(deliveries).versions
    return {feed: [row for row in rows if row["is_current"]] for feed, rows in versions.items()}


def _by(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return defaultdict(lambda: defaultdict(lambda: None), {row[key]: row for row in rows})


def test_which_claims_are_not_billed_yet(
    con: duckdb.DuckDBPyConnection, known: dict[str, list[dict[str, Any]]]
) -> None:
    patients, providers = _by(known["patients"], "patient_id"), _by(known["providers"], "provider_id")
    expected = []
    for one in known["claims"]:
        if not one["billed"]:
            who, by = patients[one["patient_id"]], providers[one["provider_id"]]
            where = (who["address"], who["city"], who["state"], who["zipcode"])
            expected.append((one["claim_id"], who["fname"], who["lname"], *where, by["fname"], by["lname"]))
    answer = con.execute(
        """
        SELECT claim_id, patient_fname, patient_lname, patient_address, patient_city, patient_state, patient_zipcode,
               provider_fname, provider_lname
        FROM claim_detail WHERE NOT billed
        """
    ).fetchall()
    assert len(expected) > 100
    assert sorted(answer, key=repr) == sorted(expected, key=repr)


def test_which_providers_have_fully_covered_claims_in_the_last_30_days(
    con: duckdb.DuckDBPyConnection, known: dict[str, list[dict[str, Any]]]
) -> None:
    providers = _by(known["providers"], "provider_id")
    days = sorted({one["claim_date"] for one in known["claims"]})
    for day in (
        days[len(days) // 2],
        days[-1],
        days[0] - timedelta(1),
        days[0] + timedelta(30),
        days[0] + timedelta(31),
    ):
        expected = {
            (one["provider_id"], providers[one["provider_id"]]["lname"])
            for one in known["claims"]
            if one["coverage_type"] == 100 and day - timedelta(30) <= one["claim_date"] <= day
        }
        answer = con.execute(
            """
            SELECT DISTINCT provider_id, provider_lname FROM claim_detail
            WHERE coverage_type = 100 AND claim_date BETWEEN CAST($1 AS DATE) - 30 AND $1
            """,
            [day],
        ).fetchall()
        assert set(answer) == expected
    assert isinstance(days[0], date)


def test_which_patients_had_surgery_with_a_given_provider(
    con: duckdb.DuckDBPyConnection, known: dict[str, list[dict[str, Any]]]
) -> None:
    patients = _by(known["patients"], "patient_id")
    surgeries: dict[str, set[tuple[str, Any]]] = defaultdict(set)
    for one in known["claims"]:
        if one["visit_type"] == "surgery":
            surgeries[one["provider_id"]].add((one["patient_id"], patients[one["patient_id"]]["lname"]))
    assert len(surgeries) > 10
    for by, expected in surgeries.items():
        answer = con.execute(
            """
            SELECT DISTINCT claim.patient_id, lname FROM claim LEFT JOIN patient USING (patient_id)
            WHERE visit_type = 'surgery' AND provider_id = $1
            """,
            [by],
        ).fetchall()
        assert set(answer) == expected


def test_connect_gives_a_connection_that_cannot_write(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error):
        con.execute("DELETE FROM dim_patient")


def test_files_are_for_their_owner_and_the_published_one_for_the_group(ingested: Ingested) -> None:
    modes = defaultdict(set)
    for folder, _, files in os.walk(ingested.home):
        modes["folder"].add(stat.S_IMODE(Path(folder).stat().st_mode))
        for name in files:
            path = Path(folder) / name
            kind = "published" if path == ingested.home / "published" / "claims.duckdb" else "file"
            modes[kind].add(stat.S_IMODE(path.stat().st_mode))
    assert modes == {"folder": {0o700}, "file": {0o600}, "published": {0o640}}


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (["status"], {"feed", "delivery", "status", "rows_landed", "versions_added", "error"}),
        (["status", "--by-iteration"], {"iteration", "status", "patients", "providers", "claims"}),
        (["issues"], {"issue_id", "feed", "rule", "row_number", "message", "value", "suggestion"}),
        (["issues", "--feed", "claims", "--rule", "swapped_ids"], {"issue_id", "suggestion"}),
        (["query", "SELECT * FROM claim_detail ORDER BY claim_id LIMIT 3"], {"claim_id", "total_cost", "amount_due"}),
        (["query", "SELECT 'nan'::DOUBLE AS x, MAP {DATE '2024-01-01': 1} AS y, '\\xAA'::BLOB AS z"], {"x", "y", "z"}),
    ],
    ids=["status", "iterations", "issues", "some-issues", "query", "query-odd-types"],
)
def test_json_goes_to_stdout_and_nothing_else(ingested: Ingested, arguments: list[str], columns: set[str]) -> None:
    said = claims(*arguments, "--json", home=ingested.home)
    assert said.status == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    rows = json.loads(said.out, parse_constant=refuse)
    assert rows
    assert all(columns <= set(row) for row in rows)


def test_issues_are_narrowed_by_what_is_asked_for(ingested: Ingested, con: duckdb.DuckDBPyConnection) -> None:
    said = claims(
        "issues", "--json", "--feed", "patients", "--delivery", "priming", "--severity", "error", "--status", "open",
        "--limit", "0", home=ingested.home,
    )  # fmt: skip
    rows = json.loads(said.out)
    (expected,) = con.execute(
        "SELECT count(*) FROM issue WHERE feed = 'patients' AND delivery = 'priming' AND severity = 'error'"
        " AND status = 'open'"
    ).fetchall()
    assert len(rows) == expected[0] > 0
    assert {(row["feed"], row["delivery"], row["severity"], row["status"]) for row in rows} == {
        ("patients", "priming", "error", "open")
    }


# What needs no run of Dagster first: a lakehouse made by the domain alone.


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("small")
    lakehouse = Lakehouse(base)
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2", zipcode="bad")])
    lakehouse.land("providers", "priming", [provider()])
    lakehouse.land("claims", "2024-01-01", [claim()])
    lakehouse.ingest()
    return base


@pytest.fixture
def small(template: Path, tmp_path: Path) -> Lakehouse:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


WRONG_USE = {
    "unknown-feed": ["issues", "--feed", "payments"],
    "no-such-column": ["query", "SELECT nothing FROM patient"],
    "no-sql": ["query", "SELEC 1"],
    "no-table": ["query", "FROM nowhere"],
    "empty-sql": ["query", ""],
    "error-in-a-row": ["query", "--json", "SELECT CASE WHEN i = 150000 THEN error('late') END FROM range(200000) t(i)"],
    "unknown-command": ["inject"],
    "unknown-option": ["status", "--by-week"],
    "negative-limit": ["issues", "--limit", "-1"],
    "unknown-severity": ["issues", "--severity", "fatal"],
    "unknown-status": ["issues", "--status", "closed"],
    "unknown-rule": ["issues", "--rule", "no_such_rule"],
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_ends_with_status_2_and_a_word_on_it(small: Lakehouse, case: str) -> None:
    said = claims(*WRONG_USE[case], home=small.settings.home)
    assert said.status == 2
    assert said.out == ""
    assert len(said.err.strip()) > 10


def test_a_landing_folder_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    said = claims("ingest", "--landing", tmp_path / "nowhere", home=tmp_path / "home")
    assert said.status == 2
    assert "nowhere" in said.err


def test_a_home_that_is_a_file_is_told_in_a_line(tmp_path: Path, lakehouse: Lakehouse) -> None:
    (tmp_path / "file").write_text("x")
    lakehouse.land("patients", "priming", [patient()])
    said = claims("ingest", landing=lakehouse.settings.landing, home=tmp_path / "file")
    assert said.status in (1, 2)
    assert "file" in said.err


def test_reading_before_anything_is_published_is_wrong_use(tmp_path: Path) -> None:
    said = claims("status", home=tmp_path)
    assert said.status == 2
    assert "claims ingest" in said.err


FORBIDDEN = {
    "read-csv": "SELECT * FROM read_csv('{other}')",
    "read-text": "SELECT * FROM read_text('{other}')",
    "read-by-name": "FROM '{other}'",
    "glob": "SELECT * FROM glob('/etc/*')",
    "copy-to": "COPY (SELECT 1 AS a) TO '{beside}'",
    "copy-to-the-log": "COPY (SELECT 1 AS a) TO '{published}.wal' (FORMAT csv)",
    "explain-copy-to-the-log": "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{published}.wal' (FORMAT csv)",
    "copy-over-the-published-file": "COPY (SELECT 1 AS a) TO '{published}' (FORMAT csv, USE_TMP_FILE false)",
    "copy-after-a-select": "SELECT 1; COPY (SELECT 1 AS a) TO '{published}.wal' (FORMAT csv)",
    "copy-from": "COPY dim_patient FROM '{other}'",
    "export": "EXPORT DATABASE '{beside}'",
    "attach": "ATTACH '{beside}'",
    "attach-the-warehouse": "ATTACH '{warehouse}' AS w",
    "attach-for-writing": "ATTACH '{published}' AS w (READ_WRITE)",
    "delete": "DELETE FROM dim_patient",
    "update": "UPDATE dim_patient SET fname = 'x'",
    "insert": "INSERT INTO dim_patient SELECT * FROM dim_patient",
    "create": "CREATE TABLE mine AS SELECT 1",
    "drop": "DROP TABLE dim_patient",
    "after-a-select": "SELECT 1; DROP TABLE dim_patient",
    "unlock": "SET enable_external_access = true",
    "install": "INSTALL httpfs",
    "load": "LOAD '{other}'",
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_sql_neither_reads_files_nor_writes_anything(small: Lakehouse, tmp_path: Path, case: str) -> None:
    other = tmp_path / "other.csv"
    other.write_text(f"a\n{SECRET}\n")
    settings = small.settings
    published = settings.published.read_bytes()
    before = sorted(tmp_path.rglob("*"))
    sql = FORBIDDEN[case].format(
        other=other, beside=tmp_path / "new", published=settings.published, warehouse=settings.warehouse
    )
    said = claims("query", sql, home=settings.home)
    assert settings.published.read_bytes() == published
    assert sorted(tmp_path.rglob("*")) == before
    assert SECRET not in said.out + said.err
    assert said.status == 2
    assert said.out == ""


@pytest.mark.parametrize(
    "sql", ["FROM patient", "DESCRIBE patient", "SHOW TABLES", "SUMMARIZE claim", "WITH a AS (SELECT 1) FROM a"]
)
def test_sql_that_only_asks_is_answered(small: Lakehouse, sql: str) -> None:
    said = claims("query", sql, home=small.settings.home)
    assert said.status == 0
    assert len(said.out) > 10


def test_a_broken_file_ends_with_status_1_is_named_and_leaves_the_others_alone(lakehouse: Lakehouse) -> None:
    settings = lakehouse.settings
    bad = csv_text([patient(lname=SECRET)], header=[name for name in patient() if name != "zipcode"])
    lakehouse.land("patients", "2024-01-01", bad)
    lakehouse.land("patients", "2024-01-02", [patient(lname=SECRET, zipcode=SECRET)])
    lakehouse.land("providers", "2024-01-02", [provider()])
    (settings.landing / "payments:2024.csv").write_text(SECRET)
    said = claims("ingest", landing=settings.landing, home=settings.home)
    assert said.status == 1
    failures = [line for line in said.err.splitlines() if line.startswith("failed:")]
    assert len(failures) == 2
    assert any("patients/2024-01-01.csv" in line and "'zipcode'" in line and "expected" in line for line in failures)
    assert SECRET not in said.out + said.err
    statuses = lakehouse.rows("SELECT feed, delivery, status FROM delivery ORDER BY ALL")
    assert statuses == [
        ("patients", "2024-01-01", "failed"),
        ("patients", "2024-01-02", "applied"),
        ("providers", "2024-01-02", "applied"),
    ]
    # No log, event or run record of Dagster's holds a value of a row.
    for file in settings.dagster_home.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file

    lakehouse.land("patients", "2024-01-01", [patient(patient_id="fixed")])
    (settings.landing / "payments:2024.csv").unlink()
    assert claims("ingest", landing=settings.landing, home=settings.home).status == 0
    assert lakehouse.rows("SELECT status, error FROM delivery WHERE delivery = '2024-01-01'") == [("applied", None)]
    assert lakehouse.rows("SELECT patient_id FROM patient") == [("fixed",)]


def test_a_file_of_no_feed_is_named_once_and_by_its_whole_name(lakehouse: Lakehouse) -> None:
    (lakehouse.settings.landing / "payments:2024.csv").write_text(SECRET)
    said = claims("ingest", landing=lakehouse.settings.landing, home=lakehouse.settings.home)
    assert said.status == 1
    (failure,) = [line for line in said.err.splitlines() if line.startswith("failed:")]
    assert failure.count("payments") == 1
    assert "payments:2024.csv" in failure


def test_what_a_killed_run_applied_is_published_by_the_next(small: Lakehouse) -> None:
    small.land("patients", "2024-02-01", [patient(patient_id="late")])
    # Applied, and killed before it was published.
    assert small.process("patients", "2024-02-01") is None
    assert small.rows("SELECT count(*) FROM patient WHERE patient_id = 'late'") == [(0,)]
    assert claims("ingest", landing=small.settings.landing, home=small.settings.home).status == 0
    assert small.rows("SELECT count(*) FROM patient WHERE patient_id = 'late'") == [(1,)]


def test_a_deleted_published_file_is_published_again(small: Lakehouse) -> None:
    small.settings.published.unlink()
    assert claims("ingest", landing=small.settings.landing, home=small.settings.home).status == 0
    assert small.rows("SELECT patient_id FROM patient") == [("1000U",)]


def test_values_are_printed_as_they_are_not_as_markup(small: Lakehouse) -> None:
    said = claims("query", r"SELECT '[red]x[/red]' AS a, E'\x1b[2J' AS b", home=small.settings.home)
    assert "[red]x[/red]" in said.out
    assert "\x1b[2J" not in said.out


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", ""])
def test_the_desk_is_not_opened_to_others_without_a_sign_in(tmp_path: Path, host: str) -> None:
    said = claims("desk", "--host", host, home=tmp_path / "home")
    assert said.status == 2
    assert "nobody has to sign in. Set CLAIMS_DESK_SIGN_IN" in " ".join(said.err.split())
    assert "Verification desk at" not in said.err


def test_what_was_decided_is_carried_out_and_what_has_landed_since_is_left_alone(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path)
    lakehouse.land("patients", "2024-02-01", [patient(), patient(patient_id="2000U", state="Conneticut")])
    lakehouse.ingest()
    changes = {2: {"state": "Connecticut"}}
    acts.correct(lakehouse.settings, PATIENTS, "2024-02-01", changes, because="asked", who="ann")
    lakehouse.land("patients", "2024-02-01", "half a fi")
    lakehouse.land("patients", "2024-03-01", [patient(patient_id="3000U")])
    said = claims("ingest", "--decided", home=lakehouse.settings.home, landing=lakehouse.settings.landing)
    assert said.status == 0, said.err
    assert lakehouse.rows("SELECT patient_id, state FROM patient ORDER BY 1") == [
        ("1000U", "Arkansas"), ("2000U", "Connecticut")
    ]  # fmt: skip
    assert lakehouse.rows("SELECT delivery, error FROM delivery") == [("2024-02-01", None)]
    assert claims("ingest", home=lakehouse.settings.home, landing=lakehouse.settings.landing).status == 1
    assert lakehouse.rows("SELECT count(*) FROM patient") == [(3,)]
