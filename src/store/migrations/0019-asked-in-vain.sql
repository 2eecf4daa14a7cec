-- When a site that does not answer was last asked: patience is what it was asked in vain for, not what nobody asked.
alter table sites add column asked_at bigint;
