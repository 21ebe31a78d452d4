"""What all tests share: a PostgreSQL server per worker, a fresh database per test, and no silent skips.

With CI=true a skipped test fails unless tests/allowed_skips.txt lists it: a check that quietly stops running is none.
"""

import os
from collections.abc import Generator, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import hypothesis
import pytest

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from tests.postgres import add_template, fresh_database, opened, postgres_server, server_folder

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")
LONG = ("tests/chaos/", "tests/pipeline/")

# Properties: the same sample each time, or with bin/test --all many new examples. A busy machine is no failure.
hypothesis.settings.register_profile("sample", derandomize=True, deadline=None)
hypothesis.settings.register_profile("all", max_examples=2000, deadline=None)
hypothesis.settings.load_profile("all" if os.environ.get("UNDERSTUDY_TESTS") == "all" else "sample")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The worker's server, shared by its tests: leave it running and unharmed. It holds the migrated template."""
    with server_folder() as folder, postgres_server(folder) as server:
        add_template(server)
        yield server


@pytest.fixture
def dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    with fresh_database(postgres) as dsn:
        yield dsn


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """The test's database, opened and prepared."""
    with opened(dsn) as database:
        yield database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first: of two workers neither has one left when the other is done."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def allowed_skips() -> list[str]:
    """The globs of node ids that may be skipped; every line must give its reason."""
    globs = []
    for line in ALLOWED_SKIPS.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        glob, _, reason = line.partition(": ")
        if not reason.strip():
            raise pytest.UsageError(f'{ALLOWED_SKIPS.name}: "{line}" gives no reason; write "glob: reason"')
        globs.append(glob.strip())
    return globs


def refuse_silent_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where CI=true and the list does not have it; an expected failure is no skip."""
    if os.environ.get("CI") != "true" or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    if any(fnmatchcase(report.nodeid, glob) for glob in allowed_skips()):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason}\nskips fail where CI=true: mend the test, or list it in tests/{ALLOWED_SKIPS.name}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse_silent_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_silent_skip(report)
    return report
