"""The raw file: every landed record once, under its number, whatever file brought it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pandera.polars as pandera
import pyarrow as pa
import pytest
from pyarrow import parquet

from claims_lakehouse.contracts import PATIENTS, Feed, Field
from claims_lakehouse.contracts.formats import TEXT
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing import raw
from claims_lakehouse.landing.raw import RawPart, RawSummary, raw_schema, read_summary, write_raw


class Two(pandera.DataFrameModel):
    """Two columns."""

    a: str = Field(TEXT, "A.", required=True, identifies="nothing")
    b: str = Field(TEXT, "B.", identifies="nothing")


TWO = Feed(name="twos", entity="two", role="dimension", contract=Two, key=("a",))


def land(home: Path, **files: bytes | Any) -> tuple[RawSummary, list[dict[str, Any]]]:
    """Land part files, CSV given as bytes or Parquet as a table, and read the raw file back by row number."""
    parts = []
    for name, content in files.items():
        part = home / "landing" / "twos" / "d" / (name + (".csv" if isinstance(content, bytes) else ".parquet"))
        part.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            part.write_bytes(content)
        else:
            parquet.write_table(content, part)
        parts.append(part)
    target = home / "raw" / "twos" / "d" / "f.parquet"
    summary = write_raw(TWO, "d", "f", parts, home / "landing", target)
    assert read_summary(target) == summary
    return summary, parquet.read_table(target).sort_by("row_number").to_pylist()


def test_a_raw_file_holds_every_record_as_text_under_its_number(tmp_path: Path) -> None:
    summary, rows = land(tmp_path, one=b"b,a\n2,1\n\nonly\n,\xff\n, 4 \n")
    empty = {"a": None, "b": None, "malformed": None, "malformed_reason": None}
    assert rows == [
        empty | {"row_number": 1, "a": "1", "b": "2"},
        empty | {"row_number": 2, "malformed": "only", "malformed_reason": "1 field instead of 2"},
        empty | {"row_number": 3, "malformed": ",\\xff", "malformed_reason": "bytes that are not UTF-8"},
        empty | {"row_number": 4, "a": " 4 "},
    ]
    assert summary == RawSummary(4, 2, (RawPart("twos/d/one.csv", 1, 4),), ())


def test_row_numbers_run_on_over_parts_of_both_kinds(tmp_path: Path) -> None:
    summary, rows = land(
        tmp_path,
        one=b"a,b\n1,1\nbad\n",
        two=pa.table({"a": [3], "b": [4.0]}),
        three=b"a,b\n",
        four=b"a,b\n4,4\n",
    )
    assert [(row["row_number"], row["a"], row["b"]) for row in rows] == [
        *((1, "1", "1"), (2, None, None), (3, "3", "4"), (4, "4", "4"))
    ]
    assert summary.parts == (
        RawPart("twos/d/one.csv", 1, 2),
        RawPart("twos/d/two.parquet", 3, 1),
        RawPart("twos/d/three.csv", 4, 0),
        RawPart("twos/d/four.csv", 4, 1),
    )


def test_unexpected_columns_of_all_parts_are_kept_null_where_a_part_lacks_them(tmp_path: Path) -> None:
    summary, rows = land(tmp_path, one=b"a,b,X\n1,1,x\n", two=b"y,a,b,malformed\ny,2,2,m\n")
    assert summary.unexpected_columns == ("x", "y", "malformed_")
    assert list(rows[0]) == ["row_number", "a", "b", "x", "y", "malformed_", "malformed", "malformed_reason"]
    assert [(row["x"], row["y"], row["malformed_"]) for row in rows] == [("x", None, None), (None, "y", "m")]


@pytest.mark.parametrize("blank", [b"", b"\n", b"\n \n\r\n\t"])
def test_a_file_with_nothing_below_its_header_has_no_rows(tmp_path: Path, blank: bytes) -> None:
    summary, rows = land(tmp_path, one=b"a,b" + blank)
    assert rows == []
    assert summary.rows_landed == 0


def test_many_batches_make_row_groups_of_a_moderate_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "ROW_GROUP_ROWS", 10)
    table = pa.table({"a": [str(n) for n in range(1_000)], "b": ["x"] * 1_000})
    monkeypatch.setattr(raw, "parquet_batches", lambda *parts: raw_batches(table))
    summary, rows = land(tmp_path, one=table)
    assert [row["row_number"] for row in rows] == list(range(1, 1_001))
    assert [row["a"] for row in rows] == table["a"].to_pylist()
    assert summary.rows_landed == 1_000
    footer = parquet.read_metadata(tmp_path / "raw/twos/d/f.parquet")
    assert footer.num_row_groups == 84
    assert footer.row_group(0).num_rows == 12


def raw_batches(table: Any) -> Any:
    return (raw.Batch(table.slice(start, 4), ()) for start in range(0, table.num_rows, 4))


def test_progress_is_told_how_many_rows_have_landed(tmp_path: Path) -> None:
    part = tmp_path / "twos_d.csv"
    part.write_bytes(b"a,b\n1,1\nbad\n")
    told: list[int] = []
    write_raw(TWO, "d", "f", [part, part], tmp_path, tmp_path / "f.parquet", told.append)
    assert told == [2, 4]


def test_the_footer_says_whose_content_it_is_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    land(tmp_path, one=b"a,b\n1,2\n")
    target = tmp_path / "raw/twos/d/f.parquet"
    said = json.loads(parquet.read_metadata(target).metadata[raw.METADATA_KEY])
    assert (said["feed"], said["delivery"], said["fingerprint"]) == ("twos", "d", "f")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_file_that_breaks_on_the_way_leaves_the_last_raw_file_as_it_was(tmp_path: Path) -> None:
    land(tmp_path, one=b"a,b\n1,2\n")
    target = tmp_path / "raw/twos/d/f.parquet"
    before = target.read_bytes()
    with pytest.raises(UnreadableFile, match=r"twos/d/two.csv, line 3: found a quote that never closes"):
        land(tmp_path, one=b"a,b\n1,2\n", two=b'a,b\n3,4\n5,"6\n')
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]


def test_an_error_while_writing_reaches_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(raw._RowGroups, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        land(tmp_path, one=b"a,b\n1,2\n")
    assert list((tmp_path / "raw/twos/d").iterdir()) == []


def test_a_header_that_changes_between_two_looks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"a": ["1"], "b": ["1"], "new": ["1"]})
    monkeypatch.setattr(raw, "csv_batches", lambda *parts: iter([raw.Batch(table, ())]))
    with pytest.raises(UnreadableFile, match="changed while it was read"):
        land(tmp_path, one=b"a,b\n1,2\n")


def test_the_schema_follows_the_contract() -> None:
    names = [column.name for column in PATIENTS.columns]
    schema = raw_schema(PATIENTS, ["note"])
    assert schema.names == ["row_number", *names, "note", "malformed", "malformed_reason"]
    assert set(schema.types[1:]) == {pa.string()}
