"""Source mappings: another layout's columns, declared as what a feed's columns are made of. No I/O.

A mapping stands beside its contract. Landing chooses one by the file's name or header and keeps the source's columns
beside the feed's, so that a value can be traced to what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

#: What stands between the codes of a column that holds several.
LIST_SEPARATOR = "|"


@dataclass(frozen=True, init=False)
class From:
    """A column made of a source's columns: the first of them that is not empty, or all of those, `joined`.

    `matching` is a regular expression with a group `v`, which stands for text that it matches; `values` says what
    stands for a text in the end. Text of which neither speaks stays as it was sent.
    """

    columns: tuple[str, ...]
    joined: bool = False
    matching: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    def __init__(
        self,
        *columns: str,
        joined: bool = False,
        matching: str | None = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "joined", joined)
        object.__setattr__(self, "matching", matching)
        object.__setattr__(self, "values", dict(values or {}))


@dataclass(frozen=True)
class Constant:
    """A column that a layout does not have and that is the same for all of its records."""

    text: str


@dataclass(frozen=True)
class SourceMapping:
    """How a layout becomes a feed's.

    Attributes:
        name: The layout's name, for messages and documentation.
        files: File names that have this layout, as a pattern (`synthea_*`); other files are known by their header.
        columns: What each column of the feed is made of; those not named stay empty.
        ignored: Patterns of columns that the layout has and the feed has no use for.
        by_header: Whether a file that has the needed columns is of this layout; else its name has to say so, since
            other files have such columns too.
        only: A column, and the texts in it that records of this feed have: others are of another kind.
        source: Where the layout is described.
    """

    name: str
    files: str
    columns: Mapping[str, From | Constant]
    ignored: tuple[str, ...] = ()
    by_header: bool = True
    only: tuple[str, tuple[str, ...]] | None = None
    source: str = ""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def needed(self) -> tuple[str, ...]:
        """The layout's columns without which a file is not of it, in order."""
        named = [name for made in self.columns.values() if isinstance(made, From) for name in made.columns]
        return tuple(dict.fromkeys([*named, *([self.only[0]] if self.only else [])]))

    def knows(self, column: str) -> bool:
        """Whether the layout has that column, used or not; case does not matter."""
        name = column.casefold()
        return any(name == one.casefold() for one in self.needed) or any(
            fnmatchcase(name, pattern.casefold()) for pattern in self.ignored
        )

    def claims_file(self, name: str) -> bool:
        """Whether a file of that name has this layout, whatever its header says."""
        return fnmatchcase(name.casefold(), self.files.casefold())
