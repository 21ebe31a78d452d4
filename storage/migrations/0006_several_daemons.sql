-- Several daemons on one database: who has which standing duty, and what each node is configured to do.
create table duties (
    name text primary key,
    node text not null,
    token uuid not null,
    until timestamptz not null,
    taken_at timestamptz not null
);

create table nodes (
    name text primary key,
    lanes text[] not null,
    homes jsonb not null,
    places text[] not null,
    seen_at timestamptz not null default now()
);
