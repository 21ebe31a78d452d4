"""Decisions: may this release be taken for this movie.

Every rule is asked and every reason kept, so that "why was this not taken?" has a whole answer.
"""

from collections.abc import Iterable
from dataclasses import replace

from movies.case import Case, Moment, Rule
from movies.custom_format import score_of
from movies.format_facts import format_facts
from movies.match import SAME, match_movie
from movies.offer import Offer
from movies.policy import DEFAULT_POLICY, Policy
from movies.release import ParsedRelease, Unparsable
from movies.rules import content, film, history, size, source
from movies.target import Target
from movies.verdict import NO_SCORE, Reason, Rejection, Verdict

RULES: tuple[Rule, ...] = (
    Rule(reason=Reason.MOVIE_DOES_NOT_MATCH, check=film.movie_does_not_match),
    Rule(reason=Reason.AMBIGUOUS_MOVIE, check=film.ambiguous_movie),
    Rule(reason=Reason.NOT_MONITORED, check=film.not_monitored, reads_name=False),
    Rule(reason=Reason.NOT_AVAILABLE, check=film.not_available, reads_name=False),
    Rule(reason=Reason.TAGS, check=film.tags, reads_name=False),
    Rule(reason=Reason.QUALITY_NOT_ALLOWED, check=content.quality_not_allowed),
    Rule(reason=Reason.CUSTOM_FORMAT_MINIMUM, check=content.custom_format_minimum),
    Rule(reason=Reason.LANGUAGE, check=content.language),
    Rule(reason=Reason.RAW_DISC, check=content.raw_disc),
    Rule(reason=Reason.HARDCODED_SUBS, check=content.hardcoded_subs),
    Rule(reason=Reason.SAMPLE, check=content.sample, reads_name=False),
    Rule(reason=Reason.RELEASE_RESTRICTIONS, check=content.release_restrictions, reads_name=False),
    Rule(reason=Reason.SIZE, check=size.size),
    Rule(reason=Reason.MAXIMUM_SIZE, check=size.maximum_size, reads_name=False),
    Rule(reason=Reason.FREE_SPACE, check=size.free_space, reads_name=False),
    Rule(reason=Reason.PROTOCOL, check=source.protocol, reads_name=False),
    Rule(reason=Reason.BLOCKED_INDEXER, check=source.blocked_indexer, until=source.unknown_end, reads_name=False),
    Rule(reason=Reason.TOO_FEW_SEEDERS, check=source.too_few_seeders, reads_name=False),
    Rule(reason=Reason.REQUIRED_FLAGS, check=source.required_flags, reads_name=False),
    Rule(reason=Reason.RETENTION, check=source.retention, reads_name=False),
    Rule(reason=Reason.MINIMUM_AGE, check=source.minimum_age, until=source.minimum_age_end, reads_name=False),
    Rule(reason=Reason.DELAY, check=source.delay, until=source.delay_end),
    Rule(reason=Reason.BLOCKLISTED, check=history.blocklisted, reads_name=False),
    Rule(reason=Reason.ALREADY_IMPORTED, check=history.already_imported, reads_name=False),
    Rule(reason=Reason.ALREADY_QUEUED, check=history.already_queued),
    Rule(reason=Reason.RECENTLY_GRABBED, check=history.recently_grabbed),
    Rule(reason=Reason.UPGRADES_NOT_ALLOWED, check=history.upgrades_not_allowed, reads_name=False),
    Rule(reason=Reason.EXISTING_FILE, check=history.existing_file),
    Rule(reason=Reason.PROPER, check=history.proper),
    Rule(reason=Reason.REPACK, check=history.repack),
)

_ALL_CHECKS = tuple((rule.check, rule) for rule in RULES)
_NAMELESS_CHECKS = tuple((rule.check, rule) for rule in RULES if not rule.reads_name)
_UNREAD = ParsedRelease(title="", titles=())


def decide(
    offer: Offer,
    parsed: ParsedRelease | Unparsable,
    target: Target,
    *,
    policy: Policy = DEFAULT_POLICY,
    moment: Moment,
) -> Verdict:
    """Ask every rule about an offer; `parsed` is what `parse_release(offer.title)` returned."""
    case = case_of(offer, parsed, target, policy=policy, moment=moment)
    rejections: list[Rejection] = []
    checks = _ALL_CHECKS
    if isinstance(parsed, Unparsable):
        text = f"the name cannot be read as a movie's release: {parsed.reason}"
        rejections.append(Rejection(reason=Reason.UNPARSABLE, text=text))
        checks = _NAMELESS_CHECKS
    for check, rule in checks:
        objection = check(case)
        if objection is not None:
            until = rule.until(case) if rule.until else None
            rejections.append(Rejection(reason=rule.reason, kind=rule.kind, text=objection, until=until))
    return Verdict(offer=offer, parsed=parsed, score=case.score, rejections=tuple(rejections))


def case_of(
    offer: Offer, parsed: ParsedRelease | Unparsable, target: Target, *, policy: Policy, moment: Moment
) -> Case:
    """Return what the rules look at; of a name nobody can read nothing is told, neither movie nor score."""
    release, score, match = _UNREAD, NO_SCORE, SAME
    if isinstance(parsed, ParsedRelease):
        facts = format_facts(offer, parsed, original_language=target.original_language)
        release, score = parsed, score_of(facts, target.profile, policy.formats)
        match = match_movie(offer, parsed, target)
    return Case(offer=offer, release=release, target=target, policy=policy, moment=moment, score=score, match=match)


def decide_all(
    offers: Iterable[tuple[Offer, ParsedRelease | Unparsable]],
    target: Target,
    *,
    policy: Policy = DEFAULT_POLICY,
    moment: Moment,
) -> list[Verdict]:
    """Decide all offers of one movie; the delay ends for all that wait for it when it ends for the first.

    Otherwise the oldest would be taken as soon as its own delay ends, and not what the delay was waiting for.
    """
    verdicts = [decide(offer, parsed, target, policy=policy, moment=moment) for offer, parsed in offers]
    waits = [verdict.is_accepted or _waits_for_the_delay(verdict) for verdict in verdicts]
    published = [v.offer.published_at for v, does in zip(verdicts, waits, strict=True) if does and v.offer.published_at]
    oldest = min((at for at in (*published, target.delayed_since) if at is not None), default=None)
    if oldest is None or oldest == target.delayed_since:
        return verdicts
    together = replace(target, delayed_since=oldest)
    return [
        decide(v.offer, v.parsed, together, policy=policy, moment=moment) if _waits_for_the_delay(v) else v
        for v in verdicts
    ]


def _waits_for_the_delay(verdict: Verdict) -> bool:
    return [rejection.reason for rejection in verdict.rejections] == [Reason.DELAY]
