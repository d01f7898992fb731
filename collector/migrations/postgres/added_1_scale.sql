-- What an autoscaler may know, and nothing else: its role may connect, and use no other schema.
CREATE SCHEMA scale;
GRANT USAGE ON SCHEMA scale TO PUBLIC;
-- Tenants with work: those that are due, and those that somebody works for. Without the latter replicas would be taken away
-- from what they are at.
CREATE VIEW scale.due AS
    SELECT count(*)::bigint AS tenants FROM (
        SELECT tenant FROM public.dataset
            WHERE wake_at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
            AND tenant NOT IN (SELECT tenant FROM public.pause)
        UNION
        SELECT tenant FROM public.lease WHERE until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    ) AS working;
GRANT SELECT ON scale.due TO PUBLIC;
