from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movies.decision import (
    MIB,
    RULES,
    ExistingFile,
    HeldRelease,
    Offer,
    Policy,
    Reason,
    Target,
    Verdict,
    decide,
    ranked,
    release_key,
)
from movies.movie import MovieId
from movies.profile import BUILTIN_PROFILES, Profile
from movies.quality import QUALITIES, Revision, SizeBounds
from movies.release import ParsedRelease, parse_release

HD = BUILTIN_PROFILES["hd"]
NAME = "Sintel.2010.1080p.WEB-DL.H264-DURIAN"
OFFER = Offer(indexer="open", guid="1", title=NAME, size_bytes=1500 * MIB, seeders=10, infohash="ab" * 20)
SINTEL = Target(movie_id=MovieId(1), title="Sintel", year=2010, profile=HD, runtime_min=15)
SINTEL_BY_ID = replace(SINTEL, tmdb_id=45745, imdb_id="tt1727587")


def file_of(name: str, revision: Revision | None = None) -> ExistingFile:
    return ExistingFile(quality=QUALITIES[name], revision=revision or Revision())


def judged(title: str = NAME, *, target: Target = SINTEL, policy: Policy | None = None, **facts: object) -> Verdict:
    offer = replace(OFFER, title=title, **facts)  # type: ignore[arg-type]
    return decide(offer, parse_release(title), target, policy=policy or Policy())


def reasons(verdict: Verdict) -> set[Reason]:
    return {rejection.reason for rejection in verdict.rejections}


def test_a_release_nobody_objects_to_is_accepted() -> None:
    assert judged().is_accepted


def test_every_reason_is_kept() -> None:
    verdict = judged("Other.Film.2010.CAM.KORSUBS", seeders=0, target=replace(SINTEL, monitored=False))
    assert reasons(verdict) >= {
        Reason.MOVIE_DOES_NOT_MATCH,
        Reason.NOT_MONITORED,
        Reason.QUALITY_NOT_ALLOWED,
        Reason.HARDCODED_SUBS,
        Reason.TOO_FEW_SEEDERS,
    }
    assert not verdict.is_accepted


def test_every_reason_but_unparsable_has_one_rule() -> None:
    assert sorted(rule.reason for rule in RULES) == sorted(set(Reason) - {Reason.UNPARSABLE})


def test_every_objection_tells_why() -> None:
    assert all(r.text and r.kind == "permanent" for r in judged("Sintel.2010.CAM", seeders=0).rejections)


def test_a_name_nobody_can_read_is_rejected_with_what_else_speaks_against_it() -> None:
    assert reasons(judged("Sintel.S01E02.1080p", seeders=0)) == {Reason.UNPARSABLE, Reason.TOO_FEW_SEEDERS}


@pytest.mark.parametrize(
    ("title", "matches"),
    [
        (NAME, True),
        ("Sintel.2011.1080p.WEB-DL", True),
        ("Sintel.2012.1080p.WEB-DL", False),
        ("Sintel.1080p.WEB-DL", False),
        ("Sintel.2.2010.1080p.WEB-DL", False),
        ("The.Durian.Film.2010.1080p.WEB-DL", True),
        ("Projekt.Durian.AKA.Sintel.2010.1080p.WEB-DL", True),
    ],
)
def test_without_ids_title_and_year_must_match(title: str, matches: bool) -> None:
    target = replace(SINTEL, alternative_titles=("The Durian Film",))
    assert (Reason.MOVIE_DOES_NOT_MATCH not in reasons(judged(title, target=target))) is matches


def test_a_movie_without_a_year_matches_any_year_and_none() -> None:
    target = replace(SINTEL, year=None)
    assert judged("Sintel.1080p.WEB-DL", target=target).is_accepted
    assert judged("Sintel.1999.1080p.WEB-DL", target=target).is_accepted


def test_ids_win_over_titles() -> None:
    assert judged("Quite.Different.1999.1080p.WEB-DL", target=SINTEL_BY_ID, tmdb_id=45745).is_accepted
    assert judged("Quite.Different.1080p.WEB-DL", target=SINTEL_BY_ID, imdb_id="1727587").is_accepted
    assert judged("Quite.Different.[tt1727587].1080p.WEB-DL", target=SINTEL_BY_ID).is_accepted
    assert reasons(judged(target=SINTEL_BY_ID, tmdb_id=603)) == {Reason.MOVIE_DOES_NOT_MATCH}


def test_ids_that_say_nothing_are_not_compared() -> None:
    assert judged(target=SINTEL_BY_ID, tmdb_id=0, imdb_id="tt0000000").is_accepted
    assert judged(tmdb_id=603).is_accepted


def test_a_movie_known_by_id_only_needs_an_id() -> None:
    target = replace(SINTEL_BY_ID, title=None, year=None)
    assert judged(target=target, tmdb_id=45745).is_accepted
    assert reasons(judged(target=target)) == {Reason.MOVIE_DOES_NOT_MATCH}


def test_a_movie_that_is_not_monitored_takes_nothing() -> None:
    assert reasons(judged(target=replace(SINTEL, monitored=False))) == {Reason.NOT_MONITORED}


def test_a_quality_outside_the_profile_is_rejected() -> None:
    assert reasons(judged("Sintel.2010.DVDRip")) == {Reason.QUALITY_NOT_ALLOWED}


@pytest.mark.parametrize("title", ["Sintel.2010.COMPLETE.BLURAY", "Sintel.2010.1080p.BluRay.x264.iso"])
def test_a_raw_disc_is_rejected(title: str) -> None:
    assert Reason.RAW_DISC in reasons(judged(title))


def test_hardcoded_subtitles_are_rejected_unless_allowed() -> None:
    title = "Sintel.2010.HC.1080p.WEBRip"
    assert reasons(judged(title)) == {Reason.HARDCODED_SUBS}
    assert judged(title, policy=Policy(allows_hardcoded_subs=True)).is_accepted


def test_a_small_sample_is_rejected() -> None:
    assert reasons(judged("Sintel.2010.Sample.1080p.WEB-DL", size_bytes=20 * MIB)) == {Reason.SAMPLE}
    assert judged("Sintel.2010.Sample.1080p.WEB-DL", size_bytes=70 * MIB).is_accepted


def test_a_size_is_bounded_by_the_runtime() -> None:
    assert judged(size_bytes=1500 * MIB).is_accepted
    assert reasons(judged(size_bytes=1501 * MIB)) == {Reason.SIZE}
    assert judged(size_bytes=None).is_accepted
    assert judged(size_bytes=11_000 * MIB, target=replace(SINTEL, runtime_min=None)).is_accepted
    assert reasons(judged(size_bytes=11_001 * MIB, target=replace(SINTEL, runtime_min=0))) == {Reason.SIZE}


def test_a_minimum_size_can_be_asked_for() -> None:
    policy = Policy(size_bounds={"WEBDL-1080p": SizeBounds(minimum=12.5)})
    assert reasons(judged(size_bytes=187 * MIB, policy=policy)) == {Reason.SIZE}
    assert judged(size_bytes=188 * MIB, policy=policy).is_accepted


def test_a_maximum_size_holds_for_all() -> None:
    policy = Policy(maximum_size_bytes=1000 * MIB)
    assert reasons(judged(policy=policy)) == {Reason.MAXIMUM_SIZE}
    assert judged(size_bytes=1000 * MIB, policy=policy).is_accepted


def test_too_few_seeders_are_rejected_and_unknown_ones_are_not() -> None:
    assert reasons(judged(seeders=0)) == {Reason.TOO_FEW_SEEDERS}
    assert reasons(judged(seeders=4, minimum_seeders=5)) == {Reason.TOO_FEW_SEEDERS}
    assert judged(seeders=None).is_accepted


def test_a_blocklisted_release_is_known_by_hash_and_by_name() -> None:
    by_hash = replace(SINTEL, blocklist=frozenset({"ab" * 20}))
    by_name = replace(SINTEL, blocklist=frozenset({release_key(NAME)}))
    assert reasons(judged(target=by_hash, infohash=("ab" * 20).upper())) == {Reason.BLOCKLISTED}
    assert reasons(judged(NAME.replace(".", " "), target=by_name, infohash=None)) == {Reason.BLOCKLISTED}
    assert judged(target=by_hash, infohash="cd" * 20).is_accepted


def test_an_imported_release_is_not_taken_again_while_its_file_is_there() -> None:
    imported = frozenset({"ab" * 20})
    target = replace(SINTEL, imported=imported, file=file_of("HDTV-720p"))
    assert reasons(judged(target=target)) == {Reason.ALREADY_IMPORTED}
    assert judged(target=replace(target, file=None)).is_accepted


def test_what_is_queued_must_be_bettered() -> None:
    queued = replace(SINTEL, queued=(HeldRelease(quality=QUALITIES["WEBRip-1080p"]),))
    assert reasons(judged(target=queued)) == {Reason.ALREADY_QUEUED}
    worse = replace(SINTEL, queued=(HeldRelease(quality=QUALITIES["HDTV-720p"]),))
    assert judged(target=worse).is_accepted


@pytest.mark.parametrize(
    ("file", "title", "accepted"),
    [
        ("HDTV-720p", NAME, True),
        ("WEBDL-1080p", NAME, False),
        ("WEBRip-1080p", NAME, False),
        ("WEBDL-1080p", "Sintel.2010.PROPER.1080p.WEB-DL", True),
        ("WEBRip-1080p", "Sintel.2010.PROPER.1080p.WEB-DL", False),
        ("Bluray-1080p", NAME, False),
        ("Bluray-1080p", "Sintel.2010.1080p.BluRay.REMUX", False),
        ("Bluray-1080p", "Sintel.2010.REPACK.1080p.BluRay.x264", True),
        ("Remux-2160p", NAME, False),
        ("CAM", NAME, True),
    ],
)
def test_a_file_is_bettered_in_quality_until_the_cutoff_then_in_revision(file: str, title: str, accepted: bool) -> None:
    verdict = judged(title, target=replace(SINTEL, file=file_of(file)))
    assert reasons(verdict) == (set() if accepted else {Reason.EXISTING_FILE})


def test_a_profile_may_forbid_upgrades() -> None:
    profile = Profile(name="once", groups=HD.groups, cutoff=HD.cutoff, upgrade=False)
    target = replace(SINTEL, profile=profile)
    assert judged(target=target).is_accepted
    assert reasons(judged(target=replace(target, file=file_of("HDTV-720p")))) == {Reason.UPGRADES_NOT_ALLOWED}
    on_its_way = replace(target, queued=(HeldRelease(quality=QUALITIES["HDTV-720p"]),))
    assert reasons(judged(target=on_its_way)) == {Reason.ALREADY_QUEUED}


def best(*offers: Verdict) -> str:
    return ranked(offers, HD, runtime_min=15)[0].offer.guid


def test_quality_ranks_first_and_a_group_is_equal() -> None:
    bluray = judged("Sintel.2010.1080p.BluRay.x264", guid="bluray", seeders=1, indexer_priority=50)
    assert best(judged(seeders=900), bluray) == "bluray"
    assert best(judged(guid="dl", seeders=1), judged("Sintel.2010.1080p.WEBRip", guid="rip", seeders=900)) == "rip"


def test_then_revision_then_priority_then_seeders_then_size() -> None:
    plain = judged(guid="plain", seeders=10, indexer_priority=10)
    proper = judged("Sintel.2010.PROPER.1080p.WEB-DL", guid="proper", seeders=1, indexer_priority=20)
    assert best(plain, proper) == "proper"
    assert best(plain, judged(guid="later", seeders=900, indexer_priority=20)) == "plain"
    assert best(plain, judged(guid="seeded", seeders=900, indexer_priority=10)) == "seeded"
    assert best(judged(guid="a", size_bytes=300 * MIB), judged(guid="b", size_bytes=1400 * MIB)) == "b"
    assert best(judged(guid="a", size_bytes=None), judged(guid="b", size_bytes=300 * MIB)) == "b"


def test_the_larger_wins_where_sizes_are_unlimited() -> None:
    title = "Sintel.2010.1080p.BluRay.x264"
    assert best(judged(title, guid="a", size_bytes=2_000 * MIB), judged(title, guid="b", size_bytes=9_000 * MIB)) == "b"


def test_a_handful_of_seeders_more_makes_no_difference() -> None:
    assert best(judged(guid="a", seeders=11), judged(guid="b", seeders=14)) == "a"


def test_offers_that_are_alike_rank_by_indexer_and_guid() -> None:
    alike = [judged(guid="b"), judged(guid="a"), judged(guid="z", indexer="earlier")]
    for verdicts in (alike, alike[::-1]):
        assert [verdict.offer.guid for verdict in ranked(verdicts, HD)] == ["z", "a", "b"]


def test_rejected_releases_are_not_ranked() -> None:
    assert ranked([judged(seeders=0)], HD) == []


NAMES = [NAME, "Sintel.2010.1080p.BluRay.x264", "Sintel.2010.720p.HDTV", "Sintel.2010.REPACK.1080p.WEBRip", "S01E01"]
VERDICTS = st.builds(
    judged,
    st.sampled_from(NAMES),
    guid=st.text("abc", min_size=1, max_size=4),
    seeders=st.none() | st.integers(0, 5000),
    size_bytes=st.none() | st.integers(-1, 2**64),
    indexer_priority=st.integers(1, 50),
)


@given(st.lists(VERDICTS, max_size=8, unique_by=lambda verdict: verdict.offer.guid), st.randoms(use_true_random=False))
def test_the_ranking_does_not_depend_on_the_order_of_arrival(verdicts: list[Verdict], random: Random) -> None:
    shuffled = random.sample(verdicts, len(verdicts))
    order = ranked(shuffled, HD)
    assert order == ranked(verdicts, HD)
    ranks = [HD.rank(v.parsed.quality) or 0 for v in order if isinstance(v.parsed, ParsedRelease)]
    assert ranks == sorted(ranks, reverse=True)
