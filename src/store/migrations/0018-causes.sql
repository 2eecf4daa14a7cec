-- Why a rank is as it is, where more is known than its state and exit code, and when its provider takes its node away.
alter table ranks add column cause jsonb;
alter table ranks add column leaves_at bigint;
