"""Claims: what providers bill for."""

from __future__ import annotations

from decimal import Decimal

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.feed import Feed, Field, Reference
from claims_lakehouse.contracts.formats import AMOUNT, COVERAGE, DATE, FLAG, TEXT, choice
from claims_lakehouse.contracts.patients import PATIENTS
from claims_lakehouse.contracts.providers import PROVIDERS

VISIT_TYPES = ("physical", "routine", "illness", "surgery")


class Claims(pa.DataFrameModel):
    """A visit that a provider billed for."""

    claim_id: str = Field(TEXT, "Claim number.", required=True, identifies="id")
    patient_id: str = Field(TEXT, "The patient who was treated.", required=True, identifies="id")
    provider_id: str = Field(TEXT, "The provider who treated them.", required=True, identifies="id")
    visit_type: str = Field(
        choice("visit type", rules.UNKNOWN_VISIT_TYPE, VISIT_TYPES),
        "What the visit was for.",
        required=True,
        identifies="nothing",
        isin=VISIT_TYPES,
    )
    total_cost: pl.Decimal(12, 2) = Field(  # type: ignore[valid-type]
        AMOUNT, "Cost of the visit, US dollars.", required=True, identifies="nothing", ge=Decimal(0)
    )
    coverage_type: pl.Int32 = Field(
        COVERAGE,
        "Percentage that the insurance covers.",
        required=True,
        identifies="nothing",
        isin=[100, 50, 0],
    )
    date_of_service: pl.Date = Field(DATE, "Day of the visit.", required=True, identifies="date")
    claim_date: pl.Date = Field(DATE, "Day the claim was made.", required=True, identifies="date")
    billed: bool = Field(FLAG, "Whether the claim has been billed.", required=True, identifies="nothing")
    last_modified_date: pl.Date = Field(
        DATE, "When the source last changed the record.", required=True, identifies="date"
    )

    @pa.check("date_of_service", name="service_after_claim")
    def service_not_after_claim(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A service lies on or before the day of its claim."""
        return data.lazyframe.select(pl.col(data.key) <= pl.col("claim_date"))


CLAIMS = Feed(
    name="claims",
    entity="claim",
    role="fact",
    contract=Claims,
    key=("claim_id",),
    sequence="last_modified_date",
    references=(
        Reference("patient_id", PATIENTS, rules.UNKNOWN_PATIENT),
        Reference("provider_id", PROVIDERS, rules.UNKNOWN_PROVIDER),
    ),
    rules={"service_after_claim": rules.SERVICE_AFTER_CLAIM},
    swappable=("claim_id", "patient_id"),
)
