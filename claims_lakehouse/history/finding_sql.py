"""SQL for live findings: how a finding about a row of the tables is named and told."""

from __future__ import annotations

from importlib.resources import files

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import Rule
from claims_lakehouse.warehouse.literals import literal


def key_text(feed: Feed, table: str = "") -> str:
    """SQL for a record's key as `validation.findings.record_key` makes it."""
    dot = f"{table}." if table else ""
    named = [f"{dot}{name}" for name in feed.key]
    if len(named) == 1:
        return named[0]
    escaped = [f"replace(replace(CAST({name} AS VARCHAR), '\\', '\\\\'), '|', '\\|')" for name in named]
    return f"concat_ws('|', {', '.join(escaped)})"


def statement(name: str) -> str:
    """The text of an SQL file of this package."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def issue(feed: Feed, rule: Rule, column: str | None, row: str = "") -> str:
    """SQL for the columns of a live finding up to its value; the id as `validation.findings.issue_id` makes it."""
    dot = f"{row}." if row else ""
    apart = ", chr(31), "
    named = apart.join([f"'{feed.name}'", f"{dot}delivery", f"{dot}row_number", f"'{rule.name}'", f"'{column or ''}'"])
    return f"""
        md5(concat({named})) AS issue_id, '{feed.name}' AS feed, {dot}delivery AS delivery,
        {dot}row_number AS row_number, {key_text(feed, row)} AS record_key, '{rule.name}' AS rule,
        {f"'{column}'" if column else "NULL"} AS column_name, {literal(rule.message)} AS message,
        '{rule.severity}' AS severity, NULL AS suggestion, true AS live
    """
