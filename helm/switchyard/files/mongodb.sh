#!/bin/sh
# A member of a replica set with authentication. The first member makes the set and its users, from inside.
set -eu
# mongod refuses a key file that others may read, and a mounted Secret is readable by the group.
umask 077
mkdir -p /data/db
cp /secrets/mongodbKeyfile /tmp/keyfile
chmod 400 /tmp/keyfile
rm -f /tmp/users-made
case $HOSTNAME in
*-0) sh /scripts/mongodb-users.sh & ;;
*) touch /tmp/users-made ;;
esac
exec mongod --dbpath /data/db --port 27017 --bind_ip_all --unixSocketPrefix /tmp --replSet "$REPLICA_SET" \
    --keyFile /tmp/keyfile --wiredTigerCacheSizeGB "$CACHE_GB"
