"""US states and territories (USPS Publication 28, appendix B), by name and two-letter code; small zip code areas."""

from __future__ import annotations

STATES: dict[str, str] = {
    "AL": "Alabama",
    "AK": "Alaska",
    "AS": "American Samoa",
    "AZ": "Arizona",
    "AR": "Arkansas",
    "CA": "California",
    "CO": "Colorado",
    "CT": "Connecticut",
    "DE": "Delaware",
    "DC": "District of Columbia",
    "FL": "Florida",
    "GA": "Georgia",
    "GU": "Guam",
    "HI": "Hawaii",
    "ID": "Idaho",
    "IL": "Illinois",
    "IN": "Indiana",
    "IA": "Iowa",
    "KS": "Kansas",
    "KY": "Kentucky",
    "LA": "Louisiana",
    "ME": "Maine",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "MI": "Michigan",
    "MN": "Minnesota",
    "MS": "Mississippi",
    "MO": "Missouri",
    "MT": "Montana",
    "NE": "Nebraska",
    "NV": "Nevada",
    "NH": "New Hampshire",
    "NJ": "New Jersey",
    "NM": "New Mexico",
    "NY": "New York",
    "NC": "North Carolina",
    "ND": "North Dakota",
    "MP": "Northern Mariana Islands",
    "OH": "Ohio",
    "OK": "Oklahoma",
    "OR": "Oregon",
    "PA": "Pennsylvania",
    "PR": "Puerto Rico",
    "RI": "Rhode Island",
    "SC": "South Carolina",
    "SD": "South Dakota",
    "TN": "Tennessee",
    "TX": "Texas",
    "UT": "Utah",
    "VT": "Vermont",
    "VI": "Virgin Islands",
    "VA": "Virginia",
    "WA": "Washington",
    "WV": "West Virginia",
    "WI": "Wisconsin",
    "WY": "Wyoming",
}

#: Every accepted writing of a state, in lower case, with its two-letter code.
STATE_CODES: dict[str, str] = {
    **{code.lower(): code for code in STATES},
    **{name.lower(): code for code, name in STATES.items()},
    "u.s. virgin islands": "VI",
    "us virgin islands": "VI",
}

STATE_WORDS: tuple[str, ...] = tuple(sorted(STATE_CODES))

#: Three-digit zip code areas of 20,000 people or fewer, by any of three counts, so that what is made by this list is
#: good by each: the census of 2000 (17 areas, in the guidance of the Department of Health and Human Services of 26
#: November 2012), the census of 2010 (14 areas), and the American Community Survey of 2018 to 2022, on the census areas
#: of 2020 (18 areas).
SMALL_AREAS: frozenset[str] = frozenset(
    {
        "036", "059", "063", "102", "202", "203", "204", "205", "369", "556", "692", "753", "772", "790", "821", "823",
        "830", "831", "878", "879", "884", "890", "893",
    }
)  # fmt: skip

#: Three-digit areas where the census counts nobody: not in use, of the military abroad, or of post boxes and single
#: offices alone. Nobody can say that they hold more than 20,000 people.
UNCOUNTED_AREAS: frozenset[str] = frozenset(
    {
        "000", "001", "002", "003", "004", "005", "055", "090", "091", "092", "093", "094", "095", "096", "097", "098",
        "099", "192", "213", "269", "311", "332", "340", "343", "345", "348", "353", "375", "399", "419", "428", "429",
        "459", "509", "517", "518", "519", "529", "533", "536", "552", "555", "568", "569", "578", "579", "589", "621",
        "632", "642", "643", "649", "659", "663", "682", "694", "695", "696", "697", "698", "699", "702", "709", "715",
        "732", "733", "742", "771", "817", "818", "819", "839", "842", "848", "849", "854", "858", "861", "862", "866",
        "867", "868", "869", "872", "876", "885", "886", "887", "888", "889", "892", "896", "899", "901", "909", "929",
        "938", "942", "962", "963", "964", "965", "966", "987",
    }
)  # fmt: skip
