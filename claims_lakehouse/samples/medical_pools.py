"""Codes, plans and limits that sample records of an insurance are made of.

The codes are real, the amounts and pairings are invented: no schedule, plan or policy of anybody's is described.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Procedure(NamedTuple):
    """A CPT or HCPCS level II code, what a unit of it is worth in cents, and the kind of line that it stands on.

    The words are this project's own: CPT's descriptors belong to the American Medical Association.
    """

    code: str
    description: str
    cents: int
    kind: int


#: Kinds of lines. The lines of a claim differ in kind, so that none bills what another does.
VISIT, TEST, TREATMENT, SUPPLY, UNBILLED = range(5)

#: In the order of the code sets. Those whose place ends in 6 are billed by nobody: the priming may hold them back.
PROCEDURES: tuple[Procedure, ...] = (
    Procedure("99202", "New patient, office visit, 15 minutes", 7300, VISIT),
    Procedure("99203", "New patient, office visit, 30 minutes", 11300, VISIT),
    Procedure("99204", "New patient, office visit, 45 minutes", 16900, VISIT),
    Procedure("99205", "New patient, office visit, 60 minutes", 22300, VISIT),
    Procedure("99212", "Known patient, office visit, 10 minutes", 5700, VISIT),
    Procedure("99213", "Known patient, office visit, 20 minutes", 9200, VISIT),
    Procedure("99201", "New patient, office visit, 10 minutes", 4600, UNBILLED),
    Procedure("99214", "Known patient, office visit, 30 minutes", 13000, VISIT),
    Procedure("99215", "Known patient, office visit, 40 minutes", 18200, VISIT),
    Procedure("99381", "New patient, preventive visit, under 1 year", 11800, VISIT),
    Procedure("99391", "Known patient, preventive visit, under 1 year", 10600, VISIT),
    Procedure("99395", "Known patient, preventive visit, 18 to 39 years", 12900, VISIT),
    Procedure("99396", "Known patient, preventive visit, 40 to 64 years", 13700, VISIT),
    Procedure("80053", "Comprehensive metabolic panel", 1060, TEST),
    Procedure("80061", "Lipid panel", 1340, TEST),
    Procedure("81003", "Urinalysis, automated", 230, TEST),
    Procedure("93015", "Cardiovascular stress test", 7200, UNBILLED),
    Procedure("83036", "Hemoglobin A1c", 970, TEST),
    Procedure("84443", "Thyroid stimulating hormone", 1680, TEST),
    Procedure("85025", "Blood count with differential", 780, TEST),
    Procedure("87880", "Streptococcus A, rapid test", 1650, TEST),
    Procedure("36415", "Drawing of venous blood", 860, TEST),
    Procedure("71046", "X-ray of the chest, 2 views", 3300, TEST),
    Procedure("73030", "X-ray of the shoulder", 3400, TEST),
    Procedure("77067", "Screening mammogram, both sides", 13100, TEST),
    Procedure("93000", "Electrocardiogram with report", 1500, TEST),
    Procedure("97010", "Hot or cold packs", 600, UNBILLED),
    Procedure("70551", "MRI of the brain", 21800, TEST),
    Procedure("11102", "Biopsy of the skin", 10400, TREATMENT),
    Procedure("17000", "Destruction of a skin lesion", 6700, TREATMENT),
    Procedure("20610", "Injection into a large joint", 6500, TREATMENT),
    Procedure("45378", "Colonoscopy", 34000, TREATMENT),
    Procedure("69210", "Removal of ear wax", 4800, TREATMENT),
    Procedure("90471", "Giving a vaccine", 2200, TREATMENT),
    Procedure("96372", "Injection under the skin or into a muscle", 1500, TREATMENT),
    Procedure("97110", "Therapeutic exercise, 15 minutes", 3000, TREATMENT),
    Procedure("99499", "Another evaluation service", 5000, UNBILLED),
    Procedure("97112", "Neuromuscular reeducation, 15 minutes", 3400, TREATMENT),
    Procedure("97140", "Manual therapy, 15 minutes", 2800, TREATMENT),
    Procedure("98941", "Chiropractic manipulation, 3 to 4 regions", 4100, TREATMENT),
    Procedure("90686", "Influenza vaccine", 2100, SUPPLY),
    Procedure("90715", "Tetanus, diphtheria and pertussis vaccine", 3600, SUPPLY),
    Procedure("A0425", "Ground mileage, a mile", 800, SUPPLY),
    Procedure("A0428", "Ambulance, basic life support", 25100, SUPPLY),
    Procedure("E0114", "Crutches, a pair", 4500, SUPPLY),
    Procedure("G0008", "Giving an influenza vaccine", 2400, SUPPLY),
    Procedure("J3490", "Drug without a code of its own", 1000, UNBILLED),
    Procedure("J1100", "Dexamethasone, 1 mg", 150, SUPPLY),
    Procedure("J1885", "Ketorolac, 15 mg", 120, SUPPLY),
    Procedure("J3301", "Triamcinolone, 10 mg", 190, SUPPLY),
)
BILLED: tuple[Procedure, ...] = tuple(one for one in PROCEDURES if one.kind != UNBILLED)
#: When a code ceased to be in force; the others are in force for good.
ENDED: dict[str, str] = {"99201": "2020-12-31"}
#: Well-formed codes that no sample code set has.
NO_PROCEDURES: tuple[str, ...] = ("00000", "09999", "99998", "9999F", "J9998", "S9998")

#: Codes of ICD-10-CM that are billable in every release at hand.
DIAGNOSES: tuple[str, ...] = (
    "I10", "E119", "E785", "J069", "Z0000", "M1711", "E1165", "E039", "I2510", "J449", "J45909", "N390", "R079",
    "R0602", "R109", "M542", "M25561", "M1712", "F411", "F329", "K219", "G4733", "E669", "D649", "Z23", "Z00129",
    "H6691", "J029", "J209", "L309", "I4891", "I509", "R509", "S93401A", "S61411A", "B349", "K5900", "R42", "M79671",
    "E1122", "E559", "J0190", "R5383", "G43909", "M25511", "R739", "J301",
)  # fmt: skip
#: Codes that are headers in every release at hand, and well-formed ones that none of them has.
HEADERS: tuple[str, ...] = ("E11", "I25", "J45", "M17", "S934", "Z00")
NO_DIAGNOSES: tuple[str, ...] = ("A0099", "E1177", "I1099", "J0699", "K2199", "M17111", "Q9999", "Z0099")


class Diagnoses(NamedTuple):
    """Diagnoses of a line, joined, and how many there are."""

    text: str
    codes: int


def _diagnoses() -> tuple[Diagnoses, ...]:
    """Lists of one to four diagnoses, an eighth of them with dots as people write them."""
    rng, found = Random("diagnoses"), []
    for place in range(1_000):
        codes = rng.sample(DIAGNOSES, rng.choice((1, 1, 2, 2, 3, 4)))
        if place % 8 == 0:
            codes = [f"{code[:3]}.{code[3:]}".rstrip(".") for code in codes]
        found.append(Diagnoses("|".join(codes), len(codes)))
    return tuple(found)


DIAGNOSIS_LISTS = _diagnoses()
#: Ways to point at diagnoses, by how many there are.
POINTERS = (
    ("1", "1", "1", "1", "1", "1"),
    ("1", "1", "1|2", "2", "1|2", "2|1"),
    ("1", "1|2", "2|3", "3", "1|2|3", "1"),
    ("1", "1|2", "2|4", "4", "1|2|3|4", "3|1"),
)

#: Weighted by how often they occur; on most lines there is none.
MODIFIERS: tuple[str, ...] = ("25", "25", "59", "GP", "LT", "RT", "76", "25|59", "LT|GP")
PLACES: tuple[str, ...] = ("11", "11", "11", "11", "11", "22", "22", "23", "81", "02", "10", "49")

TIERS: tuple[str, ...] = ("Bronze", "Silver", "Gold", "Platinum", "Basic")
PLAN_KINDS: tuple[str, ...] = ("HMO", "PPO", "EPO")
COPAYS: tuple[str | None, ...] = (
    "11=25.00|23=150.00|other=40.00", "11=20|22=35|23=200|other=30", "11=0|other=15.50", "other=30", None,
)  # fmt: skip
ANNUAL_MAXIMA: tuple[str | None, ...] = (None, "1000000.00", None, "250000.00", None, "50000.00")
FILING_DAYS: tuple[str, ...] = ("90", "120", "180", "365")


class Exclusion(NamedTuple):
    """A limit; columns of the contract that are not named are empty."""

    kind: str
    procedure: str | None = None
    diagnosis: str | None = None
    least_age: str | None = None
    most_age: str | None = None
    sex: str | None = None
    most_units: str | None = None


EXCLUSIONS: tuple[Exclusion, ...] = (
    Exclusion("not_covered", "A0425"),
    Exclusion("age_limit", "99381", most_age="0"),
    Exclusion("sex_limit", "77067", sex="F"),
    Exclusion("units_limit", "97110", most_units="4"),
    Exclusion("authorization_required", "70551"),
    Exclusion("not_covered", diagnosis="Z41.1"),
    Exclusion("age_limit", "99391", most_age="1"),
    Exclusion("units_limit", "97140", most_units="4"),
    Exclusion("authorization_required", "A0428"),
    Exclusion("not_covered", "17000", diagnosis="L82.1"),
    Exclusion("age_limit", "99396", least_age="40", most_age="64"),
    Exclusion("units_limit", "J1100", most_units="10"),
    Exclusion("authorization_required", "45378"),
    Exclusion("not_covered", "E0114"),
    Exclusion("age_limit", "77067", least_age="35"),
    Exclusion("units_limit", "A0425", most_units="50"),
    Exclusion("authorization_required", "98941"),
    Exclusion("not_covered", diagnosis="F52"),
    Exclusion("age_limit", "99395", least_age="18", most_age="39"),
    Exclusion("sex_limit", "84443", diagnosis="N94", sex="F"),
)  # fmt: skip

#: The procedure that is paid, and the one that is part of it.
EDITS: tuple[tuple[str, str], ...] = (
    ("80053", "36415"), ("80061", "36415"), ("85025", "36415"), ("83036", "36415"), ("84443", "36415"),
    ("90471", "96372"), ("20610", "96372"), ("20610", "J3301"), ("11102", "17000"), ("45378", "99213"),
    ("97140", "98941"), ("97140", "97112"), ("69210", "99212"), ("17000", "99212"), ("11102", "99213"),
    ("93000", "99215"), ("99214", "36415"), ("99215", "81003"), ("90471", "99212"), ("98941", "97110"),
)  # fmt: skip
