"""One file that holds all of Understudy's data, and the way back: pg_dump's custom format, readable by its own tools.

What belongs to a backup are this program's tables, in the namespace ("schema" to PostgreSQL) in which they stand; what
others keep in the same database is neither saved nor touched. A file gets its name when it is whole and on the disk.
A restore reads the file to its end before it touches the database, is refused while a daemon works there, and is one
transaction: whatever ends it leaves the data as they were.
"""

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage.backup_file import is_intact, seal, whole_or_not_at_all
from storage.database import NODE_LOCK, OUTAGES, Deadline, refuse_transaction_pooling
from storage.errors import BackupFailed, DatabaseUnavailable, RestoreRefused, SchemaTooNew
from storage.file_errors import FolderGone, reported
from storage.migration import LOCK_KEY, current_version, known_migrations, names_in_sql
from storage.postgres_programs import ProgramFailed, Programs, translated

OnStep = Callable[[str, int], object]
"""What a backup is at, a word for people, and how many bytes there are."""
CALL_LIMIT_S = 30.0
ANALYZE_LIMIT_S = 600.0
LOCK_WAIT_MS = 30_000
"""How long pg_dump waits for a table that somebody has locked whole, and a restore for the last reader."""
HEADER_BYTES = 8192
LOST_AT_WORK = "the server went away during the restore: it rolls it back, unless only the commit's answer was lost"
_VERSIONS = re.compile(r"^COPY (\S+)\.schema_version \(version, .*\n((?:\d.*\n)+)\\\.$", re.MULTILINE)

_NAMESPACE = """
select coalesce((select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where c.oid = to_regclass('schema_version')), current_schema())
"""
_RELATIONS = """
select c.relname, c.relkind::text, c.relname = any(%(known)s) or (%(is_newer)s and c.relowner = version.relowner)
from pg_class c left join pg_class version on version.oid = to_regclass('schema_version')
where c.relnamespace = (select oid from pg_namespace where nspname = %(namespace)s)
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                  and d.deptype = 'e')
order by 1
"""
_FUNCTIONS = """
select f.oid::regprocedure::text
from pg_proc f left join pg_class version on version.oid = to_regclass('schema_version')
where f.pronamespace = (select oid from pg_namespace where nspname = %(namespace)s)
  and (f.proname = any(%(known)s) or (%(is_newer)s and f.proowner = version.relowner))
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = f.oid
                  and d.deptype = 'e')
order by 1
"""
_DAEMONS = f"""
select coalesce(a.application_name, '') || coalesce(' on ' || host(a.client_addr), '') from pg_locks l
left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.classid = {NODE_LOCK} and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
"""

_END_OF_SCRIPT = b"\nset understudy.restored = 'whole';\n"
_LAST_CHECKS = """
do $$ begin
    if current_setting('understudy.restored', true) is distinct from 'whole' then
        raise exception 'the script ended early';
    end if;
    if exists ({daemons}) then
        raise exception 'a daemon has started on this database meanwhile: stop it';
    end if;
end $$
"""
_REBASE_EVENTS = """
do $$ begin
    if not exists (select from {events} where xid >= pg_snapshot_xmin(pg_current_snapshot())) then
        return;
    end if;
    if exists (select from {versions} where version >= 4) then
        update {subscribers} as one set xid = '0', id = coalesce((
            select max(id) from {events} where id < coalesce(
                (select min(id) from {events} where (xid, id) > (one.xid, one.id)), 9223372036854775807)), 0);
        update {pruned} set xid = '0';
    end if;
    update {events} set xid = '0';
end $$
"""
"""Another cluster's transaction numbers may lie in this one's future, where no reader of the outbox would see them.

A subscriber, of which the fourth schema has the first, gets every event that it had not had, and perhaps some again.
"""

_deadline = Deadline()


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A file that can be restored: the version of the schema in it, and the namespace it was taken from."""

    path: Path
    schema: int
    namespace: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """What the database holds in `namespace`: relations with whether they are views, and functions' signatures."""

    namespace: str
    schema: int
    views: list[str]
    tables: list[str]
    functions: list[str]
    others: list[str]


def back_up(
    dsn: str,
    target: Path,
    *,
    programs: Programs | None = None,
    patience_s: float = 60.0,
    on_step: OnStep = lambda step, size_bytes: None,
) -> Backup:
    """Write a backup to `target`, which must not exist; the daemon may work meanwhile. The file is private (0600).

    Raises BackupFailed (the text says the way out), DatabaseUnavailable, NoSpace or another FileError; nothing is left
    of the file then. pg_dump is ended after `patience_s` seconds in which it wrote nothing. `on_step` is told again and
    again what it is at, and how large the file is.
    """
    programs = programs or Programs()
    tried = f"back up to {target}"
    with _connected(dsn) as connection:
        contents = _contents(connection)
        server = connection.info.server_version // 10000
        dsn = _as_safe(dsn, connection)
    if contents.schema == 0:
        raise BackupFailed("the database holds nothing of Understudy yet: there is nothing to back up")
    try:
        _require_version(programs, server)
        with whole_or_not_at_all(target) as file:

            def size_bytes() -> int:
                size = os.fstat(file).st_size
                on_step("saving", size)
                return size

            programs.run(
                "pg_dump",
                *("--format=custom", "--compress=6", "--no-owner", "--no-acl", "--no-sync"),
                f"--lock-wait-timeout={LOCK_WAIT_MS}",
                f"--schema={_quoted(contents.namespace)}",
                *(f"--exclude-table={_qualified(contents.namespace, name)}" for name in contents.others),
                f"--file=/proc/self/fd/{file}",
                dsn=dsn,
                fds=(file,),
                patience_s=patience_s,
                progress=size_bytes,
            )
            on_step("sealing", os.fstat(file).st_size)
            with reported(tried.rpartition(" ")[0], target):
                seal(file)
            version, namespace = _read_version(programs, f"/proc/self/fd/{file}", fds=(file,))
            whole_bytes = os.fstat(file).st_size
    except ProgramFailed as failure:
        raise translated(failure, tried=tried, otherwise=BackupFailed) from failure
    return Backup(path=target, schema=version, namespace=namespace, size_bytes=whole_bytes)


def read_backup(source: Path, *, programs: Programs | None = None) -> Backup:
    """What is in a file; RestoreRefused where it is none of our backups, or is seen to be damaged."""
    try:
        if not stat.S_ISREG(source.stat().st_mode):
            raise RestoreRefused(f"{source} is no backup but a folder or a device")
        with source.open("rb") as file:
            if file.read(5) != b"PGDMP":
                raise RestoreRefused(f"{source} is no backup: understudy backup makes files in pg_dump's custom format")
            if not is_intact(file.fileno()):
                raise RestoreRefused(f"{source} is damaged: its checksum does not match")
            size_bytes = os.fstat(file.fileno()).st_size
        version, namespace = _read_version(programs or Programs(), str(source.absolute()))
    except OSError as error:
        raise RestoreRefused(f"{source} cannot be read: {error.strerror}") from error
    except ProgramFailed as failure:
        raise RestoreRefused(f"{source} cannot be read as a backup: {failure}") from failure
    return Backup(path=source, schema=version, namespace=namespace, size_bytes=size_bytes)


def restore(
    dsn: str,
    source: Path,
    *,
    scratch: Path,
    programs: Programs | None = None,
    patience_s: float = 60.0,
    limit_s: float = 3600.0,
) -> Backup:
    """Replace Understudy's data by those of a backup; an older schema is migrated by the next start.

    `scratch` is a folder with room for the unpacked data, which lie there namelessly meanwhile. Raises RestoreRefused,
    SchemaTooNew, DatabaseUnavailable, NoSpace or another FileError: the data are then as before, unless
    DatabaseUnavailable came at the very end. Loading may take `limit_s` seconds.
    """
    programs = programs or Programs()
    backup = read_backup(source, programs=programs)
    newest = known_migrations()[-1].version
    if backup.schema > newest:
        raise SchemaTooNew(
            f"{source} holds schema {backup.schema} and this program knows {newest}: restore it by the newer Understudy"
        )
    with contextlib.ExitStack() as stack:
        with reported("unpack the backup in", scratch, absent=FolderGone):
            fd = stack.enter_context(tempfile.TemporaryFile(dir=scratch)).fileno()
        _unpack(programs, backup, fd, patience_s=patience_s)
        with _connected(dsn) as connection:
            _shut_others_out(connection)
            contents = _contents(connection)
            _require_namespace(backup, contents)
            fit_to_server(fd, connection.info.server_version)
            _load(programs, _as_safe(dsn, connection), fd, contents, limit_s=limit_s)
            _analyze(connection)
    return backup


def _read_version(programs: Programs, path: str, *, fds: tuple[int, ...] = ()) -> tuple[int, str]:
    """The schema's version and namespace in a backup; ProgramFailed where there is none."""
    options = ("--data-only", "--table=schema_version", "--file=-", path)
    found = _VERSIONS.search(programs.run("pg_restore", *options, fds=fds, patience_s=CALL_LIMIT_S))
    if found is None:
        raise ProgramFailed("it holds no database of Understudy")
    return max(int(line.split("\t")[0]) for line in found[2].splitlines()), found[1].strip('"')


def _unpack(programs: Programs, backup: Backup, script: int, *, patience_s: float) -> None:
    """Turn the backup into SQL; a file that is cut short or damaged is found out here."""
    try:
        programs.run(
            "pg_restore",
            *("--no-owner", "--no-acl", "--exit-on-error", f"--schema={backup.namespace}"),
            f"--file=/proc/self/fd/{script}",
            str(backup.path.absolute()),
            fds=(script,),
            patience_s=patience_s,
            progress=lambda: os.fstat(script).st_size,
        )
        with reported("unpack", backup.path):
            os.lseek(script, 0, os.SEEK_END)
            os.write(script, _END_OF_SCRIPT)
    except ProgramFailed as failure:
        tried = f"{backup.path} is damaged or cut short"
        raise translated(failure, tried=tried, otherwise=RestoreRefused) from failure


def fit_to_server(script: int, server_version: int) -> None:
    """Blank out the one setting of a script that servers before 17 do not know."""
    if server_version < 170000:
        head = os.pread(script, HEADER_BYTES, 0)
        at = head.find(b"\nSET transaction_timeout = 0;")
        if at >= 0:
            os.pwrite(script, b"---", at + 1)


def _load(programs: Programs, dsn: str, script: int, contents: _Contents, *, limit_s: float) -> None:
    tables = {"events": "events", "subscribers": "subscribers", "pruned": "pruned_events", "versions": "schema_version"}
    names = {key: _qualified(contents.namespace, name) for key, name in tables.items()}
    steps = (
        *("--command", _removal(contents)),
        *("--file", f"/proc/self/fd/{script}"),
        *("--command", _LAST_CHECKS.format(daemons=_DAEMONS)),
        *("--command", _REBASE_EVENTS.format(**names)),
    )
    options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null")
    try:
        programs.run("psql", *options, *steps, dsn=dsn, fds=(script,), patience_s=limit_s)
    except ProgramFailed as failure:
        tried = "the restore was rolled back, the data are as before"
        error = translated(failure, tried=tried, otherwise=RestoreRefused)
        if isinstance(error, DatabaseUnavailable):
            raise DatabaseUnavailable(f"{LOST_AT_WORK}: {failure}") from failure
        raise error from failure


def _removal(contents: _Contents) -> str:
    """SQL that drops what is ours, without what others built upon it: their view stops a restore."""
    parts = [f"set lock_timeout = {LOCK_WAIT_MS}"]
    for kind, names in (("view", contents.views), ("table", contents.tables)):
        if names:
            parts.append(f"drop {kind} " + ", ".join(_qualified(contents.namespace, name) for name in names))
    parts += [f"drop function {signature}" for signature in contents.functions]
    return "; ".join(parts)


def _contents(connection: psycopg.Connection) -> _Contents:
    """What is ours is known by the names in this program's SQL, where its version table stands.

    A newer program's tables have names that this one cannot know. There it goes by owner, so that the way back to an
    older program leaves none of them to bar the next migration.
    """
    with _deadline.watch(connection, limit_s=CALL_LIMIT_S):
        schema = current_version(connection)
        row = connection.execute(_NAMESPACE).fetchone()
        asked = {
            "namespace": row[0] if row else None,
            "known": sorted(names_in_sql()) if schema else ["schema_version"],
            "is_newer": schema > known_migrations()[-1].version,
        }
        found = connection.execute(_RELATIONS, asked).fetchall()
        functions = connection.execute(_FUNCTIONS, asked).fetchall()
    return _Contents(
        namespace=str(asked["namespace"]),
        schema=schema,
        views=[name for name, kind, is_ours in found if is_ours and kind == "v"],
        tables=[name for name, kind, is_ours in found if is_ours and kind in "rp"],
        functions=[signature for (signature,) in functions],
        others=[name for name, kind, is_ours in found if not is_ours],
    )


def _require_version(programs: Programs, server: int) -> None:
    ours = programs.major_version("pg_dump")
    if ours < server:
        raise BackupFailed(
            f"the server is PostgreSQL {server} and {programs.folder / 'pg_dump'} is {ours}, which cannot dump it: "
            f"name the folder with PostgreSQL {server}'s programs by --binaries"
        )


def _require_namespace(backup: Backup, contents: _Contents) -> None:
    if backup.namespace != contents.namespace:
        raise RestoreRefused(
            f'{backup.path} was taken from the schema "{backup.namespace}" and this connection works in '
            f'"{contents.namespace}": set search_path in storage.dsn to "{backup.namespace}"'
        )


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="backup") as connection:
            with _deadline.watch(connection, limit_s=CALL_LIMIT_S):
                refuse_transaction_pooling(connection)
            yield connection
    except OUTAGES as error:
        raise DatabaseUnavailable(f"the database cannot be used: {str(error).strip()}") from error


def _shut_others_out(connection: psycopg.Connection) -> None:
    """Until it is closed nobody else migrates or restores. RestoreRefused while somebody does, or a daemon works."""
    with _deadline.watch(connection, limit_s=CALL_LIMIT_S):
        row = connection.execute("select pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
        daemons = [str(name) for (name,) in connection.execute(_DAEMONS.encode()).fetchall()]
    if row is None or not row[0]:
        raise RestoreRefused("another process migrates or restores this database: wait for it")
    if daemons:
        raise RestoreRefused(f"a daemon works on this database ({', '.join(daemons)}): stop it first")


def _analyze(connection: psycopg.Connection) -> None:
    """Planner statistics are in no backup; without them the first minutes would be slow. It may fail."""
    with contextlib.suppress(psycopg.Error):
        contents = _contents(connection)
        with _deadline.watch(connection, limit_s=ANALYZE_LIMIT_S):
            for name in contents.tables:
                connection.execute(f"analyze {_qualified(contents.namespace, name)}".encode())


def _as_safe(dsn: str, connection: psycopg.Connection) -> str:
    """The DSN for programs that may know no TLS: where we were given it, they must not do without in silence."""
    if connection.pgconn.ssl_in_use and conninfo_to_dict(dsn).get("sslmode") in (None, "allow", "prefer"):
        return make_conninfo(dsn, sslmode="require")
    return dsn


def _quoted(name: str) -> str:
    """For SQL and for pg_dump's patterns, in which an unquoted name may hold wildcards."""
    return '"' + name.replace('"', '""') + '"'


def _qualified(namespace: str, name: str) -> str:
    return f"{_quoted(namespace)}.{_quoted(name)}"
