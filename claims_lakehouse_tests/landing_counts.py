"""What becomes of each file of shared/data that the medical feeds take: the table in docs/medical-claims.md.

python -m claims_lakehouse_tests.landing_counts    writes it anew
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from claims_lakehouse.contracts import Feed, feed_named
from claims_lakehouse.history.stage import take_up, verify
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse

DATA = REPOSITORY.parent / "shared" / "data"
PAGE = REPOSITORY / "docs" / "medical-claims.md"
BEGIN, END = "<!-- counts: begin -->", "<!-- counts: end -->"
_FILES = (
    ("medical_claims", "tuva/medical_claim_seed.csv"),
    ("coverages", "tuva/eligibility_seed.csv"),
    ("medical_claims", "synthea/claims.csv"),
    ("medical_claims", "synthea/claims_transactions.csv"),
    ("patients", "synthea/patients.csv"),
    ("providers", "synthea/providers.csv"),
    ("code_sets", "codesets/*.csv"),
    ("medical_claims", "x12/*/837_*/*"),
    ("coverages", "x12/*/834_*/*"),
)
_HEADER = ("file", "feed", "landed", "valid", "quarantined", "malformed", "duplicate", "errors, by rule")


def files() -> Iterator[tuple[Feed, Path]]:
    """The files, each with the feed that it is landed as."""
    for feed, pattern in _FILES:
        for path in sorted(DATA.glob(pattern)):
            yield feed_named(feed), path


def table() -> str:
    """The table, in Markdown; each file is a delivery of its own."""
    lines = [_HEADER, tuple("---" for _ in _HEADER)]
    with tempfile.TemporaryDirectory() as base:
        lakehouse = Lakehouse(Path(base))
        for number, (feed, path) in enumerate(files()):
            ext = path.suffix.removeprefix(".")
            key = f"{path.stem}.{number}"
            lakehouse.land(feed.name, key, path.read_bytes(), ext)
            take_up(lakehouse.settings, feed, key)
            done, _ = verify(lakehouse.settings, feed, key)
            assert done.balances
            assert _rows_with_an_error(lakehouse, feed, key) == done.landed - done.valid - done.duplicate
            name = path.relative_to(DATA).as_posix().replace("x12/samples_5010_4010/", "")
            counts = (done.landed, done.valid, done.quarantined, done.malformed, done.duplicate)
            errors = ", ".join(f"{rule} {count:,}" for rule, count in done.errors.items())
            lines.append((name, feed.name, *(f"{count:,}" for count in counts), errors))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows_with_an_error(lakehouse: Lakehouse, feed: Feed, delivery: str) -> int:
    """How many records an issue of severity error names by their place."""
    found = pl.read_parquet(lakehouse.settings.home / "issues" / feed.name / delivery / "*.parquet")
    return found.filter(pl.col("severity") == "error")["row_number"].drop_nulls().n_unique()


def in_step(page: str, made: str) -> str:
    """The page with the table in its place."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(in_step(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
