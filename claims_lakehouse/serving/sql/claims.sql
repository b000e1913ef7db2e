-- One row is one claim as it is now, with what the insurance covers and the patient owes: exact cents, half a cent
-- goes to the covered part.
CREATE OR REPLACE VIEW internal.priced_claim AS
SELECT *,
       CAST(round(total_cost * coverage_type * CAST(0.01 AS DECIMAL(3, 2)), 2) AS DECIMAL(12, 2)) AS amount_covered,
       CAST(total_cost - amount_covered AS DECIMAL(12, 2)) AS amount_due
FROM main.claim;

-- One row is one claim as it is now, with its patient's and provider's details as they are now (NULL where they are
-- unknown), and what the insurance covers and the patient owes: exact cents, half a cent goes to the covered part.
CREATE OR REPLACE VIEW claim_detail AS
SELECT claim.* EXCLUDE (amount_covered, amount_due), {details}, amount_covered, amount_due
FROM internal.priced_claim AS claim
LEFT JOIN patient USING (patient_id)
LEFT JOIN provider USING (provider_id);

-- One row is one claim as it is now, with its patient's and provider's details as they were at the first instant of
-- the day of service (NULL where they are unknown). A record's first version has to do for the days before it;
-- patient_reaches_back and provider_reaches_back say where it did.
CREATE OR REPLACE VIEW claim_at_service AS
SELECT claim.* EXCLUDE (amount_covered, amount_due), {details},
       patient.version AS patient_version, patient.patient_sk,
       claim.date_of_service < patient.valid_from AS patient_reaches_back,
       provider.version AS provider_version, provider.provider_sk,
       claim.date_of_service < provider.valid_from AS provider_reaches_back,
       amount_covered, amount_due
FROM internal.priced_claim AS claim
LEFT JOIN internal.patient_span AS patient ON patient.patient_id = claim.patient_id
    AND (claim.date_of_service >= patient.valid_from OR patient.is_first)
    AND (claim.date_of_service < patient.valid_to OR patient.valid_to IS NULL)
LEFT JOIN internal.provider_span AS provider ON provider.provider_id = claim.provider_id
    AND (claim.date_of_service >= provider.valid_from OR provider.is_first)
    AND (claim.date_of_service < provider.valid_to OR provider.valid_to IS NULL);

-- One row is what the claims of one month of service, one specialty, one visit type and one coverage cost. The
-- specialty is the provider's at the day of service, NULL where the provider is unknown.
CREATE OR REPLACE VIEW monthly_cost AS
SELECT CAST(date_trunc('month', date_of_service) AS DATE) AS month, specialty_code, visit_type, coverage_type,
       count(*) AS claims, sum(total_cost) AS total_cost, sum(amount_covered) AS amount_covered,
       sum(amount_due) AS amount_due
FROM internal.priced_claim AS claim
LEFT JOIN internal.provider_span AS provider ON provider.provider_id = claim.provider_id
    AND (claim.date_of_service >= provider.valid_from OR provider.is_first)
    AND (claim.date_of_service < provider.valid_to OR provider.valid_to IS NULL)
GROUP BY ALL;
