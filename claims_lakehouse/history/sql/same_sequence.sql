-- One row is one accepted row of a record that an earlier delivery says otherwise of at the same sequence.
INSERT INTO internal.finding BY NAME
SELECT {issue}, CAST(sequence AS VARCHAR) AS value, sequence, 'open' AS status, NULL AS resolved_by
FROM (
    SELECT *, count(*) FILTER (place > 1 AND NOT said_again)
                  OVER (PARTITION BY {key}, sequence ORDER BY place) AS changes
    FROM (
        SELECT *, row_number() OVER (PARTITION BY {key}, sequence ORDER BY received_at, delivery, row_number) AS place
        FROM recomputed
    )
)
WHERE changes > 0
