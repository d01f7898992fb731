-- The JSON of an object that could not be read, sealed, and the id of the key; empty where it is not kept.
ALTER TABLE set_aside ADD COLUMN sealed_under TEXT;
ALTER TABLE set_aside ADD COLUMN source BYTEA;
-- How the run was read: leastwise.admin.v1.RunManifest.
ALTER TABLE closing ADD COLUMN manifest BYTEA NOT NULL DEFAULT ''::bytea;
-- Removed records up to this closing may have been forgotten: a sink that is not beyond it needs a snapshot.
ALTER TABLE tenant ADD COLUMN horizon BIGINT NOT NULL DEFAULT 0;
-- When what is past its time was last removed, microseconds since 1970; 0 before the tenant was first seen.
ALTER TABLE tenant ADD COLUMN swept_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX record_removed ON record (tenant, closing) WHERE removed = 1;
CREATE INDEX page_source_run ON page_source (tenant, run);

-- Vacuum long before a fifth of a large table is dead; docs/retention.md has the arithmetic.
ALTER TABLE record SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
-- Every page is written once and deleted: what counts is how many came, not how many are there.
ALTER TABLE inbox_page SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 20000
);
ALTER TABLE closing SET (autovacuum_vacuum_scale_factor = 0.05);
