"""The line at which a record begins, by the grammar that landing reads with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claims_lakehouse.serving import origin
from claims_lakehouse.serving.origin import record_lines
from claims_lakehouse_tests.oracle.reading import WHITE_SPACE, Unreadable, records

PIECES = ["a", "b,c", '"', '""', ",", "\n", "\r\n", "\r", " ", "\t", "\n\n", '"x\ny"', '"x""\r\n"', '"q"z', "\u00a0"]


def lines_by_the_oracle(text: str) -> list[int]:
    """Where each record that is not blank begins, counting line feeds."""
    begins, found = 0, []
    for record in records(text):
        if record.text.strip(WHITE_SPACE):
            found.append(1 + text.count("\n", 0, begins))
        begins += len(record.text)
        begins += 2 if text.startswith("\r\n", begins) else 1
    return found


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_begins_where_the_oracle_says(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(text.encode())
    try:
        expected = lines_by_the_oracle(text)
    except Unreadable:
        return
    assert record_lines(path, range(40)) == dict(enumerate(expected))


def test_only_what_was_asked_for_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(b"\xef\xbb\xbf\nhead\r\n\r\n1\n\xff\n\x00\n")
    assert record_lines(path, {1, 3, 9}) == {1: 4, 3: 6}
    assert record_lines(path, {0}) == {0: 2}
    assert record_lines(path, ()) == {}


@pytest.mark.parametrize(("name", "content"), [
    ("no.parquet", b"a\n1\n"), ("no.csv.gz", b"not gzip\n1\n"), ("missing.csv", None), ("open.csv", b'a\n"never\n')
])  # fmt: skip
def test_where_there_are_no_lines_none_are_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert record_lines(tmp_path / name, {1}) == {}


def test_a_file_that_is_too_large_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"a\n1\n")
    monkeypatch.setattr(origin, "MAX_BYTES", 4)
    assert record_lines(path, {1}) == {1: 2}
    monkeypatch.setattr(origin, "MAX_BYTES", 3)
    assert record_lines(path, {1}) == {}
