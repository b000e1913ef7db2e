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

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.formats import TEXT
from claims_lakehouse.files import replacing
from claims_lakehouse.landing.raw import read_summary
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.findings import ISSUE_SCHEMA
from claims_lakehouse.validation.survey import slices, survey
from claims_lakehouse.validation.verification import Split, Verification, Verifier

#: Rows that go through pandera at a time: what a batch costs in memory is bounded, however many rows break rules.
BATCH_ROWS = 262_144
_METADATA = b"claims_lakehouse"


def validate_delivery(
    settings: Settings,
    feed: Feed,
    delivery: str,
    fingerprint: str,
    received: datetime,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify the raw content under `fingerprint` and write what it comes to; returns the counts.

    `received` is the delivery's received_at (naive UTC); `progress` is told how many rows were done.
    """
    raw = settings.raw(feed.name, delivery, fingerprint)
    verifier = Verifier(feed, delivery, received, survey(raw, feed))
    with ExitStack() as stack:
        valid_path = stack.enter_context(replacing(settings.validated(feed.name, delivery, fingerprint)))
        issues_path = stack.enter_context(replacing(settings.issues(feed.name, delivery, fingerprint)))
        output = stack.enter_context(_Output(feed, valid_path, issues_path))
        output.write(verifier.unexpected(read_summary(raw).unexpected_columns))
        done = 0
        for batch in _batches(raw, feed):
            output.write(verifier.batch(batch))
            done += batch.height
            if progress:
                progress(done)
        output.write(verifier.repeats())
        verification = verifier.verification()
        output.finish(verification)
    return verification


def read_verification(path: Path) -> Verification:
    """The counts of a validated file, from its metadata."""
    return Verification(**json.loads(pq.read_metadata(path).metadata[_METADATA]))


class _Output:
    """The validated and the issues file, written behind the verifier's back in a thread of their own."""

    def __init__(self, feed: Feed, valid: Path, issues: Path) -> None:
        self._schemas = (
            _arrow_schema({"row_number": pl.Int64(), **{c.name: c.form.dtype for c in feed.columns}}),
            _arrow_schema(ISSUE_SCHEMA),
        )
        # Ids, names and streets hardly recur: a dictionary of them costs a third of the writing and is dropped.
        recurring = [c.name for c in feed.columns if c.form != TEXT] + ["feed", "delivery", "rule", "severity"]
        self._files = tuple(
            pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=recurring)
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
        for frame, file, schema in zip(split, self._files, self._schemas, strict=True):
            if frame.height:
                file.write_table(frame.to_arrow().cast(schema), row_group_size=BATCH_ROWS)

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        for file in self._files:
            file.close()


def _arrow_schema(columns: dict[str, pl.DataType]) -> Any:
    """The Arrow schema of a file: as polars says, with plain strings."""
    kinds = {name: pl.Series([], dtype=dtype).to_arrow().type for name, dtype in columns.items()}
    return pa.schema([(name, pa.string() if columns[name] == pl.String else kind) for name, kind in kinds.items()])


def _batches(raw: Path, feed: Feed) -> Iterator[pl.DataFrame]:
    """The raw rows in bounded frames."""
    columns = ["row_number", *(column.name for column in feed.columns), "malformed", "malformed_reason"]
    return slices(raw, columns, BATCH_ROWS)
