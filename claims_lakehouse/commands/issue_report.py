"""What `claims issues` prints: lists, one issue with its row, what a fixed file changes. Values are patients' data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claims_lakehouse.commands.ingestion import reader
from claims_lakehouse.commands.options import one_of
from claims_lakehouse.commands.report import plain, print_rows, progress
from claims_lakehouse.settings import Settings

if TYPE_CHECKING:
    from claims_lakehouse.desk.exchange import Fixed
    from claims_lakehouse.desk.issues import Issue
    from claims_lakehouse.desk.reading import Reading

#: How much of an issue's id is shown.
_SHORT_ID = 8
#: Lines that are told one by one.
_SHOWN = 20
_FACTS = {
    "issue_id": "id", "feed": "feed", "delivery": "delivery", "row_number": "row", "record_key": "record",
    "rule": "rule", "severity": "severity", "status": "status", "column_name": "column", "value": "value",
    "message": "what is wrong", "suggestion": "suggestion", "resolved_by": "resolved by", "waived_by": "waived by",
    "waived_why": "because", "waived_until": "until",
}  # fmt: skip
#: Columns of a list that may stand below their row where a terminal is too narrow for all.
_BESIDES = ("record_key", "column_name", "value", "severity", "suggestion", "resolved_by", "column")
_LOG = "SELECT happened_at, event, who, why, before, after, waived_until, holds FROM issue_log"


def print_issues(settings: Settings, given: Mapping[str, str], *, limit: int, as_json: bool) -> None:
    """Print the issues that filters let through, at most `limit` (0 for all)."""
    from claims_lakehouse.serving.connect import ask

    where = " AND ".join(f"{name} = ${name}" for name in given) or "true"
    with reader(settings) as con:
        total = ask(con, f"SELECT count(*) FROM issue WHERE {where}", dict(given)).rows[0][0]
        if not total:
            check_names(given)
        # A person names an issue by how its id begins; a machine has it whole.
        columns = "*" if as_json else f"left(issue_id, {_SHORT_ID}) AS issue, * EXCLUDE (issue_id)"
        order = "ORDER BY feed, delivery, row_number, rule, column_name" + (f" LIMIT {limit}" if limit else "")
        rows = ask(con, f"SELECT {columns} FROM issue WHERE {where} {order}", dict(given))
        hide = ("waived_by", "waived_why", "waived_until")
        print_rows(rows, as_json=as_json, title="Issues", hide=hide, grouped=False, below=_BESIDES, last="message")
    if limit and total > limit:
        progress.print(f"Shown: {limit} of {total:,}. More with --limit, fewer with --feed, --rule, --status …")


def check_names(given: Mapping[str, str]) -> None:
    """UsageError where a filter names no feed or rule; for a list that found none: contracts take long to import."""
    from claims_lakehouse.contracts import RULES, feed_named

    if "feed" in given:
        feed_named(given["feed"])
    one_of("rule", given.get("rule"), sorted({known.name for known in RULES}))


def print_issue(reading: Reading, settings: Settings, issue: Issue) -> None:
    """Print an issue, its row as it was sent, what people did about it, and what else was found of the row."""
    from claims_lakehouse.desk.issues import issues_of_row

    facts = [(heading, getattr(issue, name)) for name, heading in _FACTS.items()]
    _print("The issue", ["", "is"], [fact for fact in facts if fact[1] is not None])
    if issue.row_number is not None:
        _print_row(settings, issue)
    log = reading.ask(f"{_LOG} WHERE issue_id = $id ORDER BY happened_at", {"id": issue.issue_id})
    _print("What people did about it", ["when", "act", "who", "why", "before", "after", "until", "holds"], log)
    others = [
        (one.issue_id[:_SHORT_ID], one.rule, one.severity, one.column_name, one.value, one.message, one.status)
        for one in issues_of_row(reading, issue.feed, issue.delivery, issue.row_number)
        if one.issue_id != issue.issue_id
    ]
    about = "file" if issue.row_number is None else "row"
    _print(
        f"Other issues of the {about}", ["issue", "rule", "severity", "column", "value", "message", "status"], others
    )


def _print_row(settings: Settings, issue: Issue) -> None:
    """Print the row as it was sent, the failing field marked; where corrections lie over it, what it says with them."""
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.desk.rows import sent_rows

    found = sent_rows(settings, feed_named(issue.feed), issue.delivery, issue.fingerprint, issue.row_number or 0)
    for row in found:
        if row.malformed is not None:
            progress.print(f"What was sent could not be read as a row: {plain(row.reason)}.", soft_wrap=True)
            _print("The line as sent", ["line"], [(row.malformed,)])
            if not row.corrected:
                continue
        fields = [
            (">>" if name == issue.column_name else "", name, text, row.corrected.get(name))
            for name, text in row.texts.items()
        ]
        headings = ["", "column", "as sent", "corrected"]
        if not row.corrected:
            headings, fields = headings[:-1], [field[:-1] for field in fields]  # type: ignore[misc]
        _print("The row as sent", headings, fields)


def print_fixed(fixed: Fixed) -> None:
    """Print what a fixed file changes of each delivery, in numbers, and the lines that are refused."""
    changed = []
    for one in fixed.deliveries:
        columns = Counter(name for texts in one.changes.values() for name in texts)
        told = ", ".join(f"{name} {count:,}" for name, count in columns.items())
        changed.append((one.delivery, len(one.changes), columns.total(), told))
    _print(f"What the file changes of {fixed.feed}", ["delivery", "rows", "fields", "of which"], changed)
    if fixed.ignored:
        progress.print(f"Ignored: the columns {plain(', '.join(fixed.ignored))}.", soft_wrap=True)
    for line, why in fixed.refused[:_SHOWN]:
        progress.print(f"[yellow]refused:[/] line {line}: {plain(why)}", soft_wrap=True)
    if len(fixed.refused) > _SHOWN:
        progress.print(f"Shown: {_SHOWN} of {len(fixed.refused):,} lines that are refused.")
    rows = sum(len(one.changes) for one in fixed.deliveries)
    progress.print(f"{counted(rows, 'row')} changed, {fixed.unchanged:,} as before, {len(fixed.refused):,} refused.")


def counted(count: int, what: str) -> str:
    """A number of things, in words: `1 row`, `1,200 rows`."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def _print(title: str, headings: Sequence[str], rows: Iterable[Any]) -> None:
    from claims_lakehouse.serving.connect import Answer

    rows = list(rows)
    if rows:
        last = "message" if "message" in headings else None
        print_rows(Answer(list(headings), rows), as_json=False, title=title, grouped=False, below=_BESIDES, last=last)
