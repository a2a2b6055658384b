#!/bin/sh
# Asks until the set and its users are there.
until mongosh --quiet --host 127.0.0.1 --port 27017 --file /scripts/mongodb-users.js; do
    echo "the replica set or its users are not made yet" >&2
    sleep 3
done
touch /tmp/users-made
