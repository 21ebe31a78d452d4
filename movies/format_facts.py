"""What custom formats look at in a release, in a form that can be kept: frozen at the grab, judged again later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from movies.languages import ORIGINAL
from movies.offer import IndexerFlag, Offer
from movies.quality import QUALITIES, UNKNOWN, Quality
from movies.release import MAXIMUM_NAME_LENGTH, ParsedRelease

UNTOLD_LANGUAGE = "English"


@dataclass(frozen=True, kw_only=True)
class FormatFacts:
    """One release as custom formats see it; `None` is unknown. `languages` are those the name tells, maybe none."""

    title: str
    file_name: str | None = None
    quality: Quality = UNKNOWN
    edition: str | None = None
    languages: tuple[str, ...] = ()
    original_language: str | None = None
    release_group: str | None = None
    year: int | None = None
    size_bytes: int | None = None
    flags: frozenset[IndexerFlag] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Return the facts as values that JSON has; what is unknown or empty is left out."""
        facts = {
            "title": self.title,
            "file_name": self.file_name,
            "quality": self.quality.name,
            "edition": self.edition,
            "languages": list(self.languages),
            "original_language": self.original_language,
            "release_group": self.release_group,
            "year": self.year,
            "size_bytes": self.size_bytes,
            "flags": sorted(self.flags),
        }
        return {name: value for name, value in facts.items() if value not in (None, [])}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "FormatFacts":
        """Return the facts that `as_json` has written; qualities and flags that are no more count as unknown."""
        return cls(
            title=facts["title"],
            file_name=facts.get("file_name"),
            quality=QUALITIES.get(facts.get("quality", ""), UNKNOWN),
            edition=facts.get("edition"),
            languages=tuple(facts.get("languages", ())),
            original_language=facts.get("original_language"),
            release_group=facts.get("release_group"),
            year=facts.get("year"),
            size_bytes=facts.get("size_bytes"),
            flags=frozenset(IndexerFlag(flag) for flag in facts.get("flags", ()) if flag in set(IndexerFlag)),
        )


def format_facts(offer: Offer, parsed: ParsedRelease, *, original_language: str | None = None) -> FormatFacts:
    """Return what an offer and its name tell; `original_language` is the movie's, by its English name."""
    return FormatFacts(
        title=offer.title[:MAXIMUM_NAME_LENGTH],
        quality=parsed.quality,
        edition=parsed.edition,
        languages=parsed.languages,
        original_language=original_language,
        release_group=parsed.release_group,
        year=parsed.year,
        size_bytes=offer.size_bytes,
        flags=offer.flags,
    )


def spoken_languages(languages: tuple[str, ...], *, original: str | None) -> tuple[str, ...]:
    """Return the languages of a release whose name tells some or none.

    One that tells none is in the movie's own language, and in English where nobody knows that, as scene releases are.
    "Original" becomes the movie's own where it is known.
    """
    if not languages:
        return (original or UNTOLD_LANGUAGE,)
    if original is None or ORIGINAL not in languages:
        return languages
    return tuple(dict.fromkeys(original if language == ORIGINAL else language for language in languages))
