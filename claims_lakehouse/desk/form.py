"""Check a row against its feed's contract as somebody types it: by the very verification that deliveries go through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.landing.header import MALFORMED, MALFORMED_REASON, ROW_NUMBER
from claims_lakehouse.validation.raw_rows import RawBatch
from claims_lakehouse.validation.survey import Survey
from claims_lakehouse.validation.verification import Verifier


class Problem(NamedTuple):
    """What is wrong with one field, or with the row where `column_name` is None."""

    column_name: str | None
    rule: str
    severity: str
    message: str
    suggestion: str | None


def problems(
    feed: Feed, texts: Mapping[str, str], delivery: str, received: datetime, codes: pl.DataFrame | None = None
) -> list[Problem]:
    """What verification finds of a row that says `texts` (column -> text); what other rows bear on is left out.

    `codes` is the table of released codes, where it is at hand.
    """
    row = {ROW_NUMBER: 1, **{column.name: texts.get(column.name) or None for column in feed.columns}}
    schema = {ROW_NUMBER: pl.Int64(), **{column.name: pl.String() for column in feed.columns},
              MALFORMED: pl.String(), MALFORMED_REASON: pl.String()}  # fmt: skip
    rows = pl.DataFrame([row | {MALFORMED: None, MALFORMED_REASON: None}], schema=schema)
    none = pl.Series(ROW_NUMBER, [], pl.Int64)
    verifier = Verifier(feed, delivery, received, Survey(none, none), codes=codes)
    found = verifier.batch(verifier.read(RawBatch(rows, {}))).issues
    order = {column.name: place for place, column in enumerate(feed.columns)}
    told = [Problem(*one) for one in found.select(Problem._fields).iter_rows()]
    return sorted(told, key=lambda one: (order.get(one.column_name or "", -1), one.severity, one.rule))
