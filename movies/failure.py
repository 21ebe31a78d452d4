"""The failure taxonomy: why work comes to nothing, and how often and how soon each reason is worth another attempt.

A condition that is not the item's fault (a dependency down, a disk full, a mount gone) is no failure: its job is parked
without spending an attempt. What stands here counts for what is wrong with the item itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """`retries` after the first attempt; `reasons` have a policy of their own, which goes before this one.

    The wait after attempt n is base_s * growth^(n-1), at most cap_s unless the first is longer, of which the share
    `jitter_ratio` is left to chance.
    """

    retries: int = 3
    base_s: float = 10.0
    growth: float = 2.0
    cap_s: float = 24 * HOUR_S
    jitter_ratio: float = 0.5
    reasons: Mapping[str, "RetryPolicy"] = field(default_factory=dict)

    def of(self, reason: str) -> "RetryPolicy":
        """What holds for work that failed for this reason."""
        return self.reasons.get(reason, self)

    def delay_s(self, attempt: int, *, jitter: float, retry_after_s: float | None = None) -> float:
        """The wait after failed attempt number `attempt`, from 1; `jitter` is uniform in 0..1.

        `retry_after_s` is what the other side asked for, to the second.
        """
        if retry_after_s is not None:
            return retry_after_s
        grown_s = self.base_s * self.growth ** min(attempt - 1, 60)
        return float(min(max(self.cap_s, self.base_s), grown_s) * (1 - self.jitter_ratio * (1 - jitter)))

    def is_spent(self, attempt: int) -> bool:
        """Whether `attempt` was the last."""
        return attempt > self.retries


PERMANENT = RetryPolicy(retries=0)
DEFAULT = RetryPolicy()
CRASH, POISON, UNKNOWN_KIND, BAD_PAYLOAD = "crash", "poison", "unknown kind", "bad payload"


def _rule(base_s: float, *, attempts: int, growth: float = 1.0) -> RetryPolicy:
    return RetryPolicy(base_s=base_s, retries=attempts - 1, growth=growth)


TAXONOMY: Mapping[str, RetryPolicy] = {
    # what another program answered
    "connection timeout": _rule(2 * HOUR_S, attempts=5, growth=2.0),
    "network error": _rule(1 * HOUR_S, attempts=4, growth=2.0),
    "server error": _rule(0.5 * HOUR_S, attempts=3, growth=2.0),
    "authentication failed": _rule(6 * HOUR_S, attempts=2),
    "rate limited": _rule(1 * HOUR_S, attempts=3),
    "parse error": _rule(4 * HOUR_S, attempts=3, growth=2.0),
    "indexer refused": _rule(6 * HOUR_S, attempts=2),
    # the download
    "download stalled": _rule(2 * HOUR_S, attempts=4, growth=2.0),
    "download client error": _rule(1 * HOUR_S, attempts=4, growth=2.0),
    "download client lost it": _rule(1 * HOUR_S, attempts=4, growth=2.0),
    "download client refused it": DEFAULT,
    "download failed": _rule(6 * HOUR_S, attempts=3),
    "corrupted download": _rule(6 * HOUR_S, attempts=3),
    "hash mismatch": _rule(4 * HOUR_S, attempts=2),
    "release purged": _rule(7 * 24 * HOUR_S, attempts=2),
    "release refused": DEFAULT,
    # the disk and the import
    "disk full": _rule(0.5 * HOUR_S, attempts=10),
    "permission denied": _rule(2 * HOUR_S, attempts=2),
    "import: file transfer": _rule(0.5 * HOUR_S, attempts=5),
    "import: directory creation": _rule(1 * HOUR_S, attempts=3),
    "import: name unparsable": _rule(12 * HOUR_S, attempts=2),
    "import: media info unreadable": _rule(6 * HOUR_S, attempts=3),
    # a download that holds no film: the acquisition goes on with the next release
    "import: empty": DEFAULT,
    "import: unsafe_path": DEFAULT,
    "import: dangerous": DEFAULT,
    "import: needs_unpacking": DEFAULT,
    "import: raw_disc": DEFAULT,
    "import: multi_part": DEFAULT,
    "import: sample_only": DEFAULT,
    "import: no_video": DEFAULT,
    # nothing that time would mend
    "import: file exists": PERMANENT,
    "import: unsafe path": PERMANENT,
    "unparsable": PERMANENT,
    "gone": PERMANENT,
    UNKNOWN_KIND: PERMANENT,
    BAD_PAYLOAD: PERMANENT,
    # ourselves
    CRASH: DEFAULT,
    POISON: PERMANENT,
}
"""Every reason with its defaults. The ones that are `DEFAULT` follow the general policy."""

OUTSIDE = frozenset(
    {
        "connection timeout",
        "network error",
        "server error",
        "authentication failed",
        "rate limited",
        "indexer refused",
        "parse error",
        "download client error",
        "disk full",
        "permission denied",
        "import: file transfer",
        "import: directory creation",
    }
)
"""Reasons that may have vanished when the dependency they came from is back."""


@dataclass(frozen=True, kw_only=True)
class ReasonChange:
    """What differs from a reason's defaults; None: as it is."""

    base_s: float | None = None
    growth: float | None = None
    retries: int | None = None


def taxonomy(
    general: RetryPolicy,
    *,
    base_s: float | None = None,
    retries: int | None = None,
    own: Mapping[str, ReasonChange] | None = None,
) -> RetryPolicy:
    """The whole table below `general`.

    A `base_s` or `retries` that is given goes before the defaults of all reasons but the permanent ones; what a reason
    has of its `own` goes before both.
    """
    everywhere = ReasonChange(base_s=base_s, growth=None if base_s is None else general.growth, retries=retries)
    general = _changed(general, everywhere)
    reasons = {}
    for reason, default in TAXONOMY.items():
        if default is PERMANENT:
            policy = default
        elif default is DEFAULT:
            policy = general
        else:
            like_general = replace(default, cap_s=general.cap_s, jitter_ratio=general.jitter_ratio)
            policy = _changed(like_general, everywhere)
        reasons[reason] = _changed(policy, (own or {}).get(reason, ReasonChange()))
    return replace(general, reasons=reasons)


def _changed(policy: RetryPolicy, change: ReasonChange) -> RetryPolicy:
    return replace(
        policy,
        base_s=policy.base_s if change.base_s is None else change.base_s,
        growth=policy.growth if change.growth is None else change.growth,
        retries=policy.retries if change.retries is None else change.retries,
    )
