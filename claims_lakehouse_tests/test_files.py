"""Files are whole or not there; what killed writers leave is swept, and what living ones hold is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claims_lakehouse.files import replacing, sweep


def test_a_file_is_replaced_at_once_and_for_its_owner_only(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert oct(target.stat().st_mode & 0o777) == "0o600"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def write_half() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    left, young = tmp_path / ".dead.parquet.0123abcd.tmp", tmp_path / ".young.parquet.0123abcd.tmp"
    for path in (left, young):
        path.write_text("half")
    os.utime(left, (0, 0))
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("being written")
        os.utime(temporary, (0, 0))
        assert sweep(tmp_path) == 1
        assert temporary.exists()
    assert not left.exists()
    assert young.exists()
