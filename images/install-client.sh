#!/bin/sh
# Installs buildah and mmdebstrap with apt-get where no client that builds images is to be found.
set -eu
for client in ${IMAGES_CLIENT:-docker podman buildah}; do
    if command -v "$client" >/dev/null && { [ "$client" = buildah ] || "$client" info >/dev/null 2>&1; }; then
        exit 0
    fi
done
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "images: none of docker, podman and buildah works here; install one, for example, as root:" >&2
    echo "  apt-get install --no-install-recommends buildah mmdebstrap" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah mmdebstrap >/dev/null
