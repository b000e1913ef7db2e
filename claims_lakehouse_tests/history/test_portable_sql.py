"""The statement that computes intervals keeps to what DuckDB and Spark share."""

from __future__ import annotations

import re
from importlib.resources import files

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from claims_lakehouse.contracts import FEEDS, Feed

TEMPLATE = files("claims_lakehouse.history").joinpath("sql", "intervals.sql").read_text(encoding="utf-8")
#: What a dialect without them would not understand, though its parser may let it pass.
FOREIGN = (exp.Qualify, exp.Filter, exp.Lateral, exp.Pivot, exp.Star)


def statement(feed: Feed) -> str:
    """The statement as `apply` fills it in for a feed."""
    key = ", ".join(feed.key)
    window = f"OVER (PARTITION BY {key} ORDER BY sequence, received_at, delivery, row_number)"
    return TEMPLATE.format(
        columns=", ".join(column.name for column in feed.columns),
        key=key,
        differs=" OR ".join(f"{name} IS DISTINCT FROM previous_{name}" for name in feed.content),
        previous=", ".join(f"lag({name}) {window} AS previous_{name}" for name in feed.content),
    )


@pytest.fixture(params=FEEDS, ids=lambda feed: feed.name)
def sql(request: pytest.FixtureRequest) -> str:
    return statement(request.param)


@pytest.mark.parametrize("dialect", ["spark", "duckdb"])
def test_it_is_one_statement_of_the_dialect(sql: str, dialect: str) -> None:
    [parsed] = sqlglot.parse(sql, dialect=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select)
    assert parsed.find(exp.Command) is None


def test_both_dialects_read_the_same_in_it(sql: str) -> None:
    """Where nulls sort is the one difference, and nothing that is sorted by is ever null."""
    spark, ours = (sqlglot.parse_one(sql, dialect=dialect) for dialect in ("spark", "duckdb"))
    for ordered in (*spark.find_all(exp.Ordered), *ours.find_all(exp.Ordered)):
        assert ordered.this.name in ("sequence", "received_at", "delivery", "row_number")
        ordered.set("nulls_first", None)
    assert spark == ours


def test_nothing_in_it_is_of_one_dialect_alone(sql: str) -> None:
    parsed = sqlglot.parse_one(sql, dialect="spark")
    found = {type(node) for node in parsed.walk()} & set(FOREIGN)
    assert found <= {exp.Star}
    assert all(
        isinstance(star.parent, exp.Select) and not star.args.get("except_") for star in parsed.find_all(exp.Star)
    )
    assert not re.search(r"\b(QUALIFY|EXCLUDE|ASOF|FILTER)\b|::|\$", sql, re.IGNORECASE)


def test_its_only_functions_are_window_functions_that_both_have(sql: str) -> None:
    called = {node.sql_name().lower() for node in sqlglot.parse_one(sql, dialect="spark").find_all(exp.Func)}
    assert called - {"and", "or", "not"} == {"row_number", "lag", "lead"}


def test_no_version_is_named_by_a_window_of_its_own_level(sql: str) -> None:
    """Spark does not see an alias of the same SELECT inside a window's PARTITION BY."""
    for select in sqlglot.parse_one(sql, dialect="spark").find_all(exp.Select):
        named = {one.alias for one in select.expressions if isinstance(one, exp.Alias)}
        for window in (found for one in select.expressions for found in one.find_all(exp.Window)):
            assert not named & {column.name for column in window.find_all(exp.Column)}


def test_duckdb_runs_it(sql: str) -> None:
    parsed = sqlglot.parse_one(sql, dialect="duckdb")
    columns = {column.name for column in parsed.find_all(exp.Column)} - {"said_again", "place"}
    source = {name for name in columns if not name.startswith("previous_")}
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE accepted_rows ({', '.join(f'{name} VARCHAR' for name in sorted(source))})")
        assert con.execute(sql).fetchall() == []
