r"""The grammar of CSV: where a record ends, what its fields are, what makes it malformed. No I/O.

RFC 4180 made precise: LF or CRLF outside quotes ends a record, a lone CR is data; a field is quoted only if
its first character is `"`, and `""` in it is a quote. Text after a closing quote makes the record malformed
and runs on as unquoted text, so that the next line is read normally.
"""

from __future__ import annotations

import re
from functools import cache, reduce
from operator import or_
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from claims_lakehouse.landing.header import NOT_UTF8

AFTER_QUOTE = "text after a closing quote"

_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n][^,\r\n]*+)?+'
_PLAIN_RECORD = re.compile(rb"(" + _FIELD + rb"(?:," + _FIELD + rb")*+)\r?\n")
_MOST_CHECKED_BYTES = 16 << 20
_COMMA, _LF, _CR, _QUOTE = b',\n\r"'
_LAST_ASCII = 0x7F


class Record(NamedTuple):
    """One record: its text ends at `end`, the next begins at `following`."""

    end: int
    following: int
    fields: list[bytes]
    text_after_quote: bool


class Unfinished(NamedTuple):
    """A record that goes on beyond the data; `quote` is where the quote that it stands in opened."""

    quote: int | None


class Fault(NamedTuple):
    """What a placeholder in a rewritten block stands for."""

    text: str
    reason: str


class Rewritten(NamedTuple):
    """A block in which each malformed record that Arrow would not see as such became a placeholder line."""

    text: bytes
    consumed: int
    faults: list[Fault]


@cache
def fields_instead(found: int, expected: int) -> str:
    """The reason given for a record of the wrong number of fields."""
    return f"{found} field{'s' if found != 1 else ''} instead of {expected}"


def scan_record(data: bytes, start: int, final: bool, most: int | None = None) -> Record | Unfinished:
    """Read the record that begins at `start`; `final` says that nothing follows the data.

    With `most`, stop as soon as there are more fields than that, wherever the record ends.
    """
    fields: list[bytes] = []
    text_after_quote = False
    line_end = -1
    while True:
        rest = start
        if data[start : start + 1] == b'"':
            within = _QUOTED.match(data, start)
            if within is None:
                return Unfinished(start)
            rest = within.end()
        if line_end < rest:
            line_end = data.find(b"\n", rest)
            if line_end < 0:
                line_end = len(data)
        comma = data.find(b",", rest, line_end)
        end = following = comma
        if comma < 0:
            if line_end == len(data) and not final:
                return Unfinished(None)
            end, following = line_end, min(line_end + 1, len(data))
            if following > line_end > rest and data[line_end - 1] == _CR:
                end -= 1
        if rest == start:
            fields.append(data[start:end])
        else:
            text_after_quote = text_after_quote or rest < end
            fields.append(data[start + 1 : rest - 1].replace(b'""', b'"') + data[rest:end])
        if comma < 0 or (most is not None and len(fields) > most):
            return Record(end, following, fields, text_after_quote)
        start = comma + 1


def clean_end(data: bytes, final: bool) -> int:
    """How far the data is whole records that Arrow reads as this grammar does; 0 if that is not sure."""
    end = len(data) if final else data.rfind(b"\n") + 1
    if not end or not (data.isascii() or is_utf8(data, end)):
        return 0
    if b"\r" in data:
        octets = _octets(data).head(end)
        if octets[-1] == _CR or ((octets.head(end - 1) == _CR) & (octets.slice(1) != _LF)).any():
            return 0
    if b'"' in data:
        # The positions of quotes take many times the bytes of the quotes.
        return _quoted_end(data, end, final) if len(data) <= _MOST_CHECKED_BYTES else 0
    return end


def _quoted_end(data: bytes, end: int, final: bool) -> int:
    """The last end of a record, if all quotes open at a field's start and close at its end; else 0.

    A quote beside a quote is `""` within a field: the one before it closed, the one after it opens again.
    """
    octets = _octets(data)
    quotes = (octets == _QUOTE).arg_true()
    before = octets.gather(quotes.gather_every(2, 0 if quotes[0] else 2) - 1)
    closing = quotes.gather_every(2, 1)
    if len(closing) and closing[-1] + 1 == len(data):
        closing = closing[:-1]
    after = octets.gather(closing + 1)
    if not _among(before, _COMMA, _LF, _QUOTE).all() or not _among(after, _COMMA, _LF, _CR, _QUOTE).all():
        return 0
    if final:
        return 0 if len(quotes) % 2 else end
    if quotes.search_sorted(end) % 2 == 0:
        return end
    lines = (octets == _LF).arg_true()
    outside = lines.filter(quotes.search_sorted(lines) % 2 == 0)
    return int(outside[-1]) + 1 if len(outside) else 0


def line_ends(data: bytes, end: int) -> int:
    """How many line ends there are up to `end`; many times as fast as `bytes.count`."""
    return int((_octets(data).head(end) == _LF).sum())


def _odd_lines(data: bytes) -> list[int]:
    """Where the lines begin that may not be, each by itself, a record that Arrow reads as this grammar does.

    The first is always among them, and what follows the last line end.
    """
    octets = _octets(data)
    marks = (_among(octets, _LF, _QUOTE, _CR) | (octets > _LAST_ASCII)).arg_true()
    kinds = octets.gather(marks)
    found = (kinds == _LF).arg_true()
    if not len(found):
        return [0]
    first, last = found[0], found[-1]
    marks, kinds = marks[first : last + 1], kinds[first : last + 1]
    is_end, is_quote = kinds == _LF, kinds == _QUOTE
    ends, line = marks.filter(is_end), is_end.cum_sum() - 1

    quotes, line_of_quote = marks.filter(is_quote), line.filter(is_quote)
    quotes_before_line = is_quote.cum_sum().filter(is_end)
    opens = (pl.int_range(len(quotes), eager=True) - quotes_before_line.gather(line_of_quote)) % 2 == 0
    ill_opened = opens & ~_among(octets.gather(quotes - 1), _COMMA, _LF, _QUOTE)
    ill_closed = ~opens & ~_among(octets.gather(quotes + 1), _COMMA, _LF, _CR, _QUOTE)
    unclosed = opens & opens.slice(1).append(pl.Series([True])) if len(quotes) else opens

    is_return = kinds == _CR
    is_lone = octets.gather(marks.filter(is_return) + 1) != _LF

    not_utf8: list[int] = []
    if not is_utf8(data, ends[-1]):
        lines = line.filter(kinds > _LAST_ASCII).unique()
        bounds = zip(lines, ends.gather(lines), ends.gather(lines + 1), strict=True)
        not_utf8 = [number for number, start, end in bounds if not decodes(data[start:end])]

    odd = [
        line_of_quote.filter(ill_opened | ill_closed | unclosed),
        line.filter(is_return).filter(is_lone),
        pl.Series(not_utf8, dtype=line.dtype),
    ]
    starts = ends.gather(pl.concat(odd).unique().sort()) + 1
    return [0, *starts.to_list(), ends[-1] + 1]


def _among(octets: pl.Series, *some: int) -> pl.Series:
    return reduce(or_, (octets == octet for octet in some))


def _octets(data: bytes) -> pl.Series:
    return pl.Series(pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)]))


def is_utf8(data: bytes, end: int) -> bool:
    """Whether the bytes up to `end` are UTF-8; neither copies nor decodes them."""
    offsets = pa.array([0, end], pa.int32()).buffers()[1]
    try:
        pa.StringArray.from_buffers(1, offsets, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def rewrite(data: bytes, final: bool, width: int, placeholder: bytes) -> Rewritten:
    """Rewrite a block that is not clean so that Arrow reads it as this grammar does, record for record.

    `placeholder` must be a line of other than `width` fields that the data cannot hold.
    """
    kept: list[bytes | memoryview] = []
    faults: list[Fault] = []
    position = copied = 0
    if not final and b"\n" not in data:
        return Rewritten(b"", 0, faults)
    odd = iter(_odd_lines(data) if width > 1 and len(data) <= _MOST_CHECKED_BYTES else ())
    while position < len(data):
        for start in odd:
            if start >= position:
                position = start
                break
        if position == len(data):
            break
        plain = _PLAIN_RECORD.match(data, position) if width > 1 else None
        fields: list[bytes] = []
        if plain:
            text, following = plain[1], plain.end()
            if text.isascii() or decodes(text):
                position = following
                continue
            reason: str | None = NOT_UTF8
        else:
            record = scan_record(data, position, final)
            if isinstance(record, Unfinished):
                break
            text, following, fields = data[position : record.end], record.following, record.fields
            reason = _fault(record, text, width)
        kept.append(memoryview(data)[copied:position])
        if reason:
            kept.append(placeholder + b"\n")
            faults.append(Fault(text.decode("utf-8", "backslashreplace"), reason))
        elif text.decode("utf-8").strip():
            kept.append(b",".join(quoted(field) for field in fields) + b"\n")
        position = copied = following
    kept.append(memoryview(data)[copied:position])
    return Rewritten(b"".join(kept), position, faults)


def quoted(field: bytes) -> bytes:
    """A field between quotes."""
    return b'"' + field.replace(b'"', b'""') + b'"'


def _fault(record: Record, text: bytes, width: int) -> str | None:
    if not decodes(text):
        return NOT_UTF8
    if record.text_after_quote:
        return AFTER_QUOTE
    if len(record.fields) != width and text.decode("utf-8").strip():
        return fields_instead(len(record.fields), width)
    return None


def decodes(text: bytes) -> bool:
    """Whether a short text is UTF-8; `is_utf8` is for blocks."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
