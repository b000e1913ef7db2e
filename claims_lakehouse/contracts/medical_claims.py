"""Medical claims: what providers bill for, one row a service line."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.authorizations import AUTHORIZATIONS
from claims_lakehouse.contracts.billing_formats import (
    DIAGNOSES,
    FREQUENCY,
    LINE_NUMBER,
    MODIFIERS,
    MOST_DIAGNOSES,
    NPI,
    PLACE_OF_SERVICE,
    POINTERS,
    PROCEDURE,
    UNITS,
)
from claims_lakehouse.contracts.code_sets import CODE_SETS
from claims_lakehouse.contracts.feed import Duplicates, Feed, Field, LandedCodes, Reference, ReleasedCodes
from claims_lakehouse.contracts.formats import AMOUNT, DATE, TEXT
from claims_lakehouse.contracts.layouts import SYNTHEA_CLAIMS, SYNTHEA_TRANSACTIONS, TUVA_MEDICAL_CLAIM
from claims_lakehouse.contracts.patients import PATIENTS


class MedicalClaims(pa.DataFrameModel):
    """A service that a provider bills an insurance for: a line of a professional claim."""

    claim_id: str = Field(TEXT, "Claim number, as the provider gave it.", required=True, identifies="id")
    line_number: pl.Int32 = Field(
        LINE_NUMBER, "The line's place in the claim, from 1.", required=True, identifies="nothing"
    )
    patient_id: str = Field(TEXT, "The patient who was treated.", required=True, identifies="id")
    provider_npi: str = Field(
        NPI, "Who gave the service: National Provider Identifier.", required=True, identifies="id"
    )
    billing_npi: str = Field(NPI, "Who bills for it: National Provider Identifier.", identifies="id", often_empty=True)
    procedure_code: str = Field(PROCEDURE, "What was done: CPT or HCPCS level II.", required=True, identifies="nothing")
    modifiers: str = Field(
        MODIFIERS, "Up to four modifiers of the procedure, joined by |.", identifies="nothing", often_empty=True
    )
    diagnosis_codes: str = Field(
        DIAGNOSES, "One to twelve diagnoses, ICD-10-CM without dots, joined by |.", required=True, identifies="nothing"
    )
    diagnosis_pointers: str = Field(
        POINTERS,
        "Which of the diagnoses the service was for: their places, joined by |.",
        identifies="nothing",
        often_empty=True,
    )
    date_of_service_from: pl.Date = Field(DATE, "First day of the service.", required=True, identifies="date")
    date_of_service_to: pl.Date = Field(DATE, "Last day of the service.", identifies="date", often_empty=True)
    place_of_service: str = Field(PLACE_OF_SERVICE, "Where it was given: CMS's code.", identifies="nothing")
    units: pl.Decimal(9, 3) = Field(UNITS, "How many units were given.", identifies="nothing")  # type: ignore[valid-type]
    charge_amount: pl.Decimal(12, 2) = Field(  # type: ignore[valid-type]
        AMOUNT, "What the provider asks for the line, US dollars.", required=True, identifies="nothing"
    )
    prior_auth_number: str = Field(
        TEXT, "The authorization that was given beforehand.", identifies="id", often_empty=True
    )
    frequency_code: str = Field(
        FREQUENCY, "1 an original claim, 7 a replacement, 8 a void.", required=True, identifies="nothing"
    )
    original_claim_id: str = Field(
        TEXT, "The claim that a replacement or void is about.", identifies="id", often_empty=True
    )
    received_date: pl.Date = Field(DATE, "When the claim was received.", required=True, identifies="date")

    @pa.check("date_of_service_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """The last day of a service is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("date_of_service_from")).fill_null(value=True))

    @pa.check("date_of_service_from", name="service_after_receipt")
    def service_not_after_receipt(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A service lies on or before the day its claim was received."""
        return data.lazyframe.select((pl.col(data.key) <= pl.col("received_date")).fill_null(value=True))

    @pa.check("diagnosis_pointers", name="pointer_out_of_range")
    def pointers_in_range(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A pointer names one of the line's diagnoses."""
        codes = pl.col("diagnosis_codes").str.count_matches("|", literal=True) + 1
        beyond = [
            pl.col(data.key).str.contains(rf"(?:^|\|){place}(?:\||$)") & (codes < place)
            for place in range(2, MOST_DIAGNOSES + 1)
        ]
        return data.lazyframe.select(~pl.any_horizontal(beyond).fill_null(value=False))

    @pa.check("original_claim_id", name="original_missing")
    def original_is_named(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A replacement and a void name the claim that they are about."""
        return data.lazyframe.select(
            (pl.col(data.key).is_not_null() | (pl.col("frequency_code") == "1")).fill_null(value=True)
        )


MEDICAL_CLAIMS = Feed(
    name="medical_claims",
    entity="medical_claim",
    role="fact",
    contract=MedicalClaims,
    key=("claim_id", "line_number"),
    decides={"patient": "patient_id"},
    references=(
        Reference("patient_id", PATIENTS, rules.UNKNOWN_PATIENT),
        Reference("prior_auth_number", AUTHORIZATIONS, rules.UNKNOWN_AUTHORIZATION),
    ),
    rules={
        "ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS,
        "service_after_receipt": rules.SERVICE_AFTER_RECEIPT,
        "pointer_out_of_range": rules.POINTER_OUT_OF_RANGE,
        "original_missing": rules.ORIGINAL_MISSING,
    },
    transaction="837",
    mappings=(SYNTHEA_TRANSACTIONS, SYNTHEA_CLAIMS, TUVA_MEDICAL_CLAIM),
    released_codes=(
        ReleasedCodes(
            "diagnosis_codes",
            as_of="date_of_service_from",
            unknown=rules.UNKNOWN_DIAGNOSIS,
            not_billable=rules.DIAGNOSIS_NOT_BILLABLE,
            unverified=rules.DIAGNOSIS_UNVERIFIED,
        ),
    ),
    landed_codes=(
        LandedCodes(
            "procedure_code",
            as_of="date_of_service_from",
            sets=CODE_SETS,
            system="CASE WHEN {code} < 'A' THEN 'cpt' ELSE 'hcpcs' END",
            unknown=rules.UNKNOWN_PROCEDURE,
        ),
    ),
    duplicates=Duplicates(
        exact=rules.EXACT_DUPLICATE,
        near=rules.NEAR_DUPLICATE,
        patient="patient_id",
        provider="provider_npi",
        day="date_of_service_from",
        act=("procedure_code", "modifiers"),
        diagnoses="diagnosis_codes",
        amount="charge_amount",
        claim="claim_id",
        replaces="original_claim_id",
        replacing="frequency_code IN ('7', '8')",
        ignored="frequency_code = '8'",
    ),
)
