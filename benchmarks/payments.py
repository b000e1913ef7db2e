"""How long it takes from 50,000 decided claims to their files: remittances, an 835 for each payee, and the bank file.

The claims and all that they are decided by are those of the sample generator, defects and all. Each step is a process
of its own; its processor seconds and the most memory that it took stand beside its seconds. `again` is a second run,
which finds every file as it should be.

    python -m benchmarks.payments [--patients 5420]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.history.stage import bring_up_to_date, take_up, verify
from claims_lakehouse.payments.payer_file import made_up_settings
from claims_lakehouse.payments.stage import make_payments
from claims_lakehouse.samples import write_deliveries
from claims_lakehouse.settings import Settings

_FEEDS = tuple(feed for feed in FEEDS if feed.decides)
_STEPS = ("decide", "pay", "again")
_PAYEES = "SELECT DISTINCT coalesce(billing_npi, provider_npi) FROM fact_medical_claim"


def main() -> None:
    """Measure, and print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=5_420, help="10 claims each, some of which wait or fall out")
    parser.add_argument("--results", type=Path, default=Path("build/bench"))
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        _time(asked.step, asked.base)
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_deliveries(Path(folder, "landing"), patients=asked.patients, updates=0, feeds=_FEEDS)
        environment = os.environ | {"CLAIMS_PAYER_SETTINGS": str(Path(folder, "payer.toml"))}
        for step in _STEPS:
            command = [sys.executable, "-m", "benchmarks.payments", "--step", step, "--base", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            one = found[step] = json.loads(done.stdout)
            spent = f"{one['seconds']:6.2f} s  {one['processor']:6.2f} s CPU  {one['peak_mb']:6,.0f} MB"
            print(f"{step:<8} {spent}  {one['told']}")
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / "payments.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def _time(step: str, base: Path) -> None:
    settings = Settings(base / "landing", base / "home")
    started, before = time.perf_counter(), time.process_time()
    if step == "decide":
        told = _decide(settings, base / "payer.toml")
    else:
        days = make_payments(settings)
        told = f"{sum(one.claims for one in days):,} claims, {sum(one.payees for one in days):,} payees"
        told += f", {sum(len(one.files) for one in days):,} files, {sum(one.paid for one in days):,} paid"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, processor = time.perf_counter() - started, time.process_time() - before
    json.dump({"seconds": seconds, "processor": processor, "peak_mb": peak, "told": told}, sys.stdout)


def _decide(settings: Settings, payer: Path) -> str:
    """Take everything in and decide it, and make up settings for whoever is to be paid."""
    for feed in _FEEDS:
        take_up(settings, feed, "priming")
        verify(settings, feed, "priming")
        bring_up_to_date(settings, feed, "priming")
    adjudicate(settings)
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        payees = [npi for (npi,) in con.execute(_PAYEES).fetchall()]
        [(claims,)] = con.execute("SELECT count(DISTINCT claim_id) FROM internal.line_decision").fetchall()
    payer.write_text(made_up_settings(payees), encoding="utf-8")
    return f"{claims:,} claims decided"


if __name__ == "__main__":
    main()
