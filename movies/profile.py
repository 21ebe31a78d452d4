"""Profiles: which qualities are allowed, in which order, what custom formats are worth, and what is good enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from movies.errors import BadProfile
from movies.quality import QUALITIES, Quality, quality_named


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Allowed qualities in groups of equals, best first; raises `BadProfile` or `UnknownQuality` when made wrongly.

    `cutoff` is a quality of one of the groups: a file of that group or better is not replaced by a better quality.
    `upgrade` false means that whatever was imported first stays.
    `format_scores` by the names of custom formats; a release's add up. A release under `minimum_score` is not taken; a
    film of `cutoff_score` or more is not replaced for a higher score, others only by one that is higher by
    `score_increment`. `language` is one that the release must have, "Original" the movie's own, `None` any.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    cutoff: str
    upgrade: bool = True
    format_scores: Mapping[str, int] = field(default_factory=dict, hash=False)
    minimum_score: int = 0
    cutoff_score: int = 0
    score_increment: int = 1
    language: str | None = None
    _ranks: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranks: dict[int, int] = {}
        for rank, group in enumerate(reversed(self.groups), start=1):
            for name in group:
                quality = quality_named(name)
                if quality.id in ranks:
                    raise BadProfile(f'profile "{self.name}" names the quality {quality.name} twice')
                ranks[quality.id] = rank
        if quality_named(self.cutoff).id not in ranks:
            raise BadProfile(f'profile "{self.name}" has the cutoff {self.cutoff}, which is none of its qualities')
        object.__setattr__(self, "_ranks", ranks)

    def rank(self, quality: Quality) -> int | None:
        """Return the place of a quality, higher is better and equal inside a group; `None`: not allowed."""
        return self._ranks.get(quality.id)

    def meets_cutoff(self, quality: Quality) -> bool:
        """Say whether a film of this quality is good enough to be left alone.

        A quality the profile does not allow (a file from before the profile changed) is judged by the ladder.
        """
        return not self.is_better(quality_named(self.cutoff), than=quality)

    def is_better(self, quality: Quality, *, than: Quality) -> bool:
        """Compare by the profile's order, or by the ladder when the profile does not allow one of the two."""
        rank, other = self.rank(quality), self.rank(than)
        if rank is None or other is None:
            return quality.weight > than.weight
        return rank > other


def _groups(*, worst: str, best: str, without: frozenset[str] = frozenset()) -> tuple[tuple[str, ...], ...]:
    """Return the ladder between two qualities, best first, equal weights grouped."""
    by_weight: dict[int, list[str]] = {}
    for quality in QUALITIES.values():
        if quality_named(worst).weight <= quality.weight <= quality_named(best).weight and quality.name not in without:
            by_weight.setdefault(quality.weight, []).append(quality.name)
    return tuple(tuple(by_weight[weight]) for weight in sorted(by_weight, reverse=True))


# DVD-R is a disc structure, not a film file: the importer could not file it.
_NO_FILM_FILE = frozenset({"DVD-R"})

BUILTIN_PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="any",
            groups=_groups(worst="WORKPRINT", best="Remux-2160p", without=_NO_FILM_FILE),
            cutoff="Bluray-480p",
        ),
        Profile(
            name="sd",
            groups=_groups(worst="WORKPRINT", best="Bluray-576p", without=_NO_FILM_FILE),
            cutoff="Bluray-480p",
        ),
        Profile(name="hd-720p", groups=_groups(worst="HDTV-720p", best="Bluray-720p"), cutoff="Bluray-720p"),
        Profile(name="hd-1080p", groups=_groups(worst="HDTV-1080p", best="Remux-1080p"), cutoff="Bluray-1080p"),
        Profile(name="ultra-hd", groups=_groups(worst="HDTV-2160p", best="Remux-2160p"), cutoff="Remux-2160p"),
        Profile(name="hd", groups=_groups(worst="HDTV-720p", best="Remux-1080p"), cutoff="Bluray-1080p"),
    )
}
