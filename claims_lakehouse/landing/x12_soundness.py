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
#: What x12sdk's own checks say, by how it begins; the values that follow are left out.
_OWN_CHECKS = {
    "Claim Amount": "the charges of the claim's lines do not add up to CLM02",
    "Duplicate ": "a loop has two segments of one name and qualifier",
    "HL ": "an HL does not name the HL under which it stands",
    "duplicate HL": "two HL have one number",
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
    for segment in transaction:
        try:
            parser.parse(segment.name, [segment.name, *segment.elements[1:]])
        except ValidationError as error:
            return _first_of(error, transaction, named)
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


def _first_of(error: Any, transaction: Sequence[Segment], guide: str) -> str:
    """What the first of a model's errors says, and how many more there are."""
    problem = error.errors(include_url=False, include_context=False)[0]
    path = [part for part in problem["loc"] if isinstance(part, str)]
    last = path[-1] if path else ""
    within = next((part for part in reversed(path) if part.endswith("_segment")), "")
    absent = problem["type"] == "missing" and last == within
    name = "" if absent else within.removesuffix("_segment").upper()
    where = _found(problem["input"], name, transaction)

    element = last or "the transaction"
    if last.endswith("_segment"):
        element = f"segment {last.removesuffix('_segment').upper()}"
    elif last.startswith("loop_"):
        element = f"loop {last.removeprefix('loop_').upper()}"
    said = problem["msg"].removeprefix("Value error, ")
    own = next((text for start, text in _OWN_CHECKS.items() if said.startswith(start)), _OTHERWISE)
    text = own if problem["type"] == "value_error" else _KINDS.get(problem["type"], _OTHERWISE)
    more = error.error_count() - 1
    return f"{where}: {text.format(element=element, guide=guide)}" + (f" (and {more} more)" if more else "")


def _found(sent: Any, name: str, transaction: Sequence[Segment]) -> str:
    """Where a model's error is: its segment, or the segment with which its loop begins.

    A model does not know places, only what it was given: the first segment is meant that holds that.
    """
    ending = transaction[-1]
    if not name and isinstance(sent, dict) and "footer" in sent:
        return _at(ending)
    begins = next(_segments_of(sent), None)
    if begins is not None:
        return _at(next((one for one in transaction if _is_same(one, begins)), ending))
    named = [one for one in transaction if one.name == name]
    texts = [sent] if isinstance(sent, str) else _joined(sent, ending) if isinstance(sent, list) else []
    for one in named:
        if any(text in one.elements[1:] for text in texts):
            return _at(one)
    return f"segment {name} (the first is at position {named[0].position})" if named else _at(ending)


def _joined(sent: list[Any], segment: Segment) -> list[str]:
    separators = (segment.separators.component, segment.separators.repetition or "")
    return [separator.join(sent) for separator in separators if all(isinstance(one, str) for one in sent)]


def _segments_of(sent: Any) -> Iterator[dict[str, Any]]:
    """The segments in what a model was given, as the parser makes them: elements by name, in order."""
    if isinstance(sent, dict) and "segment_name" in sent:
        yield sent
    elif isinstance(sent, (dict, list)):
        for one in sent.values() if isinstance(sent, dict) else sent:
            yield from _segments_of(one)


def _is_same(segment: Segment, sent: dict[str, Any]) -> bool:
    values = list(sent.values())
    return segment.name == values[0] and all(
        value == (element or None) or isinstance(value, list)
        for value, element in zip(values[1:], segment.elements[1:], strict=False)
    )
