-- The number of the last report of a rank that was written down: one that was overtaken on its way must not undo it.
alter table ranks add column report bigint not null default 0;
