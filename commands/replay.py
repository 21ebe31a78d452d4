"""`replay`: the stored decisions made again by two configurations, and where they come out differently.

Both sides decide by the same facts, those of the decision's time, so that every difference is the configuration's.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import typer
from rich.table import Table

from api.judging import Criteria, Facts, Judgement, time_of
from commands.asking import get
from commands.terminal import EXIT_CONFIG, console, errors, load_config
from config.policy import policy_of
from config.units import parse_duration
from movies.case import Moment
from movies.movie import ReleaseId
from movies.target import named
from movies.verdict import Verdict
from storage.releases import offer_of


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the two configurations make of one release for one movie, or of the choice as a whole."""

    movie: str
    release: str
    before: str
    after: str


def replay_decisions(since: str, *, new: Path, running: Path, as_json: bool) -> None:
    """Print every difference once, and how many decisions were made again."""
    at = since_when(since, now=datetime.now(UTC))
    old_criteria, new_criteria = criteria_of(running), criteria_of(new)
    number, seen = 0, dict[Difference, None]()
    for decision in decisions(running, at):
        number += 1
        seen |= dict.fromkeys(differences(decision, old_criteria, new_criteria))
    if as_json:
        for difference in seen:
            print(json.dumps(asdict(difference), ensure_ascii=False))
        return
    if seen:
        table = Table("movie", "release", "now", "by the new configuration")
        for one in seen:
            table.add_row(one.movie, one.release, one.before, one.after)
        console.print(table)
    console.print(f"{_count(number, 'decision')} made again: {_count(len(seen), 'difference')}")


def criteria_of(path: Path) -> Criteria:
    config = load_config(path)
    return Criteria(config.all_profiles, policy_of(config))


def since_when(text: str, *, now: datetime) -> datetime:
    """A duration back from `now`, or a time; anything else ends the command."""
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        return time_of(text)
    except ValueError:
        errors.print(f'--since: "{text}" is neither a duration such as 7d nor a date such as 2026-11-01')
        raise typer.Exit(EXIT_CONFIG) from None


def decisions(running: Path, since: datetime) -> Iterator[Mapping[str, Any]]:
    """All decisions since, oldest first, page by page."""
    after = 0
    while True:
        page = get(running, f"/api/decisions?{urlencode({'since': since.isoformat(), 'after': after})}")["decisions"]
        yield from page
        if not page:
            return
        after = page[-1]["id"]


def differences(decision: Mapping[str, Any], old: Criteria, new: Criteria) -> Iterator[Difference]:
    """What comes out otherwise: first the choice, then each release that is judged otherwise."""
    before, after = (_judged(decision, criteria) for criteria in (old, new))
    if before is None and after is None:
        return
    movie = named(decision["target"]["title"], decision["target"]["year"])
    chosen = _chosen(before), _chosen(after)
    if chosen[0] != chosen[1]:
        yield Difference(movie=movie, release="(the choice)", before=chosen[0], after=chosen[1])
    if before is None or after is None:
        return
    for release_id, verdict in before.verdicts.items():
        texts = _told(verdict), _told(after.verdicts[release_id])
        if texts[0] != texts[1]:
            yield Difference(movie=movie, release=verdict.offer.title, before=texts[0], after=texts[1])


def _judged(decision: Mapping[str, Any], criteria: Criteria) -> Judgement | None:
    offers = {ReleaseId(row["id"]): offer_of(_with_times(row)) for row in decision["judged"]}
    at = datetime.fromisoformat(decision["decided_at"])
    moment = Moment(now=at, closed_indexers=frozenset(decision["closed_indexers"]))
    return criteria.judge(Facts(known=decision["target"], offers=offers, moment=moment))


def _with_times(row: Mapping[str, Any]) -> dict[str, Any]:
    at = row["published_at"]
    return {**row, "published_at": at and datetime.fromisoformat(at)}


def _chosen(judged: Judgement | None) -> str:
    if judged is None:
        return "its profile is not configured"
    return "nothing" if judged.best is None else judged.verdicts[judged.best].offer.title


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _told(verdict: Verdict) -> str:
    """The verdict as it is compared and shown: its reasons, and the score of one that may be taken."""
    if verdict.is_accepted:
        return f"accepted, score {verdict.score.total}" if verdict.score.names else "accepted"
    reasons = ", ".join(rejection.reason.value for rejection in verdict.rejections)
    return f"{'pending' if verdict.is_pending else 'rejected'}: {reasons}"
