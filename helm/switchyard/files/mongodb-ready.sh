#!/bin/sh
# Ready means that this member is the primary or a secondary, and that the users are there.
set -eu
test -e /tmp/users-made
mongosh --quiet --host 127.0.0.1 --port 27017 --eval \
    'const hello = db.hello(); quit(hello.isWritablePrimary || hello.secondary ? 0 : 1)'
