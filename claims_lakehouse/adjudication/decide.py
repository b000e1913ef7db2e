"""What is decided of every line, as a function of what is known: lines, reference data, acts and rule sets.

A standpoint is a patient and a moment: what had been received of the patient before it. For each row of the temporary
table `standpoint` (patient_id, known_before) the lines that stand there are decided, all at once and in SQL alone;
the result is the temporary table `outcome`, one row a line and standpoint. Nothing else is read or written.

The order in which things are asked: each line by itself, then lines beside each other, then amounts.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import duckdb

from claims_lakehouse.adjudication.rule_set import ADJUSTMENTS, APPEALED, REVIEWED, RuleSet
from claims_lakehouse.adjudication.rule_sql import RuleSql, is_settled
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.history import duplicates
from claims_lakehouse.history.finding_sql import key_text
from claims_lakehouse.warehouse.literals import literals


def decide(con: duckdb.DuckDBPyConnection, rule_sets: Sequence[RuleSet]) -> None:
    """Decide the lines of every standpoint, each by the rule set that was in force when it was received.

    Args:
        con: A database with the warehouse's tables, and the temporary table `standpoint`.
        rule_sets: Rule sets in the order of their first days; the first is in force before that, too.
    """
    rules = RuleSql(rule_sets)
    con.execute(
        statement("known_line").format(
            key_text=key_text(MEDICAL_CLAIMS),
            payers_number=payers_number("line"),
            rule_set_of=rules.rule_set,
            line_hash=line_hash("line"),
        )
    )
    con.execute(statement("line_fact"))
    _ask_beside(con, rules, is_first=True)
    if con.execute("SELECT 1 FROM line_fact WHERE act IS NOT NULL LIMIT 1").fetchall():
        _let_lapse(con, rules)
        _ask_beside(con, rules, is_first=False)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE verdict AS
        SELECT line_id, denied_by, pending_for, {rules.evidence} AS evidence,
               CASE WHEN denied_by = '{REVIEWED}' OR act = 'appealed' THEN act_settles
                    WHEN denied_by IS NOT NULL THEN [denied_by || ' ' || coalesce(evidence, '')]
                    WHEN pending_for IS NOT NULL THEN {rules.pending_causes} END AS causes
        FROM (
            SELECT every_fact.*,
                   CASE WHEN act = 'denied' THEN '{REVIEWED}' WHEN act = 'appealed' THEN NULL
                        ELSE {rules.first("deny")} END AS denied_by,
                   CASE WHEN act = 'appealed' THEN ['{APPEALED}'] ELSE {rules.all("pend")} END AS pending_for
            FROM every_fact
        )
        """
    )
    con.execute(
        statement("payable").format(
            annual_maximum_is_settled=is_settled("'annual_maximum '"),
            authorized_units_are_settled=is_settled("'unauthorized_units ' || coalesce(authorized_by, '')"),
        )
    )
    _limit_units(con)
    con.execute(statement("outcome").format(patient_share=rules.patient_share))


def _ask_beside(con: duckdb.DuckDBPyConnection, rules: RuleSql, *, is_first: bool) -> None:
    """Find the facts about each line beside the others. At first what people denied counts: it may have lapsed."""
    by_a_person = "false" if is_first else "act = 'denied'"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE denied_alone AS
        SELECT line_id FROM line_fact
        WHERE {by_a_person} OR ({rules.first("deny", alone=True)}) IS NOT NULL
        """
    )
    con.execute(
        statement("claim_fact").format(
            most_compared=duplicates.MOST_COMPARED,
            same_code=duplicates.SAME_CODE,
            like_code=duplicates.LIKE_CODE,
            for_amount=duplicates.FOR_AMOUNT,
            for_days=duplicates.FOR_DAYS,
            for_diagnoses=duplicates.FOR_DIAGNOSES,
            amount_within=duplicates.AMOUNT_WITHIN,
            days=MEDICAL_CLAIMS.duplicates.days if MEDICAL_CLAIMS.duplicates else 0,
            least_points=rules.of_each(lambda one: str(one.similarity)),
            separate_modifiers=rules.of_each(lambda one: f"CAST([{literals(one.separate_modifiers)}] AS VARCHAR[])"),
        )
    )


def _let_lapse(con: duckdb.DuckDBPyConnection, rules: RuleSql) -> None:
    """Forget what people said to causes that speak no more; those about amounts speak as long as the line does."""
    limits = literals(ADJUSTMENTS)
    holds = (
        "(len({0}) = 0 OR list_has_any({0}, spoken)"
        f" OR len(list_filter({{0}}, lambda cause: split_part(cause, ' ', 1) IN ({limits}))) > 0)"
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE lapsed AS
        SELECT line_id, {holds.format("act_settles")} AS act_holds,
               coalesce({holds.format("allowed_settles")}, false) AS price_holds
        FROM (SELECT line_id, act_settles, allowed_settles, {rules.spoken} AS spoken
              FROM every_fact WHERE act IS NOT NULL)
        """
    )
    con.execute(
        """
        UPDATE line_fact SET act = CASE WHEN act_holds THEN act END,
               act_allowed = CASE WHEN price_holds THEN act_allowed END
        FROM lapsed WHERE lapsed.line_id = line_fact.line_id
        """
    )


def _limit_units(con: duckdb.DuckDBPyConnection) -> None:
    """Apply limits of units a day, the strictest that a line has first; each runs over all lines under it."""
    con.execute(statement("units_limit"))
    [(levels,)] = con.execute("SELECT coalesce(max(level), 0) FROM units_limited").fetchall()
    for level in range(1, levels + 1):
        con.execute(
            f"""
            UPDATE units_left SET units = within.granted,
                   exclusion_id = if(within.granted < units, within.exclusion_id, units_left.exclusion_id),
                   exclusion_sk = if(within.granted < units, within.exclusion_sk, units_left.exclusion_sk)
            FROM (
                SELECT line_id, min(granted) AS granted, min_by(exclusion_id, (granted, exclusion_id)) AS exclusion_id,
                       min_by(exclusion_sk, (granted, exclusion_id)) AS exclusion_sk
                FROM (
                    SELECT line_id, exclusion_id, exclusion_sk, CAST(
                        least(sum(units) OVER in_a_day, most_units_a_day)
                        - least(sum(units) OVER in_a_day - units, most_units_a_day) AS DECIMAL(9, 3)) AS granted
                    FROM (SELECT limited.*, units_left.units
                          FROM units_limited AS limited JOIN units_left USING (line_id) WHERE level = {level})
                    WINDOW in_a_day AS (
                        PARTITION BY known_before, patient_id, exclusion_id, service_day
                        ORDER BY received_date, claim_id, line_number ROWS UNBOUNDED PRECEDING
                    )
                )
                GROUP BY line_id
            ) AS within
            WHERE within.line_id = units_left.line_id
            """
        )


def statement(name: str) -> str:
    """The text of an SQL file of this package."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def payers_number(table: str) -> str:
    """SQL for the number by which a payee is told of a claim (CLP07), the same whenever it is; over a line."""
    payee = f"coalesce({table}.billing_npi, {table}.provider_npi)"
    return claim_number(f"{table}.claim_id", f"{table}.patient_id", payee)


def claim_number(claim_id: str, patient_id: str, payee: str) -> str:
    """SQL for that number, from expressions for what it follows from: 15 hexadecimal digits."""
    return f"upper(left(md5(concat_ws(chr(31), {claim_id}, {patient_id}, {payee})), 15))"


def line_hash(table: str) -> str:
    """SQL for what a line says: what a person's word binds to."""
    columns = ", ".join(f"coalesce(CAST({table}.{name} AS VARCHAR), '')" for name in MEDICAL_CLAIMS.content)
    return f"md5(concat_ws(chr(31), {columns}))"
