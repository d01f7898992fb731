-- The whole numbers by which a system without room for GUIDs knows objects. A number is never given twice, also not after this
-- database was restored: it is max(last + 1, now in microseconds).
CREATE TABLE external_id (
    sink TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT COLLATE "C" NOT NULL,
    -- What sort of object it is, for example user.
    class TEXT COLLATE "C" NOT NULL,
    -- The object's key in the ledger.
    key TEXT COLLATE "C" NOT NULL,
    id BIGINT NOT NULL,
    -- When it was asked for last, in microseconds since 1970.
    asked BIGINT NOT NULL,
    PRIMARY KEY (sink, tenant_id, class, key)
);

CREATE UNIQUE INDEX external_id_by_id ON external_id (sink, id);
