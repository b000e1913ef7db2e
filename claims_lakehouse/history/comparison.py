"""Compare two warehouses: which rows only one of them has. When and by which run a row came is left aside."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb

from claims_lakehouse.warehouse.connection import is_damage
from claims_lakehouse.warehouse.literals import literal

_ASIDE = {"internal.ledger": {"loaded_at", "run_id"}}
#: What people decided about issues is taken up with a publication, not by a rebuild.
_DECIDED = {"internal.decision", "internal.waiver", "internal.decided"}
#: What adjudication and payments make of the tables, and what is due of it: made anew after a rebuild.
_ADJUDICATED = {
    "internal.touched", "internal.due", "internal.line_decision", "internal.rule_set", "internal.rule",
    "internal.claim_act", "internal.adjudicated", "internal.remitted_claim", "internal.payee_day",
    "internal.closed_day", "internal.remitted",
}  # fmt: skip
_NOT_COMPARED = {"internal.change", "internal.schema", *_DECIDED, *_ADJUDICATED}


class Difference(NamedTuple):
    """How many rows of a table only one of two warehouses has."""

    only_before: int
    only_after: int


def compare(before: Path, after: Path) -> dict[str, Difference] | None:
    """The tables in which two warehouses differ; None where the first cannot be read.

    Tables and columns that only one of them has are not compared. Both are read by an instance of its own, which a
    damaged file may bring down.
    """
    try:
        with duckdb.connect() as con:
            for name, path in (("before", before), ("after", after)):
                con.execute(f"ATTACH {literal(path)} AS {name} (READ_ONLY)")
            theirs, found = _tables(con, "before"), {}
            for table, columns in _tables(con, "after").items():
                aside = _ASIDE.get(table, ())
                shared = [name for name in columns if name in theirs.get(table, ()) and name not in aside]
                if shared and table not in _NOT_COMPARED:
                    found[table] = _differences(con, table, ", ".join(f'"{name}"' for name in shared))
            return {table: difference for table, difference in found.items() if any(difference)}
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        return None


def _differences(con: duckdb.DuckDBPyConnection, table: str, columns: str) -> Difference:
    """Compared by count and sum of hashes first: equal tables need no sorting out."""
    sides = (f"before.{table}", f"after.{table}")
    sums = [con.execute(f"SELECT count(*), sum(hash({columns})::HUGEINT) FROM {side}").fetchall()[0] for side in sides]
    if sums[0] == sums[1]:
        return Difference(0, 0)
    left, right = (f"SELECT {columns} FROM {side}" for side in sides)
    ways = (f"{left} EXCEPT ALL {right}", f"{right} EXCEPT ALL {left}")
    return Difference(*(int(con.execute(f"SELECT count(*) FROM ({way})").fetchall()[0][0]) for way in ways))


def _tables(con: duckdb.DuckDBPyConnection, database: str) -> dict[str, list[str]]:
    rows = con.execute(
        "SELECT schema_name || '.' || table_name, list(column_name ORDER BY column_index) FROM duckdb_columns()"
        " JOIN duckdb_tables() USING (database_name, schema_name, table_name)"
        " WHERE database_name = $database GROUP BY ALL ORDER BY ALL",
        {"database": database},
    ).fetchall()
    return dict(rows)
