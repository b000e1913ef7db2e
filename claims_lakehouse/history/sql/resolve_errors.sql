-- One row changed is one error about a row: resolved by the first later delivery with an accepted row of the same
-- record whose sequence is not older (any, where the row's own could not be read), open where there is none.
-- What a correction settled stays settled by it.
UPDATE internal.finding SET
    status = CASE WHEN found.delivery IS NULL THEN 'open' ELSE 'resolved' END,
    resolved_by = found.delivery
FROM (
    WITH errors AS (
        SELECT issue_id, record_key, finding.sequence, place
        FROM internal.finding AS finding JOIN delivery_order USING (feed, delivery)
        WHERE feed = $feed AND severity = 'error' AND NOT live AND corrected_by IS NULL
          AND status IN ('open', 'resolved')
          AND (finding.delivery = $delivery OR record_key IN (SELECT {key_text} FROM touched))
    ),
    answers AS (
        SELECT {key_text} AS record_key, sequence, place, delivery
        FROM ({accepted}) JOIN delivery_order USING (delivery) WHERE delivery_order.feed = $feed
    )
    SELECT issue_id, arg_min(answers.delivery, answers.place) AS delivery
    FROM errors
    LEFT JOIN answers ON answers.record_key = errors.record_key AND answers.place > errors.place
        AND (errors.sequence IS NULL OR answers.sequence >= errors.sequence)
    GROUP BY issue_id
) AS found
WHERE finding.issue_id = found.issue_id
