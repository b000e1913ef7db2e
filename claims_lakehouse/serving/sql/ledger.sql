-- One row is one delivery as it stands; versions and restatements are counted as they are now.
CREATE OR REPLACE VIEW delivery AS
WITH added AS ({versions_by_delivery}),
restated AS ({restated_by_delivery})
SELECT feed, delivery, received_at, fingerprint,
       rows_landed, rows_malformed, rows_quarantined, rows_duplicate, rows_valid,
       CASE WHEN rows_landed IS NOT NULL THEN coalesce(added.n, 0) END AS versions_added,
       CASE WHEN rows_landed IS NOT NULL THEN coalesce(restated.n, 0) END AS rows_restated,
       status, error, run_id, loaded_at
FROM internal.ledger
LEFT JOIN added USING (feed, delivery)
LEFT JOIN restated USING (feed, delivery);

-- One row is the deliveries of all feeds that share a key; each feed's column holds its delivery's status.
CREATE OR REPLACE VIEW iteration AS
SELECT delivery AS iteration, min(received_at) AS received_at, {status_by_feed},
       CAST(sum(rows_landed) AS BIGINT) AS rows_landed, CAST(sum(rows_malformed) AS BIGINT) AS rows_malformed,
       CAST(sum(rows_quarantined) AS BIGINT) AS rows_quarantined, CAST(sum(rows_duplicate) AS BIGINT) AS rows_duplicate,
       CAST(sum(rows_valid) AS BIGINT) AS rows_valid, CAST(sum(versions_added) AS BIGINT) AS versions_added,
       CAST(sum(rows_restated) AS BIGINT) AS rows_restated,
       CASE WHEN bool_or(status = 'failed') THEN 'failed' WHEN bool_or(status = 'held') THEN 'held'
            WHEN bool_and(status = 'purged') THEN 'purged'
            WHEN bool_and(status IN ('retracted', 'purged')) THEN 'retracted' ELSE 'applied' END AS status
FROM delivery GROUP BY delivery;

CREATE OR REPLACE VIEW internal.issue_now AS
SELECT place, issue_id, feed, delivery, row_number, record_key, rule, column_name, value, message, severity,
       CASE WHEN is_waived THEN 'waived' ELSE status END AS status, suggestion, resolved_by,
       CASE WHEN is_waived THEN waived_by END AS waived_by, CASE WHEN is_waived THEN waived_why END AS waived_why,
       CASE WHEN is_waived THEN waived_until END AS waived_until
FROM (
    SELECT finding.*, finding.rowid AS place, waived_by, waived_why, waived_until,
           finding.status = 'open' AND waiver.issue_id IS NOT NULL
               AND coalesce(waived_until >= CAST(make_timestamp(epoch_us(now())) AS DATE), true) AS is_waived
    FROM internal.finding AS finding
    LEFT JOIN internal.waiver AS waiver
        ON waiver.issue_id = finding.issue_id AND waiver.value IS NOT DISTINCT FROM finding.value
);

-- One row is one finding of verification about a row or a file, with its state. A waiver holds to the end of its last
-- day, UTC.
CREATE OR REPLACE VIEW issue AS SELECT * EXCLUDE (place) FROM internal.issue_now;

-- One row is one field of a landed row that a person corrected; the landed file stays as it was.
CREATE OR REPLACE VIEW correction AS
SELECT correction_id, feed, delivery, fingerprint, row_number, column_name, value_before, value, who, why,
       corrected_at, withdrawn_at
FROM internal.correction;

-- One row is one thing that a person did about an issue: waived, reopened, commented, corrected, withdrawn. A field that was
-- corrected is there once for each issue that it is about, and once without where no issue is.
CREATE OR REPLACE VIEW issue_log AS
WITH corrected AS (
    SELECT finding.issue_id, finding.rule, correction.*
    FROM internal.correction AS correction
    LEFT JOIN (SELECT finding.*, fingerprint FROM internal.finding JOIN internal.ledger USING (feed, delivery)) AS finding
        ON finding.feed = correction.feed AND finding.delivery = correction.delivery
        AND finding.fingerprint = correction.fingerprint AND finding.row_number = correction.row_number
        AND (finding.column_name = correction.column_name OR finding.corrected_by = correction.correction_id)
)
SELECT issue_id, feed, delivery, row_number, rule, column_name, happened_at, event, who, why, waived_until,
       before, after, holds
FROM internal.decision
UNION ALL
SELECT issue_id, feed, delivery, row_number, rule, column_name, corrected_at, 'corrected', who, why, NULL,
       value_before, value, withdrawn_at IS NULL
FROM corrected
UNION ALL
SELECT issue_id, feed, delivery, row_number, rule, column_name, withdrawn_at, 'withdrawn', withdrawn_by, withdrawn_why,
       NULL, value, value_before, true
FROM corrected WHERE withdrawn_at IS NOT NULL;
