"""Seeded sets of deliveries that meet every rule of validation and every case of history.

Ids, dates and contents come from small pools on purpose: records recur, within a delivery and across them.
Every file is readable; files that are not are no part of a set.
"""

import random
from datetime import date, timedelta
from decimal import Decimal

from .reading import COLUMNS, KEY, SEQUENCE, Delivery, read_content, received_at
from .validation import REQUIRED

FIRST_DAY = date(2024, 2, 26)
IDS = {
    "patient_id": ("1000U", "1000u", "2000U", "3000U", "4000U", "\u674e5"),
    "provider_id": ("N3T000A", "N3T100A", "N3T200A", "007", "7"),
    "claim_id": ("CF#1", "CF#2", "CF#3", "CF#4", "CF#5", "CF#10", "CF,11"),
}
NAMES = (
    "Ann",
    "ann",
    "Null",
    "NA",
    "Zo\u00eb",
    "Zoe\u0308",
    "\u674e\u5c0f\u9f8d",
    "O'Brien",
    'O"Neil',
    '"Ace"',
    "Smith, Jr.",
    "two\nlines",
    "two\r\nlines",
    "one\rline",
    "\x1cedge\x1f",
    "van  der Berg",
    "\u200bzero",
    "=1+1",
)
STATES = (
    "Alabama",
    "ny",
    "Conneticut",
    "PUERTO RICO",
    "U.S. Virgin Islands",
    "Lousiana",
    "New  York",
    "dc",
    "XX",
)
ZIPCODES = ("00501", "02115", "60601", "60601-1234", "00601-0042")
PAST = tuple(date.fromisoformat(d) for d in ("1948-09-19", "2000-02-29", "1900-01-01", "2019-12-31", "2023-03-26"))
SEQUENCES = tuple(
    date.fromisoformat(d) for d in ("2023-06-01", "2023-06-02", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-01")
)
PADS = (" ", "  ", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "\n", "\r\n", "\x0b", " \u1680\u202f")


def words(text: str) -> tuple[str, ...]:
    """The text's words."""
    return tuple(text.split())


ODD = {
    "date": (
        *words("2024-02-30 2023-2-29 13/1/2020 1/2/20 2020/01/02 1899-12-31 2101-1-1 2020-01-01T00:00:00 today"),
        *words("20200101 1-2/2020 1/2-2020 2020-001-01 -2020-1-1 0000-01-01 4/31/2020 0/1/2020 1/0/2020 1.2.2020"),
        *("12-12-12020", "2020-1-1Z", "\u0662\u0660\u0662\u0660-01-01", "2020 -1-1", "\x1c2020-1-1"),
    ),
    "total_cost": (
        *words("-1 +1 1e3 .5 1. 1.005 10000000000 10000000000.00 9999999999.99 0000000000000012.5 1,000.00 $5"),
        *words("NaN inf 0x1 1_000 \uff11\uff12 0 0.00 9999999999.999"),
        "1 000",
    ),
    "coverage_type": words("100. 50.00 0.0 0. 25 100% 00 0100 1e2 100.5 -0 50.01 50,0 .0 \u0665\u0660"),
    "visit_type": ("check-up", "_surgery", "phys ical", "surgery_", "surger\u0443", "0", "routine,illness"),
    "specialty_code": (
        *words("heart-surgeon heartsurgeon heart\u200bsurgeon dentist _orthopedist"),
        *("heart\x1csurgeon", "heart \t__ \u3000surgeon", "family\u00a0physician"),
    ),
    "billed": ("maybe", "TRUE!", "2", "01", "\uff59", "on", "null", "t f"),
    "zipcode": (
        *words("12 1 000 0501 123456 1234567 12345678 1234-5678 12345-678 12345- -1234 1234567890 ABCDE K1A0B1"),
        *("12345 6789", "\u0661\u0662\u0663\u0664\u0665", "12345--6789"),
    ),
    "state": (
        "Conneticut",
        "N.Y.",
        "Ontario",
        "Nev",
        "07",
        "MP",
        "guam",
        "Virgin Islands",
        "us virgin islands",
    ),
}
Row = dict[str, str]


def deliveries(seed: int, size: int) -> list[Delivery]:
    """`size` deliveries in no order, of 0 to 24 rows each; the same for the same seed on every machine."""
    rng = random.Random(seed)
    made: dict[tuple[str, str], Delivery] = {}
    while len(made) < size:
        feed = rng.choice(("patients", "providers", "claims", "claims"))
        key = delivery_key(rng, size)
        if (feed, key) in made:
            continue
        before = [each.content for each in made.values() if each.feed == feed]
        again = bool(before) and rng.random() < 0.08
        content = rng.choice(before) if again else csv_file(rng, feed, key)
        made[feed, key] = Delivery(feed, key, received_at(key), content)
    found = list(made.values())
    rng.shuffle(found)
    return found


def changes(rng: random.Random, delivery: Delivery) -> dict[int, Row]:
    """A correction's changes of one to three rows, now and then of one that was corrected before; none without rows.

    A row is made to say nearly what another says, or some of its fields something good, bad or nothing. A malformed
    row is given every column that a record cannot do without.
    """
    feed = delivery.feed
    rows = {row.number: row.sent for row in read_content(delivery).rows}
    numbers = rng.sample(sorted(rows), min(len(rows), rng.choice((1, 1, 2, 3))))
    before = [number for correction in delivery.corrections for number in correction.rows]
    if before and rng.random() < 0.5:
        numbers = [rng.choice(before)]
    made: dict[int, Row] = {}
    for number in numbers:
        good = sent(rng, feed, rng.choice(IDS[KEY[feed]]))
        other = rng.choice([texts for texts in rows.values() if texts is not None] or [good])
        columns = rng.sample(COLUMNS[feed], rng.choice((1, 1, 2, 4)))
        if rng.random() < 0.3:
            made[number] = other | {columns[0]: good[columns[0]]}
        else:
            made[number] = {
                column: rng.choice((other[column], good[column], good[column], rng.choice(ODD.get(column, ("",))), ""))
                for column in columns
            }
        if rows[number] is None:
            made[number] |= {column: good[column] for column in COLUMNS[feed] if column in REQUIRED[feed]}
    return made


def delivery_key(rng: random.Random, size: int) -> str:
    """A key of any form; several forms say the same moment."""
    if rng.random() < 0.12:
        return "priming"
    day = FIRST_DAY + timedelta(days=rng.randrange(5 + size))
    minute = f"{rng.randrange(24):02}{rng.randrange(60):02}"
    return rng.choice((f"{day}", f"{day:%Y%m%d}", f"{day}T0000", f"{day}T{minute}"))


def csv_file(rng: random.Random, feed: str, key: str) -> bytes:
    """One file: rows good and bad, in any of the shapes that the grammar allows."""
    columns = [*COLUMNS[feed], *rng.sample(("notes", "loaded at", "e\u00e9"), rng.choice((0, 0, 0, 1, 2)))]
    if rng.random() < 0.5:
        rng.shuffle(columns)
    rows = [sent(rng, feed, rng.choice(IDS[KEY[feed]])) for _ in range(rng.choice((0, 1, 2, 5, 10, 18)))]
    for row in rows:
        if rng.random() < 0.35:
            spoil(rng, feed, key, row)
    rows += repeats(rng, feed, rows)
    if rng.random() < 0.8:
        rng.shuffle(rows)
    end = rng.choice((b"\n", b"\r\n"))
    mixed = rng.random() < 0.2
    lines = [line([heading(rng, name) for name in columns], rng)]
    for row in rows:
        row.update({name: rng.choice(NAMES) for name in columns if name not in COLUMNS[feed]})
        good = line([row[name] for name in columns], rng)
        lines.append(broken(rng, good, len(columns)) if rng.random() < 0.05 else good)
        if rng.random() < 0.05:
            lines.append(rng.choice(("", "  \t", "\u3000", "\r ")).encode())
    content = b"".join(text + (rng.choice((b"\n", b"\r\n")) if mixed else end) for text in lines)
    if rng.random() < 0.2:
        content = content.removesuffix(b"\n").removesuffix(b"\r")
    return (b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + content


def sent(rng: random.Random, feed: str, record: str) -> Row:
    """A good row in one of a record's few contents, written in one of the ways that mean the same."""
    content = random.Random(f"{feed} {record} {rng.choice((0, 0, 0, 1, 2))}")
    row = {}
    for column in COLUMNS[feed]:
        if column == KEY[feed]:
            text = record
        elif column == SEQUENCE[feed]:
            text = written_date(rng, rng.choice(SEQUENCES))
        elif column == "claim_date":
            text = written_date(rng, content.choice((date(2023, 11, 1), date(2024, 2, 25))))
        elif "date" in column:
            text = written_date(rng, content.choice(PAST))
        elif column in IDS:
            text = content.choice((*IDS[column], "nobody"))
        else:
            text = written(rng, column, content)
        row[column] = padded(rng, text)
        if column in ("address", "facility_name", "date_of_residence", "start_date") and content.random() < 0.2:
            row[column] = rng.choice(("", " ", "\u3000"))
    return row


def written(rng: random.Random, column: str, content: random.Random) -> str:
    """A column's value: `content` chooses which, `rng` how it is written."""
    if column == "total_cost":
        cost = content.choice((Decimal("12.50"), Decimal("100.00"), Decimal("782.08"), Decimal("0.10")))
        short = f"{cost:f}".rstrip("0").rstrip(".")
        return rng.choice((f"{cost}", short, f"00{cost}"))
    if column == "coverage_type":
        return content.choice(("100", "50", "0")) + rng.choice(("", ".", ".0", ".000"))
    if column == "billed":
        spellings = content.choice((("T", "true", "Y", "yes", "1"), ("F", "false", "N", "no", "0")))
        return cased(rng, rng.choice(spellings))
    if column == "visit_type":
        return cased(rng, content.choice(("physical", "routine", "illness", "surgery")))
    if column == "specialty_code":
        choice = content.choice(("family_physician", "orthopedist", "heart_surgeon", "physical_therapist"))
        return cased(rng, choice.replace("_", rng.choice(("_", " ", "  ", "__", " _\t", "\u00a0"))))
    if column == "zipcode":
        code = content.choice(ZIPCODES)
        return rng.choice((code, code.lstrip("0") if len(code) == 5 else code.replace("-", "")))
    return content.choice(STATES if column == "state" else NAMES)


def written_date(rng: random.Random, day: date) -> str:
    """The day in one of its formats."""
    month, of_month = (rng.choice((f"{n}", f"{n:02}")) for n in (day.month, day.day))
    return rng.choice(
        (f"{day.year}-{month}-{of_month}", f"{month}/{of_month}/{day.year}", f"{month}-{of_month}-{day.year}")
    )


def cased(rng: random.Random, text: str) -> str:
    """The text in some case."""
    return rng.choice((text, text, text.upper(), text.title()))


def padded(rng: random.Random, text: str) -> str:
    """The text, now and then with white space around it."""
    if rng.random() < 0.9:
        return text
    return rng.choice(("", *PADS)) + text + rng.choice(PADS)


def spoil(rng: random.Random, feed: str, key: str, row: Row) -> None:
    """Make the row break some rule, or come close to it."""
    day = received_at(key).date() if key != "priming" else date(2030, 1, 1)
    kind = rng.choice(("missing", "odd", "odd", "odd", "future", "service", "all missing", "sequence"))
    if kind == "all missing" and rng.random() < 0.2:
        row.update(dict.fromkeys(COLUMNS[feed], ""))
    elif kind == "missing":
        row[rng.choice(COLUMNS[feed])] = rng.choice(("", " ", "\t\u3000", "\n"))
    elif kind == "future":
        column = rng.choice([name for name in COLUMNS[feed] if "date" in name and name != SEQUENCE[feed]])
        row[column] = written_date(rng, day + timedelta(days=rng.choice((0, 1, 40))))
    elif kind == "service" and feed == "claims":
        row["date_of_service"] = written_date(rng, date(2024, 2, 10))
        row["claim_date"] = written_date(rng, date(2024, 2, rng.choice((9, 10, 11))))
    elif kind == "sequence" and SEQUENCE[feed]:
        row[SEQUENCE[feed]] = written_date(rng, day + timedelta(days=rng.choice((30, 31, 32, 400))))
    else:
        column = rng.choice([name for name in COLUMNS[feed] if name in ODD or "date" in name])
        row[column] = padded(rng, rng.choice(ODD.get(column, ODD["date"])))


def repeats(rng: random.Random, feed: str, rows: list[Row]) -> list[Row]:
    """More rows about what the delivery already says: identical, conflicting, with ids swapped."""
    more = []
    for row in rng.sample(rows, min(len(rows), rng.choice((0, 0, 1, 2)))):
        twin = dict(row)
        if rng.random() < 0.5:
            twin[rng.choice(COLUMNS[feed][1:-1])] = rng.choice(NAMES)
        more.append(twin)
    if feed == "claims" and rows and rng.random() < 0.4:
        claim, patient = rng.choice(rows), rng.choice(rows)["patient_id"]
        more += [
            sent(rng, feed, rng.choice(IDS["claim_id"])) | {"patient_id": patient} for _ in range(rng.choice((1, 2)))
        ]
        more.append(claim | {"claim_id": patient, "patient_id": claim["claim_id"]})
    return more


def heading(rng: random.Random, name: str) -> str:
    """A column's name as some source writes it."""
    return rng.choice(("", "", "", " ", "\u00a0")) + cased(rng, name) + rng.choice(("", "", "", " ", "\t"))


def line(fields: list[str], rng: random.Random) -> bytes:
    """The fields as a record without its separator, quoted where they must be and now and then where not."""
    shown = []
    for field in fields:
        must = any(mark in field for mark in (",", "\n")) or field.startswith('"') or field.endswith("\r")
        quoted = '"' + field.replace('"', '""') + '"'
        shown.append(quoted if must or rng.random() < 0.1 else field)
    return ",".join(shown).encode()


def broken(rng: random.Random, good: bytes, width: int) -> bytes:
    """A malformed record."""
    more = b",x" * (width - 1)
    return rng.choice(
        (
            good + b",",
            good + b',"more, and\nmore"',
            b"asdfasdf",
            b"x" + more[2:],
            b"\xff" + more,
            b"Jos\xe9" + more,
            b"\xed\xa0\x80" + more,
            b'"cut \xc3"' + more,
            b'"Ann"x' + more,
            b'"Ann" ' + more,
            b'"Ann"x"y' + more,
            b'"Ann"x' + more[2:] + b',"a, b\nc"',
        )
    )
