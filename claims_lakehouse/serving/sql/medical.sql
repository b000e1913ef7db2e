-- One row is one diagnosis of one service line as it is now; is_pointed_to says whether the service was for it, NULL where
-- the line points to none.
CREATE OR REPLACE VIEW medical_claim_diagnosis AS
SELECT claim_id, line_number, patient_id, date_of_service_from, place, codes[place] AS diagnosis_code,
       list_contains(string_split(diagnosis_pointers, '|'), CAST(place AS VARCHAR)) AS is_pointed_to
FROM (
    SELECT *, string_split(diagnosis_codes, '|') AS codes,
           unnest(generate_series(1, len(string_split(diagnosis_codes, '|')))) AS place
    FROM medical_claim
);
