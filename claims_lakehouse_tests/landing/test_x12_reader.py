"""X12 interchanges: 837 professional claims and 834 enrolments as records, and what is not sound said without a value."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claims_lakehouse.contracts import COVERAGES, MEDICAL_CLAIMS, Feed
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing.header import Malformed
from claims_lakehouse.landing.x12_claims import claim_records
from claims_lakehouse.landing.x12_reader import x12_batches, x12_header
from claims_lakehouse.landing.x12_segments import read_segments
from claims_lakehouse_tests.builders import REPOSITORY
from claims_lakehouse_tests.interchanges import (
    BILLER,
    CLAIM,
    COVERAGE,
    HEAD,
    INSURED,
    LINE,
    SUBSCRIBER,
    claims,
    dependent,
    enrolments,
    interchange,
    old_claims,
    transaction,
)

SAMPLES = REPOSITORY.parent / "shared" / "data" / "x12" / "samples_5010_4010"

SOUND = claims(SUBSCRIBER, CLAIM, LINE)


class Read:
    """What a file held."""

    def __init__(self, folder: Path, content: str | bytes, feed: Feed = MEDICAL_CLAIMS, **options: Any) -> None:
        path = folder / f"{feed.name}_d.{feed.transaction}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        names = x12_header(feed, path, folder).names
        self.batches = list(x12_batches(feed, path, folder, **options))
        assert all(batch.rows.schema == pa.schema([(name, pa.string()) for name in names]) for batch in self.batches)
        self.rows: list[dict[str, str | None]] = [row for batch in self.batches for row in batch.rows.to_pylist()]
        self.malformed: list[Malformed] = [bad for batch in self.batches for bad in batch.malformed]

    @property
    def row(self) -> dict[str, str | None]:
        assert self.malformed == []
        (row,) = self.rows
        return row

    @property
    def bad(self) -> Malformed:
        assert self.rows == []
        (bad,) = self.malformed
        return bad

    def column(self, name: str) -> list[str | None]:
        assert self.malformed == []
        return [row[name] for row in self.rows]


def test_a_service_line_has_what_its_claim_and_its_loops_say(tmp_path: Path) -> None:
    claim = [
        "CLM*C1*150.50***11:B:7*Y*A*Y*Y",
        "REF*F8*ORIGINAL",
        "REF*G1*AUTH1",
        "HI*ABK:J0390*ABF:E119",
        "NM1*82*1*KILDARE*BEN****XX*1111111112",
        "PRV*PE*PXC*207X00000X",
    ]
    first = ["LX*1", "SV1*HC:99213:25:59*100.25*UN*2*22**1:2", "DTP*472*RD8*20240214-20240216", "REF*G1*AUTH2"]
    second = ["LX*2", "SV1*HC:J3301*50.25*UN*1***2", "DTP*472*D8*20240215", "NM1*82*1*SHARP*PETER****XX*2222222222"]
    first_row, second_row = Read(tmp_path, interchange(claims(SUBSCRIBER, claim, first, second))).rows
    assert first_row == {
        "claim_id": "C1",
        "line_number": "1",
        "patient_id": "M1",
        "provider_npi": "1111111112",
        "billing_npi": "1999996666",
        "procedure_code": "99213",
        "modifiers": "25|59",
        "diagnosis_codes": "J0390|E119",
        "diagnosis_pointers": "1|2",
        "date_of_service_from": "2024-02-14",
        "date_of_service_to": "2024-02-16",
        "place_of_service": "22",
        "units": "2",
        "charge_amount": "100.25",
        "prior_auth_number": "AUTH2",
        "frequency_code": "7",
        "original_claim_id": "ORIGINAL",
        "received_date": "2024-03-01",
        "x12_transaction": "0001",
        "x12_segment": "26",
    }
    assert second_row == first_row | {
        "line_number": "2",
        "provider_npi": "2222222222",
        "procedure_code": "J3301",
        "modifiers": None,
        "diagnosis_pointers": "2",
        "date_of_service_from": "2024-02-15",
        "date_of_service_to": "2024-02-15",
        "place_of_service": "11",
        "units": "1",
        "charge_amount": "50.25",
        "prior_auth_number": "AUTH1",
        "x12_segment": "30",
    }


def test_what_another_insurance_says_is_not_the_claims(tmp_path: Path) -> None:
    other = [
        "SBR*S*18*******CI", "OI***Y***Y", "NM1*IL*1*OTHER*OLGA****MI*X9", "NM1*PR*2*OTHER PAYER*****PI*99",
        "REF*G1*THEIRS", "REF*F8*THEIRS", "NM1*82*1", "REF*G2*99",
    ]  # fmt: skip
    line = [*LINE, "REF*G1*THEIRS TOO**2U:99"]
    rendered = Read(
        tmp_path, interchange(claims(SUBSCRIBER, CLAIM, other, line, ["NM1*82*1*SHARP*PETER****XX*2222222222"]))
    )
    assert rendered.row["provider_npi"] == "2222222222"
    row = Read(tmp_path, interchange(claims(SUBSCRIBER, CLAIM, other, line))).row
    assert (row["patient_id"], row["provider_npi"]) == ("M1", "1999996666")
    assert (row["prior_auth_number"], row["original_claim_id"]) == (None, None)


def test_a_claim_after_one_with_another_insurance_is_read_whole(tmp_path: Path) -> None:
    other = ["SBR*S*18*******CI", "OI***Y***Y", "NM1*IL*1*OTHER*OLGA****MI*X9", "NM1*PR*2*OTHER PAYER*****PI*99"]
    second = ["CLM*C2*43.00***12:B:1*Y*A*Y*Y", "REF*F8*ORIGINAL", "HI*ABK:E785"]
    read = Read(tmp_path, interchange(claims(SUBSCRIBER, CLAIM, other, LINE, second, LINE)))
    assert read.column("claim_id") == ["C1", "C2"]
    assert read.column("diagnosis_codes") == ["J029", "E785"]
    assert read.column("original_claim_id") == [None, "ORIGINAL"]


@pytest.mark.parametrize(
    ("biller", "rendering", "expected"),
    [
        ("XX*1999996666", None, ("1999996666", "1999996666")),
        ("XX*1999996666", "XX*1111111112", ("1111111112", "1999996666")),
        ("XX*1999996666", "24*111111111", (None, "1999996666")),
        ("24*123456789", None, (None, None)),
        ("24*123456789", "XX*1111111112", ("1111111112", None)),
    ],
)
def test_only_a_number_under_xx_is_an_npi_and_the_biller_stands_in_for_nobody_who_is_named(
    tmp_path: Path, biller: str, rendering: str | None, expected: tuple[str | None, str | None]
) -> None:
    rendered = [f"NM1*82*1*KILDARE*BEN****{rendering}"] if rendering else []
    text = old_claims(SUBSCRIBER, CLAIM, rendered, LINE).replace("XX*1999996666", biller)
    row = Read(tmp_path, interchange(text, guide="004010X098A1")).row
    assert (row["provider_npi"], row["billing_npi"]) == expected


def test_a_4010_claim_has_no_guide_in_st_and_no_separator_of_repetitions(tmp_path: Path) -> None:
    text = old_claims(SUBSCRIBER, CLAIM, LINE)
    row = Read(tmp_path, interchange(text, guide="004010X098A1", separators="*U:~")).row
    assert row["procedure_code"] == "99213"


def test_dependents_of_one_number_are_different_persons_and_the_same_in_every_file(tmp_path: Path) -> None:
    def read(*parts: Iterable[str]) -> str:
        (patient,) = Read(tmp_path, interchange(claims(*parts, CLAIM, LINE))).column("patient_id")
        return patient or ""

    assert read(SUBSCRIBER) == "M1"
    assert read(dependent(number="D7")) == "D7"
    assert read(dependent()) == "M1-f63e7c45"
    assert len({read(dependent()), read(dependent(first="TOM")), read(dependent(holder="M2"))}) == 3


def test_a_subscribers_claim_after_a_dependents_is_the_subscribers(tmp_path: Path) -> None:
    second = [segment.replace("HL*2*", "HL*4*").replace("*M1", "*M4") for segment in SUBSCRIBER]
    read = Read(tmp_path, interchange(claims(dependent(number="D7"), CLAIM, LINE, second, CLAIM, LINE)))
    assert read.column("patient_id") == ["D7", "M4"]


def test_nobody_gets_the_number_of_who_came_before() -> None:
    nameless = ["HL*4*1*22*0", "SBR*P*18*******MB"]
    text = interchange(transaction(HEAD, BILLER, SUBSCRIBER, CLAIM, LINE, nameless, CLAIM, LINE, dependent()[4:], CLAIM, LINE,
                                   ["HL*5**20*1"], nameless, CLAIM, LINE))  # fmt: skip
    records = list(claim_records(list(read_segments(io.BytesIO(text.encode()), "f"))))
    assert [record["patient_id"] for record in records] == ["M1", "", "", ""]
    assert [record["billing_npi"] for record in records] == ["1999996666"] * 3 + [""]


def test_a_claim_without_lines_is_a_record_without_a_number() -> None:
    text = interchange(claims(SUBSCRIBER, CLAIM, CLAIM, LINE))
    lineless, line = claim_records(list(read_segments(io.BytesIO(text.encode()), "f")))
    assert (lineless["claim_id"], lineless.get("line_number"), lineless["x12_segment"]) == ("C1", None, "20")
    assert (line["line_number"], line["x12_segment"]) == ("1", "24")


def test_only_diagnoses_of_hi_count_and_keep_their_places(tmp_path: Path) -> None:
    claim = [CLAIM[0], "HI*ABK:J029**ABF:E785", "HI*BP:99213", "HI*BG:AA"]
    assert Read(tmp_path, interchange(claims(SUBSCRIBER, claim, LINE))).row["diagnosis_codes"] == "J029||E785"


@pytest.mark.parametrize("separators", ["*^:~", "|!>\n", "\x1d\x1f\x1c\x1e", "*U:\r", "+^&'"])
@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_separators_are_those_that_isa_declares(tmp_path: Path, separators: str, line_end: str) -> None:
    text = interchange(claims(SUBSCRIBER, CLAIM, LINE), separators=separators)
    read = Read(tmp_path, text.replace(separators[3], separators[3] + line_end))
    assert read.row["diagnosis_pointers"] == "1"
    assert read.row["x12_segment"] == "22"


def test_a_file_in_which_every_line_ends_in_cr_lf_and_nothing_else(tmp_path: Path) -> None:
    text = interchange(SOUND, separators="*^:\r").replace("\r", "\r\n")
    assert Read(tmp_path, text).row["date_of_service_to"] == "2024-02-14"
    assert Read(tmp_path, text.replace("\r\n", "\r")).row["date_of_service_to"] == "2024-02-14"


def test_another_interchange_in_the_file_has_separators_of_its_own(tmp_path: Path) -> None:
    one, two = interchange(SOUND), interchange(claims(dependent("D7"), CLAIM, LINE), separators="~:*|")
    read = Read(tmp_path, "\ufeff \n" + one + "\n\n" + two + "\n\x1a")
    assert read.column("patient_id") == ["M1", "D7"]
    assert read.column("x12_segment") == ["22", str(27 + 25)]


def test_empty_segments_and_a_missing_last_terminator_do_no_harm(tmp_path: Path) -> None:
    text = interchange(SOUND).replace("~LX", "~~\n~LX").removesuffix("~")
    assert Read(tmp_path, text).row["x12_segment"] == "22"


def test_text_is_utf8_and_otherwise_latin_1(tmp_path: Path) -> None:
    text = interchange(SOUND.replace("CLM*C1", "CLM*Ä1"))
    assert Read(tmp_path, text).row["claim_id"] == "Ä1"
    assert Read(tmp_path, text.encode("latin-1")).row["claim_id"] == "Ä1"


def test_an_interchange_without_transactions_has_no_records(tmp_path: Path) -> None:
    assert Read(tmp_path, interchange().replace("GS", "TA1*1*240301*1023*A*000~GS")).batches == []


def test_a_coverage_has_what_it_and_its_member_say(tmp_path: Path) -> None:
    second = ["HD*030**DEN*DENTAL PLAN", "REF*1L*G2"]
    rows = Read(tmp_path, interchange(enrolments(INSURED, COVERAGE, second)), COVERAGES).rows
    expected = {
        "patient_id": "P1",
        "plan_id": "G1-HLT",
        "covered_from": "2024-02-01",
        "covered_to": "2024-12-31",
        "subscriber_id": "S1",
        "relationship": "18",
        "maintenance_type": "021",
        "x12_transaction": "0001",
        "x12_segment": "13",
    }
    changed = {
        "plan_id": "DENTAL PLAN",
        "covered_from": "2024-01-02",
        "covered_to": None,
        "maintenance_type": "030",
        "x12_segment": "16",
    }
    assert rows == [expected, expected | changed]


def test_a_group_that_a_coverage_names_is_its_own(tmp_path: Path) -> None:
    read = Read(tmp_path, interchange(enrolments(INSURED, COVERAGE, ["REF*1L*G2"])), COVERAGES)
    assert read.row["plan_id"] == "G2-HLT"


def test_a_member_without_coverages_gives_a_record(tmp_path: Path) -> None:
    member = [*INSURED[:3], "DTP*356*D8*20240101", "DTP*357*D8*20240131", *INSURED[4:]]
    read = Read(tmp_path, interchange(enrolments(member, INSURED, COVERAGE)), COVERAGES)
    assert read.column("covered_to") == ["2024-01-31", "2024-12-31"]
    assert read.column("plan_id") == ["G1", "G1-HLT"]
    assert read.column("maintenance_type") == ["021", "021"]
    assert read.column("x12_segment") == ["7", "20"]


def test_a_dependent_without_a_number_is_not_the_subscriber(tmp_path: Path) -> None:
    unnumbered = [*INSURED[:4], "NM1*IL*1*WARD*TED", "DMG*D8*20100501*M"]
    child = ["INS*N*19*021*20*A", *unnumbered[1:]]
    read = Read(tmp_path, interchange(enrolments(unnumbered, COVERAGE, child, COVERAGE)), COVERAGES)
    assert read.column("patient_id") == ["S1", "S1-f63e7c45"]
    claimed = Read(tmp_path, interchange(claims(dependent(holder="S1"), CLAIM, LINE)))
    assert claimed.row["patient_id"] == "S1-f63e7c45"


def test_a_social_security_number_is_nobodys_id(tmp_path: Path) -> None:
    def read(*member: str) -> dict[str, str | None]:
        return Read(tmp_path, interchange(enrolments(member, COVERAGE)), COVERAGES).row

    taxed = [segment.replace("ZZ*P1", "34*123456789") for segment in INSURED]
    child = ["INS*N*19*021*20*A", *taxed[1:4], "NM1*IL*1*WARD*TED****34*987654321", "DMG*D8*20100501*M"]
    corrected = [*taxed[:4], "NM1*74*1*WARD*ANN****34*123456789", taxed[5], "NM1*70*1*WARD*AN", "DMG*D8*19430502*F"]
    rows = [read(*taxed), read(*child), read(*corrected), read(taxed[0], *taxed[2:]), read(child[0], *child[2:])]
    assert [row["patient_id"] for row in rows] == ["S1", "S1-f63e7c45", "S1", None, None]
    assert not {"123456789", "987654321"} & {value for row in rows for value in row.values()}


def test_the_corrected_name_counts_and_the_incorrect_one_does_not(tmp_path: Path) -> None:
    member = [*INSURED[:4], "NM1*74*1*WARD*ANN****ZZ*P2", INSURED[5], "NM1*70*1*WARD*AN", "DMG*D8*19430502*F"]
    assert Read(tmp_path, interchange(enrolments(member, COVERAGE)), COVERAGES).row["patient_id"] == "P2"


@pytest.mark.parametrize(
    ("feed", "text", "guide", "reason"),
    [
        (MEDICAL_CLAIMS, transaction(LINE, guide="*005010X223A3", number="987654"), "005010X223A3",
         "837 institutional claims (005010X223A3), transaction 987654 at segment 3"),
        (MEDICAL_CLAIMS, transaction(LINE, guide=""), "004010X096A1",
         "837 institutional claims (004010X096A1), transaction 0001 at segment 3"),
        (MEDICAL_CLAIMS, transaction(LINE, guide="*005010X224A2"), "005010X224A2",
         "837 dental claims (005010X224A2), transaction 0001 at segment 3"),
        (MEDICAL_CLAIMS, transaction(LINE, guide="*WARD", number="WARD"), "ANN",
         "837 of another guide, transaction at segment 3"),
        (MEDICAL_CLAIMS, transaction(LINE, code="WARD"), "", "a transaction of no known kind (005010X222A2), "
         "transaction 0001 at segment 3"),
        (MEDICAL_CLAIMS, transaction(LINE, code="835", guide=""), "005010X221A1",
         "835 (005010X221A1), transaction 0001 at segment 3"),
        (COVERAGES, SOUND, "005010X222A2", "837 professional claims (005010X222A2), transaction 0001 at segment 3"),
        (COVERAGES, transaction(LINE, code="834", guide=""), "004010X095A1",
         "834 enrolments (004010X095A1), transaction 0001 at segment 3"),
    ],
)  # fmt: skip
def test_a_transaction_of_another_kind_is_kept_and_named(
    tmp_path: Path, feed: Feed, text: str, guide: str, reason: str
) -> None:
    bad = Read(tmp_path, interchange(text, guide=guide), feed).bad
    assert bad == Malformed(1, text, reason, "unsupported_transaction")


CLAIM_GUIDE, ENROLMENT_GUIDE = "837 (005010X222A2)", "834 (005010X220A1)"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("SE*23*0001", "SE*23*0002", "segment SE at position 25: its control number is not that of the ST at position 3"),
        ("SE*23*", "SE*24*", "segment SE at position 25: it does not count the 23 segments from ST to SE"),
        ("SE*23*", "SE*XXII*", "segment SE at position 25: it does not count the 23 segments from ST to SE"),
        ("~SE*23*0001", "", "segment ST at position 3: no SE ends the transaction"),
        ("N3*1 ST", "ZZ9*1 ST", f"a segment of an unknown name at position 10: {CLAIM_GUIDE} knows no such segment"),
        ("N3*1 ST", "NM1", f"segment NM1 at position 10: {CLAIM_GUIDE} has no place for it there"),
        ("LX*1", "LX*1*2", f"segment LX at position 22: it has more elements than {CLAIM_GUIDE} knows"),
        ("*472*", "*999*", f"segment DTP at position 24: date_time_qualifier is not one that {CLAIM_GUIDE} knows"),
        ("*472*D8*20240214", "*472*D8", "segment DTP at position 24: date_time_period is missing"),
        ("*D8*20240214", "*D8*20249999",
         "segment DTP at position 24: date_time_period is no date of the form that its qualifier names"),
        ("C1*43.00", "C1*44.00", "segment CLM at position 20: the charges of the claim's lines do not add up to CLM02"),
        ("HL*2*1*", "HL*2*7*", "segment HL at position 13: an HL does not name the HL under which it stands"),
        ("NM1*IL*1*WARD*ANN****MI*M1", "NM1*IL*1*WARD*ANN****MI",
         "segment NM1 at position 15: an identification code and its qualifier come without each other"),
        ("SV1*HC:99213*43.00*UN*1***1", "REF*6R*1", "segment LX at position 22: segment SV1 is missing"),
    ],
)  # fmt: skip
def test_a_transaction_that_is_not_sound_is_one_record_that_says_where(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    text = SOUND.replace(before, after, 1)
    assert text != SOUND
    read = Read(tmp_path, interchange(text, claims(dependent("D7"), CLAIM, LINE, number="0002")))
    (bad,) = read.malformed
    said = re.sub(r" \(and [0-9]+ more\)", "", bad.reason).removesuffix(" (1 claim in it)")
    assert (said, bad.rule, bad.ordinal) == (reason, "rejected_transaction", 1)
    assert bad.text == text
    assert [row["patient_id"] for row in read.rows] == ["D7"]


def test_what_the_librarys_own_checks_quote_is_left_out(tmp_path: Path) -> None:
    conditions = ["CRC*ZX*Y*04"]  # "Unknown CRC01 code category value ZX", says x12sdk
    bad = Read(tmp_path, interchange(claims(SUBSCRIBER, CLAIM[:1], conditions, CLAIM[1:], LINE))).bad
    assert bad.reason == f"segment CRC at position 21: it is not as {CLAIM_GUIDE} has it (1 claim in it)"


def test_a_second_error_is_counted(tmp_path: Path) -> None:
    text = SOUND.replace("*472*", "*999*").replace("SBR*P", "SBR*?")
    assert Read(tmp_path, interchange(text)).bad.reason == (
        f"segment SBR at position 14: payer_responsibility_code is not one that {CLAIM_GUIDE} knows (and 1 more)"
        " (1 claim in it)"
    )


def test_segments_outside_of_a_transaction_are_kept_a_run_at_a_time(tmp_path: Path) -> None:
    alone, run = "WARD*ANN~\n", "LX*1~SV1*HC:1~\nDTP*472~"
    read = Read(tmp_path, interchange(alone + SOUND + run))
    assert len(read.rows) == 1
    assert read.malformed == [
        Malformed(1, "WARD*ANN~", "a segment of an unknown name at position 3 stands outside a transaction"),
        Malformed(3, run, "segment LX at position 27 and the 2 after it stand outside a transaction"),
    ]


def test_a_transaction_that_is_cut_short_takes_nothing_of_the_next_interchange_with_it(tmp_path: Path) -> None:
    cut = SOUND[: SOUND.index("DTP*472")]
    read = Read(tmp_path, interchange(cut) + interchange(old_claims(SUBSCRIBER, CLAIM, LINE), guide="004010X098A1"))
    assert [row["claim_id"] for row in read.rows] == ["C1"]
    assert [bad.text for bad in read.malformed] == [cut]


@pytest.mark.parametrize("end", ["~GE*2", "~IEA*1"])
def test_a_file_that_is_cut_short_is_an_error(tmp_path: Path, end: str) -> None:
    text = interchange(SOUND, SOUND)
    with pytest.raises(UnreadableFile, match=r"that does not end: the file is cut short; expected"):
        Read(tmp_path, text[: text.index(end)])


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("GE*2*", "GE*9*", "segment GE at position 50: found 2 transactions in a group that says 9"),
        ("GE*2*", "GE*canary*", "segment GE at position 50: found 2 transactions in a group that says no such number"),
        ("GE*2*", "GE*²*", "segment GE at position 50: found 2 transactions in a group that says no such number"),
        ("GE*2*", f"GE*{'2' * 5000}*",
         "segment GE at position 50: found 2 transactions in a group that says no such number"),
        ("IEA*1*", "IEA*①*", "segment IEA at position 51: found 1 groups in an interchange that says no such number"),
        ("GE*2*1", "GE*2*7", "segment GE at position 50 has another control number than what it ends"),
        ("IEA*1*", "IEA*2*", "segment IEA at position 51: found 1 groups in an interchange that says 2"),
    ],
)  # fmt: skip
def test_a_trailer_that_disagrees_is_noted_and_the_transactions_go_on(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    other = claims(dependent("D7"), CLAIM, LINE, number="0002")
    text = interchange(SOUND, other)
    position = text[: text.index(before)].count("~") + 1
    read = Read(tmp_path, text.replace(before, after))
    assert len(read.rows) == 2
    (bad,) = read.malformed
    assert (re.sub("position [0-9]+", f"position {position}", reason), "malformed_row") == (bad.reason, bad.rule)
    assert bad.text.startswith(after)


def test_a_decimal_without_the_zero_before_it_gets_it(tmp_path: Path) -> None:
    text = SOUND.replace("43.00", ".75").replace("*UN*1*", "*UN*.5*")
    row = Read(tmp_path, interchange(text)).row
    assert (row["charge_amount"], row["units"]) == ("0.75", "0.5")


@pytest.mark.parametrize(
    ("sent", "column", "expected"),
    [
        ("SV1*HC:99213*43.00*MJ*90***1", "units", "90 minutes"),
        ("SV1*HC:99213*43.00*UN*90***1", "units", "90"),
        ("SV1*ER:99213*43.00*UN*1***1", "procedure_code", "ER:99213"),
        ("SV1*IV:99213*43.00*UN*1***1", "procedure_code", "IV:99213"),
        ("SV1*WK:99213*43.00*UN*1***1", "procedure_code", "WK:99213"),
    ],
)
def test_what_a_qualifier_makes_of_a_value_is_kept_with_it_and_refused(
    tmp_path: Path, sent: str, column: str, expected: str
) -> None:
    row = Read(tmp_path, interchange(SOUND.replace(LINE[1], sent))).row
    assert row[column] == expected
    form = MEDICAL_CLAIMS.column(column).form
    read = pl.DataFrame({"text": [expected]}).select(form.parse(pl.col("text"))).item()
    assert (read is None) == (expected != "90")


@pytest.mark.parametrize(("day", "codes"), [("20150930", "E8889||V103"), ("20151001", "BK:E8889||BF:V103")])
def test_icd_9_is_what_it_says_it_is_and_only_of_its_time(tmp_path: Path, day: str, codes: str) -> None:
    text = SOUND.replace(CLAIM[1], "HI*BK:E8889**BF:V103").replace("20240214", day)
    row = Read(tmp_path, interchange(text)).row
    assert row["diagnosis_codes"] == codes
    parse = MEDICAL_CLAIMS.column("diagnosis_codes").form.parse
    assert (pl.select(parse(pl.lit(codes.replace("||", "|")))).item() is None) == (day == "20151001")


@pytest.mark.parametrize(
    ("before", "after", "reason", "rule"),
    [
        ("*1023*CH", "*1023*RP", "segment BHT at position 4 says that they are encounters, which are not to be paid",
         "unsupported_transaction"),
        ("*1023*CH", "*1023*31", "segment BHT at position 4 says that they are demands of another payer",
         "unsupported_transaction"),
        ("HL*1**20*1~", "HL*1**20*1~CUR*85*CAD~", "segment CUR at position 9 names another currency than USD",
         "rejected_transaction"),
    ],
)  # fmt: skip
def test_a_transaction_that_asks_for_something_else_than_dollars_is_one_record_that_says_where(
    tmp_path: Path, before: str, after: str, reason: str, rule: str
) -> None:
    text = SOUND.replace(before, after, 1)
    text = text.replace("SE*23*", f"SE*{text.count('~')}*")
    read = Read(tmp_path, interchange(text, claims(dependent("D7"), CLAIM, LINE, number="0002")))
    assert read.malformed == [Malformed(1, text, f"{reason} (1 claim in it)", rule)]
    assert [row["patient_id"] for row in read.rows] == ["D7"]


def test_us_dollars_may_be_named(tmp_path: Path) -> None:
    text = SOUND.replace("HL*1**20*1~", "HL*1**20*1~CUR*85*USD~").replace("SE*23*", "SE*24*")
    assert Read(tmp_path, interchange(text)).row["charge_amount"] == "43.00"


def test_text_of_a_transaction_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    sent = SOUND.replace("SE*23", "SE*9").replace("~", "~\r\n")
    assert Read(tmp_path, interchange(sent)).bad.text == sent.strip()


def test_batches_are_cut_by_records_and_number_them_within(tmp_path: Path) -> None:
    lines = [part.replace("LX*1", f"LX*{number}") for number in range(1, 6) for part in LINE]
    many = claims(SUBSCRIBER, [CLAIM[0].replace("43.00", "215.00"), CLAIM[1]], lines)
    bad = SOUND.replace("SE*23", "SE*9")
    read = Read(tmp_path, interchange(bad, many, bad, SOUND), batch_records=3)
    assert [batch.rows.num_rows for batch in read.batches] == [2, 3, 1]
    assert [[one.ordinal for one in batch.malformed] for batch in read.batches] == [[1], [], [1]]
    assert read.batches[0].rows["line_number"].to_pylist() == ["1", "2"]


@pytest.mark.parametrize("block_bytes", [1, 3, 105, 106, 107, 1 << 20])
def test_segments_do_not_depend_on_where_blocks_end(block_bytes: int) -> None:
    text = " \n" + interchange(SOUND, separators="*^:\n") + "\r\n" + interchange(SOUND.replace("ANN", "ÄNN")) + "\n"
    segments = list(read_segments(io.BytesIO(text.encode()), "f", block_bytes))
    assert [segment.position for segment in segments] == list(range(1, 55))
    assert "".join(segment.text for segment in segments) == text.rstrip("\n")
    assert segments[27].elements[0] == "ISA"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf \r\n\x1a", "an empty file"),
        (b"claim_id,line_number\n1,2\n", "a file that does not begin with ISA"),
        (b"ISABEL WARD", "a file that does not begin with ISA"),
        (b"GS*HC~" + interchange(SOUND).encode(), "a file that does not begin with ISA"),
        (b"PK\x03\x04\0\0", "bytes that are no text"),
        (interchange(SOUND).encode("utf-16"), "UTF-16 or UTF-32 text, or no text at all"),
        (interchange(SOUND).encode("utf-16-le"), "bytes that are no text"),
        (interchange(SOUND).encode()[:105], "an ISA segment that is cut short"),
        (interchange(SOUND).replace("SENDER  ", "SENDER").encode(),
         "an ISA segment whose elements do not have their fixed lengths"),
        (interchange(SOUND, separators="*^~~").encode(),
         "an ISA segment whose separators are letters or digits, or stand for two things"),
        (interchange(SOUND, separators="*^:X").encode(),
         "an ISA segment whose separators are letters or digits, or stand for two things"),
        (interchange(SOUND).replace("SENDER", "SENDE~").encode(),
         "an ISA segment whose separators are letters or digits, or stand for two things"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_interchange_is_refused_without_a_word_of_it(
    tmp_path: Path, content: bytes, found: str
) -> None:
    with pytest.raises(UnreadableFile) as refused:
        Read(tmp_path, content)
    assert (refused.value.place, refused.value.found) == ("medical_claims_d.837", found)


def test_a_later_interchange_that_is_not_sound_fails_its_file_and_says_where(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"medical_claims_d\.837, segment 28: found an ISA segment that is cut"):
        Read(tmp_path, interchange(SOUND) + interchange(SOUND)[:90])


def test_a_segment_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="segment 3: found a segment that does not end"):
        Read(tmp_path, interchange()[: -len("GE*0*1~IEA*1*000000907~")] + "ST*" + "9" * (3 << 20))


def test_what_is_no_regular_file_or_may_not_be_read_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.837")
    for path, found in ((tmp_path, "a folder"), (tmp_path / "pipe.837", "a pipe, socket or device")):
        with pytest.raises(UnreadableFile, match=found):
            x12_header(MEDICAL_CLAIMS, path, tmp_path)


def generated(feed: Feed, count: int, seed: int = 7) -> str:
    from x12sdk import generate

    if feed.transaction == "837":
        return str(generate.generate_837p(seed=seed, claims=count))
    return str(generate.generate_834(seed=seed, enrollees=count))


@pytest.mark.parametrize(("feed", "begins"), [(MEDICAL_CLAIMS, "LX"), (COVERAGES, "HD")])
def test_every_line_of_a_generated_file_is_a_record_once(tmp_path: Path, feed: Feed, begins: str) -> None:
    text = generated(feed, 150)
    read = Read(tmp_path, text, feed, batch_records=100)
    places = [place for place, segment in enumerate(text.split("~"), start=1) if segment.strip().startswith(begins)]
    assert len(places) > 150
    assert read.column("x12_segment") == [str(place) for place in places]


def test_the_charges_of_a_generated_file_are_those_that_the_library_reads(tmp_path: Path) -> None:
    from x12sdk.io import X12ModelReader

    text = generated(MEDICAL_CLAIMS, 50)
    with X12ModelReader(text) as reader:
        (model,) = reader.models()
    expected = []
    for subscriber in (one for biller in model.loop_2000a for one in biller.loop_2000b):
        for claim in [*(subscriber.loop_2300 or ()), *(c for p in subscriber.loop_2000c or () for c in p.loop_2300)]:
            for line in claim.loop_2400:
                charge = str(line.sv1_segment.line_item_charge_amount)
                expected.append((claim.clm_segment.patient_control_number, line.lx_segment.assigned_number, charge))
    rows = Read(tmp_path, text).rows
    found = [(row["claim_id"], row["line_number"], row["charge_amount"]) for row in rows]
    assert sorted(map(str, found)) == sorted(str((one, str(number), charge)) for one, number, charge in expected)
    assert len({row["patient_id"] for row in rows}) == 50


TWO = {
    MEDICAL_CLAIMS.name: (
        MEDICAL_CLAIMS,
        interchange(
            claims(SUBSCRIBER, CLAIM, LINE), claims(dependent(), CLAIM, LINE, ["HL*4*1*22*0"], SUBSCRIBER[1:], CLAIM, LINE,
                                                    number="0002")
        ),
    ),
    COVERAGES.name: (
        COVERAGES,
        interchange(enrolments(INSURED, COVERAGE), enrolments(INSURED, COVERAGE, INSURED, number="0002")),
    ),
}  # fmt: skip


ENVELOPE = ["ISA", "GS", "ST", "SE", "GE", "IEA", "TA1"]


def spared(segments: Sequence[str], changed: int) -> list[str]:
    """The numbers of the transactions to which a segment does not belong."""
    begins = segments.index(next(one for one in segments if one.startswith("ST*") and "*0002" in one))
    begin, end = 2, len(segments) - 3
    return ["0002"] if begin <= changed < begins else ["0001"] if begins <= changed <= end else ["0001", "0002"]


def holds_what_is_spared(tmp_path: Path, name: str, segments: list[str], changed: int, instead: list[str]) -> None:
    feed, text = TWO[name]
    whole = Read(tmp_path, text, feed).rows
    mutated = segments[:changed] + instead + segments[changed + 1 :]
    try:
        read = Read(tmp_path, "~".join(mutated) + "~", feed)
    except UnreadableFile as error:
        told = str(error).casefold()
        assert "canary" not in told
        others = "".join(instead).startswith(("ISA", "GS", "GE", "IEA"))
        assert segments[changed].startswith(("ISA", "GS", "GE", "IEA")) or others
        return
    for number in ("0001", "0002"):
        expected, found = (
            [{**row, "x12_segment": ""} for row in rows if row["x12_transaction"] == number]
            for rows in (whole, read.rows)
        )
        if number in spared(segments, changed):
            assert found == expected
        else:
            assert len(found) == len(expected) or read.malformed
    assert not [bad.reason for bad in read.malformed if "canary" in bad.reason.casefold()]


@pytest.mark.parametrize("name", TWO)
def test_a_lost_segment_never_costs_the_other_transaction_its_lines(tmp_path: Path, name: str) -> None:
    segments = TWO[name][1].removesuffix("~").split("~")
    for lost in range(len(segments)):
        holds_what_is_spared(tmp_path, name, segments, lost, [])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("name", TWO)
def test_a_garbled_segment_never_costs_the_other_transaction_its_lines(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    segments = TWO[name][1].removesuffix("~").split("~")
    changed = data.draw(st.integers(0, len(segments) - 1))
    elements = segments[changed].split("*")
    garbage = st.sampled_from(
        ["", "canary", "CANARY CANARY CANARY CANARY CANARY", "*", ":", "^", "é", "20249999", "\n"]
    )
    place = data.draw(st.integers(0, len(elements)))
    how = data.draw(st.sampled_from(["element", "cut", "twice", "name", "another"]))
    if how == "element":
        elements[place : place + 1] = [data.draw(garbage)]
        instead = ["*".join(elements)]
    elif how == "cut":
        instead = [segments[changed][: data.draw(st.integers(0, len(segments[changed])))]]
    elif how == "name":
        name_instead = data.draw(st.sampled_from(["HL", "NM1", "CLM", "LX", "HD", "INS", "REF", "CANARY", *ENVELOPE]))
        instead = ["*".join([name_instead, *elements[1:]])]
    else:
        instead = [segments[changed], data.draw(st.sampled_from([segments[changed], "canary", "REF*canary*canary"]))]
    holds_what_is_spared(tmp_path, name, segments, changed, instead)


def test_nothing_of_a_file_reaches_a_log_or_a_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        for before, after in (("N3*1 ST", "CANARY*1 ST"), ("*472*", "*CANARY*"), ("LX*1", "LX*1*CANARY*CANARY")):
            assert Read(tmp_path, interchange(SOUND.replace(before, after))).bad.rule == "rejected_transaction"
    assert [record.name for record in caplog.records if record.name.startswith("x12sdk")] == []
    out, err = capfd.readouterr()
    assert "CANARY" not in caplog.text + out + err


def test_the_library_is_imported_when_it_is_needed_and_reads_no_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("READ_BY_THE_LIBRARY=1\n")
    code = f"""
import os, sys
import dotenv.main
import claims_lakehouse.landing.x12_reader
from claims_lakehouse.landing import x12_soundness
assert "x12sdk" not in sys.modules
dotenv.main.find_dotenv = lambda *_, **__: {str(tmp_path / ".env")!r}
x12_soundness._library("parsing")
assert "x12sdk" in sys.modules
assert "READ_BY_THE_LIBRARY" not in os.environ and "PYTHON_DOTENV_DISABLED" not in os.environ
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_DOTENV_DISABLED"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def samples() -> Path:
    if not SAMPLES.is_dir():
        pytest.skip("the sample interchanges (shared/data/x12) are not beside the repository")
    return SAMPLES


@pytest.mark.parametrize(
    ("folder", "feed", "records", "rules"),
    [
        ("834_005010X220A1", COVERAGES, 10, ["rejected_transaction"]),
        ("837_005010X222A2", MEDICAL_CLAIMS, 43, ["unsupported_transaction"]),
        ("837_004010X098A1", MEDICAL_CLAIMS, 19, ["unsupported_transaction"]),
        ("837_004010X096A1", MEDICAL_CLAIMS, 0, ["unsupported_transaction"] * 5),
        ("837_005010X223A3", MEDICAL_CLAIMS, 0, ["unsupported_transaction"] * 4),
        ("835_005010X221A1", MEDICAL_CLAIMS, 0, ["unsupported_transaction"] * 5),
    ],
)
def test_the_samples_come_to(
    tmp_path: Path, samples: Path, folder: str, feed: Feed, records: int, rules: list[str]
) -> None:
    read = [Read(tmp_path, path.read_bytes(), feed) for path in sorted((samples / folder).iterdir())]
    assert sum(len(one.rows) for one in read) == records
    assert [bad.rule for one in read for bad in one.malformed] == rules


def test_the_sample_with_a_qualifier_of_no_guide_says_where_it_is(tmp_path: Path, samples: Path) -> None:
    path = samples / "834_005010X220A1" / "enroll-employee-managed-care.834"
    assert Read(tmp_path, path.read_bytes(), COVERAGES).bad.reason == (
        f"segment DTP at position 10: date_time_qualifier is not one that {ENROLMENT_GUIDE} knows (1 member in it)"
    )


def test_a_sample_with_two_insurances_is_billed_to_the_first(tmp_path: Path, samples: Path) -> None:
    path = samples / "837_005010X222A2" / "demo.cob.example3.C.837"
    read = Read(tmp_path, path.read_bytes())
    assert read.column("procedure_code") == ["99213", "90782", "J3301"]
    assert read.column("patient_id") == ["22233444-6dc18bdc"] * 3
    assert read.column("provider_npi") == ["1999996666"] * 3
    assert read.column("x12_segment") == ["50", "56", "61"]
