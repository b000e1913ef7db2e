"""Verify one delivery's raw file: batch by batch into a validated and an issues file.

The issues file is in place before the validated file, whose metadata holds the counts: that one marks the
stage as done. Writing overlaps with verifying.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from claims_lakehouse.codes.icd10cm import codes_for
from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.files import replacing
from claims_lakehouse.landing.corrections import Overlay, read_overlay
from claims_lakehouse.landing.header import MALFORMED, MALFORMED_REASON, MALFORMED_RULE, ROW_NUMBER
from claims_lakehouse.landing.raw import read_summary
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.findings import ISSUE_SCHEMA
from claims_lakehouse.validation.held_back import HeldBack
from claims_lakehouse.validation.raw_rows import RawRows, ahead
from claims_lakehouse.validation.survey import survey
from claims_lakehouse.validation.verification import RECURS, Split, Verification, Verifier, valid_columns

#: Rows that go through pandera at a time: what a batch costs in memory is bounded, however many rows break rules.
BATCH_ROWS = 300_000
_METADATA = b"claims_lakehouse"
#: The columns of issues that have few values.
_SAID_AGAIN = ("feed", "delivery", "rule", "column_name", "message", "severity", "corrected_by")


def validate_delivery(
    settings: Settings,
    feed: Feed,
    delivery: str,
    fingerprint: str,
    received: datetime,
    corrections: str = "",
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify the raw content under `fingerprint` and write what it comes to; returns the counts.

    `received` is the delivery's received_at (naive UTC); `corrections` are the ids of those in effect, joined by
    commas; `progress` is told how many rows were done. What was found in the rows as they landed, and no longer is
    with the corrections, is written as settled by them.
    """
    raw = settings.raw(feed.name, delivery, fingerprint)
    overlay = read_overlay(settings, feed.name, delivery, corrections)
    with ExitStack() as stack:
        valid_path = stack.enter_context(replacing(settings.validated(feed.name, delivery, fingerprint)))
        issues_path = stack.enter_context(replacing(settings.issues(feed.name, delivery, fingerprint)))
        rows = RawRows(raw, overlay)
        codes = codes_for(settings, feed)
        verifier = Verifier(feed, delivery, received, survey(rows, feed), corrections, codes)
        output = stack.enter_context(_Output(feed, valid_path, issues_path))
        found = []
        for split in _splits(rows, feed, verifier, settings.temporary, progress):
            output.write(split)
            if overlay.ids:
                found.append(split.issues)
        if overlay.ids:
            rows = RawRows(raw)
            as_landed = Verifier(feed, delivery, received, survey(rows, feed), codes=codes)
            before = pl.concat(split.issues for split in _splits(rows, feed, as_landed, settings.temporary))
            output.write(Split(pl.DataFrame(), _settled(before, pl.concat(found), overlay)))
        verification = verifier.verification()
        output.finish(verification)
    return verification


def _splits(
    rows: RawRows, feed: Feed, verifier: Verifier, temporary: Path, progress: Callable[[int], None] | None = None
) -> Iterator[Split]:
    """Everything that verification makes of raw rows, in bounded frames."""
    yield verifier.files(read_summary(rows.path))
    columns = [ROW_NUMBER, *(column.name for column in feed.columns), MALFORMED, MALFORMED_REASON]
    columns += [name for name in rows.columns() if name == MALFORMED_RULE]
    recurring = [column.name for column in feed.columns if column.form.recurs]
    done = 0
    batches = rows.batches(columns, BATCH_ROWS, encode=recurring)
    with HeldBack(feed, len(verifier.seen.repeated), temporary) as held_back:
        for parsed in ahead(verifier.read(batch) for batch in batches):
            split = verifier.batch(parsed)
            held_back.add(split.held_back)
            yield split
            done += parsed.landed
            if progress:
                progress(done)
        for some in held_back.shares():
            yield verifier.repeats(some)


def _settled(before: pl.DataFrame, now: pl.DataFrame, overlay: Overlay) -> pl.DataFrame:
    """The issues of the rows as they landed that do not recur, each with the correction that settled it."""
    gone = before.join(now, on="issue_id", how="anti")
    settled_by = [overlay.last.get(row, overlay.ids[-1]) for row in gone["row_number"]]
    return gone.with_columns(pl.Series("corrected_by", settled_by, pl.String))


def read_verification(validated: Path, issues: Path, feed: Feed) -> Verification:
    """The counts of what was verified, from the validated file's metadata.

    UnreadableFile where one of the two files is not there, not whole, or not of the contract's columns.
    """
    for path, schema in zip((validated, issues), _schemas(feed), strict=True):
        place = f"{path.parents[2].name}/{feed.name}/{path.parent.name}/{path.name}"
        try:
            footer = pq.read_metadata(path)
        except (OSError, pa.ArrowException):
            raise UnreadableFile(place, "no whole Parquet file", "what verification wrote") from None
        if footer.schema.to_arrow_schema().names != schema.names:
            raise UnreadableFile(place, "columns of another contract", "those of the contract") from None
        if path is validated:
            found = json.loads(footer.metadata[_METADATA])
    return Verification(**found)


class _Output:
    """The validated and the issues file, written behind the verifier's back in a thread of their own."""

    def __init__(self, feed: Feed, valid: Path, issues: Path) -> None:
        self._schemas = _schemas(feed)
        # Ids, names and streets hardly recur: a dictionary of them costs a third of the writing and is dropped.
        recurring = [c.name for c in feed.columns if c.form.recurs] + [RECURS, *_SAID_AGAIN]
        self._files = tuple(
            pq.ParquetWriter(
                path,
                schema,
                compression="lz4",
                use_dictionary=recurring,
                column_encoding={"row_number": "DELTA_BINARY_PACKED"},
                write_statistics=["row_number", *feed.key],
                store_schema=False,
            )
            for path, schema in zip((valid, issues), self._schemas, strict=True)
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="validated")
        self._unwritten: Future[None] | None = None

    def __enter__(self) -> _Output:
        return self

    def write(self, split: Split) -> None:
        """Take rows over; waits while the batch before is unwritten."""
        if self._unwritten is not None:
            self._unwritten.result()
        self._unwritten = self._thread.submit(self._write, split)

    def finish(self, verification: Verification) -> None:
        """Wait for what is unwritten, and put the counts into the validated file."""
        if self._unwritten is not None:
            self._unwritten.result()
        self._files[0].add_key_value_metadata({_METADATA: json.dumps(asdict(verification)).encode()})

    def _write(self, split: Split) -> None:
        frames = (split.accepted, split.issues)
        for frame, file, schema in zip(frames, self._files, self._schemas, strict=True):
            if frame.height:
                file.write_table(_arrow(frame).cast(schema), row_group_size=BATCH_ROWS)

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        for file in self._files:
            file.close()


def _schemas(feed: Feed) -> tuple[Any, Any]:
    """The Arrow schemas of a feed's validated and issues files."""
    return _arrow(pl.DataFrame(schema=valid_columns(feed))).schema, _arrow(pl.DataFrame(schema=ISSUE_SCHEMA)).schema


def _arrow(frame: pl.DataFrame) -> Any:
    """A frame as an Arrow table, its texts not copied."""
    return frame.to_arrow(compat_level=pl.CompatLevel.newest())
