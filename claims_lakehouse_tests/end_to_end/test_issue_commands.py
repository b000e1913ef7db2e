"""`claims issues` as people run it: list, show, waive, reopen, comment, export and import."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse, patient
from claims_lakehouse_tests.end_to_end.test_command import SECRET, Said, claims
from claims_lakehouse_tests.test_start_up import READS, imported

DAY, LATER = "2024-02-01", "2024-03-01"
BECAUSE = ("--because", "as agreed")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("issues")
    lakehouse = Lakehouse(base)
    rows = [patient(patient_id=f"{row}U", lname=SECRET, state="Conneticut") for row in range(18)]
    lakehouse.land("patients", DAY, [*rows, patient(patient_id="99U", lname=SECRET, zipcode="x", state="Ohoi")])
    lakehouse.land("patients", LATER, [patient(patient_id="77U", lname=SECRET, zipcode="y")])
    lakehouse.ingest()
    return base


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> Lakehouse:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


def issues(lakehouse: Lakehouse, *arguments: str | Path) -> Said:
    return claims("issues", *arguments, home=lakehouse.settings.home, landing=lakehouse.settings.landing)


def known(lakehouse: Lakehouse, where: str) -> list[str]:
    return [issue for (issue,) in lakehouse.rows(f"SELECT issue_id FROM issue WHERE {where} ORDER BY issue_id")]


def statuses(lakehouse: Lakehouse, where: str = "rule = 'bad_zipcode'") -> list[tuple[Any, ...]]:
    return lakehouse.rows(f"SELECT delivery, status, waived_why FROM issue WHERE {where} ORDER BY ALL")


def test_without_a_command_issues_are_listed_as_list_does_each_with_how_its_id_begins(lake: Lakehouse) -> None:
    bare, listed = issues(lake, "--rule", "bad_zipcode"), issues(lake, "list", "--rule", "bad_zipcode")
    assert bare == listed
    cells = [line.split("│")[1].strip() for line in bare.out.splitlines() if line.startswith("│")]
    ids = known(lake, "rule = 'bad_zipcode'")
    assert sorted(cell for cell in cells if cell) == [one[:8] for one in ids]
    told = issues(lake, "--rule", "bad_zipcode", "--json")
    assert sorted(row["issue_id"] for row in json.loads(told.out)) == ids
    assert told == issues(lake, "list", "--rule", "bad_zipcode", "--json")


@pytest.mark.parametrize(
    ("command", "expected"),
    [(["issues", "list"], READS), (["issues", "--help"], set()), (["issues", "waive", "-h"], set())],
)
def test_a_list_and_help_import_only_what_they_need(template: Path, command: list[str], expected: set[str]) -> None:
    code = f"sys.argv[1:] = {command!r}\nfrom claims_lakehouse.cli import app\napp()"
    assert imported(code, Lakehouse(template).settings.home) == expected


def test_an_issue_is_waived_shown_commented_and_reopened(lake: Lakehouse) -> None:
    [issue] = known(lake, f"rule = 'bad_zipcode' AND delivery = '{DAY}'")
    done = issues(lake, "waive", issue[:8], issue, *BECAUSE, "--until", "2999-12-31")
    assert (done.status, done.out) == (0, ""), done.err
    assert "Waived 1 issue." in done.err
    assert statuses(lake) == [(DAY, "waived", "as agreed"), (LATER, "open", None)]
    assert issues(lake, "comment", issue[:8], "--text", "asked them").status == 0
    shown = issues(lake, "show", issue[:8])
    assert shown.status == 0
    for told in (issue, "zipcode is not a zip code", "2999-12-31", "asked them", "commented", "unknown_state", SECRET):
        assert told in shown.out
    [marked] = [line for line in shown.out.splitlines() if ">>" in line]
    assert [cell.strip() for cell in marked.split("│")[1:-1]] == [">>", "zipcode", "x"]
    assert issues(lake, "reopen", "--all", "--rule", "bad_zipcode", "--because", "no").status == 0
    assert statuses(lake) == [(DAY, "open", None), (LATER, "open", None)]
    log = lake.rows("SELECT event, why, who IS NOT NULL FROM issue_log ORDER BY happened_at")
    assert log == [("waived", "as agreed", True), ("commented", "asked them", True), ("reopened", "no", True)]


def test_all_that_filters_let_through_are_waived_and_it_is_said_how_many(lake: Lakehouse) -> None:
    done = issues(lake, "waive", "--all", "--delivery", DAY, "--severity", "warning", *BECAUSE)
    assert (done.status, "19 issues match." in done.err) == (0, True), done.err
    assert lake.rows("SELECT status, severity, count(*) FROM issue GROUP BY ALL ORDER BY ALL") == [
        ("open", "error", 2),
        ("waived", "warning", 19),
    ]
    # Those that are waived are not meant again, and nothing is published for nothing.
    before = lake.settings.published.stat()
    again = issues(lake, "waive", "--all", "--delivery", DAY, "--severity", "warning", *BECAUSE)
    assert (again.status, "nothing to do" in again.err) == (0, True)
    assert lake.settings.published.stat() == before


@pytest.mark.parametrize(("answer", "expected"), [("n", "open"), ("y", "waived")])
def test_at_a_terminal_it_is_asked_first(lake: Lakehouse, answer: str, expected: str) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    places = {"CLAIMS_HOME": str(lake.settings.home), "CLAIMS_LANDING": str(lake.settings.landing)}
    arguments = ["issues", "waive", "--all", "--rule", "bad_zipcode", *BECAUSE]
    done = subprocess.run(
        [sys.executable, "-m", "claims_lakehouse.cli", *arguments],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | places,
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert "2 issues match." in done.stderr
    assert (done.returncode, done.stdout.strip()) == (int(answer == "n"), "")
    assert {status for _, status, _ in statuses(lake)} == {expected}


def test_rows_are_exported_fixed_and_imported_and_every_delivery_is_published(lake: Lakehouse, tmp_path: Path) -> None:
    done = issues(lake, "export", "--feed", "patients", "--severity", "error")
    assert (done.status, "Wrote 2 rows of patients." in done.err) == (0, True), done.err
    assert (
        issues(lake, "export", "--feed", "patients", "--severity", "error", "--output", tmp_path / "a.csv").status == 0
    )
    assert (tmp_path / "a.csv").read_bytes().decode() == done.out.replace("\n", "\r\n")
    rows = list(csv.DictReader(io.StringIO(done.out.removeprefix("\ufeff"))))
    assert [row["patient_id"] for row in rows] == ["99U", "77U"]
    for row in rows:
        row["zipcode"] = "06101"
    rows.append(rows[0] | {"lakehouse_row": "nonsense"})
    fixed = tmp_path / "fixed.csv"
    with fixed.open("w", newline="") as file:
        lines = csv.DictWriter(file, [*rows[0], "remark"])
        lines.writeheader()
        lines.writerows(rows)

    dry = issues(lake, "import", fixed, "--dry-run")
    assert (dry.status, "Nothing was written." in dry.err) == (0, True), dry.err
    assert lake.rows("SELECT count(*) FROM correction") == [(0,)]
    assert not list(lake.settings.home.rglob("corrections/*"))

    done = issues(lake, "import", fixed, *BECAUSE)
    assert done.status == 0, done.err
    for said in (dry, done):
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines()]
        assert [DAY, "1", "1", "zipcode 1"] in cells
        assert [LATER, "1", "1", "zipcode 1"] in cells
        assert "refused: line 4: Found a broken lakehouse_row" in said.err
        assert "Ignored: the columns remark." in said.err
        assert SECRET not in said.out + said.err
    assert lake.rows("SELECT zipcode FROM patient WHERE patient_id IN ('99U', '77U')") == [("06101",)] * 2
    assert lake.rows("SELECT delivery, why FROM correction ORDER BY delivery") == [
        (DAY, "as agreed"),
        (LATER, "as agreed"),
    ]
    again = issues(lake, "import", fixed, *BECAUSE)
    assert (again.status, "Nothing to do" in again.err, "2 as before" in again.err) == (0, True, True)
    # What is resolved is not sent out again unless it is asked for.
    assert "Wrote 0 rows" in issues(lake, "export", "--feed", "patients", "--severity", "error").err


def test_an_export_overwrites_nothing(lake: Lakehouse, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.csv"
    fixed.write_text("what the sender fixed")
    done = issues(lake, "export", "--feed", "patients", "--output", fixed)
    assert (done.status, "found a file, or a folder; expected a name that is free." in done.err) == (2, True)
    assert fixed.read_text() == "what the sender fixed"


def test_where_a_delivery_fails_the_others_are_published_and_the_status_is_1(lake: Lakehouse, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.csv"
    assert issues(lake, "export", "--feed", "patients", "--severity", "error", "--output", fixed).status == 0
    fixed.write_text(fixed.read_text().replace(",Arkansas,", ",Ohio,").replace(",Ohoi,", ",Ohio,"))
    lake.land("patients", DAY, f"a,b\n{SECRET},\n")
    done = issues(lake, "import", fixed, *BECAUSE)
    assert done.status == 1
    assert f"patients {DAY}" in done.err
    assert SECRET not in done.err
    assert lake.rows("SELECT DISTINCT delivery FROM correction ORDER BY ALL") == [(DAY,), (LATER,)]


WRONG_USE = {
    "unknown-issue": (("waive", "0123456789", *BECAUSE), "There is no issue '0123456789'."),
    "no-reason": (("waive", "ID", "--because", " "), "needs a reason"),
    "past-day": (("waive", "ID", *BECAUSE, "--until", "2020-01-01"), "must not be past: found 2020-01-01"),
    "no-day": (("waive", "ID", *BECAUSE, "--until", "tomorrow"), "tomorrow"),
    "no-issue": (("waive", *BECAUSE), "ISSUE..., or --all and at least one filter"),
    "all-without-a-filter": (("waive", "--all", *BECAUSE), "ISSUE..., or --all and at least one filter"),
    "all-and-an-issue": (("reopen", "ID", "--all", "--rule", "bad_zipcode", *BECAUSE), "ISSUE..., or --all"),
    "a-filter-and-an-issue": (("waive", "ID", "--rule", "bad_zipcode", *BECAUSE), "ISSUE..., or --all"),
    "unknown-rule": (("waive", "--all", "--rule", "no_such", *BECAUSE), "There is no rule 'no_such'"),
    "unknown-rule-of-rows": (("export", "--feed", "patients", "--rule", "no_such"), "There is no rule 'no_such'"),
    "unknown-severity": (("export", "--feed", "patients", "--severity", "fatal"), "There is no severity 'fatal'"),
    "unknown-feed": (("export", "--feed", "payments"), "There is no feed 'payments'"),
    "not-waived": (("reopen", "ID", *BECAUSE), "is open; expected waived"),
    "options-before": (("--rule", "bad_zipcode", "waive", "ID", *BECAUSE), "Options stand after the command"),
    "no-such-file": (("import", "nowhere.csv", *BECAUSE), "nowhere.csv: found No such file or directory"),
    "no-reference": (("import", str(REPOSITORY / "README.md"), "--feed", "claims", *BECAUSE), "'lakehouse_row'"),
    "import-without-a-reason": (("import", "nowhere.csv"), "needs a reason"),
    "unknown-command": (("wave", "ID"), "No such command"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_ends_with_status_2_and_changes_nothing(template: Path, case: str) -> None:
    lakehouse = Lakehouse(template)
    [issue, _] = known(lakehouse, "rule = 'bad_zipcode'")
    arguments, word = WRONG_USE[case]
    said = issues(lakehouse, *(issue if one == "ID" else one for one in arguments))
    assert (said.status, said.out) == (2, "")
    assert word in " ".join(said.err.split())
    assert not (lakehouse.settings.home / "decisions").exists()


def test_an_id_that_more_than_one_begins_with_names_none(template: Path) -> None:
    lakehouse = Lakehouse(template)
    beginnings = [one[0] for one in known(lakehouse, "true")]
    shared = next(one for one in beginnings if beginnings.count(one) > 1)
    said = issues(lakehouse, "show", shared)
    assert (said.status, "more than one issue" in said.err) == (2, True)
