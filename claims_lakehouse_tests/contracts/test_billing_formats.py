"""The formats of codes: what is accepted and how it is kept."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims_lakehouse.contracts import billing_formats as formats
from claims_lakehouse.contracts.formats import Format
from claims_lakehouse_tests.medical import npi, passes_luhn


def read(form: Format, *texts: str | None) -> list[object]:
    return (
        pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
        .select(form.parse(pl.col("text")))
        .to_series()
        .to_list()
    )


def test_an_npi_has_its_check_digit() -> None:
    assert read(formats.NPI, "1234567893", "1234567890", "3234567893", "123456789", "12345678931", None, "l234567893") == [
        "1234567893", None, None, None, None, None, None,
    ]  # fmt: skip


@given(st.from_regex(r"[12][0-9]{9}", fullmatch=True))
def test_an_npi_is_what_luhn_says(text: str) -> None:
    assert (read(formats.NPI, text) == [text]) == passes_luhn("80840" + text)
    assert read(formats.NPI, npi(text[:9])) == [npi(text[:9])]


@pytest.mark.parametrize(
    ("form", "sent", "kept"),
    [
        (formats.DIAGNOSES, "e11.9; I10", "E119|I10"),
        (formats.DIAGNOSES, "|".join(["I10"] * 12), "|".join(["I10"] * 12)),
        (formats.DIAGNOSES, "|".join(["I10"] * 13), None),
        (formats.DIAGNOSES, "195662009", None),
        (formats.DIAGNOSES, "E119 | I10 |", "E119|I10"),
        (formats.DIAGNOSES, "E119||I10", None),
        (formats.DIAGNOSES, "|I10", None),
        (formats.DIAGNOSES, "I10 and more", None),
        (formats.DIAGNOSES, "I1", None),
        (formats.MODIFIERS, "25,59", "25|59"),
        (formats.MODIFIERS, "lt 50 25 59", "LT|50|25|59"),
        (formats.MODIFIERS, "25 59 LT RT 50", None),
        (formats.MODIFIERS, "255", None),
        (formats.POINTERS, "1:2", "1|2"),
        (formats.POINTERS, "12", "12"),
        (formats.POINTERS, "13", None),
        (formats.POINTERS, "0", None),
        (formats.POINTERS, "1 2 3 4 5", None),
        (formats.PROCEDURE, "g0008", "G0008"),
        (formats.PROCEDURE, "99213", "99213"),
        (formats.PROCEDURE, "0011A", "0011A"),
        (formats.PROCEDURE, "0011B", None),
        (formats.COPAYS, "11=25|11=30", None),
        (formats.PROCEDURE, "0042T", "0042T"),
        (formats.PROCEDURE, "185345009", None),
        (formats.PROCEDURE, "W0001", None),
        (formats.PLACE_OF_SERVICE, "2", "02"),
        (formats.PLACE_OF_SERVICE, "11", "11"),
        (formats.PLACE_OF_SERVICE, "30", None),
        (formats.FREQUENCY, "7", "7"),
        (formats.FREQUENCY, "2", None),
        (formats.COPAYS, "11=25.00, other=40", "11=25.00|other=40"),
        (formats.COPAYS, "11:25", None),
        (formats.CODE_SYSTEM, "ICD-10-CM", "icd_10_cm"),
        (formats.CODE_SYSTEM, "HCPCS level II", "hcpcs"),
        (formats.CODE_SYSTEM, "snomed", None),
        (formats.MODIFIER_OR_NONE, None, ""),
        (formats.MODIFIER_OR_NONE, "25", "25"),
        (formats.MODIFIER_OR_NONE, "25|59", None),
        (formats.LINE_NUMBER, "01", 1),
        (formats.LINE_NUMBER, "0", None),
        (formats.LINE_NUMBER, "1.0", None),
    ],
)
def test_codes_are_kept_in_one_form(form: Format, sent: str | None, kept: object) -> None:
    assert read(form, sent) == [kept]


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (formats.MODIFIERS, "ß"),
        (formats.MODIFIERS, "25|ﬁ"),
        (formats.MODIFIERS, "\u017f1"),
        (formats.MODIFIER_OR_NONE, "ß"),
        (formats.PROCEDURE, "\u017f1234"),
        (formats.DIAGNOSES, "\u017f123"),
        (formats.DIAGNOSIS, "\u013110"),
    ],
)
def test_letters_that_only_upper_case_makes_ascii_are_no_codes(form: Format, sent: str) -> None:
    assert read(form, sent) == [None]


@pytest.mark.parametrize(
    ("form", "sent", "kept"),
    [
        (formats.UNITS, "1.00", "1.000"),
        (formats.UNITS, "0", None),
        (formats.UNITS, "0.0", None),
        (formats.UNITS, "0.5", "0.500"),
        (formats.UNITS, "10000", None),
        (formats.UNITS, "-1", None),
        (formats.PERCENTAGE, "20%", "20.00"),
        (formats.PERCENTAGE, "100.00", "100.00"),
        (formats.PERCENTAGE, "100.01", None),
    ],
)
def test_numbers_are_exact_and_in_range(form: Format, sent: str, kept: str | None) -> None:
    [found] = read(form, sent)
    assert (None if found is None else str(found)) == kept


@given(st.text(max_size=30))
def test_no_text_breaks_a_format(text: str) -> None:
    for form in vars(formats).values():
        if isinstance(form, Format):
            [kept] = read(form, text)
            if isinstance(kept, str) and kept:  # what is kept is read as itself
                assert read(form, kept) == [kept]
