"""Find issues: by feed, delivery, rule, severity, status, key and text, page by page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from claims_lakehouse.desk.reading import INDEX, Reading
from claims_lakehouse.errors import NoSuchIssue, UsageError
from claims_lakehouse.history.issue_acts import SeenIssue
from claims_lakehouse.landing.decisions import Content

PAGE_ROWS = 50
#: How lists can be sorted, in words, and by what.
ORDERS = {
    "place": ("feed, delivery and row", "n"),
    "newest": ("newest first", "here_since DESC, n"),
    "oldest": ("oldest first", "here_since, n"),
    "rule": ("rule", "rule, n"),
}
SEVERITIES = ("error", "warning")
STATUSES = ("open", "waived", "resolved", "retracted")


@dataclass(frozen=True)
class Filters:
    """Which issues are meant; None for any.

    `key` is a record's key, several columns joined with `|`; `text` occurs in the value, the message or the key, in any
    case. Both may name a patient: they never stand in an address or a log.
    """

    feed: str | None = None
    delivery: str | None = None
    rule: str | None = None
    severity: str | None = None
    status: str | None = None
    key: str | None = None
    text: str | None = None

    @property
    def plain(self) -> dict[str, str]:
        """Those that name nobody, and that are given."""
        names = ("feed", "delivery", "rule", "severity", "status")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Issue:
    """An issue as it is published, the content of the delivery in which it was found, and since when that is here.

    `taken_up` says how much of the delivery's decisions the publication knows, in bytes of their file.
    """

    issue_id: str
    feed: str
    delivery: str
    row_number: int | None
    record_key: str | None
    rule: str
    column_name: str | None
    value: str | None
    message: str
    severity: str
    status: str
    suggestion: str | None
    resolved_by: str | None
    waived_by: str | None
    waived_why: str | None
    waived_until: Any
    fingerprint: str
    corrections: str
    here_since: Any
    taken_up: int

    @property
    def content(self) -> Content:
        """The content of the delivery in which it was found."""
        return Content(self.fingerprint, self.corrections)

    @property
    def seen(self) -> SeenIssue:
        """What acts need to know of it."""
        return SeenIssue(
            self.issue_id, self.feed, self.delivery, self.row_number, self.rule, self.column_name, self.value,
            self.status, self.content, self.taken_up,
        )  # fmt: skip

    @property
    def token(self) -> str:
        """What tells it from another issue at the same place: where this differs, somebody looked at something else."""
        said = json.dumps([self.issue_id, self.value, self.record_key, self.fingerprint])
        return sha256(said.encode()).hexdigest()[:24]


_COLUMNS = ", ".join(Issue.__dataclass_fields__)
_FROM = "FROM internal.issue_now JOIN memory.main.content USING (feed, delivery)"
_ISSUES = f"SELECT {_COLUMNS} {_FROM}"


class Page(NamedTuple):
    """Some of the issues that are meant, and how many there are of them."""

    issues: list[Issue]
    total: int
    page: int
    pages: int


def list_issues(
    reading: Reading, filters: Filters, *, page: int = 1, rows: int = PAGE_ROWS, order: str = "place"
) -> Page:
    """One page of issues, `rows` of them; pages count from 1, and one past the end is the last.

    UsageError where there is no such order.
    """
    if order not in ORDERS:
        raise UsageError(f"There is no order '{order}'; there are {', '.join(ORDERS)}.")
    where, values = _where(filters)
    meant = reading.numbers(f"SELECT place FROM {INDEX} WHERE {where} ORDER BY {ORDERS[order][1]}", values)
    total, pages = len(meant), max(1, -(-len(meant) // rows))
    page = min(max(1, page), pages)
    return Page(_issues_at(reading, meant.slice((page - 1) * rows, rows).to_pylist()), total, page, pages)


def all_issues(reading: Reading, filters: Filters) -> list[Issue]:
    """Every issue that is meant, by feed, delivery and row."""
    where, values = _where(filters)
    meant = reading.numbers(f"SELECT place FROM {INDEX} WHERE {where} ORDER BY n", values)
    return _issues_at(reading, meant.to_pylist())


def issue_named(reading: Reading, issue_id: str) -> Issue:
    """The issue of that id, or of the one id that begins so; NoSuchIssue where there is none, UsageError where more."""
    found = reading.ask(f"{_ISSUES} WHERE starts_with(issue_id, $id) LIMIT 2", {"id": issue_id or "-"})
    if not found:
        raise NoSuchIssue(f"There is no issue '{issue_id[:40]}'.")
    if len(found) > 1:
        raise UsageError(f"There is more than one issue '{issue_id[:40]}'.")
    return Issue(*found[0])


def issues_of_row(reading: Reading, feed: str, delivery: str, row_number: int | None) -> list[Issue]:
    """What was found of one row, or of the file as a whole."""
    return issues_where(
        reading,
        "feed = $feed AND delivery = $delivery AND row_number IS NOT DISTINCT FROM $row",
        {"feed": feed, "delivery": delivery, "row": row_number},
    )


def issues_where(reading: Reading, where: str, values: dict[str, Any], *, limit: int = 0) -> list[Issue]:
    """The issues that an SQL condition over `issue` holds of, by feed, delivery, row and rule; at most so many."""
    order = "ORDER BY feed, delivery, row_number, rule, column_name" + (f" LIMIT {limit}" if limit else "")
    rows = reading.ask(f"{_ISSUES} WHERE {where} {order}", values)
    return [Issue(*row) for row in rows]


def _issues_at(reading: Reading, places: list[int]) -> list[Issue]:
    """The issues at some places, in their order."""
    listed = "SEMI JOIN (SELECT unnest($places) AS place) USING (place)"
    rows = reading.ask(f"SELECT place, {_COLUMNS} {_FROM} {listed}", {"places": places}) if places else []
    at = {place: Issue(*rest) for place, *rest in rows}
    return [at[place] for place in places]


def choices(reading: Reading) -> dict[str, list[str]]:
    """What issues can be filtered by: the feeds, deliveries and rules that have some."""

    def found() -> dict[str, list[str]]:
        names = ("feed", "delivery", "rule")
        return {
            name: [one for (one,) in reading.ask(f"SELECT DISTINCT {name} FROM issue ORDER BY ALL")] for name in names
        }

    known: dict[str, list[str]] = reading.once("choices", found)
    return known


def _where(filters: Filters) -> tuple[str, dict[str, str]]:
    """SQL over the index for what is meant, and the values of its parameters."""
    values = dict(filters.plain)
    # A name that no issue has is none of the enumeration's.
    terms = [f"{name} = TRY_CAST(${name} AS memory.main.{name}_name)" for name in values]
    wide = []
    if filters.key is not None:
        values["key"] = filters.key
        wide.append("record_key = $key")
    if filters.text is not None:
        values["text"] = filters.text.lower()
        wide.append(
            f"({' OR '.join(f'contains(lower({name}), $text)' for name in ('value', 'message', 'record_key'))})"
        )
    if wide:
        terms.append(f"place IN (SELECT place FROM internal.issue_now WHERE {' AND '.join(wide)})")
    return " AND ".join(terms) or "true", values
