-- Which exporter delivers to a sink: one for each tenant of it, or one for the sink as a whole (tenant_id '*').
CREATE TABLE sink_lease (
    sink TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    holder TEXT NOT NULL,
    -- Microseconds since 1970 by the clock of the database.
    until BIGINT NOT NULL,
    PRIMARY KEY (sink, tenant_id)
);
