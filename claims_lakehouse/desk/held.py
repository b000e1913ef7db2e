"""Issues of content that is held while what was applied before it stands: no publication has them yet."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from claims_lakehouse.desk.issues import PAGE_ROWS, Issue
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.findings import ISSUE_SCHEMA


class HeldBack(NamedTuple):
    """What is open in content that waits for a person: its fingerprint, counts by rule, and a page of the issues."""

    fingerprint: str
    rules: list[tuple[str, str, int]]
    issues: list[Issue]
    page: int
    pages: int


def held_back(
    settings: Settings, feed: str, delivery: str, *, rule: str = "", page: int = 1, issue_id: str | None = None
) -> HeldBack | None:
    """What is open in a delivery's held content: a page of it, of one rule if one is given, or one issue, open or not.

    None where nothing is held, or nothing was applied before it: then what was found is published like any other.
    """
    state = Journal(settings, feed, delivery).state()
    if state is None or not state.is_held or state.content is None or state.standing in (None, state.content):
        return None
    try:
        found = pl.read_parquet(settings.issues(feed, delivery, state.content), columns=list(ISSUE_SCHEMA))
    except (pl.exceptions.PolarsError, OSError):
        return None
    still_open = found.filter(pl.col("corrected_by").is_null()).sort("severity", "row_number", "rule")
    rules = still_open.group_by("rule", "severity").len().sort("severity", "rule").rows()
    meant = still_open.filter(pl.col("rule") == rule) if rule else still_open
    chosen = meant.slice((page - 1) * PAGE_ROWS, PAGE_ROWS)
    if issue_id:
        chosen = found.filter(pl.col("issue_id") == issue_id)
    laid = state.laid_over(state.content)
    issues = [
        Issue(
            issue_id=row["issue_id"], feed=feed, delivery=delivery, row_number=row["row_number"],
            record_key=row["record_key"], rule=row["rule"], column_name=row["column_name"], value=row["value"],
            message=row["message"], severity=row["severity"], status="resolved" if row["corrected_by"] else "open",
            suggestion=row["suggestion"],
            resolved_by=f"correction {row['corrected_by']}" if row["corrected_by"] else None,
            waived_by=None, waived_why=None, waived_until=None, fingerprint=state.content, corrections=laid,
            here_since=None, taken_up=0,
        )
        for row in chosen.iter_rows(named=True)
    ]  # fmt: skip
    return HeldBack(state.content, rules, issues, page, max(1, -(-meant.height // PAGE_ROWS)))
