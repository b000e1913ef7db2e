"""Accepted text formats: how a field as sent becomes a typed value, and what is wrong when it does not.

A parser is a polars expression over trimmed text (the empty string is null already); it gives null where
the text is not of the format. Digits are ASCII digits everywhere. No I/O.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.geography import STATE_WORDS, STATES
from claims_lakehouse.contracts.rules import Rule

Parser = Callable[[pl.Expr], pl.Expr]


@dataclass(frozen=True)
class Notice:
    """A warning about a value that is accepted all the same; `holds` is over (text, parsed value)."""

    rule: Rule
    holds: Callable[[pl.Expr, pl.Expr], pl.Expr]


@dataclass(frozen=True)
class Format:
    """How one kind of field is written, in words and in code.

    `rule` is what text breaks that `parse` gives null for; None where every text is of the format.
    `suggest` names a likely value for text that broke a rule of the format, or None. `recurs` says that the same
    texts come again and again, so that each is worth parsing only once (a day in a column of dates). `lies_ahead` says
    that a day may lie in the future without a word (the end of a plan), `empty_is_value` that an empty field has a
    value, `is_empty` which texts stand for an empty field.
    """

    name: str
    accepts: str
    dtype: pl.DataType
    sql_type: str
    parse: Parser
    rule: Rule | None = None
    notices: tuple[Notice, ...] = ()
    suggest: Callable[[str], str | None] = field(default=lambda _: None)
    recurs: bool = False
    lies_ahead: bool = False
    empty_is_value: bool = False
    is_empty: Parser | None = None


def as_words(text: pl.Expr) -> pl.Expr:
    """Lower case, with each run of white space or underscores as one underscore."""
    return text.str.to_lowercase().str.replace_all(r"[\s_]+", "_")


def nearest(word: str, among: Sequence[str], cutoff: float = 0.7) -> str | None:
    """The likeliest of `among` for a misspelt word, or None."""
    found = difflib.get_close_matches(word[:100].lower().replace(" ", "_"), among, n=1, cutoff=cutoff)
    return found[0] if found else None


def _parse_date(text: pl.Expr) -> pl.Expr:
    year, other = "(?:19[0-9]{2}|20[0-9]{2}|2100)", "[0-9]{1,2}"
    shapes = (f"{year}-{other}-{other}", f"{other}/{other}/{year}", f"{other}-{other}-{year}")
    shaped = pl.when(text.str.contains(f"^(?:{'|'.join(shapes)})$")).then(text)
    formats = ("%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y")
    return pl.coalesce(shaped.str.to_date(form, strict=False, cache=False) for form in formats)


def _parse_amount(text: pl.Expr) -> pl.Expr:
    shaped = text.str.contains(r"^0*[0-9]{1,10}(?:\.[0-9]{1,2})?$")
    return pl.when(shaped).then(text).cast(AMOUNT.dtype)


def _parse_coverage(text: pl.Expr) -> pl.Expr:
    return text.str.extract(r"^(100|50|0)(?:\.0*)?$").cast(pl.Int32)


def _parse_flag(text: pl.Expr) -> pl.Expr:
    word = text.str.to_lowercase()
    return (
        pl.when(word.is_in(["t", "true", "y", "yes", "1"]))
        .then(pl.lit(value=True))
        .when(word.is_in(["f", "false", "n", "no", "0"]))
        .then(pl.lit(value=False))
    )


def _parse_zipcode(text: pl.Expr) -> pl.Expr:
    return (
        pl.when(text.str.contains(r"^(?:[0-9]{5}|[0-9]{5}-[0-9]{4})$"))
        .then(text)
        .when(text.str.contains(r"^[0-9]{9}$"))
        .then(pl.concat_str(text.str.slice(0, 5), pl.lit("-"), text.str.slice(5)))
        .when(text.str.contains(r"^[0-9]{3,4}$"))
        .then(text.str.zfill(5))
    )


def _suggest_state(sent: str) -> str | None:
    word = difflib.get_close_matches(sent[:100].lower(), STATE_WORDS, n=1, cutoff=0.7)
    names = {name.lower(): name for name in STATES.values()}
    return names.get(word[0], word[0].upper()) if word else None


def choice(name: str, rule: Rule, words: Sequence[str]) -> Format:
    """One of a few words; case and inner white space do not matter, kept in lower case with underscores."""

    def parse(text: pl.Expr) -> pl.Expr:
        word = as_words(text)
        return pl.when(word.is_in(words)).then(word)

    return Format(
        name=name,
        accepts="one of " + ", ".join(words) + " (case and white space do not matter)",
        dtype=pl.String(),
        sql_type="VARCHAR",
        parse=parse,
        rule=rule,
        suggest=lambda sent: nearest(sent, words),
        recurs=True,
    )


TEXT = Format("text", "any text", pl.String(), "VARCHAR", parse=lambda text: text)
DATE = Format(
    "date",
    "YYYY-MM-DD, M/D/YYYY or M-D-YYYY, padded or not, years 1900 to 2100",
    pl.Date(),
    "DATE",
    parse=_parse_date,
    rule=rules.NOT_A_DATE,
    recurs=True,
)
#: A day of a period that may lie in the future.
PERIOD_DATE = replace(DATE, lies_ahead=True)
#: The last day of a period, which may have none: systems without an empty date write one that nobody will see.
END_DATE = replace(
    PERIOD_DATE,
    accepts=f"{DATE.accepts}; December 31 of 2999 or 9999 (99991231 too) is no end",
    is_empty=lambda text: text.str.contains(r"^(?:(?:2999|9999)-?12-?31|12[/-]31[/-](?:2999|9999))$"),
)
AMOUNT = Format(
    "amount",
    "digits with at most two decimals, below 10,000,000,000",
    pl.Decimal(12, 2),
    "DECIMAL(12, 2)",
    parse=_parse_amount,
    rule=rules.BAD_AMOUNT,
)
COVERAGE = Format(
    "coverage", "100, 50 or 0", pl.Int32(), "INTEGER", parse=_parse_coverage, rule=rules.BAD_COVERAGE, recurs=True
)
FLAG = Format(
    "flag",
    "T/F, true/false, Y/N, yes/no or 1/0 in any case",
    pl.Boolean(),
    "BOOLEAN",
    parse=_parse_flag,
    rule=rules.BAD_FLAG,
    recurs=True,
)
ZIPCODE = Format(
    "zipcode",
    "5 digits, or 9 with or without a hyphen; 3 or 4 digits are padded",
    pl.String(),
    "VARCHAR",
    parse=_parse_zipcode,
    rule=rules.BAD_ZIPCODE,
    notices=(Notice(rules.ZIPCODE_PADDED, lambda text, _: text.str.len_bytes() < 5),),
)
STATE = Format(
    "state",
    "a US state or territory by name or two-letter code, kept as sent",
    pl.String(),
    "VARCHAR",
    parse=lambda text: text,
    notices=(Notice(rules.UNKNOWN_STATE, lambda text, _: ~text.str.to_lowercase().is_in(STATE_WORDS)),),
    suggest=_suggest_state,
    recurs=True,
)
