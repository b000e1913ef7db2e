"""Rule sets as files: TOML, held to what a rule set can say before anybody asks it.

A rule is a condition in SQL over facts, one expression without queries. What a file says it reads and what it reads
are held together. A rule set is named by the hash of its file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from claims_lakehouse.adjudication.facts import FACT_NAMED, FACTS
from claims_lakehouse.adjudication.rule_set import (
    ADJUSTMENTS,
    APPEALED,
    CARC,
    GROUPS,
    NEED_REMARK,
    RARC,
    REVIEWED,
    Codes,
    Rule,
    RuleSet,
)
from claims_lakehouse.errors import UsageError

#: What a condition may use.
_FUNCTIONS = {
    "+",
    "-",
    "*",
    "/",
    "%",
    "abs",
    "coalesce",
    "least",
    "greatest",
    "starts_with",
    "left",
    "year",
    "date_diff",
}
_KINDS = {"CONSTANT", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "OPERATOR", "FUNCTION", "CASE", "BETWEEN"}
#: What the kinds of values are called, and what a group is.
_CALLED = {str: "a text", int: "a whole number", date: "a day", list: "a list", dict: "a table"}
_GROUP = f"{', '.join(GROUPS[:-1])} or {GROUPS[-1]}"
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


@cache
def standard() -> RuleSet:
    """The rule set that comes with the lakehouse, in force from the beginning."""
    return parse(files(__package__).joinpath("standard.toml").read_text(encoding="utf-8"), "standard.toml")


def read(path: Path) -> RuleSet:
    """Read a rule set from a file; UsageError says what is wrong in it, and where."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        told = f" ({error.strerror})" if error.strerror else ""
        raise UsageError(f"{path}: found no file that can be read{told}; expected a rule set.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: found no text; expected a rule set, in UTF-8.") from None
    return parse(text, path.name)


@lru_cache(maxsize=16)
def parse(text: str, place: str) -> RuleSet:
    """A rule set from its file's text; UsageError says what is wrong in it, and where."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{place}: {error}") from None
    with duckdb.connect() as con:
        reader = _Reader(place, con)
        head = reader.table(said, "the file", {"name": str, "version": str, "effective_from": date, "settings": dict,
                                               "rule": list, "adjustment": dict})  # fmt: skip
        settings = reader.table(head["settings"], "[settings]", {"similarity": int, "separate_modifiers": list})
        if not 0 <= settings["similarity"] <= 100:
            raise reader.wrong("[settings] similarity", str(settings["similarity"]), "points, 0 to 100")
        modifiers = tuple(settings["separate_modifiers"])
        if not all(isinstance(one, str) and re.fullmatch("[A-Z0-9]{2}", one) for one in modifiers):
            raise reader.wrong("[settings] separate_modifiers", "another list", "modifiers of two characters")
        rules = tuple(reader.rules(head["rule"]))
        adjustments = {name: reader.codes(said, f"[adjustment.{name}]") for name, said in head["adjustment"].items()}
        if set(adjustments) != set(ADJUSTMENTS):
            raise reader.wrong("[adjustment]", ", ".join(sorted(adjustments)), ", ".join(ADJUSTMENTS))
        digest = sha256(text.encode()).hexdigest()[:16]
        return RuleSet(
            digest, head["name"], head["version"], head["effective_from"], settings["similarity"], modifiers, rules,
            adjustments, text,
        )  # fmt: skip


#: A row of which nothing is known, and one that says the most: what fails on either would fail on some line.
_LEAST = "SELECT " + ", ".join(f"NULL::{fact.sql_type} AS {fact.name}" for fact in FACTS)
_MOSTS = {
    "DECIMAL(12, 2)": "9999999999.99", "DECIMAL(9, 3)": "999999.999", "VARCHAR": "'J1100'", "BOOLEAN": "true",
    "DATE": "DATE '9999-12-31'", "BIGINT": "3000000", "INTEGER": "3000000",
}  # fmt: skip
_MOST = "SELECT " + ", ".join(f"{_MOSTS[fact.sql_type]}::{fact.sql_type}" for fact in FACTS)


class _Reader:
    """Reads the tables of one file, and says where one is wrong."""

    def __init__(self, place: str, con: duckdb.DuckDBPyConnection) -> None:
        self._place, self._con = place, con

    def wrong(self, where: str, found: str, expected: str) -> UsageError:
        return UsageError(f"{self._place}, {where}: found {found}; expected {expected}.")

    def table(self, said: Any, where: str, wanted: dict[str, type], also: tuple[str, ...] = ()) -> dict[str, Any]:
        """A table that has these keys, each of its type, and perhaps some others that are texts."""
        if not isinstance(said, dict):
            raise self.wrong(where, "no table", "one")
        for key, kind in wanted.items():
            if type(said.get(key)) is not kind or said[key] == "":
                found = repr(said[key]) if key in said else "nothing"
                raise self.wrong(f"{where} {key}", found, _GROUP if key == "group" else _CALLED[kind])
        for key, value in said.items():
            if key not in wanted and key not in also:
                raise self.wrong(where, f"'{key}'", f"no other key than {', '.join((*wanted, *also))}")
            if key in also and not (isinstance(value, str) and value):
                raise self.wrong(f"{where} {key}", repr(value), "a text")
        return said

    def rules(self, said: list[Any]) -> Iterator[Rule]:
        """The rules in order, no name twice."""
        names: set[str] = set()
        for place, one in enumerate(said, 1):
            name = one.get("name") if isinstance(one, dict) else None
            where = f"rule {place}" + (f" '{name}'" if isinstance(name, str) else "")
            wanted = {"name": str, "when": str, "reads": list, "then": str, "reason": str}
            denies = isinstance(one, dict) and one.get("then") == "deny"
            coded = {"group": str, "carc": str, "appeal": str} if denies else {}
            rule = self.table(one, where, {**wanted, **coded}, ("evidence", "rarc") if denies else ("evidence",))
            if not _ID.fullmatch(rule["name"]) or rule["name"] in (*names, *ADJUSTMENTS, REVIEWED, APPEALED):
                raise self.wrong(where, "that name", "one of its own: small letters, digits and _")
            if rule["then"] not in ("deny", "pend"):
                raise self.wrong(f"{where} then", repr(rule["then"]), "deny or pend")
            names.add(rule["name"])
            reads = self.reads(rule["when"], where)
            if sorted(map(str, rule["reads"])) != reads:
                told = ", ".join(map(str, rule["reads"]))
                raise self.wrong(f"{where} reads", told or "nothing", f"what the condition reads: {', '.join(reads)}")
            if "evidence" in rule and rule["evidence"] not in FACT_NAMED:
                raise self.wrong(f"{where} evidence", repr(rule["evidence"]), "a fact")
            codes = self.codes({key: rule[key] for key in ("group", "carc", "rarc", "reason", "appeal") if key in rule},
                               where) if denies else None  # fmt: skip
            yield Rule(
                rule["name"], rule["then"], rule["when"], tuple(reads), rule.get("evidence"), codes, rule["reason"],
                rule.get("appeal"),
            )  # fmt: skip

    def codes(self, said: Any, where: str) -> Codes:
        """The codes of an adjustment."""
        table = self.table(said, where, {"group": str, "carc": str, "reason": str}, ("rarc", "appeal"))
        if table["group"] not in GROUPS:
            raise self.wrong(f"{where} group", repr(table["group"]), _GROUP)
        if not CARC.fullmatch(table["carc"]):
            raise self.wrong(f"{where} carc", repr(table["carc"]), "an adjustment reason code, as 96 or B7")
        if "rarc" in table and not RARC.fullmatch(table["rarc"]):
            raise self.wrong(f"{where} rarc", repr(table["rarc"]), "a remark code, as N130 or M53")
        if table["carc"] in NEED_REMARK and "rarc" not in table:
            raise self.wrong(f"{where} rarc", "nothing", f"a remark: CARC {table['carc']} asks for one")
        return Codes(table["group"], table["carc"], table.get("rarc"), table["reason"], table.get("appeal"))

    def reads(self, when: str, where: str) -> list[str]:
        """The facts that a condition reads; it has to be one expression over facts that is true or false."""
        if "--" in when or "/*" in when:
            raise self.wrong(
                f"{where} when", "a comment", "a condition over facts, and comments of the file's own, with #"
            )
        with self._con.cursor() as con:
            [(tree,)] = con.execute(
                "SELECT json_serialize_sql($sql)", {"sql": f"SELECT ({when}\n) AS condition"}
            ).fetchall()
            parsed = json.loads(tree)
            if parsed.get("error"):
                raise self.wrong(f"{where} when", parsed.get("error_message", "no SQL"), "a condition in SQL")
            [statement] = parsed["statements"] if len(parsed["statements"]) == 1 else [None]
            node = statement["node"] if statement else {}
            selected = node.get("select_list", [])
            plain = (
                node.get("type") == "SELECT_NODE" and len(selected) == 1
                and node["from_table"]["type"] == "EMPTY" and node["where_clause"] is None
                and not node["modifiers"] and not node["cte_map"]["map"] and selected[0]["alias"] == "condition"
            )  # fmt: skip
            if not plain:
                raise self.wrong(f"{where} when", "more than one expression", "a condition over facts")
            facts = sorted(set(self._facts(selected[0], where)))
            try:
                [(_, kind, *_)] = con.execute(f"DESCRIBE SELECT {when}\nFROM ({_LEAST})").fetchall()
                con.execute(f"SELECT {when}\nFROM ({_LEAST} UNION ALL {_MOST})").fetchall()
            except duckdb.Error as error:
                raise self.wrong(f"{where} when", str(error).splitlines()[0], "a condition over facts") from None
        if kind != "BOOLEAN":
            raise self.wrong(f"{where} when", f"an expression of type {kind}", "a condition: true or false")
        return facts

    def _facts(self, node: Any, where: str) -> Iterator[str]:
        """The facts in a tree of expressions; UsageError where it has anything that is not an expression over them."""
        if isinstance(node, list):
            for one in node:
                yield from self._facts(one, where)
        elif isinstance(node, dict):
            kind = node.get("class")
            if kind is not None:
                if kind not in _KINDS:
                    raise self.wrong(f"{where} when", f"a {kind.lower()}", "comparisons of facts")
                if kind == "FUNCTION" and node["function_name"] not in _FUNCTIONS:
                    raise self.wrong(f"{where} when", f"the function {node['function_name']}",
                                     f"one of {', '.join(sorted(_FUNCTIONS))}")  # fmt: skip
                if kind == "COLUMN_REF":
                    name = ".".join(node["column_names"]).lower()
                    if name not in FACT_NAMED:
                        raise self.wrong(f"{where} when", f"'{name}'", f"facts: {', '.join(FACT_NAMED)}")
                    yield name
            for value in node.values():
                yield from self._facts(value, where)
