-- Records in partitions by tenant: indexes stay small enough for memory, and vacuums and restores go on beside each other.
-- PostgreSQL before version 17 has no identity columns for partitioned tables.
CREATE SEQUENCE record_number AS BIGINT;
-- Only owner and runtime role may use the schema at all.
GRANT USAGE ON SEQUENCE record_number TO PUBLIC;
SELECT setval('record_number', GREATEST((SELECT max(id) FROM record), 1), EXISTS (SELECT 1 FROM record));

ALTER TABLE record RENAME TO record_whole;
ALTER INDEX record_key RENAME TO record_whole_key;
ALTER INDEX record_closing RENAME TO record_whole_closing;
ALTER INDEX record_removed RENAME TO record_whole_removed;
CREATE TABLE record (
    id      BIGINT NOT NULL DEFAULT nextval('record_number'),
    tenant  BIGINT NOT NULL,
    kind    BIGINT NOT NULL, -- number of RecordKind
    key     TEXT COLLATE "C" NOT NULL,
    hash    BYTEA  NOT NULL,
    closing BIGINT NOT NULL, -- the closing that last changed it
    removed BIGINT NOT NULL,
    body    BYTEA  NOT NULL,
    source  BIGINT           -- page_source; empty for derived records
) PARTITION BY HASH (tenant);
DO $$ BEGIN
    FOR n IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE record_%s PARTITION OF record FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (
                autovacuum_vacuum_scale_factor = 0.02,
                autovacuum_vacuum_insert_scale_factor = 0.05,
                autovacuum_analyze_scale_factor = 0.05
            )', n, n);
    END LOOP;
END $$;
INSERT INTO record (id, tenant, kind, key, hash, closing, removed, body, source)
    SELECT id, tenant, kind, key, hash, closing, removed, body, source FROM record_whole ORDER BY tenant, id;
ALTER TABLE record ADD PRIMARY KEY (tenant, id);
CREATE UNIQUE INDEX record_key ON record (tenant, kind, key);
CREATE INDEX record_closing ON record (tenant, closing, kind, key);
CREATE INDEX record_removed ON record (tenant, closing) WHERE removed = 1;
DROP TABLE record_whole;

ALTER TABLE license_count ADD COLUMN with_disabled_plans BIGINT NOT NULL DEFAULT 0;
-- In which way the users of the tenant are counted; see position/recount.rs.
ALTER TABLE tenant ADD COLUMN counted BIGINT NOT NULL DEFAULT 0;
