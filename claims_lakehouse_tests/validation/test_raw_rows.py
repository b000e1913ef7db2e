"""Raw rows are read in batches of whole row groups, ahead of who works on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from claims_lakehouse.contracts import CLAIMS
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing import raw
from claims_lakehouse.validation.raw_rows import RawBatch, RawRows, ahead
from claims_lakehouse_tests.builders import claim

COLUMNS = ("row_number", "visit_type", "malformed")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A raw file of three parts with ten rows each, a row group a part; the fifth row of each is malformed."""
    monkeypatch.setattr(raw, "ROW_GROUP_ROWS", 10)
    parts = [tmp_path / f"claims_{name}.csv" for name in "abc"]
    for part in parts:
        lines = [",".join(claim(visit_type=f"{part.stem} {number % 3}").values()) for number in range(10)]
        lines[4] = "too,few"
        part.write_text("\n".join([",".join(claim()), *lines]))
    raw.write_raw(CLAIMS, "d", "f", parts, tmp_path, tmp_path / "f.parquet")
    return tmp_path / "f.parquet"


def texts(batch: RawBatch) -> list[str | None]:
    """The texts of a batch's column as its codes have them."""
    encoded = batch.encoded["visit_type"]
    return encoded.distinct.gather(encoded.codes).to_list()


@pytest.mark.parametrize(("rows", "heights"), [(1, [10, 10, 10]), (20, [20, 10]), (29, [20, 10]), (100, [30])])
def test_batches_are_whole_row_groups_and_encoded_columns_say_the_same(
    path: Path, rows: int, heights: list[int]
) -> None:
    batches = list(RawRows(path).batches(COLUMNS, rows, encode=["visit_type"]))
    assert [batch.rows.height for batch in batches] == heights
    for batch in batches:
        assert texts(batch) == batch.rows["visit_type"].to_list()
        well_formed = batch.well_formed()
        assert well_formed.rows["malformed"].null_count() == well_formed.rows.height == batch.rows.height * 9 // 10
        assert texts(well_formed) == well_formed.rows["visit_type"].to_list()


def test_rows_are_found_by_their_numbers(path: Path) -> None:
    wanted = next(RawRows(path).batches(("row_number",), 30)).rows["row_number"].filter([True, False] * 15)
    found = RawRows(path).of(wanted, COLUMNS)
    assert sorted(found["row_number"]) == sorted(wanted)
    assert found.columns == list(COLUMNS)


def test_a_file_that_is_cut_short_is_said_to_be_damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableFile, match="damaged"):
        list(RawRows(path).batches(COLUMNS, 10))


def test_what_is_made_ahead_comes_in_order_and_so_does_its_error() -> None:
    def some() -> Iterator[int]:
        yield from range(5)
        raise UnreadableFile("a place", "this", "that")

    made = ahead(some())
    assert [next(made) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(UnreadableFile, match="a place"):
        next(made)
    assert list(ahead(iter(()))) == []
