"""The warehouse's tables, derived from the contracts. Views and macros for readers belong to serving/.

`internal` holds what the laws need and readers do not: the ledger's stored part, findings with their state.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import duckdb

from claims_lakehouse.contracts import FEEDS, Column, Feed
from claims_lakehouse.contracts.formats import TEXT

_SHARED = """
CREATE SCHEMA IF NOT EXISTS internal;
CREATE TABLE IF NOT EXISTS internal.ledger (
    feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, received_at TIMESTAMP NOT NULL, fingerprint VARCHAR,
    rows_landed BIGINT, rows_malformed BIGINT, rows_quarantined BIGINT, rows_duplicate BIGINT, rows_valid BIGINT,
    status VARCHAR NOT NULL, error VARCHAR, run_id VARCHAR, loaded_at TIMESTAMP NOT NULL,
    nulls VARCHAR, corrections VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS internal.finding (
    issue_id VARCHAR NOT NULL, feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, row_number BIGINT,
    record_key VARCHAR, rule VARCHAR NOT NULL, column_name VARCHAR, value VARCHAR, message VARCHAR NOT NULL,
    severity VARCHAR NOT NULL, suggestion VARCHAR, sequence TIMESTAMP,
    live BOOLEAN NOT NULL, status VARCHAR NOT NULL, resolved_by VARCHAR,
    corrected_by VARCHAR
);
CREATE TABLE IF NOT EXISTS delivery_log (
    feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, entry INTEGER NOT NULL, happened_at TIMESTAMP NOT NULL,
    event VARCHAR NOT NULL, fingerprint VARCHAR, who VARCHAR, why VARCHAR, detail VARCHAR, run_id VARCHAR,
    before VARCHAR, after VARCHAR
);
CREATE TABLE IF NOT EXISTS internal.correction (
    correction_id VARCHAR NOT NULL, feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL,
    row_number BIGINT NOT NULL, column_name VARCHAR NOT NULL, value_before VARCHAR, value VARCHAR,
    corrected_at TIMESTAMP NOT NULL, who VARCHAR, why VARCHAR, withdrawn_at TIMESTAMP,
    withdrawn_by VARCHAR, withdrawn_why VARCHAR
);
CREATE TABLE IF NOT EXISTS internal.decision (
    issue_id VARCHAR NOT NULL, feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, entry BIGINT NOT NULL,
    row_number BIGINT, rule VARCHAR NOT NULL, column_name VARCHAR, value VARCHAR, happened_at TIMESTAMP NOT NULL,
    event VARCHAR NOT NULL, who VARCHAR NOT NULL, why VARCHAR NOT NULL, waived_until DATE,
    before VARCHAR NOT NULL, after VARCHAR NOT NULL, holds BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS internal.waiver (
    issue_id VARCHAR NOT NULL, feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, value VARCHAR,
    waived_by VARCHAR NOT NULL, waived_why VARCHAR NOT NULL, waived_until DATE
);
CREATE TABLE IF NOT EXISTS internal.decided (
    feed VARCHAR NOT NULL, delivery VARCHAR NOT NULL, size BIGINT NOT NULL, fingerprint VARCHAR, corrections VARCHAR
);
CREATE TABLE IF NOT EXISTS internal.change (warehouse VARCHAR NOT NULL, n BIGINT NOT NULL, views VARCHAR);
INSERT INTO internal.change SELECT CAST(uuid() AS VARCHAR), 0, NULL WHERE NOT EXISTS (FROM internal.change);
"""

#: What adjudication keeps: which patients' claims are due, what was decided of each line and when it changed, by which
#: rules, and what people said to it.
_DECISIONS = """
CREATE TABLE IF NOT EXISTS internal.touched (
    feed VARCHAR NOT NULL, patient_id VARCHAR, plan_id VARCHAR, procedure_code VARCHAR, since DATE NOT NULL
);
CREATE TABLE IF NOT EXISTS internal.due (patient_id VARCHAR NOT NULL, day DATE NOT NULL);
CREATE TABLE IF NOT EXISTS internal.line_decision (
    patient_id VARCHAR NOT NULL, claim_id VARCHAR NOT NULL, line_number INTEGER NOT NULL, day DATE NOT NULL,
    is_current BOOLEAN NOT NULL, claim_version INTEGER, decision VARCHAR, taken_back_by VARCHAR,
    charge DECIMAL(12, 2), allowed DECIMAL(12, 2), paid DECIMAL(12, 2), patient_share DECIMAL(12, 2),
    rule VARCHAR, evidence VARCHAR, pending_for VARCHAR[], causes VARCHAR[], act_id VARCHAR,
    denied DECIMAL(12, 2), pending DECIMAL(12, 2), unauthorized DECIMAL(12, 2), over_limit DECIMAL(12, 2),
    above_fee DECIMAL(12, 2), deductible DECIMAL(12, 2), coinsurance DECIMAL(12, 2), copay DECIMAL(12, 2),
    over_maximum DECIMAL(12, 2),
    decision_before VARCHAR, paid_before DECIMAL(12, 2), patient_share_before DECIMAL(12, 2), because VARCHAR NOT NULL,
    rule_set VARCHAR, line_sk BIGINT, line_delivery VARCHAR, coverage_sk BIGINT, plan_sk BIGINT, year_plan_sk BIGINT,
    fee_sk BIGINT, authorization_sk BIGINT, exclusion_sk BIGINT, decided_at TIMESTAMP NOT NULL, run_id VARCHAR
);
CREATE TABLE IF NOT EXISTS internal.rule_set (
    rule_set VARCHAR NOT NULL, name VARCHAR NOT NULL, version VARCHAR NOT NULL, effective_from DATE NOT NULL,
    who VARCHAR, why VARCHAR, adopted_at TIMESTAMP
);
CREATE TABLE IF NOT EXISTS internal.rule (
    rule_set VARCHAR NOT NULL, place INTEGER NOT NULL, rule VARCHAR NOT NULL, outcome VARCHAR NOT NULL,
    reads VARCHAR[] NOT NULL, condition VARCHAR, evidence VARCHAR, group_code VARCHAR, carc VARCHAR, rarc VARCHAR,
    reason VARCHAR NOT NULL, appeal VARCHAR
);
CREATE TABLE IF NOT EXISTS internal.claim_act (
    act_id VARCHAR NOT NULL, happened_at TIMESTAMP NOT NULL, day DATE NOT NULL, act VARCHAR NOT NULL,
    who VARCHAR NOT NULL, why VARCHAR NOT NULL, claim_id VARCHAR NOT NULL, line_number INTEGER NOT NULL,
    delivery VARCHAR NOT NULL, bound_to VARCHAR NOT NULL, settles VARCHAR[] NOT NULL, allowed DECIMAL(12, 2),
    group_code VARCHAR, carc VARCHAR, rarc VARCHAR
);
CREATE TABLE IF NOT EXISTS internal.adjudicated (acts VARCHAR NOT NULL, rule_sets VARCHAR NOT NULL);
"""

#: What payments keep: each claim in each remittance, and what each payee is paid on each payment day.
_PAYMENTS = """
CREATE TABLE IF NOT EXISTS internal.remitted_claim (
    day DATE NOT NULL, payee VARCHAR NOT NULL, claim_id VARCHAR NOT NULL, patient_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL, told_on DATE NOT NULL, charge DECIMAL(18, 2), paid DECIMAL(18, 2),
    patient_share DECIMAL(18, 2),
    content STRUCT(
        rendering_npi VARCHAR, frequency_code VARCHAR, place_of_service VARCHAR, received_on DATE,
        lines STRUCT(
            line_number INTEGER, procedure_code VARCHAR, modifiers VARCHAR, service_from DATE, service_to DATE,
            units DECIMAL(9, 3), charge DECIMAL(12, 2), allowed DECIMAL(12, 2), paid DECIMAL(12, 2),
            adjustments STRUCT(group_code VARCHAR, carc VARCHAR, rarc VARCHAR, amount DECIMAL(12, 2))[],
            authorization_number VARCHAR, rendering_npi VARCHAR
        )[],
        coverage_ended DATE
    ),
    is_closed BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS internal.payee_day (
    day DATE NOT NULL, payee VARCHAR NOT NULL, claims BIGINT NOT NULL, reversals BIGINT NOT NULL,
    net DECIMAL(18, 2) NOT NULL, balance_taken DECIMAL(18, 2) NOT NULL, balance_forwarded DECIMAL(18, 2) NOT NULL,
    paid DECIMAL(18, 2) NOT NULL, trace VARCHAR NOT NULL, is_closed BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS internal.closed_day (day DATE NOT NULL, digest VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS internal.remitted (look VARCHAR NOT NULL);
"""


def columns_ddl(feed: Feed) -> str:
    """The source's columns with their SQL types."""
    return ", ".join(f"{column.name} {column.form.sql_type}{_compression(feed, column)}" for column in feed.columns)


def _compression(feed: Feed, column: Column) -> str:
    """How a column is stored, where DuckDB's own choice costs more than it saves (docs/benchmarks.md).

    Every delivery looks its records up among all keys, which is fastest in plain text. Streets hardly recur: ZSTD makes
    them as small as a dictionary does, in half the time.
    """
    if column.form != TEXT:
        return ""
    if column.name in feed.key:
        return " USING COMPRESSION uncompressed"
    return " USING COMPRESSION zstd" if column.identifies == "street" else ""


def feed_ddl(feed: Feed) -> str:
    """The two tables that together hold every accepted row of a feed, each in exactly one of them."""
    # No compression makes hashes smaller: not to look for one saves a tenth of the writing.
    surrogate = f"{feed.surrogate_key} BIGINT USING COMPRESSION uncompressed"
    origin = f"delivery VARCHAR, row_number BIGINT, recorded_at TIMESTAMP, {surrogate}"
    return f"""
    CREATE TABLE IF NOT EXISTS {feed.table} (
        {columns_ddl(feed)}, valid_from {feed.sequence_type}, valid_to {feed.sequence_type},
        is_current BOOLEAN, version INTEGER, {origin}
    );
    CREATE TABLE IF NOT EXISTS {feed.restated_table} (
        {columns_ddl(feed)}, sequence {feed.sequence_type}, {origin}
    );
    """


def create_schema(con: duckdb.DuckDBPyConnection) -> None:
    """Make every table, and say last by which declaration they were made."""
    con.execute(_SHARED + _DECISIONS + _PAYMENTS + "".join(feed_ddl(feed) for feed in FEEDS))
    con.execute(
        "CREATE TABLE IF NOT EXISTS internal.schema AS SELECT $version AS version", {"version": schema_version()}
    )


@cache
def schema_version() -> str:
    """A hash of every table's declaration."""
    return sha256((_SHARED + _DECISIONS + _PAYMENTS + "".join(feed_ddl(feed) for feed in FEEDS)).encode()).hexdigest()[
        :12
    ]


def is_empty(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a database has no table yet."""
    return not con.execute("SELECT count(*) FROM duckdb_tables()").fetchall()[0][0]


def is_of_this_schema(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether all tables are there as the contracts declare them: which ones they are is written down last."""
    try:  # asking for that table is quick; asking for all that there are takes longer than the rest of connecting
        found = con.execute("SELECT version = $v FROM internal.schema", {"v": schema_version()}).fetchall()
    except duckdb.CatalogException:
        return False
    return bool(found[0][0])
