-- For whom an attempt was made to leave, so that it never makes that one leave in turn, and how often it happens.
alter table attempts
  add column preempted_for text,
  add column preempted_at bigint;
create index attempts_preempted on attempts (preempted_at) where preempted_at is not null;
