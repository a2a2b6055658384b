#!/bin/sh
# Ready means that the databases are there and that one of their logins, with its password, gets an answer.
set -eu
test -e "${READY:-/tmp/databases-made}"
pair=${DATABASES%% *}
PGPASSWORD=$(cat "${SECRETS:-/secrets}/${pair#*:}")
export PGPASSWORD PGCONNECT_TIMEOUT=5
database=${pair%%:*}
test "$(psql -qAt -h 127.0.0.1 -p "${PGPORT:-5432}" -U "$database" -d "$database" -c 'select 1')" = 1
