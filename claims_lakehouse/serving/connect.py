"""A reader's connection to the published file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings


def connect(home: Path | str | None = None, *, confined: bool = False) -> duckdb.DuckDBPyConnection:
    """A read-only DuckDB connection to what was published last.

    It sees the state that it opened for as long as it lives, and never blocks the pipeline; connect again to see
    what was published since. UsageError where nothing is published yet.

    Args:
        home: The lakehouse's folder, by default `CLAIMS_HOME`.
        confined: Whether SQL is kept from reading or writing any other file.
    """
    published = Settings.from_environment(home=home).published
    if not published.exists():
        raise UsageError(f"Nothing is published at {published} yet; run `claims ingest` first.")
    con = duckdb.connect(str(published), read_only=True)
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    if confined:
        con.execute("SET enable_external_access = false; SET lock_configuration = true")
    return con


class Answer(NamedTuple):
    """The rows of a query, whole or as many as were asked for and one more, and the names of its columns."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def ask(con: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None, *, limit: int = 0) -> Answer:
    """Run one SELECT and fetch what it gives, at most `limit` rows and one more (0 for all).

    Nothing but a SELECT runs: DuckDB's own confinement lets COPY write over the attached file itself. Two columns of
    the same name are told apart by a number. UsageError says what is wrong with the SQL.
    """
    try:
        statements = con.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise UsageError("One SELECT is expected (or FROM, WITH, DESCRIBE, SHOW, SUMMARIZE), and nothing else.")
        cursor = con.execute(statements[0], values)
        rows = cursor.fetchmany(limit + 1) if limit else cursor.fetchall()
    except duckdb.Error as error:
        raise UsageError(str(error)) from None
    columns: list[str] = []
    for name, *_ in cursor.description or []:
        again = sum(known == name or known.startswith(f"{name}:") for known in columns)
        columns.append(f"{name}:{again}" if again else str(name))
    return Answer(columns, rows)
