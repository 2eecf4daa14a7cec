-- When a lease is known to end, so that admission need not read the spec of everything that runs to say it.
alter table leases add column ends_at bigint;
update leases l
set ends_at = a.started_at + coalesce(w.spec #>> '{duration,maximumMs}', w.spec #>> '{duration,expectedMs}')::bigint
from attempts a, workloads w
where a.id = l.attempt and w.id = l.workload and l.state in ('wanted', 'starting', 'held', 'stopping');
