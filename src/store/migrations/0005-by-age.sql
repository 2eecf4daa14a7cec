-- What ended is kept for a time only, and found by its age.
create index attempts_ended on attempts (ended_at) where ended_at is not null;
create index workloads_ended on workloads (ended_at) where ended_at is not null;
create index plans_unapplied on plans (created_at) where workload is null;
