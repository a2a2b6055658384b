#!/usr/bin/env bash
# The fault matrix: kill -9 at every named step of both legs, servers killed one by one, readers looking on all the
# while; every store restored to every state; and the tests from outside that are too slow for `make test`. Printed as a
# table. Fails when a point fails, or when there are fewer than 40.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$(stack/own-state.sh)
bin="$state/venv/bin"
"$bin/switchyard" stack up
eval "$("$bin/switchyard" stack env)"
"$bin/switchyard" stack data
export SWITCHYARD_FAULT_MATRIX="$state/fault-matrix.jsonl"
rm -f "$SWITCHYARD_FAULT_MATRIX"
run() { # MARKS, then pytest's arguments
    "$bin/python" -m pytest -q --durations=15 --durations-min=10 -m "$1" "${@:2}"
}
# As in test.sh: three workers, the longest files begin; then, alone, what stops servers of the stack.
status=0
run "(fault or kin) and not outage" -n 3 --dist loadfile --no-loadscope-reorder tests/integration tests/blackbox || status=1
run "(fault or kin) and outage" tests/integration tests/blackbox || status=1
points=$(wc -l <"$SWITCHYARD_FAULT_MATRIX")
[ "$status" = 0 ] || { echo "$points points of the fault matrix were right, and something failed: see above" >&2; exit 1; }
echo "$points points of the fault matrix, all green"
[ "$points" -ge 40 ] || { echo "40 are wanted" >&2; exit 1; }
