"""Patients: the people whose visits are billed."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl

from claims_lakehouse.contracts.feed import Feed, Field
from claims_lakehouse.contracts.formats import DATE, STATE, TEXT, ZIPCODE
from claims_lakehouse.contracts.layouts import SYNTHEA_PATIENTS


class Patients(pa.DataFrameModel):
    """A person as the source knows them from one modification to the next."""

    patient_id: str = Field(TEXT, "Patient number, unique to a person.", required=True, identifies="id")
    fname: str = Field(TEXT, "Given name.", required=True, identifies="name")
    lname: str = Field(TEXT, "Family name.", required=True, identifies="name")
    date_of_birth: pl.Date = Field(DATE, "Date of birth.", required=True, identifies="birth_date")
    address: str = Field(TEXT, "Street and house number.", identifies="street")
    city: str = Field(TEXT, "City.", identifies="city")
    state: str = Field(STATE, "US state or territory, as sent.", identifies="state")
    zipcode: str = Field(ZIPCODE, "Zip code, 12345 or 12345-6789.", identifies="zipcode")
    date_of_residence: pl.Date = Field(DATE, "Since when the patient has lived at the address.", identifies="date")
    last_modified_date: pl.Date = Field(
        DATE, "When the source last changed the record.", required=True, identifies="date"
    )


PATIENTS = Feed(
    name="patients",
    entity="patient",
    role="dimension",
    contract=Patients,
    key=("patient_id",),
    decides={"patient": "patient_id"},
    sequence="last_modified_date",
    mappings=(SYNTHEA_PATIENTS,),
)
