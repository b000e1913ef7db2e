"""Accepted text formats of what medical claims are billed with: codes, identifiers, units. No I/O.

Whether a code exists on a day is not asked here: that depends on releases (codes/) and on landed code sets.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.formats import Format, Parser, choice
from claims_lakehouse.contracts.mapping import LIST_SEPARATOR
from claims_lakehouse.contracts.rules import Rule

MOST_DIAGNOSES, MOST_MODIFIERS, MOST_POINTERS = 12, 4, 4
#: CMS, place of service codes for professional claims.
PLACES_OF_SERVICE = (
    *(f"{code:02d}" for code in range(1, 28)), "31", "32", "33", "34", "41", "42", "49", "50", "51", "52", "53", "54",
    "55", "56", "57", "58", "60", "61", "62", "65", "66", "71", "72", "81", "99",
)  # fmt: skip
FREQUENCIES = ("1", "7", "8")
CODE_SYSTEMS = (
    "cpt", "hcpcs", "icd_10_cm", "icd_10_pcs", "modifier", "place_of_service", "revenue_code", "ndc",
)  # fmt: skip
_ANY_SEPARATOR = r"\s*[|,;^:~/]\s*|\s+"


def _text(name: str, accepts: str, parse: Parser, rule: Rule, *, recurs: bool = True) -> Format:
    return Format(name, accepts, pl.String(), "VARCHAR", parse=parse, rule=rule, recurs=recurs)


def _upper(text: pl.Expr) -> pl.Expr:
    """Text in upper case, null where it has letters beyond ASCII: `ß` would become two that were not sent."""
    return pl.when(~text.str.contains(r"[^\x00-\x7F]")).then(text.str.to_uppercase())


def _codes(text: pl.Expr, one: str, most: int) -> pl.Expr:
    """Codes in upper case, whatever stands between them. A gap is not passed over: pointers count places."""
    sent = text.str.replace_all(_ANY_SEPARATOR, LIST_SEPARATOR).str.strip_chars_end(LIST_SEPARATOR)
    codes = _upper(sent)
    shaped = codes.str.contains(rf"^(?:{one})(?:\|(?:{one})){{0,{most - 1}}}$")
    return pl.when(shaped).then(codes)


def _parse_npi(text: pl.Expr) -> pl.Expr:
    digits = pl.when(text.str.contains("^[12][0-9]{9}$")).then(text)
    # The prefix 80840 adds 24 to the sum; every other digit from the first on is doubled.
    single = [digits.str.slice(place, 1).cast(pl.Int32) for place in range(10)]
    doubled = [digit * 2 - pl.when(digit > 4).then(9).otherwise(0) for digit in single[::2]]
    return pl.when((pl.sum_horizontal(*doubled, *single[1::2]) + 24) % 10 == 0).then(digits)


def _parse_procedure(text: pl.Expr) -> pl.Expr:
    code = _upper(text)
    return pl.when(code.str.contains("^(?:[0-9]{4}[0-9AFMTU]|[A-HJ-MP-V][0-9]{4})$")).then(code)


def _diagnoses(most: int) -> Parser:
    # Codes of ICD-9-CM pass: until 30 September 2015 they were the ones to send, and releases judge the rest.
    return lambda text: _codes(text.str.replace_all(".", "", literal=True), "[A-Z0-9][0-9][A-Z0-9]{1,5}", most)


def _parse_place(text: pl.Expr) -> pl.Expr:
    code = text.str.zfill(2)
    return pl.when(code.is_in(PLACES_OF_SERVICE)).then(code)


def _parse_units(text: pl.Expr) -> pl.Expr:
    shaped = text.str.contains(r"^0*[0-9]{1,4}(?:\.[0-9]{1,3})?$") & ~text.str.contains(r"^[0.]*$")
    return pl.when(shaped).then(text).cast(UNITS.dtype)


def _parse_percentage(text: pl.Expr) -> pl.Expr:
    shaped = text.str.contains(r"^0*(?:100(?:\.0{1,2})?|[0-9]{1,2}(?:\.[0-9]{1,2})?)%?$")
    return pl.when(shaped).then(text.str.strip_suffix("%")).cast(PERCENTAGE.dtype)


def _parse_copays(text: pl.Expr) -> pl.Expr:
    pairs = text.str.to_lowercase().str.replace_all(r"[\s|,;]+", LIST_SEPARATOR).str.strip_chars(LIST_SEPARATOR)
    pair = r"(?:[0-9]{2}|other)=[0-9]{1,6}(?:\.[0-9]{1,2})?"
    places = pairs.str.extract_all(r"(?:[0-9]{2}|other)=")
    is_once = places.list.n_unique() == places.list.len()
    return pl.when(pairs.str.contains(rf"^{pair}(?:\|{pair})*$") & is_once).then(pairs)


def _parse_system(text: pl.Expr) -> pl.Expr:
    word = text.str.to_lowercase().str.replace_all("[^a-z0-9]", "")
    known = {system.replace("_", ""): system for system in CODE_SYSTEMS} | {
        "hcpcslevelii": "hcpcs", "hcpcslevel2": "hcpcs", "icd10": "icd_10_cm", "pos": "place_of_service",
    }  # fmt: skip
    return word.replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.String)


def number(name: str, least: int, most: int) -> Format:
    """A whole number within bounds, written with digits alone."""

    def parse(text: pl.Expr) -> pl.Expr:
        value = pl.when(text.str.contains("^0*[0-9]{1,9}$")).then(text).cast(pl.Int32)
        return pl.when(value.is_between(least, most)).then(value)

    return Format(
        name,
        f"a whole number from {least:,} to {most:,}",
        pl.Int32(),
        "INTEGER",
        parse=parse,
        rule=rules.BAD_NUMBER,
        recurs=True,
    )


NPI = _text("npi", "ten digits, the first 1 or 2, the last a check digit", _parse_npi, rules.BAD_NPI)
PROCEDURE = _text(
    "procedure code",
    "a CPT code (four digits and a digit, A, F, M, T or U) or an HCPCS level II code (a letter and four digits), "
    "and none that X12 sends as of another system (ER, IV, WK)",
    _parse_procedure,
    rules.BAD_PROCEDURE_CODE,
)
MODIFIERS = _text(
    "modifiers",
    f"1 to {MOST_MODIFIERS} modifiers of two letters or digits, kept as 25|59",
    lambda text: _codes(text, "[A-Z0-9]{2}", MOST_MODIFIERS),
    rules.BAD_MODIFIERS,
)
#: A part of a key: no modifier is a value too. Not `recurs`: what recurs is read once a text, and nothing is no text.
MODIFIER_OR_NONE = replace(
    _text(
        "modifier or none",
        "a modifier of two letters or digits, or nothing",
        lambda text: pl.when(text.is_null()).then(pl.lit("")).otherwise(_codes(text, "[A-Z0-9]{2}", 1)),
        rules.BAD_MODIFIERS,
        recurs=False,
    ),
    empty_is_value=True,
)
DIAGNOSES = _text(
    "diagnosis codes",
    f"1 to {MOST_DIAGNOSES} codes of 3 to 7 letters and digits, the second a digit, with or without dots, kept as "
    "E119|I10; those that X12 sends as ICD-9-CM (BK, BF) only for services before October 2015",
    _diagnoses(MOST_DIAGNOSES),
    rules.BAD_DIAGNOSIS_CODES,
)
DIAGNOSIS = _text(
    "diagnosis code",
    "a code of 3 to 7 letters and digits, the second a digit, with or without a dot, kept without",
    _diagnoses(1),
    rules.BAD_DIAGNOSIS_CODES,
)
POINTERS = _text(
    "pointers",
    f"1 to {MOST_POINTERS} places of diagnosis codes, 1 to {MOST_DIAGNOSES}, kept as 1|2",
    lambda text: _codes(text, "[1-9]|1[0-2]", MOST_POINTERS),
    rules.BAD_POINTERS,
)
PLACE_OF_SERVICE = _text(
    "place of service", "a code of CMS's list, 01 to 99", _parse_place, rules.UNKNOWN_PLACE_OF_SERVICE
)
UNITS = Format(
    "units",
    "a number above 0 and below 10,000, with at most three decimals, of units and not of minutes",
    pl.Decimal(9, 3),
    "DECIMAL(9, 3)",
    parse=_parse_units,
    rule=rules.BAD_UNITS,
    recurs=True,
)
PERCENTAGE = Format(
    "percentage",
    "0 to 100 with at most two decimals, with or without a percent sign",
    pl.Decimal(5, 2),
    "DECIMAL(5, 2)",
    parse=_parse_percentage,
    rule=rules.BAD_PERCENTAGE,
    recurs=True,
)
COPAYS = _text(
    "copays",
    "amounts by place of service, each once, and for all others, kept as 11=25.00|23=150|other=40",
    _parse_copays,
    rules.BAD_COPAYS,
)
FREQUENCY = choice("frequency code", rules.UNKNOWN_FREQUENCY, FREQUENCIES)
SEX = choice("sex", rules.UNKNOWN_SEX, ("f", "m"))
INDICATOR = choice("modifier indicator", rules.UNKNOWN_INDICATOR, ("0", "1", "9"))
CODE_SYSTEM = _text(
    "code system",
    "one of " + ", ".join(CODE_SYSTEMS) + " (case and punctuation do not matter)",
    _parse_system,
    rules.UNKNOWN_CODE_SYSTEM,
)
LINE_NUMBER = number("line number", 1, 9_999)
COUNT = number("count", 0, 100_000)
