"""Apply deliveries of one feed: the single operation behind new, late, repeated, replaced and retracted ones.

Gather the rows of their records, drop what they said before, add what they say now, recompute, write the difference,
audit, all in one transaction with the ledger rows. Only the deliveries' records are touched, and of their rows only
those that change: a version that stays as it was is not written again.

A record that nobody has spoken of before, and these deliveries once, needs no comparing: its row is its history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.history import live_issues
from claims_lakehouse.history.application import Application, Applied
from claims_lakehouse.history.audit import audit
from claims_lakehouse.history.intervals import intervals_sql
from claims_lakehouse.history.ledger import write_ledger_row
from claims_lakehouse.history.touched import note_touched
from claims_lakehouse.landing.journal import Event
from claims_lakehouse.warehouse.connection import transaction
from claims_lakehouse.warehouse.literals import literal, literals, moment


def apply_deliveries(
    con: duckdb.DuckDBPyConnection,
    applications: Sequence[Application],
    announce: Callable[[Application], list[Event]],
) -> dict[str, Applied]:
    """Make the tables what they are with these deliveries of one feed, each as its application has it: all or none.

    `announce` writes down, just before the commit, what is about to hold of a delivery, and returns its whole
    journal for `delivery_log`. AuditFailed (nothing changed) where the outcome would break a law.
    """
    feed = applications[0].feed
    with transaction(con):
        rows = _Rows(con, feed, applications)
        rows.gather()
        rows.recompute()
        rows.write()
        note_touched(con, applications)
        _write_findings(con, applications)
        live_issues.refresh(con, applications, is_compared=rows.is_compared, spoke_before=rows.spoke_before)
        applied = rows.applied()
        audit(con, applications, applied, rows.touched_only)
        for application in applications:
            write_ledger_row(con, application, announce(application))
    return applied


class _Rows:
    """The rows of the records that some deliveries speak of, in temporary tables that are made anew each time.

    `incoming` is what the deliveries say now, `touched` the keys of their records, `standing` what the tables hold of
    those, `touched_rows` what others said of them and these say now, and `recomputed` what history makes of the
    records that more than one row speaks of.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, feed: Feed, applications: Sequence[Application]) -> None:
        self._con, self._feed, self._applications = con, feed, applications
        self._key = ", ".join(feed.key)
        self._columns = ", ".join(column.name for column in feed.columns)
        self._origin = f"delivery, row_number, recorded_at, {feed.surrogate_key}"
        self._ours = f"delivery IN ({literals(one.delivery for one in applications)})"
        self._tables = (feed.table, feed.restated_table)
        self._has_rows = any(self._number(f"SELECT count(*) FROM (FROM {table} LIMIT 1)") for table in self._tables)
        self.spoke_before = any(
            self._number(f"SELECT count(*) FROM (FROM {table} WHERE {self._ours} LIMIT 1)") for table in self._tables
        )
        self.is_compared = False

    @property
    def touched_only(self) -> str:
        """SQL that narrows a table of versions to the touched records; empty where it holds no others."""
        return f"SEMI JOIN touched USING ({self._key})" if self._has_rows else ""

    def gather(self) -> None:
        """Lay out what comes, whose records it touches, and what stands of those."""
        adding = [one for one in self._applications if one.is_applied and one.content and one.content.validated]
        self._incoming(adding)
        before = "".join(f" UNION SELECT {self._key} FROM {table} WHERE {self._ours}" for table in self._tables)
        self._hold("touched", f"SELECT {self._key} FROM incoming{before if self.spoke_before else ''}", self._has_rows)
        touched = f"SEMI JOIN touched USING ({self._key})" if self._has_rows else "WHERE false"
        self._con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE standing AS
            SELECT 'version' AS source, rowid AS source_row, valid_to AS stood_to, version AS stood_as,
                   {self._columns}, valid_from AS sequence, {self._origin} FROM {self._feed.table} {touched}
            UNION ALL
            SELECT 'restatement', rowid, NULL, NULL, {self._columns}, sequence, {self._origin}
            FROM {self._feed.restated_table} {touched}
            """
        )
        accepted = f"{self._columns}, sequence, {self._origin}"
        self._con.execute(
            f"CREATE OR REPLACE TEMP VIEW touched_rows AS SELECT {accepted} FROM standing WHERE NOT {self._ours}"
            f" UNION ALL SELECT {accepted} FROM incoming"
        )
        repeats = any(one.content and one.content.verification.repeats for one in adding)
        again = ""
        if len(adding) > 1:
            again = f" UNION SELECT {self._key} FROM incoming GROUP BY {self._key} HAVING count(*) > 1"
        elif repeats:
            again = f" UNION SELECT {self._key} FROM incoming WHERE recurs"
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE compared AS SELECT DISTINCT {self._key} FROM standing"
            f" WHERE NOT {self._ours}{again}"
        )
        self.is_compared = self._number("SELECT count(*) FROM compared") > 0

    def recompute(self) -> None:
        """Make the history of the records that more than one row speaks of."""
        if not self.is_compared:
            return
        names = [*self._feed.key, "sequence", "received_at", "delivery", "row_number"]
        stood = ["source", "source_row", "stood_to", "stood_as"]
        rows = ", ".join(dict.fromkeys([*names, *self._feed.content, *stood]))
        self._con.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW accepted_rows AS
            SELECT {rows} FROM (FROM standing WHERE NOT {self._ours})
            JOIN (SELECT delivery, received_at FROM internal.ledger WHERE feed = {literal(self._feed.name)})
            USING (delivery)
            UNION ALL
            SELECT {rows}
            FROM (SELECT *, 'delivery' AS source, NULL AS source_row, NULL AS stood_to, NULL AS stood_as FROM incoming)
            SEMI JOIN compared USING ({self._key})
            """
        )
        recomputed = intervals_sql(self._feed, [*names, *stood, "previous_sequence"])
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE recomputed AS {recomputed}")

    def write(self) -> None:
        """Bring the two tables to what was recomputed, and add the rows that need no comparing."""
        versions, restatements = self._tables
        self._remove(versions, "version", "said_again")
        self._remove(restatements, "restatement", "NOT said_again")
        if not self.is_compared:
            self._con.execute(
                f"""
                INSERT INTO {versions}
                SELECT {self._columns}, sequence, NULL, true, 1, {self._origin} FROM incoming
                """
            )
            return
        self._change("valid_to = now.valid_to, is_current = now.valid_to IS NULL", "valid_to IS DISTINCT FROM stood_to")
        self._change("version = now.version", "version <> stood_as")
        now = "SELECT delivery, row_number, said_again, version, valid_to FROM recomputed WHERE source ="
        moved = "JOIN ({now} '{source}' AND {moves}) USING (delivery, row_number)"
        to_versions = moved.format(now=now, source="restatement", moves="NOT said_again")
        to_restatements = moved.format(now=now, source="version", moves="said_again")
        self._con.execute(
            f"""
            INSERT INTO {versions}
            SELECT {self._columns}, sequence, valid_to, valid_to IS NULL, coalesce(version, 1), {self._origin}
            FROM incoming LEFT JOIN ({now} 'delivery') USING (delivery, row_number)
            WHERE said_again IS DISTINCT FROM true
            UNION ALL
            SELECT {self._columns}, sequence, valid_to, valid_to IS NULL, version, {self._origin}
            FROM (SELECT * FROM standing WHERE source = 'restatement') {to_versions}
            """
        )
        rows = f"{self._columns}, sequence, {self._origin}"
        self._con.execute(
            f"""
            INSERT INTO {restatements}
            SELECT {rows} FROM incoming JOIN ({now} 'delivery' AND said_again) USING (delivery, row_number)
            UNION ALL
            SELECT {rows} FROM (SELECT * FROM standing WHERE source = 'version') {to_restatements}
            """
        )

    def _change(self, change: str, where: str) -> None:
        """Change versions that stay, column by column: what is written anew is a column of many rows."""
        changed = f"SELECT * FROM recomputed WHERE source = 'version' AND NOT said_again AND {where}"
        if self._number(f"SELECT count(*) FROM ({changed})"):
            table = self._feed.table
            self._con.execute(
                f"UPDATE {table} SET {change} FROM ({changed}) AS now WHERE {table}.rowid = now.source_row"
            )

    def _remove(self, table: str, source: str, misplaced: str) -> None:
        """Take out of a table what these deliveries said before, and what belongs into the other one now."""
        gone = f"SELECT source_row FROM standing WHERE source = '{source}' AND {self._ours}"
        if self.is_compared:
            gone += f" UNION ALL SELECT source_row FROM recomputed WHERE source = '{source}' AND {misplaced}"
        if self._number(f"SELECT count(*) FROM ({gone})"):
            self._con.execute(f"DELETE FROM {table} WHERE rowid IN ({gone})")

    def applied(self) -> dict[str, Applied]:
        """The deliveries' rows in the two tables."""
        counts = [
            dict(
                self._con.execute(
                    f"SELECT delivery, count(*) FROM {table} WHERE {self._ours} GROUP BY delivery"
                ).fetchall()
            )
            for table in self._tables
        ]
        return {one.delivery: Applied(*(count.get(one.delivery, 0) for count in counts)) for one in self._applications}

    def _incoming(self, adding: Sequence[Application]) -> None:
        """What the deliveries say now, as the tables hold it; of one delivery a view: its file is read a few times."""
        nothing = f"""
            SELECT {self._columns}, valid_from AS sequence, NULL::TIMESTAMP AS received_at, {self._origin},
                   false AS recurs
            FROM {self._feed.table} WHERE false
        """
        said = [_said(self._feed, self._columns, one, one.content.validated) for one in adding if one.content]
        self._hold("incoming", " UNION ALL ".join(said) or nothing, len(said) > 1)

    def _hold(self, name: str, select: str, is_kept: bool) -> None:
        """Name the rows of a SELECT: kept in a table, or read again each time."""
        if is_kept:
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE {name}_kept AS {select}")
        self._con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {f'FROM {name}_kept' if is_kept else select}")

    def _number(self, sql: str) -> int:
        return int(self._con.execute(sql).fetchall()[0][0])


def _said(feed: Feed, columns: str, one: Application, validated: Path | None) -> str:
    """SQL for what one delivery says."""
    received_at = moment(one.received_at)
    return f"""
        SELECT {columns}, {feed.sequence or received_at} AS sequence, {received_at} AS received_at,
               {literal(one.delivery)} AS delivery, row_number, {moment(one.recorded_at)} AS recorded_at,
               {feed.surrogate_key}, recurs
        FROM read_parquet({literal(str(validated))})
    """


def _write_findings(con: duckdb.DuckDBPyConnection, applications: Sequence[Application]) -> None:
    """The findings of the contents that the deliveries have now, in place of those that they had before."""
    feed = applications[0].feed.name
    named = literals(one.delivery for one in applications)
    con.execute(
        f"DELETE FROM internal.finding WHERE feed = $feed AND delivery IN ({named}) AND NOT live", {"feed": feed}
    )
    for retracted in (False, True):
        files = [
            str(one.content.issues)
            for one in applications
            if one.content is not None and one.content.issues is not None and (one.status == "retracted") is retracted
        ]
        if files:
            con.execute(
                """
                INSERT INTO internal.finding BY NAME
                SELECT *, false AS live,
                       CASE WHEN $retracted THEN 'retracted' WHEN corrected_by IS NULL THEN 'open' ELSE 'resolved' END
                           AS status,
                       CASE WHEN NOT $retracted THEN 'correction ' || corrected_by END AS resolved_by
                FROM read_parquet($files)
                """,
                {"files": files, "retracted": retracted},
            )
