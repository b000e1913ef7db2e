"""The laws that an application is held to inside its own transaction, before anybody can see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import AuditFailed
from claims_lakehouse.history.application import Application, Applied


def audit(
    con: duckdb.DuckDBPyConnection, applications: Sequence[Application], applied: Mapping[str, Applied], among: str
) -> None:
    """Hold what was just written of some deliveries to the laws; AuditFailed says which one it breaks, and where.

    `among` narrows a table of versions to the records that were touched.
    """
    feed = applications[0].feed
    for one in applications:
        expected = one.content.verification.valid if one.is_applied and one.content is not None else 0
        added, restated = applied[one.delivery]
        if added + restated != expected:
            raise AuditFailed(
                f"Feed '{feed.name}', delivery '{one.delivery}': found {added} versions and {restated} restatements; "
                f"expected {expected} valid rows in all."
            )
    named = ", ".join(f"'{one.delivery}'" for one in applications[:3]) + (" and more" if applications[3:] else "")
    for law, broken in history_invariants(con, feed, among).items():
        if broken:
            raise AuditFailed(
                f"Feed '{feed.name}', delivery {named}: found {broken} records that break '{law}'; expected none."
            )


def history_invariants(con: duckdb.DuckDBPyConnection, feed: Feed, among: str = "") -> dict[str, int]:
    """How many records break each law of history; `among` narrows the versions looked at, all of a record or none.

    A record whose every version is a first and current one without an end can only break the law by having two.
    """
    key, versions = ", ".join(feed.key), feed.table
    record = key if len(feed.key) == 1 else f"({key})"
    if among:  # looked up once: finding a few records among many is what costs
        versions = "audited"
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE audited AS"
            f" SELECT {key}, version, is_current, valid_from, valid_to FROM {feed.table} {among}"
        )
    plain = "version = 1 AND is_current AND valid_to IS NULL"
    count = f"SELECT count(*) - count(DISTINCT {{}}) FROM {versions} WHERE {plain}"
    doubled = con.execute(count.format(f"hash({key})")).fetchall()[0][0]
    if doubled:  # or two records share a hash: only then is it worth comparing their keys
        doubled = con.execute(count.format(record)).fetchall()[0][0]
    currents, numbering, gaps = con.execute(
        f"""
        SELECT count(*) FILTER (currents <> 1), count(*) FILTER (numbering), count(*) FILTER (gaps) FROM (
            SELECT count(*) FILTER (is_current) AS currents,
                   bool_or(version <> place) AS numbering,
                   bool_or(follows IS DISTINCT FROM valid_to OR is_current <> (valid_to IS NULL)) AS gaps
            FROM (
                SELECT {key}, version, is_current, valid_to,
                       row_number() OVER (PARTITION BY {key} ORDER BY version) AS place,
                       lead(valid_from) OVER (PARTITION BY {key} ORDER BY version) AS follows
                FROM {versions} SEMI JOIN (SELECT {key} FROM {versions} WHERE NOT ({plain})) USING ({key})
            ) GROUP BY {key}
        )
        """
    ).fetchall()[0]
    return {
        "one current version per record": int(currents) + int(doubled),
        "versions counted from 1 without a gap": int(numbering),
        "no overlap and no gap in time": int(gaps),
    }
