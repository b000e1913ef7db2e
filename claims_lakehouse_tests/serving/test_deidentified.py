"""The de-identified edition: what each column becomes, that nothing else is in the file, and that tokens last."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args
from uuid import UUID

import duckdb
import pytest

from claims_lakehouse.contracts import FEEDS, PATIENTS, Column, Feed, Identifies, feed_named
from claims_lakehouse.contracts.geography import SMALL_AREAS, UNCOUNTED_AREAS
from claims_lakehouse.contracts.safe_harbor import outgoing_name, treatment
from claims_lakehouse.errors import ClaimsLakehouseError, UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.purge import purge
from claims_lakehouse.serving import deidentify as room
from claims_lakehouse.serving.crosswalk import crosswalk_path
from claims_lakehouse.serving.deidentify import AREAS, deidentify, edition_path, read_areas, renew
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import BILLING, REPOSITORY, Lakehouse, claim, csv_text, patient, provider
from claims_lakehouse_tests.canaries import FEW, SENT, canary_row, needles

PAGE = REPOSITORY / "docs" / "deidentification.md"
YEAR = 2026
WHO = {"because": "a test", "who": "tester"}

#: What each column of the contracts is called in the edition, and its type there; None where it may not leave.
LEAVES: dict[str, dict[str, tuple[str, str] | None]] = {
    "patients": {
        "patient_id": ("patient_id", "UUID"),
        "fname": None,
        "lname": None,
        "date_of_birth": ("date_of_birth_year", "INTEGER"),
        "address": None,
        "city": None,
        "state": ("state", "VARCHAR"),
        "zipcode": ("zipcode_area", "VARCHAR"),
        "date_of_residence": ("date_of_residence_year", "INTEGER"),
        "last_modified_date": ("last_modified_date_year", "INTEGER"),
    },
    "providers": {
        "provider_id": ("provider_id", "UUID"),
        "fname": None,
        "lname": None,
        "facility_name": None,
        "address": None,
        "city": None,
        "state": ("state", "VARCHAR"),
        "zipcode": ("zipcode_area", "VARCHAR"),
        "specialty_code": ("specialty_code", "VARCHAR"),
        "start_date": ("start_date_year", "INTEGER"),
    },
    "claims": {
        "claim_id": ("claim_id", "UUID"),
        "patient_id": ("patient_id", "UUID"),
        "provider_id": ("provider_id", "UUID"),
        "visit_type": ("visit_type", "VARCHAR"),
        "total_cost": ("total_cost", "DECIMAL(12,2)"),
        "coverage_type": ("coverage_type", "INTEGER"),
        "date_of_service": ("date_of_service_year", "INTEGER"),
        "claim_date": ("claim_date_year", "INTEGER"),
        "billed": ("billed", "BOOLEAN"),
        "last_modified_date": ("last_modified_date_year", "INTEGER"),
    },
    "medical_claims": {
        "claim_id": ("claim_id", "UUID"),
        "line_number": ("line_number", "INTEGER"),
        "patient_id": ("patient_id", "UUID"),
        "provider_npi": ("provider_npi", "UUID"),
        "billing_npi": ("billing_npi", "UUID"),
        "procedure_code": ("procedure_code", "VARCHAR"),
        "modifiers": ("modifiers", "VARCHAR"),
        "diagnosis_codes": ("diagnosis_codes", "VARCHAR"),
        "diagnosis_pointers": ("diagnosis_pointers", "VARCHAR"),
        "date_of_service_from": ("date_of_service_from_year", "INTEGER"),
        "date_of_service_to": ("date_of_service_to_year", "INTEGER"),
        "place_of_service": ("place_of_service", "VARCHAR"),
        "units": ("units", "DECIMAL(9,3)"),
        "charge_amount": ("charge_amount", "DECIMAL(12,2)"),
        "prior_auth_number": ("prior_auth_number", "UUID"),
        "frequency_code": ("frequency_code", "VARCHAR"),
        "original_claim_id": ("original_claim_id", "UUID"),
        "received_date": ("received_date_year", "INTEGER"),
    },
    "plans": {
        "plan_id": ("plan_id", "UUID"),
        "plan_name": None,
        "deductible": ("deductible", "DECIMAL(12,2)"),
        "coinsurance": ("coinsurance", "DECIMAL(5,2)"),
        "copays": ("copays", "VARCHAR"),
        "annual_maximum": ("annual_maximum", "DECIMAL(12,2)"),
        "timely_filing_days": ("timely_filing_days", "INTEGER"),
    },
    "coverages": {
        "patient_id": ("patient_id", "UUID"),
        "plan_id": ("plan_id", "UUID"),
        "covered_from": ("covered_from_year", "INTEGER"),
        "covered_to": ("covered_to_year", "INTEGER"),
        "subscriber_id": ("subscriber_id", "UUID"),
        "relationship": None,
        "maintenance_type": None,
    },
    "fee_schedules": {
        "plan_id": ("plan_id", "UUID"),
        "procedure_code": ("procedure_code", "VARCHAR"),
        "modifier": ("modifier", "VARCHAR"),
        "allowed_amount": ("allowed_amount", "DECIMAL(12,2)"),
        "effective_from": ("effective_from", "DATE"),
        "effective_to": ("effective_to", "DATE"),
    },
    "authorizations": {
        "authorization_number": ("authorization_number", "UUID"),
        "patient_id": ("patient_id", "UUID"),
        "provider_npi": ("provider_npi", "UUID"),
        "procedure_code": ("procedure_code", "VARCHAR"),
        "units": ("units", "DECIMAL(9,3)"),
        "authorized_from": ("authorized_from_year", "INTEGER"),
        "authorized_to": ("authorized_to_year", "INTEGER"),
    },
    "exclusions": {
        "exclusion_id": ("exclusion_id", "UUID"),
        "plan_id": ("plan_id", "UUID"),
        "kind": ("kind", "VARCHAR"),
        "procedure_code": ("procedure_code", "VARCHAR"),
        "diagnosis_code": ("diagnosis_code", "VARCHAR"),
        "least_age": ("least_age", "INTEGER"),
        "most_age": ("most_age", "INTEGER"),
        "sex": ("sex", "VARCHAR"),
        "most_units_a_day": ("most_units_a_day", "DECIMAL(9,3)"),
        "effective_from": ("effective_from", "DATE"),
        "effective_to": ("effective_to", "DATE"),
    },
    "procedure_edits": {
        "procedure_code": ("procedure_code", "VARCHAR"),
        "bundled_code": ("bundled_code", "VARCHAR"),
        "modifier_indicator": ("modifier_indicator", "VARCHAR"),
        "effective_from": ("effective_from", "DATE"),
        "effective_to": ("effective_to", "DATE"),
    },
    "code_sets": {
        "system": ("system", "VARCHAR"),
        "code": ("code", "VARCHAR"),
        "description": None,
        "effective_from": ("effective_from", "DATE"),
        "effective_to": ("effective_to", "DATE"),
    },
}
BESIDE = [
    ("valid_from_year", "INTEGER"),
    ("valid_to_year", "INTEGER"),
    ("is_current", "BOOLEAN"),
    ("version", "INTEGER"),
]
#: Of the others, whose editions are made alike, one column of each kind that they alone have.
COLUMNS = [
    pytest.param(feed.name, column, id=f"{feed.name}.{column}")
    for feed in SENT
    for column in LEAVES[feed.name]
    if feed in BILLING or column in ("provider_npi", "original_claim_id", "diagnosis_codes", "received_date")
]

#: Columns whose values may be seen.
KEPT = FEW | {"total_cost", "charge_amount", "diagnosis_codes"}

#: Goes with the year of birth.
AGED = ("aged_90_or_more", "BOOLEAN")


class Edition:
    """An edition as anybody opens it: with DuckDB and nothing of ours."""

    def __init__(self, settings: Settings) -> None:
        self.path = edition_path(settings)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as con:
            return con.execute(sql).fetchall()

    def one(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value


def made(lakehouse: Lakehouse, **options: Any) -> Edition:
    deidentify(lakehouse.settings, **({"year": YEAR} | options))
    return Edition(lakehouse.settings)


class Canaries(NamedTuple):
    """A lakehouse full of canaries: the texts that may not be seen, those of them in the tables, and what may be."""

    lakehouse: Lakehouse
    hidden: set[str]
    accepted: set[str]
    kept: set[str]


#: Dates of which every feed of SENT has one.
BAD = {"last_modified_date", "start_date", "received_date"}


def fill(lakehouse: Lakehouse) -> Canaries:
    """Land versions, restatements, quarantined and malformed rows, odd columns; in deliveries with names to find."""
    accepted: set[str] = set()
    hidden = {"canary-late", "canary-bad", "CanaryMalformed", "CanaryUnexpected", "CanaryBad"}
    rows = {feed.name: [canary_row(feed, number) for number in range(3)] for feed in SENT}
    for bill, line, who, by in zip(
        rows["claims"], rows["medical_claims"], rows["patients"], rows["providers"], strict=True
    ):
        bill |= {"patient_id": who["patient_id"], "provider_id": by["provider_id"]}
        line |= {"patient_id": who["patient_id"]}
    for feed in SENT:
        first, again, _ = rows[feed.name]
        later = canary_row(feed, 4, **{key: first[key] for key in feed.key})
        bad = canary_row(feed, 5, **dict.fromkeys(BAD & set(first), "CanaryBad"))
        lakehouse.land(feed.name, "priming", [row | {"extra": "CanaryUnexpected"} for row in rows[feed.name]])
        lakehouse.land(feed.name, "canary-late", [later, again])
        lakehouse.land(feed.name, "canary-bad", csv_text([bad]) + "CanaryMalformed,too few\n")
        accepted |= needles([*rows[feed.name], later], KEPT)
        hidden |= needles([bad], KEPT)
    hidden |= {sent[:5] for sent in accepted if re.fullmatch(r"\d{5}-\d{4}", sent)}
    assert set(lakehouse.ingest().values()) == {None}
    kept = {bill["total_cost"] for bill in rows["claims"]} | {
        line["diagnosis_codes"] for line in rows["medical_claims"]
    }
    return Canaries(lakehouse, hidden | accepted, accepted, kept)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Canaries:
    return fill(Lakehouse(tmp_path_factory.mktemp("canaries")))


@pytest.fixture
def canaries(template: Canaries, tmp_path: Path) -> Canaries:
    """A copy to work on."""
    shutil.copytree(template.lakehouse.settings.home, tmp_path / "home")
    return template._replace(lakehouse=Lakehouse(tmp_path))


def values(path: Path) -> Iterator[tuple[str, str, Any]]:
    """Every value of every column of every table and view, but the one hash of what the file was made from."""
    with duckdb.connect(str(path), read_only=True) as con:
        for (table,) in con.execute(
            "SELECT concat_ws('.', table_schema, table_name) FROM information_schema.tables"
        ).fetchall():
            cursor = con.execute(f"FROM {table}")
            names = [column[0] for column in cursor.description or []]
            for row in cursor.fetchall():
                yield from ((table, name, value) for name, value in zip(names, row, strict=True) if name != "made_from")


def assert_no_canary(path: Path, hidden: set[str]) -> None:
    data = path.read_bytes()
    assert [needle for needle in hidden if needle.encode() in data] == []
    # DuckDB compresses: what the bytes do not show, the values may. A token is 128 random bits and nothing else.
    texts = [(table, name, str(value)) for table, name, value in values(path) if not isinstance(value, UUID)]
    assert texts
    assert [found for *found, text in texts for needle in hidden if needle in text] == []


def assert_declared_columns(path: Path, feeds: Sequence[Feed] = FEEDS) -> None:
    """The edition's columns are those of LEAVES, and every column of the contracts says what it identifies."""
    with duckdb.connect(str(path), read_only=True) as con:
        for feed in feeds:
            assert [column.name for column in feed.columns] == list(LEAVES[feed.name])
            assert {column.identifies for column in feed.columns} <= set(get_args(Identifies))
            expected = [told for told in LEAVES[feed.name].values() if told]
            if feed.name == "patients":
                expected.insert(expected.index(("date_of_birth_year", "INTEGER")) + 1, AGED)
            found = {
                table: [row[:2] for row in con.execute(f"DESCRIBE {table}").fetchall()]
                for table in (feed.table, feed.entity)
            }
            assert found == {feed.table: expected + BESIDE, feed.entity: expected}


def test_no_canary_is_in_the_file_neither_in_its_bytes_nor_in_a_value(canaries: Canaries) -> None:
    edition = made(canaries.lakehouse)
    assert_no_canary(edition.path, canaries.hidden)
    # The search finds what there is to find: what may be seen is, and so is every canary in what is published.
    assert canaries.kept <= {str(value) for *_, value in values(edition.path)}
    published = [str(value) for *_, value in values(canaries.lakehouse.settings.published)]
    assert [needle for needle in canaries.accepted if not any(needle in text for text in published)] == []
    for feed in SENT:
        assert edition.one(f"SELECT count(*) FROM {feed.table}") == 4


def test_the_columns_are_those_declared_and_every_column_is_declared(canaries: Canaries) -> None:
    assert_declared_columns(made(canaries.lakehouse).path)


def redeclared(monkeypatch: pytest.MonkeyPatch, feed: Feed, name: str, identifies: Any) -> None:
    """Have one column's contract say otherwise what it identifies."""
    columns = tuple(replace(c, identifies=identifies) if c.name == name else c for c in feed.columns)
    monkeypatch.setitem(feed.__dict__, "columns", columns)


@pytest.mark.parametrize(("feed", "column"), COLUMNS)
def test_a_column_whose_declaration_is_removed_does_not_leave_and_the_test_above_fails(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, feed: str, column: str
) -> None:
    redeclared(monkeypatch, feed_named(feed), column, None)
    edition = made(canaries.lakehouse, feeds=SENT)
    table = feed_named(feed).table
    assert column not in {
        name.removesuffix("_year").removesuffix("_area") for name, *_ in edition.rows(f"DESCRIBE {table}")
    }
    assert_no_canary(edition.path, canaries.hidden)
    with pytest.raises(AssertionError):
        assert_declared_columns(edition.path, SENT)


#: Those whose form is fixed, so that nothing but their declaration holds them back.
TELLING = [
    one for one in COLUMNS if str(one.values[1]).endswith(("date", "zipcode", "_birth", "_residence", "_service"))
]


@pytest.mark.parametrize(("feed", "column"), TELLING)
def test_the_canary_test_fails_when_a_column_is_said_to_identify_nothing(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, feed: str, column: str
) -> None:
    redeclared(monkeypatch, feed_named(feed), column, "nothing")
    edition = made(canaries.lakehouse, feeds=SENT)
    with pytest.raises(AssertionError):
        assert_no_canary(edition.path, canaries.hidden)


def test_text_of_no_fixed_form_never_leaves_whatever_is_declared(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    for feed in FEEDS:
        for column in feed.columns:
            if column.form.rule is None:
                redeclared(monkeypatch, feed, column.name, "nothing")
    edition = made(canaries.lakehouse)
    assert_no_canary(edition.path, canaries.hidden)
    assert [name for name, *_ in edition.rows("DESCRIBE provider")] == [
        "zipcode_area",
        "specialty_code",
        "start_date_year",
    ]


def test_the_file_holds_a_history_and_a_view_a_feed_and_what_it_was_made_from(canaries: Canaries) -> None:
    edition = made(canaries.lakehouse)
    tables = edition.rows("SELECT table_name, table_type FROM information_schema.tables ORDER BY ALL")
    assert tables == sorted(
        [
            ("edition", "BASE TABLE"),
            *((feed.table, "BASE TABLE") for feed in FEEDS),
            *((feed.entity, "VIEW") for feed in FEEDS),
        ]
    )
    assert {("dim_patient", "BASE TABLE"), ("fact_medical_claim", "BASE TABLE"), ("coverage", "VIEW")} <= set(tables)
    assert edition.rows("DESCRIBE edition")[0][0] == "year"
    assert edition.one("SELECT year FROM edition") == YEAR
    macros = "SELECT count(*) FROM duckdb_functions() WHERE NOT internal"
    assert edition.one(macros) == 0


def test_every_table_and_column_has_a_comment_without_a_value_in_it(canaries: Canaries) -> None:
    edition = made(canaries.lakehouse)
    columns = edition.rows("SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
    tables = edition.rows("SELECT table_name, comment FROM duckdb_tables() UNION ALL "
                          "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")  # fmt: skip
    assert [place for *place, comment in columns + tables if not comment] == []
    law = ("164.514", "000", "20,000", "90", "1")
    declared = [column.description for feed in FEEDS for column in feed.columns]
    for *place, comment in columns + tables:
        for text in (*declared, "45 CFR 164.514(b)(2)"):
            comment = comment.replace(text, "")
        assert set(re.findall(r"\d[\d.,]*\d|\d", comment)) <= set(law), place


def test_rows_are_in_the_order_of_their_random_tokens(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient(patient_id=f"{n:03}") for n in range(200)])
    lakehouse.ingest()
    edition = made(lakehouse)
    tokens = [token for (token,) in edition.rows("SELECT patient_id FROM dim_patient ORDER BY rowid")]
    assert tokens == sorted(tokens)
    with duckdb.connect() as con:
        ids = con.execute(
            "SELECT id FROM read_parquet($p) ORDER BY token", {"p": str(crosswalk_path(lakehouse.settings))}
        )
        by_token = [one for (one,) in ids.fetchall()]
    assert by_token != sorted(by_token)


# Tokens.


def tokens(settings: Settings) -> dict[tuple[str, str], UUID]:
    with duckdb.connect() as con:
        found = con.execute("SELECT kind, id, token FROM read_parquet($p)", {"p": str(crosswalk_path(settings))})
        return {(kind, one): token for kind, one, token in found.fetchall()}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, one of them sent again, a provider, claims of both and of a patient that nobody has sent."""
    base = tmp_path_factory.mktemp("few")
    lakehouse = Lakehouse(base).with_tables()
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2")])
    lakehouse.land("patients", "2024-01-01", [patient(city="Elsewhere", last_modified_date="1/1/2020")])
    lakehouse.land("providers", "priming", [provider()])
    rows = [claim(), claim(claim_id="2", patient_id="2"), claim(claim_id="3", patient_id="unsent")]
    lakehouse.land("claims", "priming", rows)
    assert set(lakehouse.ingest().values()) == {None}
    return base


@pytest.fixture
def small(few: Path, tmp_path: Path) -> Lakehouse:
    """A copy to work on."""
    shutil.copytree(few, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


def test_a_record_has_one_token_everywhere(small: Lakehouse) -> None:
    edition = made(small)
    by_id = tokens(small.settings)
    assert sorted(by_id) == [
        ("claims.claim_id", "2"),
        ("claims.claim_id", "3"),
        ("claims.claim_id", "CF#1000078NN"),
        ("patients.patient_id", "1000U"),
        ("patients.patient_id", "2"),
        ("patients.patient_id", "unsent"),
        ("providers.provider_id", "N3T100A"),
    ]
    assert len(set(by_id.values())) == 7
    person = by_id["patients.patient_id", "1000U"]
    assert edition.rows(f"SELECT version FROM dim_patient WHERE patient_id = '{person}' ORDER BY 1") == [(1,), (2,)]
    of_theirs = by_id["claims.claim_id", "CF#1000078NN"], by_id["providers.provider_id", "N3T100A"]
    assert edition.rows(f"SELECT claim_id, provider_id FROM claim WHERE patient_id = '{person}'") == [of_theirs]
    assert edition.one("SELECT count(*) FROM claim ANTI JOIN patient USING (patient_id)") == 1


def test_two_editions_have_the_same_tokens_and_new_records_new_ones(small: Lakehouse) -> None:
    made(small)
    first = tokens(small.settings)
    small.land("patients", "2024-02-01", [patient(patient_id="3")])
    small.ingest()
    made(small)
    second = tokens(small.settings)
    assert {key: second[key] for key in first} == first
    assert set(second) - set(first) == {("patients.patient_id", "3")}


def test_a_lost_warehouse_costs_no_token(small: Lakehouse) -> None:
    before = made(small).rows("FROM fact_claim")
    for lost in (small.settings.warehouse, small.settings.published, edition_path(small.settings)):
        lost.unlink()
    publish(small.settings)
    assert made(small).rows("FROM fact_claim") == before


def test_tokens_say_nothing_of_what_they_stand_for(small: Lakehouse, tmp_path: Path) -> None:
    made(small)
    twin = Lakehouse(tmp_path / "twin").with_tables()
    twin.settings = replace(twin.settings, landing=small.settings.landing)
    twin.ingest()
    made(twin)
    assert set(tokens(twin.settings)) == set(tokens(small.settings))
    assert not set(tokens(twin.settings).values()) & set(tokens(small.settings).values())


def test_a_retracted_record_keeps_its_token_for_the_day_it_comes_back(small: Lakehouse) -> None:
    small.land("patients", "2024-02-01", [patient(patient_id="  gone  ")])
    small.ingest()
    made(small)
    first = tokens(small.settings)
    acts.retract(small.settings, PATIENTS, "2024-02-01", **WHO)
    small.process("patients", "2024-02-01")
    publish(small.settings)
    # What was verified is made anew where it is lost: what landed says all the same that the record may come back.
    shutil.rmtree(small.settings.home / "validated")
    edition = made(small)
    token = first["patients.patient_id", "gone"]
    assert edition.one(f"SELECT count(*) FROM patient WHERE patient_id = '{token}'") == 0
    assert tokens(small.settings) == first
    acts.reinstate(small.settings, PATIENTS, "2024-02-01", **WHO)
    small.process("patients", "2024-02-01")
    publish(small.settings)
    assert made(small).one(f"SELECT count(*) FROM patient WHERE patient_id = '{token}'") == 1


def test_a_purged_record_is_forgotten_and_others_are_not(small: Lakehouse) -> None:
    small.land(
        "patients", "2024-02-01", [patient(patient_id="gone"), patient(fname="Also", last_modified_date="1/1/2021")]
    )
    small.ingest()
    made(small)
    first = tokens(small.settings)
    purge(small.settings, PATIENTS, "2024-02-01", **WHO)
    publish(small.settings)
    made(small)
    del first["patients.patient_id", "gone"]
    assert tokens(small.settings) == first
    assert b"gone" not in crosswalk_path(small.settings).read_bytes()


def test_nobody_is_forgotten_while_a_file_cannot_be_read(small: Lakehouse) -> None:
    small.land("patients", "2024-02-01", [patient(patient_id="gone")])
    small.ingest()
    made(small)
    first = tokens(small.settings)
    purge(small.settings, PATIENTS, "2024-02-01", **WHO)
    publish(small.settings)
    (raw,) = small.settings.delivery_folder("patients", "2024-01-01").glob("*.parquet")
    raw.write_bytes(b"broken")
    made(small)
    assert tokens(small.settings) == first


def test_the_crosswalk_is_on_disk_before_an_edition_that_uses_it(
    small: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(small)
    before = edition_path(small.settings).read_bytes()
    small.land("patients", "2024-02-01", [patient(patient_id="new")])
    small.ingest()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(room, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            made(small)
    drawn = tokens(small.settings)
    assert ("patients.patient_id", "new") in drawn
    assert edition_path(small.settings).read_bytes() == before
    made(small)
    assert tokens(small.settings) == drawn
    assert list(small.settings.temporary.iterdir()) == []
    assert list(edition_path(small.settings).parent.glob(".*")) == []


def test_a_lost_or_damaged_crosswalk_is_said_and_nothing_is_replaced(small: Lakehouse) -> None:
    before = made(small).path.read_bytes()
    kept = crosswalk_path(small.settings).read_bytes()
    crosswalk_path(small.settings).write_bytes(kept[:50])
    with pytest.raises(ClaimsLakehouseError, match=r"crosswalk.parquet is damaged.*backup"):
        made(small)
    crosswalk_path(small.settings).unlink()
    with pytest.raises(ClaimsLakehouseError, match=r"crosswalk.parquet is gone.*backup.*remove the edition"):
        made(small)
    assert edition_path(small.settings).read_bytes() == before
    assert not crosswalk_path(small.settings).exists()
    edition_path(small.settings).unlink()
    made(small)
    crosswalk_path(small.settings).write_bytes(kept)
    made(small)


def test_files_are_for_their_owner_and_the_edition_for_the_group(small: Lakehouse) -> None:
    umask = os.umask(0)
    try:
        edition = made(small)
    finally:
        os.umask(umask)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (edition.path, crosswalk_path(small.settings))]
    assert modes == [0o640, 0o600]


def test_before_anything_is_published_there_is_no_edition(lakehouse: Lakehouse) -> None:
    with pytest.raises(UsageError, match="claims ingest"):
        deidentify(lakehouse.settings)
    assert renew(lakehouse.settings) is None


# Dates and ages.


@pytest.mark.parametrize(
    ("born", "shown", "aged"), [("12/31/1935", None, True), ("12/31/1936", None, True), ("1/1/1937", 1937, False)]
)
def test_who_is_or_becomes_90_in_the_editions_year_has_no_year_of_birth(
    lakehouse: Lakehouse, born: str, shown: int | None, aged: bool
) -> None:
    lakehouse.land("patients", "priming", [patient(date_of_birth=born)])
    lakehouse.ingest()
    assert made(lakehouse).rows("SELECT date_of_birth_year, aged_90_or_more FROM patient") == [(shown, aged)]


def test_one_version_that_says_90_or_more_speaks_for_all(lakehouse: Lakehouse) -> None:
    older = patient(date_of_birth="1/1/1930", last_modified_date="1/1/2019")
    lakehouse.land("patients", "priming", [older, patient(date_of_birth="1/1/1938", last_modified_date="1/1/2020")])
    lakehouse.ingest()
    edition = made(lakehouse)
    assert edition.rows("SELECT date_of_birth_year, aged_90_or_more FROM dim_patient") == [(None, True)] * 2


def test_no_other_year_tells_that_somebody_is_over_89(lakehouse: Lakehouse) -> None:
    old = patient(date_of_residence="12/31/1936", last_modified_date="1/1/1930")
    lakehouse.land("patients", "priming", [old, patient(date_of_residence="1/1/1937")])
    lakehouse.land("providers", "priming", [provider(start_date="5/5/1920")])
    lakehouse.land("claims", "priming", [claim(date_of_service="1/1/1931", claim_date="1/1/1937")])
    lakehouse.ingest()
    edition = made(lakehouse)
    years = "date_of_residence_year, last_modified_date_year, valid_from_year, valid_to_year"
    assert edition.rows(f"SELECT {years} FROM dim_patient ORDER BY version") == [
        (None, None, None, 2019),
        (1937, 2019, 2019, None),
    ]
    # 1900, when `priming` counts as received, is one of those years too.
    assert edition.rows("SELECT start_date_year, valid_from_year FROM dim_provider") == [(None, None)]
    assert edition.rows("SELECT date_of_service_year, claim_date_year FROM claim") == [(None, 1937)]


# Places.


@pytest.mark.parametrize(
    ("zipcode", "area"),
    [("72201", "722"), ("72201-0001", "722"), ("03601", "000"), ("821900001", "000"), ("09012", "000"), ("", None)],
)
def test_a_zip_code_is_cut_to_an_area_that_has_people_enough(
    lakehouse: Lakehouse, zipcode: str, area: str | None
) -> None:
    lakehouse.land("patients", "priming", [patient(zipcode=zipcode)])
    lakehouse.ingest()
    assert made(lakehouse).one("SELECT zipcode_area FROM patient") == area


@pytest.mark.parametrize(
    "zipcode", ["7220", "72201-", "722 01", "NW1 6XE", "722011", "\u0667\u0662\u0662\u0660\u0661", "72201\n"]
)
def test_a_zip_code_of_no_known_form_is_no_area(lakehouse: Lakehouse, zipcode: str) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    with duckdb.connect(str(lakehouse.settings.published)) as con:
        con.execute("UPDATE dim_patient SET zipcode = $z", {"z": zipcode})
    assert made(lakehouse).one("SELECT zipcode_area FROM patient") == "000"


def test_the_areas_are_those_of_the_departments_guidance_and_of_later_counts() -> None:
    guidance = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
    census_2010 = "036 059 102 203 205 369 556 692 821 823 878 879 884 893"
    survey_2022 = "036 059 102 202 203 204 205 369 556 692 753 772 821 823 878 879 884 893"
    assert {*guidance.split(), *census_2010.split(), *survey_2022.split()} == SMALL_AREAS
    assert not SMALL_AREAS & UNCOUNTED_AREAS
    assert {"000", "090", "340", "962"} <= UNCOUNTED_AREAS
    assert all(re.fullmatch("[0-9]{3}", area) for area in AREAS)


def test_the_list_of_areas_is_a_setting(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.land("patients", "priming", [patient(zipcode="72201"), patient(patient_id="2", zipcode="03601")])
    lakehouse.ingest()
    (tmp_path / "areas").write_text("# Census 2030\n722  # Little Rock\n\n")
    areas = read_areas(tmp_path / "areas")
    assert areas == {"722"}
    assert made(lakehouse, areas=areas).rows("SELECT zipcode_area FROM patient ORDER BY 1") == [("000",), ("036",)]
    assert read_areas(None) == AREAS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("# nothing\n", "found none"),
        ("036\n72201\n", "line 2"),
        ("036\n\u0660\u0663\u0666\n", "line 2"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "areas").write_text(text)
    with pytest.raises(UsageError, match=f"{said}.*; expected"):
        read_areas(tmp_path / "areas")
    with pytest.raises(UsageError, match="FileNotFoundError"):
        read_areas(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("sent", "code"),
    [("Arkansas", "AR"), ("vt", "VT"), ("US Virgin Islands", "VI"), ("12 Elm Street", None), ("", None)],
)
def test_a_state_leaves_as_its_code_and_nothing_else_in_its_place(
    lakehouse: Lakehouse, sent: str, code: str | None
) -> None:
    lakehouse.land("patients", "priming", [patient(state=sent)])
    lakehouse.ingest()
    assert made(lakehouse).one("SELECT state FROM patient") == code


# In step with what is published.


def test_nobody_who_did_not_ask_has_an_edition(small: Lakehouse) -> None:
    assert renew(small.settings) is None
    assert not edition_path(small.settings).exists()
    assert not crosswalk_path(small.settings).exists()


def test_an_edition_that_exists_is_kept_in_step(small: Lakehouse) -> None:
    first = deidentify(small.settings, year=YEAR)
    assert first.rows == dict.fromkeys((feed.table for feed in FEEDS), 0) | {
        "dim_patient": 3, "dim_provider": 1, "fact_claim": 3,
    }  # fmt: skip
    before = first.path.stat().st_ino
    assert renew(small.settings, year=YEAR) is None
    assert first.path.stat().st_ino == before
    small.land("patients", "2024-02-01", [patient(patient_id="3")])
    small.ingest()
    renewed = renew(small.settings, year=YEAR)
    assert renewed is not None
    assert renewed.rows["dim_patient"] == 4
    for other in ({"year": YEAR + 1}, {"year": YEAR, "areas": {"722"}}):
        assert renew(small.settings, **other) is not None
        assert renew(small.settings, **other) is None
    first.path.write_bytes(b"damaged")
    assert renew(small.settings, year=YEAR) is not None


# The page.


def test_the_page_says_what_the_contracts_say() -> None:
    told = PAGE.read_text(encoding="utf-8")
    rows = [_row(feed, column) for feed in FEEDS for column in feed.columns]
    table = "\n".join(rows)
    assert table in told, table


def _row(feed: Feed, column: Column) -> str:
    leaves: Mapping[str, str] = {
        "dropped": "does not leave",
        "token": "a random token",
        "state": "the code of a state or territory",
        "area": "the first three digits, or `000`",
        "year": "the year",
        "birth_year": "the year, or `aged_90_or_more`",
        "kept": "as it is",
    }
    name = outgoing_name(column)
    return f"| `{feed.name}.{column.name}` | {column.identifies} | {leaves[treatment(column)]} | {f'`{name}`' if name else ''} |"
