#!/usr/bin/env bash
# Checks, then every test, on real servers: one stack for the run, with Airflow's servers; it stays up afterwards.
# Arguments go to pytest. KEEP=0 stops the stack at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="${SWITCHYARD_STATE:-$PWD/.switchyard}/venv/bin"
"$bin/ruff" check .
"$bin/ruff" format --check --quiet .
"$bin/mypy"
(cd stack && "$bin/mypy" switchyard_stack)
"$bin/lint-imports" >/dev/null
"$bin/switchyard" docs --check >/dev/null
"$bin/switchyard" stack up --airflow
[ "${KEEP:-1}" = 1 ] || trap '"$bin/switchyard" stack down' EXIT
eval "$("$bin/switchyard" stack env)"
"$bin/switchyard" stack data
if [ $# -gt 0 ]; then
    exec "$bin/python" -m pytest "$@"
fi
# Two workers; the tests of a file share flows and stacks, so a file stays on one worker.
"$bin/python" -m pytest -n 2 --dist loadfile -m "not outage and not kin"
# Then, alone, those that kill the stack's servers.
"$bin/python" -m pytest -m outage
