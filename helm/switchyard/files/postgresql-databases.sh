#!/bin/sh
# Makes the databases and their roles that are missing, and sets the roles' passwords. DATABASES: pairs of a database
# (its role has the same name) and the file of its password, as in "ledger:ledger powergrid:source". SOURCE: the database that flows read, or nothing.
set -eu
secrets=${SECRETS:-/secrets}
PGPASSWORD=$(cat "$secrets/postgres")
export PGPASSWORD PGHOST=127.0.0.1 PGPORT="${PGPORT:-5432}" PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=5
export SOURCE="${SOURCE:-}"
until psql -qAt -c 'select 1' >/dev/null 2>&1; do
    sleep 1
done
make_database() {
    DATABASE=$1 PASSWORD=$(cat "$secrets/$2") psql -qAt -v ON_ERROR_STOP=1 <<'SQL'
\getenv database DATABASE
\getenv password PASSWORD
-- The server's log shows no statement of this session, so that it shows no password.
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';
select format('create role %I login', :'database')
 where not exists (select from pg_roles where rolname = :'database') \gexec
select format('alter role %I password %L', :'database', :'password') \gexec
select format('create database %I owner %I', :'database', :'database')
 where not exists (select from pg_database where datname = :'database') \gexec
-- A source's login sees when the oldest open transaction of anybody began.
\getenv source SOURCE
select format('grant pg_read_all_stats to %I', :'database') where :'database' = :'source' \gexec
SQL
}
for pair in $DATABASES; do
    until make_database "${pair%%:*}" "${pair#*:}"; do
        echo "database ${pair%%:*} is not made yet" >&2
        sleep 5
    done
done
touch "${READY:-/tmp/databases-made}"
