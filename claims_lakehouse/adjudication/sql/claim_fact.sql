-- One row is what is known of one line beside the patient's other lines: what it repeats, resembles or is part of. Lines
-- that are denied by themselves count for nothing here. Earlier is what was received earlier, a
-- replacement with what it replaces; of one day, by number. Voids that wait bill nothing.
CREATE OR REPLACE TEMP TABLE beside AS
SELECT line_id, known_before, patient_id, claim_id, line_number, named, provider_npi, procedure_code, modifier_text,
       modifier_set, diagnoses, service_day, filed_on, charge, act, rule_set, date_diff('day', DATE '1900-01-01', service_day) // 7 AS week,
       left(procedure_code, 4) AS family
FROM line_fact WHERE line_id NOT IN (SELECT line_id FROM denied_alone) AND frequency_code <> '8';

CREATE OR REPLACE TEMP TABLE repeated AS
SELECT line_id, other AS duplicate_of
FROM (
    SELECT line_id, first(named) OVER acts AS other, row_number() OVER acts AS nth
    FROM beside
    WINDOW acts AS (
        PARTITION BY known_before, patient_id, service_day, provider_npi, procedure_code, modifier_set
        ORDER BY filed_on, claim_id, line_number
    )
)
WHERE nth > 1;

-- Of a week's lines of one provider and family of procedures only so many are compared with: a patient who stands for
-- many, as placeholders do, has thousands.
CREATE OR REPLACE TEMP TABLE resembling AS
WITH single AS (FROM beside ANTI JOIN repeated USING (line_id)),
alike AS (
    SELECT known_before, patient_id, provider_npi, family FROM single GROUP BY ALL
    HAVING count(*) > 1 AND count(DISTINCT claim_id) > 1
),
candidate AS (FROM single SEMI JOIN alike USING (known_before, patient_id, provider_npi, family)),
earliest AS (
    SELECT * FROM candidate QUALIFY row_number() OVER (
        PARTITION BY known_before, patient_id, provider_npi, family, week ORDER BY filed_on, claim_id, line_number
    ) <= {most_compared}
),
later AS (SELECT *, unnest([week - 1, week, week + 1]) AS near_week FROM candidate),
paired AS (
    SELECT later.line_id, later.rule_set, earlier.named AS other,
           abs(date_diff('day', earlier.service_day, later.service_day)) AS days,
           CASE WHEN earlier.procedure_code = later.procedure_code THEN {same_code} ELSE {like_code} END
           + round({for_amount} * greatest(0, 1 - abs(earlier.charge - later.charge)
                   / greatest(earlier.charge, later.charge, 0.01) / {amount_within}), 0)
           + round({for_days} * (1 - days / {days}), 0)
           + round({for_diagnoses} * len(list_intersect(list_distinct(earlier.diagnoses), later.diagnoses))
                   / greatest(len(list_distinct(earlier.diagnoses)), len(list_distinct(later.diagnoses))), 0) AS points
    FROM later JOIN earliest AS earlier
      ON earlier.known_before = later.known_before AND earlier.patient_id = later.patient_id
     AND earlier.provider_npi = later.provider_npi AND earlier.family = later.family
     AND earlier.week = later.near_week
    WHERE earlier.claim_id <> later.claim_id AND days <= {days}
      AND (earlier.filed_on, earlier.claim_id, earlier.line_number)
        < (later.filed_on, later.claim_id, later.line_number)
)
SELECT line_id, min_by(other, (-points, other)) AS similar_to, CAST(max(points) AS INTEGER) AS similarity
FROM paired WHERE points >= {least_points} GROUP BY line_id;

-- Repeated lines that no person let through.
CREATE OR REPLACE TEMP TABLE repeated_only AS
SELECT line_id FROM repeated JOIN beside USING (line_id) WHERE act IS DISTINCT FROM 'approved';

-- Two procedures of one provider on one day of which an edit has the one as part of the other.
CREATE OR REPLACE TEMP TABLE bundled AS
WITH part AS (
    SELECT line.*, edit.procedure_code AS whole_code, edit.modifier_indicator,
           {separate_modifiers} AS separate_modifiers
    FROM beside AS line JOIN dim_procedure_edit AS edit
      ON edit.bundled_code = line.procedure_code AND edit.modifier_indicator <> '9'
     AND edit.effective_from <= line.service_day AND (edit.effective_to IS NULL OR edit.effective_to >= line.service_day)
     AND edit.valid_from < line.known_before AND (edit.valid_to IS NULL OR edit.valid_to >= line.known_before)
    WHERE line.line_id NOT IN (SELECT line_id FROM repeated_only)
)
SELECT line_id, min_by(whole, (is_separate, claim_id, line_number)) AS part_of, bool_and(is_separate) AS is_said_to_be_separate
FROM (
    SELECT part.line_id, whole.named AS whole, whole.claim_id, whole.line_number,
           part.modifier_indicator = '1' AND len(list_intersect(
               string_split(part.modifier_text || '|' || whole.modifier_text, '|'), separate_modifiers
           )) > 0 AS is_separate
    FROM part JOIN beside AS whole
      ON whole.known_before = part.known_before AND whole.patient_id = part.patient_id
 AND whole.provider_npi = part.provider_npi AND whole.service_day = part.service_day
 AND whole.procedure_code = part.whole_code AND whole.line_id <> part.line_id
WHERE whole.line_id NOT IN (SELECT line_id FROM repeated_only)
) GROUP BY line_id;

CREATE OR REPLACE TEMP TABLE every_fact AS
SELECT line_fact.*, duplicate_of, similar_to, similarity, part_of,
       coalesce(is_said_to_be_separate, false) AS is_said_to_be_separate
FROM line_fact
LEFT JOIN repeated USING (line_id) LEFT JOIN resembling USING (line_id) LEFT JOIN bundled USING (line_id);
