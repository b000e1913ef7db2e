"""docs/data-dictionary.md: what may be sent and what readers see, made from the contracts, the views and their comments.

`python -m claims_lakehouse_tests.data_dictionary` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import duckdb
import polars as pl

from claims_lakehouse.contracts import FEEDS, RULES, Column, Feed, Rule, rules
from claims_lakehouse.serving.views import create_views
from claims_lakehouse.warehouse.schema import create_schema
from claims_lakehouse_tests.builders import REPOSITORY
from claims_lakehouse_tests.rule_table import rule_table

PAGE = REPOSITORY / "docs" / "data-dictionary.md"

_INTRODUCTION = """\
# Data dictionary

What may be sent, and every table, view and macro of the published file. [queries.md](queries.md) shows how to ask them.
Any tool that shows DuckDB's comments shows the same words.

- **As sent** says of each column what text is accepted and which rules it may break. An *error* keeps the row out of the
  tables, a *warning* lets it in; what each rule says stands under [Rules](#rules). Where a column is *often empty*,
  nothing is said of an empty field.
- **Comes from** names the column as sent that a column holds, where format and rules stand. The others are the
  lakehouse's own.
- **Identifies** is what a column tells about a person (45 CFR 164.514(b)(2)); [deidentification.md](deidentification.md)
  says what becomes of it in the de-identified edition. The lakehouse's own columns have no declaration, even where they
  repeat what was sent (`value`, `suggestion`, `value_before`, `record_key`): treat those like the data itself.

This page is made from `claims_lakehouse/contracts` and `claims_lakehouse/serving` by
`python -m claims_lakehouse_tests.data_dictionary`; a test holds it in step.
"""

#: What a macro's column means where no table or view has it: DuckDB keeps comments of tables and views alone.
_OF_MACROS = {("billing_backlog", "age"): "For how many days the claims have been waiting."}


class Applied(NamedTuple):
    """A rule that a column, or a whole row where it is None, may break, and what makes it apply."""

    rule: Rule
    column: str | None
    because: str


class Shown(NamedTuple):
    """One column that readers see."""

    name: str
    type: str
    meaning: str


class Shelf(NamedTuple):
    """One table, view or macro; the name of a macro has its parameters."""

    kind: str
    name: str
    call: str
    told: str
    columns: tuple[Shown, ...]


def applied(feed: Feed) -> Iterator[Applied]:
    """Every rule that rows of a feed may break."""
    checks = feed.contract.to_schema().columns
    for column in feed.columns:
        name, form = column.name, column.form
        if may_be_missed(column):
            missing = rules.MISSING_VALUE if column.required else rules.MISSING_OPTIONAL
            yield Applied(missing, name, "required" if column.required else "may be left out")
        if form.rule:
            yield Applied(form.rule, name, f"format {form.name}")
        yield from (Applied(notice.rule, name, f"format {form.name}") for notice in form.notices)
        if name == feed.sequence:
            yield Applied(rules.SAME_SEQUENCE, name, "sequence")
        if form.dtype == pl.Date() and not form.lies_ahead:
            future = rules.SEQUENCE_IN_FUTURE if name == feed.sequence else rules.DATE_IN_FUTURE
            yield Applied(future, name, "sequence" if name == feed.sequence else "format date")
        for check in checks[name].checks:
            if check.name in feed.rules:
                yield Applied(feed.rules[check.name], name, f"the contract of {feed.name}")
        for reference in feed.references:
            if name == reference.column:
                yield Applied(reference.unknown, name, f"reference to {reference.feed.name}")
        for codes in feed.released_codes:
            if name == codes.column:
                broken = (codes.unknown, codes.not_billable, codes.unverified)
                yield from (Applied(rule, name, f"releases as of {codes.as_of}") for rule in broken)
        for landed in feed.landed_codes:
            if name == landed.column:
                yield Applied(landed.unknown, name, f"{landed.sets.name} as of {landed.as_of}")
        if feed.swappable and name == feed.swappable[0]:
            yield Applied(rules.SWAPPED_IDS, name, f"ids that senders of {feed.name} swap")
    yield Applied(rules.MALFORMED_ROW, None, "every file")
    yield Applied(rules.UNEXPECTED_COLUMN, None, "every file")
    yield Applied(rules.DUPLICATE_ROW, None, "every delivery")
    yield Applied(rules.CONFLICTING_ROW, None, "every delivery")
    if feed.transaction:
        yield Applied(rules.REJECTED_TRANSACTION, None, "every X12 file")
        yield Applied(rules.UNSUPPORTED_TRANSACTION, None, "every X12 file")
        yield Applied(rules.TEST_INTERCHANGE, None, "every X12 file")
    for mapping in feed.mappings:
        if mapping.only:
            yield Applied(rules.OTHER_RECORD, None, f"the layout {mapping.name}")
    if feed.duplicates:
        yield Applied(feed.duplicates.exact, None, "duplicates")
        yield Applied(feed.duplicates.near, None, "duplicates")
    if feed.sequence is None:
        yield Applied(rules.SAME_SEQUENCE, None, "sequence")


def may_be_missed(column: Column) -> bool:
    """Whether anything is said of an empty field: not where it is often empty, or where nothing is a value too."""
    nothing = pl.select(column.form.parse(pl.lit(None, pl.String))).item()
    return nothing is None and not column.often_empty


def shelves(feeds: Sequence[Feed] = FEEDS) -> list[Shelf]:
    """Every table, view and macro that readers see, in the order of their names."""
    with duckdb.connect() as con:
        create_schema(con)
        create_views(con, feeds)
        tables = [Shelf(*row, columns=_columns(con, row[1])) for row in con.execute(_TABLES).fetchall()]
        macros = [
            Shelf(
                "macro", name, f"{name}({', '.join(parameters)})", told, _macro_columns(con, name, parameters, tables)
            )
            for name, parameters, told in con.execute(_MACROS).fetchall()
        ]
    return sorted([*tables, *macros], key=lambda shelf: shelf.name)


_TABLES = """
SELECT 'table', table_name, table_name, comment FROM duckdb_tables() WHERE schema_name = 'main'
UNION ALL SELECT 'view', view_name, view_name, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal
"""

_MACROS = """
SELECT function_name, parameters, comment FROM duckdb_functions()
WHERE schema_name = 'main' AND NOT internal AND function_type = 'table_macro'
"""


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> tuple[Shown, ...]:
    found = con.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND table_name = $table ORDER BY column_index",
        {"table": table},
    )
    return tuple(Shown(*row) for row in found.fetchall())


def _macro_columns(
    con: duckdb.DuckDBPyConnection, name: str, parameters: Sequence[str], tables: Sequence[Shelf]
) -> tuple[Shown, ...]:
    described = con.execute(f"DESCRIBE FROM {name}({', '.join('NULL' for _ in parameters)})").fetchall()
    unsaid = [Shown(column, kind, "") for column, kind, *_ in described]
    like = {column.name: column.meaning for column in nearest(unsaid, tables).columns}
    return tuple(c._replace(meaning=_OF_MACROS.get((name, c.name)) or like[c.name]) for c in unsaid)


def nearest(columns: Sequence[Shown], tables: Sequence[Shelf]) -> Shelf:
    """The table or view that has most of some columns, and of such the one that has least beside them."""
    wanted = {(column.name, column.type) for column in columns}
    return max(tables, key=lambda t: (len(wanted & {(c.name, c.type) for c in t.columns}), -len(t.columns)))


def origin(shown: Shown, feeds: Sequence[Feed]) -> tuple[Feed, Column] | None:
    """The column as sent that a column holds, by its name and its comment; feeds that come first are looked at first."""
    for feed in feeds:
        for column in feed.columns:
            prefixed = (f"{feed.entity}_{column.name}", f"{feed.entity.capitalize()}: {column.description}")
            if (shown.name, shown.meaning) in ((column.name, column.description), prefixed):
                return feed, column
    return None


def data_dictionary() -> str:
    """The page."""
    found = shelves()
    sections = [_INTRODUCTION]
    of_feeds = {shelf.name: feed for shelf in found for feed in FEEDS if _is_of(shelf.name, feed)}
    for feed in FEEDS:
        sections += [f"## {feed.name.capitalize().replace('_', ' ')}\n", *_as_sent(feed)]
        sections += [_section(shelf, found, feed) for shelf in found if of_feeds.get(shelf.name) is feed]
    rest = [shelf for shelf in found if shelf.name not in of_feeds]
    answers = [shelf for shelf in rest if shelf.kind == "macro" or any(origin(c, FEEDS) for c in shelf.columns)]
    sections += ["## Answers\n", *(_section(shelf, found) for shelf in answers)]
    sections += ["## Deliveries and findings\n", *(_section(shelf, found) for shelf in rest if shelf not in answers)]
    return "\n".join([*sections, "## Rules\n", *_rules()]) + "\n"


def _is_of(name: str, feed: Feed) -> bool:
    return any(f"{name}_".startswith(f"{own}_") for own in (feed.entity, feed.table, feed.restated_table))


def _as_sent(feed: Feed) -> Iterator[str]:
    yield f"### `{feed.name}` as sent\n"
    yield " ".join((feed.contract.__doc__ or "").split())
    key = ", ".join(f"`{name}`" for name in feed.key)
    sequence = f"`{feed.sequence}`" if feed.sequence else "when the delivery was received"
    module = feed.contract.__module__.replace(".", "/")
    yield f"A record is named by {key}; its versions are ordered by {sequence}."
    yield f"Declared in [{module}.py](../{module}.py).\n"
    breakable = list(applied(feed))
    yield from _table(
        ("column", "type", "meaning", "required", "accepted", "rules", "identifies"),
        (
            (
                f"`{c.name}`",
                c.form.sql_type,
                c.description,
                _required(c),
                c.form.accepts,
                _rule_names(found for found in breakable if found.column == c.name),
                c.identifies,
            )
            for c in feed.columns
        ),
    )
    yield f"Whole rows and files: {_rule_names(found for found in breakable if found.column is None)}.\n"


def _required(column: Column) -> str:
    return "yes" if column.required else "often empty" if column.often_empty else "no"


def _rule_names(found: Iterator[Applied]) -> str:
    return ", ".join(f"`{one.rule.name}` ({one.rule.severity})" for one in found)


def _section(shelf: Shelf, found: Sequence[Shelf], feed: Feed | None = None) -> str:
    lines = [f"### `{shelf.call}`\n", f"*{shelf.kind.capitalize()}.* {_prose(shelf.told)}\n"]
    tables = [one for one in found if one.kind != "macro"]
    like = nearest(shelf.columns, tables)
    if shelf.kind == "macro" and set(shelf.columns) <= set(like.columns):
        named = f"[`{like.name}`](#{like.name})"
        names = ", ".join(f"`{column.name}`" for column in shelf.columns)
        all_of_them = len(shelf.columns) == len(like.columns)
        lines.append(
            f"Its columns are those of {named}.\n" if all_of_them else f"Its columns, as in {named}: {names}.\n"
        )
        return "\n".join(lines)
    order = [*([feed] if feed else []), *FEEDS]
    return "\n".join([*lines, *_table(
        ("column", "type", "meaning", "comes from", "identifies"),
        ((f"`{c.name}`", c.type, _prose(c.meaning), *_told_of(origin(c, order))) for c in shelf.columns),
    )])  # fmt: skip


def _prose(text: str) -> str:
    """A comment with the names in it set as code."""
    return re.sub(r"\*?\w*_\w+(\([\w, ]*\))?", r"`\g<0>`", text)


def _told_of(source: tuple[Feed, Column] | None) -> tuple[str, str]:
    return (f"`{source[0].name}.{source[1].name}`", source[1].identifies) if source else ("", "")


def _rules() -> Iterator[str]:
    """The README's table of rules, with what makes each of them apply."""
    module = rules.__name__.replace(".", "/")
    yield f"Declared in [{module}.py](../{module}.py). *Live* rules depend on other deliveries and are kept true as those"
    yield "come, go and change; the others are judged once, when the row is verified.\n"
    header, below, *lines = rule_table().splitlines()
    yield f"{header} comes from |"
    yield f"{below}---|"
    breakable = [one for feed in FEEDS for one in applied(feed)]
    for rule, line in zip(RULES, lines, strict=True):
        because = dict.fromkeys(one.because for one in breakable if one.rule == rule)
        yield f"{line} {', '.join(because)} |"


def _table(header: Sequence[str], rows: Iterator[Any]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row) + " |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(data_dictionary(), encoding="utf-8")
