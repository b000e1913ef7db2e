-- One row is one accepted row whose code no landed code set of its system has in force on its day: open, or resolved
-- by the first delivery that brought it. Nothing is said of a system of which no code set had landed by then.
INSERT INTO internal.finding BY NAME
WITH line AS (
    SELECT {key}, {code} AS code, {day} AS day, {system} AS system, sequence, delivery, row_number FROM {rows}
    WHERE {code} IS NOT NULL AND {day} IS NOT NULL
),
known AS (
    SELECT held.*, place
    FROM (SELECT system, code, effective_from, effective_to FROM {sets} WHERE is_current) AS held
    JOIN (
        SELECT system, code, effective_from, min(place) AS place
        FROM ({accepted_sets}) JOIN delivery_order USING (delivery)
        WHERE delivery_order.feed = '{sets_feed}'
        GROUP BY ALL
    ) AS brought USING (system, code, effective_from)
),
begun AS (SELECT system, min(place) AS place FROM known GROUP BY system),
in_force AS (
    SELECT asked.system, asked.code, asked.day, min(known.place) AS place
    FROM (SELECT DISTINCT system, code, day FROM line) AS asked
    JOIN known ON known.system = asked.system AND known.code = asked.code AND asked.day >= known.effective_from
        AND (asked.day <= known.effective_to OR known.effective_to IS NULL)
    GROUP BY ALL
)
SELECT {issue}, line.code AS value, line.sequence,
       CASE WHEN in_force.place IS NULL THEN 'open' ELSE 'resolved' END AS status,
       (SELECT min(delivery) FROM delivery_order WHERE feed = '{sets_feed}' AND place = in_force.place) AS resolved_by
FROM line
JOIN begun USING (system)
JOIN delivery_order AS own ON own.feed = '{feed}' AND own.delivery = line.delivery
LEFT JOIN in_force ON in_force.system = line.system AND in_force.code = line.code AND in_force.day = line.day
WHERE in_force.place IS NULL OR (in_force.place > own.place AND begun.place < own.place)
