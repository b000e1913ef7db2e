"""How the command prints decisions: by received day, of lines that wait, of one line. Values are patients' data."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from claims_lakehouse.commands.ingestion import reader
from claims_lakehouse.commands.layout import Column, is_number
from claims_lakehouse.commands.options import one_of
from claims_lakehouse.commands.report import out, plain, print_into_pipe, print_on_terminal, progress, readable
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings

#: What was on a received day of each line whose decision it changed.
_CHANGED = "(decision IS NOT NULL OR decision_before IS NOT NULL)"
_DECIDED = "coalesce(decision, 'taken back')"
#: How many received days the demo shows.
_DAYS = 7
_OF_DAYS = f"""
    SELECT decided_on, {_DECIDED} AS decision, count(*) AS lines, sum(charge) AS charge,
           coalesce(sum(paid), 0) AS paid, coalesce(sum(patient_share), 0) AS patient_share
    FROM decision_history WHERE {_CHANGED} AND list_contains($days, decided_on) GROUP BY ALL ORDER BY ALL
"""
_LAST_DAYS = f"""
    SELECT decided_on, {_DECIDED} AS decision, reason, carc, count(*) AS lines, sum(charge) AS charge,
           coalesce(sum(paid), 0) AS paid
    FROM (
        SELECT past.*,
               CASE WHEN past.decision IS NULL THEN because
                    ELSE coalesce(past.rule, array_to_string(pending_for, ', ')) END AS reason,
               CASE WHEN past.rule = 'reviewed' THEN act.carc ELSE named.carc END AS carc
        FROM decision_history AS past
        LEFT JOIN internal.rule AS named ON named.rule_set = past.rule_set
         AND named.rule = coalesce(past.rule, CASE WHEN past.decision = 'pending' THEN 'pending' END)
        LEFT JOIN internal.claim_act AS act ON act.act_id = past.act_id
    )
    WHERE {_CHANGED} AND decided_on IN (
        SELECT DISTINCT decided_on FROM decision_history WHERE {_CHANGED} ORDER BY decided_on DESC LIMIT {_DAYS}
    )
    GROUP BY ALL ORDER BY decided_on, decision, lines DESC, reason, carc
"""
_WAITING = """
    FROM (
        SELECT line.*, coalesce(act.day, began.since) AS waits_since, act.why AS opened_because
        FROM internal.line_decision AS line
        LEFT JOIN (
            SELECT patient_id, claim_id, line_number, max(decided_on) AS since FROM decision_history
            WHERE decision = 'pending' AND decision_before IS DISTINCT FROM 'pending' GROUP BY ALL
        ) AS began USING (patient_id, claim_id, line_number)
        LEFT JOIN internal.claim_act AS act ON act.act_id = line.act_id AND act.act = 'appealed'
    )
    WHERE is_current AND decision = 'pending' AND ($rule IS NULL OR list_contains(pending_for, $rule))
"""


def print_table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], *, below: Collection[str] = ()
) -> None:
    """Print a table where it has rows; numbers and amounts stand to the right, amounts with their separators.

    `below` are headings of columns that may stand below their row where a terminal is too narrow for all.
    """
    rows = list(rows)
    if not rows:
        return
    if sys.stdout.isatty():
        print_on_terminal(title, headings, list(zip(*rows, strict=True)), _text_of, below=below)
        return
    columns = [
        Column(heading, [_text_of(row[place]) for row in rows], any(is_number(row[place]) for row in rows))
        for place, heading in enumerate(headings)
    ]
    print_into_pipe(title, columns)


def _text_of(value: Any) -> str:
    return f"{value:,}" if isinstance(value, Decimal) else readable(value)


def print_json(told: Any) -> None:
    """Print JSON as machines read it: days and moments in ISO 8601, amounts as texts, so that they stay exact."""
    json.dump(told, sys.stdout, default=_text, allow_nan=False, indent=1)
    sys.stdout.write("\n")


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)  # a datetime is a date


def days_decided(settings: Settings) -> dict[date, tuple[Any, ...]]:
    """The received days that decided something, as published: how much, and when last; none where nothing is."""
    try:
        with reader(settings) as con:
            rows = con.execute("SELECT decided_on, count(*), max(decided_at) FROM decision_history GROUP BY ALL")
            return {day: tuple(more) for day, *more in rows.fetchall()}
    except UsageError:  # nothing is published yet
        return {}


def print_decided(
    settings: Settings, before: dict[date, tuple[Any, ...]], asked: Collection[date] = (), *, as_json: bool = False
) -> None:
    """Print what was decided on the days that changed since, and on those that were asked for."""
    now = days_decided(settings)
    changed = {day for day in {*before, *now} if before.get(day) != now.get(day)}
    days = sorted({*changed, *asked})
    with reader(settings) as con:
        rows = con.execute(_OF_DAYS, {"days": days}).fetchall() if days else []
    if as_json:
        names = ("decided_on", "decision", "lines", "charge", "paid", "patient_share")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        headings = ("received day", "decision", "lines", "charge", "paid", "patient share")
        print_table("Decisions by received day", headings, rows)
    if not changed:
        progress.print("Nothing changed: every decision stands as it is.")
    for day in sorted({*asked} - {row[0] for row in rows}):
        progress.print(f"No decision changed on {day}.")


def print_last_decisions(settings: Settings) -> None:
    """Print what the last received days decided, and why; the title says so where there are more."""
    with reader(settings) as con:
        rows = con.execute(_LAST_DAYS).fetchall()
        [(days,)] = con.execute(f"SELECT count(DISTINCT decided_on) FROM decision_history WHERE {_CHANGED}").fetchall()
    headings = ("received day", "decision", "reason", "CARC", "lines", "charge", "paid")
    which = f", on the last {_DAYS} of {days:,} received days" if days > _DAYS else ""
    print_table(f"What was decided of the lines of claims{which}", headings, rows)


def some_claim(settings: Settings) -> str | None:
    """A claim to look at: one that waits, else one that was denied, else any; None where none is decided."""
    order = "ORDER BY CASE decision WHEN 'pending' THEN 1 WHEN 'denied' THEN 2 ELSE 3 END, claim_id LIMIT 1"
    with reader(settings) as con:
        return next((str(claim) for (claim,) in con.execute(f"SELECT claim_id FROM decision {order}").fetchall()), None)


def print_waiting(settings: Settings, *, rule: str | None, limit: int, as_json: bool) -> None:
    """Print the lines that wait for a person, those that wait longest first, at most `limit` (0 for all)."""
    given = {"rule": rule}
    with reader(settings) as con:
        [(total,)] = con.execute(f"SELECT count(*) {_WAITING}", given).fetchall()
        if not total:
            known = con.execute(
                "SELECT DISTINCT rule FROM internal.rule WHERE outcome = 'pend' ORDER BY ALL"
            ).fetchall()
            one_of("rule that has a line wait", rule, ["appealed", *(name for (name,) in known)])
        lines = con.execute(
            "SELECT claim_id, line_number, charge, waits_since, pending_for, causes, rule_set, opened_because"
            f" {_WAITING} ORDER BY waits_since, claim_id, line_number" + (f" LIMIT {limit}" if limit else ""),
            given,
        ).fetchall()
        told = con.execute("SELECT rule_set, rule, reason FROM internal.rule WHERE outcome = 'pend'").fetchall()
    reasons = {(rule_set, name): reason for rule_set, name, reason in told}
    waiting = []
    for claim, number, charge, since, names, causes, rule_set, act in lines:
        why = [
            {"rule": name, "reason": reasons.get((rule_set, name), _opened_again(act)),
             "evidence": _evidence(name, causes)}
            for name in names
        ]  # fmt: skip
        waiting.append({"claim_id": claim, "line_number": number, "why": why, "charge": charge, "since": since})
    if as_json:
        print_json(waiting)
    else:
        _print_waiting(waiting)
    if limit and total > limit:
        progress.print(f"Shown: {limit} of {total:,}. More with --limit, fewer with --rule.")
    elif not total:
        progress.print("No line waits.")


def _evidence(name: str, causes: Sequence[str] | None) -> str | None:
    """What a rule rests on: a cause is a rule and its evidence. Of a line that was opened again, why it was denied."""
    if name == "appealed":
        found = [cause.strip() for cause in causes or () if cause.strip() != name]
    else:
        found = [evidence for rule, _, evidence in (cause.partition(" ") for cause in causes or ()) if rule == name]
    return ", ".join(one for one in found if one) or None


def _opened_again(why: str | None) -> str:
    return "A person opened the line again" + (f": {why}" if why else ".")


def _print_waiting(waiting: Iterable[dict[str, Any]]) -> None:
    """One row a reason: of a line that waits for several, only the first row names it."""
    rows = [
        (line["claim_id"], str(line["line_number"]), *_why(reason), line["charge"], line["since"])
        if place == 0
        else ("", "", *_why(reason), None, None)
        for line in waiting
        for place, reason in enumerate(line["why"])
    ]
    headings = ("claim", "line", "rule", "why it waits", "evidence", "charge", "since")
    print_table("Lines that wait for a person", headings, rows, below=("why it waits", "evidence"))


def _why(reason: dict[str, Any]) -> tuple[Any, ...]:
    return reason["rule"], reason["reason"], reason["evidence"]


def print_standing(settings: Settings, claim: str, number: int) -> None:
    """Say how a line stands now, and why."""
    of_line = {"claim": claim, "line": number}
    where = "WHERE claim_id = $claim AND line_number = $line"
    with reader(settings) as con:
        rows = con.execute(
            f"SELECT decision, charge, allowed, paid, patient_share, pending_for FROM decision {where}", of_line
        ).fetchall()
        codes = con.execute(
            f"SELECT concat_ws(' ', group_code, carc, rarc, amount) FROM adjustment {where} ORDER BY amount DESC",
            of_line,
        ).fetchall()
    if not rows:
        out().print(f"Line {number} of claim {plain(claim)} has no decision now.", soft_wrap=True)
    for decision, charge, allowed, paid, share, pending_for in rows:
        waits = f" ({', '.join(pending_for)})" if pending_for else ""
        taken = f"; adjusted {', '.join(code for (code,) in codes)}" if codes else ""
        out().print(
            f"Line {number} of claim {plain(claim)} is {decision}{plain(waits)} now: charge {charge:,},"
            f" allowed {allowed:,}, paid {paid:,}, the patient's share {share:,}{taken}.",
            soft_wrap=True,
        )
