"""The laws that an application is held to inside its own transaction, before anybody can see it."""

from __future__ import annotations

import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import AuditFailed
from claims_lakehouse.history.application import Applied


def audit(con: duckdb.DuckDBPyConnection, feed: Feed, delivery: str, expected: int, applied: Applied) -> None:
    """Hold what was just written to the laws; AuditFailed says which one it breaks, and where.

    `expected` is the number of valid rows that the delivery should have in the two tables together. The
    records looked at are those of the temporary table `touched`.
    """
    if applied.versions_added + applied.rows_restated != expected:
        raise AuditFailed(
            f"Feed '{feed.name}', delivery '{delivery}': found {applied.versions_added} versions and "
            f"{applied.rows_restated} restatements; expected {expected} valid rows in all."
        )
    for law, broken in history_invariants(con, feed, f"SEMI JOIN touched USING ({', '.join(feed.key)})").items():
        if broken:
            raise AuditFailed(
                f"Feed '{feed.name}', delivery '{delivery}': found {broken} records that break '{law}'; expected none."
            )


def history_invariants(con: duckdb.DuckDBPyConnection, feed: Feed, among: str = "") -> dict[str, int]:
    """How many records break each law of history; `among` narrows the versions looked at.

    A record whose every version is a first and current one without an end can only break the law by having two.
    """
    key = ", ".join(feed.key)
    record = key if len(feed.key) == 1 else f"({key})"
    plain = "version = 1 AND is_current AND valid_to IS NULL"
    count = f"SELECT count(*) - count(DISTINCT {{}}) FROM {feed.table} {among} WHERE {plain}"
    doubled = con.execute(count.format(f"hash({key})")).fetchall()[0][0]
    if doubled:  # or two records share a hash: only then is it worth comparing their keys
        doubled = con.execute(count.format(record)).fetchall()[0][0]
    currents, numbering, gaps = con.execute(
        f"""
        SELECT count(*) FILTER (currents <> 1), count(*) FILTER (numbering), count(*) FILTER (gaps) FROM (
            SELECT count(*) FILTER (is_current) AS currents,
                   max(version) <> count(*) OR min(version) <> 1 OR count(DISTINCT version) <> count(*) AS numbering,
                   bool_or(follows IS DISTINCT FROM valid_to OR is_current <> (valid_to IS NULL)) AS gaps
            FROM (
                SELECT {key}, version, is_current, valid_to,
                       lead(valid_from) OVER (PARTITION BY {key} ORDER BY version) AS follows
                FROM {feed.table} SEMI JOIN (SELECT {key} FROM {feed.table} {among} WHERE NOT ({plain})) USING ({key})
            ) GROUP BY {key}
        )
        """
    ).fetchall()[0]
    return {
        "one current version per record": int(currents) + int(doubled),
        "versions counted from 1 without a gap": int(numbering),
        "no overlap and no gap in time": int(gaps),
    }
