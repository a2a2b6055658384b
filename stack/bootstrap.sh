#!/usr/bin/env bash
# Makes a bare Debian machine ready: programs by apt-get, two Python environments by uv (versions and hashes locked).
# Everything but Debian's packages goes into one state directory. A second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$(stack/own-state.sh)
mkdir -p "$state"
chmod 711 "$state"
printf '%s\n' "$PWD" >"$state/checkout"
export UV_CACHE_DIR="$state/cache/uv" UV_NO_PROGRESS=1 UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never
say() { printf '%-22s %s\n' "$1" "$2" >&2; }

stack/install-prerequisites.sh >&2

exec 9>"$state/bootstrap.lock"
flock 9

uv="$state/uv/bin/uv"
if ! "$uv" --version >/dev/null 2>&1; then
    say uv "installing"
    rm -rf "$state/uv"
    python3 -m venv "$state/uv"
    "$state/uv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
fi

# environment NAME LOCK…: a venv that holds exactly what the locks say; its stamp is their hash
environment() {
    local name=$1 lock=$2 venv="$state/$1" wanted
    wanted=$(cat "$lock" pyproject.toml stack/pyproject.toml cluster/pyproject.toml | sha256sum)
    [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.lock" 2>/dev/null)" = "$wanted" ] && return 0
    say "$name" "installing $(grep -c '^[a-z].*==' "$lock") Python packages from $lock"
    rm -f "$venv/.lock"
    [ -x "$venv/bin/python" ] || "$uv" venv --quiet --python python3 "$venv"
    "$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
    shift 2
    if [ $# -gt 0 ]; then
        "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation "$@"
    fi
    printf '%s\n' "$wanted" >"$venv/.lock"
}

environment venv requirements/dev.txt --editable . --editable stack --editable cluster
environment ingestion requirements/ingestion.txt
say setup "ready in $state"
