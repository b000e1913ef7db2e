"""What both readers share: a file's place, its header matched to a feed, and the batch that they give."""

from __future__ import annotations

import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from claims_lakehouse.contracts.feed import Feed
from claims_lakehouse.contracts.mapping import SourceMapping
from claims_lakehouse.contracts.rules import MALFORMED_ROW
from claims_lakehouse.errors import UnreadableFile

#: The columns that the raw file adds to the source's; no column of a source goes under these names there.
ROW_NUMBER, MALFORMED, MALFORMED_REASON = "row_number", "malformed", "malformed_reason"
#: One more where a file can hold records that break another rule than `malformed_row`.
MALFORMED_RULE = "malformed_rule"
#: What is trimmed from names, as from values: Unicode's White_Space (`str.strip()` would take U+001C to U+001F too).
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

MAX_COLUMNS = 1_000
_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}
NOT_UTF8 = "bytes that are not UTF-8"


class Header(NamedTuple):
    """A file's columns in the file's order, under the names that the raw file gives them.

    `unexpected` are those that nobody declared; `mapping` makes the feed's columns of a layout's.
    """

    names: tuple[str, ...]
    unexpected: tuple[str, ...]
    mapping: SourceMapping | None = None


class Malformed(NamedTuple):
    """A record that could not be read, and the rule it breaks; `ordinal` counts all records of its batch from 1."""

    ordinal: int
    text: str
    reason: str
    rule: str = MALFORMED_ROW.name


class Batch(NamedTuple):
    """Some records: an Arrow table of text under the header's names, and what could not go into it.

    Empty text is null. `is_test` says that the file so far calls itself one for tests.
    """

    rows: Any
    malformed: Sequence[Malformed]
    is_test: bool = False


def place_of(path: Path, landing: Path) -> str:
    """A file's name relative to the landing folder, fit to be shown."""
    with suppress(ValueError):
        path = path.relative_to(landing)
    return path.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def require_regular(path: Path, place: str) -> None:
    """Refuse what is not a regular file, without opening it: a FIFO would block for ever."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise no_permission(place) from None
    if stat.S_ISDIR(mode):
        raise UnreadableFile(place, "a folder", "a file")
    if not stat.S_ISREG(mode):
        raise UnreadableFile(place, "a pipe, socket or device", "a regular file")


def no_permission(place: str) -> UnreadableFile:
    """The error of a file that may not be read."""
    return UnreadableFile(place, "no permission to read it", "a file that the lakehouse may read")


def shown(names: Sequence[str]) -> str:
    """A few column names for an error message, none of them long."""
    printable = ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name) for name in names[:10]]
    listed = ", ".join(f"'{name if len(name) <= 60 else name[:59] + '…'}'" for name in printable)
    return listed + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def match_header(feed: Feed, sent: Sequence[str], place: str) -> Header:
    """Match a header to a feed's columns, or to those of another layout; case, order and outer space do not matter.

    The feed's own columns come first, then the layout that the file's name has, then the one of which most is there.
    Missing columns are looked for before any name is shown: until all are there, the line may be a row of a file
    without a header.

    Raises:
        UnreadableFile: Columns are missing, too many, or named twice, or the header is more than one line.
    """
    if len(sent) > MAX_COLUMNS:
        raise too_many_columns(place)
    folded = [name.strip(WHITE_SPACE).casefold() for name in sent]
    if any(end in name.strip(WHITE_SPACE) for name in sent for end in "\r\n"):
        raise line_end_inside(place)
    mapping = _layout(feed, folded, place)
    twice = [name for name in dict.fromkeys(folded) if name and folded.count(name) > 1]
    if twice:
        raise UnreadableFile(place, f"a header that names {shown(twice)} twice", "each column once")

    own = {column.name.casefold(): column.name for column in feed.columns}
    taken = {ROW_NUMBER, MALFORMED, MALFORMED_REASON, MALFORMED_RULE}
    taken |= {name.strip(WHITE_SPACE).lower() for name in sent}
    reserved = {kept_name(own, fold) for fold in folded if fold in own} if mapping is not None else set()
    taken |= reserved
    names, unexpected = [], []
    for position, (name, fold) in enumerate(zip(sent, folded, strict=True), start=1):
        if mapping is None and fold in own:
            names.append(own[fold])
            continue
        kept = name.strip(WHITE_SPACE).lower()
        if mapping is not None and fold in own:
            kept = kept_name(own, kept)
        elif kept in ("", ROW_NUMBER, MALFORMED, MALFORMED_REASON, MALFORMED_RULE) or kept in reserved:
            kept = kept + "_" if kept else f"unnamed_{position}"
            while kept in taken:
                kept += "_"
            taken.add(kept)
        names.append(kept)
        if mapping is None or not mapping.knows(fold):
            unexpected.append(kept)
    return Header(tuple(names), tuple(unexpected), mapping)


def kept_name(own: Collection[str], column: str) -> str:
    """The name under which the raw file keeps a layout's column: in lower case, apart from the feed's `own` columns."""
    name = column.strip(WHITE_SPACE).lower()
    return f"sent_{name}" if name in own else name


def _layout(feed: Feed, folded: Sequence[str], place: str) -> SourceMapping | None:
    """The mapping of a file with these columns, None where they are the feed's own."""
    by_name = [mapping for mapping in feed.mappings if mapping.claims_file(place.rsplit("/", 1)[-1])]
    wanted = [(None, tuple(column.name for column in feed.columns)), *((one, one.needed) for one in feed.mappings)]
    missing = {mapping: [name for name in names if name.casefold() not in folded] for mapping, names in wanted}
    fits = [
        (mapping, names)
        for mapping, names in wanted
        if not missing[mapping] and (mapping is None or mapping.by_header or mapping in by_name)
    ]
    if None in dict(fits):
        return None
    if fits:
        return max(fits, key=lambda fit: (fit[0] in by_name, len(fit[1])))[0]
    separator = _other_separator(folded, [names for _, names in wanted])
    if separator is not None:
        raise UnreadableFile(place, f"columns that {separator} separates", "columns separated by ','")
    # The nearest is the one that has least to be added to it, as a share.
    likely = [(one, names) for one, names in wanted if one is None or one.by_header or one in by_name]
    nearest, names = min(likely, key=lambda one: (one[0] not in by_name, len(missing[one[0]]) / len(one[1])))
    count = f"{len(names) - len(missing[nearest])} of {len(names)} columns"
    expected = f"a header with all columns of the feed '{feed.name}'"
    if nearest is not None:
        count += f" of the nearest layout '{nearest.name}'"
    if feed.mappings:
        others = ", ".join(f"'{mapping.name}'" for mapping in feed.mappings)
        expected += f" or of one of its layouts {others}" if len(feed.mappings) > 1 else f" or of its layout {others}"
    raise UnreadableFile(place, f"{count}, without {shown(missing[nearest])}", expected)


def _other_separator(folded: Sequence[str], wanted: Sequence[Sequence[str]]) -> str | None:
    """What else than a comma separates the columns: most of those that are wanted are there between others."""
    for separator, named in _SEPARATORS.items():
        parts = {part.strip(WHITE_SPACE + '"') for name in folded for part in name.split(separator)} - {*folded}
        if any(len(parts.intersection(map(str.casefold, names))) > len(names) / 2 for names in wanted):
            return named
    return None


def line_end_inside(place: str) -> UnreadableFile:
    """The error of a header that goes on over lines: most often those of a file whose lines end in CR alone."""
    return UnreadableFile(place, "a line end inside a column's name", "lines that end in LF or CRLF, not in CR")


def too_many_columns(place: str) -> UnreadableFile:
    """The error of a header that nobody can have meant."""
    return UnreadableFile(place, f"a header of more than {MAX_COLUMNS:,} columns", "the columns of its feed")
