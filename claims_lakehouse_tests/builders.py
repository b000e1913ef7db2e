"""What tests build with: a lakehouse in a folder of its own, deliveries, rows with one field changed."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from claims_lakehouse.codes.icd10cm import make_table, table_path
from claims_lakehouse.contracts import CLAIMS, FEEDS, PATIENTS, PROVIDERS, feed_named
from claims_lakehouse.errors import DeliveryError
from claims_lakehouse.files import make_folder
from claims_lakehouse.history.issue_acts import SeenIssue
from claims_lakehouse.history.stage import bring_up_to_date, look, take_up, verify
from claims_lakehouse.landing.decisions import Content
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import Settings

REPOSITORY = Path(__file__).parents[1]
FLEXION = REPOSITORY.parent / "shared" / "data" / "flexion"

#: The feeds that the oracle knows, and that the longer tests land.
BILLING = (PATIENTS, PROVIDERS, CLAIMS)

_PATIENT = {
    "patient_id": "1000U",
    "fname": "Ann",
    "lname": "Ward",
    "date_of_birth": "9-19-1948",
    "address": "482 Quail Street",
    "city": "Little Rock",
    "state": "Arkansas",
    "zipcode": "72201",
    "date_of_residence": "4-19-2007",
    "last_modified_date": "9-17-2019",
}
_PROVIDER = {
    "provider_id": "N3T100A",
    "fname": "Scott",
    "lname": "Dawson",
    "facility_name": "Royal Therapy",
    "address": "319 Pinon",
    "city": "Springfield",
    "state": "Illinois",
    "zipcode": "62701",
    "specialty_code": "heart_surgeon",
    "start_date": "1/7/2016",
}
_CLAIM = {
    "claim_id": "CF#1000078NN",
    "patient_id": "1000U",
    "provider_id": "N3T100A",
    "visit_type": "surgery",
    "total_cost": "782.08",
    "coverage_type": "100",
    "date_of_service": "10/10/2017",
    "claim_date": "1/3/2019",
    "billed": "T",
    "last_modified_date": "2/8/2021",
}


def patient(**changed: str) -> dict[str, str]:
    return _PATIENT | changed


def provider(**changed: str) -> dict[str, str]:
    return _PROVIDER | changed


def claim(**changed: str) -> dict[str, str]:
    return _CLAIM | changed


def csv_text(rows: Iterable[dict[str, str]], header: Iterable[str] | None = None) -> str:
    rows = list(rows)
    names = list(header or rows[0])
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    return "".join(",".join(_quoted(field) for field in line) + "\n" for line in lines)


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if any(c in field for c in ',"\r\n') else field


class Lakehouse:
    """A lakehouse under a folder, driven through the domain alone, without Dagster."""

    #: Where the tests of a run keep what they share; None where there is no run.
    shared: ClassVar[Path | None] = None

    def __init__(self, base: Path) -> None:
        self.settings = Settings(base / "landing", base / "home")
        self.settings.landing.mkdir(parents=True, exist_ok=True)

    def land(self, feed: str, delivery: str, content: str | bytes | Iterable[dict[str, str]], ext: str = "csv") -> Path:
        path = self.settings.landing / feed / f"{delivery}.{ext}"
        path.parent.mkdir(exist_ok=True)
        if not isinstance(content, str | bytes):
            content = csv_text(content)
        data = content.encode() if isinstance(content, str) else content
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_bytes(data)
        temporary.replace(path)
        if feed in {one.name for one in FEEDS if one.released_codes}:
            self.take_codes()
        return path

    def with_tables(self) -> Lakehouse:
        """The same with a warehouse that has its tables and views and no row: to make those takes longer than most
        tests do afterwards. That they are made where there is no warehouse is for the tests of commands."""
        if self.shared is not None:
            make_folder(self.settings.home)
            shutil.copy(_shared_once("warehouse.duckdb", _empty_warehouse), self.settings.warehouse)
        return self

    def take_codes(self) -> None:
        """Take over the table of released codes, which takes seconds to make, from the other tests of the run."""
        target = table_path(self.settings)
        if self.shared is not None and not target.exists():
            make_folder(target.parent)
            shutil.copy(shared_codes(), target)

    def process(self, feed: str, delivery: str) -> str | None:
        """Take one delivery through all stages, due or not; the error where it failed."""
        known = feed_named(feed)
        try:
            take_up(self.settings, known, delivery)
        except DeliveryError as error:
            return str(error)
        verify(self.settings, known, delivery)
        bring_up_to_date(self.settings, known, delivery)
        return None

    def ingest(self) -> dict[tuple[str, str], str | None]:
        """Everything that is due, then publish; errors by delivery, None where there was none."""
        outcome = {(due.feed, due.delivery): self.process(due.feed, due.delivery) for due in look(self.settings).due}
        publish(self.settings)
        return outcome

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the published file."""
        with self._reading() as con:
            return con.execute(sql, list(values)).fetchall()

    def export(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table that readers see, in an order of its own; of the ledger what does not tell when it was loaded."""
        tables = {
            name: f"SELECT * FROM {name} ORDER BY ALL" for feed in FEEDS for name in (feed.table, feed.restated_table)
        }
        tables["issue"] = "SELECT * FROM issue ORDER BY ALL"
        tables["delivery"] = "SELECT * EXCLUDE (loaded_at, run_id) FROM delivery ORDER BY ALL"
        with self._reading() as con:
            return {name: con.execute(sql).fetchall() for name, sql in tables.items()}

    def seen_issues(self, where: str = "true") -> list[SeenIssue]:
        """Published issues, as somebody who decides about them has seen them."""
        rows = self.rows(
            "SELECT issue_id, feed, delivery, row_number, rule, column_name, value, issue.status, fingerprint, corrections"
            f" FROM issue JOIN internal.ledger USING (feed, delivery) WHERE {where} ORDER BY feed, delivery, row_number,"
            " issue_id"
        )
        return [SeenIssue(*row[:8], Content(*row[8:])) for row in rows]

    def dicts(self, sql: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.settings.published), read_only=True) as con:
            cursor = con.execute(sql)
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _reading(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(str(self.settings.published), read_only=True)
        con.execute("SET TimeZone = 'UTC'")
        return con


def shared_codes() -> Path:
    """The table of released codes, which takes seconds to make."""
    return _shared_once("codes.parquet", make_table)


def _empty_warehouse(settings: Settings) -> Path:
    publish(settings)
    return settings.warehouse


def _shared_once(name: str, make: Callable[[Settings], Path]) -> Path:
    """A file that all tests of a run share, made in a home of its own by whoever needs it first."""
    assert Lakehouse.shared is not None
    kept = Lakehouse.shared / name
    with made_once(kept) as is_made:
        if not is_made:
            make(Settings(Lakehouse.shared / "landing", Lakehouse.shared / f"home of {kept.stem}")).replace(kept)
    return kept


@contextmanager
def made_once(path: Path) -> Iterator[bool]:
    """Hold a file or folder that several processes share, told whether it was made already; it is when this ends well."""
    mark = path.with_name(f"{path.name} is made")
    with mark.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield mark.exists()
        mark.touch()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
