-- One row is one claim that is not billed yet, with its patient's name and address and its provider's name.
CREATE OR REPLACE MACRO unbilled_claims() AS TABLE
SELECT claim_id, claim_date, total_cost, amount_covered, amount_due,
       patient_id, patient_fname, patient_lname, patient_address, patient_city, patient_state, patient_zipcode,
       provider_id, provider_fname, provider_lname
FROM claim_detail
WHERE NOT billed;

-- One row is one provider with a fully covered claim of the 30 days up to a day, both ends included.
CREATE OR REPLACE MACRO fully_covered_providers(until) AS TABLE
SELECT *
FROM provider
WHERE provider_id IN (
    SELECT provider_id FROM claim
    WHERE coverage_type = 100 AND claim_date BETWEEN CAST(until AS DATE) - 30 AND CAST(until AS DATE)
);

-- One row is one patient who had surgery with a provider, given by number.
CREATE OR REPLACE MACRO surgery_patients(with_provider) AS TABLE
SELECT *
FROM patient
WHERE patient_id IN (SELECT patient_id FROM claim WHERE visit_type = 'surgery' AND provider_id = with_provider);

-- One row is the claims of one age, in days from claim_date to a day, that are not billed yet. Claims made after that
-- day are left out; each of the four ages has its row.
CREATE OR REPLACE MACRO billing_backlog(as_of_day) AS TABLE
WITH ages(age, from_days, to_days) AS (
    VALUES ('0-30', 0, 30), ('31-60', 31, 60), ('61-90', 61, 90), ('over 90', 91, NULL)
),
waiting AS (
    SELECT date_diff('day', claim_date, CAST(as_of_day AS DATE)) AS days, total_cost, amount_covered, amount_due
    FROM internal.priced_claim WHERE NOT billed
)
SELECT age, count(days) AS claims, coalesce(sum(total_cost), 0) AS total_cost,
       coalesce(sum(amount_covered), 0) AS amount_covered, coalesce(sum(amount_due), 0) AS amount_due
FROM ages LEFT JOIN waiting ON days >= from_days AND (days <= to_days OR to_days IS NULL)
GROUP BY age, from_days
ORDER BY from_days;
