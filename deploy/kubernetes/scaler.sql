-- The role by which KEDA sees what waits. It may connect to the services' databases, and read one view of each.
-- \set password '…'
\set ON_ERROR_STOP on
CREATE ROLE leastwise_scaler LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 20 PASSWORD :'password';
