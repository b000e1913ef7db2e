"""Issues of content that is held while what was applied before it stands: no publication has them yet."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from claims_lakehouse.desk.issues import Issue
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.findings import ISSUE_SCHEMA


class HeldBack(NamedTuple):
    """What verification found in content that waits for a person: its fingerprint, counts by rule, the first issues."""

    fingerprint: str
    rules: list[tuple[str, str, int]]
    issues: list[Issue]


def held_back(
    settings: Settings, feed: str, delivery: str, *, first: int = 100, issue_id: str | None = None
) -> HeldBack | None:
    """What was found in a delivery's held content, or one issue of it; None where other content is not held."""
    state = Journal(settings, feed, delivery).state()
    if state is None or not state.is_held or state.content is None or state.content == state.standing:
        return None
    try:
        found = pl.read_parquet(settings.issues(feed, delivery, state.content), columns=list(ISSUE_SCHEMA))
    except (pl.exceptions.PolarsError, OSError):
        return None
    rules = found.group_by("rule", "severity").len().sort("severity", "rule").rows()
    chosen = (
        found.filter(pl.col("issue_id") == issue_id) if issue_id else found.sort("severity", "row_number").head(first)
    )
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
    return HeldBack(state.content, rules, issues)
