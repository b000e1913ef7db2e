-- One row is one line that bills what an earlier one billed (exact_duplicate), or nearly so (near_duplicate), among the
-- patients in `compared_patients`; the value names the other line. Lines that bill nothing, and those of claims that
-- were replaced or voided, are left out. Earlier is a place in the one order of deliveries and rows.
INSERT INTO internal.finding BY NAME
WITH current_lines AS (
    SELECT {key}, {key_text} AS named, {patient} AS patient, {provider} AS provider, {day} AS day, {code} AS code,
           list_distinct(string_split({diagnoses}, '|')) AS diagnoses, {amount} AS amount, {claim} AS claim, {replaces} AS replaces,
           ({ignored}) IS TRUE AS is_ignored, ({replacing}) IS TRUE AS is_replacing, md5(concat_ws(chr(31), {act})) AS act,
           valid_from AS sequence, delivery, row_number, delivery_order.place AS place
    FROM {table} AS current_line JOIN delivery_order USING (delivery)
    WHERE is_current AND delivery_order.feed = '{feed}' AND {patient} IN (FROM compared_patients)
),
lines AS (
    SELECT * FROM current_lines
    WHERE NOT is_ignored
      AND (patient, claim) NOT IN (SELECT (patient, replaces) FROM current_lines WHERE is_replacing AND replaces <> claim)
),
exact AS (
    SELECT * EXCLUDE (nth)
    FROM (
        SELECT *, first(named) OVER acts AS other, row_number() OVER acts AS nth
        FROM lines WINDOW acts AS (PARTITION BY act ORDER BY place, delivery, row_number)
    )
    WHERE nth > 1
),
dated AS (SELECT *, date_diff('day', DATE '1900-01-01', day) // 7 AS week, left(code, 4) AS family FROM lines),
-- Of a block only so many lines are compared with: whoever bills thousands in a week for one patient is no rare case
-- where a placeholder stands for the patient.
crowded AS (
    SELECT patient, provider, family, week FROM dated GROUP BY ALL HAVING count(*) > {most_compared}
),
earliest AS (
    SELECT * FROM dated ANTI JOIN crowded USING (patient, provider, family, week)
    UNION ALL
    SELECT * FROM dated SEMI JOIN crowded USING (patient, provider, family, week)
    QUALIFY row_number() OVER (
        PARTITION BY patient, provider, family, week ORDER BY place, delivery, row_number
    ) <= {most_compared}
),
later AS (
    SELECT *, unnest([week - 1, week, week + 1]) AS near_week FROM dated ANTI JOIN exact USING ({key})
),
paired AS (
    SELECT later.*, earlier.named AS other, earlier.place AS other_place, earlier.row_number AS other_row,
           abs(date_diff('day', earlier.day, later.day)) AS days,
           CASE WHEN earlier.code = later.code THEN {same_code} ELSE {like_code} END AS for_code,
           round({for_amount} * greatest(0, 1 - abs(earlier.amount - later.amount)
                / greatest(earlier.amount, later.amount, 0.01) / {amount_within}), 0) AS for_amount,
           round({for_days} * (1 - days / {days}), 0) AS for_days,
           round({for_diagnoses} * len(list_intersect(earlier.diagnoses, later.diagnoses))
                / greatest(len(earlier.diagnoses), len(later.diagnoses)), 0) AS for_diagnoses
    FROM later JOIN earliest AS earlier
      ON earlier.patient = later.patient AND earlier.provider = later.provider
     AND earlier.family = later.family AND earlier.week = later.near_week
    WHERE earlier.claim <> later.claim AND days <= {days}
      AND (earlier.place, earlier.delivery, earlier.row_number) < (later.place, later.delivery, later.row_number)
),
near AS (
    SELECT *, CAST(for_code + for_amount + for_days + for_diagnoses AS INTEGER) AS points FROM paired
    WHERE for_code + for_amount + for_days + for_diagnoses >= {threshold}
    QUALIFY row_number() OVER (
        PARTITION BY {key} ORDER BY for_code + for_amount + for_days + for_diagnoses DESC, other_place, other, other_row
    ) = 1
)
SELECT {exact_issue}, other AS value, sequence, 'open' AS status, NULL AS resolved_by FROM exact
UNION ALL BY NAME
SELECT {near_issue},
       format('{{}}: {{}} of 100 (procedure {{}}, amount {{}}, {{}} apart {{}}, diagnoses {{}})', other, points,
              CAST(for_code AS INTEGER), CAST(for_amount AS INTEGER), days || if(days = 1, ' day', ' days'),
              CAST(for_days AS INTEGER), CAST(for_diagnoses AS INTEGER)) AS value,
       sequence, 'open' AS status, NULL AS resolved_by
FROM near
