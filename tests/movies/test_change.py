import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.change import Change, Location, Value, dotted, written

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=3).map(tuple) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=8,
)


def plain(value: Value) -> object:
    """As TOML gives it back."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(VALUES)
def test_a_value_is_written_as_toml_reads_it(value: Value) -> None:
    assert tomllib.loads(f"key = {written(value)}")["key"] == plain(value)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("selection", "propers"), "selection.propers"),
        (("delays", 0, "torrent"), "delays[0].torrent"),
        (("profiles", "hd-720p", "formats", "HDR10+ Boost"), 'profiles.hd-720p.formats."HDR10+ Boost"'),
        (("indexers", "", "tags"), 'indexers."".tags'),
    ],
)
def test_a_path_is_written_as_keys_are(location: Location, path: str) -> None:
    assert dotted(location) == path


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (5, -3, "k: 5 -> -3"),
        (False, True, "k: false -> true"),
        ("1GB", "2GiB", 'k: "1GB" -> "2GiB"'),
        (None, {"a": 1}, "k: add { a = 1 }"),
        ({"a": 1}, None, "k: take it out"),
        (("a", "b"), ("a", "b", "c"), 'k: add "c"'),
        (("a", "b"), ("a", "c", "b"), 'k: add "c" before "b"'),
        ((), ("a", "b"), 'k: add "a", "b"'),
        (("a", "b", "c"), ("b",), 'k: remove "a", "c"'),
        (("a", "b", "c"), ("c", "a", "b"), 'k: move "c" before "a"'),
        (("a", ("b", "c")), ("c", "a", "b"), 'k: move "c" before "a"'),
        (("a", ("b", "c", "d")), ("a", "d", ("b", "c")), 'k: move "d" before ["b", "c"]'),
        (("a", "b"), ("c", "b"), 'k: ["a", "b"] -> ["c", "b"]'),
        (("a", "b", "c"), ("c", "b", "a"), 'k: ["a", "b", "c"] -> ["c", "b", "a"]'),
    ],
)
def test_a_change_is_told_in_few_words(old: Value | None, new: Value | None, text: str) -> None:
    assert Change(location=("k",), old=old, new=new).text == text


def test_programs_get_the_values_too() -> None:
    change = Change(location=("delays", 0, "torrent"), old="2h", new="50m")
    assert change.as_json() == {
        "path": "delays[0].torrent",
        "location": ["delays", 0, "torrent"],
        "old": "2h",
        "new": "50m",
        "text": 'delays[0].torrent: "2h" -> "50m"',
    }
