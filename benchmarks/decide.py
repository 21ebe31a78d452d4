"""How long it takes to decide an RSS page of 1,000 releases: against few and very many wanted movies, with custom
formats of one's own, and with a whole profile of the TRaSH guides.

    .venv/bin/python -P benchmarks/decide.py [--rounds N] [--guides FOLDER] [--profile TRASH_ID]

A decision is: read the name, find the movies it may be, ask every rule about each, score the formats. Names, movies and
sizes are made from a seed; no name comes twice. One process, the cases in turn; rates are medians of the rounds, a
ratio is the median of the rounds' ratios. Nothing here waits, so CPU seconds are counted, whoever else uses the
machine. FOLDER holds the guides' JSON files; without it there is no such case.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from config.loading import load
from config.policy import policy_of
from movies.case import Moment
from movies.custom_format import FormatSet, score_of
from movies.decision import decide
from movies.format_facts import FormatFacts, format_facts
from movies.movie import MovieId
from movies.offer import Offer
from movies.pattern import PatternSet
from movies.policy import Policy
from movies.profile import BUILTIN_PROFILES, Profile
from movies.release import Unparsable, parse_release
from movies.target import Target
from movies.verdict import Verdict
from movies.wanted_index import WantedIndex

SIZES = (100, 10_000, 100_000)
PAGE = 1000
REMUX_2160P = "dd3cd75deb9645bae838d1c5da6388d5"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
MOMENT = Moment(now=NOW)

PATTERNS = (
    r"[xh][ ._-]?265|\bhevc\b",
    r"\b(dts[ ._-]?(hd|x|ma)?|truehd|atmos)\b",
    r"^(?!.*hdr10\+).*\bhdr(10)?\b",
    r"\b(amzn|amazon)\b(?=.*\bweb)",
    r"\b(nf|netflix)\b",
    r"\b(3d|half[ ._-]?(sbs|ou))\b",
    r"\b(proper|repack\d?|rerip)\b",
    r"\b(extended|uncut|unrated|director'?s[ ._-]cut)\b",
    r"(?<!web[ ._-]?)\brip\b|xvid",
    r"-(FLUX|NTb|DON|CtrlHD|FraMeSToR)$",
)
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnpqrst" for vowel in "aeiou"]
SOURCES = ("BluRay", "WEB-DL", "AMZN.WEB-DL", "NF.WEBRip", "HDTV", "BluRay.REMUX")
SOUNDS = ("DTS-HD.MA.5.1", "DDP5.1.Atmos", "AAC2.0", "TrueHD.7.1", "DD5.1")
GROUPS = ("FLUX", "NTb", "DON", "SPARKS", "FraMeSToR", "EVO", "RARBG", "DUSTiN")
EXTRAS = ("", "", "", "PROPER.", "Extended.", "GERMAN.DL.", "REPACK.", "MULTi.")


def titles(rng: random.Random) -> Iterator[tuple[str, int]]:
    """Titles of one to four words, and a year; some come again with another year."""
    while True:
        words = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))).capitalize() for _ in range(rng.randint(1, 4))]
        yield " ".join(words), rng.randint(1960, 2026)


def targets(profile: Profile, count: int) -> list[Target]:
    """The same movies first, whatever their number."""
    named = titles(random.Random(1))
    return [
        Target(movie_id=MovieId(number), title=title, year=year, tmdb_id=number, profile=profile, runtime_min=100)
        for number, (title, year) in zip(range(1, count + 1), named, strict=False)
    ]


def page(wanted: Sequence[Target], *, share_wanted: float) -> list[Offer]:
    """Releases, a share of them of wanted movies, the others of movies nobody wants."""
    rng = random.Random(2)
    others = titles(random.Random(3))
    offers = []
    for number in range(PAGE):
        movie = rng.choice(wanted)
        title, year = (movie.title or "", movie.year) if rng.random() < share_wanted else next(others)
        name = ".".join([*title.split(), str(year), rng.choice(EXTRAS) + rng.choice(("720p", "1080p", "2160p"))])
        name += f".{rng.choice(SOURCES)}.{rng.choice(SOUNDS)}.{rng.choice(('x264', 'x265', 'H.264'))}"
        offers.append(
            Offer(
                indexer="one",
                guid=str(number),
                title=f"{name}-{rng.choice(GROUPS)}{rng.choice(('', number))}",
                size_bytes=rng.randint(1, 40) * 2**30,
                seeders=rng.randint(0, 500),
                published_at=NOW - timedelta(minutes=number),
            )
        )
    return offers


def decided(offers: Sequence[Offer], index: WantedIndex, policy: Policy) -> list[Verdict]:
    verdicts = []
    for offer in offers:
        parsed = parse_release(offer.title)
        for target in index.candidates(offer, parsed):
            verdicts.append(decide(offer, parsed, target, policy=policy, moment=MOMENT))
    return verdicts


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A profile with its policy."""

    profile: Profile
    policy: Policy


def judge(text: str) -> Judge:
    """What a configuration says, whose profile is called "x"."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(text)
        config = load(path)
        return Judge(profile=config.all_profiles["x"], policy=policy_of(config))


def own_formats() -> Judge:
    conditions = "\n".join(
        f"[formats.f{number}]\nconditions = [{{ type = 'release_title', regex = '''{pattern}''' }}]"
        for number, pattern in enumerate(PATTERNS)
    )
    scores = ", ".join(f"f{number} = {number * 10 - 45}" for number in range(len(PATTERNS)))
    qualities = [list(group) for group in BUILTIN_PROFILES["hd"].groups]
    return judge(f"[profiles.x]\nqualities = {qualities}\nformats = {{ {scores} }}\n{conditions}")


def guides_profile(folder: Path, trash_id: str) -> Judge:
    return judge(f'[trash_guides]\npath = "{folder.absolute()}"\n[profiles.x]\ntrash_id = "{trash_id}"')


class Unfiltered(PatternSet):
    """Runs every pattern on every name."""

    def possible(self, text: str) -> set[str]:
        return set(self.patterns)


def timed(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start


def medians(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each case in each round, in turn; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, run in cases.items():
            took_s = timed(run)
            if number:
                found[name].append(took_s)
    return found


def measure_growth(rounds: int) -> None:
    """One page, half of it of the first hundred movies, against more and more movies."""
    plain = judge("[profiles.x]\nqualities = ['Bluray-1080p', 'WEBDL-1080p', 'HDTV-1080p']")
    offers = page(targets(plain.profile, SIZES[0]), share_wanted=0.5)
    indexes = {size: WantedIndex(targets(plain.profile, size)) for size in SIZES}
    verdicts = {size: len(decided(offers, index, plain.policy)) for size, index in indexes.items()}
    cases = {f"{size:,}": partial(decided, offers, index, plain.policy) for size, index in indexes.items()}
    found = medians(cases, rounds)
    few, *_ = found.values()
    for size, took in zip(SIZES, found.values(), strict=True):
        ratio = statistics.median(one / base for one, base in zip(took, few, strict=True))
        print(
            f"{PAGE} releases, {size:7,} wanted movies: {statistics.median(took) * 1000:6.1f} ms, ratio {ratio:.2f}"
            f" ({verdicts[size]} decisions)"
        )


def measure_rate(name: str, judge: Judge, rounds: int) -> None:
    """A page of releases that are all of wanted movies, so that each is decided."""
    movies = targets(judge.profile, 100)
    offers, index = page(movies, share_wanted=1.0), WantedIndex(movies)
    facts = [
        format_facts(offer, parsed, original_language="English")
        for offer in offers
        if not isinstance(parsed := parse_release(offer.title), Unparsable)
    ]
    found = medians(
        {
            "whole": lambda: decided(offers, index, judge.policy),
            "names": lambda: [parse_release(offer.title) for offer in offers],
            "formats": lambda: scored(facts, judge.profile, judge.policy.formats),
        },
        rounds,
    )
    formats = FormatSet(judge.policy.formats.formats)
    filtered = timed(lambda: scored(facts, judge.profile, formats))
    formats.pattern_set = Unfiltered(formats.pattern_set.patterns)
    unfiltered = timed(lambda: scored(facts, judge.profile, formats))
    whole, names, scores = (statistics.median(found[case]) / PAGE * 1e6 for case in ("whole", "names", "formats"))
    print(
        f"{name}: {1e6 / whole:,.0f} releases/s; {whole:.0f} us each, of which the name {names:.0f}, the formats "
        f"{scores:.0f}; {len(judge.profile.format_scores)} formats with scores, "
        f"{len(formats.pattern_set.patterns)} patterns; without the prefilter the formats take "
        f"{unfiltered / filtered:.1f} times as long"
    )


def scored(facts: Sequence[FormatFacts], profile: Profile, formats: FormatSet) -> None:
    for one in facts:
        score_of(one, profile, formats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--guides", type=Path, help="the folder of the TRaSH guides' JSON files for Radarr")
    parser.add_argument("--profile", default=REMUX_2160P, help="the trash_id of the profile")
    options = parser.parse_args()
    if options.guides is not None and not options.guides.is_dir():
        sys.exit(f"{options.guides} is no folder")
    measure_growth(options.rounds)
    measure_rate("10 formats", own_formats(), options.rounds)
    if options.guides is not None:
        guides = guides_profile(options.guides, options.profile)
        measure_rate("the guides' profile", guides, options.rounds)


if __name__ == "__main__":
    main()
