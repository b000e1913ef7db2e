"""The peers, and an environment for each below build/peers, made on first use."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import REPOSITORY

_BELOW = REPOSITORY / "build" / "peers"
#: Nobody is told of a benchmark.
SILENT = {
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
}


@dataclass(frozen=True)
class Peer:
    """A peer: its name, the module that runs it, and what pip is to install."""

    name: str
    module: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> Path:
        """Its own Python."""
        return _BELOW / self.name / "bin" / "python"


PEERS = (
    Peer("dlt", "benchmarks.peers.dlt_scd2", ("dlt[duckdb,parquet]",)),
    Peer("sqlmesh", "benchmarks.peers.sqlmesh_scd2", ("sqlmesh",)),
    Peer("dbt", "benchmarks.peers.dbt_snapshot", ("dbt-core<1.12", "dbt-duckdb")),
)


def set_up(peer: Peer) -> str | None:
    """Make a peer's environment if it is not there; why that failed, if it did."""
    wanted = "\n".join(peer.requirements) + "\n"
    ready = _BELOW / peer.name / "requirements.txt"
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return None
    install = [str(peer.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    for command in ([sys.executable, "-m", "venv", str(ready.parent)], install):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return str(error)
        if done.returncode:
            return "; ".join(done.stderr.strip().splitlines()[-2:]) or f"pip ended with {done.returncode}"
    ready.write_text(wanted, encoding="utf-8")
    return None


def versions(peer: Peer) -> dict[str, str]:
    """The versions of the peer and of the DuckDB that it uses."""
    names = [one.split("[")[0].split("<")[0] for one in peer.requirements] + ["duckdb"]
    asked = f"from importlib.metadata import version\nfor name in {names!r}: print(version(name))"
    done = subprocess.run([str(peer.python), "-c", asked], capture_output=True, text=True, check=True)
    return dict(zip(names, done.stdout.split(), strict=True))
