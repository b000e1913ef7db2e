"""Keep the decisions in step with what is known: decide anew what was touched, a received day of a patient at a time.

What a day changed is the difference between what was known before it and after it, so days can be settled in any
order, and again: the rows of a day are replaced by what they should be, and those that are as they should be stay
untouched. What is due is written down in the warehouse, in the transaction that makes it due, and removed in the one
that settles it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import NamedTuple

import duckdb

from claims_lakehouse.adjudication.decide import decide, statement
from claims_lakehouse.adjudication.rule_set import RuleSet
from claims_lakehouse.errors import DecisionsUnsound
from claims_lakehouse.warehouse.connection import transaction

#: How many lines are decided in one transaction, about: each counts once for every moment at which it is looked at.
LINES_TOGETHER = 400_000
#: What a decision says besides which line, patient and day it is of.
SAID = (
    "claim_version", "decision", "taken_back_by", "charge", "allowed", "paid", "patient_share", "rule", "evidence",
    "pending_for", "causes", "act_id", "denied", "pending", "unauthorized", "over_limit", "above_fee", "deductible",
    "coinsurance", "copay", "over_maximum", "rule_set", "line_sk", "line_delivery", "coverage_sk", "plan_sk",
    "year_plan_sk", "fee_sk", "authorization_sk", "exclusion_sk",
)  # fmt: skip
#: What it says of what stood before the day, and why that changed.
BEFORE = ("decision_before", "paid_before", "patient_share_before", "because")
_IDENTITY = ("patient_id", "claim_id", "line_number", "day")
#: What of a line's charge is not paid; together with `paid` it is the charge.
NOT_PAID = (
    "denied", "pending", "unauthorized", "over_limit", "above_fee", "deductible", "coinsurance", "copay",
    "over_maximum",
)  # fmt: skip


class Settled(NamedTuple):
    """What settling changed on one received day: lines decided for the first time, decided anew, and taken back."""

    decided: int
    decided_anew: int
    taken_back: int


def take_up_touched(con: duckdb.DuckDBPyConnection) -> None:
    """Turn what was touched into what is due: days of patients. Part of the caller's transaction."""
    if not con.execute("SELECT 1 FROM internal.touched LIMIT 1").fetchall():
        return
    con.execute(statement("due"))
    con.execute("CREATE OR REPLACE TEMP TABLE asked AS SELECT patient_id FROM affected")
    con.execute(statement("received_day"))
    con.execute(
        """
        INSERT INTO internal.due
        SELECT patient_id, day FROM received_day JOIN affected USING (patient_id) WHERE day >= since
        UNION SELECT patient_id, day FROM internal.line_decision JOIN affected USING (patient_id) WHERE day >= since
        EXCEPT FROM internal.due
        """
    )
    con.execute("DELETE FROM internal.touched")


def due_days(con: duckdb.DuckDBPyConnection) -> list[date]:
    """The received days on which something is due, in order."""
    return [day for (day,) in con.execute("SELECT DISTINCT day FROM internal.due ORDER BY day").fetchall()]


def received_days(con: duckdb.DuckDBPyConnection) -> list[date]:
    """Every day on which something was received that decisions may hang on, or changed one; in order."""
    con.execute("CREATE OR REPLACE TEMP TABLE asked AS SELECT DISTINCT patient_id FROM fact_medical_claim")
    con.execute(statement("received_day"))
    rows = con.execute(
        "SELECT day FROM received_day UNION SELECT day FROM internal.line_decision ORDER BY day"
    ).fetchall()
    return [day for (day,) in rows]


def make_due(con: duckdb.DuckDBPyConnection, days: Collection[date]) -> None:
    """Have days settled once more, whole, whatever was settled before."""
    with transaction(con):
        con.execute("CREATE OR REPLACE TEMP TABLE asked AS SELECT DISTINCT patient_id FROM fact_medical_claim")
        con.execute(statement("received_day"))
        con.execute(
            """
            INSERT INTO internal.due
            SELECT patient_id, day FROM received_day WHERE list_contains($days, day)
            UNION SELECT DISTINCT patient_id, day FROM internal.line_decision WHERE list_contains($days, day)
            EXCEPT FROM internal.due
            """,
            {"days": list(days)},
        )


def settle(
    con: duckdb.DuckDBPyConnection,
    rule_sets: Collection[RuleSet],
    *,
    now: datetime,
    run_id: str | None = None,
    days: Collection[date] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[date, Settled]:
    """Settle what is due, of all days or of some; what changed, by received day.

    Args:
        con: The warehouse, for its one writer.
        rule_sets: Every rule set in force, in the order of their first days.
        now: When it is decided, naive UTC.
        run_id: The Dagster run.
        days: The received days to settle; None for all.
        progress: Told how many patients' days of how many are settled.

    Raises:
        DecisionsUnsound: What was decided would break a law; what was settled before stands, and this stays due.
    """
    with transaction(con):
        take_up_touched(con)
    only = "" if days is None else "WHERE list_contains($days, day)"
    given = {} if days is None else {"days": list(days)}
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE turn AS
        SELECT patient_id, day, CAST(sum(lines) OVER (ORDER BY patient_id, day) // {LINES_TOGETHER} AS BIGINT) AS turn
        FROM (SELECT patient_id, day, coalesce(lines, 0) + 1 AS lines FROM internal.due
              LEFT JOIN (SELECT patient_id, count(*) AS lines FROM fact_medical_claim GROUP BY patient_id)
              USING (patient_id) {only})
        """,
        given,
    )
    turns = con.execute("SELECT turn, count(*) FROM turn GROUP BY turn ORDER BY turn").fetchall()
    done, total = 0, sum(pairs for _, pairs in turns)
    changed: dict[date, Settled] = {}
    for turn, pairs in turns:
        with transaction(con):
            con.execute(f"CREATE OR REPLACE TEMP TABLE due_now AS SELECT patient_id, day FROM turn WHERE turn = {turn}")
            for day, *counts in _settle_turn(con, list(rule_sets), now, run_id):
                before = changed.get(day, Settled(0, 0, 0))
                changed[day] = Settled(*(one + other for one, other in zip(before, counts, strict=True)))
            con.execute("DELETE FROM internal.due USING due_now WHERE due.patient_id = due_now.patient_id"
                        " AND due.day = due_now.day")  # fmt: skip
        done += pairs
        if progress:
            progress(done, total)
    return dict(sorted(changed.items()))


def _settle_turn(
    con: duckdb.DuckDBPyConnection, rule_sets: list[RuleSet], now: datetime, run_id: str | None
) -> list[tuple[date, int, int, int]]:
    """Settle the days in `due_now`; what changed, by day."""
    con.execute("CREATE OR REPLACE TEMP TABLE asked AS SELECT DISTINCT patient_id FROM due_now")
    con.execute(statement("received_day"))
    # A day that is due because of what was decided on it may be a received day no more: then nothing changes on it.
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE pair AS
        SELECT patient_id, day, day_before FROM (
            SELECT patient_id, day, lag(day) OVER (PARTITION BY patient_id ORDER BY day) AS day_before FROM received_day
        ) SEMI JOIN due_now USING (patient_id, day)
        """
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE standpoint AS
        SELECT patient_id, day + INTERVAL 1 DAY AS known_before FROM pair
        UNION SELECT patient_id, day_before + INTERVAL 1 DAY FROM pair WHERE day_before IS NOT NULL
        """
    )
    decide(con, rule_sets)
    con.execute(
        statement("changes").format(
            said=", ".join(f"now.{name}" for name in SAID),
            now=", ".join(f"now.{name}" for name in SAID),
            past=", ".join(f"past.{name}" for name in SAID),
        )
    )
    _audit(con)
    return _write(con, now, run_id)


def _audit(con: duckdb.DuckDBPyConnection) -> None:
    """Hold the laws of decisions: to the cent, nothing negative, and every line that stands decided once."""
    taken = " + ".join(NOT_PAID)
    least = ", ".join(("paid", "allowed", "patient_share", *NOT_PAID))
    laws = {
        "charge = paid + adjustments": f"""
            FROM changed WHERE decision IS NOT NULL AND charge IS DISTINCT FROM paid + {taken}
        """,
        "no amount is negative": f"FROM changed WHERE decision IS NOT NULL AND least({least}) < 0",
        "no decision is without a rule set": "FROM changed WHERE decision IS NOT NULL AND rule_set IS NULL",
        "every line that stands is decided once": """
            FROM (SELECT known_before, claim_id, line_number FROM stood_line) AS line
            FULL JOIN (SELECT known_before, claim_id, line_number, count(*) AS n FROM outcome GROUP BY ALL) AS decided
            USING (known_before, claim_id, line_number)
            WHERE n IS DISTINCT FROM 1
        """,
    }
    for law, broken in laws.items():
        [(count,)] = con.execute(f"SELECT count(*) {broken}").fetchall()
        if count:
            raise DecisionsUnsound(f"Decisions: found {count:,} lines that break '{law}'; expected none.")


def _write(con: duckdb.DuckDBPyConnection, now: datetime, run_id: str | None) -> list[tuple[date, int, int, int]]:
    """Make the rows of these days what they should be; those that are stay as they are."""
    columns = ", ".join((*_IDENTITY, *SAID, *BEFORE))
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE standing_row AS
        SELECT stored.rowid AS row_id, {columns} FROM internal.line_decision AS stored
        SEMI JOIN due_now USING (patient_id, day)
        """
    )
    said = ", ".join(f"stood.{name}" for name in (*SAID, *BEFORE))
    new = ", ".join(f"changed.{name}" for name in (*SAID, *BEFORE))
    matches = f"USING ({', '.join(_IDENTITY)})"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE kept AS
        SELECT row_id, {", ".join(_IDENTITY)} FROM standing_row AS stood JOIN changed {matches}
        WHERE ({said}) IS NOT DISTINCT FROM ({new})
        """
    )
    con.execute("DELETE FROM internal.line_decision WHERE rowid IN (SELECT row_id FROM standing_row WHERE row_id NOT IN"
                " (SELECT row_id FROM kept))")  # fmt: skip
    con.execute(
        f"""
        INSERT INTO internal.line_decision BY NAME
        SELECT {columns}, false AS is_current, $now::TIMESTAMP AS decided_at, $run_id AS run_id
        FROM changed ANTI JOIN kept {matches}
        """,
        {"now": now, "run_id": run_id},
    )
    con.execute(
        """
        UPDATE internal.line_decision AS stored SET is_current = last.is_last
        FROM (
            SELECT rowid AS row_id, is_current,
                   day = max(day) OVER (PARTITION BY patient_id, claim_id, line_number) AS is_last
            FROM internal.line_decision SEMI JOIN asked USING (patient_id)
        ) AS last
        WHERE stored.rowid = last.row_id AND last.is_current <> last.is_last
        """
    )
    counts = con.execute(
        f"""
        SELECT day, count(*) FILTER (decision IS NOT NULL AND decision_before IS NULL),
               count(*) FILTER (decision IS NOT NULL AND decision_before IS NOT NULL),
               count(*) FILTER (decision IS NULL AND decision_before IS NOT NULL)
        FROM changed ANTI JOIN kept {matches} GROUP BY day ORDER BY day
        """
    ).fetchall()
    [(removed,)] = con.execute("SELECT (SELECT count(*) FROM standing_row) - (SELECT count(*) FROM kept)").fetchall()
    if counts or removed:
        con.execute("UPDATE internal.change SET n = n + 1")
    only_removed = con.execute(
        "SELECT DISTINCT day FROM standing_row WHERE row_id NOT IN (SELECT row_id FROM kept) ORDER BY day"
    ).fetchall()
    told = {day for day, *_ in counts}
    return [*counts, *((day, 0, 0, 0) for (day,) in only_removed if day not in told)]
