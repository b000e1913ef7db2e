"""Split an X12 file into segments, under the separators that each of its interchanges declares.

Knows nothing of transactions, and holds no more than a block of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from claims_lakehouse.errors import UnreadableFile

BLOCK_BYTES = 1 << 20
MAX_SEGMENT_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_WHITE_SPACE = rb" \t\r\n\v\f\x1a"  # U+001A is where a file of DOS ends
_ISA_BYTES = 106
#: Where the elements of ISA, which have fixed lengths, are separated, and where it says how others are.
_ISA_SEPARATED = (3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)
_REPETITION, _COMPONENT, _TERMINATOR = 82, 104, 105


class Separators(NamedTuple):
    """The characters that an interchange's ISA declares; before 4020 none separated repetitions."""

    element: str
    repetition: str | None
    component: str
    terminator: str


class Segment(NamedTuple):
    """A segment, its place among all of the file from 1, its name in capitals, and its text as sent.

    The text includes its terminator and the line ends before it.
    """

    position: int
    name: str
    elements: list[str]
    text: str
    separators: Separators

    def element(self, number: int) -> str:
        """An element by the number that the guides give it (`NM109` is 9), empty where it is not there."""
        return self.elements[number] if number < len(self.elements) else ""

    def component(self, number: int, part: int) -> str:
        """A component of a composite element, both by the guides' numbers (`CLM05-3` is 5, 3)."""
        parts = self.components(number)
        return parts[part - 1] if part <= len(parts) else ""

    def components(self, number: int) -> list[str]:
        """All components of a composite element."""
        return self.element(number).split(self.separators.component)


def read_segments(stream: IO[bytes], place: str, block_bytes: int = BLOCK_BYTES) -> Iterator[Segment]:
    """The segments of a file; empty ones are none.

    A segment that is not UTF-8 is read as Latin-1: nobody declares which of the two it is.

    Raises:
        UnreadableFile: It does not begin with a sound ISA, has another that is not sound, or is no text.
    """
    blocks = _Blocks(stream, place, block_bytes)
    separators, blank, position = None, _blank(b""), 0
    while blocks.past(blank):
        position += 1
        here = f"{place}, segment {position}" if separators else place
        if blocks.begins_interchange():
            blocks.require(_ISA_BYTES)
            separators = _separators(blocks.data[blocks.at : blocks.at + _ISA_BYTES], here)
            blank = _blank(separators.terminator.encode())
        elif not separators:
            raise UnreadableFile(place, "a file that does not begin with ISA", "an X12 interchange")
        yield _segment(blocks, position, separators, here)


def _segment(blocks: _Blocks, position: int, separators: Separators, here: str) -> Segment:
    before, content = blocks.take(separators.terminator.encode(), here)
    ended = separators.terminator if blocks.terminated else ""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    elements = text.rstrip("\r" if separators.terminator == "\n" else "").split(separators.element)
    name = elements[0].strip().upper()
    return Segment(position, name, elements, before.decode("latin-1") + text + ended, separators)


def _blank(terminator: bytes) -> re.Pattern[bytes]:
    """What may stand between segments: white space, and terminators of nothing."""
    return re.compile(b"[" + _WHITE_SPACE + re.escape(terminator) + b"]*")


class _Blocks:
    """The bytes read and not yet used up: `start` is where the segment before ended, `at` where one begins."""

    def __init__(self, stream: IO[bytes], place: str, block_bytes: int) -> None:
        self.data = b""
        self.start = self.at = 0
        self.final = self.terminated = False
        self._stream, self._place, self._block_bytes = stream, place, block_bytes
        self.require(4)
        if self.data.startswith(_WIDE_BOMS):
            raise UnreadableFile(place, "UTF-16 or UTF-32 text, or no text at all", "UTF-8 or Latin-1 text")
        self.start = self.at = len(_BOM) if self.data.startswith(_BOM) else 0
        if not self.past(_blank(b"")):
            raise UnreadableFile(place, "an empty file", "an X12 interchange")

    def past(self, blank: re.Pattern[bytes]) -> bool:
        """Go to where the next segment begins; false at the end of the file."""
        while True:
            found = blank.match(self.data, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.data) or self.final:
                return self.at < len(self.data)
            self._more()

    def require(self, count: int) -> None:
        """Have as many bytes from here on, if the file has."""
        while len(self.data) - self.at < count and not self.final:
            self._more()

    def begins_interchange(self) -> bool:
        """Whether an ISA begins here."""
        self.require(4)
        head = self.data[self.at : self.at + 4]
        return head[:3].upper() == b"ISA" and not head[3:].isalnum()

    def take(self, terminator: bytes, here: str) -> tuple[bytes, bytes]:
        """What stood before the segment that begins here, and the segment; the last needs no terminator."""
        end = self.data.find(terminator, self.at)
        while end < 0 and not self.final:
            if len(self.data) - self.at > MAX_SEGMENT_BYTES:
                found = "a segment that does not end"
                raise UnreadableFile(here, found, f"its terminator within {MAX_SEGMENT_BYTES >> 20} MiB")
            self._more()
            end = self.data.find(terminator, self.at)
        self.terminated = end >= 0
        end = end if self.terminated else len(self.data.rstrip(b" \t\r\n\v\f\x1a"))
        before, content = self.data[self.start : self.at], self.data[self.at : end]
        self.start = self.at = min(end + len(terminator), len(self.data)) if self.terminated else len(self.data)
        return before, content

    def _more(self) -> None:
        block = self._stream.read(self._block_bytes)
        if b"\0" in block and not block.startswith(_WIDE_BOMS):
            raise UnreadableFile(self._place, "bytes that are no text", "UTF-8 or Latin-1 text")
        self.final = not block
        if len(self.data) - self.start > 2 * MAX_SEGMENT_BYTES:  # white space without end is kept no longer
            self.start = self.at
        self.data, self.at, self.start = self.data[self.start :] + block, self.at - self.start, 0


def _separators(isa: bytes, here: str) -> Separators:
    if len(isa) < _ISA_BYTES:
        raise UnreadableFile(here, "an ISA segment that is cut short", f"one of {_ISA_BYTES} characters")
    element, component, terminator = isa[3:4], isa[_COMPONENT:_TERMINATOR], isa[_TERMINATOR:]
    if isa.count(element) != len(_ISA_SEPARATED) or any(isa[at : at + 1] != element for at in _ISA_SEPARATED):
        found = "an ISA segment whose elements do not have their fixed lengths"
        raise UnreadableFile(here, found, f"one of {_ISA_BYTES} characters, 16 of them separators")
    repetition = isa[_REPETITION : _REPETITION + 1]
    declared = [element, component, terminator]
    if not (repetition.isalnum() or repetition == b" "):
        declared.append(repetition)
    usable = all(one.isascii() and not one.isalnum() and one != b" " for one in declared)
    if not usable or len(set(declared)) != len(declared) or isa.index(terminator) != _TERMINATOR:
        found = "an ISA segment whose separators are letters or digits, or stand for two things"
        raise UnreadableFile(here, found, "separators that occur nowhere else and differ")
    return Separators(
        element.decode(),
        repetition.decode() if len(declared) > 3 else None,
        component.decode(),
        terminator.decode(),
    )
