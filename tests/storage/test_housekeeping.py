"""Housekeeping: what is old goes, page by page, and what somebody may still need stays."""

from typing import Any

import pytest

from metrics.catalogue import PRUNED_TABLES
from storage.database import Database
from storage.housekeeping import PAGE_ROWS, Keep, prunings
from tests.storage.databases import ask, execute

KEEP = Keep(jobs_s=7 * 86400.0, events_s=7 * 86400.0, history_s=90 * 86400.0)
MOVIE = """insert into movies (title, profile, root, state) values ('{0}', 'hd', '/library', '{0}') returning id"""
RELEASE = """insert into releases (indexer, guid, title, first_seen_at, last_seen_at)
             select 'one', 'guid ' || n, 'Release ' || n, now() - interval '{first}', now() - interval '{last}'
             from generate_series({begin}, {end}) n returning id"""
DOWNLOAD = """insert into downloads (movie_id, release_id, node, client, infohash, title, quality, revision,
                                     correlation_id, state, ended_at)
              values ({movie}, {release}, 'here', 'builtin', '{state}{movie}', 't', 'q', '{{}}', 'c', '{state}',
                      now() - interval '{age}') returning id"""


def prune(database: Database, table: str, *, keep: Keep = KEEP) -> list[int]:
    """Prune the table to the end; how many rows went with each page."""
    pages, after = [], 0
    while True:
        with database.transaction() as connection:
            page = prunings(keep)[table](connection, after)
        pages.append(page.rows)
        if page.after is None:
            return pages
        after = page.after


def add_jobs(dsn: str, state: str, *, ended: str, number: int = 1) -> None:
    execute(
        dsn,
        f"""insert into jobs (kind, lane, state, correlation_id, ended_at)
            select 'search', 'indexer:one', '{state}', 'c', now() - interval '{ended}'
            from generate_series(1, {number})""",
    )


def add_releases(dsn: str, begin: int, end: int, *, first: str, last: str) -> list[Any]:
    return ask(dsn, RELEASE.format(begin=begin, end=end, first=first, last=last))


def test_jobs_done_long_ago_go_and_dead_letters_stay(database: Database) -> None:
    add_jobs(database.dsn, "done", ended="8 days", number=2 * PAGE_ROWS + 10)
    for state, ended in (("done", "6 days"), ("dead", "800 days"), ("ready", "8 days"), ("running", "8 days")):
        add_jobs(database.dsn, state, ended=ended)
    assert prune(database, "jobs") == [PAGE_ROWS, PAGE_ROWS, 10]
    assert ask(database.dsn, "select state from jobs order by id") == ["done", "dead", "ready", "running"]
    assert prune(database, "jobs") == [0]


def test_the_history_of_a_dead_letter_stays_and_that_of_others_goes_by_age(database: Database) -> None:
    for state in ("ready", "dead"):
        add_jobs(database.dsn, state, ended="0 s")
    execute(
        database.dsn,
        """insert into job_errors (job_id, attempt, reason, error, happened_at)
           select id, 1, state, age, now() - age::interval
           from jobs cross join unnest(array['1 day', '91 days']) age""",
    )
    assert prune(database, "job_errors") == [1]
    left = "select reason || ' ' || error from job_errors order by 1"
    assert ask(database.dsn, left) == ["dead 1 day", "dead 91 days", "ready 1 day"]


def test_old_events_go(database: Database) -> None:
    execute(
        database.dsn,
        """insert into events (kind, happened_at) select 'k', now() - make_interval(days => n)
           from generate_series(20, 0, -1) n""",
    )
    assert sum(prune(database, "events")) == 14
    assert ask(database.dsn, "select count(*) from events") == [7]


def test_releases_that_nobody_shows_any_more_go_with_their_verdicts(database: Database) -> None:
    (movie,) = ask(database.dsn, MOVIE.format("imported"))
    gone, *_ = add_releases(database.dsn, 1, 1500, first="200 days", last="91 days")
    (shown,) = add_releases(database.dsn, 2001, 2001, first="200 days", last="1 day")
    (grabbed,) = add_releases(database.dsn, 2002, 2002, first="200 days", last="200 days")
    (blocked,) = add_releases(database.dsn, 2003, 2003, first="200 days", last="200 days")
    young = add_releases(database.dsn, 3001, 3000 + PAGE_ROWS, first="1 day", last="1 day")
    ask(database.dsn, DOWNLOAD.format(movie=movie, release=grabbed, state="imported", age="200 days"))
    execute(
        database.dsn,
        f"insert into blocklist (movie_id, release_id, title, reason) values ({movie}, {blocked}, '', '')",
    )
    execute(
        database.dsn,
        f"""insert into verdicts (movie_id, release_id, is_accepted, quality)
            select {movie}, release_id, true, 'q' from unnest(array[{gone}, {shown}]) release_id""",
    )
    assert sum(prune(database, "releases")) == 1500
    assert ask(database.dsn, "select id from releases order by id") == [shown, grabbed, blocked, *young]
    assert ask(database.dsn, "select release_id from verdicts") == [shown]


def test_the_walk_over_releases_ends_where_the_young_ones_begin(database: Database) -> None:
    add_releases(database.dsn, 1, PAGE_ROWS, first="200 days", last="1 day")
    add_releases(database.dsn, 2001, 2000 + 5 * PAGE_ROWS, first="1 day", last="1 day")
    assert len(prune(database, "releases")) == 2


@pytest.mark.parametrize(
    ("movie_state", "state", "age", "goes"),
    [
        ("imported", "failed", "91 days", True),
        ("imported", "removed", "91 days", True),
        ("imported", "failed", "89 days", False),
        ("imported", "imported", "91 days", False),
        ("wanted", "failed", "91 days", False),
    ],
)
def test_downloads_that_came_to_nothing_go_when_their_movie_is_there(
    database: Database, movie_state: str, state: str, age: str, goes: bool
) -> None:
    (movie,) = ask(database.dsn, MOVIE.format(movie_state))
    ask(database.dsn, DOWNLOAD.format(movie=movie, release="null", state=state, age=age))
    assert prune(database, "downloads") == [int(goes)]
    assert ask(database.dsn, "select count(*) from downloads") == [int(not goes)]


def test_the_first_page_of_a_large_table_is_found_without_reading_all_of_it(database: Database) -> None:
    add_jobs(database.dsn, "done", ended="1 day", number=20_000)
    add_releases(database.dsn, 1, 20_000, first="1 day", last="1 day")
    execute(database.dsn, "analyze jobs, releases, downloads, blocklist")
    before = pages_read(database)
    for table in ("jobs", "releases"):
        with database.transaction() as connection:
            assert prunings(KEEP)[table](connection, 0).after is None
            connection.execute("select pg_stat_force_next_flush()")
    assert 0 < pages_read(database) - before < 100


def pages_read(database: Database) -> int:
    """Of both tables, by everybody so far."""
    (pages,) = ask(
        database.dsn,
        """select sum(heap_blks_read + heap_blks_hit)::bigint from pg_statio_user_tables
           where relname in ('jobs', 'releases')""",
    )
    return int(pages)


def test_every_table_that_is_pruned_is_counted() -> None:
    assert set(prunings(KEEP)) == set(PRUNED_TABLES)
