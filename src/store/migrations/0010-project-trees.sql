-- Projects form trees, in which quota is lent and borrowed, and work may be stopped for others.
alter table projects
  add column parent text references projects (name) deferrable initially deferred,
  add column borrowing jsonb not null default '{}',
  add column lending jsonb not null default '{}',
  add column preemption jsonb not null default '{"within": "never", "reclaim": "never", "perHour": null}';
