from datetime import UTC, datetime
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.forms import MovieForm, ReleaseForm
from config.policy import policy_of
from config.schema import Config
from config.targets import target_of
from movies.case import Moment
from movies.decision import decide
from movies.release import parse_release
from movies.remedy import Remedy, remedy_for
from movies.verdict import Verdict
from tests.config.remedies import config_of, is_valid, with_changes

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MOMENT = Moment(now=NOW, closed_indexers=frozenset({"closed"}))
SINTEL = {"title": "Sintel", "year": 2010, "runtime_min": 15}

NAMES = st.sampled_from(
    [
        "Sintel.2010.1080p.WEB-DL.x264-DURIAN",
        "Sintel.2010.1080p.WEBRip.x265-OTHER",
        "Sintel.2010.2160p.WEB-DL.HDR.x265-DURIAN",
        "Sintel.2010.720p.BluRay.x264-DURIAN",
        "Sintel.2010.1080p.BluRay.x264-DURIAN",
        "Sintel.2010.PROPER.1080p.BluRay.x264-OTHER",
        "Sintel.2010.REPACK.1080p.BluRay.x264-DURIAN",
        "Sintel.2010.German.DL.1080p.BluRay.Remux.AVC-DURIAN",
        "Sintel.2010.KORSUB.HDRip.x264-OTHER",
        "Sintel.2010.DVDRip.x264-OTHER",
        "Sintel.2010",
    ]
)
HD = ["Remux-1080p", "Bluray-1080p", ["WEBDL-1080p", "WEBRip-1080p"], "HDTV-1080p"]
TAGS = st.lists(st.sampled_from(["kids", "uhd"]), unique=True, max_size=2)
AGES = st.sampled_from(["0s", "90s", "45m", "5h", "3d", "400d"])
LIMITS = st.sampled_from(["0s", "20m", "2h", "2d", "100d"])
SIZES = st.none() | st.integers(0, 60 * 2**30)
FLAGS = st.lists(st.sampled_from(["freeleech", "internal", "scene"]), unique=True, max_size=2)


def tables(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables with any of the keys."""
    return st.fixed_dictionaries({}, optional=values)


RELEASES = st.builds(
    lambda title, facts: {"title": title, **facts},
    NAMES,
    tables(
        indexer=st.sampled_from(["open", "closed", "nobody's"]),
        protocol=st.sampled_from(["torrent", "usenet"]),
        size=SIZES,
        seeders=st.integers(0, 3),
        published_at=AGES,
        flags=FLAGS,
    ),
)
HELD = st.builds(lambda title, age: {"title": title, "at": age}, NAMES, AGES)
MOVIES = st.builds(
    lambda facts: {**SINTEL, **facts},
    tables(
        file=HELD,
        queued=st.lists(HELD, max_size=2),
        grabs=st.lists(HELD, max_size=2),
        free=SIZES,
        digital_on=st.sampled_from(["2010-09-30", "2027-01-01"]),
        in_cinemas_on=st.sampled_from(["2010-09-27", "2026-12-01"]),
        original_language=st.sampled_from(["English", "Dutch"]),
    ),
)
PROFILES = tables(
    cutoff=st.sampled_from(["Bluray-1080p", "WEBDL-1080p"]),
    upgrade=st.booleans(),
    formats=st.dictionaries(st.sampled_from(["x265", "durian", "remux"]), st.integers(-20, 20), max_size=3),
    minimum_score=st.integers(-10, 20),
    cutoff_score=st.integers(-10, 40),
    score_increment=st.integers(1, 10),
    language=st.sampled_from(["any", "original", "German"]),
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "formats": st.just(
            {name: {"conditions": [{"type": "release_title", "regex": name}]} for name in ("x265", "durian", "remux")}
        ),
        "wanted": st.builds(
            lambda facts, profile: {"list": {"titles": ["Sintel (2010)"], "profile": profile, **facts}},
            tables(tags=TAGS, minimum_availability=st.sampled_from(["announced", "in_cinemas", "released"])),
            st.sampled_from(["own", "hd-720p", "ultra-hd"]),
        ),
        "profiles": st.builds(lambda keys: {"own": {"qualities": HD, **keys}}, PROFILES),
    },
    optional={
        "selection": tables(
            propers=st.sampled_from(["prefer", "do_not_upgrade", "do_not_prefer"]),
            repacks=st.booleans(),
            maximum_size=st.sampled_from(["1GiB", "4GiB", "10GB"]),
            min_free=st.sampled_from(["0B", "500MB", "20GiB"]),
            minimum_age=LIMITS,
            retention=st.sampled_from(["0s", "2d", "300d"]),
        ),
        "sizes": tables(**{"Bluray-1080p": tables(min=st.sampled_from([0, 20.5]), max=st.sampled_from([30, 250.25]))}),
        "delays": st.lists(
            tables(
                tags=TAGS,
                protocols=st.sampled_from([["torrent"], ["usenet"], ["torrent", "usenet"]]),
                torrent=LIMITS,
                usenet=LIMITS,
            ),
            max_size=2,
        ),
        "restrictions": st.lists(
            st.builds(
                lambda required, ignored, tags: {"required": required, "ignored": ignored, "tags": tags},
                st.lists(st.sampled_from(["durian", "/x26[45]/"]), max_size=1),
                st.lists(st.sampled_from(["x265", "/web.?dl/", "sintel"]), min_size=1, max_size=2, unique=True),
                TAGS,
            ),
            max_size=2,
        ),
        "indexers": st.builds(
            lambda keys: [{"name": "open", "type": "torznab", "url": "http://127.0.0.1/api", **keys}],
            tables(minimum_seeders=st.integers(0, 5), required_flags=FLAGS, tags=TAGS),
        ),
    },
)


def judged(config: Config, movie: dict[str, Any], release: dict[str, Any]) -> tuple[Verdict, Remedy]:
    policy = policy_of(config)
    offer = ReleaseForm.model_validate(release).offer(NOW)
    target = target_of(MovieForm.model_validate(movie), config, policy, now=NOW)
    parsed = parse_release(offer.title)
    verdict = decide(offer, parsed, target, policy=policy, moment=MOMENT)
    return verdict, remedy_for(offer, parsed, target, policy=policy, moment=MOMENT, wanted="list")


@given(DOCUMENTS, MOVIES, RELEASES)
def test_with_its_changes_in_the_file_a_release_is_accepted(
    document: dict[str, Any], movie: dict[str, Any], release: dict[str, Any]
) -> None:
    config = config_of(document)
    assume(is_valid(config))
    verdict, remedy = judged(config, movie, release)
    assert bool(remedy.changes or remedy.hindrances or remedy.waits) is not verdict.is_accepted
    assert remedy.is_possible or not remedy.changes
    if remedy.is_possible:
        changed = config_of(with_changes(document, remedy.changes))
        assert is_valid(changed)
        after, _ = judged(changed, movie, release)
        assert after.rejections == remedy.waits
        assert all(rejection.kind == "temporary" for rejection in after.rejections)


@given(DOCUMENTS, MOVIES, RELEASES)
def test_no_change_can_be_left_out(document: dict[str, Any], movie: dict[str, Any], release: dict[str, Any]) -> None:
    assume(is_valid(config_of(document)))
    _, remedy = judged(config_of(document), movie, release)
    for change in remedy.changes:
        is_copy_of_builtin = change.location[0] == "profiles" and len(change.location) == 2
        may_follow_from_the_order = change.location[-1] == "cutoff"  # the first quality is the usual cutoff
        if is_copy_of_builtin or may_follow_from_the_order:
            continue
        others = [other for other in remedy.changes if other is not change]
        try:
            config = config_of(with_changes(document, others))
        except ValidationError:  # a cutoff that is not among the qualities
            continue
        if is_valid(config):
            after, _ = judged(config, movie, release)
            assert after.rejections != remedy.waits
