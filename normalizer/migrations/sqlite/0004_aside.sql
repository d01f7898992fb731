-- The JSON of an object that could not be read, sealed, and the id of the key; empty where it is not kept.
ALTER TABLE set_aside ADD COLUMN sealed_under TEXT;
ALTER TABLE set_aside ADD COLUMN source BLOB;
-- How the run was read: leastwise.admin.v1.RunManifest.
ALTER TABLE closing ADD COLUMN manifest BLOB NOT NULL DEFAULT x'';
-- Removed records up to this closing may have been forgotten: a sink that is not beyond it needs a snapshot.
ALTER TABLE tenant ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;
-- When what is past its time was last removed, microseconds since 1970; 0 before the tenant was first seen.
ALTER TABLE tenant ADD COLUMN swept_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX record_removed ON record (tenant, closing) WHERE removed = 1;
CREATE INDEX page_source_run ON page_source (tenant, run);
