"""Where and with what something was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measure import REPOSITORY

_PACKAGES = ("duckdb", "polars", "pyarrow", "dagster", "pandera")


def machine() -> dict[str, Any]:
    """The machine, the versions and the commit."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _first(r"^model name\s*:\s*(.*)$", "/proc/cpuinfo"),
        "memory_gib": round(int(_first(r"^MemTotal:\s*(\d+)", "/proc/meminfo") or 0) / (1 << 20), 1),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "commit": _commit(),
    }


def described(found: dict[str, Any]) -> str:
    """All of that in a line."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    place = f"{found['cores']} cores ({found['processor']}), {found['memory_gib']} GiB"
    return f"{place}; {versions}; commit {found['commit']}"


def _first(pattern: str, path: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit, and whether the tree differs from it."""
    asked = [["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    try:
        commit, changed = (
            subprocess.run(one, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
            for one in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + (" with changes" if changed else "")
