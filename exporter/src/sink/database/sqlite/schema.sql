-- Every record of the ledger, newest state.
CREATE TABLE record (
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    -- The closing of the ledger that last changed it.
    closing INTEGER NOT NULL,
    -- JSON, as the files have it.
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, key)
) STRICT;

-- Rows that live inside a record; replaced together with it.
CREATE TABLE child (
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT NOT NULL,
    position INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, parent, position)
) STRICT, WITHOUT ROWID;

-- Where this file stands in each tenant's ledger; changed in the transactions of the rows only.
CREATE TABLE cursor (
    tenant_id TEXT PRIMARY KEY,
    closing INTEGER NOT NULL,
    key TEXT NOT NULL,
    as_of INTEGER NOT NULL,
    mark INTEGER NOT NULL
) STRICT;
