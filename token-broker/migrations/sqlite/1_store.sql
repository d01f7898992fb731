-- Tenants that were added while the service ran: each a section [[tenants]] as JSON.
CREATE TABLE tenant (
    tenant_id TEXT PRIMARY KEY,
    config    TEXT NOT NULL
);

-- The files that they name, sealed: a key for each row, itself under a key that is not in the database.
CREATE TABLE secret (
    tenant_id TEXT NOT NULL REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    name      TEXT NOT NULL,
    -- Grows with each content.
    version   INTEGER NOT NULL,
    -- Microseconds since 1970.
    written   INTEGER NOT NULL,
    -- Which key wraps the row's own.
    kek       TEXT NOT NULL,
    wrapped   BLOB NOT NULL,
    sealed    BLOB NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- No tokens for a tenant, or, under '*', for none.
CREATE TABLE killed (
    scope TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    who   TEXT NOT NULL,
    why   TEXT NOT NULL
);

-- Since when and when last a dataset was asked for, in days since 1970.
CREATE TABLE asked (
    tenant_id TEXT NOT NULL,
    dataset   TEXT NOT NULL,
    since     INTEGER NOT NULL,
    day       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, dataset)
);

-- Counts changes of the first three tables, so that replicas notice.
CREATE TABLE change (
    number INTEGER NOT NULL
);
INSERT INTO change VALUES (0);
