-- One row is one payee and payment day: what the claims come to, the balance taken and forwarded, and what is paid. A payee
-- is never paid less than nothing: what is paid in all, to a day, is the most that the claims ever came to until then.
CREATE OR REPLACE TEMP TABLE payee_day AS
WITH net AS (
    SELECT payee, day, sum(paid) AS net, count(*) FILTER (status <> '22') AS claims, count(*) FILTER (status = '22') AS reversals
    FROM internal.remitted_claim GROUP BY ALL
),
running AS (
    SELECT *, sum(net) OVER so_far AS due, sum(net) OVER so_far - net AS due_before
    FROM net WINDOW so_far AS (PARTITION BY payee ORDER BY day ROWS UNBOUNDED PRECEDING)
),
most AS (
    SELECT *, greatest(0, max(due) OVER so_far) AS paid_to_date, greatest(0, coalesce(max(due) OVER until_then, 0)) AS paid_before
    FROM running
    WINDOW so_far AS (PARTITION BY payee ORDER BY day ROWS UNBOUNDED PRECEDING),
           until_then AS (PARTITION BY payee ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT payee, day, claims, reversals, CAST(net AS DECIMAL(18, 2)) AS net,
       CAST(paid_before - due_before AS DECIMAL(18, 2)) AS balance_taken,
       CAST(paid_to_date - due AS DECIMAL(18, 2)) AS balance_forwarded,
       CAST(paid_to_date - paid_before AS DECIMAL(18, 2)) AS paid
FROM most;
