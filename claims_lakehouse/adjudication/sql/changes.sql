-- One row is one line whose decision one received day changed: what is decided since, or nothing where the line is the
-- patient's no more.
CREATE OR REPLACE TEMP TABLE changed AS
WITH after_day AS (
    SELECT pair.day, outcome.* EXCLUDE (known_before) FROM pair JOIN outcome
      ON outcome.patient_id = pair.patient_id AND outcome.known_before = pair.day + INTERVAL 1 DAY
),
before_day AS (
    SELECT pair.day, outcome.* EXCLUDE (known_before) FROM pair JOIN outcome
      ON outcome.patient_id = pair.patient_id AND outcome.known_before = pair.day_before + INTERVAL 1 DAY
)
SELECT coalesce(now.patient_id, past.patient_id) AS patient_id, coalesce(now.claim_id, past.claim_id) AS claim_id,
       coalesce(now.line_number, past.line_number) AS line_number, coalesce(now.day, past.day) AS day, {said},
       past.decision AS decision_before, past.paid AS paid_before, past.patient_share AS patient_share_before,
       CASE WHEN now.taken_back_by IS NOT NULL THEN 'the claim was replaced or voided'
            WHEN now.patient_id IS NULL THEN 'the line is the patient''s no more'
            WHEN now.decision IS NULL THEN 'it takes another claim back'
            WHEN past.patient_id IS NULL THEN 'first decision' WHEN past.decision IS NULL THEN 'the line stands again'
            WHEN now.act_id IS DISTINCT FROM past.act_id THEN 'a person''s word'
            WHEN now.line_sk IS DISTINCT FROM past.line_sk THEN 'the line changed'
            WHEN now.coverage_sk IS DISTINCT FROM past.coverage_sk THEN 'the coverage changed'
            WHEN (now.plan_sk, now.year_plan_sk) IS DISTINCT FROM (past.plan_sk, past.year_plan_sk) THEN 'the plan changed'
            WHEN now.fee_sk IS DISTINCT FROM past.fee_sk THEN 'the fee changed'
            WHEN now.authorization_sk IS DISTINCT FROM past.authorization_sk THEN 'the authorization changed'
            WHEN now.exclusion_sk IS DISTINCT FROM past.exclusion_sk THEN 'a limit of the plan changed'
            WHEN now.claim_version IS DISTINCT FROM past.claim_version THEN 'another line of the claim changed'
            WHEN now.evidence IS DISTINCT FROM past.evidence THEN 'what the reason rests on changed'
            ELSE 'other lines of the patient changed, or procedure edits or codes' END AS because
FROM after_day AS now FULL JOIN before_day AS past
  ON now.patient_id = past.patient_id AND now.day = past.day AND now.claim_id = past.claim_id
 AND now.line_number = past.line_number
WHERE now.patient_id IS NULL OR past.patient_id IS NULL OR ({now}) IS DISTINCT FROM ({past});
