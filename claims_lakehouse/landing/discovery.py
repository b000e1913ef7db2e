"""Which deliveries lie in the landing folder, by name alone. Reads names, never content.

`<feed>/<delivery>.<ext>`, `<feed>/<delivery>/<part>.<ext>` or flat `<feed>_<delivery>.<ext>`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import UnplaceableFile, UnreadableFile, UsageError

EXTENSIONS = (".parquet", ".csv", ".csv.gz")
#: X12 interchanges, for the feeds that have the transaction: an institutional 837 is read to say that it is one.
X12_EXTENSIONS = {".837": "837", ".837p": "837", ".837i": "837", ".834": "834"}
_LONGEST_FIRST = sorted((*EXTENSIONS, *X12_EXTENSIONS), key=len, reverse=True)
DELIVERY_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
KEY_RULE = "a delivery key of 1 to 100 letters, digits, '_', '.' or '-', beginning with a letter or digit, without '..'"
_README = "README.md"
_READ = "expected a folder that may be read."


@dataclass(frozen=True)
class LandedDelivery:
    """One delivery in the landing folder: its part files in byte order of their names.

    `problem` is what keeps it from being read at all (two files for one delivery, a folder for a file).
    """

    feed: Feed
    delivery: str
    parts: tuple[Path, ...]
    problem: UnreadableFile | None = None


class Discovered(NamedTuple):
    """What lies in the landing folder, and what in it belongs to no delivery."""

    deliveries: list[LandedDelivery]
    unplaceable: list[UnplaceableFile]


def is_delivery_key(text: str) -> bool:
    """Whether a text can be a delivery's key."""
    return DELIVERY_KEY.fullmatch(text) is not None and ".." not in text


def check_delivery_key(text: str) -> str:
    """The key itself; UsageError where it is none."""
    if not is_delivery_key(text):
        raise UsageError(f"{shown(text)} is not {KEY_RULE}.")
    return text


def shown(name: str) -> str:
    """A name from outside as it may be printed: quoted, one line, bounded."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return repr(text if len(text) <= 120 else text[:117] + "...")


def discover(landing: Path, feeds: Iterable[Feed] = FEEDS) -> Discovered:
    """Every delivery under `landing`, in the order of feeds and keys; UsageError where there is no such folder."""
    if not landing.is_dir():
        raise UsageError(f"There is no landing folder {landing}.")
    by_name = {feed.name: feed for feed in feeds}
    found: dict[tuple[str, str], LandedDelivery] = {}
    unplaceable: list[UnplaceableFile] = []
    for entry in _entries(landing):
        if _is_folder(entry) and entry.name in by_name:
            try:
                inside = [inner for inner in _entries(Path(entry.path)) if inner.name != _README]
            except OSError as error:
                unplaceable.append(UnplaceableFile(f"{shown(entry.name)}: found no access ({error.strerror}); {_READ}"))
                continue
            candidates = [(by_name[entry.name], inner, inner.name) for inner in inside]
        else:
            feed, rest = _flat(entry, by_name)
            if feed is None:
                if entry.name != _README:
                    unplaceable.append(_unknown_feed(entry, by_name))
                continue
            candidates = [(feed, entry, rest)]
        for feed, inner, name in candidates:
            placed = _place(feed, inner, name, landing)
            if isinstance(placed, UnplaceableFile):
                unplaceable.append(placed)
            elif placed is not None:
                key = (feed.name, placed.delivery)
                found[key] = _two_for_one(found[key], placed, landing) if key in found else placed
    order = {name: place for place, name in enumerate(by_name)}
    return Discovered(
        sorted(found.values(), key=lambda landed: (order[landed.feed.name], landed.delivery)), unplaceable
    )


def landing_entries(landing: Path, feed: Feed, delivery: str, feeds: Iterable[Feed] = FEEDS) -> list[Path]:
    """Every file and folder of a delivery under `landing`, those still being written included."""
    by_name = {known.name: known for known in feeds}
    found = []
    for folder in (landing / feed.name, landing):
        with os.scandir(folder) if folder.is_dir() else nullcontext(()) as entries:
            for entry in entries:
                of, name = (feed, entry.name) if folder != landing else _flat(entry, by_name)
                for writing in (".tmp", ".part"):
                    name = name.removesuffix(writing)
                if of == feed and delivery == _key(name):
                    found.append(Path(entry.path))
    return sorted(found)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder in byte order of their names, less those still being written."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
            if not (entry.name.startswith((".", "_")) or entry.name.endswith((".tmp", ".part"))):
                yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; what cannot be followed is not, and fails as a file by itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def extensions_of(feed: Feed) -> tuple[str, ...]:
    """How the files of a feed may end."""
    return (*EXTENSIONS, *(end for end, transaction in X12_EXTENSIONS.items() if transaction == feed.transaction))


def _extension(name: str) -> str | None:
    name = name.lower()
    for extension in _LONGEST_FIRST:
        if name.endswith(extension):
            return extension
    return None


def _key(name: str) -> str:
    """The delivery that a name without the feed's belongs to: the name itself, less an extension."""
    extension = _extension(name)
    return name[: -len(extension)] if extension else name


def _flat(entry: os.DirEntry[str], feeds: dict[str, Feed]) -> tuple[Feed | None, str]:
    for name in sorted(feeds, key=len, reverse=True):
        if entry.name.startswith(name + "_"):
            return feeds[name], entry.name[len(name) + 1 :]
    return None, ""


def _unknown_feed(entry: os.DirEntry[str], feeds: dict[str, Feed]) -> UnplaceableFile:
    kind = "folder" if _is_folder(entry) else "file"
    extension = _extension(entry.name)
    if extension and entry.name[: -len(extension)] in feeds:
        return UnplaceableFile(
            f"{shown(entry.name)}: found no delivery key; expected <feed>_<delivery>{extension}, "
            f"or the file in the feed's folder."
        )
    return UnplaceableFile(
        f"{shown(entry.name)}: found a {kind} of no known feed; expected one of {', '.join(feeds)}, "
        f"as <feed>/<delivery>.<ext> or <feed>_<delivery>.<ext>."
    )


def _place(feed: Feed, entry: os.DirEntry[str], name: str, landing: Path) -> LandedDelivery | UnplaceableFile | None:
    """The delivery that an entry is, given its name without the feed's; None for a folder still empty."""
    extension, key = _extension(name), _key(name)
    path = Path(entry.path)
    if not is_delivery_key(key):
        return UnplaceableFile(f"{_place_of(path, landing)}: found no readable delivery key; expected {KEY_RULE}.")
    known = extensions_of(feed)
    if not _is_folder(entry):
        if extension not in known:
            place = _place_of(path, landing)
            return UnplaceableFile(f"{place}: found an unknown kind of file; expected {' or '.join(known)}.")
        return LandedDelivery(feed, key, (path,))
    place = _place_of(path, landing)
    if extension is not None:
        return LandedDelivery(feed, key, (path,), UnreadableFile(place, "a folder", "a file, by its name"))
    try:
        parts = list(_entries(path))
    except OSError as error:
        return LandedDelivery(
            feed, key, (path,), UnreadableFile(place, f"no access ({error.strerror})", "a folder of files")
        )
    for part in parts:
        if _is_folder(part) or _extension(part.name) not in known:
            found = "a folder" if _is_folder(part) else "an unknown kind of file"
            problem = UnreadableFile(
                _place_of(Path(part.path), landing),
                found,
                f"part files, {' or '.join(known)}",
            )
            return LandedDelivery(feed, key, (Path(part.path),), problem)
    return LandedDelivery(feed, key, tuple(Path(part.path) for part in parts)) if parts else None


def _place_of(path: Path, landing: Path) -> str:
    return shown(str(path.relative_to(landing)))


def _two_for_one(first: LandedDelivery, second: LandedDelivery, landing: Path) -> LandedDelivery:
    names = [
        _place_of(landed.parts[0] if len(landed.parts) == 1 else landed.parts[0].parent, landing)
        for landed in (first, second)
    ]
    problem = UnreadableFile(
        names[1],
        f"a second file for delivery '{first.delivery}' of {first.feed.name}, beside {names[0]}",
        "one",
    )
    return replace(first, parts=first.parts + second.parts, problem=problem)
