"""How the decisions about a claim came about: what is known, every rule in order, amounts step by step, and the log.

It is found by deciding once more, on what is published, in temporary tables: so it can be told of any day, and by the
rule set of one's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from claims_lakehouse.adjudication.decide import decide
from claims_lakehouse.adjudication.explanation import (
    AskedRule,
    Explanation,
    Happening,
    KnownFact,
    LineExplanation,
    Remitted,
    Step,
    Version,
)
from claims_lakehouse.adjudication.facts import FACT_NAMED
from claims_lakehouse.adjudication.rule_file import standard
from claims_lakehouse.adjudication.rule_set import APPEALED, REVIEWED, Codes, Rule, RuleSet
from claims_lakehouse.adjudication.rule_sql import in_order
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.errors import UsageError

#: Reference data by the column of the decision that names its version: what it is of, table, surrogate key, record key.
_VERSIONS = {
    "coverage_sk": ("coverage", "dim_coverage", "coverage_sk", "patient_id || ' ' || plan_id || ' ' || covered_from"),
    "plan_sk": ("plan at the service", "dim_plan", "plan_sk", "plan_id"),
    "year_plan_sk": ("plan of the year", "dim_plan", "plan_sk", "plan_id"),
    "fee_sk": ("fee", "dim_fee_schedule", "fee_schedule_sk",
               "concat_ws(' ', plan_id, procedure_code, nullif(modifier, ''), effective_from)"),
    "authorization_sk": ("authorization", "dim_prior_authorization", "prior_authorization_sk", "authorization_number"),
    "exclusion_sk": ("limit", "dim_exclusion", "exclusion_sk", "exclusion_id"),
}  # fmt: skip
_NOTHING = Decimal("0.00")
_SHOWN_OF_A_LINE = ("patient_id", "provider_npi", "procedure_code", "modifiers", "diagnosis_codes", "units",
                    "date_of_service_from", "date_of_service_to", "place_of_service", "charge_amount",
                    "prior_auth_number", "frequency_code", "original_claim_id", "received_date", "delivery",
                    "row_number")  # fmt: skip


def explain(
    con: duckdb.DuckDBPyConnection, claim_id: str, rule_sets: Sequence[RuleSet], day: date | None = None
) -> Explanation:
    """How the lines of a claim are decided by what had been received to the end of a day, and what was remitted of it.

    Of a claim whose delivery was retracted or purged since there are remittances and no lines.

    Args:
        con: The published file, or a warehouse; temporary tables are made in it.
        claim_id: The claim.
        rule_sets: The rule sets in force, in the order of their first days.
        day: As of the end of which day; None for all that is known.

    Raises:
        UsageError: Nothing is known of such a claim, or nothing was on that day.
    """
    known_before = datetime.combine(date.max if day is None else day + timedelta(days=1), time.min)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE standpoint AS SELECT DISTINCT patient_id, $before::TIMESTAMP AS known_before"
        f" FROM {MEDICAL_CLAIMS.table} WHERE claim_id = $claim AND valid_from < $before",
        {"before": known_before, "claim": claim_id},
    )
    patients = [patient for (patient,) in con.execute("SELECT patient_id FROM standpoint ORDER BY 1").fetchall()]
    events, payments = _events(con, claim_id, day), _payments(con, claim_id, day)
    if not patients and not events and not payments:
        raise UsageError(f"Nothing is known of a claim '{claim_id}'" + (f" on {day}." if day else "."))
    decide(con, rule_sets or [standard()])
    decided = _dicts(con, "SELECT * FROM outcome WHERE claim_id = $claim ORDER BY line_number", claim=claim_id)
    facts = {one["line_number"]: one for one in
             _dicts(con, "SELECT * FROM every_fact WHERE claim_id = $claim", claim=claim_id)}  # fmt: skip
    stood = {one["line_number"]: one for one in
             _dicts(con, "SELECT * FROM stood_line WHERE claim_id = $claim", claim=claim_id)}  # fmt: skip
    named = {one.digest: one for one in rule_sets or [standard()]}
    lines = [
        _line(con, one, stood[one["line_number"]], facts.get(one["line_number"]), named.get(one["rule_set"] or ""))
        for one in decided
    ]
    patients = patients or sorted({one.patient_id for one in payments})
    return Explanation(claim_id, patients, day, lines, events, payments)


def _line(
    con: duckdb.DuckDBPyConnection,
    one: dict[str, Any],
    stood: dict[str, Any],
    known: dict[str, Any] | None,
    rule_set: RuleSet | None,
) -> LineExplanation:
    line = {name: stood[name] for name in _SHOWN_OF_A_LINE}
    facts = [KnownFact(fact, known[name]) for name, fact in FACT_NAMED.items()] if known else []
    rules = list(_asked(con, known, one, rule_set)) if known and rule_set else []
    deciding = next((asked.rule for asked in rules if asked.decides and asked.rule.outcome == "deny"), None)
    steps = list(_steps(con, one, deciding, rule_set)) if rule_set else []
    appeal = deciding.appeal if deciding else None
    if appeal is None and rule_set:
        appeal = next((step.codes.appeal for step in steps if step.codes and step.codes.appeal), None)
    if appeal is None and one["rule"] == REVIEWED:
        appeal = "The record of the service, and a letter that answers the reason that was given."
    return LineExplanation(
        one["claim_id"], one["line_number"], one["decision"], one["taken_back_by"], one["charge"],
        one["allowed"] or _NOTHING, one["paid"] or _NOTHING, one["patient_share"] or _NOTHING, rule_set, line,
        facts, rules, steps, list(_versions(con, one)), appeal,
    )  # fmt: skip


def _asked(
    con: duckdb.DuckDBPyConnection, known: dict[str, Any], one: dict[str, Any], rule_set: RuleSet
) -> list[AskedRule]:
    """Every rule in the order in which it is asked, each by itself."""
    rules = in_order(rule_set.rules)
    [spoken] = con.execute(
        "SELECT " + ", ".join(f"coalesce(({rule.when}\n), false)" for rule in rules)
        + " FROM every_fact WHERE line_id = $line", {"line": known["line_id"]},
    ).fetchall()  # fmt: skip
    overridden, found = set(known["overridden"] or ()), []
    for rule, speaks in zip(rules, spoken, strict=True):
        evidence = "" if rule.evidence is None or known[rule.evidence] is None else str(known[rule.evidence])
        is_settled = f"{rule.name} {evidence}" in overridden
        decides = rule.name == one["rule"] or (one["rule"] is None and rule.name in (one["pending_for"] or ()))
        found.append(AskedRule(rule, speaks, is_settled, decides))
    return found


def _steps(con: duckdb.DuckDBPyConnection, one: dict[str, Any], deciding: Rule | None, rule_set: RuleSet) -> list[Step]:
    """From the charge to what is paid, step by step."""
    named = rule_set.adjustments
    if one["decision"] == "denied" and one["denied"]:
        codes, told = (deciding.codes, deciding.reason) if deciding else _reviewed(con, one)
        return [Step("denied", one["denied"], Decimal("0.00"), codes, told)]
    if one["decision"] == "pending":
        told = "A person opened the line again." if one["pending_for"] == [APPEALED] else named["pending"].reason
        return [Step("pending", one["pending"], Decimal("0.00"), named["pending"], told)]
    left, found = one["charge"], []
    for name, column in (
        ("unauthorized_units", "unauthorized"), ("units_limit", "over_limit"), ("above_fee_schedule", "above_fee"),
        ("deductible", "deductible"), ("coinsurance", "coinsurance"), ("copay", "copay"),
        ("annual_maximum", "over_maximum"),
    ):  # fmt: skip
        if one[column]:
            left -= one[column]
            found.append(Step(name, one[column], left, named[name], named[name].reason))
    return found


def _reviewed(con: duckdb.DuckDBPyConnection, one: dict[str, Any]) -> tuple[Codes | None, str]:
    """The codes that a person gave."""
    for group, carc, rarc, why in con.execute(
        "SELECT group_code, carc, rarc, why FROM internal.claim_act WHERE act_id = $act", {"act": one["act_id"]}
    ).fetchall():
        return Codes(group, carc, rarc, why, None), f"A person denied it: {why}"
    return None, "A person denied it."


def _versions(con: duckdb.DuckDBPyConnection, one: dict[str, Any]) -> list[Version]:
    """The versions of reference data that the decision rests on."""
    found = []
    for column, (of, table, surrogate, key) in _VERSIONS.items():
        if one.get(column) is not None:
            rows = con.execute(
                f"SELECT {key}, delivery, row_number, valid_from FROM {table} WHERE {surrogate} = $sk",
                {"sk": one[column]},
            ).fetchall()
            found += [Version(of, *row) for row in rows]
    return found


def _events(con: duckdb.DuckDBPyConnection, claim_id: str, day: date | None) -> list[Happening]:
    """The claim's log to the end of a day."""
    rows = con.execute(
        """
        SELECT day, line_number, event, decision, detail, paid, claim_version, delivery, who, happened_at, run_id
        FROM claim_event WHERE claim_id = $claim AND day <= $day ORDER BY day, step, line_number, happened_at
        """,
        {"claim": claim_id, "day": day or date(9999, 12, 31)},
    ).fetchall()
    return [Happening(*row) for row in rows]


def _payments(con: duckdb.DuckDBPyConnection, claim_id: str, day: date | None) -> list[Remitted]:
    """What was remitted of the claim to the end of a payment day: of each day reversals first."""
    rows = con.execute(
        """
        SELECT day, payee, patient_id, status, paid, trace, is_sent FROM remittance
        WHERE claim_id = $claim AND day <= $day ORDER BY day, status <> 'reversal', payee, patient_id
        """,
        {"claim": claim_id, "day": day or date(9999, 12, 31)},
    ).fetchall()
    return [Remitted(*row) for row in rows]


def _dicts(con: duckdb.DuckDBPyConnection, sql: str, **given: Any) -> list[dict[str, Any]]:
    cursor = con.execute(sql, given)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
