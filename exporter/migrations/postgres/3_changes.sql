-- Where a sink that is sent changes, and keeps no cursor, stands in a tenant's ledger.
CREATE TABLE change_cursor (
    sink TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT COLLATE "C" NOT NULL,
    -- The last record taken.
    closing BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    -- The newest closing of the ledger that the sink has seen.
    as_of BIGINT NOT NULL,
    -- The closing that is, or was last, on its way into the sink; stored before the sink is touched.
    mark BIGINT NOT NULL,
    PRIMARY KEY (sink, tenant_id)
);

-- What such a sink was sent last of each record.
CREATE TABLE delivered (
    sink TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    -- The number that it was sent under, which rises.
    closing BIGINT NOT NULL,
    -- Recognises what was sent; NULL: that it was removed.
    digest BYTEA,
    -- Whether the sink said that it has it: 0 from before a push until its answer is stored.
    sure BIGINT NOT NULL,
    -- The id that the sink gave it.
    remote TEXT,
    -- Microseconds since 1970.
    at BIGINT NOT NULL,
    -- The newest snapshot that had it.
    seen BIGINT NOT NULL,
    PRIMARY KEY (sink, tenant_id, kind, key)
);
CREATE INDEX delivered_removed ON delivered (sink, at) WHERE digest IS NULL;

-- Records that a sink refused, by the state that it refused; never their content.
CREATE TABLE reject (
    sink TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    closing BIGINT NOT NULL,
    reason TEXT NOT NULL,
    -- Microseconds since 1970.
    at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    -- Whether somebody wants its current state to be sent again.
    replay BIGINT NOT NULL,
    PRIMARY KEY (sink, tenant_id, kind, key)
);

-- Tenants of which somebody wants a sink, of whatever sort, to get everything anew.
CREATE TABLE resync (
    sink TEXT COLLATE "C" NOT NULL,
    tenant_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sink, tenant_id)
);
