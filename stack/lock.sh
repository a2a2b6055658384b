#!/usr/bin/env bash
# Resolves every requirements/*.in into a lock with versions and hashes, for any Python from 3.11 on.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-${SWITCHYARD_STATE:-.switchyard}/uv/bin/uv}
lock() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@"
}
lock requirements.in -o requirements.txt
lock requirements/dev.in -c requirements.txt -o requirements/dev.txt
lock requirements/uv.in -o requirements/uv.txt
lock requirements/ingestion.in --override requirements/ingestion-overrides.txt -o requirements/ingestion.txt
# The parts, for images: the same versions as the whole.
lock requirements/core.in -c requirements.txt -o requirements/core.txt
lock requirements/core.in requirements/steps.in -c requirements.txt -o requirements/steps.txt
lock requirements/core.in requirements/airflow.in -c requirements.txt -o requirements/airflow.txt
lock requirements/build.in -c requirements/dev.txt -o requirements/build.txt
lock requirements/sbom.in -o requirements/sbom.txt
