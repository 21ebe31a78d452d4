from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from movies.offer import Protocol, blocklist_keys, release_key
from movies.policy import Policy, Propers
from movies.profile import Profile
from movies.quality import QUALITIES, Revision
from movies.target import Grab, HeldRelease
from movies.verdict import Reason, Verdict
from tests.movies.judging import HD, HOUR, NAME, NOW, SINTEL, file_of, judged, only, reasons, with_file

HASH = "ab" * 20
PROPER = "Sintel.2010.PROPER.1080p.WEB-DL.H264-OTHER"
REPACK = "Sintel.2010.REPACK.1080p.WEB-DL.H264-DURIAN"
NO_UPGRADES = Profile(name="once", groups=HD.groups, cutoff=HD.cutoff, upgrade=False)


def test_a_blocklisted_release_is_known_by_its_hash() -> None:
    target = replace(SINTEL, blocklist=blocklist_keys(title="Quite.Different", infohash=HASH, indexer="other"))
    assert reasons(judged(target=target, infohash=HASH.upper())) == {Reason.BLOCKLISTED}
    assert judged(target=target, infohash="cd" * 20).is_accepted


def test_a_blocklisted_torrent_is_known_by_its_name_at_its_indexer() -> None:
    target = replace(SINTEL, blocklist=blocklist_keys(title=NAME, infohash="cd" * 20, indexer="open"))
    assert reasons(judged(NAME.replace(".", " "), target=target)) == {Reason.BLOCKLISTED}
    assert judged(target=target, indexer="other").is_accepted
    assert judged(target=target, protocol=Protocol.USENET, published_at=NOW).is_accepted


def test_a_blocklisted_post_is_known_by_its_name_and_its_minute() -> None:
    blocklist = blocklist_keys(title=NAME, indexer="open", protocol=Protocol.USENET, published_at=NOW)
    target = replace(SINTEL, blocklist=blocklist)

    def post(published_at: datetime) -> Verdict:
        return judged(target=target, protocol=Protocol.USENET, indexer="other", published_at=published_at)

    assert reasons(post(NOW + timedelta(seconds=59))) == {Reason.BLOCKLISTED}
    assert post(NOW + HOUR).is_accepted


def test_a_name_that_is_blocklisted_without_an_indexer_is_blocked_everywhere() -> None:
    target = replace(SINTEL, blocklist=blocklist_keys(title=NAME))
    assert reasons(judged(target=target)) == {Reason.BLOCKLISTED}
    assert reasons(judged(target=target, indexer="other", infohash=None)) == {Reason.BLOCKLISTED}
    assert judged(f"{NAME}.mkv", target=target).is_accepted


@pytest.mark.parametrize("key", [HASH, release_key(NAME)])
@pytest.mark.parametrize("field", ["imported", "replaced"])
def test_what_was_imported_once_is_not_taken_again_while_there_is_a_file(field: str, key: str) -> None:
    target = replace(with_file("HDTV-720p"), **{field: frozenset({key})})  # type: ignore[arg-type]
    assert reasons(judged(target=target)) == {Reason.ALREADY_IMPORTED}
    assert judged(target=replace(target, file=None)).is_accepted
    assert judged(PROPER, target=target, infohash="cd" * 20).is_accepted


def test_a_name_without_letters_was_not_every_release_without_a_hash() -> None:
    target = replace(with_file("HDTV-720p"), replaced=frozenset({release_key("???")}))
    assert judged(target=target, infohash=None).is_accepted


def queued(name: str, **facts: int) -> HeldRelease:
    return HeldRelease(quality=QUALITIES[name], **facts)  # type: ignore[arg-type]


def test_what_is_queued_must_be_bettered() -> None:
    assert reasons(judged(target=replace(SINTEL, queued=(queued("WEBRip-1080p"),)))) == {Reason.ALREADY_QUEUED}
    assert judged(target=replace(SINTEL, queued=(queued("HDTV-720p"),))).is_accepted
    both = replace(SINTEL, queued=(queued("HDTV-720p"), queued("Bluray-1080p")))
    assert only(judged(target=both)).text == "a release is on its way: Bluray-1080p is better than WEBDL-1080p"


def test_what_is_queued_is_not_bettered_where_upgrades_are_forbidden() -> None:
    target = replace(SINTEL, profile=NO_UPGRADES, queued=(queued("HDTV-720p"),))
    assert reasons(judged(target=target)) == {Reason.ALREADY_QUEUED}


def test_what_was_grabbed_lately_must_be_bettered() -> None:
    grab = Grab(quality=QUALITIES["WEBDL-1080p"], grabbed_at=NOW - 12 * HOUR + timedelta(seconds=1))
    target = replace(SINTEL, grabs=(grab,))
    rejection = only(judged(target=target))
    assert rejection.reason is Reason.RECENTLY_GRABBED
    assert rejection.text == "a release was grabbed at 2026-06-01 00:00 UTC: WEBDL-1080p is equal or better"
    assert judged("Sintel.2010.1080p.BluRay.x264", target=target).is_accepted
    assert judged(target=replace(SINTEL, grabs=(replace(grab, grabbed_at=NOW - 12 * HOUR),))).is_accepted


def test_a_profile_may_forbid_upgrades() -> None:
    target = replace(SINTEL, profile=NO_UPGRADES)
    assert judged(target=target).is_accepted
    with_one = replace(target, file=file_of("HDTV-720p"))
    assert reasons(judged(target=with_one)) == {Reason.UPGRADES_NOT_ALLOWED}


@pytest.mark.parametrize(
    ("file", "title", "accepted"),
    [
        ("HDTV-720p", NAME, True),
        ("WEBDL-1080p", NAME, False),
        ("WEBRip-1080p", NAME, False),
        ("WEBDL-1080p", PROPER, True),
        ("WEBRip-1080p", PROPER, True),
        ("Bluray-1080p", NAME, False),
        ("Bluray-1080p", "Sintel.2010.1080p.BluRay.REMUX", False),
        ("Bluray-1080p", "Sintel.2010.PROPER.1080p.BluRay.REMUX", False),
        ("Bluray-1080p", "Sintel.2010.PROPER.1080p.BluRay.x264", True),
        ("Remux-2160p", NAME, False),
        ("CAM", NAME, True),
    ],
)
def test_a_file_is_bettered_in_quality_until_the_cutoff_then_in_revision(file: str, title: str, accepted: bool) -> None:
    verdict = judged(title, target=with_file(file, imported_at=NOW))
    assert reasons(verdict) == (set() if accepted else {Reason.EXISTING_FILE})


def test_a_file_that_nobody_found_wanting_for_long_is_not_repaired() -> None:
    week = timedelta(days=7)
    assert judged(PROPER, target=with_file(imported_at=NOW - week)).is_accepted
    rejection = only(judged(PROPER, target=with_file(imported_at=NOW - week - HOUR)))
    assert (rejection.reason, rejection.text) == (Reason.PROPER, "it repairs a file that is older than 7 days")
    assert judged(PROPER, target=with_file("HDTV-720p", imported_at=NOW - 2 * week)).is_accepted
    assert judged(PROPER, target=with_file()).is_accepted


def test_repaired_releases_may_be_kept_from_replacing_files() -> None:
    policy = Policy(propers=Propers.DO_NOT_UPGRADE)
    assert reasons(judged(PROPER, target=with_file(), policy=policy)) == {Reason.PROPER, Reason.EXISTING_FILE}
    assert judged(PROPER, target=with_file("HDTV-720p"), policy=policy).is_accepted
    assert judged(PROPER, policy=policy).is_accepted


def test_repaired_releases_may_count_as_any_other() -> None:
    policy = Policy(propers=Propers.DO_NOT_PREFER)
    assert reasons(judged(PROPER, target=with_file(), policy=policy)) == {Reason.EXISTING_FILE}


@pytest.mark.parametrize(
    ("group", "policy", "accepted"),
    [
        ("DURIAN", Policy(), True),
        ("durian", Policy(), True),
        ("OTHER", Policy(), False),
        (None, Policy(), False),
        ("DURIAN", Policy(allows_repacks=False), False),
    ],
)
def test_a_repack_replaces_its_own_groups_release(group: str | None, policy: Policy, accepted: bool) -> None:
    verdict = judged(REPACK, target=with_file(release_group=group), policy=policy)
    assert reasons(verdict) == (set() if accepted else {Reason.REPACK})


def test_a_repack_of_any_group_betters_a_worse_quality() -> None:
    policy = Policy(allows_repacks=False)
    assert judged(REPACK, target=with_file("HDTV-720p", release_group="OTHER"), policy=policy).is_accepted
    assert judged(REPACK, policy=policy).is_accepted


def test_a_repack_that_is_no_newer_than_the_file_is_none() -> None:
    twice = Revision(version=2)
    assert reasons(judged(REPACK, target=with_file("WEBDL-1080p", twice))) == {Reason.EXISTING_FILE}
