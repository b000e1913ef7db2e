"""Pages about claims: lines that wait for a person, how a claim was decided, and what a steward says to its lines."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from re import fullmatch
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response

from claims_lakehouse.adjudication import acts
from claims_lakehouse.adjudication.acts import SeenLine
from claims_lakehouse.adjudication.explanation import KnownFact, LineExplanation, Step
from claims_lakehouse.adjudication.rule_set import GROUPS
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.desk.claim_account import FEEDS, Account, account, wording
from claims_lakehouse.desk.claims import (
    ClaimNames,
    Filters,
    is_known,
    list_pended,
    token,
    unsettled,
    waiting,
    waiting_by_rule,
)
from claims_lakehouse.desk.payments import PaymentNames, told_of
from claims_lakehouse.desk.web.desk import Desk, Page, address, desk_of, see_other
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.security import needs
from claims_lakehouse.desk.web.sign_in import Refused
from claims_lakehouse.desk.web.veil import Veil
from claims_lakehouse.errors import NoSuchClaim, Overtaken, UsageError

router = APIRouter(default_response_class=HTMLResponse)

Steward = Annotated[Person, Depends(needs("steward"))]
Act = Literal["approve", "deny", "appeal"]
#: What can be said to a line, by how it is decided.
POSSIBLE: dict[str, tuple[Act, ...]] = {"pending": ("approve", "deny"), "denied": ("appeal",), "partial": ("appeal",)}
#: Whose an amount is, by its group code.
WHOSE = {"CO": "the provider's", "PR": "the patient's", "OA": "nobody's", "PI": "the provider's, as the plan has it"}
#: Events whose detail is in the lakehouse's words; those of others are a person's, or name a claim.
_PLAIN_EVENTS = ("received", "verified", "decided", "pended", "reversed")


class Typed(NamedTuple):
    """What somebody typed into the form of an act that was refused."""

    line_number: int
    act: Act
    fields: dict[str, str]


@router.get("/pended")
def show_pended(request: Request, rule: str = "", search: str = "", page: Page = 1) -> HTMLResponse:
    """One page of the lines that wait; `search` is the name under which the session remembers a text."""
    desk = desk_of(request)
    remembered = desk.memory.recall(request.state.session, search, Filters) if search else None
    filters = Filters(rule or None, remembered.text if remembered else None)
    reading = desk.reading
    return desk.page(
        request,
        "pended.html",
        filters=filters,
        found=list_pended(reading, filters, page=page),
        waiting=waiting(reading),
        by_rule=waiting_by_rule(reading),
        unsettled=unsettled(reading, desk.settings),
        name_of=names_of(request).name,
        search=search if remembered else "",
        is_forgotten=bool(search) and remembered is None,
        here=address("/pended", {"rule": rule, "search": search if remembered else ""}),
    )


@router.post("/pended/search")
def search_pended(request: Request, text: Annotated[str, Form()] = "", rule: Annotated[str, Form()] = "") -> Response:
    """Remember what is searched for, and go to the list of what was found: the address names nobody."""
    name = ""
    if text.strip():
        _may_search(request)
        name = desk_of(request).memory.keep(request.state.session, Filters(text=text.strip()))
    return see_other(address("/pended", {"rule": rule, "search": name}), request)


@router.post("/claims/open")
def open_claim(request: Request, number: Annotated[str, Form()] = "") -> Response:
    """Go to the page of the claim of that number."""
    _may_search(request)
    if not is_known(desk_of(request).reading, number.strip()):
        raise NoSuchClaim("There is no claim of that number: it is to be given whole, in capitals and small letters.")
    return see_other(address(f"/claims/{names_of(request).name(number.strip())}"), request)


@router.get("/claims/{name}")
def show_claim(request: Request, name: str, day: str = "", saved: str = "") -> HTMLResponse:
    """One claim: how it was decided, as of the end of a day where one is given, and what can be said to its lines."""
    return claim_page(request, name, day=_day(day), saved=saved)


@router.get("/claims/{name}/standing")
def show_standing(request: Request, name: str) -> Response:
    """Nothing as long as what was said of the claim is not published; then the page is to be loaded again."""
    desk = desk_of(request)
    reading = desk.reading
    claim_id = names_of(request).claim(reading, name)
    is_pending = any(line.claim_id == claim_id for line in unsettled(reading, desk.settings))
    if is_pending or reading.is_stale:
        return Response(status_code=204)
    return Response(status_code=200, headers={"HX-Refresh": "true"})


@router.post("/claims/{name}/lines/{line_number}/{act}")
def say(
    request: Request,
    name: str,
    line_number: int,
    act: Act,
    person: Steward,
    seen: Annotated[str, Form()],
    because: Annotated[str, Form()] = "",
    allowed: Annotated[str, Form()] = "",
    group: Annotated[str, Form()] = "",
    carc: Annotated[str, Form()] = "",
    rarc: Annotated[str, Form()] = "",
) -> Response:
    """Approve or deny a line that waits, or appeal one that was denied."""
    desk = desk_of(request)
    claim_id = names_of(request).claim(desk.reading, name)
    try:
        line = _looked_at(desk, claim_id, line_number, seen)
        if act == "approve":
            acts.approve(desk.settings, line, because=because, who=person.name, allowed=_amount(allowed))
        elif act == "deny":
            acts.deny(
                desk.settings, line, group=group, carc=carc.strip().upper(), rarc=rarc.strip().upper() or None,
                because=because, who=person.name,
            )  # fmt: skip
        else:
            acts.appeal(desk.settings, line, because=because, who=person.name)
    except UsageError as error:
        fields = {"because": because, "allowed": allowed, "group": group, "carc": carc, "rarc": rarc}
        typed = Typed(line_number, act, {field: text for field, text in fields.items() if text})
        status = 409 if isinstance(error, Overtaken) else 400
        return claim_page(request, name, error=str(error), typed=typed, status=status)
    desk.acted()
    return see_other(address(f"/claims/{name}", saved=act), request)


def claim_page(
    request: Request,
    name: str,
    *,
    day: date | None = None,
    saved: str = "",
    error: str = "",
    typed: Typed | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The page of a claim, with what was typed and why it could not be done, where that is so."""
    desk, names = desk_of(request), names_of(request)
    person: Person = request.state.person
    reading, veil = desk.reading, Veil(person)
    claim_id = names.claim(reading, name)
    known = account(reading, desk.settings, claim_id, day)
    said = {
        line.line_number: one for line, one in unsettled(reading, desk.settings).items() if line.claim_id == claim_id
    }
    possible = _possible(known, person, set(said))
    is_kept = typed is not None and typed.act in possible.get(typed.line_number, ())
    return desk.page(
        request,
        "claim.html",
        status,
        account=known,
        claim=known.explanation,
        here=f"/claims/{name}",
        day=day,
        said=said,
        possible=possible,
        tokens={number: token(seen) for number, seen in known.seen.items()},
        typed=typed if is_kept else None,
        lost=typed.fields if typed and not is_kept else None,
        error=error,
        saved=saved,
        name_of=names.name,
        remitted=told_of(reading, claim_id, day),
        payment_name_of=payment_names_of(request).name,
        line_texts=lambda line: _texts(veil, line),
        fact_text=lambda fact: _fact(veil, fact),
        step_text=lambda line, step: _step(veil, line, step),
        plain_events=_PLAIN_EVENTS,
        feeds=FEEDS,
        whose=WHOSE,
        groups=GROUPS,
        carcs=wording(known.rule_set, "carc"),
        rarcs=wording(known.rule_set, "rarc"),
    )


def names_of(request: Request) -> ClaimNames:
    """The names that claims have in addresses."""
    names: ClaimNames = request.app.state.claim_names
    return names


def payment_names_of(request: Request) -> PaymentNames:
    """The names that remittances have in addresses."""
    names: PaymentNames = request.app.state.payment_names
    return names


def _may_search(request: Request) -> None:
    if not request.state.person.may("steward"):
        raise Refused(403, "search by a viewer", "To search claims needs the role steward: you see numbers masked.")


def _looked_at(desk: Desk, claim_id: str, line_number: int, seen: str) -> SeenLine:
    """The line as it is published; Overtaken where the person looked at something else."""
    with desk.reading.cursor() as cursor:
        lines = {line.line_number: line for line in acts.seen_lines(cursor, claim_id)}
    line = lines.get(line_number)
    if line is None or token(line) != seen:
        raise Overtaken(f"Line {line_number} stands otherwise than when you looked at it; look again.")
    return line


def _possible(known: Account, person: Person, said: set[int]) -> dict[int, tuple[Act, ...]]:
    """What the person can say to which line."""
    if not person.may("steward"):
        return {}
    return {number: POSSIBLE.get(seen.decision, ()) for number, seen in known.seen.items() if number not in said}


def _day(text: str) -> date | None:
    """A received day; None where none is given."""
    if not text:
        return None
    try:
        if fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"A received day: found '{text[:20]}'; expected one as 2024-02-01.")


def _amount(text: str) -> Decimal | None:
    """An amount; None where none is given."""
    if not text.strip():
        return None
    if not fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", text.strip()):
        raise UsageError(f"What is allowed: found '{text[:20]}'; expected an amount as 80.00.")
    return Decimal(text.strip())


def _plain(value: Any) -> str:
    """A value in words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}".removesuffix(".000")
    return str(value)


def _texts(veil: Veil, line: LineExplanation) -> dict[str, str]:
    """What a line says, as the person may see it; not where it stands."""
    told = {name: _plain(value) for name, value in line.line.items() if name not in ("delivery", "row_number")}
    return veil.row(MEDICAL_CLAIMS.name, told)


def _fact(veil: Veil, known: KnownFact) -> str:
    """What a fact says, as the person may see it: what may name a line, a person or a day is masked for viewers."""
    name, text = known.fact.name, _plain(known.value)
    if any(column.name == name for column in MEDICAL_CLAIMS.columns):
        return veil.value(MEDICAL_CLAIMS.name, name, text)
    return veil.text(text) if known.fact.sql_type in ("VARCHAR", "DATE") else text


def _step(veil: Veil, line: LineExplanation, step: Step) -> str:
    """What is told of a step; what a person wrote is masked for viewers."""
    is_rules = step.name != "denied" or any(asked.decides for asked in line.rules)
    return step.told if is_rules else veil.text(step.told)
