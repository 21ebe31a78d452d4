"""`understudy policy test`: runs a user's own cases against a configuration, as promtool tests rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from commands.remedies import remedy_lines
from commands.terminal import EXIT_CONFIG, console, errors, warn_of_timeout
from config.loading import load
from config.mistakes import ConfigError, placed
from config.policy import policy_of
from config.policy_tests import ExpectedRelease, PolicyTest, read_policy_tests
from config.schema import Config
from config.targets import NoProfile, target_of, wanting
from movies.case import Moment
from movies.decision import decide_all
from movies.policy import Policy
from movies.ranking import ranked
from movies.release import parse_release
from movies.remedy import remedy_for
from movies.target import Target
from movies.verdict import Verdict


def run_policy_tests(files: Sequence[Path], config: Path) -> None:
    """Run every file's tests; the command ends with 1 where one failed, and with 2 where a file cannot be used."""
    if code := max(_run_file(file, config) for file in files):
        raise typer.Exit(code)


def _run_file(file: Path, config: Path) -> int:
    console.print(f"Unit Testing:  {file}", soft_wrap=True)
    try:
        failures = _failures_in(file, config)
    except ConfigError as error:
        errors.print(str(error), soft_wrap=True)
        return EXIT_CONFIG
    for line in ["  FAILED:", *failures] if failures else ["  SUCCESS"]:
        console.print(line, soft_wrap=True)
    return 1 if failures else 0


def _failures_in(file: Path, config: Path) -> list[str]:
    """What failed, as indented lines. Raises ConfigError."""
    suite, text = read_policy_tests(file)
    loaded = load(suite.config or config)
    policy = policy_of(loaded, on_timeout=warn_of_timeout)
    failures: list[str] = []
    for number, test in enumerate(suite.tests):
        try:
            trial = _trial_of(test, loaded, policy)
        except NoProfile as error:
            raise placed(file, text, [(("tests", number, "movie"), f"tests.movie: {error}")]) from None
        if found := list(trial.failures()):
            failures += [f"    name: {test.name}", *(f"      {line}" for line in found)]
    return failures


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A test with the verdicts on its releases, in their order."""

    test: PolicyTest
    target: Target
    policy: Policy
    moment: Moment
    wanted: str | None
    verdicts: Sequence[Verdict]

    def failures(self) -> Iterator[str]:
        """What was expected and what came instead."""
        for release, verdict in zip(self.test.releases, self.verdicts, strict=True):
            differences = list(_differences(release, verdict))
            if differences:
                yield release.short_name
                yield from (f"  {line}" for line in [*differences, *self._explanation(verdict)])
        if self.test.ranking is not None and self._ranking != self.test.ranking:
            yield "ranking"
            yield f"  exp: {_listed(self.test.ranking)}"
            yield f"  got: {_listed(self._ranking)}"

    @property
    def _ranking(self) -> tuple[str, ...]:
        names = {id(v): release.short_name for release, v in zip(self.test.releases, self.verdicts, strict=True)}
        best_first = ranked(self.verdicts, self.target, policy=self.policy, now=self.moment.now)
        return tuple(names[id(verdict)] for verdict in best_first)

    def _explanation(self, verdict: Verdict) -> Iterator[str]:
        yield from (f"{rejection.reason}: {rejection.text}" for rejection in verdict.rejections)
        remedy = remedy_for(
            verdict.offer,
            verdict.parsed,
            self.target,
            policy=self.policy,
            moment=self.moment,
            wanted=self.wanted,
        )
        yield from remedy_lines(remedy.as_json())


def _trial_of(test: PolicyTest, config: Config, policy: Policy) -> Trial:
    """Decide. Raises NoProfile."""
    moment = Moment(now=test.now, closed_indexers=frozenset(test.closed_indexers))
    target = target_of(test.movie, config, policy, now=test.now)
    wanted = wanting(test.movie, config)
    offers = [release.offer(test.now) for release in test.releases]
    pairs = [(offer, parse_release(offer.title)) for offer in offers]
    return Trial(
        test=test,
        target=target,
        policy=policy,
        moment=moment,
        wanted=wanted and wanted[0],
        verdicts=decide_all(pairs, target, policy=policy, moment=moment),
    )


def _differences(release: ExpectedRelease, verdict: Verdict) -> Iterator[str]:
    reasons = sorted(rejection.reason for rejection in verdict.rejections)
    comparisons = (
        (release.expect, verdict.state),
        (None if release.reasons is None else _listed(sorted(release.reasons)), _listed(reasons)),
        (None if release.score is None else f"score {release.score}", f"score {verdict.score.total}"),
        (None if release.formats is None else _listed(sorted(release.formats)), _listed(sorted(verdict.score.names))),
    )
    for expected, got in comparisons:
        if expected is not None and expected != got:
            yield f"exp: {expected}"
            yield f"got: {got}"


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"
