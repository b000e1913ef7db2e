"""How long 1,000,000 lines of medical claims take: landing, verification (codes included), history (duplicates too).

The lines are those of the sample generator, defects and all. Each step is a process of its own; the most memory that it
took stands beside its seconds. The table of ICD-10-CM is made first and timed by itself.

    python -m benchmarks.medical [--patients 40000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from claims_lakehouse.codes.icd10cm import make_table
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.history.stage import bring_up_to_date, take_up, verify
from claims_lakehouse.samples import write_deliveries
from claims_lakehouse.settings import Settings

_DELIVERY = "priming"
_STEPS = {
    "codes": lambda settings: make_table(settings),
    "land": lambda settings: take_up(settings, MEDICAL_CLAIMS, _DELIVERY),
    "verify": lambda settings: verify(settings, MEDICAL_CLAIMS, _DELIVERY),
    "apply": lambda settings: bring_up_to_date(settings, MEDICAL_CLAIMS, _DELIVERY),
}


def main() -> None:
    """Measure, and print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=40_000, help="25 lines each")
    parser.add_argument("--results", type=Path, default=Path("build/bench"))
    parser.add_argument("--step", choices=tuple(_STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        _time(asked.step, asked.base)
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_deliveries(Path(folder, "landing"), patients=asked.patients, updates=0, feeds=(MEDICAL_CLAIMS,))
        for step in _STEPS:
            command = [sys.executable, "-m", "benchmarks.medical", "--step", step, "--base", folder]
            found[step] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{step:<8} {found[step]['seconds']:6.2f} s  {found[step]['peak_mb']:6,.0f} MB  {found[step]['told']}"
            )
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / "medical.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def _time(step: str, base: Path) -> None:
    settings = Settings(base / "landing", base / "home")
    started = time.perf_counter()
    done = _STEPS[step](settings)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = f"{done[0].landed:,} lines, {done[0].valid:,} valid" if step == "verify" else ""
    json.dump({"seconds": seconds, "peak_mb": peak, "told": told}, sys.stdout)


if __name__ == "__main__":
    main()
