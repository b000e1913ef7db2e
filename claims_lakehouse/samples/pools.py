"""Words that sample records are made of. Invented combinations: no row describes a real person."""

from __future__ import annotations

GIVEN_NAMES: tuple[str, ...] = (
    "Ada", "Adele", "Alan", "Alice", "Amara", "Amit", "Ana", "Anders", "Angela", "Arthur", "Beatriz", "Ben",
    "Bianca", "Boris", "Brenda", "Bruno", "Carla", "Carlos", "Cathy", "Chen", "Chloe", "Clara", "Colin",
    "Dalia", "Daniel", "Daphne", "Diego", "Dora", "Dylan", "Edith", "Elena", "Elias", "Emma", "Erik",
    "Esther", "Ethan", "Eva", "Farah", "Felix", "Fiona", "Frank", "Gail", "Gloria", "Grace", "Hana", "Hassan",
    "Hector", "Helen", "Hugo", "Ida", "Imani", "Ines", "Iris", "Isaac", "Ivan", "Jada", "James", "Joan",
    "Jonas", "José", "Judith", "Julia", "Kai", "Karen", "Kofi", "Laila", "Lars", "Leah", "Leo", "Lin",
    "Lucía", "Lukas", "Mabel", "Marco", "Maria", "Mark", "Mei", "Mia", "Miles", "Mona", "Nadia", "Nina",
    "Noah", "Nora", "Oleg", "Olga", "Omar", "Oscar", "Paula", "Pedro", "Petra", "Priya", "Quinn", "Rachel",
    "Rafael", "Renée", "Rita", "Robin", "Rosa", "Ruth", "Samir", "Sara", "Sergio", "Silvia", "Simon", "Sofia",
    "Stella", "Tariq", "Tessa", "Thomas", "Uma", "Vera", "Victor", "Wanda", "Wei", "Yara", "Yusuf", "Zoe",
)  # fmt: skip
FAMILY_NAMES: tuple[str, ...] = (
    "Abbott", "Adeyemi", "Alvarez", "Archer", "Baker", "Barnes", "Becker", "Bennett", "Bianchi", "Blake",
    "Brennan", "Bright", "Burke", "Castillo", "Chang", "Chavez", "Cole", "Cooper", "Costa", "Crane", "Cruz",
    "Dalton", "Davies", "Delgado", "Diaz", "Dixon", "Doyle", "Duarte", "Eaton", "Ellis", "Espinoza", "Farmer",
    "Ferrari", "Fischer", "Fleming", "Flores", "Foster", "Fox", "Franco", "Garner", "Gibbs", "Goldberg",
    "Gomez", "Grant", "Greene", "Gupta", "Haas", "Hale", "Hansen", "Harper", "Hayes", "Hernández", "Hoffman",
    "Holt", "Hughes", "Ibarra", "Ingram", "Ivanov", "Jacobs", "Jensen", "Johansson", "Kaplan", "Keller",
    "Khan", "Kim", "Knight", "Kowalski", "Kramer", "Lambert", "Larsen", "Lopez", "Lowe", "Maddox", "Marsh",
    "Medina", "Mendoza", "Meyer", "Molina", "Moss", "Muñoz", "Nakamura", "Nash", "Nguyen", "Null", "O'Brien",
    "O'Connor", "Okafor", "Olsen", "Ortega", "Osborne", "Park", "Patel", "Perry", "Pham", "Porter",
    "Quintana", "Ramos", "Reyes", "Rhodes", "Rossi", "Sanders", "Santos", "Schmidt", "Sharma", "Silva",
    "Smith-Jones", "Sokolov", "Stone", "Sutton", "Tanaka", "Thornton", "Torres", "Tran", "Vance", "Vargas",
    "Vega", "Wagner", "Walsh", "Weaver", "Webb", "Weiss", "Winters", "Wolfe", "Wong", "Yamada", "York",
    "Zamora", "Ziegler", "Zhao",
)  # fmt: skip
STREETS: tuple[str, ...] = tuple(
    f"{name} {kind}"
    for name in (
        "Alder", "Bayview", "Birch", "Bluff", "Canal", "Cedar", "Chestnut", "Church", "Cypress",
        "East Main", "Elm", "Fairview", "Fifth", "Franklin", "Garden", "Grove", "Harbor", "Hickory", "High",
        "Highland", "Juniper", "Lake", "Laurel", "Liberty", "Linden", "Magnolia", "Maple", "Market",
        "Meadow", "Mill", "North Park", "Oak", "Orchard", "Pine", "Prospect", "Quarry", "Ridge", "River",
        "Second", "South Spring", "Spruce", "Summit", "Sycamore", "Third", "Union", "Valley", "Vine",
        "Walnut", "Washington", "West Hill", "Willow", "Winding",
    )
    for kind in ("Street", "Avenue", "Road", "Drive", "Lane", "Boulevard", "Court", "Street, Apt 4")
)  # fmt: skip
#: City, state, zip code.
PLACES: tuple[tuple[str, str, str], ...] = (
    ("Birmingham", "Alabama", "35203"), ("Juneau", "Alaska", "99801"),
    ("Tucson", "Arizona", "85701"), ("Fayetteville", "Arkansas", "72701"),
    ("Fresno", "California", "93721"), ("Oakland", "California", "94607"),
    ("San Diego", "California", "92101"), ("Boulder", "Colorado", "80302"),
    ("Pueblo", "Colorado", "81003"), ("New Haven", "Connecticut", "06510"),
    ("Stamford", "Connecticut", "06901"), ("Dover", "Delaware", "19901"),
    ("Washington", "District of Columbia", "20001"), ("Tampa", "Florida", "33602"),
    ("Orlando", "Florida", "32801"), ("Savannah", "Georgia", "31401"),
    ("Honolulu", "Hawaii", "96813"), ("Boise", "Idaho", "83702"),
    ("Peoria", "Illinois", "61602"), ("Rockford", "Illinois", "61101"),
    ("South Bend", "Indiana", "46601"), ("Cedar Rapids", "Iowa", "52401"),
    ("Topeka", "Kansas", "66603"), ("Lexington", "Kentucky", "40507"),
    ("Baton Rouge", "Louisiana", "70801"), ("Portland", "Maine", "04101"),
    ("Annapolis", "Maryland", "21401"), ("Boston", "Massachusetts", "02108"),
    ("Worcester", "Massachusetts", "01608"), ("Lansing", "Michigan", "48933"),
    ("Rochester", "Minnesota", "55902"), ("Jackson", "Mississippi", "39201"),
    ("Saint Louis", "Missouri", "63101"), ("Missoula", "Montana", "59801"),
    ("Omaha", "Nebraska", "68102"), ("Reno", "Nevada", "89501"),
    ("Concord", "New Hampshire", "03301"), ("Newark", "New Jersey", "07102"),
    ("Trenton", "New Jersey", "08608"), ("Santa Fe", "New Mexico", "87501"),
    ("Albany", "New York", "12207"), ("Buffalo", "New York", "14202"),
    ("Durham", "North Carolina", "27701"), ("Fargo", "North Dakota", "58102"),
    ("Dayton", "Ohio", "45402"), ("Toledo", "Ohio", "43604"),
    ("Tulsa", "Oklahoma", "74103"), ("Eugene", "Oregon", "97401"),
    ("Erie", "Pennsylvania", "16501"), ("Pittsburgh", "Pennsylvania", "15222"),
    ("San Juan", "Puerto Rico", "00901"), ("Providence", "Rhode Island", "02903"),
    ("Charleston", "South Carolina", "29401"), ("Rapid City", "South Dakota", "57701"),
    ("Knoxville", "Tennessee", "37902"), ("El Paso", "Texas", "79901"),
    ("Lubbock", "Texas", "79401"), ("Ogden", "Utah", "84401"),
    ("Burlington", "Vermont", "05401"), ("Richmond", "Virginia", "23219"),
    ("Spokane", "Washington", "99201"), ("Tacoma", "Washington", "98402"),
    ("Charleston", "West Virginia", "25301"), ("Madison", "Wisconsin", "53703"),
    ("Cheyenne", "Wyoming", "82001"),
)  # fmt: skip
FACILITIES: tuple[str, ...] = tuple(
    f"{name} {kind}"
    for name in (
        "Blue Harbor", "Cedar Ridge", "Evergreen", "Good Neighbor", "Lakeside", "Morningside", "Northgate",
        "Prairie", "Riverbend", "Saint Agnes", "Stonebridge", "Summit View", "Sunrise", "Twin Oaks",
        "Wellspring", "Westfield",
    )
    for kind in ("Clinic", "Family Practice", "Medical Center", "Medical Group", "Therapy", "Hospital")
)  # fmt: skip
REMARKS: tuple[str, ...] = (
    "as usual", "by telephone", "checked", "first of two", "on site", "referred", "renewed",
)  # fmt: skip

#: Ways to write a field wrongly, by the rule that they break.
WRONG: dict[str, tuple[str, ...]] = {
    "not_a_date": ("2/30/2021", "unknown", "13/45/1990", "19870704", "0/0/0000", "March 3, 2019", "1/1/0001"),
    "bad_amount": ("-35.10", "1,204.50", "$88.00", "12.345", "1e3", "pending"),
    "bad_code": ("..", "n/a", "99213-25", "?"),
    "bad_coverage": ("75", "80%", "full", "-50", "5O"),
    "unknown_visit_type": ("surgrey", "check-up", "televisit", "ilness"),
    "unknown_specialty": ("hart_surgeon", "dentist", "orthopedic", "family_physican"),
    "bad_flag": ("maybe", "X", "2", "TF"),
    "bad_zipcode": ("ABCDE", "123456", "99", "1234-5678", "7O102"),
    "bad_npi": ("1234567890", "1999999999", "0123456789", "123456789", "3141592653"),
    "bad_procedure_code": ("9921", "992133", "W1234", "99-213", "office visit"),
    "bad_modifiers": ("2", "25X", "LEFT", "RT!", "25|59|76|LT|GP"),
    "bad_diagnosis_codes": ("E", "diabetes", "E11900000", "E119-I10", "ICD10"),
    "bad_pointers": ("0", "13", "A", "1|2|3|4|5", "1-2"),
    "unknown_place_of_service": ("00", "30", "88", "OF"),
    "bad_units": ("0", "-1", "10000", "1.2345", "one", "2 h"),
    "bad_number": ("-1", "1.5", "many", "1000000", "2O"),
    "bad_percentage": ("101", "-20", "0.2 of it", "20.125", "half"),
    "bad_copays": ("25", "11:25", "office=25.00", "11=25.00|23", "11=-5"),
    "unknown_frequency": ("0", "2", "9", "R"),
    "unknown_code_system": ("CPT-5", "ICD-9", "SNOMED CT", "LOINC"),
    "unknown_kind": ("not covered at all", "agelimit", "prior_auth", "cosmetic"),
    "unknown_indicator": ("2", "8", "Y", "none"),
    "unknown_sex": ("X", "male", "W", "1"),
}
#: State names that somebody misspelt, or that are none.
NO_STATES: tuple[str, ...] = (
    "Conneticut", "Pensylvania", "Massachusets", "Flordia", "Ontario", "Tenessee", "Illinios",
)  # fmt: skip
