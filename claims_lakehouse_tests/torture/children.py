"""Work done in a process of its own, that may die of it.

The processes are forked from a server that has imported everything and started nothing: no threads, no connections.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from claims_lakehouse.errors import ClaimsLakehouseError
from claims_lakehouse_tests.torture import points

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([f"claims_lakehouse_tests.torture.{name}" for name in ("faults", "fuzz", "readers")])

#: No work here takes nearly as long: what does, hangs.
PATIENCE = 120.0


@dataclass(frozen=True)
class Trouble:
    """What befalls a child.

    Attributes:
        at: At which point; 0 for none.
        called: Only points of this name count.
        error: The error number with which the step fails; None where the process dies there.
        file_size: No file of the process may grow beyond this many bytes (RLIMIT_FSIZE).
        killed_by_size: Whether the write that would exceed it kills the process, instead of failing.
        after: The process is killed after this many seconds.
    """

    at: int = 0
    called: str | None = None
    error: int | None = None
    file_size: int | None = None
    killed_by_size: bool = False
    after: float | None = None

    def __str__(self) -> str:
        told = [f"at point {self.at}{f' {self.called!r}' if self.called else ''}"] if self.at else []
        told += [os.strerror(self.error)] if self.error is not None else []
        told += [f"{'dying' if self.killed_by_size else 'failing'} at {self.file_size} bytes"] if self.file_size else []
        told += [f"killed after {self.after:.3f} s"] if self.after else []
        return ", ".join(told) or "undisturbed"


@dataclass(frozen=True)
class Outcome:
    """How a child ended: by a signal, with an error, or with a result.

    Attributes:
        point: Where trouble found it; None if it did not.
        points: The points it reached, where it lived to say so.
        error: The error's kind and text; `is_ours` where it is one that the lakehouse raises on purpose.
    """

    signal: int | None = None
    hung: bool = False
    point: str | None = None
    points: tuple[str, ...] = ()
    result: Any = None
    error: str | None = None
    error_type: str | None = None
    is_ours: bool = False
    trace: str = ""

    @property
    def is_killed(self) -> bool:
        return self.signal is not None


class Child:
    """A process at work."""

    def __init__(self, work: Callable[[], Any], trouble: Trouble = Trouble()) -> None:
        self._ours, theirs = _SERVER.Pipe(duplex=False)
        self._process = _SERVER.Process(target=_work, args=(work, trouble, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._after = trouble.after

    def outcome(self, patience: float = PATIENCE) -> Outcome:
        """Wait for its end."""
        told: dict[str, Any] = {}
        try:
            for wait in (patience, self._after):
                if wait is not None and self._ours.poll(wait):
                    told |= self._ours.recv()  # that it started: its time runs from here; then what became of it
                elif wait is not None:
                    self._kill()
            while True:
                if not self._ours.poll(patience):
                    told["hung"] = True
                    self._kill()
                told |= self._ours.recv()
        except (EOFError, ConnectionResetError):
            pass
        self._process.join()
        code = self._process.exitcode or 0
        self._ours.close()
        self._process.close()
        return Outcome(signal=-code if code < 0 else None, **told)

    def _kill(self) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)


def run(work: Callable[[], Any], trouble: Trouble = Trouble(), patience: float = PATIENCE) -> Outcome:
    """Do `work` (picklable: a partial of a module's function) in a process of its own."""
    return Child(work, trouble).outcome(patience)


def _work(work: Callable[[], Any], trouble: Trouble, parent: Connection) -> None:
    act = points.die if trouble.error is None else points.fail(trouble.error)

    def tell_and_act(name: str) -> None:
        parent.send({"point": name})
        act(name)

    counted = points.Points(tell_and_act, trouble.at, trouble.called)
    points.install(counted)
    parent.send({})
    if trouble.file_size is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if trouble.killed_by_size else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (trouble.file_size, trouble.file_size))
    try:
        told: dict[str, Any] = {"result": work()}
    except Exception as error:  # whatever it is, the parent judges it
        told = {
            "error": str(error),
            "error_type": type(error).__name__,
            "is_ours": isinstance(error, ClaimsLakehouseError),
            "trace": traceback.format_exc(),
        }
    parent.send(told | {"points": tuple(counted.names)})
