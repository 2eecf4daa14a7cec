-- What a spec says by default is written into those that were submitted before there was a word for it.
update workloads set spec = '{"objective": "cost", "throughput": {}}'::jsonb || spec;
