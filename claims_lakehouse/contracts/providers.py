"""Providers: those who treat patients and bill for it."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.feed import Feed, Field
from claims_lakehouse.contracts.formats import DATE, STATE, TEXT, ZIPCODE, choice
from claims_lakehouse.contracts.layouts import SYNTHEA_PROVIDERS

SPECIALTIES = ("family_physician", "orthopedist", "heart_surgeon", "physical_therapist")


class Providers(pa.DataFrameModel):
    """A provider and the facility they work at. The source sends no modification date."""

    provider_id: str = Field(TEXT, "Provider number.", required=True, identifies="id")
    fname: str = Field(TEXT, "Given name.", required=True, identifies="name")
    lname: str = Field(TEXT, "Family name.", required=True, identifies="name")
    facility_name: str = Field(TEXT, "Hospital, practice or group.", identifies="name")
    address: str = Field(TEXT, "Street and house number of the facility.", identifies="street")
    city: str = Field(TEXT, "City of the facility.", identifies="city")
    state: str = Field(STATE, "US state or territory of the facility, as sent.", identifies="state")
    zipcode: str = Field(ZIPCODE, "Zip code of the facility, 12345 or 12345-6789.", identifies="zipcode")
    specialty_code: str = Field(
        choice("specialty", rules.UNKNOWN_SPECIALTY, SPECIALTIES),
        "What the provider practises.",
        required=True,
        identifies="nothing",
        isin=SPECIALTIES,
    )
    start_date: pl.Date = Field(DATE, "Since when the provider has practised at the facility.", identifies="date")


PROVIDERS = Feed(
    name="providers",
    entity="provider",
    role="dimension",
    contract=Providers,
    key=("provider_id",),
    mappings=(SYNTHEA_PROVIDERS,),
)
