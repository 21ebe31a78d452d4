-- What the database itself sees of every job, whatever the workers believe. A worker's application_name is its node.

create table effects (
    id bigint generated always as identity primary key,
    job_id bigint not null,
    item int not null,
    step int not null,
    owner uuid not null,
    node text not null default current_setting('application_name')
);
create table endings (job_id bigint not null, owner uuid not null, node text not null);
create table violations (
    job_id bigint not null,
    what text not null,
    node text not null default current_setting('application_name'),
    at timestamptz not null default clock_timestamp()
);

create function audit_job() returns trigger language plpgsql as $$
declare
    node constant text := current_setting('application_name');
    is_their_own constant boolean := old.worker_node = node;
    what text;
begin
    if node = 'monkey' then
        return null;
    end if;
    if old.state = 'done' then
        what := 'a finished job changed';
    elsif old.state = 'ready' and new.state = 'running' then
        if new.owner is null or new.worker_node is distinct from node then
            what := 'it was claimed without a token, or for another node';
        elsif new.lease_until not between now() and now() + interval '31 s' then
            what := 'it was claimed with a lease of ' || (new.lease_until - now());
        end if;
    elsif old.state = 'ready' and new.state = 'done' then
        what := 'it ended without being in work';
    elsif old.state = 'running' and new.state = 'running' then
        if old.owner is distinct from new.owner then
            what := 'it was taken while it was in work';
        elsif new.lease_until not between old.lease_until - interval '1 s' and old.lease_until and not is_their_own then
            what := 'its lease was changed by another';
        end if;
    elsif old.state = 'running' and new.state = 'done' then
        insert into endings values (old.id, old.owner, node);
        if not is_their_own then
            what := 'it was ended by another than ' || old.worker_node;
        end if;
    elsif old.state = 'running' and new.lost > old.lost then
        if old.lease_until > now() and not is_their_own then
            what := 'it was freed ' || (old.lease_until - now()) || ' before its lease ran out';
        end if;
    elsif old.state = 'running' and not is_their_own then
        what := 'it was given back by another than ' || old.worker_node;
    end if;
    if what is not null then
        insert into violations (job_id, what) values (old.id, what);
    end if;
    return null;
end $$;
create trigger audit_job after update on jobs for each row execute function audit_job();
