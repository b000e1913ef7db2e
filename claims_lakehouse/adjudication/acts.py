"""What people say to a line of a claim: approve or deny one that waits, appeal one that was denied.

An act is a line in a file beside the data, one file a delivery, so that purging the delivery purges what was said to
its lines. It binds to what the line says and to the causes that the person saw; settling makes it felt. Who decided
between the look and the word is noticed: nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import duckdb

from claims_lakehouse.adjudication.decide import line_hash
from claims_lakehouse.adjudication.rule_set import CARC, GROUPS, NEED_REMARK, RARC
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.files import append_lines, make_folder, parsed_line, turn_at
from claims_lakehouse.history.acts import require_reason
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.rows import insert_rows

Act = Literal["approved", "denied", "appealed"]


class SeenLine(NamedTuple):
    """A line as a person saw it published.

    Attributes:
        claim_id: Its claim.
        line_number: Its place there.
        decision: What was decided.
        charge: What is asked.
        causes: The rules that denied it or have it wait, each with what it rests on.
        delivery: The delivery that it came with.
        bound_to: A hash of what it says.
        acts: How many acts there were about it.
        needs_price: Whether nobody can approve it without saying what is allowed: no fee schedule has a price.
        is_void: Whether it only asks that another claim be taken back, which was not found.
    """

    claim_id: str
    line_number: int
    decision: str
    charge: Decimal
    causes: tuple[str, ...]
    delivery: str
    bound_to: str
    acts: int
    needs_price: bool
    is_void: bool


class _Said(NamedTuple):
    """One act, as its file has it."""

    act_id: str
    at: datetime
    act: str
    who: str
    why: str
    claim_id: str
    line_number: int
    delivery: str
    bound_to: str
    settles: list[str]
    allowed: Decimal | None
    group: str | None
    carc: str | None
    rarc: str | None


def seen_lines(con: duckdb.DuckDBPyConnection, claim_id: str) -> list[SeenLine]:
    """The lines of a claim that have a decision, as they are published; UsageError where there are none."""
    rows = con.execute(
        f"""
        SELECT decided.claim_id, decided.line_number, decided.decision, decided.charge, coalesce(causes, []),
               line.delivery, {line_hash("line")},
               (SELECT count(*) FROM internal.claim_act AS act
                WHERE act.claim_id = line.claim_id AND act.line_number = line.line_number),
               coalesce(fee.allowed_amount, 0) = 0, line.frequency_code = '8'
        FROM internal.line_decision AS decided
        LEFT JOIN dim_fee_schedule AS fee ON fee.fee_schedule_sk = decided.fee_sk
        JOIN {MEDICAL_CLAIMS.table} AS line ON line.claim_id = decided.claim_id
         AND line.line_number = decided.line_number AND line.is_current
        WHERE decided.is_current AND decided.decision IS NOT NULL AND decided.claim_id = $claim
        ORDER BY decided.line_number
        """,
        {"claim": claim_id},
    ).fetchall()
    if not rows:
        raise UsageError(f"There is no decision about a claim '{claim_id}'.")
    return [
        SeenLine(claim, line, decision, charge, tuple(causes), *rest)
        for claim, line, decision, charge, causes, *rest in rows
    ]


def approve(settings: Settings, seen: SeenLine, *, because: str, who: str, allowed: Decimal | None = None) -> None:
    """Let a line that waits be paid as the plan has it; `allowed`, where given, in place of the fee schedule's amount.

    UsageError where it does not wait, asks for nothing to be paid, or has no price and none is given; Overtaken where
    somebody said something since.
    """
    if seen.is_void:
        raise UsageError("The line cancels a claim that was not found: there is nothing to approve. It can be denied.")
    if allowed is not None and not (
        allowed.is_finite() and 0 < allowed <= seen.charge and allowed == round(allowed, 2)
    ):
        raise UsageError("What is allowed: expected an amount to the cent, more than nothing and at most the charge.")
    if seen.decision == "pending" and seen.needs_price and allowed is None:
        raise UsageError("The plan has no price for the line: say what is allowed.")
    _say(settings, seen, "approved", ("pending",), because, who, allowed=allowed)


def deny(
    settings: Settings, seen: SeenLine, *, group: str, carc: str, rarc: str | None = None, because: str, who: str
) -> None:
    """Deny a line that waits, with the codes that say why; UsageError where it does not wait, or the codes are none."""
    if group not in GROUPS:
        raise UsageError(f"The group of an adjustment: found '{group}'; expected {', '.join(GROUPS)}.")
    if not CARC.fullmatch(carc):
        raise UsageError("The reason code (CARC): found no code; expected one as 96 or B7.")
    if carc in NEED_REMARK and not rarc:
        raise UsageError(f"CARC {carc} asks for a remark code (RARC); found none.")
    if rarc is not None and not RARC.fullmatch(rarc):
        raise UsageError("The remark code (RARC): found no code; expected one as N130 or M53.")
    _say(settings, seen, "denied", ("pending",), because, who, group=group, carc=carc, rarc=rarc)


def appeal(settings: Settings, seen: SeenLine, *, because: str, who: str) -> None:
    """Open a line again that was denied, whole or in part: it waits for a person. UsageError where it was not."""
    _say(settings, seen, "appealed", ("denied", "partial"), because, who)


def acts_look(settings: Settings) -> str:
    """What changes with every act."""
    found = []
    for path in _files(settings):
        with suppress(FileNotFoundError):  # its delivery was purged since it was listed
            found.append(f"{path.name}/{path.stat().st_size}")
    return sha256("\n".join(found).encode()).hexdigest()[:12]


def take_up_acts(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make the warehouse say what the files say, and have touched whom new or vanished acts are about.

    Part of the caller's transaction.
    """
    said = [one for path in _files(settings) for one in _read(path)]
    known = {act_id for (act_id,) in con.execute("SELECT act_id FROM internal.claim_act").fetchall()}
    if known == {one.act_id for one in said}:
        return
    con.execute(
        "CREATE OR REPLACE TEMP TABLE acts_before AS SELECT act_id, claim_id, line_number, day FROM internal.claim_act"
    )
    con.execute("DELETE FROM internal.claim_act")
    insert_rows(
        con,
        "internal.claim_act",
        [(one.act_id, one.at, one.at.date(), one.act, one.who, one.why, one.claim_id, one.line_number, one.delivery,
          one.bound_to, one.settles, one.allowed, one.group, one.carc, one.rarc) for one in said],
    )  # fmt: skip
    con.execute(
        f"""
        INSERT INTO internal.touched BY NAME
        SELECT 'acts' AS feed, patient_id, min(act.day) AS since
        FROM (
            (SELECT act_id, claim_id, line_number, day FROM internal.claim_act EXCEPT FROM acts_before)
            UNION ALL (FROM acts_before EXCEPT SELECT act_id, claim_id, line_number, day FROM internal.claim_act)
        ) AS act JOIN {MEDICAL_CLAIMS.table} USING (claim_id, line_number)
        GROUP BY patient_id
        """
    )
    con.execute("UPDATE internal.change SET n = n + 1")


def _say(
    settings: Settings,
    seen: SeenLine,
    act: Act,
    expected: tuple[str, ...],
    because: str,
    who: str,
    **more: Any,
) -> None:
    """Write an act down; it is on disk when this returns."""
    require_reason(because)
    name = f"Line {seen.line_number} of claim {seen.claim_id}"
    if seen.decision not in expected:
        raise UsageError(f"{name} is {seen.decision}; expected one that is {' or '.join(expected)}.")
    path = settings.claim_acts(seen.delivery)
    with turn_at(make_folder(path.parent)):
        lines = [one for file in _files(settings) for one in _read(file)
                 if (one.claim_id, one.line_number) == (seen.claim_id, seen.line_number)]  # fmt: skip
        if len(lines) != seen.acts:
            raise Overtaken(f"{name} was decided by somebody since you looked; look again.")
        said = {
            "at": datetime.now(UTC).replace(tzinfo=None).isoformat(), "act": act, "who": who, "why": because.strip(),
            "claim_id": seen.claim_id, "line_number": seen.line_number, "bound_to": seen.bound_to,
            "settles": list(seen.causes),
        }  # fmt: skip
        append_lines(path, [said | {name: str(value) for name, value in more.items() if value is not None}])


def _files(settings: Settings) -> list[Path]:
    folder = settings.claim_acts("").parent
    return sorted(folder.glob("*.jsonl"))


def _read(path: Path) -> Iterator[_Said]:
    """Every act of a file, in order; a line cut short by a kill never happened."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:  # its delivery was purged since it was listed
        return
    for line in lines:
        try:
            one = parsed_line(line)
            allowed = Decimal(one["allowed"]) if "allowed" in one else None
            yield _Said(
                sha256(line).hexdigest()[:16], datetime.fromisoformat(one["at"]), one["act"], one["who"], one["why"],
                one["claim_id"], int(one["line_number"]), path.stem, one["bound_to"], list(one["settles"]), allowed,
                one.get("group"), one.get("carc"), one.get("rarc"),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            continue
