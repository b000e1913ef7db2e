"""What another rule set would decide of the claims as they stand: decided again, and compared with what stands."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import duckdb

from claims_lakehouse.adjudication.decide import decide
from claims_lakehouse.adjudication.rule_set import RuleSet
from claims_lakehouse.adjudication.settle import LINES_TOGETHER
from claims_lakehouse.contracts import MEDICAL_CLAIMS


class Change(NamedTuple):
    """Lines that would be decided otherwise: from what to what, for which rule, how many, and what is paid.

    `example` is one of them: claim|line.
    """

    decision: str | None
    rule: str | None
    decision_after: str | None
    rule_after: str | None
    lines: int
    paid: Decimal
    paid_after: Decimal
    example: str


class Comparison(NamedTuple):
    """How many lines were compared, how many would be decided otherwise, and how.

    `differing_since` are those of the latter that were received from the rule set's first day on: once it is adopted,
    only these are decided by it.
    """

    lines: int
    differing: int
    differing_since: int
    changes: list[Change]


def compare_rule_set(
    con: duckdb.DuckDBPyConnection, rule_set: RuleSet, progress: Callable[[int, int], None] | None = None
) -> Comparison:
    """Decide every line that stands by a rule set, and compare; nothing is changed.

    Args:
        con: The published file, or a warehouse; temporary tables are made in it.
        rule_set: The rule set: all lines are decided by it, whenever they were received.
        progress: Told how many patients of how many are done.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE compared_turn AS
        SELECT patient_id, CAST(sum(lines) OVER (ORDER BY patient_id) // {LINES_TOGETHER} AS BIGINT) AS turn
        FROM (SELECT patient_id, count(*) AS lines FROM {MEDICAL_CLAIMS.table} GROUP BY patient_id)
        """
    )
    turns = con.execute("SELECT turn, count(*) FROM compared_turn GROUP BY turn ORDER BY turn").fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE otherwise (patient_id VARCHAR, claim_id VARCHAR, line_number INTEGER,"
        " decision VARCHAR, rule VARCHAR, paid DECIMAL(12, 2))"
    )
    done = 0
    for turn, patients in turns:
        con.execute(
            "CREATE OR REPLACE TEMP TABLE standpoint AS SELECT patient_id, TIMESTAMP '9999-01-01' AS known_before"
            f" FROM compared_turn WHERE turn = {turn}"
        )
        decide(con, [rule_set])
        con.execute(
            "INSERT INTO otherwise SELECT patient_id, claim_id, line_number, decision, coalesce(rule, pending_for[1]),"
            " paid FROM outcome WHERE decision IS NOT NULL"
        )
        done += patients
        if progress:
            progress(done, sum(count for _, count in turns))
    rows = con.execute(
        f"""
        SELECT stands.decision, coalesce(stands.rule, stands.pending_for[1]) AS rule, other.decision, other.rule,
               count(*) AS lines, coalesce(sum(stands.paid), 0), coalesce(sum(other.paid), 0),
               min(coalesce(stands.claim_id || '|' || stands.line_number, other.claim_id || '|' || other.line_number)),
               count(*) FILTER (CAST(line.valid_from AS DATE) >= $since)
        FROM decision AS stands FULL JOIN otherwise AS other USING (patient_id, claim_id, line_number)
        LEFT JOIN (FROM {MEDICAL_CLAIMS.table} WHERE is_current) AS line USING (patient_id, claim_id, line_number)
        WHERE stands.decision IS DISTINCT FROM other.decision OR stands.paid IS DISTINCT FROM other.paid
           OR coalesce(stands.rule, stands.pending_for[1]) IS DISTINCT FROM other.rule
        GROUP BY ALL ORDER BY count(*) DESC, 1, 2, 3, 4
        """,
        {"since": rule_set.effective_from},
    ).fetchall()
    [(lines,)] = con.execute("SELECT count(*) FROM decision").fetchall()
    changes = [Change(*row) for *row, _ in rows]
    return Comparison(lines, sum(one.lines for one in changes), sum(since for *_, since in rows), changes)
