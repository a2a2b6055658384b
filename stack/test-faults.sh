#!/usr/bin/env bash
# The fault matrix: kill -9 at every named step of both legs, servers killed one by one, readers looking on all the
# while; printed as a table. Fails when a point fails, or when there are fewer than 40. Then the tests from outside that
# are too slow for `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
state=${SWITCHYARD_STATE:-$PWD/.switchyard}
bin="$state/venv/bin"
"$bin/switchyard" stack up
eval "$("$bin/switchyard" stack env)"
export SWITCHYARD_FAULT_MATRIX="$state/fault-matrix.jsonl"
rm -f "$SWITCHYARD_FAULT_MATRIX"
"$bin/python" -m pytest -q -m "fault or kin" tests/integration tests/blackbox
points=$(wc -l <"$SWITCHYARD_FAULT_MATRIX")
echo "$points points of the fault matrix, all green"
[ "$points" -ge 40 ] || { echo "40 are wanted" >&2; exit 1; }
