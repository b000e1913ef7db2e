"""How a delivery compares with those of its feed that were received before it: volume, empty fields, references.

Nothing here stops a delivery; it is what an attentive person would notice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from statistics import median

import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.validation.verification import Verification

#: How many deliveries back are looked at, and how many there must be for a comparison to mean something.
LOOK_BACK, LEAST = 5, 3
#: A volume outside these multiples of the usual one, or that much more of a column empty, is worth a look.
FEWEST, MOST, EMPTIER = 0.5, 2.0, 0.10


@dataclass(frozen=True)
class Trends:
    """What is usual for a feed, and what is unusual about a delivery.

    Attributes:
        usual_rows: The median of the rows landed by the deliveries before; None where there are too few.
        is_unusual: Whether the delivery's volume is out of the usual range.
        emptier: Columns of which unusually many values are missing: the share now, and the usual one.
        unresolved: How many of the delivery's rows refer to unknown records, by rule.
    """

    usual_rows: float | None = None
    is_unusual: bool = False
    emptier: dict[str, tuple[float, float]] = field(default_factory=dict)
    unresolved: dict[str, int] = field(default_factory=dict)


def trends(con: duckdb.DuckDBPyConnection, feed: Feed, delivery: str, done: Verification) -> Trends:
    """Compare a delivery that the ledger knows with the last ones before it; `priming` is not compared with."""
    before = con.execute(
        """
        SELECT other.rows_landed, other.rows_valid, other.nulls FROM internal.ledger AS other
        JOIN internal.ledger AS own ON own.feed = other.feed AND own.delivery = $delivery
        WHERE other.feed = $feed AND other.status = 'applied' AND other.delivery <> 'priming'
          AND (other.received_at, other.delivery) < (own.received_at, own.delivery)
        ORDER BY other.received_at DESC, other.delivery DESC LIMIT $back
        """,
        {"feed": feed.name, "delivery": delivery, "back": LOOK_BACK},
    ).fetchall()
    unresolved = con.execute(
        """
        SELECT rule, count(*) FROM internal.finding
        WHERE live AND feed = $feed AND delivery = $delivery AND status = 'open' AND rule <> 'same_sequence'
        GROUP BY rule ORDER BY rule
        """,
        {"feed": feed.name, "delivery": delivery},
    ).fetchall()
    if len(before) < LEAST:
        return Trends(unresolved=dict(unresolved))
    usual = float(median(landed for landed, _, _ in before))
    emptier = {}
    for column in feed.columns:
        shares = [json.loads(nulls).get(column.name, 0) / valid for _, valid, nulls in before if valid]
        if done.valid and shares:
            now, usually = done.nulls.get(column.name, 0) / done.valid, sum(shares) / len(shares)
            if now > usually + EMPTIER:
                emptier[column.name] = (now, usually)
    return Trends(usual, not usual * FEWEST <= done.landed <= usual * MOST, emptier, dict(unresolved))
