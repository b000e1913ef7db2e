"""Whether an X12 transaction follows its implementation guide, and if not, where it leaves it.

x12sdk holds the guides. Its error texts quote the file and never come through here: reasons name segments, places and
the guides' own names for elements.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from claims_lakehouse.landing.x12_segments import Segment

_DOTENV = "PYTHON_DOTENV_DISABLED"
_WRONG_PARENT, _SAME_NUMBER = "an HL does not name the HL under which it stands", "two HL have one number"
#: What x12sdk's own checks say, by how it begins; the values that follow are left out.
_OWN_CHECKS = {
    "Claim Amount": "the charges of the claim's lines do not add up to CLM02",
    "Duplicate ": "a loop has two segments of one name and qualifier",
    "HL ": _WRONG_PARENT,
    "duplicate HL": _SAME_NUMBER,
    "Invalid date": "{element} is no date of the form that its qualifier names",
    "Identification code": "an identification code and its qualifier come without each other",
    "Invalid field usage": "{element} is for persons only",
    "SE segment count": "{guide} has no place for one or more of the segments before it",
}
_KINDS = {
    "enum": "{element} is not one that {guide} knows",
    "literal_error": "{element} is not one that {guide} knows",
    "missing": "{element} is missing",
    "string_too_long": "{element} is longer than {guide} allows",
    "string_too_short": "{element} is shorter than {guide} allows",
    "too_long": "{element} stands more often than {guide} allows",
    "too_short": "{element} is missing",
}
_OTHERWISE = "{element} is not as {guide} has it"


class Guide(NamedTuple):
    """An implementation guide under x12sdk's names for it: `837`, `005010X222A2`."""

    transaction: str
    version: str


def unsoundness(transaction: Sequence[Segment], guide: Guide) -> str | None:
    """Where and how a transaction leaves its guide; None where it follows it. Quotes nothing of it.

    The first segment is its ST; the last is its SE, or what the file had of it.
    """
    begin, end = transaction[0], transaction[-1]
    if end.name != "SE":
        return f"{_at(begin)}: no SE ends the transaction"
    if end.element(2) != begin.element(2):
        return f"{_at(end)}: its control number is not that of the ST at position {begin.position}"
    if not _counts(end.element(1), len(transaction)):
        return f"{_at(end)}: it does not count the {len(transaction)} segments from ST to SE"
    return _left(transaction, guide)


def shown_name(segment: Segment) -> str:
    """A segment's name for a message: one that nobody knows may be anybody's name."""
    known = segment.name in {one.value for one in _library("models").X12SegmentName}
    return f"segment {segment.name}" if known else "a segment of an unknown name"


def _at(segment: Segment) -> str:
    return f"{shown_name(segment)} at position {segment.position}"


def _counts(text: str, count: int) -> bool:
    return len(text) <= 10 and text.isascii() and text.isdigit() and int(text) == count


@cache
def _library(module: str) -> ModuleType:
    """A module of x12sdk, kept from logging segments and from reading a `.env` of a folder above it when imported.

    Imported when first needed: its models take their time.
    """
    before = os.environ.get(_DOTENV)
    os.environ[_DOTENV] = "1"
    try:
        from x12sdk import models, parsing
    finally:
        if before is None:
            del os.environ[_DOTENV]
        else:
            os.environ[_DOTENV] = before
    logging.getLogger("x12sdk").setLevel(logging.CRITICAL + 1)
    return {"models": models, "parsing": parsing}[module]


class _Name(str):
    """A segment's name that knows its place: the library keeps it with what it makes of the segment."""

    place: int


def _left(transaction: Sequence[Segment], guide: Guide) -> str | None:
    from pydantic import ValidationError

    separators = transaction[0].separators
    delimiters = _library("models").X12Delimiters(
        element_separator=separators.element,
        # A file cannot hold U+0000.
        repetition_separator=separators.repetition or "\0",
        segment_terminator=separators.terminator,
        component_separator=separators.component,
    )
    parser = _library("parsing").create_parser(*guide, delimiters)
    named = f"{guide.transaction} ({guide.version})"
    for place, segment in enumerate(transaction):
        # REF04, which the guides have, x12sdk has not.
        elements = segment.elements[1:4] if segment.name == "REF" else segment.elements[1:]
        name = _Name(segment.name)
        name.place = place
        try:
            parser.parse(segment.name, [name, *elements])
        except ValidationError as error:
            return _first_of(error, parser._context.transaction_data, transaction, named)
        except MemoryError:
            raise
        except Exception as error:
            # The library raises whatever comes of a segment that it did not reckon with.
            if isinstance(error, KeyError) and error.args == (segment.name,):
                return f"{_at(segment)}: {named} knows no such segment"
            if type(error).__name__ == "X12ParseException":
                return f"{_at(segment)}: it has more elements than {named} knows"
            return f"{_at(segment)}: {named} has no place for it there"
    return None


def _first_of(error: Any, given: Any, transaction: Sequence[Segment], guide: str) -> str:
    """What the first of a model's errors says, and how many more there are; `given` is what the model was made of."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    named = [part for part in problem["loc"] if isinstance(part, str)]
    element = named[-1] if named else "the transaction"
    if element.endswith("_segment"):
        element = f"segment {element.removesuffix('_segment').upper()}" if problem["type"] == "missing" else "it"
    elif element.startswith("loop_"):
        element = f"loop {element.removeprefix('loop_').upper()}"
    text = _KINDS.get(problem["type"], _OTHERWISE)
    if problem["type"] == "value_error":
        said = problem["msg"].removeprefix("Value error, ")
        text = next((own for start, own in _OWN_CHECKS.items() if said.startswith(start)), _OTHERWISE)
    where = transaction[_place(problem["loc"], given, len(transaction) - 1)]
    if text in (_WRONG_PARENT, _SAME_NUMBER):
        where = _unlinked(transaction) or where
    more = error.error_count() - 1
    return f"{_at(where)}: {text.format(element=element, guide=guide)}" + (f" (and {more} more)" if more else "")


def _unlinked(transaction: Sequence[Segment]) -> Segment | None:
    """The first HL that has a number that was there before, or a parent that was not."""
    numbers: set[str] = set()
    for segment in (one for one in transaction if one.name == "HL"):
        number, parent = segment.element(1).strip(), segment.element(2).strip()
        if number in numbers or (parent and parent not in numbers):
            return segment
        numbers.add(number)
    return None


def _place(path: Sequence[str | int], given: Any, last: int) -> int:
    """The place of the segment on a path into the transaction, or of the one with which its innermost loop begins."""
    place = last
    for part in path:
        try:
            given = given[part]
        except (LookupError, TypeError):
            break
        place = min(_places(given), default=place)
    return place


def _places(given: Any) -> Iterator[int]:
    """The places of the segments that make up a segment, a loop or a list."""
    if isinstance(given, dict) and "segment_name" in given:
        yield given["segment_name"].place
    elif isinstance(given, (dict, list)):
        for one in given.values() if isinstance(given, dict) else given:
            yield from _places(one)
