"""What lies in the landing folder is placed by its name alone; what cannot be placed is said, never skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims_lakehouse.contracts import CLAIMS, FEEDS, PATIENTS, Feed
from claims_lakehouse.errors import UsageError
from claims_lakehouse.landing.discovery import check_delivery_key, discover, is_delivery_key, shown


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path


def lay(landing: Path, *names: str) -> None:
    """Lay files under the landing folder; a name that ends in a slash is a folder."""
    for name in names:
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text("")


def placed(landing: Path, feeds: tuple[Feed, ...] = FEEDS) -> dict[str, list[str]]:
    """The parts of each delivery, by `feed key`."""
    return {
        f"{one.feed.name} {one.delivery}": [str(part.relative_to(landing)) for part in one.parts]
        for one in discover(landing, feeds).deliveries
    }


def problems(landing: Path) -> list[str]:
    return [str(one.problem) for one in discover(landing).deliveries if one.problem]


def unplaceable(landing: Path) -> list[str]:
    return [str(error) for error in discover(landing).unplaceable]


@pytest.mark.parametrize("ext", ["csv", "csv.gz", "parquet", "CSV", "Csv.Gz"])
def test_a_delivery_is_a_file_in_its_feeds_folder_or_a_flat_one(landing: Path, ext: str) -> None:
    lay(landing, f"patients/priming.{ext}", f"claims_2024-02-01.{ext}")
    assert placed(landing) == {
        "patients priming": [f"patients/priming.{ext}"],
        "claims 2024-02-01": [f"claims_2024-02-01.{ext}"],
    }
    assert unplaceable(landing) == problems(landing) == []


def test_a_folder_of_parts_is_one_delivery_in_byte_order_of_names(landing: Path) -> None:
    lay(landing, *(f"patients/priming/{name}.csv" for name in ("b", "a10", "a2", "B", "é")))
    names = [f"patients/priming/{name}.csv" for name in ("B", "a10", "a2", "b", "é")]
    assert placed(landing) == {"patients priming": names}


def test_parts_may_be_of_different_kinds(landing: Path) -> None:
    lay(landing, "patients/p/1.csv", "patients/p/2.parquet", "patients/p/3.csv.gz")
    assert [len(parts) for parts in placed(landing).values()] == [3]
    assert problems(landing) == []


def test_the_longest_feed_name_wins(landing: Path) -> None:
    longer = Feed("claims_lines", "line", "fact", CLAIMS.contract, ("claim_id",))
    lay(landing, "claims_lines_2024.csv", "claims_2024.csv")
    assert list(placed(landing, (CLAIMS, longer))) == ["claims 2024", "claims_lines 2024"]
    assert list(placed(landing, (CLAIMS,))) == ["claims 2024", "claims lines_2024"]


def test_deliveries_come_in_the_order_of_feeds_and_keys(landing: Path) -> None:
    lay(landing, "claims/a.csv", "patients/b.csv", "patients/a.csv", "providers_z.csv")
    assert list(placed(landing)) == ["patients a", "patients b", "providers z", "claims a"]


@pytest.mark.parametrize("name", [".x.csv", "_x.csv", "x.csv.tmp", "x.csv.part", "x.tmp", ".DS_Store"])
def test_what_is_still_being_written_is_left_alone(landing: Path, name: str) -> None:
    lay(landing, name, f"patients/{name}", f"patients/priming/{name}", "patients/priming/1.csv")
    assert placed(landing) == {"patients priming": ["patients/priming/1.csv"]}
    assert unplaceable(landing) == problems(landing) == []


def test_a_folder_with_nothing_finished_in_it_is_no_delivery_yet(landing: Path) -> None:
    lay(landing, "patients/priming/", "claims/update/1.csv.tmp")
    assert placed(landing) == {}
    assert unplaceable(landing) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("payers/a.csv", "'payers': found a folder of no known feed; expected one of patients, providers, claims"),
        ("patient_a.csv", "'patient_a.csv': found a file of no known feed"),
        ("patients", "'patients': found a file of no known feed"),
        ("patients/readme.txt", "'patients/readme.txt': found an unknown kind of file; expected .parquet or .csv"),
        ("patients/a.csv.zip", "'patients/a.csv.zip': found an unknown kind of file"),
        ("patients/a..b.csv", "'patients/a..b.csv': found no readable delivery key; expected a delivery key of 1 to"),
        ("patients/it's.csv", '"patients/it\'s.csv": found no readable delivery key'),
        ("patients_.csv", "'patients_.csv': found no readable delivery key"),
        ("patients/été.csv", "'patients/été.csv': found no readable delivery key"),
        (f"patients/{'x' * 101}.csv", "found no readable delivery key"),
    ],
)
def test_what_belongs_to_no_delivery_is_named_with_what_was_expected(landing: Path, name: str, said: str) -> None:
    lay(landing, name, "providers/priming.csv")
    assert list(placed(landing)) == ["providers priming"]
    [told] = unplaceable(landing)
    assert said in told


def test_a_name_that_is_not_text_is_shown_and_does_no_harm(landing: Path) -> None:
    try:
        Path(str(landing) + "/patients_\udcff.csv").write_text("")
    except OSError:
        pytest.skip("the file system takes only names that are text")
    [told] = unplaceable(landing)
    assert told.encode().startswith(b"'patients_\\\\udcff.csv': found no readable")


def test_a_readme_is_passed_over_and_no_other_text(landing: Path) -> None:
    lay(landing, "README.md", "patients/README.md", "patients/notes.md")
    [told] = unplaceable(landing)
    assert told.startswith("'patients/notes.md'")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("patients/a.csv", "patients/a.parquet"),
        ("patients/a.csv", "patients_a.csv"),
        ("patients/a.csv", "patients/a/1.csv"),
        ("patients_a.csv", "patients_a.csv.gz"),
    ],
)
def test_two_files_for_one_delivery_keep_it_from_being_read(landing: Path, one: str, other: str) -> None:
    lay(landing, one, other)
    [told] = problems(landing)
    assert "a second file for delivery 'a' of patients" in told
    [parts] = placed(landing).values()
    assert sorted(parts) == sorted([one, other])
    for name in (one, other):
        assert name.removesuffix("/1.csv") in told


def test_a_folder_under_the_name_of_a_file_keeps_it_from_being_read(landing: Path) -> None:
    lay(landing, "patients/a.csv/", "patients_b.parquet/", "patients/c.csv")
    assert problems(landing) == [
        "'patients/a.csv': found a folder; expected a file, by its name.",
        "'patients_b.parquet': found a folder; expected a file, by its name.",
    ]


@pytest.mark.parametrize(("part", "found"), [("notes.txt", "an unknown kind of file"), ("more/1.csv", "a folder")])
def test_one_part_that_cannot_be_read_keeps_the_whole_delivery_from_being_read(
    landing: Path, part: str, found: str
) -> None:
    lay(landing, "patients/a/1.csv", f"patients/a/{part}")
    [told] = problems(landing)
    assert f"found {found}" in told
    assert f"patients/a/{part.split('/')[0]}" in told


def test_a_landing_folder_that_is_not_there_is_wrong_use(landing: Path) -> None:
    with pytest.raises(UsageError, match="There is no landing folder"):
        discover(landing / "nowhere")


@pytest.mark.parametrize("key", ["priming", "2024-02-01", "a", "A.b_c-9", "0", "x" * 100, "a."])
def test_a_delivery_key(key: str) -> None:
    assert is_delivery_key(key)
    assert check_delivery_key(key) == key


@pytest.mark.parametrize("key", ["", "-a", ".a", "_a", "a..b", "..", "a/b", "a b", "a\n", "é", "x" * 101, "'", "a\0"])
def test_what_is_no_delivery_key(key: str) -> None:
    assert not is_delivery_key(key)
    with pytest.raises(UsageError, match="is not a delivery key of 1 to 100"):
        check_delivery_key(key)


@pytest.mark.parametrize("name", ["x" * 10_000, "a\nb\x1b[31m", "\udcff", "'"])
def test_a_name_from_outside_is_shown_quoted_on_one_bounded_line(name: str) -> None:
    told = shown(name)
    assert told.isprintable()
    assert len(told) <= 130
    assert told[0] == told[-1]
    assert told[0] in "'\""


def test_no_file_is_opened(landing: Path) -> None:
    lay(landing, "patients/")
    (landing / "patients" / "a.csv").symlink_to(landing / "not there")
    [landed] = discover(landing).deliveries
    assert (landed.feed, landed.delivery, landed.problem) == (PATIENTS, "a", None)
