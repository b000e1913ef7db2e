-- One row is one number by which remittances name a claim that a standpoint knows (CLP07): a replacement may name it so, or
-- by its own number.
CREATE OR REPLACE TEMP TABLE payers_number AS
WITH replacing AS (
    SELECT DISTINCT patient_id FROM fact_medical_claim SEMI JOIN standpoint USING (patient_id)
    WHERE frequency_code IN ('7', '8') AND original_claim_id IS NOT NULL
)
SELECT standpoint.known_before AS told_before, line.patient_id AS told_patient, {payers_number} AS told_number,
       min(line.claim_id) AS told_claim
FROM standpoint JOIN fact_medical_claim AS line
  ON line.patient_id = standpoint.patient_id AND line.valid_from < standpoint.known_before
SEMI JOIN replacing ON replacing.patient_id = line.patient_id
GROUP BY ALL;

-- One row is one service line as a standpoint knows it, and which claim it is to take the place of.
CREATE OR REPLACE TEMP TABLE stood_line AS
SELECT standpoint.known_before, line.*, coalesce(told_claim, original_claim_id) AS replaced_id,
       coalesce(date_of_service_to, date_of_service_from) AS last_day,
       coalesce(modifiers, '') AS modifier_text,
       {key_text} AS named
FROM standpoint JOIN fact_medical_claim AS line
  ON line.patient_id = standpoint.patient_id AND line.valid_from < standpoint.known_before
 AND (line.valid_to IS NULL OR line.valid_to >= standpoint.known_before)
LEFT JOIN payers_number
  ON told_before = standpoint.known_before AND told_patient = line.patient_id AND told_number = line.original_claim_id;

-- One row is one statement, of whatever version or a repetition, that a claim replaces or voids another one, or its own
-- earlier statement.
CREATE OR REPLACE TEMP TABLE replacing_statement AS
SELECT DISTINCT standpoint.known_before, line.patient_id, line.claim_id, line.frequency_code, line.valid_from,
       coalesce(told_claim, line.original_claim_id) AS replaced_id
FROM standpoint JOIN (
    SELECT patient_id, claim_id, original_claim_id, frequency_code, valid_from FROM fact_medical_claim
    UNION ALL
    SELECT patient_id, claim_id, original_claim_id, frequency_code, sequence FROM restated_medical_claim
) AS line ON line.patient_id = standpoint.patient_id AND line.valid_from < standpoint.known_before
LEFT JOIN payers_number
  ON told_before = standpoint.known_before AND told_patient = line.patient_id AND told_number = line.original_claim_id
WHERE line.frequency_code IN ('7', '8') AND line.original_claim_id IS NOT NULL;

-- One row is one claim: when it was stated first, and when, by its statements, it was received first.
CREATE OR REPLACE TEMP TABLE stated AS
SELECT standpoint.known_before, line.patient_id, line.claim_id, min(line.valid_from) AS stated_at,
       min(line.received_date) AS received_date
FROM standpoint JOIN fact_medical_claim AS line
  ON line.patient_id = standpoint.patient_id AND line.valid_from < standpoint.known_before
GROUP BY ALL;

-- One row is one claim of a patient that another claim, or a later statement of its own, takes the place of. Of claims that
-- replace each other, two or more in a ring, the one that said so last stands.
CREATE OR REPLACE TEMP TABLE taking_back AS
WITH RECURSIVE taking AS (
    SELECT known_before, patient_id, replaced_id AS claim_id, claim_id AS by_claim, max(said.valid_from) AS since
    FROM (
        SELECT DISTINCT known_before, patient_id, claim_id, replaced_id FROM stood_line
        WHERE frequency_code IN ('7', '8') AND replaced_id <> claim_id
    ) JOIN replacing_statement AS said USING (known_before, patient_id, claim_id, replaced_id)
    GROUP BY ALL
),
reached AS (
    SELECT known_before, patient_id, by_claim AS claim_id, claim_id AS other FROM taking
    UNION
    SELECT reached.known_before, reached.patient_id, reached.claim_id, taking.claim_id
    FROM reached JOIN taking
      ON taking.known_before = reached.known_before AND taking.patient_id = reached.patient_id
     AND taking.by_claim = reached.other
),
ring AS (
    SELECT there.known_before, there.patient_id, there.claim_id, min(there.other) AS ring
    FROM reached AS there JOIN reached AS back
      ON back.known_before = there.known_before AND back.patient_id = there.patient_id
     AND back.claim_id = there.other AND back.other = there.claim_id
    GROUP BY ALL
),
in_ring AS (
    SELECT taking.*, ring.ring FROM taking
    JOIN ring USING (known_before, patient_id, claim_id)
    JOIN ring AS taker ON taker.known_before = taking.known_before AND taker.patient_id = taking.patient_id
     AND taker.claim_id = taking.by_claim AND taker.ring = ring.ring
),
standing AS (
    SELECT known_before, patient_id, ring, max_by(by_claim, (since, by_claim)) AS claim_id
    FROM in_ring GROUP BY ALL
)
FROM taking ANTI JOIN (
    SELECT in_ring.known_before, in_ring.patient_id, in_ring.claim_id, in_ring.by_claim
    FROM in_ring JOIN standing USING (known_before, patient_id, ring, claim_id)
) USING (known_before, patient_id, claim_id, by_claim)
UNION ALL
SELECT said.known_before, said.patient_id, said.claim_id, said.claim_id AS by_claim, max(said.valid_from) AS since
FROM replacing_statement AS said JOIN stated USING (known_before, patient_id, claim_id)
WHERE said.replaced_id = said.claim_id AND said.valid_from > stated.stated_at
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE taken_back AS
SELECT line.known_before, line.patient_id, line.claim_id, line.line_number,
       max_by(taking_back.by_claim, (taking_back.since, taking_back.by_claim)) AS taken_back_by
FROM stood_line AS line JOIN taking_back USING (known_before, patient_id, claim_id)
WHERE taking_back.by_claim <> line.claim_id
   OR line.valid_from < taking_back.since AND NOT EXISTS (
    FROM restated_medical_claim AS again
    WHERE again.patient_id = line.patient_id AND again.claim_id = line.claim_id AND again.line_number = line.line_number
      AND again.sequence >= taking_back.since AND again.sequence < line.known_before
   )
GROUP BY ALL;

-- One row is one claim that replaces or voids: when the first of those before it was received, however many there are.
CREATE OR REPLACE TEMP TABLE filed AS
WITH RECURSIVE ancestry AS (
    SELECT DISTINCT known_before, patient_id, claim_id, replaced_id AS ancestor FROM replacing_statement
    UNION
    SELECT ancestry.known_before, ancestry.patient_id, ancestry.claim_id, said.replaced_id
    FROM ancestry JOIN replacing_statement AS said
      ON said.known_before = ancestry.known_before AND said.patient_id = ancestry.patient_id
     AND said.claim_id = ancestry.ancestor
)
SELECT ancestry.known_before, ancestry.patient_id, ancestry.claim_id, min(stated.received_date) AS filed_on
FROM ancestry JOIN stated ON stated.known_before = ancestry.known_before AND stated.patient_id = ancestry.patient_id
 AND stated.claim_id IN (ancestry.ancestor, ancestry.claim_id)
GROUP BY ALL;

-- One row is one service line that is to be decided: not of a claim that was replaced or voided. What a void asks for is
-- that another claim be taken back; it is decided only where that claim is not known.
CREATE OR REPLACE TEMP TABLE known_line AS
SELECT row_number() OVER () AS line_id, line.*,
       array_to_string(list_sort(string_split(line.modifier_text, '|')), '|') AS modifier_set,
       least(own.received_date, filed.filed_on) AS filed_on,
       line.frequency_code IN ('7', '8') AND original.claim_id IS NULL AS replaces_unknown,
       {rule_set_of} AS rule_set,
       CASE WHEN diagnosis_pointers IS NOT NULL THEN list_transform(
           string_split(diagnosis_pointers, '|'),
           lambda pointer: string_split(diagnosis_codes, '|')[CAST(pointer AS INTEGER)]
       ) ELSE string_split(diagnosis_codes, '|') END AS diagnoses,
       CAST(NULL AS VARCHAR) AS act_id, CAST(NULL AS VARCHAR) AS act, CAST(NULL AS VARCHAR[]) AS act_settles,
       CAST(NULL AS VARCHAR[]) AS overridden, CAST(NULL AS DECIMAL(12, 2)) AS act_allowed,
       CAST(NULL AS VARCHAR[]) AS allowed_settles
FROM stood_line AS line
JOIN stated AS own ON own.known_before = line.known_before AND own.patient_id = line.patient_id AND own.claim_id = line.claim_id
LEFT JOIN filed ON filed.known_before = line.known_before AND filed.patient_id = line.patient_id
      AND filed.claim_id = line.claim_id AND line.frequency_code IN ('7', '8')
LEFT JOIN stated AS original ON original.known_before = line.known_before AND original.patient_id = line.patient_id
      AND original.claim_id = line.replaced_id AND line.frequency_code IN ('7', '8')
      AND CASE WHEN original.claim_id = line.claim_id THEN original.stated_at < line.valid_from
               ELSE (original.known_before, original.patient_id, original.claim_id) IN
                    (SELECT (known_before, patient_id, claim_id) FROM stood_line) END
WHERE (line.frequency_code <> '8' OR original.claim_id IS NULL)
  AND NOT EXISTS (
    FROM taken_back WHERE taken_back.known_before = line.known_before AND taken_back.patient_id = line.patient_id
     AND taken_back.claim_id = line.claim_id AND taken_back.line_number = line.line_number
);

-- What people said to a line holds as long as the line says what it said then: the last word decides, and what they
-- accepted or appealed before stays settled. A void asks for nothing that could be approved.
UPDATE known_line SET act_id = said.act_id, act = said.act, act_settles = said.act_settles, overridden = said.settles,
       act_allowed = said.allowed, allowed_settles = said.allowed_settles
FROM (
    SELECT line_id, max_by(act.act_id, (happened_at, act.act_id)) AS act_id,
           max_by(act.act, (happened_at, act.act_id)) AS act,
           max_by(settles, (happened_at, act.act_id)) AS act_settles,
           flatten(list(settles) FILTER (act.act <> 'denied')) AS settles,
           max_by(act.allowed, (happened_at, act.act_id)) FILTER (act.allowed IS NOT NULL) AS allowed,
           max_by(settles, (happened_at, act.act_id)) FILTER (act.allowed IS NOT NULL) AS allowed_settles
    FROM known_line AS line JOIN internal.claim_act AS act
      ON act.claim_id = line.claim_id AND act.line_number = line.line_number AND act.day < line.known_before
     AND act.bound_to = {line_hash} AND NOT (line.frequency_code = '8' AND act.act = 'approved')
    GROUP BY line_id
) AS said
WHERE known_line.line_id = said.line_id;
