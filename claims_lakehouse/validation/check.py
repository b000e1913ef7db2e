"""Typed rows against the contract's pandera model. Pure: reads and writes nothing."""

from __future__ import annotations

import polars as pl
from pandera.errors import SchemaErrors

from claims_lakehouse.codes.judge import judge
from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.feed import unread
from claims_lakehouse.validation.findings import findings, no_findings
from claims_lakehouse.validation.parse import Parsed


def released_code_findings(parsed: Parsed, feed: Feed, codes: pl.DataFrame | None) -> pl.DataFrame:
    """What the releases of the days of service have against a batch's codes; nothing where no releases are given."""
    found = [no_findings()]
    for check in feed.released_codes if codes is not None else ():
        for judged in judge(parsed.typed, check, codes):  # type: ignore[arg-type]
            sent = parsed.sent.select("row_number", pl.col(check.column).alias("value"))
            rows = judged.rows.join(sent, on="row_number", how="left", maintain_order="left")
            found.append(findings(rows, judged.rule, check.column, expected=pl.col("codes")))
    return pl.concat(found)


def contract_findings(parsed: Parsed, feed: Feed) -> pl.DataFrame:
    """What pandera finds in a batch, as findings; a null left by an unreadable field is reported there already."""
    values = parsed.typed.select(column.name for column in feed.columns)
    is_unread = {name: parsed.texts[name].is_not_null() & values[name].is_null() for name in values.columns}
    flags = [flag.alias(unread(name)) for name, flag in is_unread.items() if flag.any()]
    try:
        feed.contract.validate(values.with_columns(flags), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.select("column", "check", pl.col("index").cast(pl.UInt32))
        if cases["index"].null_count():
            # A wrong type or a missing column is a defect of the parser, never of somebody's row.
            broken = cases.filter(pl.col("index").is_null()).select("column", "check").rows()
            raise AssertionError(f"Feed '{feed.name}': the typed frame does not fit its contract: {broken}") from None
    else:
        return no_findings()
    found = [no_findings()]
    for (column, check), group in cases.group_by("column", "check", maintain_order=True):
        rows = parsed.sent.select("row_number", pl.col(str(column)).alias("value"))[group["index"]]
        if check == "not_nullable":
            rows = rows.filter(parsed.texts[str(column)].gather(group["index"]).is_null())
        found.append(findings(rows, feed.rule(str(check)), str(column), expected="another value"))
    return pl.concat(found)
