-- One row is one accepted row of a touched record: whether it says the previous one again, and if not, which
-- version it makes and until when it is valid. Only what DuckDB and Spark share: run on either, word for word.
SELECT {columns},
       said_again,
       row_number() OVER (PARTITION BY {key}, said_again ORDER BY sequence, received_at, delivery, row_number) AS version,
       lead(sequence) OVER (PARTITION BY {key}, said_again ORDER BY sequence, received_at, delivery, row_number) AS valid_to
FROM (
    SELECT *, place > 1 AND NOT ({differs}) AS said_again
    FROM (
        SELECT *,
               row_number() OVER (PARTITION BY {key} ORDER BY sequence, received_at, delivery, row_number) AS place,
               lag(sequence) OVER (PARTITION BY {key} ORDER BY sequence, received_at, delivery, row_number) AS previous_sequence,
               {previous}
        FROM accepted_rows
    ) AS placed
) AS compared
