"""The first page, the state of what is being carried out, and the record of acts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from claims_lakehouse.desk.claims import waiting
from claims_lakehouse.desk.overview import overview
from claims_lakehouse.desk.web import charts
from claims_lakehouse.desk.web.desk import Page, desk_of, utc_now

router = APIRouter(default_response_class=HTMLResponse)

#: How many acts the record shows a page.
_ACTS = 100


@router.get("/")
def show_overview(request: Request) -> HTMLResponse:
    """How things stand."""
    desk = desk_of(request)
    reading = desk.reading
    seen = overview(reading, utc_now())
    return desk.page(
        request,
        "overview.html",
        seen=seen,
        waiting=waiting(reading),
        rules=charts.bars(seen.by_rule),
        feeds=charts.bars(seen.by_feed),
        ages=charts.bars(seen.by_age),
        trend=charts.trend(seen.trend),
    )


@router.get("/state")
def show_state(request: Request) -> HTMLResponse:
    """Whether acts are being carried out: a part of every page, asked for again and again."""
    return desk_of(request).page(request, "_state.html")


@router.get("/acts")
def show_acts(request: Request, page: Page = 1) -> HTMLResponse:
    """The record of acts, the last first."""
    desk = desk_of(request)
    acts = desk.reading.records(_RECORD, {"rows": _ACTS + 1, "skip": (page - 1) * _ACTS})
    return desk.page(request, "acts.html", acts=acts[:_ACTS], at=page, is_last=len(acts) <= _ACTS)


_RECORD = """
SELECT * FROM (
    SELECT happened_at, who, event, feed, delivery, row_number, any_value(rule) AS rule, column_name,
           any_value(issue_id) AS issue_id, before, after, why, waived_until, 'issue' AS about
    FROM issue_log
    GROUP BY happened_at, who, event, feed, delivery, row_number, column_name, before, after, why, waived_until,
             CASE WHEN event NOT IN ('corrected', 'withdrawn') THEN issue_id END
    UNION ALL
    SELECT happened_at, who, event, feed, delivery, NULL, NULL, NULL, NULL, before, after, why, NULL, 'delivery'
    FROM delivery_log WHERE who IS NOT NULL AND event NOT IN ('corrected', 'withdrawn')
)
ORDER BY happened_at DESC, feed, delivery, row_number, event LIMIT $rows OFFSET $skip
"""
