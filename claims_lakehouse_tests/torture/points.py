"""The durable steps of a process, counted: at one of them the process dies, or the step fails.

Point number k is nearly the same step in every run of the same work: a writer thread may change places with its
neighbour, and what depends on the clock may come or not. Installed only in processes made for it: nothing is put back.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from pyarrow import parquet

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
_READING = ("SELECT", "FROM", "SET", "WITH", "DESCRIBE")


class Points:
    """Counts the points that a process reaches, and acts at number `at` (1-based, 0 for never) of those `called` so."""

    def __init__(self, act: Callable[[str], None], at: int = 0, called: str | None = None) -> None:
        self.names: list[str] = []
        self._act, self._at, self._called = act, at, called
        self._counted = 0
        self._lock = threading.RLock()

    def reach(self, name: str, halfway: Callable[[], object] | None = None) -> None:
        """Pass a point; `halfway` is what the step has done by then, done only if this point is the one."""
        with self._lock:
            self.names.append(name)
            self._counted += self._called in (None, name)
            if self._counted == self._at and self._called in (None, name):
                if halfway is not None:
                    halfway()
                self._act(name)

    def around(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """A step with a point before it and one after."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            result = step(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        return counted


def die(_: str) -> None:
    """End the process as a power cut would, nothing flushed and nothing closed."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number: int) -> Callable[[str], None]:
    """Have a step fail with a system error, in the words of whoever makes it."""

    def act(name: str) -> None:
        reason = os.strerror(number)
        if "duckdb" in name:
            raise duckdb.IOException(f"IO Error: Could not write file: {reason}")
        raise OSError(number, reason)

    return act


def install(points: Points) -> None:
    """Put points around every durable step of this process."""
    for name in ("replace", "rename", "unlink", "fsync", "rmdir"):
        setattr(os, name, points.around(f"os.{name}", getattr(os, name)))
    _install_writes(points)
    for name in ("write_table", "close"):
        step = getattr(parquet.ParquetWriter, name)
        setattr(parquet.ParquetWriter, name, points.around(f"ParquetWriter.{name}", step))
    connect = duckdb.connect

    def connected(*args: Any, **kwargs: Any) -> Any:
        return _Connection(connect(*args, **kwargs), points)

    duckdb.connect = connected


def _install_writes(points: Points) -> None:
    write, write_text, write_bytes, copyfile, create = (
        os.write, Path.write_text, Path.write_bytes, shutil.copyfile, os.open
    )  # fmt: skip

    def halved_write(handle: int, data: bytes) -> int:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return write(handle, data)
        points.reach("before os.write")
        points.reach("amid os.write", lambda: write(handle, data[: len(data) // 2]))
        written = write(handle, data)
        points.reach("after os.write")
        return written

    def halved(step: Callable[..., int], name: str) -> Callable[..., int]:
        def counted(path: Path, data: Any, *args: Any, **kwargs: Any) -> int:
            points.reach(f"before {name}")
            points.reach(f"amid {name}", lambda: step(path, data[: len(data) // 2], *args, **kwargs))
            written = step(path, data, *args, **kwargs)
            points.reach(f"after {name}")
            return written

        return counted

    def halved_copy(source: Any, target: Any, **kwargs: Any) -> Any:
        points.reach("before copyfile")
        points.reach("amid copyfile", lambda: _copy_half(Path(source), Path(target)))
        copied = copyfile(source, target, **kwargs)
        points.reach("after copyfile")
        return copied

    def created(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT:
            points.reach("before creating")
        handle = create(path, flags, *args, **kwargs)
        if flags & os.O_CREAT:
            try:
                points.reach("after creating")
            except OSError:
                os.close(handle)
                raise
        return handle

    changed: list[tuple[Any, str, Any]] = [
        (os, "write", halved_write),
        (os, "open", created),
        (shutil, "copyfile", halved_copy),
        (Path, "write_text", halved(write_text, "write_text")),
        (Path, "write_bytes", halved(write_bytes, "write_bytes")),
    ]
    for owner, name, step in changed:
        setattr(owner, name, step)


def _copy_half(source: Path, target: Path) -> None:
    with io.open(source, "rb") as whole, io.open(target, "wb") as half:  # noqa: UP020 - not a counted step
        half.write(whole.read(source.stat().st_size // 2))


class _Connection:
    """A DuckDB connection with points around each statement that changes something, and around closing."""

    def __init__(self, con: duckdb.DuckDBPyConnection, points: Points) -> None:
        self._con, self._points = con, points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return self._counted(self._con.execute, query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return self._counted(self._con.executemany, query, *args, **kwargs)

    def close(self) -> None:
        self._points.reach("before duckdb close")
        self._con.close()
        self._points.reach("after duckdb close")

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _counted(self, step: Callable[..., Any], query: Any, *args: Any, **kwargs: Any) -> Any:
        lines = (line.strip() for line in str(query).splitlines())
        statement = next(line for line in lines if line and not line.startswith("--"))
        verb = statement.split()[0].rstrip(";").upper()
        if verb in _READING:
            return step(query, *args, **kwargs)
        return self._points.around(f"duckdb {verb}", step)(query, *args, **kwargs)
