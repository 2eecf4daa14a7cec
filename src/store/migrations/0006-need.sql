-- What a workload asks of a place: a long line of those who ask the same is read no further than its first few. Those that
-- were submitted before this have none, and count each for itself.
alter table workloads add column need text;
