"""A database with rows in most tables, and all that is in one, for tests that compare."""

from typing import Any

import psycopg

ROWS = """
insert into movies (title, year, profile, root) select 'Film ' || n, 2000 + n % 20, 'hd', '/library'
    from generate_series(1, {n}) n;
insert into claims (movie_id, source) select id, 'file:config.toml:' || id from movies;
insert into releases (indexer, guid, title, size_bytes, published_at)
    select 'one', 'guid ' || n, 'Film ' || n || E'\\t"ü"\\\\.', n, now() from generate_series(1, {n}) n;
insert into verdicts (movie_id, release_id, is_accepted, quality, reasons)
    select n, n, true, 'Bluray-1080p', '["good", {{"size": 1.5}}]' from generate_series(1, {n}) n;
insert into downloads (movie_id, release_id, node, client, infohash, title, quality, revision, torrent, correlation_id)
    select n, n, 'here', 'builtin', md5(n::text), 'Film', 'Bluray-1080p', '{{}}', '\\x00ff'::bytea, 'c'
    from generate_series(1, {n}) n;
insert into jobs (kind, lane, payload, unique_key, movie_id, correlation_id)
    select 'search', 'indexer:one', jsonb_build_object('n', n, 'text', md5(n::text)), 'key ' || n, 1 + n % {n}, 'c'
    from generate_series(1, {n}) n;
insert into job_errors (job_id, attempt, reason, error) select id, 1, 'timeout', 'no answer' from jobs where id % 7 = 1;
insert into events (kind, movie_id, payload) select 'grabbed', n, '{{}}' from generate_series(1, {n}) n;
insert into progress (operation, step, done_bytes, total_bytes) values ('copy 1', 'copy', 1, 2);
delete from movies where id = {n};
"""


def execute(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode())


def ask(dsn: str, sql: str) -> list[Any]:
    """The first column of every row."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [row[0] for row in connection.execute(sql.encode()).fetchall()]


def fill(dsn: str, n: int = 100) -> None:
    """Some `n` rows in each large table, on an empty, migrated database."""
    execute(dsn, ROWS.format(n=n))


def fill_incompressibly(dsn: str) -> None:
    """Make a filled database's backup more than a megabyte larger."""
    execute(
        dsn,
        """update downloads set torrent = (
               select string_agg(sha256((n * id)::text::bytea || random()::text::bytea), '')
               from generate_series(1, 500) n)""",
    )


def everything(dsn: str) -> dict[str, list[str]]:
    """Every row of every table in `public`, and where each sequence stands."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set lock_timeout = '10s'")
        found = connection.execute(
            """select relname, case relkind when 'S' then 'last_value, is_called' else '*' end from pg_class
               where relnamespace = 'public'::regnamespace and relkind in ('r', 'S')"""
        ).fetchall()
        return {
            name: sorted(map(repr, connection.execute(f"select {columns} from public.{name}".encode()).fetchall()))
            for name, columns in found
        }
