"""Patterns: the prefilter changes no result, and none runs for ever."""

import random
import string
from time import process_time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from movies.errors import BadRegex
from movies.pattern import PatternSet, Searches, compiled
from movies.pattern_literals import fold, required_literals

LITERALS = [
    (r"\b(x|h)[ ._-]?265\b", {"x265", "x 265", "x.265", "x_265", "x-265", "h265", "h 265", "h.265", "h_265", "h-265"}),
    (r"^(DUSTiN|FCK)$", {"dustin", "fck"}),
    (r"Dolby.*Vision", {"dolby"}),
    (r"\b(dv|hdr10(\+|plus)?)\b", {"dv", "hdr10", "hdr10+", "hdr10plus"}),
    (r"(?=.*1080p)(?=.*HEVC)remux", {"1080p"}),
    (r"(?<=web[ .]?)dl", {"web", "web.", "web "}),
    (r"(?!.*german)french", {"french"}),
    (r"ab+c(de)?(fg){2}", {"fg"}),
    (r"(?i)\bgerman\b", {"german"}),
    (r"(?<name>multi)\.\1", {"multi."}),
    ("{edition", {"{edition"}),
    (r"a\.b\-c", {"a.b-c"}),
    ("^(E)$", {"e"}),
    ("[^ab]cd", {"cd"}),
    ("[ab][cd]?", {"a", "b", "ac", "ad", "bc", "bd"}),
]
UNKNOWN = [
    ".",
    "",
    "(ab|.)",
    "(ab)?",
    "(ab)*",
    r"(ab){0,2}",
    r"\p{Lu}{2}",
    "[^a]bc|",
    "(?x)a b",
    "(?-i:ab)",
    "(ab){e<=1}",
    r"\d\d",
    "(?<!ab)",
    "ééé",
    "(ab|(?R))",
    "(?|(ab)|(cd))",
]


@pytest.mark.parametrize(("pattern", "literals"), LITERALS)
def test_a_match_has_one_of_the_patterns_literals(pattern: str, literals: set[str]) -> None:
    assert set(required_literals(pattern) or ()) == literals


@pytest.mark.parametrize("pattern", UNKNOWN)
def test_of_a_pattern_that_may_match_anything_or_is_not_understood_nothing_is_known(pattern: str) -> None:
    assert required_literals(pattern) is None


def test_whatever_a_pattern_takes_for_an_ascii_letter_is_folded_to_that_letter() -> None:
    everything = "".join(c for c in map(chr, range(0x20000)) if c.isascii() or c.lower() != c or c.upper() != c)
    for character in string.ascii_letters + string.digits:
        taken = compiled(regex.escape(character)).findall(everything)
        assert {fold(one) for one in taken} == {character.lower()}


PIECES = ["a", "k", "S", "i", "ab", "x264", "é", "1", r"\.", r"\b", r"\d", r"\w", ".", "^", "$", r"\s", "[ab]", "[^a]"]
PIECES += ["[ ._-]", "[a-f0-9]", "[]x]", r"[\w.]", "[k-m]", "-", "é|", r"\1", "{", "}", "]", r"\B", " ", r"\+"]
QUANTIFIERS = ["", "", "", "?", "*", "+", "??", "{2}", "{0,1}", "{1,3}", "{0}", "{,2}", "*?", "++", "{e}"]
GROUPS = ["(%s)", "(?:%s)", "(?=%s)", "(?!%s)", "(?<=%s)", "(?<!%s)", "(?>%s)", "(?<n>%s)", "(?i:%s)", "(?#%s)"]


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(inner, min_size=1, max_size=4).map("".join)
    branches = st.lists(sequences, min_size=1, max_size=3).map("|".join)
    groups = st.builds(lambda group, text: group % text, st.sampled_from(GROUPS), branches)
    return st.builds(str.__add__, groups | inner, st.sampled_from(QUANTIFIERS)) | sequences


PATTERNS = st.recursive(st.sampled_from(PIECES), grown, max_leaves=12)
NAMES = st.lists(
    st.sampled_from(["a", "b", "k", "s", "S", "i", "\u212a", "\u017f", "\u0130", "\u0131", "x264", "X264", "é", "É"])
    | st.sampled_from([*" .-_1{}]+", "ab", "AB", "f0"]),
    max_size=12,
).map("".join)


@settings(deadline=None, max_examples=150)
@given(st.lists(PATTERNS, min_size=1, max_size=4), NAMES)
def test_the_prefilter_changes_no_result(patterns: list[str], name: str) -> None:
    usable = [pattern for pattern in patterns if compiles(pattern)]
    searches = Searches(PatternSet(usable), name)
    for pattern in usable:
        assert searches.finds(pattern) is (compiled(pattern).search(name) is not None)


def compiles(pattern: str) -> bool:
    try:
        compiled(pattern)
    except BadRegex:
        return False
    return True


def test_a_name_that_is_made_from_a_patterns_literals_is_found_among_a_thousand_patterns() -> None:
    rng = random.Random(265)
    words = sorted(
        {"".join(rng.choices(string.ascii_lowercase + "0123456789", k=rng.randint(2, 8))) for _ in range(1000)}
    )
    patterns = [rf"\b{word}\b" for word in words]
    known = PatternSet(patterns)
    for word, pattern in zip(words, patterns, strict=True):
        assert pattern in known.possible(f"Sintel.2010.{word.upper()}-GROUP")
        assert Searches(known, f"Sintel.2010.{word.upper()}-GROUP").finds(pattern)
    assert known.possible("Ö") == set()


def test_dialects_of_net_are_understood() -> None:
    assert compiled(r"(?<=\b[12]\d{3}\b.*)cut(?<!un.*)").search("Sintel 2010 CUT")
    assert compiled(r"(?<year>\d{4})\k<year>\z").search("20102010")
    assert not compiled(r"(?'year'\d{4})\k'year'\z").search("20102011")
    assert compiled(r"\\k<x>").search(r"\k<x>"), "an escaped backslash"


@pytest.mark.parametrize("pattern", ["a{99999999}", "(ab){99999}", "((a{99}b){99}[)]{2}){99}", "a{9999999999}"])
def test_a_pattern_that_would_take_for_ever_to_compile_is_refused(pattern: str) -> None:
    with pytest.raises(BadRegex, match="too often"):
        compiled(pattern)
    assert compiled(r"(\d{4}\.){9}[)]{9}\({99}")


@pytest.mark.parametrize("pattern", ["(", "[a", "a**", "(?<n>a)(?<n", r"\p{Nothing}", "(?P=x)"])
def test_what_does_not_compile_is_refused_with_the_pattern(pattern: str) -> None:
    with pytest.raises(BadRegex) as caught:
        compiled(pattern)
    assert f'"{pattern}"' in str(caught.value)


def test_a_pattern_that_runs_out_of_time_is_not_found_and_is_told() -> None:
    told: list[str] = []
    endless = "(a+)+$b|(a|aa)+$"
    known = PatternSet([endless, "a"], on_timeout=told.append, timeout_s=0.01)
    name = "a" * 60 + "!"
    assert not known.search(endless, name)
    assert told == [endless]
    assert known.search("a", name)
    assert told == [endless]


def test_a_pattern_that_runs_out_of_time_in_every_name_of_a_page_does_not_hold_it_up() -> None:
    endless = "(a|aa)+$"
    known, began_s = PatternSet([endless], timeout_s=0.02), process_time()
    assert not any(known.search(endless, f"{'a' * 60}!{number}") for number in range(50))
    assert process_time() - began_s < 1, "without less time for each next name it were two seconds"
    assert known.search(endless, "a" * 60), "where it is quick it is still found"
