"""A feed checks its own declaration, and the rest derives from it."""

from __future__ import annotations

import duckdb
import pandera.polars as pa
import polars as pl
import pytest

from claims_lakehouse.contracts import CLAIMS, FEEDS, PATIENTS, PROVIDERS, RULES, Feed, Field, Reference, feed_named
from claims_lakehouse.contracts.formats import DATE, TEXT
from claims_lakehouse.contracts.rules import MISSING_VALUE, UNKNOWN_PATIENT
from claims_lakehouse.errors import ContractError, UsageError
from claims_lakehouse.warehouse.schema import feed_ddl


class Visits(pa.DataFrameModel):
    """Somebody came."""

    site: str = Field(TEXT, "Where.", required=True, identifies="nothing")
    number: str = Field(TEXT, "Which.", required=True, identifies="id")
    changed: pl.Date = Field(DATE, "When the source changed it.", required=True, identifies="date")
    note: str = Field(TEXT, "What was said.", identifies="nothing")


class Undeclared(pa.DataFrameModel):
    """A column that says nothing of its format."""

    number: str = Field(TEXT, "Which.", required=True, identifies="id")
    note: str = pa.Field(nullable=True)


def feed(**changed: object) -> Feed:
    declared = {
        "name": "visits",
        "entity": "visit",
        "role": "fact",
        "contract": Visits,
        "key": ("site", "number"),
        "sequence": "changed",
    }
    return Feed(**(declared | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": ("site", "visit_no")}, "Feed 'visits': key 'visit_no' is not a column of Visits."),
        ({"sequence": "modified"}, "Feed 'visits': sequence 'modified' is not a column of Visits."),
        (
            {"references": (Reference("patient_id", PATIENTS, UNKNOWN_PATIENT),)},
            "Feed 'visits': reference 'patient_id' is not a column of Visits.",
        ),
        ({"swappable": ("number", "patient_id")}, "Feed 'visits': swappable 'patient_id' is not a column of Visits."),
        ({"key": ("site", "note")}, "Feed 'visits': 'note' orders or names records and must be required."),
        ({"sequence": "note"}, "Feed 'visits': 'note' orders or names records and must be required."),
        ({"key": ()}, "Feed 'visits': a key needs at least one column."),
        (
            {"contract": Undeclared, "key": ("number",), "sequence": None},
            "Feed 'visits': column 'note' declares no format; use contracts.Field.",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_when_it_is_made(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ContractError) as error:
        feed(**changed)
    assert str(error.value) == said


def test_a_wrong_declaration_is_a_value_error_like_any_other() -> None:
    with pytest.raises(ValueError, match="visit_no"):
        feed(key=("visit_no",))


def test_names_derive_from_role_and_entity() -> None:
    assert (PATIENTS.table, PROVIDERS.table, CLAIMS.table) == ("dim_patient", "dim_provider", "fact_claim")
    assert (PATIENTS.restated_table, PATIENTS.surrogate_key) == ("restated_patient", "patient_sk")
    assert (feed().table, feed(role="dimension").table) == ("fact_visit", "dim_visit")


def test_content_is_all_but_key_and_sequence() -> None:
    assert feed().content == ("note",)
    assert feed(sequence=None).content == ("changed", "note")
    assert "patient_id" not in PATIENTS.content
    assert "last_modified_date" not in PATIENTS.content
    assert len(PROVIDERS.content) == len(PROVIDERS.columns) - 1


def test_columns_keep_the_order_and_words_of_the_contract() -> None:
    assert [(c.name, c.required, c.identifies, c.description) for c in feed().columns] == [
        ("site", True, "nothing", "Where."),
        ("number", True, "id", "Which."),
        ("changed", True, "date", "When the source changed it."),
        ("note", False, "nothing", "What was said."),
    ]


@pytest.mark.parametrize("one", [*FEEDS, feed(), feed(sequence=None)], ids=lambda one: f"{one.name}, {one.sequence}")
def test_the_derived_tables_have_the_contracts_columns_and_types(one: Feed) -> None:
    source = [(column.name, column.form.sql_type.replace(" ", "")) for column in one.columns]
    origin = [
        ("delivery", "VARCHAR"),
        ("row_number", "BIGINT"),
        ("recorded_at", "TIMESTAMP"),
        (one.surrogate_key, "BIGINT"),
    ]
    moment = "DATE" if one.sequence else "TIMESTAMP"
    with duckdb.connect() as con:
        con.execute(feed_ddl(one))
        versions, restated = (
            [row[:2] for row in con.execute(f"DESCRIBE {table}").fetchall()]
            for table in (one.table, one.restated_table)
        )
    history = [("valid_from", moment), ("valid_to", moment), ("is_current", "BOOLEAN"), ("version", "INTEGER")]
    assert versions == source + history + origin
    assert restated == [*source, ("sequence", moment), *origin]


def test_a_feed_is_found_by_its_name() -> None:
    assert [feed_named(one.name) for one in FEEDS] == list(FEEDS)


def test_an_unknown_feed_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError) as error:
        feed_named("payers")
    assert str(error.value) == (
        "There is no feed 'payers'; there are patients, providers, claims, plans, coverages, fee_schedules, "
        "authorizations, exclusions, procedure_edits, code_sets, medical_claims."
    )


def test_a_check_of_a_contract_goes_by_its_name_in_the_rule_table() -> None:
    assert CLAIMS.rule("service_after_claim").name == "service_after_claim"
    assert CLAIMS.rule("not_nullable") == MISSING_VALUE
    assert CLAIMS.rule("something_new").severity == "error"


def test_what_the_feeds_use_stands_in_the_rule_table() -> None:
    used = {rule for one in FEEDS for rule in one.rules.values()}
    used |= {reference.unknown for one in FEEDS for reference in one.references}
    for one in FEEDS:
        for column in one.columns:
            used |= {column.form.rule} - {None}
            used |= {notice.rule for notice in column.form.notices}
    assert used <= set(RULES)


def test_a_rule_has_one_meaning_at_each_severity() -> None:
    named = [(rule.name, rule.severity) for rule in RULES]
    assert len(named) == len(set(named))


def test_references_come_after_what_they_refer_to() -> None:
    known: set[str] = set()
    for one in FEEDS:
        assert {reference.feed.name for reference in one.references} <= known
        known.add(one.name)
