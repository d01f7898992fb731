-- A sink as it was when its cursors were stored.
CREATE TABLE sink (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    location TEXT NOT NULL
) STRICT;

-- Where a sink that can't keep it itself stands in a tenant's ledger.
CREATE TABLE snapshot_cursor (
    sink TEXT NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT NOT NULL,
    -- The closing that the sink shows.
    as_of INTEGER NOT NULL,
    -- The closing that is, or was last, on its way into the sink; stored before the sink is touched.
    mark INTEGER NOT NULL,
    PRIMARY KEY (sink, tenant_id)
) STRICT, WITHOUT ROWID;
