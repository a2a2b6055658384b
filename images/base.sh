#!/usr/bin/env bash
# base.sh IMAGE: makes debian:bookworm-slim of Debian's packages, for buildah, where no registry has it. As root; needs
# mmdebstrap. Like the original it leaves out manuals, documentation and translations.
set -euo pipefail
image=$1
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
left_out=()
for path in man doc locale info groff lintian linda; do
    left_out+=(--dpkgopt="path-exclude=/usr/share/$path/*")
done
mmdebstrap --quiet --variant=minbase "${left_out[@]}" --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/*/* "$1"/var/log/*' bookworm "$directory/base.tar"
printf 'FROM scratch\nADD base.tar /\nCMD ["bash"]\n' >"$directory/Dockerfile"
buildah build --quiet --tag "$image" "$directory" >/dev/null
