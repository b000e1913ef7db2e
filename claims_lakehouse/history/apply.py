"""Apply one delivery: the single operation behind a new, late, repeated, replaced or retracted one.

Gather the rows of its records, drop what it said before, add what it says now, recompute, replace, audit, all in
one transaction with the ledger row. Only the delivery's records are touched.

A record that nobody has spoken of before, and this delivery once, needs no comparing: its row is its history.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import duckdb

from claims_lakehouse.history import live_issues
from claims_lakehouse.history.application import Application, Applied, Content
from claims_lakehouse.history.audit import audit
from claims_lakehouse.history.intervals import intervals_sql
from claims_lakehouse.history.ledger import write_ledger_row
from claims_lakehouse.landing.journal import Event
from claims_lakehouse.warehouse.connection import transaction
from claims_lakehouse.warehouse.literals import literal


def apply_delivery(
    con: duckdb.DuckDBPyConnection,
    application: Application,
    announce: Callable[[], list[Event]] = list,
    loaded_at: datetime | None = None,
) -> Applied:
    """Make the tables what they are with this delivery as `application` has it.

    `announce` writes down, just before the commit, what is about to hold, and returns the delivery's whole
    journal for `delivery_log`. AuditFailed (nothing changed) where the outcome would break a law.
    """
    with transaction(con):
        statements = _Statements(con, application)
        applied = statements.apply()
        live_issues.refresh(
            con,
            application.feed,
            application.delivery,
            application.received_at,
            recomputed=statements.recomputed,
        )
        audit(con, application.feed, application.delivery, _expected_rows(application), applied)
        write_ledger_row(con, application, announce(), loaded_at)
    return applied


def _expected_rows(application: Application) -> int:
    if not application.is_applied or application.content is None:
        return 0
    return application.content.verification.valid


class _Statements:
    """The statements of one application, over temporary tables that are made anew each time."""

    def __init__(self, con: duckdb.DuckDBPyConnection, application: Application) -> None:
        self._con, self._application, self._feed = con, application, application.feed
        self._key = ", ".join(self._feed.key)
        self._columns = ", ".join(column.name for column in self._feed.columns)
        self.recomputed = False

    def apply(self) -> Applied:
        application, feed = self._application, self._feed
        adds = application.is_applied and application.content is not None
        self._incoming(application.content if adds else None)
        self._touched()
        self._standing()
        repeats = adds and application.content is not None and application.content.verification.repeats
        compared = self._compared(repeats=repeats)
        origin = f"delivery, row_number, recorded_at, {feed.surrogate_key}"
        alone = f"ANTI JOIN compared USING ({self._key})" if compared else ""
        self._run(
            f"INSERT INTO {feed.table} SELECT {self._columns}, sequence, NULL, true, 1, {origin} FROM incoming {alone}"
        )
        if compared:
            self._recompute(origin)
        self._findings()
        return Applied(*(self._count(table) for table in (feed.table, feed.restated_table)))

    def _run(self, statement: str, **values: Any) -> duckdb.DuckDBPyConnection:
        return self._con.execute(statement, values)

    def _count(self, table: str) -> int:
        row = self._run(f"SELECT count(*) FROM {table} WHERE delivery = $delivery", delivery=self._application.delivery)
        return int(row.fetchall()[0][0])

    def _incoming(self, content: Content | None) -> None:
        """The delivery's rows as the tables hold them: a view, for they are read at most three times."""
        application, feed = self._application, self._feed
        moment = f"TIMESTAMP '{application.received_at.isoformat(sep=' ')}'"
        sequence = feed.sequence or moment
        named = ", ".join(f"CAST({name} AS VARCHAR)" for name in feed.key)
        delivery = literal(application.delivery)
        source = f"read_parquet({literal(content.validated)})" if content and content.validated else feed.table
        self._run(
            f"""
            CREATE OR REPLACE TEMP VIEW incoming AS
            SELECT {self._columns}, {sequence} AS sequence, {moment} AS received_at, {delivery} AS delivery, row_number,
                   TIMESTAMP '{application.recorded_at.isoformat(sep=" ")}' AS recorded_at,
                   (md5_number_lower(concat_ws(chr(31), {named}, CAST({sequence} AS VARCHAR), {delivery})) >> 1)::BIGINT
                       AS {feed.surrogate_key}
            FROM {source} WHERE {"true" if content else "false"}
            """
        )

    def _touched(self) -> None:
        """The records that this delivery speaks of, or spoke of before."""
        tables = (self._feed.table, self._feed.restated_table)
        before = "".join(f" UNION SELECT {self._key} FROM {table} WHERE delivery = $delivery" for table in tables)
        spoke = any(self._count(table) for table in tables)
        self._run(
            f"CREATE OR REPLACE TEMP TABLE touched AS SELECT {self._key} FROM incoming" + (before if spoke else ""),
            **({"delivery": self._application.delivery} if spoke else {}),
        )

    def _standing(self) -> None:
        """Take the touched records' rows out of the tables; what other deliveries said stays in `standing`."""
        feed = self._feed
        tables = (
            (feed.table, "valid_from", "standing_versions"),
            (feed.restated_table, "sequence", "standing_restated"),
        )
        for table, sequence, standing in tables:
            self._run(
                f"""
                CREATE OR REPLACE TEMP TABLE {standing}_rows AS
                SELECT rowid AS place FROM {table} SEMI JOIN touched USING ({self._key})
                """
            )
            self._run(
                f"""
                CREATE OR REPLACE TEMP TABLE {standing} AS
                SELECT {self._columns}, {sequence} AS sequence, delivery, row_number, recorded_at, {feed.surrogate_key}
                FROM {table} WHERE rowid IN (SELECT place FROM {standing}_rows) AND delivery <> $delivery
                """,
                delivery=self._application.delivery,
            )
            if self._run(f"SELECT count(*) FROM {standing}_rows").fetchall()[0][0]:
                self._run(f"DELETE FROM {table} WHERE rowid IN (SELECT place FROM {standing}_rows)")

    def _compared(self, *, repeats: bool) -> int:
        """The records with more than one row, whose rows have to be compared; returns how many there are."""
        again = f" UNION SELECT {self._key} FROM incoming GROUP BY {self._key} HAVING count(*) > 1" if repeats else ""
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE compared AS
            SELECT {self._key} FROM standing_versions UNION SELECT {self._key} FROM standing_restated{again}
            """
        )
        return int(self._run("SELECT count(*) FROM compared").fetchall()[0][0])

    def _recompute(self, origin: str) -> None:
        feed = self._feed
        columns = f"{self._columns}, sequence, received_at, {origin}"
        standing = f"""
            SELECT {self._columns}, sequence, ledger.received_at AS received_at, standing.delivery AS delivery,
                   row_number, recorded_at, {feed.surrogate_key}
            FROM (FROM standing_versions UNION ALL FROM standing_restated) AS standing
            JOIN internal.ledger AS ledger ON ledger.feed = $feed AND ledger.delivery = standing.delivery
        """
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE accepted_rows AS {standing}
            UNION ALL SELECT {columns} FROM incoming SEMI JOIN compared USING ({self._key})
            """,
            feed=feed.name,
        )
        self._run(f"CREATE OR REPLACE TEMP TABLE recomputed AS {intervals_sql(feed)}")
        self.recomputed = True
        self._run(
            f"""
            INSERT INTO {feed.table}
            SELECT {self._columns}, sequence, valid_to, valid_to IS NULL, version, {origin}
            FROM recomputed WHERE NOT said_again
            """
        )
        self._run(
            f"""
            INSERT INTO {feed.restated_table}
            SELECT {self._columns}, sequence, {origin} FROM recomputed WHERE said_again
            """
        )

    def _findings(self) -> None:
        """The findings of the content that the delivery has now, in place of those it had before."""
        application = self._application
        this = {"feed": application.feed.name, "delivery": application.delivery}
        self._run("DELETE FROM internal.finding WHERE feed = $feed AND delivery = $delivery AND NOT live", **this)
        if application.content is not None and application.content.issues is not None:
            self._run(
                """
                INSERT INTO internal.finding BY NAME
                SELECT *, false AS live,
                       CASE WHEN $retracted THEN 'retracted' WHEN corrected_by IS NULL THEN 'open' ELSE 'resolved' END
                           AS status,
                       CASE WHEN NOT $retracted THEN 'correction ' || corrected_by END AS resolved_by
                FROM read_parquet($issues)
                """,
                issues=str(application.content.issues),
                retracted=application.status == "retracted",
            )
