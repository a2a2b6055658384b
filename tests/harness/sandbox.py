"""Runs a command in an image's files as a pod of Pod Security's level `restricted` with a read-only root would."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Namespaces of its own for mounts, processes and hostname; the root file system read-only, /tmp empty and writable, the
# mounts given; then the image's user without any capability or way to new ones.
_SCRIPT = """
set -eu
root=$1 user=$2 count=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for file in /etc/resolv.conf /etc/hosts; do
    [ -e "$root$file" ] && mount --bind "$file" "$root$file"
done
while [ "$count" -gt 0 ]; do
    mkdir -p "$root/tmp/mounted/${1##*/}"
    mount --bind "$1" "$root/tmp/mounted/${1##*/}"
    shift
    count=$((count - 1))
done
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid="$user" --regid=0 --clear-groups \\
    --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""
_SECONDS = 240


def run_as_pod(
    root: Path, command: Sequence[str], environment: Mapping[str, str], user: int, mounts: Sequence[Path]
) -> subprocess.CompletedProcess[str]:
    """Run it; what it printed on both outputs is `stdout`. `mounts` appear below /tmp/mounted by their last name."""
    assignments = [f"{name}={value}" for name, value in environment.items()]
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _SCRIPT, "sh", str(root), str(user)]
    words += [str(len(mounts)), *map(str, mounts), "/usr/bin/env", "-i", *assignments, *command]
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_SECONDS)
