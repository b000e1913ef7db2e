"""Apply the same deliveries in every order: the tables must come out byte for byte the same.

The orders share their beginnings: a walk through the tree of permutations applies one more delivery at each node,
on a copy of the lakehouse as it is there.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import permutations
from pathlib import Path

import duckdb

from claims_lakehouse.contracts import FEEDS, feed_named
from claims_lakehouse.history.stage import bring_up_to_date, take_up, verify
from claims_lakehouse_tests.builders import FLEXION, Lakehouse
from claims_lakehouse_tests.torture.tally import Tally

Name = tuple[str, str]
Order = tuple[Name, ...]


def flexion(folder: Path) -> tuple[Lakehouse, tuple[Name, ...]] | None:
    """A lakehouse in which the six real deliveries have landed, as they were received; None where they are not here."""
    if not FLEXION.is_dir():
        return None
    lakehouse = Lakehouse(folder / "landed")
    names = []
    for file in sorted(FLEXION.glob("*.csv")):
        feed, delivery = file.stem.split("_", 1)
        shutil.copyfile(file, lakehouse.settings.landing / file.name)
        os.utime(lakehouse.settings.landing / file.name, ns=(file.stat().st_mtime_ns,) * 2)
        names.append((feed, delivery))
    for name in names:
        take_up(lakehouse.settings, feed_named(name[0]), name[1])
        verify(lakehouse.settings, feed_named(name[0]), name[1])
    return lakehouse, tuple(names)


def every_order(names: Sequence[Name]) -> list[Order]:
    """All permutations, those that share a beginning next to each other."""
    return list(permutations(names))


def some_orders(names: Sequence[Name], seed: int, count: int) -> list[Order]:
    """A seeded sample of the permutations, the first and the last always among them."""
    every = every_order(names)
    return sorted({every[0], every[-1], *random.Random(seed).sample(every, count - 2)}, key=every.index)


def orders(folder: Path, lakehouse: Lakehouse, tried: Sequence[Order]) -> Iterator[Tally]:
    """Apply what has landed in each of these orders; one tally each."""
    expected: str | None = None
    walked: list[tuple[Order, Path]] = [((), lakehouse.settings.home)]
    for order in tried:
        while walked[-1][0] != order[: len(walked[-1][0])]:
            shutil.rmtree(walked.pop()[1])
        for feed, delivery in order[len(walked[-1][0]) :]:
            so_far, home = walked[-1]
            walked.append(
                ((*so_far, (feed, delivery)), _with_one_more(folder, home, len(walked), lakehouse, feed, delivery))
            )
        found = digest_of(walked[-1][1] / "warehouse.duckdb")
        expected = expected or found
        wrong = [] if found == expected else [f"orders: {order} gives other tables than {tried[0]}"]
        yield Tally(orders_tried=1, differences=wrong)
    while len(walked) > 1:
        shutil.rmtree(walked.pop()[1])


def digest_of(warehouse: Path) -> str:
    """The three tables in order of key and version, in a word; `recorded_at` is the only column left out."""
    told = sha256()
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for feed in FEEDS:
            for table, last in ((feed.table, "version"), (feed.restated_table, "sequence, delivery, row_number")):
                order = f"{', '.join(feed.key)}, {last}"
                for row in con.execute(f"SELECT * EXCLUDE (recorded_at) FROM {table} ORDER BY {order}").fetchall():
                    told.update(repr(row).encode())
    return told.hexdigest()


def _with_one_more(folder: Path, home: Path, depth: int, landed: Lakehouse, feed: str, delivery: str) -> Path:
    """A copy of a home in which one more delivery is applied; contents, which do not change, are shared by links."""
    base = folder / f"{depth}"
    shutil.copytree(home, base / "home", copy_function=_shared)
    lakehouse = Lakehouse(base)
    bring_up_to_date(lakehouse.settings, feed_named(feed), delivery)
    return lakehouse.settings.home


def _shared(source: str, target: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
