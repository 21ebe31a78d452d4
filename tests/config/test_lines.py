"""Every table, key and element has the line on which it stands."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from config.lines import Location, lines_of
from tests.config.documents import FULL

TRICKY = '''\
a.b = 1 # a.c = 2
"qu\\u006fted" . 'key' = "[no.header]"
text = """
[not.a.table]
not_a_key = 1 \\""" ""\\"
""""
literal = \'\'\'
c = 1
\'\'\'\'
when = 1979-05-27 07:32:00.5
[table] # a comment
array = [
  1.5, # one ]
  [ "]", # two
    3 ], { x = 1, y = [ { z = "}" },
  ] }, ]
[[many]]
[many.inner]
one = 1
[[many.deep]]
[[many]]
two = 2
[[many.deep]]
[[many.deep]]
[many.deep.inmost]
three = 3
'''


def locations_in(value: Any, place: Location = ()) -> Iterator[Location]:
    """Every location in what tomllib has read."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, inner in parts:
        yield (*place, part)
        yield from locations_in(inner, (*place, part))


def test_each_thing_has_its_line() -> None:
    lines = lines_of(TRICKY)
    expected: dict[Location, int] = {
        ("a",): 1,
        ("a", "b"): 1,
        ("quoted", "key"): 2,
        ("text",): 3,
        ("literal",): 7,
        ("when",): 10,
        ("table",): 11,
        ("table", "array"): 12,
        ("table", "array", 0): 13,
        ("table", "array", 1): 14,
        ("table", "array", 1, 1): 15,
        ("table", "array", 2, "y", 0, "z"): 15,
        ("many",): 17,
        ("many", 0, "inner", "one"): 19,
        ("many", 0, "deep", 0): 20,
        ("many", 1): 21,
        ("many", 1, "two"): 22,
        ("many", 1, "deep", 0): 23,
        ("many", 1, "deep", 1): 24,
        ("many", 1, "deep", 1, "inmost", "three"): 26,
    }
    assert {place: lines.get(place) for place in expected} == expected


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=8).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True) | TEXTS
SCALARS = TEXTS | st.sampled_from(["1", "-1.5e3", "true", "1979-05-27T07:32:00.5Z", "07:32:00", "'#['", '"""\n"q"""'])
GAPS = st.sampled_from(["", " ", "\n", " # ] } =\n"])


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    elements = st.lists(st.tuples(GAPS, values, GAPS).map("".join), max_size=3)
    return st.tuples(elements, GAPS).map(lambda parts: f"[{','.join(parts[0])}{parts[1]}]")


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.dictionaries(KEYS, values, max_size=3)
    return pairs.map(lambda table: f"{{{', '.join(f'{key} = {value}' for key, value in table.items())}}}")


VALUES = st.recursive(SCALARS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=8)
NAMES = st.lists(KEYS, min_size=1, max_size=3).map(".".join)
STATEMENTS = (
    st.tuples(NAMES, VALUES).map(" = ".join)
    | NAMES.map(lambda names: f"[{names}]")
    | NAMES.map(lambda names: f"[[ {names} ]]")
    | GAPS
)


@given(st.lists(STATEMENTS, max_size=12).map("\n".join))
@example(TRICKY)
@example(FULL)
def test_what_tomllib_finds_has_a_line_and_nothing_else_does(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = lines_of(text)
    assert set(lines) == set(locations_in(document))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_a_key_stands_where_it_is_written(table: dict[str, str]) -> None:
    text = ""
    expected = {}
    for key, value in table.items():
        name = str(tomllib.loads(f"name = {key}")["name"]) if key.startswith('"') else key
        if name in expected:
            continue
        expected[name] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # an inline table that has one key twice
        return
    lines = lines_of(text)
    assert {name: lines[name,] for name in expected} == expected
