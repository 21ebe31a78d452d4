"""Profiles and custom formats of the file and of the guides, put together; and what contradicts itself in them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from config.format_tables import FormatTable
from config.guide import Guide
from config.judgement import ProfileTable
from config.lines import Location
from movies.custom_format import CustomFormat
from movies.errors import did_you_mean
from movies.format_guide import GuideProfile
from movies.profile import Profile

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A profile that may contradict itself. A `cutoff` of "" is of a profile without qualities."""

    qualities: tuple[tuple[str, ...], ...]
    cutoff: str
    upgrade: bool
    scores: Mapping[str, int]
    minimum_score: int
    cutoff_score: int
    score_increment: int
    language: str | None

    @property
    def best_score(self) -> int:
        """The score of a release that matches everything good and nothing bad."""
        return sum(score for score in self.scores.values() if score > 0)

    def profile(self, name: str) -> Profile:
        """The profile; raises BadProfile when it contradicts itself."""
        return Profile(
            name=name,
            groups=self.qualities,
            cutoff=self.cutoff,
            upgrade=self.upgrade,
            format_scores=self.scores,
            minimum_score=self.minimum_score,
            cutoff_score=self.cutoff_score,
            score_increment=self.score_increment,
            language=self.language,
        )


_USUAL = GuideProfile(
    name="",
    qualities=(),
    cutoff="",
    upgrade=True,
    minimum_score=0,
    cutoff_score=0,
    score_increment=1,
    language=None,
    score_set="",
    formats=(),
)


def draft_of(table: ProfileTable, guide: Guide) -> Draft:
    """The table's own keys over those of its profile in the guides, if it has one there, over the usual ones."""
    base = (guide.profile(table.trash_id) if table.trash_id else None) or _USUAL
    guides_scores = {
        one.format.name: one.score(base.score_set)
        for one in (guide.formats_of(table.trash_id) if table.trash_id else {}).values()
    }
    scores = {**guides_scores, **table.formats}
    qualities = table.qualities or base.qualities
    has_bases_cutoff = any(base.cutoff in group for group in qualities)
    minimum_score = _first(table.minimum_score, base.minimum_score)
    return Draft(
        qualities=qualities,
        cutoff=table.cutoff or (base.cutoff if has_bases_cutoff else qualities[0][0] if qualities else ""),
        upgrade=_first(table.upgrade, base.upgrade),
        scores={name: score for name, score in scores.items() if score},
        minimum_score=minimum_score,
        cutoff_score=_first(table.cutoff_score, max(base.cutoff_score, minimum_score)),
        score_increment=_first(table.score_increment, base.score_increment),
        language=table.language if "language" in table.model_fields_set else base.language,
    )


def profile_mistakes(
    name: str, table: ProfileTable, guide: Guide, *, formats: Collection[str]
) -> Iterator[tuple[Location, str]]:
    """What is wrong with a profile beside its keys; `formats` are the names of all that there are."""
    if table.trash_id is not None and guide.profile(table.trash_id) is None:
        yield (
            ("profiles", name, "trash_id"),
            f"profiles.{name}.trash_id: {unknown_id(guide, 'profile', table.trash_id)}",
        )
        return
    for format_id in guide.formats_lacking(table.trash_id) if table.trash_id else ():
        text = f"it has a format that is not there: {unknown_id(guide, 'format', format_id)}"
        yield ("profiles", name, "trash_id"), f"profiles.{name}.trash_id: {text}"
    draft = draft_of(table, guide)
    if not draft.qualities:
        yield ("profiles", name), f"profiles.{name}.qualities is missing"
    elif not any(draft.cutoff in group for group in draft.qualities):
        yield ("profiles", name, "cutoff"), f'profiles.{name}.cutoff: "{draft.cutoff}" is not among the qualities'
    for format_ in table.formats:
        if format_ not in formats:
            text = f'no format is called "{format_}"{did_you_mean(format_, formats)}'
            yield ("profiles", name, "formats", format_), f"profiles.{name}.formats: {text}"
    if draft.minimum_score > draft.best_score:
        text = f"no release reaches {draft.minimum_score}, its formats add up to {draft.best_score}"
        yield ("profiles", name, "minimum_score"), f"profiles.{name}.minimum_score: {text}"
    if draft.cutoff_score < draft.minimum_score:
        text = f"{draft.cutoff_score} is under the minimum_score of {draft.minimum_score}"
        yield ("profiles", name, "cutoff_score"), f"profiles.{name}.cutoff_score: {text}"


def merged_formats(
    formats: Mapping[str, FormatTable], profiles: Mapping[str, ProfileTable], guide: Guide
) -> dict[str, CustomFormat]:
    """The file's formats by name, and those that its profiles bring from the guides under other names."""
    found: dict[str, CustomFormat] = {}
    for name, table in formats.items():
        if table.trash_id is None:
            conditions = tuple(condition.condition for condition in table.conditions)
        elif (guides := guide.format(table.trash_id)) is not None:
            conditions = guides.format.conditions
        else:
            continue
        found[name] = CustomFormat(name=name, conditions=conditions)
    for profile in profiles.values():
        for guides in guide.formats_of(profile.trash_id).values() if profile.trash_id else ():
            found.setdefault(guides.format.name, guides.format)
    return found


def unknown_id(guide: Guide, what: str, trash_id: str) -> str:
    if not guide.format_files and not guide.profile_files:
        return f'there are no guides in "{guide.folder}"; trash_guides.path says where they are'
    return f'no {what} in "{guide.folder}" has the id "{trash_id}"'


def _first(given: Value | None, default: Value) -> Value:
    return default if given is None else given
