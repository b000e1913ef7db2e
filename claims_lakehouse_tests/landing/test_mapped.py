"""Deliveries in another layout: chosen by name or header, carried out as declared, with what was sent kept beside it."""

from __future__ import annotations

from pathlib import Path

import pandera.polars as pa
import polars as pl
import pyarrow
import pytest
from pyarrow import parquet

from claims_lakehouse.contracts import FEEDS, Feed, Field
from claims_lakehouse.contracts.formats import TEXT
from claims_lakehouse.contracts.mapping import Constant, From, SourceMapping
from claims_lakehouse.errors import ContractError, UnreadableFile
from claims_lakehouse.landing.raw import RawSummary, write_raw
from claims_lakehouse_tests.builders import Lakehouse


class Visits(pa.DataFrameModel):
    """A visit."""

    visit_id: str = Field(TEXT, "Number.", required=True, identifies="id")
    day: str = Field(TEXT, "Day.", identifies="date")
    codes: str = Field(TEXT, "Codes.", identifies="nothing")
    kind: str = Field(TEXT, "Kind.", identifies="nothing")


OLD = SourceMapping(
    name="old",
    files="old_*",
    columns={
        "visit_id": From("ID", "OTHERID"),
        "day": From("WHEN", matching=r"^(?P<v>[0-9-]{10})T.*$"),
        "codes": From("C1", "C2", "C3", joined=True),
        "kind": From("KIND", values={"amb": "ambulatory"}),
    },
    ignored=("NOTE*",),
    only=("TYPE", ("VISIT", "STAY")),
)
SHORT = SourceMapping(name="short", files="short_*", columns={"visit_id": From("ID"), "kind": Constant("short")})
VISITS = Feed("visits", "visit", "fact", Visits, ("visit_id",), mappings=(OLD, SHORT))
HEADER = "ID,OTHERID,WHEN,C1,C2,C3,KIND,TYPE,NOTES\n"


def raw(tmp_path: Path, name: str, text: str) -> tuple[RawSummary, list[dict[str, object]]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    summary = write_raw(VISITS, "d", "f", [path], tmp_path, tmp_path / "raw" / "visits" / "d" / "f.parquet")
    rows = pl.read_parquet(tmp_path / "raw" / "visits" / "d" / "f.parquet").sort("row_number")
    return summary, rows.rows(named=True)


def test_columns_are_made_as_declared_and_what_was_sent_stays(tmp_path: Path) -> None:
    text = HEADER + (
        "1,,2020-01-02T03:04:05Z,a,,c,amb,VISIT,n\n,2,soon,,,,odd,STAY,\n 3 ,x, 2020-01-03 , , b,,,VISIT,\n"
    )
    summary, rows = raw(tmp_path, "d.csv", text)
    made = [[row[name] for name in ("visit_id", "day", "codes", "kind")] for row in rows]
    assert made == [
        ["1", "2020-01-02", "a|c", "ambulatory"],
        ["2", "soon", None, "odd"],
        ["3", "2020-01-03", "b", None],
    ]
    assert [(row["id"], row["when"], row["sent_kind"]) for row in rows] == [
        ("1", "2020-01-02T03:04:05Z", "amb"), (None, "soon", "odd"), (" 3 ", " 2020-01-03 ", None),
    ]  # fmt: skip
    assert summary.unexpected_columns == ()


def test_records_of_another_kind_stand_apart_in_their_place(tmp_path: Path) -> None:
    text = HEADER + "1,,,,,,,VISIT,\n2,,,,,,,PAYMENT,\n3,,,,,,,,\nbroken\n4,,,,,,,STAY,\n"
    summary, rows = raw(tmp_path, "d.csv", text)
    assert (summary.rows_landed, summary.rows_malformed) == (5, 3)
    assert [(row["row_number"], row["visit_id"], row["malformed_rule"]) for row in rows] == [
        (1, "1", None), (2, None, "other_record"), (3, None, "other_record"), (4, None, "malformed_row"), (5, "4", None),
    ]  # fmt: skip
    assert rows[1]["malformed"] == "2,,,,,,,PAYMENT,"
    assert rows[1]["malformed_reason"] == "its TYPE is none of VISIT, STAY"


def test_the_feeds_own_columns_go_first_then_the_name_then_the_fullest_layout(tmp_path: Path) -> None:
    own = "visit_id,day,codes,kind\n1,,,x\n"
    assert raw(tmp_path, "old_d.csv", own)[1][0]["kind"] == "x"
    assert raw(tmp_path, "d.csv", HEADER + "1,,,,,,amb,VISIT,\n")[1][0]["kind"] == "ambulatory"
    assert raw(tmp_path, "short_d.csv", HEADER + "1,,,,,,amb,VISIT,\n")[1][0]["kind"] == "short"
    assert raw(tmp_path, "d.csv", "ID\n1\n")[1][0]["kind"] == "short"


def test_what_no_layout_knows_is_unexpected(tmp_path: Path) -> None:
    summary, rows = raw(tmp_path, "d.csv", HEADER.replace("\n", ",Colour\n") + "1,,,,,,,VISIT,,red\n")
    assert summary.unexpected_columns == ("colour",)
    assert rows[0]["colour"] == "red"


def test_a_header_of_no_layout_names_the_nearest_one_and_nothing_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as failed:
        raw(tmp_path, "d.csv", "OTHERID,WHEN,C1,C2,C3,KIND,TYPE,secret\n")
    assert str(failed.value) == (
        "d.csv: found 7 of 8 columns of the nearest layout 'old', without 'ID'; "
        "expected a header with all columns of the feed 'visits' or of one of its layouts 'old', 'short'."
    )
    with pytest.raises(UnreadableFile, match=r"found 0 of 1 columns of the nearest layout 'short', without 'ID'"):
        raw(tmp_path, "short_d.csv", "visit_id,day,codes\n")
    with pytest.raises(UnreadableFile, match=r"found 3 of 4 columns, without 'kind'"):
        raw(tmp_path, "d.csv", "visit_id,day,codes\n")


def test_a_column_of_the_layout_keeps_its_place_whatever_another_is_called(tmp_path: Path) -> None:
    _, rows = raw(tmp_path, "d.csv", HEADER.replace("\n", ",sent_kind\n") + "1,,,,,,amb,VISIT,,fool\n")
    assert (rows[0]["kind"], rows[0]["sent_kind"], rows[0]["sent_kind_"]) == ("ambulatory", "amb", "fool")


def test_a_layout_that_others_look_like_is_known_by_its_name_alone(lakehouse: Lakehouse) -> None:
    for feed in FEEDS:
        for mapping in feed.mappings:
            assert not mapping.by_header or len(mapping.needed) >= 7
    lakehouse.land("code_sets", "2024-01-01", "code,description\n99213,Visit\n")
    error = lakehouse.process("code_sets", "2024-01-01")
    assert error is not None
    assert "found 2 of 5 columns, without 'system', 'effective_from', 'effective_to'" in error


def test_parquet_files_of_a_layout_land_alike(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    names = HEADER.strip().split(",")
    columns = {name: pyarrow.array([name if name != "TYPE" else "VISIT", None]) for name in names}
    parquet.write_table(pyarrow.table(columns), path)
    target = tmp_path / "raw" / "visits" / "d" / "f.parquet"
    summary = write_raw(VISITS, "d", "f", [path], tmp_path, target)
    assert (summary.rows_landed, summary.rows_malformed) == (2, 1)
    assert pl.read_parquet(target)["codes"].to_list() == ["C1|C2|C3", None]


def test_a_mapping_names_columns_of_its_feed() -> None:
    wrong = SourceMapping(name="wrong", files="w*", columns={"colour": Constant("red")})
    with pytest.raises(ContractError, match="mapped column 'colour' is not a column of Visits"):
        Feed("visits", "visit", "fact", Visits, ("visit_id",), mappings=(wrong,))


def test_no_two_layouts_of_a_feed_are_of_the_same_file_names() -> None:
    for feed in FEEDS:
        assert len({mapping.files for mapping in feed.mappings}) == len(feed.mappings)
