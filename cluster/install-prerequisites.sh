#!/bin/sh
# Installs, with apt-get, the programs that the bench needs and that no Python or Go registry carries: containerd, runc,
# the CNI plugins, nftables, iproute2, util-linux; to make images, buildah and mmdebstrap; a Go compiler. Only what is
# missing; says what. Needs root, as the bench itself does.
set -eu

[ "$(id -u)" = 0 ] || { echo "prerequisites of the bench: only root can run a kubelet; run this as root" >&2; exit 1; }
missing=""
want() { # want PACKAGE TEST…: adds the package when the test fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
# Any Go from 1.21 on fetches, from the module proxy, the release that a go.mod asks for.
has_go() { go version | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])|go[2-9]'; }

want containerd command -v containerd
want runc command -v runc
want containernetworking-plugins test -x /usr/lib/cni/ptp
want nftables command -v nft
want iproute2 command -v ip
want util-linux command -v unshare
want buildah command -v buildah
want mmdebstrap command -v mmdebstrap
want golang has_go

if [ -z "$missing" ]; then
    echo "prerequisites of the bench: nothing is missing"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "prerequisites of the bench: missing, by their Debian names:$missing; there is no apt-get here, so install them by hand" >&2
    exit 1
fi
apt-get update -qq
case "$missing" in
*" golang"*) # Debian 12's own Go is 1.19; backports and later releases have one that is new enough
    for version in 1.26 1.25 1.24 1.23 1.22 1.21; do
        [ -z "$(apt-cache madison golang-$version-go)" ] || break
    done
    if [ -z "$(apt-cache madison golang-$version-go)" ]; then
        echo "prerequisites of the bench: a Go compiler of 1.21 or later is missing, and Debian's is older: install one by hand" >&2
        exit 1
    fi
    missing=$(echo "$missing" | sed "s/ golang/ golang-$version-go/")
    ;;
esac
echo "prerequisites of the bench: installing with apt-get:$missing"
# shellcheck disable=SC2086  (a list of packages)
env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
echo "prerequisites of the bench: installed:$missing"
