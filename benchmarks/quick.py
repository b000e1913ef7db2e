"""`make bench`: the history step, the whole way, landing, start-up; beside the floor, in a few minutes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.dagster_record import Step, steps
from benchmarks.generate import Delivery, write
from benchmarks.history_step import fresh, prepare
from benchmarks.measure import Contender, Rounds, Run, claims, in_turn, median, python
from claims_lakehouse.contracts import CLAIMS, PATIENTS
from claims_lakehouse.settings import Settings

FLOOR, HISTORY, WHOLE = "floor: DuckDB reads both files, writes one table", "history step", "claims ingest"
CLEAN, SPOILT = "DuckDB: the clean CSV file to Parquet", "landing: the CSV file with 1% malformed to raw Parquet"
HELP, STATUS = "claims --help", "claims status"
#: The update is this part of what was primed.
UPDATE = 10


def run(base: Path, rounds: int, records: int) -> dict[str, Any]:
    """Measure and print; returns what is to be written down."""
    found: dict[str, Rounds] = {}
    with report.console.status("…") as spinner:

        def say(what: str) -> None:
            spinner.update(what)

        say(f"making {records:,} patients and an update")
        landing, deliveries = two_deliveries(base, records)
        say("landing and verifying them once, for the history step")
        prepared = Settings(landing, base / "prepared")
        prepare(prepared, PATIENTS, *deliveries)
        found["history"] = in_turn(history_contenders(base, prepared, deliveries), rounds, say)
        say("making CSV files")
        found["landing"] = in_turn(landing_contenders(base, records), rounds, say)
        home = base / "home"
        parts = steps(home)
        found["start-up"] = in_turn(
            [
                Contender(HELP, lambda _: claims("--help")),
                Contender(STATUS, lambda _: claims("status", "--home", home)),
            ],
            rounds + 2,
            say,
        )
    print_found(found, records, parts)
    return {"records": records, "rounds": rounds, "steps": [part._asdict() for part in parts], **found}


def two_deliveries(base: Path, records: int) -> tuple[Path, list[str]]:
    """A priming and an update of patients as Parquet; the landing folder and their keys."""
    landing = base / "landing"
    both = [Delivery(PATIENTS, records), Delivery(PATIENTS, records, update=1, rows=max(2, records // UPDATE))]
    for delivery in both:
        write(delivery, landing)
    return landing, [delivery.name for delivery in both]


def floor_contender(base: Path, landing: Path, deliveries: list[str]) -> Contender:
    """The floor of these deliveries."""
    files = [landing / PATIENTS.name / f"{delivery}.parquet" for delivery in deliveries]
    return Contender(FLOOR, lambda _: python("benchmarks.floor", base / "floor.duckdb", *files))


def history_contenders(base: Path, prepared: Settings, deliveries: list[str]) -> list[Contender]:
    """The floor, the history step, and the whole way."""
    step, home = base / "step", base / "home"
    return [
        floor_contender(base, prepared.landing, deliveries),
        Contender(
            HISTORY,
            lambda _: python("benchmarks.history_step", prepared.landing, step, PATIENTS.name, *deliveries),
            before=lambda _: fresh(prepared.home, step),
        ),
        ingest_contender(prepared.landing, home),
    ]


def ingest_contender(landing: Path, home: Path) -> Contender:
    """The whole way, on a home that does not exist yet; the last round's stays."""
    return Contender(
        WHOLE,
        lambda _: claims("ingest", "--landing", landing, "--home", home),
        before=lambda _: shutil.rmtree(home, ignore_errors=True),
    )


def landing_contenders(base: Path, records: int) -> list[Contender]:
    """Landing a file of claims with malformed records, and DuckDB with the same file without them."""
    folder, target = base / "csv", base / "landed.parquet"
    clean = write(Delivery(CLAIMS, records, key="clean"), folder, "csv")
    spoilt = write(Delivery(CLAIMS, records, key="spoilt", spoilt=0.01, kinds=("malformed_row",)), folder, "csv")
    module = "benchmarks.raw_landing"
    return [
        Contender(CLEAN, lambda _: python(module, "duckdb", folder, CLAIMS.name, clean, target)),
        Contender(SPOILT, lambda _: python(module, "ours", folder, CLAIMS.name, spoilt, target)),
    ]


def print_found(found: dict[str, Rounds], records: int, parts: list[Step]) -> None:
    """Print the tables."""
    report.show_rounds(
        f"{records:,} patients primed, {records // UPDATE:,} in an update (seconds: after imports)",
        found["history"],
        FLOOR,
        [_part(found["history"][HISTORY], number) for number in range(2)],
    )
    whole = found["history"][WHOLE][-1].seconds
    rest = whole - sum(part.seconds for part in parts)
    report.show(
        "Where the last round of `claims ingest` went, as Dagster recorded it",
        ("step", "delivery", "seconds"),
        [*parts, ("start-up, looking, recording", "", rest)],
    )
    report.show_rounds(f"Landing {records:,} claims as CSV (x floor: beside DuckDB)", found["landing"], CLEAN)
    rows = [(name, median(run.seconds for run in runs), median(run.peak for run in runs))
            for name, runs in found["start-up"].items()]  # fmt: skip
    report.show("Start-up", ("", "process", "peak MiB"), rows)


def _part(runs: list[Run], number: int) -> tuple[object, ...]:
    """A row of the history step's table: what one delivery took of it."""
    name = list(runs[0].told["steps"])[number]
    return (f"  of which {name}", median(run.told["steps"][name] for run in runs))
