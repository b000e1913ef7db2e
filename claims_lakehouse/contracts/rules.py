"""The rules of verification: one row of the table a rule, whichever stage applies it.

A rule's name, severity and wording stand here once; issues, checks, README and data dictionary take them
from here. `live` rules depend on the other deliveries and are judged in the warehouse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
#: What of a delivery a rule looks at: one field, several of the row, all rows of the delivery that name the record.
Scope = Literal["field", "row", "record"]


@dataclass(frozen=True)
class Rule:
    """What can be wrong with a row or a file.

    `message` is for a person; `{column}` and `{expected}` in it are filled in. `source` says where the rule comes from,
    `reads` what it looks at: what a person decides about a finding binds to that.
    """

    name: str
    severity: Severity
    message: str
    live: bool = False
    source: str = "the feed's contract"
    reads: Scope = "field"


MALFORMED_ROW = Rule(
    "malformed_row",
    "error",
    "The line could not be split into fields: {expected}.",
    source="RFC 4180, as docs/decisions/0003 reads it",
)
MISSING_VALUE = Rule("missing_value", "error", "{column} is empty, and a record cannot do without it.")
MISSING_OPTIONAL = Rule("missing_value", "warning", "{column} is empty; accepted without it.")
NOT_A_DATE = Rule("not_a_date", "error", "{column} is not a date; expected {expected}.")
BAD_AMOUNT = Rule("bad_amount", "error", "{column} is not an amount; expected {expected}.")
BAD_COVERAGE = Rule("bad_coverage", "error", "{column} is not a coverage; expected {expected}.")
UNKNOWN_VISIT_TYPE = Rule("unknown_visit_type", "error", "{column} is not a visit type; expected {expected}.")
UNKNOWN_SPECIALTY = Rule("unknown_specialty", "error", "{column} is not a specialty; expected {expected}.")
BAD_FLAG = Rule("bad_flag", "error", "{column} is not a flag; expected {expected}.")
BAD_ZIPCODE = Rule(
    "bad_zipcode", "error", "{column} is not a zip code; expected {expected}.", source="USPS: five digits, or ZIP+4"
)
ZIPCODE_PADDED = Rule(
    "zipcode_padded",
    "warning",
    "{column} had lost its leading zeros; they were put back.",
    source="USPS: a ZIP Code has five digits; spreadsheets drop leading zeros",
)
UNKNOWN_STATE = Rule(
    "unknown_state",
    "warning",
    "{column} is not a US state or territory; kept as sent.",
    source="USPS Publication 28, appendix B",
)
SERVICE_AFTER_CLAIM = Rule(
    "service_after_claim",
    "error",
    "The date of service lies after the claim's date.",
    source="the contract of claims: nobody bills before the visit",
    reads="row",
)
SWAPPED_IDS = Rule(
    "swapped_ids",
    "error",
    "The claim's number stands where the patient's belongs, and the other way round.",
    source="seen in deliveries; docs/decisions/0006",
    reads="row",
)
SEQUENCE_IN_FUTURE = Rule(
    "sequence_in_future",
    "error",
    "{column} lies more than 31 days after the delivery was received, and would stay current for ever.",
    source="the order of history; docs/decisions/0006",
)
DATE_IN_FUTURE = Rule("date_in_future", "warning", "{column} lies after the day the delivery was received.")
DUPLICATE_ROW = Rule(
    "duplicate_row",
    "warning",
    "The row says again what row {expected} of this delivery says.",
    source="the order of history: one row of a delivery says it once",
    reads="record",
)
CONFLICTING_ROW = Rule(
    "conflicting_row",
    "error",
    "Row {expected} of this delivery says otherwise of the same record at the same time.",
    source="the order of history: one row of a delivery stands",
    reads="record",
)
UNEXPECTED_COLUMN = Rule(
    "unexpected_column", "warning", "The file has a column that the contract does not know; kept in raw only."
)
TEST_INTERCHANGE = Rule(
    "test_interchange",
    "warning",
    "{column} of an interchange says that it was sent for tests (T); its rows are taken as any others.",
    source="X12 interchange control structures: ISA15, T test data, P production data",
)
SAME_SEQUENCE = Rule(
    "same_sequence",
    "warning",
    "An earlier delivery says otherwise of the same record at the same time; the later one holds.",
    live=True,
    source="the order of history: the later delivery wins",
    reads="row",
)
UNKNOWN_PATIENT = Rule(
    "unknown_patient",
    "warning",
    "No delivery has brought this patient yet.",
    live=True,
    source="the feed's contract: patient_id names a patient",
)
UNKNOWN_PROVIDER = Rule(
    "unknown_provider",
    "warning",
    "No delivery has brought this provider yet.",
    live=True,
    source="the contract of claims: provider_id names a provider",
)

BAD_NPI = Rule(
    "bad_npi",
    "error",
    "{column} is not a National Provider Identifier; expected {expected}.",
    source="45 CFR 162.406; ISO/IEC 7812 check digit with the prefix 80840",
)
BAD_PROCEDURE_CODE = Rule(
    "bad_procedure_code",
    "error",
    "{column} is not a procedure code; expected {expected}.",
    source="45 CFR 162.1002: CPT and HCPCS level II",
)
BAD_MODIFIERS = Rule(
    "bad_modifiers",
    "error",
    "{column} holds something else than modifiers; expected {expected}.",
    source="X12 837 SV101",
)
BAD_DIAGNOSIS_CODES = Rule(
    "bad_diagnosis_codes",
    "error",
    "{column} holds something else than diagnosis codes; expected {expected}.",
    source="X12 837 HI: 1 to 12 codes; ICD-10-CM: 3 to 7 characters",
)
BAD_POINTERS = Rule(
    "bad_pointers", "error", "{column} holds something else than pointers; expected {expected}.", source="X12 837 SV107"
)
POINTER_OUT_OF_RANGE = Rule(
    "pointer_out_of_range",
    "error",
    "A pointer names a diagnosis that the line does not have.",
    source="X12 837 SV107: pointers count the claim's diagnoses",
    reads="row",
)
UNKNOWN_PLACE_OF_SERVICE = Rule(
    "unknown_place_of_service",
    "error",
    "{column} is no place of service; expected {expected}.",
    source="CMS place of service code set",
)
BAD_UNITS = Rule("bad_units", "error", "{column} is not in range; expected {expected}.", source="X12 837 SV104")
BAD_NUMBER = Rule("bad_number", "error", "{column} is not a number that it can be; expected {expected}.")
BAD_PERCENTAGE = Rule("bad_percentage", "error", "{column} is not a percentage; expected {expected}.")
BAD_COPAYS = Rule("bad_copays", "error", "{column} is not a list of copays; expected {expected}.")
UNKNOWN_FREQUENCY = Rule(
    "unknown_frequency",
    "error",
    "{column} is not a frequency code; expected {expected}.",
    source="X12 837 CLM05-3 (NUBC claim frequency codes)",
)
BAD_CODE = Rule("bad_code", "error", "{column} is not a code; expected {expected}.")
UNKNOWN_CODE_SYSTEM = Rule("unknown_code_system", "error", "{column} is not a code system; expected {expected}.")
UNKNOWN_KIND = Rule("unknown_kind", "error", "{column} is not a kind of exclusion; expected {expected}.")
UNKNOWN_INDICATOR = Rule(
    "unknown_indicator",
    "error",
    "{column} is not a modifier indicator; expected {expected}.",
    source="CMS National Correct Coding Initiative",
)
UNKNOWN_SEX = Rule("unknown_sex", "error", "{column} is not a sex; expected {expected}.")
ENDS_BEFORE_IT_BEGINS = Rule(
    "ends_before_it_begins",
    "error",
    "The last day lies before the first.",
    source="the contract: a period's last day is not before its first",
    reads="row",
)
SERVICE_AFTER_RECEIPT = Rule(
    "service_after_receipt",
    "error",
    "The date of service lies after the day the claim was received.",
    source="the contract of medical_claims: nobody bills before the service",
    reads="row",
)
ORIGINAL_MISSING = Rule(
    "original_missing",
    "error",
    "A replacement or void does not say which claim it is about.",
    source="X12 837: REF*F8 with frequency codes 7 and 8",
    reads="row",
)
INCOMPLETE_EXCLUSION = Rule(
    "incomplete_exclusion",
    "error",
    "The exclusion lacks what its kind takes: a code, an age, a sex or a number of units.",
    source="the contract of exclusions",
    reads="row",
)
UNKNOWN_DIAGNOSIS = Rule(
    "unknown_diagnosis",
    "error",
    "{expected} is not in the ICD-10-CM release of the day of service.",
    source="45 CFR 162.1002: ICD-10-CM as of the date of service",
    reads="row",
)
DIAGNOSIS_NOT_BILLABLE = Rule(
    "diagnosis_not_billable",
    "error",
    "{expected} is a header in the ICD-10-CM release of the day of service: a code below it has to be billed.",
    source="ICD-10-CM official guidelines, section I.B.2: the highest number of characters available",
    reads="row",
)
DIAGNOSIS_UNVERIFIED = Rule(
    "diagnosis_unverified",
    "warning",
    "No ICD-10-CM release at hand is that of the day of service, and none of those next to it has {expected}.",
    source="45 CFR 162.1002: ICD-10-CM as of the date of service",
    reads="row",
)
REJECTED_TRANSACTION = Rule(
    "rejected_transaction",
    "error",
    "The X12 transaction is not sound: {expected}.",
    source="X12 005010 and 004010 implementation guides, as x12sdk reads them",
)
UNSUPPORTED_TRANSACTION = Rule(
    "unsupported_transaction",
    "error",
    "The X12 transaction is of a kind that the feed does not hold: {expected}.",
    source="the contract: the feed's transaction",
)
OTHER_RECORD = Rule(
    "other_record",
    "error",
    "The layout holds records of several kinds, and this is none of the feed's: {expected}.",
    source="the source mapping",
)
UNKNOWN_PLAN = Rule(
    "unknown_plan",
    "warning",
    "No delivery has brought this plan yet.",
    live=True,
    source="the feed's contract: plan_id names a plan",
)
UNKNOWN_AUTHORIZATION = Rule(
    "unknown_authorization",
    "warning",
    "No delivery has brought this authorization yet.",
    live=True,
    source="the contract of medical_claims: prior_auth_number names an authorization",
)
UNKNOWN_PROCEDURE = Rule(
    "unknown_procedure",
    "warning",
    "No landed code set of its system has this code in force on the day of service.",
    live=True,
    source="the landed code sets",
    reads="row",
)
EXACT_DUPLICATE = Rule(
    "exact_duplicate",
    "warning",
    "Another line bills the same patient, day, provider, procedure and modifiers; the value names it.",
    live=True,
    source="CARC 18",
    reads="row",
)
NEAR_DUPLICATE = Rule(
    "near_duplicate",
    "warning",
    "Another line is much like this one: same patient and provider within 7 days; the value names it and says why.",
    live=True,
    source="docs/decisions/0013",
    reads="row",
)

RULES: tuple[Rule, ...] = (
    MALFORMED_ROW,
    MISSING_VALUE,
    MISSING_OPTIONAL,
    NOT_A_DATE,
    BAD_AMOUNT,
    BAD_COVERAGE,
    UNKNOWN_VISIT_TYPE,
    UNKNOWN_SPECIALTY,
    BAD_FLAG,
    BAD_ZIPCODE,
    ZIPCODE_PADDED,
    UNKNOWN_STATE,
    SERVICE_AFTER_CLAIM,
    SWAPPED_IDS,
    SEQUENCE_IN_FUTURE,
    DATE_IN_FUTURE,
    DUPLICATE_ROW,
    CONFLICTING_ROW,
    UNEXPECTED_COLUMN,
    TEST_INTERCHANGE,
    BAD_NPI,
    BAD_PROCEDURE_CODE,
    BAD_MODIFIERS,
    BAD_DIAGNOSIS_CODES,
    BAD_POINTERS,
    POINTER_OUT_OF_RANGE,
    UNKNOWN_PLACE_OF_SERVICE,
    BAD_UNITS,
    BAD_NUMBER,
    BAD_PERCENTAGE,
    BAD_COPAYS,
    UNKNOWN_FREQUENCY,
    BAD_CODE,
    UNKNOWN_CODE_SYSTEM,
    UNKNOWN_KIND,
    UNKNOWN_INDICATOR,
    UNKNOWN_SEX,
    ENDS_BEFORE_IT_BEGINS,
    SERVICE_AFTER_RECEIPT,
    ORIGINAL_MISSING,
    INCOMPLETE_EXCLUSION,
    UNKNOWN_DIAGNOSIS,
    DIAGNOSIS_NOT_BILLABLE,
    DIAGNOSIS_UNVERIFIED,
    REJECTED_TRANSACTION,
    UNSUPPORTED_TRANSACTION,
    OTHER_RECORD,
    SAME_SEQUENCE,
    UNKNOWN_PATIENT,
    UNKNOWN_PROVIDER,
    UNKNOWN_PLAN,
    UNKNOWN_AUTHORIZATION,
    UNKNOWN_PROCEDURE,
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
)


#: What records break that could not be read as a row of the feed at all.
UNREAD: frozenset[str] = frozenset(
    rule.name for rule in (MALFORMED_ROW, REJECTED_TRANSACTION, UNSUPPORTED_TRANSACTION, OTHER_RECORD)
)


def rule_named(name: str) -> Rule:
    """The rule of that name, the more severe one of two; KeyError where there is none."""
    found = [rule for rule in RULES if rule.name == name]
    if not found:
        raise KeyError(name)
    return min(found, key=lambda rule: rule.severity)


def reads_of(rule: str) -> Scope:
    """What a rule looks at, by its name; one that is not in the table looks at a field."""
    return next((known.reads for known in RULES if known.name == rule), "field")
