"""Deliveries of any size, made by DuckDB from the contracts: a value is a function of (seed, column, record, content).

The same seed makes the same rows on every machine with the same version of DuckDB, whose `hash` is not promised to
stay. Records come in an order that scatters their ids over the file.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import gcd
from pathlib import Path

import duckdb

from benchmarks import defects
from claims_lakehouse.contracts import Column, Feed
from claims_lakehouse.contracts.geography import STATES

#: The day of the first update; each further one comes a day later.
FIRST_DAY = date(2024, 12, 1)
_STRIDES = (2_654_435_761, 2_246_822_519, 3_266_489_917)
_GIVEN = ("Ann", "Bob", "Carlos", "Dee", "Eve", "Farid", "Gus", "Hana")
#: Where dates of a record begin, and over how many days they spread.
_DATES, _DAYS = "DATE '2000-01-01'", 8000


@dataclass(frozen=True)
class Delivery:
    """A delivery to make.

    Attributes:
        feed: Its feed.
        primed: How many records the priming holds.
        update: The number of the update, from 1 on; 0 is the priming.
        rows: How many rows it has: half of an update are new records, of the others 2 in 100 say nothing new.
        key: Its key; without one, `priming` or the update's day.
        seed: Other seeds make other values.
        spoilt: The share of rows with a defect; only a CSV file can hold them.
        kinds: The rules whose defects it has; all that the feed's rows can break where it is empty.
    """

    feed: Feed
    primed: int
    update: int = 0
    rows: int = 0
    key: str = ""
    seed: int = 1
    spoilt: float = 0.0
    kinds: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many rows it has."""
        return self.rows or self.primed

    @property
    def name(self) -> str:
        """Its key."""
        return self.key or (day_of(self.update).isoformat() if self.update else "priming")


def day_of(update: int) -> date:
    """The day of an update."""
    return FIRST_DAY + timedelta(update - 1)


def population(feed: Feed, of: int) -> int:
    """How many records a feed has that so many records of another feed name."""
    return max(1, of // (2500 if feed.name == "providers" else 25))


def write(delivery: Delivery, landing: Path, form: str = "parquet") -> Path:
    """Write a delivery into the landing folder, as `parquet` or `csv`; returns the file."""
    path = landing / delivery.feed.name / f"{delivery.name}.{form}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(landing.parent / "spilled")}) as con:
        con.execute("SET enable_progress_bar = false")
        if form == "parquet":
            con.execute(f"COPY ({rows_sql(delivery)}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 122880)")
            return path
        con.execute(
            f"COPY ({lines_sql(delivery)}) TO '{path}' (FORMAT csv, HEADER true, QUOTE '', ESCAPE '', DELIMITER '\x1f')"
        )
    if delivery.spoilt:
        _break_encoding(path)
    return path


def rows_sql(delivery: Delivery) -> str:
    """The delivery's clean rows, typed, in the contract's order."""
    columns = ", ".join(
        f"({value_sql(delivery, column)})::{column.form.sql_type} AS {column.name}" for column in delivery.feed.columns
    )
    return f"SELECT {columns} FROM ({_numbered(replace(delivery, spoilt=0.0))})"


def lines_sql(delivery: Delivery) -> str:
    """The lines of the delivery's CSV file, under its header as their name."""
    kinds = defects.kinds_of(delivery.feed, is_update=delivery.update > 0, dated=delivery.name != "priming")
    kinds = [kind for kind in kinds if not delivery.kinds or kind.rule.name in delivery.kinds]
    kinds = kinds if delivery.spoilt else []
    names = [column.name for column in delivery.feed.columns]
    clean = {column.name: f"({value_sql(delivery, column)})::VARCHAR" for column in delivery.feed.columns}
    for column in delivery.feed.columns:
        if column.identifies == "street":
            text = clean[column.name]
            clean[column.name] = f"CASE WHEN contains({text}, ',') THEN concat('\"', {text}, '\"') ELSE {text} END"
    if delivery.feed.sequence:
        sequence = value_sql(delivery, delivery.feed.column(delivery.feed.sequence))
        clean[defects.SAID_BEFORE] = f"({sequence.replace('CASE v', 'CASE 0')})::VARCHAR"
    spoilt = [
        defects.chosen({n: kind.columns[name] for n, kind in enumerate(kinds, 1) if name in kind.columns}, name)
        for name in names
    ]
    if kinds and not delivery.kinds:
        names.append("remark")
        spoilt.append("''")
    line = defects.chosen({n: kind.line(names) for n, kind in enumerate(kinds, 1) if kind.line}, defects.joined(names))
    texts = ", ".join(f"{text} AS {name}" for name, text in clean.items())
    fields = ", ".join(f"{text} AS {name}" for name, text in zip(names, spoilt, strict=True))
    return f"""
        SELECT {line} AS "{",".join(names)}" FROM (
            SELECT kind, {fields} FROM (
                SELECT kind, h, {texts} FROM ({_numbered(delivery, kinds)})))
    """


def value_sql(delivery: Delivery, column: Column) -> str:
    """A column's value by the record's number `i`, its content's `c` and its version's `v`: typed SQL."""
    feed, seed = delivery.feed, delivery.seed
    place = [one.name for one in feed.columns].index(column.name)
    of_record, of_content = f"hash(i, {seed}, {place})", f"hash(i, c, {seed}, {place})"
    if column.name in feed.key:
        return id_sql(feed, "i")
    for reference in feed.references:
        if reference.column == column.name:
            return id_sql(reference.feed, f"({of_record} % {population(reference.feed, delivery.primed)})")
    if column.name == feed.sequence:
        return (
            f"CASE v WHEN 0 THEN DATE '2023-01-01' ELSE DATE '{FIRST_DAY - timedelta(304)}' + v::INTEGER - 1 END"
            f" + ({of_record} % 300)::INTEGER"
        )
    words = _allowed(feed, column)
    if words:
        return _one_of(words, of_content)
    match column.form.name:
        case "date" if column.identifies == "birth_date":
            return f"DATE '1930-01-01' + ({of_record} % 30000)::INTEGER"
        case "date":
            dates = [one.name for one in feed.columns if one.form.name == "date" and one.identifies == "date"]
            return f"{_DATES} + (hash(i, c, {seed}) % {_DAYS})::INTEGER + {20 * dates.index(column.name)}"
        case "amount":
            return f"(({of_content} % 9000000) / 100)::DECIMAL(12, 2)"
        case "flag":
            return f"{of_content} % 10 > 0"
        case "zipcode":
            return f"(10000 + {of_content} % 89999)::VARCHAR"
        case "state":
            return _one_of(list(STATES.values()), of_content)
    match column.identifies:
        case "name" if column.name == feed.columns[1].name:
            return f"{_one_of(list(_GIVEN), of_record)} || ({of_record} % 5000)::VARCHAR"
        case "name":
            return f"'Sur' || ({of_record} % 90000)::VARCHAR"
        case "street":
            comma = f"CASE {of_content} % 16 WHEN 0 THEN ', Apt ' ELSE ' Apt ' END"
            return f"({of_content} % 9999)::VARCHAR || ' Main St' || {comma} || ({of_content} % 401)::VARCHAR"
        case _:
            return f"'City' || ({of_content} % 20000)::VARCHAR"


def id_sql(feed: Feed, number: str) -> str:
    """The id of a feed's record by its number."""
    return f"'{feed.entity[:2].upper()}' || lpad(({number})::VARCHAR, 9, '0')"


def _numbered(delivery: Delivery, kinds: list[defects.Kind] | None = None) -> str:
    """One row for each of the delivery's rows: its `kind` of defect (0 is none) and a hash `h`, its `i`, `c`, `v`."""
    seed, size = delivery.seed, delivery.size
    kind, at, content = "0", "n", "v"
    if kinds:
        is_spoilt = f"hash(n, {seed}, 'spoilt') % 1000000 < {round(delivery.spoilt * 1_000_000)}"
        kind = f"CASE WHEN {is_spoilt} THEN 1 + (hash(n, {seed}, 'kind') % {len(kinds)})::INTEGER ELSE 0 END"
        again = [str(number) for number, one in enumerate(kinds, 1) if one.repeats]
        other = [str(number) for number, one in enumerate(kinds, 1) if one.says_otherwise]
        if again:
            at = f"CASE WHEN kind IN ({', '.join(again)}) AND n > 0 THEN n - 1 ELSE n END"
        if other:
            content = f"CASE WHEN kind IN ({', '.join(other)}) THEN v + 1000000 ELSE v END"
    stride = next(stride for stride in _STRIDES if gcd(stride, size) == 1)
    record, version = "p", "0"
    if delivery.update:
        new, known = size - size // 2, size // 2
        apart = max(1, delivery.primed // max(1, known))
        record = (
            f"CASE WHEN p < {new} THEN {delivery.primed + (delivery.update - 1) * new} + p"
            f" ELSE ((p - {new}) * {apart} + {delivery.update} % {apart}) % {delivery.primed} END"
        )
        version = f"CASE WHEN p >= {new} AND p < {new + known * 2 // 100} THEN 0 ELSE {delivery.update} END"
    return f"""
        SELECT kind, h, i, v, {content} AS c FROM (
            SELECT kind, h, {record} AS i, {version} AS v FROM (
                SELECT kind, hash(n, {seed}, 'h') AS h, (({at}) * {stride} + {seed}) % {size} AS p FROM (
                    SELECT range AS n, {kind} AS kind FROM range({size}))))
    """


def _allowed(feed: Feed, column: Column) -> list[str] | list[int]:
    """The values that a contract's `isin` allows a column."""
    checks = feed.contract.to_schema().columns[column.name].checks
    found = [check.statistics["allowed_values"] for check in checks if "allowed_values" in (check.statistics or {})]
    return list(found[0]) if found else []


def _one_of(words: list[str] | list[int], by: str) -> str:
    return f"({list(words)!r})[1 + ({by} % {len(words)})::INTEGER]"


def _break_encoding(path: Path) -> None:
    """Put bytes that are no UTF-8 where the marker of a line says so: DuckDB writes none."""
    marker, broken = defects.NOT_UTF8.encode(), b"\xff\xfe"
    assert len(marker) == len(broken)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        at = content.find(marker)
        while at >= 0:
            content[at : at + len(broken)] = broken
            at = content.find(marker, at)
