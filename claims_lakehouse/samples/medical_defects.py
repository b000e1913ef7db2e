"""What can be wrong with rows of medical claims and of what they are held to, beyond their single fields.

Derived from what a feed declares: its rules, codes and duplicates. Days are texts as YYYY-MM-DD here.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from claims_lakehouse.codes.releases import RELEASES
from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.feed import Duplicates, ReleasedCodes
from claims_lakehouse.samples import medical_pools as pools
from claims_lakehouse.samples.kind import Case, Kind, Row, Spoil
from claims_lakehouse.samples.size import row_id
from claims_lakehouse.samples.statement import PRIMED_TO

#: Days between two releases of ICD-10-CM that are at hand, well away from both.
_UNRELEASED, _UNRELEASED_DAYS = date(2017, 1, 1), 2_000
_FILED_WITHIN = 30


def medical_kinds(feed: Feed) -> list[Kind]:
    """Every kind of defect that follows from what a feed declares of codes, periods and duplicates."""
    found: list[Kind] = []
    spoilt: dict[str, Spoil] = {
        "service_after_receipt": _received_before,
        "pointer_out_of_range": _pointed_beyond,
        "original_missing": _replacing_nothing,
        "incomplete_exclusion": _lacking,
        "ends_before_it_begins": _ended_before(feed),
    }
    for name, rule in feed.rules.items():
        if name in spoilt:
            found.append(Kind(rule, spoilt[name], transacted=True, corrected=True))
    for check in feed.released_codes:
        unknown, header = _diagnosed(feed, check, pools.NO_DIAGNOSES), _diagnosed(feed, check, pools.HEADERS)
        found.append(Kind(check.unknown, unknown, transacted=True, corrected=True))
        found.append(Kind(check.not_billable, header, transacted=True, corrected=True))
        found.append(Kind(check.unverified, _diagnosed_between(feed, check), "priming"))
    for codes in feed.landed_codes:
        found.append(Kind(codes.unknown, _replaced(codes.column, pools.NO_PROCEDURES), transacted=True))
    if feed.duplicates:
        found.append(Kind(feed.duplicates.exact, _billed_again(feed, feed.duplicates, days=0), transacted=True))
        found.append(Kind(feed.duplicates.near, _billed_again(feed, feed.duplicates, days=1), transacted=True))
    return found


def well_covered(row: Row) -> Row:
    """An exclusion that is complete whatever one of its fields may be."""
    about = {"procedure_code": row["procedure_code"] or "99499", "diagnosis_code": row["diagnosis_code"] or "Z41.1"}
    return row | {"kind": "not_covered"} | about


def _replaced(column: str, by: tuple[str, ...]) -> Spoil:
    return lambda case, rng: [case.row | {column: rng.choice(by)}]


def _ended_before(feed: Feed) -> Spoil:
    columns = feed.contract.to_schema().columns.items()
    ends = next((name for name, one in columns if any(c.name == "ends_before_it_begins" for c in one.checks)), "")
    begins = ends.removesuffix("_to") + "_from"
    return lambda case, rng: [case.row | {ends: _shifted(case.row, begins, -rng.randint(1, 60))}]


def _received_before(case: Case, rng: Random) -> list[Row]:
    return [case.row | {"received_date": _shifted(case.row, "date_of_service_from", -rng.randint(1, 20))}]


def _pointed_beyond(case: Case, rng: Random) -> list[Row]:
    first_beyond = len(_codes(case.row, "diagnosis_codes")) + 1
    return [case.row | {"diagnosis_pointers": rng.choice(("1|", "")) + str(rng.randint(first_beyond, 12))}]


def _replacing_nothing(case: Case, rng: Random) -> list[Row]:
    return [case.row | {"frequency_code": rng.choice("78"), "original_claim_id": None}]


def _lacking(case: Case, rng: Random) -> list[Row]:
    limits = {"age_limit": ("least_age", "most_age"), "sex_limit": ("sex",), "units_limit": ("most_units_a_day",)}
    about = ("procedure_code", "diagnosis_code")
    return [case.row | dict.fromkeys(limits.get(case.row["kind"] or "", about))]


def _diagnosed(feed: Feed, check: ReleasedCodes, wrong: tuple[str, ...]) -> Spoil:
    """Another code in place of one, on a day within a release: the row's own, or one shortly before the delivery."""

    def spoil(case: Case, rng: Random) -> list[Row]:
        row = case.row | {check.column: _with_one(case.row, check.column, rng.choice(wrong), rng)}
        own = date.fromisoformat(case.row[check.as_of] or "")
        if any(release.first <= own <= release.last for release in RELEASES):
            return [row]
        latest = (case.day or PRIMED_TO) - timedelta(_FILED_WITHIN + 1)
        release = max(one for one in RELEASES if one.first <= latest)
        day = max(release.first, min(release.last, latest) - timedelta(rng.randint(0, 59)))
        return [row | _served_on(feed, day, rng)]

    return spoil


def _diagnosed_between(feed: Feed, check: ReleasedCodes) -> Spoil:
    def spoil(case: Case, rng: Random) -> list[Row]:
        wrong = _with_one(case.row, check.column, rng.choice(pools.NO_DIAGNOSES), rng)
        day = _UNRELEASED + timedelta(rng.randrange(_UNRELEASED_DAYS))
        return [case.row | {check.column: wrong} | _served_on(feed, day, rng)]

    return spoil


def _billed_again(feed: Feed, duplicates: Duplicates, *, days: int) -> Spoil:
    """The row, and the same act twice more, by a provider of its own: two claims of one line, `days` apart.

    No later delivery speaks of these claims, so that one stays the other's duplicate for good.
    """

    def spoil(case: Case, rng: Random) -> list[Row]:
        provider, day = _any_npi(rng), date.fromisoformat(case.row[duplicates.day] or "")
        found = [case.row]
        for shift in (0, days):
            claim, served = row_id(feed, rng.randrange(10**8, 10**9)), str(day + timedelta(shift))
            billed: Row = {duplicates.provider: provider, "frequency_code": "1", duplicates.replaces: None}
            billed |= {duplicates.day: served, "date_of_service_to": served}
            found.append(case.row | dict.fromkeys(feed.key, "1") | {duplicates.claim: claim} | billed)
        return found

    return spoil


def _served_on(feed: Feed, day: date, rng: Random) -> Row:
    """The day in all columns of days but the last, which is that of the receipt."""
    *served, received = (c.name for c in feed.columns if c.form.name == "date" and not c.form.lies_ahead)
    row: Row = dict.fromkeys(served, str(day))
    return row | {received: str(day + timedelta(rng.randint(1, _FILED_WITHIN)))}


def _codes(row: Row, column: str) -> list[str]:
    return (row[column] or "").split("|")


def _with_one(row: Row, column: str, code: str, rng: Random) -> str:
    codes = _codes(row, column)
    codes[rng.randrange(len(codes))] = code
    return "|".join(codes)


def _shifted(row: Row, column: str, days: int) -> str:
    return str(date.fromisoformat(row[column] or "") + timedelta(days))


def _any_npi(rng: Random) -> str:
    nine = str(rng.randrange(10**8, 2 * 10**8))
    # The prefix 80840 adds 24; digits that are doubled have their own digits added.
    total = 24 + sum(sum(map(int, str(2 * int(digit)))) for digit in nine[::2]) + sum(map(int, nine[1::2]))
    return f"{nine}{-total % 10}"
