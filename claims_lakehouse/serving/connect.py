"""A reader's connection to the published file.

DuckDB keeps one instance a path in a process, so that a second `duckdb.connect(path)` sees the file that the first one
opened, whatever was published since. Each connection made here has an instance of its own, the file attached to it.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.bounds import set_quietly
from claims_lakehouse.warehouse.literals import literal

if TYPE_CHECKING:
    import polars

#: A file that is replaced between being looked at and being opened is looked at again, so many times.
_ATTEMPTS = 5


class Connection:
    """A read-only DuckDB connection to one publication, which knows when there is a newer one.

    Everything that a `duckdb.DuckDBPyConnection` can do is done by one (`con.duckdb`), which sees the state that it
    opened until `refresh` is called: its answers agree with each other however long it lives. It never blocks the
    pipeline, nor is it blocked.
    """

    def __init__(self, published: Path, *, confined: bool = False) -> None:
        self._published, self._confined = published, confined
        self.duckdb, self._seen = self._open()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.duckdb, name)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.duckdb.close()

    @property
    def is_stale(self) -> bool:
        """Whether something newer was published than this connection sees."""
        return self._look() != self._seen

    def refresh(self) -> bool:
        """See what was published last; returns whether that is newer. Temporary tables are lost where it is."""
        if not self.is_stale:
            return False
        before = self.duckdb
        self.duckdb, self._seen = self._open()
        before.close()
        return True

    def polars(self, sql: str, values: dict[str, Any] | None = None) -> polars.DataFrame:
        """The answer to a query as a Polars frame; `values` are bound to its `$name` parameters."""
        frame: polars.DataFrame = self.duckdb.sql(sql, params=values).pl()
        return frame

    def arrow(self, sql: str, values: dict[str, Any] | None = None) -> Any:
        """The answer to a query as a `pyarrow.Table`."""
        return self.duckdb.sql(sql, params=values).to_arrow_table()

    def pandas(self, sql: str, values: dict[str, Any] | None = None) -> Any:
        """The answer to a query as a `pandas.DataFrame`, whose dtypes are Arrow's: decimals and dates stay exact.

        pandas is not among our own dependencies: `pip install pandas`.
        """
        import pandas  # type: ignore[import-untyped, unused-ignore]

        return self.arrow(sql, values).to_pandas(types_mapper=pandas.ArrowDtype)

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._published.stat()
        except FileNotFoundError:
            raise UsageError(f"Nothing is published at {self._published} yet; run `claims ingest` first.") from None
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size

    def _open(self) -> tuple[duckdb.DuckDBPyConnection, tuple[int, ...]]:
        for _ in range(_ATTEMPTS):
            seen = self._look()
            con = duckdb.connect()
            set_quietly(con)
            con.execute(f"SET temp_directory = {literal(self._published.with_name('tmp'))}")
            con.execute(f"ATTACH {literal(self._published)} AS claims (READ_ONLY); USE claims")
            if self._look() == seen:
                break
            con.close()
        if self._confined:
            con.execute("SET enable_external_access = false; SET lock_configuration = true")
        return con, seen


def connect(home: Path | str | None = None, *, confined: bool = False) -> Connection:
    """A read-only connection to what was published last; UsageError where nothing is published yet.

    Args:
        home: The lakehouse's folder, by default `CLAIMS_HOME`.
        confined: Whether SQL is kept from reading or writing any other file.
    """
    return Connection(Settings.from_environment(home=home).published, confined=confined)


class Answer(NamedTuple):
    """The rows of a query, whole or as many as were asked for and one more, and the names of its columns."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def ask(con: Connection, sql: str, values: dict[str, Any] | None = None, *, limit: int = 0) -> Answer:
    """Run one SELECT and fetch what it gives, at most `limit` rows and one more (0 for all).

    Nothing but a SELECT runs: DuckDB's own confinement lets COPY write over the attached file itself. Two columns of
    the same name are told apart by a number. UsageError says what is wrong with the SQL.
    """
    try:
        cursor = con.execute(one_select(con, sql), values)
        rows = cursor.fetchmany(limit + 1) if limit else cursor.fetchall()
    except duckdb.Error as error:
        raise UsageError(str(error)) from None
    columns: list[str] = []
    for name, *_ in cursor.description or []:
        again = sum(known == name or known.startswith(f"{name}:") for known in columns)
        columns.append(f"{name}:{again}" if again else str(name))
    return Answer(columns, rows)


def one_select(con: Connection, sql: str) -> duckdb.Statement:
    """The one SELECT that a text is; UsageError where it is anything else, or more."""
    statements = con.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise UsageError("One SELECT is expected (or FROM, WITH, DESCRIBE, SHOW, SUMMARIZE), and nothing else.")
    return statements[0]  # type: ignore[no-any-return]
