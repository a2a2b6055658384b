#!/bin/sh
# Redis without persistence and without replicas: one that restored an old snapshot would lie about what was published
# since. Its configuration is read from standard input, so that no argument and no file holds the password.
set -eu
exec redis-server - <<CONFIG
requirepass "$(cat "${SECRETS:-/secrets}/redis")"
bind ${LISTEN:-* -::*}
port ${PORT:-6379}
dir /tmp
save ""
appendonly no
maxmemory $MAX_MEMORY
maxmemory-policy volatile-lru
CONFIG
