"""What a received day's decisions come to: counts and sums for people who watch, and whether the law holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import duckdb

from claims_lakehouse.adjudication.settle import NOT_PAID

_TAKEN = " + ".join(NOT_PAID)


class Decided(NamedTuple):
    """Lines that were decided alike on one day: how, by which rule, how many, and what they come to, US dollars."""

    decision: str
    rule: str
    lines: int
    charge: Decimal
    paid: Decimal


class OfDelivery(NamedTuple):
    """The lines of one delivery that were decided on a day: how many, what was asked, paid and adjusted."""

    delivery: str
    lines: int
    charge: Decimal
    paid: Decimal
    adjusted: Decimal


class DaySummary(NamedTuple):
    """What one received day's decisions come to.

    Attributes:
        day: The received day.
        decided: Lines that were decided for the first time.
        decided_anew: Lines whose decision the day changed.
        taken_back: Lines whose decision was taken back.
        by_decision: How they were decided.
        by_delivery: Of which deliveries of claims the lines are.
        because: Why decisions changed, and how many.
        unbalanced: Lines whose charge is not what is paid and adjusted: none.
        undecided: Lines that stand and have no decision, or more than one, of deliveries received that day: none.
    """

    day: date
    decided: int
    decided_anew: int
    taken_back: int
    by_decision: list[Decided]
    by_delivery: list[OfDelivery]
    because: dict[str, int]
    unbalanced: int
    undecided: int


def day_summary(con: duckdb.DuckDBPyConnection, day: date) -> DaySummary:
    """What a received day's decisions come to."""
    of_day = {"day": day}
    by_decision = con.execute(
        """
        SELECT decision, coalesce(rule, pending_for[1], ''), count(*), sum(charge), sum(paid)
        FROM internal.line_decision WHERE day = $day AND decision IS NOT NULL GROUP BY ALL ORDER BY ALL
        """,
        of_day,
    ).fetchall()
    by_delivery = con.execute(
        f"""
        SELECT line_delivery, count(*), sum(charge), sum(paid), sum({_TAKEN})
        FROM internal.line_decision WHERE day = $day AND decision IS NOT NULL GROUP BY ALL ORDER BY ALL
        """,
        of_day,
    ).fetchall()
    [(decided, anew, taken_back)] = con.execute(
        """
        SELECT count(*) FILTER (decision IS NOT NULL AND decision_before IS NULL),
               count(*) FILTER (decision IS NOT NULL AND decision_before IS NOT NULL),
               count(*) FILTER (decision IS NULL AND decision_before IS NOT NULL)
        FROM internal.line_decision WHERE day = $day
        """,
        of_day,
    ).fetchall()
    because = con.execute(
        "SELECT because, count(*) FROM internal.line_decision WHERE day = $day GROUP BY ALL ORDER BY count(*) DESC, 1",
        of_day,
    ).fetchall()
    [(unbalanced,)] = con.execute(
        f"SELECT count(*) FROM internal.line_decision WHERE day = $day AND decision IS NOT NULL"
        f" AND charge IS DISTINCT FROM paid + {_TAKEN}",
        of_day,
    ).fetchall()
    [(undecided,)] = con.execute(
        """
        SELECT count(*) FROM fact_medical_claim AS line
        LEFT JOIN (SELECT patient_id, claim_id, line_number, count(*) AS n FROM internal.line_decision
                   WHERE is_current GROUP BY ALL) AS decided USING (patient_id, claim_id, line_number)
        WHERE line.is_current AND CAST(line.valid_from AS DATE) = $day AND n IS DISTINCT FROM 1
        """,
        of_day,
    ).fetchall()
    return DaySummary(
        day, decided, anew, taken_back,
        [Decided(*row) for row in by_decision], [OfDelivery(*row) for row in by_delivery],
        dict(because), unbalanced, undecided,
    )  # fmt: skip
