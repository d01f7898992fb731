ALTER TABLE license_count ADD COLUMN with_disabled_plans INTEGER NOT NULL DEFAULT 0;
-- In which way the users of the tenant are counted; see position/recount.rs.
ALTER TABLE tenant ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
