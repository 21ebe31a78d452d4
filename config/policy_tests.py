"""Policy tests: what a user expects of a configuration, release by release, in a TOML file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from config.forms import Age, MovieForm, ReleaseForm, read_time
from config.mistakes import found_by, parse_document, placed, read_text
from config.table import Array, NonEmptyArray, Table
from config.units import FilePath
from movies.errors import did_you_mean
from movies.verdict import Reason

USUAL_NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""Tests give the same answer on every day."""


def _reason(name: str) -> Reason:
    try:
        return Reason(name)
    except ValueError:
        reasons = [reason.value for reason in Reason]
        raise ValueError(f'"{name}" is no reason{did_you_mean(name, reasons)}') from None


def _read_now(value: Any) -> datetime:
    now = read_time(value)
    if isinstance(now, Age):
        raise ValueError("expected a time, not an age")
    return now


ReasonName = Annotated[str, AfterValidator(_reason)]


class ExpectedRelease(ReleaseForm):
    """A release with what is expected of it; what is not given is not checked."""

    name: str | None = None
    expect: Literal["accepted", "pending", "rejected"] | None = None
    reasons: Array[ReasonName] | None = None
    score: int | None = None
    formats: Array[str] | None = None

    @property
    def short_name(self) -> str:
        """What the ranking calls it."""
        return self.name or self.title

    @property
    def expects_something(self) -> bool:
        return any(given is not None for given in (self.expect, self.reasons, self.score, self.formats))


class PolicyTest(Table):
    """One movie, what is offered for it, and what should come of it. `ranking`: all that is accepted, best first."""

    name: str = Field(min_length=1)
    movie: MovieForm
    releases: NonEmptyArray[ExpectedRelease]
    ranking: Array[str] | None = None
    now: Annotated[datetime, BeforeValidator(_read_now)] = USUAL_NOW
    closed_indexers: Array[str] = ()

    @model_validator(mode="after")
    def _can_fail(self) -> "PolicyTest":
        if self.ranking is None and not any(release.expects_something for release in self.releases):
            raise ValueError("nothing is expected; give a ranking, or a release's expect, reasons, score or formats")
        names = [release.short_name for release in self.releases]
        for name in self.ranking or ():
            if name not in names:
                raise ValueError(f'ranking: no release is called "{name}"{did_you_mean(name, names)}')
            if names.count(name) > 1:
                raise ValueError(f'ranking: several releases are called "{name}"; give each a name')
        return self


class PolicyTests(Table):
    """The file; `config` is the configuration that its tests are about."""

    config: FilePath | None = None
    tests: NonEmptyArray[PolicyTest]


def read_policy_tests(path: Path) -> tuple[PolicyTests, str]:
    """The tests of a file, and its text. Raises ConfigError with every mistake and its line."""
    path = path.absolute()
    text = read_text(path)
    document = parse_document(path, text)
    try:
        return PolicyTests.model_validate(document, context={"folder": path.parent}), text
    except ValidationError as error:
        found = found_by(error, document, PolicyTests)
    raise placed(path, text, found)
