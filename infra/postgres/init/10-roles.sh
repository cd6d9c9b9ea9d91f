#!/bin/bash
# Runs once, when the data folder is new: the roles, the database, and the function with which PgBouncer checks passwords.
# Each password is in its secret; a role without a secret is not created, except the roles that the stack requires.
#   reference_password           owner of the database `reference`, the login of the migrations; not a superuser
#   reference_api_password       the login of the APIs, which may read and write the rows (the migrations grant it), no more
#   pgbouncer_password           may run one function: the lookup of a login's scram secret
#   postgres_exporter_password   reads statistics, nothing else (optional)
#   replicator_password          streams to a replica (optional)
set -euo pipefail

secrets=${POSTGRES_SECRETS:-/run/secrets}
# Passed in the environment of psql (\getenv), because every process of the container can read arguments.
secret() { if [[ -r $secrets/$1 ]]; then printf %s "$(<"$secrets/$1")"; fi; }
sql() { psql --set ON_ERROR_STOP=1 --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" "$@"; }
role() { # NAME SECRET OPTIONS: a role that may log in with the password of that secret
  PASSWORD=$(secret "$2") sql --dbname postgres --set "role=$1" <<SQL
\\getenv password PASSWORD
-- Keeps passwords out of the log, even if a statement fails.
SET log_min_error_statement = panic;
SELECT set_config('log_min_duration_statement', '-1', false) \\g /dev/null
CREATE ROLE :"role" LOGIN $3 PASSWORD :'password';
SQL
}
needed() {
  [[ -r $secrets/$1 ]] || {
    echo "$0: there is no secret $1" >&2
    exit 78
  }
}

needed reference_password
needed reference_api_password
needed pgbouncer_password
role reference reference_password ''
role reference_api reference_api_password ''
role pgbouncer pgbouncer_password "CONNECTION LIMIT 10"

sql --dbname postgres <<'SQL'
CREATE DATABASE reference OWNER reference;
-- Other roles cannot connect to it.
REVOKE CONNECT, TEMPORARY ON DATABASE reference FROM PUBLIC;
GRANT CONNECT ON DATABASE reference TO pgbouncer, reference_api;
GRANT pg_read_all_stats TO reference;
-- Only a superuser may create it; later databases copy it from template1.
\c template1
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
\c postgres
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
\c reference
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
-- The time limits of `reference` are set on the role by the migrations
-- (packages/database/src/migrate.ts), so that local-stack and every other server have them too.
ALTER ROLE pgbouncer SET statement_timeout = '5s';

CREATE SCHEMA pgbouncer;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;
-- Excludes superusers and replication roles, which must not use a pool.
CREATE FUNCTION pgbouncer.get_auth(login text, OUT usename name, OUT passwd text)
  RETURNS SETOF record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  BEGIN ATOMIC
    SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid
    WHERE rolname = login AND rolcanlogin AND NOT rolsuper AND NOT rolreplication;
  END;
REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO pgbouncer;
SQL

if [[ -r $secrets/postgres_exporter_password ]]; then
  role exporter postgres_exporter_password "CONNECTION LIMIT 5"
  sql --dbname reference <<'SQL'
GRANT pg_monitor TO exporter;
GRANT CONNECT ON DATABASE reference TO exporter;
-- A hanging scrape must neither hold a snapshot nor accumulate.
ALTER ROLE exporter SET statement_timeout = '10s';
SQL
fi

if [[ -r $secrets/replicator_password ]]; then
  role replicator replicator_password "REPLICATION"
fi
