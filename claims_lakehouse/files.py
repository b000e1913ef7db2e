"""Files that only their owner may read, and that are whole or not there."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, each for its owner only."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=FOLDER_MODE)
    return folder


@contextmanager
def replacing(target: Path, mode: int = FILE_MODE) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success it becomes `target` at once, else nothing changes.

    The temporary name begins with a dot and ends in `.tmp`, and the file is locked as long as it is written: the next
    run sweeps what a killed one left.
    """
    make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
        temporary.chmod(mode)
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def sweep(folder: Path, older_than: float = 60.0) -> int:
    """Remove what killed writers left below a folder `older_than` seconds ago; returns how many files.

    What a living writer holds is left to it, however long it has been at it.
    """
    swept = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".tmp"):
                left = Path(inside, name)
                with suppress(FileNotFoundError):
                    if left.is_file() and time.time() - left.stat().st_mtime > older_than and not _is_held(left):
                        left.unlink()
                        swept += 1
    return swept


def _is_held(path: Path) -> bool:
    """Whether a living process writes a file that `replacing` gave it."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def write_json(target: Path, content: Any) -> None:
    """Write a small JSON file, whole or not at all."""
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def append_lines(target: Path, lines: Iterable[Any]) -> None:
    """Write JSON lines to the end of a file, all in one go; they are on disk when this returns.

    A line that a killed writer cut short is ended first, so that it spoils no other.
    """
    text = b"".join(json.dumps(line, default=str).encode() + b"\n" for line in lines)
    is_new = not target.exists()
    make_folder(target.parent)
    handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        left = b"\n" + text if torn else text
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        sync(target.parent)


def parsed_line(line: bytes) -> dict[str, Any]:
    """The object of a JSON line; ValueError where it is none. What is no character becomes a question mark."""
    found = json.loads(line.decode())
    if b"\\ud" in line.lower():  # half of a pair, as a terminal of another encoding gives: no file or table takes it
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - it is the line that is wrong
    return found


@contextmanager
def turn_at(folder: Path) -> Iterator[None]:
    """Hold a folder for a moment: who looks at what is in it before they write sees what others wrote before."""
    handle = os.open(make_folder(folder), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
