-- Sites that were joined by a command: how they are declared, and how far leaving them has come.
alter table sites add column declaration jsonb;
alter table sites add column leaving jsonb;
