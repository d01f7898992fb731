-- Every record of the ledger, newest state.
CREATE TABLE record (
    tenant_id TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    key       TEXT COLLATE "C" NOT NULL,
    -- The closing of the ledger that last changed it.
    closing   BIGINT NOT NULL,
    -- JSON, as the files have it.
    body      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, key)
);

-- Rows that live inside a record; replaced together with it.
CREATE TABLE child (
    tenant_id TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    parent    TEXT COLLATE "C" NOT NULL,
    position  BIGINT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, parent, position)
);

-- Where this database stands in each tenant's ledger; changed in the transactions of the rows only.
CREATE TABLE cursor (
    tenant_id TEXT COLLATE "C" PRIMARY KEY,
    closing   BIGINT NOT NULL,
    key       TEXT NOT NULL,
    as_of     BIGINT NOT NULL,
    mark      BIGINT NOT NULL
);
