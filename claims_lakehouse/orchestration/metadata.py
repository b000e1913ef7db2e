"""What a materialization tells: counts, schema, lineage, fingerprints; never a value of a row."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from claims_lakehouse.contracts import Feed
from claims_lakehouse.validation.findings import ISSUE_SCHEMA
from claims_lakehouse.validation.verification import Verification

_ROW_NUMBER = dg.TableColumn("row_number", "BIGINT", "Place of the record in the delivery, from 1.")


def raw_schema(feed: Feed) -> dg.TableSchema:
    """The columns of a raw file."""
    return dg.TableSchema(
        columns=[
            _ROW_NUMBER,
            *(dg.TableColumn(c.name, "VARCHAR", c.description) for c in feed.columns),
            dg.TableColumn("malformed", "VARCHAR", "The record's text, where it could not be split."),
            dg.TableColumn("malformed_reason", "VARCHAR", "Why it could not be split."),
        ]
    )


def validated_schema(feed: Feed) -> dg.TableSchema:
    """The columns of a validated file."""
    return dg.TableSchema(
        columns=[
            _ROW_NUMBER,
            *_columns(feed),
            dg.TableColumn(feed.surrogate_key, "BIGINT", "Stable key of the version that the row may make."),
            dg.TableColumn("recurs", "BOOLEAN", "Whether the record may occur in other rows of the delivery."),
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


def lineage(feed: Feed, upstream: str) -> dict[str, Any]:
    """Which column comes from which: as Dagster keeps it, and as a table that its page shows."""
    names = [column.name for column in feed.columns]
    deps = {name: [dg.TableColumnDep(asset_key=dg.AssetKey(upstream), column_name=name)] for name in names}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps),
        "lineage": table(("column", "from"), [(name, f"{upstream}.{name}") for name in names]),
    }


def counts_table(counts: Mapping[str, int], name: str, what: str = "rows") -> dg.MarkdownMetadataValue:
    """Counts as a Markdown table."""
    return table((name, what), [(key, f"{value:,}") for key, value in counts.items()])


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> dg.MarkdownMetadataValue:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return dg.MetadataValue.md(
        "\n".join("| " + " | ".join(line) + " |" for line in lines) if len(lines) > 2 else "none"
    )


def profile(feed: Feed, done: Verification) -> dg.MarkdownMetadataValue:
    """A look at the valid rows without a value of any: each column's type, and how many rows have none."""
    rows = [(c.name, c.form.sql_type, f"{done.nulls.get(c.name, 0):,} of {done.valid:,}") for c in feed.columns]
    return table(("column", "type", "empty"), rows)


def verification_metadata(done: Verification) -> dict[str, Any]:
    """What became of a delivery's rows."""
    return {
        "rows_landed": done.landed,
        "rows_malformed": done.malformed,
        "rows_quarantined": done.quarantined,
        "rows_duplicate": done.duplicate,
        "rows_valid": done.valid,
        "contract_version": done.contract_version,
    }


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
