"""What a short command imports: only what it needs, so that it answers at once. Names, no seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from claims_lakehouse.commands.options import FEED_NAMES
from claims_lakehouse.contracts import FEEDS
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse, patient

#: What takes longer to import than a short command may take.
HEAVY = {"dagster", "pandas", "pandera", "polars", "pyarrow"}
#: What a command needs that asks the published file, and no other.
READS = {"duckdb"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lakehouse = Lakehouse(tmp_path_factory.mktemp("start_up"))
    lakehouse.land("patients", "2024-02-01", [patient(), patient(patient_id="1001U", state="Nowhere")])
    lakehouse.ingest()
    return lakehouse.settings.home


def imported(code: str, home: Path) -> set[str]:
    """The packages of HEAVY and READS that a process has imported when the code has run."""
    watching = f"""
import atexit, sys
atexit.register(lambda: print("imported", *({HEAVY | READS} & set(sys.modules)), file=sys.stderr))
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", watching],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "CLAIMS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name, *found = done.stderr.splitlines()[-1].split()
    assert name == "imported"
    return set(found)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["--help"], set()),
        (["ingest", "--help"], set()),
        (["status"], READS),
        (["status", "--by-iteration", "--json"], READS),
        (["issues"], READS),
        (["issues", "--feed", "patients", "--rule", "unknown_state", "--severity", "warning", "--json"], READS),
        (["query", "FROM patient"], READS),
        (["export", "--help"], set()),
    ],
    ids=" ".join,
)
def test_a_short_command_imports_only_what_it_needs(command: list[str], expected: set[str], published: Path) -> None:
    code = f"sys.argv[1:] = {command!r}\nfrom claims_lakehouse.cli import app\napp()"
    assert imported(code, published) == expected


def test_the_feeds_that_help_names_are_those_of_the_contracts() -> None:
    assert [feed.name for feed in FEEDS] == list(FEED_NAMES)


def test_a_reader_imports_only_what_it_needs(published: Path) -> None:
    code = "import claims_lakehouse\nclaims_lakehouse.connect().sql('FROM claim_detail').fetchall()"
    assert imported(code, published) == READS


def test_the_watch_sees_what_it_should(published: Path) -> None:
    assert {"polars", "pandera"} <= imported("import claims_lakehouse.contracts", published)


def test_what_was_printed_is_whole_though_the_process_ends_at_once(published: Path) -> None:
    command = [sys.executable, "-m", "claims_lakehouse.cli", "query", "--json", "FROM range(100_000)"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        command,
        env=environment | {"PYTHONPATH": str(REPOSITORY), "CLAIMS_HOME": str(published)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert [row["range"] for row in json.loads(done.stdout)] == list(range(100_000))
