from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.policy import Propers
from movies.profile import Profile
from movies.quality import QUALITIES, Revision
from movies.target import HeldRelease
from movies.upgrade import is_upgrade, why_no_upgrade
from tests.movies.judging import HD

SCORED = replace(HD, cutoff_score=100, score_increment=10)


def held(name: str = "WEBDL-1080p", version: int = 1, score: int = 0, *, real: int = 0) -> HeldRelease:
    return HeldRelease(quality=QUALITIES[name], revision=Revision(version=version, real=real), score=score)


@pytest.mark.parametrize(
    ("release", "over", "profile", "why"),
    [
        (held("Bluray-720p"), held("HDTV-720p"), HD, None),
        (held("Bluray-720p"), held("HDTV-720p", 2, 900), HD, None),
        (held("Remux-1080p"), held("Bluray-1080p"), HD, "Bluray-1080p meets the cutoff Bluray-1080p"),
        (held("HDTV-720p", 2, 900), held("Bluray-720p"), HD, "Bluray-720p is better than HDTV-720p"),
        (held(version=2), held(version=1, score=900), HD, None),
        (held(real=1), held(version=2), HD, None),
        (held(score=900), held(version=2), SCORED, "WEBDL-1080p is there in a newer revision"),
        (held(), held(), HD, "WEBDL-1080p is equal or better"),
        (held(score=5), held(score=5), HD, "WEBDL-1080p is equal or better, and so is its score: 5 to 5"),
        (held(score=0), held(score=5), HD, "WEBDL-1080p is equal or better, and so is its score: 5 to 0"),
        (held(score=10), held(score=0), SCORED, None),
        (held(score=9), held(score=0), SCORED, "the score 9 is not 10 over 0"),
        (held(score=500), held(score=99), SCORED, None),
        (held(score=500), held(score=100), SCORED, "the score 100 meets the cutoff score 100"),
        (held("WEBRip-1080p", score=10), held(), SCORED, None),
        (held("Bluray-1080p", score=10), held("Bluray-1080p"), SCORED, None),
        (held(score=10), held(), HD, "the score 0 meets the cutoff score 0"),
        (held(score=10), held(), replace(SCORED, upgrade=False), 'the profile "hd" forbids upgrades'),
    ],
)
def test_quality_then_revision_then_score(
    release: HeldRelease, over: HeldRelease, profile: Profile, why: str | None
) -> None:
    assert why_no_upgrade(release, over=over, profile=profile) == why
    assert is_upgrade(release, over=over, profile=profile) is (why is None)


def test_where_propers_are_not_preferred_only_the_score_counts() -> None:
    def is_better(release: HeldRelease, over: HeldRelease, propers: Propers) -> bool:
        return is_upgrade(release, over=over, profile=SCORED, propers=propers)

    assert not is_better(held(version=2), held(), Propers.DO_NOT_PREFER)
    assert is_better(held(score=10), held(version=2), Propers.DO_NOT_PREFER)
    assert not is_better(held(version=2), held(), Propers.DO_NOT_UPGRADE)
    assert is_better(held(version=2, score=10), held(), Propers.DO_NOT_UPGRADE)
    assert not is_better(held(score=10), held(version=2), Propers.DO_NOT_UPGRADE)


RELEASES = st.builds(
    held,
    st.sampled_from(["HDTV-720p", "WEBDL-1080p", "WEBRip-1080p", "Bluray-1080p", "Remux-1080p"]),
    st.integers(1, 3),
    st.integers(-20, 200),
    real=st.integers(0, 1),
)
PROFILES = st.builds(
    replace,
    st.just(HD),
    cutoff=st.sampled_from(["HDTV-720p", "WEBRip-1080p", "Remux-1080p"]),
    cutoff_score=st.integers(-50, 250),
    score_increment=st.integers(1, 30),
)


@given(st.lists(RELEASES, min_size=2, max_size=12), PROFILES, st.sampled_from(Propers))
def test_upgrades_never_go_in_a_circle(releases: list[HeldRelease], profile: Profile, propers: Propers) -> None:
    """However often the same releases are offered, the film comes to rest."""
    have = releases[0]
    seen = [have]
    while better := next(
        (release for release in releases if is_upgrade(release, over=have, profile=profile, propers=propers)), None
    ):
        assert better not in seen
        have = better
        seen.append(have)
