import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.errors import MovieError, UnknownQuality
from movies.quality import QUALITIES, SIZE_BOUNDS, UNKNOWN, Revision, quality_named


def test_the_table_has_thirty_qualities_with_ids_of_their_own() -> None:
    assert len(QUALITIES) == 30
    assert len({quality.id for quality in QUALITIES.values()}) == 30


def test_the_table_runs_from_worst_to_best() -> None:
    weights = [quality.weight for quality in QUALITIES.values()]
    assert weights == sorted(weights)
    assert next(iter(QUALITIES.values())) is UNKNOWN


def test_no_two_qualities_have_the_same_facts() -> None:
    assert len({(q.source, q.resolution, q.modifier) for q in QUALITIES.values()}) == 30


def test_web_dl_and_web_rip_weigh_the_same() -> None:
    assert QUALITIES["WEBDL-1080p"].weight == QUALITIES["WEBRip-1080p"].weight


def test_a_quality_is_found_in_any_case() -> None:
    assert quality_named("bluray-1080P") is QUALITIES["Bluray-1080p"]


def test_an_unknown_quality_names_the_nearest() -> None:
    with pytest.raises(UnknownQuality, match='did you mean "Bluray-1080p"') as caught:
        quality_named("Blueray-1080p")
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, MovieError)


def test_sizes_are_unlimited_from_bluray_1080p_on() -> None:
    assert SIZE_BOUNDS["WEBDL-1080p"].maximum == 100
    assert SIZE_BOUNDS["Bluray-1080p"].maximum is None


def test_revisions_order_by_real_then_version() -> None:
    assert Revision(real=1, version=1) > Revision(real=0, version=3) > Revision(version=2) > Revision()


@given(st.integers(1, 9), st.integers(0, 3))
def test_a_repack_weighs_as_much_as_a_proper(version: int, real: int) -> None:
    proper, repack = Revision(version=version, real=real), Revision(version=version, real=real, is_repack=True)
    assert not proper < repack
    assert not repack < proper
    assert proper == repack
