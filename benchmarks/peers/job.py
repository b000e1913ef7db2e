"""What a peer is to do: two files of one feed, and how their columns make records. Read by every peer's Python."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import tell


@dataclass(frozen=True)
class Job:
    """A priming and an update to make history of.

    Attributes:
        priming: The first file.
        update: The second file.
        key: The columns that name a record.
        sequence: The column that orders its versions.
        types: Every column's SQL type, in order.
        work: The folder to work in.
    """

    priming: str
    update: str
    key: str
    sequence: str
    types: dict[str, str]
    work: str

    @property
    def content(self) -> list[str]:
        """The columns whose change makes a version."""
        return [name for name in self.types if name not in (self.key, self.sequence)]

    def save(self, path: Path) -> None:
        """Write it down for a peer."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def folder(self, peer: str) -> Path:
        """A peer's own folder."""
        return Path(self.work, peer)

    def outcome(self, peer: str) -> Path:
        """Where a peer's versions go, to be compared: the source's columns and `is_current`."""
        return Path(self.work, f"{peer}.parquet")

    def export(self, peer: str, table: str, is_current: str) -> str:
        """The SQL that writes them there."""
        columns = ", ".join(self.types)
        return f"COPY (SELECT {columns}, {is_current} AS is_current FROM {table}) TO '{self.outcome(peer)}'"


#: Loads one file into a peer's history.
Load = Callable[[str], object]


def main(peer: str, begin: Callable[[Job, Path], Load], export: Callable[[Job, Path], object]) -> None:
    """Run a peer's module: `run JOB` times both files, in an empty folder; `export JOB` writes what came of them."""
    job = Job(**json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
    folder = job.folder(peer)
    if sys.argv[1] == "export":
        export(job, folder)
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load = begin(job, folder)
    took = {}
    for name, file in (("priming", job.priming), ("update", job.update)):
        began = time.perf_counter()
        load(file)
        took[name] = time.perf_counter() - began
    tell(seconds=sum(took.values()), steps=took)
