-- The first schema. Times are milliseconds since the epoch, money is micro-dollars; state columns hold the keys of the
-- tables of moves in src/model.

create table projects (
  name text primary key,
  weight integer not null default 1,
  quota jsonb not null default '{}',
  budget_micros bigint,
  policy jsonb not null default '{}'
);
insert into projects (name) values ('default');

create table workloads (
  id text primary key,
  name text not null,
  project text not null,
  kind text not null,
  spec jsonb not null,
  bundle text,
  priority integer not null,
  wants text not null default 'run',
  state text not null default 'queued',
  exit_code integer,
  reason text not null default '',
  -- Why the engine placed it nowhere yet, as model/plan.ts says; for `why`.
  refusal jsonb,
  attempts integer not null default 0,
  submitted_by text not null,
  created_at bigint not null,
  started_at bigint,
  ended_at bigint,
  -- When the follow loop looks at it next; null when it has ended.
  due_at bigint,
  -- Until when a control plane has it to decide on; while `due_at` equals this, there was no news since.
  claimed_until bigint,
  -- Arrays: the first task that was never leased, and how many of those before it stand where. The rest waits again.
  next_task bigint not null default 0,
  tasks_leased bigint not null default 0,
  tasks_succeeded bigint not null default 0,
  tasks_failed bigint not null default 0
);
create index workloads_due on workloads (due_at) where due_at is not null;
create index workloads_active on workloads (created_at desc, id desc) where state not in ('succeeded', 'failed', 'stopped');
create index workloads_page on workloads (created_at desc, id desc);
create index workloads_name on workloads (project, name, created_at desc, id desc);
create index workloads_live_name on workloads (project, name, created_at desc, id desc) where ended_at is null;

create table replicas (
  workload text not null references workloads (id) on delete cascade,
  replica integer not null,
  state text not null default 'waiting',
  losses integer not null default 0,
  failures integer not null default 0,
  not_before bigint not null default 0,
  avoid jsonb not null default '{}',
  primary key (workload, replica)
);
create index replicas_waiting on replicas (workload, replica) where state = 'waiting';

create table plans (
  id text primary key,
  workload text references workloads (id) on delete cascade,
  decisions jsonb not null,
  -- A plan that a person asked for carries the documents that `apply` submits; it expires.
  submission jsonb,
  created_at bigint not null,
  expires_at bigint,
  applied_at bigint
);
create index plans_workload on plans (workload);

create table attempts (
  id text primary key,
  workload text not null references workloads (id) on delete cascade,
  replica integer not null,
  number integer not null,
  state text not null default 'starting',
  plan text not null,
  ready boolean not null default false,
  exit_code integer,
  reason text not null default '',
  created_at bigint not null,
  started_at bigint,
  ended_at bigint,
  unique (workload, number)
);
-- A replica has one live attempt at the most: the invariant, not only a hope.
create unique index attempts_one_live on attempts (workload, replica) where state in ('starting', 'running', 'stopping');

create table leases (
  id text primary key,
  attempt text not null references attempts (id) on delete cascade,
  workload text not null,
  project text not null,
  provider text not null,
  site text not null,
  tier text not null,
  shape text not null,
  price_micros bigint not null,
  ranks jsonb not null,
  grace_ms integer not null,
  state text not null default 'wanted',
  created_at bigint not null,
  started_at bigint,
  ended_at bigint,
  metered_until bigint
);
create index leases_attempt on leases (attempt);
create index leases_workload on leases (workload, state);
create index leases_live on leases (provider, site) where state in ('wanted', 'starting', 'held', 'stopping', 'lost');
create index leases_unmetered on leases (id) where started_at is not null and (ended_at is null or metered_until < ended_at);

create table ranks (
  lease text not null references leases (id) on delete cascade,
  rank integer not null,
  state text not null default 'expected',
  address text,
  endpoints jsonb not null default '[]',
  ready boolean not null default false,
  exit_code integer,
  started_at bigint,
  ended_at bigint,
  heard_at bigint,
  primary key (lease, rank)
);

create table operations (
  id text primary key,
  lease text not null references leases (id) on delete cascade,
  kind text not null,
  site text not null,
  token text not null,
  state text not null default 'intended',
  tries integer not null default 0,
  not_before bigint not null,
  detail text not null default '',
  claimed_by text,
  claimed_until timestamptz,
  unique (lease, kind)
);
create index operations_open on operations (kind, not_before) where state = 'intended';

create table tasks (
  workload text not null references workloads (id) on delete cascade,
  index bigint not null,
  -- waiting (again) → leased → succeeded or failed
  state text not null,
  attempt integer,
  exit_code integer,
  tries integer not null default 0,
  started_at bigint,
  ended_at bigint,
  primary key (workload, index)
);
create index tasks_waiting on tasks (workload, index) where state = 'waiting';
create index tasks_leased on tasks (workload, attempt) where state = 'leased';

create table sites (
  key text primary key,
  site jsonb not null,
  reach text not null default 'reachable',
  since bigint not null,
  detail text not null default '',
  offers jsonb not null default '[]',
  nodes jsonb,
  offers_at bigint
);

create table entries (
  lease text not null,
  workload text not null,
  project text not null,
  provider text not null,
  site text not null,
  tier text not null,
  from_ms bigint not null,
  to_ms bigint not null,
  amount_micros numeric(38, 0) not null,
  primary key (lease, from_ms)
);
create index entries_workload on entries (workload);
create index entries_project on entries (project, from_ms);

-- What is spent in all, kept beside the entries by the transaction that adds them; `db check` compares the two.
create table spent (
  kind text not null,
  name text not null,
  amount_micros numeric(38, 0) not null,
  warned_at bigint,
  primary key (kind, name)
);

-- Transaction numbers start anew in another database. Each time the rows move into one, the generation goes up by one,
-- so that positions of events stay in order and a reader goes on where it was.
create table house (
  id boolean primary key default true check (id),
  generation integer not null default 1
);
insert into house default values;

create table events (
  seq bigint generated by default as identity primary key,
  generation integer not null,
  -- Readers stop before the oldest transaction that is still open, so that none is skipped.
  txid xid8 not null default pg_current_xact_id(),
  at bigint not null,
  type text not null,
  workload text,
  project text,
  message text not null,
  data jsonb not null default '{}'
);
create index events_order on events (generation, txid, seq);
create index events_workload on events (workload, generation, txid, seq);
create index events_age on events (at);

create table secrets (
  project text not null,
  name text not null,
  -- nonce, tag and ciphertext of AES-256-GCM
  sealed bytea not null,
  updated_at bigint not null,
  primary key (project, name)
);

create table idempotency (
  key text primary key,
  request_hash text not null,
  status integer,
  response jsonb,
  created_at bigint not null
);
create index idempotency_age on idempotency (created_at);

-- Named claims with an epoch: who may run a loop that must have one owner. Times are the database's.
create table claims (
  name text primary key,
  holder text not null,
  epoch bigint not null,
  expires_at timestamptz not null
);

create table control_planes (
  id text primary key,
  url text not null,
  heard_at timestamptz not null
);
