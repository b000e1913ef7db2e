"""What a materialization tells: counts, schema, fingerprints; never a value of a row."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from claims_lakehouse.contracts import Feed
from claims_lakehouse.validation.findings import ISSUE_SCHEMA
from claims_lakehouse.validation.verification import Verification


def raw_schema(feed: Feed) -> dg.TableSchema:
    """The columns of a raw file."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn("row_number", "BIGINT", "Place of the record in the delivery, from 1."),
            *(dg.TableColumn(c.name, "VARCHAR", c.description) for c in feed.columns),
            dg.TableColumn("malformed", "VARCHAR", "The record's text, where it could not be split."),
            dg.TableColumn("malformed_reason", "VARCHAR", "Why it could not be split."),
        ]
    )


def validated_schema(feed: Feed) -> dg.TableSchema:
    """The columns of a validated file."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn("row_number", "BIGINT", "Place of the record in the delivery, from 1."),
            *_columns(feed),
        ]
    )


def issues_schema() -> dg.TableSchema:
    """The columns of an issues file."""
    return dg.TableSchema(columns=[dg.TableColumn(name, str(dtype)) for name, dtype in ISSUE_SCHEMA.items()])


def history_schema(feed: Feed) -> dg.TableSchema:
    """The columns of a table of versions."""
    return dg.TableSchema(
        columns=[
            *_columns(feed),
            dg.TableColumn("valid_from", feed.sequence_type, "Since when the version is valid."),
            dg.TableColumn("valid_to", feed.sequence_type, "Until when (exclusive); NULL for the last."),
            dg.TableColumn("is_current", "BOOLEAN", "Whether it is the record's last version."),
            dg.TableColumn("version", "INTEGER", "Its place among the record's versions, from 1."),
            dg.TableColumn("delivery", "VARCHAR", "The delivery that said it."),
            dg.TableColumn("row_number", "BIGINT", "The row of the delivery that said it."),
            dg.TableColumn("recorded_at", "TIMESTAMP", "When that delivery was first applied (UTC)."),
            dg.TableColumn(feed.surrogate_key, "BIGINT", "Stable key of the version."),
        ]
    )


def _columns(feed: Feed) -> list[dg.TableColumn]:
    return [
        dg.TableColumn(
            column.name,
            column.form.sql_type,
            column.description,
            constraints=dg.TableColumnConstraints(nullable=not column.required),
        )
        for column in feed.columns
    ]


def counts_table(counts: Mapping[str, int], name: str, what: str = "rows") -> dg.MarkdownMetadataValue:
    """Counts as a Markdown table."""
    lines = [
        f"| {name} | {what} |",
        "|---|---:|",
        *(f"| {key} | {value:,} |" for key, value in counts.items()),
    ]
    return dg.MetadataValue.md("\n".join(lines) if counts else "nothing")


def verification_metadata(done: Verification) -> dict[str, dg.MetadataValue]:
    """What became of a delivery's rows."""
    return {
        "rows_landed": dg.MetadataValue.int(done.landed),
        "rows_malformed": dg.MetadataValue.int(done.malformed),
        "rows_quarantined": dg.MetadataValue.int(done.quarantined),
        "rows_duplicate": dg.MetadataValue.int(done.duplicate),
        "rows_valid": dg.MetadataValue.int(done.valid),
        "contract_version": dg.MetadataValue.text(done.contract_version),
    }
