-- Of a replica that lost a node the others are kept until it is decided whether it comes back to them: which lease's they
-- are, and which ranks were lost.
alter table replicas add column kept jsonb;
create index replicas_kept on replicas (workload) where state = 'waiting' and kept is not null;
