"""What an act on a delivery would change in the two tables, told before anybody does it; nothing is written to either.

As when it is applied, only the rows of the delivery's records are read: what the delivery says now is taken out, what
it would say is put in, and the same statement makes their history. What the act itself means, and whether it is
possible, is told by the act: it is done to a copy of the journal.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import DeliveryError, UnreadableFile
from claims_lakehouse.files import make_folder
from claims_lakehouse.history import acts
from claims_lakehouse.history.finding_sql import key_text
from claims_lakehouse.history.intervals import intervals_sql
from claims_lakehouse.landing.discovery import check_delivery_key
from claims_lakehouse.landing.journal import DeliveryState, Journal, Status
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import read_verification
from claims_lakehouse.warehouse.literals import literal, moment

Act = Literal["release", "retract", "reinstate"]

#: How many records a preview names.
EXAMPLES = 10
_ACTS: dict[Act, Callable[..., None]] = {
    "release": acts.release,
    "retract": acts.retract,
    "reinstate": acts.reinstate,
}
_PREVIEW = files(__package__).joinpath("sql", "preview.sql").read_text(encoding="utf-8")


class Example(NamedTuple):
    """A record that would change, and how many versions it has and would have.

    The key (several columns are joined with `|`) is a patient's data: who shows it masks it.
    """

    record_key: str
    versions_before: int
    versions_after: int


class Preview(NamedTuple):
    """What an act would change.

    A row is what stands under one number of one delivery and speaks of one record. Where other content puts another
    record there, the one row leaves and the other comes.

    Attributes:
        status: How the delivery would stand.
        rows_added: Accepted rows that would come into the tables.
        rows_removed: Accepted rows that would leave them.
        rows_changed: Accepted rows that would stay and say something else: those of content that is replaced.
        versions_added: Rows that would make a version and make none now; of a row that stays, a restatement no more.
        versions_removed: Rows that make a version now and would make none.
        versions_changed: Versions that would stay, with another `valid_to` or number, or saying something else.
        restatements_added: Rows that would say again what the version before says, and do not now.
        restatements_removed: Rows that do now, and would not.
        records_changed: Records that are known before and after, and of which any row changes.
        records_new: Records that nobody speaks of now.
        records_gone: Records that nobody would speak of.
        examples: The first of these records, those that are known before and after first.
    """

    status: Status
    rows_added: int
    rows_removed: int
    rows_changed: int
    versions_added: int
    versions_removed: int
    versions_changed: int
    restatements_added: int
    restatements_removed: int
    records_changed: int
    records_new: int
    records_gone: int
    examples: tuple[Example, ...]


def preview(con: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed, delivery: str, act: Act) -> Preview:
    """What the tables would become by an act, compared with what `con` sees of them.

    Nothing is made in `con`, so that several previews may run at once, each on a cursor of its own.

    Args:
        con: Sees the published tables under their own names, and may read files: a cursor of `connect()` needs its
            own `USE claims`, and a confined connection cannot show what is to come.
        settings: Where the lakehouse is.
        feed: The delivery's feed.
        delivery: The delivery's key.
        act: What somebody is about to do.

    Raises:
        UsageError: The act is not possible; the act itself would say the same.
        DeliveryError: What the delivery would say was not verified yet, or with other corrections than are in effect.
    """
    state = _state_after(settings, feed, delivery, act)
    validated = _validated(settings, feed, delivery, state)
    try:
        [(*numbers, examples)] = con.execute(_sql(feed, delivery, state, validated)).fetchall()
    except duckdb.Error:
        if validated is None or _is_whole(validated):
            raise
        raise _unverified(feed, delivery) from None
    named = tuple(Example(key, int(before), int(after)) for key, before, after in examples or ())
    return Preview._make([state.status, *numbers, named])


def _state_after(settings: Settings, feed: Feed, delivery: str, act: Act) -> DeliveryState:
    """What the delivery's journal would amount to after the act."""
    journal = Journal(settings, feed.name, check_delivery_key(delivery))
    with TemporaryDirectory(prefix="claims-preview-") as folder:
        elsewhere = Settings(settings.landing, Path(folder))
        copy = Journal(elsewhere, feed.name, delivery)
        if journal.path.exists():
            make_folder(copy.path.parent)
            shutil.copyfile(journal.path, copy.path)
        _ACTS[act](elsewhere, feed, delivery, because="to see what it changes", who="nobody")
        state = copy.state()
    assert state is not None
    return state


def _validated(settings: Settings, feed: Feed, delivery: str, state: DeliveryState) -> Path | None:
    """The verified rows of the content that would be in the tables; None where none would be."""
    fingerprint = state.standing
    if fingerprint is None or fingerprint in state.retracted:
        return None
    validated = settings.validated(feed.name, delivery, fingerprint)
    try:
        done = read_verification(validated, settings.issues(feed.name, delivery, fingerprint), feed)
    except UnreadableFile:
        raise _unverified(feed, delivery) from None
    if done.corrections != state.laid_over(fingerprint):
        raise _unverified(feed, delivery)
    return validated


def _is_whole(validated: Path) -> bool:
    """Whether the verified rows are still there and every page of them can be read."""
    try:
        for _ in pq.ParquetFile(validated).iter_batches():
            pass
    except (OSError, pa.ArrowException):
        return False
    return True


def _unverified(feed: Feed, delivery: str) -> DeliveryError:
    return DeliveryError(
        f"{feed.name}, delivery {delivery}: found no rows that were verified with the corrections in effect; "
        "a preview cannot be made before the delivery is verified again."
    )


def _sql(feed: Feed, delivery: str, state: DeliveryState, validated: Path | None) -> str:
    said = [*feed.key, *feed.content]
    received_at, this = moment(state.received_at), literal(delivery)
    incoming = f"SELECT {', '.join(said)}, valid_from AS sequence, {received_at} AS received_at, delivery, row_number"
    incoming += f" FROM {feed.table} WHERE false"
    if validated is not None:
        incoming = (
            f"SELECT {', '.join(said)}, {feed.sequence or received_at} AS sequence, {received_at} AS received_at,"
            f" {this} AS delivery, row_number FROM read_parquet({literal(validated)})"
        )
    return _PREVIEW.format(
        incoming=incoming,
        key=", ".join(feed.key),
        key_text=key_text(feed),
        said=", ".join(said),
        table=feed.table,
        restated_table=feed.restated_table,
        feed=literal(feed.name),
        delivery=this,
        intervals=intervals_sql(feed, [*said, "sequence", "delivery", "row_number"]),
        differs=" OR ".join(f"was.{name} IS DISTINCT FROM now.{name}" for name in ("sequence", *feed.content)),
        examples=EXAMPLES,
    )
