"""Who reads an 835 that did not write it: x12sdk, pyx12, and a small reader of our own that adds up."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from pyx12.params import params
from pyx12.x12n_document import x12n_document

from claims_lakehouse.landing.x12_segments import Segment, read_segments
from claims_lakehouse.landing.x12_soundness import Guide, unsoundness


def x12sdk_faults(data: bytes) -> list[str]:
    """What x12sdk objects to in each transaction of a file."""
    transactions: list[list[Segment]] = []
    for segment in read_segments(io.BytesIO(data), "an 835"):
        if segment.name == "ST":
            transactions.append([])
        if transactions and segment.name not in ("GE", "IEA"):
            transactions[-1].append(segment)
    assert transactions
    reasons = [unsoundness(one, Guide("835", "005010X221A1")) for one in transactions]
    return [reason for reason in reasons if reason is not None]


def pyx12_faults(data: bytes) -> list[str]:
    """What pyx12 objects to, as `BPR16 1`: the segment, the element and X12's code of the error."""
    logging.getLogger("pyx12").setLevel(logging.CRITICAL + 1)
    told = io.StringIO()
    is_valid = x12n_document(
        params(), io.StringIO(data.decode("ascii")), fd_997=io.StringIO(), fd_html=None, fd_json=told
    )
    faults = [
        fault
        for interchange in json.loads(told.getvalue())["interchanges"]
        for fault in (*_of("ISA", interchange), *_of_groups(interchange["groups"]))
    ]
    assert is_valid == (not faults)
    return faults


def _of_groups(groups: list[dict[str, Any]]) -> Iterator[str]:
    for group in groups:
        assert group["vriic"] == "005010X221A1"
        yield from _of("GS", group)
        for transaction in group["transactions"]:
            yield from _of("ST", transaction)
            for segment in transaction["segments"]:
                yield from _of(segment["seg_id"], segment)
                for element in segment["elements"]:
                    yield from _of(f"{segment['seg_id']}{element['ele_pos']:02}", element)


def _of(place: str, told: dict[str, Any]) -> Iterator[str]:
    return (f"{place} {error['err_cde']}" for error in told["errors"])


def elements(data: bytes) -> list[list[str]]:
    """The segments of a file of ours, each as its name and elements; the separators are those that the guide recommends."""
    text = data.decode("ascii")
    assert (text[3], text[82], text[104], text[105]) == ("*", "^", ":", "~")
    assert text.endswith("~")
    return [segment.split("*") for segment in text[:-1].split("~")]


def named(data: bytes, name: str) -> list[str]:
    """The segments of a name, as text."""
    return ["*".join(segment) for segment in elements(data) if segment[0] == name]


class _Sum(NamedTuple):
    """What must be nothing, and what it is of."""

    law: str
    left: Decimal


def imbalances(data: bytes) -> list[str]:
    """Which of the guide's laws of sums and counts a file breaks (its section 1.10.2.1, balancing)."""
    segments = elements(data)
    return [one.law for one in (*_sums(segments), *_counts(segments)) if one.left]


def _sums(segments: list[list[str]]) -> Iterator[_Sum]:
    of_payee = of_claim = of_service = asked = paid = Decimal(0)
    before = ""
    for name, *rest in segments:
        if before == "SVC" and name in ("SVC", "CLP", "PLB", "SE"):
            yield _Sum("SVC02 - SVC03 = its CAS", of_service)
        if before and name in ("CLP", "PLB", "SE"):
            yield _Sum("CLP03 - CLP04 = all CAS", of_claim)
            yield _Sum("CLP03 = SVC02 in all", asked)
            yield _Sum("CLP04 = SVC03 in all", paid)
        if name == "BPR":
            of_payee = Decimal(rest[1])
        elif name == "CLP":
            asked, paid = Decimal(rest[2]), Decimal(rest[3])
            of_claim, of_payee = asked - paid, of_payee - paid
        elif name == "SVC":
            of_service = Decimal(rest[1]) - Decimal(rest[2])
            asked, paid = asked - Decimal(rest[1]), paid - Decimal(rest[2])
        elif name == "CAS":
            adjusted = sum((Decimal(amount) for amount in rest[2::3]), Decimal(0))
            of_claim, of_service = of_claim - adjusted, of_service - adjusted
        elif name == "PLB":
            of_payee += sum(Decimal(amount) for amount in rest[3::2])
        before = {"SVC": "SVC", "CLP": "CLP", "PLB": "", "SE": ""}.get(name, before)
    yield _Sum("BPR02 = CLP04 in all - PLB in all", of_payee)


def _counts(segments: list[list[str]]) -> Iterator[_Sum]:
    by_name = {segment[0]: segment[1:] for segment in segments if segment[0] in ("ISA", "GS", "ST", "SE", "GE", "IEA")}
    names = [segment[0] for segment in segments]
    inside = names.index("SE") - names.index("ST") + 1
    yield _Sum("SE01 counts the segments", Decimal(by_name["SE"][0]) - inside)
    yield _Sum("GE01 counts the transactions", Decimal(by_name["GE"][0]) - names.count("ST"))
    yield _Sum("IEA01 counts the groups", Decimal(by_name["IEA"][0]) - names.count("GS"))
    yield _Sum("SE02 is ST02", Decimal(by_name["SE"][1] != by_name["ST"][1]))
    yield _Sum("GE02 is GS06", Decimal(by_name["GE"][1] != by_name["GS"][5]))
    yield _Sum("IEA02 is ISA13", Decimal(by_name["IEA"][1] != by_name["ISA"][12]))
