-- What was seen of spot markets of late is read with those who wait and are planned on them: of all sites, the newest first.
create index leases_spot_seen on leases ((coalesce(ended_at, 9223372036854775807))) where tier = 'spot';
