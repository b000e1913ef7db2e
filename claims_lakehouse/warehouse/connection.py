"""The one writer's connection to the warehouse.

Whoever writes holds a lock file first: writers wait for each other in turn instead of failing on DuckDB's own
lock, and a killed writer's lock is gone with it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from claims_lakehouse.errors import WarehouseBusy, WarehouseUnsound
from claims_lakehouse.files import FILE_MODE, make_folder
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.bounds import bounds, set_quietly
from claims_lakehouse.warehouse.schema import create_schema, is_empty, is_of_this_schema

#: How long a writer waits for its turn, seconds.
PATIENCE = 600.0
#: What keeps a sound warehouse from being opened or read.
_NOT_DAMAGE = (
    "Permission denied", "No space left", "File too large", "Too many open files", "Read-only file system",
    "Is a directory", "Input/output error",
)  # fmt: skip


@contextmanager
def writers_turn(settings: Settings, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the warehouse's lock; WarehouseBusy when it is not to be had within `patience` seconds."""
    lock = make_folder(settings.home) / "warehouse.lock"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        _lock(handle, patience)
        yield
    finally:
        os.close(handle)


@contextmanager
def connected(settings: Settings, patience: float = PATIENCE) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, open for writing with its schema in place, for a caller that holds the turn already.

    WarehouseUnsound where the file is no DuckDB database that can be opened, or has other tables.
    """
    with _connect(settings, patience) as con:
        settings.warehouse.chmod(FILE_MODE)
        set_quietly(con)
        try:
            if not is_of_this_schema(con):
                if not is_empty(con):
                    raise WarehouseUnsound(f"{settings.warehouse.name} has not the tables that the contracts declare.")
                create_schema(con)
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            raise WarehouseUnsound(f"{settings.warehouse.name} is damaged.") from None
        yield con


def is_damage(error: duckdb.Error) -> bool:
    """Whether an error speaks of the file itself, and not of what the machine lacks at the moment."""
    return not isinstance(error, duckdb.OutOfMemoryException) and not any(told in str(error) for told in _NOT_DAMAGE)


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit on success; roll back on any error."""
    con.execute("BEGIN")
    try:
        yield
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")


def _lock(handle: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise WarehouseBusy(f"Another process has held the warehouse for over {patience:.0f} s.") from None
            time.sleep(0.05)


def _connect(settings: Settings, patience: float) -> duckdb.DuckDBPyConnection:
    """Connect; somebody who opened the warehouse by hand is waited for."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return duckdb.connect(str(settings.warehouse), config=bounds(settings))
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            if "set lock on file" not in str(error):
                raise WarehouseUnsound(f"{settings.warehouse.name} is damaged.") from None
            if time.monotonic() > deadline:
                raise WarehouseBusy(f"Another program has held {settings.warehouse.name} open too long.") from None
            time.sleep(0.1)
