"""The list of properties in README.md is whole, and each of its tests exists."""

import re
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).parent
ALL = range(1, 61)


def numbered_tests() -> dict[int, set[str]]:
    """Every test whose name ends in a property's number, as "file::test"."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in FOLDER.glob("test_*.py"):
        for name, number in re.findall(r"^ *def (test_\w+_p(\d+))\(", path.read_text(), re.MULTILINE):
            found[int(number)].add(f"{path.stem}::{name}")
    return found


def listed_by_number() -> dict[int, set[str]]:
    """The same as README.md has it: one line of its table for each property, its tests in the last column."""
    listed = {}
    for line in (FOLDER / "README.md").read_text().splitlines():
        if match := re.match(r"\| (\d+) \| (.+) \| (.+) \|$", line):
            listed[int(match[1])] = set(re.findall(r"`([\w:]+)`", match[3]))
    return listed


def test_every_property_has_a_test() -> None:
    assert sorted(numbered_tests()) == list(ALL)


def test_the_table_names_every_test_and_no_other() -> None:
    assert listed_by_number() == numbered_tests()
