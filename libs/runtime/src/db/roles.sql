-- Executed by an administrator in the database `postgres`; :owner, :runtime and :database are names.
-- Passwords are set separately, or certificates used instead.
CREATE ROLE :owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
CREATE ROLE :runtime LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
CREATE DATABASE :database OWNER :owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :database FROM PUBLIC;
GRANT CONNECT ON DATABASE :database TO :runtime;
