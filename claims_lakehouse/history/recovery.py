"""The warehouse, sound: what a killed process left is completed, and a lost or damaged file is made anew from disk.

The warehouse is a cache of what lies beside it, so no damage to it is worth a person's evening. It is judged damaged
only when opening it, or reading all of it after an error, shows that: a full disk is not damage.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.errors import WarehouseUnsound
from claims_lakehouse.history.purge import complete_purge
from claims_lakehouse.history.rebuild import complete_swap, rebuild_in_turn, sweep_staging
from claims_lakehouse.landing.journal import journaled_deliveries
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.connection import PATIENCE, connected, is_damage, writers_turn


@contextmanager
def sound_warehouse(settings: Settings, patience: float = PATIENCE) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, sound and open for writing, in the caller's turn."""
    with sound_turn(settings, patience), opened(settings) as con:
        yield con


@contextmanager
def sound_turn(settings: Settings, patience: float = PATIENCE) -> Iterator[None]:
    """The writer's turn, with nothing left half done by those who had it before."""
    with writers_turn(settings, patience):
        complete_swap(settings)
        complete_purge(settings)
        sweep_staging(settings)
        shutil.rmtree(settings.temporary, ignore_errors=True)
        if not settings.warehouse.exists() and _has_deliveries(settings):
            rebuild_in_turn(settings)
        yield


@contextmanager
def opened(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, open for writing, for a caller that has the turn; made anew first where it is not sound.

    WarehouseUnsound where it turns out on the way that the file is damaged: try again, and it is made anew.
    """
    with ExitStack() as stack:
        try:
            con = stack.enter_context(connected(settings))
        except WarehouseUnsound:
            remove_warehouse(settings)
            rebuild_in_turn(settings)
            con = stack.enter_context(connected(settings))
        try:
            yield con
        except duckdb.Error as error:
            stack.close()
            if not is_damage(error) or _is_readable(settings):
                raise
            remove_warehouse(settings)
            raise WarehouseUnsound(f"{settings.warehouse.name} is damaged; it is made anew from disk.") from None


def remove_warehouse(settings: Settings) -> None:
    """Remove the warehouse file; the caller has the turn."""
    settings.warehouse.with_name(settings.warehouse.name + ".wal").unlink(missing_ok=True)
    settings.warehouse.unlink(missing_ok=True)


def _has_deliveries(settings: Settings) -> bool:
    return any(True for feed in FEEDS for _ in journaled_deliveries(settings, feed.name))


def _is_readable(settings: Settings) -> bool:
    """Whether every value of every table can be read."""
    try:
        with connected(settings) as con:
            tables = con.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
            for schema, table in tables:
                con.execute(f'SELECT bit_xor(hash(read)) FROM "{schema}"."{table}" AS read')
    except WarehouseUnsound:
        return False
    except duckdb.Error as error:
        return not is_damage(error)
    return True
