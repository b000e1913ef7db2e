"""An 835: what it says, that it balances, and that readers who did not write it accept it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.payments.advice import Balance, PaidClaim, PaidLine, Remittance, effective_date
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.x12_835 import write_835
from claims_lakehouse.payments.x12_text import identifier, plain_text
from claims_lakehouse_tests.builders import REPOSITORY
from claims_lakehouse_tests.payments.remittances import (
    BY_CHECK,
    CHECKING,
    REMITTANCES,
    SECRETS,
    adjustment,
    claim,
    denied_line,
    line,
    many,
    payer,
    remittance,
    reversal,
)
from claims_lakehouse_tests.payments.x12_readers import elements, imbalances, named, pyx12_faults, x12sdk_faults

SAMPLES = REPOSITORY.parent / "shared" / "data" / "x12" / "samples_5010_4010" / "835_005010X221A1"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PayerSettings:
    return payer(tmp_path_factory.mktemp("payer"))


def written(told: Remittance, plan: PayerSettings) -> bytes:
    return write_835(told, plan, plan.payee(told.payee))


@pytest.mark.parametrize("name", REMITTANCES)
def test_every_remittance_balances_and_is_accepted_by_readers_that_did_not_write_it(
    name: str, plan: PayerSettings
) -> None:
    data = written(REMITTANCES[name], plan)
    assert imbalances(data) == []
    assert x12sdk_faults(data) == []
    assert pyx12_faults(data) == []


def test_the_file_is_what_the_guide_says(plan: PayerSettings) -> None:
    """By hand, from 005010X221A1.

    A claim of $100 that was paid with $60 is reversed, its amounts negative and without CLP05, and told anew: $70 paid, $20
    above the fee schedule, $10 copay, which is CLP05. A claim of $50 for two units is denied: no units are paid (SVC05),
    two were billed (SVC07). The payee gave it, so it has no NM1*82; it lasted two days, so it has DTM*150 and 151. $5.25 of
    an earlier day's balance is taken: -60 + 70 + 0 - 5.25 = 4.75, paid on Monday, the banking day after Friday, March 1.
    PLB02 is the end of the calendar year. From ST to SE there are 43 segments: 10 before LX, LX, 10 of the reversal, 11 of
    the replacement, 9 of the denial, PLB and SE.
    """
    told = remittance(
        reversal(claim()),
        claim(
            line(modifiers=("25",), paid="70", adjustments=(adjustment("CO", "45", "20", "N381"), *many(["10"], "PR"))),
            frequency_code="7",
            control_number="P0002",
        ),
        claim(
            denied_line(service_to=date(2024, 2, 15)),
            claim_id="C#2",
            status="4",
            control_number="P0003",
            rendering_npi=CHECKING,
        ),
        taken="5.25",
    )
    expected = [
        "ISA*00*          *00*          *30*456123789      *ZZ*1234567893     *240301*0000*^*00501*000000077*0*T*:",
        "GS*HP*456123789*1234567893*20240301*0000*77*X*005010X221A1",
        "ST*835*0077",
        "BPR*I*4.75*C*ACH*CCP*01*123456780*DA*7000-111-7*1456123789**01*111111118*DA*7000222333*20240304",
        "TRN*1*202403011234567893*1456123789",
        "DTM*405*20240301",
        "N1*PR*Example Health Plan",
        "N3*1 Example Street",
        "N4*Exampleton*NY*10001",
        "PER*BL*Remittance Desk*TE*5555550100",
        "N1*PE*Clinica Ejemplo & Sons*XX*1234567893",
        "REF*TJ*987654321",
        "LX*1",
        "CLP*C#1*22*-100*-60**12*P0001*11*1",
        "NM1*QC*1*Ward*Ann****MI*M1",
        "NM1*82*1*UNKNOWN*****XX*1888888888",
        "DTM*050*20240220",
        "SVC*HC:99213*-100*-60**1",
        "DTM*472*20240214",
        "CAS*CO*45*-20",
        "CAS*PR*1*-20",
        "REF*6R*1",
        "AMT*B6*-80",
        "CLP*C#1*1*100*70*10*12*P0002*11*7",
        "NM1*QC*1*Ward*Ann****MI*M1",
        "NM1*82*1*UNKNOWN*****XX*1888888888",
        "DTM*050*20240220",
        "SVC*HC:99213:25*100*70**1",
        "DTM*472*20240214",
        "CAS*CO*45*20",
        "CAS*PR*1*10",
        "REF*6R*1",
        "AMT*B6*80",
        "LQ*HE*N381",
        "CLP*C#2*4*50*0**12*P0003*11*1",
        "NM1*QC*1*Ward*Ann****MI*M1",
        "DTM*050*20240220",
        "SVC*HC:99213*50*0**0**2",
        "DTM*150*20240214",
        "DTM*151*20240215",
        "CAS*CO*29*50",
        "REF*6R*1",
        "LQ*HE*N211",
        "PLB*1234567893*20241231*FB:202402011234567893*5.25",
        "SE*43*0077",
        "GE*1*77",
        "IEA*1*000000077",
    ]
    assert written(told, plan).decode("ascii") == "".join(f"{segment}~" for segment in expected)


def test_where_reversals_exceed_payments_nothing_is_paid_and_the_balance_goes_forward(plan: PayerSettings) -> None:
    data = written(remittance(reversal(claim())), plan)
    assert named(data, "BPR") == ["BPR*H*0*C*NON************20240301"]
    # Whoever starts a balance names it by the trace of the file that does (X12's interpretation 1114).
    assert named(data, "TRN") == ["TRN*1*202403011234567893*1456123789"]
    assert named(data, "PLB") == ["PLB*1234567893*20241231*FB:202403011234567893*-60"]


def test_a_payee_without_an_account_is_paid_by_check_on_the_day_itself(plan: PayerSettings) -> None:
    data = written(remittance(payee=BY_CHECK), plan)
    assert named(data, "BPR") == ["BPR*I*60*C*CHK************20240301"]


def test_adjustments_stand_by_group_six_to_a_segment_and_each_reason_once(plan: PayerSettings) -> None:
    data = written(REMITTANCES["more than six adjustments of a group, and groups that alternate"], plan)
    assert named(data, "CAS") == [
        "CAS*CO*1*1**2*1**3*1**4*1**5*1**6*1",
        "CAS*CO*7*1**8*1**45*12",
        "CAS*PR*1*20",
        "CAS*OA*23*-1",
        "CAS*PI*94*1",
    ]
    assert named(data, "LQ") == ["LQ*HE*N1", "LQ*HE*M15"]


def test_balances_beyond_six_have_a_segment_of_their_own(plan: PayerSettings) -> None:
    balances = tuple(Balance(f"B{number}", Decimal("1.00")) for number in range(7))
    data = written(remittance(balances=(*balances, Balance("nothing", Decimal(0))), paid=Decimal("53.00")), plan)
    assert [len(segment.split("*")) for segment in named(data, "PLB")] == [15, 5]
    assert imbalances(data) == []


def test_who_gave_a_service_by_which_agreement_and_when_coverage_ended_is_told(plan: PayerSettings) -> None:
    """Loops 2100 and 2110 of 005010X221A1: NM1*82, DTM*036 with CARC 27, REF*G1 before REF*6R."""
    data = written(REMITTANCES["a line of somebody else, by an agreement, after coverage ended"], plan)
    claim_days = ["DTM*036*20240131", "DTM*050*20240220", "DTM*472*20240214"]
    assert named(data, "DTM") == ["DTM*405*20240301", *claim_days, *claim_days]
    assert named(data, "REF")[1:] == ["REF*6R*1", "REF*G1*A-1", "REF*6R*2"]
    assert [segment.split("*")[1:6] for segment in named(data, "CLP")] == [
        ["C#1", "4", "50", "0", "50"], ["C#1", "4", "50", "0", "50"],
    ]  # fmt: skip
    assert [segment.split("*")[-1] for segment in named(data, "NM1")] == ["M1", "1888888888", "M1", "1999999984"]


def test_a_claim_of_more_lines_than_one_can_hold_is_told_in_parts(plan: PayerSettings) -> None:
    data = written(REMITTANCES["a claim of 200 lines"], plan)
    assert [segment.split("*")[3:6] for segment in named(data, "CLP")] == [
        ["9900", "5940", "1980"], ["9900", "5940", "1980"], ["200", "120", "40"],
    ]  # fmt: skip
    assert [segment for segment in named(data, "BPR") if segment.startswith("BPR*I*12000*C")]


@pytest.mark.parametrize(
    "told",
    [
        remittance(claim(line(charge="100000000.00"))),
        remittance(claim(*(line(line_number=number, charge="60000000.00") for number in (1, 2)))),
        remittance(reversal(claim(*(line(line_number=number, charge="60000000.00") for number in (1, 2))))),
        remittance(taken="100000000.00"),
    ],
    ids=["line", "claim", "reversal", "balance"],
)
def test_an_amount_of_more_digits_than_the_guide_has_is_refused(told: Remittance, plan: PayerSettings) -> None:
    with pytest.raises(PaymentsUnsound, match=r"payee 1234567893: found a claim or balance that is too large"):
        written(told, plan)


def test_no_two_claim_numbers_are_written_alike() -> None:
    numbers = ["A*1", "A%2A1", "A%252A1", "A~1", "A%7E1", "A%7e1", "A%1"]
    assert len({identifier(number, 38) for number in numbers}) == len(numbers)
    assert [unquote(identifier(number, 38)) for number in numbers] == numbers


def test_a_claim_number_stays_as_it_is_where_x12_can_write_it(plan: PayerSettings) -> None:
    number = "CF#10/7-8_9.A b@c;d=e%f"
    assert elements(written(remittance(claim(claim_id=number)), plan))[13][1] == number
    assert len(plain_text("x" * 100, 60)) == 60


def test_a_claim_number_that_x12_cannot_write_can_be_read_back(plan: PayerSettings) -> None:
    data = written(REMITTANCES["text that X12 does not have"], plan)
    [(_, claim_id, *_)] = [segment for segment in elements(data) if segment[0] == "CLP"]
    assert claim_id == "CF#%2A1%7E%3A%5E%C3%A9"
    assert unquote(claim_id) == "CF#*1~:^é"
    assert named(data, "NM1")[0] == "NM1*QC*1*Nunez O'Lukaszewicz*Zoe?****MI*M%2A1"


def test_a_claim_number_that_is_too_long_is_cut_and_stays_its_own(plan: PayerSettings) -> None:
    long = [claim(claim_id=f"{'0123456789' * 4}{end}") for end in "ab"]
    numbers = [segment[1] for segment in elements(written(remittance(*long), plan)) if segment[0] == "CLP"]
    assert [len(number) for number in numbers] == [38, 38]
    assert all(number.startswith("01234567890123456789012345678-") for number in numbers)
    assert len(set(numbers)) == 2


@pytest.mark.parametrize(
    ("day", "paid"),
    [
        ("2024-02-29", "2024-03-01"),
        ("2024-03-01", "2024-03-04"),
        ("2024-03-02", "2024-03-04"),
        ("2024-03-03", "2024-03-04"),
    ],
)
def test_money_moves_on_the_next_day_that_is_no_weekend(day: str, paid: str) -> None:
    assert effective_date(date.fromisoformat(day)) == date.fromisoformat(paid)


@pytest.mark.parametrize(
    ("unsound", "found"),
    [
        (remittance(paid=Decimal("61.00")), "BalanceMismatch.payments.total_payment_amount"),
        (remittance(claim(line(paid="61.00"))), "BalanceMismatch.services.charge_amount"),
        (remittance(claim(line(procedure_code="99*13"))), "DelimiterInValue.services.procedure_code"),
        (remittance(claim(line(adjustments=(adjustment("XX", "45", "40"),)))), "CodeNotInList.adjustments.group_code"),
        (remittance(paid=Decimal("-1.00")), "BalanceMismatch.payments.total_payment_amount"),
    ],
)
def test_what_does_not_balance_or_leaves_the_guide_is_refused_without_a_value(
    unsound: Remittance, found: str, plan: PayerSettings
) -> None:
    with pytest.raises(PaymentsUnsound) as refused:
        written(unsound, plan)
    told = str(refused.value)
    assert found in told
    assert refused.value.__context__ is None
    assert not [value for value in (*SECRETS.values(), "C#1", "M1", "Ward", "99*13", "61") if value in told]


def test_a_remittance_is_not_written_to_another_payee(plan: PayerSettings) -> None:
    with pytest.raises(PaymentsUnsound, match="one payee and settings of another"):
        write_835(remittance(), plan, plan.payee(BY_CHECK))


def sample(name: str) -> bytes:
    if not SAMPLES.is_dir():
        pytest.skip("the samples of 835 (shared/data/x12) are not beside the repository")
    return (SAMPLES / name).read_bytes()


#: What pyx12 finds in samples that are known to be loosely made: no PER*BL, BPR16 left out or no day, `>` in an
#: interchange that declares `:`, elements that the guide does not use.
_SEEN = {
    "managed-care.835": {"BPR16 8", "PER 3"},
    "medicare-part-a.835": {"PER 3", "TS309 10", "TS311 10"},
    "cob-contractural-adjustment.835": {"BPR16 1", "PER 3", "SVC 1", "DTM 1", "CAS 1", "REF 1", "AMT 1"},
    "secondary-payment.835": {"BPR16 1", "PER 3", "SVC 1", "DTM 1", "CAS 1", "REF 1", "AMT 1"},
    "tertiary-payment.835": {"BPR16 1", "PER 3", "SVC01 1", "SVC06 1", "SVC06 4", "SVC06 7"},
}


@pytest.mark.parametrize("name", _SEEN)
def test_the_readers_say_of_the_samples_what_is_known_of_them(name: str) -> None:
    data = sample(name)
    assert x12sdk_faults(data) == []
    assert set(pyx12_faults(data)) == _SEEN[name]


@pytest.mark.parametrize("name", ["managed-care.835", "cob-contractural-adjustment.835", "secondary-payment.835"])
def test_a_sample_whose_known_faults_are_mended_is_accepted(name: str) -> None:
    text = sample(name).decode("ascii").replace(">", ":").replace("20002316", "20020316")
    text = text.replace("CHK***********2005", "CHK************2005").replace("N1*PE", "PER*BL*X*TE*5555550100~\nN1*PE")
    text = re.sub(r"SE\*([0-9]+)", lambda found: f"SE*{int(found[1]) + 1}", text)
    assert pyx12_faults(text.encode()) == []
    assert x12sdk_faults(text.encode()) == []


@pytest.mark.parametrize(
    ("sound", "broken", "objects"),
    [
        ("CLP*C#1*1*100*60*", "CLP*C#1*1*100*61*", {"x12sdk", "ours"}),
        ("CAS*CO*45*20~", "CAS*CO*45*21~", {"x12sdk", "ours"}),
        ("BPR*I*60*", "BPR*I*61*", {"ours"}),
        ("SVC*HC:99213*100*60*", "SVC*HC:99213*100*59*", {"ours"}),
        ("CLP*C#1*1*", "CLP*C#1*77*", {"x12sdk", "pyx12"}),
        ("CAS*CO*45*", "CAS*XX*45*", {"x12sdk", "pyx12"}),
        ("*1*100*60*20*12*", "*1*100*60*20*99*", {"x12sdk", "pyx12"}),
        ("*DA*7000222333*20240304~", "*DA*7000222333~", {"pyx12"}),
        ("*01*111111118*DA*7000222333*", "*****", {"x12sdk"}),
        ("PER*BL*Remittance Desk*TE*5555550100~", "", {"x12sdk", "pyx12", "ours"}),
        ("N3*1 Example Street~", "", {"x12sdk", "pyx12", "ours"}),
        ("SE*22*", "SE*23*", {"x12sdk", "pyx12", "ours"}),
        ("IEA*1*000000077~", "IEA*1*000000078~", {"pyx12", "ours"}),
        ("DTM*472*20240214~", "DTM*472*20240232~", {"pyx12"}),
        ("Clinica Ejemplo", "Cl*nica Ejemplo", {"x12sdk", "pyx12"}),
    ],
)
def test_readers_object_to_a_file_that_is_broken(
    sound: str, broken: str, objects: set[str], plan: PayerSettings
) -> None:
    text = written(remittance(), plan).decode("ascii")
    assert text.count(sound) == 1
    data = text.replace(sound, broken).encode("ascii")
    faults = {"x12sdk": x12sdk_faults(data), "pyx12": pyx12_faults(data), "ours": imbalances(data)}
    assert {reader for reader, found in faults.items() if found} == objects


_CENTS = st.integers(0, 10**7).map(lambda cents: Decimal(cents) / 100)
_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50).filter(str.strip)


@st.composite
def _lines(draw: st.DrawFn, number: int) -> PaidLine:
    paid = draw(_CENTS)
    reasons = st.tuples(st.sampled_from(["CO", "PR", "OA", "PI"]), st.sampled_from(["1", "2", "45", "97", "A1"]))
    adjustments = tuple(
        adjustment(group, carc, str(amount), draw(st.sampled_from([None, "N1", "M15"])))
        for (group, carc), amount in draw(st.lists(st.tuples(reasons, _CENTS), max_size=12))
    )
    adjusted = sum((one.amount for one in adjustments), Decimal(0))
    return line(
        line_number=number,
        modifiers=tuple(draw(st.lists(st.sampled_from(["25", "59", "GT"]), max_size=4))),
        units=draw(st.integers(0, 10**6)) / Decimal(1000),
        service_to=draw(st.dates(date(2024, 2, 14), date(2024, 2, 20))),
        charge=paid + adjusted,
        allowed=paid + draw(st.sampled_from([Decimal(0), adjusted])),
        paid=paid,
        adjustments=adjustments,
    )


@st.composite
def _claims(draw: st.DrawFn) -> PaidClaim:
    count = draw(st.integers(1, 3))
    told = claim(
        *(draw(_lines(number)) for number in range(1, count + 1)),
        claim_id=draw(_WORDS),
        patient_id=draw(_WORDS),
        patient_first=draw(st.none() | _WORDS),
        patient_last=draw(st.none() | _WORDS),
        place_of_service=draw(st.sampled_from([None, "11", "02"])),
        rendering_npi=draw(st.sampled_from([CHECKING, "1888888888"])),
    )
    return reversal(told) if draw(st.booleans()) else replace(told, status=draw(st.sampled_from(["1", "4"])))


@given(
    claims=st.lists(_claims(), min_size=1, max_size=4),
    taken=_CENTS,
    payee=st.sampled_from([CHECKING, BY_CHECK]),
    control=st.integers(1, 999_999_999),
)
@settings(max_examples=60, deadline=None)
def test_any_remittance_is_written_the_same_twice_and_balances(
    claims: list[PaidClaim], taken: Decimal, payee: str, control: int, plan: PayerSettings
) -> None:
    told = remittance(*claims, taken=str(taken), payee=payee, control_number=control)
    data = written(told, plan)
    assert data == written(replace(told), plan)
    assert imbalances(data) == []
    assert x12sdk_faults(data) == []
    by_name = {segment[0]: segment for segment in elements(data)}
    assert Decimal(by_name["BPR"][2]) == told.paid >= 0
    assert (by_name["BPR"][4] == "NON") == (told.paid == 0)
    assert all(1 <= len(segment[1]) <= 38 for segment in elements(data) if segment[0] == "CLP")
