-- One row is one claim as it is now, with its patient's and provider's details as they are now (NULL where they are
-- unknown), and what the insurance covers and the patient owes: exact cents, half a cent goes to the covered part.
CREATE OR REPLACE VIEW claim_detail AS
SELECT claim.*,
       patient.fname AS patient_fname, patient.lname AS patient_lname,
       patient.date_of_birth AS patient_date_of_birth, patient.address AS patient_address,
       patient.city AS patient_city, patient.state AS patient_state, patient.zipcode AS patient_zipcode,
       provider.fname AS provider_fname, provider.lname AS provider_lname,
       provider.facility_name AS provider_facility_name, provider.specialty_code AS provider_specialty_code,
       provider.address AS provider_address, provider.city AS provider_city,
       provider.state AS provider_state, provider.zipcode AS provider_zipcode,
       CAST(round(claim.total_cost * claim.coverage_type * CAST(0.01 AS DECIMAL(3, 2)), 2) AS DECIMAL(12, 2)) AS amount_covered,
       CAST(claim.total_cost
            - CAST(round(claim.total_cost * claim.coverage_type * CAST(0.01 AS DECIMAL(3, 2)), 2) AS DECIMAL(12, 2))
            AS DECIMAL(12, 2)) AS amount_due
FROM claim
LEFT JOIN patient USING (patient_id)
LEFT JOIN provider USING (provider_id);
