-- One row is one line of a claim and the days, day to until, on which its decision stood so, with what a remittance says
-- of it.
CREATE OR REPLACE TEMP TABLE said_line AS
WITH stood AS (
    SELECT *, lead(day) OVER (PARTITION BY patient_id, claim_id, line_number ORDER BY day) AS until
    FROM dated_decision
),
part AS (
    SELECT claim_id, line_number, patient_id, day, rule_set, act_id, unnest(list_filter([
        {'rule': rule, 'amount': denied}, {'rule': 'unauthorized_units', 'amount': unauthorized},
        {'rule': 'units_limit', 'amount': over_limit}, {'rule': 'above_fee_schedule', 'amount': above_fee},
        {'rule': 'deductible', 'amount': deductible}, {'rule': 'coinsurance', 'amount': coinsurance},
        {'rule': 'copay', 'amount': copay}, {'rule': 'annual_maximum', 'amount': over_maximum}
    ], lambda part: part.amount > 0), recursive := true)
    FROM stood WHERE decision IS NOT NULL AND decision <> 'pending' AND (until IS NULL OR until > $first_open)
),
adjusted AS (
    SELECT part.claim_id, part.line_number, part.patient_id, part.day, list({
        'group_code': CASE WHEN part.rule = 'reviewed' THEN act.group_code ELSE rule.group_code END,
        'carc': CASE WHEN part.rule = 'reviewed' THEN act.carc ELSE rule.carc END,
        'rarc': CASE WHEN part.rule = 'reviewed' THEN act.rarc ELSE rule.rarc END,
        'amount': part.amount
    } ORDER BY rule.place) AS adjustments
    FROM part
    LEFT JOIN internal.rule AS rule ON rule.rule_set = part.rule_set AND rule.rule = part.rule
    LEFT JOIN internal.claim_act AS act ON act.act_id = part.act_id
    GROUP BY ALL
),
-- When the last coverage ended of a patient who was denied for that (CARC 27), as it was known then.
ended AS (
    SELECT stood.claim_id, stood.line_number, stood.patient_id, stood.day, max(coverage.covered_to) AS coverage_ended
    FROM stood SEMI JOIN (FROM adjusted WHERE len(list_filter(adjustments, lambda one: one.carc = '27')) > 0) AS denied
      USING (claim_id, line_number, patient_id, day)
    JOIN fact_medical_claim AS line ON line.medical_claim_sk = stood.line_sk
    JOIN dim_coverage AS coverage
      ON coverage.patient_id = stood.patient_id AND coverage.covered_to < line.date_of_service_from
     AND coverage.valid_from < stood.decided_on + 1
     AND (coverage.valid_to IS NULL OR coverage.valid_to >= stood.decided_on + 1)
    GROUP BY ALL
)
SELECT stood.claim_id, stood.patient_id, greatest(stood.day, $first_open) AS day, stood.until,
       stood.decision = 'pending' AS is_pending, coalesce(line.billing_npi, line.provider_npi) AS payee,
       line.provider_npi AS rendering_npi, line.place_of_service, line.frequency_code,
       line.received_date AS received_on, ended.coverage_ended,
       {'line_number': stood.line_number, 'procedure_code': line.procedure_code, 'modifiers': line.modifiers,
        'service_from': line.date_of_service_from,
        'service_to': coalesce(line.date_of_service_to, line.date_of_service_from), 'units': coalesce(line.units, 1),
        'charge': stood.charge, 'allowed': stood.allowed, 'paid': stood.paid,
        'adjustments': coalesce(adjusted.adjustments, []),
        'authorization_number': agreement.authorization_number} AS line
FROM stood
LEFT JOIN adjusted USING (claim_id, line_number, patient_id, day)
LEFT JOIN ended USING (claim_id, line_number, patient_id, day)
LEFT JOIN fact_medical_claim AS line ON line.medical_claim_sk = stood.line_sk
LEFT JOIN dim_prior_authorization AS agreement ON agreement.prior_authorization_sk = stood.authorization_sk
WHERE stood.decision IS NOT NULL AND (stood.until IS NULL OR stood.until > $first_open);

-- One row is one open day on which something of a claim changed, and the claim as it stood then: what its payees are to be
-- told, nothing where a line waits.
CREATE OR REPLACE TEMP TABLE claim_state AS
WITH claim_day AS (
    SELECT claim_id, patient_id, greatest(day, $first_open) AS day FROM dated_decision
    UNION SELECT claim_id, patient_id, $first_open FROM remitted
),
standing AS (
    SELECT claim_day.day, said_line.* EXCLUDE (day)
    FROM claim_day JOIN said_line
      ON said_line.claim_id = claim_day.claim_id AND said_line.patient_id = claim_day.patient_id
     AND said_line.day <= claim_day.day AND (said_line.until IS NULL OR said_line.until > claim_day.day)
),
waiting AS (SELECT DISTINCT day, claim_id, patient_id FROM standing WHERE is_pending),
told AS (
    SELECT day, payee, claim_id, patient_id,
           {'rendering_npi': min_by(rendering_npi, line.line_number), 'frequency_code': min(frequency_code),
            'place_of_service': min_by(place_of_service, line.line_number), 'received_on': min(received_on),
            'lines': list(struct_insert(line, rendering_npi := nullif(rendering_npi, first_npi)) ORDER BY line.line_number),
            'coverage_ended': max(coverage_ended)} AS content
    FROM (
        SELECT *, first(rendering_npi) OVER (
            PARTITION BY day, payee, claim_id, patient_id ORDER BY line.line_number
        ) AS first_npi
        FROM standing ANTI JOIN waiting USING (day, claim_id, patient_id)
    )
    GROUP BY ALL
),
payee AS (
    SELECT claim_id, patient_id, payee FROM told
    UNION SELECT claim_id, patient_id, payee FROM remitted
)
SELECT claim_day.day, payee.payee, claim_day.claim_id, claim_day.patient_id, told.content
FROM claim_day JOIN payee USING (claim_id, patient_id)
LEFT JOIN told USING (day, payee, claim_id, patient_id);

-- One row is one claim in the remittance of one payee on one open day: the reversal of what was told before, or what is
-- told now. Nothing is told twice, and what is the same is not told again.
CREATE OR REPLACE TEMP TABLE open_claim AS
WITH followed AS (
    SELECT state.*, lag(state.content, 1, remitted.content) OVER claim AS before,
           coalesce(lag(state.day) OVER claim, remitted.day) AS day_before
    FROM claim_state AS state LEFT JOIN remitted USING (payee, claim_id, patient_id)
    WINDOW claim AS (PARTITION BY payee, claim_id, patient_id ORDER BY state.day)
),
-- The day on which what stands was told: of several days without a change, the first.
changed AS (SELECT * FROM followed WHERE content IS DISTINCT FROM before),
dated AS (
    SELECT *, lag(day, 1, NULL) OVER (PARTITION BY payee, claim_id, patient_id ORDER BY day) AS told_before FROM changed
)
SELECT dated.day, dated.payee, dated.claim_id, dated.patient_id, '22' AS status,
       coalesce(told_before, remitted.day) AS told_on, before AS content
FROM dated LEFT JOIN remitted USING (payee, claim_id, patient_id) WHERE before IS NOT NULL
UNION ALL
SELECT day, payee, claim_id, patient_id,
       CASE WHEN list_sum(list_transform(content.lines, lambda line: line.allowed)) = 0
             AND list_sum(list_transform(content.lines, lambda line: line.charge)) > 0 THEN '4' ELSE '1' END,
       day, content
FROM dated WHERE content IS NOT NULL;
