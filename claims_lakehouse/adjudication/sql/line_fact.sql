-- One row is what is known of one line by itself: coverage, plan, limits, authorization, fee, as of its first day.
CREATE OR REPLACE TEMP TABLE known_coverage AS
SELECT standpoint.known_before, coverage.patient_id, plan_id, covered_from, covered_to, coverage_sk
FROM standpoint JOIN dim_coverage AS coverage
  ON coverage.patient_id = standpoint.patient_id AND coverage.valid_from < standpoint.known_before
 AND (coverage.valid_to IS NULL OR coverage.valid_to >= standpoint.known_before);

CREATE OR REPLACE TEMP TABLE line_coverage AS
SELECT line_id, count(covered_from) AS coverage_count, min(covered_from) AS covered_since,
       max_by(row(plan_id, coverage_sk), (covered_from, plan_id)) FILTER (
           covered_from <= date_of_service_from AND (covered_to IS NULL OR covered_to >= date_of_service_from)
       ) AS covering
FROM known_line AS line
LEFT JOIN known_coverage USING (known_before, patient_id)
GROUP BY line_id;

-- A plan's terms hold from the moment of their version on; its first version has to do for the days before it.
CREATE OR REPLACE TEMP TABLE plan_terms AS
SELECT *, valid_from = min(valid_from) OVER (PARTITION BY plan_id) AS is_first
FROM dim_plan WHERE valid_to IS NULL OR valid_to > valid_from;

CREATE OR REPLACE TEMP TABLE planned AS
WITH service AS (
    SELECT DISTINCT known_before, covering[1] AS plan_id, date_of_service_from AS day
    FROM known_line JOIN line_coverage USING (line_id) WHERE covering IS NOT NULL
),
dated AS (
    SELECT *, least(CAST(day AS TIMESTAMP), known_before - INTERVAL 1 MICROSECOND) AS on_day,
           least(date_trunc('year', CAST(day AS TIMESTAMP)), known_before - INTERVAL 1 MICROSECOND) AS on_new_year
    FROM service
)
SELECT dated.known_before, dated.plan_id, dated.day, terms.plan_sk, terms.coinsurance, terms.timely_filing_days,
       year_terms.plan_sk AS year_plan_sk, year_terms.deductible, year_terms.annual_maximum
FROM dated
JOIN plan_terms AS terms ON terms.plan_id = dated.plan_id AND terms.valid_from < dated.known_before
 AND (terms.valid_from <= dated.on_day OR terms.is_first) AND (terms.valid_to IS NULL OR terms.valid_to > dated.on_day)
JOIN plan_terms AS year_terms ON year_terms.plan_id = dated.plan_id AND year_terms.valid_from < dated.known_before
 AND (year_terms.valid_from <= dated.on_new_year OR year_terms.is_first)
 AND (year_terms.valid_to IS NULL OR year_terms.valid_to > dated.on_new_year);

CREATE OR REPLACE TEMP TABLE covered_line AS
SELECT line.line_id, line.known_before, line.patient_id, line.procedure_code, line.modifier_text, line.diagnoses,
       line.date_of_service_from AS day, line.prior_auth_number, line.provider_npi, covering[1] AS plan_id
FROM known_line AS line JOIN line_coverage USING (line_id);

CREATE OR REPLACE TEMP TABLE line_fee AS
SELECT line_id, min_by(row(allowed_amount, fee_schedule_sk), (coalesce(place, 99), -epoch(effective_from))) AS priced
FROM (
    SELECT line.line_id, fee.*, list_position(string_split(line.modifier_text, '|'), nullif(fee.modifier, '')) AS place
    FROM covered_line AS line JOIN dim_fee_schedule AS fee
      ON fee.plan_id = line.plan_id AND fee.procedure_code = line.procedure_code
     AND fee.effective_from <= line.day AND (fee.effective_to IS NULL OR fee.effective_to >= line.day)
     AND fee.valid_from < line.known_before AND (fee.valid_to IS NULL OR fee.valid_to >= line.known_before)
    WHERE coalesce(fee.modifier, '') = '' OR line.modifier_text <> ''
)
WHERE coalesce(modifier, '') = '' OR place IS NOT NULL
GROUP BY line_id;

-- One row is one limit of a plan that one line falls under, by its procedure or by a diagnosis that the service was for.
CREATE OR REPLACE TEMP TABLE limited AS
WITH known_limit AS (
    SELECT line.line_id, line.known_before, line.patient_id, line.day, line.diagnoses, exclusion.*
    FROM covered_line AS line JOIN dim_exclusion AS exclusion ON exclusion.procedure_code = line.procedure_code
    UNION ALL
    SELECT DISTINCT line.line_id, line.known_before, line.patient_id, line.day, line.diagnoses, exclusion.*
    FROM (SELECT *, unnest(diagnoses) AS diagnosis FROM covered_line WHERE (SELECT count(*) FROM dim_exclusion) > 0) AS line
    JOIN dim_exclusion AS exclusion
      ON exclusion.procedure_code IS NULL AND left(exclusion.diagnosis_code, 3) = left(line.diagnosis, 3)
)
SELECT known_limit.line_id, known_limit.known_before, known_limit.patient_id, known_limit.day, kind, exclusion_id,
       exclusion_sk, least_age, most_age, most_units_a_day
FROM known_limit JOIN covered_line USING (line_id)
WHERE (known_limit.plan_id IS NULL OR known_limit.plan_id = covered_line.plan_id)
  AND (diagnosis_code IS NULL OR len(list_filter(known_limit.diagnoses, lambda d: starts_with(d, diagnosis_code))) > 0)
  AND effective_from <= known_limit.day AND (effective_to IS NULL OR effective_to >= known_limit.day)
  AND valid_from < known_limit.known_before AND (valid_to IS NULL OR valid_to >= known_limit.known_before);

-- One row is a patient's day of birth as a standpoint knows it, of patients whose age a limit asks for.
CREATE OR REPLACE TEMP TABLE born AS
SELECT asked.known_before, asked.patient_id,
       max_by(date_of_birth, (sequence, received_at, said.delivery, row_number)) AS date_of_birth
FROM (SELECT DISTINCT known_before, patient_id FROM limited WHERE kind = 'age_limit') AS asked
JOIN (
    SELECT patient_id, date_of_birth, valid_from AS sequence, delivery, row_number FROM dim_patient
    UNION ALL SELECT patient_id, date_of_birth, sequence, delivery, row_number FROM restated_patient
) AS said ON said.patient_id = asked.patient_id
JOIN internal.ledger AS ledger
  ON ledger.feed = 'patients' AND ledger.delivery = said.delivery AND ledger.received_at < asked.known_before
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE line_limit AS
SELECT line_id,
       min_by(row(exclusion_id, exclusion_sk), exclusion_id) FILTER (kind = 'not_covered') AS not_covered,
       min_by(row(exclusion_id, exclusion_sk), exclusion_id) FILTER (
           kind = 'age_limit' AND (age < least_age OR age > most_age)
       ) AS outside_age,
       coalesce(bool_or(age IS NULL) FILTER (kind = 'age_limit'), false) AS age_is_unknown,
       min_by(row(exclusion_id, exclusion_sk), exclusion_id) FILTER (kind = 'sex_limit') AS sex_limit,
       min_by(row(exclusion_id, exclusion_sk), exclusion_id) FILTER (kind = 'authorization_required') AS authorization_required
FROM (
    SELECT limited.*, date_sub('year', date_of_birth, day) AS age
    FROM limited LEFT JOIN born USING (known_before, patient_id)
)
GROUP BY line_id;

CREATE OR REPLACE TEMP TABLE line_authorization AS
SELECT line_id, min_by(row(authorization_number, prior_authorization_sk, units), authorization_number) AS agreed
FROM covered_line AS line JOIN dim_prior_authorization AS agreement
  ON agreement.authorization_number = line.prior_auth_number AND agreement.patient_id = line.patient_id
 AND agreement.procedure_code = line.procedure_code
 AND (agreement.provider_npi IS NULL OR agreement.provider_npi = line.provider_npi)
 AND agreement.authorized_from <= line.day AND (agreement.authorized_to IS NULL OR agreement.authorized_to >= line.day)
 AND agreement.valid_from < line.known_before AND (agreement.valid_to IS NULL OR agreement.valid_to >= line.known_before)
GROUP BY line_id;

-- One row is one code of a procedure on one day, and whether a code set that has landed has it; NULL where none of its
-- system has.
CREATE OR REPLACE TEMP TABLE procedure_day AS
WITH asked AS (
    SELECT DISTINCT known_before, procedure_code, day, CASE WHEN procedure_code < 'A' THEN 'cpt' ELSE 'hcpcs' END AS system
    FROM covered_line
),
landed AS (SELECT system, min(valid_from) AS since FROM dim_code GROUP BY system),
known AS (
    SELECT DISTINCT asked.known_before, asked.procedure_code, asked.day
    FROM asked JOIN dim_code AS code
      ON code.system = asked.system AND code.code = asked.procedure_code
     AND code.effective_from <= asked.day AND (code.effective_to IS NULL OR code.effective_to >= asked.day)
     AND code.valid_from < asked.known_before AND (code.valid_to IS NULL OR code.valid_to >= asked.known_before)
)
SELECT asked.known_before, asked.procedure_code, asked.day,
       CASE WHEN landed.since < asked.known_before THEN known.procedure_code IS NOT NULL END AS procedure_is_known
FROM asked LEFT JOIN landed USING (system) LEFT JOIN known USING (known_before, procedure_code, day);

CREATE OR REPLACE TEMP TABLE line_fact AS
SELECT line.line_id, line.known_before, line.patient_id, line.claim_id, line.line_number, line.named,
       line.rule_set, line.overridden, line.act, line.act_id, line.act_settles, line.act_allowed, line.allowed_settles,
       line.frequency_code, line.modifier_set, line.filed_on,
       line.provider_npi, line.procedure_code, line.modifier_text, line.diagnoses, line.received_date,
       line.medical_claim_sk AS line_sk, line.delivery AS line_delivery, line.last_day,
       line.charge_amount AS charge, line.units, line.place_of_service, line.date_of_service_from AS service_day,
       coalesce(coverage_count, 0) AS coverage_count, covering IS NOT NULL AS is_covered, covered_since,
       covering[1] AS plan_id, covering[2] AS coverage_sk,
       planned.plan_sk IS NOT NULL AS plan_is_known, planned.plan_sk, planned.year_plan_sk, planned.coinsurance,
       planned.deductible AS year_deductible, planned.annual_maximum,
       date_diff('day', line.last_day, line.filed_on) AS days_to_receipt, planned.timely_filing_days AS filing_days,
       line.replaces_unknown, procedure_day.procedure_is_known,
       not_covered[1] AS not_covered_by, outside_age[1] AS outside_age_of,
       coalesce(age_is_unknown, false) AS age_is_unknown, sex_limit[1] AS sex_limit_of,
       authorization_required IS NOT NULL AS needs_authorization, agreed[1] AS authorized_by,
       agreed[2] AS authorization_sk, CASE WHEN authorization_required IS NOT NULL THEN agreed[3] END AS authorized_units,
       coalesce(not_covered[2], outside_age[2], authorization_required[2], sex_limit[2]) AS exclusion_sk,
       priced[1] AS fee, priced[2] AS fee_sk
FROM known_line AS line
JOIN line_coverage USING (line_id)
LEFT JOIN planned ON planned.known_before = line.known_before AND planned.plan_id = covering[1]
      AND planned.day = line.date_of_service_from
LEFT JOIN line_fee USING (line_id)
LEFT JOIN line_limit USING (line_id)
LEFT JOIN line_authorization USING (line_id)
LEFT JOIN procedure_day ON procedure_day.known_before = line.known_before
      AND procedure_day.procedure_code = line.procedure_code AND procedure_day.day = line.date_of_service_from;
