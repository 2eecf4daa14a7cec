-- What a lease keeps from others beside its ranks: domains that it has to itself, and nodes that stay free for it.
alter table leases add column beside jsonb;
