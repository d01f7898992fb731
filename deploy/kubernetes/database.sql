-- For psql, as an administrator: a service's database and its two roles, as libs/runtime/src/db/roles.sql and grants.sql have
-- them. Before it:
-- \set service collector
-- \set password '…'
-- \set owner_password '…'
\set ON_ERROR_STOP on
\set database leastwise_ :service
\set runtime leastwise_ :service
\set owner leastwise_ :service _owner
CREATE ROLE :owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
CREATE ROLE :runtime LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
ALTER ROLE :owner PASSWORD :'owner_password';
ALTER ROLE :runtime PASSWORD :'password';
CREATE DATABASE :database OWNER :owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :database FROM PUBLIC;
GRANT CONNECT ON DATABASE :database TO :runtime;
GRANT CONNECT ON DATABASE :database TO leastwise_scaler;
\connect :database
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO :owner;
GRANT USAGE ON SCHEMA public TO :runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE :owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :runtime;
