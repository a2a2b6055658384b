#!/bin/sh
# trusted.sh COMMAND…: runs it with the build secrets, where there are any. They are mounted, and no layer keeps them.
#   ca      certificates (PEM) to trust besides, or instead of, Debian's
#   pip     pip.conf      uv  uv.toml      maven  settings.xml: indexes and their credentials
set -eu
secrets=/run/secrets
if [ -e $secrets/ca ]; then
    export SSL_CERT_FILE=$secrets/ca PIP_CERT=$secrets/ca
    if command -v java >/dev/null; then
        java "$(dirname "$0")/TrustStore.java" $secrets/ca /tmp/trust.p12
        export MAVEN_OPTS="${MAVEN_OPTS:-} -Djavax.net.ssl.trustStore=/tmp/trust.p12 -Djavax.net.ssl.trustStorePassword=trusted"
    fi
fi
[ ! -e $secrets/pip ] || export PIP_CONFIG_FILE=$secrets/pip
[ ! -e $secrets/uv ] || export UV_CONFIG_FILE=$secrets/uv
[ ! -e $secrets/maven ] || export MAVEN_ARGS="--settings $secrets/maven"
status=0
"$@" || status=$?
rm -f /tmp/trust.p12
exit $status
