-- Tenants that were added while the service ran: each a section [[tenants]] as JSON.
CREATE TABLE tenant (
    tenant_id TEXT COLLATE "C" PRIMARY KEY,
    config    TEXT NOT NULL
);

-- The files that they name, sealed: a key for each row, itself under a key that is not in the database.
CREATE TABLE secret (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    name      TEXT COLLATE "C" NOT NULL,
    -- Grows with each content.
    version   BIGINT NOT NULL,
    -- Microseconds since 1970.
    written   BIGINT NOT NULL,
    -- Which key wraps the row's own.
    kek       TEXT NOT NULL,
    wrapped   BYTEA NOT NULL,
    sealed    BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- No tokens for a tenant, or, under '*', for none.
CREATE TABLE killed (
    scope TEXT COLLATE "C" PRIMARY KEY,
    since BIGINT NOT NULL,
    who   TEXT NOT NULL,
    why   TEXT NOT NULL
);

-- Since when and when last a dataset was asked for, in days since 1970.
CREATE TABLE asked (
    tenant_id TEXT COLLATE "C" NOT NULL,
    dataset   TEXT COLLATE "C" NOT NULL,
    since     BIGINT NOT NULL,
    day       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, dataset)
);

-- Counts changes of the first three tables, so that replicas notice.
CREATE TABLE change (
    number BIGINT NOT NULL
);
INSERT INTO change VALUES (0);
