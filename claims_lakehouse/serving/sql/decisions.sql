-- One row is one line of a claim and a received day on which its decision changed: what was decided then, what stood
-- before, and why it changed. No decision: the line was taken back, or is the patient's no more.
CREATE OR REPLACE VIEW decision_history AS
SELECT claim_id, line_number, claim_version, day AS decided_on, decision, charge, allowed, paid, patient_share, rule,
       evidence, pending_for, taken_back_by, decision_before, paid_before, patient_share_before, because,
       rule_set, line_delivery AS delivery,
       {'coverage': coverage_sk, 'plan': plan_sk, 'plan_of_year': year_plan_sk, 'fee': fee_sk,
        'authorization': authorization_sk, 'exclusion': exclusion_sk} AS reference_versions,
       act_id, decided_at, run_id, is_current, patient_id
FROM internal.line_decision;

-- One row is what is decided of one line of a claim, as it stands: charge = paid + its adjustments. Lines of claims that
-- were replaced or voided are not there, nor are voids.
CREATE OR REPLACE VIEW decision AS
SELECT claim_id, line_number, claim_version, decision, charge, allowed, paid, patient_share, rule_set, decided_at,
       day AS decided_on, rule, evidence, pending_for, patient_id
FROM internal.line_decision WHERE is_current AND decision IS NOT NULL;

-- One row is what is decided of one claim: what its lines are, partial where they differ, pending where one waits.
CREATE OR REPLACE VIEW claim_decision AS
SELECT claim_id, max(claim_version) AS claim_version,
       CASE WHEN bool_or(decision = 'pending') THEN 'pending' WHEN bool_and(decision = 'approved') THEN 'approved'
            WHEN bool_and(decision = 'denied') THEN 'denied' ELSE 'partial' END AS decision,
       count(*) AS lines, sum(charge) AS charge, sum(allowed) AS allowed, sum(paid) AS paid,
       sum(patient_share) AS patient_share, max(day) AS decided_on, max(decided_at) AS decided_at
FROM internal.line_decision WHERE is_current AND decision IS NOT NULL GROUP BY claim_id;

CREATE OR REPLACE VIEW internal.every_adjustment AS
SELECT part.claim_id, part.line_number, part.claim_version, part.day, part.is_current,
       CASE WHEN part.rule = 'reviewed' THEN act.group_code ELSE rule.group_code END AS group_code,
       CASE WHEN part.rule = 'reviewed' THEN act.carc ELSE rule.carc END AS carc,
       CASE WHEN part.rule = 'reviewed' THEN act.rarc ELSE rule.rarc END AS rarc,
       part.amount,
       CASE WHEN part.rule = 'reviewed' THEN concat(rule.reason, ' ', act.why) ELSE rule.reason END AS reason,
       part.rule, rule.appeal
FROM (
    SELECT claim_id, line_number, claim_version, day, is_current, rule_set, act_id, unnest(list_filter([
        {'rule': rule, 'amount': denied}, {'rule': 'pending', 'amount': pending},
        {'rule': 'unauthorized_units', 'amount': unauthorized}, {'rule': 'units_limit', 'amount': over_limit},
        {'rule': 'above_fee_schedule', 'amount': above_fee}, {'rule': 'deductible', 'amount': deductible},
        {'rule': 'coinsurance', 'amount': coinsurance}, {'rule': 'copay', 'amount': copay},
        {'rule': 'annual_maximum', 'amount': over_maximum}
    ], lambda part: part.amount > 0), recursive := true)
    FROM internal.line_decision WHERE decision IS NOT NULL
) AS part
LEFT JOIN internal.rule AS rule ON rule.rule_set = part.rule_set AND rule.rule = part.rule
LEFT JOIN internal.claim_act AS act ON act.act_id = part.act_id;

-- One row is one amount of a line's charge that is not paid: whose it is, the reason's codes, and what an appeal needs.
CREATE OR REPLACE VIEW adjustment AS
SELECT claim_id, line_number, claim_version, group_code, carc, rarc, amount, reason, rule, appeal
FROM internal.every_adjustment WHERE is_current;

-- One row is one thing that happened to one line of a claim, in the order of day, step and happened_at: received,
-- verified, decided, pended, released, appealed, reversed, replaced, voided. It follows from deliveries and acts,
-- whatever was processed first; only happened_at and run_id of decisions tell of processing.
CREATE OR REPLACE VIEW claim_event AS
WITH said AS (
    SELECT claim_id, line_number, valid_from AS received_at, delivery, row_number, charge_amount AS charge,
           'a new statement' AS detail FROM fact_medical_claim
    UNION ALL
    SELECT claim_id, line_number, sequence, delivery, row_number, charge_amount, 'as before' FROM restated_medical_claim
),
ledger AS (SELECT delivery, received_at, run_id FROM internal.ledger WHERE feed = 'medical_claims'),
found AS (
    SELECT delivery, row_number, string_agg(DISTINCT rule, ', ' ORDER BY rule) AS rules,
           bool_or(severity = 'error') AS is_quarantined, max(record_key) AS record_key
    FROM internal.finding
    WHERE feed = 'medical_claims' AND NOT live AND row_number IS NOT NULL AND status <> 'retracted' GROUP BY ALL
),
kept_out AS (
    SELECT regexp_replace(regexp_extract(record_key, '^(.*)\|([0-9]+)$', 1), '\\(.)', '\1', 'g') AS claim_id,
           TRY_CAST(regexp_extract(record_key, '^(.*)\|([0-9]+)$', 2) AS INTEGER) AS line_number,
           delivery, row_number, rules
    FROM found ANTI JOIN said USING (delivery, row_number) WHERE is_quarantined AND record_key IS NOT NULL
),
voiding AS (SELECT DISTINCT claim_id FROM fact_medical_claim WHERE frequency_code = '8'),
step AS (
    SELECT claim_id, line_number, CAST(received_at AS DATE) AS day, 1 AS step, 'received' AS event, detail, charge,
           delivery, NULL::VARCHAR AS who, received_at AS happened_at, run_id
    FROM said JOIN ledger USING (delivery, received_at)
    UNION ALL BY NAME
    SELECT claim_id, line_number, CAST(received_at AS DATE) AS day, 2 AS step, 'verified' AS event,
           coalesce('accepted; ' || rules, 'accepted') AS detail, charge, delivery, received_at AS happened_at, run_id
    FROM said JOIN ledger USING (delivery, received_at) LEFT JOIN found USING (delivery, row_number)
    UNION ALL BY NAME
    SELECT claim_id, line_number, CAST(received_at AS DATE) AS day, 1 AS step, 'received' AS event, delivery,
           received_at AS happened_at, run_id
    FROM kept_out JOIN ledger USING (delivery)
    UNION ALL BY NAME
    SELECT claim_id, line_number, CAST(received_at AS DATE) AS day, 2 AS step, 'verified' AS event,
           'quarantined: ' || rules AS detail, delivery, received_at AS happened_at, run_id
    FROM kept_out JOIN ledger USING (delivery)
    UNION ALL BY NAME
    SELECT claim_id, line_number, day, 3 AS step, CASE WHEN act = 'appealed' THEN 'appealed' ELSE 'released' END AS event,
           CASE WHEN act = 'appealed' THEN why ELSE concat(act, ': ', why) END AS detail, delivery, who, happened_at
    FROM internal.claim_act
    UNION ALL BY NAME
    SELECT claim_id, line_number, decided_on AS day, 4 AS step,
           CASE WHEN taken_back_by IN (SELECT claim_id FROM voiding) THEN 'voided' ELSE 'replaced' END AS event,
           'by ' || taken_back_by AS detail, delivery, decided_at AS happened_at, run_id
    FROM decision_history WHERE taken_back_by IS NOT NULL
    UNION ALL BY NAME
    SELECT claim_id, line_number, decided_on AS day, 5 AS step, 'reversed' AS event, because AS detail, -paid_before AS paid,
           delivery, decision_before AS decision, decided_at AS happened_at, run_id
    FROM decision_history WHERE decision_before IS NOT NULL
    UNION ALL BY NAME
    SELECT claim_id, line_number, decided_on AS day, 6 AS step,
           CASE WHEN decision = 'pending' THEN 'pended' ELSE 'decided' END AS event,
           coalesce(rule, array_to_string(pending_for, ', '), because) AS detail, charge, paid, decision, delivery,
           claim_version, rule_set, reference_versions, decided_at AS happened_at, run_id
    FROM decision_history WHERE decision IS NOT NULL
)
SELECT claim_id, line_number, claim_version, day, step, event, decision, detail, charge, paid, rule_set,
       reference_versions, delivery, who, happened_at, run_id
FROM step;
