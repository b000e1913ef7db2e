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
    source="the contract of claims: patient_id names a patient",
)
UNKNOWN_PROVIDER = Rule(
    "unknown_provider",
    "warning",
    "No delivery has brought this provider yet.",
    live=True,
    source="the contract of claims: provider_id names a provider",
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
    SAME_SEQUENCE,
    UNKNOWN_PATIENT,
    UNKNOWN_PROVIDER,
)


def reads_of(rule: str) -> Scope:
    """What a rule looks at, by its name; one that is not in the table looks at a field."""
    return next((known.reads for known in RULES if known.name == rule), "field")
