-- One row is one delivery and its place in the one order of deliveries; equal places are neither earlier nor later.
-- The deliveries being applied stand in it as they will stand in the ledger.
CREATE OR REPLACE TEMP TABLE delivery_order AS
SELECT feed, delivery, dense_rank() OVER (ORDER BY received_at, delivery) AS place
FROM (
    SELECT feed, delivery, received_at FROM internal.ledger
    WHERE feed <> $feed OR NOT list_contains($deliveries, delivery)
    UNION ALL SELECT $feed, unnest($deliveries::VARCHAR[]), unnest($received_at::TIMESTAMP[])
)
