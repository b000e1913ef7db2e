"""Ways in which a file arrives broken. Each takes bytes and gives other bytes; all chance comes from the generator."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable
from datetime import date, datetime

import pyarrow as pa
from pyarrow import parquet

Mutation = Callable[[random.Random, bytes], bytes]

_INSERTED = (
    *(b'"', b'""', b'"x', b'x"', b",", b",,", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"\0\0\0\0", b"\xef\xbb\xbf"),
    *(b"\xff", b"\xfe\xff", b"\xc3", b"\xe2\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\x1a", b"\x0b"),
    *("\u2028".encode(), "\u00a0".encode(), "\u0661".encode(), "\u0301".encode(), b"\\", b"\\N", b"NULL", b"'"),
    *(b"9" * 30, b"-", b"1e999", b"2024-02-30", b"1/1/1", b"00000-0000"),
)


def flip_a_bit(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def overwrite(rng: random.Random, data: bytes) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16))
    return data[:at] + rng.randbytes(length) + data[at + length :]


def delete(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 1, 2, 10, 100)) :]


def duplicate(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    return data[:last] + data[first:last] + data[last:]


def splice(rng: random.Random, data: bytes) -> bytes:
    at, other, length = rng.randrange(len(data)), rng.randrange(len(data)), rng.randrange(1, 40)
    return data[:at] + data[other : other + length] + data[at:]


def cut_short(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_the_beginning(rng: random.Random, data: bytes) -> bytes:
    return data[rng.randrange(len(data)) :]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_INSERTED) + data[at:]


def double_a_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join(lines[: at + 1] + lines[at:])


def drop_a_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    del lines[rng.choice((0, rng.randrange(len(lines))))]
    return b"\n".join(lines)


def swap_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.choice((0, rng.randrange(len(lines))))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def damage_the_header(rng: random.Random, data: bytes) -> bytes:
    header, end, rest = data.partition(b"\n")
    if not header:
        return b"x" + data
    mutation = rng.choice((flip_a_bit, delete, duplicate, splice, insert))
    return mutation(rng, header) + end + rest


def other_line_ends(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\n\0")))


def another_encoding(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32")), "replace")


def a_huge_field(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((b"x", b"9", b'"', b" ", b"\xc3")) * rng.choice((1000, 70_000, 300_000)) + data[at:]


def many_columns(rng: random.Random, data: bytes) -> bytes:
    count = rng.choice((1, 50, 1001))
    extra = b"".join(b",x%d" % number for number in range(count))
    lines = data.split(b"\n")
    return b"\n".join([lines[0] + extra, *(line + b"," * count if line else line for line in lines[1:])])


#: Of these every kind of file is made; several may follow each other.
ON_BYTES: tuple[Mutation, ...] = (
    flip_a_bit,
    overwrite,
    delete,
    duplicate,
    splice,
    cut_short,
    cut_the_beginning,
    insert,
)

#: These make sense where there are lines.
ON_LINES: tuple[Mutation, ...] = (
    *(insert, insert, insert, double_a_line, drop_a_line, swap_lines, damage_the_header, damage_the_header),
    *(other_line_ends, another_encoding, a_huge_field, many_columns),
)


def zipped(rng: random.Random, data: bytes) -> bytes:
    """As gzip: in one member or several, or with something behind."""
    at = rng.randrange(len(data) + 1)
    whole = gzip.compress(data, 1, mtime=0)
    return rng.choice((
        *(whole, whole, whole),
        gzip.compress(data[:at], 1, mtime=0) + gzip.compress(data[at:], 1, mtime=0),
        whole + b"\0" * 16,
        whole + rng.randbytes(8),
    ))  # fmt: skip


def as_parquet(rng: random.Random, rows: list[dict[str, str]], names: tuple[str, ...]) -> bytes:
    """The rows as Parquet, with columns of whatever type they can be read as."""
    columns = {}
    for name in names:
        texts = [row[name] or None for row in rows]
        columns[name] = _typed(rng, pa.array(texts, pa.string()))
    table = pa.table(columns)
    target = io.BytesIO()
    parquet.write_table(
        table,
        target,
        compression=rng.choice(("none", "snappy", "lz4", "zstd", "gzip")),
        row_group_size=rng.choice((1, 3, 1000)),
        data_page_version=rng.choice(("1.0", "2.0")),
        use_dictionary=rng.random() < 0.5,
        write_page_checksum=rng.random() < 0.2,
    )
    return target.getvalue()


def _typed(rng: random.Random, column: pa.Array) -> pa.Array:
    kind = rng.choice(("string", "string", "large_string", "string_view", "dictionary", "binary", "odd", "null"))
    if kind == "dictionary":
        return column.dictionary_encode()
    if kind == "odd":
        return _odd(rng, len(column))
    if kind == "null":
        return column if rng.random() < 0.9 else pa.nulls(len(column))
    if kind == "binary":
        return column if rng.random() < 0.9 else column.cast(pa.binary())
    return column.cast(getattr(pa, kind)())


def _odd(rng: random.Random, length: int) -> pa.Array:
    """A column of some other type, with extremes among its values."""
    extremes = (
        ([0, 1, -1, 2**63 - 1, None, 100], pa.int64()),
        ([0, 255, 50, None], pa.uint8()),
        ([0.0, -0.0, 1e300, float("nan"), float("inf"), 12.5, None], pa.float64()),
        ([True, False, None], pa.bool_()),
        (
            [date(1900, 1, 1), date(2100, 12, 31), date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29), None],
            pa.date32(),
        ),
        ([datetime(2024, 3, 10, 2, 30), datetime(1969, 12, 31, 23, 59, 59, 999999), None], pa.timestamp("us")),  # noqa: DTZ001
        ([datetime(2024, 3, 10, 2, 30), datetime(2024, 11, 3, 1, 30), None], pa.timestamp("ns", "America/New_York")),  # noqa: DTZ001
        ([b"\xff\xfe", b"x", None], pa.binary()),
        ([["x"], [], None], pa.list_(pa.string())),
    )
    values, kind = rng.choice(extremes)
    column = pa.array(rng.choices(values, k=length), kind)
    return column.dictionary_encode() if rng.random() < 0.2 and not pa.types.is_list(kind) else column
