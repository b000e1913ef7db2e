"""Text formats: what is accepted and becomes which value, and that nothing else is."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims_lakehouse.contracts.claims import VISIT_TYPES
from claims_lakehouse.contracts.formats import AMOUNT, COVERAGE, DATE, FLAG, STATE, TEXT, ZIPCODE, Format, choice
from claims_lakehouse.contracts.geography import STATES
from claims_lakehouse.contracts.providers import SPECIALTIES
from claims_lakehouse.contracts.rules import UNKNOWN_SPECIALTY, UNKNOWN_VISIT_TYPE

SPECIALTY = choice("specialty", UNKNOWN_SPECIALTY, SPECIALTIES)
VISIT = choice("visit type", UNKNOWN_VISIT_TYPE, VISIT_TYPES)
DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
#: Texts that come near to being accepted: digits of two scripts, signs, separators, letters of the words.
NEAR = st.text(alphabet="0123456789٣.,-+/ eE$%_TFtrue\u00a0", max_size=14)


def parse(form: Format, text: str | None) -> Any:
    return parsed(form, [text])[0]


def parsed(form: Format, texts: list[str | None]) -> list[Any]:
    values = pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(form.parse(pl.col("text"))).to_series()
    assert values.dtype == form.dtype
    return values.to_list()


def noticed(form: Format, text: str) -> list[str]:
    """The rules of the notices that a text gives rise to."""
    pair = pl.DataFrame({"text": [text]}).with_columns(form.parse(pl.col("text")).alias("value"))
    return [
        notice.rule.name for notice in form.notices if pair.select(notice.holds(pl.col("text"), pl.col("value"))).item()
    ]


@pytest.mark.parametrize("form", [TEXT, DATE, AMOUNT, COVERAGE, FLAG, ZIPCODE, STATE, SPECIALTY])
def test_null_stays_null_and_an_empty_column_keeps_its_type(form: Format) -> None:
    assert parsed(form, [None]) == [None]
    assert parsed(form, []) == []


@given(DAYS, st.sampled_from(["{y}-{m}-{d}", "{m}/{d}/{y}", "{m}-{d}-{y}"]), st.booleans())
def test_a_date_is_read_in_each_of_its_writings(day: date, writing: str, padded: bool) -> None:
    width = 2 if padded else 1
    text = writing.format(y=day.year, m=f"{day.month:0{width}}", d=f"{day.day:0{width}}")
    assert parse(DATE, text) == day


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29", "2/30/2024", "13/1/2024", "1/32/2024", "0/1/2024", "2024-00-10", "2024-1", "20240101", "1/1/24",
        "1899-12-31", "2101-01-01", "1/1/1899", "2024/01/01", "1-Jan-2024", "1.1.2024", "1/1-2024", "001/1/2024",
        " 1/1/2024", "1/1/2024 ", "1/1/2024\n", "2024-01-01T00:00", "2024-01-01 00:00:00", "٢٠٢٤-01-01", "today", "-",
    ],
)  # fmt: skip
def test_what_is_no_day_in_one_of_them_is_not_a_date(text: str) -> None:
    assert parse(DATE, text) is None


def test_leap_days_are_days() -> None:
    assert parse(DATE, "2/29/2024") == date(2024, 2, 29)
    assert parse(DATE, "2000-02-29") == date(2000, 2, 29)
    assert parse(DATE, "2-29-2100") is None


@given(
    st.decimals(min_value=0, max_value=Decimal("9999999999.99"), places=2),
    st.integers(0, 2),
    st.text("0", max_size=12),
)
def test_an_amount_is_kept_to_the_cent(amount: Decimal, places: int, zeros: str) -> None:
    value = round(amount, places) if round(amount, places) < 10**10 else amount
    assert parse(AMOUNT, f"{zeros}{value:f}") == value


@given(NEAR)
def test_an_amount_is_digits_with_at_most_two_decimals_and_nothing_else(text: str) -> None:
    shaped = re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", text)
    wanted = Decimal(text) if shaped and Decimal(text) < 10**10 else None
    assert parse(AMOUNT, text) == wanted


@pytest.mark.parametrize(
    "text",
    ["1.005", "1e3", ".5", "1.", "-1", "+1", "1,000", "$5", "10000000000", "0x1", "NaN", "inf", "1 000", "٣", "", "."],
)
def test_what_a_cast_would_let_through_is_no_amount(text: str) -> None:
    assert parse(AMOUNT, text) is None


@given(st.sampled_from([100, 50, 0]), st.one_of(st.just(""), st.integers(0, 9).map(lambda n: "." + "0" * n)))
def test_a_coverage_is_one_of_three_whole_numbers(coverage: int, decimals: str) -> None:
    assert parse(COVERAGE, f"{coverage}{decimals}") == coverage


@pytest.mark.parametrize("text", ["75", "1", "1.0", "0.5", "100%", "050", "00", "-0", "100.01", "50,0", "1e2", "half"])
def test_any_other_coverage_is_not_one(text: str) -> None:
    assert parse(COVERAGE, text) is None


@pytest.mark.parametrize(("words", "value"), [("t true y yes 1", True), ("f false n no 0", False)])
def test_a_flag_has_five_words_for_each_value_in_any_case(words: str, value: bool) -> None:
    for word in words.split():
        assert parsed(FLAG, [word, word.upper(), word.title()]) == [value] * 3


@given(NEAR)
def test_nothing_else_is_a_flag(text: str) -> None:
    known = {"t", "true", "y", "yes", "1", "f", "false", "n", "no", "0"}
    assert (parse(FLAG, text) is not None) == (text.lower() in known)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("72201", "72201"), ("00501", "00501"), ("72201-1234", "72201-1234"), ("722011234", "72201-1234"),
        ("501", "00501"), ("1001", "01001"), ("12", None), ("722011", None), ("72201-", None), ("72201-12", None),
        ("7220-1234", None), ("72201 1234", None), ("ABCDE", None), ("K1A 0B1", None), ("٧٢٢٠١", None),
    ],
)  # fmt: skip
def test_a_zip_code_is_kept_in_one_writing_or_not_at_all(text: str, value: str | None) -> None:
    assert parse(ZIPCODE, text) == value


def test_only_a_zip_code_that_lost_its_zeros_is_noticed() -> None:
    assert noticed(ZIPCODE, "501") == noticed(ZIPCODE, "1001") == ["zipcode_padded"]
    assert noticed(ZIPCODE, "00501") == noticed(ZIPCODE, "722011234") == []


@given(st.sampled_from(SPECIALTIES), st.data())
def test_a_word_is_known_whatever_its_case_and_inner_white_space(word: str, data: st.DataObject) -> None:
    gap = data.draw(st.text(alphabet=" _\t\u00a0\u2003", min_size=1, max_size=3))
    cased = "".join(data.draw(st.sampled_from([letter, letter.upper()])) for letter in word)
    assert parse(SPECIALTY, cased.replace("_", gap)) == word


@pytest.mark.parametrize(
    "text", ["dentist", "heartsurgeon", "heart-surgeon", "orthopedists", "_orthopedist", "\u017furgery"]
)
def test_an_unknown_word_is_not_accepted(text: str) -> None:
    assert parse(SPECIALTY, text) is None
    assert parse(VISIT, text) is None


def test_a_misspelt_word_is_given_the_likeliest_one() -> None:
    assert SPECIALTY.suggest("Ortopedist") == "orthopedist"
    assert SPECIALTY.suggest("heart surgen") == "heart_surgeon"
    assert VISIT.suggest("surgry") == "surgery"
    assert SPECIALTY.suggest("dentist") is None
    assert SPECIALTY.suggest("x" * 1_000_000) is None


@given(st.sampled_from(sorted(STATES.items())), st.sampled_from([str.lower, str.upper, str.title, str]))
def test_a_state_is_known_by_name_and_by_code_in_any_case_and_kept_as_sent(pair: tuple[str, str], case: Any) -> None:
    for text in map(case, pair):
        assert parse(STATE, text) == text
        assert noticed(STATE, text) == []


@pytest.mark.parametrize("text", ["Conneticut", "Ontario", "XX", "N.Y.", "New  York"])
def test_any_other_state_is_accepted_as_sent_and_noticed(text: str) -> None:
    assert parse(STATE, text) == text
    assert noticed(STATE, text) == ["unknown_state"]


def test_a_misspelt_state_is_given_the_nearest_name() -> None:
    assert STATE.suggest("Conneticut") == "Connecticut"
    assert STATE.suggest("californa") == "California"
    assert STATE.suggest("Ontario") is None
    assert STATE.suggest("") is None


@given(st.text(max_size=40))
def test_any_text_is_text(text: str) -> None:
    assert parse(TEXT, text) == text


@given(st.lists(st.one_of(st.none(), NEAR), max_size=8))
def test_a_value_does_not_depend_on_the_rows_around_it(texts: list[str | None]) -> None:
    for form in (DATE, AMOUNT, COVERAGE, FLAG, ZIPCODE, SPECIALTY):
        assert parsed(form, texts) == [parse(form, text) for text in texts]
