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

-- So that forgetting a release need not read all downloads and the whole blocklist.
create index downloads_release on downloads (release_id) where release_id is not null;
create index blocklist_release on blocklist (release_id) where release_id is not null;

-- Written again with each look at a feed, and pruned by age.
alter table releases set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
alter table events set (autovacuum_vacuum_scale_factor = 0.05);
