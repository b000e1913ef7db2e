"""Whatever happens in whatever order, the tables are those of the set of deliveries that stand at the end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from claims_lakehouse.contracts import FEEDS, feed_named
from claims_lakehouse.history import acts
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.oracle.generate import deliveries

_BROKEN = (b"", b"not,a,header\n1,2,3\n", b'patient_id,"never closed\n', b"\xff\xfea\x00")


class World:
    """What was done to a lakehouse, and what therefore should stand in it."""

    def __init__(self, lakehouse: Lakehouse, seed: int) -> None:
        self.lakehouse = lakehouse
        self.random = random.Random(seed)
        generated = deliveries(seed, 14)
        self.pool = {(one.feed, one.key): one for one in generated}
        self.landed: dict[tuple[str, str], bytes] = {}
        self.taken: dict[tuple[str, str], bytes] = {}
        self.retracted: dict[tuple[str, str], set[bytes]] = {}

    def land(self) -> None:
        name = self.random.choice(sorted(self.pool))
        self._land(name, self.pool[name].content)

    def land_other_content(self) -> None:
        name = self.random.choice(sorted(self.pool))
        other = self.random.choice([one for one in self.pool.values() if one.feed == name[0]])
        self._land(name, other.content)

    def land_broken(self) -> None:
        name = self.random.choice(sorted(self.pool))
        self.lakehouse.land(*name, self.random.choice(_BROKEN))
        self.landed.pop(name, None)

    def remove(self) -> None:
        if self.landed:
            name = self.random.choice(sorted(self.landed))
            (self.lakehouse.settings.landing / name[0] / f"{name[1]}.csv").unlink()
            self._pending_only_if_taken(name)

    def ingest(self) -> None:
        self.lakehouse.ingest()
        self.taken |= self.landed

    def ingest_again(self) -> None:
        if self.taken:
            self.lakehouse.process(*self.random.choice(sorted(self.taken)))
            self.ingest()

    def lose_the_warehouse(self) -> None:
        self.lakehouse.settings.warehouse.unlink(missing_ok=True)
        self.ingest()

    def retract(self) -> None:
        self.ingest()
        standing = [name for name in sorted(self.taken) if self.taken[name] not in self.retracted.get(name, ())]
        if standing:
            name = self.random.choice(standing)
            acts.retract(self.lakehouse.settings, feed_named(name[0]), name[1], because="test", who="test")
            self.retracted.setdefault(name, set()).add(self.taken[name])
            self.ingest()

    def reinstate(self) -> None:
        self.ingest()
        out = [name for name in sorted(self.retracted) if self.taken[name] in self.retracted[name]]
        if out:
            name = self.random.choice(out)
            acts.reinstate(self.lakehouse.settings, feed_named(name[0]), name[1], because="test", who="test")
            self.retracted[name].discard(self.taken[name])
            self.ingest()

    def expected(self) -> list[oracle.Delivery]:
        return [
            self.pool[name]._replace(content=content)
            for name, content in self.taken.items()
            if content not in self.retracted.get(name, ())
        ]

    def _land(self, name: tuple[str, str], content: bytes) -> None:
        self.lakehouse.land(*name, content)
        self.landed[name] = content

    def _pending_only_if_taken(self, name: tuple[str, str]) -> None:
        self.landed.pop(name)


_MOVES = (
    [World.land] * 6
    + [World.land_other_content] * 2
    + [World.ingest] * 3
    + [World.land_broken, World.remove, World.ingest_again, World.lose_the_warehouse]
    + [World.retract] * 2
    + [World.reinstate]
)


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(row) for row in rows)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 138])
def test_any_interleaving_ends_in_the_tables_of_what_stands(lakehouse: Lakehouse, seed: int) -> None:
    world = World(lakehouse, 1000 + seed)
    for _ in range(22):
        world.random.choice(_MOVES)(world)
    world.ingest()
    expected = oracle.tables(world.expected())
    for feed in FEEDS:
        columns = [column.name for column in feed.columns]
        columns += ["valid_from", "valid_to", "is_current", "version", "delivery", "row_number"]
        ours = lakehouse.dicts(f"SELECT {', '.join(columns)} FROM {feed.table}")
        assert _sorted(ours) == _sorted([{n: row[n] for n in columns} for row in expected.versions[feed.name]])
        columns = [*(column.name for column in feed.columns), "delivery", "row_number"]
        ours = lakehouse.dicts(f"SELECT {', '.join(columns)} FROM {feed.restated_table}")
        assert _sorted(ours) == _sorted([{n: row[n] for n in columns} for row in expected.restatements[feed.name]])
    columns = [
        "feed",
        "delivery",
        "row_number",
        "record_key",
        "rule",
        "column_name",
        "severity",
        "status",
        "resolved_by",
    ]
    ours = lakehouse.dicts(f"SELECT {', '.join(columns)} FROM issue WHERE status <> 'retracted'")
    assert _sorted(ours) == _sorted([{name: row[name] for name in columns} for row in expected.issues])
    statuses = dict(lakehouse.rows("SELECT (feed, delivery), status FROM delivery"))
    for name in world.taken:
        is_out = world.taken[name] in world.retracted.get(name, ())
        assert statuses[name] == ("retracted" if is_out else "applied")
