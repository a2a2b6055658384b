#!/usr/bin/env bash
# Checks, then every test, on real servers: one stack for the run, with Airflow's servers; it stays up afterwards.
# Arguments go to pytest. KEEP=0 stops the stack at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$(stack/own-state.sh)
bin="$state/venv/bin"
"$bin/ruff" check .
"$bin/ruff" format --check --quiet .
"$bin/mypy"
(cd stack && "$bin/mypy" switchyard_stack)
(cd cluster && MYPYPATH=../stack "$bin/mypy" switchyard_cluster)
"$bin/lint-imports" >/dev/null
"$bin/switchyard" docs --check >/dev/null
"$bin/switchyard" stack up --airflow
case "${KEEP:-1}" in
1 | true | yes | on) ;;
0 | false | no | off) trap '"$bin/switchyard" stack down' EXIT ;;
*) echo "KEEP is '$KEEP': 1 or 0" >&2 && exit 2 ;;
esac
eval "$("$bin/switchyard" stack env)"
"$bin/switchyard" stack data
if [ $# -gt 0 ]; then
    case "$*" in *tests/helm* | tests) stack/helm-tools.sh ;; esac
    exec "$bin/python" -m pytest "$@"
fi
# What each test took is printed, slowest first, and kept: $state/tests/*.xml
mkdir -p "$state/tests"
run() { # NAME, then pytest's arguments
    "$bin/python" -m pytest --durations=25 --durations-min=1 --junitxml="$state/tests/$1.xml" "${@:2}"
}
# What needs no servers; the chart's tests need helm.
stack/helm-tools.sh
run unit -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term \
    tests/unit tests/dags tests/golden tests/helm tests/behaviours/test_connection_sources.py
# Three workers on two cores, since a test waits for servers much of its time. The tests of a file share flows and
# stacks, so a file stays on one worker; the longest files begin (tests/durations.json).
run servers -n 3 --dist loadfile --no-loadscope-reorder -m "not outage and not kin" \
    --ignore=tests/behaviours/test_connection_sources.py tests/integration tests/blackbox tests/behaviours
# Then, alone, those that kill the stack's servers.
run outages -m "outage and not kin" tests/integration
