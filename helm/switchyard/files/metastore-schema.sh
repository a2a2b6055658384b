#!/bin/sh
# Makes the metastore's tables, in one transaction, so that a job that was killed leaves none. Tables that are there
# are left alone: whether they fit is what the metastore looks at when it starts.
set -eu
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD PGCONNECT_TIMEOUT=5
until psql -qAt -c 'select 1' >/dev/null; do
    echo "waiting for database $PGDATABASE at $PGHOST:$PGPORT" >&2
    sleep 3
done
if [ "$(psql -qAt -c "select to_regclass('public.\"VERSION\"') is not null")" = t ]; then
    echo "the metastore's tables are there"
    exit 0
fi
# Lines that begin with a backslash are for a person's psql.
grep -v '^\\' "$SCHEMA_FILE" | psql -q -v ON_ERROR_STOP=1 --single-transaction -f - >/dev/null
echo "the metastore's tables are made"
