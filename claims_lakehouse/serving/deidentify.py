"""The de-identified edition: the published tables by HIPAA's Safe Harbor method, 45 CFR 164.514(b)(2), in a file apart.

It is made from the published file, new each time, so that no byte of anything else can be in it. How each column leaves
follows from its declaration (contracts.safe_harbor); deliveries, rows, issues and the log do not leave at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb

from claims_lakehouse.contracts import FEEDS, Column, Feed
from claims_lakehouse.contracts.geography import SMALL_AREAS, STATE_CODES, UNCOUNTED_AREAS
from claims_lakehouse.contracts.safe_harbor import OLDEST, Treatment, kind_of_id, outgoing_name, treatment
from claims_lakehouse.errors import ClaimsLakehouseError, UsageError
from claims_lakehouse.files import make_folder, replacing
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.serving.comments import Comment
from claims_lakehouse.serving.crosswalk import crosswalk_path, lay_tokens
from claims_lakehouse.serving.publish import PUBLISHED_MODE, share
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.bounds import bounds, set_quietly
from claims_lakehouse.warehouse.connection import transaction, writers_turn
from claims_lakehouse.warehouse.literals import literal

#: Areas that leave as 000 unless a list of one's own is given.
AREAS = SMALL_AREAS | UNCOUNTED_AREAS


class Edition(NamedTuple):
    """The de-identified edition: where it is, of which year, and how many rows each table has."""

    path: Path
    year: int
    rows: dict[str, int]


def edition_path(settings: Settings) -> Path:
    """Where the edition is: beside the published file."""
    return settings.published.with_name("claims_deidentified.duckdb")


def deidentify(
    settings: Settings, *, areas: Collection[str] = AREAS, year: int | None = None, feeds: Sequence[Feed] = FEEDS
) -> Edition:
    """Make the edition from what is published, or make it anew.

    Args:
        settings: Where the lakehouse is.
        areas: The three-digit areas that leave as 000.
        year: The year from which ages are counted back; by default this one.
        feeds: The feeds whose tables leave.

    Raises:
        UsageError: Nothing is published yet.
        ClaimsLakehouseError: The crosswalk of an edition that exists is gone or damaged.
    """
    year = year or datetime.now(UTC).year
    target = edition_path(settings)
    with writers_turn(settings):
        if not settings.published.exists():
            raise UsageError(f"Nothing is published at {settings.published} yet; run `claims ingest` first.")
        if target.exists() and not crosswalk_path(settings).exists():
            raise ClaimsLakehouseError(
                f"{crosswalk_path(settings).name} is gone, and nothing else knows the tokens of {target.name}: bring "
                "it back from a backup, or remove the edition to begin with new tokens."
            )
        made_from = _made_from(settings, feeds, areas, year)
        with TemporaryDirectory(dir=make_folder(settings.temporary)) as folder:
            made = Path(folder) / target.name
            with duckdb.connect(str(made), config=bounds(settings)) as con:
                set_quietly(con)
                con.execute(f"ATTACH {literal(settings.published)} AS source (READ_ONLY)")
                lay_tokens(con, settings, feeds)
                with transaction(con):
                    rows = _write(con, feeds, areas, year, made_from)
            with replacing(target, PUBLISHED_MODE) as temporary:
                made.replace(temporary)
                share(settings, temporary)
    return Edition(target, year, rows)


def renew(settings: Settings, *, areas: Collection[str] = AREAS, year: int | None = None) -> Edition | None:
    """Make the edition anew where there is one that is behind; None where there is nothing to do."""
    return deidentify(settings, areas=areas, year=year) if is_behind(settings, areas=areas, year=year) else None


def is_behind(settings: Settings, *, areas: Collection[str] = AREAS, year: int | None = None) -> bool:
    """Whether there is an edition that was not made from what is published now."""
    target = edition_path(settings)
    if not target.exists() or not settings.published.exists():
        return False
    wanted = _made_from(settings, FEEDS, areas, year or datetime.now(UTC).year)
    try:
        with duckdb.connect(str(target), read_only=True) as con:
            return con.execute("SELECT made_from FROM edition").fetchall() != [(wanted,)]
    except duckdb.Error:
        return True


def read_areas(path: Path | None) -> Collection[str]:
    """The areas that a file lists, one a line, text after # left aside; without a file those that are known here.

    UsageError where the file cannot be read, lists nothing, or a line is not three digits.
    """
    if path is None:
        return AREAS
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: found {type(error).__name__}; expected a list of three-digit areas.") from None
    areas = [line for line in lines if line]
    wrong = [number for number, line in enumerate(lines, 1) if line and not _is_area(line)]
    if wrong or not areas:
        found = f"something else in line {wrong[0]}" if wrong else "none"
        raise UsageError(f"{path}: found {found}; expected areas of three digits, one a line.")
    return frozenset(areas)


def _is_area(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isdigit()


def _write(
    con: duckdb.DuckDBPyConnection, feeds: Sequence[Feed], areas: Collection[str], year: int, made_from: str
) -> dict[str, int]:
    """Make every table, view and comment; returns the rows of each table."""
    con.execute("CREATE TEMP TABLE small_area AS SELECT unnest($areas) AS area", {"areas": sorted(areas)})
    con.execute(
        "CREATE TEMP TABLE state_code AS SELECT unnest($words) AS word, unnest($codes) AS code",
        {"words": list(STATE_CODES), "codes": list(STATE_CODES.values())},
    )
    for feed in feeds:
        con.execute(_feed_sql(feed, year))
    con.execute(
        "CREATE TABLE edition AS SELECT CAST($year AS INTEGER) AS year, $made_from AS made_from",
        {"year": year, "made_from": made_from},
    )
    con.execute("".join(comment.statement for comment in _comments(feeds)))
    return {feed.table: int(con.execute(f"SELECT count(*) FROM {feed.table}").fetchall()[0][0]) for feed in feeds}


def _made_from(settings: Settings, feeds: Sequence[Feed], areas: Collection[str], year: int) -> str:
    """A hash of all that the edition depends on: it changes when the edition is behind."""
    with duckdb.connect(str(settings.published), read_only=True) as con:
        changes = read_changes(con)
    made = [*(_feed_sql(feed, year) for feed in feeds), *(comment.statement for comment in _comments(feeds))]
    return sha256("\n".join([changes, *made, *sorted(areas)]).encode()).hexdigest()[:16]


def _feed_sql(feed: Feed, year: int) -> str:
    """The statements that make a feed's table and view."""
    leaving = [column for column in feed.columns if outgoing_name(column)]
    first = year - OLDEST
    template = files(__package__).joinpath("sql", "deidentified.sql").read_text(encoding="utf-8")
    return template.format(
        entity=feed.entity,
        table=feed.table,
        columns=",\n       ".join(f"{value} AS {name}" for c in leaving for name, value in _values(feed, c, first)),
        names=", ".join(name for column in leaving for name, _ in _values(feed, column, first)),
        valid_from=_year("valid_from", first),
        valid_to=_year("valid_to", first),
        joins="\n".join(join for column in leaving for join in _joins(feed, column)),
    )


def _values(feed: Feed, column: Column, first: int) -> Iterator[tuple[str, str]]:
    """The columns of the edition that a column becomes, each with its SQL."""
    name, held = str(outgoing_name(column)), f"held.{column.name}"
    match treatment(column):
        case "token":
            yield name, f"{column.name}_token.token"
        case "state":
            yield name, f"{column.name}_code.code"
        case "area":
            area = f"left({held}, 3)"
            well_formed = f"regexp_full_match({held}, '[0-9]{{5}}(-[0-9]{{4}})?')"
            yield name, f"CASE WHEN NOT {well_formed} OR {area} IN (FROM small_area) THEN '000' ELSE {area} END"
        case "year":
            yield name, _year(column.name, first)
        case "birth_year":
            # By all versions: where one says 90 or more, another's year would be as good as theirs.
            person = ", ".join(f"held.{key}" for key in feed.key)
            aged = f"coalesce(bool_or(year({held}) < {first}) OVER (PARTITION BY {person}), false)"
            yield name, f"CASE WHEN NOT {aged} THEN CAST(year({held}) AS INTEGER) END"
            yield AGED, aged
        case "kept":
            yield name, held


def _year(column: str, first: int) -> str:
    return f"CASE WHEN year(held.{column}) >= {first} THEN CAST(year(held.{column}) AS INTEGER) END"


def _joins(feed: Feed, column: Column) -> Iterator[str]:
    held = f"held.{column.name}"
    match treatment(column):
        case "token":
            alias = f"{column.name}_token"
            kind = kind_of_id(feed, column.name)
            yield f"LEFT JOIN temp.token AS {alias} ON {alias}.kind = '{kind}' AND {alias}.id = {held}"
        case "state":
            yield f"LEFT JOIN temp.state_code AS {column.name}_code ON {column.name}_code.word = lower({held})"


def _comments(feeds: Sequence[Feed]) -> Iterator[Comment]:
    """What readers are told of each table, view and column."""
    for feed in feeds:
        entity = f"one {feed.entity}, de-identified by 45 CFR 164.514(b)(2)"
        yield Comment("TABLE", feed.table, f"One row is one version of {entity}.")
        yield Comment("VIEW", feed.entity, f"One row is {entity}, as it is now.")
        columns = dict(_column_comments(feed))
        yield from (Comment("COLUMN", f"{table}.{name}", text)
                    for table in (feed.table, feed.entity) for name, text in columns.items())  # fmt: skip
        yield from (Comment("COLUMN", f"{feed.table}.{name}", text) for name, text in _OF_VERSIONS.items())
    yield Comment("TABLE", "edition", "One row: what this edition was made from.")
    yield Comment("COLUMN", "edition.year", "The year from which ages and years are counted back.")
    yield Comment("COLUMN", "edition.made_from", "A hash that changes when the edition is behind what is published.")


def _column_comments(feed: Feed) -> Iterator[tuple[str, str]]:
    for column in feed.columns:
        chosen, name = treatment(column), outgoing_name(column)
        if name:
            yield name, _TOLD[chosen].format(what=column.description)
            if chosen == "birth_year":
                yield AGED, "Whether a version says that they are 90 or more in the edition's year, or become so in it."


#: The class of those of 90 or more.
AGED = "aged_90_or_more"

_TOO_OLD = "NULL where it lies 90 years or more before the edition's"
_TOLD: dict[Treatment, str] = {
    "token": "{what} A random token, the same for the same record everywhere and in every edition.",
    "state": "Two-letter code of the state or territory; NULL where none was recognised.",
    "area": "First three digits of the zip code; 000 for areas of 20,000 people or fewer.",
    "year": "{what} The year; " + _TOO_OLD + ".",
    "birth_year": "Year of birth; NULL for all who are 90 or more.",
    "kept": "{what}",
}
_OF_VERSIONS = {
    "valid_from_year": f"Since which year the version is valid; {_TOO_OLD}.",
    "valid_to_year": f"Until which year the version is valid; NULL for the current one, and {_TOO_OLD}.",
    "is_current": "Whether the version is the record's last.",
    "version": "Which version of its record it is, counted from 1.",
}
