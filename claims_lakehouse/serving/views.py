"""Views and macros for readers, made from .sql files and the contracts, each with a comment on itself and its columns.

The SQL comment above a view or macro is the comment that readers see; those of tables and columns are in `comments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.resources import files

import duckdb

from claims_lakehouse.contracts import CLAIMS, FEEDS, Feed
from claims_lakehouse.history.intervals import intervals_sql
from claims_lakehouse.serving.comments import Comment, comments, comments_text
from claims_lakehouse.warehouse.connection import transaction

_MADE = re.compile(r"((?:^-- .*\n)+)CREATE OR REPLACE (VIEW|MACRO) ([\w.]+)", re.MULTILINE)


def create_views(con: duckdb.DuckDBPyConnection, feeds: Sequence[Feed] = FEEDS) -> None:
    """Make every view and macro anew, and set every comment."""
    made = _statements(feeds)
    with transaction(con):
        for statements in made:
            con.execute(statements)
        told = [*_sql_comments(made), *comments(con, feeds)]
        con.execute("".join(comment.statement for comment in told))


def views_version(feeds: Sequence[Feed] = FEEDS) -> str:
    """A hash of every view, macro and comment: it changes when one does."""
    return sha256("".join([*_statements(feeds), comments_text(feeds)]).encode()).hexdigest()[:12]


def _statements(feeds: Sequence[Feed]) -> list[str]:
    return [
        *(_feed_views(feed) for feed in feeds),
        _sql("claims").format(details=", ".join(_details(CLAIMS))),
        _sql("questions"),
        _sql("medical"),
        _sql("decisions"),
        _sql("payments"),
        _sql("ledger").format(
            versions_by_delivery=_by_delivery(feeds, "table"),
            restated_by_delivery=_by_delivery(feeds, "restated_table"),
            status_by_feed=", ".join(f"min(status) FILTER (feed = '{feed.name}') AS {feed.name}" for feed in feeds),
        ),
    ]


def _sql(name: str) -> str:
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def _feed_views(feed: Feed) -> str:
    key, names = ", ".join(feed.key), [column.name for column in feed.columns]
    return _sql("feed").format(
        feed=feed.name,
        entity=feed.entity,
        table=feed.table,
        restated_table=feed.restated_table,
        key=key,
        columns=", ".join(names),
        origin=f"delivery, row_number, recorded_at, {feed.surrogate_key}",
        intervals=intervals_sql(
            feed, [*names, "sequence", "delivery", "row_number", "recorded_at", feed.surrogate_key]
        ),
        changes=",\n                        ".join(
            f"row('{name}', CAST(earlier.{name} AS VARCHAR), CAST(later.{name} AS VARCHAR))" for name in feed.content
        ),
    )


def _details(feed: Feed) -> Iterator[str]:
    """What the records that a feed refers to say, each column under its entity's name: `patient_fname`."""
    for reference in feed.references:
        entity = reference.feed.entity
        yield from (f"{entity}.{name} AS {entity}_{name}" for name in reference.feed.content)


def _by_delivery(feeds: Sequence[Feed], table: str) -> str:
    return " UNION ALL ".join(
        f"SELECT '{feed.name}' AS feed, delivery, count(*) AS n FROM {getattr(feed, table)} GROUP BY delivery"
        for feed in feeds
    )


def _sql_comments(statements: Sequence[str]) -> Iterator[Comment]:
    """The comments that stand above views and macros in SQL."""
    for told, kind, name in _MADE.findall("".join(statements)):
        yield Comment("VIEW" if kind == "VIEW" else "MACRO TABLE", name, " ".join(told.replace("-- ", "").split()))
