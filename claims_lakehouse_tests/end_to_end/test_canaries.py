"""Nobody's data leaks (law 6): canaries in every column of every feed of people, looked for wherever they may not be.

One lakehouse is driven through the real commands: good rows, rows that break each rule, malformed ones, files that
cannot be read. What `claims query` may not reach is in test_command; errors that nobody foresaw and alerts are in
orchestration/test_runs; the text of the UI's pages is for the browser tests.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sqlite3
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

import claims_lakehouse
from claims_lakehouse.contracts import CLAIMS, MEDICAL_CLAIMS, Feed
from claims_lakehouse.contracts.layouts import SYNTHEA_TRANSACTIONS
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.recovery import sound_warehouse
from claims_lakehouse.serving.connect import connect
from claims_lakehouse.serving.deidentify import deidentify
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse, csv_text
from claims_lakehouse_tests.canaries import SENT, canary_row, needles
from claims_lakehouse_tests.data_dictionary import applied
from claims_lakehouse_tests.interchanges import CLAIM, LINE, SUBSCRIBER, interchange, transaction
from claims_lakehouse_tests.interchanges import claims as x12_claims
from claims_lakehouse_tests.medical import code

DAY = "2024-02-01"
BROKEN = "2024-03-01"
FAR = "2077-07-17"
WHY = ("--because", "a test")
#: A diagnosis that no release knows, of a day that none holds.
UNVERIFIED = "Q99Z9ZX"


class Said(NamedTuple):
    """What a command came to."""

    status: int
    text: str


class Driven(NamedTuple):
    """A lakehouse that has been through it all, what its commands said, and the texts that nothing may show."""

    lakehouse: Lakehouse
    said: dict[str, Said]
    hidden: set[str]
    folder: Path


class Driver:
    """Runs commands in a folder of its own, where nothing keeps files from being everybody's but the command itself."""

    def __init__(self, base: Path) -> None:
        self.lakehouse = Lakehouse(base)
        self.folder = base / "elsewhere"
        (self.folder / "tmp").mkdir(parents=True)

    def claims(self, *arguments: str) -> Said:
        settings = self.lakehouse.settings
        environment = os.environ | {
            "PYTHONPATH": str(REPOSITORY),
            "CLAIMS_HOME": str(settings.home),
            "CLAIMS_LANDING": str(settings.landing),
            "TMPDIR": str(self.folder / "tmp"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "claims_lakehouse.cli", *arguments],
            cwd=self.folder, env=environment, umask=0, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout + done.stderr)


def land_good(lakehouse: Lakehouse) -> list[dict[str, str]]:
    rows = {feed.name: [canary_row(feed, number) for number in range(3)] for feed in SENT}
    for bill, line, who, by in zip(
        *(rows[name] for name in ("claims", "medical_claims", "patients", "providers")), strict=True
    ):
        bill |= {"patient_id": who["patient_id"], "provider_id": by["provider_id"]}
        line |= {"patient_id": who["patient_id"]}
    for feed, landed in rows.items():
        lakehouse.land(feed, "priming", landed)
    lakehouse.land("code_sets", "priming", [code(code="99214")])
    return [row for landed in rows.values() for row in landed]


def land_bad(lakehouse: Lakehouse) -> list[dict[str, str]]:
    """Rows that break every rule there is for them, in deliveries that are applied all the same."""
    known = {feed.name: canary_row(feed, 0) for feed in SENT}
    landed = []
    for feed in SENT:
        number = iter(range(5, 60))
        rows = []
        for column in feed.columns:
            wrong = f"ZqWrong{feed.entity}{column.name}"
            rows += [canary_row(feed, next(number), **{column.name: value}) for value in (wrong, "")]
            if column.form.name == "date":
                rows.append(canary_row(feed, next(number), **{column.name: FAR}))
            if column.form.name == "zipcode":
                rows.append(canary_row(feed, next(number), **{column.name: "9301"}))
        twice = canary_row(feed, next(number))
        otherwise = twice | {next(iter(feed.content)): f"ZqOtherwise{feed.entity}"}
        same = known[feed.name] | {feed.content[0]: f"ZqSame{feed.entity}"}
        rows += [twice, twice, otherwise, same]
        if feed is CLAIMS:
            patient_id, one = known["patients"]["patient_id"], canary_row(feed, next(number))
            rows += [canary_row(feed, next(number), patient_id=patient_id) for _ in range(2)]
            rows += [one, canary_row(feed, next(number), claim_id=patient_id, patient_id=one["claim_id"])]
            rows.append(canary_row(feed, next(number), date_of_service="2023-11-13", claim_date="2023-11-12"))
        if feed is MEDICAL_CLAIMS:
            one, later = (
                canary_row(feed, next(number)),
                {"date_of_service_from": "2024-01-29", "date_of_service_to": ""},
            )
            rows += [one, one | {"claim_id": "ZqExactly"}, one | {"claim_id": "ZqNearly", "modifiers": "25"}]
            rows += [
                canary_row(feed, next(number), **changed)
                for changed in (
                    {"diagnosis_codes": UNVERIFIED},
                    later | {"received_date": "2024-01-30", "diagnosis_codes": "Q88Z8ZX"},
                    later | {"received_date": "2024-01-31", "diagnosis_codes": "E11"},
                    later,
                    {"diagnosis_pointers": "2"},
                    {"date_of_service_to": "1950-12-31"},
                    {"frequency_code": "7", "original_claim_id": ""},
                )
            ]
        rows = [row | {"remark": f"ZqRemark{feed.entity}"} for row in rows]
        text = csv_text(rows).encode() + b"ZqMalformedFew,1\n" + b'"ZqMalformedQuote"x,' + b"," * 9 + b"\n"
        lakehouse.land(feed.name, DAY, gzip.compress(text + b"ZqMalformedBytes\xff" + b"," * 10 + b"\n"), "csv.gz")
        landed += rows
    return landed


def land_other_forms(lakehouse: Lakehouse) -> list[dict[str, str]]:
    """Lines of medical claims in X12 and in another source's layout, of kinds that are not taken among them."""
    named = [part.replace("WARD*ANN****MI*M1", "ZqX12Name*ZqX12First****MI*ZqX12Member") for part in SUBSCRIBER]
    billed = [part.replace("CLM*C1", "CLM*ZqX12Claim") for part in CLAIM]
    sound = x12_claims(named, billed, LINE)
    unsound, other = sound.replace("CLM*ZqX12Claim*43.00", "CLM*ZqX12Claim*ZqX12Amount"), transaction(named, code="835")
    tried = interchange(sound, unsound, other).replace("*1*P*:~", "*1*T*:~")
    lakehouse.land("medical_claims", "2024-02-02", tried, "837")
    row = {name: f"ZqSynthea{name}" for name in SYNTHEA_TRANSACTIONS.needed}
    lakehouse.land("medical_claims", "2024-02-03", [row])
    seen = {name: f"ZqX12{name}" for name in ("Name", "First", "Member", "Claim", "Amount")}
    return [row, seen]


def land_broken(lakehouse: Lakehouse) -> list[dict[str, str]]:
    """Files that cannot be read, one or more a feed."""
    rows = {feed.name: [canary_row(feed, number) for number in (80, 81)] for feed in SENT}
    headerless = [row | {"city": row["state"], "address": row["state"]} for row in rows["patients"]]
    lakehouse.land("patients", BROKEN, csv_text(headerless).split("\n", 1)[1])
    lakehouse.land("patients", "2024-03-02", csv_text(rows["patients"]) + '"ZqNeverClosed')
    lakehouse.land("patients", "2024-03-03", csv_text(rows["patients"]).encode("utf-16"))
    lakehouse.land("providers", BROKEN, gzip.compress(csv_text(rows["providers"]).encode())[:-12], "csv.gz")
    lakehouse.land("providers", "2024-03-02", csv_text(rows["providers"], header=[*rows["providers"][0]][:-1]))
    written = io.BytesIO()
    pl.DataFrame(rows["claims"]).write_parquet(written)
    whole = written.getvalue()
    lakehouse.land("claims", BROKEN, whole[:-40], "parquet")
    lakehouse.land("claims", "2024-03-02", whole[:30] + b"\xff" * 300 + whole[330:], "parquet")
    nested = io.BytesIO()
    pl.DataFrame(rows["claims"]).with_columns(visit_type=pl.concat_list("claim_id")).write_parquet(nested)
    lakehouse.land("claims", "2024-03-03", nested.getvalue(), "parquet")
    lakehouse.land("claims", "2024-03-04", ",".join(rows["claims"][0]) + ",a,a\n")
    lakehouse.land("medical_claims", BROKEN, csv_text(rows["medical_claims"]).split("\n", 1)[1])
    lakehouse.land("medical_claims", "2024-03-02", "ISA*00*ZqNoInterchange~", "837")
    (lakehouse.settings.landing / "payments.csv").write_text(csv_text(rows["claims"]))
    return [*headerless, *(row for of_feed in rows.values() for row in of_feed)]


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Driven:
    driver = Driver(tmp_path_factory.mktemp("driven"))
    lakehouse, claims = driver.lakehouse, driver.claims
    landed = (*land_good(lakehouse), *land_bad(lakehouse), *land_other_forms(lakehouse), *land_broken(lakehouse))
    hidden = needles(landed) | {"ZqExactly", "ZqNearly", "ZqNoInterchange"}
    hidden |= {"ZqMalformedFew", "ZqMalformedQuote", "ZqMalformedBytes", "ZqNeverClosed", "ZqCorrected"}
    said = {"ingest": claims("ingest")}
    lakehouse.land("providers", "priming", gzip.compress(b"ZqOverGood"), "csv")
    said["status --json"] = claims("status", "--json")
    said["correct"] = claims("correct", "patients", DAY, "1", "fname=ZqCorrected", "lname=ZqCorrected", *WHY)
    said["correct nothing"] = claims("correct", "patients", DAY, "1", "ZqCorrected", *WHY)
    said["retract"] = claims("retract", "claims", "priming", *WHY)
    said["rebuild"] = claims("rebuild", "--from", "raw")
    said["ingest again"] = claims("ingest")
    deidentify(lakehouse.settings)
    return Driven(lakehouse, said, hidden - {FAR} | {"ZqOverGood"}, driver.folder)


def seen_in(text: str | bytes, hidden: set[str]) -> list[str]:
    return [one for one in hidden if (one in text if isinstance(text, str) else one.encode() in text)]


def test_the_rows_broke_every_rule_and_the_files_failed(driven: Driven) -> None:
    rules = {rule for (rule,) in driven.lakehouse.rows("SELECT DISTINCT rule FROM issue")}
    assert rules == {one.rule.name for feed in SENT for one in applied(feed)}
    status = {
        (feed, key): how for feed, key, how in driven.lakehouse.rows("SELECT feed, delivery, status FROM delivery")
    }
    assert {how for (_, key), how in status.items() if key >= BROKEN and key != "priming"} == {"failed"}
    assert {how for (_, key), how in status.items() if key == DAY} == {"applied"}
    assert status["claims", "priming"] == "retracted"
    # The search finds what there is to find.
    quoted = " ".join(str(value) for (value,) in driven.lakehouse.rows("SELECT value FROM issue"))
    assert {"ZqMalformedFew", "ZqWrongpatientdate_of_birth"} <= set(seen_in(quoted, driven.hidden))


COMMANDS = {
    "ingest": 1,
    "status --json": 0,
    "correct": 0,
    "correct nothing": 2,
    "retract": 0,
    "rebuild": 0,
    "ingest again": 1,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_says_a_value(driven: Driven, command: str) -> None:
    said = driven.said[command]
    assert said.status == COMMANDS[command], said.text
    assert len(said.text) > 20
    assert seen_in(said.text, driven.hidden) == []


def test_every_file_that_failed_is_told_with_its_place(driven: Driven) -> None:
    text = driven.said["ingest"].text
    failed = [line for line in text.splitlines() if line.startswith("failed:")]
    assert len(failed) == 12
    assert all(re.search(r"(patients|providers|claims)/2024-03-0\d|payments", line) for line in failed)


def unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed)
    except zlib.error:
        return b""


def dagster_values(path: Path) -> Iterator[bytes]:
    """Every value of a database of Dagster's, and what it unpacks to."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as con:
        con.text_factory = bytes
        for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in con.execute(f'SELECT * FROM "{table.decode()}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield from (value, unpacked(value))


def test_dagsters_runs_events_and_logs_hold_no_value(driven: Driven) -> None:
    files = [path for path in driven.lakehouse.settings.dagster_home.rglob("*") if path.is_file()]
    assert [(path.name, found) for path in files if (found := seen_in(path.read_bytes(), driven.hidden))] == []
    databases = [path for path in files if path.read_bytes().startswith(b"SQLite format 3")]
    held = b"\n".join(value for path in databases for value in dagster_values(path))
    # Counts and job snapshots are there: events were read, and what is packed was unpacked.
    assert b"rows_quarantined" in held
    assert b"PipelineSnapshot" in held
    assert b"PipelineSnapshot" not in b"".join(path.read_bytes() for path in databases)
    assert seen_in(held, driven.hidden) == []


def test_the_ledger_the_log_and_the_journals_hold_no_value(driven: Driven) -> None:
    for table in ("delivery", "iteration", "delivery_log"):
        told = "\n".join(str(row) for row in driven.lakehouse.rows(f"FROM {table}"))
        assert seen_in(told, driven.hidden) == []
    home = driven.lakehouse.settings.home
    journals = [path for path in (home / "raw").rglob("*") if path.is_file() and "journal" in path.name]
    assert len(journals) >= 15
    assert [path for path in journals if seen_in(path.read_bytes(), driven.hidden)] == []


def test_nothing_is_left_outside_of_the_home_and_nothing_in_it_is_for_others(driven: Driven) -> None:
    left = [path for path in driven.folder.rglob("*") if path.is_file()]
    assert [path for path in left if seen_in(path.read_bytes(), driven.hidden)] == []
    home = driven.lakehouse.settings.home
    modes: dict[str, int] = {}
    for folder, _, names in os.walk(home):
        for path in [Path(folder), *(Path(folder) / name for name in names)]:
            modes[path.relative_to(home).as_posix()] = stat.S_IMODE(path.stat().st_mode)
    for_the_group = {"published/claims.duckdb", "published/claims_deidentified.duckdb"}
    expected = {path: 0o700 if (home / path).is_dir() else 0o640 if path in for_the_group else 0o600 for path in modes}
    assert modes == expected
    assert for_the_group | {"warehouse.duckdb", "crosswalk.parquet"} <= set(modes)


def test_the_edition_holds_none_but_diagnoses_either(driven: Driven) -> None:
    data = (driven.lakehouse.settings.published.parent / "claims_deidentified.duckdb").read_bytes()
    diagnoses = {canary_row(MEDICAL_CLAIMS, number)["diagnosis_codes"] for number in range(100)}
    assert seen_in(data, driven.hidden - diagnoses - {UNVERIFIED}) == []


def test_duckdb_spills_below_the_home_and_nowhere_else(driven: Driven) -> None:
    home, asked = driven.lakehouse.settings.home, "SELECT current_setting('temp_directory')"
    with sound_warehouse(driven.lakehouse.settings) as con:
        assert Path(con.execute(asked).fetchall()[0][0]).is_relative_to(home)
    for reader in (claims_lakehouse.connect, partial(connect, confined=True)):
        with reader(home) as con:
            assert Path(con.execute(asked).fetchall()[0][0]).is_relative_to(home)


@pytest.mark.parametrize("feed", SENT, ids=lambda feed: feed.name)
def test_an_act_that_is_refused_says_no_value(driven: Driven, feed: Feed) -> None:
    refused = [
        {9_999: {feed.columns[0].name: "ZqCorrected"}},
        {1: {"ZqNoColumn": "ZqCorrected"}},
        {_malformed(driven, feed.name): {feed.columns[0].name: "ZqCorrected"}},
    ]
    for changes in refused:
        with pytest.raises(UsageError) as error:
            acts.correct(driven.lakehouse.settings, feed, DAY, changes, because="a test", who="tester")
        assert seen_in(str(error.value), driven.hidden) == []


def _malformed(driven: Driven, feed: str) -> int:
    rows = driven.lakehouse.rows(
        "SELECT min(row_number) FROM issue WHERE feed = $1 AND delivery = $2 AND rule = 'malformed_row'", feed, DAY
    )
    return int(rows[0][0])
