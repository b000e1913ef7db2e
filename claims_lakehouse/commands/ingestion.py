"""What the command does when it works: process what is due, carry out decisions, show what became of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from claims_lakehouse.commands.report import COUNTS, cell, out, plain, print_rows, progress, short
from claims_lakehouse.errors import ClaimsLakehouseError
from claims_lakehouse.files import make_folder, sweep
from claims_lakehouse.settings import Settings, catch_up_from, small_areas

if TYPE_CHECKING:
    from claims_lakehouse.contracts import Feed
    from claims_lakehouse.history.plan import Pending
    from claims_lakehouse.history.rebuild import Source
    from claims_lakehouse.orchestration.run import Runner
    from claims_lakehouse.serving.connect import Connection

#: Deliveries that one catch-up run takes, so that progress shows.
_CHUNK = 100
#: Deliveries that are shown one by one after they were processed.
_SHOWN = 50


class _Processed(NamedTuple):
    """What failed of deliveries, each told by its name; and whether payments were not made, or not all of them."""

    failed: list[str]
    is_unpaid: bool


def ingest_due(settings: Settings, *, decided_only: bool = False) -> bool:
    """Process what is due and show what became of it; False where a delivery failed, or payments were not made.

    `decided_only` leaves files alone that have landed since: only what people decided is carried out.
    """
    from claims_lakehouse.adjudication.stage import is_behind as are_decisions_behind
    from claims_lakehouse.history.stage import look
    from claims_lakehouse.payments.stage import is_behind as are_payments_behind
    from claims_lakehouse.serving.deidentify import is_behind as is_edition_behind
    from claims_lakehouse.serving.deidentify import read_areas
    from claims_lakehouse.serving.publish import is_published

    sweep(settings.home)
    if decided_only:
        settings = settings.without_landing()
        make_folder(settings.landing)
    outlook = look(settings)
    failed, is_paid = [str(file) for file in outlook.unplaceable], True
    areas = read_areas(small_areas())
    is_behind = not is_published(settings, outlook.changes) or is_edition_behind(settings, areas=areas)
    is_behind = is_behind or are_decisions_behind(settings, outlook.changes)
    is_behind = is_behind or are_payments_behind(settings, outlook.changes)
    if outlook.due or is_behind:
        processed = _process(settings, outlook.due)
        failed, is_paid = failed + processed.failed, not processed.is_unpaid
    count = f"{outlook.standing:,} deliveries stand" if outlook.standing != 1 else "1 delivery stands"
    standing = f"{count} as {'they are' if outlook.standing != 1 else 'it is'}."
    if not outlook.due and is_behind:
        progress.print(f"Published what was not published yet. {standing}")
    elif not outlook.due and outlook.standing:
        progress.print(f"Nothing to do: {standing}")
    elif not outlook.due:
        progress.print(f"Nothing to do: no deliveries in {short(settings.landing)}.")
    elif outlook.standing:
        progress.print(standing)
    for told in failed:
        progress.print(f"[red]failed:[/] {plain(told)}", soft_wrap=True)
    return is_paid and not failed


def _process(settings: Settings, due: list[Pending]) -> _Processed:
    """Run what is due, publish, and show the ledger and why payments were not made; what failed of it."""
    failed = []
    with progress.status("Starting …") as spinner:
        size = 1 if len(due) < catch_up_from() else _CHUNK
        with _runner(settings) as run:
            for start in range(0, len(due), size):
                some = due[start : start + size]
                names = f"{some[0].feed} {some[0].delivery}" + (f" and {len(some) - 1} more" if size > 1 else "")
                spinner.update(f"{start + 1} of {len(due)}: {plain(names)} …")
                outcomes = [run.deliver(some[0])] if size == 1 else run.catch_up(some)
                for one, outcome in zip(some, outcomes, strict=True):
                    name = f"{one.feed} {one.delivery}"
                    if outcome.error:
                        failed.append(f"{name}: {outcome.error}")
                    mark = (
                        "[red]failed[/]" if outcome.error else "[yellow]held[/]" if outcome.held else "[green]done[/]"
                    )
                    told = f": {outcome.held}" if outcome.held else ""
                    progress.print(f"{mark} {plain(name)} ({one.reason}){plain(told)}", soft_wrap=True)
            spinner.update("Deciding claims and publishing …")
            error = run.publish()
            unpaid = run.unpaid
    if error:
        raise ClaimsLakehouseError(f"Publication did not come to its end: {error}")
    if due:
        _show_ledger(settings, [(one.feed, one.delivery) for one in due])
    for why in unpaid:
        progress.print(f"[red]not paid:[/] {plain(why)}", soft_wrap=True)
    return _Processed(failed, bool(unpaid))


@contextmanager
def _runner(settings: Settings) -> Iterator[Runner]:
    """A runner, and no search for garbage in what its start makes: all of that stays, and there is much of it."""
    gc.disable()
    try:
        from claims_lakehouse.orchestration.run import runner

        with runner(settings) as run:
            gc.freeze()
            gc.enable()
            yield run
    finally:
        gc.enable()
        gc.unfreeze()


def carry_out(settings: Settings, feed: Feed, delivery: str, decide: Callable[[], Any]) -> None:
    """Have a decision written down and felt, and show how the delivery stands."""
    from claims_lakehouse.history.plan import Pending

    decide()
    failed = _process(settings, [Pending(feed.name, delivery, "decided")]).failed
    if failed:
        raise ClaimsLakehouseError("; ".join(failed))


def correct_row(settings: Settings, feed: Feed, delivery: str, row: int, texts: dict[str, str], because: str) -> None:
    """Lay a correction over one row, and tell what is still wrong with it."""
    from claims_lakehouse.history import acts
    from claims_lakehouse.serving.connect import ask

    made: list[str] = []
    who = user()
    carry_out(
        settings,
        feed,
        delivery,
        lambda: made.append(acts.correct(settings, feed, delivery, {row: texts}, because=because, who=who)),
    )
    progress.print(f"Correction {made[0]} of {feed.name} {delivery}, row {row}: {', '.join(texts)}.")
    with reader(settings) as con:
        left = ask(
            con,
            "SELECT rule, column_name, message, severity FROM issue WHERE feed = $feed AND delivery = $delivery"
            " AND row_number = $row AND status = 'open' ORDER BY severity, rule",
            {"feed": feed.name, "delivery": delivery, "row": row},
        )
    if left.rows:
        print_rows(left, as_json=False, title="Still to be said of that row")
    else:
        progress.print("Nothing is wrong with that row now.")


def rebuild_warehouse(settings: Settings, source: Source, *, swap: bool) -> bool:
    """Make the warehouse anew and show how it differs from the old one; False where it does, or nobody can tell."""
    from rich.progress import Progress

    from claims_lakehouse.history.rebuild import rebuild
    from claims_lakehouse.serving.connect import Answer

    with Progress(console=progress, transient=True) as bar:
        task = bar.add_task(f"Making the warehouse anew from {source}", total=None)
        rebuilt = rebuild(
            settings, source, swap=swap, progress=lambda done, of: bar.update(task, completed=done, total=of)
        )
    count = f"{rebuilt.deliveries:,} deliver{'ies' if rebuilt.deliveries != 1 else 'y'}"
    if rebuilt.differences is None:
        progress.print(f"Made anew from {count}; the old warehouse is not there or cannot be read: nothing to compare.")
    elif not rebuilt.differences:
        progress.print(f"Made anew from {count}: the same tables, row for row.")
    else:
        progress.print(f"Made anew from {count}: the tables differ from what stood before.")
        rows = [(table, *difference) for table, difference in rebuilt.differences.items()]
        print_rows(Answer(["table", "rows only before", "rows only now"], rows), as_json=False, title="Differences")
    if swap:
        _process(settings, [])
        progress.print("The new warehouse has taken the old one's place, and is published.")
    return rebuilt.differences == {}


def purge_delivery(settings: Settings, feed: Feed, delivery: str, because: str) -> None:
    """Erase a delivery, publish, and show what stays of it."""
    from claims_lakehouse.history.purge import purge

    with progress.status(f"Purging {feed.name} {delivery} …"):
        tombstone = purge(settings, feed, delivery, because=because, who=user())
    _process(settings, [])
    rows = tombstone.counts["landed"] if tombstone.counts else "unknown"
    progress.print(
        f"Purged {feed.name} {delivery} (rows landed: {rows}). Its tombstone is in `claims status` and delivery_log."
    )


def user() -> str:
    """Who runs the command, as the acts have it on record."""
    import getpass

    return getpass.getuser()


def _show_ledger(settings: Settings, names: list[tuple[str, str]]) -> None:
    """Show each delivery's row; of very many, those that were not applied first, and the sums of all."""
    from rich.table import Table

    with reader(settings) as con:
        known = con.execute(f"SELECT feed, delivery, {', '.join(COUNTS)}, status FROM delivery").fetchall()
    by_name = {(row[0], row[1]): row for row in known}
    rows = [by_name[name] for name in names if name in by_name]
    table = Table(title="What became of the deliveries", title_justify="left", show_footer=len(rows) > _SHOWN)
    sums = [cell(sum(row[place] or 0 for row in rows)) for place in range(2, 2 + len(COUNTS))]
    footers = (f"all {len(rows):,}", "", *sums, "")
    for heading, footer in zip(("feed", "delivery", *COUNTS.values(), "status"), footers, strict=True):
        justify: Literal["right", "left"] = "right" if heading in COUNTS.values() else "left"
        table.add_column(heading, footer, justify=justify, overflow="fold")
    if len(rows) > _SHOWN:
        rows.sort(key=lambda row: row[-1] == "applied")
    for row in rows[:_SHOWN]:
        table.add_row(*(cell(value) for value in row))
    out().print(table)
    if len(rows) > _SHOWN:
        progress.print(f"Shown: {_SHOWN} of {len(rows):,}. All of them: claims status")


def show_issue_summary(settings: Settings) -> None:
    """Print how many issues there are of each rule."""
    from claims_lakehouse.serving.connect import ask

    with reader(settings) as con:
        rows = ask(
            con,
            "SELECT feed, rule, severity, status, count(*) AS issues FROM issue"
            " GROUP BY ALL ORDER BY feed, severity, rule, status",
        )
        print_rows(rows, as_json=False, title="What verification found")


def reader(settings: Settings) -> Connection:
    """A connection to the published file that can reach no other."""
    from claims_lakehouse.serving.connect import connect

    return connect(settings.home, confined=True)


def renew_publication(settings: Settings) -> None:
    """Publish, so that readers see what was decided about issues and claims; what was not paid is told."""
    _process(settings, [])


def settle_decisions(settings: Settings, days: list[date] | None = None, *, again: bool = False) -> None:
    """Decide the claims that are due, of all received days or of some, or these once more, whole; then publish."""
    with progress.status("Deciding claims …"), _runner(settings) as run:
        error = run.adjudicate(days, again=again) or run.publish()
    if error:
        raise ClaimsLakehouseError(f"Decisions did not come to their end: {error}")
    for why in run.unpaid:
        progress.print(f"[red]not paid:[/] {plain(why)}", soft_wrap=True)


def process_decided(settings: Settings, names: Iterable[tuple[str, str]]) -> None:
    """Have decisions that were written down felt: bring their deliveries (feed, key) up to date, publish, show them.

    ClaimsLakehouseError where one failed; the others went on.
    """
    from claims_lakehouse.history.plan import Pending

    failed = _process(settings, [Pending(feed, delivery, "decided") for feed, delivery in names]).failed
    if failed:
        raise ClaimsLakehouseError("; ".join(failed))
