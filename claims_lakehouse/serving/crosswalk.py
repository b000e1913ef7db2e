"""The crosswalk: which random token stands for which record id in the de-identified editions (45 CFR 164.514(c)).

It is kept apart from the editions, for its owner only, and it is no cache: nothing else knows the tokens, so it belongs
in every backup. It is written before an edition that uses it is published, so that a token never changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pyarrow as pa

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.safe_harbor import kind_of_id, treatment
from claims_lakehouse.errors import ClaimsLakehouseError
from claims_lakehouse.files import replacing
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.literals import literal

_TOKEN_BYTES = 16


class IdColumn(NamedTuple):
    """A column of ids, and which ids they are."""

    feed: Feed
    name: str
    kind: str


def crosswalk_path(settings: Settings) -> Path:
    """Where the crosswalk is: beside the warehouse."""
    return settings.home / "crosswalk.parquet"


def id_columns(feeds: Iterable[Feed]) -> Iterator[IdColumn]:
    """Every column whose values leave as tokens."""
    for feed in feeds:
        for column in feed.columns:
            if treatment(column) == "token":
                yield IdColumn(feed, column.name, kind_of_id(feed, column.name))


def lay_tokens(con: duckdb.DuckDBPyConnection, settings: Settings, feeds: Sequence[Feed]) -> None:
    """Make the temporary table `token` (kind, id, token), with one row for each id in the tables of `source`.

    Ids that are new get a token. Ids that are in no table and no file any more lose theirs. What changed is on disk
    when this returns; the caller has the writer's turn.

    Raises:
        ClaimsLakehouseError: The crosswalk cannot be read.
    """
    _load(con, crosswalk_path(settings))
    columns = list(id_columns(feeds))
    if _forget(con, settings, columns) + _add(con, columns):
        with replacing(crosswalk_path(settings)) as temporary:
            options = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
            con.execute(f"COPY temp.token TO {literal(temporary)} ({options})")


def _load(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    con.execute("CREATE TEMP TABLE token (kind VARCHAR, id VARCHAR, token UUID)")
    if not path.exists():
        return
    try:
        con.execute("INSERT INTO temp.token SELECT kind, id, token FROM read_parquet($path)", {"path": str(path)})
    except duckdb.Error:
        raise ClaimsLakehouseError(
            f"{path.name} is damaged, and nothing else knows the tokens: found no crosswalk that can be read; "
            "expected it back from a backup."
        ) from None


def _by_kind(columns: Sequence[IdColumn]) -> Iterator[tuple[str, str]]:
    """Each kind of id, and the SQL of every id of it that is in a table."""
    for kind in sorted({column.kind for column in columns}):
        of_kind = [column for column in columns if column.kind == kind]
        yield kind, " UNION ALL ".join(f"SELECT {c.name} AS id FROM source.{c.feed.table}" for c in of_kind)


def _add(con: duckdb.DuckDBPyConnection, columns: Sequence[IdColumn]) -> int:
    """Give every id without a token one; returns how many."""
    con.execute("CREATE TEMP TABLE new_id (kind VARCHAR, id VARCHAR)")
    for kind, ids in _by_kind(columns):
        known = f"(SELECT id FROM temp.token WHERE kind = '{kind}')"
        con.execute(
            f"INSERT INTO new_id SELECT DISTINCT '{kind}', id FROM ({ids}) ANTI JOIN {known} USING (id) "
            "WHERE id IS NOT NULL"
        )
    count = int(con.execute("SELECT count(*) FROM new_id").fetchall()[0][0])
    if count:
        drawn = pa.py_buffer(secrets.token_bytes(_TOKEN_BYTES * count))
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_TOKEN_BYTES), count, [None, drawn])
        con.register("drawn", pa.table({"token": column}))
        con.execute(
            "INSERT INTO temp.token SELECT kind, id, CAST(hex(token) AS UUID) FROM new_id POSITIONAL JOIN drawn"
        )
        con.unregister("drawn")
    return count


def _forget(con: duckdb.DuckDBPyConnection, settings: Settings, columns: Sequence[IdColumn]) -> int:
    """Take away the tokens of ids that are nowhere any more; returns how many.

    An id that is in no table may still come back: with a delivery that is reinstated, or released.
    """
    gone = pl.DataFrame(schema={"kind": pl.String, "id": pl.String})
    for kind, ids in _by_kind(columns):
        gone.extend(con.sql(f"SELECT kind, id FROM temp.token ANTI JOIN ({ids}) USING (id) WHERE kind = '{kind}'").pl())
    for column in columns:
        for path in _contents(settings, column.feed):
            missed = gone.filter(pl.col("kind") == column.kind)
            if missed.is_empty():
                break
            gone = gone.join(_occurring(missed, path, column.name), on=["kind", "id"], how="anti")
    if len(gone):
        con.register("gone", gone.to_arrow())
        con.execute("DELETE FROM temp.token USING gone WHERE token.kind = gone.kind AND token.id = gone.id")
        con.unregister("gone")
    return len(gone)


def _contents(settings: Settings, feed: Feed) -> Iterator[Path]:
    """Every content of every delivery that is kept, as text and as typed rows."""
    for stage in ("validated", "raw"):
        yield from sorted((settings.home / stage / feed.name).glob("*/*.parquet"))


def _occurring(ids: pl.DataFrame, path: Path, column: str) -> pl.DataFrame:
    """Those of the ids that occur in a file; all of them where it cannot be read, for they may."""
    try:
        content = pl.scan_parquet(path)
        if column not in content.collect_schema().names():
            return ids.clear()
        named = content.select(pl.col(column).cast(pl.String).str.strip_chars().alias("id")).unique()
        return named.join(ids.lazy(), on="id").select("kind", "id").collect()
    except (pl.exceptions.PolarsError, OSError):
        return ids
