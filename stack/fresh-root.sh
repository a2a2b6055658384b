#!/usr/bin/env bash
# README's two commands as a newcomer would type them, in a fresh Debian of another release: a root made by mmdebstrap,
# a clone of the last commit in it, no caches. Needs root, mmdebstrap, some 8 GB and the network; touches nothing else.
#
#   stack/fresh-root.sh trixie                        make demo, then make test
#   stack/fresh-root.sh bookworm make demo            one command of your own
#
# The root stays in $ROOTS/SUITE (default: .switchyard/roots) with its logs; the next run begins with a new one. Nothing
# that was started in it outlives the script: it has process ids of its own.
set -euo pipefail
suite=${1:?which release: bookworm, trixie, …}
shift
[ $# -gt 0 ] || set -- sh -c 'make demo && make test'
here=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
root=${ROOTS:-$here/.switchyard/roots}/$suite
[ "$(id -u)" = 0 ] || { echo "fresh-root: only root may chroot and mount" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "fresh-root: install it first: apt-get install mmdebstrap" >&2; exit 1; }

rm -rf --one-file-system "$root"
mkdir -p "$root"
echo "fresh-root: $suite in $root" >&2
mmdebstrap --quiet --variant=minbase --include=ca-certificates,git,make "$suite" "$root"
# What this machine's network needs: its resolver, and the certificates of a proxy that it trusts.
cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$root" update-ca-certificates >/dev/null 2>&1
git clone --quiet --no-local "$here" "$root/root/switchyard"

run_inside() {
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t proc proc "$root/proc"
    exec env --ignore-environment "$(command -v chroot)" "$root" /usr/bin/env \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        sh -c 'cd /root/switchyard && exec "$@"' sh "$@"
}
export -f run_inside
export root
began=$(date +%s)
status=0
unshare --mount --pid --fork --kill-child bash -euc 'run_inside "$@"' bash "$@" || status=$?
echo "fresh-root: $suite: exit $status after $(($(date +%s) - began)) s" >&2
exit $status
