"""`understudy decide`: releases against a configuration, without a daemon."""

import contextlib
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, get_args

import typer

from commands.terminal import EXIT_CONFIG, errors, load_config, warn_of_timeout
from config.documents import read_movie, read_releases
from config.mistakes import ConfigError, Mistake
from config.policy import policy_of
from config.targets import NoProfile, target_of, wanting
from movies.case import Moment
from movies.decision import decide
from movies.parse_contract import facts_json
from movies.policy import Policy
from movies.ranking import RankKey, rank_key
from movies.release import parse_release
from movies.remedy import remedy_for
from movies.target import Target
from movies.verdict import Reason, State, Verdict


def decide_file(releases: Path, *, movie: str, config: Path, at: datetime | None, has_remedies: bool) -> None:
    """Write a line of JSON for each release, and one with the ranking; `at` is a time in UTC, by default now."""
    loaded = load_config(config)
    policy = policy_of(loaded, on_timeout=warn_of_timeout)
    moment = Moment(now=(at or datetime.now(UTC)).replace(tzinfo=UTC))
    try:
        form = read_movie(movie)
        target = target_of(form, loaded, policy, now=moment.now)
        wanted = wanting(form, loaded)
        with opened(releases) as file:
            bench = Bench(file=file, path=releases, policy=policy, moment=moment, target=target)
            for facts in bench.facts(has_remedies=has_remedies, wanted=wanted and wanted[0]):
                print(json.dumps(facts))
    except (ConfigError, NoProfile) as error:
        sys.stdout.flush()
        errors.print(str(error) if isinstance(error, ConfigError) else f"{movie}: {error}", soft_wrap=True)
        raise typer.Exit(EXIT_CONFIG) from None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A file of releases and what they are judged by; the file is read once or twice, and never held as a whole."""

    file: BinaryIO
    path: Path
    target: Target
    policy: Policy
    moment: Moment

    def facts(self, *, has_remedies: bool, wanted: str | None) -> Iterator[dict[str, Any]]:
        """A JSON object for each release, in the order of the file, and at last the ranking."""
        target = self._with_begin_of_delay()
        counts, accepted = Counter[State](), list[tuple[RankKey, int, str]]()
        for line, verdict in self.verdicts(target):
            counts[verdict.state] += 1
            facts = {"line": line, "title": verdict.offer.title, **verdict.as_json()}
            facts["facts"] = facts_json(verdict.parsed)
            if verdict.is_accepted:
                key = rank_key(verdict, target, policy=self.policy, now=self.moment.now)
                accepted.append((key, line, verdict.offer.title))
            elif has_remedies:
                remedy = remedy_for(
                    verdict.offer, verdict.parsed, target, policy=self.policy, moment=self.moment, wanted=wanted
                )
                facts["remedy"] = remedy.as_json()
            yield facts
        ranking = [{"line": line, "title": title} for _, line, title in sorted(accepted)]
        yield {
            "movie": str(target),
            "profile": target.profile.name,
            "ranking": ranking,
            **{state: counts[state] for state in get_args(State)},
        }

    def verdicts(self, target: Target) -> Iterator[tuple[int, Verdict]]:
        """Each release with its line."""
        self.file.seek(0)
        for line, form in read_releases(self.file, self.path):
            offer = form.offer(self.moment.now)
            yield line, decide(offer, parse_release(offer.title), target, policy=self.policy, moment=self.moment)

    def _with_begin_of_delay(self) -> Target:
        """A delay begins with the oldest release of the file that has nothing else against it."""
        if not any(any(profile.delay_s.values()) for profile in self.policy.delay_profiles):
            return self.target
        published = (
            verdict.offer.published_at
            for _, verdict in self.verdicts(self.target)
            if {rejection.reason for rejection in verdict.rejections} <= {Reason.DELAY}
        )
        return replace(self.target, delayed_since=min((at for at in published if at is not None), default=None))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, or standard input for "-", to be read as often as one likes. Raises ConfigError."""
    with contextlib.ExitStack() as stack:
        try:
            source = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
            if not source.seekable():
                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(source, copy)
                source = copy
        except OSError as error:
            raise ConfigError([Mistake(file=path, line=None, text=f"cannot be read: {error.strerror}")]) from None
        yield source
