"""The notebook, run from start to end on a lakehouse, in a kernel of this very Python and without a network.

`python -m claims_lakehouse_tests.notebook` runs it on sample deliveries and, where they are, on shared/data/flexion.
The executed copies go to build/notebooks: they show patients' data, and are their owner's only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.files import replacing
from claims_lakehouse.history import acts
from claims_lakehouse.samples import write_deliveries
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import FLEXION, REPOSITORY, Lakehouse, made_once

NOTEBOOK = REPOSITORY / "notebooks" / "explore_claims.ipynb"
EXECUTED = REPOSITORY / "build" / "notebooks"

#: How long one cell may take on a machine that is busy with other things.
_PATIENCE = 300


@cache
def without_network() -> tuple[str, ...]:
    """What a command is begun with to have no network but what it makes itself; nothing where the system refuses."""
    command = ("unshare", "--map-root-user", "--net")
    try:
        refused = subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    except FileNotFoundError:
        refused = 1
    return () if refused else command


class _Kernels(KernelSpecManager):
    """Whatever kernels a machine has, the one that runs here is this Python."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=[*without_network(), *start], language="python")


class CellFailed(Exception):
    """A cell ran, but what it shows could not be shown: IPython goes on after that."""


def committed() -> Any:
    """The notebook as it is in the repository."""
    return nbformat.read(NOTEBOOK, as_version=4)


def execute(notebook: Any, settings: Settings) -> Any:
    """Run a notebook as Jupyter does, in its folder, on a lakehouse; an error where a cell fails."""
    places = {"CLAIMS_HOME": str(settings.home), "CLAIMS_LANDING": str(settings.landing)}
    with tempfile.TemporaryDirectory(prefix="claims-") as own:
        client = NotebookClient(notebook, timeout=_PATIENCE, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
        client.km = AsyncKernelManager(
            kernel_spec_manager=_Kernels(), transport="ipc", connection_file=str(Path(own) / "kernel.json")
        )
        executed = client.execute(env={**os.environ, **places, "IPYTHONDIR": own})
    for cell in executed.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                raise CellFailed(f"Cell '{cell.id}': {output.ename}: {output.evalue}")
    return executed


def sampled(base: Path) -> Lakehouse:
    """A lakehouse of sample deliveries, one row of which was corrected. Made once a folder; only read from."""
    return _once(Lakehouse(base), _sample)


def _once(lakehouse: Lakehouse, fill: Callable[[Lakehouse], object]) -> Lakehouse:
    with made_once(lakehouse.settings.home) as is_made:
        if not is_made:
            fill(lakehouse)
    return lakehouse


def _sample(lakehouse: Lakehouse) -> None:
    lakehouse.with_tables()
    lakehouse.take_codes()
    write_deliveries(lakehouse.settings.landing, patients=30)
    lakehouse.ingest()
    delivery, row_number = lakehouse.rows(
        "SELECT delivery, row_number FROM issue WHERE feed = 'patients' AND rule = 'bad_zipcode' ORDER BY ALL"
    )[0]
    changes = {row_number: {"zipcode": "72201"}}
    acts.correct(lakehouse.settings, PATIENTS, delivery, changes, because="phoned the practice", who="a steward")
    lakehouse.ingest()


def delivered(base: Path) -> Lakehouse:
    """A lakehouse of the deliveries in shared/data/flexion. Made once a folder; only read from."""
    lakehouse = Lakehouse(base)
    lakehouse.settings = Settings(FLEXION, lakehouse.settings.home)
    return _once(lakehouse, lambda one: one.with_tables().ingest())


def main() -> None:
    """Run the notebook on both, and keep the executed copies."""
    made = {"demo": sampled} | ({"flexion": delivered} if FLEXION.is_dir() else {})
    for name, make in made.items():
        with tempfile.TemporaryDirectory(prefix="claims-") as base:
            executed = execute(committed(), make(Path(base)).settings)
        kept = EXECUTED / f"{NOTEBOOK.stem}_{name}.ipynb"
        with replacing(kept) as temporary:
            nbformat.write(executed, temporary)
        print(f"Ran on {name}: {kept.relative_to(REPOSITORY)}")
    if "flexion" not in made:
        print("shared/data/flexion is not beside the repository: ran on the sample deliveries alone.")


if __name__ == "__main__":
    main()
