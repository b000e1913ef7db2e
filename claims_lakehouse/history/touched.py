"""Note what an application touches that claims are decided by: adjudication takes it up, in a turn of its own.

It is written in the transaction of the application and removed in that of the decisions, so that a kill between the
two leaves no claim undecided. Nothing is noted where no line of a claim is there: claims that come later are due by
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.history.application import Application
from claims_lakehouse.warehouse.literals import literal

#: The columns of `internal.touched`, by what they name.
_NAMED = {"patient": "patient_id", "plan": "plan_id", "procedure": "procedure_code"}


def note_touched(con: duckdb.DuckDBPyConnection, applications: Sequence[Application]) -> None:
    """Note whom the rows in the temporary tables `standing` and `incoming` name, and from which received day on."""
    feed = applications[0].feed
    if not feed.decides:
        return
    if feed != MEDICAL_CLAIMS and not con.execute(f"SELECT 1 FROM {MEDICAL_CLAIMS.table} LIMIT 1").fetchall():
        return
    named = [feed.decides.get(what) for what in _NAMED]  # type: ignore[call-overload]
    columns = ", ".join(f"{column or 'NULL'} AS {name}" for column, name in zip(named, _NAMED.values(), strict=True))
    only = ""
    if feed.name != MEDICAL_CLAIMS.name and tuple(feed.decides) == ("patient",):
        only = f"SEMI JOIN {MEDICAL_CLAIMS.table} USING (patient_id)"
    since = min(one.received_at for one in applications).date()
    con.execute(
        f"""
        INSERT INTO internal.touched BY NAME
        SELECT DISTINCT {literal(feed.name)} AS feed, *, DATE {literal(since.isoformat())} AS since
        FROM (SELECT {columns} FROM standing UNION SELECT {columns} FROM incoming) {only}
        """
    )
