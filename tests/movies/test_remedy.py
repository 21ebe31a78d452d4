"""The change that each reason asks for; tests/config/test_remedy.py makes it in a file and decides again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from movies.availability import Availability
from movies.case import Moment
from movies.custom_format import CustomFormat, FormatSet
from movies.format_condition import ReleaseTitle
from movies.offer import IndexerFlag, IndexerTerms, Protocol
from movies.policy import DelayProfile, Policy, Propers, ReleaseProfile
from movies.profile import BUILTIN_PROFILES, Profile
from movies.quality import QUALITIES, Revision, SizeBounds
from movies.release import parse_release
from movies.remedy import REMEDIES, Remedy, remedy_for
from movies.rules.size import MIB
from movies.target import ExistingFile, Grab, Target
from movies.verdict import Reason
from tests.movies.judging import NAME, NOW, OFFER, SINTEL, judged, only, reasons

OWN = Profile(
    name="own", groups=(("Remux-1080p",), ("Bluray-1080p",), ("WEBDL-1080p", "WEBRip-1080p")), cutoff="Bluray-1080p"
)
WEBDL = Profile(name="own", groups=(("WEBDL-1080p",), ("HDTV-1080p",)), cutoff="WEBDL-1080p")
MOVIE = replace(SINTEL, profile=OWN)
FORMATS = FormatSet([CustomFormat(name=name, conditions=(ReleaseTitle(pattern=name),)) for name in ("DURIAN", "x265")])
SCORED = replace(OWN, format_scores={"DURIAN": 10, "x265": -50}, cutoff_score=100)


def remedy(
    title: str = NAME,
    *,
    target: Target = MOVIE,
    policy: Policy | None = None,
    wanted: str | None = "list",
    **facts: Any,
) -> Remedy:
    offer = replace(OFFER, title=title, **facts)
    policy, moment = policy or Policy(), Moment(now=NOW, closed_indexers=frozenset({"closed"}))
    return remedy_for(offer, parse_release(title), target, policy=policy, moment=moment, wanted=wanted)


def held(quality: str, *, score: int = 0, formats: tuple[str, ...] = (), **facts: Any) -> ExistingFile:
    return ExistingFile(quality=QUALITIES[quality], score=score, formats=formats, **facts)


def having(quality: str, *, profile: Profile = OWN, **facts: Any) -> Target:
    return replace(MOVIE, profile=profile, file=held(quality, **facts))


OPEN = {"open": IndexerTerms(minimum_seeders=5, required_flags=frozenset({IndexerFlag.SCENE}), tags=frozenset({"uhd"}))}
USENET = {"protocol": Protocol.USENET, "seeders": None, "published_at": NOW - timedelta(days=20, hours=5)}
DELAY = DelayProfile(enabled=frozenset({Protocol.TORRENT}), delay_s={Protocol.TORRENT: 7200.0})
IN_CINEMAS = replace(MOVIE, in_cinemas_on=date(2026, 5, 1))
RECENT = Grab(quality=QUALITIES["WEBDL-1080p"], grabbed_at=NOW - timedelta(minutes=100))
REPACK, PROPER = NAME.replace("1080p", "REPACK.1080p"), NAME.replace("1080p", "PROPER.1080p")

CASES: Mapping[str, tuple[Reason, dict[str, Any], list[str]]] = {
    "a quality is added at its place": (
        Reason.QUALITY_NOT_ALLOWED,
        {"title": "Sintel.2010.2160p.WEB-DL"},
        ['profiles.own.qualities: add "WEBDL-2160p" before "Remux-1080p"'],
    ),
    "the worst quality is added last": (
        Reason.QUALITY_NOT_ALLOWED,
        {"title": "Sintel.2010.720p.WEB-DL"},
        ['profiles.own.qualities: add "WEBDL-720p"'],
    ),
    "a quality is added after its equals": (
        Reason.QUALITY_NOT_ALLOWED,
        {"title": "Sintel.2010.1080p.WEBRip", "target": replace(MOVIE, profile=WEBDL)},
        ['profiles.own.qualities: add "WEBRip-1080p" before "HDTV-1080p"'],
    ),
    "the minimum score goes down": (
        Reason.CUSTOM_FORMAT_MINIMUM,
        {
            "title": f"{NAME}.x265",
            "target": replace(MOVIE, profile=replace(SCORED, minimum_score=5)),
            "policy": Policy(formats=FORMATS),
        },
        ["profiles.own.minimum_score: 5 -> -40"],
    ),
    "any language will do": (
        Reason.LANGUAGE,
        {"title": "Sintel.2010.German.1080p.WEB-DL", "target": replace(MOVIE, profile=replace(OWN, language="Dutch"))},
        ['profiles.own.language: "Dutch" -> "any"'],
    ),
    "hardcoded subtitles are allowed": (
        Reason.HARDCODED_SUBS,
        {"title": "Sintel.2010.1080p.WEB-DL.KORSUB"},
        ["selection.hardcoded_subs: false -> true"],
    ),
    "an ignored term is removed": (
        Reason.RELEASE_RESTRICTIONS,
        {"policy": Policy(release_profiles=(ReleaseProfile(ignored=("cam", "/h.?264/")),))},
        ['restrictions[0].ignored: remove "/h.?264/"'],
    ),
    "nothing is required": (
        Reason.RELEASE_RESTRICTIONS,
        {"policy": Policy(release_profiles=(ReleaseProfile(required=("x265",), ignored=("cam",)),))},
        ['restrictions[0].required: remove "x265"'],
    ),
    "a restriction without terms goes": (
        Reason.RELEASE_RESTRICTIONS,
        {"policy": Policy(release_profiles=(ReleaseProfile(required=("x265",), ignored=("sintel",)),))},
        ["restrictions[0]: take it out"],
    ),
    "the largest size of a quality grows": (
        Reason.SIZE,
        {"size_bytes": 15 * 123 * MIB + 1},
        ["sizes.WEBDL-1080p.max: 100 -> 123.1"],
    ),
    "the least size of a quality shrinks": (
        Reason.SIZE,
        {
            "size_bytes": 15 * 12 * MIB - 1,
            "policy": Policy(size_bounds={"WEBDL-1080p": SizeBounds(minimum=12.5, maximum=100)}),
        },
        ["sizes.WEBDL-1080p.min: 12.5 -> 11.9"],
    ),
    "the maximum size is rounded up": (
        Reason.MAXIMUM_SIZE,
        {"policy": Policy(maximum_size_bytes=10**9), "size_bytes": 1_073_000_001},
        ['selection.maximum_size: "1GB" -> "1024MiB"'],
    ),
    "less is left free": (
        Reason.FREE_SPACE,
        {"target": replace(MOVIE, free_bytes=1550 * MIB)},
        ['selection.min_free: "100MiB" -> "50MiB"'],
    ),
    "a protocol is enabled": (
        Reason.PROTOCOL,
        {"policy": Policy(delay_profiles=(DELAY,)), **USENET},
        ['delays[0].protocols: add "usenet"'],
    ),
    "the delay is over": (
        Reason.DELAY,
        {"policy": Policy(delay_profiles=(DELAY,)), "published_at": NOW - timedelta(minutes=50.5)},
        ['delays[0].torrent: "2h" -> "50m"'],
    ),
    "fewer seeders are enough": (
        Reason.TOO_FEW_SEEDERS,
        {"policy": Policy(terms={"open": IndexerTerms(minimum_seeders=5)}), "seeders": 3},
        ["indexers.open.minimum_seeders: 5 -> 3"],
    ),
    "another flag is enough": (
        Reason.REQUIRED_FLAGS,
        {
            "policy": Policy(terms={"open": replace(OPEN["open"], tags=frozenset())}),
            "flags": frozenset({IndexerFlag.INTERNAL}),
        },
        ['indexers.open.required_flags: add "internal"'],
    ),
    "no flag is required": (
        Reason.REQUIRED_FLAGS,
        {"policy": Policy(terms={"open": replace(OPEN["open"], tags=frozenset())})},
        ['indexers.open.required_flags: remove "scene"'],
    ),
    "the movie gets a tag": (
        Reason.TAGS,
        {"policy": Policy(terms={"open": IndexerTerms(tags=frozenset({"uhd"}))})},
        ['wanted.list.tags: add "uhd"'],
    ),
    "posts are kept for longer": (
        Reason.RETENTION,
        {"policy": Policy(retention_days=10), **USENET},
        ['selection.retention: "10d" -> "21d"'],
    ),
    "posts may be younger": (
        Reason.MINIMUM_AGE,
        {"policy": Policy(minimum_age_s=86400 * 30), **USENET},
        ['selection.minimum_age: "30d" -> "20d"'],
    ),
    "in cinemas is enough": (
        Reason.NOT_AVAILABLE,
        {"target": IN_CINEMAS},
        ['wanted.list.minimum_availability: "released" -> "in_cinemas"'],
    ),
    "announced is enough": (
        Reason.NOT_AVAILABLE,
        {"target": replace(IN_CINEMAS, in_cinemas_on=date(2027, 1, 1))},
        ['wanted.list.minimum_availability: "released" -> "announced"'],
    ),
    "upgrades are allowed": (
        Reason.UPGRADES_NOT_ALLOWED,
        {"target": having("HDTV-1080p", profile=replace(OWN, upgrade=False))},
        ["profiles.own.upgrade: false -> true"],
    ),
    "upgrades of what is on its way are allowed": (
        Reason.ALREADY_QUEUED,
        {"target": replace(MOVIE, profile=replace(OWN, upgrade=False), queued=(held("HDTV-1080p"),))},
        ["profiles.own.upgrade: false -> true"],
    ),
    "a better grab may follow sooner": (
        Reason.RECENTLY_GRABBED,
        {"target": replace(MOVIE, grabs=(RECENT,))},
        ['selection.grab_cooldown: "12h" -> "100m"'],
    ),
    "the cutoff rises no higher than it must": (
        Reason.EXISTING_FILE,
        {
            "title": "Sintel.2010.1080p.BluRay.Remux",
            "target": having("WEBDL-1080p", profile=replace(OWN, cutoff="WEBDL-1080p")),
        },
        ['profiles.own.cutoff: "WEBDL-1080p" -> "Bluray-1080p"'],
    ),
    "the cutoff score rises": (
        Reason.EXISTING_FILE,
        {
            "target": having("WEBDL-1080p", profile=replace(SCORED, cutoff_score=0)),
            "policy": Policy(formats=FORMATS),
        },
        ["profiles.own.cutoff_score: 0 -> 1"],
    ),
    "a smaller increment is enough": (
        Reason.EXISTING_FILE,
        {
            "target": having("WEBDL-1080p", score=3, profile=replace(SCORED, score_increment=20)),
            "policy": Policy(formats=FORMATS),
        },
        ["profiles.own.score_increment: 20 -> 7"],
    ),
    "a format is worth more": (
        Reason.EXISTING_FILE,
        {"target": having("WEBDL-1080p", score=20, profile=SCORED), "policy": Policy(formats=FORMATS)},
        ["profiles.own.formats.DURIAN: 10 -> 21"],
    ),
    "one quality of a group is better than the other": (
        Reason.EXISTING_FILE,
        {"target": having("WEBRip-1080p")},
        ['profiles.own.qualities: move "WEBDL-1080p" before "WEBRip-1080p"'],
    ),
    "what the profile does not allow is the worst it allows": (
        Reason.EXISTING_FILE,
        {"target": having("WEBDL-2160p")},
        ['profiles.own.qualities: add "WEBDL-2160p"'],
    ),
    "repaired releases replace files": (
        Reason.PROPER,
        {"title": PROPER, "target": having("WEBDL-1080p"), "policy": Policy(propers=Propers.DO_NOT_UPGRADE)},
        ['selection.propers: "do_not_upgrade" -> "prefer"'],
    ),
    "files may be repaired later": (
        Reason.PROPER,
        {"title": PROPER, "target": having("WEBDL-1080p", imported_at=NOW - timedelta(days=8, hours=1))},
        ['selection.proper_age: "7d" -> "9d"'],
    ),
    "what another group repacks has the better quality": (
        Reason.REPACK,
        {"title": REPACK, "target": having("WEBRip-1080p", release_group="OTHER")},
        ['profiles.own.qualities: move "WEBDL-1080p" before "WEBRip-1080p"'],
    ),
    "repacks replace files": (
        Reason.REPACK,
        {
            "title": REPACK,
            "target": having("WEBDL-1080p", release_group="DURIAN"),
            "policy": Policy(allows_repacks=False),
        },
        ["selection.repacks: false -> true"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_change_that_a_reason_asks_for(name: str) -> None:
    reason, situation, changes = CASES[name]
    situation = {"target": MOVIE, **situation}
    assert reason in reasons(judged(**situation))
    found = remedy(**situation)
    assert [change.text for change in found.changes] == changes
    assert found.is_possible
    assert not found.waits


def test_every_reason_that_the_configuration_has_a_say_in_is_shown_here() -> None:
    assert {reason for reason, _, _ in CASES.values()} == REMEDIES.keys()


HASH = "ab" * 20
HOPELESS: Mapping[str, dict[str, Any]] = {
    "unparsable": {"title": "Sintel.S01E02.1080p"},
    "movie_does_not_match": {"title": "Other.Film.2010.1080p.WEB-DL"},
    "not_monitored": {"target": replace(MOVIE, monitored=False)},
    "raw_disc": {"title": "Sintel.2010.1080p.COMPLETE.BLURAY.AVC-DURIAN"},
    "blocklisted": {"target": replace(MOVIE, blocklist=frozenset({HASH}))},
    "already_imported": {"target": replace(having("HDTV-1080p"), imported=frozenset({HASH}))},
    "free_space": {"target": replace(MOVIE, free_bytes=100)},
    "existing_file": {"target": having("WEBDL-1080p")},
    "repack": {"title": REPACK, "target": having("WEBDL-1080p", release_group="OTHER")},
    "too_few_seeders": {"indexer": "gone", "seeders": 0},
}


@pytest.mark.parametrize("name", HOPELESS)
def test_where_no_change_helps_that_is_said(name: str) -> None:
    found = remedy(**HOPELESS[name])
    assert not found.is_possible
    assert not found.changes
    assert Reason(name) in {rejection.reason for rejection in found.hindrances}


def test_what_no_change_helps_against_is_all_that_is_told() -> None:
    found = remedy("Other.Film.2010.720p.WEB-DL", size_bytes=10**12)
    assert [rejection.reason for rejection in found.hindrances] == [Reason.MOVIE_DOES_NOT_MATCH]


def test_several_reasons_have_several_remedies() -> None:
    found = remedy("Sintel.2010.720p.WEB-DL.KORSUB", policy=Policy(maximum_size_bytes=MIB))
    assert [change.path for change in found.changes] == [
        "profiles.own.qualities",
        "selection.hardcoded_subs",
        "selection.maximum_size",
    ]


def test_one_change_that_answers_two_reasons_comes_before_two() -> None:
    remux = "Sintel.2010.1080p.BluRay.Remux"
    target = replace(having("Bluray-1080p"), queued=(held("WEBDL-1080p"), held("Bluray-1080p")))
    assert len(judged(remux, target=target).rejections) == 2
    assert [change.text for change in remedy(remux, target=target).changes] == [
        'profiles.own.cutoff: "Bluray-1080p" -> "Remux-1080p"'
    ]


def test_a_change_that_leads_nowhere_does_not_end_the_search() -> None:
    """Releases like any other, propers would need a higher score."""
    target = having("WEBDL-1080p", imported_at=NOW - timedelta(days=8, hours=1))
    found = remedy(PROPER, target=target, policy=Policy(propers=Propers.DO_NOT_UPGRADE))
    assert [change.text for change in found.changes] == [
        'selection.propers: "do_not_upgrade" -> "prefer"',
        'selection.proper_age: "7d" -> "9d"',
    ]


def test_an_accepted_release_needs_no_remedy() -> None:
    assert remedy() == Remedy()


def test_what_passes_by_itself_is_waited_for() -> None:
    verdict = judged(indexer="closed", closed=frozenset({"closed"}), target=MOVIE)
    assert remedy(indexer="closed") == Remedy(waits=(only(verdict),))


def test_a_builtin_profile_is_written_into_the_file_first() -> None:
    hd_720p = BUILTIN_PROFILES["hd-720p"]
    first, second = remedy(target=replace(MOVIE, profile=hd_720p)).changes
    assert first.text == (
        'profiles.hd-720p: add { qualities = ["Bluray-720p", ["WEBDL-720p", "WEBRip-720p"], "HDTV-720p"], '
        'cutoff = "Bluray-720p", upgrade = true }'
    )
    assert second.text == 'profiles.hd-720p.qualities: add "WEBDL-1080p" before "Bluray-720p"'


def test_a_movie_that_no_table_names_has_its_own_keys() -> None:
    assert [change.path for change in remedy(target=IN_CINEMAS, wanted=None).changes] == ["movie.minimum_availability"]


def test_a_release_with_everything_against_it_has_a_remedy_for_everything() -> None:
    target = replace(
        having("Remux-1080p", profile=replace(SCORED, upgrade=False, minimum_score=5, language="Dutch")),
        queued=(held("Bluray-1080p"), held("Remux-1080p", revision=Revision(version=3))),
        grabs=(RECENT, replace(RECENT, quality=QUALITIES["Remux-1080p"])),
        minimum_availability=Availability.RELEASED,
        in_cinemas_on=date(2027, 1, 1),
        free_bytes=1550 * MIB,
    )
    terms = {"open": replace(OPEN["open"], minimum_seeders=20)}
    restrictions = tuple(ReleaseProfile(ignored=("web", "korsub", term)) for term in ("x265", "sintel", "dl"))
    policy = Policy(
        formats=FORMATS,
        terms=terms,
        delay_profiles=(DELAY,),
        release_profiles=restrictions,
        maximum_size_bytes=MIB,
        propers=Propers.DO_NOT_UPGRADE,
    )
    found = remedy("Sintel.2010.German.720p.WEB-DL.KORSUB.x265", target=target, policy=policy)
    assert found.is_possible
    assert len(found.changes) == 15
