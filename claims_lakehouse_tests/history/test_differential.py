"""The lakehouse against the oracle: the same deliveries must give the same tables, version by version."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from pathlib import Path

import pytest

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.history import acts
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.history.comparing import assert_same_at, assert_same_tables
from claims_lakehouse_tests.oracle.generate import SEQUENCES, changes, deliveries


@pytest.mark.parametrize("seed", range(int(os.environ.get("HISTORY_SEEDS", "5"))))
def test_the_same_deliveries_give_the_same_tables_as_the_oracle(lakehouse: Lakehouse, seed: int) -> None:
    rng = random.Random(seed)
    generated = {(one.feed, one.key): one for one in deliveries(seed, 9)}
    # Some land late, some twice, some say something else first, some are corrected, and some are out in the end.
    order = list(generated)
    rng.shuffle(order)
    for batch in (order[:4], order[4:]):
        for name in batch:
            if rng.random() < 0.3:
                other = rng.choice([each for each in generated.values() if each.feed == name[0]])
                lakehouse.land(*name, other.content)
                lakehouse.process(*name)
            lakehouse.land(*name, generated[name].content)
            if rng.random() < 0.3:
                lakehouse.process(*name)
        assert set(lakehouse.ingest().values()) <= {None}
        for name in batch:
            for _ in range(rng.choice((0, 1, 3))):
                generated[name] = _corrected(rng, lakehouse, generated[name])
            if rng.random() < 0.2:
                acts.retract(lakehouse.settings, feed_named(name[0]), name[1], because="test", who="test")
                generated[name] = generated[name]._replace(is_retracted=True)
    assert set(lakehouse.ingest().values()) <= {None}
    assert_same_tables(lakehouse, generated.values())


def _corrected(rng: random.Random, lakehouse: Lakehouse, one: oracle.Delivery) -> oracle.Delivery:
    rows = changes(rng, one)
    if not rows:
        return one
    made = acts.correct(lakehouse.settings, feed_named(one.feed), one.key, rows, because="test", who="test")
    return one._replace(corrections=(*one.corrections, oracle.Correction(made, rows)))


@pytest.mark.parametrize("seed", range(100, 102))
def test_as_of_and_as_known_are_those_of_the_oracle(lakehouse: Lakehouse, seed: int) -> None:
    generated = deliveries(seed, 9)
    for one in generated:
        lakehouse.land(one.feed, one.key, one.content)
    lakehouse.ingest()
    moments = sorted({one.received_at for one in generated})
    for place, moment in enumerate(moments):
        known_by = (moment, moment.date(), moment - timedelta(seconds=1))[place % 3]
        valid_at = (moments[-place], SEQUENCES[place % len(SEQUENCES)])[place % 2]
        assert_same_at(lakehouse, generated, known_by, valid_at)


def test_the_real_deliveries_give_the_same_tables_as_the_oracle(lakehouse: Lakehouse, flexion: Path) -> None:
    generated = []
    for file in sorted(flexion.glob("*.csv")):
        feed, key = file.stem.split("_")
        key = {"update": "2026-11-22"}.get(key, key)
        generated.append(oracle.Delivery(feed, key, oracle.received_at(key), file.read_bytes()))
        lakehouse.land(feed, key, file.read_bytes())
    lakehouse.ingest()
    assert_same_tables(lakehouse, generated)
