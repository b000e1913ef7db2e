"""What an insurance says of itself: plans, who has them, what they pay for, and the codes it knows.

Each function gives the texts of one feed's columns for the record numbers of a frame. A record keeps its key in every
content and variant, and two variants of one content always differ. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from claims_lakehouse.contracts import PATIENTS, PLANS, Feed
from claims_lakehouse.samples import medical_pools as pools
from claims_lakehouse.samples.drawing import NUMBER, gather, gather_numbers, u64
from claims_lakehouse.samples.size import COVERED, FIRST_FEES, LAST_FEES, PLANS_IN_USE, id_style
from claims_lakehouse.samples.statement import Statement

#: Columns by their names, step by step: those of a later step may be made of those of an earlier one.
Steps = Sequence[Mapping[str, pl.Expr]]

_NUMBER = pl.col(NUMBER)
_NOTHING = pl.lit(None, dtype=pl.String)
#: By the last digit of a patient's number: how many before them the one has who holds the policy.
_BEHIND_HOLDER = (0, 1, 2, 0, 1, 2, 0, 0, 1, 2)
_SECOND = tuple(COVERED[:place].count(digit) for place, digit in enumerate(COVERED))
#: What a plan's fees are of the usual ones, percent.
_LEVELS = (100, 92, 118, 105, 130, 97)
_FIRST_DAY, _CODES_FROM = "2016-01-01", "2000-01-01"


def plans(said: Statement) -> Steps:
    """Terms of plans: the deductible and the copays are what changes."""
    tier = gather(pools.TIERS, _NUMBER % len(pools.TIERS))
    kind = gather(pools.PLAN_KINDS, _NUMBER % len(pools.PLAN_KINDS))
    dollars = (said.draw("deductible", 40) + said.content % 40) * 50 + 250 * said.variant
    columns = {
        "plan_id": ids(said, _NUMBER),
        "plan_name": pl.concat_str(tier, kind, (_NUMBER + 1).cast(pl.String), separator=" "),
        "deductible": pl.concat_str(dollars.cast(pl.String), pl.lit(".00")),
        "coinsurance": (said.draw("coinsurance", 7) * 5).cast(pl.String),
        "copays": gather(pools.COPAYS, (_NUMBER + said.content) % len(pools.COPAYS)),
        "annual_maximum": gather(pools.ANNUAL_MAXIMA, _NUMBER % len(pools.ANNUAL_MAXIMA)),
        "timely_filing_days": said.pick("timely_filing_days", pools.FILING_DAYS),
    }
    return [columns]


def coverages(said: Statement) -> Steps:
    """Plans of patients, by families: a third of them changed theirs once, some have left."""
    block, place = _NUMBER // len(COVERED), _NUMBER % len(COVERED)
    digit = gather_numbers(COVERED, place)
    patient, is_second = block * 10 + digit, gather_numbers(_SECOND, place) == 1
    has_second = gather_numbers([COVERED.count(one) for one in range(10)], digit) == 2
    holder = patient - gather_numbers(_BEHIND_HOLDER, digit)
    plan = said.draw("plan", PLANS_IN_USE, of=holder)
    other = (plan + 1 + said.draw("other plan", PLANS_IN_USE - 1, of=holder)) % PLANS_IN_USE
    if said.born:
        year = said.born_on().year
        first, changed, left = u64(year - 1), u64(year), u64(year)
        has_left = pl.lit(value=False)
    else:
        first, changed = u64(2016), said.draw("year of change", 6, of=holder) + 2017
        left = said.draw("year left", 5, of=holder) + 2019
        has_left = ~has_second & (said.draw("has left", 10, of=holder) == 0)
    if said.content > said.born:
        left, has_left = u64(said.told_on().year), said.draw("leaves", 4, changing=True) == 0
    ends = pl.when(has_second & ~is_second).then(changed - 1).when(has_left).then(left)
    relationship = gather(("18", "01", "19"), gather_numbers(_BEHIND_HOLDER, digit))
    columns = {
        "patient_id": ids(said, patient, PATIENTS),
        "plan_id": ids(said, pl.when(is_second).then(other).otherwise(plan), PLANS),
        "covered_from": _of_year(pl.when(is_second).then(changed).otherwise(first), "-01-01"),
        "covered_to": _of_year(ends, "-12-31"),
        "subscriber_id": ids(said, holder, PATIENTS),
        "relationship": pl.lit("G8") if said.variant else relationship,
        "maintenance_type": pl.lit("001" if said.content > said.born else "021"),
    }
    return [columns]


def fee_schedules(said: Statement) -> Steps:
    """Fees of the plans in use, by year; each update brings those of a plan that it brings."""
    years, codes = LAST_FEES - FIRST_FEES + 1, len(pools.BILLED)
    if said.born:
        later = _NUMBER - PLANS_IN_USE * years * codes
        code, plan = later % codes, later // codes + said.size.primed(PLANS)
        year, ends = u64(said.born_on().year), pl.lit(None, dtype=pl.UInt64)
    else:
        code, plan = _NUMBER // years % codes, _NUMBER // (years * codes)
        year = _NUMBER % years + FIRST_FEES
        ends = pl.when(year < LAST_FEES).then(year)
    usual = gather_numbers([one.cents for one in pools.BILLED], code)
    level = gather_numbers(_LEVELS, plan % len(_LEVELS)) * (100 + 2 * (year - FIRST_FEES))
    risen = (said.draw(f"risen {said.content}", 9) + 101) if said.content else u64(100)
    cents = usual * level // 10_000 * risen // 100 + said.draw("cents", 20) + 25 * said.variant
    columns = {
        "plan_id": ids(said, plan, PLANS),
        "procedure_code": gather([one.code for one in pools.BILLED], code),
        "modifier": _NOTHING,
        "allowed_amount": amounts(cents),
        "effective_from": _of_year(year, "-01-01"),
        "effective_to": _of_year(ends, "-12-31"),
    }
    return [columns]


def exclusions(said: Statement) -> Steps:
    """Limits of all kinds, of one plan or of all; their end is what changes."""
    place = _NUMBER % len(pools.EXCLUSIONS)
    plan = said.draw("plan", 2 * PLANS_IN_USE)
    listed = pools.EXCLUSIONS
    columns = {
        "exclusion_id": ids(said, _NUMBER),
        "plan_id": pl.when(plan < PLANS_IN_USE).then(ids(said, plan, PLANS)),
        "kind": gather([one.kind for one in listed], place),
        "procedure_code": gather([one.procedure for one in listed], place),
        "diagnosis_code": gather([one.diagnosis for one in listed], place),
        "least_age": gather([one.least_age for one in listed], place),
        "most_age": gather([one.most_age for one in listed], place),
        "sex": gather([one.sex for one in listed], place),
        "most_units_a_day": gather([one.most_units for one in listed], place),
        "effective_from": pl.lit(_since(said)),
        "effective_to": _changing_end(said),
    }
    return [columns]


def procedure_edits(said: Statement) -> Steps:
    """Pairs that are not billed together; their end is what changes."""
    place = _NUMBER % len(pools.EDITS)
    columns = {
        "procedure_code": gather([one for one, _ in pools.EDITS], place),
        "bundled_code": gather([other for _, other in pools.EDITS], place),
        "modifier_indicator": said.pick("modifier_indicator", ("0", "0", "0", "1", "1", "1", "9")),
        "effective_from": pl.lit(_since(said)),
        "effective_to": _changing_end(said),
    }
    return [columns]


def code_sets(said: Statement) -> Steps:
    """Codes of procedures, those in use and then CPT's for emerging technology; the description is what changes."""
    known = len(pools.PROCEDURES)
    if said.born:
        code = pl.concat_str(pl.lit("0"), (_NUMBER - known + 600).cast(pl.String), pl.lit("T"))
        described, ended = pl.concat_str(pl.lit("Emerging technology "), code), _NOTHING
    else:
        code = gather([one.code for one in pools.PROCEDURES], _NUMBER)
        described = gather([one.description for one in pools.PROCEDURES], _NUMBER)
        ended = gather([pools.ENDED.get(one.code) for one in pools.PROCEDURES], _NUMBER)
    told = pl.when(said.draw("in capitals", 3) == 0).then(described.str.to_uppercase()).otherwise(described)
    suffix = (f", as revised in {said.size.day(said.content)}" if said.content else "") + " (draft)" * said.variant
    columns = {
        "system": pl.when(code < "A").then(pl.lit("CPT")).otherwise(pl.lit("HCPCS")),
        "code": code,
        "description": pl.concat_str(told, pl.lit(suffix)),
        "effective_from": pl.lit(_CODES_FROM),
        "effective_to": ended,
    }
    return [columns]


def ids(said: Statement, number: pl.Expr, feed: Feed | None = None) -> pl.Expr:
    """Ids of records of a feed, the statement's own unless another is named."""
    before, after, first = id_style(feed or said.feed)
    return pl.concat_str(pl.lit(before), (number + first).cast(pl.String), pl.lit(after))


def amounts(cents: pl.Expr) -> pl.Expr:
    """Dollars and cents."""
    return pl.concat_str(
        (cents // 100).cast(pl.String), pl.lit("."), gather([f"{one:02d}" for one in range(100)], cents % 100)
    )


def _of_year(year: pl.Expr, day: str) -> pl.Expr:
    return pl.concat_str(year.cast(pl.String), pl.lit(day))


def _since(said: Statement) -> str:
    return said.born_on().isoformat() if said.born else _FIRST_DAY


def _changing_end(said: Statement) -> pl.Expr:
    """Open at first; each content says another year, and each variant of it."""
    if not (said.content or said.variant):
        return _NOTHING
    year = (said.draw("last year", 5) + said.content + said.variant) % 5
    return _of_year(year + max(2028, date.fromisoformat(_since(said)).year + 1), "-12-31")
