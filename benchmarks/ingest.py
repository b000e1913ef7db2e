"""The whole way of two deliveries beside the floor, in one run.

2,000,000 primed patients and a 200,000-row update (half new, half of known patients, 2 in 100 of those unchanged)
land as Parquet. The floor reads both files with DuckDB and writes one table; `claims ingest` takes them from
landing to published. Prints whole-process seconds, peak memory, ratios to the floor, and where the time went.

    python benchmarks/ingest.py [--patients 2000000] [--rounds 3] [--keep DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

_ROW = """
    'P' || lpad(i::VARCHAR, 10, '0') AS patient_id,
    ['Ann','Bob','Carlos','Dee','Eve','Farid','Gus','Hana'][(1 + hash(i, 1) % 8)::INT]
        || (hash(i, 11) % 5000)::VARCHAR AS fname,
    'Sur' || (hash(i, 2) % 90000)::VARCHAR AS lname,
    DATE '1930-01-01' + (hash(i, 3) % 30000)::INT AS date_of_birth,
    (hash(i, v, 4) % 9999)::VARCHAR || ' Main St Apt ' || (hash(i, v, 5) % 400)::VARCHAR AS address,
    'City' || (hash(i, v, 6) % 20000)::VARCHAR AS city,
    ['Ohio','Utah','Iowa','Maine','Texas','Oregon'][(1 + hash(i, v, 7) % 6)::INT] AS state,
    lpad((10000 + hash(i, v, 8) % 89999)::VARCHAR, 5, '0') AS zipcode,
    DATE '2000-01-01' + (hash(i, v, 10) % 8000)::INT AS date_of_residence,
    DATE '2023-01-01' + (i % 300)::INT + (v * 390)::INT AS last_modified_date
"""


def make(landing: Path, patients: int) -> list[Path]:
    """The two deliveries."""
    folder = landing / "patients"
    folder.mkdir(parents=True)
    files = [folder / "priming.parquet", folder / "2024-12-01.parquet"]
    half, same = patients // 20, patients // 1000
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT {_ROW} FROM (SELECT i, 0 AS v FROM range({patients}) t(i)) ORDER BY hash(i)) TO '{files[0]}'"
        )
        con.execute(
            f"""COPY (SELECT {_ROW} FROM (
                SELECT {patients} + i AS i, 0 AS v FROM range({half}) t(i)
                UNION ALL SELECT i * 20 AS i, CASE WHEN i < {same} THEN 0 ELSE 1 END AS v FROM range({half}) t(i)
            ) ORDER BY hash(i)) TO '{files[1]}'"""
        )
    return files


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak MiB of a whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        sys.exit(told.decode())
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def stages(home: Path) -> dict[str, float]:
    """Seconds of every step, from what Dagster recorded."""
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    found: dict[str, float] = {}
    with dg.DagsterInstance.get() as instance:
        for run in reversed(instance.get_runs()):
            name = run.tags.get("dagster/partition", "")
            for step in sorted(instance.get_run_step_stats(run.run_id), key=lambda step: step.start_time or 0):
                found[f"{step.step_key} {name}".strip()] = (step.end_time or 0) - (step.start_time or 0)
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder to work in and leave behind")
    arguments = parser.parse_args()
    base = arguments.keep or Path(tempfile.mkdtemp(prefix="claims-bench-"))
    files = make(base / "landing", arguments.patients)
    floor_code = f"""
import duckdb
with duckdb.connect({str(base / "floor.duckdb")!r}) as con:
    con.execute("CREATE TABLE t AS FROM read_parquet({[str(file) for file in files]!r})")
"""
    seconds: dict[str, list[float]] = {"floor": [], "claims ingest": []}
    peaks: dict[str, list[float]] = {"floor": [], "claims ingest": []}
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    steps: dict[str, float] = {}
    for number in range(arguments.rounds):
        home = base / f"home-{number}"
        (base / "floor.duckdb").unlink(missing_ok=True)
        ours = [
            sys.executable,
            "-m",
            "claims_lakehouse.cli",
            "ingest",
            "--landing",
            str(base / "landing"),
            "--home",
            str(home),
        ]
        for name, command in (("floor", [sys.executable, "-c", floor_code]), ("claims ingest", ours)):
            took, peak = measured(command, environment)
            seconds[name].append(took)
            peaks[name].append(peak)
        steps = stages(home)
        shutil.rmtree(home)
    floor = statistics.median(seconds["floor"])
    print(f"{'whole process':32} {'seconds':>8} {'x floor':>8} {'peak MiB':>9}")
    for name, taken in seconds.items():
        print(
            f"{name:32} {statistics.median(taken):8.2f} {statistics.median(taken) / floor:8.2f} {max(peaks[name]):9.0f}"
        )
    print("\nlast round, step by step")
    for name, took in steps.items():
        print(f"{name:32} {took:8.2f} {took / floor:8.2f}")
    rest = seconds["claims ingest"][-1] - sum(steps.values())
    print(f"{'start-up, looking, recording':32} {rest:8.2f} {rest / floor:8.2f}")
    if not arguments.keep:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
