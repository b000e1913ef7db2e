"""Lay corrections over raw rows, before anything is verified. Pure: reads and writes nothing."""

from __future__ import annotations

import polars as pl

from claims_lakehouse.landing.corrections import Overlay
from claims_lakehouse.landing.header import MALFORMED, MALFORMED_REASON, MALFORMED_RULE, ROW_NUMBER


def lay_over(rows: pl.DataFrame, overlay: Overlay) -> pl.DataFrame:
    """Raw rows as their corrections have them; a malformed row that is corrected has the fields given, and no other."""
    if not overlay.texts or rows.is_empty():
        return rows
    first, last = rows[ROW_NUMBER].min(), rows[ROW_NUMBER].max()
    here = {row: texts for row, texts in overlay.texts.items() if first <= row <= last}  # type: ignore[operator]
    if not here:
        return rows
    number = pl.col(ROW_NUMBER)
    laid = []
    for column in rows.columns:
        if column in (MALFORMED, MALFORMED_REASON, MALFORMED_RULE):
            laid.append(pl.when(number.is_in(list(here))).then(None).otherwise(pl.col(column)).alias(column))
            continue
        texts = {row: changed[column] or None for row, changed in here.items() if column in changed}
        if texts:
            corrected = number.replace_strict(
                list(texts), pl.Series(list(texts.values()), dtype=pl.String), default=None, return_dtype=pl.String
            )
            laid.append(pl.when(number.is_in(list(texts))).then(corrected).otherwise(pl.col(column)).alias(column))
    return rows.with_columns(laid)
