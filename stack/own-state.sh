#!/usr/bin/env bash
# Prints the state directory of this checkout. Fails if it belongs to another one: a shell that ran `stack env` there hands
# its SWITCHYARD_STATE on, and a command here would start, stop or delete that one's servers.
set -euo pipefail
cd "$(dirname "$0")/.."
state=${SWITCHYARD_STATE:-$PWD/.switchyard}
above=$(cd "$state/.." 2>/dev/null && pwd -P || true)
if [ "$above" != "$(pwd -P)" ]; then
    owner=$(cat "$state/checkout" 2>/dev/null || true)
    # a state of an earlier release has no such file
    [ -n "$owner" ] || { [ ! -x "$above/stack/bootstrap.sh" ] || owner=$above; }
    if [ -d "$owner" ] && [ ! "$owner" -ef . ]; then
        echo "error: the state directory $state belongs to the checkout $owner, and this is $PWD" >&2
        echo "  → unset SWITCHYARD_STATE, or run the command in $owner; to give the state to this checkout, stop its stack" \
            "there and remove $state/checkout" >&2
        exit 1
    fi
fi
printf '%s\n' "$state"
