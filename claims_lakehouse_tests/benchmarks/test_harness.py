"""The command of the harness, at a size at which only its working can be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.__main__ import main
from benchmarks.peers.compare import signature
from benchmarks.peers.job import Job
from benchmarks.quick import CLEAN, FLOOR, HELP, HISTORY, SPOILT, STATUS, WHOLE
from claims_lakehouse.contracts import PATIENTS


def result(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    assert {"cores", "memory_gib", "processor", "versions", "commit"} <= set(found["machine"])
    return found


@pytest.mark.parametrize("command", [[], ["bench"], ["peers"], ["scale"], ["chart"]], ids=" ".join)
def test_it_says_what_it_can_do(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "python -m benchmarks" in capsys.readouterr().out


def test_bench_prints_and_writes_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "--records", "400", "--rounds", "1", "--results", str(tmp_path), "--keep", str(tmp_path / "kept")])
    told = capsys.readouterr().out
    found = result(tmp_path, "quick")
    named = {part: set(runs) for part, runs in found.items() if part in ("history", "landing", "start-up")}
    assert named == {
        "history": {FLOOR, HISTORY, WHOLE},
        "landing": {CLEAN, SPOILT},
        "start-up": {HELP, STATUS},
    }
    assert all(name in told for names in named.values() for name in names)
    [step] = found["history"][HISTORY]
    assert step["told"]["current"] == 400 + 20
    assert step["told"]["closed"] == 20
    assert step["peak"] > 50
    assert {"raw_patients", "dim_patient", "published"} <= {step["name"] for step in found["steps"]}


def test_a_part_of_the_large_ones_can_be_tried_small(tmp_path: Path) -> None:
    main(["scale", "--only", "tick", "--scale", "0.002", "--results", str(tmp_path), "--keep", str(tmp_path / "kept")])
    found = result(tmp_path, "scale-tick")
    assert found["deliveries"] == 40
    assert {name: len(looks) for name, looks in found["run"]["told"]["looks"].items()} == {
        "observe and decide": 6,
        "the whole sensor": 6,
    }
    with pytest.raises(SystemExit, match="There is no part 'else'"):
        main(["scale", "--only", "else", "--results", str(tmp_path)])


def test_charts_are_drawn_of_what_was_measured_and_stay_small(tmp_path: Path) -> None:
    run = {"seconds": 2.0, "peak": 900.0, "anonymous": 700.0}
    sizes = [{"records": n, "rows": 10, "runs": [run], "stages": {"dim_patient": [1.0]}} for n in (100, 1000)]
    (tmp_path / "scale-updates.json").write_text(json.dumps({"sizes": sizes}))
    deliveries = [{"rows": n, "run": run} for n in (100, 1000)]
    (tmp_path / "scale-large.json").write_text(json.dumps({"deliveries": deliveries}))
    main(["chart", "--results", str(tmp_path), "--images", str(tmp_path)])
    drawn = {path.name: path.stat().st_size for path in tmp_path.glob("*.svg")}
    assert set(drawn) == {"benchmarks-updates.svg", "benchmarks-large.svg"}
    assert all(0 < size < 200_000 for size in drawn.values())


def test_results_are_equal_only_where_every_version_is() -> None:
    types = {column.name: column.form.sql_type for column in PATIENTS.columns}
    job = Job("", "", "patient_id", "last_modified_date", types, "")
    assert set(job.content) | {job.key, job.sequence} == set(types)
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE a ({', '.join(f'{n} {t}' for n, t in types.items())}, is_current BOOLEAN)")
        for number, current in enumerate((True, True, False)):
            values = [number if kind == "VARCHAR" else "2024-01-01" for kind in types.values()]
            con.execute(f"INSERT INTO a VALUES ({', '.join('?' * len(values))}, ?)", [*values, current])
        con.execute("CREATE TABLE b AS FROM a ORDER BY patient_id DESC")
        con.execute(
            "CREATE TABLE c AS SELECT * REPLACE (CASE WHEN fname = '1' THEN '9' ELSE fname END AS fname) FROM a"
        )
        con.execute("CREATE TABLE d AS SELECT * REPLACE (NOT is_current AS is_current) FROM a")
        ours = signature("a", job, con)
        assert [row[:2] for row in ours] == [(False, 1), (True, 2)]
        assert signature("b", job, con) == ours
        assert signature("c", job, con) != ours
        assert signature("d", job, con) != ours
