"""One publication as the desk reads it: opened once, with an index of its issues in memory.

The index holds the few narrow columns that lists are filtered by, in the order in which they are listed: any page of a
million issues is then a scan without a sort. What is wide is fetched for the rows of one page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from threading import Lock, Thread
from typing import Any

import duckdb

from claims_lakehouse.errors import UsageError
from claims_lakehouse.serving.connect import Connection, connect
from claims_lakehouse.settings import Settings

#: The table of the index: in memory, beside the attached file.
INDEX = "memory.main.issue_index"
_LISTED = ("feed", "delivery", "rule", "severity", "status")


class Reading:
    """A publication and the index of its issues; many threads may ask it at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._con = connect(settings.home)
        self._lock = Lock()
        self._known: dict[str, Any] = {}
        self._make_index()

    @property
    def is_stale(self) -> bool:
        """Whether something newer was published."""
        return self._con.is_stale

    @property
    def connection(self) -> Connection:
        """The connection itself, for what reads by it; one thread at a time."""
        return self._con

    def ask(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a SELECT."""
        with self.cursor() as cursor:
            rows: list[tuple[Any, ...]] = cursor.execute(sql, dict(values or {})).fetchall()
        return rows

    def numbers(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """The one column that a SELECT of numbers gives, as an Arrow array: of a million of them it takes no time."""
        with self.cursor() as cursor:
            return cursor.sql(sql, params=dict(values or {})).to_arrow_table().column(0)

    def records(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a SELECT, each by the names of its columns."""
        with self.cursor() as cursor:
            cursor.execute(sql, dict(values or {}))
            names = [name for name, *_ in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What does not change within a publication, made when it is asked for first."""
        if name not in self._known:
            self._known[name] = make()
        return self._known[name]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same publication."""
        with self._lock:
            cursor: duckdb.DuckDBPyConnection = self._con.duckdb.cursor()
        cursor.execute("USE claims")
        return cursor

    def close(self) -> None:
        """Let the file go; who still has a cursor keeps it open until they are done."""
        self._con.duckdb.close()

    def _make_index(self) -> None:
        con = self._con.duckdb
        con.execute(
            """
            CREATE TABLE memory.main.content AS
            SELECT feed, delivery, ledger.fingerprint, ledger.corrections, received_at,
                   min(happened_at) FILTER (delivery_log.fingerprint = ledger.fingerprint) AS here_since,
                   coalesce(any_value(decided.size), 0) AS taken_up
            FROM internal.ledger AS ledger
            LEFT JOIN delivery_log USING (feed, delivery) LEFT JOIN internal.decided AS decided USING (feed, delivery)
            GROUP BY ALL
            """
        )
        for name in _LISTED:
            con.execute(f"CREATE TYPE memory.main.{name}_name AS ENUM (SELECT DISTINCT {name} FROM issue ORDER BY ALL)")
        listed = ", ".join(f"CAST({name} AS memory.main.{name}_name) AS {name}" for name in _LISTED)
        con.execute(
            f"""
            CREATE TABLE {INDEX} AS SELECT row_number() OVER () AS n, *
            FROM (SELECT place, {listed}, here_since
                  FROM internal.issue_now JOIN memory.main.content USING (feed, delivery)
                  ORDER BY feed, delivery, row_number NULLS FIRST, rule, column_name)
            """
        )


class Readings:
    """The reading of what was published last; a newer one takes its place when it is ready, and nobody waits for it."""

    def __init__(self, settings: Settings, prepare: Callable[[Reading], object] = lambda _: None) -> None:
        """`prepare` does with each new reading, before it takes its place, what people would otherwise wait for."""
        self._settings, self._prepare = settings, prepare
        self._lock = Lock()
        self._renewing: Thread | None = None
        self._reading: Reading | None = None
        self._day: date | None = None

    def now(self, day: date) -> Reading:
        """The reading to answer from; `day` is today: at midnight waivers end.

        UsageError where nothing is published yet. Only the very first call waits for an index.
        """
        with self._lock:
            if self._reading is None:
                self._reading, self._day = self._made(), day
            elif (self._is_behind(self._reading) or day != self._day) and not self._is_renewing():
                self._renewing = Thread(target=self._renew, args=(day,), name="reading", daemon=True)
                self._renewing.start()
            return self._reading

    def settle(self) -> None:
        """Wait until a newer reading that is being made has taken its place."""
        renewing = self._renewing
        if renewing is not None:
            renewing.join()

    @staticmethod
    def _is_behind(reading: Reading) -> bool:
        """Whether something newer is published; where the file is gone, what was read of it stays for now."""
        try:
            return reading.is_stale
        except UsageError:
            return False

    def _is_renewing(self) -> bool:
        return self._renewing is not None and self._renewing.is_alive()

    def _renew(self, day: date) -> None:
        newer = self._made()
        with self._lock:
            self._reading, self._day = newer, day

    def _made(self) -> Reading:
        reading = Reading(self._settings)
        self._prepare(reading)
        return reading


def age_in_days(since: datetime | None, now: datetime) -> int | None:
    """Whole days between two naive UTC times."""
    return None if since is None else max(0, (now - since).days)
