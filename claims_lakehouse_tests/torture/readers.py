"""Readers that never stop asking while deliveries are applied and published one after the other.

Every query must succeed, and every answer must be that of one published state: what the parent recorded for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

import claims_lakehouse
from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.oracle.generate import deliveries
from claims_lakehouse_tests.torture import children
from claims_lakehouse_tests.torture.tally import Tally

_COUNTED = (
    "issue",
    "delivery",
    "claim_detail",
    "delivery_log",
    *(feed.table for feed in FEEDS),
    *(feed.entity for feed in FEEDS),
)


@dataclass(frozen=True)
class Read:
    """What a reader came home with: answers by state, and what failed."""

    answers: dict[str, set[tuple[Any, ...]]]
    asked: int
    failed: tuple[str, ...]


def answer(con: duckdb.DuckDBPyConnection) -> tuple[str, tuple[Any, ...]]:
    """Which state a connection sees, and what that says: asked in several statements, as people do."""
    first = con.execute("SELECT concat(warehouse, '/', n) FROM internal.change").fetchall()[0][0]
    told = tuple(
        con.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {table} AS t").fetchall()[0] for table in _COUNTED
    )
    last = con.execute("SELECT concat(warehouse, '/', n) FROM internal.change").fetchall()[0][0]
    return (str(first) if first == last else f"{first} then {last}"), told


def read(home: Path, stop: Path) -> Read:
    """Ask until told to stop; what a reader process does."""
    os.environ["CLAIMS_HOME"] = str(home)
    os.nice(19)  # eager, but not at the cost of what is to be published
    answers: dict[str, set[tuple[Any, ...]]] = {}
    failed: list[str] = []
    asked = 0
    last = False
    while not last:
        last = stop.exists()
        asked += 1
        try:
            with claims_lakehouse.connect() as con:
                con.execute("SET threads = 1")
                state, told = answer(con)
            answers.setdefault(state, set()).add(told)
        except Exception as error:
            failed.append(f"{type(error).__name__}: {error}")
    return Read(answers, asked, tuple(failed))


def readers(folder: Path, seed: int, count: int = 8, size: int = 50) -> Iterator[Tally]:
    """Publish `size` deliveries one by one while `count` processes read; one tally each, then that of the readers."""
    lakehouse = Lakehouse(folder)
    stop = folder / "stop"
    recorded: dict[str, tuple[Any, ...]] = {}
    children_reading: list[children.Child] = []
    for one in deliveries(seed, size):
        lakehouse.land(one.feed, one.key, one.content)
        lakehouse.process(one.feed, one.key)
        publish(lakehouse.settings)
        with duckdb.connect(str(lakehouse.settings.published), read_only=True) as con:
            state, told = answer(con)
        recorded[state] = told
        if not children_reading:
            work = partial(read, lakehouse.settings.home, stop)
            children_reading = [children.Child(work) for _ in range(count)]
        yield Tally()
    stop.touch()
    for child in children_reading:
        outcome = child.outcome()
        if outcome.result is None:
            yield Tally(differences=[f"readers: one ended: {outcome.error_type} {outcome.error} {outcome.signal}"])
            continue
        found: Read = outcome.result
        wrong = [f"readers: a query failed: {failure}" for failure in found.failed]
        for state, answers in found.answers.items():
            if answers != {recorded.get(state)}:
                wrong.append(f"readers: {len(answers)} answers for state {state}, of them other than published")
        yield Tally(answers_read=found.asked, differences=wrong)
