-- One row changed is one error about a row: resolved by the first later delivery with an accepted row of the same
-- record whose sequence is not older (any, where the row's own could not be read), open where there is none.
-- What a correction settled stays settled by it.
UPDATE internal.finding SET status = found.status, resolved_by = found.delivery
FROM (
    WITH unsettled AS (
        SELECT issue_id, record_key, finding.sequence, finding.delivery, place
        FROM internal.finding AS finding JOIN delivery_order USING (feed, delivery)
        WHERE feed = $feed AND severity = 'error' AND NOT live AND corrected_by IS NULL
          AND status IN ('open', 'resolved')
    ),
    errors AS (
        SELECT * FROM unsettled WHERE list_contains($deliveries, delivery)
        UNION ALL
        SELECT * FROM unsettled
        WHERE NOT list_contains($deliveries, delivery) AND record_key IN (SELECT {key_text} FROM touched)
    ),
    later AS (
        SELECT delivery, place FROM delivery_order
        WHERE feed = $feed AND place > (SELECT min(place) FROM errors)
    ),
    answers AS (
        SELECT {key_text} AS record_key, sequence, place, delivery FROM ({accepted}) JOIN later USING (delivery)
    )
    SELECT issue_id, arg_min(answers.delivery, answers.place) AS delivery,
           CASE WHEN count(answers.delivery) = 0 THEN 'open' ELSE 'resolved' END AS status
    FROM errors
    LEFT JOIN answers ON answers.record_key = errors.record_key AND answers.place > errors.place
        AND (errors.sequence IS NULL OR answers.sequence >= errors.sequence)
    GROUP BY issue_id
) AS found
WHERE finding.issue_id = found.issue_id
  AND (finding.status <> found.status OR finding.resolved_by IS DISTINCT FROM found.delivery)
