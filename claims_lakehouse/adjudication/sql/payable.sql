-- One row is what is decided of one line, to the cent: charge = paid + every adjustment; no decision where the line was taken
-- back, or only takes another back. Accumulators run over the lines
-- that are payable, in the order of day of service, received date, claim and line.
CREATE OR REPLACE TEMP TABLE payable AS
SELECT line_id, known_before, patient_id, claim_id, line_number, plan_id, service_day, received_date, place_of_service,
       year(service_day) AS year, charge, coalesce(units, 1) AS units, fee, act_allowed, coalesce(year_deductible, 0) AS year_deductible,
       coalesce(coinsurance, 0) AS coinsurance, plan_sk,
       CASE WHEN NOT {annual_maximum_is_settled} THEN annual_maximum END AS annual_maximum,
       overridden, authorization_sk,
       CASE WHEN NOT {authorized_units_are_settled} THEN authorized_units END AS units_authorized,
       CASE WHEN units_authorized IS NULL THEN coalesce(units, 1) ELSE CAST(
           least(sum(coalesce(units, 1)) OVER agreement, units_authorized)
           - least(sum(coalesce(units, 1)) OVER agreement - coalesce(units, 1), units_authorized) AS DECIMAL(9, 3))
       END AS units_agreed
FROM every_fact JOIN verdict USING (line_id)
WHERE denied_by IS NULL AND pending_for IS NULL
WINDOW agreement AS (
    PARTITION BY known_before, patient_id, authorization_sk
    ORDER BY service_day, received_date, claim_id, line_number ROWS UNBOUNDED PRECEDING
);
