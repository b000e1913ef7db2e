"""Stream a `.csv` or `.csv.gz` file as Arrow batches of text. Checks no values: that is validation's.

Blocks that Arrow reads as our grammar does (nearly all) go to it as they are;
`csv_records` rewrites the others.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, cast

import pyarrow as pa
from pyarrow import csv

from claims_lakehouse.contracts.feed import Feed
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing.csv_records import (
    Fault,
    Unfinished,
    clean_end,
    fields_instead,
    line_ends,
    rewrite,
    scan_record,
)
from claims_lakehouse.landing.header import (
    MAX_COLUMNS,
    Batch,
    Header,
    Malformed,
    line_end_inside,
    match_header,
    no_permission,
    place_of,
    require_regular,
    too_many_columns,
)

BLOCK_BYTES = 4 << 20
MAX_RECORD_BYTES = 64 << 20
MAX_HEADER_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def csv_header(feed: Feed, path: Path, landing: Path) -> Header:
    """Read a CSV file's header.

    Raises:
        UnreadableFile: It is no regular file, has no header, or has one that does not fit the feed.
    """
    place = place_of(path, landing)
    with _opened(path, place) as stream:
        return _read_header(_Blocks(stream, place, MAX_HEADER_BYTES), feed)


def csv_batches(feed: Feed, path: Path, landing: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """Read a CSV file's records, a block of bytes at a time, parsed while the next is read; memory is bounded.

    Raises:
        UnreadableFile: As `csv_header`, and for a quote that never closes or a broken gzip stream.
    """
    place = place_of(path, landing)
    with _opened(path, place) as stream, ThreadPoolExecutor(max_workers=1, thread_name_prefix="csv") as thread:
        blocks = _Blocks(stream, place, block_bytes)
        parser = _Parser(_read_header(blocks, feed).names, place)
        parsing: Future[Batch] | None = None
        for text, faults in _whole_records(blocks, parser):
            before, parsing = parsing, thread.submit(parser.parse, text, faults)
            if before:
                yield before.result()
        if parsing:
            yield parsing.result()


def _whole_records(blocks: _Blocks, parser: _Parser) -> Iterator[tuple[Any, list[Fault]]]:
    """The text of whole records that Arrow reads as our grammar does, and what its placeholders stand for."""
    while True:
        if not blocks.final:
            blocks.more()
        if not blocks.data:
            return
        end = clean_end(blocks.data, blocks.final) if parser.width > 1 else 0
        faults: list[Fault] = []
        if end:
            text = pa.py_buffer(blocks.data).slice(0, end)
        else:
            rewritten = rewrite(blocks.data, blocks.final, parser.width, parser.placeholder)
            text, end, faults = pa.py_buffer(rewritten.text), rewritten.consumed, rewritten.faults
        if text.size:
            yield text, faults
        blocks.drop(end)
        if len(blocks.data) > (0 if blocks.final else MAX_RECORD_BYTES):
            raise blocks.endless_record()


@contextmanager
def _opened(path: Path, place: str) -> Iterator[IO[bytes]]:
    require_regular(path, place)
    try:
        file = path.open("rb", buffering=0)
    except PermissionError:
        raise no_permission(place) from None
    with file:
        yield cast(IO[bytes], gzip.GzipFile(fileobj=file) if path.suffix.lower() == ".gz" else file)


class _Blocks:
    """The bytes read and not yet used up, and the line of the file at which they begin."""

    def __init__(self, stream: IO[bytes], place: str, block_bytes: int) -> None:
        self.place = place
        self.data = b""
        self.line = 1
        self.final = False
        self._stream = stream
        self._block_bytes = block_bytes

    def more(self) -> None:
        """Read on, in larger steps while a record is long: each step scans it again."""
        size = max(self._block_bytes, min(len(self.data), 4 * BLOCK_BYTES))
        try:
            block = self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            found = "a gzip stream that is broken or cut short"
            raise UnreadableFile(self.place, found, "a whole gzip file") from None
        self.final = not block
        self.data = self.data + block if self.data else block

    def drop(self, count: int) -> None:
        """Use up bytes."""
        self.line += line_ends(self.data, count)
        self.data = self.data[count:]

    def endless_record(self) -> UnreadableFile:
        """The error of what is left being no whole record."""
        record = scan_record(self.data, 0, self.final)
        if isinstance(record, Unfinished) and record.quote is not None:
            line, found = self.line + self.data.count(b"\n", 0, record.quote), "a quote that never closes"
        else:
            line, found = self.line, "a record that does not end"
        expected = f"its end within {MAX_RECORD_BYTES >> 20} MiB"
        return UnreadableFile(f"{self.place}, line {line}", found, expected)


def _read_header(blocks: _Blocks, feed: Feed) -> Header:
    while len(blocks.data) < 4 and not blocks.final:
        blocks.more()
    if blocks.data.startswith(_WIDE_BOMS):
        raise _wide_text(blocks.place)
    blocks.data = blocks.data.removeprefix(_BOM)
    while True:
        blocks.drop(len(blocks.data) - len(blocks.data.lstrip()))
        record = scan_record(blocks.data, 0, blocks.final, most=MAX_COLUMNS)
        done = blocks.data and not isinstance(record, Unfinished)
        if done or blocks.final or len(blocks.data) > MAX_HEADER_BYTES:
            break
        blocks.more()
    if not blocks.data:
        raise UnreadableFile(blocks.place, "an empty file", "a header with the columns of its feed")
    if b"\0" in blocks.data[: MAX_HEADER_BYTES if isinstance(record, Unfinished) else record.following]:
        raise _wide_text(blocks.place)
    if isinstance(record, Unfinished) or record.following > MAX_HEADER_BYTES:
        if blocks.final and isinstance(record, Unfinished):
            raise blocks.endless_record()
        raise UnreadableFile(
            blocks.place, f"a header of more than {MAX_HEADER_BYTES >> 20} MiB", "the columns of its feed"
        )
    if len(record.fields) > MAX_COLUMNS:
        has_line_ends = any(b"\r" in field for field in record.fields)
        raise line_end_inside(blocks.place) if has_line_ends else too_many_columns(blocks.place)
    if record.text_after_quote:
        raise UnreadableFile(
            f"{blocks.place}, line {blocks.line}", "text after a closing quote in the header", "a comma"
        )
    try:
        names = [field.decode("utf-8") for field in record.fields]
    except UnicodeDecodeError:
        raise UnreadableFile(blocks.place, "a header that is not UTF-8", "UTF-8 text") from None
    blocks.drop(record.following)
    return match_header(feed, names, blocks.place)


def _wide_text(place: str) -> UnreadableFile:
    return UnreadableFile(place, "UTF-16 or UTF-32 text, or no text at all", "UTF-8 text")


class _Parser:
    """Arrow's CSV parser, held to our grammar. Its own error texts quote rows and never come through here."""

    def __init__(self, names: tuple[str, ...], place: str) -> None:
        self._place = place
        self.width = len(names)
        self.placeholder = ",".join([token_hex(16)] * (1 if self.width > 1 else 2)).encode()
        self._names = list(names)
        self._convert = csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )

    def parse(self, text: Any, faults: list[Fault]) -> Batch:
        """Parse whole records; `faults` are what the placeholders among them stand for, in order."""
        malformed: list[Malformed] = []
        placeholder = self.placeholder.decode()
        waiting = iter(faults)
        blank = 0

        def note(row: Any) -> str:
            nonlocal blank
            if row.text == placeholder:
                fault = next(waiting)
                malformed.append(Malformed(row.number - blank, *fault))
            elif row.text.strip():
                reason = fields_instead(row.actual_columns, self.width)
                malformed.append(Malformed(row.number - blank, row.text, reason))
            else:
                blank += 1
            return "skip"

        # Arrow takes a byte-order mark away from the start of any buffer, but not from after a line end.
        source = text if text[:3].to_pybytes() != _BOM else b"\n" + text.to_pybytes()
        try:
            rows = csv.read_csv(
                pa.BufferReader(source),
                csv.ReadOptions(use_threads=False, block_size=text.size + 2, column_names=self._names),
                csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
                self._convert,
            )
        except pa.ArrowInvalid:
            raise UnreadableFile(self._place, "text that Arrow's CSV parser refuses", "CSV") from None
        return Batch(rows, malformed)
