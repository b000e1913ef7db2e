"""What tests of the medical feeds build with: rows that pass their contract, with one field changed."""

from __future__ import annotations

from collections.abc import Iterable

_LINE = {
    "claim_id": "C1",
    "line_number": "1",
    "patient_id": "1000U",
    "provider_npi": "1234567893",
    "billing_npi": "",
    "procedure_code": "99213",
    "modifiers": "",
    "diagnosis_codes": "E119|I10",
    "diagnosis_pointers": "1",
    "date_of_service_from": "2024-01-10",
    "date_of_service_to": "2024-01-10",
    "place_of_service": "11",
    "units": "1",
    "charge_amount": "100.00",
    "prior_auth_number": "",
    "frequency_code": "1",
    "original_claim_id": "",
    "received_date": "2024-01-20",
}
_CODE = {
    "system": "cpt",
    "code": "99213",
    "description": "Office visit",
    "effective_from": "2020-01-01",
    "effective_to": "",
}


def line(**changed: str) -> dict[str, str]:
    return _LINE | changed


def code(**changed: str) -> dict[str, str]:
    return _CODE | changed


def npi(first_nine: str) -> str:
    """A National Provider Identifier that begins with these nine digits, by the textbook's Luhn (ISO/IEC 7812)."""
    return next(first_nine + last for last in "0123456789" if passes_luhn("80840" + first_nine + last))


def passes_luhn(digits: Iterable[str]) -> bool:
    total = 0
    for place, digit in enumerate(reversed(list(digits))):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
