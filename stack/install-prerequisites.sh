#!/bin/sh
# Installs, with apt-get, the programs that the stack and the project need and that no Python or Maven
# registry carries: a JDK 17 or 21, Maven, PostgreSQL, Redis, Python's venv, make; for tests PgBouncer. Only what
# is missing; says what.
set -eu

missing=""
want() { # want PACKAGE TEST…: adds the package when the test fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
has_jdk() { ls /usr/lib/jvm/*17*/bin/javac || ls /usr/lib/jvm/*21*/bin/javac; }
has_initdb() { ls /usr/lib/postgresql/*/bin/initdb || command -v initdb; }
has_pgbouncer() { ls /usr/sbin/pgbouncer || command -v pgbouncer; }
has_venv() { python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))'; }

want jdk has_jdk
want maven command -v mvn
want postgresql has_initdb
want pgbouncer has_pgbouncer
want redis-server command -v redis-server
want util-linux command -v setpriv
want python3-venv has_venv
want make command -v make

if [ -z "$missing" ]; then
    echo "prerequisites: nothing is missing"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "prerequisites: missing, by their Debian names (jdk: openjdk-17-jdk-headless or openjdk-21-jdk-headless):$missing; there is no apt-get here, so install them by hand" >&2
    exit 1
fi
root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "prerequisites: as root, install:$missing" >&2; exit 1; }
    root="sudo"
fi

$root apt-get update -qq
case "$missing" in
*" jdk"*) # Debian 12 has 17, Debian 13 has 21
    jdk=openjdk-17-jdk-headless
    [ -n "$(apt-cache madison $jdk)" ] || jdk=openjdk-21-jdk-headless
    missing=$(echo "$missing" | sed "s/ jdk/ $jdk/")
    ;;
esac
echo "prerequisites: installing with apt-get:$missing"
echo "prerequisites: (Debian may start its own PostgreSQL, PgBouncer and Redis on their usual ports; the stack uses none of them)"
# shellcheck disable=SC2086  (a list of packages)
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
echo "prerequisites: installed:$missing"
