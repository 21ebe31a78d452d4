import pytest

from movies.tokens import Name, tokenize
from movies.vocabulary import Kind, TokenKind


def tokens_of(text: str) -> list[tuple[TokenKind, str]]:
    name = Name(text)
    return [(token.kind, token.value or name.written(token.first, token.end)) for token in tokenize(name)]


@pytest.mark.parametrize("text", ["WEB-DL", "WEB.DL", "WEB DL", "web_dl", "WEBDL"])
def test_a_separator_within_a_word_is_optional(text: str) -> None:
    assert tokens_of(text) == [(Kind.SOURCE, "webdl")]


@pytest.mark.parametrize("text", ["WEB  DL", "WEB] [DL", "WEB - DL", "WEB (DL"])
def test_words_that_are_further_apart_are_no_row(text: str) -> None:
    assert (Kind.SOURCE, "webdl") in tokens_of(text)
    assert (Kind.SEVERAL_LANGUAGES, "DL") in tokens_of(text)


def test_the_longest_row_is_read() -> None:
    assert tokens_of("DTS") == [(Kind.AUDIO, "dts")]
    assert tokens_of("DTS-HD") == [(Kind.AUDIO, "dts-hd")]
    assert tokens_of("DTS-HD.MA") == [(Kind.AUDIO, "dts-hd ma")]
    assert tokens_of("DTS.HDTV") == [(Kind.AUDIO, "dts"), (Kind.SOURCE, "hdtv")]


def test_a_row_that_breaks_off_gives_back_its_words() -> None:
    assert tokens_of("Blu.Sky") == []
    assert tokens_of("Hybrid.WEB") == [(Kind.OTHER, "Hybrid"), (Kind.SOURCE, "webdl")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("540p", [(Kind.RESOLUTION, "540p")]),
        ("1920x1080", [(Kind.RESOLUTION, "1920x1080")]),
        ("Bluray2160p", [(Kind.SOURCE, "bluray"), (Kind.RESOLUTION, "2160p")]),
        ("extended1080p", [(Kind.RESOLUTION, "1080p")]),
        ("S01E02E03", [(Kind.EPISODE, "s01e02e03")]),
        ("A 3x07", [(Kind.EPISODE, "3x07")]),
        ("10x10", []),
        ("2012-11-02", [(Kind.EPISODE, "2012-11-02")]),
        ("2012-13-02", [(Kind.YEAR, "2012")]),
        ("1879", []),
        ("2049", []),
        ("Season 2", [(Kind.SEASON, "2")]),
        ("Season of", []),
        ("tt0133093", [(Kind.IMDB_ID, "tt0133093")]),
        ("tmdb-603", [(Kind.TMDB_ID, "603")]),
        ("tmdbid=603", [(Kind.TMDB_ID, "603")]),
        ("DDP5.1", [(Kind.AUDIO, "dd+"), (Kind.CHANNELS, "5.1")]),
        ("DD+5.1", [(Kind.AUDIO, "dd+"), (Kind.CHANNELS, "5.1")]),
        ("DD51", [(Kind.AUDIO, "dd"), (Kind.CHANNELS, "5.1")]),
        ("AAC 2 0", [(Kind.AUDIO, "aac"), (Kind.CHANNELS, "2.0")]),
        ("7.1", [(Kind.CHANNELS, "7.1")]),
        ("6CH", [(Kind.CHANNELS, "6")]),
        ("2xEng", [(Kind.LANGUAGE, "English")]),
        ("REPACK3", [(Kind.REVISION, "repack3")]),
        ("07v2", [(Kind.REVISION, "v2")]),
        ("HDR10+", [(Kind.DYNAMIC_RANGE, "hdr10plus")]),
        ("h264-720p", [(Kind.CODEC, "h264"), (Kind.RESOLUTION, "720p")]),
    ],
)
def test_words_with_numbers_are_read_by_their_shape(text: str, expected: list[tuple[TokenKind, str]]) -> None:
    assert tokens_of(text) == expected


@pytest.mark.parametrize(
    ("text", "edition"),
    [
        ("Extended", "Extended"),
        ("Final Cut", "Final Cut"),
        ("Extended Director\u2019s Cut", "Extended Director\u2019s Cut"),
        ("Ultimate Rekall Edition", "Ultimate Rekall Edition"),
        ("50th Anniversary", "50th Anniversary"),
        ("25 Anniversary Edition", "25 Anniversary Edition"),
    ],
)
def test_an_edition_is_a_kind_with_its_noun_or_alone(text: str, edition: str) -> None:
    assert tokens_of(text) == [(Kind.EDITION, edition)]


@pytest.mark.parametrize("text", ["Special", "Final", "Anniversary", "Hunter 1980", "Final German Cut"])
def test_a_kind_that_needs_its_noun_is_no_edition_without(text: str) -> None:
    assert Kind.EDITION not in [kind for kind, _ in tokens_of(text)]


def test_the_languages_of_subtitles_are_theirs() -> None:
    assert tokens_of("Sub ITA, ENG") == [(Kind.SUBTITLES, "Sub ITA, ENG")]


@pytest.mark.parametrize("text", ["\u0130stanbul 2010", "STRASSE\u1e9e 2010", "\u0130\u0130 2010 1080p"])
def test_places_hold_where_lower_case_is_longer(text: str) -> None:
    name = Name(text)
    assert len(name.flat) == len(text)
    assert name.written(1, 2) == "2010"
