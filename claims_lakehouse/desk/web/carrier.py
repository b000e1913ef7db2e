"""Has acts carried out: a process of its own does what they ask for, so that the page never waits for the warehouse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import NamedTuple

import duckdb

from claims_lakehouse.errors import ClaimsLakehouseError
from claims_lakehouse.settings import Settings

#: After how many seconds what did not come to its end is tried again.
TRY_AGAIN = 60.0


class Carrying(NamedTuple):
    """How it stands with carrying out: whether a process is at it, and why the last one did not come to its end."""

    is_busy: bool = False
    failure: str | None = None


class Carrier:
    """Runs `claims ingest --decided` when woken, and again while that fails; wakes that come meanwhile are one run."""

    def __init__(self, settings: Settings, command: Sequence[str] | None = None) -> None:
        self._environment = os.environ | {
            "CLAIMS_LANDING": str(settings.landing),
            "CLAIMS_HOME": str(settings.home),
        }
        self._command = command or (sys.executable, "-m", "claims_lakehouse.cli", "ingest", "--decided")
        self._woken, self._closed = Event(), False
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: str | None = None
        self._is_busy = False
        #: What is done when a process came to its end: the desk looks at what is published now.
        self.after: Callable[[], object] = lambda: None
        self._thread = Thread(target=self._work, name="carrier", daemon=True)

    def start(self) -> None:
        """Begin; what was decided before and never carried out is carried out now."""
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Have what was decided carried out."""
        self._woken.set()

    @property
    def state(self) -> Carrying:
        """How it stands."""
        return Carrying(self._woken.is_set() or self._is_busy, self._failure)

    def close(self) -> None:
        """End; a process that is at it is asked to end too: whoever comes next completes its work."""
        self._closed = True
        self._woken.set()
        with suppress(AttributeError, ProcessLookupError):
            self._process.terminate()  # type: ignore[union-attr]
        self._thread.join(timeout=10)

    def _work(self) -> None:
        while True:
            self._woken.wait(TRY_AGAIN if self._failure else None)
            if self._closed:
                return
            self._woken.clear()
            self._is_busy = True
            self._failure = self._carried_out()
            with suppress(ClaimsLakehouseError, duckdb.Error):
                self.after()
            self._is_busy = False

    def _carried_out(self) -> str | None:
        """Do what was asked for; why that did not come to its end, if it did not."""
        try:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            told = self._process.communicate()[1].decode(errors="replace")
        except OSError as error:
            return f"No process could be started: {error.strerror}."
        status = self._process.returncode
        lines = [line for line in told.splitlines() if line.startswith(("claims:", "failed:"))]
        return None if status == 0 else (lines or [f"It ended with status {status}."])[-1]
