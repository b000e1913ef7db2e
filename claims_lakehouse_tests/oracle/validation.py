"""Judge a delivery by itself: which rows are accepted, and what is wrong with the others.

What depends on other deliveries (same_sequence, unknown parents, resolution) is history's.
"""

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from .reading import COLUMNS, KEY, SEQUENCE, WHITE_SPACE, Delivery, Row, read_delivery

REQUIRED = {
    "patients": {"patient_id", "fname", "lname", "date_of_birth", "last_modified_date"},
    "providers": {"provider_id", "fname", "lname", "specialty_code"},
    "claims": set(COLUMNS["claims"]),
}
DATES = {
    "date_of_birth",
    "date_of_residence",
    "last_modified_date",
    "start_date",
    "date_of_service",
    "claim_date",
}
VISIT_TYPES = {"physical", "routine", "illness", "surgery"}
SPECIALTIES = {"family_physician", "orthopedist", "heart_surgeon", "physical_therapist"}
STATES = (
    "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware",
    "FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas, KY Kentucky",
    "LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi",
    "MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico",
    "NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania",
    "RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont",
    "VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming, DC District of Columbia",
    "PR Puerto Rico, GU Guam, VI Virgin Islands, AS American Samoa, MP Northern Mariana Islands",
)
STATE_WORDS = {"u.s. virgin islands", "us virgin islands"} | {
    word.lower() for line in STATES for state in line.split(", ") for word in (state[:2], state[3:])
}


class Finding(NamedTuple):
    """An issue of one delivery; `sequence` is its row's, None where that did not parse."""

    row_number: int | None
    record_key: str | None
    rule: str
    column_name: str | None
    value: str | None
    severity: str
    sequence: date | None


class Accepted(NamedTuple):
    """A row that goes on to history; `sent` is its text as it came."""

    record: str
    sequence: date
    received_at: datetime
    delivery: str
    row_number: int
    values: dict[str, Any]
    sent: dict[str, str]


class Validated(NamedTuple):
    """What became of every row of a delivery."""

    accepted: list[Accepted]
    findings: list[Finding]
    landed: int
    malformed: int
    quarantined: int
    duplicate: int


class Bad(Exception):
    """A text that breaks the rule it names."""


def parse_date(text: str) -> date:
    """A real day of the years 1900 to 2100."""
    year_first = re.fullmatch("([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", text)
    slashes = re.fullmatch("([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", text)
    hyphens = re.fullmatch("([0-9]{1,2})-([0-9]{1,2})-([0-9]{4})", text)
    if year_first:
        year, month, day = year_first.groups()
    elif slashes or hyphens:
        month, day, year = (slashes or hyphens).groups()
    else:
        raise Bad("not_a_date")
    if not 1900 <= int(year) <= 2100:
        raise Bad("not_a_date")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise Bad("not_a_date") from None


def parse_amount(text: str) -> Decimal:
    """Dollars and cents below 10^10."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", text) or Decimal(text) >= 10**10:
        raise Bad("bad_amount")
    return Decimal(text).quantize(Decimal("0.01"))


def parse_coverage(text: str) -> int:
    """Per cent that is covered."""
    found = re.fullmatch(r"(100|50|0)(\.0*)?", text)
    if not found:
        raise Bad("bad_coverage")
    return int(found[1])


def parse_choice(rule: str, choices: set[str]) -> Callable[[str], str]:
    """A parser of one of the choices."""

    def parse(text: str) -> str:
        choice = re.sub(f"[_{WHITE_SPACE}]+", "_", text.lower())
        if choice not in choices:
            raise Bad(rule)
        return choice

    return parse


def parse_flag(text: str) -> bool:
    """Yes or no."""
    if text.lower() in {"t", "true", "y", "yes", "1"}:
        return True
    if text.lower() in {"f", "false", "n", "no", "0"}:
        return False
    raise Bad("bad_flag")


def parse_zipcode(text: str) -> str:
    """Five digits, or five and four."""
    if re.fullmatch("[0-9]{3,5}", text):
        return text.rjust(5, "0")
    if re.fullmatch("[0-9]{5}-?[0-9]{4}", text):
        return f"{text[:5]}-{text[-4:]}"
    raise Bad("bad_zipcode")


def parser(column: str) -> Callable[[str], Any]:
    """How the column's text is read."""
    if column in DATES:
        return parse_date
    return {
        "total_cost": parse_amount,
        "coverage_type": parse_coverage,
        "visit_type": parse_choice("unknown_visit_type", VISIT_TYPES),
        "specialty_code": parse_choice("unknown_specialty", SPECIALTIES),
        "billed": parse_flag,
        "zipcode": parse_zipcode,
    }.get(column, str)


def validate(delivery: Delivery) -> Validated:
    """Accept or report each row. Raises Unreadable."""
    read = read_delivery(delivery)
    findings = [Finding(None, None, "unexpected_column", name, None, "warning", None) for name in read.unexpected]
    malformed = [row for row in read.rows if row.sent is None]
    findings += [Finding(row.number, None, "malformed_row", None, row.text, "error", None) for row in malformed]
    swapped = swapped_rows(delivery.feed, read.rows)
    quarantined, duplicate = 0, 0
    accepted: list[Accepted] = []
    first: dict[tuple[str, date], Accepted] = {}
    for row in read.rows:
        if row.sent is None:
            continue
        found, values, sequence = judge(delivery, row.number, row.sent, swapped)
        findings += found
        if any(finding.severity == "error" for finding in found):
            quarantined += 1
            continue
        record = values[KEY[delivery.feed]]
        good = Accepted(record, sequence, delivery.received_at, delivery.key, row.number, values, dict(row.sent))
        stays = first.setdefault((record, sequence), good)
        if stays is good:
            accepted.append(good)
        elif stays.values == values:
            duplicate += 1
            findings.append(Finding(row.number, record, "duplicate_row", None, None, "warning", sequence))
        else:
            quarantined += 1
            findings.append(Finding(row.number, record, "conflicting_row", None, None, "error", sequence))
    return Validated(accepted, findings, len(read.rows), len(malformed), quarantined, duplicate)


def corrected_findings(delivery: Delivery) -> list[tuple[Finding, str]]:
    """What was wrong with the content as it landed and no longer is, each with the correction that it is due to."""
    still = {about(found) for found in validate(delivery).findings}
    landed = validate(delivery._replace(corrections=())).findings
    return [(found, answer(delivery, found.row_number)) for found in landed if about(found) not in still]


def about(found: Finding) -> tuple[int | None, str, str | None]:
    """What makes two findings of a delivery the same one."""
    return (found.row_number, found.rule, found.column_name)


def answer(delivery: Delivery, row_number: int | None) -> str:
    """The last correction of the row; of the delivery, where none speaks of that row."""
    touching = [each.id for each in delivery.corrections if row_number in each.rows]
    return touching[-1] if touching else delivery.corrections[-1].id


def judge(
    delivery: Delivery, number: int, sent: dict[str, str], swapped: set[int]
) -> tuple[list[Finding], dict[str, Any], date | None]:
    """The row's findings apart from duplicates and conflicts, its values, its sequence."""
    feed = delivery.feed
    broken: list[tuple[str, str, str]] = []
    values: dict[str, Any] = {}
    for column in COLUMNS[feed]:
        text = sent[column].strip(WHITE_SPACE)
        values[column] = None
        if text == "":
            broken.append(("missing_value", column, "error" if column in REQUIRED[feed] else "warning"))
            continue
        try:
            values[column] = parser(column)(text)
        except Bad as bad:
            broken.append((str(bad), column, "error"))
            continue
        if column == "zipcode" and len(text) < 5:
            broken.append(("zipcode_padded", column, "warning"))
        if column == "state" and text.lower() not in STATE_WORDS:
            broken.append(("unknown_state", column, "warning"))
    if feed == "claims":
        service, claimed = values["date_of_service"], values["claim_date"]
        if service is not None and claimed is not None and service > claimed:
            broken.append(("service_after_claim", "date_of_service", "error"))
        if number in swapped:
            broken.append(("swapped_ids", "claim_id", "error"))
    if delivery.key != "priming":
        received_on = delivery.received_at.date()
        for column in COLUMNS[feed]:
            if column not in DATES or values[column] is None:
                continue
            if column == SEQUENCE[feed]:
                if values[column] > received_on + timedelta(days=31):
                    broken.append(("sequence_in_future", column, "error"))
            elif values[column] > received_on:
                broken.append(("date_in_future", column, "warning"))
    sequence = values[SEQUENCE[feed]] if SEQUENCE[feed] else delivery.received_at
    record = values[KEY[feed]]
    findings = [
        Finding(number, record, rule, column, sent[column], severity, sequence) for rule, column, severity in broken
    ]
    return findings, values, sequence


def swapped_rows(feed: str, rows: list[Row]) -> set[int]:
    """Numbers of the claims whose claim_id and patient_id stand in each other's place."""
    if feed != "claims":
        return set()
    ids = [
        (row.number, row.sent["claim_id"].strip(WHITE_SPACE), row.sent["patient_id"].strip(WHITE_SPACE))
        for row in rows
        if row.sent is not None
    ]
    as_claim = Counter(claim for _, claim, _ in ids)
    as_patient = Counter(patient for _, _, patient in ids)
    swapped = {
        number
        for number, claim, patient in ids
        if claim != ""
        and patient != ""
        and as_patient[claim] > as_claim[claim]
        and as_claim[patient] > 0
        and as_patient[patient] == 1
    }
    claims, patients = set(as_claim) - {""}, set(as_patient) - {""}
    both = len(claims & patients)
    return set() if both > 3 * len(swapped) and both > min(len(claims), len(patients)) / 10 else swapped
