-- What went wrong in an acquisition so far: its dead letter shows all of it.
create table acquisition_errors (
    movie_id bigint not null references movies on delete cascade,
    attempt int not null,
    reason text not null,
    error text not null,
    happened_at timestamptz not null default now()
);
create index acquisition_errors_movie on acquisition_errors (movie_id);
