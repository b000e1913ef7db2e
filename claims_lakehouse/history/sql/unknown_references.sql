-- One row is one accepted row whose parent no delivery up to its own has brought: open, or resolved by the first
-- delivery that brought it.
INSERT INTO internal.finding BY NAME
WITH child AS NOT MATERIALIZED ({children}),
parent AS (
    SELECT id, min(place) AS place
    FROM ({parents}) JOIN delivery_order USING (delivery)
    WHERE delivery_order.feed = '{parent_feed}' GROUP BY id
)
SELECT {issue}, child.{column} AS value, child.sequence,
       CASE WHEN parent.id IS NULL THEN 'open' ELSE 'resolved' END AS status,
       (SELECT min(delivery) FROM delivery_order WHERE feed = '{parent_feed}' AND place = parent.place) AS resolved_by
FROM child
JOIN delivery_order AS own ON own.feed = '{feed}' AND own.delivery = child.delivery
LEFT JOIN parent ON parent.id = child.{column}
WHERE parent.id IS NULL OR parent.place > own.place
