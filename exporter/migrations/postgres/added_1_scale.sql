-- Of how many tenants each sink lacks something, as each exporter saw it last.
CREATE TABLE sink_behind (
    sink    TEXT COLLATE "C" NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
    holder  TEXT NOT NULL,
    tenants BIGINT NOT NULL,
    -- Microseconds since 1970 by the clock of the database.
    at      BIGINT NOT NULL,
    PRIMARY KEY (sink, holder)
);

-- What an autoscaler may know, and nothing else: its role may connect, and use no other schema.
CREATE SCHEMA scale;
GRANT USAGE ON SCHEMA scale TO PUBLIC;
-- Pairs of sink and tenant that lag, as whoever sees most of a sink sees it. What nobody has seen for five minutes is a sink that
-- is no more.
CREATE VIEW scale.lagging AS
    SELECT COALESCE(sum(tenants), 0)::bigint AS pairs FROM (
        SELECT max(tenants) AS tenants FROM public.sink_behind
            WHERE at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 300000000
            GROUP BY sink
    ) AS behind;
GRANT SELECT ON scale.lagging TO PUBLIC;
