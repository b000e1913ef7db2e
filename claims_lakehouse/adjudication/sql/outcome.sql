-- One row is what is left of a payable line's charge, step by step.
CREATE OR REPLACE TEMP TABLE priced AS
WITH within AS (
    SELECT payable.*, coalesce(units_left.units, units_agreed) AS units_paid, units_left.exclusion_id AS units_limit_of,
           units_left.exclusion_sk AS units_limit_sk
    FROM payable LEFT JOIN units_left USING (line_id)
),
parted AS (
    SELECT *, CASE WHEN units_agreed < units
                   THEN CAST((2 * CAST(charge * 100 AS HUGEINT) * CAST((units - units_agreed) * 1000 AS HUGEINT) + CAST(units * 1000 AS HUGEINT))
                     // (2 * CAST(units * 1000 AS HUGEINT)) AS DECIMAL(14, 0)) * CAST(0.01 AS DECIMAL(3, 2)) ELSE 0 END AS unauthorized,
           CASE WHEN units_paid < units
                THEN CAST((2 * CAST(charge * 100 AS HUGEINT) * CAST((units - units_paid) * 1000 AS HUGEINT) + CAST(units * 1000 AS HUGEINT))
                     // (2 * CAST(units * 1000 AS HUGEINT)) AS DECIMAL(14, 0)) * CAST(0.01 AS DECIMAL(3, 2)) - unauthorized ELSE 0 END AS over_limit,
           CAST(charge - unauthorized - over_limit AS DECIMAL(12, 2)) AS remaining
    FROM within
)
-- What the fee comes to for a part of a unit is never nothing: an amount above the fee schedule is never the whole charge.
SELECT *, CAST(CASE WHEN units_paid = 0 THEN 0
               ELSE least(remaining, coalesce(act_allowed, greatest(round(fee * units_paid, 2), 0.01))) END
          AS DECIMAL(12, 2)) AS allowed
FROM parted;

CREATE OR REPLACE TEMP TABLE visit_copay AS
WITH term AS (
    SELECT plan_sk, string_split(pair, '=')[1] AS place, CAST(string_split(pair, '=')[2] AS DECIMAL(12, 2)) AS amount
    FROM (SELECT plan_sk, unnest(string_split(copays, '|')) AS pair FROM dim_plan WHERE copays IS NOT NULL)
),
place AS (SELECT DISTINCT plan_sk, place_of_service FROM priced)
SELECT place.plan_sk, place.place_of_service, coalesce(here.amount, other.amount, 0) AS visit_copay
FROM place
LEFT JOIN term AS here ON here.plan_sk = place.plan_sk AND here.place = place.place_of_service
LEFT JOIN term AS other ON other.plan_sk = place.plan_sk AND other.place = 'other';

CREATE OR REPLACE TEMP TABLE shared AS
WITH after_deductible AS (
    SELECT *, CAST(least(sum(allowed) OVER so_far, year_deductible)
                   - least(sum(allowed) OVER so_far - allowed, year_deductible) AS DECIMAL(12, 2)) AS deductible
    FROM priced LEFT JOIN visit_copay USING (plan_sk, place_of_service)
    WINDOW so_far AS (
        PARTITION BY known_before, patient_id, plan_id, year
        ORDER BY service_day, received_date, claim_id, line_number ROWS UNBOUNDED PRECEDING
    )
),
after_coinsurance AS (
    SELECT * EXCLUDE (coinsurance), allowed - deductible AS rest,
           CAST(round(rest * (100 - coinsurance) * 0.01, 2) AS DECIMAL(12, 2)) AS plan_part,
           CAST(rest - plan_part AS DECIMAL(12, 2)) AS coinsurance
    FROM after_deductible
),
after_copay AS (
    SELECT *, CAST(least(sum(plan_part) OVER visit, coalesce(visit_copay, 0))
                   - least(sum(plan_part) OVER visit - plan_part, coalesce(visit_copay, 0)) AS DECIMAL(12, 2)) AS copay,
           CAST(plan_part - copay AS DECIMAL(12, 2)) AS benefit
    FROM after_coinsurance
    WINDOW visit AS (
        PARTITION BY known_before, patient_id, claim_id, service_day, place_of_service
        ORDER BY received_date, line_number ROWS UNBOUNDED PRECEDING
    )
)
SELECT *, CASE WHEN annual_maximum IS NULL THEN benefit ELSE CAST(
           least(sum(benefit) OVER so_far, annual_maximum)
           - least(sum(benefit) OVER so_far - benefit, annual_maximum) AS DECIMAL(12, 2)) END AS paid,
       CAST(benefit - paid AS DECIMAL(12, 2)) AS over_maximum,
       CAST(remaining - allowed AS DECIMAL(12, 2)) AS above_fee
FROM after_copay
WINDOW so_far AS (
    PARTITION BY known_before, patient_id, plan_id, year
    ORDER BY service_day, received_date, claim_id, line_number ROWS UNBOUNDED PRECEDING
);

CREATE OR REPLACE TEMP TABLE claim_version AS
WITH claim AS (SELECT DISTINCT known_before, patient_id, claim_id FROM line_fact),
change AS (
    SELECT DISTINCT patient_id, claim_id, valid_from, delivery FROM fact_medical_claim
    WHERE (patient_id, claim_id) IN (SELECT (patient_id, claim_id) FROM claim)
)
SELECT claim.known_before, claim.patient_id, claim.claim_id, CAST(count(*) AS INTEGER) AS claim_version
FROM claim JOIN change ON change.patient_id = claim.patient_id AND change.claim_id = claim.claim_id
 AND change.valid_from < claim.known_before
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE outcome AS
SELECT fact.known_before, fact.patient_id, fact.claim_id, fact.line_number, claim_version,
       CAST(NULL AS VARCHAR) AS taken_back_by,
       CASE WHEN verdict.denied_by IS NOT NULL THEN 'denied' WHEN verdict.pending_for IS NOT NULL THEN 'pending'
            WHEN remaining = 0 AND fact.charge > 0 THEN 'denied'
            WHEN paid = 0 AND over_maximum > 0 THEN 'denied'
            WHEN unauthorized + over_limit + over_maximum > 0 THEN 'partial' ELSE 'approved' END AS decision,
       fact.charge, coalesce(allowed, 0) AS allowed, coalesce(paid, 0) AS paid,
       CAST({patient_share} AS DECIMAL(12, 2)) AS patient_share,
       CASE WHEN verdict.denied_by IS NOT NULL THEN verdict.denied_by
            WHEN verdict.pending_for IS NOT NULL THEN NULL
            WHEN unauthorized > 0 THEN 'unauthorized_units' WHEN over_limit > 0 THEN 'units_limit'
            WHEN over_maximum > 0 THEN 'annual_maximum' END AS rule,
       CASE WHEN verdict.denied_by IS NOT NULL OR verdict.pending_for IS NOT NULL THEN verdict.evidence
            WHEN unauthorized > 0 THEN fact.authorized_by WHEN over_limit > 0 THEN shared.units_limit_of END AS evidence,
       CASE WHEN verdict.denied_by IS NULL THEN verdict.pending_for END AS pending_for, 
       coalesce(verdict.causes, CASE WHEN unauthorized > 0 THEN ['unauthorized_units ' || coalesce(fact.authorized_by, '')]
            WHEN over_limit > 0 THEN ['units_limit ' || coalesce(shared.units_limit_of, '')]
            WHEN over_maximum > 0 THEN ['annual_maximum '] END) AS causes, fact.act_id,
       CAST(CASE WHEN verdict.denied_by IS NOT NULL THEN fact.charge ELSE 0 END AS DECIMAL(12, 2)) AS denied,
       CAST(CASE WHEN verdict.denied_by IS NULL AND verdict.pending_for IS NOT NULL THEN fact.charge ELSE 0 END
            AS DECIMAL(12, 2)) AS pending,
       CAST(coalesce(unauthorized, 0) AS DECIMAL(12, 2)) AS unauthorized,
       CAST(coalesce(over_limit, 0) AS DECIMAL(12, 2)) AS over_limit,
       coalesce(above_fee, 0) AS above_fee, coalesce(shared.deductible, 0) AS deductible,
       coalesce(shared.coinsurance, 0) AS coinsurance, coalesce(copay, 0) AS copay,
       coalesce(over_maximum, 0) AS over_maximum, fact.rule_set, fact.line_sk, fact.line_delivery, fact.coverage_sk,
       fact.plan_sk, fact.year_plan_sk, fact.fee_sk, fact.authorization_sk,
       coalesce(CASE WHEN over_limit > 0 THEN shared.units_limit_sk END, fact.exclusion_sk) AS exclusion_sk
FROM every_fact AS fact
JOIN verdict USING (line_id)
LEFT JOIN shared USING (line_id)
LEFT JOIN claim_version ON claim_version.known_before = fact.known_before
      AND claim_version.patient_id = fact.patient_id AND claim_version.claim_id = fact.claim_id
UNION ALL BY NAME
SELECT line.known_before, line.patient_id, line.claim_id, line.line_number, taken_back_by, line.charge_amount AS charge,
       medical_claim_sk AS line_sk, line.delivery AS line_delivery
FROM stood_line AS line
LEFT JOIN taken_back USING (known_before, patient_id, claim_id, line_number)
ANTI JOIN known_line USING (known_before, patient_id, claim_id, line_number);
