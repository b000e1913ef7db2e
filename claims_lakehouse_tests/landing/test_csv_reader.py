"""The CSV grammar, by example and against a slow reader written from the same rules."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path
from typing import NamedTuple

import pandera.polars as pa
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claims_lakehouse.contracts import PATIENTS, Feed, Field
from claims_lakehouse.contracts.formats import TEXT
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing import csv_reader
from claims_lakehouse.landing.csv_reader import csv_batches, csv_header


class Three(pa.DataFrameModel):
    """Three columns are enough for a grammar."""

    a: str = Field(TEXT, "A.", required=True, identifies="nothing")
    b: str = Field(TEXT, "B.", identifies="nothing")
    c: str = Field(TEXT, "C.", identifies="nothing")


class One(pa.DataFrameModel):
    """One column, where an empty record and an empty field look alike."""

    a: str = Field(TEXT, "A.", required=True, identifies="nothing")


THREE = Feed(name="threes", entity="three", role="dimension", contract=Three, key=("a",))
ONE = Feed(name="ones", entity="one", role="dimension", contract=One, key=("a",))


class Read(NamedTuple):
    good: list[tuple[int, tuple[str, ...]]]
    bad: list[tuple[int, str, str]]


def write(folder: Path, content: bytes, name: str = "threes_d.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(folder: Path, content: bytes, feed: Feed = THREE, name: str = "threes_d.csv", block: int = 8 << 20) -> Read:
    path = write(folder, content, name)
    good: list[tuple[int, tuple[str, ...]]] = []
    bad: list[tuple[int, str, str]] = []
    before = 0
    for batch in csv_batches(feed, path, folder, block):
        rows = [tuple(row[column.name] or "" for column in feed.columns) for row in batch.rows.to_pylist()]
        malformed = {entry.ordinal: entry for entry in batch.malformed}
        count = len(rows) + len(malformed)
        ordinals = [ordinal for ordinal in range(1, count + 1) if ordinal not in malformed]
        good += [(before + ordinal, row) for ordinal, row in zip(ordinals, rows, strict=True)]
        bad += [(before + entry.ordinal, entry.text, entry.reason) for entry in batch.malformed]
        before += count
    return Read(good, bad)


def rows(folder: Path, body: bytes) -> list[tuple[str, ...]]:
    found = read(folder, b"a,b,c\n" + body)
    assert found.bad == []
    return [row for _, row in found.good]


def failure(folder: Path, content: bytes, name: str = "threes_d.csv", feed: Feed = THREE) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(folder, content, feed, name)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1,2,3\n4,5,6\r\n7,8,9", [("1", "2", "3"), ("4", "5", "6"), ("7", "8", "9")]),
        (b'4,5" pipe,6\n', [("4", '5" pipe', "6")]),
        (b'"a,b","x\r\ny","say ""hi"""\n', [("a,b", "x\r\ny", 'say "hi"')]),
        (b"1,x\ry,3\n", [("1", "x\ry", "3")]),
        (b"1,2,3\r\r\n", [("1", "2", "3\r")]),
        (b"1,2,3\r", [("1", "2", "3\r")]),
        (b'1,"x\ry",3\n', [("1", "x\ry", "3")]),
        (b"1,\x00,3\n", [("1", "\x00", "3")]),
        (b" 1 ,\t2,3 \n", [(" 1 ", "\t2", "3 ")]),
        (b'"",,""\n', [("", "", "")]),
        (b',"""",\n', [("", '"', "")]),
        (b",,\n", [("", "", "")]),
        (b"\n \t \n1,2,3\n\r\n\xc2\xa0\n4,5,6\n\n", [("1", "2", "3"), ("4", "5", "6")]),
        (b"\xef\xbb\xbf1,2,3\n", [("\ufeff1", "2", "3")]),
        ("é,日本,🏥\n".encode(), [("é", "日本", "🏥")]),
        (b"NULL,NA,null\n", [("NULL", "NA", "null")]),
        (b"", []),
    ],
)
def test_a_well_formed_record_is_kept_as_sent(tmp_path: Path, body: bytes, expected: list[tuple[str, ...]]) -> None:
    assert rows(tmp_path, body) == expected


@pytest.mark.parametrize(
    ("line", "text", "reason"),
    [
        (b"1,2", "1,2", "2 fields instead of 3"),
        (b"1", "1", "1 field instead of 3"),
        (b'""', '""', "1 field instead of 3"),
        (b"1,2,3,", "1,2,3,", "4 fields instead of 3"),
        (b'"x\n1",2', '"x\n1",2', "2 fields instead of 3"),
        (b"1\r2,3", "1\r2,3", "2 fields instead of 3"),
        (b'1,"x"y,3', '1,"x"y,3', "text after a closing quote"),
        (b'1,"x" ,3', '1,"x" ,3', "text after a closing quote"),
        (b'1,"x"\r,3', '1,"x"\r,3', "text after a closing quote"),
        (b'1,"x"y"z,3', '1,"x"y"z,3', "text after a closing quote"),
        (b'1,"x"y,"3\n4"', '1,"x"y,"3\n4"', "text after a closing quote"),
        (b"1,Jos\xe9,3", "1,Jos\\xe9,3", "bytes that are not UTF-8"),
        (b'1,"\xff\n",3', '1,"\\xff\n",3', "bytes that are not UTF-8"),
        (b"\xc3", "\\xc3", "bytes that are not UTF-8"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_malformed_record_keeps_its_text_and_place_and_the_next_line_is_read_normally(
    tmp_path: Path, line: bytes, text: str, reason: str, end: bytes
) -> None:
    found = read(tmp_path, b"a,b,c\n\n1,2,3\n  \n" + line + end + b"4,5,6\n")
    assert found.bad == [(2, text, reason)]
    assert found.good == [(1, ("1", "2", "3")), (3, ("4", "5", "6"))]


ODD_LINES = [
    *(b'4,"x"y,6', b"4,\xff,6", b'4,"x\n5",6', b'4,"x\n"",""\n",6', b"4,x\r,6", b'4,5" pipe,6', b'"4",5', b'""'),
    *(b'4,"5"",6', b'7,8"",9', "é,日本,6".encode(), b'"\xc3",5,6', b'"4\xff\n",5,6\r', b'"4""\r\n",5,"6"\r', b"", b" "),
]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("block", [100, 1_000, 8 << 20])
def test_odd_lines_among_many_plain_ones_are_read_as_the_slow_reader_reads_them(
    tmp_path: Path, end: bytes, block: int
) -> None:
    lines = []
    for number in range(1_000):
        lines.append(b'1,"2 ""two""",3' if number % 3 else b"1,2,3")
        if number % 5 == 0:
            lines.append(ODD_LINES[number // 5 % len(ODD_LINES)])
    body = end.join([*lines, b'4,"5"",5', b'5",6']) + end
    expected = read_slowly(body, 3)
    assert isinstance(expected, Read)
    assert len(expected.bad) > 50
    assert read(tmp_path, b"a,b,c\n" + body, block=block) == expected


def test_a_file_of_malformed_records_only_is_read(tmp_path: Path) -> None:
    assert [ordinal for ordinal, *_ in read(tmp_path, b"a,b,c\n1\n2\n\n3").bad] == [1, 2, 3]


def test_a_field_of_ten_megabytes_is_kept(tmp_path: Path) -> None:
    long = "x" * 10_000_000
    assert rows(tmp_path, f'1,"{long}",3\n4,{long},6\n'.encode()) == [("1", long, "3"), ("4", long, "6")]


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa,b,c\n1,2,3\n").good == [(1, ("1", "2", "3"))]


def test_a_byte_order_mark_before_a_later_block_is_data(tmp_path: Path) -> None:
    for block in range(1, 30):
        found = read(tmp_path, b"a,b,c\n1,2,3\n\xef\xbb\xbf4,5,6\n", block=block)
        assert found.good[1] == (2, ("\ufeff4", "5", "6"))


def test_gzip_is_read_in_several_members_too(tmp_path: Path) -> None:
    content = gzip.compress(b"a,b,c\n1,2") + gzip.compress(b",3\n4,5,6\n")
    assert len(read(tmp_path, content, name="threes_d.csv.gz").good) == 2


def test_a_header_matches_in_any_order_case_and_outer_space(tmp_path: Path) -> None:
    found = read(tmp_path, b'\n \n c ,"A",B\n3,1,2\n')
    assert found.good == [(1, ("1", "2", "3"))]


def test_unexpected_columns_get_normalised_names(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,, Extra Column ,b,c,ROW_NUMBER,malformed,malformed_,,unnamed_2\n")
    header = csv_header(THREE, path, tmp_path)
    assert header.names == (
        *("a", "unnamed_2_", "extra column", "b", "c"),
        *("row_number_", "malformed__", "malformed_", "unnamed_9", "unnamed_2"),
    )
    assert header.unexpected == tuple(name for name in header.names if name not in ("a", "b", "c"))


def test_a_feed_of_one_column_tells_blank_lines_from_empty_fields(tmp_path: Path) -> None:
    found = read(tmp_path, b'a\n\n""\n \n" "\nx\n1,2\n', ONE)
    assert found.good == [(1, ("",)), (2, (" ",)), (3, ("x",))]
    assert found.bad == [(4, "1,2", "2 fields instead of 1")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf", "an empty file"),
        (b" \n\n", "an empty file"),
        ("a,b,c\n1,2,3\n".encode("utf-16"), "UTF-16 or UTF-32 text"),
        ("a,b,c\n1,2,3\n".encode("utf-16-le"), "UTF-16 or UTF-32 text"),
        ("a,b,c\n1,2,3\n".encode("utf-32"), "UTF-16 or UTF-32 text"),
        ("a,b,c\n1,2,3\n".encode("utf-32-be"), "UTF-16 or UTF-32 text"),
        (b"a,b,c,\xe9\n", "a header that is not UTF-8"),
        (b"a,b,c, B\n", "a header that names 'b' twice"),
        (b"a,x\n", "1 of 3 columns, without 'b', 'c'"),
        (b"a;b;c\n1;2;3\n", "columns that ';' separates"),
        (b"a\tb\tc\n1\t2\t3\n", "columns that a tab separates"),
        (b"c | B | A\n1|2|3\n", "columns that '|' separates"),
        (b"a;x;y\n1;2;3\n", "0 of 3 columns, without 'a', 'b', 'c'"),
        (b"a,b,c\r1,2,3\r", "a line end inside a column's name"),
        (b"a,b,c\r" + b"1,2,3\r" * 1_000, "a line end inside a column's name"),
        (b'a,b,"c"d\n', "text after a closing quote in the header"),
        (b'a,b,"c\n1,2,3\n', "a quote that never closes"),
        (b"a,b,c" + b",x" * 2_000, "a header of more than 1,000 columns"),
        (b"a,b,c," + b"x" * (2 << 20), "a header of more than 1 MiB"),
    ],
)
def test_a_file_without_a_proper_header_is_unreadable(tmp_path: Path, content: bytes, found: str) -> None:
    error = failure(tmp_path, content)
    assert error.place.startswith("threes_d.csv")
    assert found in error.found


def test_a_header_of_a_million_columns_fails_at_once(tmp_path: Path) -> None:
    for content in (b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n1\n", b"," * (1 << 20) + b"\n"):
        start = time.perf_counter()
        failure(tmp_path, content)
        assert time.perf_counter() - start < 1


def test_an_error_about_a_header_quotes_no_row_of_a_file_without_one(tmp_path: Path) -> None:
    assert "Smith" not in str(failure(tmp_path, b"Smith,Smith,1\n"))


def test_long_and_unprintable_header_names_are_cut(tmp_path: Path) -> None:
    name = b"n\x1b" + b"x" * 500
    message = str(failure(tmp_path, b"a,b,c," + name + b"," + name + b"\n"))
    assert len(message) < 200
    assert "\x1b" not in message


@pytest.mark.parametrize("block", [1, 7, 8 << 20])
def test_a_quote_that_never_closes_names_the_line_where_it_opened(tmp_path: Path, block: int) -> None:
    path = write(tmp_path, b'a,b,c\n1,"2\n2",3\n\n4,"secret\n7,8,9\n')
    with pytest.raises(UnreadableFile) as caught:
        list(csv_batches(THREE, path, tmp_path, block))
    assert (caught.value.place, caught.value.found) == ("threes_d.csv, line 5", "a quote that never closes")
    assert "secret" not in str(caught.value)


def test_a_record_beyond_the_limit_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MAX_RECORD_BYTES", 1_000)
    for opening, found in ((b'1,"', "a quote that never closes"), (b"1,", "a record that does not end")):
        path = write(tmp_path, b"a,b,c\n1,2,3\n" + opening + b"x" * 5_000 + b'",1\n')
        with pytest.raises(UnreadableFile) as caught:
            list(csv_batches(THREE, path, tmp_path, 100))
        assert (caught.value.place, caught.value.found) == ("threes_d.csv, line 3", found)


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped", "trailing"])
def test_a_broken_gzip_file_is_unreadable(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(b"a,b,c\n" + b"".join(b"%d,%d,x\n" % (n, n * n) for n in range(5_000)))
    content = {
        "cut": whole[: len(whole) // 2],
        "garbage": b"not gzip at all",
        "flipped": whole[:-6] + bytes(octet ^ 0xFF for octet in whole[-6:]),
        "trailing": whole + b"more",
    }[damage]
    assert "gzip" in failure(tmp_path, content, "threes_d.csv.gz").found


def test_a_fifo_is_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "threes_d.csv")
    with pytest.raises(UnreadableFile, match="regular file"):
        csv_header(THREE, tmp_path / "threes_d.csv", tmp_path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "threes_d.csv").mkdir()
    with pytest.raises(UnreadableFile, match="found a folder"):
        csv_header(THREE, tmp_path / "threes_d.csv", tmp_path)


def test_a_file_without_permission_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"a,b,c\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableFile, match="no permission"):
        csv_header(THREE, path, tmp_path)


def test_an_error_of_the_system_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        csv_header(THREE, tmp_path / "none.csv", tmp_path)


def test_what_arrow_says_of_a_row_does_not_come_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise pyarrow.ArrowInvalid("CSV parse error: Row #1: secret")

    monkeypatch.setattr(csv_reader.csv, "read_csv", refuse)
    assert "secret" not in str(failure(tmp_path, b"a,b,c\n1,2,3\n"))


def test_the_place_is_relative_to_the_landing_folder(tmp_path: Path) -> None:
    (tmp_path / "patients").mkdir()
    path = write(tmp_path / "patients", b"x\n")
    with pytest.raises(UnreadableFile) as caught:
        csv_header(PATIENTS, path, tmp_path)
    assert caught.value.place == "patients/threes_d.csv"


def read_slowly(body: bytes, width: int) -> Read | int:
    """Read byte by byte, a state at a time; the offset of the opening quote where one never closes."""
    good: list[tuple[int, tuple[str, ...]]] = []
    bad: list[tuple[int, str, str]] = []
    state, opened, after_quote = "start", 0, False
    field, fields, text = bytearray(), [], bytearray()

    def finish() -> None:
        nonlocal field, fields, text, state, after_quote
        fields.append(bytes(field))
        ordinal = len(good) + len(bad) + 1
        shown = bytes(text).decode("utf-8", "backslashreplace")
        try:
            bytes(text).decode("utf-8")
        except UnicodeDecodeError:
            bad.append((ordinal, shown, "bytes that are not UTF-8"))
        else:
            if not shown.strip():
                pass
            elif after_quote:
                bad.append((ordinal, shown, "text after a closing quote"))
            elif len(fields) != width:
                plural = "" if len(fields) == 1 else "s"
                bad.append((ordinal, shown, f"{len(fields)} field{plural} instead of {width}"))
            else:
                good.append((ordinal, tuple(part.decode("utf-8") for part in fields)))
        field, fields, text, state, after_quote = bytearray(), [], bytearray(), "start", False

    position = 0
    while position < len(body):
        octet = body[position : position + 1]
        newline = 1 if octet == b"\n" else 2 if body[position : position + 2] == b"\r\n" else 0
        if state == "quoted":
            text += octet
            if octet == b'"' and body[position + 1 : position + 2] == b'"':
                text += b'"'
                field += b'"'
                position += 1
            elif octet == b'"':
                state = "closed"
            else:
                field += octet
        elif newline:
            finish()
            position += newline
            continue
        else:
            text += octet
            if octet == b",":
                fields.append(bytes(field))
                field, state = bytearray(), "start"
            elif state == "start" and octet == b'"':
                state, opened = "quoted", position
            else:
                after_quote = after_quote or state == "closed"
                field += octet
                state = "closed" if state == "closed" else "plain"
        position += 1
    if state == "quoted":
        return opened
    if text:
        finish()
    return Read(good, bad)


PIECES = [b"a", b'"', b'"', b",", b",", b"\n", b"\r", b"\r\n", b" ", "é".encode(), b"\xff", b"\xc3"]
CLEAN = [b"1", b",", b",", b"\n", b"\n", b" \n", b"1,2,3\n", b'1,"2\n""",3\r\n', "é".encode()]
PIECES += [b"\xef\xbb\xbf", b"\x00", b'""', b'","', b"1,2,3\n", b'"1","2","3"\n', b'1,"2",3\r\n']


@settings(max_examples=1_500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=(st.lists(st.sampled_from(PIECES), max_size=30) | st.lists(st.sampled_from(CLEAN), max_size=30)).map(b"".join),
    feed=st.sampled_from([THREE, THREE, THREE, ONE]),
    block=st.sampled_from([1, 2, 3, 5, 8, 13, 40, 8 << 20]),
)
def test_any_bytes_read_as_the_slow_reader_reads_them(tmp_path: Path, body: bytes, feed: Feed, block: int) -> None:
    expected = read_slowly(body, len(feed.columns))
    content = b"a,b,c\n" if feed is THREE else b"a\n"
    if isinstance(expected, int):
        with pytest.raises(UnreadableFile) as caught:
            read(tmp_path, content + body, feed, block=block)
        line = 2 + body.count(b"\n", 0, expected)
        assert (caught.value.place, caught.value.found) == (
            f"threes_d.csv, line {line}",
            "a quote that never closes",
        )
    else:
        assert read(tmp_path, content + body, feed, block=block) == expected
