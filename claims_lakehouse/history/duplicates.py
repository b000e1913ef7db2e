"""Lines that bill the same act twice, or nearly: live findings, since another delivery can bring the other line.

Every line is compared with the earlier ones of its patient; who is touched by an application is compared anew, and
nobody else. Blocks are small: one provider, the first four characters of the procedure, and three weeks.
"""

from __future__ import annotations

import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.feed import Duplicates
from claims_lakehouse.history.finding_sql import issue, key_text, statement

#: What two lines have in common is worth so many points: together 100.
SAME_CODE, LIKE_CODE = 35, 20
FOR_AMOUNT, FOR_DAYS, FOR_DIAGNOSES = 25, 20, 20
#: Amounts that differ by this share of the larger are worth nothing; in between the points fall evenly.
AMOUNT_WITHIN = 0.10
#: From so many points on, one is a near duplicate of the other.
THRESHOLD = 85
#: How many lines of a block of one week others are compared with: its first ones.
MOST_COMPARED = 20


def refresh_duplicates(con: duckdb.DuckDBPyConnection, feed: Feed, duplicates: Duplicates, touched: str) -> None:
    """Make the findings of the patients anew whom the temporary tables `standing` and `incoming` speak of.

    `touched` is SQL for the keys of the touched records, as issues name them.
    """
    patient, rules = duplicates.patient, f"'{duplicates.exact.name}', '{duplicates.near.name}'"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE compared_patients AS"
        f" SELECT {patient} FROM standing UNION SELECT {patient} FROM incoming"
    )
    con.execute(
        f"""
        DELETE FROM internal.finding
        WHERE live AND feed = $feed AND rule IN ({rules}) AND record_key IN (
            SELECT {key_text(feed)} FROM {feed.table} WHERE {patient} IN (FROM compared_patients)
            UNION ALL {touched}
        )
        """,
        {"feed": feed.name},
    )
    act = (patient, duplicates.day, duplicates.provider, *duplicates.act)
    con.execute(
        statement("duplicates").format(
            feed=feed.name,
            table=feed.table,
            key=", ".join(feed.key),
            key_text=key_text(feed),
            patient=patient,
            provider=duplicates.provider,
            day=duplicates.day,
            code=duplicates.act[0],
            diagnoses=duplicates.diagnoses,
            amount=duplicates.amount,
            claim=duplicates.claim,
            replaces=duplicates.replaces,
            ignored=duplicates.ignored,
            replacing=duplicates.replacing,
            act=", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in act),
            exact_issue=issue(feed, duplicates.exact, None, "exact"),
            near_issue=issue(feed, duplicates.near, None, "near"),
            same_code=SAME_CODE,
            like_code=LIKE_CODE,
            for_amount=FOR_AMOUNT,
            for_days=FOR_DAYS,
            for_diagnoses=FOR_DIAGNOSES,
            amount_within=AMOUNT_WITHIN,
            threshold=THRESHOLD,
            most_compared=MOST_COMPARED,
            days=duplicates.days,
        )
    )
