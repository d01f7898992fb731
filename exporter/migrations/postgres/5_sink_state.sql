-- What a sink behind HTTP that is replaced as a whole has to remember of a tenant: what stands there and what is on its way.
CREATE TABLE sink_state (
    sink TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    tenant_id TEXT COLLATE "C" NOT NULL,
    -- JSON, of a form of the sink's own.
    state TEXT NOT NULL,
    PRIMARY KEY (sink, tenant_id)
);
