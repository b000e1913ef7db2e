"""What rules may read of a line. Each fact is a column of this package's SQL, computed before any rule is asked."""

from __future__ import annotations

from typing import NamedTuple


class Fact(NamedTuple):
    """One thing that is known of a line.

    Attributes:
        name: Its name in rules.
        sql_type: Its type.
        meaning: What it says, and when it is NULL.
        is_beside: Whether it is about the patient's other lines: those that are denied by themselves count for nothing
            there, so rules that read it are asked after the others.
    """

    name: str
    sql_type: str
    meaning: str
    is_beside: bool = False


FACTS = (
    Fact("charge", "DECIMAL(12, 2)", "What the provider asks for the line, US dollars."),
    Fact("units", "DECIMAL(9, 3)", "How many units were given; NULL where it is not said."),
    Fact("place_of_service", "VARCHAR", "Where the service was given, CMS's code; NULL where it is not said."),
    Fact("procedure_code", "VARCHAR", "What was done."),
    Fact("service_day", "DATE", "The first day of the service."),
    Fact("coverage_count", "BIGINT", "How many coverages of the patient are known, of whatever time."),
    Fact("is_covered", "BOOLEAN", "Whether a coverage holds on the day of service."),
    Fact("covered_since", "DATE", "The first day of the patient's first coverage; NULL where there is none."),
    Fact("plan_id", "VARCHAR", "The plan that covers the day of service; the one that began last, of several."),
    Fact("plan_is_known", "BOOLEAN", "Whether that plan's terms are known."),
    Fact("days_to_receipt", "BIGINT", "Days from the last day of service to when the claim was received first."),
    Fact("filing_days", "INTEGER", "Days within which the plan wants claims to be received."),
    Fact("replaces_unknown", "BOOLEAN", "Whether the claim replaces or voids one of which the patient has none."),
    Fact("procedure_is_known", "BOOLEAN", "Whether a landed code set has the procedure; NULL where none landed."),
    Fact("needs_authorization", "BOOLEAN", "Whether the plan wants the service to be authorized beforehand."),
    Fact("authorized_by", "VARCHAR", "The authorization that the line names, where it is for this service and day."),
    Fact("not_covered_by", "VARCHAR", "The exclusion by which the plan does not cover the service."),
    Fact("outside_age_of", "VARCHAR", "The exclusion whose ages the patient is outside of on the day of service."),
    Fact("age_is_unknown", "BOOLEAN", "Whether an exclusion asks for the age of a patient who is not known."),
    Fact("sex_limit_of", "VARCHAR", "The exclusion by which the service is covered for one sex only."),
    Fact("fee", "DECIMAL(12, 2)", "What the plan allows for one unit; NULL where its fee schedule has no price."),
    Fact("duplicate_of", "VARCHAR", "The earlier line that billed the same act: claim|line.", is_beside=True),
    Fact("similar_to", "VARCHAR", "The earlier line of another claim that is most like it.", is_beside=True),
    Fact("similarity", "INTEGER", "How like it is, points of 100 (decision 0013).", is_beside=True),
    Fact("part_of", "VARCHAR", "The line of that provider and day of which it is part: claim|line.", is_beside=True),
    Fact("is_said_to_be_separate", "BOOLEAN", "Whether a modifier says that part and whole were separate, where the"
         " edit allows that.", is_beside=True),
)  # fmt: skip
FACT_NAMED = {fact.name: fact for fact in FACTS}
