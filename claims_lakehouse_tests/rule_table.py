"""The README's table of rules, made from the contracts.

`python -m claims_lakehouse_tests.rule_table` puts it into README.md, between its two markers.
"""

from __future__ import annotations

from pathlib import Path

from claims_lakehouse.contracts import FEEDS, RULES, Rule
from claims_lakehouse.contracts.formats import END_DATE

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"

#: What stands in a message for what is only known of a row.
_EXPECTED = {
    "not_a_date": END_DATE.accepts.replace("; ", "; as an end ", 1),
    "malformed_row": "a wrong number of fields, text after a closing quote, or bytes that are not UTF-8",
    "duplicate_row": "*n*",
    "conflicting_row": "*n*",
    "unknown_diagnosis": "*code*",
    "diagnosis_not_billable": "*code*",
    "diagnosis_unverified": "*code*",
    "rejected_transaction": "*segment and place*",
    "unsupported_transaction": "*transaction and guide*",
    "other_record": "*the column that tells*",
}


def rule_table() -> str:
    """A line a rule, in the order of the contracts: its name, its severity, what it says and its source."""
    lines = ["| rule | severity | what it says | source |", "|---|---|---|---|"]
    lines += [f"| `{rule.name}` | {rule.severity} | {_said(rule)} | {rule.source} |" for rule in RULES]
    return "\n".join(lines)


def with_rule_table(text: str) -> str:
    """The README with the table between its markers made anew; ValueError where they are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md: found no markers; expected {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{rule_table()}\n{END}{after}"


def _said(rule: Rule) -> str:
    accepted = {form.accepts for feed in FEEDS for form in (c.form for c in feed.columns) if form.rule == rule}
    expected = _EXPECTED.get(rule.name) or " / ".join(sorted(accepted))
    column = "The field" if rule.message.startswith("{column}") else "the field"
    said = rule.message.replace("{column}", column).replace("{expected}", expected).replace("|", "\\|")
    return said + (" *Live.*" if rule.live else "")


if __name__ == "__main__":
    README.write_text(with_rule_table(README.read_text(encoding="utf-8")), encoding="utf-8")
