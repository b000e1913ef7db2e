"""What the published tables say: the ledger, where a value came from, any question in SQL, and tables for others.

What needs an import of its own imports it when called: a list is there at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claims_lakehouse.commands.ingestion import reader
from claims_lakehouse.commands.options import FeedArgument, HomeOption, JsonOption, LandingOption, one_of
from claims_lakehouse.commands.report import COUNTS, print_rows, progress, short
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings, small_areas

if TYPE_CHECKING:
    from claims_lakehouse.serving.connect import Answer

#: Columns of the ledger that are for machines.
_HIDDEN = ("fingerprint", "run_id", "loaded_at")
#: What may stand below its row where a terminal is too narrow for all.
_BESIDES = ("received_at", "feeds", *COUNTS.values(), "error")


def status(
    by_iteration: Annotated[
        bool, typer.Option("--by-iteration", help="One row an iteration, all feeds together.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show the ledger: what became of every delivery."""
    from claims_lakehouse.serving.connect import ask

    with reader(Settings.from_environment(home=home)) as con:
        table = "iteration" if by_iteration else "delivery"
        rows = ask(con, f"SELECT * FROM {table} ORDER BY received_at, {table}" + ("" if by_iteration else ", feed"))
        title = "Iterations" if by_iteration else "Deliveries"
        if by_iteration and not as_json and sys.stdout.isatty():
            rows = _feeds_together(rows)
        print_rows(rows, as_json=as_json, title=title, hide=_HIDDEN, names=COUNTS, below=_BESIDES)


def _feeds_together(iterations: Answer) -> Answer:
    """Iterations with one column for all feeds, which has their statuses: each counted, all but the applied named."""
    from claims_lakehouse.serving.connect import Answer

    columns, rows = iterations
    first, end = columns.index("received_at") + 1, columns.index("rows_landed")
    told = []
    for row in rows:
        feeds: dict[str, list[str]] = {}
        for name, status in zip(columns[first:end], row[first:end], strict=True):
            if status is not None:
                feeds.setdefault(status, []).append(name)
        text = "; ".join(
            f"{len(names)} {status}" + ("" if status == "applied" else f" ({', '.join(names)})")
            for status, names in feeds.items()
        )
        told.append((*row[:first], text, *row[end:]))
    return Answer([*columns[:first], "feeds", *columns[end:]], told)


def trace(
    feed: FeedArgument,
    key: Annotated[
        str | None,
        typer.Argument(
            help="The record's key, as in the tables: 1000U; one of several columns is written with | between them, in "
            "quotes: 'MC100026|1'."
        ),
    ] = None,
    delivery: Annotated[str | None, typer.Option(help="With --row: a delivery's key, in place of a record's.")] = None,
    row: Annotated[int | None, typer.Option(min=1, help="With --delivery: which of its rows.")] = None,
    as_json: JsonOption = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Show where a record's versions came from, or what became of a landed row.

    Each version with what it changed, its delivery, file and line, and the run that applied it; then every other row
    about the record: what said the same again, what was quarantined, and why. The values shown are patients' data.
    """
    from claims_lakehouse.commands.trace_report import print_row, print_trace
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.serving.trace import trace as trace_record
    from claims_lakehouse.serving.trace import trace_row

    known, settings = feed_named(feed), Settings.from_environment(landing, home)
    with reader(settings) as con:
        if key is not None and delivery is None and row is None:
            print_trace(trace_record(con, settings, known, key), as_json=as_json)
        elif key is None and delivery is not None and row is not None:
            print_row(trace_row(con, settings, known, delivery, row), as_json=as_json)
        else:
            raise UsageError("Name a record, or a row: claims trace FEED KEY, or FEED --delivery D --row N.")


def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement over the published tables.")],
    limit: Annotated[int, typer.Option(min=0, help="At most this many rows in a table; 0 for all.")] = 200,
    form: Annotated[
        str, typer.Option("--format", help="table, csv, json or parquet; all but table give every row.")
    ] = "table",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Ask the published tables. Read-only: SQL cannot write, nor reach any other file.

    Parquet goes to standard output too: claims query --format parquet "FROM claim" > claims.parquet
    """
    from claims_lakehouse.serving.connect import ask

    one_of("format", form, ["table", "csv", "json", "parquet"])
    as_json = as_json or form == "json"
    with reader(Settings.from_environment(home=home)) as con:
        if form in ("csv", "parquet"):
            from claims_lakehouse.serving.export import write_answer

            if form == "parquet" and sys.stdout.isatty():
                raise UsageError("Parquet is nothing to look at: send it into a file, > answer.parquet")
            write_answer(con, sql, "csv" if form == "csv" else "parquet", sys.stdout.buffer)
        else:
            print_rows(ask(con, sql, limit=0 if as_json else limit), as_json=as_json, limit=limit, grouped=False,
                       as_asked=True)  # fmt: skip


def export(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; each table becomes a folder.")],
    table: Annotated[
        list[str] | None, typer.Option("--table", help=r"Only this table or view; may be given again. \[default: all]")
    ] = None,
    partition_by: Annotated[
        list[str] | None,
        typer.Option("--partition-by", help="Lay files out as column=value folders; may be given again."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write published tables and views as Parquet, for Spark, Polars and others. The values are patients' data."""
    from claims_lakehouse.serving.connect import connect
    from claims_lakehouse.serving.export import export as export_tables
    from claims_lakehouse.serving.export import tables

    with connect(Settings.from_environment(home=home).home) as con:
        done = export_tables(
            con,
            target,
            table or tables(con),
            partition_by or (),
            lambda one: progress.print(f"{one.table}: {one.rows:,} rows"),
        )
    progress.print(f"Wrote {len(done)} table{'s' * (len(done) != 1)} to {short(target.absolute())}.")


def deidentify(home: HomeOption = None) -> None:
    """Make the de-identified edition, or make it anew: HIPAA's Safe Harbor method, 45 CFR 164.514(b)(2).

    Once there is one, every publication renews it. Record ids leave as random tokens; the crosswalk that knows them,
    crosswalk.parquet, stays with the warehouse and belongs in every backup.
    """
    from claims_lakehouse.serving.deidentify import deidentify as make_edition
    from claims_lakehouse.serving.deidentify import read_areas

    with progress.status("Making the de-identified edition …"):
        edition = make_edition(Settings.from_environment(home=home), areas=read_areas(small_areas()))
    for table, rows in edition.rows.items():
        progress.print(f"{table}: {rows:,} rows")
    progress.print(f"De-identified edition of {edition.year}: {short(edition.path)}", soft_wrap=True)
