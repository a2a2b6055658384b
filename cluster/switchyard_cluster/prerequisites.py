"""What the bench needs of its machine: root, and a handful of Debian's programs. Found, never installed, here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from switchyard_stack.errors import MissingPrograms, StackError

_PROGRAMS = {  # program → Debian's package
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "go": "golang 1.21 or later",
}
_CNI_PLUGIN = Path("/usr/lib/cni/ptp")


def require_prerequisites() -> None:
    """Raise an error that names all that is missing at once."""
    if os.geteuid() != 0:
        raise StackError(
            "the bench needs root: it makes namespaces, mounts and control groups",
            cure="run it as root, or set KUBECONFIG to a cluster that you have: make test-cluster uses that one",
        )
    missing = {package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    if not _CNI_PLUGIN.exists():
        missing.add("containernetworking-plugins")
    if missing:
        raise MissingPrograms(
            "missing on this machine, by their Debian names: " + ", ".join(sorted(missing)),
            cure="cluster/install-prerequisites.sh installs them with apt-get",
        )
