#!/usr/bin/env bash
# Everything, on real servers: one stack for the run, left as it was found.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="${SWITCHYARD_STATE:-$PWD/.switchyard}/venv/bin"
"$bin/ruff" check . && "$bin/ruff" format --check . && "$bin/mypy" && "$bin/lint-imports"
"$bin/switchyard" stack up --airflow
eval "$("$bin/switchyard" stack env)"
"$bin/switchyard" stack data
"$bin/python" -m pytest "$@"
