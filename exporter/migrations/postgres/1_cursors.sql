-- A sink as it was when its cursors were stored.
CREATE TABLE sink (
    name     TEXT COLLATE "C" PRIMARY KEY,
    kind     TEXT NOT NULL,
    location TEXT NOT NULL
);

-- Where a sink that can't keep it itself stands in a tenant's ledger.
CREATE TABLE snapshot_cursor (
    sink      TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT COLLATE "C" NOT NULL,
    -- The closing that the sink shows.
    as_of     BIGINT NOT NULL,
    -- The closing that is, or was last, on its way into the sink; stored before the sink is touched.
    mark      BIGINT NOT NULL,
    PRIMARY KEY (sink, tenant_id)
);
