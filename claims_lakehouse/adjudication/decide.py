"""What is decided of every line, as a function of what is known: lines, reference data, acts and rule sets.

A standpoint is a patient and a moment: what had been received of the patient before it. For each row of the temporary
table `standpoint` (patient_id, known_before) the lines that stand there are decided, all at once and in SQL alone;
the result is the temporary table `outcome`, one row a line and standpoint. Nothing else is read or written.

The order in which things are asked: each line by itself, then lines beside each other, then amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

import duckdb

from claims_lakehouse.adjudication.rule_set import ADJUSTMENTS, APPEALED, REVIEWED, Rule, RuleSet
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.history import duplicates
from claims_lakehouse.history.finding_sql import key_text
from claims_lakehouse.warehouse.literals import literal, literals

#: Which amount of a line each kind of adjustment is.
AMOUNTS = {
    "unauthorized_units": "unauthorized", "units_limit": "over_limit", "above_fee_schedule": "above_fee",
    "deductible": "deductible", "coinsurance": "coinsurance", "copay": "copay", "annual_maximum": "over_maximum",
    "pending": "pending",
}  # fmt: skip


def decide(con: duckdb.DuckDBPyConnection, rule_sets: Sequence[RuleSet]) -> None:
    """Decide the lines of every standpoint, each by the rule set that was in force when it was received.

    Args:
        con: A database with the warehouse's tables, and the temporary table `standpoint`.
        rule_sets: Rule sets in the order of their first days; the first is in force before that, too.
    """
    con.execute(
        statement("known_line").format(
            key_text=key_text(MEDICAL_CLAIMS), rule_set_of=_rule_set_of(rule_sets), line_hash=line_hash("line")
        )
    )
    con.execute(statement("line_fact"))
    _ask_beside(con, rule_sets, is_first=True)
    if con.execute("SELECT 1 FROM line_fact WHERE act IS NOT NULL LIMIT 1").fetchall():
        _let_lapse(con, rule_sets)
        _ask_beside(con, rule_sets, is_first=False)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE verdict AS
        SELECT line_id, denied_by, pending_for, {_evidence(rule_sets)} AS evidence,
               CASE WHEN denied_by = '{REVIEWED}' OR act = 'appealed' THEN act_settles
                    WHEN denied_by IS NOT NULL THEN [denied_by || ' ' || coalesce(evidence, '')]
                    WHEN pending_for IS NOT NULL THEN {_causes(rule_sets)} END AS causes
        FROM (
            SELECT every_fact.*,
                   CASE WHEN act = 'denied' THEN '{REVIEWED}' WHEN act = 'appealed' THEN NULL
                        ELSE {_first(rule_sets, "deny")} END AS denied_by,
                   CASE WHEN act = 'appealed' THEN ['{APPEALED}'] ELSE {_all(rule_sets, "pend")} END AS pending_for
            FROM every_fact
        )
        """
    )
    con.execute(
        statement("payable").format(
            annual_maximum_is_settled=_is_settled("'annual_maximum '"),
            authorized_units_are_settled=_is_settled("'unauthorized_units ' || coalesce(authorized_by, '')"),
        )
    )
    _limit_units(con)
    con.execute(statement("outcome").format(patient_share=_patient_share(rule_sets)))


def _ask_beside(con: duckdb.DuckDBPyConnection, rule_sets: Sequence[RuleSet], *, is_first: bool) -> None:
    """Find the facts about each line beside the others. At first what people denied counts: it may have lapsed."""
    by_a_person = "false" if is_first else "act = 'denied'"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE denied_alone AS
        SELECT line_id FROM line_fact
        WHERE {by_a_person} OR ({_first(rule_sets, "deny", alone=True)}) IS NOT NULL
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
            least_points=_by_set(rule_sets, (str(one.similarity) for one in rule_sets)),
            separate_modifiers=_by_set(
                rule_sets, (f"CAST([{literals(one.separate_modifiers)}] AS VARCHAR[])" for one in rule_sets)
            ),
        )
    )


def _let_lapse(con: duckdb.DuckDBPyConnection, rule_sets: Sequence[RuleSet]) -> None:
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
        FROM (SELECT line_id, act_settles, allowed_settles, {_spoken(rule_sets)} AS spoken
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


def line_hash(table: str) -> str:
    """SQL for what a line says: what a person's word binds to."""
    columns = ", ".join(f"coalesce(CAST({table}.{name} AS VARCHAR), '')" for name in MEDICAL_CLAIMS.content)
    return f"md5(concat_ws(chr(31), {columns}))"


def _is_settled(cause: str) -> str:
    """SQL for whether a person settled a cause."""
    return f"coalesce(list_contains(overridden, {cause}), false)"


def _rule_set_of(rule_sets: Sequence[RuleSet]) -> str:
    """SQL for the rule set of a line: the last that was in force on the day on which this statement was received."""
    first, *others = rule_sets
    later = "".join(
        f" WHEN CAST(line.valid_from AS DATE) >= DATE '{one.effective_from}' THEN '{one.digest}'"
        for one in reversed(others)
    )
    return f"CASE{later} ELSE '{first.digest}' END" if later else f"'{first.digest}'"


def _fires(rule: Rule) -> str:
    """SQL for whether a rule speaks about a line: its condition holds, and no person has settled it."""
    return f"({rule.when}\n) AND (overridden IS NULL OR NOT list_contains(overridden, {_cause(rule)}))"


def _cause(rule: Rule) -> str:
    """SQL for a rule and what it rests on: what a person's word settles."""
    return literal(f"{rule.name} ") if rule.evidence is None else f"'{rule.name} ' || coalesce({_text(rule)}, '')"


def _spoken(rule_sets: Sequence[RuleSet]) -> str:
    """SQL for all causes that speak about a line, whether a person has settled them or not."""

    def of(rules: Sequence[Rule]) -> str:
        causes = ", ".join(f"CASE WHEN ({one.when}\n) THEN {_cause(one)} END" for one in rules)
        return f"list_filter([{causes}], lambda cause: cause IS NOT NULL)" if rules else "CAST([] AS VARCHAR[])"

    return _by_set(rule_sets, (of(one.rules) for one in rule_sets))


def _text(rule: Rule) -> str:
    return f"CAST({rule.evidence} AS VARCHAR)" if rule.evidence else "''"


def _by_set(rule_sets: Sequence[RuleSet], expressions: Iterable[str]) -> str:
    """SQL that asks the rule set of the line."""
    asked = list(expressions)
    if len(asked) == 1:
        return asked[0]
    cases = " ".join(f"WHEN '{one.digest}' THEN {sql}" for one, sql in zip(rule_sets, asked, strict=True))
    return f"CASE rule_set {cases} END"


def _first(rule_sets: Sequence[RuleSet], outcome: str, *, alone: bool = False) -> str:
    """SQL for the name of the first rule with that outcome that speaks about a line; NULL where none does."""

    def of(rules: Sequence[Rule]) -> str:
        asked = [one for one in rules if one.outcome == outcome and not (alone and one.is_beside)]
        return (
            "CASE " + " ".join(f"WHEN {_fires(one)} THEN '{one.name}'" for one in asked) + " END" if asked else "NULL"
        )

    return _by_set(rule_sets, (of(in_order(one.rules)) for one in rule_sets))


def _all(rule_sets: Sequence[RuleSet], outcome: str) -> str:
    """SQL for the names of all rules with that outcome that speak about a line; NULL where none does."""

    def of(rules: Sequence[Rule]) -> str:
        asked = [one for one in rules if one.outcome == outcome]
        if not asked:
            return "CAST(NULL AS VARCHAR[])"
        some = " OR ".join(f"({_fires(one)})" for one in asked)
        names = ", ".join(f"CASE WHEN {_fires(one)} THEN '{one.name}' END" for one in asked)
        return f"CASE WHEN {some} THEN list_filter([{names}], lambda name: name IS NOT NULL) END"

    return _by_set(rule_sets, (of(in_order(one.rules)) for one in rule_sets))


def in_order(rules: Sequence[Rule]) -> list[Rule]:
    """Rules in the order in which they are asked: those about other lines after those about the line by itself."""
    return [*(one for one in rules if not one.is_beside), *(one for one in rules if one.is_beside)]


def _evidence(rule_sets: Sequence[RuleSet]) -> str:
    """SQL for what the deciding rule, or the first that has the line wait, rests on."""

    def of(rules: Sequence[Rule]) -> str:
        cases = " ".join(f"WHEN '{one.name}' THEN {_text(one)}" for one in rules if one.evidence)
        return f"CASE coalesce(denied_by, pending_for[1]) {cases} END" if cases else "CAST(NULL AS VARCHAR)"

    return _by_set(rule_sets, (of(one.rules) for one in rule_sets))


def _causes(rule_sets: Sequence[RuleSet]) -> str:
    """SQL for the rules for which a line waits, each with what it rests on: what a person's word settles."""

    def of(rules: Sequence[Rule]) -> str:
        cases = " ".join(f"WHEN '{one.name}' THEN {_text(one)}" for one in rules if one.evidence)
        evidence = f"coalesce(CASE name {cases} END, '')" if cases else "''"
        return f"list_transform(pending_for, lambda name: name || ' ' || {evidence})"

    return _by_set(rule_sets, (of(one.rules) for one in rule_sets))


def _patient_share(rule_sets: Sequence[RuleSet]) -> str:
    """SQL for what a line leaves to the patient: every amount whose group is PR."""

    def of(one: RuleSet) -> str:
        theirs = [f"coalesce(shared.{column}, 0)" for name, column in AMOUNTS.items()
                  if name != "pending" and one.adjustments[name].group == "PR"]  # fmt: skip
        denials = literals(rule.name for rule in one.rules if rule.codes and rule.codes.group == "PR") or "''"
        theirs.append(f"CASE WHEN verdict.denied_by IN ({denials}) THEN fact.charge ELSE 0 END")
        return " + ".join(theirs)

    by_set = [of(one) for one in rule_sets]
    if len(by_set) == 1:
        return f"({by_set[0]} + {_REVIEWED_SHARE})"
    cases = " ".join(f"WHEN '{one.digest}' THEN {sql}" for one, sql in zip(rule_sets, by_set, strict=True))
    return f"(CASE fact.rule_set {cases} END + {_REVIEWED_SHARE})"


#: A person who denies a line says whose the amount is.
_REVIEWED_SHARE = (
    f"CASE WHEN verdict.denied_by = '{REVIEWED}' AND fact.act_id IN"
    " (SELECT act_id FROM internal.claim_act WHERE group_code = 'PR') THEN fact.charge ELSE 0 END"
)
