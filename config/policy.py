"""What the configuration says about releases, as the rules of decision read it."""

import math
from collections.abc import Mapping
from datetime import timedelta

from config.guide import Guide
from config.judgement import Delay, QualitySize, Restriction, Sizes
from config.schema import Config, Indexer
from movies.custom_format import FormatSet
from movies.offer import IndexerTerms, Protocol
from movies.pattern import OnTimeout
from movies.policy import DelayProfile, Policy, ReleaseProfile
from movies.quality import SIZE_BOUNDS, SizeBounds

DAY_S = 86400.0


def policy_of(config: Config, *, on_timeout: OnTimeout | None = None) -> Policy:
    """The policy; its patterns are compiled here. `on_timeout` is told each pattern that ran out of time in a name."""
    selection = config.selection
    return Policy(
        formats=FormatSet(config.all_formats.values(), on_timeout=on_timeout),
        size_bounds=size_bounds_of(config.sizes, config.guide),
        maximum_size_bytes=selection.maximum_size or None,
        minimum_free_bytes=selection.min_free,
        allows_hardcoded_subs=selection.hardcoded_subs,
        propers=selection.propers,
        allows_repacks=selection.repacks,
        proper_age=timedelta(seconds=selection.proper_age),
        grab_cooldown=timedelta(seconds=selection.grab_cooldown),
        minimum_age_s=selection.minimum_age,
        retention_days=selection.retention / DAY_S or None,
        delay_profiles=tuple(map(_delay_profile, config.delays)),
        release_profiles=tuple(_release_profile(table, on_timeout) for table in config.restrictions),
        terms={indexer.name: _terms(indexer) for indexer in config.indexers},
    )


def size_bounds_of(sizes: Sizes, guide: Guide) -> dict[str, SizeBounds]:
    """Bounds by quality: the file's, over those of the guides if they are asked for, over the usual ones."""
    guides = (guide.sizes(sizes.trash) if sizes.trash else None) or {}
    bounds: Mapping[str, SizeBounds] = {**SIZE_BOUNDS, **guides}
    return {name: _changed(bound, sizes.by_quality.get(name)) for name, bound in bounds.items()}


def _changed(bounds: SizeBounds, table: QualitySize | None) -> SizeBounds:
    if table is None:
        return bounds
    return SizeBounds(
        minimum=bounds.minimum if table.min is None else table.min,
        preferred=bounds.preferred if table.preferred is None else _limit(table.preferred),
        maximum=bounds.maximum if table.max is None else _limit(table.max),
    )


def _limit(mib_per_min: float) -> float | None:
    return None if math.isinf(mib_per_min) else mib_per_min


def _delay_profile(table: Delay) -> DelayProfile:
    return DelayProfile(
        tags=frozenset(table.tags),
        enabled=frozenset(table.protocols),
        preferred=table.preferred,
        delay_s={Protocol.TORRENT: table.torrent, Protocol.USENET: table.usenet},
        bypass_highest_quality=table.bypass_highest_quality,
        bypass_score=table.bypass_score,
    )


def _release_profile(table: Restriction, on_timeout: OnTimeout | None) -> ReleaseProfile:
    return ReleaseProfile(
        required=table.required,
        ignored=table.ignored,
        indexer=table.indexer,
        tags=frozenset(table.tags),
        on_timeout=on_timeout,
    )


def _terms(table: Indexer) -> IndexerTerms:
    return IndexerTerms(
        priority=table.priority,
        minimum_seeders=table.minimum_seeders,
        required_flags=frozenset(table.required_flags),
        tags=frozenset(table.tags),
    )
