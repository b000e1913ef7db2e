"""Write published tables as partitioned Parquet, for Spark, Polars and others, and answers in other formats."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple
from uuid import uuid4

import duckdb
import pyarrow.csv
import pyarrow.parquet

from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import make_folder
from claims_lakehouse.serving.connect import Connection, one_select
from claims_lakehouse.warehouse.literals import literal

Format = Literal["csv", "parquet"]


class Exported(NamedTuple):
    """A table that was written: its folder, and how many rows it has."""

    table: str
    folder: Path
    rows: int


def tables(con: Connection) -> list[str]:
    """Every table and view that can be exported."""
    rows = con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'claims' AND table_schema = 'main'"
        " ORDER BY table_name"
    ).fetchall()
    return [str(name) for (name,) in rows]


def export(
    con: Connection,
    target: Path,
    names: Sequence[str],
    partition_by: Sequence[str] = (),
    progress: Callable[[Exported], None] | None = None,
) -> list[Exported]:
    """Write tables below a folder, each in a folder of its own that takes the place of an earlier one at once.

    Args:
        con: The published file.
        target: The folder; made where it is not there.
        names: The tables and views.
        partition_by: Columns by whose values the files are laid out as `column=value` folders; a table that has not
            all of them is written as one folder of files.
        progress: Told of each table that is done.

    Raises:
        UsageError: There is no such table, a column is in none of them, or there is a folder in the way that no
            export wrote.
    """
    known = tables(con)
    if wrong := [name for name in names if name not in known]:
        raise UsageError(f"There is no table '{wrong[0]}'; there are {', '.join(known)}.")
    columns = {name: [str(row[0]) for row in con.execute(f'DESCRIBE "{name}"').fetchall()] for name in names}
    for column in partition_by:
        if all(column not in found for found in columns.values()):
            raise UsageError(f"None of the tables has a column '{column}'.")
    for name in names:
        _require_free(target / name)
    done = []
    for name in names:
        by = partition_by if all(column in columns[name] for column in partition_by) else ()
        one = Exported(name, target / name, _write(con, name, target / name, by))
        done.append(one)
        if progress:
            progress(one)
    return done


def write_answer(con: Connection, sql: str, form: Format, to: IO[bytes]) -> None:
    """Write the whole answer to one SELECT as CSV or Parquet, batch by batch; UsageError says what is wrong with it."""
    try:
        batches = con.sql(one_select(con, sql)).to_arrow_reader(100_000)
        writer: Any
        if form == "csv":
            writer = pyarrow.csv.CSVWriter(to, batches.schema)
        else:
            writer = pyarrow.parquet.ParquetWriter(to, batches.schema, compression="zstd")
        with writer:
            for batch in batches:
                writer.write_batch(batch)
    except duckdb.Error as error:
        raise UsageError(str(error)) from None


def _write(con: Connection, name: str, folder: Path, by: Sequence[str]) -> int:
    """Write one table beside its folder, then put it in its place."""
    temporary = make_folder(folder.parent) / f".{folder.name}.{uuid4().hex[:8]}.tmp"
    options = ["FORMAT parquet", "COMPRESSION zstd"]
    if by:
        options.append(f"PARTITION_BY ({', '.join(by)})")
    else:
        options.append("PER_THREAD_OUTPUT true")
    try:
        rows = con.execute(f'COPY (FROM "{name}") TO {literal(temporary)} ({", ".join(options)})').fetchall()[0][0]
        make_folder(temporary)
        (temporary / "_SUCCESS").touch(mode=0o600)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return int(rows)


def _require_free(folder: Path) -> None:
    if folder.exists() and not (folder / "_SUCCESS").exists():
        raise UsageError(f"{folder} is there already, and no export wrote it.")
