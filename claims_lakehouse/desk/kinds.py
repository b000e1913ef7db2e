"""Issues of the same kind, and applying what was suggested to one of them or to all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.contracts.rules import SWAPPED_IDS
from claims_lakehouse.desk.issues import Issue, issues_where
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.settings import Settings


class Applied(NamedTuple):
    """One correction that was made: over which delivery, and over how many of its rows."""

    feed: str
    delivery: str
    correction: str
    rows: int


def same_kind(reading: Reading, issue: Issue, *, limit: int = 0) -> list[Issue]:
    """Every open issue that says the same of the same value, wherever it came from; the issue itself is among them.

    Of swapped ids each row has values of its own: there the same rule is the same kind. At most `limit` (0 for all).
    """
    return issues_where(reading, *_kind(issue), limit=limit)


def count_same_kind(reading: Reading, issue: Issue) -> dict[str, int]:
    """How many open issues of the same kind there are, by delivery."""
    meant, values = _kind(issue)
    return dict(reading.ask(f"SELECT delivery, count(*) FROM issue WHERE {meant} GROUP BY ALL ORDER BY ALL", values))


def suggested_texts(issue: Issue) -> dict[str, str]:
    """What a row would say by an issue's suggestion: column -> text; UsageError where there is none to apply."""
    if issue.suggestion is None or issue.column_name is None or issue.row_number is None:
        raise UsageError(f"Nothing was suggested for the issue {issue.issue_id[:8]}.")
    texts = {issue.column_name: issue.suggestion}
    swappable = feed_named(issue.feed).swappable
    if issue.rule == SWAPPED_IDS.name and swappable:
        own, other = swappable
        texts = {own: issue.suggestion, other: (issue.value or "").strip()}
    return texts


def apply_suggestions(settings: Settings, issues: Sequence[Issue], *, because: str, who: str) -> list[Applied]:
    """Lay what was suggested over the rows of issues, one correction a delivery.

    Overtaken, and nothing is written for that delivery, where a row no longer says what it said; UsageError, and
    nothing is written at all, where an issue has no suggestion.
    """
    changes = {issue.issue_id: suggested_texts(issue) for issue in issues}
    made = []
    for (feed, delivery), some in groupby(sorted(issues, key=_place), key=lambda issue: (issue.feed, issue.delivery)):
        mine = list(some)
        laid: dict[int, dict[str, str]] = {}
        expected: dict[int, dict[str, str]] = {}
        for issue in mine:
            laid.setdefault(issue.row_number or 0, {}).update(changes[issue.issue_id])
            expected.setdefault(issue.row_number or 0, {})[issue.column_name or ""] = issue.value or ""
        correction = acts.correct(
            settings, feed_named(feed), delivery, laid,
            because=because, who=who, seen=mine[0].fingerprint, expected=expected,
        )  # fmt: skip
        made.append(Applied(feed, delivery, correction, len(laid)))
    return made


def _kind(issue: Issue) -> tuple[str, dict[str, Any]]:
    meant = "rule = $rule AND feed = $feed AND column_name IS NOT DISTINCT FROM $column AND status = 'open'"
    values: dict[str, Any] = {"rule": issue.rule, "feed": issue.feed, "column": issue.column_name}
    if issue.rule != SWAPPED_IDS.name:
        meant += " AND value IS NOT DISTINCT FROM $value"
        values["value"] = issue.value
    return meant, values


def _place(issue: Issue) -> tuple[str, str, int]:
    return issue.feed, issue.delivery, issue.row_number or 0
