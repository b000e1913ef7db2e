-- One row is what an act would change: numbers of accepted rows, versions, restatements and records, and some records.
WITH incoming AS ({incoming}),
touched AS (
    SELECT {key} FROM incoming
    UNION SELECT {key} FROM {table} WHERE delivery = {delivery}
    UNION SELECT {key} FROM {restated_table} WHERE delivery = {delivery}
),
standing AS (
    SELECT {said}, valid_from AS sequence, delivery, row_number, 'version' AS kind, version, valid_to
    FROM {table} SEMI JOIN touched USING ({key})
    UNION ALL
    SELECT {said}, sequence, delivery, row_number, 'restatement', NULL, NULL
    FROM {restated_table} SEMI JOIN touched USING ({key})
),
accepted_rows AS (
    SELECT {said}, sequence, delivery, row_number, received_at
    FROM standing JOIN (SELECT delivery, received_at FROM internal.ledger WHERE feed = {feed}) USING (delivery)
    WHERE delivery <> {delivery}
    UNION ALL
    SELECT {said}, sequence, delivery, row_number, received_at FROM incoming
),
recomputed AS (
{intervals}
),
compared AS (
    SELECT {key}, coalesce(was.kind, 'nothing') AS was,
           CASE WHEN now.said_again IS NULL THEN 'nothing' WHEN now.said_again THEN 'restatement' ELSE 'version' END
               AS is_to_be,
           {differs} AS says_otherwise,
           was.version IS DISTINCT FROM now.version OR was.valid_to IS DISTINCT FROM now.valid_to AS moves
    FROM standing AS was FULL JOIN recomputed AS now USING ({key}, delivery, row_number)
),
records AS (
    SELECT CAST({key_text} AS VARCHAR) AS record_key,
           count(*) FILTER (was = 'version') AS versions_before,
           count(*) FILTER (is_to_be = 'version') AS versions_after
    FROM compared GROUP BY {key}
    HAVING bool_or(was <> is_to_be OR says_otherwise OR (is_to_be = 'version' AND moves))
),
examples AS (
    SELECT *, row_number() OVER (ORDER BY versions_before = 0 OR versions_after = 0, record_key) AS place
    FROM records QUALIFY place <= {examples}
)
SELECT count(*) FILTER (was = 'nothing') AS rows_added,
       count(*) FILTER (is_to_be = 'nothing') AS rows_removed,
       count(*) FILTER (was <> 'nothing' AND is_to_be <> 'nothing' AND says_otherwise) AS rows_changed,
       count(*) FILTER (is_to_be = 'version' AND was <> 'version') AS versions_added,
       count(*) FILTER (was = 'version' AND is_to_be <> 'version') AS versions_removed,
       count(*) FILTER (was = 'version' AND is_to_be = 'version' AND (moves OR says_otherwise)) AS versions_changed,
       count(*) FILTER (is_to_be = 'restatement' AND was <> 'restatement') AS restatements_added,
       count(*) FILTER (was = 'restatement' AND is_to_be <> 'restatement') AS restatements_removed,
       (SELECT count(*) FROM records WHERE versions_before > 0 AND versions_after > 0) AS records_changed,
       (SELECT count(*) FROM records WHERE versions_before = 0) AS records_new,
       (SELECT count(*) FROM records WHERE versions_after = 0) AS records_gone,
       (SELECT list(row(record_key, versions_before, versions_after) ORDER BY place) FROM examples) AS examples
FROM compared
