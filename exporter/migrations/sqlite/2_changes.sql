-- Where a sink that is sent changes, and keeps no cursor, stands in a tenant's ledger.
CREATE TABLE change_cursor (
    sink TEXT NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    -- The last record taken.
    closing INTEGER NOT NULL,
    key TEXT NOT NULL,
    -- The newest closing of the ledger that the sink has seen.
    as_of INTEGER NOT NULL,
    -- The closing that is, or was last, on its way into the sink; stored before the sink is touched.
    mark INTEGER NOT NULL,
    PRIMARY KEY (sink, tenant_id)
) STRICT, WITHOUT ROWID;

-- What such a sink was sent last of each record.
CREATE TABLE delivered (
    sink TEXT NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    -- The number that it was sent under, which rises.
    closing INTEGER NOT NULL,
    -- Recognises what was sent; NULL: that it was removed.
    digest BLOB,
    -- Whether the sink said that it has it: 0 from before a push until its answer is stored.
    sure INTEGER NOT NULL,
    -- The id that the sink gave it.
    remote TEXT,
    -- Microseconds since 1970.
    at INTEGER NOT NULL,
    -- The newest snapshot that had it.
    seen INTEGER NOT NULL,
    PRIMARY KEY (sink, tenant_id, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivered_removed ON delivered (sink, at) WHERE digest IS NULL;

-- Records that a sink refused, by the state that it refused; never their content.
CREATE TABLE reject (
    sink TEXT NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    closing INTEGER NOT NULL,
    reason TEXT NOT NULL,
    -- Microseconds since 1970.
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    -- Whether somebody wants its current state to be sent again.
    replay INTEGER NOT NULL,
    PRIMARY KEY (sink, tenant_id, kind, key)
) STRICT, WITHOUT ROWID;

-- Tenants of which somebody wants a sink, of whatever sort, to get everything anew.
CREATE TABLE resync (
    sink TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    PRIMARY KEY (sink, tenant_id)
) STRICT, WITHOUT ROWID;
