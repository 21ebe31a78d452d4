"""How sizes and durations of remedies are written; the configuration reads them as they were meant."""

from hypothesis import given
from hypothesis import strategies as st

from config.units import MAX_DURATION_S, parse_duration, parse_size
from movies.remedies.quantities import duration_text, round_down_duration, round_size, size_text

SIZES = st.integers(0, 10**15 - 1)


@given(SIZES)
def test_a_size_is_written_as_it_is(size_bytes: int) -> None:
    assert parse_size(size_text(size_bytes)) == size_bytes


@given(SIZES, st.booleans())
def test_a_rounded_size_is_on_the_right_side_and_near(size_bytes: int, up: bool) -> None:
    text, rounded_bytes = round_size(size_bytes, up=up)
    assert parse_size(text) == rounded_bytes
    assert rounded_bytes >= size_bytes if up else rounded_bytes <= size_bytes
    assert abs(rounded_bytes - size_bytes) <= size_bytes / 10


@given(st.integers(0, int(MAX_DURATION_S)))
def test_a_duration_is_written_as_it_is(duration_s: int) -> None:
    assert parse_duration(duration_text(duration_s)) == duration_s


@given(st.floats(-10, MAX_DURATION_S))
def test_a_rounded_duration_is_no_longer_and_near(duration_s: float) -> None:
    text, rounded_s = round_down_duration(duration_s)
    assert parse_duration(text) == rounded_s
    assert rounded_s <= max(duration_s, 0)
    assert duration_s - rounded_s <= max(duration_s / 10, 1)


def test_units_are_those_that_people_write() -> None:
    assert [size_text(size) for size in (0, 500, 10**9, 60 * 2**30, 1500 * 2**20)] == [
        "0B",
        "500B",
        "1GB",
        "60GiB",
        "1500MiB",
    ]
    assert [duration_text(duration) for duration in (0.0, 0.5, 90.0, 7200.0, 86400.0 * 21)] == [
        "0s",
        "0.5s",
        "90s",
        "2h",
        "21d",
    ]
