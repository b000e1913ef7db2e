"""How long a data scientist waits: each example question and the point-in-time join, from a published file.

5,000,000 claims, 500,000 patients (one in five with a second version) and 20,000 providers, in the warehouse's own
tables and views. Prints the median seconds of each question, asked through `claims_lakehouse.connect()`.

    python benchmarks/questions.py [--claims 5000000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import duckdb

import claims_lakehouse
from claims_lakehouse.serving.views import create_views
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.schema import create_schema

_ORIGIN = "'priming', i + 1, TIMESTAMP '2024-01-01', hash(i)::HUGEINT % (1::HUGEINT << 62)"
_PATIENT = """
    INSERT INTO dim_patient
    SELECT i::VARCHAR || 'U', 'Ann' || i % 5000, 'Ward' || i % 90000, DATE '1930-01-01' + (hash(i) % 30000)::INT,
           i % 9999 || ' Main St', 'City' || i % 20000, 'Ohio', '43004', DATE '2000-01-01' + (i % 8000)::INT,
           DATE '2016-01-01' + (v * 700)::INT, DATE '2016-01-01' + (v * 700)::INT,
           CASE WHEN v = 0 AND i % 5 = 0 THEN DATE '2016-01-01' + 700 END, v = 1 OR i % 5 > 0, v + 1, {origin}
    FROM range({patients}) t(i), range(2) u(v) WHERE v = 0 OR i % 5 = 0
"""
_PROVIDER = """
    INSERT INTO dim_provider
    SELECT 'N' || i, 'Scott' || i % 900, 'Dawson' || i % 900, 'Royal ' || i % 70, i % 999 || ' Pinon', 'Springfield',
           'Illinois', '62701', ['family_physician','orthopedist','heart_surgeon','physical_therapist'][1 + i % 4],
           DATE '2010-01-01', TIMESTAMP '1900-01-01', NULL, true, 1, {origin}
    FROM range({providers}) t(i)
"""
_CLAIM = """
    INSERT INTO fact_claim
    SELECT 'CF#' || i, (hash(i) % {patients})::VARCHAR || 'U', 'N' || hash(i, 1) % {providers},
           ['physical','routine','illness','surgery'][1 + (hash(i, 2) % 4)::INT],
           ((hash(i, 3) % 90000) / 100)::DECIMAL(12, 2), [0, 50, 100][1 + (hash(i, 4) % 3)::INT],
           DATE '2016-06-01' + (hash(i, 5) % 1500)::INT, DATE '2016-06-01' + (hash(i, 5) % 1500)::INT + 20,
           hash(i, 6) % 10 > 0, DATE '2021-01-01', DATE '2021-01-01', NULL, true, 1, {origin}
    FROM range({claims}) t(i)
"""
_QUESTIONS = {
    "unbilled claims, counted and summed": "SELECT count(*), sum(amount_due), max(patient_lname)"
    " FROM unbilled_claims()",
    "fully covered providers of 30 days": "SELECT count(*), max(lname) FROM fully_covered_providers(DATE '2018-06-30')",
    "patients who had surgery with a provider": "SELECT count(*), max(lname) FROM surgery_patients('N77')",
    "claims at service, by state and version": "SELECT patient_state, patient_version, count(*), sum(amount_due)"
    " FROM claim_at_service GROUP BY ALL",
    "cost by month, specialty, visit and coverage": "SELECT count(*), sum(total_cost) FROM monthly_cost",
    "billing backlog by age": "SELECT * FROM billing_backlog(DATE '2020-08-01')",
    "one patient's claims at service": "FROM claim_at_service WHERE patient_id = '77U'",
}


def make(settings: Settings, claims: int) -> None:
    """A published file of that size."""
    settings.published.parent.mkdir(parents=True)
    sizes = {"claims": claims, "patients": claims // 10, "providers": max(claims // 250, 1), "origin": _ORIGIN}
    with duckdb.connect(str(settings.published)) as con:
        create_schema(con)
        for statement in (_PATIENT, _PROVIDER, _CLAIM):
            con.execute(statement.format(**sizes))
        create_views(con)


def main() -> None:
    """Make the file, ask, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="questions") as folder:
        settings = Settings(Path(folder), Path(folder) / "home")
        make(settings, asked.claims)
        print(
            f"{asked.claims:,} claims, {settings.published.stat().st_size >> 20} MiB; median of {asked.rounds} rounds"
        )
        with claims_lakehouse.connect(settings.home) as con:
            for name, sql in _QUESTIONS.items():
                seconds = []
                for _ in range(asked.rounds):
                    began = time.perf_counter()
                    con.execute(sql).fetchall()
                    seconds.append(time.perf_counter() - began)
                print(f"{statistics.median(seconds):7.3f} s  {name}", flush=True)


if __name__ == "__main__":
    main()
