-- A mark of the key that sealed the secrets and made the credentials of this house, so that a control plane with another
-- key is refused instead of leaving agents and secrets that it cannot speak to.
alter table house add column key_mark text;
