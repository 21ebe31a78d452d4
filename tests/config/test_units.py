"""Durations, sizes, secrets and paths."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.loading import load
from config.units import (
    DURATION_UNITS_S,
    MAX_DURATION_S,
    MAX_SIZE_BYTES,
    SIZE_UNITS_BYTES,
    CallWindow,
    parse_duration,
    parse_size,
    parse_window,
)
from tests.config.documents import mistakes_in, written

SECRET = "the-quick-brown-fox"


@given(amount=st.integers(min_value=0, max_value=999_999_999), unit=st.sampled_from(sorted(DURATION_UNITS_S)))
def test_a_duration_is_its_amount_in_units_up_to_ten_years(amount: int, unit: str) -> None:
    expected_s = amount * DURATION_UNITS_S[unit]
    if expected_s <= MAX_DURATION_S:
        assert parse_duration(f"{amount}{unit}") == pytest.approx(expected_s)
    else:
        with pytest.raises(ValueError, match="3650d"):
            parse_duration(f"{amount}{unit}")


@given(
    parts=st.tuples(*(st.integers(min_value=0, max_value=limit) for limit in (51, 6, 23, 59, 59, 999))),
)
def test_a_duration_written_in_parts_is_their_sum(parts: tuple[int, ...]) -> None:
    units = ("w", "d", "h", "m", "s", "ms")
    text = "".join(f"{amount}{unit}" for amount, unit in zip(parts, units, strict=True))
    total_ms = sum(round(amount * DURATION_UNITS_S[unit] * 1000) for amount, unit in zip(parts, units, strict=True))
    assert round(parse_duration(text) * 1000) == total_ms


@given(size_bytes=st.integers(min_value=0, max_value=10**15 - 1))
def test_a_size_in_bytes_comes_back_exactly(size_bytes: int) -> None:
    assert parse_size(f"{size_bytes}B") == size_bytes


@given(amount=st.integers(min_value=0, max_value=10**15 - 1), unit=st.sampled_from(sorted(SIZE_UNITS_BYTES)))
@example(amount=999_999_999_999_999, unit="KB")
def test_a_size_is_exact_in_every_unit_and_fits_64_bits(amount: int, unit: str) -> None:
    expected_bytes = amount * SIZE_UNITS_BYTES[unit]
    if expected_bytes <= MAX_SIZE_BYTES:
        assert parse_size(f"{amount} {unit}") == parse_size(f"{amount}{unit}") == expected_bytes
    else:
        with pytest.raises(ValueError, match="8 EiB"):
            parse_size(f"{amount}{unit}")


@pytest.mark.parametrize(("text", "size_bytes"), [("1.5KiB", 1536), ("0.1GB", 10**8), ("500MB", 5 * 10**8)])
def test_a_size_may_have_a_fraction(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "5", 5, 5.0, True, None, "-5s", "5 s", "s", "5m 3s", "5S", "1e3s", "٣s", "5s\n", "1" * 10 + "s"]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r'expected a duration such as "30s"'):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "5", 5, 5.0, True, None, "-5MB", "5mb", "5M", "5  MB", "٣MB", "5KB\n"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r'expected a size such as "500MB"'):
        parse_size(text)


@given(st.text() | st.from_regex(r"[0-9.]{1,40}([KMGT]?i?B|[smhdw]{1,2})", fullmatch=True))
def test_whatever_is_written_a_duration_and_a_size_are_read_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0


@pytest.mark.parametrize("form", ['"{secret}"', '{{ env = "UNDERSTUDY_TEST" }}', '{{ file = "secrets/key" }}'])
def test_a_secret_comes_from_the_file_the_environment_or_another_file_and_is_not_shown(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTUDY_TEST", SECRET)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(f"{SECRET}\n")
    config = load(written(tmp_path, f"[api]\napi_key = {form.format(secret=SECRET)}"))
    assert config.api.api_key.get_secret_value() == SECRET
    assert SECRET not in f"{config!r} {config}"


def test_a_key_in_an_indexers_address_is_not_shown(tmp_path: Path) -> None:
    config = load(written(tmp_path, f'[[indexers]]\nname = "x"\nurl = "http://x/api?apikey={SECRET}"'))
    assert SECRET in config.indexers[0].url
    assert SECRET not in f"{config!r} {config}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (f'{{ env = "UNSET", default = "{SECRET}" }}', 'expected a string, { env = "NAME" } or { file = "path" }'),
        ('{ env = "UNDERSTUDY_UNSET" }', "the environment variable UNDERSTUDY_UNSET is not set"),
        ('{ env = "UNDERSTUDY_EMPTY" }', "the environment variable UNDERSTUDY_EMPTY is empty"),
        ('{ file = "none" }', "the secret's file {folder}/none cannot be read: No such file or directory"),
        ('{ file = "." }', "the secret's file {folder} cannot be read: Is a directory"),
        ('{ file = "binary" }', "the secret's file {folder}/binary is not UTF-8 text"),
        ('{ file = "empty" }', "the secret's file {folder}/empty is empty"),
        ('{ file = "huge" }', "the secret's file {folder}/huge is larger than 64 KiB"),
        ('{ file = "a\\u0000b" }', "expected a path"),
        ('{ env = "a\\u0000b" }', "the environment variable a\\x00b is not set"),
        (f'["{SECRET}"]', 'expected a string, { env = "NAME" } or { file = "path" }'),
        ('"too short"', "expected at least 16 ASCII characters without spaces"),
        (f'"{SECRET} "', "expected at least 16 ASCII characters without spaces"),
        (f'"{SECRET}ü"', "expected at least 16 ASCII characters without spaces"),
    ],
)
def test_a_secret_that_cannot_be_had_is_a_mistake_that_does_not_tell_it(
    value: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNDERSTUDY_UNSET", raising=False)
    monkeypatch.setenv("UNDERSTUDY_EMPTY", "")
    (tmp_path / "binary").write_bytes(SECRET.encode() + b"\xff")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "huge").write_text(SECRET * 5000)
    shown = mistakes_in(written(tmp_path, f"[api]\napi_key = {value}"))
    assert shown == [f"2: api.api_key: {text.replace('{folder}', str(tmp_path))}"]
    assert SECRET not in shown[0]


def test_no_mistake_of_any_key_tells_a_secret_beside_it(tmp_path: Path) -> None:
    text = f"""
[storage]
dsn = "postgresql://me:{SECRET}@host/db"
call_limit = "soon"
[[indexers]]
name = "x"
url = "ftp://x/?apikey={SECRET}"
api_key = ["{SECRET}"]
[[download_clients]]
name = "x"
type = "qbittorrent"
password = {{ text = "{SECRET}" }}
[api]
listen = 80
api_key = "{SECRET}"
api_key2 = "{SECRET}"
"""
    shown = "\n".join(mistakes_in(written(tmp_path, text)))
    assert len(shown.splitlines()) == 7
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("./data", "{folder}/data"),
        ("data/", "{folder}/data"),
        ("a/../data", "{folder}/data"),
        ("../data", "{parent}/data"),
        ("/srv//data", "/srv/data"),
        ("~/data", "{home}/data"),
    ],
)
def test_a_relative_path_starts_at_the_files_folder(
    value: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    folder = tmp_path / "conf"
    folder.mkdir()
    path = written(folder, f'daemon.data_dir = "{value}"')
    monkeypatch.chdir(tmp_path)
    expected = expected.format(folder=folder, parent=tmp_path, home="/somebody")
    assert load(Path(os.path.relpath(path))).daemon.data_dir == Path(expected)


def test_default_paths_start_at_the_files_folder_too(tmp_path: Path) -> None:
    config = load(written(tmp_path, ""))
    assert config.daemon.data_dir == tmp_path / "data"
    assert config.roots[0].path == tmp_path / "library"


@pytest.mark.parametrize(
    ("value", "window"),
    [
        (1, CallWindow(kind="count", size=1)),
        (1000, CallWindow(kind="count", size=1000)),
        ("1s", CallWindow(kind="time", size=1)),
        ("2m", CallWindow(kind="time", size=120)),
        ("1h", CallWindow(kind="time", size=3600)),
    ],
)
def test_a_window_is_a_number_of_calls_or_a_time(value: object, window: CallWindow) -> None:
    assert parse_window(value) == window


@pytest.mark.parametrize("value", [0, -1, 1001, True, 1.5, "3", "0s", "999ms", "61m", "", None, [3]])
def test_what_is_no_window_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_window(value)
