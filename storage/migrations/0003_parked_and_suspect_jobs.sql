-- Jobs that wait for a condition are woken when it clears, jobs whose workers vanished twice are claimed alone, and a
-- clock that went back keeps nothing waiting.
create index jobs_waiting on jobs (waiting_for) where state = 'ready' and waiting_for is not null;
create index jobs_suspect on jobs (lane) where state = 'ready' and lost >= 2;
create table queue_clock (
    is_only boolean primary key default true check (is_only),
    seen_at timestamptz not null
);
insert into queue_clock (seen_at) values (now());
-- Jobs without a key or a movie are not in the indexes by these.
drop index jobs_unique;
create unique index jobs_unique on jobs (unique_key) where state in ('ready', 'running') and unique_key is not null;
drop index jobs_movie;
create index jobs_movie on jobs (movie_id) where state in ('ready', 'running') and movie_id is not null;
