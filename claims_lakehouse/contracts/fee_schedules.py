"""Fee schedules: what a plan allows for a procedure."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.billing_formats import MODIFIER_OR_NONE, PROCEDURE
from claims_lakehouse.contracts.feed import Feed, Field, Reference
from claims_lakehouse.contracts.formats import AMOUNT, END_DATE, PERIOD_DATE, TEXT
from claims_lakehouse.contracts.plans import PLANS


class FeeSchedules(pa.DataFrameModel):
    """The amount that a plan allows for one unit of a procedure during some time."""

    plan_id: str = Field(TEXT, "The plan.", required=True, identifies="id")
    procedure_code: str = Field(PROCEDURE, "The procedure, CPT or HCPCS level II.", required=True, identifies="nothing")
    modifier: str = Field(
        MODIFIER_OR_NONE,
        "The modifier that the amount is for; empty text for none.",
        required=True,
        identifies="nothing",
    )
    allowed_amount: pl.Decimal(12, 2) = Field(  # type: ignore[valid-type]
        AMOUNT, "What is allowed for one unit, US dollars.", required=True, identifies="nothing"
    )
    effective_from: pl.Date = Field(
        PERIOD_DATE, "First day on which the amount holds.", required=True, identifies="nothing"
    )
    effective_to: pl.Date = Field(
        END_DATE, "Last day on which the amount holds; open where empty.", identifies="nothing", often_empty=True
    )

    @pa.check("effective_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A period's last day is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("effective_from")).fill_null(value=True))


FEE_SCHEDULES = Feed(
    name="fee_schedules",
    entity="fee_schedule",
    role="dimension",
    contract=FeeSchedules,
    key=("plan_id", "procedure_code", "modifier", "effective_from"),
    decides={"plan": "plan_id", "procedure": "procedure_code"},
    references=(Reference("plan_id", PLANS, rules.UNKNOWN_PLAN),),
    rules={"ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS},
    expected_every_days=400,
)
