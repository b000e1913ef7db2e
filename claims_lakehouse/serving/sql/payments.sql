-- One row is one claim in the remittance of one payee on one payment day: processed, denied, or the reversal of what was told
-- before. Amounts of reversals are negative.
CREATE OR REPLACE VIEW remittance AS
SELECT told.day, told.payee, claim_id, patient_id,
       CASE status WHEN '22' THEN 'reversal' WHEN '4' THEN 'denied' ELSE 'processed' END AS status, told_on,
       charge, told.paid, patient_share, len(content.lines) AS lines, trace, told.is_closed AS is_sent
FROM internal.remitted_claim AS told JOIN internal.payee_day USING (day, payee);

-- One row is what one payee is paid on one payment day: what the claims come to, less the balance that earlier reversals left,
-- plus what of it goes forward.
CREATE OR REPLACE VIEW payment AS
SELECT day, payee, trace, claims, reversals, net, balance_taken, balance_forwarded, paid, is_closed AS is_sent
FROM internal.payee_day;
