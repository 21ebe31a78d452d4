-- Judgement: titles as keys, what an offer says besides, the facts frozen at a grab, and what each decision knew.
alter table movies add column alternative_titles text[] not null default '{}';
alter table movies add column keyed_by text not null default '';
alter table movies add column tags text[] not null default '{}';
alter table movies add column minimum_availability text not null default 'released'
    check (minimum_availability in ('announced', 'in_cinemas', 'released'));
alter table movies add column runtime_min int;
alter table movies add column original_language text;
alter table movies add column in_cinemas_on date;
alter table movies add column physical_on date;
alter table movies add column digital_on date;

create table movie_titles (
    key text not null,
    movie_id bigint not null references movies on delete cascade,
    primary key (key, movie_id)
);
create index movie_titles_movie on movie_titles (movie_id);

alter table movie_files add column facts jsonb;
alter table downloads add column facts jsonb;

alter table releases add column protocol text not null default 'torrent' check (protocol in ('torrent', 'usenet'));
alter table releases add column leechers int;
alter table releases add column flags text[] not null default '{}';

alter table verdicts add column is_pending boolean not null default false;
alter table verdicts add column until timestamptz;
alter table verdicts add column score int not null default 0;
alter table verdicts add column formats text[] not null default '{}';

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
