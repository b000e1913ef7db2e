"""How things stand: what is open, since when, whether it gets better, and what waits for a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from claims_lakehouse.desk.reading import INDEX, Reading

#: How many iterations the trend shows, and how many deliveries the table.
ITERATIONS, DELIVERIES = 24, 15
#: Upper bounds of age in days, and what is older.
AGES = ((7, "up to a week"), (30, "up to a month"), (90, "up to three months"), (None, "older"))


class Count(NamedTuple):
    """Open issues under one heading, by severity."""

    name: str
    errors: int
    warnings: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.errors + self.warnings


class OpenDelivery(NamedTuple):
    """A delivery with open issues: since when its content is here, how many rows it has and how many are kept out."""

    feed: str
    delivery: str
    here_since: datetime | None
    errors: int
    warnings: int
    rows_landed: int | None
    rows_kept_out: int | None


class Iteration(NamedTuple):
    """What was found in the deliveries of one key, what of it is open, and the share of rows kept out of the tables."""

    name: str
    errors: int
    warnings: int
    still_open: int
    kept_out: float | None


class Held(NamedTuple):
    """A delivery that waits for a person, and why."""

    feed: str
    delivery: str
    why: str | None
    received_at: datetime


class Overview(NamedTuple):
    """Everything that the first page says.

    Attributes:
        statuses: How many issues there are of each status.
        by_feed: What is open, by feed.
        by_rule: What is open, by rule, most first.
        by_age: What is open, by how long the content is here.
        deliveries: The deliveries with most open issues.
        trend: The last iterations in the order in which they were received.
        held: Deliveries that wait for a person.
        resolved: How many issues later deliveries put right, and how many corrections did, by feed.
    """

    statuses: dict[str, int]
    by_feed: list[Count]
    by_rule: list[Count]
    by_age: list[Count]
    deliveries: list[OpenDelivery]
    trend: list[Iteration]
    held: list[Held]
    resolved: list[tuple[str, int, int]]


def overview(reading: Reading, now: datetime) -> Overview:
    """How things stand in a publication; `now` is naive UTC. Worked out once a publication and day."""
    made: Overview = reading.once(f"overview {now.date()}", lambda: _overview(reading, now))
    return made


def _overview(reading: Reading, now: datetime) -> Overview:
    return Overview(
        statuses=dict(reading.ask(f"SELECT CAST(status AS VARCHAR), count(*) FROM {INDEX} GROUP BY ALL")),
        by_feed=_counts(reading, "feed", "name"),
        by_rule=_counts(reading, "rule", "errors + warnings DESC, name"),
        by_age=_by_age(reading, now),
        deliveries=[OpenDelivery(*row) for row in reading.ask(_DELIVERIES, {"most": DELIVERIES})],
        trend=[Iteration(*row) for row in reading.ask(_TREND, {"most": ITERATIONS})],
        held=[Held(*row) for row in reading.ask(_HELD)],
        resolved=reading.ask(_RESOLVED),
    )


_SEVERITIES = "count(*) FILTER (severity = 'error') AS errors, count(*) FILTER (severity = 'warning') AS warnings"


def _counts(reading: Reading, name: str, order: str) -> list[Count]:
    rows = reading.ask(
        f"SELECT CAST({name} AS VARCHAR) AS name, {_SEVERITIES} FROM {INDEX} WHERE status = 'open'"
        f" GROUP BY {name} ORDER BY {order}"
    )
    return [Count(*row) for row in rows]


def _by_age(reading: Reading, now: datetime) -> list[Count]:
    """What is open by age, youngest first, those of no issue included."""
    bounds = [bound for bound, _ in AGES if bound is not None]
    steps = " ".join(f"WHEN days <= {bound} THEN {place}" for place, bound in enumerate(bounds))
    values: dict[str, Any] = {"now": now}
    found = reading.ask(
        f"SELECT CASE {steps} ELSE {len(bounds)} END AS age, {_SEVERITIES} FROM ("
        f"SELECT date_diff('day', here_since, $now::TIMESTAMP) AS days, severity FROM {INDEX} WHERE status = 'open'"
        ") GROUP BY ALL",
        values,
    )
    known = {age: (errors, warnings) for age, errors, warnings in found}
    return [Count(told, *known.get(place, (0, 0))) for place, (_, told) in enumerate(AGES)]


_DELIVERIES = f"""
SELECT feed, delivery, here_since, errors, warnings, rows_landed, rows_malformed + rows_quarantined
FROM (
    SELECT CAST(feed AS VARCHAR) AS feed, CAST(delivery AS VARCHAR) AS delivery, any_value(here_since) AS here_since,
           {_SEVERITIES}
    FROM {INDEX} WHERE status = 'open' GROUP BY ALL
) JOIN internal.ledger USING (feed, delivery)
ORDER BY errors DESC, warnings DESC, feed, delivery LIMIT $most
"""

_TREND = f"""
SELECT delivery, coalesce(errors, 0), coalesce(warnings, 0), coalesce(still_open, 0), kept_out
FROM (
    SELECT delivery, min(received_at) AS received_at,
           CAST(sum(rows_malformed + rows_quarantined) / nullif(sum(rows_landed), 0) AS DOUBLE) AS kept_out
    FROM internal.ledger WHERE rows_landed IS NOT NULL AND status <> 'purged'
    GROUP BY delivery ORDER BY received_at DESC, delivery DESC LIMIT $most
)
LEFT JOIN (
    SELECT CAST(delivery AS VARCHAR) AS delivery, {_SEVERITIES}, count(*) FILTER (status = 'open') AS still_open
    FROM {INDEX} WHERE status <> 'retracted' GROUP BY ALL
) USING (delivery)
ORDER BY received_at, delivery
"""

_HELD = """
SELECT feed, delivery, error, received_at FROM internal.ledger WHERE status = 'held'
ORDER BY received_at, delivery, feed
"""

_RESOLVED = """
SELECT feed, count(*) FILTER (NOT starts_with(resolved_by, 'correction ')),
       count(*) FILTER (starts_with(resolved_by, 'correction '))
FROM internal.finding WHERE status = 'resolved' GROUP BY feed ORDER BY feed
"""
