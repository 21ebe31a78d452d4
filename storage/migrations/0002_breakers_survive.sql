-- A breaker comes back after a restart as it was: also how often in a row it has opened, which its next wait grows by.
alter table breakers add column opened_count int not null default 0;
