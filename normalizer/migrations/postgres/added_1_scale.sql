-- When a page or a seal came, in microseconds since 1970.
ALTER TABLE inbox_page ADD COLUMN came BIGINT NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
ALTER TABLE inbox_seal ADD COLUMN came BIGINT NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- What an autoscaler may know, and nothing else: its role may connect, and use no other schema.
CREATE SCHEMA scale;
GRANT USAGE ON SCHEMA scale TO PUBLIC;
-- How long the oldest sealed run waits to be applied; 0 where none does. Pages without a seal wait for the collector, and pages
-- that nobody has taken are in the queue.
CREATE VIEW scale.waiting AS
    SELECT COALESCE(max((extract(epoch FROM clock_timestamp()) * 1000000)::bigint - came), 0)::bigint / 1000000 AS seconds
    FROM public.inbox_seal;
GRANT SELECT ON scale.waiting TO PUBLIC;
