-- The loop meter takes the leases that wait longest for their next entry, of however many there are.
drop index leases_unmetered;
create index leases_unmetered on leases ((ended_at is null), metered_until, id)
  where started_at is not null and (ended_at is null or metered_until < ended_at);
