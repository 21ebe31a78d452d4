-- The whole schema, for new databases. A database of an earlier version gets here by migrations/*.sql; a test compares
-- the two. Times are timestamptz, sizes bytes, durations seconds.

-- One row per wanted version of a movie. It is wanted while it has a claim. keyed_by: what made its movie_titles.
create table movies (
    id bigint generated always as identity primary key,
    title text,
    alternative_titles text[] not null default '{}',
    keyed_by text not null default '',
    year int,
    tmdb_id int,
    imdb_id text,
    version text not null default '',
    profile text not null,
    root text not null,
    state text not null default 'wanted' check (state in (
        'wanted', 'searching', 'grabbing', 'downloading', 'importing', 'imported', 'failed', 'blocked')),
    reason text not null default '',
    is_monitored boolean not null default true,
    tags text[] not null default '{}',
    minimum_availability text not null default 'released' check (minimum_availability in (
        'announced', 'in_cinemas', 'released')),
    runtime_min int,
    original_language text,
    in_cinemas_on date,
    physical_on date,
    digital_on date,
    tombstoned_at timestamptz,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    check (title is not null or tmdb_id is not null or imdb_id is not null)
);
create unique index movies_tmdb on movies (tmdb_id, version) where tmdb_id is not null;
create unique index movies_imdb on movies (imdb_id, version) where imdb_id is not null;
create unique index movies_title on movies (lower(title), coalesce(year, 0), version)
    where tmdb_id is null and imdb_id is null;

-- The keys under which a release's title finds a movie, made of all its titles.
create table movie_titles (
    key text not null,
    movie_id bigint not null references movies on delete cascade,
    primary key (key, movie_id)
);
create index movie_titles_movie on movie_titles (movie_id);

-- Who wants a movie: 'file:config.toml:41', 'api', 'list:popular', 'import'.
create table claims (
    movie_id bigint not null references movies on delete cascade,
    source text not null,
    claimed_at timestamptz not null default now(),
    primary key (movie_id, source)
);

-- The film in the library. facts: what custom formats look at, frozen at its grab, as for downloads.
create table movie_files (
    id bigint generated always as identity primary key,
    movie_id bigint not null unique references movies on delete cascade,
    path text not null unique,
    size_bytes bigint not null,
    device bigint not null,
    inode bigint not null,
    mtime_ns bigint not null,
    quality text not null,
    revision jsonb not null,
    release_title text not null,
    facts jsonb,
    method text not null,
    imported_at timestamptz not null default now()
);

-- Every offer ever seen, one row per indexer and guid.
create table releases (
    id bigint generated always as identity primary key,
    indexer text not null,
    guid text not null,
    title text not null,
    protocol text not null default 'torrent' check (protocol in ('torrent', 'usenet')),
    link text,
    magnet text,
    infohash text,
    size_bytes bigint,
    seeders int,
    leechers int,
    flags text[] not null default '{}',
    tmdb_id int,
    imdb_id text,
    published_at timestamptz,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    unique (indexer, guid)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);

-- The decision log: what is thought of a release for a movie, with every reason. One that is pending has only reasons
-- that pass: at `until`, where that is known.
create table verdicts (
    movie_id bigint not null references movies on delete cascade,
    release_id bigint not null references releases on delete cascade,
    is_accepted boolean not null,
    is_pending boolean not null default false,
    until timestamptz,
    quality text not null,
    score int not null default 0,
    formats text[] not null default '{}',
    reasons jsonb not null default '[]',
    decided_at timestamptz not null default clock_timestamp(),
    primary key (movie_id, release_id)
);
create index verdicts_release on verdicts (release_id);

-- What each decision knew, so that it can be explained, and made again by another configuration: the movie as it was
-- then (`target`), the indexers that were not called, the releases judged, those that could be taken, best first, and
-- the one that was, with what set it before the next.
create table decisions (
    id bigint generated always as identity primary key,
    movie_id bigint not null references movies on delete cascade,
    target jsonb not null,
    closed_indexers text[] not null default '{}',
    judged bigint[] not null,
    ranking bigint[] not null default '{}',
    taken bigint references releases on delete set null,
    taken_by text,
    decided_at timestamptz not null default clock_timestamp()
);
create index decisions_movie on decisions (movie_id, id);
create index decisions_time on decisions (decided_at, id);
create index decisions_taken on decisions (taken) where taken is not null;

create table blocklist (
    id bigint generated always as identity primary key,
    movie_id bigint not null references movies on delete cascade,
    release_id bigint references releases on delete set null,
    infohash text,
    title text not null,
    reason text not null,
    blocked_at timestamptz not null default now()
);
create index blocklist_movie on blocklist (movie_id);
create index blocklist_release on blocklist (release_id) where release_id is not null;

-- A grab and what became of it. Written before the client is called; known by (client, infohash) at the client's home:
-- `node` is the node's name, or where several share the client its address, 'http://nas:8080'.
create table downloads (
    id bigint generated always as identity primary key,
    movie_id bigint not null references movies on delete cascade,
    release_id bigint references releases on delete set null,
    node text not null,
    client text not null,
    infohash text not null,
    title text not null,
    quality text not null,
    revision jsonb not null,
    facts jsonb,
    torrent bytea,
    magnet text,
    state text not null default 'grabbing' check (state in (
        'grabbing', 'queued', 'metadata', 'downloading', 'stalled', 'paused', 'completed', 'importing', 'imported',
        'failed', 'removed', 'blocked')),
    attempt int not null default 1,
    content_path text,
    size_bytes bigint,
    seed_ratio real,
    seed_time_s bigint,
    error text,
    correlation_id text not null,
    added_at timestamptz not null default now(),
    completed_at timestamptz,
    ended_at timestamptz
);
create unique index downloads_identity on downloads (node, client, infohash) where state not in ('failed', 'removed');
create index downloads_movie on downloads (movie_id);
create index downloads_release on downloads (release_id) where release_id is not null;
create index downloads_open on downloads (client) where ended_at is null;

-- The journal of an import: what is about to happen on the disk, written before it does.
create table imports (
    download_id bigint primary key references downloads on delete cascade,
    movie_id bigint not null references movies on delete cascade,
    state text not null default 'planned' check (state in ('planned', 'staged', 'done')),
    source_path text not null,
    temp_path text not null,
    target_path text not null,
    old_path text,
    recycle_path text,
    device bigint,
    inode bigint,
    size_bytes bigint,
    mtime_ns bigint,
    method text,
    changed_at timestamptz not null default now()
);
create index imports_movie on imports (movie_id);

-- Every step of every acquisition. lane says who may do it: 'indexer:NAME', 'client:NAME', 'root:PATH', 'select'.
-- Where node is not null, only for that node, or for those at that place: they share a client, or have a root.
create table jobs (
    id bigint generated always as identity primary key,
    kind text not null,
    lane text not null,
    node text,
    payload jsonb not null default '{}',
    unique_key text,
    priority smallint not null default 0,
    run_at timestamptz not null default now(),
    state text not null default 'ready' check (state in ('ready', 'running', 'done', 'dead')),
    attempt int not null default 0,
    lost int not null default 0,
    owner uuid,
    worker_node text,
    lease_until timestamptz,
    waiting_for text,
    reason text,
    last_error text,
    movie_id bigint references movies on delete cascade,
    correlation_id text not null,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
create index jobs_ready on jobs (lane, priority desc, run_at, id) where state = 'ready';
-- What is most often false stands first: every change of a job asks each of these.
create unique index jobs_unique on jobs (unique_key) where unique_key is not null and state in ('ready', 'running');
create index jobs_lease on jobs (lease_until) where state = 'running';
create index jobs_dead on jobs (id) where state = 'dead';
create index jobs_ended on jobs (ended_at) where state = 'done';
create index jobs_movie on jobs (movie_id) where movie_id is not null and state in ('ready', 'running');
create index jobs_waiting on jobs (waiting_for) where waiting_for is not null and state = 'ready';
create index jobs_suspect on jobs (lane) where lost >= 2 and state = 'ready';

create table job_errors (
    job_id bigint not null references jobs on delete cascade,
    attempt int not null,
    reason text not null,
    error text not null,
    happened_at timestamptz not null default now()
);
create index job_errors_job on job_errors (job_id);

-- What went wrong in an acquisition so far: its dead letter shows all of it.
create table acquisition_errors (
    movie_id bigint not null references movies on delete cascade,
    attempt int not null,
    reason text not null,
    error text not null,
    happened_at timestamptz not null default now()
);
create index acquisition_errors_movie on acquisition_errors (movie_id);

-- The latest time that a queue has seen here: a clock that is behind it went back.
create table queue_clock (
    is_only boolean primary key default true check (is_only),
    seen_at timestamptz not null
);
insert into queue_clock (seen_at) values (now());

-- The outbox. Ids are taken before commits, so readers go by (xid, id) below the snapshot's xmin.
create table events (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    kind text not null,
    movie_id bigint,
    correlation_id text not null default '',
    payload jsonb not null default '{}',
    happened_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0.05);
create index events_order on events (xid, id);
create index events_movie on events (movie_id, xid desc) where movie_id is not null;

-- How far each named subscriber has come in the outbox: it has had everything up to (xid, id).
create table subscribers (
    name text primary key,
    xid xid8 not null,
    id bigint not null,
    moved_at timestamptz not null default now()
);

-- The last event that was pruned, in at most one row: everything up to it is gone.
create table pruned_events (
    is_only boolean primary key default true check (is_only),
    xid xid8 not null,
    id bigint not null
);

-- State, not events: one row per running operation, the newest values only, in bytes or in counts; a total of 0 is
-- unknown. A row with a job means nothing once that is no longer in work.
create table progress (
    operation text primary key,
    movie_id bigint,
    step text not null,
    done_bytes bigint not null default 0,
    total_bytes bigint not null default 0,
    rate_bytes_s bigint not null default 0,
    eta_s bigint,
    changed_at timestamptz not null default clock_timestamp(),
    done_count bigint not null default 0,
    total_count bigint not null default 0,
    rate_count_s bigint not null default 0,
    job_id bigint
);

-- What an indexer's feed last showed, so that a gap is seen after a restart.
create table feeds (
    indexer text primary key,
    newest_guid text,
    newest_at timestamptz,
    synced_at timestamptz not null default now()
);

-- For display and for the next start; never read in the call path.
create table breakers (
    node text not null,
    dependency text not null,
    state text not null,
    retry_at timestamptz,
    reason text not null default '',
    changed_at timestamptz not null default now(),
    opened_count int not null default 0,
    primary key (node, dependency)
);

-- Recurring tasks: how each went last, and its ticks, each of which happens once, whichever daemon takes it.
create table tasks (
    name text primary key,
    created_at timestamptz not null default clock_timestamp(),
    succeeded_at timestamptz,
    failed_at timestamptz,
    error text
);
create table ticks (
    task text not null references tasks on delete cascade,
    tick_at timestamptz not null,
    node text not null,
    taken_at timestamptz not null default clock_timestamp(),
    primary key (task, tick_at)
);

-- Standing duties: which node follows a client or reads a feed for all, until when, and under which fencing token.
create table duties (
    name text primary key,
    node text not null,
    token uuid not null,
    until timestamptz not null,
    taken_at timestamptz not null
);

-- What each node is configured to do: the lanes it serves, each of its download clients' home, and the places whose jobs
-- are for it besides its own.
create table nodes (
    name text primary key,
    lanes text[] not null,
    homes jsonb not null,
    places text[] not null,
    seen_at timestamptz not null default now()
);

create function notify_channel() returns trigger language plpgsql as $$
begin
    perform pg_notify(tg_argv[0], '');
    return null;
end $$;
create trigger jobs_notify after insert on jobs for each statement execute function notify_channel('jobs');
create trigger events_notify after insert on events for each statement execute function notify_channel('events');
create trigger progress_notify after insert or update on progress
    for each statement execute function notify_channel('progress');
