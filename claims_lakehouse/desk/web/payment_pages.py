"""Pages about payments: payment days, what a day's payees are paid, and a remittance as a person reads it."""

from __future__ import annotations

from datetime import date
from re import fullmatch

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from claims_lakehouse.desk.payments import (
    STATUSES,
    day_total,
    list_days,
    list_payments,
    read_remittance,
)
from claims_lakehouse.desk.web.claim_pages import WHOSE, names_of, payment_names_of
from claims_lakehouse.desk.web.desk import Page, desk_of
from claims_lakehouse.errors import NoSuchPayment

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/payments")
def show_days(request: Request, page: Page = 1) -> HTMLResponse:
    """One page of payment days, the last first."""
    desk = desk_of(request)
    found = list_days(desk.reading, page=page)
    return desk.page(request, "payments.html", day=None, found=found, here="/payments")


@router.get("/payments/{day}")
def show_day(request: Request, day: str, page: Page = 1) -> HTMLResponse:
    """What the payees of a day are paid."""
    desk = desk_of(request)
    reading, known = desk.reading, _day(day)
    return desk.page(
        request,
        "payments.html",
        day=day_total(reading, known),
        found=list_payments(reading, known, page=page),
        name_of=payment_names_of(request).name,
        here=f"/payments/{known}",
    )


@router.get("/payments/{day}/{name}")
def show_remittance(request: Request, day: str, name: str, page: Page = 1) -> HTMLResponse:
    """What a payee is told on a day; `name` is the remittance's, which tells of nobody."""
    desk, names = desk_of(request), payment_names_of(request)
    reading = desk.reading
    payment = names.payment(reading, _day(day), name)
    return desk.page(
        request,
        "remittance.html",
        told=read_remittance(reading, payment, page=page),
        statuses=STATUSES,
        whose=WHOSE,
        name_of=names.name,
        claim_name_of=names_of(request).name,
        here=f"/payments/{payment.day}/{name}",
    )


def _day(text: str) -> date:
    """The payment day of an address."""
    try:
        if fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise NoSuchPayment(f"A payment day: found '{text[:20]}'; expected one as 2024-02-01.")
