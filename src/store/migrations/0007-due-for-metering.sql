-- Pieces of time grow with the age of a lease, so who waits longest for its next entry is not who is due first.
drop index leases_unmetered;
create index leases_unmetered on leases (
  (ended_at is null), (metered_until + least(600000, greatest(10000, (metered_until - started_at) / 4))), id
) where started_at is not null and (ended_at is null or metered_until < ended_at);
