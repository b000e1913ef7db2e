"""The table of ICD-10-CM codes: made once from the releases at hand, and read by whoever verifies diagnoses."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from claims_lakehouse.codes.releases import RELEASES, release_table, releases_version
from claims_lakehouse.contracts import Feed
from claims_lakehouse.files import replacing
from claims_lakehouse.settings import Settings


def table_path(settings: Settings) -> Path:
    """Where the table lies; other releases lie under another name."""
    return settings.home / "reference" / f"icd10cm-{releases_version()}.parquet"


def make_table(settings: Settings) -> Path:
    """Make the table anew: one row a code, its description, and how it stands in each release."""
    path = table_path(settings)
    with replacing(path) as temporary:
        release_table().write_parquet(temporary, compression="zstd")
    for other in path.parent.glob("icd10cm-*.parquet"):
        if other != path:
            other.unlink(missing_ok=True)
    return path


def codes_for(settings: Settings, feed: Feed) -> pl.DataFrame | None:
    """The codes that a feed's columns are held to, made if they are not there; None where it has no such column."""
    if not feed.released_codes:
        return None
    table = codes_at_hand(settings, feed)
    return pl.read_parquet(make_table(settings)) if table is None else table


def codes_at_hand(settings: Settings, feed: Feed) -> pl.DataFrame | None:
    """The same where they are there already: for those who must not wait."""
    if not feed.released_codes:
        return None
    try:
        table = pl.read_parquet(table_path(settings))
    except (OSError, pl.exceptions.PolarsError):
        return None
    return table if {"code", *(release.column for release in RELEASES)} <= set(table.columns) else None
