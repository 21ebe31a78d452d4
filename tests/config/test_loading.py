"""What is read at all, whatever it says; and that nothing but ConfigError comes out."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.loading import load
from config.mistakes import MAX_FILE_BYTES, ConfigError
from tests.config import documents
from tests.config.documents import mistakes_in, written

SYNTAX = [
    ("a value that is none", b"a = 1\nb = \n", "2: is not valid TOML: Invalid value"),
    ("a string without end", b'\n\na = "x', "3: is not valid TOML: Unterminated string"),
    ("an array without end", b"a = [\n1,\n", "3: is not valid TOML: "),
    ("a table twice", b"[api]\n[api]\n", "2: is not valid TOML: Cannot declare ('api',) twice"),
    ("a key twice", b"[api]\nlisten = 1\nlisten = 2\n", "3: is not valid TOML: Cannot overwrite a value"),
    ("a day that is none", b"a = 2020-02-31", "1: is not valid TOML: Invalid date or datetime"),
    ("half a line's end", b"a = 1\rb = 2", "1: is not valid TOML: "),
    ("Latin-1", b"a = 1\nb = '\xfc'", "2: is not UTF-8 text"),
    ("UTF-16", "a = 1".encode("utf-16"), "1: is not UTF-8 text"),
    ("a number of 5000 digits", b"a = " + b"9" * 5000, "is not valid TOML: a number has too many digits"),
    ("arrays without bottom", b"a = " + b"[" * 100_000, "is nested too deeply"),
    ("brackets in plenty", b"a = " + b"[" * 20_000 + b"]" * 20_000, "is nested too deeply"),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in SYNTAX], ids=[case[0] for case in SYNTAX])
def test_what_is_no_toml_is_told_with_its_line(data: bytes, expected: str, tmp_path: Path) -> None:
    (shown,) = mistakes_in(written(tmp_path, data))
    assert shown.startswith(expected)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"# nothing", b"\xef\xbb\xbf", b"\xef\xbb\xbf[api]", b"[api]\r\n\r\n"])
def test_an_empty_file_a_byte_order_mark_and_other_line_ends_are_taken(data: bytes, tmp_path: Path) -> None:
    assert load(written(tmp_path, data)).api.port == 7878


def test_lines_are_counted_the_same_with_other_line_ends(tmp_path: Path) -> None:
    assert mistakes_in(written(tmp_path, b"\xef\xbb\xbf[api]\r\n\r\nx = 1\r\n")) == ["3: unknown key api.x"]


def test_a_file_of_more_than_4_mib_is_refused(tmp_path: Path) -> None:
    assert mistakes_in(written(tmp_path, b"#" * 5_000_000)) == ["is larger than 4 MiB"]
    assert mistakes_in(written(tmp_path, b"#" * MAX_FILE_BYTES)) == []


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert mistakes_in(tmp_path / "none.toml") == ["cannot be read: No such file or directory"]
    assert mistakes_in(tmp_path) == ["cannot be read: Is a directory"]
    assert mistakes_in(written(tmp_path, "") / "x") == ["cannot be read: Not a directory"]


def test_the_file_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "x = 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(Path("config.toml"))
    assert str(caught.value) == f"{tmp_path}/config.toml:1: unknown key x"
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.line, mistake.text) == (tmp_path / "config.toml", 1, "unknown key x")


VALUES = r"""
1 -1 0 1.5 nan inf 1e999 true 07:32:00 2020-01-01 "" "x" "\u0000" "a\nb" '0s' '99999999w' '999999999999999TiB' '.' '..'
'/' '~nobody-here/x' 'http://[' '{' '{}' '{x}' [] [[]] [[],1] ['x'] [1,'x',[2]] {} {x=1} [{}] {file='.'} {env=''}
"""
MARKS = r"""
[ ] { } = . , " ' # \ [[ ]] type name [wanted.hd] [[roots]] [profiles.hd] [[download_clients]] [download_clients.limits]
"""
BLANKS = ["\n", "\n[", "\nx = ", "\0", "\x1b", "\u2028", "\ud7ff", " "]
FULL = re.sub(r"\{ (env|file) = .*? \}", '""', documents.FULL)
"""Without secrets from elsewhere, so that it is valid in any folder."""
LINES = FULL.split("\n")
PLACES = st.integers(min_value=0, max_value=len(FULL))


def spliced(places: tuple[int, int], snippet: str) -> str:
    """The full file with a snippet instead of what lies between two places, or between two copies of that."""
    start, end = places
    return FULL[:start] + snippet + FULL[end:]


def with_values(values: list[tuple[int, str]]) -> str:
    """The full file with other values in some of its lines."""
    lines = list(LINES)
    for number, value in values:
        key, equals, _ = lines[number].partition(" = ")
        lines[number] = f"{key} = {value}" if equals else lines[number]
    return "\n".join(lines)


SPLICED = st.builds(
    spliced,
    st.tuples(PLACES, PLACES),
    st.sampled_from([*BLANKS, *MARKS.split(), *VALUES.split()]) | st.text(max_size=9),
)
WITH_VALUES = st.lists(
    st.tuples(st.integers(min_value=0, max_value=len(LINES) - 1), st.sampled_from(VALUES.split())),
    min_size=1,
    max_size=6,
).map(with_values)


@given(SPLICED | WITH_VALUES)
def test_whatever_the_file_says_it_is_loaded_or_its_mistakes_are_told(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_bytes(text.encode())
        for shown in mistakes_in(path):
            assert shown.isprintable()
            number = shown.split(":")[0]
            assert not number.isdigit() or 1 <= int(number) <= text.count("\n") + 1


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_loaded_or_told(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_bytes(data)
        mistakes_in(path)
