"""The lakehouse against the oracle: the same deliveries must give the same tables, version by version."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.oracle.generate import deliveries

_HISTORY = ("valid_from", "valid_to", "is_current", "version", "delivery", "row_number")
_COUNTS = (
    "rows_landed",
    "rows_malformed",
    "rows_quarantined",
    "rows_duplicate",
    "rows_valid",
    "versions_added",
    "rows_restated",
)
_ISSUE = (
    "feed",
    "delivery",
    "row_number",
    "record_key",
    "rule",
    "column_name",
    "severity",
    "status",
    "resolved_by",
)


def _compare(lakehouse: Lakehouse, expected: oracle.Tables) -> None:
    for feed in FEEDS:
        source = [column.name for column in feed.columns]
        key = ", ".join(feed.key)
        ours = lakehouse.dicts(f"SELECT {', '.join((*source, *_HISTORY))} FROM {feed.table} ORDER BY {key}, version")
        theirs = [{name: row[name] for name in (*source, *_HISTORY)} for row in expected.versions[feed.name]]
        assert ours == theirs, feed.table
        columns = (*source, "delivery", "row_number")
        restated = lakehouse.dicts(f"SELECT {', '.join(columns)} FROM {feed.restated_table}")
        assert _sorted(restated) == _sorted([{n: r[n] for n in columns} for r in expected.restatements[feed.name]])
    ledger = lakehouse.dicts(f"SELECT feed, delivery, {', '.join(_COUNTS)} FROM delivery")
    assert _sorted(ledger) == _sorted(expected.ledger)
    issues = lakehouse.dicts(f"SELECT {', '.join(_ISSUE)} FROM issue")
    assert _sorted(issues) == _sorted([{name: row[name] for name in _ISSUE} for row in expected.issues])


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(row) for row in rows)


@pytest.mark.parametrize("seed", range(12))
def test_the_same_deliveries_give_the_same_tables_as_the_oracle(lakehouse: Lakehouse, seed: int) -> None:
    generated = deliveries(seed, 9)
    expected = oracle.tables(generated)
    shuffled = random.Random(seed)
    # Some land late, some twice, and some say something else first.
    order = list(generated)
    shuffled.shuffle(order)
    for batch in (order[:4], order[4:]):
        for one in batch:
            if shuffled.random() < 0.3:
                other = shuffled.choice([each for each in generated if each.feed == one.feed])
                lakehouse.land(one.feed, one.key, other.content)
                lakehouse.process(one.feed, one.key)
            lakehouse.land(one.feed, one.key, one.content)
            if shuffled.random() < 0.3:
                lakehouse.process(one.feed, one.key)
        assert set(lakehouse.ingest().values()) <= {None}
    _compare(lakehouse, expected)


@pytest.mark.parametrize("seed", range(100, 103))
def test_as_of_and_as_known_are_those_of_the_oracle(lakehouse: Lakehouse, seed: int) -> None:
    generated = deliveries(seed, 9)
    for one in generated:
        lakehouse.land(one.feed, one.key, one.content)
    lakehouse.ingest()
    expected = oracle.tables(generated)
    moments = sorted({one.received_at for one in generated})
    for moment in moments:
        for feed in FEEDS:
            source = [column.name for column in feed.columns]
            for asked in (moment, moment.date(), moment - timedelta(seconds=1)):
                literal = f"{'TIMESTAMP' if type(asked) is not date else 'DATE'} '{asked}'"
                known = lakehouse.dicts(
                    f"SELECT {', '.join((*source, 'valid_from'))} FROM {feed.entity}_as_known({literal})"
                )
                theirs = oracle.as_known(generated, feed.name, asked)
                assert _sorted(known) == _sorted([{n: r[n] for n in (*source, "valid_from")} for r in theirs])
                valid = lakehouse.dicts(f"SELECT {', '.join((*source, *_HISTORY))} FROM {feed.entity}_as_of({literal})")
                theirs = oracle.as_of(expected, feed.name, asked)
                assert _sorted(valid) == _sorted([{n: r[n] for n in (*source, *_HISTORY)} for r in theirs])


def test_the_real_deliveries_give_the_same_tables_as_the_oracle(lakehouse: Lakehouse, flexion: Path) -> None:
    generated = []
    for file in sorted(flexion.glob("*.csv")):
        feed, key = file.stem.split("_")
        key = {"update": "2026-11-22"}.get(key, key)
        generated.append(oracle.Delivery(feed, key, oracle.received_at(key), file.read_bytes()))
        lakehouse.land(feed, key, file.read_bytes())
    lakehouse.ingest()
    _compare(lakehouse, oracle.tables(generated))
