#!/bin/sh
# Ready means that a value is kept: SET and GET, with the password from its file.
set -eu
REDISCLI_AUTH=$(cat "${SECRETS:-/secrets}/redis")
export REDISCLI_AUTH
key="switchyard:ready:$HOSTNAME"
redis-cli -p "${PORT:-6379}" set "$key" 1 ex 60 >/dev/null
test "$(redis-cli -p "${PORT:-6379}" get "$key")" = 1
