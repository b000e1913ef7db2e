-- One row is one day on which something was received, or said, that the decisions about one of the `asked` patients may
-- hang on; none is left out, and some may have changed nothing. Before a patient's first line there is nothing to decide.
CREATE OR REPLACE TEMP TABLE received_day AS
WITH line AS (
    SELECT patient_id, claim_id, line_number, procedure_code, CAST(valid_from AS DATE) AS day
    FROM fact_medical_claim SEMI JOIN asked USING (patient_id)
),
begun AS (SELECT patient_id, min(day) AS first_day FROM line GROUP BY patient_id),
later_than AS (SELECT coalesce(min(first_day), DATE '9999-12-31') AS day FROM begun),
billed AS (SELECT DISTINCT patient_id, procedure_code FROM line),
coverage AS (
    SELECT patient_id, plan_id, CAST(valid_from AS DATE) AS day FROM dim_coverage SEMI JOIN asked USING (patient_id)
),
member AS (SELECT DISTINCT patient_id, plan_id FROM coverage),
plan_day AS (SELECT DISTINCT plan_id, CAST(valid_from AS DATE) AS day FROM dim_plan),
fee_day AS (
    SELECT DISTINCT plan_id, procedure_code, CAST(valid_from AS DATE) AS day
    FROM dim_fee_schedule, later_than WHERE valid_from > later_than.day
),
exclusion_day AS (
    SELECT DISTINCT procedure_code, CAST(valid_from AS DATE) AS day FROM dim_exclusion
    UNION SELECT procedure_code, CAST(valid_to AS DATE) FROM dim_exclusion WHERE valid_to IS NOT NULL
),
edit_day AS (SELECT DISTINCT bundled_code AS procedure_code, CAST(valid_from AS DATE) AS day FROM dim_procedure_edit),
code_day AS (
    SELECT DISTINCT code AS procedure_code, CAST(valid_from AS DATE) AS day FROM dim_code
    WHERE system IN ('cpt', 'hcpcs')
),
system_day AS (SELECT DISTINCT CAST(min(valid_from) AS DATE) AS day FROM dim_code GROUP BY system),
said AS (
    SELECT patient_id, delivery FROM dim_patient SEMI JOIN asked USING (patient_id)
    UNION SELECT patient_id, delivery FROM restated_patient SEMI JOIN asked USING (patient_id)
),
found AS (
    SELECT DISTINCT patient_id, day FROM line
    -- A line, or an authorization, may be another patient's from its next version on.
    UNION SELECT patient_id, CAST(valid_to AS DATE) FROM fact_medical_claim SEMI JOIN asked USING (patient_id)
          WHERE valid_to IS NOT NULL
    UNION SELECT patient_id, CAST(valid_to AS DATE) FROM dim_prior_authorization SEMI JOIN asked USING (patient_id)
          WHERE valid_to IS NOT NULL
    -- A claim that replaces its own earlier statement keeps the lines that it says again, and no others.
    UNION SELECT patient_id, CAST(sequence AS DATE) FROM restated_medical_claim SEMI JOIN asked USING (patient_id)
          WHERE claim_id IN (SELECT claim_id FROM fact_medical_claim WHERE frequency_code IN ('7', '8'))
    UNION SELECT patient_id, day FROM coverage
    UNION SELECT patient_id, CAST(valid_from AS DATE) FROM dim_prior_authorization SEMI JOIN asked USING (patient_id)
    UNION SELECT patient_id, CAST(received_at AS DATE)
          FROM said JOIN internal.ledger AS ledger ON ledger.feed = 'patients' AND ledger.delivery = said.delivery
    UNION SELECT patient_id, plan_day.day FROM member JOIN plan_day USING (plan_id)
    UNION SELECT patient_id, fee_day.day FROM fee_day JOIN billed USING (procedure_code)
          JOIN member USING (patient_id, plan_id)
    UNION SELECT patient_id, day FROM exclusion_day JOIN billed USING (procedure_code)
    UNION SELECT patient_id, day FROM exclusion_day, begun WHERE procedure_code IS NULL
    UNION SELECT patient_id, day FROM edit_day JOIN billed USING (procedure_code)
    UNION SELECT patient_id, day FROM code_day JOIN billed USING (procedure_code)
    UNION SELECT patient_id, day FROM system_day, begun
    UNION SELECT patient_id, act.day FROM internal.claim_act AS act JOIN line USING (claim_id, line_number)
)
SELECT patient_id, found.day FROM found JOIN begun USING (patient_id) WHERE found.day >= first_day;
