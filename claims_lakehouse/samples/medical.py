"""Medical claims, and authorizations of some of them.

A claim is a function of its number, which its lines share. Nobody sees the same provider twice within weeks, so that
clean lines hold no duplicates; claims that replace or void another repeat it, and that is none. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from claims_lakehouse.contracts import AUTHORIZATIONS, MEDICAL_CLAIMS, PATIENTS
from claims_lakehouse.samples import medical_pools as pools
from claims_lakehouse.samples.drawing import NUMBER, day_number, day_texts, draw, gather, gather_numbers, u64
from claims_lakehouse.samples.insurance import Steps, amounts, ids
from claims_lakehouse.samples.size import CLAIMS_A_BLOCK, LINES_A_BLOCK, PRIMING_DEFECTS, Size
from claims_lakehouse.samples.statement import PRIMED_TO, Statement

_NUMBER = pl.col(NUMBER)
#: A claim's number; its patient's place among the treated; whether it replaces or voids another; the claim whose
#: service it bills, the other one then; its provider's number; and the days of the service and of the receipt.
_CLAIM, _PATIENT, _REPLACES, _TOLD = pl.col("_claim"), pl.col("_patient"), pl.col("_replaces"), pl.col("_told")
_PROVIDER, _SERVED, _RECEIVED = pl.col("_provider"), pl.col("_served"), pl.col("_received")
#: Of the ten lines of a block: the claim that each is of, and its place there.
_CLAIM_OF_LINE, _PLACE_OF_LINE = (0, 1, 1, 2, 2, 2, 3, 3, 3, 3), (1, 1, 2, 1, 2, 3, 1, 2, 3, 4)
#: More claims than the priming has of one patient; those that updates bring are counted on from here.
_CLAIMS_PRIMED = 12
#: Which claim of a patient an authorization is of, and of how many patients one has some.
_AUTHORIZED, _SPREAD = 4, 9
_FIRST_RECEIVED = date(2016, 3, 1)
#: A claim is received so many days after the service at most, one that says it again so many days after that.
_FILED_WITHIN, _REPLACED_WITHIN = 30, 29
#: In which of so many updates a patient's claim is replaced; the first so many of a patient's may be.
_REPLACED_EVERY, _REPLACED = 100, 10
#: Of so many claims of the days after the last update, one replaces a claim of that update.
_REPLACED_DAILY = 10
#: Spreads the numbers of providers over the hundred million NPIs that begin with 1.
_SPREADING, _NPIS = 76_543_217, 100_000_000


def medical_claims(said: Statement) -> Steps:
    """Lines of professional claims; the charge is what changes."""
    place, block = _NUMBER % LINES_A_BLOCK, _NUMBER // LINES_A_BLOCK
    units, procedure, line = pl.col("_units"), pl.col("_procedure"), pl.col("_line")
    usual = gather_numbers([one.cents for one in pools.BILLED], procedure)
    share = said.draw(f"share {said.content}", 150) + 150
    stays = said.draw("stays", 20, of=_TOLD) == 0
    last = _SERVED + pl.when(stays).then(said.draw("days", 3, of=_TOLD)).otherwise(0)
    again = pl.when(said.draw("voids", 3, of=_CLAIM) == 0).then(pl.lit("8")).otherwise(pl.lit("7"))
    return [
        {"_line": gather_numbers(_PLACE_OF_LINE, place)},
        *_claims(said, block * CLAIMS_A_BLOCK + gather_numbers(_CLAIM_OF_LINE, place)),
        {
            "_procedure": _procedure(said, line),
            "_diagnoses": said.draw("diagnoses", len(pools.DIAGNOSIS_LISTS), of=_TOLD),
        },
        {"_units": _units(said)},
        {
            "claim_id": ids(said, _CLAIM),
            "line_number": line.cast(pl.String),
            "patient_id": _patient_id(said),
            "provider_npi": _npi(said.size, _PROVIDER),
            # Four providers are one practice.
            "billing_npi": _npi(said.size, _PROVIDER // 4 + _providers(said.size)),
            "procedure_code": gather(_CODES, procedure),
            "modifiers": pl.when(said.draw("is modified", 5) == 0).then(said.pick("modifiers", pools.MODIFIERS)),
            "diagnosis_codes": gather([one.text for one in pools.DIAGNOSIS_LISTS], pl.col("_diagnoses")),
            "diagnosis_pointers": _pointers(said),
            "date_of_service_from": day_texts(_SERVED),
            "date_of_service_to": day_texts(pl.min_horizontal(last, _RECEIVED)),
            "place_of_service": gather(pools.PLACES, said.draw("place", len(pools.PLACES), of=_TOLD)),
            "units": units.cast(pl.String),
            "charge_amount": amounts(usual * units * share // 100 + 125 * said.variant),
            "prior_auth_number": _authorized(said),
            "frequency_code": pl.when(_REPLACES).then(again).otherwise(pl.lit("1")),
            "original_claim_id": pl.when(_REPLACES).then(ids(said, _TOLD)),
            "received_date": day_texts(_RECEIVED),
        },
    ]


def authorizations(said: Statement) -> Steps:
    """Each of the priming is of one of its claims, that claim's first line; the units are what changes."""
    patient = _NUMBER * _SPREAD % said.size.treated(0)
    steps: Steps
    if said.born:
        later = {"_begins": said.day(said.born), "_procedure": said.draw("procedure", len(_CODES))}
        steps = [{"_patient": patient, **later}]
        npi = pl.lit(None, dtype=pl.String)
    else:
        billed = Statement(MEDICAL_CLAIMS, said.size, 0, 0, 0)
        first_line = {"_procedure": _procedure(billed, u64(1)), "_begins": _SERVED - said.draw("beforehand", 30)}
        steps = [*_claims(billed, patient + _AUTHORIZED * said.size.treated(0)), first_line]
        npi = pl.when(said.draw("anybody", 3) > 0).then(_npi(said.size, _PROVIDER))
    begins = pl.col("_begins")
    ends = pl.when(said.draw("is open", 8) > 0).then(begins + 30 + said.draw("days", 150))
    columns = {
        "authorization_number": ids(said, _NUMBER),
        "patient_id": _patient_id(said),
        "provider_npi": npi,
        "procedure_code": gather(_CODES, pl.col("_procedure")),
        "units": ((said.draw("units", 12) + said.content + said.variant) % 12 + 1).cast(pl.String),
        "authorized_from": day_texts(begins),
        "authorized_to": day_texts(ends),
    }
    return [*steps, columns]


def _claims(said: Statement, number: pl.Expr) -> Steps:
    """What claims of some numbers bill, and when: the columns that this module has names for.

    Of the priming's claims of a patient the second may replace the first; those of an update replace the third, fifth,
    seventh or ninth, those of a day one of the last update's. So each is replaced once at most.
    """
    size, treated, nth, first = said.size, said.size.treated(0), pl.col("_nth"), pl.col("_first")
    if size.nth_day(said.born):
        return _claims_of_day(said, number)
    if not said.born:
        patient, turn = _CLAIM % treated, 0
        nths, replaces = _CLAIM // treated, (nth == 1) & (said.draw("replaces", 5, of=_CLAIM) == 0)
        begins = _received(said)
        again = first + said.draw("again", _REPLACED_WITHIN, of=_CLAIM) + 1
    else:
        turn = 2 * (said.born // _REPLACED_EVERY) + 2
        patient, nths = _in_turn(size, said.born, _CLAIM)
        in_turn = (_begun(size, said.born) + size.treated(said.born) > _CLAIM) & _replaces_in(said.born, _PATIENT)
        replaces = (treated > _PATIENT) & in_turn & pl.lit(turn < _REPLACED)
        again = said.day(said.born, of=_CLAIM)
        begins = pl.when(_REPLACES).then(_received(said._replace(born=0))).otherwise(again)
    return [
        {"_claim": number},
        {"_patient": patient, "_nth": nths},
        {"_replaces": replaces},
        {"_told": pl.when(_REPLACES).then(_PATIENT + turn * treated).otherwise(_CLAIM)},
        {"_first": begins},
        _acts(said, pl.when(_REPLACES).then(turn).otherwise(nth), again),
    ]


def _claims_of_day(said: Statement, number: pl.Expr) -> Steps:
    """The same of a daily delivery. The days are one update in whose turn everybody is, and replace the last one's."""
    size, last = said.size, said.size.updates
    place = _CLAIM - _begun(size, last + 1)
    other = place // _REPLACED_DAILY + _begun(size, last)
    (patient, nth), (patient_then, nth_then) = _in_turn(size, last + 1, _CLAIM), _in_turn(size, last, other)
    is_one = (place % _REPLACED_DAILY == _REPLACED_DAILY - 1) & ~_replaces_in(last, patient_then) & pl.lit(last > 0)
    now = said.day(said.born, of=_CLAIM)
    return [
        {"_claim": number},
        {"_replaces": is_one},
        {
            "_told": pl.when(_REPLACES).then(other).otherwise(_CLAIM),
            "_patient": pl.when(_REPLACES).then(patient_then).otherwise(patient),
            "_nth": pl.when(_REPLACES).then(nth_then).otherwise(nth),
        },
        {"_first": pl.when(_REPLACES).then(said.day(last, of=_TOLD)).otherwise(now)},
        _acts(said, pl.col("_nth"), now),
    ]


def _acts(said: Statement, nth: pl.Expr, again: pl.Expr) -> Mapping[str, pl.Expr]:
    """Who gave the patient's nth service, and the days; what is said again is received on another."""
    providers, first = _providers(said.size), pl.col("_first")
    met = draw((said.size.seed, MEDICAL_CLAIMS.name, "first met"), providers, _PATIENT)
    return {
        "_provider": (met + nth) % providers,
        "_served": first - said.draw("filed", _FILED_WITHIN, of=_TOLD) - 1,
        "_received": pl.when(_REPLACES).then(again).otherwise(first),
    }


def _begun(size: Size, update: int) -> int:
    """How many claims there were before an update."""
    return size.after(MEDICAL_CLAIMS, update - 1) // LINES_A_BLOCK * CLAIMS_A_BLOCK


def _in_turn(size: Size, update: int, claim: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Whose claim one of an update is, and which of theirs: everybody in turn, and most of them in each update."""
    now, place = size.treated(update), claim - _begun(size, update)
    return (place + size.patients * update) % now, place // now + _CLAIMS_PRIMED + 2 * update


def _replaces_in(update: int, patient: pl.Expr) -> pl.Expr:
    """Whether an update is one that may replace a claim of a patient's."""
    return (patient + update) % _REPLACED_EVERY == 0


def _received(said: Statement) -> pl.Expr:
    """When claims of the priming were received."""
    first = day_number(_FIRST_RECEIVED)
    return said.draw("received", day_number(PRIMED_TO) - first + 1, of=_TOLD) + first


def _procedure(said: Statement, line: pl.Expr) -> pl.Expr:
    """The place of a line's procedure among those that are billed: of a kind that no other line of the claim has."""
    kind = (line + _TOLD // CLAIMS_A_BLOCK) % len(_KINDS)
    within = said.draw("procedure", 1 << 20, of=_TOLD * len(_KINDS) + line)
    sizes = [len(one) for one in _KINDS]
    return gather_numbers([one.start for one in _KINDS], kind) + within % gather_numbers(sizes, kind)


def _units(said: Statement) -> pl.Expr:
    """How many units: one, or more of treatments and supplies."""
    several = (pl.col("_procedure") >= _KINDS[pools.TREATMENT].start) & (said.draw("several", 3) == 0)
    return pl.when(several).then(said.draw("units", 4) + 2).otherwise(1)


def _pointers(said: Statement) -> pl.Expr:
    """Pointers at some of the diagnoses that there are."""
    ways = len(pools.POINTERS[0])
    count = gather_numbers([one.codes for one in pools.DIAGNOSIS_LISTS], pl.col("_diagnoses"))
    all_ways = [text for texts in pools.POINTERS for text in texts]
    return gather(all_ways, (count - 1) * ways + said.draw("pointers", ways))


def _authorized(said: Statement) -> pl.Expr:
    """The authorization of a claim's first line, where the priming has one that nothing can keep from arriving."""
    if said.born:
        return pl.lit(None, dtype=pl.String)
    authorization = _PATIENT // _SPREAD
    known = (authorization < said.size.primed(AUTHORIZATIONS)) & (authorization % 10 != PRIMING_DEFECTS)
    has_one = (pl.col("_line") == 1) & (pl.col("_nth") == _AUTHORIZED) & (_PATIENT % _SPREAD == 0) & known
    return pl.when(has_one).then(ids(said, authorization, AUTHORIZATIONS))


def _patient_id(said: Statement) -> pl.Expr:
    """The id of a patient by their place among the treated: all whom the priming cannot hold back."""
    digit = _PATIENT % 9
    return ids(said, _PATIENT // 9 * 10 + digit + (digit >= PRIMING_DEFECTS).cast(pl.UInt64), PATIENTS)


def _providers(size: Size) -> int:
    return size.patients // 10 + 40


def _npi(size: Size, number: pl.Expr) -> pl.Expr:
    """The National Provider Identifiers of some numbers below a hundred million; different ones differ."""
    nine = (number * _SPREADING + size.seed % _NPIS) % _NPIS + _NPIS
    digits = [nine // 10**power % 10 for power in range(8, -1, -1)]
    # The prefix 80840 adds 24; every other digit from the first on is doubled, and the doubled one's digits added.
    total = pl.sum_horizontal(*(2 * d - (d > 4).cast(pl.UInt64) * 9 for d in digits[::2]), *digits[1::2]) + 24
    return (nine * 10 + (10 - total % 10) % 10).cast(pl.String)


_CODES = tuple(one.code for one in pools.BILLED)
#: The places of each kind of procedure among those that are billed.
_KINDS = tuple(
    range(min(places), max(places) + 1)
    for places in (
        [place for place, one in enumerate(pools.BILLED) if one.kind == kind]
        for kind in (pools.VISIT, pools.TEST, pools.TREATMENT, pools.SUPPLY)
    )
)
