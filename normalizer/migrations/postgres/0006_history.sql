-- Former states of records. In the order in which they were replaced, so that the oldest go first.
CREATE TABLE record_history (
    tenant   BIGINT NOT NULL,
    replaced BIGINT NOT NULL, -- the closing that took this state's place
    kind     BIGINT NOT NULL,
    key      TEXT COLLATE "C" NOT NULL,
    closing  BIGINT NOT NULL, -- the closing that had made this state
    source   BIGINT,          -- page_source of it
    removed  BIGINT NOT NULL,
    body     BYTEA  NOT NULL,
    PRIMARY KEY (tenant, replaced, kind, key)
);
CREATE INDEX record_history_key ON record_history (tenant, kind, key, replaced);
-- From this closing on every state that was replaced is kept. What an earlier release replaced is not known.
ALTER TABLE tenant ADD COLUMN history_from BIGINT NOT NULL DEFAULT 0;
UPDATE tenant SET history_from = closing + 1 WHERE closing > 0;
-- Rows are written once and deleted in the order in which they came; docs/retention.md has the arithmetic.
ALTER TABLE record_history SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
