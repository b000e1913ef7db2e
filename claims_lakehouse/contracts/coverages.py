"""Coverages: which plan a patient has, and when."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.feed import Feed, Field, Reference
from claims_lakehouse.contracts.formats import END_DATE, PERIOD_DATE, TEXT
from claims_lakehouse.contracts.layouts import TUVA_ELIGIBILITY
from claims_lakehouse.contracts.patients import PATIENTS
from claims_lakehouse.contracts.plans import PLANS


class Coverages(pa.DataFrameModel):
    """A time during which a plan covers a patient."""

    patient_id: str = Field(TEXT, "The patient who is covered.", required=True, identifies="id")
    plan_id: str = Field(TEXT, "The plan.", required=True, identifies="id")
    covered_from: pl.Date = Field(PERIOD_DATE, "First day of the coverage.", required=True, identifies="date")
    covered_to: pl.Date = Field(
        END_DATE, "Last day of the coverage; open where empty.", identifies="date", often_empty=True
    )
    subscriber_id: str = Field(TEXT, "Who holds the policy, by member number.", identifies="id", often_empty=True)
    relationship: str = Field(
        TEXT,
        "The patient's relationship to the subscriber (X12 code; 18 is self).",
        identifies="nothing",
        often_empty=True,
    )
    maintenance_type: str = Field(
        TEXT, "What the sender did to the enrolment (X12 code; 024 cancels).", identifies="nothing", often_empty=True
    )

    @pa.check("covered_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A period's last day is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("covered_from")).fill_null(value=True))


COVERAGES = Feed(
    name="coverages",
    entity="coverage",
    role="dimension",
    contract=Coverages,
    key=("patient_id", "plan_id", "covered_from"),
    decides={"patient": "patient_id"},
    references=(
        Reference("patient_id", PATIENTS, rules.UNKNOWN_PATIENT),
        Reference("plan_id", PLANS, rules.UNKNOWN_PLAN),
    ),
    rules={"ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS},
    transaction="834",
    mappings=(TUVA_ELIGIBILITY,),
)
