"""The layouts of other sources that land through a declared mapping, each beside the contract that it becomes.

Only names and constants: what the columns mean is said by their sources.
"""

from __future__ import annotations

from claims_lakehouse.contracts.mapping import Constant, From, SourceMapping

_DAY = r"^(?P<v>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ][0-9:.]+Z?$"

TUVA_MEDICAL_CLAIM = SourceMapping(
    name="tuva_medical_claim",
    files="tuva_*",
    columns={
        "claim_id": From("claim_id"),
        "line_number": From("claim_line_number"),
        "patient_id": From("person_id"),
        "provider_npi": From("rendering_npi"),
        "billing_npi": From("billing_npi", "facility_npi"),
        "procedure_code": From("hcpcs_code"),
        "modifiers": From(*(f"hcpcs_modifier_{place}" for place in range(1, 5)), joined=True),
        "diagnosis_codes": From(*(f"diagnosis_code_{place}" for place in range(1, 13)), joined=True),
        "date_of_service_from": From("claim_line_start_date", "claim_start_date"),
        "date_of_service_to": From("claim_line_end_date", "claim_end_date"),
        "place_of_service": From("place_of_service_code"),
        "units": From("service_unit_quantity"),
        "charge_amount": From("charge_amount"),
        "frequency_code": Constant("1"),
        "received_date": From("paid_date", "claim_end_date"),
    },
    ignored=(
        "claim_type", "member_id", "payer", "plan", "admission_date", "discharge_date", "admit_*", "discharge_*",
        "bill_type_code", "drg_*", "revenue_center_code", "hcpcs_modifier_5", "*_tin", "paid_amount", "allowed_amount",
        "coinsurance_amount", "copayment_amount", "deductible_amount", "total_cost_amount", "diagnosis_code_type",
        "diagnosis_code_1?", "diagnosis_code_2?", "diagnosis_poa_*", "procedure_*", "in_network_flag", "data_source",
        "file_name", "file_date", "ingest_datetime",
    ),
    source="The Tuva Project's input layer, medical_claim (Apache-2.0)",
)  # fmt: skip

TUVA_ELIGIBILITY = SourceMapping(
    name="tuva_eligibility",
    files="tuva_*",
    columns={
        "patient_id": From("person_id"),
        "plan_id": From("plan"),
        "covered_from": From("enrollment_start_date"),
        "covered_to": From("enrollment_end_date"),
        "subscriber_id": From("subscriber_id", "member_id"),
        "relationship": From("subscriber_relation"),
    },
    ignored=(
        "gender", "race", "birth_date", "death_*", "payer", "payer_type", "*_status_code", "original_reason_*",
        "group_*", "name_suffix", "first_name", "middle_name", "last_name", "social_security_number", "address", "city",
        "state", "zip_code", "phone", "email", "ethnicity", "data_source", "file_name", "file_date", "ingest_datetime",
        "enrollment_status", "*_flag",
    ),
    source="The Tuva Project's input layer, eligibility (Apache-2.0)",
)  # fmt: skip

SYNTHEA_TRANSACTIONS = SourceMapping(
    name="synthea_claims_transactions",
    files="*claims_transactions*",
    columns={
        "claim_id": From("CLAIMID"),
        "line_number": From("CHARGEID"),
        "patient_id": From("PATIENTID"),
        "provider_npi": From("PROVIDERID"),
        "procedure_code": From("PROCEDURECODE"),
        "modifiers": From("MODIFIER1", "MODIFIER2", joined=True),
        "diagnosis_pointers": From("DIAGNOSISREF1", "DIAGNOSISREF2", "DIAGNOSISREF3", "DIAGNOSISREF4", joined=True),
        "date_of_service_from": From("FROMDATE", matching=_DAY),
        "date_of_service_to": From("TODATE", matching=_DAY),
        "units": From("UNITS"),
        "charge_amount": From("AMOUNT"),
        "frequency_code": Constant("1"),
        "received_date": From("TODATE", matching=_DAY),
    },
    ignored=(
        "ID", "METHOD", "PLACEOFSERVICE", "DEPARTMENTID", "NOTES", "UNITAMOUNT", "TRANSFER*", "PAYMENTS", "ADJUSTMENTS",
        "OUTSTANDING", "APPOINTMENTID", "LINENOTE", "PATIENTINSURANCEID", "FEESCHEDULEID", "SUPERVISINGPROVIDERID",
    ),
    only=("TYPE", ("CHARGE",)),
    source="Synthea's CSV export, claims_transactions.csv (Apache-2.0)",
)  # fmt: skip

SYNTHEA_CLAIMS = SourceMapping(
    name="synthea_claims",
    files="synthea_claims*",
    columns={
        "claim_id": From("Id"),
        "line_number": Constant("1"),
        "patient_id": From("PATIENTID"),
        "provider_npi": From("PROVIDERID"),
        "diagnosis_codes": From(*(f"DIAGNOSIS{place}" for place in range(1, 9)), joined=True),
        "date_of_service_from": From("SERVICEDATE", matching=_DAY),
        "date_of_service_to": From("SERVICEDATE", matching=_DAY),
        "frequency_code": Constant("1"),
        "received_date": From("LASTBILLEDDATE1", "LASTBILLEDDATEP", "SERVICEDATE", matching=_DAY),
    },
    ignored=(
        "PRIMARYPATIENTINSURANCEID", "SECONDARYPATIENTINSURANCEID", "*DEPARTMENTID", "REFERRINGPROVIDERID",
        "APPOINTMENTID", "CURRENTILLNESSDATE", "SUPERVISINGPROVIDERID", "STATUS*", "OUTSTANDING*", "LASTBILLEDDATE*",
        "HEALTHCARECLAIMTYPEID*",
    ),
    source="Synthea's CSV export, claims.csv (Apache-2.0)",
)  # fmt: skip

SYNTHEA_PATIENTS = SourceMapping(
    name="synthea_patients",
    files="synthea_patients*",
    columns={
        "patient_id": From("Id"),
        "fname": From("FIRST"),
        "lname": From("LAST"),
        "date_of_birth": From("BIRTHDATE"),
        "address": From("ADDRESS"),
        "city": From("CITY"),
        "state": From("STATE"),
        "zipcode": From("ZIP"),
        # The export says nothing of when a record was changed: it is a priming.
        "last_modified_date": Constant("1900-01-01"),
    },
    ignored=(
        "DEATHDATE", "SSN", "DRIVERS", "PASSPORT", "PREFIX", "SUFFIX", "MIDDLE", "MAIDEN", "MARITAL", "RACE",
        "ETHNICITY", "GENDER", "BIRTHPLACE", "COUNTY", "FIPS", "LAT", "LON", "HEALTHCARE_*", "INCOME",
    ),
    source="Synthea's CSV export, patients.csv (Apache-2.0)",
)  # fmt: skip

SYNTHEA_PROVIDERS = SourceMapping(
    name="synthea_providers",
    files="synthea_providers*",
    columns={
        "provider_id": From("Id"),
        "fname": From("NAME", matching=r"^(?P<v>\S+) .*$"),
        "lname": From("NAME", matching=r"^\S+ (?P<v>.*)$"),
        "address": From("ADDRESS"),
        "city": From("CITY"),
        "state": From("STATE"),
        "zipcode": From("ZIP"),
        "specialty_code": From("SPECIALITY", values={"GENERAL PRACTICE": "family_physician"}),
    },
    ignored=("ORGANIZATION", "GENDER", "LAT", "LON", "UTILIZATION", "ENCOUNTERS", "PROCEDURES"),
    source="Synthea's CSV export, providers.csv (Apache-2.0)",
)

HCPCS_LEVEL_2 = SourceMapping(
    name="hcpcs_level_2",
    files="hcpcs_level_2*",
    columns={
        "system": Constant("hcpcs"),
        "code": From("code"),
        "description": From("long_description"),
        # The list says nothing of when a code began: it is of all days.
        "effective_from": Constant("1900-01-01"),
    },
    ignored=("seqnum", "recid", "short_description"),
    by_header=False,
    source="CMS, HCPCS level II alphanumeric file",
)

PLACE_OF_SERVICE_CODES = SourceMapping(
    name="place_of_service_codes",
    files="place_of_service_codes*",
    columns={
        "system": Constant("place_of_service"),
        "code": From("code"),
        "description": From("description"),
        "effective_from": Constant("1900-01-01"),
    },
    by_header=False,
    source="CMS, place of service code set",
)
