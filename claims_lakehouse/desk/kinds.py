"""Issues of the same kind, and applying what was suggested to one of them or to all."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any, NamedTuple

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.contracts.rules import SWAPPED_IDS
from claims_lakehouse.desk.issues import Issue, issues_where
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.errors import DeliveryError, Overtaken, UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.acts import effective_texts
from claims_lakehouse.settings import Settings


class Applied(NamedTuple):
    """The correction that was made over a delivery; None, and `refused` says why, where its rows say otherwise now."""

    feed: str
    delivery: str
    correction: str | None
    rows: int
    refused: str | None = None


class Kind(NamedTuple):
    """How many issues say the same, by delivery, and what tells these from any others."""

    by_delivery: dict[str, int]
    token: str

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_delivery.values())


def same_kind(reading: Reading, issue: Issue, *, status: str = "open", limit: int = 0) -> list[Issue]:
    """Every issue of a status that says the same of the same value, wherever it came from; at most `limit` (0 for all).

    Of swapped ids each row has values of its own: there the same rule is the same kind.
    """
    return issues_where(reading, *_kind(issue, status), limit=limit)


def kind_of(reading: Reading, issue: Issue, *, status: str = "open") -> Kind:
    """How many issues of the same kind there are."""
    meant, values = _kind(issue, status)
    rows = reading.ask(
        f"SELECT delivery, count(*), bit_xor(hash(issue_id, value, fingerprint)) FROM internal.issue_now"
        f" JOIN memory.main.content USING (feed, delivery) WHERE {meant} GROUP BY ALL ORDER BY ALL",
        values,
    )
    told = sha256(repr(rows).encode()).hexdigest()[:24]
    return Kind({delivery: count for delivery, count, _ in rows}, told)


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
    """Lay what was suggested over the rows of issues, one correction a delivery; the others go on where one is refused.

    UsageError, and nothing is written at all, where an issue has no suggestion, or no reason is given.
    """
    acts.require_reason(because)
    changes = {issue.issue_id: suggested_texts(issue) for issue in issues}
    made = []
    for (feed, delivery), some in groupby(sorted(issues, key=_place), key=lambda issue: (issue.feed, issue.delivery)):
        mine = list(some)
        laid: dict[int, dict[str, str]] = {}
        for issue in mine:
            laid.setdefault(issue.row_number or 0, {}).update(changes[issue.issue_id])
        correction = refused = None
        try:
            expected = _expected(settings, mine)
            correction = acts.correct(
                settings, feed_named(feed), delivery, laid,
                because=because, who=who, seen=mine[0].fingerprint, expected=expected,
            )  # fmt: skip
        except (UsageError, DeliveryError) as error:
            refused = str(error)
        made.append(Applied(feed, delivery, correction, len(laid), refused))
    return made


def _expected(settings: Settings, issues: Sequence[Issue]) -> dict[int, dict[str, str]]:
    """What the fields that suggestions change are to say until then: what the issues found there.

    Of swapped ids the other id is the suggestion, which the row says with white space about it; Overtaken where not.
    """
    expected: dict[int, dict[str, str]] = {}
    swapped = [issue for issue in issues if issue.rule == SWAPPED_IDS.name]
    feed, rows = feed_named(issues[0].feed), [issue.row_number or 0 for issue in swapped]
    said = effective_texts(settings, feed, issues[0].delivery, issues[0].content, rows) if swapped else {}
    for issue in issues:
        expected.setdefault(issue.row_number or 0, {})[issue.column_name or ""] = issue.value or ""
    for issue in swapped:
        _, other = feed.swappable or ("", "")
        text = said.get(issue.row_number or 0, {}).get(other, "")
        if text.strip() != issue.suggestion:
            raise Overtaken(f"{issue.feed} {issue.delivery}, row {issue.row_number} says otherwise by now; look again.")
        expected[issue.row_number or 0][other] = text
    return expected


def _kind(issue: Issue, status: str) -> tuple[str, dict[str, Any]]:
    meant = "rule = $rule AND feed = $feed AND column_name IS NOT DISTINCT FROM $column AND status = $status"
    values: dict[str, Any] = {"rule": issue.rule, "feed": issue.feed, "column": issue.column_name, "status": status}
    if issue.rule != SWAPPED_IDS.name:
        meant += " AND value IS NOT DISTINCT FROM $value"
        values["value"] = issue.value
    return meant, values


def _place(issue: Issue) -> tuple[str, str, int]:
    return issue.feed, issue.delivery, issue.row_number or 0
