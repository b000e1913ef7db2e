"""A content's fingerprint: the SHA-256 of its bytes, remembered by the files' stat so that ticks stay cheap.

A remembered fingerprint is trusted only where size, times and inode are the same and the file had lain still
for a while when it was read; a change within the clock's grain cannot hide (git's "racily clean").
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.files import write_json
from claims_lakehouse.landing.discovery import shown

_STILL_NS = 2_000_000_000
_Seen = list[int | str]


def file_stat(path: Path, landing: Path) -> os.stat_result:
    """The stat of a landed file; UnreadableFile where it is none that could be read."""
    try:
        status = path.stat()
    except OSError as error:
        raise _no_access(path, landing, error) from None
    if not stat.S_ISREG(status.st_mode):
        place = shown(os.path.relpath(path, landing))
        raise UnreadableFile(place, "something that is not a regular file", "a file")
    return status


class Fingerprints:
    """The fingerprints of landed files, remembered in one small file that may be deleted at any time."""

    def __init__(self, landing: Path, memory: Path, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._landing, self._memory, self._now_ns = landing, memory, now_ns
        self._changed = False
        try:
            self._known: dict[str, _Seen] = json.loads(memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def of(self, parts: Sequence[Path]) -> str:
        """The fingerprint of a delivery's content: its file's digest, or that of its parts' digests in order."""
        return _together([self._digest(part) for part in parts])

    def peek(self, parts: Sequence[Path], stats: Sequence[os.stat_result]) -> str | None:
        """The fingerprint of files that have these stats, if it is known without reading one."""
        digests = [self._remembered(part, _look(status)) for part, status in zip(parts, stats, strict=True)]
        return None if None in digests else _together([digest for digest in digests if digest])

    def save(self) -> None:
        """Write down what was learned, if anything was."""
        if self._changed:
            write_json(self._memory, self._known)

    def _digest(self, path: Path) -> str:
        status = file_stat(path, self._landing)
        look = _look(status)
        known = self._remembered(path, look)
        if known is not None:
            return known
        now = self._now_ns()
        try:
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise _no_access(path, self._landing, error) from None
        if now - max(status.st_mtime_ns, status.st_ctime_ns) > _STILL_NS:
            self._known[str(path)] = [*look, digest]
            self._changed = True
        return digest

    def _remembered(self, path: Path, look: _Seen) -> str | None:
        known = self._known.get(str(path))
        return str(known[4]) if known and known[:4] == look else None


def _together(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _no_access(path: Path, landing: Path, error: OSError) -> UnreadableFile:
    place = shown(os.path.relpath(path, landing))
    return UnreadableFile(place, f"no access ({error.strerror})", "a readable file")


def _look(status: os.stat_result) -> _Seen:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
