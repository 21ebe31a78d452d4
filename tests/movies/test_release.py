import pytest

from movies.quality import QUALITIES, UNKNOWN, Revision
from movies.release import (
    MAXIMUM_NAME_LENGTH,
    ParsedRelease,
    Unparsable,
    UnparsableReason,
    parse_release,
    read_languages,
    read_quality,
    read_release_group,
)
from movies.release_media import DynamicRange


def parsed(name: str) -> ParsedRelease:
    release = parse_release(name)
    assert isinstance(release, ParsedRelease), release
    return release


@pytest.mark.parametrize(
    ("name", "title", "year"),
    [
        ("Sintel.2010.1080p.BluRay.x264-DURIAN", "Sintel", 2010),
        ("Big Buck Bunny (2008) [1080p] [WEBRip]", "Big Buck Bunny", 2008),
        ("Tears_of_Steel_2012_720p_WEB-DL", "Tears of Steel", 2012),
        ("2001.A.Space.Odyssey.1968.1080p.BluRay", "2001 A Space Odyssey", 1968),
        ("1917.2019.2160p.WEB-DL", "1917", 2019),
        ("Death.Race.2000.1975.720p.HDTV", "Death Race 2000", 1975),
        ("Blade.Runner.2049.2017.1080p.BluRay", "Blade Runner 2049", 2017),
        ("Blade Runner 2049 Directors Cut", "Blade Runner 2049", None),
        ("Metropolis 1927 Restored 2010 1080p BluRay", "Metropolis", 1927),
        ("Wonder Woman 1984 (2020) 1080p", "Wonder Woman 1984", 2020),
        ("(1995) Some Film", "Some Film", 1995),
        ("The.Final.Cut.2004.DVDRip", "The Final Cut", 2004),
        ("Charlottes.Web.2006.1080p.WEB-DL", "Charlottes Web", 2006),
        ("Walk.the.Line.2005.1080p.BluRay", "Walk the Line", 2005),
        ("Open.Season.2.2008.720p.BluRay", "Open Season 2", 2008),
        ("10x10.2018.1080p.WEB-DL", "10x10", 2018),
        ("R.I.P.D.2013.720p.BluRay", "R.I.P.D.", 2013),
        ("Cosmos.Laundromat.GERMAN.EXTENDED.720p.BluRay-X", "Cosmos Laundromat", None),
        ("www.Example.com - Sintel.2010.720p.x264", "Sintel", 2010),
        ("[Group] Some Anime Film v2 [1A2B3C4D].mkv", "Some Anime Film", None),
        ("Sintel", "Sintel", None),
        ("BD25.Some.Film.1994.1080p.DTS-HD", "Some Film", 1994),
    ],
)
def test_the_title_ends_before_the_year_or_the_technical_part(name: str, title: str, year: int | None) -> None:
    assert (parsed(name).title, parsed(name).year) == (title, year)


def test_a_name_with_aka_has_both_titles() -> None:
    release = parsed("Kjeller.chitai.AKA.Basement.of.Shame.1956.1080p.BluRay")
    assert release.titles == ("Kjeller chitai", "Basement of Shame")


def test_a_language_before_the_year_may_belong_to_the_title() -> None:
    release = parsed("My.Big.Italian.2003.1080p.BluRay")
    assert release.titles == ("My Big", "My Big Italian")
    assert parsed("Johnny.English.2003.1080p.BluRay").titles == ("Johnny English",)
    assert parsed("The.Good.German.2006.720p.HDTV").titles == ("The Good German",)


@pytest.mark.parametrize(
    ("technical", "quality"),
    [
        ("1080p.BluRay.x264", "Bluray-1080p"),
        ("1080p.Bluray.REMUX.AVC.DTS-HD.MA.5.1", "Remux-1080p"),
        ("BDRemux.2160p", "Remux-2160p"),
        ("UHD.BluRay.HDR.x265", "Bluray-2160p"),
        ("1080p.UHD.BluRay.x265", "Bluray-1080p"),
        ("BDRip.XviD", "Bluray-480p"),
        ("576p.BluRay", "Bluray-576p"),
        ("COMPLETE.BLURAY", "BR-DISK"),
        ("1080p.Blu-ray.AVC.DTS-HD.MA.5.1", "BR-DISK"),
        ("German.DL.1080p.BluRay.AVC", "Remux-1080p"),
        ("1080p.WEB-DL.H264", "WEBDL-1080p"),
        ("2160p.AMZN.WEB.DV.HEVC", "WEBDL-2160p"),
        ("720p.WEBRip", "WEBRip-720p"),
        ("1920x800.WEB-DL", "WEBDL-1080p"),
        ("WEB-DL", "WEBDL-480p"),
        ("HDTV.720p", "HDTV-720p"),
        ("HDTV.XviD", "SDTV"),
        ("1080i.HDTV.MPEG2", "Raw-HD"),
        ("TS.Source.1080p.WEB-DL", "WEBDL-1080p"),
        ("DVDRip", "DVD"),
        ("PAL.DVDR", "DVD-R"),
        ("DVDSCR", "DVDSCR"),
        ("R5", "REGIONAL"),
        ("1080p.HDCAM", "CAM"),
        ("HDTS.1080p", "TELESYNC"),
        ("TS.XviD", "TELESYNC"),
        ("WORKPRINT", "WORKPRINT"),
        ("1080p", "HDTV-1080p"),
        ("Bluray2160p", "Bluray-2160p"),
        ("", "Unknown"),
    ],
)
def test_the_quality_is_read(technical: str, quality: str) -> None:
    assert parsed(f"Some.Film.2010.{technical}").quality.name == quality


def test_the_extension_tells_the_quality_when_nothing_else_does() -> None:
    assert parsed("Some.Film.2010.mkv").quality.name == "HDTV-720p"
    assert parsed("Some.Film.2010.DVDRip.ts").quality.name == "DVD"


@pytest.mark.parametrize(
    ("word", "revision"),
    [
        ("", Revision()),
        ("PROPER", Revision(version=2)),
        ("REAL.PROPER", Revision(version=2, real=1)),
        ("real.proper", Revision(version=2)),
        ("REPACK", Revision(version=2, is_repack=True)),
        ("REPACK2", Revision(version=3, is_repack=True)),
        ("RERIP", Revision(version=2, is_repack=True)),
        ("v3", Revision(version=3)),
    ],
)
def test_repairs_are_counted(word: str, revision: Revision) -> None:
    release = parsed(f"Some.Film.2010.{word}.1080p.BluRay")
    assert release.revision == revision
    assert release.revision.is_repack is revision.is_repack


@pytest.mark.parametrize(
    ("name", "edition"),
    [
        ("Some.Film.2010.Directors.Cut.1080p", "Directors Cut"),
        ("Some Film Extended 2010", "Extended"),
        ("Some Film 2010 Extended Director's Cut Fan Edit", "Extended Director's Cut Fan Edit"),
        ("Some Film 2010 Director\u2019s Cut", "Director\u2019s Cut"),
        ("Some.Film.50th.Anniversary.Edition.2010", "50th Anniversary Edition"),
        ("Some.Film.1990.Ultimate.Rekall.Edition.1080p", "Ultimate Rekall Edition"),
        ("The.Christmas.Edition.1941.720p", None),
    ],
)
def test_the_edition_is_read(name: str, edition: str | None) -> None:
    assert parsed(name).edition == edition


@pytest.mark.parametrize(
    ("technical", "languages"),
    [
        ("GERMAN.1080p.BluRay", ("German",)),
        ("German.DL.1080p.BluRay", ("German", "Original")),
        ("German.1080p.WEB-DL", ("German",)),
        ("ENG-ITA-FRE.1080p", ("English", "Italian", "French")),
        ("1080p.DTS[EN+ES]", ("English", "Spanish")),
        ("1080p.SUB-PL", ()),
        ("1080p.IT.x264", ()),
        ("TRUEFRENCH.BDRip", ("French",)),
    ],
)
def test_spoken_languages_are_read(technical: str, languages: tuple[str, ...]) -> None:
    assert parsed(f"Some.Film.2010.{technical}").languages == languages


def test_a_language_in_the_title_is_not_spoken() -> None:
    assert parsed("The.Danish.Girl.2015.1080p.BluRay").languages == ()


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Some.Film.2010.1080p.BluRay.x264-SPARKS", "SPARKS"),
        ("Some.Film.2010.1080p.BluRay.x264-SPARKS.mkv", "SPARKS"),
        ("Some.Film.2010.1080p.BluRay.x264-SPARKS[rarbg.com]", "SPARKS"),
        ("Some.Film.2010.1080p.BluRay.x264-SPARKS-Obfuscated", "SPARKS"),
        ("Some Film (2010) (1080p BluRay x265 HEVC 10bit AAC 7.1 Tigole)", "Tigole"),
        ("Some Film (2010) [1080p] [YTS.LT]", "YTS.LT"),
        ("[Arid] Some Film [00F4CDA0].mkv", "Arid"),
        ("Some.Film.2010.1080p.WEB-DL", None),
        ("Some Film - A Tale (2010)", None),
        ("Some.Film.2010.1080p.AC3.ITA-ENG", None),
    ],
)
def test_the_release_group_is_read(name: str, group: str | None) -> None:
    assert parsed(name).release_group == group


def test_a_group_named_like_a_language_is_no_language() -> None:
    release = parsed("Some.Film.2010.1080p.BluRay.x264-CAT")
    assert (release.release_group, release.languages) == ("CAT", ())


def test_movie_ids_are_read() -> None:
    release = parsed("Sintel (2010) {tmdb-45745} [tt1727587] 1080p")
    assert (release.title, release.tmdb_id, release.imdb_id) == ("Sintel", 45745, "tt1727587")


@pytest.mark.parametrize(
    ("word", "subs"), [("KORSUBS", "KORSUBS"), ("HC", "generic"), ("SUBBED", "generic"), ("MultiSubs", None)]
)
def test_hardcoded_subtitles_are_read(word: str, subs: str | None) -> None:
    assert parsed(f"Some.Film.2010.{word}.1080p.WEBRip").hardcoded_subs == subs


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", UnparsableReason.EMPTY),
        (" ... ", UnparsableReason.EMPTY),
        (".mkv", UnparsableReason.EMPTY),
        ("Some.Show.S01E02.1080p.WEB-DL", UnparsableReason.SERIES),
        ("Some Show (S01E18) Complete 360p", UnparsableReason.SERIES),
        ("Some.Show.S03.720p.BluRay", UnparsableReason.SERIES),
        ("Some.Show.3x07.HDTV", UnparsableReason.SERIES),
        ("Some.Show.2012.Season.2.1080p", UnparsableReason.SERIES),
        ("Some.Show.2012.11.02.HDTV", UnparsableReason.SERIES),
        ("[Group] Some Show - 07 [1080p].mkv", UnparsableReason.SERIES),
        ("Some.Film.2010.1080p.BluRay.x264-GRP-sample.mkv", UnparsableReason.SAMPLE),
        ("sample-some.film.2010.mkv", UnparsableReason.SAMPLE),
        ("185d86a343e39f3341e35c4dad3f9959", UnparsableReason.OBFUSCATED),
        ("Vh1FvU3bJXw6zs8EEUX4bMo5vbbMdHghxHirc.mkv", UnparsableReason.OBFUSCATED),
        ("abc.xyz.af6021c37f7852", UnparsableReason.OBFUSCATED),
        ("1080p", UnparsableReason.NO_TITLE),
    ],
)
def test_what_is_no_movie_is_refused_with_a_reason(name: str, reason: UnparsableReason) -> None:
    assert parse_release(name) == Unparsable(reason=reason)


@pytest.mark.parametrize(
    ("technical", "expected"),
    [
        ("2160p.WEB-DL.DV.HDR10+.H.265", {DynamicRange.DV, DynamicRange.HDR10PLUS}),
        ("2160p.WEB-DL.DoVi.HDR.HEVC", {DynamicRange.DV, DynamicRange.HDR}),
        ("2160p.WEB-DL.HDR.HDR10.HEVC", {DynamicRange.HDR10}),
        ("2160p.HLG.HDTV", {DynamicRange.HLG}),
        ("1080p.SDR.BluRay", {DynamicRange.SDR}),
        ("1080p.BluRay", set()),
    ],
)
def test_the_dynamic_range_is_read(technical: str, expected: set[DynamicRange]) -> None:
    assert parsed(f"Some.Film.2010.{technical}").dynamic_range == expected


@pytest.mark.parametrize(
    ("technical", "video", "audio", "channels"),
    [
        ("1080p.BluRay.DTS-HD.MA.5.1.x264", "h264", ("dts-hd ma",), "5.1"),
        ("1080p.BluRay.DTS-HD.MA5.1.AVC", "h264", ("dts-hd ma",), "5.1"),
        ("2160p.BluRay.TrueHD.Atmos.7.1.HEVC", "h265", ("truehd", "atmos"), "7.1"),
        ("1080p.WEB-DL.DD+5.1.H.265", "h265", ("dd+",), "5.1"),
        ("1080p.WEB-DL.DD5.1.DTS.AV1", "av1", ("dd", "dts"), "5.1"),
        ("BDRip.6CH.XviD.MP3", "xvid", ("mp3",), "5.1"),
        ("1080p.BluRay.FLAC.1.0.VC-1", "vc1", ("flac",), "1.0"),
        ("1080p.BluRay", None, (), None),
    ],
)
def test_codecs_and_channels_are_read(
    technical: str, video: str | None, audio: tuple[str, ...], channels: str | None
) -> None:
    release = parsed(f"Some.Film.2010.{technical}")
    assert (release.video_codec, release.audio_codecs, release.audio_channels) == (video, audio, channels)


@pytest.mark.parametrize(
    "technical", ["3D.1080p.BluRay", "1080p.3D.Half-SBS.BluRay", "1080p.HOU.BluRay", "H-SBS.1080p"]
)
def test_3d_is_read(technical: str) -> None:
    assert parsed(f"Some.Film.2010.{technical}").is_3d
    assert not parsed("Step.Up.3D.2010.1080p").is_3d


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Some.Show.S01E02.720p.HDTV.x264-ABC", "ABC"),
        ("Some.Show.S01E02.720p.HDTV.x264-ABC.English", "ABC"),
        ("Some.Show.S01E02", None),
    ],
)
def test_the_group_of_an_episode_is_read_too(name: str, group: str | None) -> None:
    assert read_release_group(name) == group


def test_quality_and_languages_of_an_episode_are_read_too() -> None:
    assert read_quality("Some.Show.S01E02.REPACK.720p.HDTV") == (QUALITIES["HDTV-720p"], Revision(version=2))
    assert read_languages("Some.Show.S01E02.French.German.720p") == ("French", "German")
    assert (read_quality(""), read_languages("")) == ((UNKNOWN, Revision()), ())


def test_a_long_name_is_cut_and_says_so() -> None:
    release = parsed("Sintel.2010." + "x" * MAXIMUM_NAME_LENGTH + ".1080p")
    assert release.is_truncated
    assert release.quality.name == "Unknown"
    assert parsed("Sintel.2010.1080p.WEB...").is_truncated
    assert not parsed("Sintel.2010.1080p.WEB").is_truncated
