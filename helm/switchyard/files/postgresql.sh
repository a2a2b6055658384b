#!/bin/sh
# Makes the cluster once, beside its final place, so that an initdb that was killed is begun again; then serves it.
# The databases are made from inside, at each start: what is there is left alone.
set -eu
cluster=${DATA:-/data}/cluster
scripts=${SCRIPTS:-/scripts}
if [ ! -e "$cluster" ]; then
    rm -rf "$cluster.new"
    initdb -D "$cluster.new" -U postgres --pwfile="${SECRETS:-/secrets}/postgres" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-instructions
    echo 'host all all all scram-sha-256' >>"$cluster.new/pg_hba.conf"
    mv "$cluster.new" "$cluster"
fi
rm -f "${READY:-/tmp/databases-made}"
sh "$scripts/postgresql-databases.sh" &
exec postgres -D "$cluster" -c "listen_addresses=${LISTEN:-*}" -c "port=${PGPORT:-5432}" \
    -c unix_socket_directories="${SOCKETS:-/tmp}" -c password_encryption=scram-sha-256 \
    -c max_connections=200 -c timezone=UTC -c log_timezone=UTC -c lc_messages=C
