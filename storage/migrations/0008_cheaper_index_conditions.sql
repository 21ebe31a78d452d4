-- What is most often false stands first: every change of a job asks each of these.
drop index jobs_unique, jobs_movie, jobs_waiting, jobs_suspect;
create unique index jobs_unique on jobs (unique_key) where unique_key is not null and state in ('ready', 'running');
create index jobs_movie on jobs (movie_id) where movie_id is not null and state in ('ready', 'running');
create index jobs_waiting on jobs (waiting_for) where waiting_for is not null and state = 'ready';
create index jobs_suspect on jobs (lane) where lost >= 2 and state = 'ready';
