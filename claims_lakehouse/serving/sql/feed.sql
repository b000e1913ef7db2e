-- patient, provider, claim: one row is one record as it is now, under the source's names.
CREATE OR REPLACE VIEW {entity} AS
SELECT {columns} FROM {table} WHERE is_current;

-- *_as_of(t): one row is one record as it was valid at t, a date or a timestamp (valid time).
CREATE OR REPLACE MACRO {entity}_as_of(t) AS TABLE
SELECT * FROM {table}
WHERE valid_from <= CAST(t AS TIMESTAMP) AND (valid_to IS NULL OR valid_to > CAST(t AS TIMESTAMP));

-- *_as_known(d): one row is one record as held after all that had been received up to d; a bare date means all
-- of that day. Records of which nothing came later are as they are now; the others are computed from the rows,
-- versions and restatements, that were there.
CREATE OR REPLACE MACRO {entity}_as_known(d) AS TABLE
WITH known AS (
    SELECT delivery, received_at, received_at <= CASE
        WHEN length(CAST(d AS VARCHAR)) <= 10 THEN CAST(d AS TIMESTAMP) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND
        ELSE CAST(d AS TIMESTAMP) END AS by_then
    FROM internal.ledger WHERE feed = '{feed}'
),
accepted AS (
    SELECT {columns}, valid_from, delivery, row_number, recorded_at, {surrogate_key} FROM {table}
    UNION ALL SELECT {columns}, sequence, delivery, row_number, recorded_at, {surrogate_key} FROM {restated_table}
),
spoken_of_later AS (
    SELECT DISTINCT {key} FROM accepted WHERE delivery IN (SELECT delivery FROM known WHERE NOT by_then)
),
placed AS (
    SELECT accepted.*, row_number() OVER {window} AS place, {previous}
    FROM accepted JOIN known USING (delivery) WHERE by_then AND ({key}) IN (SELECT {key} FROM spoken_of_later)
),
latest AS (
    SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY place DESC) AS recency
    FROM placed WHERE place = 1 OR {differs}
)
SELECT {columns}, valid_from, delivery, row_number, recorded_at, {surrogate_key} FROM {table}
WHERE is_current AND ({key}) NOT IN (SELECT {key} FROM spoken_of_later)
UNION ALL
SELECT {columns}, valid_from, delivery, row_number, recorded_at, {surrogate_key} FROM latest WHERE recency = 1;
