"""A real `claims desk` in a process of its own, for tests that drive it with a browser or many requests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import REPOSITORY


def until(done: Callable[[], Any], seconds: float, told: Callable[[], str]) -> Any:
    """Ask again and again until the answer is true; fails, telling how it stands, after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := done()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {told()}")
        time.sleep(0.1)
    return answer


@contextmanager
def served(settings: Settings, log: Path, **environment: str) -> Iterator[str]:
    """The address of a desk on a lakehouse, which ends with the context."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {name: value for name, value in os.environ.items() if not name.startswith(("CLAIMS_", "DAGSTER_"))}
    known |= {"CLAIMS_LANDING": str(settings.landing), "CLAIMS_HOME": str(settings.home), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "claims_lakehouse.cli", "desk", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=known | environment, stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(url) or process.poll() is not None, 60, lambda: log.read_text())
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/static/desk.css", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
