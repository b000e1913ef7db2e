"""A fingerprint is of the content; what is remembered of it is trusted only where nothing can have changed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing.fingerprint import Fingerprints, file_stat

SECOND = 1_000_000_000


class Landing:
    """A landing folder whose clock is ours, and a count of the files whose bytes were read."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = base / "landing"
        self.folder.mkdir()
        self.memory = base / "home" / "fingerprints.json"
        self.read: list[str] = []
        self.after_ns = 0
        opened = Path.open

        def noting(path: Path, *args: object, **kwargs: object) -> object:
            if path.parent == self.folder:
                self.read.append(path.name)
            return opened(path, *args, **kwargs)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", noting)

    def lay(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        with open(path, "wb") as file:  # noqa: PTH123 - Path.open is watched
            file.write(content)
        return path

    def of(self, *parts: Path, after: float = 10.0) -> str:
        """The fingerprint, asked some seconds after the last change of any part, by a process of its own."""
        self.read.clear()
        status = [part.stat() for part in parts]
        now = max(max(one.st_mtime_ns, one.st_ctime_ns) for one in status) + int(after * SECOND)
        known = Fingerprints(self.folder, self.memory, now_ns=lambda: now)
        found = known.of(parts)
        known.save()
        return found


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    return Landing(tmp_path, monkeypatch)


def digest(*contents: bytes) -> str:
    each: Sequence[str] = [sha256(content).hexdigest() for content in contents]
    return each[0] if len(each) == 1 else sha256("\n".join(each).encode()).hexdigest()


def test_a_fingerprint_is_the_digest_of_the_bytes(landing: Landing) -> None:
    assert landing.of(landing.lay("a.csv", b"one")) == digest(b"one")


def test_the_name_and_the_time_of_a_file_are_not_in_it(landing: Landing) -> None:
    one, other = landing.lay("a.csv", b"same"), landing.lay("b.csv", b"same")
    os.utime(other, (0, 0))
    assert landing.of(one) == landing.of(other)


def test_parts_count_in_their_order_and_by_where_they_are_cut(landing: Landing) -> None:
    one, other = landing.lay("1.csv", b"ab"), landing.lay("2.csv", b"c")
    assert landing.of(one, other) == digest(b"ab", b"c")
    assert landing.of(one, other) != landing.of(other, one)
    assert landing.of(one, other) != landing.of(landing.lay("3.csv", b"a"), landing.lay("4.csv", b"bc"))
    assert landing.of(one, other) != landing.of(landing.lay("5.csv", b"abc"))


def test_a_file_that_lay_still_is_read_once(landing: Landing) -> None:
    path = landing.lay("a.csv", b"one")
    first = landing.of(path, after=2.1)
    assert landing.read == ["a.csv"]
    assert landing.of(path) == first
    assert landing.read == []


@pytest.mark.parametrize("after", [0.0, 1.0, 2.0, -3600.0])
def test_a_file_that_changed_just_now_or_in_the_future_is_not_remembered(landing: Landing, after: float) -> None:
    path = landing.lay("a.csv", b"one")
    landing.of(path, after=after)
    landing.of(path)
    assert landing.read == ["a.csv"]


def test_a_change_within_the_clocks_grain_is_seen(landing: Landing) -> None:
    path = landing.lay("a.csv", b"one")
    before = path.stat()
    landing.of(path, after=0.5)
    landing.lay("a.csv", b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert landing.of(path) == digest(b"two")


def test_a_change_that_keeps_size_and_modification_time_is_seen(landing: Landing) -> None:
    path = landing.lay("a.csv", b"one")
    before = path.stat()
    assert landing.of(path) == digest(b"one")
    landing.lay("a.csv", b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert landing.of(path) == digest(b"two")


def test_a_file_put_in_place_of_another_is_seen(landing: Landing) -> None:
    path = landing.lay("a.csv", b"one")
    assert landing.of(path) == digest(b"one")
    landing.lay("b.csv", b"two").replace(path)
    assert landing.of(path) == digest(b"two")


@pytest.mark.parametrize("broken", [b"", b"{", b"\xff\xff"])
def test_the_memory_may_be_lost_at_any_time(landing: Landing, broken: bytes) -> None:
    path = landing.lay("a.csv", b"one")
    landing.of(path)
    landing.memory.write_bytes(broken)
    assert landing.of(path) == digest(b"one")
    landing.memory.unlink()
    assert landing.of(path) == digest(b"one")


def test_the_memory_is_written_only_when_something_was_learned(landing: Landing) -> None:
    path = landing.lay("a.csv", b"one")
    landing.of(path, after=0.5)
    assert not landing.memory.exists()
    landing.of(path)
    before = landing.memory.stat().st_ino
    landing.of(path)
    assert landing.memory.stat().st_ino == before
    assert landing.memory.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(landing.memory.read_text())) == [str(path)]


def test_what_is_no_regular_file_is_refused_without_being_opened(landing: Landing) -> None:
    pipe = landing.folder / "a.csv"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableFile, match=r"'a\.csv': found something that is not a regular file; expected a file"):
        landing.of(pipe)
    assert landing.read == []


def test_a_file_that_is_gone_is_an_error_that_names_it(landing: Landing) -> None:
    with pytest.raises(UnreadableFile, match=r"'a\.csv': found no access \(No such file or directory\)"):
        file_stat(landing.folder / "a.csv", landing.folder)


def test_a_file_that_may_not_be_read_is_an_error_that_names_it(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing.lay("a.csv", b"one")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UnreadableFile, match=r"'a\.csv': found no access \(Permission denied\)"):
        Fingerprints(landing.folder, landing.memory).of([path])
