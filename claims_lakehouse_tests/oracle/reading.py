"""Read a CSV delivery to rows of text, by the lakehouse's own grammar and not the `csv` module's.

Corrections are laid over the rows here, so that nothing later can tell a corrected row from one that was sent so.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

COLUMNS = {
    "patients": (
        "patient_id",
        "fname",
        "lname",
        "date_of_birth",
        "address",
        "city",
        "state",
        "zipcode",
        "date_of_residence",
        "last_modified_date",
    ),
    "providers": (
        "provider_id",
        "fname",
        "lname",
        "facility_name",
        "address",
        "city",
        "state",
        "zipcode",
        "specialty_code",
        "start_date",
    ),
    "claims": (
        "claim_id",
        "patient_id",
        "provider_id",
        "visit_type",
        "total_cost",
        "coverage_type",
        "date_of_service",
        "claim_date",
        "billed",
        "last_modified_date",
    ),
}
KEY = {"patients": "patient_id", "providers": "provider_id", "claims": "claim_id"}
SEQUENCE = {"patients": "last_modified_date", "providers": None, "claims": "last_modified_date"}

WHITE_SPACE = (
    "\u0009\u000a\u000b\u000c\u000d\u0020\u0085\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters that have Unicode's White_Space property (`str.strip()` would take U+001C to U+001F too)."""


class Unreadable(Exception):
    """The file cannot be read as a delivery at all."""


class Correction(NamedTuple):
    """A change laid over landed rows: text by column, by row number; an empty text empties the field."""

    id: str
    rows: dict[int, dict[str, str]]


class Delivery(NamedTuple):
    """One landed CSV file; `received_at` is UTC without a zone, `corrections` are in the order of their effect."""

    feed: str
    key: str
    received_at: datetime
    content: bytes
    corrections: tuple[Correction, ...] = ()
    is_retracted: bool = False


class Record(NamedTuple):
    """What stands between two record separators."""

    fields: list[str]
    text: str
    malformed: bool


class Row(NamedTuple):
    """A record of data by its number; `sent` is text by column, None where the record is malformed."""

    number: int
    sent: dict[str, str] | None
    text: str


class Rows(NamedTuple):
    """All that a file says."""

    rows: list[Row]
    unexpected: list[str]


def received_at(key: str) -> datetime | None:
    """When a delivery was received, by its key; None where only the file's modification time could say."""
    if key == "priming":
        return datetime.fromisoformat("1900-01-01T00:00")
    for pattern in (
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})",
        r"([0-9]{4})([0-9]{2})([0-9]{2})",
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2})([0-9]{2})",
    ):
        found = re.fullmatch(pattern, key)
        if found:
            year, month, day, hour, minute = (*found.groups(), "00", "00")[:5]
            try:
                return datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}")
            except ValueError:
                return None
    return None


def read_delivery(delivery: Delivery) -> Rows:
    """The delivery's rows with its corrections laid over them. Raises Unreadable."""
    read = read_content(delivery)
    return read._replace(rows=[corrected(delivery, row) for row in read.rows])


def corrected(delivery: Delivery, row: Row) -> Row:
    """The row with every correction of it in turn; a malformed one then has the columns that those give it."""
    for correction in delivery.corrections:
        if row.number in correction.rows:
            before = row.sent if row.sent is not None else dict.fromkeys(COLUMNS[delivery.feed], "")
            row = row._replace(sent={**before, **correction.rows[row.number]})
    return row


def read_content(delivery: Delivery) -> Rows:
    """Number the file's records and lay them out by column. Raises Unreadable."""
    content = delivery.content.removeprefix(b"\xef\xbb\xbf")
    # A byte that is not UTF-8 becomes one lone surrogate, which no valid UTF-8 can decode to.
    text = content.decode("utf-8", "surrogateescape")
    found = [record for record in records(text) if record.text.strip(WHITE_SPACE) != ""]
    if not found:
        raise Unreadable("no header")
    header, data = found[0], found[1:]
    if header.malformed or not_utf8(header.text):
        raise Unreadable("malformed header")
    names = [name.strip(WHITE_SPACE).lower() for name in header.fields]
    if len(set(names)) < len(names):
        raise Unreadable("a column twice in the header")
    expected = COLUMNS[delivery.feed]
    if not set(expected) <= set(names):
        raise Unreadable("a column missing in the header")
    rows = []
    for number, record in enumerate(data, start=1):
        if record.malformed or not_utf8(record.text) or len(record.fields) != len(names):
            # The text is for people: a byte that is not UTF-8 shows as its number, such as \\xff.
            shown = record.text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            rows.append(Row(number, None, shown))
        else:
            sent = dict(zip(names, record.fields, strict=True))
            rows.append(Row(number, {name: sent[name] for name in expected}, record.text))
    return Rows(rows, [name for name in names if name not in expected])


def not_utf8(text: str) -> bool:
    """Whether the text had bytes that are not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in text)


def records(text: str) -> Iterator[Record]:
    """Every record, blank lines and header included. Raises Unreadable if a quote never closes."""
    fields: list[str] = []
    field = ""
    state = "start of field"
    malformed = False
    begin = at = 0
    while at < len(text):
        character = text[at]
        if state == "quoted":
            if text.startswith('""', at):
                field += '"'
                at += 2
                continue
            if character == '"':
                state = "after the closing quote"
            else:
                field += character
            at += 1
            continue
        line_break = next((mark for mark in ("\r\n", "\n") if text.startswith(mark, at)), None)
        if line_break:
            yield Record([*fields, field], text[begin:at], malformed)
            fields, field, state, malformed = [], "", "start of field", False
            at += len(line_break)
            begin = at
            continue
        if character == ",":
            fields.append(field)
            field, state = "", "start of field"
        elif state == "start of field" and character == '"':
            state = "quoted"
        else:
            malformed = malformed or state == "after the closing quote"
            field += character
            state = "unquoted"
        at += 1
    if state == "quoted":
        raise Unreadable("a quote never closes")
    if begin < len(text):
        yield Record([*fields, field], text[begin:], malformed)
