"""In which landed file, and at which line of it, a row stands: as far as raw and landing still tell.

Landing counts records. The line is for whoever opens the file in an editor: there, blank lines and fields of several
lines count too.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl

from claims_lakehouse.errors import DeliveryError
from claims_lakehouse.landing.csv_records import Unfinished, scan_record
from claims_lakehouse.landing.fingerprint import file_stat
from claims_lakehouse.landing.header import ROW_NUMBER
from claims_lakehouse.landing.raw import RawPart, read_summary
from claims_lakehouse.landing.stage import fingerprints
from claims_lakehouse.landing.x12_reader import SEGMENT
from claims_lakehouse.settings import Settings

#: A larger content is not read for its lines: that would take long, and no editor opens it.
MAX_BYTES = 64 << 20

_BOM = b"\xef\xbb\xbf"


class Origin(NamedTuple):
    """Where a row of a delivery stands.

    Attributes:
        file: The file, relative to the landing folder as it was; None where the raw file is gone.
        file_row: Which record of that file it is, from 1.
        line: The line of that file at which it begins, from 1; None where landing no longer has the content, where
            the file is no CSV, and where it is large.
        segment: The segment of that X12 file at which it begins, counted from 1; None of other files, and of a
            transaction that could not be read: its issue says where.
    """

    file: str | None = None
    file_row: int | None = None
    line: int | None = None
    segment: int | None = None


def origins(
    settings: Settings, feed: str, delivery: str, fingerprint: str | None, rows: Collection[int]
) -> dict[int, Origin]:
    """Where rows of one content of a delivery stand, by row number."""
    found = dict.fromkeys(rows, Origin())
    try:
        parts = read_summary(settings.raw(feed, delivery, str(fingerprint))).parts
    except (OSError, DeliveryError):
        return found
    segments = _segments(settings.raw(feed, delivery, str(fingerprint)), rows)
    is_landed = _is_landed(settings, parts, fingerprint)
    for part in parts:
        inside = {row - part.first_row + 1 for row in rows if 0 <= row - part.first_row < part.rows}
        lines = record_lines(settings.landing / part.name, inside) if is_landed else {}
        for at in inside:
            row = part.first_row + at - 1
            found[row] = Origin(part.name, at, lines.get(at), segments.get(row))
    return found


def _segments(raw: Path, rows: Collection[int]) -> dict[int, int]:
    """The segments at which rows begin, where they come of an X12 file: the raw file knows them."""
    try:
        scan = pl.scan_parquet(raw)
        if SEGMENT not in scan.collect_schema():
            return {}
        wanted = scan.filter(pl.col(ROW_NUMBER).is_in(list(rows)) & pl.col(SEGMENT).is_not_null())
        return dict(wanted.select(ROW_NUMBER, pl.col(SEGMENT).cast(pl.Int64)).collect().iter_rows())
    except (OSError, pl.exceptions.PolarsError):
        return {}


def record_lines(path: Path, records: Collection[int]) -> dict[int, int]:
    """The lines at which records of a CSV file begin; both count from 1, and the header is record 0.

    Empty where the file is no CSV, cannot be read, or is too large.
    """
    found: dict[int, int] = {}
    last = max(records, default=-1)
    for number, line in enumerate(_lines(_text(path))):
        if number > last:
            break
        if number in records:
            found[number] = line
    return found


def _is_landed(settings: Settings, parts: Collection[RawPart], fingerprint: str | None) -> bool:
    """Whether landing still has the content, and it is small enough to look into."""
    paths = [settings.landing / part.name for part in parts]
    try:
        if sum(file_stat(path, settings.landing).st_size for path in paths) > MAX_BYTES:
            return False
        return fingerprints(settings).of(paths) == fingerprint
    except DeliveryError:
        return False


def _text(path: Path) -> bytes:
    """A CSV file's text; empty where there is none to look into."""
    name = path.name.lower()
    if not name.endswith((".csv", ".csv.gz")):
        return b""
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return b""
    return text.removeprefix(_BOM) if len(text) <= MAX_BYTES else b""


def _lines(text: bytes) -> Iterator[int]:
    """The line at which each record begins, the header's first."""
    position, line = 0, 1
    while position < len(text):
        end = text.find(b"\n", position)
        following = end + 1 if end >= 0 else len(text)
        record = text[position:following]
        if b'"' in record:  # nothing else can take a record beyond its line
            scanned = scan_record(text, position, final=True)
            if isinstance(scanned, Unfinished):
                return
            following = scanned.following
            record = text[position:following]
        if not _is_blank(record):
            yield line
        line += record.count(b"\n")
        position = following


def _is_blank(record: bytes) -> bool:
    try:
        return not record.decode("utf-8").strip()
    except UnicodeDecodeError:
        return False
