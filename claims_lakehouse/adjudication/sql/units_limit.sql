-- One row is one limit of units a day that one payable line falls under. Its level says in which turn it is applied: after
-- every stricter one that any of the patient's lines falls under.
CREATE OR REPLACE TEMP TABLE units_limited AS
SELECT payable.line_id, payable.known_before, payable.patient_id, payable.claim_id, payable.line_number,
       payable.received_date, payable.service_day, exclusion_id, exclusion_sk, most_units_a_day,
       dense_rank() OVER (
           PARTITION BY payable.known_before, payable.patient_id ORDER BY most_units_a_day, exclusion_id
       ) AS level
FROM payable JOIN limited USING (line_id)
WHERE kind = 'units_limit'
  AND NOT coalesce(list_contains(overridden, 'units_limit ' || exclusion_id), false);

-- One row is one line under such limits: the units that are left of those agreed to, and the last limit that took some.
CREATE OR REPLACE TEMP TABLE units_left AS
SELECT DISTINCT line_id, units_agreed AS units, CAST(NULL AS VARCHAR) AS exclusion_id, CAST(NULL AS BIGINT) AS exclusion_sk
FROM payable SEMI JOIN units_limited USING (line_id);
