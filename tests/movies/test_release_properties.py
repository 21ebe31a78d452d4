"""What holds for every release name: it is read or refused, always alike, in bounded time, into the parts it has."""

from dataclasses import dataclass
from time import process_time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from movies.parse_contract import NameKind, parsed_json
from movies.release import MAXIMUM_NAME_LENGTH, ParsedRelease, parse_release
from movies.vocabulary import VOCABULARY

WORST_S = 0.05  # ten times the aim for the worst single name, for busy machines
KNOWN_WORDS = st.sampled_from(sorted(VOCABULARY))
PIECES = st.one_of(
    KNOWN_WORDS,
    st.text(max_size=6),
    st.sampled_from(
        ["2012", "(2010)", "1080p", "S01E02", "5.1", "DDP5.1", "tt1234567", "tmdb-1", "v2", "Cut", "2xEng"]
    ),
    st.sampled_from([*".-_ []()+'/&", " - ", "] [", "\u2019", "\u00df", "\u0130", "\ud800", "\u6620\u753b"]),
)
NAMES = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES).map(".".join))


@given(NAMES)
@example("\u0130" * 200)
@example("tmdb1080p")
@example("tmdb " + "9" * 400)
@example("\u00b2 \u2460\u0663 1080p")
def test_any_name_is_read_or_refused_and_always_alike(name: str) -> None:
    once = parse_release(name)
    assert once == parse_release(name)
    if isinstance(once, ParsedRelease):
        assert once.titles[0] == once.title
        assert all(any(letter.isalnum() for letter in title) for title in once.titles)


@given(NAMES, st.sampled_from(NameKind))
def test_any_name_has_an_answer_to_every_question(name: str, kind: NameKind) -> None:
    assert parsed_json(name, kind)["input"] == name


@dataclass(frozen=True, kw_only=True)
class Parts:
    title: list[str]
    year: int
    edition: str
    language: str
    lines: str
    source: str
    codec: str
    group: str


PARTS = st.builds(
    Parts,
    title=st.lists(
        st.sampled_from(["Big", "Buck", "Tears", "Steel", "Night", "2", "Été", "Gół", "Москва"]), min_size=1
    ),
    year=st.integers(1900, 2040),
    edition=st.sampled_from(["", "Extended", "Directors Cut", "Final Cut", "Unrated", "40th Anniversary Edition"]),
    language=st.sampled_from(["", "German", "French", "Italian", "Danish", "Hindi"]),
    lines=st.sampled_from(["720p", "1080p", "2160p"]),
    source=st.sampled_from(["BluRay", "WEB-DL", "WEBRip", "HDTV", "Blu-ray Remux"]),
    codec=st.sampled_from(["x264", "x265", "H.264", "HEVC 10bit"]),
    group=st.sampled_from(["SPARKS", "NTb", "YIFY", "d3g", "CAT", "Ab-CD"]),
)
LADDER = {"BluRay": "Bluray", "WEB-DL": "WEBDL", "WEBRip": "WEBRip", "HDTV": "HDTV", "Blu-ray Remux": "Remux"}
ORDERS = {
    "scene": "{title} {year} {edition} {language} {lines} {source} {codec}-{group}",
    "source first": "{title} {year} {language} {edition} {source} {lines} {codec}-{group}",
    "before the year": "{title} {edition} {year} {language} {lines} {source} {codec}-{group}",
    "brackets": "{title} ({year}) {edition} [{lines}] [{source}] {language} [{codec}] [{group}]",
    "parentheses": "{title} ({year}) {edition} ({lines} {source} {codec} {language} {group})",
    "leading group": "[{group}] {title} ({year}) {edition} ({source} {lines} {codec}) {language}",
}


@given(PARTS, st.sampled_from(sorted(ORDERS)), st.sampled_from(". _"))
def test_a_name_made_of_parts_is_taken_apart_again(parts: Parts, order: str, separator: str) -> None:
    lines = "" if parts.source == "Blu-ray Remux" and parts.lines == "720p" else parts.lines
    spelled = ORDERS[order].format(**{**vars(parts), "title": " ".join(parts.title), "lines": lines})
    assume(parts.group != "CAT" or "-CAT" in spelled)  # elsewhere it says Catalan
    name = " ".join(spelled.split())
    release = parse_release(name if "[" in name or "(" in name else name.replace(" ", separator))
    assert isinstance(release, ParsedRelease), release
    assert release.title == " ".join(parts.title)
    assert release.year == parts.year
    assert release.quality.name == f"{LADDER[parts.source]}-{lines or '1080p'}"
    assert release.edition == (parts.edition or None)
    assert release.languages == ((parts.language,) if parts.language else ())
    assert release.release_group == parts.group


HOSTILE = [
    "[", "(", "] [", "2012 ", "(2012)", "2012-10-10 ", "german ", "eng-", "extended ", "extended a ", "anniversary ",
    "directors cut ", "a.b.", "- ", "-a", "-a b", "www.", "[a.b", "web-", "hd ", "blu-", "1080p", "1a1a", "9p", "s1e1",
    "tt1234567 ", "v2 ", "5 1 ", "sub-", "subs eng ", "dts-hd ", "a.k.a. ", " / ", "[a]-", "x", "1", "_", "...",
    "x264-", "-x-y", "\u0130", "\u00df", "\u6620", "\0", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("piece", [*HOSTILE, *sorted(VOCABULARY)[::9]])
def test_no_name_costs_more_than_its_length(piece: str) -> None:
    repeated = piece * (MAXIMUM_NAME_LENGTH // len(piece))
    for name in (repeated, f"Sintel 2010 1080p {repeated}", f"[{repeated[:60]}] Sintel {repeated} - 07 ["):
        assert fastest_s(name) < WORST_S


def fastest_s(name: str) -> float:
    times = []
    for _ in range(3):
        start_s = process_time()
        parse_release(name)
        times.append(process_time() - start_s)
    return min(times)


def test_what_is_over_512_characters_costs_nothing() -> None:
    for piece in HOSTILE:
        assert fastest_s("Sintel 2010 " + piece * (100_000 // len(piece))) < WORST_S


@pytest.mark.parametrize("name", ["S", "7", "é", "映", "ß"])
def test_a_name_of_one_character_is_a_title(name: str) -> None:
    release = parse_release(name)
    assert isinstance(release, ParsedRelease)
    assert release.title == name


def test_a_name_of_5000_characters_is_read_by_its_beginning_and_says_so() -> None:
    release = parse_release(("Sintel.2010.1080p.BluRay." + "x" * 5000)[:5000])
    assert isinstance(release, ParsedRelease)
    assert (release.title, release.quality.name, release.is_truncated) == ("Sintel", "Bluray-1080p", True)


@pytest.mark.parametrize(
    "title",
    [
        "Ирония судьбы",
        "東京物語",
        "기생충",
        "الرسالة",
        "מונטנה",
        "अंधाधुन",
        "ความรัก",
        "Ζωή και θάλασσα",
        "Đất rừng phương Nam",
    ],
)
@pytest.mark.parametrize("separator", [".", " ", "_"])
def test_titles_in_other_scripts_are_read(title: str, separator: str) -> None:
    release = parse_release(separator.join([*title.split(), "2010", "1080p", "WEB-DL", "x264-GRP"]))
    assert isinstance(release, ParsedRelease)
    assert (release.title, release.year, release.release_group) == (title, 2010, "GRP")
