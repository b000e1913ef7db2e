"""A preview tells what an act will change before anybody does it, and changes nothing itself."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, get_args

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claims_lakehouse.contracts import CLAIMS, PATIENTS, PROVIDERS, Feed, feed_named
from claims_lakehouse.errors import DeliveryError, UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.preview import EXAMPLES, Act, Example, Preview, preview
from claims_lakehouse.history.stage import bring_all_up_to_date, take_up, verify
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.serving.connect import connect
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.warehouse.connection import writers_turn
from claims_lakehouse_tests.builders import BILLING, Lakehouse, claim, patient, provider
from claims_lakehouse_tests.oracle.generate import deliveries

KEY = "2024-02-01"
ACTS: tuple[Act, ...] = get_args(Act)
#: So many rows that cannot be read hold any small delivery.
TRASH = b"\n" + b"asdfasdf\n" * 60


def seen(lakehouse: Lakehouse, act: Act, feed: Feed = PATIENTS, delivery: str = KEY) -> Preview:
    with connect(lakehouse.settings.home) as con:
        return preview(con.duckdb, lakehouse.settings, feed, delivery, act)


def do(lakehouse: Lakehouse, act: Act, feed: Feed = PATIENTS, delivery: str = KEY) -> None:
    acting: Callable[..., None] = getattr(acts, act)
    acting(lakehouse.settings, feed, delivery, because="as previewed", who="a steward")
    lakehouse.ingest()


def land(lakehouse: Lakehouse, feed: Feed = PATIENTS, **sent: list[dict[str, str]]) -> None:
    """Rows by delivery, which are taken up in that order; a keyword cannot begin with a day's digits."""
    for delivery, rows in sent.items():
        lakehouse.land(feed.name, delivery.removeprefix("d").replace("_", "-"), rows)
        lakehouse.ingest()


class Row(NamedTuple):
    """Where an accepted row stands, and what it says."""

    version: int | None
    valid_to: Any
    is_current: bool
    said: tuple[Any, ...]


#: Record, delivery, row number.
Place = tuple[tuple[Any, ...], str, int]


def accepted_rows(lakehouse: Lakehouse, feed: Feed) -> dict[Place, Row]:
    """Every row of the two published tables."""
    key, content = ", ".join(feed.key), ", ".join(feed.content)
    found = lakehouse.rows(
        f"""
        SELECT row({key}), delivery, row_number, version, valid_to, is_current, row(valid_from, {content})
        FROM {feed.table}
        UNION ALL
        SELECT row({key}), delivery, row_number, NULL, NULL, false, row(sequence, {content}) FROM {feed.restated_table}
        """
    )
    rows = {(row[0], row[1], row[2]): Row(*row[3:]) for row in found}
    assert len(rows) == len(found)
    return rows


def difference(before: dict[Place, Row], after: dict[Place, Row], status: str) -> Preview:
    """What changed, counted row by row from the tables themselves."""
    was, now = ({place for place, row in rows.items() if row.version} for rows in (before, after))
    again_before, again_after = set(before) - was, set(after) - now
    stays = set(before) & set(after)
    changes = {place for place in stays if before[place].said != after[place].said}
    touched = {place[0] for place in set(before) ^ set(after) | {one for one in stays if before[one] != after[one]}}
    known_before, known_after = ({place[0] for place in rows} for rows in (before, after))
    examples = sorted(
        (
            Example(
                "|".join(str(each) for each in record),
                sum(place[0] == record for place in was),
                sum(place[0] == record for place in now),
            )
            for record in touched
        ),
        key=lambda one: (one.versions_before == 0 or one.versions_after == 0, one.record_key.encode()),
    )
    return Preview(
        status=status,  # type: ignore[arg-type]
        rows_added=len(set(after) - set(before)),
        rows_removed=len(set(before) - set(after)),
        rows_changed=len(changes),
        versions_added=len(now - was),
        versions_removed=len(was - now),
        versions_changed=sum(before[place] != after[place] for place in was & now),
        restatements_added=len(again_after - again_before),
        restatements_removed=len(again_before - again_after),
        records_changed=len(touched & known_before & known_after),
        records_new=len(touched - known_before),
        records_gone=len(touched - known_after),
        examples=tuple(examples[:EXAMPLES]),
    )


def done(lakehouse: Lakehouse, act: Act, feed: Feed = PATIENTS, delivery: str = KEY) -> Preview:
    """Do it, and tell what it did."""
    before = accepted_rows(lakehouse, feed)
    do(lakehouse, act, feed, delivery)
    [(status,)] = lakehouse.rows("SELECT status FROM delivery WHERE feed = $1 AND delivery = $2", feed.name, delivery)
    return difference(before, accepted_rows(lakehouse, feed), status)


NOTHING = Preview("applied", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ())


def test_to_retract_what_splits_an_interval_closes_it_again(lakehouse: Lakehouse) -> None:
    land(
        lakehouse,
        priming=[patient(last_modified_date="1-1-2023")],
        d2024_03_01=[patient(city="Later", last_modified_date="1-1-2024")],
        d2024_02_01=[patient(city="Between", last_modified_date="6-1-2023")],
    )
    told = seen(lakehouse, "retract")
    assert told == NOTHING._replace(
        status="retracted",
        rows_removed=1,
        versions_removed=1,
        versions_changed=2,  # the first is valid until the last begins, and the last is the second
        records_changed=1,
        examples=(Example("1000U", 3, 2),),
    )
    assert done(lakehouse, "retract") == told


def test_to_retract_what_a_later_row_only_says_again_makes_that_one_a_version(lakehouse: Lakehouse) -> None:
    land(
        lakehouse,
        d2024_02_01=[patient(city="Moved", last_modified_date="1-1-2024")],
        d2024_03_01=[patient(city="Moved", last_modified_date="2-1-2024")],
    )
    told = seen(lakehouse, "retract")
    assert told == NOTHING._replace(
        status="retracted",
        rows_removed=1,
        versions_added=1,
        versions_removed=1,
        restatements_removed=1,
        records_changed=1,
        examples=(Example("1000U", 1, 1),),
    )
    assert done(lakehouse, "retract") == told


def test_to_release_a_replacement_puts_its_rows_in_the_place_of_those_before(lakehouse: Lakehouse) -> None:
    bad = [patient(patient_id=f"B{number}", zipcode="?") for number in range(60)]
    land(lakehouse, d2024_02_01=[patient(patient_id=f"{number}U") for number in (1, 2, 3, 4)])
    land(
        lakehouse,
        d2024_02_01=[
            patient(patient_id="1U"),
            patient(patient_id="2U", city="Moved"),
            patient(patient_id="3U", last_modified_date="1-1-2024"),
            patient(patient_id="0U"),
            *bad,
        ],
    )
    told = seen(lakehouse, "release")
    assert told == NOTHING._replace(
        rows_added=1,
        rows_removed=1,
        rows_changed=2,
        versions_added=1,
        versions_removed=1,
        versions_changed=2,
        records_changed=2,
        records_new=1,
        records_gone=1,
        examples=(Example("2U", 1, 1), Example("3U", 1, 1), Example("0U", 0, 1), Example("4U", 1, 0)),
    )
    assert done(lakehouse, "release") == told


def test_to_retract_what_says_nothing_new_takes_restatements_out(lakehouse: Lakehouse) -> None:
    land(lakehouse, priming=[patient()], d2024_02_01=[patient(last_modified_date="1-1-2024")])
    told = seen(lakehouse, "retract")
    assert told == NOTHING._replace(
        status="retracted",
        rows_removed=1,
        restatements_removed=1,
        records_changed=1,
        examples=(Example("1000U", 1, 1),),
    )
    assert done(lakehouse, "retract") == told


def test_to_reinstate_is_to_undo_what_was_retracted(lakehouse: Lakehouse) -> None:
    land(
        lakehouse,
        priming=[patient(patient_id="1U")],
        d2024_02_01=[patient(patient_id="1U", city="Moved", last_modified_date="1-1-2024"), patient(patient_id="2U")],
    )
    out = done(lakehouse, "retract")
    told = seen(lakehouse, "reinstate")
    assert (told.rows_added, told.versions_added, told.records_new) == (2, 2, 1)
    assert (told.rows_added, told.versions_added, told.records_new) == (
        out.rows_removed,
        out.versions_removed,
        out.records_gone,
    )
    assert done(lakehouse, "reinstate") == told


def test_a_retracted_content_stays_out_however_it_is_released(lakehouse: Lakehouse) -> None:
    rows = [patient(patient_id=f"{number}U", zipcode="?" if number < 60 else "72201") for number in range(70)]
    land(lakehouse, d2024_02_01=rows)
    assert seen(lakehouse, "retract") == NOTHING._replace(status="held"), "nothing of it ever stood"
    do(lakehouse, "retract")
    assert seen(lakehouse, "release") == NOTHING._replace(status="retracted")
    assert seen(lakehouse, "reinstate") == NOTHING._replace(status="held")
    do(lakehouse, "reinstate")
    told = seen(lakehouse, "release")
    assert (told.status, told.rows_added, told.records_new, len(told.examples)) == ("applied", 10, 10, EXAMPLES)


def test_a_feed_without_a_sequence_is_ordered_by_when_it_was_received(lakehouse: Lakehouse) -> None:
    land(lakehouse, PROVIDERS, priming=[provider()], d2024_02_01=[provider(city="Moved")], d2024_03_01=[provider()])
    told = seen(lakehouse, "retract", PROVIDERS)
    assert (told.versions_removed, told.restatements_added, told.examples) == (2, 1, (Example("N3T100A", 3, 1),))
    assert done(lakehouse, "retract", PROVIDERS) == told


def test_what_was_corrected_since_cannot_be_previewed_before_it_is_verified_again(lakehouse: Lakehouse) -> None:
    land(lakehouse, d2024_02_01=[patient()])
    do(lakehouse, "retract")
    acts.correct(lakehouse.settings, PATIENTS, KEY, {1: {"city": "Moved"}}, because="wrong", who="a steward")
    with pytest.raises(DeliveryError, match="before the delivery is verified again"):
        seen(lakehouse, "reinstate")
    lakehouse.ingest()
    assert seen(lakehouse, "reinstate").rows_added == 1


@pytest.mark.parametrize("how", ["gone", "damaged", "cut short"])
def test_verified_rows_that_cannot_be_read_are_told_of(lakehouse: Lakehouse, how: str) -> None:
    land(lakehouse, d2024_02_01=[patient()])
    do(lakehouse, "retract")
    [path] = (lakehouse.settings.home / "validated" / "patients" / KEY).glob("*.parquet")
    whole = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(whole[:-50] if how == "cut short" else b"PAR1" + b"\0" * 60 + whole[64:])
    with pytest.raises(DeliveryError, match="before the delivery is verified again"):
        seen(lakehouse, "reinstate")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("delivery", ["applied", "retracted", "failed", "unknown", "../priming"])
def test_what_an_act_would_refuse_its_preview_refuses_in_the_same_words(
    lakehouse: Lakehouse, act: Act, delivery: str
) -> None:
    lakehouse.land("patients", "applied", [patient()])
    lakehouse.land("patients", "retracted", [patient()])
    lakehouse.land("patients", "failed", "no header of ours\n")
    lakehouse.ingest()
    do(lakehouse, "retract", delivery="retracted")
    if (act, delivery) in {("retract", "applied"), ("reinstate", "retracted")}:
        assert seen(lakehouse, act, delivery=delivery).status != delivery
        return
    with pytest.raises(UsageError) as told:
        seen(lakehouse, act, delivery=delivery)
    with pytest.raises(UsageError) as refused:
        do(lakehouse, act, delivery=delivery)
    assert str(told.value) == str(refused.value)


def test_a_preview_writes_nothing_and_waits_for_nobody(lakehouse: Lakehouse) -> None:
    def kept() -> dict[Path, tuple[int, int]]:
        """Every file of the lakehouse; what the connection itself makes is no part of it."""
        files = (path for path in lakehouse.settings.home.rglob("*") if path.is_file())
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    land(lakehouse, d2024_02_01=[patient()])
    with writers_turn(lakehouse.settings):
        before = kept()
        with connect(lakehouse.settings.home) as con:
            preview(con.duckdb, lakehouse.settings, PATIENTS, KEY, "retract")
            made = "SELECT count(*) FROM duckdb_tables() WHERE temporary"
            assert con.execute(made).fetchall() == [(0,)]
            assert con.execute(made.replace("tables", "views") + " AND NOT internal").fetchall() == [(0,)]
        assert kept() == before
    assert [event.event for event in Journal(lakehouse.settings, "patients", KEY).events()] == [
        "received", "landed", "applied",
    ]  # fmt: skip


def test_several_previews_run_at_once_on_cursors_of_one_connection(lakehouse: Lakehouse) -> None:
    days = [f"2024-02-{day:02}" for day in range(1, 9)]
    for number, day in enumerate(days, 1):
        lakehouse.land("patients", day, [patient(patient_id=f"{day}/{row}") for row in range(number)])
    lakehouse.ingest()
    with connect(lakehouse.settings.home) as con, ThreadPoolExecutor(4) as threads:

        def removed(day: str) -> int:
            with con.cursor() as cursor:
                cursor.execute("USE claims")
                return preview(cursor, lakehouse.settings, PATIENTS, day, "retract").rows_removed

        assert list(threads.map(removed, days * 3)) == [1, 2, 3, 4, 5, 6, 7, 8] * 3


def test_a_connection_without_the_tables_is_told_as_such(lakehouse: Lakehouse) -> None:
    land(lakehouse, d2024_02_01=[patient()])
    with duckdb.connect() as con, pytest.raises(duckdb.CatalogException):
        preview(con, lakehouse.settings, PATIENTS, KEY, "retract")


def bring(lakehouse: Lakehouse, names: list[tuple[str, str]]) -> None:
    """Take deliveries up, and into the tables together."""
    for feed, key in names:
        take_up(lakehouse.settings, feed_named(feed), key)
        verify(lakehouse.settings, feed_named(feed), key)
    for known in BILLING:
        bring_all_up_to_date(lakehouse.settings, known, [key for feed, key in names if feed == known.name])
    publish(lakehouse.settings)


def generated(seed: int, base: Path) -> Lakehouse:
    """A lakehouse of generated deliveries: some say something else than before, or would if they were not held."""
    rng = random.Random(seed)
    lakehouse = Lakehouse(base).with_tables()
    sent = deliveries(seed, 9)
    names = [(one.feed, one.key) for one in sent]
    for one in sent:
        lakehouse.land(one.feed, one.key, one.content)
    bring(lakehouse, names)
    for one in rng.sample(sent, 4):
        other = rng.choice([each for each in sent if each.feed == one.feed])
        lakehouse.land(one.feed, one.key, other.content + rng.choice((b"", TRASH, TRASH)))
    for feed, key in rng.sample(names, 2):
        acts.retract(lakehouse.settings, feed_named(feed), key, because="test", who="test")
    bring(lakehouse, names)
    return lakehouse


def possible(lakehouse: Lakehouse) -> Iterator[tuple[Feed, str, Act]]:
    for feed, delivery, status in lakehouse.rows("SELECT feed, delivery, status FROM delivery ORDER BY ALL"):
        if status == "retracted":
            yield feed_named(feed), delivery, "reinstate"
        else:
            yield feed_named(feed), delivery, "retract"
        if status == "held":
            yield feed_named(feed), delivery, "release"


@given(st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_a_preview_tells_exactly_what_the_act_then_does(seed: int) -> None:
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        lakehouse = generated(seed, Path(folder))
        for _ in range(3):
            among = list(possible(lakehouse))
            rare = [one for one in among if one[2] != "retract"]
            feed, delivery, act = rng.choice(rare if rare and rng.random() < 0.6 else among)
            told = seen(lakehouse, act, feed, delivery)
            assert done(lakehouse, act, feed, delivery) == told, f"{act} {feed.name} {delivery}"


def test_what_is_generated_meets_every_change_that_a_preview_tells_of(tmp_path: Path) -> None:
    met: Counter[str] = Counter()
    for seed in range(3):
        lakehouse = generated(seed, tmp_path / str(seed))
        for feed, delivery, act in possible(lakehouse):
            told = seen(lakehouse, act, feed, delivery)
            met[act] += 1
            met.update(name for name, number in told._asdict().items() if number)
    assert not [name for name in (*ACTS, *Preview._fields) if not met[name]]


def test_a_claim_is_previewed_like_any_other_record(lakehouse: Lakehouse) -> None:
    land(lakehouse, CLAIMS, priming=[claim()], d2024_02_01=[claim(billed="F", last_modified_date="2/9/2021")])
    told = seen(lakehouse, "retract", CLAIMS)
    assert (told.versions_removed, told.versions_changed, told.records_changed) == (1, 1, 1)
    assert done(lakehouse, "retract", CLAIMS) == told
