#!/bin/sh
# Waits for the metastore's tables, which a job makes.
set -eu
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD PGCONNECT_TIMEOUT=5
until [ "$(psql -qAt -c "select to_regclass('public.\"VERSION\"') is not null")" = t ]; do
    echo "waiting for the metastore's tables in $PGDATABASE at $PGHOST:$PGPORT" >&2
    sleep 3
done
