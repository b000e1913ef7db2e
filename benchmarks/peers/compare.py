"""`make bench-peers`: ours beside dlt, SQLMesh and dbt on the same two files, in turn, with equal results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from benchmarks import report
from benchmarks.history_step import prepare
from benchmarks.measure import Contender, Failed, Rounds, in_turn, measured, median
from benchmarks.peers.environments import PEERS, SILENT, Peer, set_up, versions
from benchmarks.peers.job import Job
from benchmarks.quick import (
    FLOOR,
    HISTORY,
    WHOLE,
    history_contenders,
    two_deliveries,
)
from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.settings import Settings


def run(base: Path, rounds: int, records: int, only: list[str]) -> dict[str, Any]:
    """Set the peers up, run them in turn with ours, hold the results against each other, print."""
    able: list[Peer] = []
    unable: dict[str, str] = {}
    with report.console.status("…") as spinner:
        for peer in PEERS:
            if only and peer.name not in only:
                continue
            spinner.update(f"setting up {peer.name}")
            why = set_up(peer)
            if why is None:
                able.append(peer)
            else:
                unable[peer.name] = why
                report.console.print(f"{peer.name} cannot be set up: {why}", markup=False)
        spinner.update("making deliveries")
        landing, deliveries = two_deliveries(base, records)
        prepared = Settings(landing, base / "prepared")
        prepare(prepared, PATIENTS, *deliveries)
        job = _job(base, landing, deliveries)
        job.save(base / "job.json")

        def dropped(contender: Contender, failed: Failed) -> None:
            if contender.name not in [peer.name for peer in able]:
                raise failed
            unable[contender.name] = str(failed)
            report.console.print(f"{contender.name} is left out: {failed}", markup=False)

        contenders = [
            *history_contenders(base, prepared, deliveries),
            *(_contender(peer, base / "job.json") for peer in able),
        ]
        found = in_turn(contenders, rounds, spinner.update, dropped)
    ours = _ours(base / "home", job)
    agree = {
        peer.name: signature(f"read_parquet('{job.outcome(peer.name)}')", job) == ours
        for peer in able
        if peer.name in found
    }
    _show(found, records, agree)
    used = {peer.name: versions(peer) for peer in able}
    return {"records": records, "rounds": found, "agree": agree, "unable": unable, "peers": used}


def signature(relation: str, job: Job, con: duckdb.DuckDBPyConnection | None = None) -> list[tuple[object, ...]]:
    """What is in a table of versions: how many are current and how many closed, and a checksum of each's content."""
    columns = ", ".join(f"{name}::{kind}::VARCHAR" for name, kind in job.types.items())
    sql = f"SELECT is_current, count(*), sum(hash({columns})::HUGEINT) FROM {relation} GROUP BY 1 ORDER BY 1"
    return (con or duckdb).execute(sql).fetchall()


def _ours(home: Path, job: Job) -> list[tuple[object, ...]]:
    """The same of what we published."""
    with duckdb.connect(str(home / "published" / "claims.duckdb"), read_only=True) as con:
        return signature(PATIENTS.table, job, con)


def _job(base: Path, landing: Path, deliveries: list[str]) -> Job:
    files = [str(landing / PATIENTS.name / f"{delivery}.parquet") for delivery in deliveries]
    types = {column.name: column.form.sql_type for column in PATIENTS.columns}
    assert PATIENTS.sequence
    return Job(files[0], files[1], PATIENTS.key[0], PATIENTS.sequence, types, str(base / "peers"))


def _contender(peer: Peer, job: Path) -> Contender:
    command = [str(peer.python), "-m", peer.module]
    return Contender(
        peer.name,
        lambda _: [*command, "run", str(job)],
        after=lambda _: measured([*command, "export", str(job)], SILENT),
        environment=SILENT,
    )


def _show(found: Rounds, records: int, agree: dict[str, bool]) -> None:
    report.show_rounds(f"{records:,} patients primed, {records // 10:,} in an update", found, FLOOR)
    rows: list[tuple[object, ...]] = []
    for name, agrees in agree.items():
        runs = found[name]
        step = median(
            own.own / peer.own for own, peer in zip(found[HISTORY], runs, strict=True) if own.own and peer.own
        )
        whole = median(own.seconds / peer.seconds for own, peer in zip(found[WHOLE], runs, strict=True))
        rows.append((name, step, whole, "equal" if agrees else "DIFFERENT"))
    report.show(
        "Ours beside each peer",
        ("peer", "our history step / its two loads", "our whole way / its process", "results"),
        rows,
    )
