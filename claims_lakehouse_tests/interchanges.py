"""X12 interchanges as tests build them: sound segments, of which a test changes one."""

from __future__ import annotations

from collections.abc import Iterable

HEAD = [
    "BHT*0019*00*0123*20240301*1023*CH",
    "NM1*41*2*BILLING SERVICE*****46*TGJ23",
    "PER*IC*JERRY*TE*3055552222",
    "NM1*40*2*PAYER*****46*66783",
]
BILLER = ["HL*1**20*1", "NM1*85*2*CLINIC*****XX*1999996666", "N3*1 ST", "N4*MIAMI*FL*33111", "REF*EI*123456789"]
SUBSCRIBER = [
    "HL*2*1*22*0",
    "SBR*P*18*******MB",
    "NM1*IL*1*WARD*ANN****MI*M1",
    "N3*2 ST",
    "N4*MIAMI*FL*33111",
    "DMG*D8*19430501*F",
    "NM1*PR*2*PAYER*****PI*66783",
]
CLAIM = ["CLM*C1*43.00***11:B:1*Y*A*Y*Y", "HI*ABK:J029"]
LINE = ["LX*1", "SV1*HC:99213*43.00*UN*1***1", "DTP*472*D8*20240214"]
ENROLMENT_HEAD = ["BGN*00*12456*20240301*1200****2", "N1*P5**FI*999888777", "N1*IN**FI*654456654"]
INSURED = [
    "INS*Y*18*021*20*A***FT",
    "REF*0F*S1",
    "REF*1L*G1",
    "DTP*356*D8*20240102",
    "NM1*IL*1*WARD*ANN****ZZ*P1",
    "DMG*D8*19430501*F",
]
COVERAGE = ["HD*021**HLT", "DTP*348*D8*20240201", "DTP*349*D8*20241231"]


def dependent(number: str = "", first: str = "TED", holder: str = "M1") -> list[str]:
    """A subscriber and, under their number, a dependent."""
    identified = f"NM1*QC*1*WARD*{first}" + (f"****MI*{number}" if number else "")
    return [
        "HL*2*1*22*1", "SBR*P********MB", f"NM1*IL*1*WARD*ANN****MI*{holder}", "NM1*PR*2*PAYER*****PI*66783",
        "HL*3*2*23*0", "PAT*19", identified, "N3*2 ST", "N4*MIAMI*FL*33111", "DMG*D8*20100501*M",
    ]  # fmt: skip


def transaction(*parts: Iterable[str], code: str = "837", guide: str = "*005010X222A2", number: str = "0001") -> str:
    """A transaction of those segments, counted."""
    body = [segment for part in parts for segment in part]
    return "~".join([f"ST*{code}*{number}{guide}", *body, f"SE*{len(body) + 2}*{number}", ""])


def claims(*parts: Iterable[str], number: str = "0001") -> str:
    return transaction(HEAD, BILLER, *parts, number=number)


def old_claims(*parts: Iterable[str]) -> str:
    """A 4010 transaction, whose guide stands in the group and in a REF."""
    of_its_time = [[segment.replace("HI*ABK:J029", "HI*BK:4779") for segment in part] for part in parts]
    return transaction([HEAD[0], "REF*87*004010X098A1", *HEAD[1:]], BILLER, *of_its_time, guide="")


def enrolments(*parts: Iterable[str], number: str = "0001") -> str:
    return transaction(ENROLMENT_HEAD, *parts, code="834", guide="*005010X220A1", number=number)


def interchange(*transactions: str, guide: str = "005010X222A2", separators: str = "*^:~") -> str:
    """A file of those transactions, written with other separators of element, repetition, component and segment."""
    text = (
        f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{'SENDER':15}*ZZ*{'RECEIVER':15}*240301*1023*^*00501*000000907*1*P*:~"
        f"GS*HC*1*2*20240301*1023*1*X*{guide}~" + "".join(transactions) + f"GE*{len(transactions)}*1~IEA*1*000000907~"
    )
    return text.translate(str.maketrans("*^:~", separators))
