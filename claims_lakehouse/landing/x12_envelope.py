"""Whether an X12 file is whole: every interchange and group ends, and holds as much as its trailer says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing.x12_segments import Segment


class _Open(NamedTuple):
    """An envelope that has begun: its control number."""

    number: str


class Envelope:
    """Watches the envelopes of a file go by.

    A file that is cut short is an error: nobody knows what it lost. A trailer that disagrees with what stands before it
    is noted, and the transactions go on.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._noted: list[tuple[Segment, str]] = []
        #: Whether an interchange so far says that it was sent for tests.
        self.is_test = False

    def watch(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The same segments; UnreadableFile where an interchange or a group does not end."""
        interchange: _Open | None = None
        group: _Open | None = None
        groups = transactions = 0
        for segment in segments:
            if segment.name == "ISA":
                self._refuse_open(interchange, group)
                interchange, groups = _Open(segment.element(13)), 0
                self.is_test |= segment.element(15).strip() == "T"
            elif segment.name == "GS":
                self._refuse_open(None, group)
                group, transactions, groups = _Open(segment.element(6)), 0, groups + 1
            elif segment.name == "ST":
                transactions += 1
            elif segment.name == "GE":
                self._compare(segment, group, transactions, "transactions in a group")
                group = None
            elif segment.name == "IEA":
                self._refuse_open(None, group)
                self._compare(segment, interchange, groups, "groups in an interchange")
                interchange = None
            yield segment
        self._refuse_open(interchange, group)

    def noted(self) -> list[tuple[Segment, str]]:
        """Trailers that disagree, and how, since this was asked last."""
        noted, self._noted = self._noted, []
        return noted

    def _refuse_open(self, interchange: _Open | None, group: _Open | None) -> None:
        if group is not None:
            raise UnreadableFile(self._place, "a group that does not end: the file is cut short", "a GE after it")
        if interchange is not None:
            raise UnreadableFile(self._place, "an interchange that does not end: the file is cut short", "an IEA")

    def _compare(self, trailer: Segment, opened: _Open | None, count: int, what: str) -> None:
        said = trailer.element(1).strip()
        where = f"{trailer.name} at position {trailer.position}"
        if opened is None:
            self._noted.append((trailer, f"segment {where} ends what has not begun"))
        elif (number := _number(said)) != count:
            told = "no such number" if number is None else f"{number:,}"
            self._noted.append((trailer, f"segment {where}: found {count:,} {what} that says {told}"))
        elif trailer.element(2).strip() != opened.number.strip():
            self._noted.append((trailer, f"segment {where} has another control number than what it ends"))


def _number(text: str) -> int | None:
    """A count of a trailer, None where it is none that can be: int() takes digits of any script, and not many."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else None
