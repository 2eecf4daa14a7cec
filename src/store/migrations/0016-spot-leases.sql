-- How often spot nodes were taken away is read from the newest leases of a site, not from all there ever were.
create index leases_spot on leases (provider, site, (coalesce(ended_at, 9223372036854775807)))
  where tier = 'spot' and started_at is not null;
