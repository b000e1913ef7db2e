-- One row is one {entity} as it is now, under the source's names.
CREATE OR REPLACE VIEW {entity} AS
SELECT {columns} FROM {table} WHERE is_current;

-- One row is one {entity} as it was valid at t, a date (its first instant) or a timestamp.
CREATE OR REPLACE MACRO {entity}_as_of(t) AS TABLE
SELECT * FROM {table}
WHERE valid_from <= CAST(t AS TIMESTAMP) AND (valid_to IS NULL OR valid_to > CAST(t AS TIMESTAMP));

-- One row is one version of one {entity} as {table} held it after all that had been received up to d, a timestamp
-- or a date (all of that day). A record of which nothing came later is as it is now; the others are computed, as
-- history computes them, from the rows that were there: versions and restatements.
CREATE OR REPLACE MACRO {table}_as_known(d) AS TABLE
WITH known AS (
    SELECT delivery, received_at, received_at <= CASE
        WHEN length(CAST(d AS VARCHAR)) <= 10 THEN CAST(d AS TIMESTAMP) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND
        ELSE CAST(d AS TIMESTAMP) END AS by_then
    FROM internal.ledger WHERE feed = '{feed}'
),
accepted AS (
    SELECT {columns}, valid_from AS sequence, {origin} FROM {table}
    UNION ALL SELECT {columns}, sequence, {origin} FROM {restated_table}
),
spoken_of_later AS (
    SELECT DISTINCT {key} FROM accepted WHERE delivery IN (SELECT delivery FROM known WHERE NOT by_then)
),
accepted_rows AS (
    SELECT accepted.*, received_at
    FROM accepted JOIN known USING (delivery) WHERE by_then AND ({key}) IN (SELECT {key} FROM spoken_of_later)
),
recomputed AS (
{intervals}
)
SELECT {columns}, valid_from, valid_to, is_current, version, {origin} FROM {table}
WHERE ({key}) NOT IN (SELECT {key} FROM spoken_of_later)
UNION ALL
SELECT {columns}, sequence, valid_to, valid_to IS NULL, CAST(version AS INTEGER), {origin}
FROM recomputed WHERE NOT said_again;

-- One row is one {entity} as we held it after all that had been received up to d, a timestamp or a date (all of
-- that day).
CREATE OR REPLACE MACRO {entity}_as_known(d) AS TABLE
SELECT {columns}, valid_from, {origin} FROM {table}_as_known(d) WHERE is_current;

-- One row is one {entity} as we believed on day d that it was valid at t: both axes, each as in *_as_known(d) and
-- *_as_of(t).
CREATE OR REPLACE MACRO {entity}_as_known_as_of(d, t) AS TABLE
SELECT * FROM {table}_as_known(d)
WHERE valid_from <= CAST(t AS TIMESTAMP) AND (valid_to IS NULL OR valid_to > CAST(t AS TIMESTAMP));

-- One row is one column of one {entity} that a version changed, with its values before and after as text. First
-- versions change nothing.
CREATE OR REPLACE VIEW {entity}_change AS
SELECT {key}, version, changed_on, change.column_name, change.value_before, change.value_after, delivery, row_number
FROM (
    SELECT {key}, later.version, later.valid_from AS changed_on, later.delivery, later.row_number,
           unnest(CAST([{changes}]
                       AS STRUCT(column_name VARCHAR, value_before VARCHAR, value_after VARCHAR)[])) AS change
    FROM {table} AS later JOIN {table} AS earlier USING ({key})
    WHERE later.version > 1 AND earlier.version = later.version - 1
)
WHERE change.value_before IS DISTINCT FROM change.value_after;

-- One row is one version of one {entity} that was valid for some time (not for none, overtaken at its own sequence);
-- is_first says that nothing is known of the time before it, so that it has to do for that too.
CREATE OR REPLACE VIEW internal.{entity}_span AS
SELECT *, valid_from = min(valid_from) OVER (PARTITION BY {key}) AS is_first
FROM main.{table} WHERE valid_to IS NULL OR valid_to > valid_from;
