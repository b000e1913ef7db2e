"""Every line of Tuva's sample is decided, and accounted for to the cent."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse

TERMS = {
    "plan_id": "", "plan_name": "", "deductible": "100.00", "coinsurance": "20", "copays": "other=5",
    "annual_maximum": "1000.00", "timely_filing_days": "3660",
}  # fmt: skip
TUVA = REPOSITORY.parent / "shared" / "data" / "tuva"


@pytest.mark.skipif(not TUVA.is_dir(), reason="shared/data/tuva is not there")
def test_every_line_of_tuva_is_decided_and_accounted_for(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path).with_tables()
    lakehouse.land("medical_claims", "2024-01-31", (TUVA / "medical_claim_seed.csv").read_bytes())
    lakehouse.land("coverages", "2024-01-31", (TUVA / "eligibility_seed.csv").read_bytes())
    for feed in ("coverages", "medical_claims"):
        assert lakehouse.process(feed, "2024-01-31") is None
    # It names plans of which it has no terms: what is not denied for coverage or a duplicate waits for them.
    assert set(decided(lakehouse)) <= {"denied", "pending"}
    plans = [plan for (plan,) in lakehouse.rows("SELECT DISTINCT plan_id FROM coverage ORDER BY 1")]
    codes = [code for (code,) in lakehouse.rows("SELECT DISTINCT procedure_code FROM medical_claim ORDER BY 1")]
    lakehouse.land("plans", "2024-02-01", [{**TERMS, "plan_id": plan} for plan in plans])
    fees = [{"plan_id": plan, "procedure_code": code, "modifier": "", "allowed_amount": "12.34",
             "effective_from": "2000-01-01", "effective_to": ""} for plan in plans for code in codes]  # fmt: skip
    lakehouse.land("fee_schedules", "2024-02-01", fees)
    for feed in ("plans", "fee_schedules"):
        assert lakehouse.process(feed, "2024-02-01") is None
    by_decision = decided(lakehouse)
    assert by_decision["approved"] > 500
    assert by_decision["denied"] > 0


def decided(lakehouse: Lakehouse) -> dict[str, int]:
    """Decide and publish, hold every line to the law, and count the decisions."""
    adjudicate(lakehouse.settings)
    publish(lakehouse.settings)
    [(lines, charge)] = lakehouse.rows("SELECT count(*), sum(charge_amount) FROM medical_claim")
    assert lines > 1_500
    assert lakehouse.rows("SELECT count(*), sum(charge) FROM decision") == [(lines, charge)]
    unbalanced = """
        SELECT count(*) FROM decision
        LEFT JOIN (SELECT claim_id, line_number, sum(amount) AS adjusted FROM adjustment GROUP BY ALL)
        USING (claim_id, line_number)
        WHERE charge IS DISTINCT FROM paid + coalesce(adjusted, 0)
    """
    assert lakehouse.rows(unbalanced) == [(0,)]
    return dict(lakehouse.rows("SELECT decision, count(*) FROM decision GROUP BY ALL"))
