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
       coalesce(now.line_number, past.line_number) AS line_number, coalesce(now.day, past.day) AS day, {said}
FROM after_day AS now FULL JOIN before_day AS past
  ON now.patient_id = past.patient_id AND now.day = past.day AND now.claim_id = past.claim_id
 AND now.line_number = past.line_number
WHERE now.patient_id IS NULL OR past.patient_id IS NULL OR ({now}) IS DISTINCT FROM ({past});
