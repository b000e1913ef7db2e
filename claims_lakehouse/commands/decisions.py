"""`claims explain` and `claims adjudicate`: how a claim was decided, and deciding what is due.

What needs an import of its own imports it when called.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from claims_lakehouse.commands.decision_report import days_decided, print_decided
from claims_lakehouse.commands.ingestion import reader, settle_decisions
from claims_lakehouse.commands.options import ClaimArgument, HomeOption, JsonOption, LandingOption, line_number
from claims_lakehouse.commands.options import day as as_day
from claims_lakehouse.commands.report import progress
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings


def explain(
    claim: ClaimArgument,
    line: Annotated[
        int | None, typer.Option("--line", metavar="LINE", parser=line_number, help="Only this line of the claim.")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option("--day", parser=as_day, metavar="YYYY-MM-DD", help="As it was known at the end of that day."),
    ] = None,
    rules: Annotated[
        bool,
        typer.Option("--rules", help="Every rule in order with what it reads, and every fact, not only what speaks."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object, for machines.")] = False,
    home: HomeOption = None,
) -> None:
    """Tell how a claim was decided: from the charge of each line to what is paid, by which rules, and what happened.

    For each line: what it says, every amount with its codes and reason, what an appeal needs, the rules that speak, and
    the versions of plans, fees, coverages … that the decision rests on; then the claim's log. The values shown are
    patients' data.

    A line as it stood on a day, with every rule: claims explain MC100026 --line 2 --day 2024-02-01 --rules
    """
    from claims_lakehouse.adjudication.explain import explain as explain_claim
    from claims_lakehouse.adjudication.rule_file import standard
    from claims_lakehouse.adjudication.rule_sets import adopted
    from claims_lakehouse.commands.explanation_report import print_explanation, print_explanation_json

    settings = Settings.from_environment(home=home)
    rule_sets = [one.rule_set for one in adopted(settings)] or [standard()]
    with reader(settings) as con:
        told = explain_claim(con.duckdb, claim, rule_sets, day.date() if day else None)
        stands = con.execute(
            "SELECT line_number, decision, paid, patient_share FROM decision WHERE claim_id = $claim ORDER BY ALL",
            {"claim": claim},
        ).fetchall()
    found = [(one.line_number, one.decision, one.paid, one.patient_share) for one in told.lines if one.decision]
    if day is None and sorted(found) != stands:
        progress.print("[yellow]Not settled yet:[/] what is published is decided otherwise; see `claims adjudicate`.")
    if line is not None:
        known = {one.line_number for one in told.lines} | {one.line_number for one in told.events}
        if line not in known:
            there = ", ".join(map(str, sorted(number for number in known if number is not None)))
            raise UsageError(f"Claim '{claim}' has no line {line}; it has {there or 'none any more'}.")
        told = told._replace(
            lines=[one for one in told.lines if one.line_number == line],
            events=[one for one in told.events if one.line_number == line],
        )
    if as_json:
        print_explanation_json(told)
    else:
        print_explanation(told, all_rules=rules)


def adjudicate(
    day: Annotated[
        list[datetime] | None,
        typer.Option("--day", parser=as_day, metavar="YYYY-MM-DD", help="Only this received day; may be given again."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Decide whole days once more, whether due or not: they come out as they are."),
    ] = False,
    as_json: JsonOption = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Decide the claims that are due, publish, and show what the days decided that changed or were asked for.

    `claims ingest` does this by itself. A received day is the day on which deliveries were received, 1900-01-01 that of
    the priming.

    A day once more, whole: claims adjudicate --day 2024-02-01 --again
    """
    settings = Settings.from_environment(landing, home)
    days = sorted({one.date() for one in day or ()})
    before = days_decided(settings)
    settle_decisions(settings, days or None, again=again)
    print_decided(settings, before, days, as_json=as_json)
