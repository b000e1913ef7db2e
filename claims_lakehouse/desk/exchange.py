"""The rows behind issues as a file for the sender to fix, and the fixed file back as corrections.

A row of the file names the landed row and what it said when it was exported, and is taken back only where the row still
says that: what was corrected or sent since is never undone by a file that does not know of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, TextIO

from claims_lakehouse.contracts import FEEDS, Feed, feed_named
from claims_lakehouse.contracts.rules import UNREAD
from claims_lakehouse.desk.exchanged_rows import SAID, ExchangedRows, Reference
from claims_lakehouse.desk.fixed_rows import REFERENCE, WRONG, Fixed, FixedDelivery, RefusedLine, fixed_rows
from claims_lakehouse.desk.issues import Filters, Issue, list_issues
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.desk.spreadsheet import Source, guarded, read_sheet, writer
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.landing.header import MALFORMED_REASON, ROW_NUMBER
from claims_lakehouse.settings import Settings

__all__ = [
    "REFERENCE", "WRONG", "Exported", "Fixed", "FixedDelivery", "RefusedLine", "TakenBack",
    "export_rows", "feed_of", "read_fixed", "take_back",
]  # fmt: skip

#: Rows, or issues, that are held at a time.
_CHUNK = 25_000


class Exported(NamedTuple):
    """How many rows were written, and how many issues were left out because they are about a whole file."""

    rows: int
    about_files: int


class TakenBack(NamedTuple):
    """The correction that was made of a fixed file; None, and `refused` says why, where the delivery was overtaken."""

    feed: str
    delivery: str
    correction: str | None
    fields: int
    rows: int
    refused: str | None = None


def export_rows(
    reading: Reading, settings: Settings, feed: Feed, issues: Iterable[Issue] | Filters, out: TextIO
) -> Exported:
    """Write each landed row that has one of the issues, once, with what it says now and what is wrong with it.

    Args:
        reading: The publication that filters are asked of.
        settings: Where the lakehouse is.
        feed: The feed; a file has rows of one feed.
        issues: Those that are meant. Of them, the open ones say what is wrong.
        out: Where to write; to be encoded as UTF-8, its line ends left as they are.

    Raises:
        UsageError: Issues of another feed are meant.
        UnreadableFile: A delivery's raw file cannot be read.
    """
    names = [column.name for column in feed.columns]
    lines = writer(out)
    lines.writerow([REFERENCE, WRONG, *names])
    rows = about_files = 0
    meant = _meant(reading, feed, issues)
    for (delivery, content), some in groupby(meant, key=lambda issue: (issue.delivery, issue.fingerprint)):
        source = ExchangedRows(settings, feed, delivery, content)
        told: dict[int, list[str]] = {}
        for number, of_row in groupby(some, key=lambda issue: issue.row_number):
            if number is None:
                about_files += sum(1 for _ in of_row)
                continue
            told[number] = _told(of_row)
            if len(told) == _CHUNK:
                rows += _write(lines, source, names, told)
                told = {}
        rows += _write(lines, source, names, told)
    return Exported(rows, about_files)


def feed_of(source: Source) -> Feed:
    """The feed whose rows a file has, by the names of its columns; UsageError where they do not tell."""
    sheet = read_sheet(source, REFERENCE)
    known = {feed.name: sum(column.name in sheet.header for column in feed.columns) for feed in FEEDS}
    most = max(known.values())
    likely = [name for name, count in known.items() if count == most > 0]
    if len(likely) != 1:
        raise UsageError(
            f"{sheet.place}: found columns of {' or '.join(likely) or 'no feed'}; expected those of one of "
            f"{', '.join(known)} (on the command line --feed names it)."
        )
    return feed_named(likely[0])


def read_fixed(settings: Settings, feed: Feed, source: Source) -> Fixed:
    """What a fixed file changes of the rows that were exported; nothing is written.

    Args:
        settings: Where the lakehouse is.
        feed: The feed whose rows the file has.
        source: The file, or what it holds. Columns may be in any order, be missing, or be of no contract; the
            delimiter is a comma, a semicolon or a tab.

    Raises:
        UsageError: It is no CSV file, or has no column `lakehouse_row`.
        UnreadableFile: A delivery's raw file cannot be read.
    """
    return fixed_rows(settings, feed, read_sheet(source, REFERENCE))


def take_back(settings: Settings, fixed: Fixed, because: str, who: str) -> list[TakenBack]:
    """Lay a fixed file over the rows, one correction a delivery; bringing the deliveries up to date makes them felt.

    A delivery that was replaced or corrected since the file was read gets none, and the others go on. UsageError, and
    nothing is written, where no reason is given.
    """
    acts.require_reason(because)
    feed = feed_named(fixed.feed)
    taken = []
    for delivery, content, changes, expected in fixed.deliveries:
        correction = refused = None
        try:
            correction = acts.correct(
                settings, feed, delivery, changes, because=because, who=who, seen=content, expected=expected
            )
        except UsageError as error:
            refused = str(error)
        fields = sum(len(texts) for texts in changes.values())
        taken.append(TakenBack(feed.name, delivery, correction, fields, len(changes), refused))
    return taken


def _meant(reading: Reading, feed: Feed, issues: Iterable[Issue] | Filters) -> Iterator[Issue]:
    """The issues by delivery and row; of filters a page at a time."""
    if isinstance(issues, Filters):
        _require_feed(feed, issues.feed)
        meant = replace(issues, feed=feed.name)
        page = list_issues(reading, meant, rows=_CHUNK)
        yield from page.issues
        for number in range(2, page.pages + 1):
            yield from list_issues(reading, meant, page=number, rows=_CHUNK).issues
        return
    given = sorted(issues, key=lambda issue: (issue.delivery, issue.fingerprint, issue.row_number or 0))
    for issue in given:
        _require_feed(feed, issue.feed)
    yield from given


def _require_feed(feed: Feed, found: str | None) -> None:
    if found not in (None, feed.name):
        raise UsageError(f"A file has rows of one feed: found issues of '{found}'; expected only '{feed.name}'.")


def _told(issues: Iterable[Issue]) -> list[str]:
    """What the open ones of a row's issues say, each beginning with its column."""
    told = []
    for issue in issues:
        if issue.status == "open":
            column = issue.column_name or ""
            told.append(issue.message if issue.message.startswith(column) else f"{column}: {issue.message}")
            if issue.rule in UNREAD:
                told.append(f"The line: {issue.value}")
    return list(dict.fromkeys(told))


def _write(lines: Any, source: ExchangedRows, names: list[str], told: dict[int, list[str]]) -> int:
    """Write rows, and what is told of each; of a malformed one that is why it could not be split."""
    if not told:
        return 0
    found = source.of(told).select(ROW_NUMBER, SAID, MALFORMED_REASON, *names)
    for number, said, reason, *texts in found.iter_rows():
        wrong = told[number]
        if reason and not any(reason in message for message in wrong):
            wrong.append(f"The line could not be split into fields: {reason}.")
        reference = str(Reference(source.delivery, number, said))
        lines.writerow(map(guarded, (reference, "; ".join(wrong), *texts)))
    return found.height
