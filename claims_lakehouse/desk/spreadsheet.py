"""Rows as spreadsheets take and give them: CSV whose texts are never formulas, and the same read back as it was.

Knows nothing of feeds. OWASP, CSV Injection: a cell that begins like a formula is one, whatever quotes it stands in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from claims_lakehouse.errors import UsageError
from claims_lakehouse.landing.header import NOT_UTF8, WHITE_SPACE, place_of, shown

Source = bytes | Path

#: What makes a spreadsheet take a text for a formula; the quote itself, so that taking one away is no guess.
_FORMULA = tuple("=+-@\t\r\n'")
_DELIMITERS = (",", ";", "\t")
_BOM = "\ufeff"
#: What one field may have, in characters; the module's own limit is less than a landed field may be.
_LONGEST = 1 << 30


class Line(NamedTuple):
    """A record of the file, and the line on which it begins; the header's is 1."""

    number: int
    fields: list[str]


class Sheet(NamedTuple):
    """A file's header, trimmed and in lower case, and its records one by one; blank ones are passed over."""

    place: str
    header: list[str]
    lines: Iterator[Line]


def writer(out: TextIO) -> Any:
    """A writer of CSV that spreadsheets open as UTF-8, after its byte order mark; texts have to be `guarded`."""
    if out.encoding != "utf-8-sig":  # that one writes a mark itself
        out.write(_BOM)
    return csv.writer(out, lineterminator="\r\n")


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: `'` in front of what looks like one."""
    return "'" + text if text.startswith(_FORMULA) else text


def restored(text: str) -> str:
    """What a guarded text was; any other text is itself."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def read_sheet(source: Source, key: str) -> Sheet:
    """Read a CSV file that has a column `key`; by that its delimiter is known: a comma, a semicolon or a tab.

    UsageError, here or when its lines are read, where it is no CSV file in UTF-8 or names a column twice. A file
    without the column is read by the delimiter that splits most: what to say of it the caller knows.
    """
    place = "the file" if isinstance(source, bytes) else place_of(source, source.parent)
    text = _text(source, place)
    csv.field_size_limit(_LONGEST)
    headers = {delimiter: _header(text, delimiter) for delimiter in _DELIMITERS}
    delimiter = max(headers, key=lambda one: (key in headers[one], len(headers[one])))
    header = headers[delimiter]
    if key in header:
        twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
        if twice:
            raise UsageError(f"{place}: found a header that names {shown(twice)} twice; expected each column once.")
    return Sheet(place, header, _lines(text, delimiter, place))


def _text(source: Source, place: str) -> str:
    try:
        return (source if isinstance(source, bytes) else source.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"{place}: found {NOT_UTF8}; expected a CSV file in UTF-8 (spreadsheets save it as 'CSV UTF-8')."
        ) from None
    except OSError as error:
        raise UsageError(f"{place}: found {error.strerror or 'an error'}; expected a file to read.") from None


def _header(text: str, delimiter: str) -> list[str]:
    try:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []
    return [name.strip(WHITE_SPACE).casefold() for name in first]


def _lines(text: str, delimiter: str, place: str) -> Iterator[Line]:
    """The records after the header. Strict: a quote that is never closed would make the rest of the file one field."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for fields in reader:
            if begins > 1 and any(field.strip(WHITE_SPACE) for field in fields):
                yield Line(begins, fields)
            begins = reader.line_num + 1
    except csv.Error:
        raise UsageError(
            f"{place}, line {begins}: found a quote that is not closed, or text after one; expected fields in quotes "
            "whose own quotes are doubled."
        ) from None
