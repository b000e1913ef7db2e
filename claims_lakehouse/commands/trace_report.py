"""How the command prints a trace: tables for people, JSON for machines. The values shown are patients' data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from claims_lakehouse.commands.report import print_rows

if TYPE_CHECKING:
    from claims_lakehouse.serving.trace import Change, Row, Trace

_STANDS = ["delivery", "row", "file", "row of file", "line", "segment"]
_MADE = [*_STANDS, "recorded at", "run"]
#: What may stand below its row where a terminal is too narrow for all.
_BESIDES = ("changes", "sequence", *_MADE[2:], "value", "message", "status", "resolved by")


def print_trace(trace: Trace, *, as_json: bool) -> None:
    """Print a record's versions, the other rows about it, and what was found of any of them."""
    if as_json:
        _print_json(trace)
        return
    record = f"{trace.feed} {trace.record_key}"
    versions = [
        [v.version, v.valid_from, v.valid_to, "\n".join(map(_change, v.changes)), *_made(v.row)] for v in trace.versions
    ]
    others = [[_fate(row, trace.record_key), row.sequence, *_made(row)] for row in trace.other_rows]
    _print_table(f"Versions of {record}", ["version", "valid from", "valid to", "changes", *_MADE], versions)
    _print_table(f"Other rows about {record}", ["what became of it", "sequence", *_MADE], others)
    _print_issues([*(version.row for version in trace.versions), *trace.other_rows])


def print_row(row: Row, *, as_json: bool) -> None:
    """Print what became of one landed row, and what was found of it."""
    if as_json:
        _print_json(row)
        return
    _print_table(
        "The row",
        ["what became of it", "record", "sequence", *_MADE],
        [[_fate(row), row.record_key, row.sequence, *_made(row)]],
    )
    _print_issues([row])


def _print_issues(rows: Iterable[Row]) -> None:
    found = [
        [row.delivery, row.row_number, i.rule, i.severity, i.column_name, i.value, i.message, i.status, i.resolved_by]
        for row in rows
        for i in row.issues
    ]
    headings = ["delivery", "row", "rule", "severity", "column", "value", "message", "status", "resolved by"]
    _print_table("What was found", headings, found)


def _print_table(title: str, headings: list[str], rows: list[list[Any]]) -> None:
    from claims_lakehouse.serving.connect import Answer

    if rows:
        answer = Answer(headings, [tuple(row) for row in rows])
        print_rows(answer, as_json=False, title=title, grouped=False, below=_BESIDES)


def _made(row: Row) -> list[Any]:
    return [row.delivery, row.row_number, *row.origin, row.recorded_at, row.run_id]


def _fate(row: Row, key: str | None = None) -> str:
    """What became of a row; a correction may have made it another record's."""
    if row.version is not None:
        return f"version {row.version}" + (f" of {row.record_key}" if key not in (None, row.record_key) else "")
    told = f"duplicate of row {row.duplicate_of}" if row.fate == "duplicate" else str(row.fate)
    status = row.delivery_status
    return told if status in ("applied", row.fate) else f"{told}; the delivery is {status}"


def _change(change: Change) -> str:
    if change.before is None:
        return f"{change.column_name}: {change.after}"
    return f"{change.column_name}: {change.before} → {'nothing' if change.after is None else change.after}"


def _print_json(told: Trace | Row) -> None:
    json.dump(_named(told), sys.stdout, default=str, indent=1)
    sys.stdout.write("\n")


def _named(told: Any) -> Any:
    """Named tuples as objects under their fields' names, whatever is in them likewise."""
    if hasattr(told, "_asdict"):
        return {name: _named(value) for name, value in told._asdict().items()}
    return [_named(value) for value in told] if isinstance(told, tuple) else told
