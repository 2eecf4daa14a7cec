-- What admission reads of the queue, beside the replicas that wait: the first of each need are found through an index,
-- however many wait behind them. `need` is of one project and priority; `told` and `promised` say of the refusal of its
-- workload that there is one, and that it promises a start.
alter table replicas
  add column need text not null default '',
  add column priority integer not null default 0,
  add column created_at bigint not null default 0,
  add column told boolean not null default false,
  add column promised boolean not null default false;
update replicas r
set need = concat_ws(' ', w.project, w.priority, coalesce(w.need, w.id)), priority = w.priority, created_at = w.created_at,
  told = w.refusal is not null, promised = coalesce(w.refusal ? 'start', false)
from workloads w where w.id = r.workload and w.ended_at is null;
create index replicas_line on replicas (need, created_at, workload, replica) where state = 'waiting' and avoid = '{}';
create index replicas_avoiding on replicas (workload) where state = 'waiting' and avoid <> '{}';
create index replicas_untold on replicas (priority desc, created_at, workload, replica) where state = 'waiting' and not told;
create index replicas_promised on replicas (workload) where state = 'waiting' and promised;
create index replicas_later on replicas (not_before) where state = 'waiting' and not_before > 0;
