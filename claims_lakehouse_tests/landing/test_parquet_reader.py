"""Typed Parquet columns read as the text that a CSV file would hold."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandera.polars as pandera
import pyarrow as pa
import pytest
from pyarrow import parquet

from claims_lakehouse.contracts import COVERAGES, PATIENTS, Feed, Field
from claims_lakehouse.contracts.formats import TEXT
from claims_lakehouse.contracts.layouts import TUVA_ELIGIBILITY
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing import parquet_reader
from claims_lakehouse.landing.header import Malformed
from claims_lakehouse.landing.parquet_reader import parquet_batches, parquet_header, to_text


class Two(pandera.DataFrameModel):
    """Two columns."""

    a: str = Field(TEXT, "A.", required=True, identifies="nothing")
    b: str = Field(TEXT, "B.", identifies="nothing")


TWO = Feed(name="twos", entity="two", role="dimension", contract=Two, key=("a",))


def write(folder: Path, table: Any, **options: Any) -> Path:
    path = folder / "twos_d.parquet"
    parquet.write_table(table, path, **options)
    return path


def column(folder: Path, array: Any) -> list[str | None]:
    """The text of a column that went through a file."""
    path = write(folder, pa.table({"a": ["k"] * len(array), "b": array}))
    (batch,) = parquet_batches(TWO, path, folder)
    assert batch.rows.schema.types == [pa.string(), pa.string()]
    found: list[str | None] = batch.rows["b"].to_pylist()
    return found


def undecodable(values: list[bytes | None], kind: Any = None) -> Any:
    """Text that Arrow takes for UTF-8 unseen."""
    binary = pa.array(values, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers())
    return text.dictionary_encode() if kind == "dictionary" else text.cast(kind or pa.string())


MIDNIGHT = dt.datetime(2024, 2, 1)  # noqa: DTZ001
NOON = dt.datetime(2024, 2, 1, 12, 30)  # noqa: DTZ001
FRACTION = dt.datetime(2024, 2, 1, 12, 30, 1, 250_000)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["x", " y ", None, ""]), ["x", " y ", None, None]),
        (pa.array(["x", None, ""], pa.large_string()), ["x", None, None]),
        (
            pa.array(["x", None, "a longer text than fits"], pa.string_view()),
            ["x", None, "a longer text than fits"],
        ),
        (pa.array(["x", None, "", "x"]).dictionary_encode(), ["x", None, None, "x"]),
        (pa.array(["x", None], pa.large_string()).dictionary_encode(), ["x", None]),
        (pa.array([1, -2, None], pa.int8()), ["1", "-2", None]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([dt.date(2024, 2, 1), None]), ["2024-02-01", None]),
        (pa.array([dt.date(2024, 2, 1), None], pa.date64()), ["2024-02-01", None]),
        (pa.array([MIDNIGHT, None, dt.datetime(1969, 12, 31)]), ["2024-02-01", None, "1969-12-31"]),  # noqa: DTZ001
        (pa.array([MIDNIGHT, NOON, None]), ["2024-02-01", "2024-02-01 12:30:00", None]),
        (pa.array([MIDNIGHT, NOON], pa.timestamp("s")), ["2024-02-01", "2024-02-01 12:30:00"]),
        (pa.array([MIDNIGHT, FRACTION], pa.timestamp("ms")), ["2024-02-01", "2024-02-01 12:30:01.250000"]),
        (pa.array([MIDNIGHT, FRACTION], pa.timestamp("ns")), ["2024-02-01", "2024-02-01 12:30:01.250000"]),
        (pa.array([1], pa.timestamp("ns")), ["1970-01-01 00:00:00.000000001"]),
        (pa.array([dt.datetime(1969, 12, 31, 23)]), ["1969-12-31 23:00:00"]),  # noqa: DTZ001
        (pa.array([0, None], pa.timestamp("us", "America/New_York")), ["1969-12-31 19:00:00", None]),
        (pa.array([5 * 3600], pa.timestamp("s", "America/New_York")), ["1970-01-01"]),
        (pa.array([0], pa.timestamp("ms", "+05:30")), ["1970-01-01 05:30:00"]),
        (pa.array([dt.time(7, 5), dt.time(7, 5, 9, 500_000), None]), ["07:05:00", "07:05:09.500000", None]),
        (pa.array([1.0, 0.1, float("nan"), None, -0.0]), ["1", "0.1", None, None, "0"]),
        (
            pa.array([1e20, 1e-7, 123456.789, -1e16]),
            ["1" + "0" * 20, "0.0000001", "123456.789", "-1" + "0" * 16],
        ),
        (pa.array([0.1, 16777216.0, 1e20], pa.float32()), ["0.1", "16777216", "1" + "0" * 20]),
        (pa.array([0.5, float("nan")], pa.float16()), ["0.5", None]),
        (
            pa.array([Decimal("782.00"), Decimal("782.50"), None, Decimal("0.00")]),
            ["782", "782.5", None, "0"],
        ),
        (pa.array([Decimal(0), Decimal("-1E-9")], pa.decimal128(12, 9)), ["0", "-0.000000001"]),
        (pa.array([Decimal(100)], pa.decimal128(5, 0)), ["100"]),
        (pa.array([Decimal("1.50")], pa.decimal256(50, 2)), ["1.5"]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_a_column_reads_as_the_text_of_its_values(tmp_path: Path, array: Any, expected: list[str | None]) -> None:
    assert column(tmp_path, array) == expected


def test_a_decimal_of_negative_scale_is_written_out() -> None:
    assert to_text(pa.array([Decimal(78200)], pa.decimal128(5, -2))).to_pylist() == ["78200"]


@pytest.mark.parametrize("name", ["b", "more"])
@pytest.mark.parametrize(
    "array",
    [
        pa.array([b"x"]),
        pa.array([b"x"], pa.large_binary()),
        pa.array([b"x"], pa.binary(1)),
        pa.array([["x"]]),
        pa.array([{"x": 1}]),
        pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([dt.timedelta(1)]),
        pa.array([b"x"]).dictionary_encode(),
    ],
    ids=lambda array: str(array.type),
)
def test_a_column_of_a_type_without_text_form_is_named(tmp_path: Path, array: Any, name: str) -> None:
    path = write(tmp_path, pa.table({"a": ["k"], "b": ["v"]} | {name: array}))
    with pytest.raises(UnreadableFile) as caught:
        parquet_header(TWO, path, tmp_path)
    assert caught.value.place == "twos_d.parquet"
    assert f"column '{name}' of type {str(array.type).split('<')[0]}" in caught.value.found


def test_a_time_zone_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({"a": ["k"], "b": pa.array([0], pa.timestamp("us", "Mars/Olympus"))}))
    with pytest.raises(UnreadableFile, match=r"column 'b' of type timestamp\[us, tz=Mars/Olympus\]"):
        parquet_header(TWO, path, tmp_path)


def test_columns_match_in_any_order_case_and_outer_space(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({" B": ["2"], "Note": ["n"], "A ": ["1"]}))
    (batch,) = parquet_batches(TWO, path, tmp_path)
    assert batch.rows.to_pylist() == [{"b": "2", "note": "n", "a": "1"}]
    assert parquet_header(TWO, path, tmp_path).unexpected == ("note",)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"twos_d.parquet: found 1 of 2 columns, without 'b'"):
        parquet_header(TWO, write(tmp_path, pa.table({"a": ["1"]})), tmp_path)


def test_a_column_name_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["1"])] * 3, names=["a", "b", "B"])
    with pytest.raises(UnreadableFile, match="names 'b' twice"):
        parquet_header(TWO, write(tmp_path, table), tmp_path)


@pytest.mark.parametrize("kind", [None, "dictionary", pa.large_string(), pa.string_view()], ids=str)
def test_text_that_is_not_utf8_makes_its_row_malformed(tmp_path: Path, kind: Any) -> None:
    bad = undecodable([b"x", b'\xff"', None, b"y", b"\xc3"], kind)
    path = write(tmp_path, pa.table({"a": ["1", "2", None, "4", "é"], "b": bad}))
    (batch,) = parquet_batches(TWO, path, tmp_path)
    reason = "bytes that are not UTF-8"
    assert batch.malformed == [Malformed(2, '2,"\\xff"""', reason), Malformed(5, "é,\\xc3", reason)]
    assert {row.rule for row in batch.malformed} == {"malformed_row"}
    assert batch.rows.to_pylist() == [{"a": "1", "b": "x"}, {"a": None, "b": None}, {"a": "4", "b": "y"}]


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "page", "footer"])
def test_a_broken_file_is_unreadable(tmp_path: Path, damage: str) -> None:
    table = pa.table({"a": [f"secret{n}" for n in range(5_000)], "b": ["x"] * 5_000})
    path = write(tmp_path, table, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "garbage": b"not parquet" * 100,
            "cut": whole[: len(whole) // 2],
            "page": whole[:100] + b"\xff" * 5_000 + whole[5_100:],
            "footer": whole[:-60] + b"\xff" * 40 + whole[-20:],
        }[damage]
    )
    with pytest.raises(UnreadableFile, match="broken or cut short") as caught:
        list(parquet_batches(TWO, path, tmp_path))
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_large_row_groups_are_read_in_bounded_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, pa.table({"a": [f"{n:0100}" for n in range(5_000)], "b": ["x"] * 5_000}))
    assert [batch.rows.num_rows for batch in parquet_batches(TWO, path, tmp_path, 2_000)] == [
        2_000,
        2_000,
        1_000,
    ]
    monkeypatch.setattr(parquet_reader, "BATCH_BYTES", 50_000)
    assert max(batch.rows.num_rows for batch in parquet_batches(TWO, path, tmp_path)) < 1_000


def test_a_file_without_rows_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.string())}))
    assert sum(batch.rows.num_rows for batch in parquet_batches(TWO, path, tmp_path)) == 0


def test_a_fifo_is_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "twos_d.parquet")
    with pytest.raises(UnreadableFile, match="regular file"):
        parquet_header(TWO, tmp_path / "twos_d.parquet", tmp_path)


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, pa.table({"a": ["1"], "b": ["2"]}))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pa, "OSFile", refuse)
    with pytest.raises(UnreadableFile, match="no permission"):
        parquet_header(TWO, path, tmp_path)


def test_an_error_of_the_system_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        parquet_header(TWO, tmp_path / "none.parquet", tmp_path)


@pytest.mark.parametrize(
    ("kind", "exact"), [(pa.float64(), 2**53 - 1), (pa.float32(), 2**24 - 1), (pa.float16(), 2**11 - 1)], ids=str
)
def test_an_id_that_a_floating_number_cannot_hold_is_no_id(tmp_path: Path, kind: Any, exact: int) -> None:
    numbers = pa.array([1.0, exact, exact + 1, -exact - 1, None, float("inf"), float("nan")], pa.float64()).cast(kind)
    columns = {column.name: pa.nulls(len(numbers), pa.string()) for column in PATIENTS.columns}
    path = tmp_path / "patients_d.parquet"
    parquet.write_table(pa.table(columns | {"patient_id": numbers}), path)
    (batch,) = parquet_batches(PATIENTS, path, tmp_path)
    assert batch.rows["patient_id"].to_pylist() == ["1", str(exact), None, "inf", None]
    assert [bad.ordinal for bad in batch.malformed] == [3, 4]
    said = f"a number in 'patient_id' that its type, {kind}, does not hold exactly"
    assert {bad.reason for bad in batch.malformed} == {said}


def test_an_id_of_another_layout_is_held_to_it_too(tmp_path: Path) -> None:
    columns = {name: pa.array(["x"]) for name in TUVA_ELIGIBILITY.needed}
    parquet.write_table(pa.table(columns | {"person_id": pa.array([2.0**60])}), tmp_path / "tuva_d.parquet")
    (batch,) = parquet_batches(COVERAGES, tmp_path / "tuva_d.parquet", tmp_path)
    assert [bad.reason.split(" that")[0] for bad in batch.malformed] == ["a number in 'person_id'"]
