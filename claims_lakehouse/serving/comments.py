"""What readers are told of tables and columns, in any tool that shows DuckDB's comments.

A source's column is described by its contract, wherever it goes; what the lakehouse adds is described here, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.serving.decision_comments import DECISION_COLUMNS
from claims_lakehouse.warehouse.literals import literal

#: Tables of the warehouse. Views and macros are described where they are made, in SQL.
_TABLES = {
    "{table}": "One row is one version of one {entity}. {meaning}",
    "{restated_table}": "One row is one accepted row that said again what was known of a {entity}; it made no version.",
    "delivery_log": "One row is one thing that happened to a delivery, or that a person decided about it.",
}

#: Columns that the lakehouse adds, under one meaning wherever they occur.
_COLUMNS = {
    "{surrogate_key}": "Surrogate key of the {entity}'s version: the same on every machine and after every rebuild.",
    "valid_from": "Since when the version is valid: its sequence.",
    "valid_to": "Until when the version is valid, excluded; NULL for the current one.",
    "is_current": "Whether the version is the record's last.",
    "version": "Which version of its record it is, counted from 1 in the order of sequences.",
    "sequence": "What orders a record's rows: when the source last changed it, or when the delivery was received.",
    "feed": "The kind of record that the delivery brought.",
    "delivery": "Key of the delivery that the row came with.",
    "row_number": "Which record of the delivery it is, counted from 1; malformed ones count, blank lines do not.",
    "recorded_at": "When the delivery was first applied, UTC.",
    "received_at": "When the delivery was received, UTC: what its key says, or else its file's time.",
    "fingerprint": "SHA-256 of the content.",
    "run_id": "The Dagster run; NULL where there was none.",
    "column_name": "The column concerned.",
    "rows_landed": "Records that were read.",
    "rows_malformed": "Records that could not be split into fields.",
    "rows_quarantined": "Rows with an error: they are issues and nothing else.",
    "rows_duplicate": "Rows that said again what another row of their delivery said.",
    "rows_valid": "Rows that were accepted: landed without malformed, quarantined and duplicate ones.",
    "versions_added": "Accepted rows that make a version, counted as things are now.",
    "rows_restated": "Accepted rows that say again what was known, counted as things are now.",
    "amount_covered": "What the insurance covers of the cost, US dollars; half a cent goes here.",
    "amount_due": "What the patient owes of the cost, US dollars.",
}

#: Columns that mean something of their own in one table or view.
_OF = DECISION_COLUMNS | {
    "delivery": {
        "delivery": "Key of the delivery: its name in the landing folder.",
        "status": "How it stands: applied, held, failed, retracted or purged.",
        "error": "Why what landed last is not what stands; NULL where it is.",
        "run_id": "The Dagster run that last brought the tables up to date with it.",
        "loaded_at": "When the tables were last brought up to date with it, UTC.",
    },
    "iteration": {
        "iteration": "The key that the deliveries share.",
        "received_at": "When the first of them was received, UTC.",
        "{name}": "How the delivery of {name} stands; NULL where there is none.",
        "status": "failed or held where one delivery is, retracted or purged where all are, else applied.",
    },
    "delivery_log": {
        "delivery": "Key of the delivery that it happened to.",
        "entry": "Which of the delivery's events it is, counted from 1.",
        "happened_at": "When it happened, UTC.",
        "event": "What happened: received, landed, replaced, failed, applied, held, released, retracted, reinstated …",
        "fingerprint": "SHA-256 of the content that it is about.",
        "who": "Who decided; NULL where nobody did.",
        "why": "The reason that they gave.",
        "detail": "What went wrong, or a count; never a value of a row.",
        "before": "How the delivery stood when a person decided.",
        "after": "How it stands by that.",
    },
    "issue": {
        "issue_id": "Stable id of the finding.",
        "delivery": "Key of the delivery that it is about.",
        "row_number": "The record of the delivery that it is about, counted from 1; NULL where it is the whole file.",
        "record_key": "Key of the record that the row speaks of, several columns joined with |; NULL if unreadable.",
        "rule": "The rule that is broken.",
        "value": "The field as it was sent. A patient's data: treat it so.",
        "message": "What is wrong, in a sentence.",
        "severity": "error: the row is kept out of the tables; warning: it is let in.",
        "status": "open, resolved, waived or retracted.",
        "suggestion": "What was probably meant, where that can be guessed. May be a patient's data.",
        "resolved_by": "The later delivery, or the correction, that put it right.",
        "waived_by": "Who accepts it as it is; NULL where nobody does.",
        "waived_why": "The reason that they gave. It may name a patient.",
        "waived_until": "The last day of that, UTC; NULL where it has none.",
    },
    "issue_log": {
        "issue_id": "The issue that it was done about; NULL for a corrected field that no issue is about.",
        "delivery": "Key of the delivery that the issue is about.",
        "row_number": "The record of the delivery, counted from 1; NULL where it is the whole file.",
        "rule": "The rule that is broken.",
        "happened_at": "When, UTC.",
        "event": "waived, reopened, commented, corrected or withdrawn.",
        "who": "Who did it.",
        "why": "The reason that they gave, or what they said. It may name a patient.",
        "waived_until": "The last day of a waiver, UTC; NULL where it has none.",
        "before": "The issue's status until then; of a correction, what the field said. May be a patient's data.",
        "after": "The issue's status by that; of a correction, what the field says. May be a patient's data.",
        "holds": "Whether it counts: the row still says what it said then, and a correction was not withdrawn.",
    },
    "correction": {
        "correction_id": "The correction: one act of a person, over one field or several.",
        "delivery": "Key of the delivery whose row it is.",
        "fingerprint": "SHA-256 of the content that the correction binds to.",
        "row_number": "The record of the delivery that it lies over, counted from 1.",
        "column_name": "The field.",
        "value_before": "What the field said until then; NULL for nothing. A patient's data: treat it so.",
        "value": "What the field says instead; NULL for nothing. A patient's data: treat it so.",
        "who": "Who corrected it.",
        "why": "The reason that they gave.",
        "corrected_at": "When, UTC.",
        "withdrawn_at": "When it was taken back, UTC; NULL where it is in effect.",
    },
    "claim_at_service": {
        "patient_version": "Which of the patient's versions was valid.",
        "provider_version": "Which of the provider's versions was valid.",
        "patient_reaches_back": "Whether the service lies before the patient's first version, which is used all the "
        "same; NULL where the patient is unknown.",
        "provider_reaches_back": "Whether the service lies before the provider's first version, which is used all the "
        "same; NULL where the provider is unknown.",
    },
    "monthly_cost": {
        "month": "First day of the month of service.",
        "claims": "How many claims there are.",
        "total_cost": "Cost of their visits, US dollars.",
        "amount_covered": "What the insurance covers of it, US dollars.",
        "amount_due": "What the patients owe of it, US dollars.",
    },
    "medical_claim_diagnosis": {
        "place": "Which of the line's diagnoses it is, counted from 1.",
        "diagnosis_code": "The diagnosis, ICD-10-CM without dots.",
        "is_pointed_to": "Whether the service was for it; NULL where the line points to none.",
    },
    "{entity}_change": {
        "version": "The version that changed it.",
        "changed_on": "Since when it is so: valid_from of that version.",
        "value_before": "The version before said this, as text; NULL for nothing. May be a patient's data.",
        "value_after": "The version says this, as text; NULL for nothing. May be a patient's data.",
        "delivery": "Key of the delivery that brought the version.",
    },
}

#: Views beside a feed's own whose columns are the feed's.
_DETAILED = {
    "claims": ("claim_detail", "claim_at_service", "monthly_cost"),
    "medical_claims": (
        "medical_claim_diagnosis", "decision", "decision_history", "claim_decision", "adjustment", "claim_event",
        "remittance", "payment",
    ),
}  # fmt: skip


class Comment(NamedTuple):
    """A comment on a table, view, macro or column; a column is named `table.column`."""

    on: Literal["TABLE", "VIEW", "MACRO TABLE", "COLUMN"]
    name: str
    text: str

    @property
    def statement(self) -> str:
        """The SQL that sets it."""
        return f"COMMENT ON {self.on} {self.name} IS {literal(self.text)};\n"


def comments(con: duckdb.DuckDBPyConnection, feeds: Sequence[Feed]) -> Iterator[Comment]:
    """A comment for each table, and for each column of the tables and views.

    What is said of a column in one table goes first, then its contract, then what is said of it wherever it occurs.
    """
    said = _said(feeds)
    for (table,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall():
        if table in said.tables:
            yield Comment("TABLE", table, said.tables[table])
    columns = "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal"
    for table, column in con.execute(columns).fetchall():
        text = said.columns.get((table, column)) or said.anywhere.get(column)
        if text:
            yield Comment("COLUMN", f'{table}."{column}"', text)


def comments_text(feeds: Sequence[Feed]) -> str:
    """Everything that is said, to notice when it changes."""
    return repr(_said(feeds))


class _Said(NamedTuple):
    tables: dict[str, str]
    columns: dict[tuple[str, str], str]
    anywhere: dict[str, str]


def _said(feeds: Sequence[Feed]) -> _Said:
    columns: dict[tuple[str, str], str] = {}
    sources: dict[str, str] = {}
    for feed in feeds:
        described = {column.name: column.description for column in feed.columns}
        of_feed = (feed.table, feed.restated_table, feed.entity, f"{feed.entity}_change", *_DETAILED.get(feed.name, ()))
        columns |= {(table, name): text for table in of_feed for name, text in described.items()}
        sources |= described | {f"{feed.entity}_{name}": f"{feed.entity.capitalize()}: {text}"
                                for name, text in described.items()}  # fmt: skip
    for pattern, own in _OF.items():
        for table in _filled({pattern: ""}, feeds):
            columns |= {(table, name): text for name, text in _filled(own, feeds).items()}
    return _Said(_filled(_TABLES, feeds), columns, sources | _filled(_COLUMNS, feeds))


def _filled(declared: Mapping[str, str], feeds: Sequence[Feed]) -> dict[str, str]:
    """A declaration with each name that has a place for a feed's words written out for every feed."""
    filled = {}
    for name, text in declared.items():
        for words in (_words(feed) for feed in feeds) if "{" in name else ({},):
            filled[name.format(**words)] = text.format(**words)
    return filled


def _words(feed: Feed) -> dict[str, str]:
    return {
        "name": feed.name,
        "entity": feed.entity,
        "table": feed.table,
        "restated_table": feed.restated_table,
        "surrogate_key": feed.surrogate_key,
        "meaning": " ".join((feed.contract.__doc__ or "").split()),
    }
