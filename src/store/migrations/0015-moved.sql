-- Who had to leave only to start elsewhere, so that a domain is whole again, counts apart.
alter table attempts add column moved boolean not null default false;
