"""Sample deliveries are the same for the same arguments, keep to the contracts, and show every rule."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from claims_lakehouse.contracts import (
    CLAIMS,
    COVERAGES,
    FEEDS,
    MEDICAL_CLAIMS,
    RULES,
    Feed,
    Field,
    Reference,
    feed_named,
    rules,
)
from claims_lakehouse.contracts.formats import AMOUNT, DATE, FLAG, TEXT
from claims_lakehouse.errors import UsageError
from claims_lakehouse.samples import planted, write_deliveries
from claims_lakehouse.samples.generate import records
from claims_lakehouse.samples.size import Size

Row = dict[str, str]
#: The feeds whose rows this module judges by means of its own; the others are ingested in test_medical_samples.
VISITS = FEEDS[:3]
#: Rules about what is no row of a plain file.
OF_OTHER_FILES = {"rejected_transaction", "unsupported_transaction", "other_record", "test_interchange"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The deliveries of the default size."""
    return write_deliveries(tmp_path_factory.mktemp("landing"))


@pytest.fixture(scope="module")
def landed(written: list[Path]) -> Path:
    """The folder of the deliveries of the default size."""
    return written[0].parents[1]


def contents(landing: Path) -> dict[str, bytes]:
    return {str(file.relative_to(landing)): file.read_bytes() for file in files(landing)}


def files(landing: Path) -> list[Path]:
    return sorted(file for file in landing.rglob("*") if file.is_file())


def lines(file: Path) -> list[bytes]:
    content = file.read_bytes()
    return (gzip.decompress(content) if file.suffix == ".gz" else content).splitlines()


def read(landing: Path, feed: str, delivery: str) -> list[Row]:
    """The rows of a delivery that split into fields, Parquet as its source would print it."""
    found: list[Row] = []
    for file in files(landing / feed):
        if not str(file.relative_to(landing / feed)).startswith(delivery):
            continue
        if file.suffix == ".parquet":
            text = pl.read_parquet(file).cast(pl.String).fill_null("")
            found += text.to_dicts()
            continue
        good = [line.decode() for line in lines(file) if is_utf8(line)]
        rows = list(csv.reader(good))
        broken_quotes = [line.count('"') == 2 and '",' not in line for line in good]
        for row, broken in zip(rows[1:], broken_quotes[1:], strict=True):
            if len(row) == len(rows[0]) and not broken:
                found.append(dict(zip(rows[0], row, strict=True)))
    return found


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def day(text: str) -> date | None:
    """A day in one of the three accepted writings."""
    parts = text.replace("/", "-").split("-")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return None
    year, month, of_month = parts if len(parts[0]) == 4 else (parts[2], parts[0], parts[1])
    try:
        found = date(int(year), int(month), int(of_month))
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2100 else None


def test_the_same_arguments_make_the_same_bytes(landed: Path, tmp_path: Path) -> None:
    write_deliveries(tmp_path)
    assert contents(tmp_path) == contents(landed)


def test_files_of_visits_are_what_they_have_always_been(landed: Path) -> None:
    """Documents and benchmarks name their sizes and defects. Parquet is left out: its bytes are pyarrow's."""
    told = sha256()
    for feed in VISITS:
        for file in files(landed / feed.name):
            if file.suffix != ".parquet":
                told.update(b"\n".join([file.name.encode(), *lines(file)]))
    assert told.hexdigest() == "e3369de086b7bfd48d952066639d781afc3124e5ddd2addce1c5f569fe17f8a4"


def test_what_a_feed_holds_does_not_depend_on_the_others(landed: Path, tmp_path: Path) -> None:
    some = (CLAIMS, COVERAGES)
    paths = write_deliveries(tmp_path, feeds=some)
    assert [path.parent.name for path in paths] == ["claims", "coverages"] * 3
    made = contents(tmp_path)
    assert made == {name: content for name, content in contents(landed).items() if name in made}
    assert planted(feeds=some) == [found for found in planted() if found.feed in ("claims", "coverages")]


def test_another_seed_makes_other_bytes_in_every_file(landed: Path, tmp_path: Path) -> None:
    write_deliveries(tmp_path, seed=8)
    other, one = contents(tmp_path), contents(landed)
    assert other.keys() == one.keys()
    assert not [name for name in one if one[name] == other[name]]


def test_writing_again_replaces_and_leaves_nothing_else_behind(landed: Path, tmp_path: Path) -> None:
    write_deliveries(tmp_path, seed=8, feeds=VISITS)
    write_deliveries(tmp_path, feeds=VISITS)
    made = contents(tmp_path)
    assert made == {name: content for name, content in contents(landed).items() if name in made}
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_delivery_that_lies_there_under_another_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    own = tmp_path / "claims" / "priming.parquet"
    own.write_bytes(b"somebody's own")
    with pytest.raises(UsageError, match=r"priming\.parquet is there already"):
        write_deliveries(tmp_path)
    assert files(tmp_path) == [own]


def test_paths_are_given_in_order_of_arrival_and_show_every_way_of_landing(written: list[Path], landed: Path) -> None:
    names = [feed.name for feed in FEEDS]
    assert [str(path.relative_to(landed)) for path in written] == [
        *(f"{name}/priming.csv" for name in names),
        *(f"{name}/2024-02-01.csv" for name in names),
        "patients/2024-03-01.csv.gz", "providers/2024-03-01.parquet", "claims/2024-03-01",
        "plans/2024-03-01.csv.gz", "coverages/2024-03-01.834", "fee_schedules/2024-03-01",
        "authorizations/2024-03-01.csv.gz", "exclusions/2024-03-01.parquet", "procedure_edits/2024-03-01",
        "code_sets/2024-03-01.csv.gz", "medical_claims/2024-03-01.837",
    ]  # fmt: skip
    assert [part.name for part in files(landed / "claims" / "2024-03-01")] == ["part-1.csv", "part-2.csv"]
    assert pl.read_parquet_schema(landed / "providers" / "2024-03-01.parquet")["start_date"] == pl.Date()


def test_headers_are_the_contracts_but_for_the_one_planted_column(landed: Path) -> None:
    odd = {(p.feed, p.delivery) for p in planted() if p.rule == "unexpected_column"}
    assert len(odd) == 1
    for feed in FEEDS:
        expected = [column.name for column in feed.columns]
        for file in files(landed / feed.name):
            if file.suffix in (".837", ".834"):
                continue
            if file.suffix == ".parquet":
                header = list(pl.read_parquet_schema(file))
            else:
                header = lines(file)[0].decode().split(",")
            extra = ["source_note"] if (feed.name, file.name.removesuffix(".csv")) in odd else []
            assert header == expected + extra, file


def test_every_rule_is_planted_at_the_default_size() -> None:
    expected = {(rule.name, rule.severity) for rule in RULES if rule.name not in OF_OTHER_FILES}
    assert {(p.rule, p.severity) for p in planted()} == expected


def test_what_is_planted_is_what_stands_in_the_files(landed: Path) -> None:
    """Each rule judged again, by this test's own simple means."""
    expected: Counter[tuple[str, str, str]] = Counter()
    for found in planted(feeds=VISITS):
        expected[found.feed, found.delivery, found.rule] += found.rows
    live = {rule.name for rule in RULES if rule.live}
    found = Counter(
        {
            key: count
            for feed in VISITS
            for delivery in ("priming", "2024-02-01", "2024-03-01")
            for key, count in judged(landed, feed, delivery).items()
        }
    )
    assert found == Counter({key: count for key, count in expected.items() if key[2] not in live})


def judged(landing: Path, feed: Feed, delivery: str) -> Counter[tuple[str, str, str]]:
    rows = read(landing, feed.name, delivery)
    broken = [rule for row in rows for rule in row_rules(feed, delivery, row)]
    of_record: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in (*feed.key, *([feed.sequence] if feed.sequence else [])))
        if any(rule != "missing_value" for rule in row_rules(feed, delivery, row)):
            continue
        first = of_record.setdefault(key, row)
        if first is not row:
            broken.append("duplicate_row" if first == row else "conflicting_row")
    if feed.swappable:
        claim, patient = feed.swappable
        claims, patients = Counter(r[claim] for r in rows), Counter(r[patient] for r in rows)
        broken += [
            "swapped_ids"
            for row in rows
            if patients[row[claim]] > claims[row[claim]] and claims[row[patient]] and patients[row[patient]] == 1
        ]
    broken += ["unexpected_column"] * (len(rows[0]) - len(feed.columns))
    total = 0
    for file in files(landing / feed.name):
        if str(file.relative_to(landing / feed.name)).startswith(delivery):
            parquet = file.suffix == ".parquet"
            total += pl.read_parquet(file).height if parquet else len(lines(file)) - 1
    broken += ["malformed_row"] * (total - len(rows))
    return Counter((feed.name, delivery, rule) for rule in broken)


def row_rules(feed: Feed, delivery: str, row: Row) -> Iterator[str]:
    received = date(2100, 1, 1) if delivery == "priming" else date.fromisoformat(delivery)
    words = {
        "visit_type": ("unknown_visit_type", {"physical", "routine", "illness", "surgery"}),
        "specialty_code": (
            "unknown_specialty",
            {"family_physician", "orthopedist", "heart_surgeon", "physical_therapist"},
        ),
        "coverage_type": ("bad_coverage", {"100", "50", "0"}),
        "billed": ("bad_flag", {"T", "F"}),
    }
    for column in feed.columns:
        text = row[column.name]
        if text == "":
            yield "missing_value"
        elif column.name in words and text not in words[column.name][1]:
            yield words[column.name][0]
        elif column.name == "total_cost" and not is_amount(text):
            yield "bad_amount"
        elif column.name == "zipcode" and not (text.isdigit() and len(text) == 5):
            yield "zipcode_padded" if text.isdigit() and len(text) == 4 else "bad_zipcode"
        elif column.name == "state" and text in ("Ontario", *misspelt()):
            yield "unknown_state"
        elif "date" in column.name:
            found = day(text)
            if found is None:
                yield "not_a_date"
            elif column.name == feed.sequence and (found - received).days > 31:
                yield "sequence_in_future"
            elif column.name != feed.sequence and found > received:
                yield "date_in_future"
    if feed is CLAIMS:
        served, claimed = day(row["date_of_service"]), day(row["claim_date"])
        if served and claimed and served > claimed:
            yield "service_after_claim"


def is_amount(text: str) -> bool:
    return text.replace(".", "", 1).isdigit() and len(text.partition(".")[2]) <= 2


def misspelt() -> tuple[str, ...]:
    return "Conneticut", "Pensylvania", "Massachusets", "Flordia", "Tenessee", "Illinios"


def test_an_unknown_patient_arrives_in_the_next_update_and_another_never_does(landed: Path) -> None:
    known: set[str] = set()
    waiting: list[set[str]] = []
    for delivery in ("priming", "2024-02-01", "2024-03-01"):
        arrived = {row["patient_id"] for row in read(landed, "patients", delivery)}
        if waiting:
            assert waiting[-1] & arrived
        known |= arrived
        claims = read(landed, "claims", delivery)
        waiting.append({row["patient_id"] for row in claims if row["patient_id"].endswith("U")} - known)
    assert waiting[1] - known


def test_a_row_in_error_comes_corrected_in_the_next_update(landed: Path) -> None:
    for sent, next_one in (("priming", "2024-02-01"), ("2024-02-01", "2024-03-01")):
        wrong = {
            row["claim_id"]
            for row in read(landed, "claims", sent)
            if {"bad_amount", "bad_flag", "bad_coverage", "unknown_visit_type"} & set(row_rules(CLAIMS, sent, row))
        }
        right = {
            row["claim_id"] for row in read(landed, "claims", next_one) if not list(row_rules(CLAIMS, next_one, row))
        }
        assert wrong & right


def test_updates_bring_new_modified_restated_and_repeated_records(landed: Path) -> None:
    before = {row["claim_id"]: row for row in read(landed, "claims", "priming")}
    after = {row["claim_id"]: row for row in read(landed, "claims", "2024-02-01")}
    content = list(CLAIMS.content)
    said = {claim: [row[name] for name in content] == [before[claim][name] for name in content]
            for claim, row in after.items() if claim in before}  # fmt: skip
    same = [claim for claim, equal in said.items() if equal]
    repeated = [claim for claim in same if after[claim] == before[claim]]
    assert 80 <= len([claim for claim in after if claim not in before]) <= 120
    assert 80 <= len(said) - len(same) <= 130
    assert len(repeated) >= 2
    assert len(same) - len(repeated) >= 2


def test_a_claim_says_otherwise_at_the_same_sequence_as_an_earlier_delivery(landed: Path) -> None:
    before = {row["claim_id"]: row for row in read(landed, "claims", "priming")}
    conflicting = [
        row
        for row in read(landed, "claims", "2024-02-01")
        if row["claim_id"] in before
        and row["last_modified_date"] == before[row["claim_id"]]["last_modified_date"]
        and row != before[row["claim_id"]]
    ]
    assert len(conflicting) == 1


def test_the_size_is_honoured(tmp_path: Path) -> None:
    paths = write_deliveries(tmp_path, patients=400, updates=1)
    assert len(paths) == 2 * len(FEEDS)
    rows = {path.parent.name: len(lines(path)) - 1 for path in paths[: len(FEEDS)]}
    assert rows["patients"] in range(400, 405)
    assert rows["providers"] in range(60, 63)
    assert rows["claims"] in range(4000, 4050)
    assert rows["medical_claims"] in range(10_000, 10_120)
    assert rows["coverages"] in range(480, 490)
    assert rows["authorizations"] in range(40, 43)
    assert rows["plans"] in range(10, 12)
    assert not [path for path in paths if path.suffix in (".834", ".837") and path.stat().st_size > 2**20]


@pytest.mark.parametrize("patients", [1, 7, 20])
def test_the_smallest_sizes_work(tmp_path: Path, patients: int) -> None:
    paths = write_deliveries(tmp_path, patients=patients, updates=1)
    assert all(path.exists() for path in paths)


def test_sizes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1 patient"):
        write_deliveries(tmp_path, patients=0)
    with pytest.raises(UsageError, match="updates"):
        write_deliveries(tmp_path, updates=-1)


def test_at_a_large_size_about_one_row_in_a_hundred_is_defective() -> None:
    total = {"patients": 100_000, "providers": 10_020, "claims": 1_000_000}
    total |= {"coverages": 120_000, "medical_claims": 2_500_000}
    feeds = (*VISITS, COVERAGES, MEDICAL_CLAIMS)
    counts = Counter[str]()
    for found in planted(patients=100_000, updates=0, feeds=feeds):
        counts[found.feed] += found.rows
    for feed, rows in total.items():
        assert 0.009 < counts[feed] / rows < 0.011


def test_no_delivery_of_the_default_size_is_held(landed: Path) -> None:
    errors = Counter[tuple[str, str]]()
    for found in planted():
        if found.severity == "error":
            errors[found.feed, found.delivery] += found.rows
    for (name, _), rows in errors.items():
        assert rows < feed_named(name).quarantine_floor


class Lines(pa.DataFrameModel):
    """A feed that samples have never heard of."""

    claim_id: str = Field(TEXT, "The claim.", required=True, identifies="id")
    line_number: str = Field(TEXT, "The line.", required=True, identifies="nothing")
    charge: pl.Decimal(12, 2) = Field(AMOUNT, "The charge.", identifies="nothing")  # type: ignore[valid-type]
    paid: bool = Field(FLAG, "Whether it was paid.", identifies="nothing")
    service_date: pl.Date = Field(DATE, "The day.", identifies="date")
    changed_on: pl.Date = Field(DATE, "The sequence.", required=True, identifies="date")


def test_a_new_feed_gets_plausible_values_by_itself() -> None:
    lines_feed = Feed(
        "claim_lines", "claim_line", "fact", Lines, ("claim_id", "line_number"), "changed_on",
        references=(Reference("claim_id", CLAIMS, rules.UNKNOWN_PATIENT),),
    )  # fmt: skip
    size = Size(10, 1, 7)
    sent: dict[str, Any] = {"born": 0, "content": 0, "stated": 0}
    made = records(lines_feed, size, range(size.primed(lines_feed)), **sent)
    claims = records(CLAIMS, size, range(size.primed(CLAIMS)), **sent)
    assert made.height == 300
    assert not made.select("claim_id", "line_number").is_duplicated().any()
    assert set(made["claim_id"]) == set(claims["claim_id"])
    for column in lines_feed.columns:
        assert made.select(column.form.parse(pl.col(column.name)).null_count()).item() == 0, column.name
    parsed = made.select(DATE.parse(pl.col(name)).alias(name) for name in ("service_date", "changed_on"))
    assert parsed.select((pl.col("service_date") < pl.col("changed_on")).all()).item()
