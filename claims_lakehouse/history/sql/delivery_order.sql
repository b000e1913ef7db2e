-- One row is one delivery and its place in the one order of deliveries; equal places are neither earlier nor later.
-- The delivery being applied stands in it as it will stand in the ledger.
CREATE OR REPLACE TEMP TABLE delivery_order AS
SELECT feed, delivery, dense_rank() OVER (ORDER BY received_at, delivery) AS place
FROM (
    SELECT feed, delivery, received_at FROM internal.ledger WHERE feed <> $feed OR delivery <> $delivery
    UNION ALL SELECT $feed, $delivery, $received_at::TIMESTAMP
)
