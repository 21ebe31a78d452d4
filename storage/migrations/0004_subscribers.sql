-- Events in one order per movie, subscribers with a cursor of their own, and progress that counts more than bytes.
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

alter table progress
    alter column done_bytes set default 0,
    alter column total_bytes set default 0,
    add column done_count bigint not null default 0,
    add column total_count bigint not null default 0,
    add column rate_count_s bigint not null default 0,
    add column job_id bigint;
drop index progress_changed;
